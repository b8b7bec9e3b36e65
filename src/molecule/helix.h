/* SPDX-License-Identifier: BSD-3-Clause */
/* Helix content of a frame: by backbone torsions, or by i → i+4 hydrogen bonds. */
#ifndef COX_MOLECULE_HELIX_H
#define COX_MOLECULE_HELIX_H

#include <stdbool.h>

#include "cox/err.h"
#include "cox/system.h"

struct cox_helix {
    bool bonds; /* else torsions */
    int n;
    int (*atom)[5]; /* [n], owned: C N CA C N of a residue and its neighbours; or O, N of a bond */
};

/* Residues are neighbours where the C of one is bonded to the N of the next (by the order of
 * residues within a chain if the system has no bonds); caps count. Refuses a system without any. */
int cox_helix_init(struct cox_helix *out, const struct cox_system *system, bool bonds,
                   struct cox_err *err) COX_MUST_CHECK;
void cox_helix_deinit(struct cox_helix *helix);
/* 0 … 1. */
double cox_helix_fraction(const struct cox_helix *helix, const float (*x)[3]);

#endif
