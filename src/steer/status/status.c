/* SPDX-License-Identifier: BSD-3-Clause */
/* The file: one table per struct makes both the writer and the reader. */
#include "steer/status/status.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "steer/status/internal.h"

enum type { STATE, TASK_STATE, INT, I64, NUMBER, TEXT };

struct field {
    const char *key;
    enum type type;
    size_t offset, size; /* size: of a text */
};

#define FIELD(struct_name, type, member)                     \
    {                                                        \
#member, type, offsetof(struct struct_name, member), \
            sizeof(((struct struct_name *)NULL)->member)     \
    }
#define RUN(type, member) FIELD(cox_run_status, type, member)
#define TASK(type, member) FIELD(cox_run_status_task, type, member)

static const struct field run_fields[] = {
    RUN(STATE, state),
    RUN(TEXT, title),
    RUN(TEXT, coordination),
    RUN(TEXT, executor),
    RUN(TEXT, host),
    RUN(I64, pid),
    RUN(TEXT, text),
    RUN(NUMBER, updated_s),
    RUN(NUMBER, elapsed_s),
    RUN(NUMBER, eta_s),
    RUN(NUMBER, done),
    RUN(NUMBER, ns),
    RUN(NUMBER, ns_per_day),
    RUN(NUMBER, target_ns),
    RUN(I64, frames),
    RUN(I64, segments),
    RUN(NUMBER, segments_per_hour),
    RUN(INT, lanes),
    RUN(INT, cores),
    RUN(INT, generation),
    RUN(INT, generation_last),
    RUN(NUMBER, frames_per_s),
    RUN(NUMBER, megabytes_per_s),
    RUN(NUMBER, stream_share),
    RUN(I64, unacknowledged),
    RUN(INT, pending_starts),
    RUN(INT, model),
    RUN(INT, models),
    RUN(NUMBER, train_loss),
    RUN(NUMBER, valid_loss),
    RUN(INT, outliers),
    RUN(NUMBER, best),
    RUN(TEXT, best_name),
    RUN(NUMBER, first_hit_ns),
    RUN(INT, arrived),
    RUN(INT, states),
    RUN(INT, restarts),
    RUN(INT, poisoned),
    RUN(INT, blown),
    RUN(INT, lost),
};

static const struct field task_fields[] = {
    TASK(TEXT, name),           TASK(TEXT, role),
    TASK(TASK_STATE, state),    TASK(I64, epoch),
    TASK(TEXT, host),           TASK(I64, pid),
    TASK(INT, cores),           TASK(INT, restarts),
    TASK(NUMBER, heard_s),      TASK(TEXT, doing),
    TASK(TEXT, reason),         TASK(NUMBER, ns),
    TASK(NUMBER, ns_per_day),   TASK(I64, sent),
    TASK(I64, acked),           TASK(NUMBER, blocked_s),
    TASK(NUMBER, stream_share), TASK(I64, stored),
    TASK(I64, bytes),           TASK(I64, waiting),
    TASK(I64, samples),         TASK(NUMBER, loss),
    TASK(NUMBER, lag),          TASK(I64, embedded),
    TASK(I64, window),          TASK(INT, model),
};

#define N_FIELDS(fields) ((int)(sizeof(fields) / sizeof(fields)[0]))

/* ---- names ---- */

static const char *const state_names[] = {"starting",    "running", "stopping", "done",
                                          "interrupted", "failed",  "dead"};
static const char *const task_state_names[] = {"waiting",  "starting", "running", "paused",
                                               "stopping", "ended",    "failed"};

const char *cox_run_status_state_name(enum cox_run_status_state state)
{
    return (unsigned)state < sizeof state_names / sizeof state_names[0] ? state_names[state] : "?";
}

const char *cox_run_status_task_state_name(enum cox_run_status_task_state state)
{
    return (unsigned)state < sizeof task_state_names / sizeof task_state_names[0]
               ? task_state_names[state]
               : "?";
}

