/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of the regressor (docs/surrogate.md). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "h5/h5.h"
#include "learn/regressor_net.h"

#define FORMAT "coxswain-regressor"
#define VERSION 1
#define WHERE "/options"

/* Options of one number each; the first two are not of struct cox_regressor_options. */
struct ints {
    int32_t inputs, outputs, members, hidden_layers, batch, scaling, bootstrap;
    int32_t hidden[COX_REGRESSOR_MAX_HIDDEN], activation[COX_REGRESSOR_MAX_HIDDEN];
};
#define INT_KEYS 7
static const char *const int_keys[INT_KEYS] = {"inputs", "outputs", "members",  "hidden_layers",
                                               "batch",  "scaling", "bootstrap"};
static int32_t *int_of(struct ints *v, int i)
{
    int32_t *all[INT_KEYS] = {&v->inputs, &v->outputs, &v->members,  &v->hidden_layers,
                              &v->batch,  &v->scaling, &v->bootstrap};
    return all[i];
}

#define NUMBER_KEYS 3
static const char *const number_keys[NUMBER_KEYS] = {"dropout", "learning_rate", "error_floor"};
static double *number_of(struct cox_regressor_options *o, int i)
{
    double *all[NUMBER_KEYS] = {&o->dropout, &o->learning_rate, &o->error_floor};
    return all[i];
}

/* 64-bit numbers as text: a double would round them. */
static int write_u64(struct cox_h5 *file, const char *object, const char *key, uint64_t value,
                     struct cox_err *err)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return cox_h5_set_text(file, object, key, text, err);
}

static int read_u64(struct cox_h5 *file, const char *object, const char *key, uint64_t most,
                    uint64_t *out, struct cox_err *err)
{
    char *text = NULL, *end;
    int rc = cox_h5_get_text(file, object, key, &text, err);
    if (rc)
        return rc;
    *out = strtoull(text, &end, 10);
    if (end == text || *end || *out > most)
        rc = cox_err_set(err, COX_EFORMAT, "'%s': %s is '%s', allowed are numbers up to %" PRIu64,
                         cox_h5_path(file), key, text, most);
    cox_free(text);
    return rc;
}

static int write_head(const struct cox_regressor *r, struct cox_h5 *file, struct cox_err *err)
{
    int rc = cox_h5_set_text(file, "/", "format", FORMAT, err);
    if (rc == COX_OK)
        rc = cox_h5_set_ints(file, "/", "format_version", 1, (const int32_t[]){VERSION}, err);
    if (rc == COX_OK)
        rc = cox_h5_set_text(file, "/", "creator", "coxswain " COX_VERSION, err);
    if (rc == COX_OK)
        rc = cox_h5_set_text(file, "/", "version", r->version, err);
    if (rc == COX_OK)
        rc = write_u64(file, "/", "fits", (uint64_t)r->fits, err);
    if (rc == COX_OK)
        rc = write_u64(file, "/", "rows", (uint64_t)r->rows, err);
    return rc;
}

static int write_options(const struct cox_regressor *r, struct cox_h5 *file, struct cox_err *err)
{
    struct cox_regressor_options o = r->options;
    struct ints v = {.inputs = r->n_in,
                     .outputs = r->n_out,
                     .members = o.members,
                     .hidden_layers = o.hidden_layers,
                     .batch = o.batch,
                     .scaling = (int32_t)o.scaling,
                     .bootstrap = o.bootstrap};
    for (int i = 0; i < o.hidden_layers; i++) {
        v.hidden[i] = o.hidden[i];
        v.activation[i] = (int32_t)o.activation[i];
    }
    int rc = cox_h5_group(file, WHERE, err);
    for (int i = 0; i < INT_KEYS && rc == COX_OK; i++)
        rc = cox_h5_set_ints(file, WHERE, int_keys[i], 1, int_of(&v, i), err);
    for (int i = 0; i < NUMBER_KEYS && rc == COX_OK; i++)
        rc = cox_h5_set_number(file, WHERE, number_keys[i], *number_of(&o, i), err);
    if (rc == COX_OK && o.hidden_layers > 0)
        rc = cox_h5_set_ints(file, WHERE, "hidden", o.hidden_layers, v.hidden, err);
    if (rc == COX_OK && o.hidden_layers > 0)
        rc = cox_h5_set_ints(file, WHERE, "activation", o.hidden_layers, v.activation, err);
    if (rc == COX_OK)
        rc = write_u64(file, WHERE, "seed", o.seed, err);
    return rc;
}

