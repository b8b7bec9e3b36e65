/* SPDX-License-Identifier: BSD-3-Clause */
/* What earlier sessions did, from the ledger: attempts, results, what was under way. */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "sweep/run_internal.h"

#define ENVIRONMENT ((size_t)1 << 20) /* bytes of a process's that are looked at */

/* ---- attempts ---- */

struct attempts {
    struct cox_sweep *s;
    double until_s; /* what was open then ended with the session */
    struct cox_ledger_attempt *open;
    size_t n_open, open_room;
    int64_t *of_point; /* the last attempt of each point, 0: none */
    struct cox_err *err;
};

static int keep_open(struct attempts *a, const struct cox_ledger_attempt *row)
{
    if (a->n_open == a->open_room) {
        size_t room = a->open_room ? 2 * a->open_room : 64;
        struct cox_ledger_attempt *more = cox_realloc(a->open, room, sizeof *more);
        if (!more)
            return cox_err_set(a->err, COX_ENOMEM, "out of memory");
        a->open = more;
        a->open_room = room;
    }
    a->open[a->n_open++] = *row;
    return COX_OK;
}

static int take_attempt(void *user, const struct cox_ledger_attempt *row)
{
    struct attempts *a = user;
    struct cox_sweep *s = a->s;
    double ended = isnan(row->ended_s) ? fmax(a->until_s, row->began_s) : row->ended_s;
    double seconds = isnan(row->began_s) ? 0 : ended - row->began_s;
    s->n_attempts = row->id;
    if (!isnan(row->cost))
        s->cost_before += row->cost;
    if (row->point >= 0 && row->point < s->points.n) {
        struct sweep_point *p = &s->point[row->point];
        bool failed = !strcmp(row->end, "failed") || !strcmp(row->end, "timeout");
        p->failures += failed;
        p->resumable = !failed && !!strcmp(row->end, "ok") && row->directory[0];
        p->spent_s = failed ? 0 : p->spent_s + seconds;
        a->of_point[row->point] = row->id;
    }
    return isnan(row->ended_s) ? keep_open(a, row) : COX_OK;
}

static int reload_attempts(struct cox_sweep *s, double until_s, struct cox_err *err)
{
    struct attempts a = {.s = s, .until_s = until_s, .err = err};
    a.of_point = cox_alloc((size_t)s->points.n, sizeof *a.of_point);
    int rc = a.of_point ? cox_ledger_attempts(s->ledger, take_attempt, &a, err)
                        : cox_err_set(err, COX_ENOMEM, "out of memory");
    for (size_t i = 0; !rc && i < a.n_open; i++) {
        struct cox_ledger_attempt *row = &a.open[i];
        struct sweep_job job = {.server = -1};
        row->ended_s = fmax(until_s, row->began_s);
        if (isnan(row->ended_s))
            row->ended_s = until_s;
        if (isnan(row->began_s))
            row->began_s = row->ended_s; /* it was next, and never began */
        row->cost = cox_sweep_attempt_cost(s, &job, row->ended_s - row->began_s);
        s->cost_before += row->cost;
        snprintf(row->end, sizeof row->end, "killed");
        snprintf(row->reason, sizeof row->reason, "its sweep was killed");
        rc = cox_ledger_put_attempt(s->ledger, row, err);
    }
    if (a.n_open)
        cox_sweep_end_orphans(s);
    cox_free(a.open);
    cox_free(a.of_point);
    return rc;
}

/* A job dies with the controller, but what it had started itself may live on and write into the
 * directory that is now somebody else's. */
static bool is_ours(const struct cox_sweep *s, int proc, const char *pid, char *text)
{
    char path[64];
    size_t length = 0;
    ssize_t n = 0;
    snprintf(path, sizeof path, "%.40s/environ", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while (length < ENVIRONMENT - 1 && (n = read(fd, text + length, ENVIRONMENT - 1 - length)) > 0)
        length += (size_t)n;
    close(fd);
    text[length] = '\0';
    for (size_t at = 0; at < length; at += strlen(text + at) + 1)
        if (!strcmp(text + at, s->token_env))
            return true;
    return false;
}

void cox_sweep_end_orphans(const struct cox_sweep *s)
{
    DIR *proc = opendir("/proc");
    char *text = cox_alloc(ENVIRONMENT, 1);
    if (!proc || !text) {
        if (proc)
            closedir(proc);
        cox_free(text);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(proc))) {
        long long pid = 0;
        if (cox_parse_int(entry->d_name, &pid) || pid <= 1 || pid == getpid() ||
            !is_ours(s, dirfd(proc), entry->d_name, text))
            continue;
        cox_log(COX_LOG_WARN, "process %lld is left of an earlier session of this sweep: ended",
                pid);
        kill((pid_t)pid, SIGKILL);
    }
    closedir(proc);
    cox_free(text);
}

