/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of a training share: all that it holds. */
#ifndef COX_DP_TRAIN_TRAINING_H
#define COX_DP_TRAIN_TRAINING_H

#include "dp_train/checkpoint.h"
#include "dp_train/lists.h"
#include "dp_train/train.h"

struct cox_dp_training {
    const struct cox_dp_train_options *options;
    const struct cox_dp_train_hooks *hooks;
    struct cox_arena *arena;
    struct cox_dp_input *input;
    struct cox_team *team;
    struct cox_dp_model *model;
    struct cox_dp_systems train, validate; /* validate.n = 0: there are none */
    struct cox_dp_lists train_lists, validate_lists;
    struct cox_dp_gradient *plan;
    struct cox_dp_adam adam;
    double *x, *gradient;        /* [adam.n] */
    struct cox_dp_frame *frames; /* [largest batch] */
    struct cox_dp_lcurve curve;
    int64_t step; /* steps done */
    bool overflow_told;
};

/* Everything up to the first step. What was made is left to cox_dp_training_deinit. */
int cox_dp_training_init(struct cox_dp_training *t, struct cox_err *err) COX_MUST_CHECK;
void cox_dp_training_deinit(struct cox_dp_training *t);
/* One line for people. */
void cox_dp_training_note(const struct cox_dp_training *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
