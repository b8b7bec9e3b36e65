/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/chart.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "report/plot.h"

#define STRIP_HEIGHT 56.0
#define STRIP_GAP 26.0
#define TALLEST 560.0 /* of all rows together */
#define NARROW 0.6    /* pixels */

static bool shown(const struct cox_chart_timeline *d, size_t i)
{
    const struct cox_chart_task *t = &d->task[i];
    return isfinite(t->began_s) && isfinite(t->ended_s) && t->ended_s >= t->began_s &&
           t->row >= 0 && t->row < d->n_rows && t->kind >= 0 && t->kind < d->n_kinds;
}

static int by_row_and_kind(const void *a, const void *b)
{
    const struct cox_chart_task *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind - y->kind;
    if (x->row != y->row)
        return x->row - y->row;
    return (x->began_s > y->began_s) - (x->began_s < y->began_s);
}

/* Sorted tasks of one kind and row; those closer than a fraction of a pixel become one bar. */
static void draw_tasks(struct cox_plot *plot, const struct cox_chart_task *task, size_t n,
                       double row_top, double row_height)
{
    const double gap = row_height > 6 ? 1 : 0;
    int kind = -1;
    for (size_t i = 0; i < n;) {
        if (task[i].kind != kind) {
            if (kind >= 0)
                cox_str_add(plot->out, "</g>\n");
            kind = task[i].kind;
            cox_str_addf(plot->out, "<g fill=\"%s\">", cox_colour_of(kind));
        }
        const double x = cox_scale_map(&plot->x, task[i].began_s);
        double right = cox_scale_map(&plot->x, task[i].ended_s);
        const int row = task[i].row;
        for (i++; i < n && task[i].kind == kind && task[i].row == row; i++) {
            const double next = cox_scale_map(&plot->x, task[i].began_s);
            const double end = cox_scale_map(&plot->x, task[i].ended_s);
            if (next - right > NARROW || (end - next > 3 && right - x > 3))
                break;
            right = end > right ? end : right;
        }
        const double width = right - x > 1.6 ? right - x - 0.4 : right - x > 0.8 ? right - x : 0.8;
        cox_str_addf(plot->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x,
                     row_top + row * row_height + gap / 2, width, row_height - gap);
    }
    if (kind >= 0)
        cox_str_add(plot->out, "</g>\n");
}

/* What a task is of all that there is: of the rows, or of the cores. */
static double weight_of(const struct cox_chart_timeline *d, const struct cox_chart_task *task)
{
    return d->cores > 0 ? task->cores / d->cores : 1.0 / d->n_rows;
}

/* Share that is busy, per pixel column. */
static void busy_share(double *share, int columns, const struct cox_plot *plot,
                       const struct cox_chart_timeline *d, const struct cox_chart_task *task,
                       size_t n)
{
    const double width = (plot->right - plot->left) / columns;
    for (size_t i = 0; i < n; i++) {
        const double low = (cox_scale_map(&plot->x, task[i].began_s) - plot->left) / width;
        const double high = (cox_scale_map(&plot->x, task[i].ended_s) - plot->left) / width;
        for (int c = low > 0 ? (int)low : 0; c < columns && c < high; c++) {
            const double from = low > c ? low : c, to = high < c + 1 ? high : c + 1;
            share[c] += to > from ? (to - from) * weight_of(d, &task[i]) : 0;
        }
    }
    for (int c = 0; c < columns; c++)
        share[c] = share[c] < 1 ? share[c] : 1;
}

static int draw_utilisation(struct cox_plot *plot, const struct cox_chart_timeline *d,
                            const struct cox_chart_task *task, size_t n, double top)
{
    const int columns = (int)(plot->right - plot->left);
    double *share = cox_alloc((size_t)columns, sizeof *share);
    if (!share)
        return COX_ENOMEM;
    busy_share(share, columns, plot, d, task, n);
    double began = INFINITY, ended = -INFINITY, busy = 0;
    for (size_t i = 0; i < n; i++) {
        began = task[i].began_s < began ? task[i].began_s : began;
        ended = task[i].ended_s > ended ? task[i].ended_s : ended;
        busy += (task[i].ended_s - task[i].began_s) * weight_of(d, &task[i]);
    }
    const double ground = top + STRIP_HEIGHT;
    cox_str_addf(plot->out, "<path d=\"M%.1f %.1f", plot->left, ground);
    for (int c = 0; c < columns; c++)
        if (c == 0 || fabs(share[c] - share[c - 1]) > 0.004)
            cox_str_addf(plot->out, "H%.1fV%.1f", plot->left + c, ground - share[c] * STRIP_HEIGHT);
    cox_str_addf(plot->out, "H%.1fV%.1fZ\" fill=\"#7f7f7f\" fill-opacity=\".45\"/>\n", plot->right,
                 ground);
    cox_str_addf(plot->out,
                 "<path d=\"M%.1f %.1fV%.1fH%.1f\" fill=\"none\" stroke=\"currentColor\" "
                 "stroke-opacity=\".4\"/>\n",
                 plot->left, top, ground, plot->right);
    cox_plot_text(plot, plot->left - 6, top + 8, "end", 11, "100 %");
    cox_plot_text(plot, plot->left - 6, ground + 2, "end", 11, "0");
    char text[96];
    snprintf(text, sizeof text, "busy: %.1f %% of all %s time",
             ended > began ? 100 * fmin(1, busy / (ended - began)) : 0.0,
             d->cores > 0 ? "core" : "worker");
    cox_plot_text(plot, plot->left + 5, top - 5, "start", 11, text);
    cox_free(share);
    return COX_OK;
}

