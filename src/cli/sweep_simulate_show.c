/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/sweep_simulate.h"
#include "report/chart.h"

#define PANEL_WIDTH 720
#define PANEL_HEIGHT 320
#define CURVE_POINTS 300
#define MOST_BYTES ((size_t)1 << 26)
#define RESULT_FILE "simulated.json"
#define FIGURE_FILE "simulated.svg"

/* ---- terminal ---- */

static void describe_life(char *out, size_t size, const struct cox_lifetime *life)
{
    const double *p = life->p;
    if (life->kind == COX_LIFETIME_EXPONENTIAL)
        snprintf(out, size, "exponential, mean %.3g h", p[0]);
    else if (life->kind == COX_LIFETIME_WEIBULL)
        snprintf(out, size, "weibull, scale %.3g h, shape %.3g", p[0], p[1]);
    else if (life->kind == COX_LIFETIME_CONSTRAINED)
        snprintf(out, size, "bathtub, A %.3f, tau1 %.3g h, tau2 %.3g h, b %.2f h", p[0], p[1], p[2],
                 p[3]);
    else if (life->kind == COX_LIFETIME_EMPIRICAL)
        snprintf(out, size, "empirical, %d steps, mean %.3g h", life->n, cox_lifetime_mean(life));
    else
        snprintf(out, size, "forever");
}

static void print_bag(const struct simulation *s)
{
    const struct cox_bag *b = &s->bag;
    char life[128];
    describe_life(life, sizeof life, &s->believed);
    printf("%d jobs of %.3g h (relative spread %.2g) on %d core%s each", b->n_jobs, b->job_h,
           b->job_spread, b->job_cores, b->job_cores > 1 ? "s" : "");
    if (s->checkpoints)
        printf(", checkpoints of %.3g min", b->checkpoint_h * 60);
    else
        printf(", no checkpoints");
    if (b->m_needed)
        printf(", %d of them needed", b->m_needed);
    if (b->budget > 0)
        printf(", budget %.4g USD", b->budget);
    if (b->deadline_h > 0)
        printf("\ndeadline %.4g h", b->deadline_h);
    if (b->deadline_h > 0 && s->for_deadline > 0)
        printf(" (needs %d servers, as a job takes on average)", s->for_deadline);
    else if (b->deadline_h > 0)
        printf(" (one job takes longer on average)");
    printf("\nup to %d x %s (%d cores) at a time: %.4g USD/h on demand, %.4g transient\n",
           b->servers, b->type.name, b->type.cores, b->type.price_on_demand, b->type.price);
    printf("lifetimes: %s%s\n", life,
           s->observed ? "; servers really live as those that were observed" : "");
    printf("%d bags of each policy, seed %llu\n\n", s->bags, (unsigned long long)s->seed);
}

static void print_types(const struct simulation *s)
{
    double least = INFINITY, dearer = 0;
    if (s->servers.n < 2)
        return;
    printf("%-20s %7s %13s %13s %18s %10s\n", "type of server", "servers", "USD/job", "explored",
           "USD simulated", "hours");
    for (int i = 0; i < s->servers.n; i++)
        least = fmin(least, s->types[i].expected_cost);
    for (int i = 0; i < s->servers.n; i++) {
        const struct simulate_type *t = &s->types[i];
        if (t->chosen > 0)
            dearer += t->chosen * (t->expected_cost / least - 1);
        printf("%-20s %7d ", s->servers.type[i].name, t->servers);
        if (isfinite(t->expected_cost))
            printf("%13.4g %11.0f %% %10.5g +-%5.2g %10.4g\n", t->expected_cost, 100 * t->chosen,
                   t->cost.mean, t->cost.error, t->makespan_h.mean);
        else
            printf("%13s\n", "will not do");
    }
    printf("%s: %s\n", s->named ? "asked for" : "cheapest type for this bag",
           s->servers.type[s->type].name);
    if (s->explore)
        printf(
            "explored: how often the first %d jobs on each type choose it; on average the choice "
            "is %.1f %% dearer\nthan the cheapest\n",
            s->explore, 100 * dearer);
    printf("\n");
}

