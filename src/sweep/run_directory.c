/* SPDX-License-Identifier: BSD-3-Clause */
/* The sweep's folder and what an earlier session left in it. The design may have changed since:
 * points are found again by their keys, outputs are read again where they are described otherwise.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "sweep/run_internal.h"

#define CONFIG_MAXIMUM (1 << 24)

/* ---- the folder ---- */

int cox_sweep_directory_open(struct cox_sweep *s, const char *directory, struct cox_err *err)
{
    static const char *const folders[] = {"jobs", "models"};
    char path[PATH_MAX];
    int rc = cox_path_join(path, sizeof path, directory, "catalog.db", err);
    if (!rc && cox_file_exists(path))
        rc =
            cox_err_set(err, COX_EEXISTS,
                        "'%s' holds a run of 'cox run'; give another directory with -o", directory);
    /* results are their owner's until he shares them; a folder that was there keeps its mode */
    if (!rc)
        rc = cox_directory_create_private(directory, err);
    if (!rc && !realpath(directory, s->directory))
        rc = cox_err_errno(err, "cannot find '%s'", directory);
    if (!rc)
        rc = cox_path_join(path, sizeof path, s->directory, "ledger.db", err);
    if (!rc)
        rc = cox_ledger_open(&s->ledger, path, err);
    for (int i = 0; !rc && i < 2; i++) {
        rc = cox_path_join(path, sizeof path, s->directory, folders[i], err);
        if (!rc)
            rc = cox_directory_create(path, err);
    }
    return rc;
}

/* ---- words of the ledger ---- */

static int get_number(struct cox_sweep *s, const char *name, double *out, struct cox_err *err)
{
    char *text = NULL;
    int rc = cox_ledger_get_text(s->ledger, name, &text, err);
    if (!rc && text && (cox_parse_double(text, out) || !isfinite(*out)))
        rc = cox_err_set(err, COX_EFORMAT, "ledger.db: %s is '%s', no number", name, text);
    cox_free(text);
    return rc;
}

/* Whether the word differs from what the ledger has; it is written. Nothing there before: not. */
static int replace_text(struct cox_sweep *s, const char *name, const char *text, bool *changed,
                        struct cox_err *err)
{
    char *before = NULL;
    int rc = cox_ledger_get_text(s->ledger, name, &before, err);
    *changed = !rc && before && strcmp(before, text) != 0;
    if (!rc && (!before || *changed))
        rc = cox_ledger_set_text(s->ledger, name, text, err);
    cox_free(before);
    return rc;
}

static int reload_token(struct cox_sweep *s, struct cox_err *err)
{
    char *text = NULL;
    unsigned char bytes[16];
    int rc = cox_ledger_get_text(s->ledger, "token", &text, err);
    if (rc)
        return rc;
    if (text) {
        snprintf(s->token, sizeof s->token, "%s", text);
    } else {
        if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
            return cox_err_errno(err, "cannot draw a random number");
        for (size_t i = 0; i < sizeof bytes; i++)
            snprintf(s->token + 2 * i, 3, "%02x", bytes[i]);
        rc = cox_ledger_set_text(s->ledger, "token", s->token, err);
    }
    cox_free(text);
    snprintf(s->token_env, sizeof s->token_env, "COX_SWEEP_TOKEN=%s", s->token);
    return rc;
}

/* What of the settings decides which numbers a job's directory gives. */
static int digest_outputs(const struct cox_sweep *s, char out[65], struct cox_err *err)
{
    struct cox_str text;
    cox_str_init(&text, CONFIG_MAXIMUM);
    const struct cox_sweep_output *o = s->settings->outputs.items;
    for (int i = 0; i < s->settings->outputs.n; i++, o++) {
        const char *const words[] = {o->name,      o->csv,    o->json,         o->hdf5,
                                     o->text,      o->column, o->error_column, o->key,
                                     o->error_key, o->match,  o->error_match};
        for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
            cox_str_add(&text, words[w] ? words[w] : "");
            cox_str_add(&text, words[w] ? "\n" : "-\n");
        }
        cox_str_addf(&text, "%d\n", o->row);
    }
    int rc = cox_str_status(&text, err);
    cox_sha256_hex(cox_str_text(&text), text.length, out);
    cox_str_deinit(&text);
    return rc;
}

