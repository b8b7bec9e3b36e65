/* SPDX-License-Identifier: BSD-3-Clause */
/* The surrogate's inside, for src/sweep/surrogate*.c. The method and why it is valid:
 * docs/surrogate.md.
 *
 * Three sets of points. The *path*: chosen by the initial design and the acquisition, in that
 * order, as if there were no audits; only they are trained on. The *audits*: a random permutation
 * of all points, drawn once from the seed; whoever is next in it and not on the path is simulated
 * as an audit. An audit that the path reaches is handed over to it. So the path, and with it every
 * model, is independent of the permutation, and the audits that are left are at any time a uniform
 * sample of the points that are not on the path. The *known*: whatever has a result, for whatever
 * reason. */
#ifndef COX_SWEEP_SURROGATE_INTERNAL_H
#define COX_SWEEP_SURROGATE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/rng.h"
#include "base/team.h"
#include "learn/hull.h"
#include "learn/regressor.h"
#include "sweep/acquire.h"
#include "sweep/surrogate.h"

/* Streams of random numbers. */
enum {
    COX_SURROGATE_STREAM_AUDITS = 1,
    COX_SURROGATE_STREAM_DESIGN,
    COX_SURROGATE_STREAM_PATH,
};

struct cox_surrogate_point {
    double *value, *error, *score; /* [n_values], [n_values], [n_outputs]: one block; NULL: unknown.
                                      Scores are of the present model. */
    bool under_way, failed, path, row; /* row: among the rows of a training */
    unsigned char purpose;
};

struct cox_surrogate_model {
    struct cox_regressor *regressor;
    struct cox_regressor_workspace *workspace;
    struct cox_hull *hull; /* NULL: not asked for */
    double *accuracy;      /* [n_values] what a prediction's error is measured by */
    float *spread;         /* [N] σ of a point in accuracies, sweep/surrogate_score.c; NULL: not
                              worked out yet, the model was loaded */
    unsigned char *inside; /* [N] of the hull */
    float *mean, *sd;      /* [N] of the objective's output; NULL: none */
    struct cox_ledger_model told;
    double t_lookup;
    int n_rows; /* known results on the path when it was trained */
    int look;   /* its number among the models that were put to the test; 0: not yet */
};

/* A training under way: its own copies of all it needs. */
struct cox_surrogate_job {
    pthread_t thread;
    bool running;
    atomic_int stop;
    int fd; /* eventfd */
    int n, epochs;
    double worth;          /* seconds that it may take to fit the rows well */
    double *x, *y, *error; /* [n][…] */
    struct cox_surrogate_model *model;
    int rc;
    struct cox_err err;
};

#define COX_SURROGATE_RECENT 20 /* results on the path whose scores are remembered */

struct cox_surrogate {
    const struct cox_sweep_settings *settings;
    const struct cox_points *points;
    int n, d;
    double *unit; /* [n][d] features scaled to [0, 1] */
    struct cox_surrogate_point *point;
    int n_outputs, n_values;
    int *first;      /* [n_outputs + 1]; NULL before the first result */
    double *scratch; /* [n_values] */
    int objective;   /* index of its output; -1 */

    int known, under_way, failed;
    int cursor;       /* without surrogate: points before it were looked at */
    int *permutation; /* [n] */
    int *path;        /* [n], in order */
    int n_path;
    int *rows; /* [n] in the order of the training */
    int n_rows;
    int *list; /* [n] what the path takes next */
    int n_list, next;
    int returned; /* points of the path that came back without a result */
    struct cox_rng rng;

    struct cox_surrogate_model *model; /* NULL: none yet */
    struct cox_surrogate_job job;
    struct cox_team *team;
    int looks;                           /* models that were put to the test so far */
    double look_rows;                    /* that the last of them had learned */
    double recent[COX_SURROGATE_RECENT]; /* scores on the path before they were learned */
    int n_recent;                        /* ever */
    double z2[COX_SURROGATE_RECENT];     /* objective: squared errors in units of σ */
    int n_z2;
    int quiet;             /* models in a row that expect no improvement */
    double t_learn, t_sim; /* seconds: of all trainings; of all simulations */

