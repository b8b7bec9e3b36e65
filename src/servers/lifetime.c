/* SPDX-License-Identifier: BSD-3-Clause */
#include "servers/lifetime.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

const char *cox_lifetime_name(enum cox_lifetime_kind kind)
{
    static const char *const names[] = {"forever", "exponential", "weibull", "bathtub",
                                        "empirical"};
    return names[kind];
}

int cox_lifetime_check(const struct cox_lifetime *life, struct cox_err *err)
{
    static const int count[] = {0, 1, 2, 4, 0};
    for (int i = 0; i < count[life->kind]; i++)
        if (!(life->p[i] > 0) || !isfinite(life->p[i]))
            return cox_err_set(err, COX_EINVAL, "%s lifetime: parameter %d is %g; must be above 0",
                               cox_lifetime_name(life->kind), i + 1, life->p[i]);
    if (life->kind == COX_LIFETIME_CONSTRAINED && life->p[0] > 1)
        return cox_err_set(err, COX_EINVAL, "bathtub lifetime: A is %g; must be at most 1",
                           life->p[0]);
    for (int i = 0; life->kind == COX_LIFETIME_EMPIRICAL && i < life->n; i++)
        if (!(life->time[i] >= (i ? life->time[i - 1] : 0)) ||
            !(life->cdf[i] >= (i ? life->cdf[i - 1] : 0)) || !(life->cdf[i] <= 1))
            return cox_err_set(err, COX_EINVAL,
                               "empirical lifetime: step %d at %g h to %g; times and shares must "
                               "not fall, shares must not exceed 1",
                               i + 1, life->time[i], life->cdf[i]);
    return COX_OK;
}

/* The constrained model before it is cut off at 1. */
static double bathtub(const double p[4], double t)
{
    return p[0] * (1 - exp(-t / p[1]) + exp((t - p[3]) / p[2]));
}

/* Where the constrained model reaches 1: nobody lives longer. */
static double bathtub_end(const double p[4])
{
    double low = 0;
    double high = p[3] + p[2] * (1 - log(p[0])); /* the last term alone has passed 1 */
    if (high < 0)
        return 0;
    for (int i = 0; i < 200 && high - low > 1e-13 * high; i++) {
        double mid = (low + high) / 2;
        if (bathtub(p, mid) < 1)
            low = mid;
        else
            high = mid;
    }
    return high;
}

