/* SPDX-License-Identifier: BSD-3-Clause */
/* Acquisitions (docs/surrogate.md).
 *
 * Variance and integrated variance use the covariance of the members' predictions, averaged over
 * the values, times a correlation that falls with distance: K members give a covariance of rank
 * K − 1 only, which a few picks would use up, and spurious covariance between far points; the
 * product with a local correlation mends both, as in ensemble Kalman filters (Houtekamer and
 * Mitchell 2001). Greedy picks, each of which conditions what is left:
 * C ← C − c cᵀ/(C_pp + noise). */
#include "sweep/acquire.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define NOISE 0.01 /* variance of a simulation in units of the accuracy: a tenth of it, squared */

static double square_distance(const double *a, const double *b, int d)
{
    double sum = 0;
    for (int f = 0; f < d; f++)
        sum += (a[f] - b[f]) * (a[f] - b[f]);
    return sum;
}

static int acquire_random(const struct cox_candidates *c, int most, struct cox_rng *rng, int *picks)
{
    /* Floyd's sample, in the order of the draws (Bentley and Floyd 1987); most is small */
    int n = 0;
    for (int j = c->n - most; j < c->n; j++) {
        int t = (int)cox_rng_below(rng, (uint32_t)j + 1);
        for (int i = 0; i < n; i++)
            if (picks[i] == t) {
                t = j;
                break;
            }
        picks[n++] = t;
    }
    cox_rng_shuffle(rng, picks, n);
    return n;
}

static int acquire_space(const struct cox_candidates *c, int most, int *picks, struct cox_err *err)
{
    const size_t d = (size_t)c->n_features;
    double *nearest = cox_alloc((size_t)c->n, sizeof *nearest);
    int n = 0;
    if (!nearest)
        return cox_err_set(err, COX_ENOMEM, "%d candidates: out of memory", c->n);
    for (int i = 0; i < c->n; i++) {
        nearest[i] = INFINITY;
        for (int j = 0; j < c->n_known; j++)
            nearest[i] = fmin(nearest[i], square_distance(c->feature + (size_t)i * d,
                                                          c->known + (size_t)j * d, c->n_features));
    }
    while (n < most) {
        int far = -1;
        for (int i = 0; i < c->n; i++)
            if (nearest[i] >= 0 && (far < 0 || nearest[i] > nearest[far]))
                far = i;
        if (far < 0)
            break;
        picks[n++] = far;
        nearest[far] = -1; /* taken */
        for (int i = 0; i < c->n; i++)
            if (nearest[i] >= 0)
                nearest[i] =
                    fmin(nearest[i], square_distance(c->feature + (size_t)i * d,
                                                     c->feature + (size_t)far * d, c->n_features));
    }
    cox_free(nearest);
    return n;
}

/* ---- from the members' covariance ---- */

struct field {
    const struct cox_candidates *c;
    double *deviation; /* [n][values · members] from the members' mean, over √(values (K − 1)) */
    int width;
    double scale; /* 1/(2 ℓ²) of the local correlation */
};

static int field_init(struct field *f, const struct cox_candidates *c, struct cox_err *err)
{
    const size_t K = (size_t)c->members, m = (size_t)c->n_values, n = (size_t)c->n;
    f->c = c;
    f->width = (int)(K * m);
    /* a third of the box's diagonal */
    f->scale = 1 / (2.0 / 9 * (c->n_features > 0 ? c->n_features : 1));
    f->deviation = cox_alloc(n * K * m, sizeof *f->deviation);
    if (!f->deviation)
        return cox_err_set(err, COX_ENOMEM, "%d candidates: out of memory", c->n);
    const double unit = 1 / sqrt((double)m * (double)(K - 1));
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < m; v++) {
            double mean = 0;
            for (size_t k = 0; k < K; k++)
                mean += c->member[(k * n + i) * m + v];
            mean /= (double)K;
            for (size_t k = 0; k < K; k++)
                f->deviation[(i * m + v) * K + k] = (c->member[(k * n + i) * m + v] - mean) * unit;
        }
    return COX_OK;
}

/* Covariance of candidates i and j before anything is picked. */
static double covariance(const struct field *f, int i, int j)
{
    const size_t w = (size_t)f->width, d = (size_t)f->c->n_features;
    const double *a = f->deviation + (size_t)i * w, *b = f->deviation + (size_t)j * w;
    double sum = 0;
    for (size_t k = 0; k < w; k++)
        sum += a[k] * b[k];
    return sum * exp(-f->scale * square_distance(f->c->feature + (size_t)i * d,
                                                 f->c->feature + (size_t)j * d, f->c->n_features));
}

