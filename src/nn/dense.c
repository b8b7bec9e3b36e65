/* SPDX-License-Identifier: BSD-3-Clause */
#include "nn/dense.h"

#include <stdio.h>

#include "kern/gemm.h"

int cox_dense_init(struct cox_dense *dense, struct cox_params *params, const char *name, int in,
                   int out, enum cox_activation activation,
                   const struct cox_elementwise_kernels *kernels, struct cox_err *err)
{
    char full[2 * COX_PARAM_NAME];
    *dense = (struct cox_dense){.in = in, .out = out, .activation = activation, .kernels = kernels};
    snprintf(full, sizeof full, "%s/weight", name);
    dense->weight =
        cox_params_add(params, full, 2, (int64_t[]){in, out}, cox_params_glorot(in, out), err);
    if (dense->weight < 0)
        return dense->weight;
    snprintf(full, sizeof full, "%s/bias", name);
    dense->bias = cox_params_add(params, full, 1, (int64_t[]){out}, 0, err);
    return dense->bias < 0 ? dense->bias : COX_OK;
}

void cox_dense_forward(const struct cox_dense *dense, const struct cox_params *params,
                       struct cox_team *team, int batch, const float *x, float *y)
{
    cox_gemm(team, &(struct cox_gemm){.m = batch,
                                      .n = dense->out,
                                      .k = dense->in,
                                      .a = x,
                                      .lda = dense->in,
                                      .b = cox_params_value(params, dense->weight),
                                      .ldb = dense->out,
                                      .c = y,
                                      .ldc = dense->out});
    dense->kernels->add_bias((size_t)batch, (size_t)dense->out,
                             cox_params_value(params, dense->bias),
                             dense->activation == COX_ACTIVATION_RELU, y);
    if (dense->activation == COX_ACTIVATION_SIGMOID)
        dense->kernels->sigmoid((size_t)batch * (size_t)dense->out, y, y);
    else if (dense->activation == COX_ACTIVATION_TANH)
        dense->kernels->tanh((size_t)batch * (size_t)dense->out, y, y);
}

static void activation_backward(const struct cox_dense *dense, size_t n, const float *y, float *dy)
{
    if (dense->activation == COX_ACTIVATION_RELU && dense->drop > 0)
        dense->kernels->dropout_backward(n, dense->drop, y, dy);
    else if (dense->activation == COX_ACTIVATION_RELU)
        dense->kernels->relu_backward(n, y, dy);
    else if (dense->activation == COX_ACTIVATION_SIGMOID)
        dense->kernels->sigmoid_backward(n, dense->drop, y, dy);
    else if (dense->activation == COX_ACTIVATION_TANH)
        dense->kernels->tanh_backward(n, dense->drop, y, dy);
}

void cox_dense_backward(const struct cox_dense *dense, struct cox_params *params,
                        struct cox_team *team, int batch, const float *x, const float *y, float *dy,
                        float *dx, bool add)
{
    const size_t out = (size_t)dense->out;
    activation_backward(dense, (size_t)batch * out, y, dy);
    dense->kernels->sum_rows((size_t)batch, out, out, dy, cox_params_gradient(params, dense->bias));
    cox_gemm(team, &(struct cox_gemm){.transpose_a = true,
                                      .m = dense->in,
                                      .n = dense->out,
                                      .k = batch,
                                      .a = x,
                                      .lda = dense->in,
                                      .b = dy,
                                      .ldb = dense->out,
                                      .c = cox_params_gradient(params, dense->weight),
                                      .ldc = dense->out});
    if (dx)
        cox_gemm(team, &(struct cox_gemm){.transpose_b = true,
                                          .m = batch,
                                          .n = dense->in,
                                          .k = dense->out,
                                          .a = dy,
                                          .lda = dense->out,
                                          .b = cox_params_value(params, dense->weight),
                                          .ldb = dense->out,
                                          .c = dx,
                                          .ldc = dense->in,
                                          .beta = add ? 1.0f : 0.0f});
}
