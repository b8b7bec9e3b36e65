/* SPDX-License-Identifier: BSD-3-Clause */
/* Labelled frames in the layout `deepmd/npy`: a folder with type.raw, type_map.raw (optional),
 * nopbc (optional, empty: no periodicity) and set.NAME folders of .npy files, one row per frame:
 * coord (Å), box (Å, 9), energy (eV), force (eV/Å), virial (eV, 9), fparam. All frames of a system
 * are kept in memory as doubles. */
#ifndef COX_POTENTIAL_DATA_H
#define COX_POTENTIAL_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"
#include "potential/model.h"

struct cox_dp_data {
    char *path;
    int n_atoms;
    int *type; /* [n_atoms], in the model's numbering */
    bool periodic;
    int64_t n; /* frames */
    int n_fparam;
    double *x;      /* [n][n_atoms][3] */
    double *box;    /* [n][9], NULL without periodicity */
    double *energy; /* [n], NULL: not labelled */
    double *force;  /* [n][n_atoms][3], NULL */
    double *virial; /* [n][9], NULL */
    double *fparam; /* [n][n_fparam], NULL */
};

/* Reads one system. `names` [n_names]: the model's types; type_map.raw is translated to them, and
 * without it the numbers are taken as they are. A type that the model does not know, rows of the
 * wrong length, numbers that are not finite, sets that disagree: COX_EINVAL with file and row. */
int cox_dp_data_read(struct cox_dp_data **out, const char *path,
                     const char names[][COX_DP_TYPE_NAME], int n_names,
                     struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. */
void cox_dp_data_destroy(struct cox_dp_data *data);

/* Every system at or below `path` (a folder with a type.raw), sorted by name; *paths is one block,
 * freed with cox_free. COX_ENOTFOUND when there is none. */
int cox_dp_data_find(char ***paths, int *n, const char *path, struct cox_err *err) COX_MUST_CHECK;

#endif
