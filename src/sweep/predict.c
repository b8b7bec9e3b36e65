/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/predict.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "sweep/surrogate.h"

enum { BLOCK = 1024 }; /* points predicted at a time */

/* The sweep's row with exactly these inputs, if it was simulated; -1. */
static int known_row(const struct cox_sweep_view *sweep, const double *x)
{
    size_t d = (size_t)sweep->points.n_inputs;
    for (int i = 0; i < sweep->points.n; i++)
        if (sweep->row[i].state == COX_POINT_SIMULATED &&
            !memcmp(sweep->points.x + (size_t)i * d, x, d * sizeof *x))
            return i;
    return -1;
}

struct block {
    double *value, *half_width, *spread, *score; /* [BLOCK][n_values]; score [BLOCK] */
    bool *served;
};

static int block_create(struct block *b, struct cox_arena *arena, int n_values, struct cox_err *err)
{
    size_t n = (size_t)BLOCK * (size_t)n_values;
    b->value = cox_arena_alloc(arena, n, sizeof *b->value);
    b->half_width = cox_arena_alloc(arena, n, sizeof *b->half_width);
    b->spread = cox_arena_alloc(arena, n, sizeof *b->spread);
    b->score = cox_arena_alloc(arena, BLOCK, sizeof *b->score);
    b->served = cox_arena_alloc(arena, BLOCK, sizeof *b->served);
    if (!b->value || !b->half_width || !b->spread || !b->score || !b->served)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    return COX_OK;
}

static const double *kept(struct cox_arena *arena, const double *from, int n)
{
    double *to = cox_arena_alloc(arena, (size_t)n, sizeof *to);
    if (to)
        memcpy(to, from, (size_t)n * sizeof *to);
    return to;
}

static int take_row(struct cox_sweep_view *out, int i, const struct block *b, int k, int64_t model,
                    struct cox_err *err)
{
    struct cox_sweep_row *row = &out->row[i];
    size_t at = (size_t)k * (size_t)out->n_values;
    row->state = COX_POINT_PREDICTED;
    row->model = model;
    row->attempt = -1;
    row->value = kept(out->arena, b->value + at, out->n_values);
    row->error = kept(out->arena, b->half_width + at, out->n_values);
    row->spread = kept(out->arena, b->spread + at, out->n_values);
    if (!b->served[k])
        snprintf(row->reason, sizeof row->reason,
                 b->score[k] > 1 ? "less accurate than wanted: %.3g times the accuracy"
                                 : "outside the hull of what was simulated, or the networks "
                                   "disagree",
                 b->score[k]);
    return row->value && row->error && row->spread ? COX_OK
                                                   : cox_err_set(err, COX_ENOMEM, "out of memory");
}

static int predict_all(struct cox_sweep_view *out, const struct cox_surrogate *surrogate,
                       int64_t model, struct cox_err *err)
{
    struct block b;
    int rc = block_create(&b, out->arena, out->n_values, err);
    for (int from = 0; !rc && from < out->points.n; from += BLOCK) {
        int n = out->points.n - from < BLOCK ? out->points.n - from : BLOCK;
        rc = cox_surrogate_predict(
            surrogate, n, out->points.feature + (size_t)from * (size_t)out->points.n_features,
            b.value, b.half_width, b.spread, b.served, b.score, err);
        for (int k = 0; !rc && k < n; k++)
            if (out->row[from + k].state != COX_POINT_SIMULATED)
                rc = take_row(out, from + k, &b, k, model, err);
    }
    return rc;
}

/* Audits that came after the model was written count, too. */
static int add_results(struct cox_surrogate *surrogate, const struct cox_sweep_view *sweep,
                       struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; !rc && i < sweep->points.n; i++)
        if (sweep->row[i].state == COX_POINT_SIMULATED)
            rc = cox_surrogate_add(surrogate, i, sweep->row[i].purpose, sweep->row[i].value,
                                   sweep->row[i].error, sweep->first, 0, err);
    return rc;
}

static int load_and_predict(struct cox_sweep_view *out, const struct cox_sweep_view *sweep,
                            const char *directory, struct cox_err *err)
{
    struct cox_surrogate *surrogate = NULL;
    char path[PATH_MAX];
    if (!sweep->n_models)
        return cox_err_set(err, COX_EUNSUPPORTED,
                           "'%s' has no model yet: its surrogate was not trained", directory);
    const struct cox_ledger_model *model = &sweep->model[sweep->n_models - 1];
    int rc = cox_path_join(path, sizeof path, directory, model->path, err);
    if (!rc)
        rc = cox_surrogate_create(&surrogate, &sweep->settings, &sweep->points, 1, err);
    if (!rc)
        rc = cox_surrogate_load(surrogate, path, err);
    if (!rc)
        rc = add_results(surrogate, sweep, err);
    if (!rc && cox_surrogate_values(surrogate) != out->n_values)
        rc = cox_err_set(err, COX_EFORMAT, "'%s' predicts %d values, the ledger has %d", path,
                         cox_surrogate_values(surrogate), out->n_values);
    if (!rc)
        rc = predict_all(out, surrogate, model->id, err);
    cox_surrogate_destroy(surrogate);
    return rc;
}

int cox_sweep_predict(struct cox_sweep_view *out, const struct cox_sweep_view *sweep,
                      const char *directory, struct cox_points *points, struct cox_err *err)
{
    int unknown = 0;
    memset(out, 0, sizeof *out);
    out->points = *points;
    memset(points, 0, sizeof *points);
    out->arena = cox_arena_create();
    out->settings = sweep->settings;
    out->n_values = sweep->n_values;
    out->n_outputs = sweep->n_outputs;
    out->first = sweep->first;
    if (out->arena)
        out->row = cox_arena_alloc(out->arena, (size_t)out->points.n, sizeof *out->row);
    int rc = out->row ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
    for (int i = 0; !rc && i < out->points.n; i++) {
        int known = known_row(sweep, out->points.x + (size_t)i * (size_t)out->points.n_inputs);
        if (known >= 0)
            out->row[i] = sweep->row[known];
        unknown += known < 0;
    }
    if (!rc && unknown)
        rc = load_and_predict(out, sweep, directory, err);
    if (rc)
        cox_sweep_view_close(out);
    return rc;
}
