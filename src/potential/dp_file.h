/* SPDX-License-Identifier: BSD-3-Clause */
/* Models in the tree that DeePMD-kit v3 writes: as HDF5 (.dp; variables are datasets, the tree is
 * the root attribute `json`) or as YAML (.yaml, .yml; variables inline). */
#ifndef COX_POTENTIAL_DP_FILE_H
#define COX_POTENTIAL_DP_FILE_H

#include "potential/model.h"

/* Whatever the file is called, its first bytes tell what it is: .dp, .yaml, or a graph (.pb,
 * .pbtxt). What this program cannot evaluate is refused by name. The caller destroys the model. */
int cox_dp_model_read(struct cox_dp_model **out, const char *path,
                      struct cox_err *err) COX_MUST_CHECK;
/* Replaces PATH.dp atomically; DeePMD-kit v3 opens it. */
int cox_dp_model_write(const struct cox_dp_model *model, const char *path,
                       struct cox_err *err) COX_MUST_CHECK;

#endif
