/* SPDX-License-Identifier: BSD-3-Clause */
/* The plain references of the element-wise kernels. */
#include "kern/elementwise.h"

#include <math.h>

#include "base/rng.h"

static void exp_ref(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)exp(x[i] > 87 ? 87 : x[i] < -87 ? -87 : (double)x[i]);
}

static void sigmoid_ref(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(1 / (1 + exp(-(double)x[i])));
}

static void tanh_ref(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)tanh((double)x[i]);
}

static void relu_ref(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < 0 ? 0 : x[i];
}

static void relu_backward_ref(size_t n, const float *y, float *dy)
{
    for (size_t i = 0; i < n; i++)
        if (!(y[i] > 0))
            dy[i] = 0;
}

static void add_bias_ref(size_t rows, size_t cols, const float *bias, int relu, float *x)
{
    for (size_t i = 0; i < rows * cols; i++) {
        x[i] += bias[i % cols];
        if (relu && x[i] < 0)
            x[i] = 0;
    }
}

static void sum_rows_ref(size_t rows, size_t cols, size_t row_step, const float *x, float *sums)
{
    for (size_t c = 0; c < cols; c++) {
        double a = 0;
        for (size_t r = 0; r < rows; r++)
            a += (double)x[r * row_step + c];
        sums[c] = (float)a;
    }
}

static double bce_ref(size_t n, const float *logits, const float *targets, float scale,
                      float *gradient)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        const double l = (double)logits[i], t = (double)targets[i];
        total += (l > 0 ? l : 0) - l * t + log1p(exp(-fabs(l)));
        if (gradient)
            gradient[i] = (float)((double)scale * (1 / (1 + exp(-l)) - t));
    }
    return total;
}

static void dropout_ref(size_t n, float drop, uint64_t key, uint64_t stream, const float *x,
                        float *y)
{
    const uint32_t k[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
    for (size_t i = 0; i < n; i++) {
        /* of the i / 128-th group of 16 counters: half of word (i % 64) / 16 of counter i % 16 */
        const uint64_t block = i / 128 * 16 + i % 16;
        const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream,
                                     (uint32_t)(stream >> 32)};
        uint32_t words[4];
        cox_philox4x32(counter, k, words);
        const uint32_t half = i % 128 < 64 ? words[i % 64 / 16] & 0xffff : words[i % 64 / 16] >> 16;
        const int keep = half >= (uint32_t)((double)drop * 65536);
        y[i] = keep ? x[i] * (1.0f / (1.0f - drop)) : 0;
    }
}

static void dropout_backward_ref(size_t n, float drop, const float *y, float *dy)
{
    for (size_t i = 0; i < n; i++)
        dy[i] = y[i] > 0 ? dy[i] * (1.0f / (1.0f - drop)) : 0;
}

static void sigmoid_backward_ref(size_t n, float drop, const float *y, float *dy)
{
    const double kept = (double)(1.0f - drop);
    for (size_t i = 0; i < n; i++) {
        const double s = (double)y[i] * kept;
        dy[i] = (drop > 0 && y[i] == 0) ? 0 : (float)((double)dy[i] / kept * s * (1 - s));
    }
}

static void tanh_backward_ref(size_t n, float drop, const float *y, float *dy)
{
    const double kept = (double)(1.0f - drop);
    for (size_t i = 0; i < n; i++) {
        const double s = (double)y[i] * kept;
        dy[i] = (drop > 0 && y[i] == 0) ? 0 : (float)((double)dy[i] / kept * (1 - s * s));
    }
}

static void rmsprop_ref(size_t n, const struct cox_rmsprop *o, const float *g, float *v, float *w)
{
    for (size_t i = 0; i < n; i++) {
        const double u =
            (double)o->rho * (double)v[i] + (double)(1 - o->rho) * (double)g[i] * (double)g[i];
        v[i] = (float)u;
        w[i] =
            (float)((double)w[i] - (double)o->rate * (double)g[i] / (sqrt(u) + (double)o->epsilon));
    }
}

static void adam_ref(size_t n, const struct cox_adam *o, const float *g, float *m, float *v,
                     float *w)
{
    for (size_t i = 0; i < n; i++) {
        const double a = (double)o->beta1 * (double)m[i] + (double)(1 - o->beta1) * (double)g[i],
                     u = (double)o->beta2 * (double)v[i] +
                         (double)(1 - o->beta2) * (double)g[i] * (double)g[i];
        m[i] = (float)a;
        v[i] = (float)u;
        w[i] = (float)((double)w[i] - (double)o->rate * a /
                                          (sqrt(u) * (double)o->correction + (double)o->epsilon));
    }
}

static int finite_ref(size_t n, const float *x)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return 0;
    return 1;
}

const struct cox_elementwise_kernels cox_elementwise_kernels_ref = {
    .isa = "ref",
    .exp = exp_ref,
    .sigmoid = sigmoid_ref,
    .tanh = tanh_ref,
    .relu = relu_ref,
    .relu_backward = relu_backward_ref,
    .add_bias = add_bias_ref,
    .sum_rows = sum_rows_ref,
    .bce = bce_ref,
    .dropout = dropout_ref,
    .dropout_backward = dropout_backward_ref,
    .sigmoid_backward = sigmoid_backward_ref,
    .tanh_backward = tanh_backward_ref,
    .rmsprop = rmsprop_ref,
    .adam = adam_ref,
    .finite = finite_ref,
};
