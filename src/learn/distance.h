/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside learn: squared Euclidean distances of one query to many points whose coordinates lie side
 * by side, one source compiled per instruction set (distance.isa.c). float32 sums in the order of
 * the coordinates, so d(a, b) and d(b, a) are the same bits. */
#ifndef COX_LEARN_DISTANCE_H
#define COX_LEARN_DISTANCE_H

#include <stdint.h>

#include "cox/err.h"

#define COX_DISTANCE_LANES 16
#define COX_DISTANCE_LEAF 64
/* Coordinate of a place without a point: at an infinite distance of everything. */
#define COX_DISTANCE_FAR 3e38f

struct cox_distance_kernels {
    /* out[64] = distances² of query[d] to leaf[d][64]; returns the least of them. */
    float (*leaf)(float *out, const float *leaf, const float *query, int d);
    /* For each of n points [n][d] the number of the nearest of `groups` × 16 centres, given as
     * [groups][d][16], ties to the smaller number, and its distance². */
    void (*nearest)(int *label, float *distance2, const float *points, int n, int d,
                    const float *centres, int groups);
    /* out[n][16] = distances² of n points [n][d] to one group of 16 centres [d][16]. */
    void (*group)(float *out, const float *points, int n, int d, const float *centres);
};

/* `isa` NULL: what $COX_ISA asks for, else the best that runs here. */
int cox_distance_select(const struct cox_distance_kernels **out, const char *isa,
                        struct cox_err *err) COX_MUST_CHECK;

#endif
