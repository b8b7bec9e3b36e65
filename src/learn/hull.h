/* SPDX-License-Identifier: BSD-3-Clause */
/* Is a point inside the convex hull of others? By the nearest point of the hull (Wolfe 1976), in
 * coordinates scaled to the unit box of the points; no facets are built, so d may be 20 as well as
 * 2, and a set that is flat (a parameter that never varied, points on a line) is as good as any.
 *
 * Threads: cox_hull_query is const and needs no workspace: any number at once. */
#ifndef COX_LEARN_HULL_H
#define COX_LEARN_HULL_H

#include <stdbool.h>

#include "cox/err.h"

#define COX_HULL_MAX_D 32
/* In units of the box: what is nearer than this to the hull is inside. */
#define COX_HULL_TOLERANCE 1e-7

struct cox_hull;

/* points[n][d], finite, copied; 1 <= d <= COX_HULL_MAX_D, 1 <= n <= 10^7. */
int cox_hull_create(struct cox_hull **out, int n, int d, const double *points,
                    struct cox_err *err) COX_MUST_CHECK;
void cox_hull_destroy(struct cox_hull *hull);

/* Whether x[d] is within COX_HULL_TOLERANCE of the hull. `distance` (NULL: not wanted): how far
 * outside, Euclidean in units of the box, to 1e-9 or 1e-6 of itself, whichever is larger; 0 inside.
 * Without it an outside point is cheaper: the first plane that separates it ends the search. A NaN
 * is outside, at an infinite distance. */
bool cox_hull_query(const struct cox_hull *hull, const double *x, double *distance);

#endif
