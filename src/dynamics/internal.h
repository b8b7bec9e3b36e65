/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef COX_DYNAMICS_INTERNAL_H
#define COX_DYNAMICS_INTERNAL_H

#include "dynamics/dynamics.h"

struct cox_dynamics {
    struct cox_dyn_options o;
    const struct cox_dyn_field *field;
    struct cox_dyn_state s;
    double target_K;     /* now */
    double heat;         /* eV that thermostat, barostat and deformation have put in */
    double middle[3][3]; /* 2 × kinetic energy tensor between the half drifts (Langevin) */
    double eta[COX_DYN_MAX_CHAIN], eta_v[COX_DYN_MAX_CHAIN], eta_mass[COX_DYN_MAX_CHAIN];
    double first_length; /* along deform_axis */
    int64_t tried, accepted;
    double (*trial)[3], (*trial_force)[3]; /* [n] */
};

/* Streams of random numbers: functions of (seed, step, what for). */
enum { COX_DYN_FOR_VELOCITIES, COX_DYN_FOR_LANGEVIN, COX_DYN_FOR_BAROSTAT, COX_DYN_PURPOSES };

/* 2 × the kinetic energy, as a tensor. */
void cox_dyn_kinetic(const struct cox_dynamics *d, double out[3][3]);
double cox_dyn_volume(const double h[3][3]);

/* thermostat.c */
void cox_dyn_langevin(struct cox_dynamics *d);
void cox_dyn_chain_start(struct cox_dynamics *d);
void cox_dyn_chain_half(struct cox_dynamics *d);
double cox_dyn_chain_energy(const struct cox_dynamics *d);
/* Follows the ramp: the target of the present step. */
void cox_dyn_set_target(struct cox_dynamics *d);

/* barostat.c */
int cox_dyn_barostat_check(const struct cox_dyn_options *o, struct cox_err *err) COX_MUST_CHECK;
int cox_dyn_barostat_move(struct cox_dynamics *d, struct cox_err *err) COX_MUST_CHECK;

#endif
