/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/show_sweep.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"

void cox_show_sweep_init(struct cox_show_sweep *show, bool quiet)
{
    *show = (struct cox_show_sweep){.quiet = quiet};
    cox_progress_init(&show->line);
}

static void add(char *text, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void add(char *text, size_t size, const char *fmt, ...)
{
    size_t n = strlen(text);
    va_list args;
    va_start(args, fmt);
    vsnprintf(text + n, size - n, fmt, args);
    va_end(args);
}

/* The half-width falls to 1, the share that may miss to what is allowed: then it is complete. */
static void add_surrogate(char *text, size_t size, const struct cox_sweep_progress *p)
{
    const struct cox_surrogate_state *g = &p->surrogate;
    if (isfinite(g->half_width))
        add(text, size, " · half-width %.2f, %.0f %% may miss", g->half_width,
            100 * g->failing_bound);
    if (!isnan(p->speedup) && p->predicted)
        add(text, size, " · S %.2f", p->speedup);
    if (g->best >= 0)
        add(text, size, " · best %.6g", g->best_value);
}

static void format_line(char *text, size_t size, const struct cox_sweep_progress *p)
{
    char elapsed[32];
    char eta[32];
    cox_clock_human(p->elapsed_s, elapsed, sizeof elapsed);
    cox_clock_human(p->eta_s, eta, sizeof eta);
    snprintf(text, size, "%s: %d/%d simulated", p->stage, p->simulated, p->points);
    if (p->predicted)
        add(text, size, ", %d predicted", p->predicted);
    if (p->failed)
        add(text, size, ", %d failed", p->failed);
    if (p->running)
        add(text, size, ", %d running", p->running);
    if (p->preempted)
        add(text, size, ", %d preempted", p->preempted);
    if (p->jobs_per_s >= 1)
        add(text, size, " · %.3g jobs/s", p->jobs_per_s);
    else if (p->jobs_per_s > 0)
        add(text, size, " · %.3g jobs/h", p->jobs_per_s * 3600);
    add_surrogate(text, size, p);
    add(text, size, " · %s", elapsed);
    if (!isnan(p->eta_s))
        add(text, size, ", %s%s to go", isfinite(p->surrogate.half_width) ? "at most " : "", eta);
}

void cox_show_sweep_progress(void *user, const struct cox_sweep_progress *progress)
{
    struct cox_show_sweep *show = user;
    char line[240];
    if (show->quiet)
        return;
    format_line(line, sizeof line, progress);
    cox_progress_show(&show->line, "%s", line);
}

void cox_show_sweep_said(void *user, const char *line)
{
    struct cox_show_sweep *show = user;
    if (show->quiet)
        return;
    cox_progress_end(&show->line);
    printf("%s\n", line);
    fflush(stdout);
}

static int print_json(const char *directory)
{
    char path[4400];
    struct cox_json *summary = NULL;
    struct cox_err err = COX_ERR_INIT;
    snprintf(path, sizeof path, "%s/summary.json", directory);
    int rc = cox_json_read(&summary, path, &err);
    cox_json_set_text(summary, "directory", directory);
    char *text = rc ? NULL : cox_json_text(summary, true);
    if (text)
        fputs(text, stdout);
    else
        fprintf(stderr, "cox: %s\n", err.text[0] ? err.text : "out of memory");
    cox_free(text);
    cox_json_destroy(summary);
    return text ? COX_EXIT_OK : COX_EXIT_FAILED;
}

static void print_outcome(const struct cox_sweep_outcome *o, const char *directory)
{
    const struct cox_ledger_batch *b = &o->last;
    char wall[32];
    char time[32];
    cox_clock_human(o->wall_s, wall, sizeof wall);
    if (b->t_sim < 1)
        snprintf(time, sizeof time, "%.3g ms", 1e3 * b->t_sim);
    else
        cox_clock_human(b->t_sim, time, sizeof time);
    printf("%s; %s in this session\n", o->text, wall);
    if (o->best[0])
        printf("best: %s\n", o->best);
    printf("%d points: %lld simulated, %lld predicted, %lld failed", o->points,
           (long long)b->simulated, (long long)b->predicted, (long long)b->failed);
    if (o->retries)
        printf("; %d tried again", o->retries);
    if (o->preemptions)
        printf("; %d preempted", o->preemptions);
    printf("\n");
    if (b->predicted)
        printf("predictions: half-width %.2f of the accuracy wanted, at most %.1f %% miss it; "
               "%lld audits, %lld failed\n",
               b->half_width, 100 * b->failing_bound, (long long)b->audits,
               (long long)b->audits_failed);
    if (b->simulated)
        printf("a simulation takes %s; cores busy %.0f %%, controller %.2f ms a job\n", time,
               100 * o->busy_share, o->overhead_ms);
    if (b->predicted)
        printf("effective performance S = %.2f (training %.1f s, a prediction %.2g s)\n",
               b->speedup, b->t_learn, b->t_lookup);
    printf("report: %s/report.html; all values: cox sweep export %s -o values.csv\n", directory,
           directory);
}

int cox_show_sweep_end(struct cox_show_sweep *show, int rc, const struct cox_sweep_outcome *outcome,
                       const char *directory, bool json, const struct cox_err *err)
{
    cox_progress_end(&show->line);
    if (rc == COX_ECANCELLED) {
        fprintf(stderr,
                "cox: interrupted; %lld simulated points are kept, 'cox sweep resume %s' goes on\n",
                (long long)outcome->last.simulated, directory);
        return COX_EXIT_INTERRUPTED;
    }
    if (rc) {
        fprintf(stderr, "cox: %s\n", err->text);
        return COX_EXIT_FAILED;
    }
    if (json)
        return print_json(directory);
    print_outcome(outcome, directory);
    return COX_EXIT_OK;
}
