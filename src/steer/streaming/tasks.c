/* SPDX-License-Identifier: BSD-3-Clause */
/* The processes: which there are, how they are started, what their ends mean. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/executor.h"
#include "steer/streaming/streaming.h"

#define HEALTHY_S 600.0 /* a process that lived so long has all its restarts again */
#define WORDS 256       /* a wrapper, a command of the user, and our own */

static const char *const role_names[] = {"simulate", "aggregate", "train", "agent"};
static const char *const short_names[] = {"sim", "agg", "train", "agent"};

const char *cox_streaming_role_name(enum stream_role role)
{
    return role_names[role];
}

struct stream_worker *cox_streaming_role(struct cox_streaming *s, enum stream_role role)
{
    for (int i = 0; i < s->n_workers; i++)
        if (s->worker[i].role == role)
            return &s->worker[i];
    return NULL;
}

static void add_worker(struct cox_streaming *s, enum stream_role role, int number)
{
    struct stream_worker *w = &s->worker[s->n_workers++];
    *w = (struct stream_worker){.role = role, .number = number, .task = -1, .core = -1};
    snprintf(w->name, sizeof w->name, "%s-%d", short_names[role], number);
    cox_run_status_task_init(&w->status);
    snprintf(w->status.name, sizeof w->status.name, "%s", w->name);
    snprintf(w->status.role, sizeof w->status.role, "%s", role_names[role]);
    w->status.state = COX_STATUS_TASK_WAITING;
    w->status.restarts = 0;
}

int cox_streaming_tasks_init(struct cox_streaming *s, struct cox_err *err)
{
    int most = s->simulations + s->aggregators + 2;
    s->worker = cox_alloc((size_t)most, sizeof *s->worker);
    s->status_task = cox_alloc((size_t)most, sizeof *s->status_task);
    if (!s->worker || !s->status_task)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d workers", most);
    for (int i = 0; i < s->simulations; i++)
        add_worker(s, STREAM_SIMULATE, i);
    for (int i = 0; i < s->aggregators; i++)
        add_worker(s, STREAM_AGGREGATE, i);
    if (s->learning)
        add_worker(s, STREAM_TRAIN, 0);
    if (s->steering)
        add_worker(s, STREAM_AGENT, 0);
    return COX_OK;
}

/* ---- starting ---- */

/* A command of the user's gets the same words as our own roles do. */
static void command_of(const struct cox_streaming *s, const struct stream_worker *w,
                       const char *words[WORDS])
{
    const struct cox_settings_streaming *t = &s->settings->streaming;
    const struct cox_config_texts *own = w->role == STREAM_TRAIN   ? &t->train_command
                                         : w->role == STREAM_AGENT ? &t->agent_command
                                                                   : NULL;
    const struct cox_config_texts *wrapper = &s->settings->runtime.wrapper;
    int n = 0;
    for (int i = 0; i < wrapper->n; i++)
        words[n++] = wrapper->items[i];
    for (int i = 0; own && i < own->n; i++)
        words[n++] = own->items[i];
    if (!own || !own->n) {
        words[n++] = s->program;
        words[n++] = "worker";
    }
    words[n++] = role_names[w->role];
    words[n++] = s->whole_directory;
    words[n++] = "--name";
    words[n++] = w->name;
    words[n++] = "--epoch";
    words[n++] = "{epoch}";
    words[n++] = "--hub";
    words[n++] = cox_hub_endpoint(s->hub);
    words[n] = NULL;
}

static int cores_of(const struct cox_streaming *s, const struct stream_worker *w)
{
    bool enough = s->simulations <= s->cores.n || s->cores.off;
    if (w->role == STREAM_SIMULATE)
        return enough ? 1 : 0;
    if (w->role == STREAM_TRAIN && s->cores.off)
        return s->settings->streaming.learn_cores_max;
    return 0; /* shares */
}