static int write_config(struct cox_sweep *s, bool *changed, struct cox_err *err)
{
    struct cox_sweep_settings inside = *s->settings;
    struct cox_str text;
    char path[PATH_MAX];
    char digest[65];
    inside.output = NULL; /* a sweep of this file goes elsewhere */
    cox_str_init(&text, CONFIG_MAXIMUM);
    cox_config_emit(&text, &cox_sweep_settings_schema, &inside);
    int rc = cox_str_status(&text, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, s->directory, "config.yaml", err);
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&text), text.length, err);
    cox_sha256_hex(cox_str_text(&text), text.length, digest);
    cox_str_deinit(&text);
    return rc ? rc : replace_text(s, "config", digest, changed, err);
}

/* ---- points ---- */

struct known { /* a point of the ledger */
    int64_t id;
    char key[COX_JOB_KEY_SIZE];
    unsigned char state, purpose;
};
struct finding {
    struct cox_sweep *s;
    struct known *known;
    size_t n, room;
    int *table; /* hash of keys → new point + 1 */
    size_t mask;
    bool *taken; /* new points that an old one was found for */
    struct cox_err *err;
};

static int take_known(void *user, const struct cox_ledger_point *p)
{
    struct finding *f = user;
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 1024;
        struct known *more = cox_realloc(f->known, room, sizeof *more);
        if (!more)
            return cox_err_set(f->err, COX_ENOMEM, "out of memory for %zu points", room);
        f->known = more;
        f->room = room;
    }
    struct known *k = &f->known[f->n++];
    k->id = p->id;
    k->state = (unsigned char)p->state;
    k->purpose = (unsigned char)p->purpose;
    memcpy(k->key, p->key, sizeof k->key);
    return COX_OK;
}

static size_t hash_of(const char *key)
{
    size_t h = 1469598103934665603U;
    for (int i = 0; i < 16; i++)
        h = (h ^ (unsigned char)key[i]) * 1099511628211U;
    return h;
}

static int make_table(struct finding *f, struct cox_err *err)
{
    size_t n = (size_t)f->s->points.n;
    size_t size = 16;
    while (size < 2 * n)
        size *= 2;
    f->mask = size - 1;
    f->table = cox_alloc(size, sizeof *f->table);
    f->taken = cox_alloc(n, sizeof *f->taken);
    if (!f->table || !f->taken)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %zu points", n);
    for (size_t i = 0; i < n; i++) {
        size_t at = hash_of(f->s->key[i]) & f->mask;
        while (f->table[at])
            at = (at + 1) & f->mask;
        f->table[at] = (int)i + 1;
    }
    return COX_OK;
}

/* The first point of the design with this key that no other was found for, -1. */
static int64_t find_key(struct finding *f, const char *key)
{
    for (size_t at = hash_of(key) & f->mask; f->table[at]; at = (at + 1) & f->mask) {
        int i = f->table[at] - 1;
        if (!f->taken[i] && !strcmp(f->s->key[i], key)) {
            f->taken[i] = true;
            return i;
        }
    }
    return -1;
}

/* Where every point of the ledger goes. A point that stays where it is comes first, so that equal
 * keys do not change places. */
static int place(struct finding *f, int64_t *from, int64_t *to, int64_t *n_moved)
{
    struct cox_sweep *s = f->s;
    int64_t aside = COX_LEDGER_ASIDE;
    *n_moved = 0;
    for (size_t i = 0; i < f->n; i++) {
        struct known *k = &f->known[i];
        if (k->id >= aside)
            aside = k->id + 1;
        bool stays = k->id < s->points.n && !strcmp(k->key, s->key[k->id]);
        if (stays)
            f->taken[k->id] = true;
        to[i] = stays ? k->id : -1;
    }
    for (size_t i = 0; i < f->n; i++) {
        if (to[i] < 0)
            to[i] = find_key(f, f->known[i].key);
        if (to[i] < 0)
            to[i] = f->known[i].id >= COX_LEDGER_ASIDE ? f->known[i].id : aside++;
        if (to[i] < s->points.n) {
            s->point[to[i]].state = f->known[i].state;
            s->point[to[i]].purpose = f->known[i].purpose;
        }
    }
    for (size_t i = 0; i < f->n; i++)
        if (to[i] != f->known[i].id) {
            from[*n_moved] = f->known[i].id;
            to[(*n_moved)++] = to[i];
        }
    return COX_OK;
}

