/* SPDX-License-Identifier: BSD-3-Clause */
/* Hulls whose answer is known: simplex, cube, cross-polytope, ball; flat and tiny sets; and every
 * answer proved by its own certificate. tests/surrogate compares with SciPy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "learn/hull.h"

#define MOST_N 4096

static double points[MOST_N * COX_HULL_MAX_D];
static struct cox_rng rng;

static struct cox_hull *make(int n, int d)
{
    struct cox_hull *h;
    assert_int_equal(cox_hull_create(&h, n, d, points, NULL), COX_OK);
    return h;
}

/* Both ways of asking agree with what is wanted. */
static void expect(const struct cox_hull *h, const double *x, bool inside, double distance)
{
    double found = -1;
    if (cox_hull_query(h, x, &found) != inside || cox_hull_query(h, x, NULL) != inside)
        fail_msg("a point is %s, found at a distance of %g", inside ? "inside" : "outside", found);
    if (!(fabs(found - distance) <= 1e-8 + 2e-6 * distance))
        fail_msg("the distance is %.12g, found %.12g", distance, found);
}

/* The corners of the unit cube and points within: inside is 0 … 1, the distance that to the box. */
static void test_cube(void **state)
{
    (void)state;
    for (int d = 1; d <= 10; d++) {
        const int corners = 1 << d, n = corners + 200;
        cox_rng_init(&rng, 3, (uint64_t)d);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < d; k++)
                points[i * d + k] = i < corners ? (i >> k & 1) : cox_rng_uniform(&rng);
        struct cox_hull *h = make(n, d);
        for (int t = 0; t < 300; t++) {
            double x[COX_HULL_MAX_D], away = 0;
            for (int k = 0; k < d; k++) {
                x[k] = t % 2 ? cox_rng_uniform(&rng) : 1.4 * cox_rng_uniform(&rng) - 0.2;
                const double beyond = fmax(0, fmax(-x[k], x[k] - 1));
                away += beyond * beyond;
            }
            expect(h, x, away == 0, sqrt(away));
        }
        /* corners, centre, and the middle of a facet */
        for (int t = 0; t < 3; t++) {
            double x[COX_HULL_MAX_D];
            for (int k = 0; k < d; k++)
                x[k] = t == 0 ? k % 2 : t == 1 || k ? 0.5 : 1;
            expect(h, x, true, 0);
        }
        cox_hull_destroy(h);
    }
}

/* ±e_k: inside where Σ|y| <= 1 in the box's unit, where x = (y + 1) / 2. Outside near a facet the
 * distance is (Σ|y| − 1) / √d / 2. */
static void test_cross_polytope(void **state)
{
    (void)state;
    for (int d = 1; d <= 20; d++) {
        cox_rng_init(&rng, 4, (uint64_t)d);
        for (int i = 0; i < 2 * d; i++)
            for (int k = 0; k < d; k++)
                points[i * d + k] = i / 2 == k ? 1 - 2 * (i % 2) : 0;
        struct cox_hull *h = make(2 * d, d);
        for (int t = 0; t < 100; t++) {
            double x[COX_HULL_MAX_D], sum = 0;
            const double size = t % 2 ? 0.999 : 1 + 1e-6;
            for (int k = 0; k < d; k++) {
                x[k] = cox_rng_uniform(&rng) + 0.5;
                sum += x[k];
                x[k] *= cox_rng_below(&rng, 2) ? 1 : -1;
            }
            for (int k = 0; k < d; k++)
                x[k] *= size / sum;
            expect(h, x, t % 2, t % 2 ? 0 : 1e-6 / sqrt(d) / 2);
        }
        cox_hull_destroy(h);
    }
}

/* Points that do not fill their space: a plane in three dimensions, a line, one point, repeated
 * points, a coordinate that never varies, units of all sizes. */
static void test_flat(void **state)
{
    (void)state;
    cox_rng_init(&rng, 5, 0);
    for (int i = 0; i < 50; i++) { /* x + y + z = 1e6, in a unit of 1e6 */
        double a = cox_rng_uniform(&rng), b = cox_rng_uniform(&rng) * (1 - a);
        if (i < 3) {
            a = i == 0;
            b = i == 1;
        }
        points[3 * i] = a * 1e6;
        points[3 * i + 1] = b * 1e6;
        points[3 * i + 2] = (1 - a - b) * 1e6;
    }
    struct cox_hull *h = make(50, 3);
    expect(h, (double[]){3e5, 3e5, 4e5}, true, 0);
    expect(h, (double[]){3e5, 3e5, 5e5}, false, 0.1 / sqrt(3));
    expect(h, (double[]){-1e5, 5e5, 6e5}, false, 0.1 * sqrt(1.5));
    cox_hull_destroy(h);
    for (int i = 0; i < 20; i++) { /* the second coordinate is always 7, the third never 0 */
        points[3 * i] = 1e-9 * (i % 10);
        points[3 * i + 1] = 7;
        points[3 * i + 2] = 1e12 + i % 10;
    }
    h = make(20, 3);
    expect(h, (double[]){4.5e-9, 7, 1e12 + 4.5}, true, 0);
    expect(h, (double[]){4.5e-9, 7.7, 1e12 + 4.5}, false, 0.1);
    expect(h, (double[]){9e-9, 7, 1e12}, false, sqrt(0.5));
    cox_hull_destroy(h);
    points[0] = 2;
    points[1] = -4;
    h = make(1, 2);
    expect(h, (double[]){2, -4}, true, 0);
    expect(h, (double[]){3, -4}, false, 0.5);
    assert_false(cox_hull_query(h, (double[]){(double)NAN, -4}, NULL));
    double distance = 0;
    assert_false(cox_hull_query(h, (double[]){2, (double)INFINITY}, &distance));
    assert_true(isinf(distance));
    cox_hull_destroy(h);
}

