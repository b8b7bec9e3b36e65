/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/report_figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart.h"
#include "report/html.h"

enum { LABEL = 160 };

static double *room(const struct cox_sweep_view *v, size_t n)
{
    return cox_arena_alloc(v->arena, n ? n : 1, sizeof(double));
}

static const struct cox_sweep_output *output_of(const struct cox_sweep_view *v, int o)
{
    return (const struct cox_sweep_output *)v->settings.outputs.items + o;
}

static void label_of(char label[LABEL], const char *name, const char *unit)
{
    snprintf(label, LABEL, unit ? "%s (%s)" : "%s", name, unit);
}

void cox_sweep_figure_learning(struct cox_str *out, const struct cox_sweep_view *view)
{
    size_t n = (size_t)view->n_batches;
    double *x = room(view, n), *error = room(view, n), *width = room(view, n), *one = room(view, n);
    if (!n || !x || !error || !width || !one)
        return;
    for (size_t i = 0; i < n; i++) {
        x[i] = (double)view->batch[i].simulated;
        error[i] = view->batch[i].error;
        width[i] = view->batch[i].half_width;
        one[i] = 1;
    }
    struct cox_chart chart = COX_CHART_INIT;
    chart.title = "what the surrogate still misses";
    chart.x_label = "points simulated";
    chart.y_label = "in units of the accuracy wanted";
    chart.y_log = true;
    chart.x_whole = true;
    const struct cox_chart_series series[] = {
        {.name = "half-width of predictions", .x = x, .y = width, .n = n, .marks = true},
        {.name = "error before learning (median)", .x = x, .y = error, .n = n, .marks = true},
        {.name = "good enough", .x = x, .y = one, .n = n, .dashed = true},
    };
    cox_html_figure_begin(out);
    cox_chart_lines(out, &chart, series, 3);
    cox_html_figure_end(
        out,
        "Half-width: conformal, at %g %% coverage, median over the points not simulated; "
        "predictions are served below 1.",
        100 * view->settings.targets.coverage);
}

void cox_sweep_figure_progress(struct cox_str *out, const struct cox_sweep_view *view)
{
    size_t n = (size_t)view->n_batches;
    double *t = room(view, n), *done = room(view, n), *known = room(view, n),
           *bound = room(view, n);
    if (!n || !t || !done || !known || !bound)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct cox_ledger_batch *b = &view->batch[i];
        t[i] = b->at_s;
        done[i] = 100.0 * (double)b->simulated / view->points.n;
        known[i] = 100.0 * (double)(b->simulated + b->predicted) / view->points.n;
        bound[i] = 100 * b->failing_bound;
    }
    struct cox_chart chart = COX_CHART_INIT;
    chart.title = "completion";
    chart.x_label = "time (s)";
    chart.y_label = "share of points (%)";
    chart.y_min = 0;
    chart.y_max = 100;
    const struct cox_chart_series series[] = {
        {.name = "simulated", .x = t, .y = done, .n = n},
        {.name = "simulated or predicted", .x = t, .y = known, .n = n},
        {.name = "predictions that may miss, at most", .x = t, .y = bound, .n = n, .dashed = true},
    };
    cox_html_figure_begin(out);
    cox_chart_lines(out, &chart, series, 3);
    cox_html_figure_end(out,
                        "The dashed bound is exact, from the audits; the sweep is complete "
                        "when it is below %g %%.",
                        100 * view->settings.targets.failing);
}

void cox_sweep_figure_speedup(struct cox_str *out, const struct cox_sweep_view *view)
{
    size_t n = (size_t)view->n_batches;
    double *x = room(view, n), *s = room(view, n), *one = room(view, n);
    if (!n || !x || !s || !one)
        return;
    for (size_t i = 0; i < n; i++) {
        x[i] = (double)view->batch[i].simulated;
        s[i] = view->batch[i].speedup;
        one[i] = 1;
    }
    struct cox_chart chart = COX_CHART_INIT;
    chart.title = "effective performance";
    chart.x_label = "points simulated";
    chart.y_label = "S";
    chart.x_whole = true;
    const struct cox_chart_series series[] = {
        {.name = "S, were it complete now", .x = x, .y = s, .n = n, .marks = true},
        {.name = "without learning", .x = x, .y = one, .n = n, .dashed = true},
    };
    cox_html_figure_begin(out);
    cox_chart_lines(out, &chart, series, 2);
    cox_html_figure_end(out, "Time of simulating all points, by that of simulating those so far, "
                             "all training, and predicting the rest.");
}

