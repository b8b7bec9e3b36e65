/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/worker/worker.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/digest.h"
#include "stream/message.h"

#define REPEAT_HELLO_S 5.0
#define SLICE_S 1.0 /* longest wait between two looks at the signal flag */

struct role {
    const char *name, *prefix;
    int (*prepare)(struct cox_worker *, struct cox_message *, struct cox_err *);
    cox_worker_role *run;
    void (*release)(struct cox_worker *);
};

static const struct role roles[] = {
    {"simulate", "sim", cox_worker_simulate_prepare, cox_worker_simulate,
     cox_worker_simulate_release},
    {"aggregate", "agg", cox_worker_aggregate_prepare, cox_worker_aggregate,
     cox_worker_aggregate_release},
    {"train", "train", NULL, cox_worker_train, NULL},
    {"agent", "agent", NULL, cox_worker_agent, NULL},
};

/* ---- messages ---- */

struct cox_message *cox_worker_message(const struct cox_worker *worker, const char *type)
{
    struct cox_message *message = cox_message_create(type);
    cox_message_set_int(message, "epoch", worker->options->epoch);
    return message;
}

int cox_worker_send(struct cox_worker *worker, struct cox_message *message, struct cox_err *err)
{
    if (!message)
        return cox_err_set(err, COX_ENOMEM, "out of memory for a message");
    return cox_link_send(worker->link, message, err);
}

void cox_worker_tell(struct cox_worker *worker, const char *type, const char *fmt, ...)
{
    char text[512];
    struct cox_err problem = COX_ERR_INIT;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cox_log(COX_LOG_WARN, "%s: %s", type, text);
    struct cox_message *message = cox_worker_message(worker, type);
    cox_message_set_text(message, "text", text);
    if (cox_worker_send(worker, message, &problem))
        cox_log(COX_LOG_WARN, "cannot tell the coordinator: %s", problem.text);
}

static int beat(struct cox_worker *w, double now, struct cox_err *err)
{
    struct cox_message *heartbeat = cox_worker_message(w, "heartbeat");
    if (w->figures)
        w->figures(w->figures_user, heartbeat);
    w->told = now;
    if (w->asked <= 0)
        w->asked = now;
    return cox_worker_send(w, heartbeat, err);
}

/* Heartbeats, the signal flag, the hub's silence. Silence is counted from the first heartbeat that
 * was not answered, and a stretch in which we did not listen ourselves (a long computation, a
 * stopped process) does not count. */
static int tend(struct cox_worker *w, struct cox_err *err)
{
    double now = cox_clock_seconds();
    if (w->options->cancel && atomic_load(w->options->cancel))
        w->stopping = true;
    if (now - w->tended > 5 * SLICE_S && w->asked > 0)
        w->asked = now;
    w->tended = now;
    if (w->asked > 0 && now - w->asked > w->settings.streaming.silence_s)
        return cox_err_set(err, COX_ECANCELLED, "the coordinator has been silent for %.0f s",
                           now - w->asked);
    if (now - w->told >= w->settings.streaming.heartbeat_s)
        return beat(w, now, err);
    return COX_OK;
}

/* Keeps what is for everybody to itself; the rest is the role's. */
static int take(struct cox_worker *w, struct cox_message **message, struct cox_err *err)
{
    w->heard = cox_clock_seconds();
    w->asked = 0;
    const struct cox_message *m = *message;
    bool fenced = cox_message_is(m, "fenced");
    /* two attempts of one name may be connected for a moment, and an answer reach the wrong one */
    if (fenced && cox_message_int(m, "epoch", w->options->epoch) == w->options->epoch) {
        cox_message_destroy(*message);
        *message = NULL;
        return cox_err_set(err, COX_ECANCELLED, "another attempt has taken the place of this one");
    }
    bool stop = cox_message_is(m, "stop");
    if (stop)
        w->stopping = w->stopped = true;
    if (stop || fenced || cox_message_is(m, "alive")) {
        cox_message_destroy(*message);
        *message = NULL;
    }
    return COX_OK;
}

