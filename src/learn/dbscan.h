/* SPDX-License-Identifier: BSD-3-Clause */
/* DBSCAN (Ester et al. 1996) with the neighbourhood radius eps chosen so that a wanted number of
 * points is left as outliers, which is how the agent finds rare conformations.
 *
 * No trial and error: point i is an outlier at eps exactly if eps < o_i, with
 *   o_i = min over j of max(|x_i - x_j|, c_j),  c_j = distance to the (min_samples - 1)th
 * neighbour, and only i's own nearest neighbours can attain the minimum. One neighbour search gives
 * all o_i; the sorted o_i are the number of outliers as a function of eps. */
#ifndef COX_LEARN_DBSCAN_H
#define COX_LEARN_DBSCAN_H

#include <stdbool.h>

#include "base/team.h"
#include "cox/err.h"

struct cox_dbscan_options {
    int min_samples; /* points within eps, itself included, that make a core point; >= 1 */
    double eps;      /* > 0: this radius; <= 0: search it for the wanted number of outliers */
    int outliers_min, outliers_max; /* wanted range when searched, 0 <= min <= max */
};
#define COX_DBSCAN_OPTIONS_INIT \
    {                           \
        10, 0, 0, 0             \
    }

struct cox_dbscan_result {
    double eps;   /* radius used */
    int outliers; /* number of points labelled -1 */
    int clusters;
    bool reached; /* searched: the number lies in the wanted range; else true */
};

/* Labels n points of d coordinates ([n][d], finite): 0, 1, … in the order of each cluster's first
 * core point, -1 = outlier. A border point in reach of two clusters goes to the one with the
 * smaller number (as scikit-learn does). When the range cannot be reached (fewer points than
 * outliers_min, ties, or fewer than min_samples points) the nearest possible number is taken and
 * `reached` is false: no error. `outlierness` (nullable, [n]) receives o_i, by which outliers can
 * be ranked: infinite when n < min_samples. `label` and `outlierness` are owned by the caller.
 * `team` may be NULL. The result does not depend on the number of threads. */
int cox_dbscan(struct cox_dbscan_result *result, int *label, float *outlierness,
               const float *points, int n, int d, const struct cox_dbscan_options *options,
               struct cox_team *team, struct cox_err *err) COX_MUST_CHECK;

#endif
