/* SPDX-License-Identifier: BSD-3-Clause */
/* Servers that may vanish, played on this machine: groups of slots that are bought, come up, age
 * and are taken away at lifetimes drawn from their model. A server's draw depends on the sweep's
 * seed and the server's number alone. Its jobs get SIGTERM when it goes and SIGKILL after the
 * notice; then their points come back as after any other loss (run_jobs.c). A server is paid for
 * from when it is bought until its last job is gone: start-up, work and idling. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/str.h"
#include "sweep/run_internal.h"

#define LIFETIMES 0x73657276 /* stream of random numbers: "serv" */

/* ---- what there is ---- */

int cox_sweep_servers_init(struct cox_sweep *s, struct cox_err *err)
{
    const struct cox_settings_servers *settings = &s->settings->servers;
    int rc = cox_sweep_servers_create(&s->types, settings, s->config, "servers", err);
    if (rc)
        return rc;
    s->hour_s = settings->seconds_per_hour;
    s->plays = settings->play;
    if (s->plays && !s->types.n)
        return cox_config_error(s->config, "servers.play", err, COX_EINVAL,
                                "to play servers, servers.types must say which");
    for (int t = 0; t < s->types.n && settings->policy.on_demand; t++) {
        s->types.type[t].price = s->types.type[t].price_on_demand;
        s->types.type[t].life = (struct cox_lifetime){.kind = COX_LIFETIME_FOREVER};
    }
    s->seen = cox_alloc((size_t)s->types.n, sizeof *s->seen);
    s->server = cox_alloc((size_t)settings->count, sizeof *s->server);
    if (!s->seen || !s->server)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    s->n_servers = s->plays ? settings->count : 0;
    return COX_OK;
}

void cox_sweep_servers_drop(struct cox_sweep *s)
{
    cox_sweep_servers_deinit(&s->types);
    cox_free(s->seen);
    cox_free(s->server);
}

static int slots_of(const struct cox_sweep *s, int type)
{
    return s->types.type[type].cores / s->settings->job.cores;
}

static double hours(const struct cox_sweep *s, double seconds)
{
    return seconds / s->hour_s;
}

/* ---- the ledger ---- */

static double cost_of(const struct cox_sweep *s, const struct sweep_server *v, double until_s)
{
    return s->types.type[v->type].price * hours(s, fmax(0, until_s - v->began_s));
}

static int record(struct cox_sweep *s, const struct sweep_server *v, double ended_s, bool preempted,
                  struct cox_err *err)
{
    const struct cox_server_type *type = &s->types.type[v->type];
    struct cox_ledger_server row = {
        .id = v->id,
        .began_s = v->began_s,
        .ended_s = ended_s,
        .preempted = preempted,
        .price = type->price,
        .cost = cost_of(s, v, isnan(ended_s) ? cox_sweep_now(s) : ended_s),
    };
    snprintf(row.type, sizeof row.type, "%s", type->name);
    int rc = cox_sweep_begin(s, err);
    return rc ? rc : cox_ledger_put_server(s->ledger, &row, err);
}

struct reload {
    struct cox_sweep *s;
    double until_s;
    struct cox_ledger_server *open;
    int n_open, room;
    struct cox_err *err;
};

static int take_server(void *user, const struct cox_ledger_server *row)
{
    struct reload *r = user;
    r->s->last_server = row->id;
    if (!isnan(row->ended_s)) {
        r->s->servers_cost += row->cost;
        return COX_OK;
    }
    if (r->n_open == r->room) {
        int room = r->room ? 2 * r->room : 16;
        struct cox_ledger_server *more = cox_realloc(r->open, (size_t)room, sizeof *more);
        if (!more)
            return cox_err_set(r->err, COX_ENOMEM, "out of memory");
        r->open = more;
        r->room = room;
    }
    r->open[r->n_open++] = *row;
    return COX_OK;
}

int cox_sweep_servers_reload(struct cox_sweep *s, double until_s, struct cox_err *err)
{
    struct reload r = {.s = s, .until_s = until_s, .err = err};
    int rc = cox_ledger_servers(s->ledger, take_server, &r, err);
    for (int i = 0; !rc && i < r.n_open; i++) {
        struct cox_ledger_server *row = &r.open[i];
        row->ended_s = fmax(until_s, row->began_s);
        row->cost = row->price * hours(s, row->ended_s - row->began_s);
        s->servers_cost += row->cost;
        rc = cox_ledger_put_server(s->ledger, row, err);
    }
    cox_free(r.open);
    return rc;
}

double cox_sweep_attempt_cost(const struct cox_sweep *s, const struct sweep_job *job,
                              double seconds)
{
    int type = job->server >= 0 ? s->server[job->server].type : s->types.n == 1 ? 0 : -1;
    double cores = s->settings->job.cores;
    if (type < 0)
        return cores * seconds / 3600; /* core hours */
    const struct cox_server_type *t = &s->types.type[type];
    double hour_s = s->plays ? s->hour_s : 3600;
    return t->price * cores / t->cores * seconds / hour_s;
}

