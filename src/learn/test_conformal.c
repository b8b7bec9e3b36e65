/* SPDX-License-Identifier: BSD-3-Clause */
/* Conformal prediction: ranks, coverage by simulation, and how it fails with rows that were chosen;
 * bounds of the failing share against SciPy's, exact sums and simulation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "learn/conformal.h"

static struct cox_rng rng;

static void test_quantile(void **state)
{
    (void)state;
    double s[100];
    for (int n = 1; n <= 100; n++) {
        for (int tenth = 1; tenth <= 9; tenth++) {
            for (int i = 0; i < n; i++)
                s[i] = (i * 37 % n + n) % n + 1; /* 1 … n, in another order where 37 ∤ n */
            if (n % 37 == 0)
                continue;
            /* ⌈(n + 1)(10 − tenth) / 10⌉ in whole numbers */
            const int rank = ((n + 1) * (10 - tenth) + 9) / 10;
            const double q = cox_conformal_quantile(s, n, 0.1 * tenth);
            if (rank > n)
                assert_true(isinf(q));
            else
                assert_true(q == rank);
        }
    }
    assert_true(isinf(cox_conformal_quantile(s, 0, 0.5)));
    const struct {
        double alpha;
        int64_t least;
    } cases[] = {{0.5, 1},   {0.9, 1},     {0.1, 9},       {0.05, 19}, {0.02, 49},
                 {0.01, 99}, {0.001, 999}, {1e-6, 999999}, {0.3, 3},   {0.07, 14}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(cox_conformal_least(cases[i].alpha), cases[i].least);
    const double inf = (double)INFINITY;
    double with[] = {1, inf, 2};
    assert_true(isinf(cox_conformal_quantile(with, 3, 0.25)));
}

enum { M = 12 };

/* A row whose outputs err together and by a different size each; the ensemble's sd is right up to a
 * factor that the row has by chance. */
static void draw(double *y, double *mean, double *sd)
{
    const double size = 0.5 + cox_rng_uniform(&rng), common = cox_rng_normal(&rng);
    for (int j = 0; j < M; j++) {
        mean[j] = 10 * cox_rng_uniform(&rng);
        sd[j] = size * (1 + j) * (0.7 + 0.6 * cox_rng_uniform(&rng));
        y[j] = mean[j] + size * (1 + j) * (0.6 * common + 0.8 * cox_rng_normal(&rng));
    }
}

struct coverage {
    double rows;    /* share of rows whose score is within */
    double bands;   /* the same, counted from the half-widths */
    double outputs; /* share of outputs within */
    double width;   /* mean */
};

static struct coverage simulate(const struct cox_conformal_options *o, int n, int trials)
{
    static double y[100 * M], mean[100 * M], sd[100 * M];
    struct coverage sum = {0};
    double width[M];
    for (int t = 0; t < trials; t++) {
        struct cox_conformal *c;
        for (int i = 0; i <= n; i++)
            draw(y + i * M, mean + i * M, sd + i * M);
        assert_int_equal(cox_conformal_create(&c, o, n, M, y, mean, sd, NULL), COX_OK);
        int within = 0;
        cox_conformal_widths(c, sd + n * M, width);
        for (int j = 0; j < M; j++) {
            within += fabs(y[n * M + j] - mean[n * M + j]) <= width[j] * (1 + 1e-12);
            sum.width += width[j] / M / trials;
        }
        sum.rows += 1.0 / trials *
                    (cox_conformal_score_row(c, y + n * M, mean + n * M, sd + n * M) <=
                     cox_conformal_score(c, 0));
        sum.bands += 1.0 / trials * (within >= o->share * M - 1e-9);
        sum.outputs += (double)within / M / trials;
        cox_conformal_destroy(c);
    }
    return sum;
}

/* Exchangeable rows without ties are covered with probability k/(n + 1), k the rank: in [1 − α,
 * 1 − α + 1/(n + 1)]. Three standard errors of `trials` on either side. */
