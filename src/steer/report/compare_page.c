/* SPDX-License-Identifier: BSD-3-Clause */
/* What a comparison says, as a page, a chart, lines of text and JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "report/chart.h"
#include "report/html.h"
#include "steer/report/compare_arm.h"

#define CURVE_POINTS 200 /* of an arm's curve in JSON */

enum curve { COVERAGE, BEST };
enum axis { AGGREGATE, REPLICA, WALL };

static double time_of(const struct cox_run_data *run, int64_t i, enum axis axis)
{
    const int64_t frame = run->in_time[i];
    return axis == WALL      ? run->wall_s[frame]
           : axis == REPLICA ? run->ns[frame] / run->lanes
                             : run->ns[frame];
}

/* All arms' curves. */
static void draw_curves(struct cox_str *out, const struct cox_comparison *c, enum curve what,
                        enum axis axis)
{
    static const char *const labels[] = {"aggregate simulated time (ns)",
                                         "simulated time per replica (ns)", "wall time (s)"};
    struct cox_chart chart = COX_CHART_INIT;
    double *x = cox_alloc((size_t)c->frames + (size_t)c->n, sizeof *x);
    double *y = cox_alloc((size_t)c->frames + (size_t)c->n, sizeof *y);
    struct cox_chart_series *s = cox_alloc((size_t)c->n, sizeof *s);
    char(*name)[128] = cox_alloc((size_t)c->n, sizeof *name);
    if (!x || !y || !s || !name) {
        out->status = COX_ENOMEM;
    } else {
        double *to_x = x, *to_y = y;
        for (int a = 0; a < c->n; a++) {
            const struct cox_arm *arm = &c->arms[a];
            const double *values = what == COVERAGE ? arm->coverage : arm->best;
            for (int64_t i = 0; i < arm->run.n; i++) {
                to_x[i] = time_of(&arm->run, i, axis);
                to_y[i] = what == COVERAGE ? 100 * values[i] : values[i];
            }
            if (arm->group_size > 1)
                snprintf(name[a], sizeof name[a], "%s (%d runs)", arm->name, arm->group_size);
            else
                snprintf(name[a], sizeof name[a], "%s", arm->name);
            s[a] = (struct cox_chart_series){.name = arm->first_of_group ? name[a] : NULL,
                                             .x = to_x,
                                             .y = to_y,
                                             .n = (size_t)arm->run.n,
                                             .step = true,
                                             .dashed = arm->control,
                                             .colour = arm->group % 8 + 1};
            to_x += arm->run.n;
            to_y += arm->run.n;
        }
        chart.title = what == COVERAGE ? "States visited" : "Best RMSD";
        chart.x_label = labels[axis];
        char label[48];
        snprintf(label, sizeof label, "%s (Å)", c->rmsd_name);
        chart.y_label = what == COVERAGE ? "share of all states (%)" : label;
        chart.x_min = 0;
        chart.height = 360 + 16 * (c->n_groups / 3); /* room for the legend's lines */
        if (what == COVERAGE) {
            chart.y_min = 0;
            chart.y_max = 102;
        }
        cox_chart_lines(out, &chart, s, c->n);
    }
    cox_free(x);
    cox_free(y);
    cox_free(s);
    cox_free(name);
}

void cox_comparison_svg(const struct cox_comparison *c, struct cox_str *out)
{
    struct cox_str chart;
    cox_str_init(&chart, (size_t)16 << 20);
    draw_curves(&chart, c, COVERAGE, AGGREGATE);
    if (cox_str_status(&chart, NULL))
        out->status = chart.status;
    cox_svg_file(out, cox_str_text(&chart));
    cox_str_deinit(&chart);
}

static void draw_speedups(struct cox_str *out, const struct cox_comparison *c, int level)
{
    const char **names = cox_alloc((size_t)c->n, sizeof *names);
    double *value = cox_alloc((size_t)c->n, sizeof *value);
    if (!names || !value) {
        out->status = COX_ENOMEM;
    } else {
        bool bound = false;
        for (int a = 0; a < c->n; a++) {
            names[a] = c->arms[a].name;
            value[a] = c->arms[a].speedup[level];
            bound |= c->arms[a].at_least[level];
        }
        char title[80];
        snprintf(title, sizeof title, "Speed-up to %.0f %% of the states%s",
                 100 * cox_compare_levels[level], bound ? " (at least)" : "");
        struct cox_chart chart = COX_CHART_INIT;
        chart.title = title;
        chart.x_label = "aggregate ns of the baseline / aggregate ns of the run";
        const struct cox_chart_bars d = {names, value, NULL,
                                         NULL,  c->n,  bound ? "≥ %.3g×" : "%.3g×"};
        cox_chart_bars(out, &chart, &d);
    }
    cox_free(names);
    cox_free(value);
}