static void draw_marks(struct cox_plot *plot, const struct cox_chart_timeline *d, double top,
                       double row_height)
{
    const double radius = row_height > 12 ? 4 : row_height > 6 ? row_height / 3 : 2;
    for (size_t i = 0; i < d->n_marks; i++)
        if (isfinite(d->mark[i].at_s) && d->mark[i].row >= 0 && d->mark[i].row < d->n_rows)
            cox_str_addf(plot->out,
                         "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"none\" "
                         "stroke=\"currentColor\" stroke-width=\"1.6\"/>\n",
                         cox_scale_map(&plot->x, d->mark[i].at_s),
                         top + (d->mark[i].row + 0.5) * row_height, radius);
}

static void draw_row_names(struct cox_plot *plot, const struct cox_chart_timeline *d, double top,
                           double row_height)
{
    double free_from = -1e9;
    for (int r = 0; r < d->n_rows; r++) {
        char name[40];
        const double y = top + (r + 0.5) * row_height + 4;
        if (y < free_from)
            continue;
        snprintf(name, sizeof name, "worker %d", r);
        cox_plot_text(plot, plot->left - 6, y, "end", 11, d->row_names ? d->row_names[r] : name);
        free_from = y + 13;
    }
}

/* The tasks that are shown, sorted; *x is the time that they cover. */
static struct cox_chart_task *sorted_tasks(const struct cox_chart_timeline *d, size_t *n,
                                           struct cox_range *x)
{
    struct cox_chart_task *task = cox_alloc(d->n, sizeof *task);
    *n = 0;
    for (size_t i = 0; task && i < d->n; i++)
        if (shown(d, i)) {
            task[(*n)++] = d->task[i];
            cox_range_add(x, d->task[i].began_s, false);
            cox_range_add(x, d->task[i].ended_s, false);
        }
    if (task)
        qsort(task, *n, sizeof *task, by_row_and_kind);
    return task;
}

static double room_for_names(const struct cox_chart_timeline *d)
{
    double room = cox_plot_text_width("worker 00", 11);
    for (int r = 0; d->row_names && r < d->n_rows; r++) {
        const double w = cox_plot_text_width(d->row_names[r], 11);
        room = w > room ? w : room;
    }
    return room + 10;
}

void cox_chart_timeline(struct cox_str *out, const struct cox_chart *chart,
                        const struct cox_chart_timeline *d)
{
    struct cox_range x = COX_RANGE_EMPTY;
    size_t n;
    struct cox_chart_task *task = sorted_tasks(d, &n, &x);
    struct cox_legend *legend = cox_alloc((size_t)d->n_kinds + 1, sizeof *legend);
    if (!task || !legend) {
        out->status = COX_ENOMEM;
        cox_free(task);
        cox_free(legend);
        return;
    }
    for (int k = 0; k < d->n_kinds; k++)
        legend[k] = (struct cox_legend){.name = d->kind_names[k], .colour = cox_colour_of(k)};
    const int n_legend = d->n_kinds + (d->n_marks > 0);
    legend[d->n_kinds] =
        (struct cox_legend){.name = d->mark_name, .colour = "currentColor", .ring = true};
    struct cox_chart sized = *chart;
    const double strip = d->no_utilisation ? 0 : STRIP_HEIGHT + STRIP_GAP;
    double row_height = d->n_rows > 0 ? TALLEST / d->n_rows : TALLEST;
    row_height = row_height < 22 ? row_height : 22;
    if (sized.height <= 0)
        sized.height = (int)(120 + strip + row_height * (d->n_rows > 1 ? d->n_rows : 1));
    sized.x_min = isnan(sized.x_min) && n ? x.low : sized.x_min;
    sized.x_max = isnan(sized.x_max) && n ? x.high : sized.x_max;
    struct cox_plot plot;
    if (cox_plot_begin_rows(&plot, out, &sized, x, legend, n_legend, room_for_names(d), 0)) {
        const double top = plot.top + strip;
        row_height = (plot.bottom - top) / d->n_rows;
        if (!d->no_utilisation && draw_utilisation(&plot, d, task, n, plot.top + 16))
            out->status = COX_ENOMEM;
        draw_row_names(&plot, d, top, row_height);
        cox_plot_clip_begin(&plot);
        draw_tasks(&plot, task, n, top, row_height);
        draw_marks(&plot, d, top, row_height);
        cox_plot_clip_end(&plot);
    }
    cox_plot_end(&plot);
    cox_free(task);
    cox_free(legend);
}
