/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/checkpoint.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "h5/h5.h"
#include "potential/dp_file.h"

#define VERSION 1

void cox_dp_checkpoint_model(char *out, size_t size, const char *prefix, int64_t step)
{
    snprintf(out, size, "%s-%lld.dp", prefix, (long long)step);
}

static void state_path(char *out, size_t size, const char *prefix, int64_t step)
{
    snprintf(out, size, "%s-%lld.state", prefix, (long long)step);
}

/* ---- which there are ---- */

struct steps {
    int64_t *step;
    int n, room;
};

/* The step in "PREFIX-STEP.state", −1: another file. */
static int64_t step_of(const char *name, const char *prefix, size_t length, const char *suffix)
{
    if (strncmp(name, prefix, length) || name[length] != '-')
        return -1;
    const char *digits = name + length + 1;
    size_t n = strspn(digits, "0123456789");
    if (!n || n > 17 || strcmp(digits + n, suffix))
        return -1;
    return strtoll(digits, NULL, 10);
}

static int add(struct steps *s, int64_t step)
{
    if (s->n == s->room) {
        int64_t *more = cox_realloc(s->step, (size_t)s->room * 2 + 16, sizeof *more);
        if (!more)
            return -1;
        s->step = more;
        s->room = s->room * 2 + 16;
    }
    s->step[s->n++] = step;
    return 0;
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Steps of all files with the suffix, the newest first; cox_free(s->step). */
static int list_steps(struct steps *s, const char *prefix, const char *suffix, struct cox_err *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(prefix, '/');
    const char *base = slash ? slash + 1 : prefix;
    *s = (struct steps){0};
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - prefix) + 1 : 1,
             slash ? prefix : ".");
    DIR *dir = opendir(folder);
    if (!dir)
        return cox_err_errno(err, "cannot open '%s'", folder);
    int rc = COX_OK;
    for (struct dirent *e; !rc && (e = readdir(dir));) {
        int64_t step = step_of(e->d_name, base, strlen(base), suffix);
        if (step >= 0 && add(s, step))
            rc = cox_err_set(err, COX_ENOMEM, "out of memory looking for checkpoints");
    }
    closedir(dir);
    if (s->n)
        qsort(s->step, (size_t)s->n, sizeof *s->step, newest_first);
    return rc;
}

int cox_dp_checkpoint_find(int64_t *step, const char *prefix, struct cox_err *err)
{
    struct steps s;
    int rc = list_steps(&s, prefix, ".state", err);
    *step = s.n ? s.step[0] : -1;
    cox_free(s.step);
    return rc;
}

/* Removes all but the newest `keep`; the state first, so that none is left without its model. */
static int prune(const char *prefix, int keep, struct cox_err *err)
{
    static const char *const suffixes[] = {".state", ".dp"};
    char path[PATH_MAX];
    for (int k = 0; k < 2; k++) {
        struct steps s;
        int rc = list_steps(&s, prefix, suffixes[k], err);
        for (int i = keep; !rc && s.step && i < s.n; i++) {
            snprintf(path, sizeof path, "%s-%lld%s", prefix, (long long)s.step[i], suffixes[k]);
            unlink(path);
        }
        cox_free(s.step);
        if (rc)
            return rc;
    }
    return COX_OK;
}

int cox_dp_checkpoint_clear(const char *prefix, struct cox_err *err)
{
    return prune(prefix, 0, err);
}

/* ---- writing ---- */

static int write_counts(struct cox_h5 *h, const char *name, const struct cox_dp_systems *s,
                        struct cox_err *err)
{
    int64_t n = s ? s->n : 0;
    int64_t *count = cox_alloc((size_t)n, sizeof *count);
    if (!count)
        return cox_err_set(err, COX_ENOMEM, "out of memory for a checkpoint");
    for (int64_t i = 0; i < n; i++)
        count[i] = s->system[i].drawn;
    int rc = n ? cox_h5_write(h, name, COX_H5_I64, 1, &n, count, err) : COX_OK;
    cox_free(count);
    return rc;
}

static int write_state(struct cox_h5 *h, const struct cox_dp_state *s, struct cox_err *err)
{
    const int64_t n = (int64_t)s->adam->n;
    const int64_t one = 1;
    int rc = cox_h5_set_text(h, "/", "format", "coxswain-training", err);
    if (!rc)
        rc = cox_h5_set_number(h, "/", "version", VERSION, err);
    if (!rc)
        rc = cox_h5_write(h, "/step", COX_H5_I64, 1, &one, &s->step, err);
    if (!rc)
        rc = cox_h5_write(h, "/seed", COX_H5_I64, 1, &one, &s->seed, err);
    if (!rc)
        rc = cox_h5_write(h, "/adam/mean", COX_H5_F64, 1, &n, s->adam->mean, err);
    if (!rc)
        rc = cox_h5_write(h, "/adam/square", COX_H5_F64, 1, &n, s->adam->square, err);
    if (!rc)
        rc = write_counts(h, "/drawn/training", s->training, err);
    return rc ? rc : write_counts(h, "/drawn/validation", s->validation, err);
}

