/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernels of the Deep Potential's evaluator, compiled once per instruction set, for float and
 * double from one source. */
#include <math.h>
#include <string.h>

#include "kern/isa.h"
#include "kern/unaligned.h"
#include "potential/eval_kernels.h"
#include "potential/model.h"

/* Rows of the register tile of a product, and vectors of that of an outer product (× 4 rows). */
#if defined(COX_ISA_avx512)
#define TILE 14
#define OUTER 6
#elif defined(COX_ISA_neon)
#define TILE 12
#define OUTER 6
#else
#define TILE 6
#define OUTER 2
#endif

/* inlined functions return vectors of four that are wider than the registers: no calls, no ABI */
#pragma GCC diagnostic ignored "-Wpsabi"

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
#define HALF_LN2_HIGH 0.3465728759765625f
#define HALF_LN2_LOW 7.143033826650935e-07f
#define TANH_P(r2) (r2 + 15.0f)
#define TANH_Q(r2) (6.0f * r2 + 15.0f)
#define OF(name) name##_f32
#include "potential/eval.inc"
#include "potential/eval_dense.inc"
#include "potential/eval_half.inc"
#include "potential/eval_table.inc"
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
#undef HALF_LN2_HIGH
#undef HALF_LN2_LOW
#undef TANH_P
#undef TANH_Q
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
#define HALF_LN2_HIGH 0.346573590184561908245
#define HALF_LN2_LOW 9.54107464635293850010e-11
#define TANH_P(r2) ((21.0 * r2 + 1260.0) * r2 + 10395.0)
#define TANH_Q(r2) (((r2 + 210.0) * r2 + 4725.0) * r2 + 10395.0)
#define OF(name) name##_f64
#include "potential/eval.inc"
#include "potential/eval_dense.inc"
#include "potential/eval_table.inc"

#define TABLE(suffix, width, ...)                                                               \
    {                                                                                           \
        .isa = COX_ISA_TEXT, .lanes = width, .environment = environment##suffix,                \
        .environment_back = environment_back##suffix, .first = first##suffix,                   \
        .layer = layer##suffix, .fit = fit##suffix, .fit_back = fit_back##suffix,               \
        .contract = contract##suffix, .contract_back = contract_back##suffix,                   \
        .table = table##suffix, .table_back = table_back##suffix, .describe = describe##suffix, \
        .describe_back = describe_back##suffix, .add = add##suffix, .dot = dot##suffix,         \
        .tanh = tanh_all##suffix, __VA_ARGS__                                                   \
    }
extern const struct cox_dp_kernels COX_ISA_SYMBOL(cox_dp_kernels_f32);
extern const struct cox_dp_kernels COX_ISA_SYMBOL(cox_dp_kernels_f64);
const struct cox_dp_kernels
    COX_ISA_SYMBOL(cox_dp_kernels_f32) = TABLE(_f32, COX_LANES, .layer_half = layer_half,
                                               .fit_half = fit_half, .fit_back_half = fit_back_half,
                                               .has_half = has_half);
const struct cox_dp_kernels COX_ISA_SYMBOL(cox_dp_kernels_f64) = TABLE(_f64, COX_DLANES,
                                                                       .has_half = has_half);
