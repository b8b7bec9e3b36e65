/* SPDX-License-Identifier: BSD-3-Clause */
/* How learning rate and weights of the loss go with the steps. */
#ifndef COX_DP_TRAIN_SCHEDULE_H
#define COX_DP_TRAIN_SCHEDULE_H

#include "dp_train/gradient.h"
#include "dp_train/input.h"

/* max(stop, start · rate^⌊step / decay_steps⌋), step from 0. */
double cox_dp_rate_at(const struct cox_dp_input_rate *rate, int64_t step);
/* limit + (start − limit) · lr(step)/start. */
struct cox_dp_prefactors cox_dp_prefactors_at(const struct cox_dp_input *input, int64_t step);

#endif
