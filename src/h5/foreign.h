/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading HDF5 files of other programs, of which one does not know what is in them. */
#ifndef COX_H5_FOREIGN_H
#define COX_H5_FOREIGN_H

#include "h5/h5.h"

/* Names of what is in a group, sorted; *out is one block, freed with cox_free. */
int cox_h5_list(char ***out, int *n, struct cox_h5 *file, const char *group,
                struct cox_err *err) COX_MUST_CHECK;
/* A dataset of texts, of fixed or variable width, as other programs write them; likewise. */
int cox_h5_read_words(char ***out, int *n, struct cox_h5 *file, const char *name,
                      struct cox_err *err) COX_MUST_CHECK;

#endif
