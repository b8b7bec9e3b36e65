/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/report/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "report/html.h"
#include "steer/report/data.h"
#include "steer/report/figures.h"

#define PAGE_MAXIMUM ((size_t)64 << 20)
#define MOST_MAPS 20000 /* frames of the latent map */
#define MOST_LEGS 40    /* of the pathway's table */

static int64_t best_frame(const struct cox_run_data *run)
{
    bool maximise;
    const char *label;
    const double *value = cox_figure_measure(run, &label, &maximise);
    int64_t best = -1;
    for (int64_t i = 0; value && i < run->n; i++)
        if (!isnan(value[i]) &&
            (best < 0 || (maximise ? value[i] > value[best] : value[i] < value[best])))
            best = i;
    return best;
}

static double busy_simulating(const struct cox_run_data *run)
{
    double seconds = 0;
    for (int64_t i = 0; i < run->n_tasks; i++)
        if (run->tasks[i].worker == 0 && !strcmp(run->tasks[i].kind, "simulate"))
            seconds += run->tasks[i].ended_s - run->tasks[i].began_s;
    return seconds;
}

struct figures {
    struct cox_html_key key[12];
    char value[12][64], note[12][96];
    int n;
};

static void add_key(struct figures *f, const char *label, const char *note, const char *fmt,
                    double value)
{
    if (f->n == 12)
        return;
    f->key[f->n] = (struct cox_html_key){f->value[f->n], label, note[0] ? f->note[f->n] : NULL};
    snprintf(f->note[f->n], sizeof f->note[0], "%s", note);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* formats of one double, all below */
    snprintf(f->value[f->n++], sizeof f->value[0], fmt, value);
#pragma GCC diagnostic pop
}

static void round_figures(struct figures *f, const struct cox_run_data *run)
{
    char note[96];
    double idle = 0;
    const double simulating = busy_simulating(run);
    if (simulating > 0)
        add_key(f, "while simulating", "aggregate", "%.0f ns/day",
                run->total_ns / simulating * 86400);
    snprintf(note, sizeof note, "%lld frames", (long long)run->n);
    add_key(f, "rounds", note, "%.0f", (double)run->n_rounds);
    for (int64_t r = 0; r < run->n_rounds; r++)
        idle += run->rounds[r].idle_s;
    add_key(f, "idle per round", "no task running", "%.3f s",
            run->n_rounds ? idle / (double)run->n_rounds : 0);
}

static void stream_figures(struct figures *f, const struct cox_run_data *run, double wall)
{
    char note[96];
    if (wall > 0)
        add_key(f, "over the whole run", "aggregate", "%.0f ns/day", run->total_ns / wall * 86400);
    snprintf(note, sizeof note, "%lld frames, %lld segments begun", (long long)run->n,
             (long long)run->n_segments);
    add_key(f, "segments an hour", note, "%.0f", cox_run_data_segments_per_hour(run));
    const double share = cox_json_get_number(run->summary, "stream_share", NAN);
    if (!isnan(share))
        add_key(f, "for the stream", "of simulation time", "%.2f %%", 100 * share);
    int again = 0;
    for (int64_t i = 0; i < run->n_attempts; i++)
        for (int64_t k = 0; k < i; k++)
            if (!strcmp(run->attempts[k].task, run->attempts[i].task)) {
                again++;
                break;
            }
    snprintf(note, sizeof note, "%lld attempts in all", (long long)run->n_attempts);
    if (again)
        add_key(f, "processes begun again", note, "%.0f", again);
}

