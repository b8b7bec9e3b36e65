/* SPDX-License-Identifier: BSD-3-Clause */
#include "servers/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The p-quantile of n sorted values, between neighbours. */
static double quantile(const double *sorted, int n, double p)
{
    double at = p * (n - 1);
    int low = (int)at;
    double high = low + 1 < n ? sorted[low + 1] : sorted[low];
    return sorted[low] + (at - low) * (high - sorted[low]);
}

/* `room` [n] */
static struct cox_spread spread_of(const double *value, int n, double *room)
{
    struct cox_spread s = {0};
    double squares = 0;
    for (int i = 0; i < n; i++)
        s.mean += value[i] / n;
    for (int i = 0; i < n; i++)
        squares += (value[i] - s.mean) * (value[i] - s.mean);
    s.error = n > 1 ? sqrt(squares / (n - 1) / n) : 0;
    memcpy(room, value, (size_t)n * sizeof *room);
    qsort(room, (size_t)n, sizeof *room, ascending);
    s.p5 = quantile(room, n, .05);
    s.p50 = quantile(room, n, .5);
    s.p95 = quantile(room, n, .95);
    return s;
}

static void add_uses(struct cox_bag_result *r, const struct cox_bag_outcome *o)
{
    r->finished += o->finished;
    r->servers += (double)o->servers / r->bags;
    r->preemptions += (double)o->preemptions / r->bags;
    r->work_h += o->work_h / r->bags;
    r->lost_h += o->lost_h / r->bags;
    r->idle_h += o->idle_h / r->bags;
    r->checkpoint_h += o->checkpoint_h / r->bags;
    r->startup_h += o->startup_h / r->bags;
}

static int run(struct cox_bag_result *r, const struct cox_bag *bag, uint64_t seed, double *room,
               struct cox_err *err)
{
    struct cox_bag_runner *runner = NULL;
    r->cost = cox_alloc((size_t)r->bags, sizeof *r->cost);
    r->makespan_h = cox_alloc((size_t)r->bags, sizeof *r->makespan_h);
    if (!r->cost || !r->makespan_h)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d bags", r->bags);
    int rc = cox_bag_runner_create(&runner, bag, &r->policy, err);
    if (rc)
        return rc;
    for (int i = 0; i < r->bags; i++) {
        struct cox_bag_outcome o;
        cox_bag_run(runner, seed, (uint64_t)i, &o);
        r->cost[i] = o.cost;
        r->makespan_h[i] = o.makespan_h;
        add_uses(r, &o);
    }
    cox_bag_runner_destroy(runner);
    r->cost_spread = spread_of(r->cost, r->bags, room);
    r->makespan_spread = spread_of(r->makespan_h, r->bags, room);
    return COX_OK;
}

int cox_bag_compare(struct cox_bag_result *results, const struct cox_bag_policy *policies, int n,
                    const struct cox_bag *bag, int bags, uint64_t seed, struct cox_err *err)
{
    double *room = cox_alloc((size_t)bags, sizeof *room);
    int rc = COX_OK;
    for (int i = 0; i < n; i++)
        results[i] = (struct cox_bag_result){.policy = policies[i], .bags = bags};
    if (!room)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d bags", bags);
    for (int i = 0; !rc && i < n; i++)
        rc = run(&results[i], bag, seed, room, err);
    cox_free(room);
    return rc;
}

void cox_bag_result_deinit(struct cox_bag_result *result)
{
    cox_free(result->cost);
    cox_free(result->makespan_h);
    *result = (struct cox_bag_result){0};
}

double cox_bag_difference(const struct cox_bag_result *a, const struct cox_bag_result *b,
                          double *error)
{
    const int n = a->bags;
    double mean = 0, squares = 0;
    for (int i = 0; i < n; i++)
        mean += (a->cost[i] - b->cost[i]) / n;
    for (int i = 0; i < n; i++) {
        double d = a->cost[i] - b->cost[i] - mean;
        squares += d * d;
    }
    *error = n > 1 ? sqrt(squares / (n - 1) / n) : INFINITY;
    return mean;
}

/* ---- policies ---- */

