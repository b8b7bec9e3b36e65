/* SPDX-License-Identifier: BSD-3-Clause */
/* Events are of servers: each has one time at which something happens next (it is up, a job on it
 * ends, it is taken away), and a heap keeps the earliest on top. What becomes of a job is computed
 * when it begins, checkpoint by checkpoint, since its server's end is known to the simulation (not
 * to the policy): a checkpoint is no event. The k-th server that is bought lives for the k-th
 * lifetime drawn, and job j has the j-th length, so all policies meet the same fortune. */
#include "servers/bag.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "servers/bag_plan.h"

#define LENGTHS 1 /* streams of random numbers */
#define LIFETIMES 2
#define OVERRUN 0.1 /* of a job that has taken longer than expected, so much is thought left */

enum server_state { ABSENT, STARTING, UP, DRAINING };

/* What a job did on a server, hours. */
struct stay {
    bool finished;
    double ends, kept, checkpoint, lost;
};

struct slot {
    int job; /* −1: idle */
    double since;
    struct stay stay;
};

struct server {
    enum server_state state;
    int busy;
    double bought, up, dies;
    double next; /* its next event */
    int place;   /* in the heap */
};

struct cox_bag_runner {
    struct bag_plan plan;
    int slots, needed, n_servers;
    long most_bought;
    struct server *server; /* [n_servers] */
    struct slot *slot;     /* [n_servers][slots] */
    int *heap;             /* [n_servers] those that are there */
    int *absent;           /* [n_servers] those that are not */
    double *length, *done; /* [n_jobs] hours of work, and those that need not be done again */
    int *queue;            /* [n_jobs] a ring */
    /* of the bag under way */
    int n_heap, n_absent, head, waiting;
    int starting, idle; /* slots of servers that come up; idle ones of those that are up */
    double now, closed; /* server hours of those given back */
    double bought_at;   /* Σ bought over those that are there */
    struct cox_rng lifetimes;
    struct cox_bag_outcome out;
};

/* ---- heap ---- */

static bool before(const struct cox_bag_runner *r, int a, int b)
{
    double ta = r->server[a].next, tb = r->server[b].next;
    return ta < tb || (ta == tb && a < b);
}

static void put(struct cox_bag_runner *r, int place, int server)
{
    r->heap[place] = server;
    r->server[server].place = place;
}

