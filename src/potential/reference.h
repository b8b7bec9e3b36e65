/* SPDX-License-Identifier: BSD-3-Clause */
/* The Deep Potential written down as the papers have it, in double precision, atom by atom, nothing
 * batched or approximated: what the fast evaluators are held to. */
#ifndef COX_POTENTIAL_REFERENCE_H
#define COX_POTENTIAL_REFERENCE_H

#include "potential/model.h"
#include "potential/neighbours.h"

/* Atoms 0 … n−1 are centres, whose energies are summed; those behind them up to n_all − 1 are
 * neighbours only (ghosts of a caller who cut space up), on which forces act. */
struct cox_dp_atoms {
    int n, n_all;
    const int *type; /* [n_all] 0 … n_types − 1 */
};

struct cox_dp_result {
    double energy;            /* eV */
    double (*force)[3];       /* [n_all] eV/Å, or NULL */
    double virial[3][3];      /* eV: Σ r ⊗ F = −∂E/∂strain */
    double *atom_energy;      /* [n] eV, or NULL */
    double (*atom_virial)[9]; /* [n_all] eV, of the neighbour in each pair, or NULL */
    long long overflow; /* neighbours beyond sel that were left out, as the model was trained */
};

/* `list` has the centres' neighbours within cox_dp_cutoff, or farther ones too, which count for
 * nothing; `fparam` [n_fparam] or NULL. The arrays of
 * `result` are the caller's. */
int cox_dp_reference(struct cox_dp_result *result, const struct cox_dp_model *model,
                     const struct cox_dp_atoms *atoms, const struct cox_neighbours *list,
                     const double *fparam, struct cox_err *err) COX_MUST_CHECK;

#endif
