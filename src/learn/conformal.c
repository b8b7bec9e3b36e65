/* SPDX-License-Identifier: BSD-3-Clause */
#include "learn/conformal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* (n + 1)(1 − α) is a whole number for round α; its rounding must not push the rank up by one. */
#define SLACK 1e-15

struct cox_conformal {
    struct cox_conformal_options options;
    int m, n_scores; /* 1 of a band, else m */
    double *scale;   /* [m] */
    double *score;   /* [n_scores] quantiles */
    int64_t *rows;   /* [n_scores] */
};

static int64_t rank_of(int64_t n, double alpha)
{
    const double exact = ((double)n + 1) * (1 - alpha);
    return (int64_t)ceil(exact - SLACK * ((double)n + 1));
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double cox_conformal_quantile(double *scores, int64_t n, double alpha)
{
    const int64_t rank = rank_of(n, alpha);
    if (rank > n)
        return (double)INFINITY;
    qsort(scores, (size_t)n, sizeof *scores, ascending);
    return scores[rank < 1 ? 0 : rank - 1];
}

int64_t cox_conformal_least(double alpha)
{
    int64_t n = (int64_t)(1 / alpha) - 1;
    n = n < 1 ? 1 : n;
    while (rank_of(n, alpha) > n)
        n++;
    while (n > 1 && rank_of(n - 1, alpha) <= n - 1)
        n--;
    return n;
}

/* NaN: it takes a standard deviation and there is none. */
static double divisor(const struct cox_conformal *c, int j, const double *sd)
{
    if (!c->options.normalise)
        return c->scale[j];
    return sd ? sd[j] + c->options.floor * c->scale[j] : (double)NAN;
}

/* NaN: no value. */
static double score_value(const struct cox_conformal *c, int j, const double *y, const double *mean,
                          const double *sd)
{
    if (isnan(y[j]))
        return (double)NAN;
    const double score = fabs(y[j] - mean[j]) / divisor(c, j, sd);
    return isnan(score) ? (double)INFINITY : score;
}

static int64_t count_within(const struct cox_conformal *c, double most, const double *y,
                            const double *mean, const double *sd)
{
    int64_t n = 0;
    for (int j = 0; j < c->m; j++)
        n += score_value(c, j, y, mean, sd) <= most;
    return n;
}

/* The k-th smallest score of a row by bisection over the doubles themselves, which as bit patterns
 * are in order: exact, and without memory. */
static double smallest(const struct cox_conformal *c, int64_t k, const double *y,
                       const double *mean, const double *sd)
{
    uint64_t low = 0, high;
    const double top = (double)INFINITY;
    memcpy(&high, &top, sizeof high);
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        double value;
        memcpy(&value, &middle, sizeof value);
        if (count_within(c, value, y, mean, sd) >= k)
            high = middle;
        else
            low = middle + 1;
    }
    double value;
    memcpy(&value, &low, sizeof value);
    return value;
}

double cox_conformal_score_row(const struct cox_conformal *c, const double *y, const double *mean,
                               const double *sd)
{
    int64_t present = 0;
    double most = 0;
    for (int j = 0; j < c->m; j++) {
        const double score = score_value(c, j, y, mean, sd);
        present += !isnan(score);
        most = fmax(most, score);
    }
    if (present == 0)
        return (double)NAN;
    const int64_t k = (int64_t)ceil(c->options.share * (double)present * (1 - SLACK));
    return k >= present ? most : smallest(c, k < 1 ? 1 : k, y, mean, sd);
}

