/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernels of the Deep Potential's evaluator, compiled once per instruction set, for float and
 * double from one source. */
#include <math.h>

#include "kern/isa.h"
#include "kern/unaligned.h"
#include "potential/eval_kernels.h"

#define REAL float
#define VEC vf
#define IVEC vi
#define WIDTH COX_LANES
#define LOAD load
#define STORE store
#define SET1 vf_set1
#define MANTISSA 23
#define TANH_ONE 9.5f
#define MAGIC 12582912.0f /* 1.5 · 2^23 */
#define LN2_HIGH 0.693145751953125f
#define LN2_LOW 1.428606765330187e-06f
#define TERMS 7
#define SERIES series_f32
#define OF(name) name##_f32
static const float series_f32[TERMS] = {1.0f,       1.0f / 2,   1.0f / 6,   1.0f / 24,
                                        1.0f / 120, 1.0f / 720, 1.0f / 5040};
#include "potential/eval.inc"
#undef REAL
#undef VEC
#undef IVEC
#undef WIDTH
#undef LOAD
#undef STORE
#undef SET1
#undef MANTISSA
#undef TANH_ONE
#undef MAGIC
#undef LN2_HIGH
#undef LN2_LOW
#undef TERMS
#undef SERIES
#undef OF

#define REAL double
#define VEC vd
#define IVEC vl
#define WIDTH COX_DLANES
#define LOAD vd_load_any
#define STORE vd_store_any
#define SET1 vd_set1
#define MANTISSA 52
#define TANH_ONE 19.5
#define MAGIC 6755399441055744.0 /* 1.5 · 2^52 */
#define LN2_HIGH 0.693147180369123816490
#define LN2_LOW 1.90821492927058770002e-10
#define TERMS 13
#define SERIES series_f64
#define OF(name) name##_f64
static const double series_f64[TERMS] = {1.0,
                                         1.0 / 2,
                                         1.0 / 6,
                                         1.0 / 24,
                                         1.0 / 120,
                                         1.0 / 720,
                                         1.0 / 5040,
                                         1.0 / 40320,
                                         1.0 / 362880,
                                         1.0 / 3628800,
                                         1.0 / 39916800,
                                         1.0 / 479001600,
                                         1.0 / 6227020800.0};
#include "potential/eval.inc"

#define TABLE(suffix, width)                                                               \
    {                                                                                      \
        COX_ISA_TEXT, width, environment##suffix, environment_back##suffix, first##suffix, \
            layer##suffix, layer_back##suffix, rows_back##suffix, tanh_all##suffix         \
    }
extern const struct cox_dp_kernels COX_ISA_SYMBOL(cox_dp_kernels_f32);
extern const struct cox_dp_kernels COX_ISA_SYMBOL(cox_dp_kernels_f64);
const struct cox_dp_kernels COX_ISA_SYMBOL(cox_dp_kernels_f32) = TABLE(_f32, COX_LANES);
const struct cox_dp_kernels COX_ISA_SYMBOL(cox_dp_kernels_f64) = TABLE(_f64, COX_DLANES);