static int write_scale(const struct cox_regressor_scale *s, const char *name, struct cox_h5 *file,
                       struct cox_err *err)
{
    const int64_t dims[] = {s->n};
    char full[64];
    snprintf(full, sizeof full, "/scaling/%s_least", name);
    int rc = cox_h5_write(file, full, COX_H5_F64, 1, dims, s->least, err);
    snprintf(full, sizeof full, "/scaling/%s_width", name);
    if (rc == COX_OK)
        rc = cox_h5_write(file, full, COX_H5_F64, 1, dims, s->width, err);
    return rc;
}

static int write_member(const struct cox_regressor *r, int i, struct cox_h5 *file,
                        struct cox_err *err)
{
    char group[64];
    snprintf(group, sizeof group, "/member%d/parameters", i);
    int rc = cox_params_save(r->members[i].params, file, group, err);
    snprintf(group, sizeof group, "/member%d", i);
    if (rc == COX_OK)
        rc = write_u64(file, group, "steps", (uint64_t)r->members[i].optimizer.steps, err);
    return rc;
}

int cox_regressor_write(const struct cox_regressor *r, struct cox_h5 *file, struct cox_err *err)
{
    if (!r->trained)
        return cox_err_set(err, COX_EINVAL, "it has not been trained yet");
    int rc = write_head(r, file, err);
    if (rc == COX_OK)
        rc = write_options(r, file, err);
    if (rc == COX_OK)
        rc = write_scale(&r->inputs, "input", file, err);
    if (rc == COX_OK)
        rc = write_scale(&r->outputs, "output", file, err);
    for (int i = 0; i < r->options.members && rc == COX_OK; i++)
        rc = write_member(r, i, file, err);
    return rc;
}

int cox_regressor_save(const struct cox_regressor *r, const char *path, struct cox_err *err)
{
    struct cox_h5 *file;
    int rc = cox_h5_create(&file, path, err);
    if (rc == COX_OK) {
        rc = cox_regressor_write(r, file, err);
        if (rc == COX_OK)
            rc = cox_h5_close(file, err);
        else
            cox_h5_abandon(file);
    }
    return rc ? cox_err_wrap(err, rc, "saving the regressor") : COX_OK;
}

static int check_format(struct cox_h5 *file, struct cox_err *err)
{
    char *text = NULL;
    int32_t version = 0;
    int rc = cox_h5_get_text(file, "/", "format", &text, err);
    if (rc || strcmp(text, FORMAT) != 0)
        rc = cox_err_set(err, COX_EFORMAT, "'%s' is not a regressor (no format '%s')",
                         cox_h5_path(file), FORMAT);
    cox_free(text);
    if (rc == COX_OK)
        rc = cox_h5_get_ints(file, "/", "format_version", 1, &version, err);
    if (rc == COX_OK && (version < 1 || version > VERSION))
        rc = cox_err_set(err, COX_EUNSUPPORTED,
                         "'%s' has version %d of the format, this program reads up to %d",
                         cox_h5_path(file), version, VERSION);
    return rc;
}

static int read_options(struct cox_h5 *file, struct cox_regressor_options *o, int *n_in, int *n_out,
                        struct cox_err *err)
{
    struct ints v = {0};
    int rc = COX_OK;
    for (int i = 0; i < INT_KEYS && rc == COX_OK; i++)
        rc = cox_h5_get_ints(file, WHERE, int_keys[i], 1, int_of(&v, i), err);
    for (int i = 0; i < NUMBER_KEYS && rc == COX_OK; i++)
        rc = cox_h5_get_number(file, WHERE, number_keys[i], number_of(o, i), err);
    if (rc == COX_OK && (v.hidden_layers < 0 || v.hidden_layers > COX_REGRESSOR_MAX_HIDDEN))
        rc = cox_err_set(err, COX_EFORMAT, "'%s': hidden_layers is %d, allowed are 0 to %d",
                         cox_h5_path(file), v.hidden_layers, COX_REGRESSOR_MAX_HIDDEN);
    if (rc == COX_OK && v.hidden_layers > 0)
        rc = cox_h5_get_ints(file, WHERE, "hidden", v.hidden_layers, v.hidden, err);
    if (rc == COX_OK && v.hidden_layers > 0)
        rc = cox_h5_get_ints(file, WHERE, "activation", v.hidden_layers, v.activation, err);
    if (rc == COX_OK)
        rc = read_u64(file, WHERE, "seed", UINT64_MAX, &o->seed, err);
    *n_in = v.inputs;
    *n_out = v.outputs;
    o->members = v.members;
    o->hidden_layers = v.hidden_layers;
    o->batch = v.batch;
    o->scaling = (enum cox_regressor_scaling)v.scaling;
    o->bootstrap = v.bootstrap != 0;
    for (int i = 0; i < COX_REGRESSOR_MAX_HIDDEN; i++) {
        o->hidden[i] = v.hidden[i];
        o->activation[i] = (enum cox_activation)v.activation[i];
    }
    return rc;
}

