/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside learn: the k-d leaves behind cox_neighbours, for DBSCAN too. */
#ifndef COX_LEARN_LEAVES_H
#define COX_LEARN_LEAVES_H

#include "learn/distance.h"
#include "learn/neighbours.h"

#define COX_LEAF COX_DISTANCE_LEAF

struct cox_neighbours {
    int n, d;
    int leaves;   /* all full but, perhaps, the last in the order of the tree */
    int *id;      /* [leaves][64] point in each place, -1 = none */
    float *block; /* [leaves][d][64] */
    float *low;   /* [leaves][d] box */
    float *high;  /* [leaves][d] */
    float *point; /* [n][d] in the caller's order */
    const struct cox_distance_kernels *kernels;
};

/* Squared distance between the boxes of two leaves, rounded down: never more than that of any two
 * of their points as the kernels compute it. */
float cox_leaves_apart(const struct cox_neighbours *index, int a, int b);
/* The same for one point and a leaf. */
float cox_leaves_point_apart(const struct cox_neighbours *index, const float *point, int leaf);
/* As cox_neighbours_knn, but squared; `distance2` must not be NULL. */
int cox_neighbours_knn2(const struct cox_neighbours *index, int k, float *distance2, int *id,
                        struct cox_team *team, struct cox_err *err) COX_MUST_CHECK;

#endif