static void number(char *text, size_t size, const char *fmt, double value)
{
    if (isnan(value)) {
        snprintf(text, size, "–");
        return;
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* formats of one double, all in this file */
    snprintf(text, size, fmt, value);
#pragma GCC diagnostic pop
}

static void speedup_text(char *text, size_t size, const struct cox_arm *arm, int level)
{
    if (isnan(arm->speedup[level]))
        snprintf(text, size, "–");
    else
        snprintf(text, size, "%s%.3g×", arm->at_least[level] ? "≥ " : "", arm->speedup[level]);
}

static void table(struct cox_str *page, const struct cox_comparison *c)
{
    const char *const heads[] = {"run",
                                 ">strategy",
                                 ">replicas",
                                 ">ns",
                                 ">ns per replica",
                                 ">states",
                                 ">states at common time",
                                 ">ns to 50 %",
                                 ">speed-up",
                                 ">ns to 80 %",
                                 ">speed-up",
                                 ">best RMSD (Å)",
                                 ">first fold (ns)",
                                 ">first fold (s)",
                                 ">ancestors"};
    enum { COLUMNS = 15 };
    cox_html_table_begin(page, heads, COLUMNS);
    for (int a = 0; a < c->n; a++) {
        const struct cox_arm *arm = &c->arms[a];
        char t[COLUMNS][32];
        const char *cells[COLUMNS] = {arm->name};
        for (int i = 1; i < COLUMNS; i++)
            cells[i] = t[i];
        number(t[1], sizeof t[1], "%.0f", arm->group + 1);
        number(t[2], sizeof t[2], "%.0f", arm->run.lanes);
        number(t[3], sizeof t[3], "%.1f", arm->run.total_ns);
        number(t[4], sizeof t[4], "%.2f", arm->run.total_ns / arm->run.lanes);
        number(t[5], sizeof t[5], "%.0f %%", 100 * arm->final_coverage);
        number(t[6], sizeof t[6], "%.0f %%", 100 * arm->common_coverage);
        number(t[7], sizeof t[7], "%.2f", arm->reached_ns[0]);
        speedup_text(t[8], sizeof t[8], arm, 0);
        number(t[9], sizeof t[9], "%.2f", arm->reached_ns[1]);
        speedup_text(t[10], sizeof t[10], arm, 1);
        number(t[11], sizeof t[11], "%.2f", arm->best_rmsd_A);
        number(t[12], sizeof t[12], "%.1f", arm->fold_ns);
        number(t[13], sizeof t[13], "%.0f", arm->fold_s);
        number(t[14], sizeof t[14], "%.0f", arm->ancestors);
        cox_html_table_row(page, heads, cells, COLUMNS);
    }
    cox_html_table_end(page);
}

struct spread {
    double low, median, high;
};

/* Over the arms of a group; NaN (never) counts as infinite and comes back as NaN. */
static struct spread spread_of(const struct cox_comparison *c, int group, double *room,
                               double (*value)(const struct cox_arm *arm))
{
    int n = 0;
    for (int a = 0; a < c->n; a++) {
        if (c->arms[a].group != group)
            continue;
        const double x = value(&c->arms[a]);
        int at = n++;
        for (; at > 0 && room[at - 1] > (isnan(x) ? INFINITY : x); at--)
            room[at] = room[at - 1];
        room[at] = isnan(x) ? INFINITY : x;
    }
    const double middle = n % 2 ? room[n / 2] : (room[n / 2 - 1] + room[n / 2]) / 2;
    return (struct spread){isfinite(room[0]) ? room[0] : NAN, isfinite(middle) ? middle : NAN,
                           isfinite(room[n - 1]) ? room[n - 1] : NAN};
}

static double best_of(const struct cox_arm *arm)
{
    return arm->best_rmsd_A;
}
static double fold_of(const struct cox_arm *arm)
{
    return arm->fold_ns;
}
static double coverage_of(const struct cox_arm *arm)
{
    return 100 * arm->common_coverage;
}
static double half_of(const struct cox_arm *arm)
{
    return arm->reached_ns[0];
}
static double most_of(const struct cox_arm *arm)
{
    return arm->reached_ns[1];
}

static void spread_text(char *text, size_t size, const struct spread *s, const char *fmt,
                        bool alone)
{
    char low[24], median[24], high[24];
    number(low, sizeof low, fmt, s->low);
    number(median, sizeof median, fmt, s->median);
    number(high, sizeof high, fmt, s->high);
    if (alone)
        snprintf(text, size, "%s", median);
    else
        snprintf(text, size, "%s (%s … %s)", median, low, high);
}

/* What the strategies are, and the medians and ranges over their runs. */
static void group_table(struct cox_str *page, const struct cox_comparison *c)
{
    static const char *const heads[] = {
        "strategy",    ">runs",          ">states at common time (%)", ">ns to 50 %",
        ">ns to 80 %", ">best RMSD (Å)", ">runs with a fold",          ">first fold (ns)"};
    enum { COLUMNS = 8 };
    double *room = cox_alloc((size_t)c->n, sizeof *room);
    if (!room) {
        page->status = COX_ENOMEM;
        return;
    }
    cox_html_section(page,
                     c->n_groups < c->n ? "By strategy: median (least … most)" : "By strategy");
    cox_html_table_begin(page, heads, COLUMNS);
    for (int a = 0; a < c->n; a++) {
        const struct cox_arm *arm = &c->arms[a];
        if (!arm->first_of_group)
            continue;
        double (*const of[])(const struct cox_arm *) = {coverage_of, half_of, most_of, best_of,
                                                        fold_of};
        static const int column[] = {2, 3, 4, 5, 7};
        static const char *const formats[] = {"%.0f", "%.1f", "%.1f", "%.2f", "%.1f"};
        char t[COLUMNS][96];
        for (int i = 0; i < 5; i++) {
            const struct spread s = spread_of(c, arm->group, room, of[i]);
            spread_text(t[column[i]], sizeof t[0], &s, formats[i], arm->group_size == 1);
        }
        int folded = 0;
        for (int b = 0; b < c->n; b++)
            folded += c->arms[b].group == arm->group && !isnan(c->arms[b].fold_ns);
        snprintf(t[1], sizeof t[1], "%d", arm->group_size);
        snprintf(t[6], sizeof t[6], "%d", folded);
        char strategy[sizeof arm->strategy + 16];
        snprintf(strategy, sizeof strategy, "%d: %s", arm->group + 1, arm->strategy);
        const char *const cells[COLUMNS] = {strategy, t[1], t[2], t[3], t[4], t[5], t[6], t[7]};
        cox_html_table_row(page, heads, cells, COLUMNS);
    }
    cox_html_table_end(page);
    cox_free(room);
}

static void figure(struct cox_str *page, const struct cox_comparison *c, enum curve what,
                   enum axis axis, const char *caption)
{
    cox_html_figure_begin(page);
    draw_curves(page, c, what, axis);
    cox_html_figure_end(page, "%s", caption);
}

static void say_how(struct cox_str *page, const struct cox_comparison *c)
{
    cox_html_section(page, "How it was measured");
    cox_html_paragraph(
        page,
        "Model: %s. It embeds all %lld frames of all runs in %d dimensions; k-means "
        "cuts them into %d states, found by no run alone. A state is visited when one "
        "frame of the run falls into it.",
        c->model, (long long)c->frames, c->latent, c->k);
    cox_html_paragraph(
        page,
        "Baseline: %s. Speed-up: aggregate simulated time of the baseline to reach "
        "the share, over that of the run; \"≥\" where the baseline never got there and "
        "its whole length stands in. Judged at equal aggregate time: a replica of an "
        "ensemble sees only its own share of it.",
        c->n_controls > 1    ? "the median of the control runs"
        : c->n_controls == 1 ? "the control run"
                             : "the first run, since none is a control");
    if (c->has_rmsd)
        cox_html_paragraph(page, "%s to %s, measured anew in all runs.%s", c->rmsd_name,
                           c->reference,
                           isnan(c->fold_A) ? "" : " Fold: the first frame within the target.");
    cox_html_paragraph(page,
                       "Restarted replicas are clones of their ancestors: shares of frames are "
                       "not populations, and few distinct ancestors mean that the ensemble "
                       "hangs on few pathways.");
}

void cox_comparison_html(const struct cox_comparison *c, struct cox_str *page)
{
    char subtitle[128], fold[96] = "";
    snprintf(subtitle, sizeof subtitle, "%d runs of %s, %lld frames", c->n,
             c->arms[0].run.system->name, (long long)c->frames);
    if (!isnan(c->fold_A))
        snprintf(fold, sizeof fold, " A fold is a frame within %g Å.", c->fold_A);
    cox_html_begin(page, "Was it worth it?", subtitle);
    table(page, c);
    cox_html_paragraph(page, "Common time: %.2f ns in aggregate, the length of the shortest run.%s",
                       c->common_ns, fold);
    group_table(page, c);
    cox_html_section(page, "States visited");
    cox_html_row_begin(page);
    figure(page, c, COVERAGE, AGGREGATE,
           "Against the time of all replicas together: the measure of cost. Dashed: controls.");
    figure(page, c, COVERAGE, REPLICA,
           "Against the time of one replica, the axis of the published figure, on which a larger "
           "ensemble looks faster.");
    if (c->n > 1)
        for (int l = 0; l < COX_COMPARE_LEVELS; l++) {
            cox_html_figure_begin(page);
            draw_speedups(page, c, l);
            cox_html_figure_end(page, "Against %s.",
                                c->n_controls ? "the control" : "the first run");
        }
    cox_html_row_end(page);
    if (c->has_rmsd) {
        cox_html_section(page, "Nearness to the reference");
        cox_html_row_begin(page);
        figure(page, c, BEST, AGGREGATE, "Best so far over all replicas, against aggregate time.");
        figure(page, c, BEST, REPLICA, "The same against the time of one replica.");
        cox_html_row_end(page);
    }
    cox_html_section(page, "Wall time");
    cox_html_row_begin(page);
    figure(page, c, COVERAGE, WALL, "Against the time that the machine took, everything included.");
    if (c->has_rmsd)
        figure(page, c, BEST, WALL, "Best so far, against the same.");
    cox_html_row_end(page);
    cox_comparison_machine(page, c);
    say_how(page, c);
    char utc[32], foot[96];
    cox_clock_utc(utc, sizeof utc);
    snprintf(foot, sizeof foot, "cox %s, %s", COX_VERSION, utc);
    cox_html_end(page, foot);
}

static struct cox_json *arm_json(const struct cox_arm *arm, bool fold)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "name", arm->name);
    cox_json_set_text(j, "directory", arm->run.directory);
    cox_json_set_text(j, "strategy", arm->strategy);
    cox_json_set_bool(j, "control", arm->control);
    cox_json_set_int(j, "seed", arm->run.settings.seed);
    cox_json_set_int(j, "replicas", arm->run.lanes);
    cox_json_set_int(j, "frames", arm->run.n);
    cox_json_set_number(j, "aggregate_ns", arm->run.total_ns);
    cox_json_set_number(j, "replica_ns", arm->run.total_ns / arm->run.lanes);
    cox_json_set_text(j, "coordination", arm->run.streaming ? "streaming" : "sequential");
    cox_json_set_int(j, "cores", cox_run_data_cores(&arm->run));
    cox_json_set_number(j, "wall_s", arm->wall_s);
    cox_json_set_number(j, "segments_per_hour", arm->segments_per_hour);
    cox_json_set_number(j, "learn_share", arm->learn_share);
    cox_json_set_number(j, "coverage", arm->final_coverage);
    cox_json_set_number(j, "coverage_at_common_time", arm->common_coverage);
    cox_json_set_number(j, "ns_to_50", arm->reached_ns[0]);
    cox_json_set_number(j, "ns_to_80", arm->reached_ns[1]);
    cox_json_set_number(j, "s_to_50", arm->reached_s[0]);
    cox_json_set_number(j, "s_to_80", arm->reached_s[1]);
    cox_json_set_number(j, "speedup_50", arm->speedup[0]);
    cox_json_set_bool(j, "speedup_50_is_lower_bound", arm->at_least[0]);
    cox_json_set_number(j, "speedup_80", arm->speedup[1]);
    cox_json_set_bool(j, "speedup_80_is_lower_bound", arm->at_least[1]);
    cox_json_set_number(j, "best_rmsd_A", arm->best_rmsd_A);
    cox_json_set_int(j, "best_frame", arm->best_frame < 0 ? -1 : arm->run.id[arm->best_frame]);
    if (fold) {
        cox_json_set_number(j, "first_fold_ns", arm->fold_ns);
        cox_json_set_number(j, "first_fold_s", arm->fold_s);
    }
    cox_json_set_int(j, "distinct_ancestors", arm->ancestors);
    struct cox_json *ns = cox_json_array(), *coverage = cox_json_array(), *best = cox_json_array();
    const int64_t points = arm->run.n < CURVE_POINTS ? arm->run.n : CURVE_POINTS;
    for (int64_t p = 1; p <= points; p++) {
        const int64_t i = arm->run.n * p / points - 1;
        cox_json_push_number(ns, arm->run.ns[arm->run.in_time[i]]);
        cox_json_push_number(coverage, arm->coverage[i]);
        cox_json_push_number(best, arm->best[i]);
    }
    cox_json_set(j, "curve_ns", ns);
    cox_json_set(j, "curve_coverage", coverage);
    cox_json_set(j, "curve_best_rmsd_A", best);
    return j;
}

