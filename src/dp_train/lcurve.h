/* SPDX-License-Identifier: BSD-3-Clause */
/* The learning curve: rows of lcurve.out as DeePMD-kit writes them. */
#ifndef COX_DP_TRAIN_LCURVE_H
#define COX_DP_TRAIN_LCURVE_H

#include "dp_train/gradient.h"
#include "dp_train/input.h"

/* Errors over some frames: square roots of mean squares; NaN where there are no labels. */
struct cox_dp_errors {
    double total;  /* √loss, with the weights of the step */
    double energy; /* per atom */
    double force;
    double virial; /* per atom */
};

struct cox_dp_row {
    int64_t step; /* steps done */
    double rate;
    bool validated;
    struct cox_dp_errors validation, training;
};

struct cox_dp_lcurve {
    const char *path;                       /* borrowed */
    bool energy, force, virial, validation; /* the columns that there are */
};

/* Begins the file anew with its header. */
int cox_dp_lcurve_begin(const struct cox_dp_lcurve *curve, struct cox_err *err) COX_MUST_CHECK;
/* Takes the rows from step `step` on out of the file, which a training that goes on from there will
 * write again; begins it anew when it is not there. */
int cox_dp_lcurve_cut(const struct cox_dp_lcurve *curve, int64_t step,
                      struct cox_err *err) COX_MUST_CHECK;
int cox_dp_lcurve_add(const struct cox_dp_lcurve *curve, const struct cox_dp_row *row,
                      struct cox_err *err) COX_MUST_CHECK;

#endif