static void expect_coverage(double found, double alpha, int n, int trials)
{
    const double se = sqrt(alpha * (1 - alpha) / trials);
    if (found < 1 - alpha - 3 * se || found > 1 - alpha + 1.0 / (n + 1) + 3 * se)
        fail_msg("coverage %.4f with α = %g and %d audits (standard error %.4f)", found, alpha, n,
                 se);
}

static void test_coverage(void **state)
{
    static const int sizes[] = {9, 37, 99};
    double scale[M];
    (void)state;
    cox_rng_init(&rng, 11, 0);
    for (int j = 0; j < M; j++)
        scale[j] = 1 + j;
    for (int c = 0; c < 12; c++) {
        const int n = sizes[c % 3], trials = 2500;
        struct cox_conformal_options o = COX_CONFORMAL_OPTIONS_INIT;
        o.alpha = c % 2 ? 0.1 : 0.2;
        o.share = c / 3 % 2 ? 0.75 : 1;
        o.normalise = c / 6;
        o.scale = scale;
        const struct coverage found = simulate(&o, n, trials);
        expect_coverage(found.rows, o.alpha, n, trials);
        assert_true(fabs(found.rows - found.bands) <= 1e-9);
    }
}

/* Each output for itself: the mean over outputs has the same expectation; its standard error is at
 * most that of one output. */
static void test_values(void **state)
{
    struct cox_conformal_options o = COX_CONFORMAL_OPTIONS_INIT;
    (void)state;
    cox_rng_init(&rng, 12, 0);
    o.kind = COX_CONFORMAL_VALUES;
    o.alpha = 0.1;
    const struct coverage values = simulate(&o, 50, 4000);
    expect_coverage(values.outputs, 0.1, 50, 4000);
    /* far fewer rows are covered as a whole, which is what a band is for */
    assert_true(values.bands < 0.6);
    o.kind = COX_CONFORMAL_BAND;
    assert_true(simulate(&o, 50, 500).width > 1.3 * values.width);
}

static void test_missing_and_broken(void **state)
{
    /* three rows of two outputs */
    const double nan = (double)NAN, y[] = {1, 2, nan, 3, nan, nan}, mean[] = {0, 0, 0, 0, 0, 0},
                 broken[] = {0, nan, 0, 0, 0, 0}, sd[] = {1, nan};
    struct cox_conformal_options o = COX_CONFORMAL_OPTIONS_INIT;
    struct cox_conformal *c;
    struct cox_err err = COX_ERR_INIT;
    double width[2];
    (void)state;
    o.alpha = 0.4;
    assert_int_equal(cox_conformal_create(&c, &o, 3, 2, y, mean, NULL, NULL), COX_OK);
    assert_int_equal(cox_conformal_rows(c, 1), 2);
    assert_true(cox_conformal_score(c, 1) == 3); /* 2 and 3: rank ⌈3 · 0.6⌉ = 2 */
    assert_true(isnan(cox_conformal_score_row(c, y + 4, mean, NULL)));
    cox_conformal_destroy(c);
    assert_int_equal(cox_conformal_create(&c, &o, 3, 2, y, broken, NULL, NULL), COX_OK);
    assert_true(isinf(cox_conformal_score(c, 0)));
    cox_conformal_destroy(c);
    o.kind = COX_CONFORMAL_VALUES;
    assert_int_equal(cox_conformal_create(&c, &o, 3, 2, y, mean, NULL, NULL), COX_OK);
    assert_int_equal(cox_conformal_rows(c, 0), 1);
    assert_int_equal(cox_conformal_rows(c, 1), 2);
    assert_true(isinf(cox_conformal_score(c, 0)) && cox_conformal_score(c, 1) == 3);
    cox_conformal_widths(c, NULL, width);
    assert_true(isinf(width[0]) && width[1] == 3);
    cox_conformal_destroy(c);
    o.normalise = true;
    assert_int_equal(cox_conformal_create(&c, &o, 3, 2, y, mean, mean, NULL), COX_OK);
    cox_conformal_widths(c, sd, width);
    assert_true(isinf(width[0]) && isinf(width[1])); /* its sd is NaN */
    cox_conformal_destroy(c);
    assert_int_equal(cox_conformal_create(&c, &o, 3, 2, y, mean, NULL, &err), COX_EINVAL);
    o.alpha = 1;
    assert_int_equal(cox_conformal_create(&c, &o, 3, 2, y, mean, mean, &err), COX_EINVAL);
    assert_string_equal(err.text, "conformal: alpha is 1, allowed is 0 < alpha < 1");
    o.alpha = 0.1;
    for (uint64_t i = 1; i <= 5; i++) {
        cox_mem_fail_at(i);
        assert_int_equal(cox_conformal_create(&c, &o, 3, 2, y, mean, mean, &err), COX_ENOMEM);
        assert_null(c);
    }
    cox_mem_fail_at(0);
    /* no audits yet */
    assert_int_equal(cox_conformal_create(&c, NULL, 0, 2, NULL, NULL, NULL, NULL), COX_OK);
    cox_conformal_widths(c, NULL, width);
    assert_true(isinf(width[0]) && isinf(width[1]));
    cox_conformal_destroy(c);
}

