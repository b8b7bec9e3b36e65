/* SPDX-License-Identifier: BSD-3-Clause */
/* Choosing points that are unlike each other. */
#ifndef COX_LEARN_DIVERSE_H
#define COX_LEARN_DIVERSE_H

#include "cox/err.h"

/* Walks through candidates (numbers into points [.][d], best first) and keeps each that lies at
 * least `least_distance` (Euclidean) from all kept before, until `wanted` are kept. *kept receives
 * how many; chosen [wanted], owned by the caller. */
void cox_diverse_walk(int *chosen, int *kept, int wanted, const int *candidates, int n_candidates,
                      const float *points, int d, double least_distance);

/* Greedy max-min: chosen[0] = first; then always the point farthest from all chosen so far (ties:
 * the smaller number), until `wanted` or no two distinct points are left. distance (nullable,
 * [wanted]) receives each one's distance to those before it (infinity for the first). */
int cox_diverse_farthest(int *chosen, int *kept, float *distance, int wanted, int first,
                         const float *points, int n, int d, struct cox_err *err) COX_MUST_CHECK;

#endif
