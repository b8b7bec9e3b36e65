/* SPDX-License-Identifier: BSD-3-Clause */
/* Effective performance of a sweep that learns (Fox, Glazier, Kadupitiya, Jadhao, et al. 2019;
 * Fox and Jha 2020). Seconds of one core set unless said otherwise. */
#ifndef COX_SWEEP_PERFORMANCE_H
#define COX_SWEEP_PERFORMANCE_H

struct cox_performance {
    double N;        /* points of the sweep */
    double n;        /* simulated to learn from */
    double v;        /* audits */
    double t_sim;    /* mean seconds of one simulation */
    double t_learn;  /* seconds of all training together */
    double t_lookup; /* seconds of one prediction */
};

/* S = N·T_sim / (n·T_sim + T_learn + (N − n − v)·T_lookup + v·T_sim): the finite bag, each point
 * counted once. */
double cox_speedup(const struct cox_performance *p);
/* S = T_seq (N_lookup + N_train) / (T_lookup N_lookup + (T_train + T_learn) N_train): the papers'
 * form with unlimited lookups; T_learn per training sample. */
double cox_speedup_published(double t_seq, double t_train, double t_learn, double t_lookup,
                             double n_lookup, double n_train);
/* The crossover: the number of points N from which on learning with these n, v and times wins (S
 * reaches 1); infinity where it never does. */
double cox_speedup_crossover(const struct cox_performance *p);

#endif
