/* SPDX-License-Identifier: BSD-3-Clause */
/* Which lanes have gone stale: no progress over stale_ps of their own simulated time, counted from
 * where the lane last began (a restart begins it anew, a continued segment does not).
 *
 * With an objective: its best value on this path is older than stale_ps. Without one: the lane's
 * latent position has moved less, over stale_ps, than a quarter of what the median lane has moved.
 * Use from one thread. */
#ifndef COX_STEER_STALE_H
#define COX_STEER_STALE_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"

struct cox_stale;

int cox_stale_create(struct cox_stale **out, int lanes, double stale_ps,
                     struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. */
void cox_stale_destroy(struct cox_stale *stale);

/* A frame, in the order of its lane. `value`: the objective, larger is better, NaN: none. */
void cox_stale_frame(struct cox_stale *stale, int lane, int32_t segment, double time_ps,
                     double value);
/* The lane begins anew with this segment; frames of earlier ones no longer count. */
void cox_stale_restarted(struct cox_stale *stale, int lane, int64_t segment);
/* It has been asked to: not stale until cox_stale_restarted, or until stale_ps more have passed
 * without it. */
void cox_stale_asked(struct cox_stale *stale, int lane);

/* stale_lanes[lanes]; returns how many. By the objective: */
int cox_stale_by_objective(const struct cox_stale *stale, bool *stale_lanes);
/* By latent position. Rows in the order of arrival: lane, segment, time and latent[d] of each. */
struct cox_stale_rows {
    int64_t n;
    const int32_t *lane, *segment;
    const double *time_ps;
    const float *latent;
    int n_latent;
};
int cox_stale_by_latent(const struct cox_stale *stale, const struct cox_stale_rows *rows,
                        bool *stale_lanes);

#endif