static void print_policies(const struct simulation *s)
{
    bool unfinished = false;
    printf("%-16s %31s   %29s\n", "", "cost, USD", "makespan, h");
    printf("%-16s %9s %7s %7s %7s  %8s %7s %7s %7s %9s %8s %8s %9s\n", "policy", "mean", "5 %",
           "50 %", "95 %", "mean", "5 %", "50 %", "95 %", "preempted", "lost h", "chkpt h",
           "finished");
    for (int i = 0; i < s->n_results; i++) {
        const struct cox_bag_result *r = &s->results[i];
        const struct cox_spread *c = &r->cost_spread, *m = &r->makespan_spread;
        printf(
            "%-16s %9.5g %7.4g %7.4g %7.4g  %8.4g %7.4g %7.4g %7.4g %9.1f %8.1f %8.1f %7.1f %%\n",
            r->policy.name, c->mean, c->p5, c->p50, c->p95, m->mean, m->p5, m->p50, m->p95,
            r->preemptions, r->lost_h, r->checkpoint_h, 100.0 * r->finished / r->bags);
        unfinished |= r->finished < r->bags;
    }
    if (unfinished)
        printf("A bag that does not finish costs what was bought until it ended: the comparison "
               "below\n"
               "holds for bags that do.\n");
    printf("\n");
}

static void print_gain(const struct simulation *s)
{
    const struct cox_bag_gain *g = &s->gain;
    const struct cox_bag_result *model = &s->results[COX_USUAL_MODEL];
    printf("%.4g USD on demand, %.4g by the model: %.2f times cheaper\n", g->on_demand, g->policy,
           g->factor);
    printf("  = %.2f, the price, were no server ever taken away (%.4g USD)\n", g->price_factor,
           g->ideal);
    printf("  x %.3f, what preemptions leave of it\n", g->policy_factor);
    printf("  of the %.4g USD saved %.1f %% come without any policy (naive), %.1f %% from it\n",
           g->on_demand - g->policy, 100 * g->price_share, 100 * g->policy_share);
    if (isfinite(g->taken_back))
        printf("  preemptions cost the naive %.1f %% of the ideal, the model %.1f %%\n",
               100 * (g->naive / g->ideal - 1), 100 * (g->policy / g->ideal - 1));
    for (int i = COX_USUAL_NAIVE; i < s->n_results; i++) {
        double error, d = cox_bag_difference(model, &s->results[i], &error);
        if (i != COX_USUAL_MODEL)
            printf("  the model against %-16s %+8.2f %% +- %.3f %% of its cost\n",
                   s->results[i].policy.name, 100 * d / s->results[i].cost_spread.mean,
                   100 * error / s->results[i].cost_spread.mean);
    }
}

void simulate_print(const struct simulation *s)
{
    print_bag(s);
    print_types(s);
    print_policies(s);
    print_gain(s);
}

/* ---- JSON ---- */

static struct cox_json *spread_json(const struct cox_spread *s)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_number(j, "mean", s->mean);
    cox_json_set_number(j, "error", s->error);
    cox_json_set_number(j, "p5", s->p5);
    cox_json_set_number(j, "p50", s->p50);
    cox_json_set_number(j, "p95", s->p95);
    return j;
}

