/* SPDX-License-Identifier: BSD-3-Clause */
/* A dense layer: y[batch][out] = x[batch][in] · weight[in][out] + bias[out], with or without ReLU.
 */
#ifndef COX_NN_DENSE_H
#define COX_NN_DENSE_H

#include <stdbool.h>

#include "base/team.h"
#include "kern/elementwise.h"
#include "nn/params.h"

struct cox_dense {
    int in, out;
    int weight, bias; /* indices of its parameters */
    bool relu;
    const struct cox_elementwise_kernels *kernels;
};

/* Adds "<name>/weight" (Glorot) and "<name>/bias" (zero) to the parameters. */
int cox_dense_init(struct cox_dense *dense, struct cox_params *params, const char *name, int in,
                   int out, bool relu, const struct cox_elementwise_kernels *kernels,
                   struct cox_err *err) COX_MUST_CHECK;
void cox_dense_forward(const struct cox_dense *dense, const struct cox_params *params,
                       struct cox_team *team, int batch, const float *x, float *y);
/* dy is the gradient by y, overwritten with that before the ReLU. Writes the gradients of weight
 * and bias (not added), and dx unless it is NULL: set, or added to if `add`. */
void cox_dense_backward(const struct cox_dense *dense, struct cox_params *params,
                        struct cox_team *team, int batch, const float *x, const float *y, float *dy,
                        float *dx, bool add);

#endif
