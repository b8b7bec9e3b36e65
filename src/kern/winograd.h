/* SPDX-License-Identifier: BSD-3-Clause */
/* 3×3 stride-1 convolutions by Winograd's minimal filtering F(2×2, 3×3): 16 multiplications where
 * the direct form needs 36. Used inside kern/conv.isa.c, which decides by cox_winograd_fits. */
#ifndef COX_KERN_WINOGRAD_H
#define COX_KERN_WINOGRAD_H

#include "kern/conv.h"
#include "kern/unaligned.h"

/* Channels that are contracted: enough to pay for the transforms, few enough for the stack. */
#define COX_WINOGRAD_LEAST 16
#define COX_WINOGRAD_MOST 128

static inline bool cox_winograd_fits(int kernel, int stride, int contracted, int results)
{
    return kernel == 3 && stride == 1 && contracted >= COX_WINOGRAD_LEAST &&
           contracted <= COX_WINOGRAD_MOST && results >= COX_WINOGRAD_LEAST;
}

#ifdef COX_ISA
/* Both maps height × width; results are those of a convolution with the packed filter. */
struct cox_winograd {
    int height, width, halo;
    int contracted, results;
    const float *packed, *source;
    float *result;
    const struct cox_conv_epilogue *epilogue; /* may be NULL */
};
#define cox_winograd_run COX_ISA_SYMBOL(cox_winograd_run)
void cox_winograd_run(const struct cox_winograd *w);
/* Weights [3][3] with steps between taps, contracted and result channels; `flip` turns the filter
 * by 180° (backward-data). */
#define cox_winograd_pack COX_ISA_SYMBOL(cox_winograd_pack)
void cox_winograd_pack(int contracted, int results, ptrdiff_t contracted_step,
                       ptrdiff_t result_step, bool flip, const float *weights, float *packed);
#define cox_winograd_packed_floats COX_ISA_SYMBOL(cox_winograd_packed_floats)
size_t cox_winograd_packed_floats(int contracted, int results);

/* a where m > 0, else 0. */
COX_VINLINE vf where_positive(vf m, vf a)
{
    return vf_keep(vf_lt((vf){0}, m), a);
}

/* Bias, ReLU, mask and store of up to COX_LANES result channels. */
COX_VINLINE void finish(vf a, const float *bias, bool relu, const float *mask, float *result,
                        int keep)
{
    if (keep >= COX_LANES) {
        if (bias)
            a += load(bias);
        if (relu)
            a = vf_select(vf_lt(a, (vf){0}), (vf){0}, a); /* a NaN must stay visible */
        if (mask)
            a = where_positive(load(mask), a);
        store(result, a);
        return;
    }
    float part[COX_LANES];
    store(part, a);
    for (int i = 0; i < keep; i++) {
        float b = part[i] + (bias ? bias[i] : 0);
        if (relu && b < 0)
            b = 0;
        if (mask && !(mask[i] > 0))
            b = 0;
        result[i] = b;
    }
}
#endif

#endif
