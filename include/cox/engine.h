/* SPDX-License-Identifier: BSD-3-Clause */
/* Simulation engines: many replicas ("lanes") of one system, each its own trajectory with its own
 * seed and temperature.
 *
 * Kinds: "ensemble" (ours: one replica per SIMD lane), "fake" (an instant stand-in for tests of the
 * loop). OpenMM, LAMMPS and external programs will stand behind the same calls.
 * Units: nm, ps, u, kJ/mol, K. Positions are [n_atoms][3], in the order of the system.
 *
 * Determinism: the trajectory of a lane is a function of its positions, velocities, temperature,
 * seed and step count only; not of its slot, of what its neighbours do, of the number of threads,
 * or of how steps are cut into calls. It does depend on the instruction set. Threads: one caller at
 * a time per engine; the engine uses `threads` of its own. */
#ifndef COX_ENGINE_H
#define COX_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cox/err.h"
#include "cox/system.h"

struct cox_engine;

struct cox_engine_options {
    int replicas;           /* >= 1; need not fill the vector width */
    double timestep_fs;     /* 2 */
    double temperature_K;   /* of every lane at first, 300 */
    double friction_per_ps; /* 1; 0 gives NVE (velocity Verlet) */
    double
        hydrogen_mass_u; /* 0: masses as they are; 3 lets 4 fs (mass moved from the bonded atom) */
    bool constrain_hydrogens;    /* SHAKE/RATTLE on bonds to hydrogen, default true */
    double constraint_tolerance; /* relative, 1e-5 */
    int slow_every;  /* >= 1: GB and long-range pair forces every k-th step (RESPA); 1 = off */
    uint64_t seed;   /* lanes get cox_seed_mix(seed, lane) until set one by one */
    int threads;     /* 0: as many as the process may run on */
    const char *isa; /* NULL: the best that runs here, or $COX_ISA */
};
#define COX_ENGINE_OPTIONS_INIT                                                      \
    {                                                                                \
        .replicas = 1, .timestep_fs = 2, .temperature_K = 300, .friction_per_ps = 1, \
        .constrain_hydrogens = true, .constraint_tolerance = 1e-5, .slow_every = 1   \
    }

/* Terms of the potential energy, and the kinetic energy, kJ/mol. */
struct cox_energies {
    double bond, angle, torsion, lj, coulomb, lj14, coulomb14, gb, surface;
    double kinetic;
    double potential;     /* sum of all but kinetic */
    double temperature_K; /* 2 kinetic / (degrees of freedom · k_B) */
};

enum cox_lane_state {
    COX_LANE_OK = 0,
    COX_LANE_BLOWN = 1 /* non-finite or runaway coordinates, or constraints that did not converge */
};

int cox_engine_create(struct cox_engine **out, const char *kind, const struct cox_system *system,
                      const struct cox_engine_options *options, struct cox_err *err) COX_MUST_CHECK;
void cox_engine_destroy(struct cox_engine *engine);
/* "ensemble 0.1.0 avx512", for the catalog. */
const char *cox_engine_version(const struct cox_engine *engine);
int cox_engine_replicas(const struct cox_engine *engine);
/* Lanes that one vector holds: replicas are best a multiple of it (times the threads). */
int cox_engine_lane_width(const struct cox_engine *engine);

/* Lanes start at the system's positions, at rest, step 0. Setting positions clears COX_LANE_BLOWN;
 * constraints are then fulfilled (SHAKE) unless they already are within tolerance. */
int cox_engine_set_positions(struct cox_engine *engine, int lane, const double (*x)[3],
                             struct cox_err *err) COX_MUST_CHECK;
int cox_engine_set_velocities(struct cox_engine *engine, int lane, const double (*v)[3],
                              struct cox_err *err) COX_MUST_CHECK;
/* Maxwell-Boltzmann at the lane's temperature from the lane's seed; constraint velocities removed.
 */
int cox_engine_draw_velocities(struct cox_engine *engine, int lane,
                               struct cox_err *err) COX_MUST_CHECK;
int cox_engine_set_temperature(struct cox_engine *engine, int lane, double temperature_K,
                               struct cox_err *err) COX_MUST_CHECK;
/* Also sets the lane's step count to 0. */
int cox_engine_set_seed(struct cox_engine *engine, int lane, uint64_t seed,
                        struct cox_err *err) COX_MUST_CHECK;

/* All lanes, downhill until the largest force is below `tolerance` (kJ/mol/nm) or `max_steps`. */
int cox_engine_minimize(struct cox_engine *engine, int max_steps, double tolerance,
                        struct cox_err *err) COX_MUST_CHECK;
/* All lanes, `n` steps. A lane that blows up is marked and stands still; the others go on and the
 * call succeeds: ask cox_engine_lane_state. */
int cox_engine_step(struct cox_engine *engine, int n, struct cox_err *err) COX_MUST_CHECK;

enum cox_lane_state cox_engine_lane_state(const struct cox_engine *engine, int lane);
/* Why and at which step a lane blew up; "" when it did not. Borrowed. */
const char *cox_engine_lane_reason(const struct cox_engine *engine, int lane);
/* Steps since the seed was set. */
int64_t cox_engine_lane_steps(const struct cox_engine *engine, int lane);
/* x and v may each be NULL. Values are the engine's own, exact in double. */
int cox_engine_get_state(struct cox_engine *engine, int lane, double (*x)[3], double (*v)[3],
                         struct cox_err *err) COX_MUST_CHECK;
/* Of the present positions; forces kJ/mol/nm, may be NULL; energies may be NULL. */
int cox_engine_evaluate(struct cox_engine *engine, int lane, struct cox_energies *energies,
                        double (*force)[3], struct cox_err *err) COX_MUST_CHECK;

/* Exact checkpoint of one lane: after restore it continues bit for bit, in any slot. */
size_t cox_engine_lane_size(const struct cox_engine *engine);
int cox_engine_save_lane(struct cox_engine *engine, int lane, void *bytes,
                         struct cox_err *err) COX_MUST_CHECK;
int cox_engine_restore_lane(struct cox_engine *engine, int lane, const void *bytes,
                            struct cox_err *err) COX_MUST_CHECK;

/* Share of time per pass since creation, for `cox md bench`. Names are static; returns how many. */
struct cox_engine_pass {
    const char *name;
    double seconds;
};
int cox_engine_profile(const struct cox_engine *engine, const struct cox_engine_pass **out);

#endif