double cox_sweep_cost(const struct cox_sweep *s)
{
    double cost = s->plays ? s->servers_cost : s->cost_before;
    for (int i = 0; i < s->n_servers; i++)
        if (s->server[i].state != SERVER_GONE)
            cost += cost_of(s, &s->server[i], cox_sweep_now(s));
    return cost;
}

/* ---- buying and giving back ---- */

static double job_hours(const struct cox_sweep *s)
{
    return hours(s, cox_sweep_expected_s(s));
}

/* The type whose jobs are still to be tried, else the cheapest for a job. */
static int choose_type(const struct cox_sweep *s)
{
    const struct cox_settings_server_policy *policy = &s->settings->servers.policy;
    double job_h[64];
    int least = -1;
    for (int t = 0; t < s->types.n; t++) {
        if (!slots_of(s, t))
            continue;
        if (s->seen[t].n < policy->explore && (least < 0 || s->seen[t].n < s->seen[least].n))
            least = t;
    }
    if (least >= 0 && s->types.n > 1) {
        /* several servers are bought before the first job has ended: share them out */
        int up[64] = {0};
        for (int i = 0; i < s->n_servers; i++)
            up[s->server[i].type] += s->server[i].state != SERVER_GONE;
        for (int t = 0; t < s->types.n; t++)
            if (slots_of(s, t) && s->seen[t].n < policy->explore && up[t] < up[least])
                least = t;
        return least;
    }
    for (int t = 0; t < s->types.n; t++)
        job_h[t] = !slots_of(s, t) ? NAN : s->seen[t].n ? s->seen[t].hours : job_hours(s);
    int best = cox_server_choose(s->types.type, s->types.n, job_h, s->settings->job.cores, 0,
                                 (enum cox_time_model)policy->time_model, NULL);
    for (int t = 0; best < 0 && t < s->types.n; t++)
        if (slots_of(s, t))
            best = t; /* nothing is known of times yet */
    return best;
}

static int buy(struct cox_sweep *s, struct sweep_server *v, struct cox_err *err)
{
    struct cox_rng rng;
    double now = cox_sweep_now(s);
    int type = choose_type(s);
    *v = (struct sweep_server){
        .state = SERVER_STARTING, .id = ++s->last_server, .type = type, .began_s = now};
    const struct cox_server_type *t = &s->types.type[type];
    cox_rng_init(&rng, cox_seed_mix((uint64_t)s->settings->seed, LIFETIMES), (uint64_t)v->id);
    double life_h = cox_lifetime_quantile(&t->life, cox_rng_uniform(&rng));
    v->up_s = now + t->startup_h * s->hour_s;
    v->dies_s = v->up_s + life_h * s->hour_s;
    return record(s, v, NAN, false, err);
}

static int give_back(struct cox_sweep *s, struct sweep_server *v, double at_s, bool preempted,
                     struct cox_err *err)
{
    s->servers_cost += cost_of(s, v, at_s);
    v->state = SERVER_GONE;
    return record(s, v, at_s, preempted, err);
}

/* ---- policy ---- */

/* Whether the next job is better begun here than on a fresh server. */
static bool is_good(const struct cox_sweep *s, const struct sweep_server *v)
{
    const struct cox_settings_server_policy *policy = &s->settings->servers.policy;
    const struct cox_server_type *t = &s->types.type[v->type];
    double T = job_hours(s);
    if (policy->reuse == COX_BAG_ALWAYS || policy->on_demand || !v->jobs_done)
        return true;
    if (policy->reuse == COX_BAG_NEVER)
        return false;
    return isnan(T) || cox_job_reuse(&t->life, T, hours(s, cox_sweep_now(s) - v->up_s),
                                     t->startup_h, (enum cox_time_model)policy->time_model);
}

static bool has_room(const struct cox_sweep *s, const struct sweep_server *v)
{
    if (v->retiring || v->used >= slots_of(s, v->type))
        return false;
    /* one job for each slot of a server that is never used again */
    return s->settings->servers.policy.reuse != COX_BAG_NEVER ||
           v->used + v->jobs_done < slots_of(s, v->type);
}

int cox_sweep_server_for(struct cox_sweep *s)
{
    int best = -1;
    for (int i = 0; i < s->n_servers; i++) {
        struct sweep_server *v = &s->server[i];
        if (v->state != SERVER_UP || !has_room(s, v))
            continue;
        if (!is_good(s, v)) {
            v->retiring = true;
            continue;
        }
        if (best < 0 || v->dies_s > s->server[best].dies_s || v->used > s->server[best].used)
            best = i;
    }
    return best;
}

void cox_sweep_server_left(struct cox_sweep *s, const struct sweep_job *job, double seconds,
                           bool ok)
{
    struct sweep_server *v = &s->server[job->server];
    struct sweep_type_seen *seen = &s->seen[v->type];
    v->used--;
    v->jobs_done++;
    v->left_s = cox_sweep_now(s);
    if (ok && !job->resumes)
        seen->hours += (hours(s, seconds) - seen->hours) / ++seen->n;
}

