/* SPDX-License-Identifier: BSD-3-Clause */
/* Acquisitions against plain loops and dense linear algebra; improvements against quadrature. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "sweep/acquire.h"

#define N 60
#define D 3
#define K 5
#define M 4
#define PICKS 12

static double feature[N * D], known[4 * D], member[K * N * M];

static struct cox_candidates some(uint64_t seed)
{
    struct cox_rng rng;
    cox_rng_init(&rng, seed, 1);
    for (int i = 0; i < N * D; i++)
        feature[i] = cox_rng_uniform(&rng);
    for (int i = 0; i < 4 * D; i++)
        known[i] = cox_rng_uniform(&rng);
    for (int k = 0; k < K; k++) { /* smooth members that differ */
        double a[3];
        for (int j = 0; j < 3; j++)
            a[j] = 3 * cox_rng_normal(&rng);
        for (int i = 0; i < N; i++)
            for (int v = 0; v < M; v++)
                member[(k * N + i) * M + v] =
                    5 + (1 + v) * sin(a[0] + a[1] * feature[i * D] + a[2] * feature[i * D + 1]);
    }
    return (struct cox_candidates){.n = N,
                                   .n_features = D,
                                   .feature = feature,
                                   .n_known = 4,
                                   .known = known,
                                   .members = K,
                                   .n_values = M,
                                   .member = member};
}

static void distinct(const int *picks, int n)
{
    bool seen[N] = {false};
    for (int i = 0; i < n; i++) {
        assert_in_range(picks[i], 0, N - 1);
        assert_false(seen[picks[i]]);
        seen[picks[i]] = true;
    }
}

static void test_counts(void **state)
{
    (void)state;
    struct cox_candidates c = some(1);
    struct cox_err err = COX_ERR_INIT;
    for (int kind = COX_ACQUIRE_RANDOM; kind <= COX_ACQUIRE_INTEGRATED; kind++) {
        int picks[N + 5], again[N + 5];
        const int many[] = {0, 1, 7, N, N + 5};
        for (int j = 0; j < 5; j++) {
            struct cox_rng rng;
            cox_rng_init(&rng, 3, 3);
            const int want = many[j] < N ? many[j] : N;
            assert_int_equal(
                cox_acquire((enum cox_acquisition)kind, &c, many[j], &rng, picks, &err), want);
            distinct(picks, want);
            cox_rng_init(&rng, 3, 3); /* the same seed, the same picks */
            assert_int_equal(
                cox_acquire((enum cox_acquisition)kind, &c, many[j], &rng, again, &err), want);
            assert_memory_equal(picks, again, (size_t)want * sizeof *picks);
        }
    }
    c.member = NULL; /* no members, no variance */
    int picks[4];
    struct cox_rng rng;
    cox_rng_init(&rng, 3, 3);
    assert_int_equal(cox_acquire(COX_ACQUIRE_VARIANCE, &c, 4, &rng, picks, &err), COX_EINVAL);
    assert_int_equal(cox_acquire(COX_ACQUIRE_INTEGRATED, &c, 4, &rng, picks, &err), COX_EINVAL);
    assert_int_equal(cox_acquire(COX_ACQUIRE_SPACE, &c, 4, &rng, picks, &err), 4);
}

/* Random is uniform: each of 60 candidates in 3 of 60 picks; 4000 draws, 200 expected, σ 13.8. */
static void test_random(void **state)
{
    (void)state;
    const struct cox_candidates c = some(2);
    int count[N] = {0}, picks[3];
    struct cox_rng rng;
    cox_rng_init(&rng, 8, 0);
    for (int t = 0; t < 4000; t++) {
        assert_int_equal(cox_acquire(COX_ACQUIRE_RANDOM, &c, 3, &rng, picks, NULL), 3);
        for (int i = 0; i < 3; i++)
            count[picks[i]]++;
    }
    double chi2 = 0;
    for (int i = 0; i < N; i++)
        chi2 += (count[i] - 200.0) * (count[i] - 200.0) / 200;
    assert_true(chi2 < 110); /* 59 degrees of freedom: 1e-4 beyond 104 */
}

static void test_space(void **state)
{
    (void)state;
    const struct cox_candidates c = some(3);
    int picks[PICKS];
    struct cox_rng rng;
    assert_int_equal(cox_acquire(COX_ACQUIRE_SPACE, &c, PICKS, &rng, picks, NULL), PICKS);
    distinct(picks, PICKS);
    for (int n = 0; n < PICKS; n++) { /* none is farther from all that was there */
        double best = -1, of_pick = -1;
        for (int i = 0; i < N; i++) {
            double nearest = INFINITY;
            for (int j = 0; j < 4 + n; j++) {
                const double *b = j < 4 ? known + j * D : feature + picks[j - 4] * D;
                double sum = 0;
                for (int f = 0; f < D; f++)
                    sum += pow(feature[i * D + f] - b[f], 2);
                nearest = fmin(nearest, sum);
            }
            best = fmax(best, nearest);
            if (i == picks[n])
                of_pick = nearest;
        }
        assert_true(of_pick >= best * (1 - 1e-12));
    }
}

