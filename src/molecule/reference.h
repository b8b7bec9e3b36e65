/* SPDX-License-Identifier: BSD-3-Clause */
/* A reference fold: coordinates from a file, put into the atom order of a system.
 *
 * Sources by suffix and content: a PDB file (`model` as numbered in its MODEL records, 0 the
 * first), a system file (*.system.h5), a trajectory of ours (.h5; here `model` is the frame from 0,
 * negative ones count from the end). Atoms are matched by (residue, atom name). Residues are paired
 * by number (and chain, where numbers repeat), unless shifting the sequences against each other
 * makes more residue names agree. Refused when fewer than half of the residues agree. Protonation
 * variants (HIE/HIS, CYX/CYS, …) count as equal. Terminal oxygens OT1/OT2, O1/O2, OC1/OC2 are read
 * as O/OXT, CD of isoleucine as CD1. Hydrogens are found under the same name only. */
#ifndef COX_MOLECULE_REFERENCE_H
#define COX_MOLECULE_REFERENCE_H

#include <stdbool.h>

#include "cox/err.h"
#include "cox/system.h"
#include "molecule/select.h"

struct cox_reference {
    int n_atoms;              /* of the system */
    double (*position_nm)[3]; /* [n_atoms], in the system's order; 0 where has[] is false */
    bool *has;                /* [n_atoms] */
    int matched;              /* number of atoms that were found */
    int file_atoms;           /* atoms in the file's model */
    int offset;               /* index of the file's residue that matches the system's first */
    bool by_number;           /* residues matched by number; else by sequence position */
    char title[160];          /* "1fme.pdb model 1: 504 of 504 atoms by residue number" */
};

int cox_reference_load(struct cox_reference **out, const struct cox_system *system,
                       const char *path, int model, struct cox_err *err) COX_MUST_CHECK;
/* From coordinates in the system's own order. */
int cox_reference_from_positions(struct cox_reference **out, const struct cox_system *system,
                                 const double (*position_nm)[3],
                                 struct cox_err *err) COX_MUST_CHECK;
void cox_reference_destroy(struct cox_reference *reference);
/* Refuses when an atom of the selection is missing, naming the first and how many. */
int cox_reference_require(const struct cox_reference *reference, const struct cox_system *system,
                          const struct cox_selection *selection,
                          struct cox_err *err) COX_MUST_CHECK;
/* The selected atoms' coordinates, out[selection->n][3] nm, for cox_rmsd's target. */
void cox_reference_gather(const struct cox_reference *reference,
                          const struct cox_selection *selection, double (*out)[3]);

#endif
