/* SPDX-License-Identifier: BSD-3-Clause */
/* Amber topologies (prmtop, the format of Amber 7 and later) with their coordinates (inpcrd, rst7
 * as text): https://ambermd.org/FileFormats.php.
 *
 * Refused with file:line and reason: missing or short sections, numbers that do not fit their
 * %FORMAT, indices out of range, LJ tables that are not Lorentz-Berthelot, 10-12 terms, CHAMBER
 * (CHARMM) and CMAP terms, water, extra points, perturbed topologies. A box is ignored with a note:
 * the system is not periodic. Reentrant. */
#ifndef COX_MOLECULE_PRMTOP_H
#define COX_MOLECULE_PRMTOP_H

#include <stddef.h>

#include "base/str.h"
#include "cox/err.h"
#include "cox/system.h"

/* Topology from text in memory (need not end with zero); positions stay 0, the solvent is vacuum;
 * radii and screening factors are the file's, 0 where it has none. */
int cox_prmtop_parse(struct cox_system **out, const char *text, size_t length, const char *label,
                     struct cox_str *notes, struct cox_err *err) COX_MUST_CHECK;
/* Coordinates into the system; the number of atoms must be the same. Velocities are not used. */
int cox_inpcrd_parse(struct cox_system *system, const char *text, size_t length, const char *label,
                     struct cox_str *notes, struct cox_err *err) COX_MUST_CHECK;
int cox_prmtop_read(struct cox_system **out, const char *prmtop, const char *inpcrd,
                    struct cox_str *notes, struct cox_err *err) COX_MUST_CHECK;

#endif
