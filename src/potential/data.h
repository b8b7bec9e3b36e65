/* SPDX-License-Identifier: BSD-3-Clause */
/* Labelled frames in the layout `deepmd/npy`: a folder with type.raw, type_map.raw (optional),
 * nopbc (optional, empty: no periodicity) and set.NAME folders of .npy files, one row per frame:
 * coord (Å), box (Å, 9), energy (eV), force (eV/Å), virial (eV, 9), fparam. The same as groups and
 * datasets of an HDF5 file: FILE.h5#/GROUP. With set.NAME/real_atom_types.npy (`mixed type`) each
 * frame has its own types, −1 for places without an atom; these are put last. All frames of a
 * system are kept in memory as doubles. */
#ifndef COX_POTENTIAL_DATA_H
#define COX_POTENTIAL_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"
#include "potential/model.h"

struct cox_dp_data {
    char *path;
    int n_atoms;
    int *type;       /* [n_atoms], in the model's numbering; see cox_dp_data_types for mixed type */
    int *frame_type; /* [n][n_atoms] mixed type, −1 after the last atom; NULL: all have `type` */
    int *frame_atoms; /* [n] mixed type: atoms of each frame */
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
/* Types of a frame's atoms, and how many there are: the first ones of its rows of x and force. */
const int *cox_dp_data_types(const struct cox_dp_data *data, int64_t frame, int *n);
/* NULL is allowed. */
void cox_dp_data_destroy(struct cox_dp_data *data);

/* Every system at or below `path` (a folder, a file, or a group of a file), sorted by name; *paths
 * is one block, freed with cox_free. COX_ENOTFOUND when there is none. */
int cox_dp_data_find(char ***paths, int *n, const char *path, struct cox_err *err) COX_MUST_CHECK;

#endif
