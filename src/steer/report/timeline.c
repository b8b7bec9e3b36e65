/* SPDX-License-Identifier: BSD-3-Clause */
/* What ran when. A sequential run has a row per thread; a streaming one a row per process, with the
 * moments at which it was begun again, and the cores that simulated and learned over time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart.h"
#include "report/html.h"
#include "steer/report/figures.h"

static const char *const task_kinds[] = {"simulate", "features", "train", "embed",
                                         "agent",    "store",    "paused"};
enum { KINDS = 6, STREAM_KINDS = 7 }; /* only streaming simulations pause */

#define MOST_ROWS 512
#define BINS 240 /* of the cores over time */

static int kind_of(const char *kind)
{
    int k = 0;
    while (k < STREAM_KINDS && strcmp(task_kinds[k], kind) != 0)
        k++;
    return k; /* one too many: not drawn */
}

/* ---- rows ---- */

struct rows {
    int n;
    char name[MOST_ROWS][32];
    const char *names[MOST_ROWS];
};

/* Simulations, then those who store, learn and decide, then others. */
static int rank_of(const char *name)
{
    static const char *const roles[] = {"sim-", "agg-", "train-", "agent-"};
    for (int r = 0; r < 4; r++)
        if (!strncmp(name, roles[r], strlen(roles[r])))
            return r;
    return 4;
}

static int by_role(const void *a, const void *b)
{
    const char *x = a, *y = b;
    if (rank_of(x) != rank_of(y))
        return rank_of(x) - rank_of(y);
    const size_t n = strlen(x), m = strlen(y);
    return n != m ? (n > m) - (n < m) : strcmp(x, y); /* sim-9 before sim-10 */
}

static int row_of(const struct rows *rows, const char *name)
{
    for (int r = 0; r < rows->n; r++)
        if (!strcmp(rows->name[r], name))
            return r;
    return -1;
}

static void add_row(struct rows *rows, const char *name)
{
    if (name[0] && rows->n < MOST_ROWS && row_of(rows, name) < 0)
        snprintf(rows->name[rows->n++], sizeof rows->name[0], "%s", name);
}

static void find_rows(struct rows *rows, const struct cox_run_data *run)
{
    rows->n = 0;
    for (int64_t i = 0; i < run->n_tasks && run->streaming; i++)
        add_row(rows, run->tasks[i].who);
    for (int64_t i = 0; i < run->n_attempts && run->streaming; i++)
        add_row(rows, run->attempts[i].task);
    for (int64_t i = 0; i < run->n_tasks && !run->streaming; i++)
        while (rows->n <= run->tasks[i].worker && rows->n < MOST_ROWS) {
            snprintf(rows->name[rows->n], sizeof rows->name[0], "worker %d", rows->n);
            rows->n++;
        }
    if (run->streaming)
        qsort(rows->name, (size_t)rows->n, sizeof rows->name[0], by_role);
    for (int r = 0; r < rows->n; r++)
        rows->names[r] = rows->name[r];
}

/* ---- the chart ---- */

struct span {
    double from_s, until_s; /* until NaN: the end */
    int first, last;        /* rounds of a sequential run */
};

/* Embedding, agent and aggregator have no cores of their own: they would count twice. */
static double cores_of(const struct cox_run_data *run, const struct cox_catalog_task *t)
{
    const bool own = !strcmp(t->kind, "simulate") || !strcmp(t->kind, "train");
    return own ? cox_run_data_task_cores(run, t) : 0;
}

static size_t fill_tasks(struct cox_chart_task *task, const struct cox_run_data *run,
                         const struct rows *rows, const struct span *span)
{
    size_t n = 0;
    for (int64_t i = 0; i < run->n_tasks; i++) {
        const struct cox_catalog_task *t = &run->tasks[i];
        if (t->ended_s < span->from_s || t->began_s > span->until_s ||
            (!run->streaming && (t->round < span->first || t->round > span->last)))
            continue;
        task[n++] =
            (struct cox_chart_task){.began_s = fmax(t->began_s, span->from_s),
                                    .ended_s = fmin(t->ended_s, span->until_s),
                                    .row = run->streaming ? row_of(rows, t->who) : t->worker,
                                    .kind = kind_of(t->kind),
                                    .cores = cores_of(run, t)};
    }
    return n;
}

/* The first attempt of a task is no restart. */
static size_t fill_marks(struct cox_chart_mark *mark, const struct cox_run_data *run,
                         const struct rows *rows, const struct span *span)
{
    size_t n = 0;
    for (int64_t i = 0; i < run->n_attempts; i++) {
        const struct cox_catalog_attempt *a = &run->attempts[i];
        bool again = false;
        for (int64_t k = 0; k < i && !again; k++)
            again = !strcmp(run->attempts[k].task, a->task);
        if (again && a->began_s >= span->from_s && !(a->began_s > span->until_s))
            mark[n++] = (struct cox_chart_mark){a->began_s, row_of(rows, a->task)};
    }
    return n;
}

