/* SPDX-License-Identifier: BSD-3-Clause */
/* The residues of proteins: names, letters and heavy atoms. */
#ifndef COX_MOLECULE_RESIDUES_H
#define COX_MOLECULE_RESIDUES_H

#include <stdbool.h>
#include <stddef.h>

/* The PDB's name of an amino acid or cap: itself, or what a force field's name of a protonation
 * state stands for ("HIE" → "HIS", "CYX" → "CYS"); NULL when unknown. */
const char *cox_residue_standard(const char *name);
/* Three-letter name of a one-letter code, NULL when unknown. */
const char *cox_residue_of_letter(char letter);
/* Names of the heavy atoms of a standard residue, separated by blanks, without OXT; NULL when
 * unknown. */
const char *cox_residue_heavy_atoms(const char *standard);
bool cox_residue_is_cap(const char *standard);
/* Water and ions, which implicit solvent stands for. */
bool cox_residue_is_solvent(const char *name);
/* "LYS 4", "LYS A 4" or "LYS A 4B". */
void cox_residue_describe(const char *name, const char *chain, int number, char insertion,
                          char *out, size_t size);

#endif
