/* SPDX-License-Identifier: BSD-3-Clause */
/* Local outlier factor (Breunig et al. 2000): how much sparser a point lies than its neighbours;
 * about 1 inside a cluster, larger for outliers. Exact duplicates, which would make densities
 * infinite, are merged first and share one score. */
#ifndef COX_LEARN_LOF_H
#define COX_LEARN_LOF_H

#include "base/team.h"
#include "cox/err.h"

/* score [n] (owned by the caller) of n points of d coordinates ([n][d], finite), with k neighbours
 * (20 is usual; cut to the number of distinct points - 1). With fewer than 3 distinct points every
 * score is 1. `order` (nullable, [n]) receives the points' numbers, most outlying first; ties by
 * the smaller number. `distinct` (nullable) receives the number of distinct points. */
int cox_lof(float *score, int *order, int *distinct, const float *points, int n, int d, int k,
            struct cox_team *team, struct cox_err *err) COX_MUST_CHECK;

/* Merges exact duplicates (-0 equals 0): first [n] receives for each point the smallest number of a
 * point with the same coordinates. *distinct counts them. */
int cox_points_distinct(int *first, int *distinct, const float *points, int n, int d,
                        struct cox_err *err) COX_MUST_CHECK;

#endif