static void draw(struct cox_str *page, const struct cox_run_data *run, const char *title,
                 const struct span *span)
{
    struct rows *rows = cox_alloc(1, sizeof *rows);
    struct cox_chart_task *task = cox_alloc((size_t)run->n_tasks, sizeof *task);
    struct cox_chart_mark *mark = cox_alloc((size_t)run->n_attempts, sizeof *mark);
    if (!rows || !task || !mark) {
        page->status = COX_ENOMEM;
    } else {
        find_rows(rows, run);
        struct cox_chart c = COX_CHART_INIT;
        c.title = title;
        c.x_label = "wall time (s)";
        c.x_min = span->from_s > 0 ? span->from_s : span->first == 0 ? 0 : NAN;
        c.x_max = span->until_s;
        c.width = 1300;
        const struct cox_chart_timeline d = {.task = task,
                                             .n = fill_tasks(task, run, rows, span),
                                             .n_rows = rows->n > 0 ? rows->n : 1,
                                             .row_names = rows->n > 0 ? rows->names : NULL,
                                             .n_kinds = run->streaming ? STREAM_KINDS : KINDS,
                                             .kind_names = task_kinds,
                                             .cores = run->streaming ? cox_run_data_cores(run) : 0,
                                             .mark = mark,
                                             .n_marks = fill_marks(mark, run, rows, span),
                                             .mark_name = "begun again"};
        cox_html_figure_begin(page);
        cox_chart_timeline(page, &c, &d);
        if (run->streaming)
            cox_html_figure_end(page,
                                "What each process worked on; grey above: share of the %d core%s "
                                "that simulated or trained.",
                                cox_run_data_cores(run), cox_run_data_cores(run) > 1 ? "s" : "");
        else
            cox_html_figure_end(page, "What each thread worked on; grey: share of the threads "
                                      "that had a task.");
    }
    cox_free(rows);
    cox_free(task);
    cox_free(mark);
}

void cox_figure_timeline(struct cox_str *page, const struct cox_run_data *run, int first, int last)
{
    char title[64];
    snprintf(title, sizeof title, first == last ? "Round %d" : "Rounds %d to %d", first + 1,
             last + 1);
    const struct span span = {.from_s = 0, .until_s = NAN, .first = first, .last = last};
    draw(page, run, title, &span);
}

void cox_figure_timeline_span(struct cox_str *page, const struct cox_run_data *run,
                              const char *title, double from_s, double until_s)
{
    const struct span span = {
        .from_s = from_s, .until_s = until_s, .first = 0, .last = (int)run->n_rounds};
    draw(page, run, title, &span);
}

/* ---- N_L : N_S ---- */

/* Adds the mean number of cores in each bin. */
static void bin(double *cores, const struct cox_run_data *run, const char *kind, double width)
{
    for (int64_t i = 0; i < run->n_tasks; i++) {
        const struct cox_catalog_task *t = &run->tasks[i];
        if (strcmp(t->kind, kind) != 0)
            continue;
        const double low = t->began_s / width, high = t->ended_s / width;
        for (int b = low > 0 ? (int)low : 0; b < BINS && b < high; b++)
            cores[b] += fmax(0, fmin(high, b + 1) - fmax(low, b)) * cox_run_data_task_cores(run, t);
    }
}

void cox_figure_cores(struct cox_str *page, const struct cox_run_data *run)
{
    const double end = cox_run_data_wall_s(run);
    double *all = cox_alloc(3 * BINS, sizeof *all);
    if (!all) {
        page->status = COX_ENOMEM;
        return;
    }
    double *at = all, *simulate = all + BINS, *train = all + 2 * BINS;
    for (int b = 0; b < BINS; b++)
        at[b] = end * b / BINS;
    if (end > 0) {
        bin(simulate, run, "simulate", end / BINS);
        bin(train, run, "train", end / BINS);
    }
    const struct cox_chart_series s[] = {
        {.name = "simulating", .x = at, .y = simulate, .n = BINS, .step = true, .colour = 1},
        {.name = "training", .x = at, .y = train, .n = BINS, .step = true, .colour = 3}};
    struct cox_chart c = COX_CHART_INIT;
    c.title = "Cores that learn and cores that simulate";
    c.x_label = "wall time (s)";
    c.y_label = "cores";
    c.x_min = c.y_min = 0;
    c.y_max = cox_run_data_cores(run) * 1.05;
    const double learning = cox_run_data_core_seconds(run, "train"),
                 simulating = cox_run_data_core_seconds(run, "simulate");
    cox_html_figure_begin(page);
    cox_chart_lines(page, &c, s, 2);
    if (simulating > 0 && learning > 0)
        cox_html_figure_end(page,
                            "Cores move to training as it falls behind and back when it has "
                            "caught up. In all, training had 1 core second to %.1f of simulation.",
                            simulating / learning);
    else
        cox_html_figure_end(page, "Cores move to training as it falls behind and back when it "
                                  "has caught up.");
    cox_free(all);
}
