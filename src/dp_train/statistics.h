/* SPDX-License-Identifier: BSD-3-Clause */
/* What a new model takes from the data before it is trained: mean and deviation of the environment
 * matrix, the energy of a free atom of each type, mean and deviation of the frame parameters. */
#ifndef COX_DP_TRAIN_STATISTICS_H
#define COX_DP_TRAIN_STATISTICS_H

#include "dp_train/lists.h"

/* davg, dstd of every descriptor, over all slots of the atoms of data_stat_nbatch batches of each
 * system; the frames are spread evenly over the system. */
int cox_dp_statistics_environment(struct cox_dp_model *model, const struct cox_dp_input *input,
                                  struct cox_dp_lists *lists, struct cox_err *err) COX_MUST_CHECK;
/* The least-squares energy of an atom of each type: every system counts once with its mean energy
 * (mixed type: every frame); those of atom_ener are given. */
int cox_dp_statistics_bias(struct cox_dp_model *model, const struct cox_dp_input *input,
                           const struct cox_dp_systems *systems,
                           struct cox_err *err) COX_MUST_CHECK;
/* For a model that is trained on (fine-tuning): its energies are shifted by type to those of the
 * new data, by the same least squares of the differences. */
int cox_dp_statistics_shift(struct cox_dp_model *model, const struct cox_dp_input *input,
                            struct cox_dp_lists *lists, struct cox_team *team,
                            struct cox_err *err) COX_MUST_CHECK;
void cox_dp_statistics_fparam(struct cox_dp_model *model, const struct cox_dp_input *input,
                              const struct cox_dp_systems *systems);

#endif