/* ---- results ---- */

struct again { /* a result that must be read again */
    int64_t point, attempt;
};
struct results {
    struct cox_sweep *s;
    struct again *again;
    size_t n, room;
    bool reread;
    bool *found;
    struct cox_err *err;
};

static int take_result(void *user, const struct cox_ledger_result *row)
{
    struct results *r = user;
    struct cox_sweep *s = r->s;
    if (row->point < 0 || row->point >= s->points.n)
        return COX_OK;
    struct sweep_point *p = &s->point[row->point];
    p->predicted = row->predicted;
    if (row->predicted)
        return COX_OK;
    if (!r->reread) {
        r->found[row->point] = true;
        p->state = COX_POINT_SIMULATED;
        return cox_sweep_learned(s, (int)row->point, row, p->spent_s, r->err);
    }
    if (r->n == r->room) {
        size_t room = r->room ? 2 * r->room : 256;
        struct again *more = cox_realloc(r->again, room, sizeof *more);
        if (!more)
            return cox_err_set(r->err, COX_ENOMEM, "out of memory");
        r->again = more;
        r->room = room;
    }
    r->again[r->n++] = (struct again){row->point, row->attempt};
    return COX_OK;
}

struct directories {
    char (*path)[256]; /* [n + 1] of attempts */
    int64_t n;
};

static int take_directory(void *user, const struct cox_ledger_attempt *row)
{
    struct directories *d = user;
    if (row->id >= 0 && row->id <= d->n)
        memcpy(d->path[row->id], row->directory, sizeof row->directory);
    return COX_OK;
}

/* The outputs are described otherwise than before: what the jobs left is read again. */
static int read_again(struct results *r, struct cox_err *err)
{
    struct cox_sweep *s = r->s;
    struct directories d = {.n = s->n_attempts};
    int lost = 0;
    d.path = cox_alloc((size_t)d.n + 1, sizeof *d.path);
    int rc = d.path ? cox_ledger_attempts(s->ledger, take_directory, &d, err)
                    : cox_err_set(err, COX_ENOMEM, "out of memory");
    for (size_t i = 0; !rc && i < r->n; i++) {
        struct cox_values v = {0};
        struct cox_err why = COX_ERR_INIT;
        char path[PATH_MAX];
        int64_t id = r->again[i].point;
        int64_t attempt = r->again[i].attempt;
        const char *below = attempt >= 0 && attempt <= d.n ? d.path[attempt] : "";
        rc = cox_path_join(path, sizeof path, s->directory, below, err);
        if (rc)
            break;
        bool read = below[0] && !cox_outputs_read(&v, s->settings, path, &why);
        struct cox_ledger_result row = {.point = id,
                                        .attempt = attempt,
                                        .model = -1,
                                        .n = v.n,
                                        .n_outputs = s->settings->outputs.n,
                                        .value = v.value,
                                        .error = v.error,
                                        .first = v.first};
        lost += !read;
        rc = read ? cox_ledger_put_result(s->ledger, &row, err)
                  : cox_ledger_drop_result(s->ledger, id, err);
        cox_values_deinit(&v);
    }
    cox_free(d.path);
    if (!rc && r->n)
        cox_sweep_say(s,
                      "the outputs have changed: %zu results were read again, %d of them must be "
                      "simulated anew",
                      r->n, lost);
    return rc;
}

static int reload_results(struct cox_sweep *s, bool reread, struct cox_err *err)
{
    struct results r = {.s = s, .reread = reread, .err = err};
    int rc = COX_OK;
    if (reread) {
        rc = cox_ledger_results(s->ledger, take_result, &r, err);
        if (!rc)
            rc = read_again(&r, err);
        r.reread = false;
    }
    r.found = cox_alloc((size_t)s->points.n, sizeof *r.found);
    if (!rc && !r.found)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory");
    if (!rc)
        rc = cox_ledger_results(s->ledger, take_result, &r, err);
    for (int i = 0; !rc && i < s->points.n; i++)
        if (s->point[i].state == COX_POINT_SIMULATED && !r.found[i])
            rc = cox_sweep_set_state(s, i, COX_POINT_TODO, COX_PURPOSE_NONE, err);
    cox_free(r.again);
    cox_free(r.found);
    return rc;
}

