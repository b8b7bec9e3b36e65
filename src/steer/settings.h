/* SPDX-License-Identifier: BSD-3-Clause */
/* The settings of a steered run: what `cox run FILE.yaml` reads. The table in settings.c is the
 * only description of the keys: parser, messages, `--explain` and docs/config.md all come from it.
 */
#ifndef COX_STEER_SETTINGS_H
#define COX_STEER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "cox/err.h"

enum cox_velocities { COX_VELOCITIES_REDRAW, COX_VELOCITIES_KEEP };
enum cox_outlier_method { COX_OUTLIERS_NONE, COX_OUTLIERS_DBSCAN, COX_OUTLIERS_LOF };
enum cox_direction { COX_MINIMISE, COX_MAXIMISE };
enum cox_space { COX_SPACE_LATENT, COX_SPACE_DISTANCES };

struct cox_settings_simulation {
    int engine; /* index into the list of kinds */
    int replicas, threads;
    double temperature_K, timestep_fs, friction_per_ps, hydrogen_mass_u;
    bool constrain_hydrogens;
    int slow_every;
    double segment_ps, frame_ps;
    int minimize_steps;
    bool save_velocities; /* derived: agent.velocities is keep */
};

struct cox_settings_reference {
    const char *path;
    int model;
    const char *selection;
};

struct cox_settings_features {
    const char *selection;
    double contact_cutoff_A;
    struct cox_config_texts observables;
};

struct cox_settings_learn {
    bool enabled;
    struct cox_config_ints filters, strides;
    int kernel, dense, latent;
    double dropout, learning_rate;
    int batch, epochs_first, epochs, retrain_every;
    int max_samples;
    double validation_fraction;
    const char *init_from;
};

struct cox_settings_agent {
    bool enabled;
    int outliers; /* enum cox_outlier_method */
    int space;    /* enum cox_space */
    int min_samples;
    double outliers_min, outliers_max; /* shares of the window */
    int lof_neighbours;
    const char *objective; /* NULL: novelty only */
    int direction;
    double explore;
    double diversity_A;
    int max_reuse;
    double restart, unsteered;
    int window;
    int velocities; /* enum cox_velocities */
    bool random_order;
};

struct cox_settings_target {
    double rmsd_A, lanes;
    int segments;
};

struct cox_settings_convergence {
    double new_states_per_ns;
    int rounds;
    double state_radius_A;
};

struct cox_settings_stop {
    double simulated_ns, wall_minutes;
    int rounds;
    struct cox_settings_target target;
    struct cox_settings_convergence convergence;
};

struct cox_settings {
    const char *title;
    const char *system;
    struct cox_config_texts starts;
    const char *output;
    int64_t seed;
    int coordination;
    bool control;
    struct cox_settings_reference reference;
    struct cox_settings_simulation simulation;
    struct cox_settings_features features;
    struct cox_settings_learn learn;
    struct cox_settings_agent agent;
    struct cox_settings_stop stop;
};

extern const struct cox_config_schema cox_settings_schema;

/* Reads and checks a file, then the `assignments` ("agent.explore=0.5", n of them). Everything that
 * can be known without opening the system is checked here; errors carry file:line:column. */
int cox_settings_load(struct cox_settings *out, struct cox_config **config, const char *path,
                      const char *const *assignments, int n, struct cox_arena *arena,
                      struct cox_err *err) COX_MUST_CHECK;

#endif
