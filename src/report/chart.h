/* SPDX-License-Identifier: BSD-3-Clause */
/* Charts as SVG text, for the inside of a page or as a file of their own. Every function appends
 * one <svg> element to `out`; failures (memory, the maximum of `out`) stick to `out` as in
 * base/str.h. Numbers that are not finite are left out; a chart without data says "no data". Texts
 * are escaped. Text takes the page's colour (currentColor), so light and dark pages both work;
 * series colours are from Okabe and Ito's colour-blind-safe set, values from viridis. Data are
 * borrowed for the call. Same input, same bytes. No state: safe in threads. */
#ifndef COX_REPORT_CHART_H
#define COX_REPORT_CHART_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct cox_chart {
    const char *title;                 /* nullable */
    const char *x_label, *y_label;     /* with units: "time (ns)"; nullable */
    int width, height;                 /* pixels; 0 = 640 × 360 */
    double x_min, x_max, y_min, y_max; /* NaN = from the data */
    bool x_log, y_log;                 /* values <= 0 are left out */
    const char *x2_label;              /* a second x axis at the top, showing x times x2_scale */
    double x2_scale;
    bool x_whole; /* x counts something: ticks at whole numbers only */
};
#define COX_CHART_INIT                                                           \
    {                                                                            \
        NULL, NULL, NULL, 0, 0, NAN, NAN, NAN, NAN, false, false, NULL, 1, false \
    }

struct cox_chart_series {
    const char *name; /* in the legend; NULL = not listed */
    const double *x, *y;
    size_t n;  /* more than ~2000 points are thinned, keeping each stretch's extremes */
    bool step; /* constant until the next x */
    bool dashed;
    bool marks; /* a dot at each point, too */
    bool loose; /* the dots only, no line: neighbours have nothing to do with each other */
    int colour; /* 0 = by position in the list, else 1 … 8 */
};
void cox_chart_lines(struct cox_str *out, const struct cox_chart *chart,
                     const struct cox_chart_series *series, int n_series);

struct cox_chart_scatter {
    const double *x, *y;
    size_t n;
    const double *value;     /* coloured by value with a colour bar; or NULL */
    const char *value_label; /* "RMSD (Å)" */
    bool value_reversed;     /* small values bright */
    const int *category;     /* coloured by category with a legend; or NULL; < 0 is left out */
    const char *const *category_names;
    int n_categories;
    const size_t *marked; /* points drawn last as rings, for example the picks; or NULL */
    size_t n_marked;
    const char *marked_name;
    size_t most; /* more points are thinned evenly and the chart says so; 0 = 4000 */
};
void cox_chart_scatter(struct cox_str *out, const struct cox_chart *chart,
                       const struct cox_chart_scatter *data);

/* Histograms of several groups over common bins. With `ordered` groups (rounds) colours run through
 * viridis; groups beyond 10 are then merged into bands of neighbours. */
struct cox_chart_histogram {
    const double *value;
    const int *group; /* [n], 0 … n_groups-1, others left out; NULL = one group */
    size_t n;
    int n_groups;
    const char *const
        *group_names; /* or NULL: "<group_word> <number>", numbered from first_group */
    const char *group_word;
    int first_group;
    bool ordered;
    bool stacked; /* one on the other; else outlines over each other */
    bool density; /* each group normalised to area 1 (not with stacked) */
    int bins;     /* 0 = chosen */
};
void cox_chart_histogram(struct cox_str *out, const struct cox_chart *chart,
                         const struct cox_chart_histogram *data);

/* What ran when: one bar per task in the row of its worker, above it the share of workers (or of
 * cores) that were busy. */
struct cox_chart_task {
    double began_s, ended_s;
    int row, kind;
    double cores; /* that it kept busy; used where the chart has `cores` */
};
struct cox_chart_mark {
    double at_s;
    int row;
};
struct cox_chart_timeline {
    const struct cox_chart_task *task;
    size_t n; /* tasks narrower than a pixel are merged with their neighbours of the same kind */
    int n_rows;
    const char *const *row_names; /* or NULL: "worker 0" … */
    int n_kinds;
    const char *const *kind_names;
    bool no_utilisation;
    double cores; /* that there were: the strip shows the share of them; 0: share of rows */
    const struct cox_chart_mark *mark; /* moments in rows, drawn as rings; or NULL */
    size_t n_marks;
    const char *mark_name;
};
/* `height` 0 = from the number of rows. */
void cox_chart_timeline(struct cox_str *out, const struct cox_chart *chart,
                        const struct cox_chart_timeline *data);

struct cox_chart_bars {
    const char *const *names;
    const double *value;
    const double *low, *high; /* error bars; NULL = none */
    int n;
    const char *format; /* printf format of one double for the figure on the bar; NULL = "%.3g" */
};
void cox_chart_bars(struct cox_str *out, const struct cox_chart *chart,
                    const struct cox_chart_bars *data);

#endif
