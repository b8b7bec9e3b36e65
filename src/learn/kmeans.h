/* SPDX-License-Identifier: BSD-3-Clause */
/* k-means: greedy k-means++ seeding (Arthur & Vassilvitskii 2007), Lloyd's iteration, best of
 * several starts. Same seed, same result, whatever the number of threads. */
#ifndef COX_LEARN_KMEANS_H
#define COX_LEARN_KMEANS_H

#include <stdint.h>

#include "base/team.h"
#include "cox/err.h"

struct cox_kmeans_options {
    int k;
    int starts;       /* independent seedings; the lowest inertia wins */
    int iterations;   /* at most, per start */
    double tolerance; /* stop when the centres move less than this × the mean variance (squared) */
    uint64_t seed;
    const float *initial; /* [k][d] starting centres instead of seeding (then one start), or NULL */
};
#define COX_KMEANS_OPTIONS_INIT    \
    {                              \
        100, 4, 300, 1e-4, 1, NULL \
    }

struct cox_kmeans_result {
    double inertia; /* sum of squared distances to the nearest centre */
    int iterations; /* of the start that won */
    int k;          /* clusters made: fewer than asked for when there are fewer distinct points */
};

/* centres [k][d] and label [n], owned by the caller (label may be NULL). Points [n][d], finite,
 * n >= 1. A cluster that runs empty is moved to the point farthest from its own centre. */
int cox_kmeans(struct cox_kmeans_result *result, float *centres, int *label, const float *points,
               int n, int d, const struct cox_kmeans_options *options, struct cox_team *team,
               struct cox_err *err) COX_MUST_CHECK;

/* label [n]: nearest of the k centres, ties to the smaller number. *inertia is nullable. */
int cox_kmeans_predict(int *label, double *inertia, const float *centres, int k,
                       const float *points, int n, int d, struct cox_team *team,
                       struct cox_err *err) COX_MUST_CHECK;

#endif
