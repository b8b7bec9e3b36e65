/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside report: the frame that all charts share: title, legend, axes, mapping of data to pixels.
 */
#ifndef COX_REPORT_PLOT_H
#define COX_REPORT_PLOT_H

#include "report/chart.h"

struct cox_scale {
    double low, high; /* data */
    double from, to;  /* pixels */
    bool log;
};

struct cox_legend {
    const char *name; /* NULL = left out */
    const char *colour;
    bool line, dashed, ring; /* else a filled square */
};

struct cox_plot {
    struct cox_str *out;
    const struct cox_chart *chart;
    int width, height;               /* of the whole picture */
    double left, top, right, bottom; /* edges of the plot area */
    struct cox_scale x, y;
};

#define COX_PLOT_FONT 12.0

/* Limits over which data run. */
struct cox_range {
    double low, high;
};
#define COX_RANGE_EMPTY     \
    {                       \
        INFINITY, -INFINITY \
    }
void cox_range_add(struct cox_range *range, double value, bool log);
bool cox_range_is_empty(const struct cox_range *range);

/* Opens the picture: title and legend are drawn, axes with ticks and labels too; room on the right
 * for a colour bar. The ranges of the data are widened a little unless the chart fixes them; `zero`
 * makes y start at 0. Empty ranges draw an empty frame that says so; returns false then, and the
 * caller only closes. */
bool cox_plot_begin(struct cox_plot *plot, struct cox_str *out, const struct cox_chart *chart,
                    struct cox_range x, struct cox_range y, bool zero,
                    const struct cox_legend *legend, int n_legend, double room_right);
/* The same without axes, for charts that draw their own rows: opens, draws title and legend, sets
 * the edges with `room_left` and, if `x` is not empty, the x axis. */
bool cox_plot_begin_rows(struct cox_plot *plot, struct cox_str *out, const struct cox_chart *chart,
                         struct cox_range x, const struct cox_legend *legend, int n_legend,
                         double room_left, double room_right);
void cox_plot_end(struct cox_plot *plot);

/* Between these, marks beyond the plot area are cut off; coordinates stay those of the picture. */
void cox_plot_clip_begin(struct cox_plot *plot);
void cox_plot_clip_end(struct cox_plot *plot);

double cox_scale_map(const struct cox_scale *scale, double value);

/* anchor: start, middle or end. */
void cox_plot_text(struct cox_plot *plot, double x, double y, const char *anchor, double size,
                   const char *text);
double cox_plot_text_width(const char *text, double size);

/* Ticks at 1, 2 or 5 times a power of ten inside low … high: *step and the first one; *n of them.
 */
void cox_ticks(double low, double high, int wanted, double *first, double *step, int *n);
/* Text of a tick: as many digits as `step` needs, k and M beyond 100,000. */
void cox_tick_text(char *text, size_t size, double value, double step, double largest);

/* Okabe-Ito, without black and yellow, which one of the two page colours would swallow; wraps. */
const char *cox_colour_of(int i);
/* viridis at t = 0 … 1 as "#rrggbb" into text[8]. */
void cox_colour_viridis(char *text, double t);
#define COX_COLOUR_STEPS 24

#endif