/* The number of steps at or before t. */
static int steps_until(const struct cox_lifetime *life, double t)
{
    int low = 0;
    int high = life->n;
    while (low < high) {
        int mid = (low + high) / 2;
        if (life->time[mid] <= t)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

double cox_lifetime_cdf(const struct cox_lifetime *life, double t)
{
    const double *p = life->p;
    int steps;
    if (!(t > 0))
        return 0;
    switch (life->kind) {
    case COX_LIFETIME_EXPONENTIAL:
        return -expm1(-t / p[0]);
    case COX_LIFETIME_WEIBULL:
        return -expm1(-pow(t / p[0], p[1]));
    case COX_LIFETIME_CONSTRAINED:
        return fmin(1, bathtub(p, t));
    case COX_LIFETIME_EMPIRICAL:
        steps = steps_until(life, t);
        return steps ? life->cdf[steps - 1] : 0;
    default:
        return 0;
    }
}

double cox_lifetime_pdf(const struct cox_lifetime *life, double t)
{
    const double *p = life->p;
    if (!(t > 0))
        return 0;
    switch (life->kind) {
    case COX_LIFETIME_EXPONENTIAL:
        return exp(-t / p[0]) / p[0];
    case COX_LIFETIME_WEIBULL:
        return p[1] / p[0] * pow(t / p[0], p[1] - 1) * exp(-pow(t / p[0], p[1]));
    case COX_LIFETIME_CONSTRAINED:
        if (bathtub(p, t) >= 1)
            return 0;
        return p[0] * (exp(-t / p[1]) / p[1] + exp((t - p[3]) / p[2]) / p[2]);
    default:
        return 0;
    }
}

/* ∫_0^t F of the steps. */
static double empirical_integral(const struct cox_lifetime *life, double t)
{
    double sum = 0;
    for (int i = 0; i < life->n && life->time[i] < t; i++) {
        double end = i + 1 < life->n && life->time[i + 1] < t ? life->time[i + 1] : t;
        sum += life->cdf[i] * (end - life->time[i]);
    }
    return sum;
}

/* Gauss and Legendre's five points on equal pieces of u, t = s + (e − s) u³: for the Weibull model,
 * which is smooth but for t = 0, where it rises like t^b; so the pieces are the shorter the nearer
 * to s. The error is below 1e-9 of the interval for b of 0.3 and more. */
static double quadrature(const struct cox_lifetime *life, double s, double e)
{
    static const double x[] = {0, 0.5384693101056831, 0.9061798459386640};
    static const double w[] = {0.5688888888888889, 0.4786286704993665, 0.2369268850561891};
    const int pieces = 64;
    const double half = 1. / (2 * pieces);
    double sum = 0;
    for (int i = 0; i < pieces; i++) {
        double mid = (2 * i + 1) * half;
        for (int k = -2; k <= 2; k++) {
            double u = mid + (k < 0 ? -half : half) * x[abs(k)];
            sum += w[abs(k)] * 3 * u * u * cox_lifetime_cdf(life, s + (e - s) * u * u * u);
        }
    }
    return sum * half * (e - s);
}

static double bathtub_integral(const double p[4], double t)
{
    double inside = bathtub(p, t) < 1 ? t : bathtub_end(p);
    double sum = p[0] * (inside + p[1] * expm1(-inside / p[1]) +
                         p[2] * (exp((inside - p[3]) / p[2]) - exp(-p[3] / p[2])));
    return sum + (t - inside);
}

double cox_lifetime_cdf_integral(const struct cox_lifetime *life, double s, double e)
{
    const double *p = life->p;
    s = fmax(s, 0);
    if (!(e > s))
        return 0;
    switch (life->kind) {
    case COX_LIFETIME_EXPONENTIAL:
        return (e - s) + p[0] * (exp(-e / p[0]) - exp(-s / p[0]));
    case COX_LIFETIME_WEIBULL:
        return quadrature(life, s, e);
    case COX_LIFETIME_CONSTRAINED:
        return bathtub_integral(p, e) - bathtub_integral(p, s);
    case COX_LIFETIME_EMPIRICAL:
        return empirical_integral(life, e) - empirical_integral(life, s);
    default:
        return 0;
    }
}

/* By bisection: F does not fall. */
static double bathtub_quantile(const double p[4], double u)
{
    double low = 0;
    double high = bathtub_end(p);
    if (u <= bathtub(p, 0))
        return 0;
    for (int i = 0; i < 60 && high - low > 1e-12 * high; i++) {
        double mid = (low + high) / 2;
        if (bathtub(p, mid) < u)
            low = mid;
        else
            high = mid;
    }
    return high;
}

static double empirical_quantile(const struct cox_lifetime *life, double u)
{
    int low = 0;
    int high = life->n;
    while (low < high) {
        int mid = (low + high) / 2;
        if (life->cdf[mid] >= u)
            high = mid;
        else
            low = mid + 1;
    }
    return low < life->n ? life->time[low] : INFINITY;
}

double cox_lifetime_quantile(const struct cox_lifetime *life, double u)
{
    const double *p = life->p;
    if (!(u > 0))
        return 0;
    switch (life->kind) {
    case COX_LIFETIME_EXPONENTIAL:
        return -p[0] * log1p(-u);
    case COX_LIFETIME_WEIBULL:
        return p[0] * pow(-log1p(-u), 1 / p[1]);
    case COX_LIFETIME_CONSTRAINED:
        return bathtub_quantile(p, u);
    case COX_LIFETIME_EMPIRICAL:
        return empirical_quantile(life, u);
    default:
        return INFINITY;
    }
}

double cox_lifetime_risk(const struct cox_lifetime *life, double s, double d)
{
    double before = cox_lifetime_cdf(life, s);
    if (!(before < 1))
        return 1;
    return (cox_lifetime_cdf(life, s + d) - before) / (1 - before);
}

double cox_lifetime_loss(const struct cox_lifetime *life, double s, double d)
{
    double before = cox_lifetime_cdf(life, s);
    if (!(before < 1))
        return 0;
    /* by parts: ∫ (t − s) f = d F(s + d) − ∫ F */
    return (d * cox_lifetime_cdf(life, s + d) - cox_lifetime_cdf_integral(life, s, s + d)) /
           (1 - before);
}
