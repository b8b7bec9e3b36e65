/* SPDX-License-Identifier: BSD-3-Clause */
/* The text that `gmx dump -s x.tpr` prints: every term of a force field, fully resolved. */
#ifndef COX_MOLECULE_GROMACS_DUMP_H
#define COX_MOLECULE_GROMACS_DUMP_H

#include <stddef.h>

#include "cox/err.h"
#include "cox/system.h"

/* Makes a system of all molecules of the dump: atoms, bonds, angles, torsions (those of no energy
 * left out), 1-4 pairs, exclusions, coordinates. Chains stay "", GB parameters 0, solvent vacuum.
 * Refuses terms that are not those of Amber's force fields (Urey-Bradley, CMAP, Ryckaert-Bellemans,
 * constraints, virtual sites) and LJ tables that are not Lorentz-Berthelot. */
int cox_gromacs_dump_parse(struct cox_system **out, const char *text, size_t length,
                           struct cox_err *err) COX_MUST_CHECK;

#endif
