/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a transient server lives: models of the lifetime's distribution, in hours. Pluggable,
 * because providers change: the "bathtub" of 2019 ended at 24 h, spot servers of today do not. */
#ifndef COX_SERVERS_LIFETIME_H
#define COX_SERVERS_LIFETIME_H

#include <stdbool.h>

#include "cox/err.h"

enum cox_lifetime_kind {
    COX_LIFETIME_FOREVER,     /* bought on demand: never taken away */
    COX_LIFETIME_EXPONENTIAL, /* F = 1 − exp(−t/a) */
    COX_LIFETIME_WEIBULL,     /* F = 1 − exp(−(t/a)^b) */
    COX_LIFETIME_CONSTRAINED, /* F = A(1 − exp(−t/τ1) + exp((t − b)/τ2)): Kadupitiya, Jadhao,
                                 Sharma, HPDC'20, eq. 1; 1 from where it reaches 1 */
    COX_LIFETIME_EMPIRICAL    /* steps, as Kaplan and Meier's estimate */
};

struct cox_lifetime {
    enum cox_lifetime_kind kind;
    double p[4];              /* exponential a; Weibull a, b; constrained A, τ1, τ2, b */
    int n;                    /* empirical: steps */
    const double *time, *cdf; /* [n] ascending, borrowed; F(t) = cdf[i] for time[i] <= t */
};

/* The name in files and on the command line: "bathtub" for the constrained one. */
const char *cox_lifetime_name(enum cox_lifetime_kind kind);
/* Parameters in their range. COX_EINVAL naming the one that is not. */
int cox_lifetime_check(const struct cox_lifetime *life, struct cox_err *err) COX_MUST_CHECK;

/* F(t): the probability to be gone by age t; 0 for t <= 0. */
double cox_lifetime_cdf(const struct cox_lifetime *life, double t);
/* dF/dt; 0 where the model has none (forever, empirical, beyond the end). */
double cox_lifetime_pdf(const struct cox_lifetime *life, double t);
/* ∫_s^e F dt: with it come expected ages and losses without numerical differentiation. */
double cox_lifetime_cdf_integral(const struct cox_lifetime *life, double s, double e);
/* The age by which a share u of servers is gone; infinity where that never happens. For u uniform
 * in (0, 1) a draw of the lifetime. */
double cox_lifetime_quantile(const struct cox_lifetime *life, double u);

/* Of a server that has reached age s: the probability to be gone by s + d; 1 where none reaches s.
 */
double cox_lifetime_risk(const struct cox_lifetime *life, double s, double d);
/* … and, times that probability, how long after s it goes: ∫_s^{s+d} (t − s) f dt / (1 − F(s)). */
double cox_lifetime_loss(const struct cox_lifetime *life, double s, double d);

#endif
