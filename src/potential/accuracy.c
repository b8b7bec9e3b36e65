/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/accuracy.h"

#include <math.h>

void cox_dp_accuracy_add(struct cox_dp_accuracy *a, enum cox_dp_quantity q, int n,
                         const double *predicted, const double *labelled, double scale)
{
    for (int i = 0; i < n; i++) {
        double d = scale * (predicted[i] - labelled[i]);
        a->of[q].absolute += fabs(d);
        a->of[q].squared += d * d;
    }
    a->of[q].n += n;
}

void cox_dp_accuracy_merge(struct cox_dp_accuracy *into, const struct cox_dp_accuracy *from)
{
    for (int q = 0; q < COX_DP_QUANTITIES; q++) {
        into->of[q].absolute += from->of[q].absolute;
        into->of[q].squared += from->of[q].squared;
        into->of[q].n += from->of[q].n;
    }
}

double cox_dp_accuracy_mae(const struct cox_dp_accuracy *a, enum cox_dp_quantity q)
{
    return a->of[q].n ? a->of[q].absolute / (double)a->of[q].n : (double)NAN;
}

double cox_dp_accuracy_rmse(const struct cox_dp_accuracy *a, enum cox_dp_quantity q)
{
    return a->of[q].n ? sqrt(a->of[q].squared / (double)a->of[q].n) : (double)NAN;
}