struct cox_json *cox_comparison_json(const struct cox_comparison *c)
{
    struct cox_json *j = cox_json_object(), *arms = cox_json_array();
    cox_json_set_text(j, "system", c->arms[0].run.system->name);
    cox_json_set_text(j, "model", c->model);
    cox_json_set_int(j, "latent", c->latent);
    cox_json_set_int(j, "states", c->k);
    cox_json_set_int(j, "frames", c->frames);
    cox_json_set_text(j, "baseline",
                      c->n_controls > 1    ? "median of the controls"
                      : c->n_controls == 1 ? "the control"
                                           : "the first run");
    cox_json_set_number(j, "baseline_ns_to_50", c->baseline_ns[0]);
    cox_json_set_number(j, "baseline_ns_to_80", c->baseline_ns[1]);
    cox_json_set_number(j, "common_ns", c->common_ns);
    cox_json_set_number(j, "fold_A", c->fold_A);
    if (c->has_rmsd)
        cox_json_set_text(j, "reference", c->reference);
    for (int a = 0; a < c->n; a++)
        cox_json_push(arms, arm_json(&c->arms[a], !isnan(c->fold_A)));
    cox_json_set(j, "arms", arms);
    return j;
}

/* Flush right, or left for a negative width, counted in letters. */
static void add_padded(struct cox_str *out, const char *text, int width)
{
    int letters = 0;
    for (const char *t = text; *t; t++)
        letters += ((unsigned char)*t & 0xc0) != 0x80;
    const int blanks = (width < 0 ? -width : width) - letters;
    if (width < 0)
        cox_str_add(out, text);
    for (int i = 0; i < blanks; i++)
        cox_str_add(out, " ");
    if (width >= 0)
        cox_str_add(out, text);
    cox_str_add(out, "  ");
}

