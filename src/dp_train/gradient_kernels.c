/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/gradient_kernels.h"

#include <pthread.h>

#include "kern/isa.h"

#define DECLARE(isa)                                                               \
    extern const struct cox_dp_gradient_kernels cox_dp_gradient_kernels_f32_##isa; \
    extern const struct cox_dp_gradient_kernels cox_dp_gradient_kernels_f64_##isa;
COX_ISA_LIST(DECLARE)
#define SINGLE(isa) &cox_dp_gradient_kernels_f32_##isa,
#define TWICE(isa) &cox_dp_gradient_kernels_f64_##isa,
static const struct cox_dp_gradient_kernels *const single[] = {COX_ISA_LIST(SINGLE)};
static const struct cox_dp_gradient_kernels *const twice[] = {COX_ISA_LIST(TWICE)};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int chosen;

static void choose(void)
{
    if (cox_isa_select(&chosen, NULL, NULL))
        chosen = 0;
}

const struct cox_dp_gradient_kernels *cox_dp_gradient_kernels_f32(void)
{
    pthread_once(&once, choose);
    return single[chosen];
}

const struct cox_dp_gradient_kernels *cox_dp_gradient_kernels_f64(void)
{
    pthread_once(&once, choose);
    return twice[chosen];
}
