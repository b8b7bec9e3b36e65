/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/chart.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "report/plot.h"

#define MOST_BANDS 10
#define MOST_BINS 60

struct bands {
    int n, groups; /* bands; groups in all */
    int bins;
    double low, width; /* of the bins */
    double *height;    /* [bands][bins] */
    double total[MOST_BANDS];
    char name[MOST_BANDS][48];
    char colour[MOST_BANDS][8];
};

static int group_of(const struct cox_chart_histogram *d, size_t i)
{
    return d->group ? d->group[i] : 0;
}

static bool counted(const struct cox_chart_histogram *d, size_t i)
{
    return isfinite(d->value[i]) && group_of(d, i) >= 0 &&
           group_of(d, i) < (d->group ? d->n_groups : 1);
}

static int band_of(const struct bands *b, int group)
{
    return (int)((long)group * b->n / b->groups);
}

static void name_bands(struct bands *b, const struct cox_chart_histogram *d)
{
    for (int k = 0; k < b->n; k++) {
        int first = b->groups, last = 0;
        for (int g = 0; g < b->groups; g++)
            if (band_of(b, g) == k) {
                first = g < first ? g : first;
                last = g;
            }
        const char *word = d->group_word ? d->group_word : "group";
        if (d->group_names && first == last)
            snprintf(b->name[k], sizeof b->name[k], "%s", d->group_names[first]);
        else if (first == last)
            snprintf(b->name[k], sizeof b->name[k], "%s %d", word, first + d->first_group);
        else
            snprintf(b->name[k], sizeof b->name[k], "%s %d–%d", k ? "" : word,
                     first + d->first_group, last + d->first_group);
        if (d->ordered) /* short of both ends, which a white or a dark page swallows */
            cox_colour_viridis(b->colour[k], b->n > 1 ? 0.06 + 0.82 * k / (b->n - 1) : 0.4);
        else
            snprintf(b->colour[k], sizeof b->colour[k], "%s", cox_colour_of(k));
    }
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Freedman & Diaconis 1981: twice the interquartile range over the cube root of n; between 12 and
 * 60 bins, a little more or fewer so that their edges are round numbers. */
static int choose_bins(struct bands *b, const struct cox_chart_histogram *d, struct cox_range *x)
{
    double *sorted = cox_alloc(d->n, sizeof *sorted);
    if (!sorted)
        return COX_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++)
        if (counted(d, i)) {
            sorted[n++] = d->value[i];
            cox_range_add(x, d->value[i], false);
        }
    qsort(sorted, n, sizeof *sorted, compare_doubles);
    double width = n ? 2 * (sorted[n * 3 / 4] - sorted[n / 4]) / cbrt((double)n) : 0;
    cox_free(sorted);
    const double span = x->high > x->low ? x->high - x->low : 1;
    if (d->bins > 0)
        width = span / d->bins;
    else if (!(width >= span / 50))
        width = span / 50;
    else if (width > span / 24)
        width = span / 24;
    b->low = x->low;
    if (d->bins <= 0 && n) { /* the nearest of 1, 2, 5 times a power of ten */
        const double power = pow(10, floor(log10(width))), f = width / power;
        width = power * (f < 1.5 ? 1 : f < 3.5 ? 2 : f < 7.5 ? 5 : 10);
        b->low = floor(x->low / width) * width;
    }
    b->width = width;
    b->bins = n ? (int)((x->high - b->low) / width) + 1 : 0;
    if (d->bins > 0 && n)
        b->bins = d->bins;
    b->bins = b->bins < 4 * MOST_BINS ? b->bins : 4 * MOST_BINS;
    return COX_OK;
}

static void count(struct bands *b, const struct cox_chart_histogram *d)
{
    for (size_t i = 0; i < d->n; i++) {
        if (!counted(d, i))
            continue;
        int at = (int)((d->value[i] - b->low) / b->width);
        at = at < 0 ? 0 : at < b->bins ? at : b->bins - 1;
        const int k = band_of(b, group_of(d, i));
        b->height[k * b->bins + at]++;
        b->total[k]++;
    }
    if (d->density && !d->stacked)
        for (int k = 0; k < b->n; k++)
            for (int i = 0; i < b->bins && b->total[k] > 0; i++)
                b->height[k * b->bins + i] /= b->total[k] * b->width;
}

