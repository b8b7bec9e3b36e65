/* SPDX-License-Identifier: BSD-3-Clause */
/* The surrogate of a sweep: which point is simulated next, when predictions may be served, and when
 * the sweep is complete. Knows points and values, neither processes nor files (but its models'):
 * the whole behaviour can be tried out on a function in memory (test_surrogate.c).
 *
 * A prediction's score is |y − ŷ| divided by the accuracy wanted of it; of a profile the `bins`
 * quantile over its values; of a point the largest over its outputs. So 1 is "just good enough".
 * Audits are points in a random order drawn once, whatever the acquisition wants, which picks as if
 * there were none: so their scores, and only theirs, are exchangeable with those of the points that
 * will be served (docs/surrogate.md). The conformal
 * quantile q of their scores (divided by the ensemble's spread, learn/conformal.h) gives each point
 * its half-width. Served is what lies inside the hull of what was simulated, where σ is within
 * `surrogate.spread` and the half-width within 1. The sweep is complete when, at the coverage
 * wanted, at most `targets.failing` of the served points can be bad.
 *
 * One thread, but for training, which runs in a thread of its own on a copy. */
#ifndef COX_SWEEP_SURROGATE_H
#define COX_SWEEP_SURROGATE_H

#include <stdbool.h>

#include "store/ledger.h"
#include "sweep/points.h"

struct cox_surrogate;

/* What a sweep takes at least, for plans: results before the first training, of n points with d
 * features; and audits without a failure before M points off the path can be promised. */
int cox_surrogate_first(const struct cox_sweep_settings *settings, int n, int d);
int cox_surrogate_least_audits(const struct cox_sweep_settings *settings, int M);

/* settings and points are borrowed. threads: of training and prediction. */
int cox_surrogate_create(struct cox_surrogate **out, const struct cox_sweep_settings *settings,
                         const struct cox_points *points, int threads,
                         struct cox_err *err) COX_MUST_CHECK;
void cox_surrogate_destroy(struct cox_surrogate *surrogate); /* stops a training first */

struct cox_pick {
    int point;
    enum cox_purpose purpose;
};
/* What to simulate next, at most `most`, best first; the count. 0: nothing may start before a
 * result or a training ends, or the sweep is complete. They count as under way from now on. Without
 * surrogate: the points in their order. */
int cox_surrogate_choose(struct cox_surrogate *surrogate, int most, struct cox_pick *picks);
/* As found in the ledger on resume, or once its simulation ended. `first` [n_outputs + 1]; the
 * first result fixes how many values there are: COX_EFORMAT saying which output has another number.
 * If the point was an audit or had been predicted, its score counts. `seconds`: of the simulation.
 */
int cox_surrogate_add(struct cox_surrogate *surrogate, int point, enum cox_purpose purpose,
                      const double *value, const double *error, const int *first, double seconds,
                      struct cox_err *err) COX_MUST_CHECK;
void cox_surrogate_failed(struct cox_surrogate *surrogate, int point);   /* never chosen again */
void cox_surrogate_returned(struct cox_surrogate *surrogate, int point); /* preempted or retried
    by the caller: no longer under way, may be chosen again; an audit stays an audit */
void cox_surrogate_under_way(struct cox_surrogate *surrogate, int point, enum cox_purpose purpose);

/* Training in the background: `due` says whether there is reason to; begin starts it; fd is
 * readable when it ended; end takes it over (scores, trust and choices are then those of the new
 * model) and says what came of it. */
bool cox_surrogate_due(const struct cox_surrogate *surrogate);
int cox_surrogate_train_begin(struct cox_surrogate *surrogate, struct cox_err *err) COX_MUST_CHECK;
int cox_surrogate_train_fd(const struct cox_surrogate *surrogate);
bool cox_surrogate_training(const struct cox_surrogate *surrogate);
int cox_surrogate_train_end(struct cox_surrogate *surrogate, struct cox_ledger_model *out,
                            struct cox_err *err) COX_MUST_CHECK;
/* The present model with its conformal quantiles and hull, for `cox sweep predict`; and back, for
 * resume (the audits' scores come from the ledger's results by cox_surrogate_add). */
int cox_surrogate_save(const struct cox_surrogate *surrogate, const char *path,
                       struct cox_err *err) COX_MUST_CHECK;
int cox_surrogate_load(struct cox_surrogate *surrogate, const char *path,
                       struct cox_err *err) COX_MUST_CHECK;

struct cox_surrogate_state {
    bool trusted;  /* predictions may be served */
    bool complete; /* nothing needs to be simulated any more: see `why` */
    char why[200]; /* one sentence: complete because …, or not yet because … */
    int simulated, under_way, failed, servable, audits, audits_failed;
    double half_width;    /* median over the points not simulated, in units of the accuracy */
    double failing_bound; /* of the share of served points that are bad, at the coverage */
    double error;         /* median score of the last points before they were learned, NaN: none */
    double t_learn;       /* seconds of all training so far */
    double t_lookup;      /* seconds of one prediction, measured */
    int best;             /* objective: the best simulated point, -1 */
    double best_value;
};
void cox_surrogate_state(const struct cox_surrogate *surrogate, struct cox_surrogate_state *out);

/* Of any inputs (features, struct cox_points), of n rows: values, half-widths at the coverage and σ
 * [n][n_values]; served[n]: whether the switching rule would serve it; score[n] the half-width in
 * units of the accuracy; both are infinite where there are too few audits, and with an objective,
 * whose audits are learned from. NULL where not wanted. COX_EUNSUPPORTED without a model. */
int cox_surrogate_predict(const struct cox_surrogate *surrogate, int n, const double *feature,
                          double *value, double *half_width, double *spread, bool *served,
                          double *score, struct cox_err *err) COX_MUST_CHECK;
int cox_surrogate_values(const struct cox_surrogate *surrogate); /* n_values; 0: not known yet */

#endif