static int index_of(const char *name, const char *const *names, int n)
{
    for (int i = 0; name && i < n; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

/* ---- unknown ---- */

static void forget(void *object, const struct field *fields, int n)
{
    for (int i = 0; i < n; i++) {
        char *at = (char *)object + fields[i].offset;
        if (fields[i].type == NUMBER)
            *(double *)(void *)at = NAN;
        else if (fields[i].type == I64)
            *(int64_t *)(void *)at = -1;
        else if (fields[i].type == INT)
            *(int *)(void *)at = -1;
    }
}

void cox_run_status_task_init(struct cox_run_status_task *task)
{
    memset(task, 0, sizeof *task);
    forget(task, task_fields, N_FIELDS(task_fields));
}

void cox_run_status_init(struct cox_run_status *status)
{
    memset(status, 0, sizeof *status);
    forget(status, run_fields, N_FIELDS(run_fields));
}

void cox_run_status_trouble(struct cox_run_status *status, const char *fmt, ...)
{
    char text[sizeof status->trouble[0].text];
    va_list list;
    va_start(list, fmt);
    vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    int at = status->n_troubles - 1;
    if (at < 0 || strcmp(status->trouble[at].text, text) != 0) {
        if (status->n_troubles == COX_STATUS_TROUBLES)
            memmove(status->trouble, status->trouble + 1,
                    (COX_STATUS_TROUBLES - 1) * sizeof status->trouble[0]);
        else
            status->n_troubles++;
        at = status->n_troubles - 1;
        memcpy(status->trouble[at].text, text, sizeof text);
    }
    status->trouble[at].unix_s = cox_clock_unix();
}

/* ---- writing ---- */

static void set_fields(struct cox_json *json, const void *object, const struct field *fields, int n)
{
    for (int i = 0; i < n; i++) {
        const struct field *f = &fields[i];
        const void *at = (const char *)object + f->offset;
        const int64_t whole = f->type == INT   ? *(const int *)at
                              : f->type == I64 ? *(const int64_t *)at
                                               : 0;
        if (f->type == STATE)
            cox_json_set_text(json, f->key, cox_run_status_state_name(*(const unsigned *)at));
        else if (f->type == TASK_STATE)
            cox_json_set_text(json, f->key, cox_run_status_task_state_name(*(const unsigned *)at));
        else if (f->type == TEXT)
            cox_json_set_text(json, f->key, *(const char *)at ? at : NULL);
        else if (f->type == NUMBER)
            cox_json_set_number(json, f->key, *(const double *)at);
        else if (whole < 0)
            cox_json_set_text(json, f->key, NULL);
        else
            cox_json_set_int(json, f->key, whole);
    }
}

struct cox_json *cox_run_status_json(const struct cox_run_status *status)
{
    struct cox_json *json = cox_json_object(), *tasks = cox_json_array(),
                    *troubles = cox_json_array();
    set_fields(json, status, run_fields, N_FIELDS(run_fields));
    for (int i = 0; i < status->n_troubles; i++) {
        struct cox_json *one = cox_json_object();
        cox_json_set_number(one, "unix_s", status->trouble[i].unix_s);
        cox_json_set_text(one, "text", status->trouble[i].text);
        cox_json_push(troubles, one);
    }
    cox_json_set(json, "troubles", troubles);
    for (int i = 0; i < status->n_tasks; i++) {
        struct cox_json *one = cox_json_object();
        set_fields(one, &status->task[i], task_fields, N_FIELDS(task_fields));
        cox_json_push(tasks, one);
    }
    cox_json_set(json, "tasks", tasks);
    return json;
}

static int write_whole(const char *path, const char *text, struct cox_err *err)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return cox_err_errno(err, "cannot create '%s'", path);
    size_t length = strlen(text);
    int rc = COX_OK;
    while (!rc && length) {
        const ssize_t n = write(fd, text, length);
        if (n < 0 && errno != EINTR)
            rc = cox_err_errno(err, "cannot write '%s'", path);
        text += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    if (close(fd) && !rc)
        rc = cox_err_errno(err, "cannot write '%s'", path);
    return rc;
}

int cox_run_status_write(struct cox_run_status *status, const char *directory, struct cox_err *err)
{
    char path[PATH_MAX], temporary[PATH_MAX + 32];
    int rc = cox_path_join(path, sizeof path, directory, COX_STATUS_FILE, err);
    if (rc)
        return rc;
    status->updated_s = cox_clock_unix();
    struct cox_json *json = cox_run_status_json(status);
    char *text = cox_json_text(json, true);
    cox_json_destroy(json);
    if (!text)
        return cox_err_set(err, COX_ENOMEM, "out of memory writing '%s'", path);
    cox_file_temporary(path, temporary, sizeof temporary);
    rc = write_whole(temporary, text, err);
    if (!rc && rename(temporary, path))
        rc = cox_err_errno(err, "cannot rename '%s' to '%s'", temporary, path);
    if (rc)
        unlink(temporary);
    cox_free(text);
    return rc;
}

/* ---- reading ---- */

static int64_t whole_of(double value)
{
    return value >= -9e15 && value <= 9e15 ? (int64_t)value : -1;
}

static int get_fields(const struct cox_json *json, void *object, const struct field *fields, int n,
                      struct cox_err *err)
{
    for (int i = 0; i < n; i++) {
        const struct field *f = &fields[i];
        void *at = (char *)object + f->offset;
        const char *text = cox_json_get_text(json, f->key);
        const double value = cox_json_get_number(json, f->key, NAN);
        if (f->type == STATE || f->type == TASK_STATE) {
            const int state = f->type == STATE
                                  ? index_of(text, state_names, COX_STATUS_DEAD)
                                  : index_of(text, task_state_names, COX_STATUS_TASK_FAILED + 1);
            if (state < 0)
                return cox_err_set(err, COX_EFORMAT, "'%s' is no state", text ? text : "null");
            *(unsigned *)at = (unsigned)state;
        } else if (f->type == TEXT) {
            snprintf(at, f->size, "%s", text ? text : "");
        } else if (f->type == NUMBER) {
            *(double *)at = value;
        } else if (f->type == I64) {
            *(int64_t *)at = whole_of(value);
        } else {
            *(int *)at = value >= 0 && value <= INT_MAX ? (int)value : -1;
        }
    }
    return COX_OK;
}

static int get_lists(struct cox_run_status *status, const struct cox_json *json,
                     struct cox_err *err)
{
    const int n = cox_json_count(json, "tasks"), troubles = cox_json_count(json, "troubles");
    int rc = COX_OK;
    status->task = cox_alloc((size_t)n, sizeof *status->task);
    if (!status->task)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d tasks", n);
    for (int i = 0; !rc && i < n; i++) {
        struct cox_json *one = cox_json_item(json, "tasks", i);
        cox_run_status_task_init(&status->task[i]);
        rc = get_fields(one, &status->task[i], task_fields, N_FIELDS(task_fields), err);
        cox_json_destroy(one);
        status->n_tasks = i + 1;
    }
    for (int i = 0; i < troubles && i < COX_STATUS_TROUBLES; i++) {
        struct cox_json *one = cox_json_item(json, "troubles", i);
        const char *text = cox_json_get_text(one, "text");
        status->trouble[i].unix_s = cox_json_get_number(one, "unix_s", NAN);
        snprintf(status->trouble[i].text, sizeof status->trouble[i].text, "%s", text ? text : "");
        status->n_troubles = i + 1;
        cox_json_destroy(one);
    }
    return rc;
}

int cox_run_status_parse(struct cox_run_status *status, const struct cox_json *json,
                         struct cox_err *err)
{
    cox_run_status_init(status);
    int rc = get_fields(json, status, run_fields, N_FIELDS(run_fields), err);
    return rc ? rc : get_lists(status, json, err);
}

void cox_run_status_deinit(struct cox_run_status *status)
{
    cox_free(status->task);
    status->task = NULL;
    status->n_tasks = 0;
}

bool cox_run_status_over(const struct cox_run_status *status)
{
    return status->state >= COX_STATUS_DONE;
}
