/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/plot.h"

#include <stdio.h>
#include <string.h>

#include "report/html.h"

#define TITLE_SIZE 14.0
#define TICK_SIZE 11.0
#define EDGE 8.0 /* free space around everything */

void cox_range_add(struct cox_range *range, double value, bool log)
{
    if (!isfinite(value) || (log && value <= 0))
        return;
    range->low = value < range->low ? value : range->low;
    range->high = value > range->high ? value : range->high;
}

bool cox_range_is_empty(const struct cox_range *range)
{
    return !(range->low <= range->high);
}

double cox_scale_map(const struct cox_scale *s, double value)
{
    if (s->log)
        return s->from + (log10(value) - log10(s->low)) / (log10(s->high) - log10(s->low)) *
                             (s->to - s->from);
    return s->from + (value - s->low) / (s->high - s->low) * (s->to - s->from);
}

double cox_plot_text_width(const char *text, double size)
{
    double letters = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        letters += (*c & 0xc0) != 0x80; /* not the rest of a UTF-8 letter */
    return letters * size * 0.54;
}

void cox_plot_text(struct cox_plot *plot, double x, double y, const char *anchor, double size,
                   const char *text)
{
    cox_str_addf(plot->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%.0f\">", x,
                 y, anchor, size);
    cox_html_escape(plot->out, text);
    cox_str_add(plot->out, "</text>\n");
}

void cox_ticks(double low, double high, int wanted, double *first, double *step, int *n)
{
    const double raw = (high - low) / (wanted > 1 ? wanted : 1);
    const double power = pow(10, floor(log10(raw)));
    const double f = raw / power;
    *step = (f <= 1.0001 ? 1 : f <= 2.0001 ? 2 : f <= 5.0001 ? 5 : 10) * power;
    *first = ceil(low / *step - 1e-9) * *step;
    *n = (int)floor((high - *first) / *step + 1e-9) + 1;
    *n = *n > 0 ? (*n < 100 ? *n : 100) : 0;
}

void cox_tick_text(char *text, size_t size, double value, double step, double largest)
{
    const char *unit = "";
    if (fabs(largest) >= 1e12 || (step > 0 && step < 1e-6)) {
        snprintf(text, size, "%.3g", value);
        return;
    }
    if (fabs(largest) >= 2e6) {
        unit = "M";
        value /= 1e6;
        step /= 1e6;
    } else if (fabs(largest) >= 1e5) {
        unit = "k";
        value /= 1e3;
        step /= 1e3;
    }
    int digits = (int)ceil(-log10(step) - 1e-9);
    digits = digits > 0 ? digits : 0;
    if (fabs(value) < step / 1e6)
        value = 0; /* no "-0" */
    snprintf(text, size, "%.*f%s", digits, value, value == 0 ? "" : unit);
}

static void set_limits(struct cox_scale *s, struct cox_range data, double fixed_low,
                       double fixed_high, bool zero)
{
    double low = data.low, high = data.high;
    if (s->log) {
        if (!(low < high)) {
            low /= 2;
            high *= 2;
        }
        const double room = pow(high / low, 0.04);
        low /= room;
        high *= room;
    } else {
        if (!(low < high)) {
            const double room = low == 0 ? 1 : fabs(low) * 0.1;
            low -= room;
            high += room;
        }
        const double room = (high - low) * 0.04;
        const bool positive = data.low >= 0;
        low -= room;
        high += room;
        if (zero || (positive && low < 0))
            low = zero && data.low < 0 ? low : 0;
    }
    s->low = isnan(fixed_low) ? low : fixed_low;
    s->high = isnan(fixed_high) ? high : fixed_high;
    if (!(s->low < s->high) || (s->log && !(s->low > 0))) {
        s->low = low;
        s->high = high;
    }
}

