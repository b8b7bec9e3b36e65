/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/report/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart.h"
#include "report/html.h"

const double *cox_figure_measure(const struct cox_run_data *run, const char **label, bool *maximise)
{
    *maximise = false;
    if (run->has_rmsd) {
        *label = strcmp(cox_run_data_rmsd_name(run), "RMSD") ? "Cα RMSD to the reference (Å)"
                                                             : "RMSD to the reference (Å)";
        return run->rmsd_A;
    }
    if (!run->has_objective)
        return NULL;
    *label = run->settings.agent.objective;
    *maximise = run->settings.agent.direction == COX_MAXIMISE;
    return run->objective;
}

static double *numbers(struct cox_str *page, size_t n)
{
    double *x = cox_alloc(n, sizeof *x);
    if (!x)
        page->status = COX_ENOMEM;
    return x;
}

void cox_figure_histogram(struct cox_str *page, const struct cox_run_data *run)
{
    bool maximise;
    struct cox_chart c = COX_CHART_INIT;
    const double *value = cox_figure_measure(run, &c.x_label, &maximise);
    if (!value)
        return;
    c.title = run->streaming ? "Where the ensemble was, by generation"
                             : "Where the ensemble was, by round";
    c.y_label = "frames";
    const struct cox_chart_histogram d = {.value = value,
                                          .group = run->round,
                                          .n = (size_t)run->n,
                                          .n_groups = run->generations,
                                          .group_word = cox_run_data_round_word(run),
                                          .first_group = 1,
                                          .ordered = true,
                                          .stacked = true};
    cox_html_figure_begin(page);
    cox_chart_histogram(page, &c, &d);
    cox_html_figure_end(page, "All %lld frames, stacked; dark: the first %ss, bright: the last.%s",
                        (long long)run->n, cox_run_data_round_word(run),
                        run->settings.control || !run->settings.agent.enabled
                            ? ""
                            : " Restarted replicas are clones: heights are not populations.");
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct progress {
    double *ns, *best;                /* [n] */
    double *round_ns, *median, *edge; /* [n_rounds] */
    double *sorted;
};

static void fill_progress(struct progress *p, const struct cox_run_data *run, const double *value,
                          bool maximise)
{
    double best = NAN;
    for (int64_t i = 0; i < run->n; i++) {
        const int64_t at = run->in_time[i];
        if (isnan(best) || (maximise ? value[at] > best : value[at] < best))
            best = value[at];
        p->ns[i] = run->ns[at];
        p->best[i] = best;
    }
    int64_t i = 0;
    for (int64_t r = 0; r < run->n_rounds; r++) {
        int64_t n = 0;
        for (; i < run->rounds[r].frames && i < run->n; i++)
            if (!isnan(value[i]))
                p->sorted[n++] = value[i];
        qsort(p->sorted, (size_t)n, sizeof *p->sorted, compare_doubles);
        p->round_ns[r] = run->rounds[r].ns;
        p->median[r] = n ? p->sorted[n / 2] : NAN;
        p->edge[r] = n ? p->sorted[maximise ? n - 1 : 0] : NAN;
    }
}

void cox_figure_best(struct cox_str *page, const struct cox_run_data *run)
{
    bool maximise;
    const char *label;
    const double *value = cox_figure_measure(run, &label, &maximise);
    if (!value)
        return;
    const size_t n = (size_t)run->n, rounds = (size_t)run->n_rounds;
    double *all = numbers(page, 3 * n + 3 * rounds);
    if (!all)
        return;
    struct progress p = {all,
                         all + n,
                         all + 2 * n,
                         all + 2 * n + rounds,
                         all + 2 * n + 2 * rounds,
                         all + 2 * n + 3 * rounds};
    fill_progress(&p, run, value, maximise);
    const double ends[] = {0, run->total_ns}, target = run->settings.stop.target.rmsd_A;
    const double level[] = {target, target};
    const struct cox_chart_series s[] = {
        {.name = run->streaming ? "median of a stretch" : "median of the round",
         .x = p.round_ns,
         .y = p.median,
         .n = rounds,
         .colour = 7},
        {.name = run->streaming ? "best of a stretch" : "best of the round",
         .x = p.round_ns,
         .y = p.edge,
         .n = rounds,
         .colour = 6},
        {.name = "best so far", .x = p.ns, .y = p.best, .n = n, .step = true, .colour = 2},
        {.name = "target", .x = ends, .y = level, .n = 2, .dashed = true, .colour = 3}};
    struct cox_chart c = COX_CHART_INIT;
    c.title = "Best against time";
    c.x_label = "aggregate simulated time (ns)";
    c.x2_label = "simulated time per replica (ns)";
    c.x2_scale = run->lanes ? 1.0 / run->lanes : 1;
    c.y_label = label;
    c.x_min = 0;
    cox_html_figure_begin(page);
    cox_chart_lines(page, &c, s, isnan(target) || !run->has_rmsd ? 3 : 4);
    cox_html_figure_end(page, "%s over all %d replicas.%s", label, run->lanes,
                        run->streaming ? " A stretch ends when the slowest replica has ended a "
                                         "generation."
                                       : "");
    cox_free(all);
}

void cox_figure_states(struct cox_str *page, const struct cox_run_data *run)
{
    const size_t rounds = (size_t)run->n_rounds;
    double *all = numbers(page, 2 * (rounds + 1));
    if (!all)
        return;
    double *ns = all, *states = all + rounds + 1;
    for (size_t r = 0; r < rounds; r++) {
        ns[r + 1] = run->rounds[r].ns;
        states[r + 1] = states[r] + run->rounds[r].new_states;
    }
    if (run->streaming && !(states[rounds] > 0)) { /* a control has nobody who counts them */
        cox_free(all);
        return;
    }
    const struct cox_chart_series s = {.x = ns, .y = states, .n = rounds ? rounds + 1 : 0};
    struct cox_chart c = COX_CHART_INIT;
    c.title = "States visited";
    c.x_label = "aggregate simulated time (ns)";
    c.x2_label = "simulated time per replica (ns)";
    c.x2_scale = run->lanes ? 1.0 / run->lanes : 1;
    c.y_label = "states";
    c.x_min = 0;
    cox_html_figure_begin(page);
    cox_chart_lines(page, &c, &s, 1);
    cox_html_figure_end(page,
                        "A frame farther than %g Å (distance RMS) from every state is a new one. "
                        "'cox compare' sets this beside a plain ensemble.",
                        run->settings.stop.convergence.state_radius_A);
    cox_free(all);
}

void cox_figure_losses(struct cox_str *page, const struct cox_run_data *run)
{
    const size_t n = (size_t)run->n_models;
    if (!n)
        return;
    double *all = numbers(page, 3 * n), seconds = 0;
    if (!all)
        return;
    for (size_t i = 0; i < n; i++) {
        all[i] = run->models[i].round + 1;
        all[n + i] = run->models[i].train_loss;
        all[2 * n + i] = run->models[i].valid_loss;
        seconds += run->models[i].wall_s;
    }
    const struct cox_chart_series s[] = {
        {.name = "training", .x = all, .y = all + n, .n = n, .marks = true},
        {.name = "validation", .x = all, .y = all + 2 * n, .n = n, .marks = true}};
    struct cox_chart c = COX_CHART_INIT;
    c.title = run->streaming ? "Loss of the models published" : "Loss of the models";
    c.x_label = run->streaming ? "generation of the slowest replica" : "round";
    c.x_whole = true;
    c.y_label = "loss per contact map (nats)";
    cox_html_figure_begin(page);
    cox_chart_lines(page, &c, s, 2);
    cox_html_figure_end(page,
                        "Cross-entropy of the pixels plus divergence, at the end of each training; "
                        "%zu %s, %.1f s in all. The last one saw %lld maps.",
                        n, run->streaming ? "models" : "trainings", seconds,
                        (long long)run->models[n - 1].samples);
    cox_free(all);
}

void cox_figure_idle(struct cox_str *page, const struct cox_run_data *run)
{
    const size_t n = (size_t)run->n_rounds;
    double *all = numbers(page, 3 * n), sum = 0, most = 0;
    if (!all)
        return;
    for (size_t i = 0; i < n; i++) {
        all[i] = (double)i + 1;
        all[n + i] = run->rounds[i].wall_s;
        all[2 * n + i] = run->rounds[i].idle_s;
        sum += run->rounds[i].idle_s;
        most = run->rounds[i].idle_s > most ? run->rounds[i].idle_s : most;
    }
    const struct cox_chart_series s[] = {
        {.name = "whole round", .x = all, .y = all + n, .n = n, .step = false},
        {.name = "no task running", .x = all, .y = all + 2 * n, .n = n, .colour = 2}};
    struct cox_chart c = COX_CHART_INIT;
    c.title = "Time per round";
    c.x_label = "round";
    c.x_whole = true;
    c.y_label = "wall time (s)";
    c.y_log = true;
    cox_html_figure_begin(page);
    cox_chart_lines(page, &c, s, 2);
    cox_html_figure_end(page,
                        "Time in which no task ran: %.3f s a round on average, %.3f s at most.",
                        n ? sum / (double)n : 0, most);
    cox_free(all);
}

void cox_figure_temperatures(struct cox_str *page, const struct cox_run_data *run)
{
    if (!run->temperature_K || run->lanes < 1)
        return;
    const size_t lanes = (size_t)run->lanes;
    double *all = numbers(page, 4 * lanes);
    if (!all)
        return;
    double *lane = all, *mean = all + lanes, *count = all + 2 * lanes, *wanted = all + 3 * lanes;
    for (int64_t i = 0; i < run->n; i++)
        if (run->lane[i] >= 0 && run->lane[i] < run->lanes && isfinite(run->temperature_K[i])) {
            mean[run->lane[i]] += run->temperature_K[i];
            count[run->lane[i]]++;
        }
    double total = 0, frames = 0;
    for (size_t l = 0; l < lanes; l++) {
        total += mean[l];
        frames += count[l];
        lane[l] = (double)l;
        mean[l] = count[l] > 0 ? mean[l] / count[l] : NAN;
        wanted[l] = run->settings.simulation.temperature_K;
    }
    const struct cox_chart_series s[] = {
        {.name = "mean of the replica", .x = lane, .y = mean, .n = lanes, .loose = true},
        {.name = "thermostat", .x = lane, .y = wanted, .n = lanes, .dashed = true}};
    struct cox_chart c = COX_CHART_INIT;
    c.title = "Temperature of each replica";
    c.x_label = "replica";
    c.x_whole = true;
    c.y_label = "kinetic temperature (K)";
    cox_html_figure_begin(page);
    cox_chart_lines(page, &c, s, 2);
    cox_html_figure_end(page, "Mean over all stored frames: %.1f K; thermostat %g K.",
                        frames > 0 ? total / frames : NAN, run->settings.simulation.temperature_K);
    cox_free(all);
}

void cox_figure_ancestors(struct cox_str *page, const struct cox_run_data *run)
{
    const size_t n = (size_t)(run->streaming ? run->generations : run->n_rounds);
    double *all = numbers(page, 3 * n);
    if (!all)
        return;
    for (size_t r = 0; r < n; r++) {
        const int count = cox_run_data_ancestors(run, (int)r, NULL);
        if (count < 0)
            page->status = COX_ENOMEM;
        all[r] = (double)r + 1;
        all[n + r] = count;
    }
    for (int64_t i = 0; i < run->n_picks; i++)
        if (run->picks[i].round >= 0 && run->picks[i].round < (int)n)
            all[2 * n + (size_t)run->picks[i].round]++;
    const struct cox_chart_series s[] = {
        {.name = "distinct ancestors of the replicas", .x = all, .y = all + n, .n = n},
        {.name = run->streaming ? "replicas restarted" : "replicas restarted after the round",
         .x = all,
         .y = all + 2 * n,
         .n = n}};
    struct cox_chart c = COX_CHART_INIT;
    c.title = "Lineage";
    c.x_label = cox_run_data_round_word(run);
    c.x_whole = true;
    c.y_label = "replicas";
    c.y_min = 0;
    cox_html_figure_begin(page);
    cox_chart_lines(page, &c, s, 2);
    cox_html_figure_end(page, "How many of the first %d replicas still have descendants.",
                        run->lanes);
    cox_free(all);
}
