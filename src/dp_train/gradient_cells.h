/* SPDX-License-Identifier: BSD-3-Clause */
/* The embedding nets of a training step. A net maps one number, s̃: so it is evaluated only at
 * ORDER places in each of the few cells that a step's s̃ fall into, and Chebyshev series through
 * these stand for it; docs/potential-training.md, 6. Cells are halved until the series' last terms
 * are below `tolerance` of the largest: what is computed with them differs from the nets by
 * rounding. Which cells there are depends on the parameters and the s̃ alone. In double. */
#ifndef COX_DP_TRAIN_GRADIENT_CELLS_H
#define COX_DP_TRAIN_GRADIENT_CELLS_H

#include "base/team.h"
#include "dp_train/gradient_kernels.h"
#include "potential/model.h"

/* A net whose numbers are in the vector of all parameters. */
struct cox_dp_flat_layer {
    int in, out;
    bool skip, linear;
    ptrdiff_t w, b, idt; /* where they begin; idt -1: ones */
};
struct cox_dp_flat_net {
    int n;
    ptrdiff_t first, end;
    struct cox_dp_flat_layer layer[COX_DP_MAX_LAYERS];
};

/* From `first` on; the end. */
ptrdiff_t cox_dp_flatten(struct cox_dp_flat_net *out, const struct cox_dp_net *net,
                         ptrdiff_t first);

struct cox_dp_cells;

/* Nets 0 … n−1, `low` the smallest s̃ that they can be given, m1 their outputs, in rows of
 * `stride`. `kernels`: of the numbers that the tables are made of, `size` bytes each. */
struct cox_dp_cells_setup {
    int n, m1, stride;
    const struct cox_dp_flat_net *net;
    const double *low;
    double tolerance;
    const struct cox_dp_gradient_kernels *kernels;
    size_t size;
};
int cox_dp_cells_create(struct cox_dp_cells **out,
                        const struct cox_dp_cells_setup *setup) COX_MUST_CHECK;
void cox_dp_cells_destroy(struct cox_dp_cells *cells);

/* A step: begin, mark each s̃ with its net, evaluate. COX_ENOMEM, or COX_EINVAL: s̃ is out of any
 * reason. */
void cox_dp_cells_begin(struct cox_dp_cells *cells);
int cox_dp_cells_mark(struct cox_dp_cells *cells, int net, int n, const double (*r)[4],
                      struct cox_err *err) COX_MUST_CHECK;
int cox_dp_cells_evaluate(struct cox_dp_cells *cells, struct cox_team *team,
                          const double *parameters) COX_MUST_CHECK;
/* Then: how many cells, the tables as in struct cox_dp_series, the cell and the place in it, −1 to
 * 1, of a marked s̃, and du/ds̃. */
int cox_dp_cells_count(const struct cox_dp_cells *cells);
const void *cox_dp_cells_table(const struct cox_dp_cells *cells);
const void *cox_dp_cells_turned(const struct cox_dp_cells *cells);
int cox_dp_cells_find(const struct cox_dp_cells *cells, int net, double s, double *u);
double cox_dp_cells_per_s(const struct cox_dp_cells *cells, int net);
/* The gradient by one net's parameters, from `parts` gradients by the table, [cells][ORDER][stride]
 * each, `step` numbers apart. Different nets may be done at the same time. */
void cox_dp_cells_back(struct cox_dp_cells *cells, int net, const double *parameters,
                       const void *by_table, int parts, size_t step, double *gradient);

#endif
