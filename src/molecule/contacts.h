/* SPDX-License-Identifier: BSD-3-Clause */
/* Native contacts: pairs that are near in a reference, and the soft share of them in a frame.
 * Best, Hummer & Eaton, PNAS 110, 17874 (2013), eq. 1. */
#ifndef COX_MOLECULE_CONTACTS_H
#define COX_MOLECULE_CONTACTS_H

#include <stdbool.h>

#include "cox/err.h"
#include "cox/system.h"
#include "molecule/reference.h"

struct cox_contacts {
    int n;
    int (*pair)[2];      /* [n] atoms, owned */
    double *r0_nm;       /* [n] in the reference, owned */
    double beta, lambda; /* 1/nm; - */
};

/* Heavy atoms (r0 < 0.45 nm, λ = 1.8) or Cα only (r0 < 0.8 nm, λ = 1.2), in residues of one chain
 * more than three apart, or of two chains. Refuses a reference without such a pair. */
int cox_contacts_init(struct cox_contacts *out, const struct cox_system *system,
                      const struct cox_reference *reference, bool alpha_carbons,
                      struct cox_err *err) COX_MUST_CHECK;
void cox_contacts_deinit(struct cox_contacts *contacts);
/* 0 … 1. */
double cox_contacts_fraction(const struct cox_contacts *contacts, const float (*x)[3]);

#endif
