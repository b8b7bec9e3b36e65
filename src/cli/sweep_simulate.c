/* SPDX-License-Identifier: BSD-3-Clause */
/* `cox sweep simulate`: the whole bag, thousands of times, under several policies, before anything
 * is bought. */
#include "cli/sweep_simulate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/sweep.h"
#include "sweep/points.h"
#include "sweep/settings.h"

#define EXPLORATIONS 2000
#define STREAM 77 /* of random numbers: lengths that explorations measure */

struct command {
    long long bags, jobs;
    double seed; /* NaN: the file's */
    const char *type, *output;
    bool replay, json;
};

struct input {
    struct cox_arena *arena;
    struct cox_sweep_settings settings;
    struct cox_config *config;
};

/* ---- what is asked ---- */

static int need_prices(const struct input *in, struct cox_err *err)
{
    const struct cox_settings_server_type *type = in->settings.servers.types.items;
    char key[64];
    for (int i = 0; i < in->settings.servers.types.n; i++)
        if (isnan(type[i].price_on_demand) || isnan(type[i].price_transient)) {
            snprintf(key, sizeof key, "servers.types[%d].name", i);
            return cox_config_error(in->config, key, err, COX_EINVAL,
                                    "'%s' has no %s, which simulate needs", type[i].name,
                                    isnan(type[i].price_on_demand) ? "price_on_demand"
                                                                   : "price_transient");
        }
    return COX_OK;
}

static int find_type(const struct simulation *s, const char *name, struct cox_err *err)
{
    for (int i = 0; i < s->servers.n; i++)
        if (!strcmp(s->servers.type[i].name, name))
            return i;
    (void)cox_err_set(err, COX_EINVAL, "--type '%s': servers.types has no such server", name);
    return -1;
}

/* The bag on servers that have no type yet. */
static int make_bag(struct simulation *s, const struct input *in, const struct command *c,
                    struct cox_err *err)
{
    const struct cox_settings_job *job = &in->settings.job;
    const struct cox_settings_targets *targets = &in->settings.targets;
    struct cox_points points;
    if (isnan(job->expected_minutes))
        return cox_config_error(in->config, "job.expected_minutes", err, COX_EINVAL,
                                "expected_minutes is missing, which simulate needs");
    s->bag = (struct cox_bag){.n_jobs = (int)c->jobs,
                              .job_h = job->expected_minutes / 60,
                              .job_spread = job->spread,
                              .job_cores = job->cores};
    if (!c->jobs) {
        int rc = cox_points_create(&points, &in->settings, in->config, err);
        if (rc)
            return rc;
        s->bag.n_jobs = points.n;
        cox_points_deinit(&points);
    }
    s->checkpoints = !isnan(job->checkpoint_minutes);
    s->bag.checkpoint_h = s->checkpoints ? job->checkpoint_minutes / 60 : 0;
    s->bag.m_needed = targets->jobs < s->bag.n_jobs ? targets->jobs : 0;
    s->bag.budget = isnan(targets->budget) ? 0 : targets->budget;
    s->bag.deadline_h = isnan(targets->deadline_hours) ? 0 : targets->deadline_hours;
    return COX_OK;
}

/* ---- types of server ---- */

/* The bag on servers of type i; `believed` is what policies think of their lifetimes. */
static struct cox_bag bag_on(const struct simulation *s, int i, struct cox_lifetime *believed)
{
    struct cox_bag bag = s->bag;
    bag.type = s->servers.type[i];
    bag.servers = s->types[i].servers;
    *believed = bag.type.life;
    if (s->observed && s->servers.observed[i].kind == COX_LIFETIME_EMPIRICAL)
        bag.type.life = s->servers.observed[i];
    return bag;
}

/* E[T] of a job that takes `hours`, checkpoints and all; infinity where it never ends. */
static double expected_hours(const struct simulation *s, int i, double hours)
{
    const struct cox_server_type *type = &s->servers.type[i];
    struct cox_schedule_options o = COX_SCHEDULE_OPTIONS_INIT;
    struct cox_schedule schedule;
    if (!s->checkpoints)
        return cox_job_expected_time(&type->life, hours, 0, COX_TIME_RESTART);
    o.work_h = hours;
    o.checkpoint_h = s->bag.checkpoint_h;
    o.restart_h = type->startup_h;
    o.step_h = fmax(hours / 100, 1.0 / 200);
    if (cox_schedule_optimal(&schedule, &type->life, &o, NULL))
        return INFINITY;
    double expected = schedule.expected_h;
    cox_schedule_deinit(&schedule);
    return expected;
}

/* What jobs measured on each type would lead to: cox_server_choose over E[T], which is taken to be
 * in proportion to the job's length for lengths near the mean. */
