/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything is driven by the executor's monotonic clock and by what it reports; nothing sleeps.
 * Silence is judged with care: whoever was not listening (a stalled disk, a stopped process) has
 * no right to call a task silent, so a heartbeat found missing late is given another half period,
 * once. */
#include "runtime/supervisor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/supervisor_internal.h"

/* A task that lived shorter than this crashes in a loop: its restarts rest longer and longer. */
static const double SHORT_LIFE_S = 2.0;
static const double FIRST_REST_S = 0.1;
static const double LONGEST_REST_S = 5.0;
/* What the executor had no place for is offered again after this, or when something ended. */
static const double RETRY_S = 1.0;
/* SIGKILL is sent again after this: a step on another host may have missed it. */
static const double KILL_AGAIN_S = 5.0;
static const double DESTROY_S = 10.0;

int cox_supervisor_create(struct cox_supervisor **out, struct cox_executor *executor,
                          int64_t first_epoch, struct cox_err *err)
{
    *out = NULL;
    if (first_epoch < 1)
        return cox_err_set(err, COX_EINVAL, "the first epoch must be >= 1, not %lld",
                           (long long)first_epoch);
    struct cox_supervisor *s = cox_alloc(1, sizeof *s);
    if (!s)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    s->executor = executor;
    s->next_epoch = first_epoch;
    s->first_event = s->last_event = -1;
    s->retry_s = s->could_s = INFINITY;
    *out = s;
    return COX_OK;
}

static void drop_copies(struct cox_entry *e)
{
    cox_words_deinit(&e->argv);
    cox_words_deinit(&e->env);
    cox_free(e->directory);
    cox_free(e->log);
    e->directory = e->log = NULL;
}

void cox_supervisor_destroy(struct cox_supervisor *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n_running; i++)
        cox_executor_stop(s->executor, s->entries[s->running[i]].handle, true);
    double until = cox_executor_now(s->executor) + DESTROY_S;
    for (int left = s->n_running; left > 0;) {
        int64_t handle;
        struct cox_task_end end;
        double wait = until - cox_executor_now(s->executor);
        if (wait <= 0 || cox_executor_wait(s->executor, wait, &handle, &end, NULL))
            break; /* the executor's own end sees to the rest */
        left -= handle >= 0;
    }
    for (int i = 0; i < s->n; i++)
        drop_copies(&s->entries[i]);
    cox_free(s->entries);
    cox_free(s->lines);
    cox_free(s->due);
    cox_free(s->running);
    cox_free(s);
}

/* ---- adding ---- */