/* The covariance of acquire.c, from its definition. */
static void covariance(double C[N][N])
{
    static double mean[N][M];
    memset(mean, 0, sizeof mean);
    for (int k = 0; k < K; k++)
        for (int i = 0; i < N; i++)
            for (int v = 0; v < M; v++)
                mean[i][v] += member[(k * N + i) * M + v] / K;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0, far = 0;
            for (int v = 0; v < M; v++)
                for (int k = 0; k < K; k++)
                    sum += (member[(k * N + i) * M + v] - mean[i][v]) *
                           (member[(k * N + j) * M + v] - mean[j][v]);
            for (int f = 0; f < D; f++)
                far += pow(feature[i * D + f] - feature[j * D + f], 2);
            C[i][j] = sum / M / (K - 1) * exp(-far / (2.0 / 9 * D));
        }
}

/* Var(x_i | the picks), by solving with all picks at once (Gauss–Jordan), not one after another. */
static double conditional(double C[N][N], const int *picks, int n, int i)
{
    double A[PICKS][PICKS + 1];
    for (int a = 0; a < n; a++) {
        for (int b = 0; b < n; b++)
            A[a][b] = C[picks[a]][picks[b]] + (a == b ? 0.01 : 0);
        A[a][n] = C[picks[a]][i];
    }
    for (int p = 0; p < n; p++)
        for (int a = 0; a < n; a++) {
            const double f = A[a][p] / A[p][p];
            for (int b = p; b <= n && a != p; b++)
                A[a][b] -= f * A[p][b];
        }
    double left = C[i][i];
    for (int a = 0; a < n; a++)
        left -= C[picks[a]][i] * A[a][n] / A[a][a];
    return left;
}

static double total(double C[N][N], const int *picks, int n)
{
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += conditional(C, picks, n, i);
    return sum;
}

static bool among(const int *picks, int n, int i)
{
    for (int a = 0; a < n; a++)
        if (picks[a] == i)
            return true;
    return false;
}

/* Every pick has the largest variance given those before (variance), or leaves the least of it
 * over all candidates (integrated); up to rounding. */
static void test_variance(void **state)
{
    (void)state;
    static double C[N][N];
    for (uint64_t seed = 10; seed < 13; seed++) {
        const struct cox_candidates c = some(seed);
        int picks[PICKS], trial[PICKS];
        struct cox_rng rng;
        covariance(C);
        assert_int_equal(cox_acquire(COX_ACQUIRE_VARIANCE, &c, PICKS, &rng, picks, NULL), PICKS);
        distinct(picks, PICKS);
        for (int n = 0; n < PICKS; n++) {
            double most = -1;
            for (int i = 0; i < N; i++)
                if (!among(picks, n, i))
                    most = fmax(most, conditional(C, picks, n, i));
            assert_true(conditional(C, picks, n, picks[n]) >= most - 1e-9 * C[0][0] - 1e-12);
        }
        assert_int_equal(cox_acquire(COX_ACQUIRE_INTEGRATED, &c, PICKS, &rng, picks, NULL), PICKS);
        distinct(picks, PICKS);
        for (int n = 0; n < PICKS; n++) {
            double least = INFINITY;
            memcpy(trial, picks, sizeof trial);
            for (int i = 0; i < N; i++) {
                trial[n] = i;
                if (!among(picks, n, i))
                    least = fmin(least, total(C, trial, n + 1));
            }
            assert_true(total(C, picks, n + 1) <= least * (1 + 1e-9) + 1e-12);
        }
    }
}

/* E[g(y)] for y ~ N(mean, sd²) by Simpson's rule over ±9 σ in 20001 points. */
static double expectation(double mean, double sd, double a, double b, bool approach)
{
    const int n = 20000;
    const double h = 18 * sd / n;
    double sum = 0;
    for (int i = 0; i <= n; i++) {
        const double y = mean - 9 * sd + h * i, z = (y - mean) / sd;
        const double g = approach ? fmax(b - fabs(y - a), 0) : fmax(b - y, 0);
        sum += g * exp(-z * z / 2) * (i == 0 || i == n ? 1 : i % 2 ? 4 : 2);
    }
    return sum * h / 3 / (sd * sqrt(2 * acos(-1)));
}

static void test_improvement(void **state)
{
    (void)state;
    /* the kinks cost Simpson's rule an error of h² × the jump of the slope, here 1e-6 sd² */
    const double means[] = {-3, -0.4, 0, 0.7, 2.5}, sds[] = {0.1, 1, 2};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 3; j++) {
            const double e = cox_expected_improvement(means[i], sds[j], 0.3);
            assert_true(fabs(e - expectation(means[i], sds[j], 0, 0.3, false)) < 2e-6 * sds[j]);
            const double a = cox_expected_approach(means[i], sds[j], 0.5, 0.8);
            assert_true(fabs(a - expectation(means[i], sds[j], 0.5, 0.8, true)) < 4e-6 * sds[j]);
        }
    /* without uncertainty, the plain difference; never negative, also far in the tail */
    assert_true(fabs(cox_expected_improvement(1, 0, 3) - 2) < 1e-15);
    assert_true(fabs(cox_expected_improvement(3, 0, 1)) < 1e-300);
    assert_true(fabs(cox_expected_approach(1, 0, 2, 3) - 2) < 1e-15);
    assert_true(fabs(cox_expected_approach(1, 1, 2, 0)) < 1e-300);
    assert_true(cox_expected_improvement(50, 1, 0) >= 0);
    assert_true(cox_expected_approach(50, 1, 0, 1) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),      cmocka_unit_test(test_random),
        cmocka_unit_test(test_space),       cmocka_unit_test(test_variance),
        cmocka_unit_test(test_improvement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
