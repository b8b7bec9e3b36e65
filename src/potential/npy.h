/* SPDX-License-Identifier: BSD-3-Clause */
/* NumPy's .npy files (format versions 1 to 3): little-endian floats and integers, row by row. */
#ifndef COX_POTENTIAL_NPY_H
#define COX_POTENTIAL_NPY_H

#include <stdint.h>

#include "cox/err.h"

#define COX_NPY_MAX_RANK 4

struct cox_npy {
    int rank;
    int64_t dims[COX_NPY_MAX_RANK];
    int64_t n; /* numbers in all */
    double *x; /* [n], owned: cox_free */
};

/* Refuses other dtypes, Fortran order, and files shorter or longer than their header says, naming
 * what was found. */
int cox_npy_read(struct cox_npy *out, const char *path, struct cox_err *err) COX_MUST_CHECK;

#endif