static void legend_mark(struct cox_plot *plot, const struct cox_legend *l, double x, double y)
{
    if (l->ring)
        cox_str_addf(plot->out,
                     "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\" fill=\"none\" stroke=\"%s\" "
                     "stroke-width=\"1.5\"/>",
                     x + 8, y - 4, l->colour);
    else if (l->line)
        cox_str_addf(
            plot->out,
            "<path d=\"M%.1f %.1fh16\" stroke=\"%s\" stroke-width=\"2.5\"%s fill=\"none\"/>", x,
            y - 4, l->colour, l->dashed ? " stroke-dasharray=\"5 3\"" : "");
    else
        cox_str_addf(plot->out,
                     "<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\" rx=\"2\" "
                     "fill=\"%s\"/>",
                     x + 2, y - 10, l->colour);
}

/* Rows of marks and names under the title; returns where the plot may begin. */
static double draw_legend(struct cox_plot *plot, const struct cox_legend *legend, int n, double y)
{
    double x = EDGE;
    bool any = false;
    for (int i = 0; i < n; i++) {
        if (!legend[i].name)
            continue;
        const double width = 22 + cox_plot_text_width(legend[i].name, COX_PLOT_FONT) + 14;
        if (any && x + width > plot->width) {
            x = EDGE;
            y += 18;
        }
        legend_mark(plot, &legend[i], x, y + 12);
        cox_plot_text(plot, x + 21, y + 12, "start", COX_PLOT_FONT, legend[i].name);
        x += width;
        any = true;
    }
    return any ? y + 20 : y;
}

static double open_picture(struct cox_plot *plot, struct cox_str *out,
                           const struct cox_chart *chart, const struct cox_legend *legend, int n)
{
    memset(plot, 0, sizeof *plot);
    plot->out = out;
    plot->chart = chart;
    plot->width = chart->width > 0 ? chart->width : 640;
    plot->height = chart->height > 0 ? chart->height : 360;
    cox_str_addf(out,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                 "height=\"%d\" role=\"img\" font-family=\"system-ui, 'DejaVu Sans', Arial, "
                 "sans-serif\" fill=\"currentColor\">\n",
                 plot->width, plot->height, plot->width, plot->height);
    double y = EDGE;
    if (chart->title) {
        cox_str_add(out, "<title>");
        cox_html_escape(out, chart->title);
        cox_str_addf(out,
                     "</title>\n<text x=\"%.0f\" y=\"%.0f\" font-size=\"%.0f\" "
                     "font-weight=\"600\">",
                     EDGE, y + 12, TITLE_SIZE);
        cox_html_escape(out, chart->title);
        cox_str_add(out, "</text>\n");
        y += 22;
    }
    return draw_legend(plot, legend, n, y) + 6;
}

static void grid_line(struct cox_plot *plot, double x, double y, char way, double length)
{
    cox_str_addf(plot->out, "<path d=\"M%.1f %.1f%c%.1f\"/>", x, y, way, length);
}

#define LONGEST_AXIS 128

struct axis_ticks {
    int n;
    double at[LONGEST_AXIS];
    char text[LONGEST_AXIS][24];
};

static void add_tick(struct axis_ticks *t, double value, const char *text)
{
    if (t->n == LONGEST_AXIS)
        return;
    t->at[t->n] = value;
    snprintf(t->text[t->n++], sizeof t->text[0], "%s", text);
}

static void log_ticks(struct axis_ticks *t, const struct cox_scale *s)
{
    const double decades = log10(s->high / s->low);
    static const double steps[] = {1, 2, 5};
    for (int p = (int)floor(log10(s->low)); p <= (int)ceil(log10(s->high)); p++)
        for (int i = 0; i < (decades < 2.5 ? 3 : 1); i++) {
            const double value = steps[i] * pow(10, p);
            char text[24];
            if (value < s->low * 0.999999 || value > s->high * 1.000001 ||
                (decades > 8 && p % 2 != 0))
                continue;
            snprintf(text, sizeof text, "%g", value);
            add_tick(t, value, text);
        }
}