int cox_worker_receive(struct cox_worker *w, double timeout_s, const int *fds, int n_fds,
                       struct cox_message **message, struct cox_err *err)
{
    double end = cox_clock_seconds() + timeout_s;
    bool was_stopping = w->stopping;
    *message = NULL;
    for (;;) {
        double now = cox_clock_seconds();
        double left = timeout_s < 0 ? SLICE_S : end - now;
        double due = w->told + w->settings.streaming.heartbeat_s - now;
        double wait = left < due ? left : due;
        wait = wait < 0 ? 0 : wait > SLICE_S ? SLICE_S : wait;
        int rc = cox_link_receive(w->link, wait, fds, n_fds, message, err);
        bool got = *message != NULL;
        if (!rc && got)
            rc = take(w, message, err);
        if (!rc)
            rc = tend(w, err);
        if (rc) {
            cox_message_destroy(*message);
            *message = NULL;
            return rc;
        }
        if (*message || (w->stopping && !was_stopping))
            return COX_OK;
        if (got)
            continue; /* there may be more behind an `alive` */
        if (n_fds > 0 || (timeout_s >= 0 && cox_clock_seconds() >= end))
            return COX_OK;
    }
}

int cox_worker_task(struct cox_worker *worker, const char *kind, double began_unix, int cores,
                    struct cox_err *err)
{
    struct cox_message *task = cox_worker_message(worker, "task");
    cox_message_set_text(task, "kind", kind);
    cox_message_set_number(task, "began", began_unix);
    cox_message_set_number(task, "ended", cox_clock_unix());
    cox_message_set_int(task, "cores", cores);
    return cox_worker_send(worker, task, err);
}

uint64_t cox_worker_system_digest(const struct cox_system *system)
{
    struct cox_str text;
    char hex[65] = "";
    uint64_t digest = 0;
    cox_str_init(&text, (size_t)1 << 30);
    cox_str_addf(&text, "%d atoms %d bonds\n", system->n_atoms, system->n_bonds);
    for (int i = 0; i < system->n_atoms; i++)
        cox_str_addf(&text, "%s %d %d %.17g\n", system->atom_name[i], system->residue[i],
                     (int)system->element[i], system->mass_u[i]);
    for (int i = 0; i < system->n_bonds; i++)
        cox_str_addf(&text, "%d %d\n", system->bonds[i].atom[0], system->bonds[i].atom[1]);
    cox_sha256_hex(cox_str_text(&text), text.length, hex);
    cox_str_deinit(&text);
    for (int i = 0; i < 16; i++)
        digest = digest << 4 | (uint64_t)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
    return digest;
}

/* ---- hello ---- */

static struct cox_message *make_hello(const struct cox_worker *w)
{
    const struct cox_worker_options *o = w->options;
    char host[256] = "";
    struct cox_message *hello = cox_worker_message(w, "hello");
    if (gethostname(host, sizeof host - 1))
        snprintf(host, sizeof host, "?");
    cox_message_set_text(hello, "role", o->role);
    cox_message_set_text(hello, "name", o->name);
    cox_message_set_int(hello, "version", COX_PROTOCOL_VERSION);
    cox_message_set_int(hello, "pid", getpid());
    cox_message_set_text(hello, "host", host);
    return hello;
}

static int copy_message(struct cox_message **out, const struct cox_message *from,
                        struct cox_err *err)
{
    void *bytes = NULL;
    size_t length = 0;
    *out = NULL;
    int rc = from ? cox_message_pack(from, &bytes, &length, err)
                  : cox_err_set(err, COX_ENOMEM, "out of memory for a message");
    if (!rc)
        rc = cox_message_unpack(out, bytes, length, err);
    cox_free(bytes);
    return rc;
}

/* Says hello until it is answered: the first one may be lost with a connection. */
static int join(struct cox_worker *w, const struct cox_message *hello, struct cox_message **welcome,
                struct cox_err *err)
{
    double said = -1;
    *welcome = NULL;
    w->asked = cox_clock_seconds();
    while (!w->stopping) {
        double now = cox_clock_seconds();
        struct cox_message *message = NULL;
        if (said < 0 || now - said >= REPEAT_HELLO_S) {
            double asked = w->asked;
            int rc = copy_message(&message, hello, err);
            if (!rc)
                rc = cox_worker_send(w, message, err);
            if (rc)
                return rc;
            said = w->told = now;
            w->asked = asked > 0 ? asked : now;
        }
        int rc = cox_worker_receive(w, SLICE_S, NULL, 0, &message, err);
        if (rc)
            return rc;
        if (message && cox_message_is(message, "welcome")) {
            *welcome = message;
            return COX_OK;
        }
        cox_message_destroy(message);
    }
    return COX_OK;
}

