/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/performance.h"

#include <math.h>

double cox_speedup(const struct cox_performance *p)
{
    double rest = fmax(0, p->N - p->n - p->v);
    return p->N * p->t_sim / ((p->n + p->v) * p->t_sim + p->t_learn + rest * p->t_lookup);
}

double cox_speedup_published(double t_seq, double t_train, double t_learn, double t_lookup,
                             double n_lookup, double n_train)
{
    return t_seq * (n_lookup + n_train) / (t_lookup * n_lookup + (t_train + t_learn) * n_train);
}

/* N·T_sim = (n + v)·T_sim + T_learn + (N − n − v)·T_lookup, solved for N. */
double cox_speedup_crossover(const struct cox_performance *p)
{
    double gain = p->t_sim - p->t_lookup;
    return gain > 0 ? p->n + p->v + p->t_learn / gain : INFINITY;
}
