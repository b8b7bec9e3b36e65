/* SPDX-License-Identifier: BSD-3-Clause */
/* Checkpoints of the CVAE (docs/learner.md). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "h5/h5.h"
#include "learn/cvae_net.h"

#define FORMAT "coxswain-cvae"
#define VERSION 1
#define WHERE "/architecture"

static int write_options(const struct cox_cvae *c, struct cox_h5 *file, struct cox_err *err)
{
    const struct cox_cvae_options *o = &c->options;
    const int32_t ints[] = {c->size,  o->conv_layers,       o->kernel, o->dense, o->latent,
                            o->batch, (int32_t)o->optimizer};
    static const char *const int_keys[] = {"size",   "conv_layers", "kernel",   "dense",
                                           "latent", "batch",       "optimizer"};
    const double numbers[] = {o->dropout, o->learning_rate, o->rho, o->epsilon};
    static const char *const number_keys[] = {"dropout", "learning_rate", "rho", "epsilon"};
    char text[32];
    int rc = cox_h5_group(file, WHERE, err);
    if (rc == COX_OK)
        rc = cox_h5_set_text(file, "/", "format", FORMAT, err);
    if (rc == COX_OK)
        rc = cox_h5_set_ints(file, "/", "version", 1, (const int32_t[]){VERSION}, err);
    if (rc == COX_OK)
        rc = cox_h5_set_text(file, "/", "creator", "coxswain " COX_VERSION, err);
    for (size_t i = 0; i < sizeof ints / sizeof ints[0] && rc == COX_OK; i++)
        rc = cox_h5_set_ints(file, WHERE, int_keys[i], 1, &ints[i], err);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && rc == COX_OK; i++)
        rc = cox_h5_set_number(file, WHERE, number_keys[i], numbers[i], err);
    if (rc == COX_OK)
        rc = cox_h5_set_ints(file, WHERE, "filters", o->conv_layers, o->filters, err);
    if (rc == COX_OK)
        rc = cox_h5_set_ints(file, WHERE, "strides", o->conv_layers, o->strides, err);
    /* 64-bit numbers as text: a double would round them */
    snprintf(text, sizeof text, "%" PRIu64, o->seed);
    if (rc == COX_OK)
        rc = cox_h5_set_text(file, WHERE, "seed", text, err);
    snprintf(text, sizeof text, "%" PRId64, c->optimizer.steps);
    if (rc == COX_OK)
        rc = cox_h5_set_text(file, WHERE, "steps", text, err);
    return rc;
}

int cox_cvae_save(const struct cox_cvae *cvae, const char *path, struct cox_err *err)
{
    struct cox_h5 *file;
    int rc = cox_h5_create(&file, path, err);
    if (rc == COX_OK) {
        rc = write_options(cvae, file, err);
        if (rc == COX_OK)
            rc = cox_params_save(cvae->params, file, "/parameters", err);
        if (rc == COX_OK)
            rc = cox_h5_close(file, err);
        else
            cox_h5_abandon(file);
    }
    return rc ? cox_err_wrap(err, rc, "saving the model") : COX_OK;
}

static int check_format(struct cox_h5 *file, struct cox_err *err)
{
    char *text = NULL;
    int32_t version;
    int rc = cox_h5_get_text(file, "/", "format", &text, err);
    if (rc || strcmp(text, FORMAT) != 0)
        rc = cox_err_set(err, COX_EFORMAT, "'%s' is not a CVAE checkpoint (no format '%s')",
                         cox_h5_path(file), FORMAT);
    cox_free(text);
    if (rc == COX_OK)
        rc = cox_h5_get_ints(file, "/", "version", 1, &version, err);
    if (rc == COX_OK && (version < 1 || version > VERSION))
        rc = cox_err_set(err, COX_EUNSUPPORTED,
                         "'%s' has version %d of the format, this program reads up to %d",
                         cox_h5_path(file), version, VERSION);
    return rc;
}