/* Finite ranges with a width >= 0, or for outputs NaN in both: never a value. */
static int read_scale(struct cox_regressor_scale *s, const char *name, bool may_lack,
                      struct cox_h5 *file, struct cox_err *err)
{
    const int64_t dims[] = {s->n};
    char full[64];
    snprintf(full, sizeof full, "/scaling/%s_least", name);
    int rc = cox_h5_read(file, full, COX_H5_F64, 1, dims, s->least, err);
    snprintf(full, sizeof full, "/scaling/%s_width", name);
    if (rc == COX_OK)
        rc = cox_h5_read(file, full, COX_H5_F64, 1, dims, s->width, err);
    for (int j = 0; j < s->n && rc == COX_OK; j++) {
        const bool good = isfinite(s->least[j]) && isfinite(s->width[j]) && s->width[j] >= 0,
                   none = isnan(s->least[j]) && isnan(s->width[j]);
        if (!good && !(none && may_lack))
            rc = cox_err_set(err, COX_EFORMAT, "'%s': the range of %s %d is %g + %g",
                             cox_h5_path(file), name, j, s->least[j], s->width[j]);
    }
    return rc;
}

static int read_version(struct cox_regressor *r, struct cox_h5 *file, struct cox_err *err)
{
    char *text = NULL;
    uint64_t fits = 0, rows = 0;
    int rc = cox_h5_get_text(file, "/", "version", &text, err);
    if (rc == COX_OK)
        rc = cox_regressor_set_version(r, text, err);
    cox_free(text);
    if (rc == COX_OK)
        rc = read_u64(file, "/", "fits", INT64_MAX, &fits, err);
    if (rc == COX_OK)
        rc = read_u64(file, "/", "rows", INT64_MAX, &rows, err);
    r->fits = (int64_t)fits;
    r->rows = (int64_t)rows;
    return rc;
}

static int read_member(struct cox_regressor *r, int i, struct cox_h5 *file, struct cox_err *err)
{
    char group[64];
    uint64_t steps = 0;
    snprintf(group, sizeof group, "/member%d/parameters", i);
    int rc = cox_params_load(r->members[i].params, file, group, err);
    snprintf(group, sizeof group, "/member%d", i);
    if (rc == COX_OK)
        rc = read_u64(file, group, "steps", INT64_MAX / 2, &steps, err);
    r->members[i].optimizer.steps = (int64_t)steps;
    return rc;
}

int cox_regressor_load(struct cox_regressor **out, const char *path, struct cox_team *team,
                       struct cox_err *err)
{
    struct cox_regressor_options o = COX_REGRESSOR_OPTIONS_INIT;
    struct cox_regressor *r = NULL;
    struct cox_h5 *file;
    int n_in = 0, n_out = 0;
    *out = NULL;
    int rc = cox_h5_open_read(&file, path, err);
    if (rc)
        return cox_err_wrap(err, rc, "loading the regressor");
    rc = check_format(file, err);
    if (rc == COX_OK)
        rc = read_options(file, &o, &n_in, &n_out, err);
    if (rc == COX_OK) {
        rc = cox_regressor_create(&r, n_in, n_out, &o, team, err);
        if (rc == COX_EINVAL) /* not the caller's options: the file's */
            rc = cox_err_wrap(err, COX_EFORMAT, "'%s'", path);
    }
    if (rc == COX_OK)
        rc = read_version(r, file, err);
    if (rc == COX_OK)
        rc = read_scale(&r->inputs, "input", false, file, err);
    if (rc == COX_OK)
        rc = read_scale(&r->outputs, "output", true, file, err);
    for (int i = 0; rc == COX_OK && i < r->options.members; i++)
        rc = read_member(r, i, file, err);
    cox_h5_abandon(file);
    if (rc) {
        cox_regressor_destroy(r);
        return cox_err_wrap(err, rc, "loading the regressor");
    }
    r->trained = true;
    *out = r;
    return COX_OK;
}