static void key_figures(struct cox_str *page, const struct cox_run_data *run)
{
    struct figures f = {.n = 0};
    char note[96];
    bool maximise;
    const char *label = NULL;
    const double *value = cox_figure_measure(run, &label, &maximise);
    const int64_t best = best_frame(run);
    if (best >= 0) {
        snprintf(note, sizeof note, "frame %lld, after %.1f ns", (long long)run->id[best],
                 run->ns[best]);
        add_key(&f, run->has_rmsd ? "best RMSD" : label, note, run->has_rmsd ? "%.2f Å" : "%.3g",
                value[best]);
    }
    const double hit = cox_json_get_number(run->summary, "first_hit_s", NAN);
    snprintf(note, sizeof note, "after %.1f ns",
             cox_json_get_number(run->summary, "first_hit_ns", NAN));
    if (!isnan(hit))
        add_key(&f, "first frame on target", note, "%.0f s", hit);
    snprintf(note, sizeof note, "%.2f ns per replica", run->lanes ? run->total_ns / run->lanes : 0);
    add_key(&f, "simulated", note, "%.1f ns", run->total_ns);
    const double wall = cox_run_data_wall_s(run);
    char human[32];
    cox_clock_human(wall, human, sizeof human);
    add_key(&f, "wall time", "", human, 0);
    if (run->streaming)
        stream_figures(&f, run, wall);
    else
        round_figures(&f, run);
    double states = 0;
    for (int64_t r = 0; r < run->n_rounds; r++)
        states += run->rounds[r].new_states;
    if (states > 0 || !run->streaming)
        add_key(&f, "states seen", "", "%.0f", states);
    const int newest = (int)(run->streaming ? run->generations : run->n_rounds) - 1;
    const int ancestors = cox_run_data_ancestors(run, newest, NULL);
    snprintf(note, sizeof note, "of %d replicas", run->lanes);
    if (ancestors > 0)
        add_key(&f, "distinct ancestors", note, "%.0f", ancestors);
    cox_html_keys(page, f.key, f.n);
}

static void describe(struct cox_str *page, const struct cox_run_data *run)
{
    char strategy[512];
    cox_run_data_strategy(run, strategy, sizeof strategy);
    const struct cox_settings *s = &run->settings;
    const char *stop = run->summary ? cox_json_get_text(run->summary, "stop_text") : NULL;
    const char *engine = run->summary ? cox_json_get_text(run->summary, "engine") : NULL;
    cox_html_paragraph(page,
                       "%s, %d atoms; %d replicas at %g K, %g fs steps, segments of %g ps, a "
                       "frame every %g ps%s%s; seed %lld.",
                       run->system->name, run->system->n_atoms, run->lanes,
                       s->simulation.temperature_K, s->simulation.timestep_fs,
                       s->simulation.segment_ps, s->simulation.frame_ps, engine ? "; engine " : "",
                       engine ? engine : "", (long long)s->seed);
    cox_html_paragraph(page, "Strategy: %s.", strategy);
    if (stop && stop[0])
        cox_html_paragraph(page, "Ended: %s.", stop);
    else
        cox_html_paragraph(page, "The run has not ended: this shows what is committed so far.");
    const bool steered = !s->control && s->agent.enabled;
    if (steered && s->agent.objective && s->agent.explore < 1 && s->reference.path &&
        (!strncmp(s->agent.objective, "rmsd", 4) || !strncmp(s->agent.objective, "drms", 4) ||
         !strncmp(s->agent.objective, "native", 6)))
        cox_html_paragraph(page, "The objective is the distance to the known answer. It shows how "
                                 "fast the fold can be reached, not that it could have been "
                                 "predicted: for that, run without an objective.");
}