/* The first row that is free when the attempt begins; attempts are in the order of their ids, that
 * of their beginnings. */
static int row_of(double *free_at, int *rows, const struct cox_ledger_attempt *a, double end)
{
    int r = 0;
    while (r < *rows && free_at[r] > a->began_s + 1e-6)
        r++;
    if (r == *rows)
        ++*rows;
    free_at[r] = end;
    return r;
}

void cox_sweep_figure_timeline(struct cox_str *out, const struct cox_sweep_view *view)
{
    enum { OK, FAILED, PREEMPTED, RUNNING, KINDS };
    static const char *const kinds[] = {"finished", "failed", "preempted", "running"};
    size_t n = (size_t)view->n_attempts;
    struct cox_chart_task *task = cox_arena_alloc(view->arena, n ? n : 1, sizeof *task);
    double *free_at = room(view, n), last = 0;
    int rows = 0;
    if (!n || !task || !free_at)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct cox_ledger_attempt *a = &view->attempt[i];
        last = fmax(last, isnan(a->ended_s) ? a->began_s : a->ended_s);
    }
    for (size_t i = 0; i < n; i++) {
        const struct cox_ledger_attempt *a = &view->attempt[i];
        double end = isnan(a->ended_s) ? last : a->ended_s;
        int kind = !strcmp(a->end, "ok")                                       ? OK
                   : !strcmp(a->end, "preempted") || !strcmp(a->end, "killed") ? PREEMPTED
                   : !a->end[0]                                                ? RUNNING
                                                                               : FAILED;
        task[i] = (struct cox_chart_task){.began_s = a->began_s,
                                          .ended_s = end,
                                          .row = row_of(free_at, &rows, a, end),
                                          .kind = kind,
                                          .cores = a->cores};
    }
    struct cox_chart chart = COX_CHART_INIT;
    chart.title = "jobs";
    chart.x_label = "time (s)";
    chart.width = 1000;
    const struct cox_chart_timeline data = {
        .task = task, .n = n, .n_rows = rows, .n_kinds = KINDS, .kind_names = kinds};
    cox_html_figure_begin(out);
    cox_chart_timeline(out, &chart, &data);
    cox_html_figure_end(out, "Every attempt at a job; a row is a place that runs one at a time.");
}

void cox_sweep_figure_parity(struct cox_str *out, const struct cox_sweep_view *view, int o,
                             const int *audit, int n, const double *predicted)
{
    double *x = room(view, (size_t)n), *y = room(view, (size_t)n), line[2] = {INFINITY, -INFINITY};
    int count = 0, at = view->first[o];
    char xl[LABEL + 16], yl[LABEL + 16], label[LABEL];
    if (!x || !y)
        return;
    for (int i = 0; i < n; i++) {
        x[count] = view->row[audit[i]].value[at];
        y[count] = predicted[(size_t)i * (size_t)view->n_values + (size_t)at];
        line[0] = fmin(line[0], fmin(x[count], y[count]));
        line[1] = fmax(line[1], fmax(x[count], y[count]));
        count++;
    }
    if (!count)
        return;
    label_of(label, output_of(view, o)->name, output_of(view, o)->unit);
    snprintf(xl, sizeof xl, "simulated %s", label);
    snprintf(yl, sizeof yl, "predicted %s", label);
    struct cox_chart chart = COX_CHART_INIT;
    chart.title = output_of(view, o)->name;
    chart.x_label = xl;
    chart.y_label = yl;
    chart.width = chart.height = 420;
    const struct cox_chart_series series[] = {
        {.name = "audits", .x = x, .y = y, .n = (size_t)count, .loose = true, .marks = true},
        {.name = NULL, .x = line, .y = line, .n = 2, .dashed = true},
    };
    cox_html_figure_begin(out);
    cox_chart_lines(out, &chart, series, 2);
    cox_html_figure_end(out, "%d points drawn at random that the model has not learned from.",
                        count);
}

