/* SPDX-License-Identifier: BSD-3-Clause */
/* The reader of DeePMD-kit 3's tree; users call cox_dp_model_read of potential/dp_file.h. */
#ifndef COX_POTENTIAL_DP_READ_H
#define COX_POTENTIAL_DP_READ_H

#include "potential/model.h"

/* `hdf5`: .dp, else YAML. The caller destroys the model. */
int cox_dp_read_tree(struct cox_dp_model **out, const char *path, bool hdf5,
                     struct cox_err *err) COX_MUST_CHECK;

#endif
