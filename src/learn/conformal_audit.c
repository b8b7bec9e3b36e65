/* SPDX-License-Identifier: BSD-3-Clause */
/* Upper bounds for the share of failing points (learn/conformal.h).
 *
 * One look: the largest share (or number) of failing points under which no more than k failures in
 * v audits are still as likely as δ; the probability falls as the share grows, so it is bisected.
 *
 * Always: under the share p, the sequence of outcomes has the probability p^k (1 − p)^(v − k);
 * under a mixture of shares, Beta(½, ½), B(k + ½, v − k + ½) / B(½, ½). The ratio of the second to
 * the first is a martingale of mean 1 if p is true, so it ever reaches 1/δ with probability at most
 * δ (Ville): the shares at which it has not are a confidence set at all v at once. Without
 * replacement from M points of which K fail, the first is [K]_k [M − K]_(v − k) / [M]_v with
 * falling factorials, and the second, for K ~ BetaBinomial(M, ½, ½), is what it was. */
#include <assert.h>
#include <math.h>

#include "learn/conformal.h"

/* e^-45 of the largest term is below double's rounding. */
#define NEGLIGIBLE 45

/* ln Σ_i e^(t_i) for terms given one by one. */
struct log_sum {
    double most, sum;
};

static void add(struct log_sum *s, double term)
{
    if (term > s->most) {
        s->sum = s->sum * exp(s->most - term) + 1;
        s->most = term;
    } else {
        s->sum += exp(term - s->most);
    }
}

static double log_choose(double n, double k)
{
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

/* ln P(X <= k) for X ~ Binomial(v, p), 0 < p < 1, from the k-th term down. */
static double log_binomial(int64_t v, int64_t k, double p)
{
    const double odds = log1p(-p) - log(p);
    double term =
        log_choose((double)v, (double)k) + (double)k * log(p) + (double)(v - k) * log1p(-p);
    struct log_sum s = {term, 1};
    for (int64_t i = k; i > 0; i--) {
        term += odds + log((double)i / (double)(v - i + 1));
        add(&s, term);
        if (term < s.most - NEGLIGIBLE)
            break;
    }
    return s.most + log(s.sum);
}

/* The same for X ~ Hypergeometric: v of m points, of which `failing` fail; k <= failing. */
static double log_hypergeometric(int64_t m, int64_t failing, int64_t v, int64_t k)
{
    const int64_t good = m - failing, least = v > good ? v - good : 0;
    if (k < least)
        return -(double)INFINITY;
    double term = log_choose((double)failing, (double)k) +
                  log_choose((double)good, (double)(v - k)) - log_choose((double)m, (double)v);
    struct log_sum s = {term, 1};
    for (int64_t i = k; i > least; i--) {
        term += log((double)i / (double)(failing - i + 1)) +
                log((double)(good - v + i) / (double)(v - i + 1));
        add(&s, term);
        if (term < s.most - NEGLIGIBLE)
            break;
    }
    return s.most + log(s.sum);
}

double cox_audit_bound(int64_t v, int64_t k, double delta)
{
    assert(k >= 0 && k <= v && delta > 0 && delta < 1);
    if (k == v)
        return 1;
    double low = 0, high = 1;
    for (int i = 0; i < 100 && high - low > 1e-15 * high; i++) {
        const double p = 0.5 * (low + high);
        if (log_binomial(v, k, p) > log(delta))
            low = p;
        else
            high = p;
    }
    return high;
}

int64_t cox_audit_bound_count(int64_t unaudited, int64_t v, int64_t k, double delta)
{
    assert(unaudited >= 0 && k >= 0 && k <= v && delta > 0 && delta < 1);
    int64_t low = 0, high = unaudited; /* low is possible: ln P = 0 there */
    while (low < high) {
        const int64_t middle = low + (high - low + 1) / 2;
        if (log_hypergeometric(unaudited + v, k + middle, v, k) > log(delta))
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static double log_beta(double a, double b)
{
    return lgamma(a) + lgamma(b) - lgamma(a + b);
}

/* ln of the mixture's probability of the outcomes. */
static double log_mixture(int64_t v, int64_t k)
{
    return log_beta((double)k + 0.5, (double)(v - k) + 0.5) - log_beta(0.5, 0.5);
}

double cox_audit_bound_always(int64_t v, int64_t k, double delta)
{
    assert(k >= 0 && k <= v && delta > 0 && delta < 1);
    if (k == v)
        return 1;
    const double least = log_mixture(v, k) + log(delta);
    double low = (double)k / (double)v, high = 1; /* low has the highest probability of all */
    for (int i = 0; i < 100 && high - low > 1e-15 * high; i++) {
        const double p = 0.5 * (low + high);
        if ((k ? (double)k * log(p) : 0) + (double)(v - k) * log1p(-p) > least)
            low = p;
        else
            high = p;
    }
    return high;
}

static double log_falling(int64_t n, int64_t k)
{
    return lgamma((double)n + 1) - lgamma((double)(n - k) + 1);
}

int64_t cox_audit_bound_count_always(int64_t unaudited, int64_t v, int64_t k, double delta)
{
    assert(unaudited >= 0 && k >= 0 && k <= v && delta > 0 && delta < 1);
    if (v == 0)
        return unaudited;
    const int64_t m = unaudited + v;
    const double least = log_mixture(v, k) + log(delta) + log_falling(m, v);
    /* the likeliest number of failing points is about k (m + 1) / v; k + low starts there */
    int64_t low = (int64_t)((double)k * ((double)m + 1) / (double)v) - k, high = unaudited;
    low = low < 0 ? 0 : low > high ? high : low;
    while (low < high) {
        const int64_t middle = low + (high - low + 1) / 2, failing = k + middle;
        if (m - failing >= v - k &&
            log_falling(failing, k) + log_falling(m - failing, v - k) > least)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}
