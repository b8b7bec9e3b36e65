/* SPDX-License-Identifier: BSD-3-Clause */
/* The runners of md_vs_openmm: ours and OpenMM's, timed in the same way. */
#ifndef COX_BENCH_MD_OPPONENTS_H
#define COX_BENCH_MD_OPPONENTS_H

#include <stdbool.h>

#include "cox/engine.h"
#include "openmm_shim.h"

struct stretch {
    double wall_s, cpu_s; /* of the whole process */
};

struct runner {
    const char *name;
    bool ours, same_physics; /* all pairs; else a cutoff that changes the forces */
    int replicas, threads;
    double timestep_fs;
    /* ours */
    double hydrogen_mass_u;
    int slow_every;
    /* theirs */
    const char *platform;
    double cutoff_nm;

    struct cox_engine *engine;
    struct cox_openmm *openmm;
    double force_error; /* relative RMS against OpenMM's Reference platform */
    int steps;          /* per stretch */
};

/* Creates it, checks its forces against `force` (OpenMM Reference at the system's positions),
 * minimises, warms up and finds how many steps take about `seconds`. */
int runner_start(struct runner *r, const struct cox_system *system, const double (*force)[3],
                 double seconds, struct cox_err *err) COX_MUST_CHECK;
void runner_stop(struct runner *r);
int runner_run(struct runner *r, struct stretch *out, struct cox_err *err) COX_MUST_CHECK;
/* ns of all replicas per day of the given seconds per stretch. */
double runner_ns_per_day(const struct runner *r, double seconds);
/* Forces by OpenMM's Reference platform, [n_atoms][3]. */
int reference_forces(const struct cox_system *system, double (*force)[3],
                     struct cox_err *err) COX_MUST_CHECK;

#endif
