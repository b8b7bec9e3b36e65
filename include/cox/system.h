/* SPDX-License-Identifier: BSD-3-Clause */
/* A system to simulate: topology, force-field parameters and one set of coordinates.
 *
 * Units: nm, ps, u (dalton), e, kJ/mol, K, rad. Energies are those of Amber-type force fields:
 *   bond      ½ k (r − r0)²                       k in kJ/mol/nm²
 *   angle     ½ k (θ − θ0)²                       k in kJ/mol/rad²
 *   torsion   k (1 + cos(n φ − φ0))               proper and improper alike, k in kJ/mol
 *   LJ        4 ε ((σ/r)¹² − (σ/r)⁶), σ_ij = (σ_i + σ_j)/2, ε_ij = √(ε_i ε_j)
 *   Coulomb   138.935456 q_i q_j / r (solute dielectric 1)
 *   1-4       pairs carry their own scaled charge product, σ and ε
 *   GB        OBC2 (Onufriev, Bashford, Case 2004) with the ACE surface term (Schaefer 1998)
 * The system is not periodic. Arrays are owned by the system; create/destroy below. */
#ifndef COX_SYSTEM_H
#define COX_SYSTEM_H

#include "cox/err.h"

#define COX_COULOMB 138.935456      /* kJ mol⁻¹ nm e⁻², as in OpenMM and GROMACS */
#define COX_BOLTZMANN 0.00831446262 /* kJ mol⁻¹ K⁻¹ */
#define COX_NAME_SIZE 8             /* names of atoms, residues, chains, with the final zero */

enum cox_solvent { COX_SOLVENT_VACUUM = 0, COX_SOLVENT_OBC2 = 1 };

struct cox_bond {
    int atom[2];
    double r0_nm, k;
};
struct cox_angle {
    int atom[3];
    double theta0_rad, k;
};
struct cox_torsion {
    int atom[4];
    int periodicity;
    int improper; /* 1 for impropers; the energy is the same */
    double phase_rad, k;
};
struct cox_pair14 {
    int atom[2];
    double charge_product; /* e², already scaled */
    double sigma_nm, epsilon;
};

struct cox_system {
    char name[64];
    int n_atoms;
    double *mass_u, *charge_e, *sigma_nm, *epsilon; /* [n_atoms] */
    double *gb_radius_nm, *gb_scale; /* [n_atoms]; the radius without the 0.009 nm offset */
    int *element;                    /* [n_atoms] atomic number, 0 unknown */
    char (*atom_name)[COX_NAME_SIZE];
    int *residue; /* [n_atoms] index into the residues */

    int n_residues;
    char (*residue_name)[COX_NAME_SIZE];
    int *residue_number; /* as in the input */
    char (*chain)[COX_NAME_SIZE];

    int n_bonds, n_angles, n_torsions, n_pairs14, n_exclusions;
    struct cox_bond *bonds;
    struct cox_angle *angles;
    struct cox_torsion *torsions;
    struct cox_pair14 *pairs14;
    int (*exclusions)[2]; /* i < j, each once: 1-2, 1-3 and 1-4 pairs */

    enum cox_solvent solvent;
    double solvent_dielectric; /* 78.5 */
    double solute_dielectric;  /* 1.0 */
    double surface_tension;    /* ACE, kJ/mol/nm²; 2.25936; 0 switches the term off */

    double (*position_nm)[3]; /* [n_atoms] */
    char *provenance;         /* JSON text: command, versions, force field, input's digest */
};

/* Allocates all arrays at the given sizes, zeroed. */
int cox_system_create(struct cox_system **out, int n_atoms, int n_residues, int n_bonds,
                      int n_angles, int n_torsions, int n_pairs14, int n_exclusions,
                      struct cox_err *err) COX_MUST_CHECK;
void cox_system_destroy(struct cox_system *system);
/* Indices in range, finite numbers, positive masses, i < j, no duplicate exclusions. */
int cox_system_check(const struct cox_system *system, struct cox_err *err) COX_MUST_CHECK;
/* The system file (docs/formats.md), HDF5. Written whole or not at all. */
int cox_system_save(const struct cox_system *system, const char *path,
                    struct cox_err *err) COX_MUST_CHECK;
int cox_system_load(struct cox_system **out, const char *path, struct cox_err *err) COX_MUST_CHECK;

#endif
