/* SPDX-License-Identifier: BSD-3-Clause */
/* How far a potential is from its labels: mean absolute and root mean square errors of energies,
 * forces and virials, weighted by the number of values, over any number of frames and systems. */
#ifndef COX_POTENTIAL_ACCURACY_H
#define COX_POTENTIAL_ACCURACY_H

#include <stdint.h>

enum cox_dp_quantity {
    COX_DP_ENERGY,          /* eV */
    COX_DP_ENERGY_PER_ATOM, /* eV */
    COX_DP_FORCE,           /* eV/Å, each component */
    COX_DP_VIRIAL,          /* eV, each of nine */
    COX_DP_VIRIAL_PER_ATOM, /* eV */
    COX_DP_STRESS,          /* −virial/volume, eV/Å³ */
    COX_DP_QUANTITIES
};

struct cox_dp_accuracy {
    struct {
        double absolute, squared; /* sums */
        int64_t n;
    } of[COX_DP_QUANTITIES];
};

/* Adds the differences of `n` values, each multiplied by `scale`. */
void cox_dp_accuracy_add(struct cox_dp_accuracy *accuracy, enum cox_dp_quantity quantity, int n,
                         const double *predicted, const double *labelled, double scale);
void cox_dp_accuracy_merge(struct cox_dp_accuracy *into, const struct cox_dp_accuracy *from);
/* NaN where there was no label. */
double cox_dp_accuracy_mae(const struct cox_dp_accuracy *accuracy, enum cox_dp_quantity quantity);
double cox_dp_accuracy_rmse(const struct cox_dp_accuracy *accuracy, enum cox_dp_quantity quantity);

#endif
