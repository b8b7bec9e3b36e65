/* SPDX-License-Identifier: BSD-3-Clause */
/* Linear least squares of few unknowns: the solution of least norm where several are as good. */
#ifndef COX_DP_TRAIN_LEAST_SQUARES_H
#define COX_DP_TRAIN_LEAST_SQUARES_H

#include "cox/err.h"

/* x [n] with ‖a x − b‖ least for a [rows][n]; a and b are borrowed. Directions with singular values
 * below 1e-12 of the largest count as undetermined. */
int cox_dp_least_squares(double *x, const double *a, const double *b, long long rows, int n,
                         struct cox_err *err) COX_MUST_CHECK;

#endif