static void draw_stacked(struct cox_plot *plot, const struct bands *b)
{
    for (int k = 0; k < b->n; k++) {
        cox_str_addf(plot->out, "<g fill=\"%s\">", b->colour[k]);
        for (int i = 0; i < b->bins; i++) {
            double under = 0;
            const double own = b->height[k * b->bins + i];
            for (int j = 0; j < k; j++)
                under += b->height[j * b->bins + i];
            if (own <= 0)
                continue;
            const double x = cox_scale_map(&plot->x, b->low + i * b->width);
            const double right = cox_scale_map(&plot->x, b->low + (i + 1) * b->width);
            const double y = cox_scale_map(&plot->y, under + own);
            cox_str_addf(plot->out, "<rect x=\"%.1f\" y=\"%.2f\" width=\"%.1f\" height=\"%.2f\"/>",
                         x + 0.5, y, right - x > 2 ? right - x - 1 : right - x,
                         cox_scale_map(&plot->y, under) - y);
        }
        cox_str_add(plot->out, "</g>\n");
    }
}

static void draw_outlines(struct cox_plot *plot, const struct bands *b)
{
    for (int k = 0; k < b->n; k++) {
        const double ground = cox_scale_map(&plot->y, 0);
        cox_str_addf(plot->out, "<path d=\"M%.1f %.1f", cox_scale_map(&plot->x, b->low), ground);
        for (int i = 0; i < b->bins; i++)
            cox_str_addf(plot->out, "V%.1fH%.1f",
                         cox_scale_map(&plot->y, b->height[k * b->bins + i]),
                         cox_scale_map(&plot->x, b->low + (i + 1) * b->width));
        cox_str_addf(plot->out,
                     "V%.1f\" fill=\"%s\" fill-opacity=\".1\" stroke=\"%s\" stroke-width=\"1.8\" "
                     "stroke-linejoin=\"round\"/>\n",
                     ground, b->colour[k], b->colour[k]);
    }
}

static struct cox_range heights(const struct bands *b, bool stacked)
{
    struct cox_range y = COX_RANGE_EMPTY;
    for (int i = 0; i < b->bins; i++) {
        double sum = 0;
        for (int k = 0; k < b->n; k++) {
            sum += b->height[k * b->bins + i];
            cox_range_add(&y, b->height[k * b->bins + i], false);
        }
        if (stacked)
            cox_range_add(&y, sum, false);
    }
    if (y.high > 0)
        y.low = 0;
    return y;
}

void cox_chart_histogram(struct cox_str *out, const struct cox_chart *chart,
                         const struct cox_chart_histogram *d)
{
    struct bands b = {.groups = d->group && d->n_groups > 0 ? d->n_groups : 1};
    b.n = b.groups < MOST_BANDS ? b.groups : MOST_BANDS;
    struct cox_range x = COX_RANGE_EMPTY;
    if (choose_bins(&b, d, &x)) {
        out->status = COX_ENOMEM;
        return;
    }
    b.height = cox_alloc((size_t)b.n * (size_t)b.bins, sizeof *b.height);
    if (!b.height) {
        out->status = COX_ENOMEM;
        return;
    }
    count(&b, d);
    name_bands(&b, d);
    struct cox_legend legend[MOST_BANDS];
    for (int k = 0; k < b.n; k++)
        legend[k] =
            (struct cox_legend){.name = b.total[k] > 0 ? b.name[k] : NULL, .colour = b.colour[k]};
    if (b.bins) {
        x.low = b.low;
        x.high = b.low + b.bins * b.width;
    }
    struct cox_plot plot;
    if (cox_plot_begin(&plot, out, chart, x, heights(&b, d->stacked), true, legend,
                       b.groups > 1 ? b.n : 0, 0)) {
        cox_plot_clip_begin(&plot);
        if (d->stacked)
            draw_stacked(&plot, &b);
        else
            draw_outlines(&plot, &b);
        cox_plot_clip_end(&plot);
    }
    cox_plot_end(&plot);
    cox_free(b.height);
}
