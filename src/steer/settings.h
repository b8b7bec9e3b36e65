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

enum cox_coordination { COX_SEQUENTIAL, COX_STREAMING };
enum cox_sampling { COX_SAMPLING_MIXED, COX_SAMPLING_NEWEST, COX_SAMPLING_RESERVOIR };
enum cox_transport { COX_TRANSPORT_AUTO, COX_TRANSPORT_IPC, COX_TRANSPORT_TCP };
enum cox_executor_choice { COX_EXECUTOR_AUTO, COX_EXECUTOR_LOCAL, COX_EXECUTOR_SLURM };
enum cox_velocities { COX_VELOCITIES_REDRAW, COX_VELOCITIES_KEEP };
enum cox_outlier_method {
    COX_OUTLIERS_NONE,
    COX_OUTLIERS_DBSCAN,
    COX_OUTLIERS_LOF,
    COX_OUTLIERS_KNN
};
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
    int sampling; /* enum cox_sampling */
    double validation_fraction;
    double publish_tolerance; /* streaming */
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
    int window;     /* derived when left out: 8000 sequential, 80000 streaming */
    int velocities; /* enum cox_velocities */
    bool random_order;
    double stale_ps; /* streaming; 0: off */
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

/* coordination: streaming only. */
struct cox_settings_streaming {
    int simulations; /* worker processes; 0: see cox_settings_simulations */
    int aggregators;
    int window_frames;      /* of each simulation, unacknowledged */
    int train_first_frames; /* both derived when left out: as many as sequential rounds bring */
    int train_after_frames;
    int learn_cores_max;
    double silence_s, heartbeat_s;
    int restarts; /* of each task */
    double checkpoint_s;
    bool compress;
    int transport;                                        /* enum cox_transport */
    struct cox_config_texts train_command, agent_command; /* n 0: our own roles */
};

struct cox_settings_runtime {
    int executor; /* enum cox_executor_choice */
    struct cox_config_texts wrapper;
};

struct cox_settings_slurm {
    const char *partition, *account; /* NULL: the cluster's default */
    int nodes, cores_per_node;       /* cores_per_node 0: whole nodes */
    double time_minutes;
    struct cox_config_texts extra; /* more lines for #SBATCH */
    bool requeue;
};

struct cox_settings {
    const char *title;
    const char *system;
    struct cox_config_texts starts;
    const char *output;
    int64_t seed;
    int coordination; /* enum cox_coordination */
    bool control;
    struct cox_settings_reference reference;
    struct cox_settings_simulation simulation;
    struct cox_settings_features features;
    struct cox_settings_learn learn;
    struct cox_settings_agent agent;
    struct cox_settings_streaming streaming;
    struct cox_settings_runtime runtime;
    struct cox_settings_slurm slurm;
    struct cox_settings_stop stop;
};

extern const struct cox_config_schema cox_settings_schema;

/* Reads and checks a file, then the `assignments` ("agent.explore=0.5", n of them). Everything that
 * can be known without opening the system is checked here; errors carry file:line:column. */
int cox_settings_load(struct cox_settings *out, struct cox_config **config, const char *path,
                      const char *const *assignments, int n, struct cox_arena *arena,
                      struct cox_err *err) COX_MUST_CHECK;

/* Simulation workers of a streaming run on `cores` cores: streaming.simulations, or with 0 one per
 * core, but no more than there are vectors of `lane_width` replicas to fill; never more than
 * replicas. */
int cox_settings_simulations(const struct cox_settings *settings, int cores, int lane_width);
/* How the replicas are dealt: worker w of `workers` has lanes *first … *first + *n − 1. Even shares
 * that differ by one at most, and n >= 1 as long as workers <= replicas. */
void cox_settings_lanes(const struct cox_settings *settings, int workers, int worker, int *first,
                        int *n);

#endif
