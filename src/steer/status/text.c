/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of a run for people. Whatever is unknown is left out. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "steer/status/internal.h"

#define LABEL 12 /* columns of the words on the left */
#define BAR 24   /* columns of the progress bar */
#define LINE 512 /* bytes of a line before it is cut */
#define JOIN " · "

/* One line under way: parts with a separator between them. */
struct line {
    char text[LINE];
    size_t used;
    bool begun; /* a part was added */
};

static void add(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *l, const char *fmt, ...)
{
    va_list list;
    if (l->begun)
        l->used += (size_t)snprintf(l->text + l->used, sizeof l->text - l->used, JOIN);
    l->begun = true;
    va_start(list, fmt);
    const int n = vsnprintf(l->text + l->used, sizeof l->text - l->used, fmt, list);
    va_end(list);
    l->used += n > 0 ? (size_t)n : 0;
    if (l->used > sizeof l->text - 64) /* no line of ours comes near */
        l->used = sizeof l->text - 64;
}

static struct line label(const char *word)
{
    struct line l = {.used = 0};
    l.used = (size_t)snprintf(l.text, sizeof l.text, " %-*s", LABEL, word);
    return l;
}

/* Bytes of the first `columns` letters (each letter taken as one column). */
static size_t bytes_of(const char *text, int columns)
{
    size_t n = 0;
    for (; text[n]; n++)
        if (((unsigned char)text[n] & 0xc0) != 0x80 && --columns < 0)
            break;
    return n;
}

/* One line, cut to `width` columns. */
static int put(struct cox_str *out, const char *text, int width)
{
    const size_t n = bytes_of(text, width);
    const bool cut = text[n] != '\0' && width > 1;
    cox_str_addn(out, text, cut ? bytes_of(text, width - 1) : n);
    cox_str_add(out, cut ? "…\n" : "\n");
    return 1;
}

/* Ends the line; where it is too long it goes on below, between two parts. */
static int end(struct cox_str *out, const struct line *l, int width)
{
    char rest[LINE];
    int lines = 0;
    if (!l->begun)
        return 0;
    snprintf(rest, sizeof rest, "%s", l->text);
    for (;;) {
        const size_t fits = bytes_of(rest, width);
        size_t at = fits;
        while (rest[fits] && at > 0 && strncmp(rest + at, JOIN, strlen(JOIN)) != 0)
            at--;
        if (!rest[fits] || !at || width < 2 * LABEL)
            return lines + put(out, rest, width);
        char below[LINE];
        snprintf(below, sizeof below, " %*s%s", LABEL, "", rest + at + strlen(JOIN));
        rest[at] = '\0';
        lines += put(out, rest, width);
        snprintf(rest, sizeof rest, "%s", below);
    }
}

/* "rmsd 1.83 Å" */
static void best_text(char *text, size_t size, const struct cox_run_status *s)
{
    const size_t n = strlen(s->best_name);
    if (isnan(s->best))
        text[0] = '\0';
    else if (n > 2 && !strcmp(s->best_name + n - 2, "_A"))
        snprintf(text, size, "%.*s %.2f Å", (int)n - 2, s->best_name, s->best);
    else
        snprintf(text, size, "%s %.3g", s->best_name, s->best);
}