/* Jobs that wait for a place, as far as is known. */
static int waiting(const struct cox_sweep *s)
{
    if (s->phase != SWEEP_RUNNING || s->halted)
        return 0;
    int n = s->n_returned;
    if (!s->surrogate)
        return s->n_todo;
    return s->choose_dry ? n : s->n_todo;
}

/* At most as many servers as the settings allow, and as the deadline needs. */
static int servers_wanted(const struct cox_sweep *s)
{
    double deadline = s->settings->targets.deadline_hours;
    int most = s->n_servers;
    int type = choose_type(s);
    if (isnan(deadline) || isnan(job_hours(s)) || type < 0)
        return most;
    const struct cox_server_type *t = &s->types.type[type];
    double left = hours(s, deadline * 3600 - cox_sweep_now(s));
    double expected = cox_job_expected_time(
        &t->life, job_hours(s), 0, (enum cox_time_model)s->settings->servers.policy.time_model);
    int n = cox_servers_for_deadline(s->n_todo + s->n_running, expected, left, slots_of(s, type));
    return n < 0 || n > most ? most : n;
}

static void take_away(struct cox_sweep *s, int place)
{
    for (int j = 0; j < s->job_room; j++)
        if (s->job[j].attempt && s->job[j].server == place)
            cox_sweep_tell_job(s, &s->job[j]);
}

static int age(struct cox_sweep *s, int place, double now, struct cox_err *err)
{
    struct sweep_server *v = &s->server[place];
    if (v->state == SERVER_STARTING && now >= v->up_s)
        v->state = SERVER_UP;
    if (v->state == SERVER_UP && now >= v->dies_s) {
        v->state = SERVER_NOTICED;
        v->idle = !v->used;
        take_away(s, place);
    }
    /* its jobs are killed at the end of the notice, and are gone a moment later */
    if (v->state == SERVER_NOTICED && !v->used)
        return give_back(s, v, v->idle ? fmax(v->dies_s, v->left_s) : now, true, err);
    return COX_OK;
}

/* What nobody needs goes back, but for the spares. */
static int trim(struct cox_sweep *s, int needed, double now, struct cox_err *err)
{
    int rc = COX_OK;
    int spares = s->phase == SWEEP_RUNNING ? s->settings->servers.policy.spares : 0;
    for (int i = 0; !rc && i < s->n_servers; i++) {
        struct sweep_server *v = &s->server[i];
        if ((v->state != SERVER_UP && v->state != SERVER_STARTING) || v->used)
            continue;
        bool spent = s->settings->servers.policy.reuse == COX_BAG_NEVER && v->jobs_done;
        bool keeps = false;
        if (!v->retiring && !spent) {
            bool spare = v->state == SERVER_UP && s->n_todo + s->n_running > 0;
            keeps = needed > 0 || (spares > 0 && spare);
            spares -= needed <= 0 && spare;
            needed -= slots_of(s, v->type);
        }
        if (!keeps)
            rc = give_back(s, v, now, false, err);
    }
    return rc;
}

int cox_sweep_servers_turn(struct cox_sweep *s, struct cox_err *err)
{
    if (!s->plays)
        return COX_OK;
    double now = cox_sweep_now(s);
    int rc = COX_OK;
    for (int i = 0; !rc && i < s->n_servers; i++)
        if (s->server[i].state != SERVER_GONE)
            rc = age(s, i, now, err);
    int needed = waiting(s);
    if (!rc)
        rc = trim(s, needed, now, err);
    int have = 0;
    int live = 0;
    for (int i = 0; i < s->n_servers; i++) {
        const struct sweep_server *v = &s->server[i];
        live += v->state != SERVER_GONE;
        if (v->state == SERVER_UP || v->state == SERVER_STARTING)
            have += v->retiring ? 0 : slots_of(s, v->type) - v->used;
    }
    int wanted = needed > have ? servers_wanted(s) : 0;
    for (int i = 0; !rc && i < s->n_servers && live < wanted && needed > have; i++)
        if (s->server[i].state == SERVER_GONE) {
            rc = buy(s, &s->server[i], err);
            live++;
            have += slots_of(s, s->server[i].type);
        }
    return rc;
}

double cox_sweep_servers_due(const struct cox_sweep *s)
{
    double due = INFINITY;
    for (int i = 0; i < s->n_servers; i++) {
        const struct sweep_server *v = &s->server[i];
        if (v->state == SERVER_STARTING)
            due = fmin(due, v->up_s);
        else if (v->state == SERVER_UP)
            due = fmin(due, v->dies_s);
    }
    return due;
}

int cox_sweep_servers_end(struct cox_sweep *s, struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; !rc && i < s->n_servers; i++)
        if (s->server[i].state != SERVER_GONE)
            rc = give_back(s, &s->server[i], cox_sweep_now(s), s->server[i].state == SERVER_NOTICED,
                           err);
    return rc;
}