static int explore(struct simulation *s, struct cox_err *err)
{
    const size_t n = (size_t)s->servers.n;
    const double spread = s->bag.job_spread;
    const double variance = log1p(spread * spread);
    struct cox_server_type *types = cox_alloc(n, sizeof *types);
    double *expected = cox_alloc(n, sizeof *expected);
    double *hours = cox_alloc(n, sizeof *hours);
    double *cost = cox_alloc(n, sizeof *cost);
    struct cox_rng rng;
    int rc = types && expected && hours && cost
                 ? COX_OK
                 : cox_err_set(err, COX_ENOMEM, "out of memory for %zu types of server", n);
    cox_rng_init(&rng, s->seed, STREAM);
    for (size_t i = 0; !rc && i < n; i++) {
        types[i] = s->servers.type[i];
        types[i].life = (struct cox_lifetime){.kind = COX_LIFETIME_FOREVER};
        expected[i] = expected_hours(s, (int)i, s->bag.job_h);
    }
    int best = rc ? -1
                  : cox_server_choose(types, (int)n, expected, s->bag.job_cores, s->bag.deadline_h,
                                      COX_TIME_RESTART, cost);
    for (size_t i = 0; !rc && i < n; i++)
        s->types[i].expected_cost = cost[i];
    if (!rc && best < 0)
        rc = cox_err_set(err, COX_EINVAL, "no type of server will do: a job takes %g h on %d cores",
                         s->bag.job_h, s->bag.job_cores);
    for (int k = 0; !rc && s->explore && k < EXPLORATIONS; k++) {
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (int j = 0; j < s->explore; j++)
                sum += exp(sqrt(variance) * cox_rng_normal(&rng) - variance / 2);
            hours[i] = expected[i] * sum / s->explore;
        }
        int pick = cox_server_choose(types, (int)n, hours, s->bag.job_cores, s->bag.deadline_h,
                                     COX_TIME_RESTART, NULL);
        if (pick >= 0)
            s->types[pick].chosen += 1.0 / EXPLORATIONS;
    }
    if (!rc && !s->named)
        s->type = best;
    if (!rc)
        s->for_deadline = cox_servers_for_deadline(
            s->bag.m_needed ? s->bag.m_needed : s->bag.n_jobs, expected[s->type], s->bag.deadline_h,
            s->servers.type[s->type].cores / s->bag.job_cores);
    cox_free(types);
    cox_free(expected);
    cox_free(hours);
    cox_free(cost);
    return rc;
}

/* The model's policy on every type: whether what was expected is what comes of it. */
static int try_types(struct simulation *s, struct cox_err *err)
{
    const int bags = s->bags > 2000 ? 2000 : s->bags;
    int rc = COX_OK;
    for (int i = 0; !rc && i < s->servers.n; i++) {
        struct simulate_type *t = &s->types[i];
        struct cox_bag_policy usual[COX_USUAL_POLICIES];
        struct cox_bag_result result = {.cost = NULL};
        struct cox_lifetime believed;
        struct cox_bag bag = bag_on(s, i, &believed);
        if (!isfinite(t->expected_cost))
            continue;
        rc = cox_bag_usual(usual, &bag, &believed, s->checkpoints, err);
        if (!rc)
            rc = cox_bag_compare(&result, &usual[COX_USUAL_MODEL], 1, &bag, bags, s->seed, err);
        t->cost = result.cost_spread;
        t->makespan_h = result.makespan_spread;
        t->finished = result.finished;
        t->bags = bags;
        cox_bag_result_deinit(&result);
        if (rc)
            rc = cox_err_wrap(err, rc, "server '%s'", bag.type.name);
    }
    return rc;
}

static int choose_type(struct simulation *s, const struct command *c,
                       const struct cox_settings_servers *settings, struct cox_err *err)
{
    s->types = cox_alloc((size_t)s->servers.n, sizeof *s->types);
    if (!s->types)
        return cox_err_set(err, COX_ENOMEM, "out of memory for types of server");
    const double cores = (double)settings->count * s->servers.type[0].cores;
    for (int i = 0; i < s->servers.n; i++)
        s->types[i].servers = (int)ceil(cores / s->servers.type[i].cores);
    s->explore = settings->policy.explore;
    if (c->type) {
        s->type = find_type(s, c->type, err);
        s->named = true;
        if (s->type < 0)
            return COX_EINVAL;
    }
    int rc = explore(s, err);
    return rc || s->servers.n == 1 ? rc : try_types(s, err);
}

/* ---- policies ---- */

/* What servers.policy says, where that is none of the usual ones. */
static bool own_policy(struct cox_bag_policy *own, const struct simulation *s,
                       const struct cox_settings_server_policy *p,
                       const struct cox_bag_policy *usual)
{
    *own = usual[COX_USUAL_MODEL];
    snprintf(own->name, sizeof own->name, "servers.policy");
    own->on_demand = p->on_demand;
    own->reuse = (enum cox_bag_reuse)p->reuse;
    own->time_model = (enum cox_time_model)p->time_model;
    own->checkpoints =
        s->checkpoints ? (enum cox_bag_checkpoints)p->checkpoints : COX_BAG_NO_CHECKPOINTS;
    own->period_h =
        isnan(p->period_minutes) ? usual[COX_USUAL_TUNED].period_h : p->period_minutes / 60;
    own->spares = p->spares;
    for (int i = 0; i < COX_USUAL_POLICIES; i++) {
        const struct cox_bag_policy *u = &usual[i];
        bool same = u->on_demand && own->on_demand;
        if (i != COX_USUAL_EXPONENTIAL && u->on_demand == own->on_demand)
            same |= u->reuse == own->reuse && u->checkpoints == own->checkpoints && !own->spares &&
                    (u->time_model == own->time_model || u->reuse != COX_BAG_MODEL) &&
                    (u->period_h == own->period_h || u->checkpoints != COX_BAG_PERIODIC);
        if (same)
            return false;
    }
    return true;
}

