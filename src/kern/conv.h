/* SPDX-License-Identifier: BSD-3-Clause */
/* Direct "same" convolutions of float32 images, and their two gradients: one image, one thread.
 *
 * A convolution joins a fine map (height × width × fine channels) to a coarse one whose sides are
 * ceil(side / stride):
 *   coarse[y][x][o] = Σ_{ky,kx,i} fine[y·s + ky − k/2][x·s + kx − k/2][i] · w[ky][kx][i][o]
 * with zeros outside. A transposed convolution is the same relation read the other way: its forward
 * pass is cox_conv's backward-data, so both kinds of layer use these three kernels.
 *
 * Layout: NHWC with a ring of `halo` zero pixels around each map, [height + 2 halo][width + 2
 * halo][c], so that no kernel tests for the border. Kernels write the interior only: whoever
 * allocates a map zeroes it once (cox_conv_map_floats of zeros) and the ring stays zero. Pointers
 * are to the start of the map, ring included. Weights: [ky][kx][fine][coarse]; kernels that
 * contract channels read them packed. Threads: every function is pure but for its outputs. */
#ifndef COX_KERN_CONV_H
#define COX_KERN_CONV_H

#include <stdbool.h>
#include <stddef.h>

#include "cox/err.h"

struct cox_conv_shape {
    int height, width; /* of the fine map, without ring */
    int fine, coarse;  /* channels */
    int kernel;        /* odd side of the filter, 1 … COX_CONV_MAX_KERNEL */
    int stride;        /* >= 1 */
    int halo;          /* ring of both maps, >= kernel / 2 */
};
#define COX_CONV_MAX_KERNEL 7

/* What happens to a result before it is stored, in this order. */
struct cox_conv_epilogue {
    const float *bias; /* NULL, or one per result channel, added */
    bool relu;         /* max(0, ·) */
    const float *mask; /* NULL, or a map like the result: zero where the mask is not positive */
};

/* ceil(side / stride). */
int cox_conv_coarse_side(int side, int stride);
/* Floats to allocate for a map, including a tail that kernels may read, never write. */
size_t cox_conv_map_floats(int height, int width, int channels, int halo);
/* Offset of pixel (y, x), channel 0. */
size_t cox_conv_map_offset(int y, int x, int width, int channels, int halo);
/* kernel² · fine · coarse. */
size_t cox_conv_weight_floats(const struct cox_conv_shape *shape);

struct cox_conv_kernels {
    const char *isa;
    /* Floats of packed weights for each direction. */
    size_t (*packed_forward_floats)(const struct cox_conv_shape *shape);
    size_t (*packed_backward_floats)(const struct cox_conv_shape *shape);
    void (*pack_forward)(const struct cox_conv_shape *shape, const float *weights, float *packed);
    void (*pack_backward)(const struct cox_conv_shape *shape, const float *weights, float *packed);
    /* fine → coarse. */
    void (*forward)(const struct cox_conv_shape *shape, const float *packed, const float *fine,
                    float *coarse, const struct cox_conv_epilogue *epilogue);
    /* coarse → fine: the gradient by the fine map, or a transposed convolution. */
    void (*backward_data)(const struct cox_conv_shape *shape, const float *packed,
                          const float *coarse, float *fine,
                          const struct cox_conv_epilogue *epilogue);
    /* weights[ky][kx][i][o] += Σ_{y,x} fine[…][i] · coarse[y][x][o]. */
    void (*backward_weights)(const struct cox_conv_shape *shape, const float *fine,
                             const float *coarse, float *weights);
    /* sums[c] += Σ_{y,x} map[y][x][c]: the gradient by a bias. */
    void (*sum_pixels)(int height, int width, int channels, int halo, const float *map,
                       float *sums);
};

/* The kernels of an instruction set; NULL: the best that runs here, or $COX_ISA. NULL, with
 * `err` set, for a name that is unknown or does not run on this machine. Static storage. */
const struct cox_conv_kernels *cox_conv_kernels_get(const char *isa, struct cox_err *err);

/* Plain references, accumulated in double. */
void cox_conv_forward_ref(const struct cox_conv_shape *shape, const float *weights,
                          const float *fine, float *coarse,
                          const struct cox_conv_epilogue *epilogue);
void cox_conv_backward_data_ref(const struct cox_conv_shape *shape, const float *weights,
                                const float *coarse, float *fine,
                                const struct cox_conv_epilogue *epilogue);
void cox_conv_backward_weights_ref(const struct cox_conv_shape *shape, const float *fine,
                                   const float *coarse, float *weights);

#endif