int cox_dp_checkpoint_write(const char *prefix, const struct cox_dp_state *state,
                            const struct cox_dp_model *model, int keep, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_h5 *h = NULL;
    cox_dp_checkpoint_model(path, sizeof path, prefix, state->step);
    int rc = cox_dp_model_write(model, path, err);
    if (rc)
        return rc;
    state_path(path, sizeof path, prefix, state->step);
    rc = cox_h5_create(&h, path, err);
    if (rc)
        return rc;
    rc = write_state(h, state, err);
    if (rc)
        cox_h5_abandon(h);
    else
        rc = cox_h5_close(h, err);
    return rc ? rc : prune(prefix, keep, err);
}

/* ---- reading ---- */

static int read_counts(struct cox_h5 *h, const char *name, struct cox_dp_systems *s,
                       struct cox_err *err)
{
    int64_t n = s ? s->n : 0;
    int64_t dims[COX_H5_MAX_RANK] = {0};
    int rank = 1;
    int rc = cox_h5_exists(h, name) ? cox_h5_shape(h, name, &rank, dims, err) : COX_OK;
    if (!rc && dims[0] != n)
        return cox_err_set(err, COX_EINVAL,
                           "the checkpoint '%s' is of a training with %lld systems (%s), the input "
                           "has %lld",
                           cox_h5_path(h), (long long)dims[0], name + 7, (long long)n);
    int64_t *count = rc ? NULL : cox_alloc((size_t)n, sizeof *count);
    if (!rc && !count)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for a checkpoint");
    if (!rc && n)
        rc = cox_h5_read(h, name, COX_H5_I64, 1, &n, count, err);
    for (int64_t i = 0; !rc && i < n; i++) {
        if (count[i] < 0)
            rc = cox_err_set(err, COX_EFORMAT, "the checkpoint '%s' is damaged", cox_h5_path(h));
        s->system[i].drawn = count[i];
    }
    cox_free(count);
    return rc;
}

static int open_state(struct cox_h5 **h, const char *prefix, int64_t step, struct cox_err *err)
{
    char path[PATH_MAX];
    char *format = NULL;
    double version = 0;
    state_path(path, sizeof path, prefix, step);
    int rc = cox_h5_open_read(h, path, err);
    if (rc)
        return rc;
    rc = cox_h5_get_text(*h, "/", "format", &format, err);
    if (!rc)
        rc = cox_h5_get_number(*h, "/", "version", &version, err);
    if (!rc && (strcmp(format, "coxswain-training") || version != VERSION))
        rc = cox_err_set(err, COX_EFORMAT, "'%s' is no checkpoint of a training (version %d)", path,
                         VERSION);
    cox_free(format);
    if (rc) {
        cox_h5_abandon(*h);
        *h = NULL;
    }
    return rc;
}

int cox_dp_checkpoint_seed(int64_t *seed, const char *prefix, int64_t step, struct cox_err *err)
{
    struct cox_h5 *h = NULL;
    const int64_t one = 1;
    int rc = open_state(&h, prefix, step, err);
    if (!rc)
        rc = cox_h5_read(h, "/seed", COX_H5_I64, 1, &one, seed, err);
    cox_h5_abandon(h);
    return rc;
}

int cox_dp_checkpoint_read(struct cox_dp_state *s, const char *prefix, int64_t step,
                           struct cox_err *err)
{
    struct cox_h5 *h = NULL;
    const int64_t n = (int64_t)s->adam->n;
    const int64_t one = 1;
    int rc = open_state(&h, prefix, step, err);
    if (!rc)
        rc = cox_h5_read(h, "/step", COX_H5_I64, 1, &one, &s->step, err);
    if (!rc && s->step != step)
        rc = cox_err_set(err, COX_EFORMAT, "'%s' is of step %lld", cox_h5_path(h),
                         (long long)s->step);
    if (!rc)
        rc = cox_h5_read(h, "/seed", COX_H5_I64, 1, &one, &s->seed, err);
    if (!rc)
        rc = cox_h5_read(h, "/adam/mean", COX_H5_F64, 1, &n, s->adam->mean, err);
    if (!rc)
        rc = cox_h5_read(h, "/adam/square", COX_H5_F64, 1, &n, s->adam->square, err);
    if (!rc)
        rc = read_counts(h, "/drawn/training", s->training, err);
    if (!rc)
        rc = read_counts(h, "/drawn/validation", s->validation, err);
    cox_h5_abandon(h);
    return rc;
}
