/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine's side of a comparison: simulations per hour, the share of learning, and the
 * timelines one above the other on a common axis. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "report/html.h"
#include "steer/report/compare_arm.h"
#include "steer/report/figures.h"

#define MOST_TIMELINES 6

static void say(char *text, size_t size, const char *fmt, double value)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* formats of one double, all in this file */
    if (isnan(value))
        snprintf(text, size, "–");
    else
        snprintf(text, size, fmt, value);
#pragma GCC diagnostic pop
}

/* What a streaming run is held against: the first sequential one, else the first of all. */
static const struct cox_arm *yardstick(const struct cox_comparison *c)
{
    for (int a = 0; a < c->n; a++)
        if (!c->arms[a].run.streaming && !c->arms[a].control)
            return &c->arms[a];
    return &c->arms[0];
}

static void table(struct cox_str *page, const struct cox_comparison *c)
{
    static const char *const heads[] = {"run",
                                        "coordination",
                                        ">cores",
                                        ">wall",
                                        ">segments an hour",
                                        ">ratio",
                                        ">learning (% of core time)",
                                        ">s to 50 %",
                                        ">s to 80 %"};
    enum { COLUMNS = 9 };
    const struct cox_arm *one = yardstick(c);
    cox_html_table_begin(page, heads, COLUMNS);
    for (int a = 0; a < c->n; a++) {
        const struct cox_arm *arm = &c->arms[a];
        char t[COLUMNS][32];
        const char *cells[COLUMNS] = {arm->name, arm->run.streaming ? "streaming" : "sequential"};
        for (int i = 2; i < COLUMNS; i++)
            cells[i] = t[i];
        say(t[2], sizeof t[2], "%.0f", cox_run_data_cores(&arm->run));
        cox_clock_human(arm->wall_s, t[3], sizeof t[3]);
        say(t[4], sizeof t[4], "%.0f", arm->segments_per_hour);
        say(t[5], sizeof t[5], "%.2f", arm->segments_per_hour / one->segments_per_hour);
        say(t[6], sizeof t[6], "%.0f", 100 * arm->learn_share);
        say(t[7], sizeof t[7], "%.0f", arm->reached_s[0]);
        say(t[8], sizeof t[8], "%.0f", arm->reached_s[1]);
        cox_html_table_row(page, heads, cells, COLUMNS);
    }
    cox_html_table_end(page);
    cox_html_paragraph(page,
                       "Segments an hour: simulated time in units of a run's own segments, over "
                       "the whole wall time; the ratio is to %s. Learning: training, embedding "
                       "and the agent.",
                       one->name);
}

void cox_comparison_machine(struct cox_str *page, const struct cox_comparison *c)
{
    double end = 0;
    int shown = 0, left_out = 0;
    table(page, c);
    for (int a = 0; a < c->n; a++)
        end = c->arms[a].first_of_group ? fmax(end, c->arms[a].wall_s) : end;
    for (int a = 0; a < c->n; a++) {
        char title[160];
        if (!c->arms[a].first_of_group)
            continue;
        if (shown == MOST_TIMELINES) {
            left_out++;
            continue;
        }
        const char *kind = c->arms[a].run.streaming ? "streaming" : "sequential";
        if (strstr(c->arms[a].name, kind))
            snprintf(title, sizeof title, "%s", c->arms[a].name);
        else
            snprintf(title, sizeof title, "%s: %s", c->arms[a].name, kind);
        cox_figure_timeline_span(page, &c->arms[a].run, title, 0, end);
        shown++;
    }
    if (left_out)
        cox_html_paragraph(page,
                           "One timeline is drawn of each strategy, %d at most; %d more: see the "
                           "reports of the runs.",
                           MOST_TIMELINES, left_out);
}
