/* SPDX-License-Identifier: BSD-3-Clause */
/* Observed lifetimes of servers, and models fitted to them. A server stopped by its user is
 * censored: it lived at least so long. Leaving these out, or counting them as taken away,
 * overstates early preemption. */
#ifndef COX_SERVERS_TRACES_H
#define COX_SERVERS_TRACES_H

#include <stdbool.h>

#include "servers/lifetime.h"

struct cox_trace {
    double hours;
    bool preempted; /* else stopped by its user */
};

struct cox_traces {
    int n;
    struct cox_trace *item; /* [n] by time; at equal times the preempted first */
};

/* Copies and sorts. COX_EINVAL for a lifetime that is negative or not finite. */
int cox_traces_create(struct cox_traces *out, const struct cox_trace *items, int n,
                      struct cox_err *err) COX_MUST_CHECK;
/* From a CSV with a header: columns lifetime_h and end (preempted or stopped); others are ignored,
 * and with `column` only rows whose value there is `value` are taken (NULL: all). COX_EFORMAT with
 * file and line. */
int cox_traces_read(struct cox_traces *out, const char *path, const char *column, const char *value,
                    struct cox_err *err) COX_MUST_CHECK;
/* The different values of a column, each once, in their order in the file. */
struct cox_trace_values {
    int n;
    char **item; /* [n], owned */
};
int cox_trace_values_read(struct cox_trace_values *out, const char *path, const char *column,
                          struct cox_err *err) COX_MUST_CHECK;
void cox_trace_values_deinit(struct cox_trace_values *values);
void cox_traces_deinit(struct cox_traces *traces);

/* Kaplan and Meier's estimate at every observed time: cdf[i] is F just after item[i].hours. */
void cox_traces_kaplan_meier(const struct cox_traces *traces, double *cdf);
/* The same as a lifetime, its steps in *array (free with cox_free). What is left after the last
 * observation, where that is of a server that its user stopped, is taken to end there (Efron 1967):
 * the servers that data are of have a limit, and a bag must end. */
int cox_traces_empirical(struct cox_lifetime *out, double **array, const struct cox_traces *traces,
                         struct cox_err *err) COX_MUST_CHECK;
/* The published way, for comparison: the distribution of the preempted alone, (i − 1)/(n − 1) at
 * the i-th. Returns how many there are; time and cdf have room for traces->n. */
int cox_traces_naive(const struct cox_traces *traces, double *time, double *cdf);

/* Least squares of F on (time, cdf) [n] (Levenberg and Marquardt on the logarithms of the
 * parameters), starting from several guesses. *residual is the root mean square. */
int cox_lifetime_fit(struct cox_lifetime *out, enum cox_lifetime_kind kind, const double *time,
                     const double *cdf, int n, double *residual,
                     struct cox_err *err) COX_MUST_CHECK;
/* The largest likelihood of what was seen, censoring and all (Nelder and Mead's simplex on the
 * logarithms), from several guesses and `start` (nullable; of the same kind). */
int cox_lifetime_fit_likelihood(struct cox_lifetime *out, enum cox_lifetime_kind kind,
                                const struct cox_traces *traces, const struct cox_lifetime *start,
                                struct cox_err *err) COX_MUST_CHECK;
/* Σ log f over the preempted + Σ log (1 − F) over the censored; −∞ where the model forbids what was
 * seen. For models with a density. */
double cox_traces_log_likelihood(const struct cox_traces *traces, const struct cox_lifetime *life);
/* Largest distance between the model's F and Kaplan and Meier's, over the observed times. */
double cox_traces_distance(const struct cox_traces *traces, const double *kaplan_meier,
                           const struct cox_lifetime *life);

#endif
