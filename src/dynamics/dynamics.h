/* SPDX-License-Identifier: BSD-3-Clause */
/* Molecular dynamics of one system: velocity Verlet; Langevin (BAOAB) or Nosé-Hoover chains;
 * stochastic cell rescaling with a Metropolis test; a constant rate of deformation.
 * docs/potential-run.md has the algorithms. Units: units.h.
 *
 * The trajectory is a function of the start, the options and the field: random numbers are
 * functions of (seed, step), so a state that was saved goes on to the same bits. */
#ifndef COX_DYNAMICS_DYNAMICS_H
#define COX_DYNAMICS_DYNAMICS_H

#include <stdint.h>

#include "dynamics/field.h"

struct cox_dynamics;

enum cox_dyn_thermostat { COX_DYN_NVE, COX_DYN_LANGEVIN, COX_DYN_NOSE_HOOVER };

enum cox_dyn_barostat {
    COX_DYN_FIXED,    /* no barostat */
    COX_DYN_ISO,      /* volume only */
    COX_DYN_AXES,     /* the chosen axes, each for itself */
    COX_DYN_TRICLINIC /* edges and angles */
};

#define COX_DYN_MAX_CHAIN 8

struct cox_dyn_options {
    double timestep_ps;
    enum cox_dyn_thermostat thermostat;
    double temperature_K;
    double final_temperature_K; /* reached linearly at step ramp_steps; < 0: no ramp */
    int64_t ramp_steps;
    double tau_ps; /* Langevin: 1/friction; Nosé-Hoover: period of the chain */
    int chain;     /* Nosé-Hoover: links, 1 … COX_DYN_MAX_CHAIN */

    enum cox_dyn_barostat barostat;
    bool axis[3];                   /* COX_DYN_AXES: which */
    double pressure_bar;            /* wanted */
    double tau_p_ps;                /* relaxation time of the volume */
    double compressibility_per_bar; /* of the system, roughly: it scales the moves only */
    int barostat_every;             /* steps between moves; each costs one evaluation */

    int deform_axis;           /* 0 … 2, -1: none */
    double deform_rate_per_ps; /* of the first length */

    /* Forces sum up to zero: without a Langevin thermostat momentum is conserved, and three degrees
     * of freedom are not counted. */
    bool momentum_conserved;
    uint64_t seed;
    double most_move_A;        /* in one step; more is a blow-up */
    double most_temperature_K; /* likewise */
};
#define COX_DYN_OPTIONS_INIT                                                                   \
    {                                                                                          \
        .timestep_ps = 0.0005, .temperature_K = 300, .final_temperature_K = -1, .tau_ps = 0.5, \
        .chain = 3, .axis = {true, true, true}, .pressure_bar = 1, .tau_p_ps = 1,              \
        .compressibility_per_bar = 4.6e-5, .barostat_every = 20, .deform_axis = -1,            \
        .momentum_conserved = true, .seed = 1, .most_move_A = 0.5, .most_temperature_K = 2e4   \
    }

/* Owned by the dynamics; x, v and box may be set before cox_dynamics_start. */
struct cox_dyn_state {
    int n;
    double *mass;                         /* [n] eV ps²/Å² */
    double (*x)[3], (*v)[3], (*force)[3]; /* [n] Å, not wrapped; Å/ps; eV/Å */
    struct cox_box box;
    double energy, virial[3][3];
    int64_t step;
};

/* `field` is borrowed. Masses in u; positions, velocities and box are zero at first. */
int cox_dynamics_create(struct cox_dynamics **out, int n, const double *mass_u,
                        const struct cox_dyn_options *options, const struct cox_dyn_field *field,
                        struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. */
void cox_dynamics_destroy(struct cox_dynamics *d);
struct cox_dyn_state *cox_dynamics_state(struct cox_dynamics *d);
/* Maxwell's distribution from the seed, without motion of the centre of mass, scaled to have the
 * temperature exactly. */
void cox_dynamics_draw_velocities(struct cox_dynamics *d, double temperature_K);
/* Takes the motion of the centre of mass away; returns its speed, Å/ps. */
double cox_dynamics_stop_centre(struct cox_dynamics *d);
/* The first forces. */
int cox_dynamics_start(struct cox_dynamics *d, struct cox_err *err) COX_MUST_CHECK;
/* One step. COX_EUNSTABLE when it blew up, naming step and atom. Allocates nothing by itself. */
int cox_dynamics_step(struct cox_dynamics *d, struct cox_err *err) COX_MUST_CHECK;

struct cox_dyn_sample {
    int64_t step;
    double time_ps, target_K;
    double temperature_K, potential, kinetic, conserved; /* eV */
    double volume, density;                              /* Å³, g/cm³ */
    double pressure_bar, stress_bar[3][3];               /* minus the stress, without a box 0 */
    double accepted;                                     /* share of the barostat's moves */
};
void cox_dynamics_sample(const struct cox_dynamics *d, struct cox_dyn_sample *out);
/* Degrees of freedom that the temperature counts. */
int cox_dynamics_freedoms(const struct cox_dynamics *d);

/* Everything that the next steps depend on. */
size_t cox_dynamics_size(const struct cox_dynamics *d);
void cox_dynamics_save(const struct cox_dynamics *d, void *bytes);
/* Into one of the same atoms and options (the number of steps and the ramp may be others). */
int cox_dynamics_restore(struct cox_dynamics *d, const void *bytes, size_t size,
                         struct cox_err *err) COX_MUST_CHECK;

#endif
