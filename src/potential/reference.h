/* SPDX-License-Identifier: BSD-3-Clause */
/* The Deep Potential written down as the papers have it, in double precision, atom by atom, nothing
 * batched or approximated: what the fast evaluators are held to. */
#ifndef COX_POTENTIAL_REFERENCE_H
#define COX_POTENTIAL_REFERENCE_H

#include "potential/model.h"
#include "potential/neighbours.h"

struct cox_dp_result {
    double energy;            /* eV */
    double (*force)[3];       /* [n] eV/Å, or NULL */
    double virial[3][3];      /* eV: Σ r ⊗ F = −∂E/∂strain */
    double *atom_energy;      /* [n] eV, or NULL */
    double (*atom_virial)[9]; /* [n] eV, of the neighbour in each pair, or NULL */
    long long overflow; /* neighbours beyond sel that were left out, as the model was trained */
};

/* `list` was built with the model's cutoff and n_types; `fparam` [n_fparam] or NULL. The arrays of
 * `result` are the caller's. */
int cox_dp_reference(struct cox_dp_result *result, const struct cox_dp_model *model, int n,
                     const int *type, const struct cox_neighbours *list, const double *fparam,
                     struct cox_err *err) COX_MUST_CHECK;

#endif
