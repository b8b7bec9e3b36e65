/* SPDX-License-Identifier: BSD-3-Clause */
/* Checkpoints: PREFIX-STEP.dp, the model as it stands, and PREFIX-STEP.state (HDF5), all else that
 * the next step depends on. The state is written last, so where there is one, there is its model.
 * Both appear whole or not at all. */
#ifndef COX_DP_TRAIN_CHECKPOINT_H
#define COX_DP_TRAIN_CHECKPOINT_H

#include "dp_train/adam.h"
#include "dp_train/systems.h"

struct cox_dp_state {
    int64_t step;                                 /* steps done */
    int64_t seed;                                 /* training.seed */
    struct cox_dp_adam *adam;                     /* its means are written and read */
    struct cox_dp_systems *training, *validation; /* how often each was drawn */
};

/* Writes both files, then removes the oldest checkpoints but `keep`. */
int cox_dp_checkpoint_write(const char *prefix, const struct cox_dp_state *state,
                            const struct cox_dp_model *model, int keep,
                            struct cox_err *err) COX_MUST_CHECK;
/* The newest checkpoint's step, −1: there is none. */
int cox_dp_checkpoint_find(int64_t *step, const char *prefix, struct cox_err *err) COX_MUST_CHECK;
/* Only the seed, before anything else is known. */
int cox_dp_checkpoint_seed(int64_t *seed, const char *prefix, int64_t step,
                           struct cox_err *err) COX_MUST_CHECK;
/* Fills what `state` points to; COX_EINVAL when the checkpoint is of a training with other systems
 * or another model. */
int cox_dp_checkpoint_read(struct cox_dp_state *state, const char *prefix, int64_t step,
                           struct cox_err *err) COX_MUST_CHECK;
/* "PREFIX-STEP.dp" */
void cox_dp_checkpoint_model(char *out, size_t size, const char *prefix, int64_t step);
/* Removes all checkpoints of this prefix. */
int cox_dp_checkpoint_clear(const char *prefix, struct cox_err *err) COX_MUST_CHECK;

#endif