static struct cox_json *policy_json(const struct cox_bag_result *r)
{
    struct cox_json *j = cox_json_object(), *hours = cox_json_object();
    cox_json_set_text(j, "name", r->policy.name);
    cox_json_set(j, "cost_usd", spread_json(&r->cost_spread));
    cox_json_set(j, "makespan_h", spread_json(&r->makespan_spread));
    cox_json_set_number(j, "finished", r->finished / (double)r->bags);
    cox_json_set_number(j, "servers", r->servers);
    cox_json_set_number(j, "preemptions", r->preemptions);
    if (r->policy.checkpoints == COX_BAG_PERIODIC)
        cox_json_set_number(j, "period_min", r->policy.period_h * 60);
    cox_json_set_number(hours, "work", r->work_h);
    cox_json_set_number(hours, "lost", r->lost_h);
    cox_json_set_number(hours, "idle", r->idle_h);
    cox_json_set_number(hours, "checkpoints", r->checkpoint_h);
    cox_json_set_number(hours, "startup", r->startup_h);
    cox_json_set(j, "server_hours", hours);
    return j;
}

static struct cox_json *types_json(const struct simulation *s)
{
    struct cox_json *list = cox_json_array();
    for (int i = 0; i < s->servers.n; i++) {
        const struct simulate_type *t = &s->types[i];
        struct cox_json *j = cox_json_object();
        cox_json_set_text(j, "name", s->servers.type[i].name);
        cox_json_set_int(j, "servers", t->servers);
        cox_json_set_number(j, "expected_usd_per_job", t->expected_cost);
        cox_json_set_number(j, "explorations_that_choose_it", t->chosen);
        if (t->bags) {
            cox_json_set(j, "cost_usd", spread_json(&t->cost));
            cox_json_set(j, "makespan_h", spread_json(&t->makespan_h));
        }
        cox_json_push(list, j);
    }
    return list;
}

static struct cox_json *gain_json(const struct cox_bag_gain *g)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_number(j, "on_demand_usd", g->on_demand);
    cox_json_set_number(j, "ideal_usd", g->ideal);
    cox_json_set_number(j, "naive_usd", g->naive);
    cox_json_set_number(j, "model_usd", g->policy);
    cox_json_set_number(j, "times_cheaper", g->factor);
    cox_json_set_number(j, "price_factor", g->price_factor);
    cox_json_set_number(j, "policy_factor", g->policy_factor);
    cox_json_set_number(j, "share_without_policy", g->price_share);
    cox_json_set_number(j, "share_of_policy", g->policy_share);
    cox_json_set_number(j, "taken_back", g->taken_back);
    return j;
}

static struct cox_json *simulation_json(const struct simulation *s)
{
    struct cox_json *j = cox_json_object(), *policies = cox_json_array();
    char life[128];
    describe_life(life, sizeof life, &s->believed);
    cox_json_set_int(j, "bags", s->bags);
    cox_json_set_int(j, "seed", (long long)s->seed);
    cox_json_set_int(j, "jobs", s->bag.n_jobs);
    cox_json_set_int(j, "jobs_needed", s->bag.m_needed ? s->bag.m_needed : s->bag.n_jobs);
    cox_json_set_number(j, "job_h", s->bag.job_h);
    cox_json_set_number(j, "job_spread", s->bag.job_spread);
    cox_json_set_number(j, "checkpoint_min", s->checkpoints ? s->bag.checkpoint_h * 60 : NAN);
    cox_json_set_text(j, "type", s->bag.type.name);
    cox_json_set_int(j, "servers", s->bag.servers);
    cox_json_set_text(j, "lifetime", life);
    cox_json_set_bool(j, "replay", s->observed);
    cox_json_set(j, "types", types_json(s));
    for (int i = 0; i < s->n_results; i++)
        cox_json_push(policies, policy_json(&s->results[i]));
    cox_json_set(j, "policies", policies);
    cox_json_set(j, "gain", gain_json(&s->gain));
    return j;
}

/* ---- figure ---- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of all bags in order the one that is point i of a curve, the first and the last among them. */
static int bag_at(const struct simulation *s, int i, int points)
{
    return points > 1 ? (int)((long long)i * (s->bags - 1) / (points - 1)) : 0;
}

/* Shares of bags that cost, or take, no more than x; sorted [n_results][bags], share [bags].
 * Servers on demand cost so much more that the others would be one line: their cost is in the
 * title. */
