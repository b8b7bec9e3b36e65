/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/chart.h"

#include <stdio.h>

#include "report/plot.h"

static double high_of(const struct cox_chart_bars *d, int i)
{
    return d->high && isfinite(d->high[i]) && d->high[i] > d->value[i] ? d->high[i] : d->value[i];
}

static void draw_bar(struct cox_plot *plot, const struct cox_chart_bars *d, int i, double top,
                     double height)
{
    const double zero = cox_scale_map(&plot->x, plot->x.log || plot->x.low > 0 ? plot->x.low : 0);
    const double middle = top + height / 2;
    cox_plot_text(plot, plot->left - 6, middle + 4, "end", COX_PLOT_FONT, d->names[i]);
    if (!isfinite(d->value[i]) || (plot->x.log && d->value[i] <= 0)) {
        cox_plot_text(plot, plot->left + 6, middle + 4, "start", COX_PLOT_FONT, "none");
        return;
    }
    const double x = cox_scale_map(&plot->x, d->value[i]);
    const double bar = height * 0.64 < 26 ? height * 0.64 : 26;
    cox_str_addf(plot->out,
                 "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n",
                 x < zero ? x : zero, middle - bar / 2, fabs(x - zero), bar, cox_colour_of(i));
    if (d->low && d->high && isfinite(d->low[i]) && isfinite(d->high[i]))
        cox_str_addf(plot->out,
                     "<path d=\"M%.1f %.1fH%.1fm0 -5v10M%.1f %.1fv10\" stroke=\"currentColor\" "
                     "stroke-width=\"1.4\" fill=\"none\"/>\n",
                     cox_scale_map(&plot->x, d->low[i]), middle,
                     cox_scale_map(&plot->x, d->high[i]), cox_scale_map(&plot->x, d->low[i]),
                     middle - 5);
    char text[48];
    /* The format is the caller's; it takes one double by the contract of struct cox_chart_bars. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, d->format ? d->format : "%.3g", d->value[i]);
#pragma GCC diagnostic pop
    const double end = cox_scale_map(&plot->x, high_of(d, i));
    cox_plot_text(plot, (end > zero ? end : zero) + 7, middle + 4, "start", COX_PLOT_FONT, text);
}

void cox_chart_bars(struct cox_str *out, const struct cox_chart *chart,
                    const struct cox_chart_bars *d)
{
    struct cox_range x = COX_RANGE_EMPTY;
    double room = 20;
    for (int i = 0; i < d->n; i++) {
        cox_range_add(&x, d->value[i], chart->x_log);
        if (d->high)
            cox_range_add(&x, d->high[i], chart->x_log);
        if (d->low)
            cox_range_add(&x, d->low[i], chart->x_log);
        const double w = cox_plot_text_width(d->names[i], COX_PLOT_FONT);
        room = w > room ? w : room;
    }
    if (!cox_range_is_empty(&x) && !chart->x_log) {
        x.low = x.low < 0 ? x.low : 0;
        x.high = x.high > 0 ? x.high : 0;
    }
    struct cox_chart sized = *chart;
    if (sized.height <= 0)
        sized.height = 80 + 34 * (d->n > 0 ? d->n : 1);
    struct cox_plot plot;
    if (cox_plot_begin_rows(&plot, out, &sized, x, NULL, 0, room + 10, 56)) {
        const double height = (plot.bottom - plot.top) / d->n;
        for (int i = 0; i < d->n; i++)
            draw_bar(&plot, d, i, plot.top + i * height, height);
    }
    cox_plot_end(&plot);
}
