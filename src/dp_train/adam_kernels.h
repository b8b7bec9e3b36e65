/* SPDX-License-Identifier: BSD-3-Clause */
/* Adam's arithmetic per instruction set. */
#ifndef COX_DP_TRAIN_ADAM_KERNELS_H
#define COX_DP_TRAIN_ADAM_KERNELS_H

#include <stddef.h>

struct cox_dp_adam_numbers {
    double beta1, beta2, epsilon;
    double by; /* the rate with the corrections of both means */
};

struct cox_dp_adam_kernels {
    const char *isa;
    /* One step of n numbers; no two of the arrays overlap. */
    void (*step)(size_t n, const struct cox_dp_adam_numbers *adam, const double *gradient,
                 double *mean, double *square, double *x);
};

/* The table of the instruction set that runs here ($COX_ISA as in kern/isa.h), and each that is
 * compiled in, by the index of kern/isa.h (NULL: it does not run here). */
const struct cox_dp_adam_kernels *cox_dp_adam_kernels(void);
const struct cox_dp_adam_kernels *cox_dp_adam_kernels_at(int index);

#endif
