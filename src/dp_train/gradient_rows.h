/* SPDX-License-Identifier: BSD-3-Clause */
/* What both training steps do alike: the neighbours that count, and the residuals of a frame. */
#ifndef COX_DP_TRAIN_GRADIENT_ROWS_H
#define COX_DP_TRAIN_GRADIENT_ROWS_H

#include "dp_train/gradient.h"

/* order[0 … most) becomes the nearest of the n neighbours within the cutoff; returns how many these
 * are, *within how many there were. */
int cox_dp_nearest(int *order, int most, int n, const double (*dr)[3], double rcut, int *within);

/* Of Φ = p E + Ė: p, and the strain along which the virial's residual asks to go. */
struct cox_dp_residual {
    double p, strain[9];
};
/* Adds the frame's losses and counts its labels (energy, force, virial); direction [atoms] is where
 * the forces' residuals ask to go. `share`: of the frame in the mean. */
struct cox_dp_residual cox_dp_residuals(const struct cox_dp_frame *frame, double energy,
                                        const double (*force)[3], const double (*virial)[3],
                                        const struct cox_dp_prefactors *prefactors, double share,
                                        struct cox_dp_losses *losses, int labelled[3],
                                        double (*direction)[3]);
/* Sums become means. */
void cox_dp_losses_finish(struct cox_dp_losses *losses, const int labelled[3]);

#endif
