/* SPDX-License-Identifier: BSD-3-Clause */
/* Matrix products of float32 and float64, compiled once per instruction set.
 *
 * The register tile is that of kern/conv.isa.c: up to TILE rows × 2 vectors of the result; per step
 * of k, 2 loads of b and one broadcast of a per row. a is read in place, whichever way it is
 * stored; so is b, unless it is transposed or its last columns do not fill the tile: then a k-chunk
 * of it is packed. Chunks of k keep the panel of b in the second-level cache. */
#include "kern/gemm_kernels.h"
#include "kern/unaligned.h"

#if defined(COX_ISA_avx512)
#define TILE 14
#elif defined(COX_ISA_avx2)
#define TILE 6
#elif defined(COX_ISA_neon)
#define TILE 12
#else
#define TILE 5
#endif
#define K_CHUNK 256

#define REAL float
#define VEC vf
#define WIDTH COX_LANES
#define LOAD load
#define STORE store
#define SET1 vf_set1
#define GEMM cox_gemm
#define OF(name) name##_f32
#include "kern/gemm.inc"
#undef REAL
#undef VEC
#undef WIDTH
#undef LOAD
#undef STORE
#undef SET1
#undef GEMM
#undef OF

#define REAL double
#define VEC vd
#define WIDTH COX_DLANES
#define LOAD vd_load_any
#define STORE vd_store_any
#define SET1 vd_set1
#define GEMM cox_dgemm
#define OF(name) name##_f64
#include "kern/gemm.inc"

extern const struct cox_gemm_kernels COX_ISA_SYMBOL(cox_gemm_kernels);
const struct cox_gemm_kernels COX_ISA_SYMBOL(cox_gemm_kernels) = {COX_ISA_TEXT, 2 * COX_LANES,
                                                                  block_f32, block_f64};
