/* SPDX-License-Identifier: BSD-3-Clause */
/* A design as a CSV. Only src/sweep/points*.c include this. */
#ifndef COX_SWEEP_POINTS_FILE_H
#define COX_SWEEP_POINTS_FILE_H

#include "sweep/points.h"

enum { COX_POINTS_MAX = 10000000 };

/* The value of `text` for a parameter: a number in its range, one of its values (or `between`
 * them), the index of one of its choices. COX_EINVAL naming what is allowed. */
int cox_points_value(const struct cox_sweep_parameter *parameter, const char *text, bool between,
                     double *value, struct cox_err *err) COX_MUST_CHECK;
/* points->x and n from the rows of a table (sweep/outputs_table.h) with the parameters' names in
 * its header, duplicates and all. COX_EINVAL with file:line. */
int cox_points_read(struct cox_points *points, const char *path,
                    struct cox_err *err) COX_MUST_CHECK;

#endif