/* Coverage of points drawn from all x in [0, 1], whose error is (0.1 + x) · noise, by a quantile
 * from 100 points that were drawn from [from, to]. */
static double coverage_of_chosen(double from, double to, double alpha)
{
    const int n = 100, trials = 2500;
    double s[100], covered = 0;
    for (int t = 0; t < trials; t++) {
        for (int i = 0; i < n; i++)
            s[i] =
                fabs(0.1 + from + (to - from) * cox_rng_uniform(&rng)) * fabs(cox_rng_normal(&rng));
        const double q = cox_conformal_quantile(s, n, alpha);
        covered += (0.1 + cox_rng_uniform(&rng)) * fabs(cox_rng_normal(&rng)) <= q;
    }
    return covered / trials;
}

/* Why audits must be drawn at random: calibrated on points that an acquisition chose, the promise
 * is broken (points where the model is good: 90 % becomes 68 %) or wasted (where it is worst). */
static void test_chosen_points_break_it(void **state)
{
    (void)state;
    cox_rng_init(&rng, 13, 0);
    expect_coverage(coverage_of_chosen(0, 1, 0.1), 0.1, 100, 4000);
    const double easy = coverage_of_chosen(0, 0.4, 0.1), hard = coverage_of_chosen(0.8, 1, 0.1);
    print_message("coverage promised 0.90: easy points %.3f, hard points %.3f\n", easy, hard);
    assert_true(easy < 0.75);
    assert_true(hard > 0.95);
}

/* scipy.stats.beta.ppf(1 − δ, k + 1, v − k) */
static void test_clopper_pearson(void **state)
{
    static const struct {
        int64_t v, k;
        double delta, bound;
    } cases[] = {
        {10, 0, 0.05, 0.258865550893052},     {100, 3, 0.05, 0.07571079374983},
        {1000, 20, 0.01, 0.0328861544492042}, {50, 49, 0.1, 0.997895008295863},
        {7, 2, 0.5, 0.364116086448083},       {100000, 12, 0.001, 0.000270239507783484},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const double found = cox_audit_bound(cases[i].v, cases[i].k, cases[i].delta);
        if (!(fabs(found - cases[i].bound) <= 1e-9 * cases[i].bound))
            fail_msg("bound of case %zu is %.15g, wanted %.15g", i, found, cases[i].bound);
    }
    assert_true(cox_audit_bound(0, 0, 0.05) == 1 && cox_audit_bound(5, 5, 0.05) == 1);
    assert_true(cox_audit_bound_always(0, 0, 0.05) == 1);
}

static double choose(int n, int k)
{
    double c = 1;
    for (int i = 1; i <= k; i++)
        c = c * (n - k + i) / i;
    return k < 0 || k > n ? 0 : c;
}

/* All sets of up to 24 points, all audits of them, by adding up whole numbers below 2^53. No
 * sum is 4.97 %, so that rounding decides nothing. */
