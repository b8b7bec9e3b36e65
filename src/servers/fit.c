/* SPDX-License-Identifier: BSD-3-Clause */
/* Levenberg and Marquardt's method on the logarithms of the parameters, which keeps them positive
 * and makes a step a relative one. At most four parameters: the normal equations are solved
 * directly. */
#include <math.h>
#include <string.h>

#include "servers/traces.h"

#define MOST 4
#define ITERATIONS 500

struct problem {
    enum cox_lifetime_kind kind;
    int p; /* parameters */
    int n;
    const double *time, *cdf;
};

/* The model without its cut at 1, whose corner would stop the descent: where the data end below 1
 * both are the same. */
static double model(const struct problem *q, const double *log_p, double t)
{
    struct cox_lifetime life = {.kind = q->kind};
    for (int i = 0; i < q->p; i++)
        life.p[i] = exp(log_p[i]);
    if (q->kind == COX_LIFETIME_CONSTRAINED)
        life.p[0] = fmin(life.p[0], 1); /* a share */
    if (q->kind == COX_LIFETIME_CONSTRAINED)
        return life.p[0] * (1 - exp(-t / life.p[1]) + exp((t - life.p[3]) / life.p[2]));
    return cox_lifetime_cdf(&life, t);
}

static double cost(const struct problem *q, const double *log_p)
{
    double sum = 0;
    for (int i = 0; i < q->n; i++) {
        double r = model(q, log_p, q->time[i]) - q->cdf[i];
        sum += r * r;
    }
    return isfinite(sum) ? sum : INFINITY;
}

/* JᵀJ and Jᵀr by central differences: the cost of a fit does not matter. */
static void normal_equations(const struct problem *q, const double *log_p, double a[MOST][MOST],
                             double b[MOST])
{
    const double h = 1e-5;
    memset(a, 0, MOST * sizeof a[0]);
    memset(b, 0, MOST * sizeof b[0]);
    for (int i = 0; i < q->n; i++) {
        double j[MOST] = {0};
        double r = model(q, log_p, q->time[i]) - q->cdf[i];
        for (int k = 0; k < q->p; k++) {
            double x[MOST];
            memcpy(x, log_p, sizeof x);
            x[k] += h;
            j[k] = model(q, x, q->time[i]);
            x[k] -= 2 * h;
            j[k] = (j[k] - model(q, x, q->time[i])) / (2 * h);
        }
        for (int k = 0; k < q->p; k++) {
            b[k] -= j[k] * r;
            for (int l = 0; l < q->p; l++)
                a[k][l] += j[k] * j[l];
        }
    }
}

/* Gauss's elimination with pivoting; false when the matrix is singular. */
static bool solve(double a[MOST][MOST], double b[MOST], int n, double x[MOST])
{
    for (int k = 0; k < n; k++) {
        int pivot = k;
        for (int i = k + 1; i < n; i++)
            if (fabs(a[i][k]) > fabs(a[pivot][k]))
                pivot = i;
        if (!(fabs(a[pivot][k]) > 1e-300))
            return false;
        for (int j = 0; j < n; j++) {
            double swap = a[k][j];
            a[k][j] = a[pivot][j];
            a[pivot][j] = swap;
        }
        double swap = b[k];
        b[k] = b[pivot];
        b[pivot] = swap;
        for (int i = k + 1; i < n; i++) {
            double f = a[i][k] / a[k][k];
            for (int j = k; j < n; j++)
                a[i][j] -= f * a[k][j];
            b[i] -= f * b[k];
        }
    }
    for (int k = n - 1; k >= 0; k--) {
        x[k] = b[k];
        for (int j = k + 1; j < n; j++)
            x[k] -= a[k][j] * x[j];
        x[k] /= a[k][k];
    }
    return true;
}

/* Descends from log_p; returns the cost reached. */
static double descend(const struct problem *q, double log_p[MOST])
{
    double now = cost(q, log_p);
    double damping = 1e-3;
    for (int it = 0; it < ITERATIONS && damping < 1e12; it++) {
        double a[MOST][MOST];
        double b[MOST];
        double step[MOST] = {0};
        double next[MOST] = {0};
        normal_equations(q, log_p, a, b);
        for (int k = 0; k < q->p; k++) /* a share held at 1 has no slope: the rest goes on */
            a[k][k] = fmax(a[k][k] * (1 + damping), 1e-12);
        if (!solve(a, b, q->p, step))
            break;
        double longest = 0;
        memcpy(next, log_p, sizeof next);
        for (int k = 0; k < q->p; k++) {
            longest = fmax(longest, fabs(step[k]));
            next[k] += step[k];
        }
        double then = longest < 5 ? cost(q, next) : INFINITY;
        if (then < now) {
            memcpy(log_p, next, sizeof next);
            damping /= 10;
            now = then;
            if (longest < 1e-10)
                break;
        } else {
            damping *= 4;
        }
    }
    return now;
}

int cox_lifetime_fit(struct cox_lifetime *out, enum cox_lifetime_kind kind, const double *time,
                     const double *cdf, int n, double *residual, struct cox_err *err)
{
    static const int parameters[] = {0, 1, 2, 4, 0};
    static const double guesses[][3][MOST] = {
        [COX_LIFETIME_EXPONENTIAL] = {{1}, {10}, {100}},
        [COX_LIFETIME_WEIBULL] = {{10, 1}, {30, 0.5}, {20, 3}},
        [COX_LIFETIME_CONSTRAINED] = {{.4, 1, .8, 24.5}, {.2, 2, .7, 24}, {.3, 1, 7, 22}},
    };
    struct problem q = {kind, parameters[kind], n, time, cdf};
    double best = INFINITY;
    if (!q.p)
        return cox_err_set(err, COX_EINVAL, "the %s lifetime has nothing to fit",
                           cox_lifetime_name(kind));
    if (n <= q.p)
        return cox_err_set(err, COX_EINVAL,
                           "%d lifetimes are too few to fit the %s model: %d or more", n,
                           cox_lifetime_name(kind), q.p + 1);
    *out = (struct cox_lifetime){.kind = kind};
    for (int g = 0; g < 3; g++) {
        double log_p[MOST] = {0};
        for (int i = 0; i < q.p; i++)
            log_p[i] = log(guesses[kind][g][i]);
        double reached = descend(&q, log_p);
        for (int i = 0; reached < best && i < q.p; i++)
            out->p[i] = exp(log_p[i]);
        best = fmin(best, reached);
    }
    if (!isfinite(best))
        return cox_err_set(err, COX_EINVAL, "the %s model does not fit these lifetimes",
                           cox_lifetime_name(kind));
    if (kind == COX_LIFETIME_CONSTRAINED)
        out->p[0] = fmin(out->p[0], 1);
    *residual = sqrt(best / n);
    return cox_lifetime_check(out, err);
}
