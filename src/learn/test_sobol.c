/* SPDX-License-Identifier: BSD-3-Clause */
/* Sobol points against SciPy's, and what makes them worth having: every elementary interval has
 * its share of points. tests/surrogate compares with the SciPy that is installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "learn/sobol.h"

enum { N = 1024, D = COX_SOBOL_MAX_D };

/* FNV-1a of scipy.stats.qmc.Sobol(64, scramble=False).random(1024) · 2^32, number by number (SciPy
 * 1.10.1). */
static void test_against_scipy(void **state)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    double x[D];
    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        cox_sobol_point(i, D, x);
        for (int j = 0; j < D; j++)
            hash = (hash ^ (uint64_t)(x[j] * 0x1p32)) * UINT64_C(1099511628211);
    }
    assert_true(hash == UINT64_C(0x86599089dcb62325));
    /* and a few to see */
    const double fifth[] = {0.875, 0.875, 0.125, 0.375, 0.875, 0.625, 0.875, 0.375};
    cox_sobol_point(5, D, x);
    for (int j = 0; j < 8; j++)
        assert_true(x[j] == fifth[j]);
}

/* Of the first 2^k points each interval of length 2^-k has one, in every coordinate; of each pair
 * of the first two coordinates also every box 2^-a × 2^-(k - a) (a (0, k, 2)-net). */
static void check_strata(uint64_t seed)
{
    static double x[N][D];
    static unsigned char seen[N];
    for (uint32_t i = 0; i < N; i++) {
        if (seed)
            cox_sobol_point_scrambled(i, D, seed, x[i]);
        else
            cox_sobol_point(i, D, x[i]);
        for (int j = 0; j < D; j++)
            assert_true(x[i][j] >= 0 && x[i][j] < 1 && (seed == 0 || x[i][j] > 0));
    }
    for (int j = 0; j < D; j++) {
        memset(seen, 0, sizeof seen);
        for (int i = 0; i < N; i++)
            assert_int_equal(seen[(int)(x[i][j] * N)]++, 0);
    }
    for (int a = 0; a <= 10; a++) {
        memset(seen, 0, sizeof seen);
        for (int i = 0; i < N; i++) {
            const int column = (int)ldexp(x[i][0], a), row = (int)ldexp(x[i][1], 10 - a);
            assert_int_equal(seen[(column << (10 - a)) + row]++, 0);
        }
    }
}

static void test_strata(void **state)
{
    (void)state;
    check_strata(0);
    check_strata(1);
    check_strata(UINT64_C(0xfedcba9876543210));
}

static void test_scrambling(void **state)
{
    double a[D], b[D];
    (void)state;
    cox_sobol_point_scrambled(77, D, 5, a);
    cox_sobol_point_scrambled(77, D, 5, b);
    assert_memory_equal(a, b, sizeof a);
    /* fewer dimensions: the same coordinates */
    cox_sobol_point_scrambled(77, 3, 5, b);
    assert_memory_equal(a, b, 3 * sizeof a[0]);
    cox_sobol_point_scrambled(77, D, 6, b);
    for (int j = 0; j < D; j++)
        assert_true(a[j] != b[j]);
    /* over seeds each point is uniform: mean ½ and variance 1/12 (three standard errors of 1,000)
     */
    for (uint32_t i = 0; i < 4; i++) {
        double first = 0, second = 0;
        for (int s = 1; s <= 1000; s++) {
            cox_sobol_point_scrambled(i, 2, (uint64_t)s, a);
            first += a[1] / 1000;
            second += (a[1] - 0.5) * (a[1] - 0.5) / 1000;
        }
        assert_true(fabs(first - 0.5) <= 3 * sqrt(1.0 / 12 / 1000));
        assert_true(fabs(second - 1.0 / 12) <= 3 * sqrt(1.0 / 180 / 1000));
    }
    /* ∫ Π (1 + (x_j − ½) 0.8) = 1 by 256 points in 6 dimensions, over 200 seeds: unbiased within
     * three standard errors, and of a variance far below that of independent points, (1 + 0.8² /
     * 12)^6 − 1 = 0.37 over 256. */
    double sum = 0, squares = 0;
    const int seeds = 200, n = 256, d = 6;
    for (int s = 1; s <= seeds; s++) {
        double mean = 0;
        for (uint32_t i = 0; i < (uint32_t)n; i++) {
            double f = 1;
            cox_sobol_point_scrambled(i, d, (uint64_t)s, a);
            for (int j = 0; j < d; j++)
                f *= 1 + (a[j] - 0.5) * 0.8;
            mean += f / n;
        }
        sum += mean;
        squares += mean * mean;
    }
    const double mean = sum / seeds, variance = squares / seeds - mean * mean;
    assert_true(variance > 0);
    assert_true(fabs(mean - 1) <= 3 * sqrt(variance / seeds));
    assert_true(variance < (pow(1 + 0.64 / 12, d) - 1) / n / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_scipy),
        cmocka_unit_test(test_strata),
        cmocka_unit_test(test_scrambling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
