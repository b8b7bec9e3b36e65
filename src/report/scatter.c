/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/chart.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/rng.h"
#include "report/html.h"
#include "report/plot.h"

#define MOST 4000
#define BAR_ROOM 74.0
#define BAR_WIDTH 12.0

static bool shown(const struct cox_chart *chart, const struct cox_chart_scatter *d, size_t i)
{
    return isfinite(d->x[i]) && isfinite(d->y[i]) && (!chart->x_log || d->x[i] > 0) &&
           (!chart->y_log || d->y[i] > 0) && (!d->value || isfinite(d->value[i])) &&
           (d->value || !d->category || d->category[i] >= 0);
}

/* Thinning by a hash of the number: frames come lane by lane, and a fixed stride would favour some
 * lanes. */
static bool kept(size_t i, double share)
{
    return share >= 1 || (double)(cox_seed_mix(i, 1) >> 11) * 0x1p-53 < share;
}

/* One path for all dots of a colour: a zero-length stroke with a round cap is a dot. Returns how
 * many.
 */
static size_t draw_dots(struct cox_plot *plot, const struct cox_chart_scatter *d, const int *bin,
                        int which, const char *colour, double share)
{
    size_t drawn = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (bin[i] != which || !shown(plot->chart, d, i) || !kept(i, share))
            continue;
        cox_str_addf(plot->out, "%sM%.1f %.1fh0", drawn++ ? "" : "<path d=\"",
                     cox_scale_map(&plot->x, d->x[i]), cox_scale_map(&plot->y, d->y[i]));
    }
    if (drawn)
        cox_str_addf(plot->out,
                     "\" stroke=\"%s\" stroke-width=\"%s\" stroke-linecap=\"round\" "
                     "stroke-opacity=\".75\"/>\n",
                     colour, (double)d->n * share > 1000 ? "3.4" : "5");
    return drawn;
}

static void draw_colour_bar(struct cox_plot *plot, const struct cox_chart_scatter *d,
                            struct cox_range range)
{
    const double x = plot->right + 16, height = plot->bottom - plot->top;
    const double cell = height / COX_COLOUR_STEPS;
    for (int i = 0; i < COX_COLOUR_STEPS; i++) {
        char colour[8];
        const double t = (i + 0.5) / COX_COLOUR_STEPS;
        cox_colour_viridis(colour, d->value_reversed ? 1 - t : t);
        cox_str_addf(plot->out,
                     "<rect x=\"%.1f\" y=\"%.2f\" width=\"%.0f\" height=\"%.2f\" fill=\"%s\"/>", x,
                     plot->bottom - (i + 1) * cell, BAR_WIDTH, cell + 0.4, colour);
    }
    cox_str_add(plot->out, "\n");
    if (range.high > range.low) {
        double first, step;
        int n;
        char text[24];
        cox_ticks(range.low, range.high, (int)(height / 42), &first, &step, &n);
        for (int i = 0; i < n; i++) {
            const double value = first + i * step;
            cox_tick_text(text, sizeof text, value, step, range.high);
            cox_plot_text(plot, x + BAR_WIDTH + 4,
                          plot->bottom - (value - range.low) / (range.high - range.low) * height +
                              4,
                          "start", 11, text);
        }
    }
    if (range.high == range.low) {
        char text[24];
        snprintf(text, sizeof text, "%.4g", range.low);
        cox_plot_text(plot, x + BAR_WIDTH + 4, (plot->top + plot->bottom) / 2 + 4, "start", 11,
                      text);
    }
    if (d->value_label) {
        cox_str_addf(plot->out,
                     "<text transform=\"translate(%.1f %.1f) rotate(-90)\" text-anchor=\"middle\" "
                     "font-size=\"%.0f\">",
                     (double)plot->width - 9, (plot->top + plot->bottom) / 2, COX_PLOT_FONT);
        cox_html_escape(plot->out, d->value_label);
        cox_str_add(plot->out, "</text>\n");
    }
}

