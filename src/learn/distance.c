/* SPDX-License-Identifier: BSD-3-Clause */
#include "learn/distance.h"

extern const struct cox_distance_kernels cox_distance_sse2, cox_distance_avx2, cox_distance_avx512;

const struct cox_distance_kernels *cox_distance(void)
{
    return __builtin_cpu_supports("avx512f") ? &cox_distance_avx512
           : __builtin_cpu_supports("avx2")  ? &cox_distance_avx2
                                             : &cox_distance_sse2;
}
