/* SPDX-License-Identifier: BSD-3-Clause */
#include "learn/distance.h"

#include "kern/isa.h"

#define LANES COX_LANES
#define PER_GROUP (COX_DISTANCE_LANES / LANES)
#define PER_STRIP (4 * LANES) /* points of a leaf that are in registers at a time */

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
typedef float vec_any __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p)
{
    return *(const vec_any *)p;
}

INLINE void store(float *p, vec a)
{
    *(vec_any *)p = a;
}

INLINE vec choose(ivec mask, vec yes, vec no)
{
    return (vec)(((ivec)yes & mask) | ((ivec)no & ~mask));
}

INLINE vec least_of(vec a, vec b)
{
    return choose(a < b, a, b);
}

static float leaf_distances(float *out, const float *leaf, const float *query, int d)
{
    vec least = (vec){0} + COX_DISTANCE_FAR;
    for (int at = 0; at < COX_DISTANCE_LEAF; at += PER_STRIP) {
        vec a0 = {0}, a1 = {0}, a2 = {0}, a3 = {0};
        for (int c = 0; c < d; c++) {
            const float *x = leaf + (long)c * COX_DISTANCE_LEAF + at;
            const float q = query[c];
            const vec t0 = load(x) - q, t1 = load(x + LANES) - q;
            const vec t2 = load(x + 2 * LANES) - q, t3 = load(x + 3 * LANES) - q;
            a0 += t0 * t0;
            a1 += t1 * t1;
            a2 += t2 * t2;
            a3 += t3 * t3;
        }
        store(out + at, a0);
        store(out + at + LANES, a1);
        store(out + at + 2 * LANES, a2);
        store(out + at + 3 * LANES, a3);
        least = least_of(least, least_of(least_of(a0, a1), least_of(a2, a3)));
    }
    float result = least[0];
    for (int l = 1; l < LANES; l++)
        result = least[l] < result ? least[l] : result;
    return result;
}

INLINE void group_distance(vec *a, const float *point, int d, const float *centres)
{
    for (int v = 0; v < PER_GROUP; v++)
        a[v] = (vec){0};
    for (int c = 0; c < d; c++)
        for (int v = 0; v < PER_GROUP; v++) {
            const vec t = load(centres + (long)c * COX_DISTANCE_LANES + v * LANES) - point[c];
            a[v] += t * t;
        }
}

static void nearest_centres(int *label, float *distance2, const float *points, int n, int d,
                            const float *centres, int groups)
{
    ivec lanes;
    for (int l = 0; l < LANES; l++)
        lanes[l] = l;
    for (int i = 0; i < n; i++) {
        vec a[PER_GROUP], best = (vec){0} + COX_DISTANCE_FAR;
        ivec number = lanes;
        for (int g = 0; g < groups; g++) {
            group_distance(a, points + (long)i * d, d, centres + (long)g * d * COX_DISTANCE_LANES);
            for (int v = 0; v < PER_GROUP; v++) {
                const ivec less = a[v] < best;
                best = choose(less, a[v], best);
                number = (less & (lanes + (g * COX_DISTANCE_LANES + v * LANES))) | (number & ~less);
            }
        }
        float least = best[0];
        int at = number[0];
        for (int l = 1; l < LANES; l++)
            if (best[l] < least || (best[l] == least && number[l] < at)) {
                least = best[l];
                at = number[l];
            }
        label[i] = at;
        distance2[i] = least;
    }
}

static void group_distances(float *out, const float *points, int n, int d, const float *centres)
{
    for (int i = 0; i < n; i++) {
        vec a[PER_GROUP];
        group_distance(a, points + (long)i * d, d, centres);
        for (int v = 0; v < PER_GROUP; v++)
            store(out + (long)i * COX_DISTANCE_LANES + v * LANES, a[v]);
    }
}

extern const struct cox_distance_kernels COX_ISA_SYMBOL(cox_distance);
const struct cox_distance_kernels COX_ISA_SYMBOL(cox_distance) = {leaf_distances, nearest_centres,
                                                                  group_distances};