static void panel(struct cox_str *out, const struct simulation *s, bool cost, double *sorted,
                  double *share)
{
    struct cox_chart chart = COX_CHART_INIT;
    struct cox_chart_series series[COX_USUAL_POLICIES + 1];
    char title[128];
    const int points = s->bags < CURVE_POINTS ? s->bags : CURVE_POINTS;
    int at = 0;
    memset(series, 0, sizeof series);
    for (int i = 0; i < points; i++)
        share[i] = (bag_at(s, i, points) + 1.0) / s->bags;
    for (int k = 0; k < s->n_results; k++) {
        const struct cox_bag_result *r = &s->results[k];
        double *to = sorted + (ptrdiff_t)k * s->bags;
        if (cost && r->policy.on_demand)
            continue;
        memcpy(to, cost ? r->cost : r->makespan_h, (size_t)s->bags * sizeof *to);
        qsort(to, (size_t)s->bags, sizeof *to, ascending);
        for (int i = 0; i < points; i++)
            to[i] = to[bag_at(s, i, points)]; /* i is never beyond it */
        series[at++] = (struct cox_chart_series){.name = r->policy.name,
                                                 .x = to,
                                                 .y = share,
                                                 .n = (size_t)points,
                                                 .dashed = r->policy.on_demand,
                                                 .colour = k + 1};
    }
    snprintf(title, sizeof title, "Cost of a bag (on demand: %.4g USD)", s->gain.on_demand);
    chart.title = cost ? title : "Makespan of a bag";
    chart.x_label = cost ? "USD" : "hours";
    chart.y_label = "share of bags";
    chart.width = PANEL_WIDTH;
    chart.height = PANEL_HEIGHT;
    chart.y_min = 0;
    chart.y_max = 1;
    cox_chart_lines(out, &chart, series, at);
}

static int write_figure(const struct simulation *s, const char *path, struct cox_err *err)
{
    struct cox_str text;
    double *sorted = cox_alloc((size_t)s->bags * (size_t)s->n_results, sizeof *sorted);
    double *share = cox_alloc((size_t)s->bags, sizeof *share);
    cox_str_init(&text, MOST_BYTES);
    cox_str_addf(&text,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                 "viewBox=\"0 0 %d %d\" color=\"#222\">"
                 "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>",
                 PANEL_WIDTH, 2 * PANEL_HEIGHT, PANEL_WIDTH, 2 * PANEL_HEIGHT);
    for (int i = 0; sorted && share && i < 2; i++) {
        cox_str_addf(&text, "<g transform=\"translate(0 %d)\">", i * PANEL_HEIGHT);
        panel(&text, s, i == 0, sorted, share);
        cox_str_add(&text, "</g>");
    }
    cox_str_add(&text, "</svg>\n");
    int rc = sorted && share ? cox_str_status(&text, err)
                             : cox_err_set(err, COX_ENOMEM, "out of memory for a figure");
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&text), text.length, err);
    cox_str_deinit(&text);
    cox_free(sorted);
    cox_free(share);
    return rc;
}

int simulate_write(const struct simulation *s, bool json, const char *output, struct cox_err *err)
{
    struct cox_json *j = simulation_json(s);
    char *text = json ? cox_json_text(j, true) : NULL;
    char path[4096];
    int rc = COX_OK;
    if (json && !text)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for the result");
    if (!rc && output && !(rc = cox_directory_create(output, err)) &&
        !(rc = cox_path_join(path, sizeof path, output, FIGURE_FILE, err)) &&
        !(rc = write_figure(s, path, err)) &&
        !(rc = cox_path_join(path, sizeof path, output, RESULT_FILE, err)))
        rc = cox_json_write(j, path, err);
    if (!rc && text)
        printf("%s", text);
    cox_free(text);
    cox_json_destroy(j);
    return rc;
}