/* The largest variance given the picks before: a pivoted Cholesky factorisation. */
static int acquire_variance(const struct cox_candidates *c, int most, int *picks,
                            struct cox_err *err)
{
    struct field f;
    const size_t n = (size_t)c->n;
    int rc = field_init(&f, c, err), got = 0;
    if (rc)
        return rc;
    double *left = cox_alloc(n, sizeof *left),
           *column = cox_alloc(n * (size_t)most, sizeof *column);
    if (!left || !column) {
        rc = cox_err_set(err, COX_ENOMEM, "%d picks of %d: out of memory", most, c->n);
        got = rc;
    }
    for (int i = 0; rc == COX_OK && i < c->n; i++)
        left[i] = covariance(&f, i, i);
    while (rc == COX_OK && got < most) {
        int top = -1;
        for (int i = 0; i < c->n; i++)
            if (left[i] > -INFINITY && (top < 0 || left[i] > left[top]))
                top = i;
        if (top < 0)
            break;
        double *new = column + (size_t)got *n;
        const double pivot = 1 / sqrt(fmax(left[top], 0) + NOISE);
        for (int i = 0; i < c->n; i++) {
            double sum = covariance(&f, i, top);
            for (int k = 0; k < got; k++)
                sum -= column[(size_t)k * n + (size_t)i] * column[(size_t)k * n + (size_t)top];
            new[i] = sum *pivot;
            left[i] -= new[i] * new[i];
        }
        left[top] = -INFINITY; /* taken */
        picks[got++] = top;
    }
    cox_free(f.deviation);
    cox_free(left);
    cox_free(column);
    return got;
}

/* Where knowing the value lowers the variance summed over all candidates most: Σ_j C_ij² / (C_ii +
 * noise) (Cohn 1996, for Gaussian processes Seo et al. 2000: "ALC"). */
static int acquire_integrated(const struct cox_candidates *c, int most, int *picks,
                              struct cox_err *err)
{
    struct field f;
    const size_t n = (size_t)c->n;
    int rc = field_init(&f, c, err), got = 0;
    if (rc)
        return rc;
    double *C = cox_alloc(n * n, sizeof *C), *row = cox_alloc(n, sizeof *row);
    bool *taken = cox_alloc(n, sizeof *taken);
    if (!C || !row || !taken) {
        rc = cox_err_set(err, COX_ENOMEM, "the covariance of %d candidates: out of memory", c->n);
        got = rc;
    }
    for (size_t i = 0; rc == COX_OK && i < n; i++)
        for (size_t j = 0; j <= i; j++)
            C[i * n + j] = C[j * n + i] = covariance(&f, (int)i, (int)j);
    while (rc == COX_OK && got < most) {
        int top = -1;
        double gain = -1;
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < n && !taken[i]; j++)
                sum += C[i * n + j] * C[i * n + j];
            sum /= fmax(C[i * n + i], 0) + NOISE;
            if (!taken[i] && sum > gain) {
                gain = sum;
                top = (int)i;
            }
        }
        if (top < 0)
            break;
        taken[top] = true;
        picks[got++] = top;
        memcpy(row, C + (size_t)top * n, n * sizeof *row);
        const double pivot = 1 / (fmax(row[top], 0) + NOISE);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                C[i * n + j] -= row[i] * row[j] * pivot;
    }
    cox_free(f.deviation);
    cox_free(C);
    cox_free(row);
    cox_free(taken);
    return got;
}

int cox_acquire(enum cox_acquisition kind, const struct cox_candidates *c, int most,
                struct cox_rng *rng, int *picks, struct cox_err *err)
{
    if (most > c->n)
        most = c->n;
    if (most <= 0)
        return 0;
    const bool members = c->member && c->members > 1 && c->n_values > 0;
    if ((kind == COX_ACQUIRE_VARIANCE || kind == COX_ACQUIRE_INTEGRATED) && !members)
        return cox_err_set(err, COX_EINVAL,
                           "an acquisition by variance needs the predictions of at least 2 members "
                           "(%d members, %d values)",
                           c->members, c->n_values);
    switch (kind) {
    case COX_ACQUIRE_SPACE:
        return acquire_space(c, most, picks, err);
    case COX_ACQUIRE_VARIANCE:
        return acquire_variance(c, most, picks, err);
    case COX_ACQUIRE_INTEGRATED:
        return acquire_integrated(c, most, picks, err);
    default:
        return acquire_random(c, most, rng, picks);
    }
}

/* ---- improvement ---- */

static double density(double z)
{
    return exp(-z * z / 2) / sqrt(2 * 3.14159265358979323846);
}

static double below(double z)
{
    return erfc(-z / sqrt(2)) / 2;
}

double cox_expected_improvement(double mean, double sd, double best)
{
    if (!(sd > 0))
        return fmax(best - mean, 0);
    const double z = (best - mean) / sd;
    return fmax((best - mean) * below(z) + sd * density(z), 0);
}

/* E[max(a − |y − value|, 0)], a = nearest. With E(b) = E[max(b − y, 0)] the tent is
 * E(v + a) − 2 E(v) + E(v − a). */
double cox_expected_approach(double mean, double sd, double value, double nearest)
{
    if (!(nearest > 0))
        return 0;
    return fmax(cox_expected_improvement(mean, sd, value + nearest) -
                    2 * cox_expected_improvement(mean, sd, value) +
                    cox_expected_improvement(mean, sd, value - nearest),
                0);
}