static void bytes_text(char *text, size_t size, double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    int u = 0;
    for (; u < 4 && bytes >= 1000; u++)
        bytes /= 1000;
    snprintf(text, size, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
}

static void bar(struct line *l, const struct cox_run_status *s)
{
    char elapsed[32], eta[32];
    const double done = s->done >= 0 && s->done <= 1 ? s->done : s->done > 1 ? 1 : NAN;
    l->used = (size_t)snprintf(l->text, sizeof l->text, " ");
    for (int i = 0; !isnan(done) && i < BAR; i++)
        l->used += (size_t)snprintf(l->text + l->used, sizeof l->text - l->used, "%s",
                                    i < (int)lround(done * BAR) ? "█" : "░");
    if (!isnan(done))
        l->used += (size_t)snprintf(l->text + l->used, sizeof l->text - l->used, " %3.0f %%  ",
                                    100 * done);
    cox_clock_human(s->elapsed_s, elapsed, sizeof elapsed);
    cox_clock_human(s->eta_s, eta, sizeof eta);
    if (!isnan(s->elapsed_s))
        add(l, "%s so far", elapsed);
    if (!isnan(s->eta_s) && !cox_run_status_over(s))
        add(l, "at most %s to go", eta);
}

static int head(struct cox_str *out, const struct cox_run_status *s, int width)
{
    struct line l = {.used = 0}, b = {.used = 0};
    int lines = 0;
    add(&l, "%s", s->title[0] ? s->title : "a run");
    if (s->coordination[0])
        add(&l, "%s%s%s", s->coordination, s->executor[0] ? ", " : "", s->executor);
    add(&l, "%s", cox_run_status_state_name(s->state));
    if (s->state == COX_STATUS_DEAD)
        add(&l, "no process is at work; 'cox resume' goes on");
    else if (s->text[0] && strcmp(s->text, cox_run_status_state_name(s->state)) != 0)
        add(&l, "%s", s->text);
    lines += end(out, &l, width);
    bar(&b, s);
    return lines + end(out, &b, width);
}

static int progress(struct cox_str *out, const struct cox_run_status *s, int width)
{
    struct line l = label("simulated");
    if (!isnan(s->ns) && s->target_ns > 0)
        add(&l, "%.1f of %.1f ns", s->ns, s->target_ns);
    else if (!isnan(s->ns))
        add(&l, "%.1f ns", s->ns);
    if (s->ns_per_day > 0)
        add(&l, "%.0f ns/day", s->ns_per_day);
    if (s->lanes > 0)
        add(&l, "%d replicas", s->lanes);
    const bool streaming = !strcmp(s->coordination, "streaming");
    const char *word = streaming ? "generation" : "round";
    if (s->generation >= 0 && cox_run_status_over(s))
        add(&l, "%d %s%s", s->generation, word, s->generation == 1 ? "" : "s");
    else if (s->generation >= 0 && s->generation_last > s->generation)
        add(&l, "%s %d to %d", word, s->generation + 1, s->generation_last + 1);
    else if (s->generation >= 0)
        add(&l, "%s %d", word, s->generation + 1);
    if (s->segments >= 0)
        add(&l, "%lld segments", (long long)s->segments);
    if (s->segments_per_hour > 0)
        add(&l, "%.0f an hour", s->segments_per_hour);
    return end(out, &l, width);
}

static int stream(struct cox_str *out, const struct cox_run_status *s, int width)
{
    struct line l = label("stream");
    if (s->frames >= 0)
        add(&l, "%lld frames stored", (long long)s->frames);
    if (!isnan(s->frames_per_s))
        add(&l, "%.1f a second", s->frames_per_s);
    if (!isnan(s->megabytes_per_s))
        add(&l, "%.2f MB/s", s->megabytes_per_s);
    if (s->unacknowledged >= 0)
        add(&l, "%lld unacknowledged", (long long)s->unacknowledged);
    if (!isnan(s->stream_share))
        add(&l, "%.2f %% of simulation time", 100 * s->stream_share);
    return end(out, &l, width);
}

static int search(struct cox_str *out, const struct cox_run_status *s, int width)
{
    struct line l = label("model"), r = label("reached");
    char best[96];
    if (s->models > 0)
        add(&l, "%d published", s->models);
    if (s->models > 0 && s->model >= 0)
        add(&l, "newest %d", s->model);
    if (!isnan(s->train_loss))
        add(&l, "loss %.2f (validation %.2f)", s->train_loss, s->valid_loss);
    if (s->outliers >= 0)
        add(&l, "%d outliers", s->outliers);
    if (s->pending_starts >= 0)
        add(&l, "%d starts waiting", s->pending_starts);
    best_text(best, sizeof best, s);
    if (best[0])
        add(&r, "best %s", best);
    if (!isnan(s->first_hit_ns))
        add(&r, "first on target after %.1f ns", s->first_hit_ns);
    if (s->arrived > 0)
        add(&r, "%d of %d on target", s->arrived, s->lanes);
    if (s->states > 0)
        add(&r, "%d states seen", s->states);
    return end(out, &l, width) + end(out, &r, width);
}

static int failures(struct cox_str *out, const struct cox_run_status *s, int width)
{
    struct line l = label("failures");
    if (s->restarts > 0)
        add(&l, "%d restart%s of a process", s->restarts, s->restarts > 1 ? "s" : "");
    if (s->poisoned > 0)
        add(&l, "%d start%s set aside", s->poisoned, s->poisoned > 1 ? "s" : "");
    if (s->blown > 0)
        add(&l, "%d segment%s blew up", s->blown, s->blown > 1 ? "s" : "");
    if (s->lost > 0)
        add(&l, "%d segment%s lost", s->lost, s->lost > 1 ? "s" : "");
    return end(out, &l, width);
}

/* ---- the processes ---- */

static void add_figures(struct line *l, const struct cox_run_status_task *t)
{
    char size[32];
    if (!isnan(t->ns_per_day))
        add(l, "%.0f ns/day", t->ns_per_day);
    if (!isnan(t->ns))
        add(l, "%.2f ns", t->ns);
    if (t->sent >= 0 && t->acked >= 0)
        add(l, "%lld frames, %lld unacknowledged", (long long)t->sent,
            (long long)(t->sent - t->acked));
    if (!isnan(t->stream_share))
        add(l, "stream %.2f %%", 100 * t->stream_share);
    if (t->blocked_s >= 0.05)
        add(l, "blocked %.1f s", t->blocked_s);
    if (t->stored >= 0)
        add(l, "%lld frames", (long long)t->stored);
    if (t->bytes >= 0) {
        bytes_text(size, sizeof size, (double)t->bytes);
        add(l, "%s", size);
    }
    if (t->waiting >= 0)
        add(l, "%lld waiting", (long long)t->waiting);
    if (t->model >= 0)
        add(l, "model %d", t->model);
    if (!isnan(t->loss))
        add(l, "loss %.2f", t->loss);
    if (t->samples >= 0)
        add(l, "%lld samples", (long long)t->samples);
    if (!isnan(t->lag))
        add(l, "lag %.2f", t->lag);
    if (t->embedded >= 0)
        add(l, "%lld embedded", (long long)t->embedded);
    if (t->window >= 0)
        add(l, "window %lld", (long long)t->window);
    if (t->reason[0])
        add(l, "last ended: %s", t->reason);
}

static int task_line(struct cox_str *out, const struct cox_run_status_task *t, int width)
{
    struct line l = {.used = 0};
    char cores[16] = "shared", heard[24] = "", epoch[24] = "", restarts[16] = "";
    if (t->cores > 0)
        snprintf(cores, sizeof cores, "%d", t->cores);
    if (t->epoch >= 0)
        snprintf(epoch, sizeof epoch, "%lld", (long long)t->epoch);
    if (t->restarts >= 0)
        snprintf(restarts, sizeof restarts, "%d", t->restarts);
    if (!isnan(t->heard_s))
        snprintf(heard, sizeof heard, "%.1f s", t->heard_s);
    l.used = (size_t)snprintf(l.text, sizeof l.text, "  %-9.20s %-8s %6s %7s %8s %8s  %-9s ",
                              t->name, cox_run_status_task_state_name(t->state), cores, epoch,
                              restarts, heard, t->doing);
    add_figures(&l, t);
    return put(out, l.text, width);
}

/* The few others first: of many simulations one looks like the next. */
static int tasks(struct cox_str *out, const struct cox_run_status *s, int width, int most)
{
    if (!s->n_tasks || most < 3)
        return 0;
    int lines = put(out, "", width) +
                put(out, "  process   state     cores attempt restarts    heard  doing", width);
    const int n = s->n_tasks <= most - 2 ? s->n_tasks : most - 3;
    int shown = 0;
    for (int simulations = 0; simulations <= 1; simulations++)
        for (int i = 0; i < s->n_tasks && shown < n; i++)
            if ((strcmp(s->task[i].role, "simulate") == 0) == simulations) {
                lines += task_line(out, &s->task[i], width);
                shown++;
            }
    if (n < s->n_tasks) {
        char text[64];
        snprintf(text, sizeof text, "  … and %d more (--json lists all)", s->n_tasks - n);
        lines += put(out, text, width);
    }
    return lines;
}

static int troubles(struct cox_str *out, const struct cox_run_status *s, int width, int most)
{
    if (!s->n_troubles || most < 2)
        return 0;
    int lines = put(out, "", width);
    const int n = s->n_troubles < most ? s->n_troubles : most - 1;
    for (int i = s->n_troubles - n; i < s->n_troubles; i++) {
        char text[LINE], at[16] = "";
        const time_t when = (time_t)s->trouble[i].unix_s;
        struct tm local;
        if (localtime_r(&when, &local))
            strftime(at, sizeof at, "%H:%M:%S", &local);
        snprintf(text, sizeof text, "  %s  %s", at, s->trouble[i].text);
        lines += put(out, text, width);
    }
    return lines;
}

/* Keeps the first so many lines of what was added after `from`. */
static void keep_lines(struct cox_str *out, size_t from, int most)
{
    for (size_t i = from; i < out->length; i++)
        if (out->text[i] == '\n' && !--most) {
            out->length = i + 1;
            out->text[out->length] = '\0';
        }
}

void cox_run_status_text(const struct cox_run_status *s, int width, int height, struct cox_str *out)
{
    const int room = height > 0 ? height : 1 << 20;
    const size_t from = out->length;
    int lines = head(out, s, width);
    lines += progress(out, s, width);
    lines += stream(out, s, width);
    lines += search(out, s, width);
    lines += failures(out, s, width);
    const int kept = s->n_troubles ? (s->n_troubles < 3 ? s->n_troubles : 3) + 1 : 0;
    lines += tasks(out, s, width, room - lines - kept);
    troubles(out, s, width, room - lines);
    keep_lines(out, from, room);
}

void cox_run_status_line(const struct cox_run_status *s, struct cox_str *out)
{
    struct line l = {.used = 0};
    char best[96], elapsed[32], eta[32];
    int running = 0, simulating = 0;
    add(&l, "%s", cox_run_status_state_name(s->state));
    cox_clock_human(s->elapsed_s, elapsed, sizeof elapsed);
    cox_clock_human(s->eta_s, eta, sizeof eta);
    if (!isnan(s->elapsed_s))
        add(&l, "%s", elapsed);
    if (!isnan(s->ns))
        add(&l, "%.1f ns", s->ns);
    if (s->ns_per_day > 0)
        add(&l, "%.0f ns/day", s->ns_per_day);
    if (s->frames >= 0)
        add(&l, "%lld frames", (long long)s->frames);
    if (s->models > 0)
        add(&l, "%d models", s->models);
    best_text(best, sizeof best, s);
    if (best[0])
        add(&l, "best %s", best);
    for (int i = 0; i < s->n_tasks; i++) {
        const bool simulation = !strcmp(s->task[i].role, "simulate");
        simulating += simulation;
        running += simulation && s->task[i].state == COX_STATUS_TASK_RUNNING;
    }
    if (simulating)
        add(&l, "%d of %d simulations at work", running, simulating);
    if (s->restarts > 0)
        add(&l, "%d restarts", s->restarts);
    if (!isnan(s->eta_s) && !cox_run_status_over(s))
        add(&l, "at most %s to go", eta);
    if (s->text[0] && strcmp(s->text, cox_run_status_state_name(s->state)) != 0)
        add(&l, "%s", s->text);
    cox_str_add(out, l.text);
    cox_str_add(out, "\n");
}