static void draw_marked(struct cox_plot *plot, const struct cox_chart_scatter *d)
{
    for (size_t i = 0; i < d->n_marked; i++) {
        const size_t at = d->marked[i];
        if (at < d->n && shown(plot->chart, d, at))
            cox_str_addf(plot->out,
                         "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\" fill=\"none\" "
                         "stroke=\"#d55e00\" stroke-width=\"1.5\"/>\n",
                         cox_scale_map(&plot->x, d->x[at]), cox_scale_map(&plot->y, d->y[at]));
    }
}

struct scatter_colours {
    int *bin;
    int n; /* colours */
    struct cox_range value;
    size_t shown;
};

static void sort_into_colours(struct scatter_colours *c, const struct cox_chart *chart,
                              const struct cox_chart_scatter *d, struct cox_range *x,
                              struct cox_range *y)
{
    for (size_t i = 0; i < d->n; i++) {
        if (!shown(chart, d, i))
            continue;
        c->shown++;
        cox_range_add(x, d->x[i], chart->x_log);
        cox_range_add(y, d->y[i], chart->y_log);
        if (d->value)
            cox_range_add(&c->value, d->value[i], false);
    }
    for (size_t i = 0; i < d->n; i++) {
        c->bin[i] = d->category && !d->value ? d->category[i] : 0;
        if (d->value && shown(chart, d, i) && c->value.high > c->value.low) {
            const double t = (d->value[i] - c->value.low) / (c->value.high - c->value.low);
            const int at = (int)(t * COX_COLOUR_STEPS);
            c->bin[i] = at < COX_COLOUR_STEPS ? at : COX_COLOUR_STEPS - 1;
        }
    }
    c->n = d->value ? COX_COLOUR_STEPS : d->category ? d->n_categories : 1;
}

static void draw_all(struct cox_plot *plot, const struct cox_chart_scatter *d,
                     const struct scatter_colours *c, double share)
{
    size_t drawn = 0;
    cox_plot_clip_begin(plot);
    for (int k = 0; k < c->n; k++) {
        /* The bright end, where the few interesting points are, is drawn last. */
        const int which = d->value_reversed ? c->n - 1 - k : k;
        char colour[8];
        const double t = (which + 0.5) / COX_COLOUR_STEPS;
        if (d->value)
            cox_colour_viridis(colour, d->value_reversed ? 1 - t : t);
        else
            snprintf(colour, sizeof colour, "%s", cox_colour_of(which));
        drawn += draw_dots(plot, d, c->bin, which, colour, share);
    }
    draw_marked(plot, d);
    cox_plot_clip_end(plot);
    if (d->value)
        draw_colour_bar(plot, d, c->value);
    if (share < 1) {
        char text[96];
        snprintf(text, sizeof text, "%zu of %zu points drawn", drawn, c->shown);
        cox_plot_text(plot, plot->right - 4, plot->top + 12, "end", 10, text);
    }
}

void cox_chart_scatter(struct cox_str *out, const struct cox_chart *chart,
                       const struct cox_chart_scatter *d)
{
    const int names = d->category && !d->value && d->category_names ? d->n_categories : 0;
    struct scatter_colours c = {.value = COX_RANGE_EMPTY};
    struct cox_range x = COX_RANGE_EMPTY, y = COX_RANGE_EMPTY;
    struct cox_legend *legend = cox_alloc((size_t)names + 1, sizeof *legend);
    c.bin = cox_alloc(d->n, sizeof *c.bin);
    if (!legend || !c.bin) {
        out->status = COX_ENOMEM;
    } else {
        sort_into_colours(&c, chart, d, &x, &y);
        for (int i = 0; i < names; i++)
            legend[i] =
                (struct cox_legend){.name = d->category_names[i], .colour = cox_colour_of(i)};
        legend[names] = (struct cox_legend){
            .name = d->n_marked ? d->marked_name : NULL, .colour = "#d55e00", .ring = true};
        const double most = d->most ? (double)d->most : MOST;
        struct cox_plot plot;
        if (cox_plot_begin(&plot, out, chart, x, y, false, legend, names + 1,
                           d->value ? BAR_ROOM : 0))
            draw_all(&plot, d, &c, (double)c.shown > most ? most / (double)c.shown : 1);
        cox_plot_end(&plot);
    }
    cox_free(legend);
    cox_free(c.bin);
}