static int add_task(struct cox_streaming *s, struct stream_worker *w, struct cox_err *err)
{
    const char *words[WORDS];
    char log[PATH_MAX];
    char name[64];
    char role[32];
    const char *const env[] = {role, NULL};
    struct cox_task task = COX_TASK_INIT;
    command_of(s, w, words);
    snprintf(role, sizeof role, "COX_ROLE=%s", role_names[w->role]);
    snprintf(name, sizeof name, "logs/%s.log", w->name);
    int rc = cox_path_join(log, sizeof log, s->whole_directory, name, err);
    if (rc)
        return rc;
    snprintf(task.name, sizeof task.name, "%s", w->name);
    task.argv = words;
    task.env = env;
    task.log = log;
    task.cores = cores_of(s, w);
    task.heartbeat_s = s->settings->streaming.silence_s;
    task.max_restarts = s->settings->streaming.restarts;
    task.healthy_s = HEALTHY_S;
    task.grace_s = 5;
    return cox_supervisor_add(s->supervisor, &task, &w->task, err);
}

static int make_folders(struct cox_streaming *s, struct cox_err *err)
{
    static const char *const names[] = {"control", "lanes", "logs", "models"};
    char path[PATH_MAX];
    int rc = COX_OK;
    for (size_t i = 0; !rc && i < sizeof names / sizeof names[0]; i++) {
        rc = cox_path_join(path, sizeof path, s->whole_directory, names[i], err);
        if (!rc)
            rc = cox_directory_create(path, err);
        if (!rc && i == 0 && chmod(path, 0700)) /* keys */
            rc = cox_err_errno(err, "cannot close '%s' to others", path);
    }
    return rc;
}

/* Encryption is for tcp; ipc sockets stand in a folder that only this user may enter. */
static int open_hub(struct cox_streaming *s, struct cox_err *err)
{
    int transport = s->settings->streaming.transport;
    bool tcp = transport == COX_TRANSPORT_TCP || (transport == COX_TRANSPORT_AUTO && s->cores.off);
    char path[PATH_MAX];
    int rc = COX_OK;
    if (tcp) {
        rc = cox_path_join(path, sizeof path, s->whole_directory, "control/keys", err);
        if (!rc)
            rc = cox_keys_create(&s->keys, err);
        if (!rc)
            rc = cox_keys_save(&s->keys, path, err);
    }
    return rc ? rc : cox_hub_create(&s->hub, tcp ? "tcp" : "ipc", tcp ? &s->keys : NULL, err);
}

int cox_streaming_tasks_start(struct cox_streaming *s, struct cox_err *err)
{
    int64_t epoch = 1;
    int rc = make_folders(s, err);
    if (!rc)
        rc = open_hub(s, err);
    if (!rc)
        rc = cox_catalog_next_epoch(s->record.catalog, &epoch, err);
    if (!rc)
        rc = cox_supervisor_create(&s->supervisor, s->executor, epoch, err);
    /* those that store first: simulations need them */
    for (int i = s->n_workers - 1; !rc && i >= 0; i--)
        rc = add_task(s, &s->worker[i], err);
    return rc;
}

void cox_streaming_tasks_deinit(struct cox_streaming *s)
{
    for (int i = 0; i < s->n_workers; i++)
        cox_message_destroy(s->worker[i].hello);
    for (int i = 0; i < s->n_out; i++)
        cox_message_destroy(s->out[i].message);
    cox_supervisor_destroy(s->supervisor);
    cox_executor_destroy(s->executor);
    cox_hub_destroy(s->hub);
    cox_free(s->worker);
    cox_free(s->status_task);
    cox_free(s->out);
}

/* ---- their ends ---- */

static void note_attempt(struct cox_streaming *s, const struct stream_worker *w, const char *what,
                         const char *reason)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "task", w->name);
    cox_json_set_text(j, "what", what);
    cox_json_set_int(j, "epoch", w->epoch);
    if (w->placement.pid)
        cox_json_set_int(j, "pid", w->placement.pid);
    if (reason && *reason)
        cox_json_set_text(j, "reason", reason);
    cox_streaming_event(s, "worker", j);
}

/* Its aggregator refuses what earlier attempts of this simulation send from now on. */
static int expect(struct cox_streaming *s, const struct stream_worker *w, struct cox_err *err)
{
    const struct stream_worker *store = &s->worker[s->simulations + w->number % s->aggregators];
    if (!store->up || w->epoch <= 0)
        return COX_OK;
    struct cox_message *m = cox_message_create("expect");
    cox_message_set_text(m, "name", w->name);
    cox_message_set_int(m, "epoch", w->epoch);
    return cox_streaming_send(s, store->name, m, err);
}

