/* SPDX-License-Identifier: BSD-3-Clause */
/* The force field in double precision, written straight from the formulas of cox/system.h: slow,
 * plain, and independent of the engines that are held to it. All pairs, no cutoff.
 * nm, kJ/mol, kJ/mol/nm. Pure functions of their arguments: any thread. */
#ifndef COX_MD_REFERENCE_H
#define COX_MD_REFERENCE_H

#include "cox/engine.h"
#include "cox/err.h"
#include "cox/system.h"

/* OBC model II: Onufriev, Bashford, Case, Proteins 55, 383 (2004). */
#define COX_OBC_OFFSET_NM 0.009
#define COX_OBC_ALPHA 1.0
#define COX_OBC_BETA 0.8
#define COX_OBC_GAMMA 4.85
#define COX_ACE_PROBE_NM 0.14

/* Energies by term (kinetic and temperature are 0) and forces of the positions x[n_atoms][3]. Each
 * output may be NULL: `force` and `born_nm` are [n_atoms]; Born radii are 0 in vacuum. Allocates
 * scratch of O(n_atoms²) bytes for the exclusions. */
int cox_forces_ref(const struct cox_system *system, const double (*x)[3],
                   struct cox_energies *energies, double (*force)[3], double *born_nm,
                   struct cox_err *err) COX_MUST_CHECK;

#endif
