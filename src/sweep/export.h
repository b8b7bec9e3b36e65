/* SPDX-License-Identifier: BSD-3-Clause */
/* All points of a sweep with their values as one file for other programs. Every value says whether
 * it was simulated or predicted, its uncertainty, its seed and the version of the model
 * (docs/formats-sweep.md). */
#ifndef COX_SWEEP_EXPORT_H
#define COX_SWEEP_EXPORT_H

#include "sweep/view.h"

/* By the suffix of `path`: .csv (a row per point, a column per value: "density[3]" of a profile),
 * .json, .h5; COX_EINVAL for another one. The file is replaced whole. */
int cox_sweep_export(const struct cox_sweep_view *view, const char *path,
                     struct cox_err *err) COX_MUST_CHECK;
/* What a .json would hold; free with cox_free. NULL when out of memory. */
char *cox_sweep_json_text(const struct cox_sweep_view *view);
/* "todo", "running", "simulated", "predicted", "failed". */
const char *cox_point_state_name(enum cox_point_state state);

#endif
