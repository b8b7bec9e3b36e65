/* SPDX-License-Identifier: BSD-3-Clause */
/* A plain loop: the compiler makes vectors of it. */
#include <math.h>

#include "dp_train/adam_kernels.h"
#include "kern/isa.h"

static void step(size_t n, const struct cox_dp_adam_numbers *adam, const double *restrict gradient,
                 double *restrict mean, double *restrict square, double *restrict x)
{
    const double b1 = adam->beta1;
    const double b2 = adam->beta2;
    const double epsilon = adam->epsilon;
    const double by = adam->by;
    for (size_t i = 0; i < n; i++) {
        double g = gradient[i];
        double m = b1 * mean[i] + (1 - b1) * g;
        double v = b2 * square[i] + (1 - b2) * g * g;
        mean[i] = m;
        square[i] = v;
        x[i] -= by * m / (sqrt(v) + epsilon);
    }
}

extern const struct cox_dp_adam_kernels COX_ISA_SYMBOL(cox_dp_adam_kernels);
const struct cox_dp_adam_kernels COX_ISA_SYMBOL(cox_dp_adam_kernels) = {COX_ISA_TEXT, step};