static int check(const struct cox_conformal_options *o, int64_t n, int m, const double *sd,
                 struct cox_err *err)
{
    if (!(o->alpha > 0 && o->alpha < 1))
        return cox_err_set(err, COX_EINVAL, "conformal: alpha is %g, allowed is 0 < alpha < 1",
                           o->alpha);
    if (!(o->share > 0 && o->share <= 1))
        return cox_err_set(err, COX_EINVAL, "conformal: share is %g, allowed is 0 < share <= 1",
                           o->share);
    if (o->kind != COX_CONFORMAL_VALUES && o->kind != COX_CONFORMAL_BAND)
        return cox_err_set(err, COX_EINVAL, "conformal: unknown kind %d", (int)o->kind);
    if (n < 0 || m < 1)
        return cox_err_set(err, COX_EINVAL,
                           "conformal: %" PRId64 " rows of %d outputs, allowed are >= 0 of >= 1", n,
                           m);
    if (o->normalise && !(o->floor > 0 && o->floor < (double)INFINITY))
        return cox_err_set(err, COX_EINVAL, "conformal: floor is %g, allowed is > 0", o->floor);
    if (o->normalise && n > 0 && !sd)
        return cox_err_set(err, COX_EINVAL, "conformal: to normalise takes standard deviations");
    for (int j = 0; o->scale && j < m; j++)
        if (!(o->scale[j] > 0 && o->scale[j] < (double)INFINITY))
            return cox_err_set(err, COX_EINVAL,
                               "conformal: the scale of output %d is %g, allowed is > 0", j,
                               o->scale[j]);
    return COX_OK;
}

/* The scores of output j (of the rows for a band) that are there: how many. */
static int64_t gather(const struct cox_conformal *c, int j, int64_t n, const double *y,
                      const double *mean, const double *sd, double *scores)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        const double *a = y + i * c->m, *b = mean + i * c->m, *s = sd ? sd + i * c->m : NULL;
        const double score = c->options.kind == COX_CONFORMAL_BAND
                                 ? cox_conformal_score_row(c, a, b, s)
                                 : score_value(c, j, a, b, s);
        if (!isnan(score))
            scores[count++] = score;
    }
    return count;
}

int cox_conformal_create(struct cox_conformal **out, const struct cox_conformal_options *options,
                         int64_t n, int m, const double *y, const double *mean, const double *sd,
                         struct cox_err *err)
{
    const struct cox_conformal_options defaults = COX_CONFORMAL_OPTIONS_INIT;
    const struct cox_conformal_options *o = options ? options : &defaults;
    *out = NULL;
    const int rc = check(o, n, m, sd, err);
    if (rc)
        return rc;
    struct cox_conformal *c = cox_alloc(1, sizeof *c);
    double *scores = cox_alloc((size_t)n, sizeof(double));
    if (c) {
        c->options = *o;
        c->options.scale = NULL;
        c->m = m;
        c->n_scores = o->kind == COX_CONFORMAL_BAND ? 1 : m;
        c->scale = cox_alloc((size_t)m, sizeof(double));
        c->score = cox_alloc((size_t)c->n_scores, sizeof(double));
        c->rows = cox_alloc((size_t)c->n_scores, sizeof(int64_t));
    }
    if (!c || !scores || !c->scale || !c->score || !c->rows) {
        cox_conformal_destroy(c);
        cox_free(scores);
        return cox_err_set(err, COX_ENOMEM, "conformal: out of memory for %" PRId64 " rows", n);
    }
    for (int j = 0; j < m; j++)
        c->scale[j] = o->scale ? o->scale[j] : 1;
    for (int j = 0; j < c->n_scores; j++) {
        c->rows[j] = gather(c, j, n, y, mean, sd, scores);
        c->score[j] = cox_conformal_quantile(scores, c->rows[j], o->alpha);
    }
    cox_free(scores);
    *out = c;
    return COX_OK;
}

void cox_conformal_destroy(struct cox_conformal *c)
{
    if (!c)
        return;
    cox_free(c->scale);
    cox_free(c->score);
    cox_free(c->rows);
    cox_free(c);
}

static int index_of(const struct cox_conformal *c, int j)
{
    return c->n_scores == 1 ? 0 : j;
}

void cox_conformal_widths(const struct cox_conformal *c, const double *sd, double *width)
{
    for (int j = 0; j < c->m; j++) {
        const double w = c->score[index_of(c, j)] * divisor(c, j, sd);
        width[j] = isnan(w) ? (double)INFINITY : w; /* an sd that is not a number */
    }
}

double cox_conformal_score(const struct cox_conformal *c, int j)
{
    return c->score[index_of(c, j)];
}

int64_t cox_conformal_rows(const struct cox_conformal *c, int j)
{
    return c->rows[index_of(c, j)];
}
