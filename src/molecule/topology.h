/* SPDX-License-Identifier: BSD-3-Clause */
/* Topology inside other HDF5 files (trajectories): atoms, residues, masses, charges and bonds, no
 * force field, so that a trajectory can be selected from, superposed and exported on its own. */
#ifndef COX_MOLECULE_TOPOLOGY_H
#define COX_MOLECULE_TOPOLOGY_H

#include "cox/err.h"
#include "cox/system.h"
#include "h5/h5.h"

/* Writes GROUP/{name, atom_name, element, residue, mass_u, charge_e, residue_name, residue_number,
 * chain, bonds}. */
int cox_topology_write(struct cox_h5 *file, const char *group, const struct cox_system *system,
                       struct cox_err *err) COX_MUST_CHECK;
/* The caller destroys the system; its positions are 0, it has no terms but bonds without constants.
 */
int cox_topology_read(struct cox_h5 *file, const char *group, struct cox_system **out,
                      struct cox_err *err) COX_MUST_CHECK;

#endif
