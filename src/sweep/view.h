/* SPDX-License-Identifier: BSD-3-Clause */
/* A sweep's directory for reading, also while it runs: what `status`, `predict`, `export` and
 * `report` look at. */
#ifndef COX_SWEEP_VIEW_H
#define COX_SWEEP_VIEW_H

#include "store/ledger.h"
#include "sweep/points.h"

struct cox_sweep_row { /* of one point */
    enum cox_point_state state;
    enum cox_purpose purpose;
    int64_t attempt, model;      /* of its result; -1 */
    const double *value, *error; /* [n_values]; NULL: none yet */
    const double *spread;        /* predicted: σ; else NULL */
    char reason[256];            /* failed: why */
    uint64_t seed;
};

struct cox_sweep_view {
    struct cox_arena *arena;
    struct cox_sweep_settings settings;
    struct cox_points points;
    int n_values, n_outputs;
    int *first;                /* [n_outputs + 1] */
    struct cox_sweep_row *row; /* [points.n] */
    int n_batches, n_models, n_attempts, n_servers;
    struct cox_ledger_batch *batch;
    struct cox_ledger_model *model;
    struct cox_ledger_attempt *attempt;
    struct cox_ledger_server *server;
};

int cox_sweep_view_open(struct cox_sweep_view *out, const char *directory,
                        struct cox_err *err) COX_MUST_CHECK;
void cox_sweep_view_close(struct cox_sweep_view *view);

#endif