static int started(struct cox_streaming *s, struct stream_worker *w,
                   const struct cox_supervisor_event *event, struct cox_err *err)
{
    struct stream_op *op = cox_streaming_op(s, STREAM_OP_ATTEMPT, err);
    if (!op)
        return COX_ENOMEM;
    w->epoch = event->epoch;
    w->placement = event->placement;
    w->attempts++;
    s->attempts++;
    w->core = w->role == STREAM_SIMULATE ? event->placement.first_core : -1;
    double *sum = (double *)&w->before;
    const double *now = (const double *)&w->now;
    for (size_t i = 0; i < sizeof w->now / sizeof *sum; i++)
        sum[i] += now[i];
    w->now = (struct stream_figures){0};
    w->heard = cox_clock_seconds();
    w->status.state = COX_STATUS_TASK_STARTING;
    w->status.epoch = w->epoch;
    w->status.pid = event->placement.pid;
    w->status.cores = cores_of(s, w);
    w->status.lag = NAN;
    snprintf(w->status.host, sizeof w->status.host, "%s", event->placement.host);
    op->row.attempt =
        (struct cox_catalog_attempt){.epoch = w->epoch,
                                     .pid = event->placement.pid ? event->placement.pid : -1,
                                     .began_s = cox_streaming_now(s),
                                     .ended_s = NAN};
    snprintf(op->row.attempt.task, sizeof op->row.attempt.task, "%s", w->name);
    snprintf(op->row.attempt.host, sizeof op->row.attempt.host, "%s", event->placement.host);
    note_attempt(s, w, "started", NULL);
    return w->role == STREAM_SIMULATE ? expect(s, w, err) : COX_OK;
}

/* Ended by its own doing: what it was at is suspected. Not so when it was killed from outside, nor
 * when it left because it was fenced, or the hub silent (130, as after a signal). */
static bool is_to_blame(const struct cox_task_end *end)
{
    return !end->lost && end->code != 130 && end->signal != SIGKILL && end->signal != SIGTERM &&
           end->signal != SIGINT && end->signal != SIGHUP && (end->signal || end->code != 0);
}

static int given_up(struct cox_streaming *s, struct stream_worker *w, const char *reason)
{
    int left = 0;
    w->failed = true;
    w->status.state = COX_STATUS_TASK_FAILED;
    for (int i = 0; i < s->simulations; i++)
        left += !s->worker[i].failed;
    if (w->role == STREAM_SIMULATE && left) {
        cox_streaming_trouble(s, "%s is given up (%s); the run goes on with %d of %d simulations",
                              w->name, reason, left, s->simulations);
    } else if (w->role == STREAM_SIMULATE || w->role == STREAM_AGGREGATE) {
        cox_streaming_trouble(s, "%s is given up (%s); the run stops", w->name, reason);
        s->failure = COX_EEXTERNAL;
        snprintf(s->why, sizeof s->why, "%s was started %d times and failed: %s", w->name,
                 w->attempts, reason);
    } else {
        cox_streaming_trouble(s, "%s is given up (%s); the run goes on with what there is", w->name,
                              reason);
    }
    return COX_OK;
}

static int ended(struct cox_streaming *s, struct stream_worker *w,
                 const struct cox_supervisor_event *event, struct cox_err *err)
{
    const struct cox_task_end *end = &event->end;
    bool orderly = event->kind == COX_SUPERVISOR_ENDED;
    struct stream_op *op = event->epoch ? cox_streaming_op(s, STREAM_OP_END_ATTEMPT, err) : NULL;
    if (event->epoch && !op)
        return COX_ENOMEM;
    if (op) {
        struct cox_catalog_attempt *row = &op->row.attempt;
        *row = (struct cox_catalog_attempt){.epoch = event->epoch,
                                            .pid = w->placement.pid ? w->placement.pid : -1,
                                            .ended_s = cox_streaming_now(s)};
        snprintf(row->host, sizeof row->host, "%s", w->placement.host);
        snprintf(row->end, sizeof row->end, "%s", orderly ? "ended" : "failed");
        snprintf(row->reason, sizeof row->reason, "%s", orderly && end->ok ? "" : end->reason);
    }
    w->up = false;
    cox_message_destroy(w->hello);
    w->hello = NULL;
    note_attempt(s, w, orderly ? "ended" : "failed", orderly && end->ok ? NULL : end->reason);
    if (!orderly)
        snprintf(w->status.reason, sizeof w->status.reason, "%s", end->reason);
    int rc = COX_OK;
    if (!orderly && w->role == STREAM_SIMULATE && is_to_blame(end))
        rc = cox_streaming_blame_worker(s, w, end->reason, err);
    if (event->kind == COX_SUPERVISOR_FAILED) {
        w->restarts++;
        s->restarts++;
        w->status.restarts = w->restarts;
        w->status.state = COX_STATUS_TASK_WAITING;
        cox_streaming_trouble(s, "%s: %s; started again (%d)", w->name, end->reason, w->restarts);
        if (s->phase != STREAM_RUNNING && w->role != STREAM_AGGREGATE)
            cox_supervisor_stop(s->supervisor, w->task); /* too late to come back */
        return rc;
    }
    w->over = true;
    if (orderly)
        w->status.state = COX_STATUS_TASK_ENDED;
    return rc || orderly ? rc : given_up(s, w, end->reason);
}

