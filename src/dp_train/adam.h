/* SPDX-License-Identifier: BSD-3-Clause */
/* Adam (Kingma and Ba, ICLR 2015, algorithm 1), in double precision on one vector. */
#ifndef COX_DP_TRAIN_ADAM_H
#define COX_DP_TRAIN_ADAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/team.h"

struct cox_dp_adam {
    double beta1, beta2, epsilon;
    size_t n;
    double *mean, *square; /* [n] running means of the gradient and its square */
};

/* Step `step`, counted from 1, with the learning rate `rate`: changes x. The result does not depend
 * on the team. */
void cox_dp_adam_step(const struct cox_dp_adam *adam, double *x, const double *gradient,
                      double rate, int64_t step, struct cox_team *team);
/* Shortens the gradient to the length `most` where it is longer. */
void cox_dp_gradient_clip(double *gradient, size_t n, double most);

#endif