/* ---- all of it ---- */

static int take_batch(void *user, const struct cox_ledger_batch *row)
{
    struct cox_sweep *s = user;
    s->n_batches = row->id;
    s->last = *row;
    return COX_OK;
}

/* Points under way when the last session ended come first; those that failed may have tries left.
 */
static int settle_points(struct cox_sweep *s, struct cox_err *err)
{
    int rc = COX_OK;
    bool checkpoints = !isnan(s->settings->job.checkpoint_minutes);
    bool again = s->hooks && s->hooks->retry_failed;
    for (int i = 0; !rc && i < s->points.n; i++) {
        struct sweep_point *p = &s->point[i];
        if (p->state == COX_POINT_SIMULATED || p->state == COX_POINT_PREDICTED)
            continue;
        p->resumable = p->resumable && checkpoints;
        if (p->state == COX_POINT_FAILED && again)
            p->forgiven = p->failures;
        if (p->state == COX_POINT_FAILED && p->failures - p->forgiven > s->settings->job.retries) {
            if (s->surrogate)
                cox_surrogate_failed(s->surrogate, i);
            continue;
        }
        bool back = p->resumable || p->state == COX_POINT_RUNNING || p->state == COX_POINT_FAILED ||
                    p->purpose == COX_PURPOSE_AUDIT;
        enum cox_purpose purpose = back ? p->purpose : COX_PURPOSE_NONE;
        if (p->predicted || p->state != COX_POINT_TODO || purpose != p->purpose)
            rc = cox_sweep_put_back(s, i, purpose, err);
        if (back) {
            cox_sweep_return(s, i);
            if (s->surrogate)
                cox_surrogate_under_way(s->surrogate, i, purpose ? purpose : COX_PURPOSE_DESIGN);
        }
    }
    s->n_todo = s->n_running = s->n_simulated = s->n_predicted = s->n_failed = 0;
    for (int i = 0; i < s->points.n; i++) {
        s->n_todo += s->point[i].state == COX_POINT_TODO;
        s->n_simulated += s->point[i].state == COX_POINT_SIMULATED;
        s->n_predicted += s->point[i].state == COX_POINT_PREDICTED;
        s->n_failed += s->point[i].state == COX_POINT_FAILED;
    }
    return rc;
}

static int reload_all(struct cox_sweep *s, struct cox_err *err)
{
    struct sweep_before before = {.elapsed_s = 0};
    int rc = cox_sweep_open_design(s, &before, err);
    if (!rc && before.changed) /* they were promised under other conditions */
        rc = cox_ledger_withdraw_predictions(s->ledger, err);
    for (int i = 0; !rc && before.changed && i < s->points.n; i++)
        if (s->point[i].state == COX_POINT_PREDICTED)
            s->point[i].state = COX_POINT_TODO;
    if (!rc)
        rc = cox_sweep_learn_init(s, before.changed, err);
    if (!rc)
        rc = reload_attempts(s, before.elapsed_s, err);
    if (!rc)
        rc = cox_sweep_servers_reload(s, before.elapsed_s, err);
    if (!rc)
        rc = cox_ledger_batches(s->ledger, take_batch, s, err);
    if (!rc)
        rc = reload_results(s, before.reread, err);
    return rc ? rc : settle_points(s, err);
}

int cox_sweep_reload(struct cox_sweep *s, struct cox_err *err)
{
    size_t n = (size_t)s->points.n;
    int rc = COX_OK;
    s->key = cox_alloc(n, sizeof *s->key);
    s->point = cox_alloc(n, sizeof *s->point);
    if (!s->key || !s->point)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %zu points", n);
    for (int i = 0; !rc && i < s->points.n; i++)
        rc = cox_job_key(s->jobs, i, s->key[i], err);
    if (!rc)
        rc = cox_sweep_begin(s, err);
    if (!rc)
        rc = reload_all(s, err);
    return rc ? rc : cox_sweep_commit(s, err);
}