static int check(const struct cox_supervisor *s, const struct cox_task *task, struct cox_err *err)
{
    const struct {
        const char *name;
        double value;
    } times[] = {
        {"wall_s", task->wall_s}, {"heartbeat_s", task->heartbeat_s}, {"grace_s", task->grace_s}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (!(times[i].value >= 0) || !isfinite(times[i].value))
            return cox_err_set(err, COX_EINVAL, "task '%s': %s must be >= 0, not %g", task->name,
                               times[i].name, times[i].value);
    if (task->max_restarts < 0)
        return cox_err_set(err, COX_EINVAL, "task '%s': max_restarts must be >= 0, not %d",
                           task->name, task->max_restarts);
    return cox_executor_check(s->executor, task, err);
}

static int reserve(struct cox_supervisor *s, struct cox_err *err)
{
    if (s->n < s->capacity)
        return COX_OK;
    size_t capacity = s->capacity ? 2 * (size_t)s->capacity : 16;
    int *due = cox_realloc(s->due, capacity, sizeof *due);
    if (due)
        s->due = due;
    int *running = cox_realloc(s->running, capacity, sizeof *running);
    if (running)
        s->running = running;
    struct cox_entry *entries = cox_realloc(s->entries, capacity, sizeof *entries);
    if (entries)
        s->entries = entries;
    if (!due || !running || !entries)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %zu tasks", capacity);
    s->capacity = (int)capacity;
    return COX_OK;
}

static int copy(struct cox_entry *e, const struct cox_task *task, struct cox_err *err)
{
    int rc = cox_words_init(&e->argv, task->argv, err);
    if (!rc)
        rc = cox_words_init(&e->env, task->env, err);
    if (!rc && task->directory && !(e->directory = cox_strdup(task->directory)))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory");
    if (!rc && task->log && !(e->log = cox_strdup(task->log)))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory");
    if (rc) {
        drop_copies(e);
        return rc;
    }
    e->task = *task;
    e->task.name[sizeof e->task.name - 1] = '\0';
    e->task.argv = e->argv.list;
    e->task.env = e->env.list;
    e->task.directory = e->directory;
    e->task.log = e->log;
    return COX_OK;
}

/* From `at` on something queued could run, if anything can. */
static void note_could(struct cox_supervisor *s, double at)
{
    at = fmax(at, s->counted_s);
    if (at < s->could_s && cox_queue_choose(s) >= 0)
        s->could_s = at;
}

static void enqueue(struct cox_supervisor *s, int id, double at)
{
    s->entries[id].state = ENTRY_QUEUED;
    cox_queue_push(s, id);
    note_could(s, at);
}

int cox_supervisor_add(struct cox_supervisor *s, const struct cox_task *task, int *id,
                       struct cox_err *err)
{
    *id = -1;
    int rc = check(s, task, err);
    if (rc)
        return rc;
    struct cox_held needs = cox_held_of(task);
    rc = reserve(s, err);
    if (!rc)
        rc = cox_queue_reserve(s, &needs, err);
    struct cox_entry entry = {.due_at = -1, .running_at = -1, .next_in_line = -1, .next_event = -1};
    if (!rc)
        rc = copy(&entry, task, err);
    if (rc)
        return cox_err_wrap(err, rc, "adding task '%s'", task->name);
    *id = s->n;
    s->entries[s->n++] = entry;
    s->n_waiting++;
    enqueue(s, *id, cox_executor_now(s->executor));
    return COX_OK;
}

/* ---- events ---- */

static void post(struct cox_supervisor *s, int id, enum cox_supervisor_kind kind)
{
    struct cox_entry *e = &s->entries[id];
    bool listed = e->event != COX_SUPERVISOR_NOTHING;
    e->event = kind;
    if (listed)
        return; /* FAILED becomes ENDED when the caller stops it before hearing of it */
    e->next_event = -1;
    if (s->last_event >= 0)
        s->entries[s->last_event].next_event = id;
    else
        s->first_event = id;
    s->last_event = id;
}

static bool take_event(struct cox_supervisor *s, struct cox_supervisor_event *event)
{
    int id = s->first_event;
    if (id < 0)
        return false;
    struct cox_entry *e = &s->entries[id];
    s->first_event = e->next_event;
    if (s->first_event < 0)
        s->last_event = -1;
    *event = (struct cox_supervisor_event){
        .kind = e->event,
        .task = id,
        .epoch = e->epoch,
        .began_s = e->began_s,
        .placement = e->placement,
    };
    if (e->event != COX_SUPERVISOR_STARTED) {
        event->end = e->end;
        event->ended_s = e->end.ended_s;
    }
    e->event = COX_SUPERVISOR_NOTHING;
    if (event->kind == COX_SUPERVISOR_FAILED) {
        double again = e->end.ended_s + e->rest_s;
        if (e->rest_s > 0 && again > cox_executor_now(s->executor))
            cox_due_set(s, id, again);
        else
            enqueue(s, id, cox_executor_now(s->executor));
    } else if (e->state == ENTRY_DONE) {
        drop_copies(e);
    }
    return true;
}

static void done(struct cox_supervisor *s, int id, enum cox_supervisor_kind kind)
{
    s->entries[id].state = ENTRY_DONE;
    s->n_waiting--;
    post(s, id, kind);
}

/* An attempt came to nothing (it counts as waiting already): restart it within its budget. */
static void failed(struct cox_supervisor *s, int id)
{
    struct cox_entry *e = &s->entries[id];
    /* a run of weeks meets more accidents than a crash loop needs to be told from them */
    if (e->task.healthy_s > 0 && e->end.ended_s - e->began_s >= e->task.healthy_s)
        e->restarts = 0;
    if (e->restarts >= e->task.max_restarts) {
        done(s, id, COX_SUPERVISOR_GAVE_UP);
        return;
    }
    e->restarts++;
    e->short_lives = e->end.ended_s - e->began_s < SHORT_LIFE_S ? e->short_lives + 1 : 0;
    e->rest_s =
        e->short_lives > 1 ? fmin(ldexp(FIRST_REST_S, e->short_lives - 2), LONGEST_REST_S) : 0;
    e->state = ENTRY_RESTING;
    post(s, id, COX_SUPERVISOR_FAILED);
}

/* ---- starting ---- */

static void never_began(struct cox_supervisor *s, int id, int status, const char *why)
{
    struct cox_entry *e = &s->entries[id];
    cox_queue_remove(s, id);
    e->epoch = s->next_epoch++;
    e->began_s = cox_executor_now(s->executor);
    e->end = (struct cox_task_end){.code = -1, .ended_s = e->began_s};
    snprintf(e->end.reason, sizeof e->end.reason, "%s", why);
    bool hopeless = status == COX_EINVAL || status == COX_ENOTFOUND || status == COX_EUNSUPPORTED;
    if (hopeless)
        done(s, id, COX_SUPERVISOR_GAVE_UP);
    else
        failed(s, id);
}

static int start(struct cox_supervisor *s, int id, struct cox_err *err)
{
    struct cox_entry *e = &s->entries[id];
    struct cox_err why = COX_ERR_INIT;
    cox_words_set_epoch(&e->argv, s->next_epoch);
    cox_words_set_epoch(&e->env, s->next_epoch);
    double now = cox_executor_now(s->executor);
    int rc =
        cox_executor_start(s->executor, &e->task, s->next_epoch, &e->handle, &e->placement, &why);
    if (rc == COX_ENOMEM)
        return cox_err_set(err, rc, "%s", why.text); /* it keeps its place */
    if (rc) {
        never_began(s, id, rc, why.text);
        return COX_OK;
    }
    if (e->handle < 0) {
        cox_queue_refuse(s, id);
        s->retry_s = fmin(s->retry_s, now + RETRY_S);
        return COX_OK;
    }
    cox_queue_remove(s, id);
    cox_queue_passed(s, id);
    e->epoch = s->next_epoch++;
    e->state = ENTRY_RUNNING;
    e->began_s = e->heard_s = now;
    e->doomed = e->told = e->sure = e->benefit = false;
    e->running_at = s->n_running;
    s->running[s->n_running++] = id;
    s->n_waiting--;
    double limit = fmin(e->task.wall_s > 0 ? e->task.wall_s : INFINITY,
                        e->task.heartbeat_s > 0 ? e->task.heartbeat_s : INFINITY);
    if (isfinite(limit))
        cox_due_set(s, id, now + limit);
    post(s, id, COX_SUPERVISOR_STARTED);
    return COX_OK;
}

static int start_what_fits(struct cox_supervisor *s, struct cox_err *err)
{
    int id;
    while ((id = cox_queue_choose(s)) >= 0) {
        int rc = start(s, id, err);
        if (rc)
            return rc;
    }
    if (isfinite(s->could_s)) {
        s->counted_s = cox_executor_now(s->executor);
        s->idle_sum += fmax(0, s->counted_s - s->could_s);
        s->could_s = INFINITY;
    }
    return COX_OK;
}

/* ---- what the clock brings ---- */

static void tell(struct cox_supervisor *s, int id, double now)
{
    struct cox_entry *e = &s->entries[id];
    cox_executor_stop(s->executor, e->handle, false);
    e->told = true;
    e->kill_s = now + e->task.grace_s;
    cox_due_set(s, id, e->kill_s);
}

static void make_sure(struct cox_supervisor *s, int id, double now)
{
    struct cox_entry *e = &s->entries[id];
    cox_executor_stop(s->executor, e->handle, true);
    e->sure = true;
    e->kill_s = now + KILL_AGAIN_S;
    cox_due_set(s, id, e->kill_s);
}

static void look_at_running(struct cox_supervisor *s, int id, double now)
{
    struct cox_entry *e = &s->entries[id];
    double wall = e->task.wall_s > 0 ? e->began_s + e->task.wall_s : INFINITY;
    double silence = e->task.heartbeat_s > 0 ? e->heard_s + e->task.heartbeat_s : INFINITY;
    if (e->told || e->sure) {
        if (now < e->kill_s)
            cox_due_set(s, id, e->kill_s);
        else
            make_sure(s, id, now);
    } else if (now >= wall) {
        e->doomed = true;
        snprintf(e->cause, sizeof e->cause, "wall time of %g s exceeded", e->task.wall_s);
        tell(s, id, now);
    } else if (now >= silence && !e->benefit &&
               now - silence > fmax(0.1, 0.1 * e->task.heartbeat_s)) {
        e->benefit = true;
        e->heard_s = now - 0.5 * e->task.heartbeat_s;
        cox_due_set(s, id, fmin(wall, now + 0.5 * e->task.heartbeat_s));
    } else if (now >= silence) {
        e->doomed = true;
        snprintf(e->cause, sizeof e->cause, "hung: no heartbeat for %.3g s",
                 e->task.heartbeat_s + (now - silence));
        make_sure(s, id, now); /* who does not answer would not hear SIGTERM either */
    } else {
        cox_due_set(s, id, fmin(wall, silence));
    }
}

static void act_on_due(struct cox_supervisor *s)
{
    double now = cox_executor_now(s->executor);
    if (now >= s->retry_s) {
        s->retry_s = INFINITY;
        cox_queue_ask_again(s);
    }
    while (s->n_due && s->entries[s->due[0]].due_s <= now) {
        int id = s->due[0];
        double due = s->entries[id].due_s;
        cox_due_remove(s, id);
        if (s->entries[id].state == ENTRY_RESTING)
            enqueue(s, id, due);
        else
            look_at_running(s, id, now);
    }
}

/* ---- ends ---- */

static int find_running(const struct cox_supervisor *s, int64_t handle)
{
    for (int i = 0; i < s->n_running; i++)
        if (s->entries[s->running[i]].handle == handle)
            return s->running[i];
    return -1;
}

static void attempt_ended(struct cox_supervisor *s, int64_t handle, const struct cox_task_end *end)
{
    int id = find_running(s, handle);
    if (id < 0)
        return;
    struct cox_entry *e = &s->entries[id];
    int last = s->running[--s->n_running];
    s->running[e->running_at] = last;
    s->entries[last].running_at = e->running_at;
    e->running_at = -1;
    s->n_waiting++; /* until decided */
    cox_due_remove(s, id);
    e->end = *end;
    if (e->doomed || (e->stopping && e->told)) {
        snprintf(e->end.reason, sizeof e->end.reason, "%s; %s", e->doomed ? e->cause : "stopped",
                 end->reason);
        e->end.ok = end->ok && !e->doomed;
    }
    cox_queue_ask_again(s);
    s->retry_s = INFINITY;
    if (e->stopping || e->end.ok)
        done(s, id, COX_SUPERVISOR_ENDED);
    else
        failed(s, id);
    note_could(s, end->ended_s);
}

int cox_supervisor_next(struct cox_supervisor *s, double timeout_s,
                        struct cox_supervisor_event *event, struct cox_err *err)
{
    *event = (struct cox_supervisor_event){.kind = COX_SUPERVISOR_NOTHING, .task = -1};
    double until = cox_executor_now(s->executor) + fmax(timeout_s, 0);
    for (;;) {
        act_on_due(s);
        /* A failure is told first: it may restart at once, and comes before what was added later.
         */
        int rc = s->first_event >= 0 && s->entries[s->first_event].event == COX_SUPERVISOR_FAILED
                     ? COX_OK
                     : start_what_fits(s, err);
        if (rc)
            return rc;
        if (take_event(s, event))
            return COX_OK;
        double due = s->n_due ? s->entries[s->due[0]].due_s : INFINITY;
        due = fmin(due, s->retry_s);
        int64_t handle;
        struct cox_task_end end;
        double now = cox_executor_now(s->executor);
        rc = cox_executor_wait(s->executor, fmax(0, fmin(until, due) - now), &handle, &end, err);
        if (rc)
            return rc;
        if (handle >= 0) {
            attempt_ended(s, handle, &end);
            continue;
        }
        now = cox_executor_now(s->executor);
        if (now >= until || now < due)
            return COX_OK; /* time is up, or a signal woke us: the caller may look at its flag */
    }
}

/* ---- the caller's wishes ---- */

bool cox_supervisor_heartbeat(struct cox_supervisor *s, int task, int64_t epoch)
{
    if (task < 0 || task >= s->n)
        return false;
    struct cox_entry *e = &s->entries[task];
    if (e->state != ENTRY_RUNNING || e->epoch != epoch || e->doomed)
        return false;
    e->heard_s = cox_executor_now(s->executor);
    e->benefit = false;
    return true;
}

void cox_supervisor_stop(struct cox_supervisor *s, int task)
{
    if (task < 0 || task >= s->n || s->entries[task].state == ENTRY_DONE)
        return;
    struct cox_entry *e = &s->entries[task];
    double now = cox_executor_now(s->executor);
    if (e->state == ENTRY_RUNNING) {
        bool before = e->stopping;
        e->stopping = true;
        if (!before && !e->told && !e->sure)
            tell(s, task, now);
        return;
    }
    if (e->state == ENTRY_QUEUED)
        cox_queue_remove(s, task);
    cox_due_remove(s, task);
    if (e->event == COX_SUPERVISOR_NOTHING) { /* its last attempt was told of; this is of none */
        e->epoch = 0;
        e->began_s = now;
        e->placement = (struct cox_placement){.host = "", .first_core = -1};
        e->end = (struct cox_task_end){.code = -1, .ended_s = now};
        snprintf(e->end.reason, sizeof e->end.reason, "stopped before it %s",
                 e->restarts ? "began again" : "began");
    }
    done(s, task, COX_SUPERVISOR_ENDED);
}

void cox_supervisor_fail(struct cox_supervisor *s, int task, const char *reason)
{
    if (task < 0 || task >= s->n || s->entries[task].state != ENTRY_RUNNING ||
        s->entries[task].doomed)
        return;
    struct cox_entry *e = &s->entries[task];
    e->doomed = true;
    snprintf(e->cause, sizeof e->cause, "%s", reason);
    make_sure(s, task, cox_executor_now(s->executor));
}

double cox_supervisor_due_s(const struct cox_supervisor *s)
{
    if (s->first_event >= 0 || cox_queue_choose(s) >= 0)
        return 0;
    double due = fmin(s->n_due ? s->entries[s->due[0]].due_s : INFINITY, s->retry_s);
    return isfinite(due) ? fmax(0, due - cox_executor_now(s->executor)) : -1;
}

int cox_supervisor_fd(const struct cox_supervisor *s)
{
    return cox_executor_fd(s->executor);
}

int cox_supervisor_running(const struct cox_supervisor *s)
{
    return s->n_running;
}

int cox_supervisor_waiting(const struct cox_supervisor *s)
{
    return s->n_waiting;
}

double cox_supervisor_idle_s(const struct cox_supervisor *s)
{
    double now = isfinite(s->could_s) ? cox_executor_now(s->executor) - s->could_s : 0;
    return s->idle_sum + fmax(0, now);
}
