/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of many candidates to simulate next: pure functions over what a surrogate says. Batches are
 * spread out: each pick counts as known for the next. */
#ifndef COX_SWEEP_ACQUIRE_H
#define COX_SWEEP_ACQUIRE_H

#include "base/rng.h"
#include "sweep/settings.h"

struct cox_candidates {
    int n, n_features;
    const double *feature; /* [n][n_features], scaled to [0, 1] */
    int n_known;
    const double *known; /* [n_known][n_features]: simulated or under way */
    int members, n_values;
    const double *member; /* [members][n][n_values] predictions in units of the accuracy; NULL for
                             acquisitions that need none */
};

/* Indices of at most `most` candidates into `picks`; the count. */
int cox_acquire(enum cox_acquisition kind, const struct cox_candidates *candidates, int most,
                struct cox_rng *rng, int *picks, struct cox_err *err);

/* E[max(best − y, 0)] for y ~ N(mean, sd²) (Jones, Schonlau, Welch 1998, eq. 15): for minimising;
 * of −y for maximising. */
double cox_expected_improvement(double mean, double sd, double best);
/* Likewise for reaching a value: how much nearer to it than `nearest` y is expected to come. */
double cox_expected_approach(double mean, double sd, double value, double nearest);

#endif