static int add_points(struct cox_sweep *s, const struct finding *f, struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; !rc && i < s->points.n; i++) {
        if (f->taken[i])
            continue;
        struct cox_ledger_point p = {.id = i,
                                     .state = COX_POINT_TODO,
                                     .n_x = s->points.n_inputs,
                                     .x = s->points.x + (size_t)i * (size_t)s->points.n_inputs};
        memcpy(p.key, s->key[i], sizeof p.key);
        rc = cox_ledger_put_point(s->ledger, &p, err);
    }
    return rc;
}

static int reload_points(struct cox_sweep *s, struct cox_err *err)
{
    struct finding f = {.s = s, .err = err};
    int64_t n_moved = 0;
    double design = 0;
    int rc = cox_ledger_all_points(s->ledger, take_known, &f, err);
    if (!rc)
        rc = make_table(&f, err);
    int64_t *from = cox_alloc(f.n, sizeof *from);
    int64_t *to = cox_alloc(f.n, sizeof *to);
    if (!rc && (!from || !to))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for %zu points", f.n);
    if (!rc)
        rc = place(&f, from, to, &n_moved);
    if (!rc)
        rc = get_number(s, "design", &design, err);
    s->design = (int)design;
    if (!rc && n_moved) {
        char text[24];
        snprintf(text, sizeof text, "%d", ++s->design);
        rc = cox_ledger_renumber(s->ledger, from, to, n_moved, err);
        if (!rc)
            rc = cox_ledger_set_text(s->ledger, "design", text, err);
    }
    if (!rc)
        rc = add_points(s, &f, err);
    cox_free(f.known);
    cox_free(f.table);
    cox_free(f.taken);
    cox_free(from);
    cox_free(to);
    return rc;
}

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
static bool is_ours(const struct cox_sweep *s, int proc, const char *pid)
{
    static const size_t most = 1 << 21;
    char path[64];
    char *text = NULL;
    size_t length = 0;
    bool found = false;
    snprintf(path, sizeof path, "%s/environ", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    close(fd);
    snprintf(path, sizeof path, "/proc/%s/environ", pid);
    if (cox_file_read(&text, &length, path, most, NULL))
        return false;
    for (size_t at = 0; !found && at < length; at += strlen(text + at) + 1)
        found = !strcmp(text + at, s->token_env);
    cox_free(text);
    return found;
}

void cox_sweep_end_orphans(const struct cox_sweep *s)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return;
    const struct dirent *entry;
    while ((entry = readdir(proc))) {
        long long pid = 0;
        if (cox_parse_int(entry->d_name, &pid) || pid <= 1 || pid == getpid() ||
            !is_ours(s, dirfd(proc), entry->d_name))
            continue;
        cox_log(COX_LOG_WARN, "process %lld is left of an earlier session of this sweep: ended",
                pid);
        kill((pid_t)pid, SIGKILL);
    }
    closedir(proc);
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
    if (row->point < 0 || row->point >= s->points.n || row->predicted)
        return COX_OK;
    struct sweep_point *p = &s->point[row->point];
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
        if (p->state != COX_POINT_TODO || purpose != p->purpose)
            rc = cox_sweep_set_state(s, i, COX_POINT_TODO, purpose, err);
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
    double elapsed = 0;
    char outputs[65];
    bool reread = false;
    bool changed = false;
    int rc = get_number(s, "elapsed_s", &elapsed, err);
    s->zero_s = s->session_s - elapsed;
    if (!rc)
        rc = reload_token(s, err);
    if (!rc)
        rc = reload_points(s, err);
    if (!rc)
        rc = digest_outputs(s, outputs, err);
    if (!rc)
        rc = replace_text(s, "outputs", outputs, &reread, err);
    if (!rc)
        rc = write_config(s, &changed, err);
    if (!rc && changed) /* they were promised under other conditions */
        rc = cox_ledger_withdraw_predictions(s->ledger, err);
    for (int i = 0; !rc && changed && i < s->points.n; i++)
        if (s->point[i].state == COX_POINT_PREDICTED)
            s->point[i].state = COX_POINT_TODO;
    if (!rc)
        rc = reload_attempts(s, elapsed, err);
    if (!rc)
        rc = cox_sweep_servers_reload(s, elapsed, err);
    if (!rc)
        rc = cox_ledger_batches(s->ledger, take_batch, s, err);
    if (!rc)
        rc = reload_results(s, reread, err);
    if (!rc)
        rc = settle_points(s, err);
    return rc;
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
