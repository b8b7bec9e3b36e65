/* SPDX-License-Identifier: BSD-3-Clause */
/* A new model as input.json wants it. */
#ifndef COX_DP_TRAIN_CREATE_H
#define COX_DP_TRAIN_CREATE_H

#include "dp_train/input.h"
#include "potential/model.h"

/* Types, cutoffs, exclusions and sizes; numbers of slots where they are given. No nets yet. */
int cox_dp_model_outline(struct cox_dp_model **out, const struct cox_dp_input *input,
                         struct cox_err *err) COX_MUST_CHECK;
/* Slots of the descriptors that have sel "auto", from the largest numbers seen. */
void cox_dp_model_set_sel(struct cox_dp_model *model, const struct cox_dp_input *input,
                          const int *most);
/* The nets with random first weights: w ~ N(0, 1/√(in + out)), b ~ N(0, 1), idt ~ N(0.1, 0.001). */
int cox_dp_model_draw(struct cox_dp_model *model, const struct cox_dp_input *input,
                      struct cox_err *err) COX_MUST_CHECK;
/* Takes sel, statistics, bias and weights from a trained model of the same shape; its types may be
 * more, and in another order. COX_EINVAL names what differs. */
int cox_dp_model_adopt(struct cox_dp_model *model, const struct cox_dp_model *from,
                       struct cox_err *err) COX_MUST_CHECK;

#endif
