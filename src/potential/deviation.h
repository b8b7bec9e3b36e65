/* SPDX-License-Identifier: BSD-3-Clause */
/* How far several models of one system are apart, as DeePMD-kit defines it (PRMaterials 3, 023804):
 * of each force the population's standard deviation over the models, its three components together;
 * of the virial's nine components each its own, per atom. With labels the root mean square error of
 * the models takes the place of their deviation. */
#ifndef COX_POTENTIAL_DEVIATION_H
#define COX_POTENTIAL_DEVIATION_H

#include <stdbool.h>

struct cox_dp_deviation {
    double max_v, min_v, avg_v; /* eV per atom; the average is the root mean square of nine */
    double max_f, min_f, avg_f; /* eV/Å */
    double e;                   /* eV per atom */
};

struct cox_dp_deviation_options {
    double relative_f; /* l > 0: forces' deviations over (|⟨F⟩| + l), eV/Å; 0: as they are */
    double relative_v; /* the same for virials per atom, eV */
    const double *energy, *force, *virial; /* labels of the frame, NULL: none: [1], [n][3], [9] */
};

/* Of `models` predictions of one frame of n >= 1 atoms: energy [models], force[k] [n][3],
 * virial[k] [9]. `atom_f` [n] takes each atom's deviation, or is NULL. */
void cox_dp_deviation_of(struct cox_dp_deviation *out, double *atom_f, int models, int n,
                         const double *energy, const double *const *force,
                         const double *const *virial,
                         const struct cox_dp_deviation_options *options);

#endif
