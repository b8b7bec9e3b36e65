/* SPDX-License-Identifier: BSD-3-Clause */
/* The vectors of kern/isa.h; include that. Pointers are aligned to the vector. */
#ifndef COX_KERN_VECTOR_H
#define COX_KERN_VECTOR_H

#include <stdint.h>

#if defined(COX_ISA_avx512)
#define COX_LANES 16
#include <immintrin.h>
#elif defined(COX_ISA_avx2)
#define COX_LANES 8
#include <immintrin.h>
#elif defined(COX_ISA_sse2)
#define COX_LANES 4
#include <emmintrin.h>
#elif defined(COX_ISA_neon)
#define COX_LANES 4
#include <arm_neon.h>
#else
#define COX_LANES 4
#endif

#define COX_VINLINE static inline __attribute__((always_inline, unused))

typedef float vf __attribute__((vector_size(4 * COX_LANES), may_alias));
typedef int32_t vi __attribute__((vector_size(4 * COX_LANES), may_alias));
typedef uint32_t vu __attribute__((vector_size(4 * COX_LANES), may_alias));

/* Doubles: half as many lanes. */
#define COX_DLANES (COX_LANES / 2)
typedef double vd __attribute__((vector_size(4 * COX_LANES), may_alias));
typedef int64_t vl __attribute__((vector_size(4 * COX_LANES), may_alias));

COX_VINLINE vd vd_set1(double a)
{
    return a - (vd){0};
}

COX_VINLINE vf vf_load(const float *p)
{
    return *(const vf *)p;
}
COX_VINLINE void vf_store(float *p, vf a)
{
    *(vf *)p = a;
}
COX_VINLINE vf vf_set1(float a)
{
    return a - (vf){0};
}
COX_VINLINE vi vi_set1(int32_t a)
{
    return a - (vi){0};
}
COX_VINLINE vu vu_set1(uint32_t a)
{
    return a - (vu){0};
}
/* a b + c and c - a b, fused where the machine can. */
COX_VINLINE vf vf_fma(vf a, vf b, vf c)
{
    return a * b + c;
}
COX_VINLINE vf vf_fnma(vf a, vf b, vf c)
{
    return c - a * b;
}
COX_VINLINE vf vi_float(vi a)
{
    return __builtin_convertvector(a, vf);
}
/* Towards zero. */
COX_VINLINE vi vf_truncate(vf a)
{
    return __builtin_convertvector(a, vi);
}

