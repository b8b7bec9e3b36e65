/* SPDX-License-Identifier: BSD-3-Clause */
/* Radii and scale factors of the OBC models of implicit solvent, by element and bonding. */
#ifndef COX_MOLECULE_OBC_H
#define COX_MOLECULE_OBC_H

#include "cox/err.h"
#include "cox/system.h"

enum cox_radii {
    COX_RADII_AMBER99_OBC, /* those of OpenMM's amber99_obc.xml, which are Tinker's */
    COX_RADII_MBONDI2      /* Onufriev, Bashford, Case 2004; Amber's igb = 5 */
};

/* Fills gb_radius_nm and gb_scale from the elements and bonds of the system. Refuses an atom of an
 * unknown element, and a hydrogen that is bonded to nothing. */
int cox_obc_assign(struct cox_system *system, enum cox_radii radii,
                   struct cox_err *err) COX_MUST_CHECK;
/* "amber99-obc", "mbondi2". */
const char *cox_radii_name(enum cox_radii radii);
int cox_radii_of_name(const char *name, enum cox_radii *out, struct cox_err *err) COX_MUST_CHECK;

#endif
