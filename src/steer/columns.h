/* SPDX-License-Identifier: BSD-3-Clause */
/* The columns of a run's frames files: what is stored of every frame besides its coordinates. */
#ifndef COX_STEER_COLUMNS_H
#define COX_STEER_COLUMNS_H

#include <stdbool.h>

#include "steer/frames.h"
#include "store/traj.h"

/* The first columns are integers: segment, lane, round; then numbers: the observables of `frames`
 * in order and temperature_K; a streaming run's last column is the integer index, the frame's place
 * in its segment. */
enum { COX_COLUMN_SEGMENT, COX_COLUMN_LANE, COX_COLUMN_ROUND, COX_COLUMN_VALUES };
#define COX_COLUMNS_MAX (COX_COLUMN_VALUES + COX_FRAMES_MAX_OBSERVABLES + 2)

/* Fills `out` and returns how many there are. */
int cox_columns(const struct cox_frames *frames, bool streaming,
                struct cox_traj_column out[COX_COLUMNS_MAX]);
/* How many of them are numbers: the values that a frame of a stream carries, in their order. */
int cox_columns_values(const struct cox_frames *frames);
/* Computes them for one frame x[n_atoms][3], nm. */
void cox_columns_fill(const struct cox_frames *frames, const float (*x)[3], float temperature_K,
                      float *values);

#endif
