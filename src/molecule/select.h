/* SPDX-License-Identifier: BSD-3-Clause */
/* Atom selections: a small expression language over a system.
 *
 *   all  protein  backbone  sidechain  heavy  hydrogen          words that stand alone
 *   name CA CB        atom names, any of the list; * and ? are wild cards
 *   resname ALA GLY   residue names, likewise
 *   element C N       element symbols
 *   chain A           chain names
 *   resid 3-8 12      residue numbers as in the input; ranges include both ends; negative ones work
 *   index 0-10        atom indices from 0
 *   not E   E and E   E or E   ( E )    `not` binds tighter than `and`, `and` tighter than `or`
 *
 * Words are read without regard to case; names are compared exactly. `protein`: residues named as
 * the twenty amino acids, their protonation variants or the caps ACE, NME, NH2. `backbone`: N, CA,
 * C, O of those. `sidechain`: their other heavy atoms except OXT. `heavy`: all but hydrogen. Errors
 * name the column and what is allowed there. */
#ifndef COX_MOLECULE_SELECT_H
#define COX_MOLECULE_SELECT_H

#include "cox/err.h"
#include "cox/system.h"

/* Atoms in the order of the system, each once. */
struct cox_selection {
    int n;
    int *atom; /* [n], owned */
};

/* Refuses an expression that selects no atom. Release with cox_selection_deinit. */
int cox_selection_init(struct cox_selection *out, const struct cox_system *system,
                       const char *expression, struct cox_err *err) COX_MUST_CHECK;
void cox_selection_deinit(struct cox_selection *selection);

#endif