double cox_lifetime_mean(const struct cox_lifetime *life)
{
    double end;
    switch (life->kind) {
    case COX_LIFETIME_EXPONENTIAL:
        return life->p[0];
    case COX_LIFETIME_WEIBULL:
        return life->p[0] * tgamma(1 + 1 / life->p[1]);
    case COX_LIFETIME_CONSTRAINED:
    case COX_LIFETIME_EMPIRICAL:
        end = cox_lifetime_quantile(life, 1);
        return isfinite(end) ? end - cox_lifetime_cdf_integral(life, 0, end) : INFINITY;
    default:
        return INFINITY;
    }
}

static struct cox_bag_policy policy(const char *name, const struct cox_lifetime *believed,
                                    enum cox_bag_reuse reuse, enum cox_bag_checkpoints checkpoints)
{
    struct cox_bag_policy p = {.believed = *believed,
                               .reuse = reuse,
                               .time_model = COX_TIME_RESTART,
                               .checkpoints = checkpoints};
    snprintf(p.name, sizeof p.name, "%s", name);
    return p;
}

int cox_bag_usual(struct cox_bag_policy out[COX_USUAL_POLICIES], const struct cox_bag *bag,
                  const struct cox_lifetime *believed, bool checkpoints, struct cox_err *err)
{
    const enum cox_bag_checkpoints none = COX_BAG_NO_CHECKPOINTS;
    struct cox_lifetime exponential = {.kind = COX_LIFETIME_EXPONENTIAL};
    struct cox_schedule_options o = COX_SCHEDULE_OPTIONS_INIT;
    double expected;
    exponential.p[0] = cox_lifetime_mean(believed);
    if (!isfinite(exponential.p[0]))
        exponential.kind = COX_LIFETIME_FOREVER;
    out[COX_USUAL_ON_DEMAND] = policy("on demand", believed, COX_BAG_ALWAYS, none);
    out[COX_USUAL_ON_DEMAND].on_demand = true;
    out[COX_USUAL_NAIVE] = policy("naive", believed, COX_BAG_ALWAYS, none);
    if (!checkpoints) {
        out[COX_USUAL_EXPONENTIAL] = policy("exponential", &exponential, COX_BAG_MODEL, none);
        out[COX_USUAL_TUNED] = policy("always fresh", believed, COX_BAG_NEVER, none);
        out[COX_USUAL_MODEL] = policy("model", believed, COX_BAG_MODEL, none);
        return COX_OK;
    }
    out[COX_USUAL_EXPONENTIAL] =
        policy("exponential", &exponential, COX_BAG_MODEL, COX_BAG_SCHEDULE);
    out[COX_USUAL_TUNED] = policy("tuned periodic", believed, COX_BAG_MODEL, COX_BAG_PERIODIC);
    out[COX_USUAL_MODEL] = policy("model", believed, COX_BAG_MODEL, COX_BAG_SCHEDULE);
    o.work_h = bag->job_h;
    o.checkpoint_h = bag->checkpoint_h;
    o.restart_h = bag->type.startup_h;
    o.step_h = fmax(bag->job_h / 300, 1.0 / 200);
    return cox_schedule_tuned_period(&out[COX_USUAL_TUNED].period_h, &expected, believed, &o, err);
}

struct cox_bag_gain cox_bag_gain(const struct cox_bag *bag, const struct cox_bag_result *on_demand,
                                 const struct cox_bag_result *naive,
                                 const struct cox_bag_result *best)
{
    struct cox_bag_gain g = {.on_demand = on_demand->cost_spread.mean,
                             .naive = naive->cost_spread.mean,
                             .policy = best->cost_spread.mean};
    /* the same servers for the same hours */
    g.ideal = g.on_demand * bag->type.price / bag->type.price_on_demand;
    g.factor = g.on_demand / g.policy;
    g.price_factor = g.on_demand / g.ideal;
    g.policy_factor = g.ideal / g.policy;
    g.price_share = (g.on_demand - g.naive) / (g.on_demand - g.policy);
    g.policy_share = (g.naive - g.policy) / (g.on_demand - g.policy);
    g.taken_back = g.naive > g.ideal ? (g.naive - g.policy) / (g.naive - g.ideal) : NAN;
    return g;
}
