/* SPDX-License-Identifier: BSD-3-Clause */
/* The settings of a sweep: what `cox sweep` reads from a bag.yaml. The tables in settings.c are the
 * only description of the keys: parser, messages, `--explain` and docs/bag.md all come from them.
 */
#ifndef COX_SWEEP_SETTINGS_H
#define COX_SWEEP_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "cox/err.h"
#include "sweep/settings_servers.h"

/* One input. Exactly one of `values`, `choices` and `range` is given. */
struct cox_sweep_parameter {
    const char *name; /* letters, digits, _: stands in braces in the job's arguments and files */
    const char *unit; /* NULL: none; for figures and messages only */
    struct cox_config_doubles values; /* a list of numbers */
    struct cox_config_texts choices;  /* a list of words: a category, one-hot for the surrogate */
    struct cox_config_doubles range;  /* [from, to] */
    int steps;                        /* of a range in a grid: from, …, to */
    bool log;                         /* spaced and drawn evenly in the logarithm */
    bool whole;                       /* rounded to whole numbers */
};

enum cox_sweep_design {
    COX_DESIGN_GRID,   /* every combination */
    COX_DESIGN_RANDOM, /* `points` of them, evenly in the ranges, or drawn from the lists */
    COX_DESIGN_SOBOL,  /* likewise, a scrambled Sobol sequence */
    COX_DESIGN_FILE    /* the rows of a CSV whose header has the parameters' names */
};
struct cox_settings_design {
    int kind; /* enum cox_sweep_design */
    int points;
    const char *file;
};

struct cox_settings_job {
    struct cox_config_texts command; /* argv; placeholders as in sweep/job.h; one item: words as a
                                        shell would split them (sweep/job_command.h) */
    struct cox_config_texts
        resume; /* argv after a preemption, in the same directory; n 0: `command` */
    struct cox_config_texts files; /* templates: copied into the job's directory, placeholders
                                      replaced, a last suffix ".in" or ".template" dropped */
    struct cox_config_texts
        links; /* files as they are: linked into the directory; part of the key */
    struct cox_config_texts keep; /* patterns of files kept of a finished job; n 0: all */
    int cores;
    double memory_gb;
    double limit_minutes;      /* killed after it; NaN: none */
    double expected_minutes;   /* before any has run; NaN: unknown */
    double spread;             /* relative standard deviation of that */
    double checkpoint_minutes; /* δ: what a checkpoint costs; NaN: the job writes none */
    int retries;               /* after failures; preemptions do not count */
    double grace_s;            /* between SIGTERM and SIGKILL */
};

/* How one output is read from a finished job's directory. Exactly one of csv, json, hdf5 and text.
 */
struct cox_sweep_output {
    const char *name;
    const char *unit;
    const char *csv, *json, *hdf5, *text; /* file in the job's directory; text: a log or the like */
    const char *column, *error_column;    /* csv: name or number from 1 */
    int row;                              /* csv: 1 the first, -1 the last; unset: all, a profile */
    const char *key, *error_key;          /* json: "a.b[2]"; hdf5: dataset; a list is a profile */
    const char *match, *error_match;      /* text: POSIX extended regular expression, first group */
    double accuracy;          /* wanted of a prediction, in the output's unit; NaN: none */
    double relative_accuracy; /* … as a share of the range seen so far */
    bool within_error;        /* … as the simulation's own error bar, where it is larger */
    double bins;              /* of a profile: share of values that must be so accurate */
    bool ignore;              /* recorded, but not for the surrogate */
};

struct cox_settings_targets {
    double coverage; /* 1 − α of every statement about predictions */
    double failing;  /* complete when at most this share of predictions may miss its accuracy */
    int jobs;        /* m of n: ends when so many points are known; 0: all */
    double budget;   /* USD of servers, or core hours where no server has a price; NaN: none */
    double deadline_hours; /* wall time; NaN: none */
};

struct cox_settings_surrogate {
    bool enabled;
    int members;
    struct cox_config_ints hidden;       /* units of each hidden layer */
    struct cox_config_texts activations; /* relu, sigmoid, tanh: of each */
    double dropout, learning_rate;
    int batch, epochs_first, epochs;
    int first;         /* results before the first training; 0: chosen from the number of inputs */
    int retrain_every; /* new results between trainings; 0: chosen (a tenth of what is there) */
    double audit;      /* share of simulations that are a random audit */
    int audits_min;    /* before any prediction is served */
    double spread;     /* ensemble σ allowed, as a share of the accuracy */
    bool hull;         /* predictions only inside the hull of what was simulated */
};

enum cox_acquisition {
    COX_ACQUIRE_RANDOM,
    COX_ACQUIRE_SPACE,     /* farthest from what is known: maximin */
    COX_ACQUIRE_VARIANCE,  /* where the ensemble disagrees most */
    COX_ACQUIRE_INTEGRATED /* where a simulation lowers the variance over all points most */
};
struct cox_settings_acquisition {
    int kind;  /* enum cox_acquisition */
    int batch; /* picked at a time; 0: as many as run side by side */
};

enum cox_objective_kind {
    COX_OBJECTIVE_NONE,
    COX_OBJECTIVE_MINIMISE,
    COX_OBJECTIVE_MAXIMISE,
    COX_OBJECTIVE_REACH
};
struct cox_settings_objective {
    int kind;           /* enum cox_objective_kind */
    const char *output; /* a scalar one */
    double value;       /* of reach */
    double tolerance;   /* reached when so near; minimise, maximise: ends when the expected
                           improvement is below it; left out: the output's
                           accuracy, else 0 */
};

struct cox_settings_sweep_runtime {
    int executor; /* auto, local, slurm: as in cox run */
    int cores;    /* at most; 0: all */
};

struct cox_sweep_settings {
    const char *title;
    const char *output; /* directory; NULL: beside the file */
    const char *folder; /* of the bag.yaml, absolute: {bag}; kept by SWEEP/config.yaml */
    int64_t seed;
    struct cox_config_sections parameters; /* struct cox_sweep_parameter */
    struct cox_settings_design design;
    struct cox_settings_job job;
    struct cox_config_sections outputs; /* struct cox_sweep_output */
    struct cox_settings_targets targets;
    struct cox_settings_surrogate surrogate;
    struct cox_settings_acquisition acquisition;
    struct cox_settings_objective objective;
    struct cox_settings_servers servers;
    struct cox_settings_sweep_runtime runtime;
};

extern const struct cox_config_schema cox_sweep_settings_schema;

/* Reads and checks everything that can be checked without running a job: names, placeholders in
 * templates, that files exist, combinations of keys. COX_EINVAL with file:line:column. Fills in
 * what is decided from other keys: design.kind, folder, objective.tolerance. */
int cox_sweep_settings_load(struct cox_sweep_settings *settings, struct cox_config **config,
                            const char *path, const char *const *set, int n_set,
                            struct cox_arena *arena, struct cox_err *err) COX_MUST_CHECK;
/* The same without a look at the files that it names (templates, links, a design's CSV), which may
 * be gone: for looking at a sweep by its SWEEP/config.yaml. */
int cox_sweep_settings_view(struct cox_sweep_settings *settings, struct cox_config **config,
                            const char *path, struct cox_arena *arena,
                            struct cox_err *err) COX_MUST_CHECK;

#endif
