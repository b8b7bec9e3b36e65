/* SPDX-License-Identifier: BSD-3-Clause */
/* What one wants to know of a system at a glance. */
#ifndef COX_MOLECULE_SUMMARY_H
#define COX_MOLECULE_SUMMARY_H

#include "base/str.h"
#include "cox/system.h"

struct cox_system_summary {
    double charge_e, mass_u;
    double radius_of_gyration_nm; /* mass-weighted */
    double extent_nm[3];          /* of the centres of the atoms, along x, y, z */
    int n_hydrogens, n_impropers, n_disulfides;
};

void cox_system_summarise(const struct cox_system *system, struct cox_system_summary *out);
/* One-letter sequence, chains separated by '/'; caps as "ACE-" and "-NME", unknown residues 'X'. */
void cox_system_sequence(const struct cox_system *system, struct cox_str *out);

#endif
