/* SPDX-License-Identifier: BSD-3-Clause */
/* An embedding net as a table: a spline of the ninth degree through its values at equal distances
 * of s̃, one for each of its outputs. Eight times continuously differentiable, so a run conserves
 * its energy. The table is made from the net alone, in milliseconds, so no file holds it. */
#ifndef COX_POTENTIAL_TABLE_H
#define COX_POTENTIAL_TABLE_H

#include "potential/model.h"

/* The nearest neighbour that tables reach to where a model does not know, Å. Beyond its table the
 * net itself is evaluated. */
#define COX_DP_TABLE_NEAREST_A 0.7

/* G_a(s̃) = Σ_p B_p(x) c[cell + p][a], p = 0 … 9, where cell + x = (s̃ − low) / stride. */
struct cox_dp_table {
    double low, stride;
    int cells, m1;
    double *c; /* [cells + 9][m1] */
};

struct cox_dp_table_error {
    double g, slope; /* largest |ΔG| and |ΔdG/ds̃| of any output */
};

/* Where the tables of a descriptor's nets begin, and how many cells they have, for neighbours as
 * near as `nearest_A`. COX_EINVAL: a stride that is not > 0, or so small that there would be too
 * many. */
int cox_dp_table_range(const struct cox_dp_model *model, int descriptor, double stride,
                       double nearest_A, double *low, int *cells,
                       struct cox_err *err) COX_MUST_CHECK;
/* Fills table->c, which lives in `arena`; the rest is the caller's. */
int cox_dp_table_build(struct cox_dp_table *table, const struct cox_dp_net *net,
                       struct cox_arena *arena, struct cox_err *err) COX_MUST_CHECK;
/* Against the net, at eight places in each cell; adds to *error. */
int cox_dp_table_compare(const struct cox_dp_table *table, const struct cox_dp_net *net,
                         struct cox_dp_table_error *error, struct cox_err *err) COX_MUST_CHECK;
/* The stride of tables whose largest error of G is at most `tolerance`, as far as the middles of
 * the cells tell. Quick enough for opening a model. COX_EINVAL: no table is that exact. */
int cox_dp_table_choose(const struct cox_dp_model *model, double tolerance, double nearest_A,
                        double *stride, struct cox_err *err) COX_MUST_CHECK;
/* The largest errors of all of a model's tables at this stride. */
int cox_dp_table_errors(const struct cox_dp_model *model, double stride, double nearest_A,
                        struct cox_dp_table_error *error, struct cox_err *err) COX_MUST_CHECK;

#endif