static void find_ticks(struct axis_ticks *t, const struct cox_scale *s, int wanted, bool whole)
{
    t->n = 0;
    if (s->log) {
        log_ticks(t, s);
        return;
    }
    double first, step;
    int n;
    cox_ticks(s->low, s->high, wanted, &first, &step, &n);
    if (whole && step < 1) {
        step = 1;
        first = ceil(s->low - 1e-9);
        n = (int)floor(s->high - first + 1e-9) + 1;
    }
    for (int i = 0; i < n; i++) {
        char text[24];
        cox_tick_text(text, sizeof text, first + i * step, step,
                      fabs(s->high) > fabs(s->low) ? s->high : s->low);
        add_tick(t, first + i * step, text);
    }
}

static void draw_x_axis(struct cox_plot *plot)
{
    struct axis_ticks t;
    find_ticks(&t, &plot->x, (int)((plot->right - plot->left) / 75), plot->chart->x_whole);
    cox_str_add(plot->out, "<g stroke=\"currentColor\" stroke-opacity=\".13\">");
    for (int i = 0; i < t.n; i++)
        grid_line(plot, cox_scale_map(&plot->x, t.at[i]), plot->top, 'v', plot->bottom - plot->top);
    cox_str_add(plot->out, "</g>\n");
    double free_from = -1e9;
    for (int i = 0; i < t.n; i++) {
        const double x = cox_scale_map(&plot->x, t.at[i]);
        const double half = cox_plot_text_width(t.text[i], TICK_SIZE) / 2;
        if (x - half < free_from)
            continue;
        cox_plot_text(plot, x, plot->bottom + 15, "middle", TICK_SIZE, t.text[i]);
        free_from = x + half + 6;
    }
    if (plot->chart->x_label)
        cox_plot_text(plot, (plot->left + plot->right) / 2, plot->bottom + 32, "middle",
                      COX_PLOT_FONT, plot->chart->x_label);
}

/* The same scale in other units, at the top; without lines. */
static void draw_x2_axis(struct cox_plot *plot)
{
    struct axis_ticks t;
    struct cox_scale other = plot->x;
    other.low *= plot->chart->x2_scale;
    other.high *= plot->chart->x2_scale;
    find_ticks(&t, &other, (int)((plot->right - plot->left) / 75), false);
    cox_str_addf(plot->out,
                 "<path stroke=\"currentColor\" stroke-opacity=\".55\" fill=\"none\" "
                 "d=\"M%.1f %.1fH%.1f",
                 plot->left, plot->top, plot->right);
    for (int i = 0; i < t.n; i++)
        cox_str_addf(plot->out, "M%.1f %.1fv-4", cox_scale_map(&other, t.at[i]), plot->top);
    cox_str_add(plot->out, "\"/>\n");
    for (int i = 0; i < t.n; i++)
        cox_plot_text(plot, cox_scale_map(&other, t.at[i]), plot->top - 7, "middle", TICK_SIZE,
                      t.text[i]);
    cox_plot_text(plot, (plot->left + plot->right) / 2, plot->top - 22, "middle", COX_PLOT_FONT,
                  plot->chart->x2_label);
}

static void draw_y_axis(struct cox_plot *plot, const struct axis_ticks *t)
{
    cox_str_add(plot->out, "<g stroke=\"currentColor\" stroke-opacity=\".13\">");
    for (int i = 0; i < t->n; i++)
        grid_line(plot, plot->left, cox_scale_map(&plot->y, t->at[i]), 'h',
                  plot->right - plot->left);
    cox_str_add(plot->out, "</g>\n");
    for (int i = 0; i < t->n; i++)
        cox_plot_text(plot, plot->left - 6, cox_scale_map(&plot->y, t->at[i]) + 4, "end", TICK_SIZE,
                      t->text[i]);
    if (plot->chart->y_label) {
        const double y = (plot->top + plot->bottom) / 2;
        cox_str_addf(plot->out,
                     "<text transform=\"translate(%.1f %.1f) rotate(-90)\" text-anchor=\"middle\" "
                     "font-size=\"%.0f\">",
                     EDGE + 9, y, COX_PLOT_FONT);
        cox_html_escape(plot->out, plot->chart->y_label);
        cox_str_add(plot->out, "</text>\n");
    }
}

