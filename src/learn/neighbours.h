/* SPDX-License-Identifier: BSD-3-Clause */
/* Nearest neighbours among n points of d float32 coordinates (row-major [n][d]), Euclidean, exact.
 * The points are cut into k-d leaves of at most 64 whose coordinates lie side by side; a query
 * scans whole leaves with vector code and skips those whose box is too far. Made for latent
 * vectors: d about 10, n up to some 100,000. */
#ifndef COX_LEARN_NEIGHBOURS_H
#define COX_LEARN_NEIGHBOURS_H

#include "base/team.h"
#include "cox/err.h"

struct cox_neighbours;

/* Copies the points; n >= 1, d 1 … 4096. COX_EINVAL names the first point that is not finite. */
int cox_neighbours_create(struct cox_neighbours **out, const float *points, int n, int d,
                          struct cox_err *err) COX_MUST_CHECK;
void cox_neighbours_destroy(struct cox_neighbours *index);

/* For every point its k nearest others (itself excluded, exact duplicates of it not), nearest
 * first, ties by the smaller number. distance [n][k] (Euclidean, not squared) and id [n][k], owned
 * by the caller; either may be NULL. 1 <= k <= n - 1. The answer does not depend on the threads. */
int cox_neighbours_knn(const struct cox_neighbours *index, int k, float *distance, int *id,
                       struct cox_team *team, struct cox_err *err) COX_MUST_CHECK;

#endif