static struct stream_worker *worker_of(struct cox_streaming *s, int task)
{
    for (int i = 0; i < s->n_workers; i++)
        if (s->worker[i].task == task)
            return &s->worker[i];
    return NULL;
}

int cox_streaming_supervise(struct cox_streaming *s, struct cox_err *err)
{
    struct cox_supervisor_event event;
    int rc;
    while (!(rc = cox_supervisor_next(s->supervisor, 0, &event, err)) &&
           event.kind != COX_SUPERVISOR_NOTHING) {
        struct stream_worker *w = worker_of(s, event.task);
        if (!w)
            continue;
        rc = event.kind == COX_SUPERVISOR_STARTED ? started(s, w, &event, err)
                                                  : ended(s, w, &event, err);
        if (rc)
            break;
    }
    return rc;
}

/* ---- coming and going ---- */

struct stream_worker *cox_streaming_sender(struct cox_streaming *s, const char *peer,
                                           const struct cox_message *message)
{
    int64_t epoch = cox_message_int(message, "epoch", -1);
    for (int i = 0; i < s->n_workers; i++) {
        struct stream_worker *w = &s->worker[i];
        if (strcmp(w->name, peer) != 0)
            continue;
        if (cox_supervisor_heartbeat(s->supervisor, w->task, epoch)) {
            w->heard = cox_clock_seconds();
            return w;
        }
        struct cox_message *m = cox_message_create("fenced");
        struct cox_err problem = COX_ERR_INIT;
        cox_message_set_int(m, "epoch", epoch);
        if (cox_streaming_send(s, peer, m, &problem))
            cox_log(COX_LOG_WARN, "%s", problem.text);
        return NULL;
    }
    return NULL;
}

void cox_streaming_tell_to_stop(struct cox_streaming *s, struct stream_worker *w)
{
    struct cox_err problem = COX_ERR_INIT;
    if (w->over || w->told)
        return;
    w->told = true;
    w->told_at = cox_clock_seconds();
    w->status.state = COX_STATUS_TASK_STOPPING;
    if (!w->up || cox_streaming_send(s, w->name, cox_message_create("stop"), &problem))
        cox_supervisor_stop(s->supervisor, w->task);
}

static int welcome_simulation(struct cox_streaming *s, struct stream_worker *w,
                              struct cox_message *welcome, struct cox_err *err)
{
    const struct stream_worker *store = &s->worker[s->simulations + w->number % s->aggregators];
    int first;
    int n;
    cox_settings_lanes(s->settings, s->simulations, w->number, &first, &n);
    cox_message_set_int(welcome, "first_lane", first);
    cox_message_set_int(welcome, "n_lanes", n);
    cox_message_set_text(welcome, "endpoint", store->endpoint);
    snprintf(w->sent_endpoint, sizeof w->sent_endpoint, "%s", store->endpoint);
    return cox_streaming_welcome_lanes(s, w, w->hello, welcome, err);
}