static void lineage_row(struct cox_str *page, const char *const *heads,
                        const struct cox_run_data *run, const struct cox_catalog_segment *s,
                        int64_t until)
{
    const int64_t frame = cox_run_data_frame(run, until);
    char id[24], round[24], lane[24], from[64], frames[48] = "none", seed[24];
    snprintf(id, sizeof id, "%lld", (long long)s->id);
    snprintf(round, sizeof round, "%d", s->round + 1);
    snprintf(lane, sizeof lane, "%d", s->lane);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
    if (s->parent_segment < 0)
        snprintf(from, sizeof from, "start structure %lld", (long long)s->start);
    else if (s->continued)
        snprintf(from, sizeof from, "goes on with segment %lld", (long long)s->parent_segment);
    else
        snprintf(from, sizeof from, "restarted from segment %lld, frame %lld",
                 (long long)s->parent_segment, (long long)s->parent_frame);
    if (s->first_frame >= 0)
        snprintf(frames, sizeof frames, "%lld–%lld", (long long)s->first_frame, (long long)until);
    else if (until >= 0) /* the frames of a streamed segment stand among those of others */
        snprintf(frames, sizeof frames, "until %lld", (long long)until);
    const char *label;
    bool maximise;
    char value[32] = "";
    const double *v = cox_figure_measure(run, &label, &maximise);
    if (v && frame >= 0)
        snprintf(value, sizeof value, "%.2f", v[frame]);
    const char *const cells[] = {id, round, lane, from, frames, value, seed};
    cox_html_table_row(page, heads, cells, 7);
}

/* The id of the last frame of a segment, -1: it has none. */
static int64_t last_frame(const struct cox_run_data *run, int64_t segment)
{
    for (int64_t i = run->n; i-- > 0;)
        if (run->segment[i] == segment)
            return run->id[i];
    return -1;
}

/* The pathway to the best frame, newest first. */
static void pathway(struct cox_str *page, const struct cox_run_data *run)
{
    int64_t frame = best_frame(run);
    bool maximise;
    const char *label;
    if (frame < 0 || !run->n_segments)
        return;
    cox_figure_measure(run, &label, &maximise);
    const char *const heads[] = {">segment", run->streaming ? ">generation" : ">round",
                                 ">replica", "began",
                                 "frames",   ">value",
                                 ">seed"};
    cox_html_paragraph(page,
                       "The pathway to the best frame (%lld), backwards; value: %s at the end "
                       "of the leg. 'cox lineage' writes it as one trajectory.",
                       (long long)run->id[frame], label);
    cox_html_table_begin(page, heads, 7);
    int64_t at = run->segment[frame];
    frame = run->id[frame];
    int legs = 0;
    for (; at >= 0 && at < run->n_segments && legs < MOST_LEGS; legs++) {
        const struct cox_catalog_segment *s = &run->segments[at];
        lineage_row(page, heads, run, s, frame);
        at = s->parent_segment;
        frame = s->parent_frame;
        if (frame < 0 && at >= 0) /* it went on where its parent ended */
            frame = last_frame(run, at);
    }
    cox_html_table_end(page);
    if (at >= 0)
        cox_html_paragraph(page, "Only the last %d legs are listed.", legs);
}

static void configuration(struct cox_str *page, const struct cox_run_data *run)
{
    char path[PATH_MAX];
    char *text = NULL;
    size_t length;
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_path_join(path, sizeof path, run->directory, "config.yaml", &err);
    if (!rc)
        rc = cox_file_read(&text, &length, path, 1 << 22, &err);
    cox_html_section(page, "Configuration");
    if (rc)
        cox_html_paragraph(page, "%s", err.text);
    else
        cox_html_preformatted(page, "the effective configuration, defaults included", text);
    cox_free(text);
}

static void machine_of_rounds(struct cox_str *page, const struct cox_run_data *run)
{
    const int last = (int)run->n_rounds - 1;
    cox_figure_timeline(page, run, 0, last > 0 ? last : 0);
    if (last > 5)
        cox_figure_timeline(page, run, last - 3, last);
    cox_figure_idle(page, run);
}