static int read_u64(struct cox_h5 *file, const char *key, uint64_t *out, struct cox_err *err)
{
    char *text = NULL, *end;
    int rc = cox_h5_get_text(file, WHERE, key, &text, err);
    if (rc)
        return rc;
    *out = strtoull(text, &end, 10);
    if (end == text || *end)
        rc = cox_err_set(err, COX_EFORMAT, "'%s': %s is '%s', not a number", cox_h5_path(file), key,
                         text);
    cox_free(text);
    return rc;
}

static int read_options(struct cox_h5 *file, struct cox_cvae_options *o, int *size, int64_t *steps,
                        struct cox_err *err)
{
    int32_t optimizer = 0;
    uint64_t done = 0;
    const struct {
        const char *key;
        int32_t *value;
    } ints[] = {{"size", size},           {"conv_layers", &o->conv_layers}, {"kernel", &o->kernel},
                {"dense", &o->dense},     {"latent", &o->latent},           {"batch", &o->batch},
                {"optimizer", &optimizer}};
    const struct {
        const char *key;
        double *value;
    } numbers[] = {{"dropout", &o->dropout},
                   {"learning_rate", &o->learning_rate},
                   {"rho", &o->rho},
                   {"epsilon", &o->epsilon}};
    int rc = COX_OK;
    for (size_t i = 0; i < sizeof ints / sizeof ints[0] && rc == COX_OK; i++)
        rc = cox_h5_get_ints(file, WHERE, ints[i].key, 1, ints[i].value, err);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && rc == COX_OK; i++)
        rc = cox_h5_get_number(file, WHERE, numbers[i].key, numbers[i].value, err);
    o->optimizer = (enum cox_cvae_optimizer)optimizer;
    if (rc == COX_OK && (o->conv_layers < 1 || o->conv_layers > COX_CVAE_MAX_LAYERS))
        rc = cox_err_set(err, COX_EFORMAT, "'%s': conv_layers is %d, allowed are 1 to %d",
                         cox_h5_path(file), o->conv_layers, COX_CVAE_MAX_LAYERS);
    if (rc == COX_OK)
        rc = cox_h5_get_ints(file, WHERE, "filters", o->conv_layers, o->filters, err);
    if (rc == COX_OK)
        rc = cox_h5_get_ints(file, WHERE, "strides", o->conv_layers, o->strides, err);
    if (rc == COX_OK)
        rc = read_u64(file, "seed", &o->seed, err);
    if (rc == COX_OK)
        rc = read_u64(file, "steps", &done, err);
    if (rc == COX_OK && done > INT64_MAX / 4096)
        rc = cox_err_set(err, COX_EFORMAT, "'%s': %" PRIu64 " steps", cox_h5_path(file), done);
    *steps = (int64_t)done;
    return rc;
}

int cox_cvae_load(struct cox_cvae **out, const char *path, struct cox_team *team,
                  struct cox_err *err)
{
    struct cox_cvae_options o = COX_CVAE_OPTIONS_INIT;
    struct cox_h5 *file;
    int size = 0;
    int64_t steps = 0;
    *out = NULL;
    int rc = cox_h5_open_read(&file, path, err);
    if (rc)
        return cox_err_wrap(err, rc, "loading the model");
    struct cox_cvae *cvae = NULL;
    rc = check_format(file, err);
    if (rc == COX_OK)
        rc = read_options(file, &o, &size, &steps, err);
    if (rc == COX_OK)
        rc = cox_cvae_create(&cvae, size, &o, team, err);
    if (rc == COX_OK) {
        cvae->optimizer.steps = steps;
        rc = cox_params_load(cvae->params, file, "/parameters", err);
    }
    cox_h5_abandon(file);
    if (rc) {
        cox_cvae_destroy(cvae);
        return cox_err_wrap(err, rc, "loading the model");
    }
    *out = cvae;
    return COX_OK;
}
