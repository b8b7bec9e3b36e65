/* SPDX-License-Identifier: BSD-3-Clause */
/* Internal coordinates of the amino acids' heavy atoms. */
#ifndef COX_MOLECULE_GEOMETRY_H
#define COX_MOLECULE_GEOMETRY_H

#include "cox/system.h"

/* An atom placed from three that stand before it: at `length` from `bond`, with the angle
 * atom-bond-angle and the torsion atom-bond-angle-dihedral. */
struct cox_internal {
    const char *atom, *bond, *angle, *dihedral;
    double length_nm, angle_deg;
    int chi; /* 1 … 4: `torsion_deg` counts from this side chain torsion; 0: it is fixed */
    double torsion_deg;
};

#define COX_MAX_SIDE_CHAIN 10 /* heavy atoms beyond N, CA, C, O: tryptophan's */
#define COX_MAX_CHI 4

struct cox_side_chain {
    const char *residue;
    struct cox_internal atoms[COX_MAX_SIDE_CHAIN];
    int n_atoms; /* filled by cox_side_chain_of */
    int n_chi;
    double chi_deg[COX_MAX_CHI]
                  [3]; /* rotamers of each torsion, the commonest first; NAN ends them */
};

/* 0, or -1 for an unknown residue; glycine has no atoms. */
int cox_side_chain_of(const char *residue, struct cox_side_chain *out);

/* Places D at `length` from C with angle B-C-D and torsion A-B-C-D (radians), the natural extension
 * reference frame of Parsons et al., J. Comput. Chem. 26, 1063 (2005). A, B, C not on one line. */
void cox_place(const double a[3], const double b[3], const double c[3], double length, double angle,
               double torsion, double d[3]);
/* Torsion a-b-c-d, radians, IUPAC sign. */
double cox_torsion_of(const double a[3], const double b[3], const double c[3], const double d[3]);

#endif
