/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "servers/compare.h"

static const double step_time[] = {1, 2, 5}, step_cdf[] = {.25, .5, 1};

static void near_to(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.12g is not %.12g within %g", a, b, tolerance);
}

/* The mean of a lifetime is the mean of its quantiles, here by the midpoint rule: its error at the
 * unbounded end of the exponential and the Weibull is some 1e-4. */
static void test_mean(void **state)
{
    (void)state;
    static const struct cox_lifetime lives[] = {
        {.kind = COX_LIFETIME_EXPONENTIAL, .p = {3}},
        {.kind = COX_LIFETIME_WEIBULL, .p = {5, 1.7}},
        {.kind = COX_LIFETIME_CONSTRAINED, .p = {.3, 1.52, .717, 24.12}},
        {.kind = COX_LIFETIME_EMPIRICAL, .n = 3, .time = step_time, .cdf = step_cdf}};
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        enum { N = 40000 };
        double sum = 0;
        for (int k = 0; k < N; k++)
            sum += cox_lifetime_quantile(&lives[i], (k + .5) / N) / N;
        near_to(cox_lifetime_mean(&lives[i]), sum, 3e-4);
    }
    const struct cox_lifetime forever = {.kind = COX_LIFETIME_FOREVER};
    assert_true(isinf(cox_lifetime_mean(&forever)));
}

static struct cox_bag make_bag(void)
{
    struct cox_bag bag = {
        .n_jobs = 20,
        .job_h = 3,
        .job_spread = .2,
        .job_cores = 1,
        .servers = 4,
        .checkpoint_h = 1. / 60,
        .type = {.cores = 1,
                 .price = .2,
                 .price_on_demand = 1,
                 .life = {.kind = COX_LIFETIME_CONSTRAINED, .p = {.362, 2.23, .691, 24.31}}}};
    return bag;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Spreads, differences and gains by their definitions. */
static void test_compare(void **state)
{
    (void)state;
    enum { BAGS = 201 };
    const struct cox_bag bag = make_bag();
    struct cox_bag_policy policies[COX_USUAL_POLICIES];
    struct cox_bag_result r[COX_USUAL_POLICIES];
    assert_int_equal(cox_bag_usual(policies, &bag, &bag.type.life, true, NULL), 0);
    assert_int_equal(cox_bag_compare(r, policies, COX_USUAL_POLICIES, &bag, BAGS, 9, NULL), 0);
    for (int k = 0; k < COX_USUAL_POLICIES; k++) {
        double sorted[BAGS], mean = 0, squares = 0;
        memcpy(sorted, r[k].cost, sizeof sorted);
        qsort(sorted, BAGS, sizeof *sorted, ascending);
        for (int i = 0; i < BAGS; i++)
            mean += sorted[i] / BAGS;
        for (int i = 0; i < BAGS; i++)
            squares += (sorted[i] - mean) * (sorted[i] - mean);
        near_to(r[k].cost_spread.mean, mean, 1e-12);
        near_to(r[k].cost_spread.error, sqrt(squares / (BAGS - 1) / BAGS), 1e-12);
        near_to(r[k].cost_spread.p5, sorted[10], 1e-12);
        near_to(r[k].cost_spread.p50, sorted[100], 1e-12);
        near_to(r[k].cost_spread.p95, sorted[190], 1e-12);
        assert_int_equal(r[k].finished, BAGS);
        double hours = r[k].work_h + r[k].lost_h + r[k].idle_h + r[k].checkpoint_h + r[k].startup_h;
        near_to(hours * (k == COX_USUAL_ON_DEMAND ? 1 : .2), mean, 1e-9);
    }
    double error, d = cox_bag_difference(&r[COX_USUAL_MODEL], &r[COX_USUAL_NAIVE], &error);
    const double naive = r[COX_USUAL_NAIVE].cost_spread.mean;
    const double model = r[COX_USUAL_MODEL].cost_spread.mean;
    near_to(d, model - naive, 1e-12);
    assert_true(d < -3 * error);
    /* the same fortune: the difference of two is known better than each */
    d = cox_bag_difference(&r[COX_USUAL_TUNED], &r[COX_USUAL_MODEL], &error);
    assert_true(error < .7 * r[COX_USUAL_MODEL].cost_spread.error);
    const struct cox_bag_gain g =
        cox_bag_gain(&bag, &r[COX_USUAL_ON_DEMAND], &r[COX_USUAL_NAIVE], &r[COX_USUAL_MODEL]);
    const double on_demand = r[COX_USUAL_ON_DEMAND].cost_spread.mean;
    near_to(g.ideal, on_demand / 5, 1e-12);
    near_to(g.factor, on_demand / model, 1e-12);
    near_to(g.price_factor * g.policy_factor, g.factor, 1e-12);
    near_to(g.price_share, (on_demand - naive) / (on_demand - model), 1e-12);
    near_to(g.price_share + g.policy_share, 1, 1e-12);
    near_to(g.taken_back, (naive - model) / (naive - on_demand / 5), 1e-12);
    for (int k = 0; k < COX_USUAL_POLICIES; k++)
        cox_bag_result_deinit(&r[k]);
}

/* What would be paid at the transient price were no server taken away is what a bag on transient
 * servers that stay costs. */
static void test_ideal(void **state)
{
    (void)state;
    struct cox_bag bag = make_bag();
    struct cox_bag_policy policies[COX_USUAL_POLICIES];
    struct cox_bag_result r[2];
    bag.type.life = (struct cox_lifetime){.kind = COX_LIFETIME_FOREVER};
    assert_int_equal(cox_bag_usual(policies, &bag, &bag.type.life, true, NULL), 0);
    assert_int_equal(cox_bag_compare(r, policies, 2, &bag, 50, 9, NULL), 0);
    const struct cox_bag_gain g = cox_bag_gain(&bag, &r[0], &r[1], &r[1]);
    near_to(g.ideal, r[1].cost_spread.mean, 1e-12);
    assert_true(isnan(g.taken_back) || fabs(g.naive - g.ideal) < 1e-12);
    cox_bag_result_deinit(&r[0]);
    cox_bag_result_deinit(&r[1]);
}

/* A bag that cannot be is refused, and everything can be given back. */
static void test_refused(void **state)
{
    (void)state;
    struct cox_bag bag = make_bag();
    struct cox_bag_policy policies[COX_USUAL_POLICIES];
    struct cox_bag_result r[COX_USUAL_POLICIES];
    struct cox_err err = COX_ERR_INIT;
    const uint64_t before = cox_mem_in_use();
    assert_int_equal(cox_bag_usual(policies, &bag, &bag.type.life, true, NULL), 0);
    policies[COX_USUAL_TUNED].period_h = 0;
    assert_int_equal(cox_bag_compare(r, policies, COX_USUAL_POLICIES, &bag, 5, 9, &err),
                     COX_EINVAL);
    assert_non_null(strstr(err.text, "policy 'tuned periodic': period is 0 h"));
    for (int k = 0; k < COX_USUAL_POLICIES; k++)
        cox_bag_result_deinit(&r[k]);
    assert_true(cox_mem_in_use() == before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mean),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_ideal),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
