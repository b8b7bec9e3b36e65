/* SPDX-License-Identifier: BSD-3-Clause */
/* Element-wise float32 kernels of the networks: activations, losses, dropout, optimiser steps.
 * Arrays are n floats of any alignment; in and out may be the same array, not overlap otherwise.
 * One thread; pure but for the outputs. Each has a plain reference of the same name with _ref. */
#ifndef COX_KERN_ELEMENTWISE_H
#define COX_KERN_ELEMENTWISE_H

#include <stddef.h>
#include <stdint.h>

#include "cox/err.h"

/* RMSprop: v ← ρ v + (1 − ρ) g², w ← w − rate g / (√v + ε). */
struct cox_rmsprop {
    float rate, rho, epsilon;
};
/* Adam: m ← β1 m + (1 − β1) g, v ← β2 v + (1 − β2) g², w ← w − rate m / (√v · correction + ε), with
 * the bias corrections of step t folded into the two factors: rate = lr / (1 − β1^t), correction =
 * 1 / √(1 − β2^t). */
struct cox_adam {
    float rate, beta1, beta2, correction, epsilon;
};

struct cox_elementwise_kernels {
    const char *isa;
    /* y = e^x; x clamped to ±87; relative error <= 2e-7. */
    void (*exp)(size_t n, const float *x, float *y);
    /* y = 1 / (1 + e^-x). */
    void (*sigmoid)(size_t n, const float *x, float *y);
    /* (e^x − e^-x) / (e^x + e^-x), absolute error <= 2e-7. */
    void (*tanh)(size_t n, const float *x, float *y);
    /* y = max(0, x); NaN passes. */
    void (*relu)(size_t n, const float *x, float *y);
    /* dy = 0 where y <= 0. */
    void (*relu_backward)(size_t n, const float *y, float *dy);
    /* y[row][col] = x[row][col] + bias[col], then max(0, ·) if relu. */
    void (*add_bias)(size_t rows, size_t cols, const float *bias, int relu, float *x);
    /* sums[col] = Σ_row x[row][col], in the order of the rows. */
    void (*sum_rows)(size_t rows, size_t cols, size_t row_step, const float *x, float *sums);
    /* Binary cross-entropy of logits l against targets t in [0, 1], as max(l, 0) − l t + ln(1 +
     * e^-|l|), which neither overflows nor cancels. Returns the sum; gradient (NULL: not wanted) =
     * scale (sigmoid(l) − t). */
    double (*bce)(size_t n, const float *logits, const float *targets, float scale,
                  float *gradient);
    /* y = x / (1 − drop) for kept elements, 0 for dropped; element i is dropped with probability
     * `drop` (to 1/65536), a pure function of (key, stream, i), the same for every instruction set:
     * the gradient's pass may repeat the call. */
    void (*dropout)(size_t n, float drop, uint64_t key, uint64_t stream, const float *x, float *y);
    /* The gradient through dropout of a ReLU's output: dy / (1 − drop) where y, the result of
     * dropout, is positive, else 0. Cheaper than drawing again. */
    void (*dropout_backward)(size_t n, float drop, const float *y, float *dy);
    /* The gradient through dropout (drop 0: none) of a sigmoid or tanh: y is the result of dropout,
     * so the activation was s = y (1 − drop) where y is not 0, and dropped where it is: dy s (1 −
     * s) / (1 − drop), or dy (1 − s²) / (1 − drop). */
    void (*sigmoid_backward)(size_t n, float drop, const float *y, float *dy);
    void (*tanh_backward)(size_t n, float drop, const float *y, float *dy);
    void (*rmsprop)(size_t n, const struct cox_rmsprop *o, const float *g, float *v, float *w);
    void (*adam)(size_t n, const struct cox_adam *o, const float *g, float *m, float *v, float *w);
    /* 1 if no element is NaN or infinite. */
    int (*finite)(size_t n, const float *x);
};

/* As cox_conv_kernels_get. */
const struct cox_elementwise_kernels *cox_elementwise_kernels_get(const char *isa,
                                                                  struct cox_err *err);

/* The plain versions behind the same table. */
extern const struct cox_elementwise_kernels cox_elementwise_kernels_ref;

#endif