    /* surrogate_trust.c, valid unless `stale`. */
    bool stale;
    bool trusted, complete, refuted, want_audits, want_rest;
    int audits, audits_failed, servable, must;
    int audit_target;       /* audits that would do, if no further one fails */
    double *scratch_points; /* [n] */
    double q;               /* quantile of score / (σ + floor) */
    double *q_output;       /* [n_outputs] likewise of each output */
    double half_width, failing_bound;
    char why[200];
};

/* Half-widths are q (σ + floor), in accuracies: σ says where errors are larger, but not so well
 * that a point of half the spread should be trusted to half the error. */
#define COX_SURROGATE_FLOOR 1.0

/* surrogate.c: the values of each output, of the first result or of a model; COX_EFORMAT where they
 * are others. */
int cox_surrogate_shape(struct cox_surrogate *s, const int *first,
                        struct cox_err *err) COX_MUST_CHECK;

/* surrogate_score.c */
/* Scores of one point's values against a prediction: [n_outputs], NaN where no accuracy is asked.
 */
void cox_surrogate_scores(const struct cox_surrogate *s, const double *accuracy,
                          const double *value, const double *error, const double *mean,
                          double *scratch, double *score);
/* The largest; NaN: none. */
double cox_surrogate_worst(const struct cox_surrogate *s, const double *score);
/* Of standard deviations, in accuracies: of each output into `each` (may be NULL); the largest. */
double cox_surrogate_spread(const struct cox_surrogate *s, const double *accuracy, const double *sd,
                            double *scratch, double *each);
/* [n_values] from n rows of values and errors. */
void cox_surrogate_accuracy(const struct cox_surrogate *s, int n, const double *value,
                            const double *error, double *accuracy);
/* Whether output o is one whose accuracy counts. */
bool cox_surrogate_wanted(const struct cox_surrogate *s, int o);
/* surrogate_train.c: scores of points[n], known, under the present model; of all audits. */
int cox_surrogate_rescore(struct cox_surrogate *s, int n, const int *points,
                          struct cox_err *err) COX_MUST_CHECK;
int cox_surrogate_rescore_audits(struct cox_surrogate *s, struct cox_err *err) COX_MUST_CHECK;

/* surrogate_trust.c */
void cox_surrogate_refresh(struct cox_surrogate *s);
/* Whether the present model lets a point with this hull and spread be served. */
bool cox_surrogate_in_reach(const struct cox_surrogate *s, bool inside, double spread);
/* Whether the results of the path were foreseen well enough to put a model to the test. */
bool cox_surrogate_promising(const struct cox_surrogate *s);
void cox_surrogate_remember(struct cox_surrogate *s, int p);
/* Upper bound of the failing ones among M points of which v, drawn at random, were audited and k
 * failed; true at all v at once with probability 1 − delta. */
int cox_surrogate_bound(int M, int v, int k, double delta);

/* surrogate_choose.c */
void cox_surrogate_take(struct cox_surrogate *s, int p); /* onto the path */
/* surrogate_objective.c */
/* What is expected of points[n]. */
void cox_surrogate_improvements(const struct cox_surrogate *s, int n, const int *points,
                                double *out);
void cox_surrogate_objective_model(struct cox_surrogate *s);
void cox_surrogate_objective_state(struct cox_surrogate *s);
int cox_surrogate_best(const struct cox_surrogate *s);

/* surrogate_train.c */
void cox_surrogate_model_destroy(struct cox_surrogate_model *model);
void cox_surrogate_job_stop(struct cox_surrogate_job *job);
/* Spread, hull and the objective's mean of all points; on whatever thread. */
int cox_surrogate_survey(const struct cox_surrogate *s, struct cox_surrogate_model *model,
                         const atomic_int *stop, struct cox_err *err) COX_MUST_CHECK;
int cox_surrogate_first_count(const struct cox_surrogate *s);

#endif
