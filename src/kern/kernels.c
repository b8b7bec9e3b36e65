/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of the numeric kernels, one per instruction set. */
#include "kern/conv.h"
#include "kern/elementwise.h"
#include "kern/isa.h"

#define DECLARE(isa)                                             \
    extern const struct cox_conv_kernels cox_conv_kernels_##isa; \
    extern const struct cox_elementwise_kernels cox_elementwise_kernels_##isa;
COX_ISA_LIST(DECLARE)

#define CONV(isa) &cox_conv_kernels_##isa,
static const struct cox_conv_kernels *const conv[] = {COX_ISA_LIST(CONV)};
#define ELEMENTWISE(isa) &cox_elementwise_kernels_##isa,
static const struct cox_elementwise_kernels *const elementwise[] = {COX_ISA_LIST(ELEMENTWISE)};

const struct cox_conv_kernels *cox_conv_kernels_get(const char *isa, struct cox_err *err)
{
    int index;
    return cox_isa_select(&index, isa, err) == COX_OK ? conv[index] : NULL;
}

const struct cox_elementwise_kernels *cox_elementwise_kernels_get(const char *isa,
                                                                  struct cox_err *err)
{
    int index;
    return cox_isa_select(&index, isa, err) == COX_OK ? elementwise[index] : NULL;
}