/* ---- life ---- */

static int find_role(const struct cox_worker_options *o, const struct role **role, int *number,
                     struct cox_err *err)
{
    *role = NULL;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (o->role && !strcmp(o->role, roles[i].name))
            *role = &roles[i];
    if (!*role)
        return cox_err_set(err, COX_EINVAL,
                           "no role '%s'; there are simulate, aggregate, train and agent",
                           o->role ? o->role : "");
    size_t n = strlen((*role)->prefix);
    long long value = -1;
    bool fits = o->name && !strncmp(o->name, (*role)->prefix, n) && o->name[n] == '-';
    if (!fits || cox_parse_int(o->name + n + 1, &value) || value < 0 || value > 99999)
        return cox_err_set(err, COX_EINVAL, "name '%s' of a worker that is to %s must be %s-N",
                           o->name ? o->name : "", o->role, (*role)->prefix);
    *number = (int)value;
    return COX_OK;
}

static int load_keys(struct cox_worker *w, struct cox_err *err)
{
    char path[PATH_MAX];
    int rc = cox_path_join(path, sizeof path, w->options->directory, "control/keys", err);
    if (rc || !cox_file_exists(path))
        return rc;
    rc = cox_keys_load(&w->keys, path, err);
    w->keyed = !rc;
    return rc;
}

static int open_worker(struct cox_worker *w, struct cox_err *err)
{
    char path[PATH_MAX];
    w->arena = cox_arena_create();
    if (!w->arena)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    int rc = cox_path_join(path, sizeof path, w->options->directory, "config.yaml", err);
    if (!rc)
        rc = cox_settings_load(&w->settings, &w->config, path, NULL, 0, w->arena, err);
    if (!rc)
        rc = cox_system_load(&w->system, w->settings.system, err);
    if (!rc)
        rc = load_keys(w, err);
    if (!rc)
        rc = cox_team_create(&w->team, 1, err);
    if (!rc)
        rc = cox_link_create(&w->link, w->options->hub, w->options->name,
                             w->keyed ? &w->keys : NULL, err);
    double now = cox_clock_seconds();
    w->began = w->heard = w->told = w->tended = now;
    return rc;
}

static void close_worker(struct cox_worker *w)
{
    cox_link_destroy(w->link);
    cox_team_destroy(w->team);
    cox_system_destroy(w->system);
    cox_arena_destroy(w->arena);
}

static int serve(struct cox_worker *w, const struct role *role, struct cox_err *err)
{
    struct cox_message *welcome = NULL;
    struct cox_message *hello = make_hello(w);
    int rc = hello ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory for a message");
    if (!rc && role->prepare)
        rc = role->prepare(w, hello, err);
    if (!rc)
        rc = join(w, hello, &welcome, err);
    if (!rc && welcome)
        rc = role->run(w, welcome, err);
    w->figures = NULL;
    if (!rc)
        rc = cox_worker_send(w, cox_worker_message(w, "bye"), err);
    if (!rc && !w->stopped)
        rc = cox_err_set(err, COX_ECANCELLED, "stopped by a signal");
    if (role->release)
        role->release(w);
    cox_message_destroy(welcome);
    cox_message_destroy(hello);
    return rc;
}

int cox_worker_run(const struct cox_worker_options *options, struct cox_err *err)
{
    struct cox_worker worker = {.options = options};
    const struct role *role = NULL;
    int rc = find_role(options, &role, &worker.number, err);
    if (rc)
        return rc;
    rc = open_worker(&worker, err);
    if (!rc)
        rc = serve(&worker, role, err);
    close_worker(&worker);
    return rc ? cox_err_wrap(err, rc, "%s", options->name) : COX_OK;
}
