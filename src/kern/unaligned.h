/* SPDX-License-Identifier: BSD-3-Clause */
/* Vectors at any address, and partial ones: an addition to kern/isa.h for kernels over arrays. */
#ifndef COX_KERN_UNALIGNED_H
#define COX_KERN_UNALIGNED_H

#include <stddef.h>
#include <string.h>

#include "kern/isa.h"

#ifdef COX_ISA
typedef float vf_anywhere __attribute__((vector_size(4 * COX_LANES), aligned(4), may_alias));

COX_VINLINE vf load(const float *p)
{
    return (vf) * (const vf_anywhere *)p;
}

COX_VINLINE void store(float *p, vf a)
{
    *(vf_anywhere *)p = (vf_anywhere)a;
}

typedef double vd_anywhere __attribute__((vector_size(4 * COX_LANES), aligned(8), may_alias));

COX_VINLINE vd vd_load_any(const double *p)
{
    return (vd) * (const vd_anywhere *)p;
}

COX_VINLINE void vd_store_any(double *p, vd a)
{
    *(vd_anywhere *)p = (vd_anywhere)a;
}

/* The first n < COX_LANES, zeros after. */
COX_VINLINE vf load_part(const float *p, size_t n)
{
    float a[COX_LANES] = {0};
    memcpy(a, p, n * sizeof a[0]);
    return load(a);
}

COX_VINLINE void store_part(float *p, vf a, size_t n)
{
    float b[COX_LANES];
    store(b, a);
    memcpy(p, b, n * sizeof b[0]);
}

/* The lanes in order. */
COX_VINLINE float vf_sum(vf a)
{
    float s[COX_LANES], t = 0;
    store(s, a);
    for (int i = 0; i < COX_LANES; i++)
        t += s[i];
    return t;
}
#endif

#endif