static void draw_frame(struct cox_plot *plot)
{
    cox_str_addf(plot->out,
                 "<path d=\"M%.1f %.1fV%.1fH%.1f\" fill=\"none\" stroke=\"currentColor\" "
                 "stroke-opacity=\".55\"/>\n",
                 plot->left, plot->top, plot->bottom, plot->right);
}

static bool say_empty(struct cox_plot *plot)
{
    plot->left = EDGE;
    plot->right = plot->width - EDGE;
    plot->bottom = plot->height - EDGE;
    cox_str_addf(plot->out,
                 "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" "
                 "stroke=\"currentColor\" stroke-opacity=\".25\" stroke-dasharray=\"4 4\"/>\n",
                 plot->left, plot->top, plot->right - plot->left, plot->bottom - plot->top);
    cox_plot_text(plot, (plot->left + plot->right) / 2, (plot->top + plot->bottom) / 2 + 4,
                  "middle", 13, "no data");
    return false;
}

bool cox_plot_begin(struct cox_plot *plot, struct cox_str *out, const struct cox_chart *chart,
                    struct cox_range x, struct cox_range y, bool zero,
                    const struct cox_legend *legend, int n_legend, double room_right)
{
    const double top = open_picture(plot, out, chart, legend, n_legend);
    plot->top = top;
    if (cox_range_is_empty(&x) || cox_range_is_empty(&y))
        return say_empty(plot);
    plot->top += chart->x2_label ? 32 : 0;
    plot->bottom = plot->height - EDGE - (chart->x_label ? 34 : 18);
    plot->right = plot->width - EDGE - 8 - room_right;
    plot->x.log = chart->x_log;
    plot->y.log = chart->y_log;
    set_limits(&plot->x, x, chart->x_min, chart->x_max, false);
    set_limits(&plot->y, y, chart->y_min, chart->y_max, zero);
    struct axis_ticks t;
    find_ticks(&t, &plot->y, (int)((plot->bottom - plot->top) / 42), false);
    double widest = 0;
    for (int i = 0; i < t.n; i++) {
        const double w = cox_plot_text_width(t.text[i], TICK_SIZE);
        widest = w > widest ? w : widest;
    }
    plot->left = EDGE + widest + 8 + (chart->y_label ? 18 : 0);
    plot->x.from = plot->left;
    plot->x.to = plot->right;
    plot->y.from = plot->bottom;
    plot->y.to = plot->top;
    draw_x_axis(plot);
    draw_y_axis(plot, &t);
    if (chart->x2_label)
        draw_x2_axis(plot);
    draw_frame(plot);
    return true;
}

bool cox_plot_begin_rows(struct cox_plot *plot, struct cox_str *out, const struct cox_chart *chart,
                         struct cox_range x, const struct cox_legend *legend, int n_legend,
                         double room_left, double room_right)
{
    plot->top = 0;
    const double top = open_picture(plot, out, chart, legend, n_legend);
    plot->top = top;
    if (cox_range_is_empty(&x))
        return say_empty(plot);
    plot->bottom = plot->height - EDGE - (chart->x_label ? 34 : 18);
    plot->left = EDGE + room_left;
    plot->right = plot->width - EDGE - 8 - room_right;
    plot->x.log = chart->x_log;
    set_limits(&plot->x, x, chart->x_min, chart->x_max, false);
    plot->x.from = plot->left;
    plot->x.to = plot->right;
    draw_x_axis(plot);
    draw_frame(plot);
    return true;
}

void cox_plot_end(struct cox_plot *plot)
{
    cox_str_add(plot->out, "</svg>\n");
}

/* A nested <svg> cuts off at its edges and, unlike a clip path, needs no name unique in the page.
 */
void cox_plot_clip_begin(struct cox_plot *plot)
{
    const double w = plot->right - plot->left, h = plot->bottom - plot->top;
    cox_str_addf(plot->out,
                 "<svg x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                 "viewBox=\"%.1f %.1f %.1f %.1f\">\n",
                 plot->left, plot->top, w, h, plot->left, plot->top, w, h);
}

void cox_plot_clip_end(struct cox_plot *plot)
{
    cox_str_add(plot->out, "</svg>\n");
}