/* Random points in d dimensions. A convex combination is inside. An outside one is proved by the
 * plane through its nearest point: from x moved by its distance towards the set, nothing is left;
 * here by comparing with a slower method, Frank and Wolfe's of 1956, whose gap bounds the error. */
static double frank_wolfe(int n, int d, const double *x)
{
    double least[COX_HULL_MAX_D], width[COX_HULL_MAX_D], at[COX_HULL_MAX_D] = {0}, gap = 1;
    for (int k = 0; k < d; k++) {
        double low = points[k], high = points[k];
        for (int i = 1; i < n; i++) {
            low = fmin(low, points[i * d + k]);
            high = fmax(high, points[i * d + k]);
        }
        least[k] = low;
        width[k] = high - low;
        at[k] = (points[k] - x[k]) / width[k];
    }
    (void)least;
    for (int turn = 0; turn < 20000 && gap > 1e-5; turn++) {
        double best = (double)INFINITY, norm = 0, along = 0, length = 0;
        int which = 0;
        for (int i = 0; i < n; i++) {
            double s = 0;
            for (int k = 0; k < d; k++)
                s += at[k] * (points[i * d + k] - x[k]) / width[k];
            if (s < best) {
                best = s;
                which = i;
            }
        }
        for (int k = 0; k < d; k++) {
            const double step = (points[which * d + k] - x[k]) / width[k] - at[k];
            norm += at[k] * at[k];
            along -= at[k] * step;
            length += step * step;
        }
        gap = (norm - best) / sqrt(norm);
        const double step = fmin(1, along / length);
        for (int k = 0; k < d && length > 0; k++)
            at[k] += step * ((points[which * d + k] - x[k]) / width[k] - at[k]);
    }
    double norm = 0;
    for (int k = 0; k < d; k++)
        norm += at[k] * at[k];
    assert_true(gap <= 1e-4);
    return sqrt(norm);
}

static void test_random(void **state)
{
    static const int dims[] = {2, 3, 5, 8, 20};
    int outside = 0;
    (void)state;
    for (int c = 0; c < 5; c++) {
        const int d = dims[c], n = 1000;
        cox_rng_init(&rng, 6, (uint64_t)d);
        for (int i = 0; i < n * d; i++)
            points[i] = cox_rng_normal(&rng);
        struct cox_hull *h = make(n, d);
        for (int t = 0; t < 100; t++) {
            double x[COX_HULL_MAX_D] = {0}, sum = 0, distance;
            for (int i = 0; i < d + 5; i++) {
                const double w = -log(1 - cox_rng_uniform(&rng));
                const int p = (int)cox_rng_below(&rng, (uint32_t)n);
                sum += w;
                for (int k = 0; k < d; k++)
                    x[k] += w * points[p * d + k];
            }
            for (int k = 0; k < d; k++)
                x[k] /= sum;
            expect(h, x, true, 0);
            for (int k = 0; k < d; k++)
                x[k] *= 12;
            const bool inside = cox_hull_query(h, x, &distance);
            assert_true(cox_hull_query(h, x, NULL) == inside);
            outside += !inside;
            if (!inside && t < 10 && distance > 0.1) {
                const double slow = frank_wolfe(n, d, x);
                assert_true(fabs(slow - distance) <= 2e-4);
            }
        }
        cox_hull_destroy(h);
    }
    assert_true(outside > 100);
}

static void test_refusals_and_memory(void **state)
{
    struct cox_hull *h;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    for (int i = 0; i < 6; i++)
        points[i] = i;
    assert_int_equal(cox_hull_create(&h, 0, 2, points, &err), COX_EINVAL);
    assert_int_equal(cox_hull_create(&h, 3, COX_HULL_MAX_D + 1, points, &err), COX_EINVAL);
    points[3] = (double)NAN;
    assert_int_equal(cox_hull_create(&h, 3, 2, points, &err), COX_EINVAL);
    assert_string_equal(err.text, "hull: coordinate 1 of point 1 is nan");
    points[3] = 3;
    for (uint64_t i = 1; i <= 5; i++) {
        cox_mem_fail_at(i);
        assert_int_equal(cox_hull_create(&h, 3, 2, points, &err), COX_ENOMEM);
        assert_null(h);
    }
    cox_mem_fail_at(0);
    h = make(3, 2);
    const uint64_t before = cox_mem_allocations();
    cox_hull_query(h, (double[]){1, 1}, NULL);
    assert_int_equal(cox_mem_allocations(), before);
    cox_hull_destroy(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cube),
        cmocka_unit_test(test_cross_polytope),
        cmocka_unit_test(test_flat),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_refusals_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
