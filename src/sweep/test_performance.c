/* SPDX-License-Identifier: BSD-3-Clause */
/* Effective performance: against the accounts it stands for, limits, and the crossover. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "sweep/performance.h"

/* Every point paid for, one by one. */
static double by_hand(const struct cox_performance *p)
{
    double paid = p->t_learn;
    for (int i = 0; i < (int)p->N; i++)
        paid += i < (int)(p->n + p->v) ? p->t_sim : p->t_lookup;
    return p->N * p->t_sim / paid;
}

static void test_finite(void **state)
{
    (void)state;
    const struct cox_performance some[] = {
        {.N = 4050, .n = 300, .v = 60, .t_sim = 1800, .t_learn = 900, .t_lookup = 0.2},
        {.N = 100, .n = 100, .v = 0, .t_sim = 2, .t_learn = 5, .t_lookup = 1e-4},
        {.N = 10, .n = 3, .v = 2, .t_sim = 1e-3, .t_learn = 10, .t_lookup = 1e-2},
    };
    for (int i = 0; i < 3; i++)
        assert_true(fabs(cox_speedup(&some[i]) / by_hand(&some[i]) - 1) < 1e-10);
    /* nothing predicted and learning for nothing: exactly 1; all simulated and learning: below */
    struct cox_performance p = {.N = 50, .n = 50, .t_sim = 3};
    assert_true(fabs(cox_speedup(&p) - 1) < 1e-15);
    p.t_learn = 1;
    assert_true(cox_speedup(&p) < 1);
}

static void test_crossover(void **state)
{
    (void)state;
    struct cox_performance p = {
        .n = 300, .v = 60, .t_sim = 1800, .t_learn = 90000, .t_lookup = 0.2};
    const double N = cox_speedup_crossover(&p);
    assert_true(N > 409 && N < 411); /* 360 simulations and the price of 50 in learning */
    p.N = N;
    assert_true(fabs(cox_speedup(&p) - 1) < 1e-12);
    p.N = N * 1.01;
    assert_true(cox_speedup(&p) > 1);
    p.N = N * 0.99;
    assert_true(cox_speedup(&p) < 1);
    p.t_lookup = p.t_sim; /* predictions that cost as much as simulations never win */
    assert_true(isinf(cox_speedup_crossover(&p)));
}

static void test_published(void **state)
{
    (void)state;
    /* The paper's limits: no lookups, T_seq/(T_train + T_learn); very many, T_seq/T_lookup. */
    assert_true(fabs(cox_speedup_published(1800, 1800, 10, 0.2, 0, 3000) - 1800.0 / 1810) < 1e-12);
    assert_true(fabs(cox_speedup_published(1800, 1800, 10, 0.2, 1e15, 3000) - 9000) < 1e-3);
    /* The finite bag without audits is the same account. */
    const struct cox_performance p = {
        .N = 4050, .n = 450, .t_sim = 1800, .t_learn = 450 * 7.0, .t_lookup = 0.2};
    assert_true(fabs(cox_speedup(&p) / cox_speedup_published(1800, 1800, 7, 0.2, 3600, 450) - 1) <
                1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finite),
        cmocka_unit_test(test_crossover),
        cmocka_unit_test(test_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