#if defined(COX_ISA_avx512)
typedef __mmask16 vm;
COX_VINLINE vm vf_lt(vf a, vf b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ);
}
COX_VINLINE vm vf_le(vf a, vf b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LE_OQ);
}
COX_VINLINE vm vm_and(vm a, vm b)
{
    return (vm)(a & b);
}
COX_VINLINE vm vm_or(vm a, vm b)
{
    return (vm)(a | b);
}
COX_VINLINE vm vm_not(vm a)
{
    return (vm)~a;
}
/* Bit l is lane l. */
COX_VINLINE unsigned vm_bits(vm a)
{
    return a;
}
COX_VINLINE vm vm_from_bits(unsigned bits)
{
    return (vm)bits;
}
/* m ? a : b */
COX_VINLINE vf vf_select(vm m, vf a, vf b)
{
    return (vf)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a);
}
/* m ? a : 0 */
COX_VINLINE vf vf_keep(vm m, vf a)
{
    return (vf)_mm512_maskz_mov_ps(m, (__m512)a);
}
/* m ? a b : 0, the mask free of charge where there are mask registers */
COX_VINLINE vf vf_keep_mul(vm m, vf a, vf b)
{
    return (vf)_mm512_maskz_mul_ps(m, (__m512)a, (__m512)b);
}
COX_VINLINE vf vf_min(vf a, vf b)
{
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}
COX_VINLINE vf vf_max(vf a, vf b)
{
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
}
COX_VINLINE vf vf_abs(vf a)
{
    return (vf)((vi)a & 0x7fffffff);
}
COX_VINLINE vf vf_sqrt(vf a)
{
    return (vf)_mm512_sqrt_ps((__m512)a);
}
/* At least 11 bits. */
COX_VINLINE vf vf_rsqrt_estimate(vf a)
{
    return (vf)_mm512_rsqrt14_ps((__m512)a);
}
COX_VINLINE vf vf_rcp_estimate(vf a)
{
    return (vf)_mm512_rcp14_ps((__m512)a);
}
#elif defined(COX_ISA_avx2)
typedef vi vm;
COX_VINLINE vf vf_min(vf a, vf b)
{
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
}
COX_VINLINE vf vf_max(vf a, vf b)
{
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
}
COX_VINLINE unsigned vm_bits(vm a)
{
    return (unsigned)_mm256_movemask_ps((__m256)a);
}
COX_VINLINE vf vf_select(vm m, vf a, vf b)
{
    return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m);
}
COX_VINLINE vf vf_sqrt(vf a)
{
    return (vf)_mm256_sqrt_ps((__m256)a);
}
COX_VINLINE vf vf_rsqrt_estimate(vf a)
{
    return (vf)_mm256_rsqrt_ps((__m256)a);
}
COX_VINLINE vf vf_rcp_estimate(vf a)
{
    return (vf)_mm256_rcp_ps((__m256)a);
}
#elif defined(COX_ISA_sse2)
typedef vi vm;
COX_VINLINE vf vf_min(vf a, vf b)
{
    return (vf)_mm_min_ps((__m128)a, (__m128)b);
}
COX_VINLINE vf vf_max(vf a, vf b)
{
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
}
COX_VINLINE unsigned vm_bits(vm a)
{
    return (unsigned)_mm_movemask_ps((__m128)a);
}
COX_VINLINE vf vf_select(vm m, vf a, vf b)
{
    return (vf)(((vi)a & m) | ((vi)b & ~m));
}
COX_VINLINE vf vf_sqrt(vf a)
{
    return (vf)_mm_sqrt_ps((__m128)a);
}
COX_VINLINE vf vf_rsqrt_estimate(vf a)
{
    return (vf)_mm_rsqrt_ps((__m128)a);
}
COX_VINLINE vf vf_rcp_estimate(vf a)
{
    return (vf)_mm_rcp_ps((__m128)a);
}
#else
typedef vi vm;
COX_VINLINE vf vf_select(vm m, vf a, vf b)
{
    return (vf)(((vi)a & m) | ((vi)b & ~m));
}
COX_VINLINE unsigned vm_bits(vm a)
{
    unsigned bits = 0;
    for (int l = 0; l < COX_LANES; l++)
        bits |= (unsigned)(a[l] & 1) << l;
    return bits;
}
#if defined(COX_ISA_neon)
COX_VINLINE vf vf_min(vf a, vf b)
{
    return (vf)vminq_f32((float32x4_t)a, (float32x4_t)b);
}
COX_VINLINE vf vf_max(vf a, vf b)
{
    return (vf)vmaxq_f32((float32x4_t)a, (float32x4_t)b);
}
COX_VINLINE vf vf_sqrt(vf a)
{
    return (vf)vsqrtq_f32((float32x4_t)a);
}
/* The estimate has 8 bits: one refinement makes them 15. */
COX_VINLINE vf vf_rsqrt_estimate(vf a)
{
    float32x4_t x = (float32x4_t)a, y = vrsqrteq_f32(x);
    return (vf)vmulq_f32(y, vrsqrtsq_f32(vmulq_f32(x, y), y));
}
COX_VINLINE vf vf_rcp_estimate(vf a)
{
    float32x4_t x = (float32x4_t)a, y = vrecpeq_f32(x);
    return (vf)vmulq_f32(y, vrecpsq_f32(x, y));
}
#else
COX_VINLINE vf vf_min(vf a, vf b)
{
    return vf_select(a < b, a, b);
}
COX_VINLINE vf vf_max(vf a, vf b)
{
    return vf_select(a > b, a, b);
}
COX_VINLINE vf vf_sqrt(vf a)
{
    for (int l = 0; l < COX_LANES; l++)
        a[l] = __builtin_sqrtf(a[l]);
    return a;
}
COX_VINLINE vf vf_rsqrt_estimate(vf a)
{
    return 1.0f / vf_sqrt(a);
}
COX_VINLINE vf vf_rcp_estimate(vf a)
{
    return 1.0f / a;
}
#endif
#endif

#if !defined(COX_ISA_avx512)
COX_VINLINE vm vf_lt(vf a, vf b)
{
    return a < b;
}
COX_VINLINE vm vf_le(vf a, vf b)
{
    return a <= b;
}
COX_VINLINE vm vm_and(vm a, vm b)
{
    return a & b;
}
COX_VINLINE vm vm_or(vm a, vm b)
{
    return a | b;
}
COX_VINLINE vm vm_not(vm a)
{
    return ~a;
}
COX_VINLINE vm vm_from_bits(unsigned bits)
{
    vm m;
    for (int l = 0; l < COX_LANES; l++)
        m[l] = -(int32_t)(bits >> l & 1);
    return m;
}
COX_VINLINE vf vf_keep(vm m, vf a)
{
    return (vf)((vi)a & m);
}
COX_VINLINE vf vf_keep_mul(vm m, vf a, vf b)
{
    return (vf)((vi)(a * b) & m);
}
COX_VINLINE vf vf_abs(vf a)
{
    return (vf)((vi)a & 0x7fffffff);
}
#endif

#define COX_ALL_LANES ((1u << COX_LANES) - 1u)

COX_VINLINE bool vm_any(vm m)
{
    return vm_bits(m) != 0;
}
COX_VINLINE bool vm_all(vm m)
{
    return vm_bits(m) == COX_ALL_LANES;
}

#endif
