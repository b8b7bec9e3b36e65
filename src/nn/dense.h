/* SPDX-License-Identifier: BSD-3-Clause */
/* A dense layer: y[batch][out] = x[batch][in] · weight[in][out] + bias[out], then an
 * activation. */
#ifndef COX_NN_DENSE_H
#define COX_NN_DENSE_H

#include <stdbool.h>

#include "base/team.h"
#include "kern/elementwise.h"
#include "nn/activation.h"
#include "nn/params.h"

struct cox_dense {
    int in, out;
    int weight, bias; /* indices of its parameters */
    enum cox_activation activation;
    float drop; /* 0, or this share of y was dropped by the caller, in place, before backward */
    const struct cox_elementwise_kernels *kernels;
};

/* Adds "<name>/weight" (Glorot) and "<name>/bias" (zero) to the parameters. */
int cox_dense_init(struct cox_dense *dense, struct cox_params *params, const char *name, int in,
                   int out, enum cox_activation activation,
                   const struct cox_elementwise_kernels *kernels,
                   struct cox_err *err) COX_MUST_CHECK;
void cox_dense_forward(const struct cox_dense *dense, const struct cox_params *params,
                       struct cox_team *team, int batch, const float *x, float *y);
/* dy is the gradient by y, overwritten with that before dropout and activation. Writes the
 * gradients of weight and bias (not added), and dx unless it is NULL: set, or added to if `add`. */
void cox_dense_backward(const struct cox_dense *dense, struct cox_params *params,
                        struct cox_team *team, int batch, const float *x, const float *y, float *dy,
                        float *dx, bool add);

#endif
