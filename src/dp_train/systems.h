/* SPDX-License-Identifier: BSD-3-Clause */
/* The systems of a training: which frames the batch of a step has. A system is drawn for each step,
 * and gives its frames in a shuffled order, which is made anew when all were given; the last batch
 * of an order may be smaller. Everything is a function of the seed, the step, and how often each
 * system was drawn, which is all that a checkpoint has to keep. */
#ifndef COX_DP_TRAIN_SYSTEMS_H
#define COX_DP_TRAIN_SYSTEMS_H

#include "dp_train/input.h"
#include "potential/data.h"

struct cox_dp_system {
    struct cox_dp_data *data;
    int batch;           /* frames of a step */
    double share;        /* how often it is drawn; all together 1 */
    int64_t drawn;       /* batches given so far */
    int64_t shuffled;    /* which shuffle `order` is, −1: none */
    int *order;          /* [data->n] */
    int64_t first_frame; /* number of its first frame among all systems' */
};

struct cox_dp_systems {
    int n;
    struct cox_dp_system *system;
    int64_t frames;
    int largest_batch;
    uint64_t seed;
};

struct cox_dp_batch {
    int system;
    int n;            /* frames */
    const int *frame; /* [n] within the system; until the next batch of the system */
};

/* Finds and reads the systems that `input` names; `what` for messages ("training"). */
int cox_dp_systems_read(struct cox_dp_systems *systems, const struct cox_dp_input_data *input,
                        const struct cox_dp_model *model, uint64_t seed,
                        struct cox_err *err) COX_MUST_CHECK;
void cox_dp_systems_deinit(struct cox_dp_systems *systems);
/* The batch of a step. Steps are asked for in order. */
void cox_dp_systems_draw(struct cox_dp_batch *batch, struct cox_dp_systems *systems, int64_t step);
/* fparam is there where the model has it. */
int cox_dp_systems_fparam(const struct cox_dp_systems *systems, const struct cox_dp_input *input,
                          struct cox_err *err) COX_MUST_CHECK;
/* The same, and a label that has a weight is there in at least one system. */
int cox_dp_systems_check(const struct cox_dp_systems *systems, const struct cox_dp_input *input,
                         struct cox_err *err) COX_MUST_CHECK;

#endif
