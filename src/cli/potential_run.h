/* SPDX-License-Identifier: BSD-3-Clause */
/* `cox potential run`: its settings, and a run with all that it needs. */
#ifndef COX_CLI_POTENTIAL_RUN_H
#define COX_CLI_POTENTIAL_RUN_H

#include <stdatomic.h>

#include "base/json.h"
#include "base/team.h"
#include "cli/options.h"
#include "dynamics/dynamics.h"
#include "dynamics/field_potential.h"
#include "dynamics/output.h"
#include "dynamics/rdf.h"
#include "dynamics/start.h"

/* As on the command line; saved in run.json and read from there by --restart. */
struct potential_settings {
    const char *model, *start, *output, *restart, *replicate, *type_map, *precision, *coupling,
        *thermostat, *deform, *format, *fparam;
    struct cox_option_texts mass;
    bool nve, velocities, forces, wrap, json, quiet;
    double nvt_K, npt_K, pressure_bar, to_K, initial_K, timestep_fs, tau_ps, tau_p_ps,
        compressibility_per_bar, skin_A, most_move_A, most_K, rdf_A;
    long long frame, steps, ramp_steps, seed, threads, chain, barostat_every, every, thermo_every,
        checkpoint_every, rdf_bins, rdf_every, rdf_from;
};
#define POTENTIAL_SETTINGS_INIT                                                                  \
    {                                                                                            \
        .precision = "float64", .coupling = "iso", .thermostat = "langevin", .format = "h5",     \
        .pressure_bar = 1, .timestep_fs = 0.5, .tau_p_ps = 1, .compressibility_per_bar = 4.6e-5, \
        .skin_A = 1, .most_move_A = 0.5, .seed = 1, .chain = 3, .barostat_every = 20,            \
        .every = 100, .thermo_every = 100, .checkpoint_every = 1000, .rdf_bins = 200,            \
        .rdf_every = 20                                                                          \
    }

/* Means over the rows of thermo that this process made, and the drift of what is conserved. */
struct potential_means {
    long long n;
    double first_ps, last_ps;
    double t, tt, e, te;                           /* sums for the slope of the conserved energy */
    double temperature, pressure, volume, density; /* sums */
    double temperature2, pressure2;
};

struct potential_run {
    struct potential_settings s;
    char sha256[65];
    int freedoms, types;
    double cutoff;
    struct cox_dyn_start start;
    int *type;
    struct cox_team *team;
    struct cox_dyn_potential *potential;
    struct cox_dynamics *d;
    struct cox_dyn_output *output;
    struct cox_rdf *rdf;
    struct potential_means means;
    void *state, *rdf_state; /* for checkpoints */
    bool restarted, warned_overflow;
    long long first_step;
    double wall_s;
};

#define POTENTIAL_RUN_OPTIONS 48
int potential_run_options(struct potential_settings *s, struct cox_option *table);

/* potential_run_setup.c. Everything up to the first forces, new or from the folder's checkpoint. */
int potential_run_begin(struct potential_run *r, struct cox_err *err) COX_MUST_CHECK;
void potential_run_end(struct potential_run *r);
int potential_run_checkpoint(struct potential_run *r, struct cox_err *err) COX_MUST_CHECK;
/* run.json; takes `result`, which may be NULL. */
int potential_run_record(struct potential_run *r, const char *status, struct cox_json *result,
                         struct cox_err *err) COX_MUST_CHECK;

/* potential_run_loop.c. COX_ECANCELLED after an interrupt, with a checkpoint. */
int potential_run_loop(struct potential_run *r, const atomic_int *interrupted,
                       struct cox_err *err) COX_MUST_CHECK;
/* Prints what came out, or makes JSON of it. */
void potential_run_summary(const struct potential_run *r, bool interrupted);
struct cox_json *potential_run_result(const struct potential_run *r);

/* potential_rdf.c */
struct potential_curves {
    const char *name; /* NULL when there is one only */
    const struct cox_rdf *rdf;
};
/* FILE.csv and FILE.svg, by suffix. */
int potential_rdf_write(const char *path, const struct potential_curves *curves, int n,
                        struct cox_err *err) COX_MUST_CHECK;

#endif