static int compare(struct simulation *s, const struct cox_settings_server_policy *settings,
                   struct cox_err *err)
{
    struct cox_bag_policy policies[COX_USUAL_POLICIES + 1];
    s->bag = bag_on(s, s->type, &s->believed);
    int rc = cox_bag_usual(policies, &s->bag, &s->believed, s->checkpoints, err);
    if (rc)
        return rc;
    s->n_results = COX_USUAL_POLICIES;
    if (own_policy(&policies[COX_USUAL_POLICIES], s, settings, policies))
        s->n_results++;
    rc = cox_bag_compare(s->results, policies, s->n_results, &s->bag, s->bags, s->seed, err);
    if (!rc)
        s->gain = cox_bag_gain(&s->bag, &s->results[COX_USUAL_ON_DEMAND],
                               &s->results[COX_USUAL_NAIVE], &s->results[COX_USUAL_MODEL]);
    return rc;
}

static int simulate(struct simulation *s, const struct command *c, struct input *in,
                    const char *path, struct cox_err *err)
{
    in->arena = cox_arena_create();
    if (!in->arena)
        return cox_err_set(err, COX_ENOMEM, "out of memory for '%s'", path);
    int rc = cox_sweep_settings_load(&in->settings, &in->config, path, NULL, 0, in->arena, err);
    if (!rc && !in->settings.servers.types.n)
        rc = cox_config_error(in->config, "servers.types", err, COX_EINVAL,
                              "servers.types is empty: there is nothing to simulate");
    if (!rc)
        rc = need_prices(in, err);
    if (!rc)
        rc = make_bag(s, in, c, err);
    if (!rc)
        rc = cox_sweep_servers_create(&s->servers, &in->settings.servers, in->config, "servers",
                                      err);
    if (rc)
        return rc;
    s->bags = (int)c->bags;
    s->seed = isnan(c->seed) ? (uint64_t)in->settings.seed : (uint64_t)c->seed;
    s->observed = c->replay;
    for (int i = 0; c->replay && i < s->servers.n; i++)
        if (s->servers.observed[i].kind != COX_LIFETIME_EMPIRICAL)
            return cox_err_set(err, COX_EINVAL,
                               "--replay: the lifetimes of '%s' come from neither traces nor fits",
                               s->servers.type[i].name);
    rc = choose_type(s, c, &in->settings.servers, err);
    return rc ? rc : compare(s, &in->settings.servers.policy, err);
}

static int run(const struct command *c, const char *path)
{
    struct cox_err err = COX_ERR_INIT;
    struct simulation s;
    struct input in = {.arena = NULL};
    memset(&s, 0, sizeof s);
    int rc = simulate(&s, c, &in, path, &err);
    if (!rc)
        rc = simulate_write(&s, c->json, c->output, &err);
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    else if (!c->json)
        simulate_print(&s);
    for (int i = 0; i < s.n_results; i++)
        cox_bag_result_deinit(&s.results[i]);
    cox_free(s.types);
    cox_sweep_servers_deinit(&s.servers);
    cox_arena_destroy(in.arena);
    return rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}

int cox_cmd_sweep_simulate(int argc, char **argv)
{
    struct command c = {.bags = 10000, .seed = NAN};
    const struct cox_option options[] = {
        {"bags", 'n', COX_OPT_INT, &c.bags, "N", "of each policy", 1, 1e7},
        {"seed", 0, COX_OPT_NUMBER, &c.seed, "N", "of lifetimes and lengths (the file's)", 0, 9e15},
        {"jobs", 0, COX_OPT_INT, &c.jobs, "N", "of the bag (the points of the sweep)", 1, 1e7},
        {"type", 't', COX_OPT_TEXT, &c.type, "NAME", "of server (the cheapest for the bag)", 0, 0},
        {"replay", 0, COX_OPT_FLAG, &c.replay, NULL,
         "servers live as long as those that were observed, whatever the model", 0, 0},
        {"output", 'o', COX_OPT_TEXT, &c.output, "DIR", "the result as JSON and a figure", 0, 0},
        {"json", 0, COX_OPT_FLAG, &c.json, NULL, "the result as JSON", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox sweep simulate BAG.yaml [options]",
        .description =
            "What a bag would cost and how long it would take on servers that may vanish, under\n"
            "several policies and on demand: thousands of simulated bags, nothing is run. Needs\n"
            "job.expected_minutes and servers.types with prices and lifetimes.\n\n"
            "  cox sweep simulate bag.yaml --replay -o simulated",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    int operands = 0;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    return code >= 0 ? code : run(&c, argv[1]);
}