static void attempts(struct cox_str *page, const struct cox_run_data *run)
{
    const char *const heads[] = {">attempt",   "process", "host", ">began (s)",
                                 ">ended (s)", "how",     "why"};
    const int64_t first = run->n_attempts > MOST_LEGS ? run->n_attempts - MOST_LEGS : 0;
    cox_html_table_begin(page, heads, 7);
    for (int64_t i = first; i < run->n_attempts; i++) {
        const struct cox_catalog_attempt *a = &run->attempts[i];
        char epoch[24], began[24], ended[24] = "–";
        snprintf(epoch, sizeof epoch, "%lld", (long long)a->epoch);
        snprintf(began, sizeof began, "%.1f", a->began_s);
        if (!isnan(a->ended_s))
            snprintf(ended, sizeof ended, "%.1f", a->ended_s);
        const char *const cells[] = {epoch, a->task, a->host, began, ended, a->end, a->reason};
        cox_html_table_row(page, heads, cells, 7);
    }
    cox_html_table_end(page);
    if (first)
        cox_html_paragraph(page, "Only the last %d of %lld attempts are listed.", MOST_LEGS,
                           (long long)run->n_attempts);
}

static void poisons(struct cox_str *page, const struct cox_run_data *run)
{
    for (int64_t i = 0; i < run->n_poisons; i++) {
        const struct cox_catalog_poison *p = &run->poisons[i];
        if (p->set_aside)
            cox_html_paragraph(page, "Set aside after %d crashes: %s %lld. %s", p->crashes,
                               p->frame >= 0 ? "frame" : "start structure",
                               (long long)(p->frame >= 0 ? p->frame : p->start), p->reason);
    }
}

static void machine_of_stream(struct cox_str *page, const struct cox_run_data *run)
{
    const double end = cox_run_data_wall_s(run);
    cox_figure_timeline_span(page, run, "The whole run", 0, end);
    if (end > 60)
        cox_figure_timeline_span(page, run, "Its last tenth", end * 0.9, end);
    cox_figure_cores(page, run);
    poisons(page, run);
    if (run->n_attempts)
        attempts(page, run);
}

static void write_page(struct cox_str *page, const struct cox_run_data *run, struct cox_team *team)
{
    char utc[32], foot[96], whole[PATH_MAX];
    cox_html_begin(page, run->settings.title ? run->settings.title : "a run",
                   realpath(run->directory, whole) ? whole : run->directory);
    key_figures(page, run);
    describe(page, run);
    cox_html_section(page, "What was reached");
    cox_html_row_begin(page);
    cox_figure_histogram(page, run);
    cox_figure_best(page, run);
    cox_figure_states(page, run);
    cox_html_row_end(page);
    if (run->n_models) {
        cox_html_section(page, "What was learned");
        cox_figure_latent(page, run, team);
        cox_figure_losses(page, run);
    }
    cox_html_section(page, "Where it came from");
    cox_html_row_begin(page);
    cox_figure_ancestors(page, run);
    cox_figure_temperatures(page, run);
    cox_html_row_end(page);
    pathway(page, run);
    cox_html_section(page, "What the machine did");
    if (run->streaming)
        machine_of_stream(page, run);
    else
        machine_of_rounds(page, run);
    configuration(page, run);
    cox_clock_utc(utc, sizeof utc);
    snprintf(foot, sizeof foot, "cox %s, %s", COX_VERSION, utc);
    cox_html_end(page, foot);
}

int cox_steer_report(const char *run_directory, struct cox_err *err)
{
    struct cox_run_data run;
    struct cox_team *team = NULL;
    struct cox_str page;
    char path[PATH_MAX];
    cox_str_init(&page, PAGE_MAXIMUM);
    int rc = cox_team_create(&team, 0, err);
    const struct cox_run_data_options options = {
        .maps = true, .most_maps = MOST_MAPS, .team = team};
    if (!rc) {
        rc = cox_run_data_init(&run, run_directory, &options, err);
        if (!rc) {
            write_page(&page, &run, team);
            rc = cox_str_status(&page, err);
        }
        cox_run_data_deinit(&run);
    }
    if (!rc)
        rc = cox_path_join(path, sizeof path, run_directory, "report.html", err);
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&page), page.length, err);
    cox_str_deinit(&page);
    cox_team_destroy(team);
    return rc ? cox_err_wrap(err, rc, "report of '%s'", run_directory) : COX_OK;
}
