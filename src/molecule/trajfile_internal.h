/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by trajfile.c and the formats dcd.c, xtc.c, pdb_write.c. A format is a row of functions;
 * the frame that it gets holds the selected atoms only. */
#ifndef COX_MOLECULE_TRAJFILE_INTERNAL_H
#define COX_MOLECULE_TRAJFILE_INTERNAL_H

#include <stdio.h>

#include "molecule/trajfile.h"

struct cox_trajfile_atom {
    char name[COX_NAME_SIZE], residue_name[COX_NAME_SIZE], chain[COX_NAME_SIZE];
    int residue; /* index */
    int residue_number, element;
};

struct cox_trajfile {
    const struct cox_trajfile_ops *ops;
    FILE *stream;
    char *path, *temporary;
    int n; /* atoms written */
    int *atom;
    float (*x)[3]; /* [n] nm, of the frame being written */
    struct cox_trajfile_atom *names;
    struct cox_trajfile_options options;
    int64_t frames, first_step;
    char title[64];
    void *state; /* the format's own, freed with cox_free */
};

struct cox_trajfile_ops {
    const char *suffix;
    double limit_nm; /* largest coordinate that the format can hold */
    int (*begin)(struct cox_trajfile *file, struct cox_err *err);
    int (*frame)(struct cox_trajfile *file, int64_t step, double time_ps, struct cox_err *err);
    int (*end)(struct cox_trajfile *file, struct cox_err *err);
};

extern const struct cox_trajfile_ops cox_trajfile_dcd, cox_trajfile_xtc, cox_trajfile_pdb;

int cox_trajfile_put(struct cox_trajfile *file, const void *bytes, size_t n, struct cox_err *err);

#endif