/* The server at `place` has another time than before. */
static void sift(struct cox_bag_runner *r, int place)
{
    int server = r->heap[place];
    while (place > 0 && before(r, server, r->heap[(place - 1) / 2])) {
        put(r, place, r->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        int child = 2 * place + 1;
        if (child + 1 < r->n_heap && before(r, r->heap[child + 1], r->heap[child]))
            child++;
        if (child >= r->n_heap || !before(r, r->heap[child], server))
            break;
        put(r, place, r->heap[child]);
        place = child;
    }
    put(r, place, server);
}

static void leave_heap(struct cox_bag_runner *r, int server)
{
    int place = r->server[server].place;
    int last = r->heap[--r->n_heap];
    if (last != server) {
        put(r, place, last);
        sift(r, place);
    }
}

static struct slot *slots_of(const struct cox_bag_runner *r, int server)
{
    return r->slot + (ptrdiff_t)server * r->slots;
}

static void update_next(struct cox_bag_runner *r, int server)
{
    struct server *s = &r->server[server];
    const struct slot *slot = slots_of(r, server);
    double next = s->state == STARTING ? s->up : s->dies;
    for (int i = 0; s->state != STARTING && i < r->slots; i++)
        if (slot[i].job >= 0 && slot[i].stay.finished)
            next = fmin(next, slot[i].stay.ends);
    s->next = next;
    sift(r, s->place);
}

/* ---- jobs ---- */

static void wait_first(struct cox_bag_runner *r, int job)
{
    r->head = (r->head + r->plan.bag.n_jobs - 1) % r->plan.bag.n_jobs;
    r->queue[r->head] = job;
    r->waiting++;
}

static double thought_left(const struct cox_bag_runner *r, double done)
{
    return fmax(r->plan.bag.job_h - done, OVERRUN * r->plan.bag.job_h);
}

/* What becomes of a job that begins at t on a server that is taken away at `dies` and not looked at
 * after `until`. */
static struct stay stay(const struct cox_bag_runner *r, int job, double t, double up, double dies,
                        double until)
{
    const struct bag_plan *plan = &r->plan;
    const double delta = plan->bag.checkpoint_h;
    const bool saves = plan->notice_saves;
    const double notice = dies - plan->notice_h; /* work goes on until then if that is of use */
    const double stop = fmin(saves ? notice : dies, until);
    double left = r->length[job] - r->done[job];
    double done = r->done[job];
    struct stay s = {.ends = until < dies ? until : dies};
    for (;;) {
        double stretch = bag_plan_stretch(plan, thought_left(r, done), t - up);
        if (stretch * (1 + 1e-9) >= left && t + left <= fmin(dies, until)) {
            s.finished = true;
            s.kept += left;
            s.ends = t + left;
            return s;
        }
        if (stretch * (1 + 1e-9) >= left || t + stretch + delta > stop)
            break;
        t += stretch + delta;
        done += stretch;
        left -= stretch;
        s.kept += stretch;
        s.checkpoint += delta;
    }
    if (saves && notice < until && t < notice) { /* what is done then is written then */
        double work = fmin(notice - t, left);
        s.kept += work;
        s.checkpoint += delta;
        t += work + delta;
    }
    s.lost = fmax(0, s.ends - t);
    return s;
}

static void begin(struct cox_bag_runner *r, int server, struct slot *slot)
{
    struct server *s = &r->server[server];
    int job = r->queue[r->head];
    r->head = (r->head + 1) % r->plan.bag.n_jobs;
    r->waiting--;
    r->idle--;
    r->out.idle_h += r->now - slot->since;
    slot->job = job;
    slot->since = r->now;
    slot->stay = stay(r, job, r->now, s->up, s->dies, INFINITY);
    s->busy++;
}

/* The slot's job leaves it, at `until` if that is before its stay's end. */
static void end_stay(struct cox_bag_runner *r, int server, struct slot *slot, double until)
{
    const struct server *s = &r->server[server];
    struct stay was = slot->stay;
    if (until < was.ends)
        was = stay(r, slot->job, slot->since, s->up, s->dies, until);
    r->out.work_h += was.kept;
    r->out.lost_h += was.lost;
    r->out.checkpoint_h += was.checkpoint;
    r->done[slot->job] += was.kept;
    slot->job = -1;
    slot->since = until;
    r->server[server].busy--;
}

/* ---- servers ---- */

static void buy(struct cox_bag_runner *r)
{
    int server = r->absent[--r->n_absent];
    struct server *s = &r->server[server];
    double life = bag_plan_lifetime(&r->plan, cox_rng_uniform(&r->lifetimes));
    *s = (struct server){.state = STARTING,
                         .bought = r->now,
                         .up = r->now + r->plan.startup_h,
                         .dies = r->now + r->plan.startup_h + life};
    for (int i = 0; i < r->slots; i++)
        slots_of(r, server)[i] = (struct slot){.job = -1, .since = s->up};
    r->bought_at += r->now;
    r->starting += r->slots;
    r->out.servers++;
    put(r, r->n_heap++, server);
    update_next(r, server);
}

/* Given back or gone; its jobs have left it. */
static void close_server(struct cox_bag_runner *r, int server, double t)
{
    struct server *s = &r->server[server];
    struct slot *slot = slots_of(r, server);
    r->closed += t - s->bought;
    r->bought_at -= s->bought;
    r->out.startup_h += r->slots * (fmin(t, s->up) - s->bought);
    for (int i = 0; s->state != STARTING && i < r->slots; i++) {
        r->out.idle_h += t - slot[i].since;
        r->idle -= s->state == UP;
    }
    if (s->state == STARTING)
        r->starting -= r->slots;
    s->state = ABSENT;
    leave_heap(r, server);
    r->absent[r->n_absent++] = server;
}

static void drain(struct cox_bag_runner *r, int server)
{
    struct server *s = &r->server[server];
    if (s->state == UP)
        r->idle -= r->slots - s->busy;
    s->state = DRAINING;
    if (!s->busy)
        close_server(r, server, r->now);
}

/* Whether the next job, or with none waiting one of the usual length, is begun there. */
static bool good(const struct cox_bag_runner *r, const struct server *s)
{
    double done = r->waiting ? r->done[r->queue[r->head]] : 0;
    if (r->now >= s->dies - r->plan.notice_h)
        return false; /* the notice was given */
    return r->now <= s->up || bag_plan_reuse(&r->plan, thought_left(r, done), r->now - s->up);
}

/* Waiting jobs for the idle slots of one server. */
static void fill(struct cox_bag_runner *r, int server)
{
    struct server *s = &r->server[server];
    struct slot *slot = slots_of(r, server);
    bool changed = false;
    for (int i = 0; s->state == UP && r->waiting && i < r->slots; i++) {
        if (slot[i].job >= 0)
            continue;
        if (!good(r, s)) {
            drain(r, server);
        } else {
            begin(r, server, &slot[i]);
            changed = true;
        }
    }
    if (changed)
        update_next(r, server);
}

/* Idle servers get what waits, then new ones are bought; with nothing waiting, idle ones beyond the
 * spares are given back. */
static void settle(struct cox_bag_runner *r)
{
    int spare = 0;
    for (int i = 0; r->waiting && r->idle && i < r->n_servers; i++)
        if (r->server[i].state == UP && r->server[i].busy < r->slots)
            fill(r, i);
    while (r->waiting > r->starting && r->n_absent && r->out.servers < r->most_bought)
        buy(r);
    for (int i = 0; !r->waiting && r->idle && i < r->n_servers; i++) {
        struct server *s = &r->server[i];
        if (s->state != UP || s->busy)
            continue;
        if (spare < r->plan.policy.spares && good(r, s))
            spare++;
        else
            drain(r, i);
    }
}

/* ---- events ---- */

/* Jobs that end now; of one that is gone, those that it takes with it. */
static void happen(struct cox_bag_runner *r, int server)
{
    struct server *s = &r->server[server];
    struct slot *slot = slots_of(r, server);
    if (s->state == STARTING) {
        s->state = UP;
        r->starting -= r->slots;
        r->idle += r->slots;
        update_next(r, server);
        fill(r, server);
        return;
    }
    for (int i = 0; i < r->slots; i++)
        if (slot[i].job >= 0 && slot[i].stay.finished && slot[i].stay.ends <= r->now) {
            end_stay(r, server, &slot[i], r->now);
            r->idle += s->state == UP;
            r->out.done++;
        }
    if (s->dies > r->now) {
        update_next(r, server);
        if (s->state == DRAINING && !s->busy)
            close_server(r, server, r->now);
        return;
    }
    for (int i = r->slots - 1; i >= 0; i--)
        if (slot[i].job >= 0) {
            int job = slot[i].job;
            end_stay(r, server, &slot[i], r->now);
            r->idle += s->state == UP;
            wait_first(r, job);
        }
    r->out.preemptions++;
    close_server(r, server, r->now);
}

/* The bag ends at t: whatever still runs was for nothing. */
static void finish(struct cox_bag_runner *r, double t)
{
    r->now = t;
    for (int i = 0; i < r->n_servers; i++) {
        struct server *s = &r->server[i];
        struct slot *slot = slots_of(r, i);
        for (int k = 0; s->state != ABSENT && k < r->slots; k++)
            if (slot[k].job >= 0) {
                end_stay(r, i, &slot[k], t);
                r->idle += s->state == UP;
            }
        if (s->state != ABSENT)
            close_server(r, i, t);
    }
    struct cox_bag_outcome *o = &r->out;
    const struct cox_server_type *type = &r->plan.bag.type;
    o->cost = r->closed * (r->plan.policy.on_demand ? type->price_on_demand : type->price);
    o->makespan_h = t;
    o->finished = o->done >= r->needed;
    o->work_h /= r->slots; /* from hours of slots to hours of servers */
    o->lost_h /= r->slots;
    o->idle_h /= r->slots;
    o->checkpoint_h /= r->slots;
    o->startup_h /= r->slots;
}

static void start(struct cox_bag_runner *r, uint64_t seed, uint64_t number)
{
    const struct cox_bag *b = &r->plan.bag;
    const double variance = log1p(b->job_spread * b->job_spread);
    const uint64_t mixed = cox_seed_mix(seed, number);
    struct cox_rng lengths;
    cox_rng_init(&lengths, mixed, LENGTHS);
    cox_rng_init(&r->lifetimes, mixed, LIFETIMES);
    for (int j = 0; j < b->n_jobs; j++) {
        r->length[j] = b->job_h;
        if (b->job_spread > 0)
            r->length[j] *= exp(sqrt(variance) * cox_rng_normal(&lengths) - variance / 2);
        r->done[j] = 0;
        r->queue[j] = j;
    }
    for (int i = 0; i < r->n_servers; i++) {
        r->server[i].state = ABSENT;
        r->absent[i] = r->n_servers - 1 - i;
    }
    memset(&r->out, 0, sizeof r->out);
    r->n_heap = r->head = r->starting = r->idle = 0;
    r->n_absent = r->n_servers;
    r->waiting = b->n_jobs;
    r->now = r->closed = r->bought_at = 0;
}

void cox_bag_run(struct cox_bag_runner *r, uint64_t seed, uint64_t number,
                 struct cox_bag_outcome *out)
{
    const struct cox_bag *b = &r->plan.bag;
    const double price = r->plan.policy.on_demand ? b->type.price_on_demand : b->type.price;
    double end = b->deadline_h > 0 ? b->deadline_h : INFINITY;
    start(r, seed, number);
    settle(r);
    while (r->out.done < r->needed && r->n_heap) {
        double next = r->server[r->heap[0]].next;
        double spent = price * (r->closed + r->n_heap * r->now - r->bought_at);
        double broke = r->now + (b->budget - spent) / (price * r->n_heap);
        double stop = b->budget > 0 && price > 0 ? fmin(end, fmax(broke, r->now)) : end;
        if (next > stop) {
            end = stop;
            break;
        }
        r->now = next;
        happen(r, r->heap[0]);
        if (r->out.done < r->needed)
            settle(r);
    }
    /* no server left and none to be bought: it gets nowhere */
    finish(r, r->out.done >= r->needed || !r->n_heap ? r->now : end);
    *out = r->out;
}

/* ---- making ---- */

int cox_bag_runner_create(struct cox_bag_runner **out, const struct cox_bag *bag,
                          const struct cox_bag_policy *policy, struct cox_err *err)
{
    struct cox_bag_runner *r = cox_alloc(1, sizeof *r);
    *out = NULL;
    if (!r)
        return cox_err_set(err, COX_ENOMEM, "out of memory for a bag");
    int rc = bag_plan_init(&r->plan, bag, policy, err);
    if (rc) {
        cox_free(r);
        return rc;
    }
    r->slots = bag->type.cores / bag->job_cores;
    r->needed = bag->m_needed ? bag->m_needed : bag->n_jobs;
    int useful = (bag->n_jobs + r->slots - 1) / r->slots;
    r->n_servers = bag->servers < useful ? bag->servers : useful;
    r->most_bought = COX_BAG_MOST_SERVERS + COX_BAG_MOST_PER_JOB * (long)bag->n_jobs;
    r->server = cox_alloc((size_t)r->n_servers, sizeof *r->server);
    r->slot = cox_alloc((size_t)r->n_servers * (size_t)r->slots, sizeof *r->slot);
    r->heap = cox_alloc((size_t)r->n_servers, sizeof *r->heap);
    r->absent = cox_alloc((size_t)r->n_servers, sizeof *r->absent);
    r->length = cox_alloc((size_t)bag->n_jobs, sizeof *r->length);
    r->done = cox_alloc((size_t)bag->n_jobs, sizeof *r->done);
    r->queue = cox_alloc((size_t)bag->n_jobs, sizeof *r->queue);
    if (!r->server || !r->slot || !r->heap || !r->absent || !r->length || !r->done || !r->queue) {
        cox_bag_runner_destroy(r);
        return cox_err_set(err, COX_ENOMEM, "out of memory for a bag of %d jobs", bag->n_jobs);
    }
    *out = r;
    return COX_OK;
}

void cox_bag_runner_destroy(struct cox_bag_runner *runner)
{
    if (!runner)
        return;
    bag_plan_deinit(&runner->plan);
    cox_free(runner->server);
    cox_free(runner->slot);
    cox_free(runner->heap);
    cox_free(runner->absent);
    cox_free(runner->length);
    cox_free(runner->done);
    cox_free(runner->queue);
    cox_free(runner);
}
