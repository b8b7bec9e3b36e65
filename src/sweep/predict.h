/* SPDX-License-Identifier: BSD-3-Clause */
/* What a sweep says of any inputs: the simulated values where these were simulated, else the
 * surrogate's, with their uncertainty. */
#ifndef COX_SWEEP_PREDICT_H
#define COX_SWEEP_PREDICT_H

#include "sweep/view.h"

/* Fills `out` as if `points` were the design: rows that are SIMULATED, or PREDICTED with a `reason`
 * where the sweep's own rule would rather simulate ("outside the hull …"). Takes the points over.
 * `sweep` is borrowed as long as `out` lives; close with cox_sweep_view_close. COX_EUNSUPPORTED:
 * there is no model yet. */
int cox_sweep_predict(struct cox_sweep_view *out, const struct cox_sweep_view *sweep,
                      const char *directory, struct cox_points *points,
                      struct cox_err *err) COX_MUST_CHECK;

#endif