void cox_sweep_figure_effect(struct cox_str *out, const struct cox_sweep_view *view, int o, int p)
{
    static const char *const sources[] = {"simulated", "predicted"};
    const struct cox_sweep_parameter *parameter = &view->points.parameter[p];
    size_t n = (size_t)view->points.n, count = 0, d = (size_t)view->points.n_inputs;
    double *x = room(view, n), *y = room(view, n);
    int *source = cox_arena_alloc(view->arena, n, sizeof *source);
    char xl[LABEL], yl[LABEL];
    if (!x || !y || !source)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct cox_sweep_row *row = &view->row[i];
        if (!row->value)
            continue;
        x[count] = view->points.x[i * d + (size_t)p];
        y[count] = row->value[view->first[o]];
        source[count++] = row->state == COX_POINT_PREDICTED;
    }
    label_of(xl, parameter->name, parameter->unit);
    label_of(yl, output_of(view, o)->name, output_of(view, o)->unit);
    struct cox_chart chart = COX_CHART_INIT;
    chart.x_label = xl;
    chart.y_label = yl;
    chart.x_log = parameter->log;
    chart.width = 480;
    chart.height = 320;
    const struct cox_chart_scatter data = {.x = x,
                                           .y = y,
                                           .n = count,
                                           .category = source,
                                           .category_names = sources,
                                           .n_categories = 2};
    cox_html_figure_begin(out);
    cox_chart_scatter(out, &chart, &data);
    cox_html_figure_end(out, "%s over %s, all points.", output_of(view, o)->name, parameter->name);
}

struct ranked {
    double mean;
    int point;
};

static int by_mean(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->mean, y = ((const struct ranked *)b)->mean;
    return (x > y) - (x < y);
}

void cox_sweep_figure_profiles(struct cox_str *out, const struct cox_sweep_view *view, int o)
{
    enum { SHOWN = 3 };
    int n = view->points.n, count = 0, first = view->first[o], length = view->first[o + 1] - first;
    struct ranked *ranked = cox_arena_alloc(view->arena, (size_t)n, sizeof *ranked);
    double *index = room(view, (size_t)length);
    char name[SHOWN][LABEL], label[LABEL];
    struct cox_chart_series series[SHOWN];
    if (!ranked || !index)
        return;
    for (int i = 0; i < n; i++) {
        if (!view->row[i].value)
            continue;
        ranked[count].point = i;
        ranked[count].mean = 0;
        for (int k = 0; k < length; k++)
            ranked[count].mean += view->row[i].value[first + k] / length;
        count++;
    }
    if (count < SHOWN)
        return;
    qsort(ranked, (size_t)count, sizeof *ranked, by_mean);
    for (int k = 0; k < length; k++)
        index[k] = k;
    for (int s = 0; s < SHOWN; s++) {
        int point = ranked[s * (count - 1) / (SHOWN - 1)].point;
        struct cox_str words;
        cox_str_init(&words, 4096);
        cox_points_describe(&view->points,
                            view->points.x + (size_t)point * (size_t)view->points.n_inputs, &words);
        snprintf(name[s], LABEL, "%s%s", cox_str_text(&words),
                 view->row[point].state == COX_POINT_PREDICTED ? " (predicted)" : "");
        cox_str_deinit(&words);
        series[s] = (struct cox_chart_series){
            .name = name[s], .x = index, .y = view->row[point].value + first, .n = (size_t)length};
    }
    label_of(label, output_of(view, o)->name, output_of(view, o)->unit);
    struct cox_chart chart = COX_CHART_INIT;
    chart.title = output_of(view, o)->name;
    chart.x_label = "index in the profile";
    chart.y_label = label;
    cox_html_figure_begin(out);
    cox_chart_lines(out, &chart, series, SHOWN);
    cox_html_figure_end(out, "The profiles with the least, the middle and the greatest mean.");
}
