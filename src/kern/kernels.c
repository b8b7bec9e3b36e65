/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of the numeric kernels, one per instruction set, best first. */
#include <stdlib.h>
#include <string.h>

#include "kern/conv.h"
#include "kern/elementwise.h"

#if defined(__x86_64__)
#define ISAS(X)                                                                                    \
    X(avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&           \
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))        \
    X(avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                       \
    X(sse2, 1)
#elif defined(__aarch64__)
#define ISAS(X) X(neon, 1)
#else
#define ISAS(X) X(generic, 1)
#endif

#define DECLARE(name, runs)                                                                        \
    extern const struct cox_conv_kernels cox_conv_kernels_##name;                                  \
    extern const struct cox_elementwise_kernels cox_elementwise_kernels_##name;
ISAS(DECLARE)

static const char *wanted(const char *isa)
{
    const char *set = isa ? isa : getenv("COX_ISA");
    return set && *set ? set : NULL;
}

#define CHOOSE_CONV(name, runs)                                                                    \
    if ((!w || strcmp(w, #name) == 0) && (runs))                                                   \
        return &cox_conv_kernels_##name;
#define CHOOSE_ELEMENTWISE(name, runs)                                                             \
    if ((!w || strcmp(w, #name) == 0) && (runs))                                                   \
        return &cox_elementwise_kernels_##name;

const struct cox_conv_kernels *cox_conv_kernels_get(const char *isa)
{
    const char *w = wanted(isa);
    ISAS(CHOOSE_CONV)
    return NULL;
}

const struct cox_elementwise_kernels *cox_elementwise_kernels_get(const char *isa)
{
    const char *w = wanted(isa);
    ISAS(CHOOSE_ELEMENTWISE)
    return NULL;
}
