/* SPDX-License-Identifier: BSD-3-Clause */
/* The points of a sweep: the table of inputs, in the order of the design. */
#ifndef COX_SWEEP_POINTS_H
#define COX_SWEEP_POINTS_H

#include "base/str.h"
#include "cox/err.h"
#include "sweep/settings.h"

struct cox_points {
    int n;          /* points */
    int n_inputs;   /* parameters */
    int n_features; /* numbers that the surrogate sees: one per number (its logarithm where `log`),
                       one per word of a category */
    const struct cox_sweep_parameter *parameter; /* [n_inputs], borrowed from the settings */
    double *x;       /* [n][n_inputs], owned; of a category the index of the word */
    double *feature; /* [n][n_features], owned */
};

/* COX_EINVAL with file:line:column; more than 1e7 points are refused, and a point that stands twice
 * in the design is kept once. */
int cox_points_create(struct cox_points *out, const struct cox_sweep_settings *settings,
                      const struct cox_config *config, struct cox_err *err) COX_MUST_CHECK;
void cox_points_deinit(struct cox_points *points);
/* A CSV that a design of kind `file` reads back as these points, in this order. */
int cox_points_write(const struct cox_points *points, const char *path,
                     struct cox_err *err) COX_MUST_CHECK;
/* The features of inputs that need not be in the design, for `predict`. */
void cox_points_features(const struct cox_points *points, const double *x, double *feature);
/* "h=4.1 c=0.55"; the fewest digits that give the value back. */
void cox_points_describe(const struct cox_points *points, const double *x, struct cox_str *out);
/* From "4.1" or a word: the value of parameter p; numbers also between those of a list. COX_EINVAL
 * naming what is allowed. */
int cox_points_parse(const struct cox_points *points, int p, const char *text, double *value,
                     struct cox_err *err) COX_MUST_CHECK;

#endif