void cox_comparison_text(const struct cox_comparison *c, struct cox_str *out)
{
    static const char *const heads[] = {"run",        "ns",         "states",   "ns to 50 %",
                                        "speed-up",   "ns to 80 %", "speed-up", "best RMSD",
                                        "fold after", "ancestors",  "wall",     "segments/h"};
    enum { COLUMNS = 12 };
    int widths[COLUMNS] = {-4, 9, 6, 10, 8, 10, 8, 9, 10, 9, 12, 10};
    for (int a = 0; a < c->n; a++) {
        const int letters = (int)strlen(c->arms[a].name);
        widths[0] = -letters < widths[0] ? -letters : widths[0];
    }
    cox_str_addf(out, "%d states of %s; %s\n", c->k, c->arms[0].run.system->name, c->model);
    for (int i = 0; i < COLUMNS; i++)
        add_padded(out, heads[i], widths[i]);
    cox_str_add(out, "\n");
    for (int a = 0; a < c->n; a++) {
        const struct cox_arm *arm = &c->arms[a];
        char t[COLUMNS][96];
        snprintf(t[0], sizeof t[0], "%s", arm->name);
        number(t[1], sizeof t[1], "%.2f", arm->run.total_ns);
        number(t[2], sizeof t[2], "%.0f %%", 100 * arm->final_coverage);
        number(t[3], sizeof t[3], "%.2f", arm->reached_ns[0]);
        speedup_text(t[4], sizeof t[4], arm, 0);
        number(t[5], sizeof t[5], "%.2f", arm->reached_ns[1]);
        speedup_text(t[6], sizeof t[6], arm, 1);
        number(t[7], sizeof t[7], "%.2f Å", arm->best_rmsd_A);
        number(t[8], sizeof t[8], "%.1f ns", arm->fold_ns);
        number(t[9], sizeof t[9], "%.0f", arm->ancestors);
        cox_clock_human(arm->wall_s, t[10], sizeof t[10]);
        number(t[11], sizeof t[11], "%.0f", arm->segments_per_hour);
        for (int i = 0; i < COLUMNS; i++)
            add_padded(out, t[i], widths[i]);
        cox_str_add(out, "\n");
    }
}
