/* SPDX-License-Identifier: BSD-3-Clause */
/* Guarantees from held-out rows, whatever the model.
 *
 * Split conformal prediction (Vovk; Lei et al. 2018): from the errors |y − ŷ| of n rows that the
 * model was not trained on, a half-width that covers the next row with probability >= 1 − α (and
 * <= 1 − α + 1/(n + 1) where errors have no ties). That needs rows that are exchangeable with those
 * to come: drawn at random from the same set, before anything was known of them. Points that an
 * acquisition chose are not, and the guarantee is void with them (test_conformal.c shows by how
 * much). Nor are rows that the model was trained on: audits stay out of training for good.
 *
 * Bounds of the failing share: of points whose error was found too large or not in audits drawn at
 * random, how many among all can be too large, exactly, at a given confidence.
 *
 * Threads: all functions are pure. */
#ifndef COX_LEARN_CONFORMAL_H
#define COX_LEARN_CONFORMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"

/* The ⌈(n + 1)(1 − α)⌉-th smallest of n scores, infinity when n is too small for it; 0 < α < 1.
 * `scores` (no NaN; infinity is allowed) are put in another order. */
double cox_conformal_quantile(double *scores, int64_t n, double alpha);
/* The least n that gives a finite quantile: ⌈1/α⌉ − 1 (19 for α = 0.05, 9 for 0.1). */
int64_t cox_conformal_least(double alpha);

enum cox_conformal_kind {
    COX_CONFORMAL_VALUES, /* each output is covered with probability 1 − α, each for itself */
    COX_CONFORMAL_BAND /* with probability 1 − α, a share `share` of a row's outputs is covered
                          at once; share 1: all of them (a simultaneous band) */
};

struct cox_conformal_options {
    enum cox_conformal_kind kind;
    double alpha;        /* 0 < α < 1 */
    double share;        /* 0 < share <= 1, of a row's outputs; only for a band */
    bool normalise;      /* the error of output j counts in units of sd_j + floor · scale_j, not of
                            scale_j: wide where the ensemble disagrees */
    double floor;        /* > 0 with `normalise` */
    const double *scale; /* [m] > 0, what an error of each output is measured by, e.g. the accuracy
                            asked for; NULL: 1. Copied. */
};
#define COX_CONFORMAL_OPTIONS_INIT                                                               \
    {                                                                                            \
        .kind = COX_CONFORMAL_BAND, .alpha = 0.05, .share = 1, .normalise = false, .floor = 0.1, \
        .scale = NULL                                                                            \
    }

/* A calibration. */
struct cox_conformal;
/* From n >= 0 audited rows: y[n][m] (NaN: no value), mean[n][m], and sd[n][m], needed only to
 * normalise. A prediction that is not finite counts as an infinite error. A row without any value
 * is left out. `options` NULL: the defaults. */
int cox_conformal_create(struct cox_conformal **out, const struct cox_conformal_options *options,
                         int64_t n, int m, const double *y, const double *mean, const double *sd,
                         struct cox_err *err) COX_MUST_CHECK;
void cox_conformal_destroy(struct cox_conformal *conformal);
/* width[m]: the half-width of each output at a point with this sd[m] (NULL unless normalised);
 * infinite where there were too few audits. */
void cox_conformal_widths(const struct cox_conformal *conformal, const double *sd, double *width);
/* The quantile of the scores (of output j; a band has one for all), in units of what errors are
 * measured by: with scale = accuracies asked for and no normalising, <= 1 means good enough. */
double cox_conformal_score(const struct cox_conformal *conformal, int j);
/* Rows that count for output j (a band: in all). */
int64_t cox_conformal_rows(const struct cox_conformal *conformal, int j);
/* The score of one row under this calibration's measure: band, over its outputs as above; the
 * row is covered if it is <= cox_conformal_score. NaN: no value. */
double cox_conformal_score_row(const struct cox_conformal *conformal, const double *y,
                               const double *mean, const double *sd);

/* Upper bounds for the share of failing points, at confidence 1 − δ, after v audits, drawn at
 * random, of which k failed. 0 <= k <= v, 0 < δ < 1; 1 when v = 0.
 *
 * Exact for one look (Clopper and Pearson 1934): points drawn independently. */
double cox_audit_bound(int64_t v, int64_t k, double delta);
/* For a finite set, of which v points were audited and `unaudited` were not: drawn without
 * replacement (hypergeometric). The most points that fail among the unaudited ones. */
int64_t cox_audit_bound_count(int64_t unaudited, int64_t v, int64_t k, double delta);
/* The same two for a bound that is looked at again and again as audits come, and stopped by: true
 * at all v at once with probability 1 − δ (Robbins 1970; Waudby-Smith and Ramdas 2020). A bag that
 * ends as soon as the bound is low enough must use these; the others would then promise too much.
 */
double cox_audit_bound_always(int64_t v, int64_t k, double delta);
int64_t cox_audit_bound_count_always(int64_t unaudited, int64_t v, int64_t k, double delta);

#endif
