/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/chart.h"

#include "base/mem.h"
#include "report/plot.h"

#define THIN_FROM 2000 /* points of one line */
#define STRETCHES 500

static bool shown(const struct cox_chart *chart, double x, double y)
{
    return isfinite(x) && isfinite(y) && (!chart->x_log || x > 0) && (!chart->y_log || y > 0);
}

struct pen {
    struct cox_plot *plot;
    bool step, down;
};

static void go(struct pen *pen, double x, double y)
{
    struct cox_plot *plot = pen->plot;
    if (!shown(plot->chart, x, y)) {
        pen->down = false;
        return;
    }
    const double px = cox_scale_map(&plot->x, x), py = cox_scale_map(&plot->y, y);
    if (!pen->down)
        cox_str_addf(plot->out, "M%.1f %.1f", px, py);
    else if (pen->step)
        cox_str_addf(plot->out, "H%.1fV%.1f", px, py);
    else
        cox_str_addf(plot->out, "L%.1f %.1f", px, py);
    pen->down = true;
}

/* Every stretch of a long line keeps its ends and its extremes, in their order. */
static void thinned(struct pen *pen, const struct cox_chart_series *s)
{
    for (size_t k = 0; k < STRETCHES; k++) {
        const size_t low = s->n * k / STRETCHES, high = s->n * (k + 1) / STRETCHES;
        size_t least = high, most = high;
        for (size_t i = low; i < high; i++) {
            if (!shown(pen->plot->chart, s->x[i], s->y[i]))
                continue;
            if (least == high || s->y[i] < s->y[least])
                least = i;
            if (most == high || s->y[i] > s->y[most])
                most = i;
        }
        if (least == high) {
            pen->down = false;
            continue;
        }
        const size_t first = least < most ? least : most, second = least < most ? most : least;
        go(pen, s->x[low], s->y[low]);
        if (first > low)
            go(pen, s->x[first], s->y[first]);
        if (second > first)
            go(pen, s->x[second], s->y[second]);
    }
    go(pen, s->x[s->n - 1], s->y[s->n - 1]);
}

static void draw_line(struct cox_plot *plot, const struct cox_chart_series *s, const char *colour)
{
    struct pen pen = {plot, s->step, false};
    cox_str_add(plot->out, "<path d=\"");
    if (s->n > THIN_FROM)
        thinned(&pen, s);
    else
        for (size_t i = 0; i < s->n; i++)
            go(&pen, s->x[i], s->y[i]);
    cox_str_addf(
        plot->out,
        "\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\"%s/>\n", colour,
        s->dashed ? " stroke-dasharray=\"6 4\"" : "");
}

static void draw_series(struct cox_plot *plot, const struct cox_chart_series *s, const char *colour)
{
    if (!s->loose)
        draw_line(plot, s, colour);
    if (!(s->marks || s->loose) || s->n > THIN_FROM)
        return;
    cox_str_add(plot->out, "<path d=\"");
    for (size_t i = 0; i < s->n; i++)
        if (shown(plot->chart, s->x[i], s->y[i]))
            cox_str_addf(plot->out, "M%.1f %.1fh0", cox_scale_map(&plot->x, s->x[i]),
                         cox_scale_map(&plot->y, s->y[i]));
    cox_str_addf(plot->out, "\" stroke=\"%s\" stroke-width=\"6\" stroke-linecap=\"round\"/>\n",
                 colour);
}

void cox_chart_lines(struct cox_str *out, const struct cox_chart *chart,
                     const struct cox_chart_series *series, int n_series)
{
    struct cox_range x = COX_RANGE_EMPTY, y = COX_RANGE_EMPTY;
    struct cox_legend *legend = cox_alloc((size_t)n_series, sizeof *legend);
    if (!legend) {
        out->status = COX_ENOMEM;
        return;
    }
    for (int i = 0; i < n_series; i++) {
        const struct cox_chart_series *s = &series[i];
        legend[i] = (struct cox_legend){.name = s->name,
                                        .colour = cox_colour_of(s->colour > 0 ? s->colour - 1 : i),
                                        .line = !s->loose,
                                        .dashed = s->dashed};
        for (size_t k = 0; k < s->n; k++)
            if (shown(chart, s->x[k], s->y[k])) {
                cox_range_add(&x, s->x[k], chart->x_log);
                cox_range_add(&y, s->y[k], chart->y_log);
            }
    }
    struct cox_plot plot;
    const bool zero = !chart->y_log && y.low > 0 && y.low < 0.5 * y.high;
    if (cox_plot_begin(&plot, out, chart, x, y, zero, legend, n_series, 0)) {
        cox_plot_clip_begin(&plot);
        for (int i = 0; i < n_series; i++)
            draw_series(&plot, &series[i], legend[i].colour);
        cox_plot_clip_end(&plot);
    }
    cox_plot_end(&plot);
    cox_free(legend);
}
