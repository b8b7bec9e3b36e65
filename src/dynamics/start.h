/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a run starts from, and frames to look at: atoms with names, in a box, from an extended XYZ
 * file, a LAMMPS data file or a deepmd/npy folder. Å, ps, u. */
#ifndef COX_DYNAMICS_START_H
#define COX_DYNAMICS_START_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"
#include "potential/model.h"
#include "potential/neighbours.h"

#define COX_DYN_MAX_NAMES 64

struct cox_dyn_start {
    int n, capacity;
    int n_names;
    char name[COX_DYN_MAX_NAMES][COX_DP_TYPE_NAME];
    int *species;   /* [n] into name */
    double (*x)[3]; /* [n] Å */
    double (*v)[3]; /* [n] Å/ps, meaningful if has_velocities */
    double *mass_u; /* [n] 0: the file does not say */
    bool has_velocities;
    struct cox_box box;
    int64_t step;   /* as the file says, 0 if it does not */
    double time_ps; /* likewise, NaN */
};

/* Zeroes; deinit frees. */
void cox_dyn_start_init(struct cox_dyn_start *s);
void cox_dyn_start_deinit(struct cox_dyn_start *s);
int cox_dyn_start_reserve(struct cox_dyn_start *s, int n, struct cox_err *err) COX_MUST_CHECK;
/* Index of a name, added when new; -1: no room, or the name is too long. */
int cox_dyn_start_name(struct cox_dyn_start *s, const char *name);

struct cox_dyn_start_options {
    int64_t frame; /* from 0; negative: from the end, -1 the last (not LAMMPS) */
    /* The model's types: names of a deepmd/npy folder without type_map.raw. */
    const char (*model_name)[COX_DP_TYPE_NAME];
    int n_model_names;
    /* Names of LAMMPS's types 1, 2 …; NULL: from the file's labels, comments or masses. */
    const char *const *type_names;
    int n_type_names;
};
/* Whether it is a deepmd/npy folder, or the same in a file (FILE.h5#/GROUP). */
bool cox_dyn_is_labelled(const char *path);
/* By what the file is: deepmd/npy; .xyz and .extxyz; else LAMMPS data. */
int cox_dyn_start_read(struct cox_dyn_start *out, const char *path,
                       const struct cox_dyn_start_options *options,
                       struct cox_err *err) COX_MUST_CHECK;

/* The box na × nb × nc times; atoms image by image. */
int cox_dyn_start_replicate(struct cox_dyn_start *s, const int times[3],
                            struct cox_err *err) COX_MUST_CHECK;
/* Turns everything so that the first edge is along x and the second in the xy plane, which other
 * programs expect. Whether anything had to be turned; a left-handed box stays one. */
bool cox_dyn_start_upright(struct cox_dyn_start *s);
/* type [n] in the model's numbering. COX_EINVAL naming an atom that the model does not know. */
int cox_dyn_start_types(const struct cox_dyn_start *s, const char model_name[][COX_DP_TYPE_NAME],
                        int n_model_names, int *type, struct cox_err *err) COX_MUST_CHECK;
/* mass_u of all atoms: given by name, else the file's, else the element's.
 * COX_EINVAL naming what has none. */
struct cox_dyn_mass {
    const char *name;
    double mass_u;
};
int cox_dyn_start_masses(struct cox_dyn_start *s, const struct cox_dyn_mass *given, int n_given,
                         struct cox_err *err) COX_MUST_CHECK;

/* Extended XYZ, frame by frame, from a text in memory that is changed. */
struct cox_lines;
/* COX_ENOTFOUND at the end. */
int cox_dyn_xyz_next(struct cox_dyn_start *out, struct cox_lines *lines,
                     struct cox_err *err) COX_MUST_CHECK;
int cox_dyn_lammps_parse(struct cox_dyn_start *out, struct cox_lines *lines,
                         const struct cox_dyn_start_options *options,
                         struct cox_err *err) COX_MUST_CHECK;

#endif