static void test_finite_sets(void **state)
{
    (void)state;
    for (int m = 1; m <= 24; m++)
        for (int v = 0; v <= m; v++)
            for (int k = 0; k <= v; k++) {
                int most = 0;
                for (int failing = k; failing <= k + m - v; failing++) {
                    double sum = 0;
                    for (int i = 0; i <= k; i++)
                        sum += choose(failing, i) * choose(m - failing, v - i);
                    if (sum / choose(m, v) > 0.0497)
                        most = failing - k;
                }
                assert_int_equal(cox_audit_bound_count(m - v, v, k, 0.0497), most);
                assert_true(cox_audit_bound_count_always(m - v, v, k, 0.0497) >= most);
            }
    /* of very many points, as of infinitely many */
    const double share = (double)cox_audit_bound_count(100000000, 200, 3, 0.05) / 1e8,
                 always = (double)cox_audit_bound_count_always(100000000, 200, 3, 0.05) / 1e8;
    assert_true(fabs(share - cox_audit_bound(200, 3, 0.05)) <= 1e-5);
    assert_true(fabs(always - cox_audit_bound_always(200, 3, 0.05)) <= 1e-5);
    assert_int_equal(cox_audit_bound_count(0, 30, 4, 0.05), 0);
    assert_int_equal(cox_audit_bound_count_always(0, 30, 4, 0.05), 0);
    assert_int_equal(cox_audit_bound_count(700, 0, 0, 0.05), 700);
    assert_int_equal(cox_audit_bound_count_always(700, 0, 0, 0.05), 700);
}

/* How often a bound is ever wrong: at the end, and at any of the audits on the way. */
static void wrong(bool finite, bool always, double *at_end, double *ever)
{
    enum { POINTS = 1000, FAILING = 50, AUDITS = 300 };
    const int trials = 1000;
    static int order[POINTS];
    *at_end = *ever = 0;
    for (int t = 0; t < trials; t++) {
        bool now = false, once = false;
        int k = 0;
        for (int i = 0; i < POINTS; i++)
            order[i] = i;
        cox_rng_shuffle(&rng, order, POINTS);
        for (int v = 1; v <= AUDITS; v++) {
            const bool fails =
                finite ? order[v - 1] < FAILING : cox_rng_below(&rng, POINTS) < FAILING;
            k += fails;
            if (v % 5)
                continue;
            if (finite) {
                const int64_t most = always ? cox_audit_bound_count_always(POINTS - v, v, k, 0.05)
                                            : cox_audit_bound_count(POINTS - v, v, k, 0.05);
                now = most < FAILING - k;
            } else {
                now = (always ? cox_audit_bound_always(v, k, 0.05) : cox_audit_bound(v, k, 0.05)) <
                      (double)FAILING / POINTS;
            }
            once = once || now;
        }
        *at_end += (double)now / trials;
        *ever += (double)once / trials;
    }
}

/* A bound that is looked at once is wrong at most in 5 % of cases; looked at 60 times it is wrong
 * at some time far more often, but for the one made for it. Three standard errors: 2.1 %. */
static void test_looking_again(void **state)
{
    double at_end, ever;
    (void)state;
    cox_rng_init(&rng, 14, 0);
    for (int finite = 0; finite < 2; finite++) {
        wrong(finite, false, &at_end, &ever);
        print_message("%s: one look %.3f, stopping when it suits %.3f, ",
                      finite ? "finite" : "infinite", at_end, ever);
        assert_true(at_end <= 0.05 + 0.021 && at_end > 0.005);
        assert_true(ever > 0.1);
        wrong(finite, true, &at_end, &ever);
        print_message("made for it %.3f\n", ever);
        assert_true(ever <= 0.05 + 0.021 && ever > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantile),
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_missing_and_broken),
        cmocka_unit_test(test_chosen_points_break_it),
        cmocka_unit_test(test_clopper_pearson),
        cmocka_unit_test(test_finite_sets),
        cmocka_unit_test(test_looking_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