/* What was picked before, and what must not be. */
static int welcome_agent(struct cox_streaming *s, struct cox_message *welcome, struct cox_err *err)
{
    struct cox_catalog_pick *picks = NULL;
    int64_t n = 0;
    int64_t bad = 0;
    int rc = cox_catalog_picks(s->record.catalog, &picks, &n, err);
    int64_t *frames = rc ? NULL : cox_alloc((size_t)(n + s->n_poisons), sizeof *frames);
    if (!rc && !frames)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for %lld picks", (long long)n);
    for (int64_t i = 0; !rc && i < n; i++)
        frames[i] = picks[i].frame;
    for (int64_t i = 0; !rc && i < s->n_poisons; i++)
        if (s->poison[i].set_aside && s->poison[i].frame >= 0)
            frames[n + bad++] = s->poison[i].frame;
    if (!rc) {
        cox_message_set_ints(welcome, "frames", frames, (int)n);
        cox_message_set_ints(welcome, "poisoned", frames + n, (int)bad);
    }
    cox_free(frames);
    cox_free(picks);
    return rc;
}

static int welcome(struct cox_streaming *s, struct stream_worker *w, struct cox_err *err)
{
    struct cox_message *m = cox_message_create("welcome");
    int rc = m ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
    cox_message_set_int(m, "files", s->aggregators);
    if ((w->role == STREAM_TRAIN || w->role == STREAM_AGENT) && s->model >= 0) {
        cox_message_set_int(m, "model", s->model);
        cox_message_set_text(m, "path", s->model_path);
        cox_message_set_number(m, "best_loss", s->best_valid);
    }
    if (!rc && w->role == STREAM_SIMULATE)
        rc = welcome_simulation(s, w, m, err);
    if (!rc && w->role == STREAM_AGENT)
        rc = welcome_agent(s, m, err);
    if (rc) {
        cox_message_destroy(m);
        return rc;
    }
    rc = cox_streaming_send(s, w->name, m, err);
    cox_message_destroy(w->hello);
    w->hello = NULL;
    w->up = true;
    w->status.state = COX_STATUS_TASK_RUNNING;
    for (int i = 0; !rc && w->role == STREAM_AGGREGATE && i < s->simulations; i++)
        if (i % s->aggregators == w->number)
            rc = expect(s, &s->worker[i], err);
    return rc ? rc : cox_streaming_cores_welcome(s, w, err);
}

/* An aggregator that comes, or comes back, may stand somewhere else. */
static int point_to(struct cox_streaming *s, const struct stream_worker *store, struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; !rc && i < s->simulations; i++) {
        struct stream_worker *w = &s->worker[i];
        if (i % s->aggregators != store->number)
            continue;
        if (w->up && strcmp(w->sent_endpoint, store->endpoint) != 0) {
            struct cox_message *m = cox_message_create("aggregator");
            cox_message_set_text(m, "endpoint", store->endpoint);
            snprintf(w->sent_endpoint, sizeof w->sent_endpoint, "%s", store->endpoint);
            rc = cox_streaming_send(s, w->name, m, err);
        }
    }
    return rc;
}

int cox_streaming_hello(struct cox_streaming *s, struct stream_worker *w, struct cox_message *hello,
                        struct cox_err *err)
{
    int64_t version = cox_message_int(hello, "version", -1);
    cox_message_destroy(w->hello);
    w->hello = hello;
    w->status.pid = cox_message_int(hello, "pid", w->status.pid);
    snprintf(w->status.host, sizeof w->status.host, "%s",
             cox_message_text(hello, "host", w->placement.host));
    if (version != COX_PROTOCOL_VERSION) {
        char reason[120];
        snprintf(reason, sizeof reason, "it speaks protocol %lld, this program %d",
                 (long long)version, COX_PROTOCOL_VERSION);
        cox_supervisor_fail(s->supervisor, w->task, reason);
        return COX_OK;
    }
    if (w->told || (s->phase != STREAM_RUNNING && w->role != STREAM_AGGREGATE)) {
        w->up = true;
        w->told = false;
        cox_streaming_tell_to_stop(s, w);
        return COX_OK;
    }
    if (w->role == STREAM_AGGREGATE) {
        snprintf(w->endpoint, sizeof w->endpoint, "%s", cox_message_text(hello, "endpoint", ""));
        int rc = welcome(s, w, err);
        return rc ? rc : point_to(s, w, err);
    }
    return s->commit_failed ? COX_OK : welcome(s, w, err); /* it will say hello again */
}
