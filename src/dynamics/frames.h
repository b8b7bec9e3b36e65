/* SPDX-License-Identifier: BSD-3-Clause */
/* The frames of a trajectory, one after the other: extended XYZ, H5MD as cox writes it, or a
 * deepmd/npy folder. */
#ifndef COX_DYNAMICS_FRAMES_H
#define COX_DYNAMICS_FRAMES_H

#include "dynamics/start.h"

struct cox_dyn_frames;

int cox_dyn_frames_open(struct cox_dyn_frames **out, const char *path,
                        struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. */
void cox_dyn_frames_close(struct cox_dyn_frames *frames);
/* The next frame into `out`, an initialised start that is used again. COX_ENOTFOUND: no more. */
int cox_dyn_frames_next(struct cox_dyn_frames *frames, struct cox_dyn_start *out,
                        struct cox_err *err) COX_MUST_CHECK;

#endif
