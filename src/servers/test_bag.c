/* SPDX-License-Identifier: BSD-3-Clause */
/* Simulated bags against what is known in closed form, against the models' own expectations, and
 * against their own books. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"
#include "servers/bag.h"

#define HC16                                                               \
    {                                                                      \
        .kind = COX_LIFETIME_CONSTRAINED, .p = { .362, 2.23, .691, 24.31 } \
    }

static const struct cox_lifetime forever = {.kind = COX_LIFETIME_FOREVER};
static const struct cox_lifetime bathtub = HC16;

static void near_to(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.12g is not %.12g within %g", a, b, tolerance);
}

static struct cox_bag make_bag(int jobs, double job_h, int servers, struct cox_lifetime life)
{
    struct cox_bag bag = {.n_jobs = jobs,
                          .job_h = job_h,
                          .job_cores = 16,
                          .servers = servers,
                          .checkpoint_h = 1. / 60,
                          .type = {.name = "n1-highcpu-16",
                                   .cores = 16,
                                   .price = .12,
                                   .price_on_demand = .5672,
                                   .life = life}};
    return bag;
}

static struct cox_bag_policy make_policy(enum cox_bag_reuse reuse,
                                         enum cox_bag_checkpoints checkpoints,
                                         struct cox_lifetime believed)
{
    struct cox_bag_policy policy = {.name = "test",
                                    .believed = believed,
                                    .reuse = reuse,
                                    .time_model = COX_TIME_RESTART,
                                    .checkpoints = checkpoints,
                                    .period_h = .5};
    return policy;
}

struct moments {
    double makespan, cost, makespan_error, cost_error; /* means and their standard errors */
    int finished;
};

/* Every bag's books are checked on the way. */
static void check_books(const struct cox_bag *bag, const struct cox_bag_policy *policy,
                        const struct cox_bag_outcome *o)
{
    double hours = o->work_h + o->lost_h + o->idle_h + o->checkpoint_h + o->startup_h;
    double price = policy->on_demand ? bag->type.price_on_demand : bag->type.price;
    near_to(hours * price, o->cost, 1e-9 * (1 + o->cost));
    assert_true(o->work_h >= 0 && o->lost_h >= 0 && o->idle_h >= -1e-9 && o->checkpoint_h >= 0);
    assert_true(o->preemptions <= o->servers);
}

static struct moments run(const struct cox_bag *bag, const struct cox_bag_policy *policy, int n)
{
    struct cox_bag_runner *runner = NULL;
    struct cox_err err = COX_ERR_INIT;
    struct moments m = {0};
    double t2 = 0, c2 = 0;
    if (cox_bag_runner_create(&runner, bag, policy, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < n; i++) {
        struct cox_bag_outcome o;
        cox_bag_run(runner, 11, (uint64_t)i, &o);
        check_books(bag, policy, &o);
        m.finished += o.finished;
        m.makespan += o.makespan_h / n;
        m.cost += o.cost / n;
        t2 += o.makespan_h * o.makespan_h / n;
        c2 += o.cost * o.cost / n;
    }
    m.makespan_error = sqrt(fmax(0, t2 - m.makespan * m.makespan) / n);
    m.cost_error = sqrt(fmax(0, c2 - m.cost * m.cost) / n);
    cox_bag_runner_destroy(runner);
    return m;
}

/* Servers that stay: 10 jobs of 2 h on 4 servers are three rounds; two servers have nothing to do
 * in the last one and are given back. Two jobs at a time on a server of twice the cores. */
static void test_forever(void **state)
{
    (void)state;
    struct cox_bag bag = make_bag(10, 2, 4, forever);
    struct cox_bag_policy policy = make_policy(COX_BAG_ALWAYS, COX_BAG_NO_CHECKPOINTS, forever);
    bag.type.startup_h = .1;
    struct moments m = run(&bag, &policy, 3);
    near_to(m.makespan, 6.1, 1e-12);
    near_to(m.cost, .12 * (20 + 4 * .1), 1e-12);
    policy.on_demand = true;
    m = run(&bag, &policy, 1);
    near_to(m.cost, .5672 * (20 + 4 * .1), 1e-12);
    policy.reuse = COX_BAG_NEVER; /* of no meaning on demand */
    near_to(run(&bag, &policy, 1).cost, m.cost, 0);
    policy.on_demand = false; /* each job waits for a server */
    m = run(&bag, &policy, 1);
    near_to(m.makespan, 6.3, 1e-12);
    near_to(m.cost, .12 * (20 + 10 * .1), 1e-12);
    bag.job_cores = 8;
    policy.reuse = COX_BAG_ALWAYS;
    m = run(&bag, &policy, 1); /* 8 slots: 8 jobs, then 2, which may share a server or not */
    near_to(m.makespan, 4.1, 1e-12);
    /* checkpoints every half hour: three of them, none after the last */
    bag.job_cores = 16;
    policy.checkpoints = COX_BAG_PERIODIC;
    m = run(&bag, &policy, 1);
    near_to(m.makespan, 3 * (2 + 3. / 60) + .1, 1e-12);
}

/* Ends when m of n are done, when the time or the money is up. */
static void test_limits(void **state)
{
    (void)state;
    struct cox_bag bag = make_bag(10, 2, 4, forever);
    struct cox_bag_policy policy = make_policy(COX_BAG_ALWAYS, COX_BAG_NO_CHECKPOINTS, forever);
    struct cox_bag_runner *runner;
    struct cox_bag_outcome o;
    bag.m_needed = 5; /* four at 2 h, the others at 4 h */
    assert_int_equal(cox_bag_runner_create(&runner, &bag, &policy, NULL), 0);
    cox_bag_run(runner, 1, 0, &o);
    assert_true(o.finished && o.done >= 5);
    near_to(o.makespan_h, 4, 1e-12);
    near_to(o.cost, 4 * 4 * .12, 1e-12);
    cox_bag_runner_destroy(runner);
    bag.m_needed = 0;
    bag.deadline_h = 5; /* eight are done, two have run for an hour */
    assert_int_equal(cox_bag_runner_create(&runner, &bag, &policy, NULL), 0);
    cox_bag_run(runner, 1, 0, &o);
    assert_true(!o.finished && o.done == 8);
    near_to(o.makespan_h, 5, 1e-12);
    near_to(o.lost_h, 2, 1e-12);
    near_to(o.cost, (16 + 2) * .12, 1e-12);
    cox_bag_runner_destroy(runner);
    bag.deadline_h = 0;
    bag.budget = 1; /* at .48 an hour: 25/12 h */
    assert_int_equal(cox_bag_runner_create(&runner, &bag, &policy, NULL), 0);
    cox_bag_run(runner, 1, 0, &o);
    assert_true(!o.finished && o.done == 4);
    near_to(o.cost, 1, 1e-12);
    near_to(o.makespan_h, 25. / 12, 1e-12);
    cox_bag_runner_destroy(runner);
    bag.budget = .12 * 20 + 1e-9; /* just enough */
    assert_int_equal(run(&bag, &policy, 1).finished, 1);
    /* no server lasts for the job: it gets nowhere, and says so */
    const double time[] = {1}, cdf[] = {1};
    bag.budget = 0;
    bag.type.life =
        (struct cox_lifetime){.kind = COX_LIFETIME_EMPIRICAL, .n = 1, .time = time, .cdf = cdf};
    assert_int_equal(run(&bag, &policy, 1).finished, 0);
    policy.checkpoints = COX_BAG_PERIODIC; /* with checkpoints it does */
    assert_int_equal(run(&bag, &policy, 1).finished, 1);
}

static void within(double mean, double error, double expected, const char *what)
{
    print_message("%s: %.5f +- %.5f, expected %.5f\n", what, mean, error, expected);
    near_to(mean, expected, 3 * error);
    assert_true(error > 0 && error < .02 * expected); /* else it could not fail */
}

/* One job on a fresh server, again and again until one lasts. */
static void test_restart(void **state)
{
    (void)state;
    const struct cox_lifetime lives[] = {
        bathtub,
        {.kind = COX_LIFETIME_EXPONENTIAL, .p = {5}},
        {.kind = COX_LIFETIME_WEIBULL, .p = {6, .7}},
    };
    for (size_t i = 0; i < 3; i++) {
        struct cox_bag bag = make_bag(1, 3, 1, lives[i]);
        struct cox_bag_policy policy = make_policy(COX_BAG_NEVER, COX_BAG_NO_CHECKPOINTS, lives[i]);
        struct moments m = run(&bag, &policy, 40000);
        within(m.makespan, m.makespan_error,
               cox_job_expected_time(&lives[i], 3, 0, COX_TIME_RESTART),
               cox_lifetime_name(lives[i].kind));
        near_to(m.cost, .12 * m.makespan, 1e-9);
        bag.n_jobs = 6; /* one after the other */
        m = run(&bag, &policy, 10000);
        within(m.makespan, m.makespan_error,
               6 * cox_job_expected_time(&lives[i], 3, 0, COX_TIME_RESTART), "six of them");
    }
}

/* The schedule's job, the tuned period's and a poor period's take as long as the programme says. */
static void test_checkpoints(void **state)
{
    (void)state;
    struct cox_schedule_options o = COX_SCHEDULE_OPTIONS_INIT;
    struct cox_schedule schedule;
    struct cox_bag bag = make_bag(1, 5, 1, bathtub);
    struct cox_bag_policy policy = make_policy(COX_BAG_NEVER, COX_BAG_SCHEDULE, bathtub);
    double tuned, expected;
    o.work_h = 5;
    assert_int_equal(cox_schedule_optimal(&schedule, &bathtub, &o, NULL), 0);
    struct moments best = run(&bag, &policy, 100000);
    within(best.makespan, best.makespan_error, schedule.expected_h, "schedule");
    cox_schedule_deinit(&schedule);
    assert_int_equal(cox_schedule_tuned_period(&tuned, &expected, &bathtub, &o, NULL), 0);
    policy.checkpoints = COX_BAG_PERIODIC;
    policy.period_h = tuned;
    struct moments periodic = run(&bag, &policy, 100000);
    within(periodic.makespan, periodic.makespan_error, expected, "tuned period");
    assert_true(best.makespan < periodic.makespan);
    policy.period_h = .1;
    struct moments poor = run(&bag, &policy, 50000);
    within(poor.makespan, poor.makespan_error, cox_schedule_periodic(&bathtub, &o, .1, NULL),
           "six minutes");
    /* a server takes a quarter of an hour to come up: before the job and after each loss */
    o.restart_h = bag.type.startup_h = .25;
    policy.checkpoints = COX_BAG_SCHEDULE;
    assert_int_equal(cox_schedule_optimal(&schedule, &bathtub, &o, NULL), 0);
    best = run(&bag, &policy, 100000);
    within(best.makespan, best.makespan_error, .25 + schedule.expected_h, "slow servers");
    cox_schedule_deinit(&schedule);
}

/* The table's expectation, which decides on reuse, is the programme's. */
static void test_table(void **state)
{
    (void)state;
    struct cox_schedule_options o = COX_SCHEDULE_OPTIONS_INIT;
    struct cox_schedule_table *table;
    o.work_h = 5;
    assert_int_equal(cox_schedule_table_create(&table, &bathtub, &o, NULL), 0);
    for (double work = 1; work < 5.5; work += 2)
        for (double age = 0; age < 20; age += 9.5) {
            struct cox_schedule schedule;
            o.work_h = work;
            o.age_h = age;
            assert_int_equal(cox_schedule_optimal(&schedule, &bathtub, &o, NULL), 0);
            near_to(cox_schedule_table_expected(table, work, age), schedule.expected_h, 2e-6);
            cox_schedule_deinit(&schedule);
        }
    cox_schedule_table_destroy(table);
}

/* Lifetimes are drawn from the model: a share F(t) of jobs of t hours is interrupted at once. */
static void test_draws(void **state)
{
    (void)state;
    static const double time[] = {.5, 2, 7, 20}, cdf[] = {.1, .4, .45, 1};
    const struct cox_lifetime lives[] = {
        bathtub, {.kind = COX_LIFETIME_EMPIRICAL, .n = 4, .time = time, .cdf = cdf}};
    const double replay[] = {.5, 1, 1, 3};
    enum { BAGS = 20000 };
    for (int k = 0; k < 9; k++) {
        const double at[] = {.2, 1.5, 3, 10, .2, 1.5, 3, 10, 2};
        struct cox_bag bag = make_bag(1, at[k], 1, lives[k / 4 % 2]);
        struct cox_bag_policy policy = make_policy(COX_BAG_NEVER, COX_BAG_NO_CHECKPOINTS, bathtub);
        struct cox_bag_runner *runner;
        double f = k < 8 ? cox_lifetime_cdf(&bag.type.life, at[k]) : .75;
        int gone = 0;
        bag.deadline_h = at[k];
        if (k == 8) {
            bag.replay = replay;
            bag.n_replay = 4;
        }
        assert_int_equal(cox_bag_runner_create(&runner, &bag, &policy, NULL), 0);
        for (int i = 0; i < BAGS; i++) {
            struct cox_bag_outcome o;
            cox_bag_run(runner, 3, (uint64_t)i, &o);
            gone += o.preemptions > 0;
        }
        near_to(gone / (double)BAGS, f, 3.5 * sqrt(f * (1 - f) / BAGS) + 1e-12);
        cox_bag_runner_destroy(runner);
    }
}

/* A notice that is long enough for a checkpoint: only the notice is lost. */
static void test_notice(void **state)
{
    (void)state;
    const double time[] = {1}, cdf[] = {1};
    const struct cox_lifetime hour = {
        .kind = COX_LIFETIME_EMPIRICAL, .n = 1, .time = time, .cdf = cdf};
    struct cox_bag bag = make_bag(1, 2.5, 1, hour);
    struct cox_bag_policy policy = make_policy(COX_BAG_MODEL, COX_BAG_SCHEDULE, hour);
    struct cox_bag_runner *runner;
    struct cox_bag_outcome o;
    bag.type.notice_s = 180; /* of .05 h the checkpoint takes 1/60 */
    assert_int_equal(cox_bag_runner_create(&runner, &bag, &policy, NULL), 0);
    cox_bag_run(runner, 1, 0, &o);
    assert_int_equal(o.preemptions, 2); /* .95 h on each of two, .6 h on the third */
    near_to(o.makespan_h, 2.6, 1e-12);
    near_to(o.checkpoint_h, 2. / 60, 1e-12);
    near_to(o.lost_h, 2 * (.05 - 1. / 60), 1e-12);
    cox_bag_runner_destroy(runner);
}

/* A server that is likely to go soon is not given a job of the model's policy; idle good ones are
 * kept, as many as spares are wanted, and shorten the bag. */
static void test_reuse(void **state)
{
    (void)state;
    struct cox_bag bag = make_bag(60, 4, 6, bathtub);
    struct cox_bag_policy policy = make_policy(COX_BAG_ALWAYS, COX_BAG_NO_CHECKPOINTS, bathtub);
    struct moments naive = run(&bag, &policy, 2000);
    policy.reuse = COX_BAG_MODEL;
    struct moments model = run(&bag, &policy, 2000);
    policy.reuse = COX_BAG_NEVER;
    struct moments never = run(&bag, &policy, 2000);
    print_message("always %.4f, never %.4f, by the model %.4f +- %.4f USD\n", naive.cost,
                  never.cost, model.cost, model.cost_error);
    assert_true(model.cost < naive.cost - 3 * model.cost_error);
    assert_true(model.cost < never.cost - 3 * model.cost_error);
    bag.n_jobs = 6; /* one round: a server that is lost near its end costs the most */
    bag.type.startup_h = .5;
    policy.reuse = COX_BAG_MODEL;
    struct moments without = run(&bag, &policy, 20000);
    policy.spares = 2;
    struct moments with = run(&bag, &policy, 20000);
    print_message("spares 0: %.4f h, %.4f USD; 2: %.4f h, %.4f USD\n", without.makespan,
                  without.cost, with.makespan, with.cost);
    assert_true(with.makespan < without.makespan - 3 * with.makespan_error);
    assert_true(with.cost > without.cost);
}

/* The same number, the same bag, whatever ran before; other numbers, other bags; policies meet the
 * same lengths. No allocation on the way. */
static void test_same(void **state)
{
    (void)state;
    struct cox_bag bag = make_bag(40, 3, 5, bathtub);
    struct cox_bag_policy policy = make_policy(COX_BAG_MODEL, COX_BAG_SCHEDULE, bathtub);
    struct cox_bag_runner *a, *b;
    struct cox_bag_outcome one, two, other;
    bag.job_spread = .3;
    bag.job_cores = 5;
    assert_int_equal(cox_bag_runner_create(&a, &bag, &policy, NULL), 0);
    assert_int_equal(cox_bag_runner_create(&b, &bag, &policy, NULL), 0);
    uint64_t before = cox_mem_allocations();
    cox_bag_run(a, 7, 4, &one);
    for (uint64_t i = 0; i < 50; i++)
        cox_bag_run(b, 8, i, &other);
    cox_bag_run(b, 7, 5, &other);
    cox_bag_run(b, 7, 4, &two);
    assert_true(cox_mem_allocations() == before);
    assert_memory_equal(&one, &two, sizeof one);
    assert_true(other.cost != one.cost);
    cox_bag_runner_destroy(a);
    cox_bag_runner_destroy(b);
    /* the mean of a job is what it is said to be */
    bag = make_bag(400, 3, 400, forever);
    bag.job_spread = .5;
    policy = make_policy(COX_BAG_ALWAYS, COX_BAG_NO_CHECKPOINTS, forever);
    struct moments m = run(&bag, &policy, 500);
    within(m.cost, m.cost_error, 400 * 3 * .12, "log-normal jobs");
    near_to(m.cost_error * sqrt(500), .12 * 3 * .5 * sqrt(400), .15 * .12 * 3 * .5 * 20);
}

static void test_refused(void **state)
{
    (void)state;
    struct cox_bag_runner *runner;
    struct cox_err err = COX_ERR_INIT;
    struct cox_bag bag = make_bag(4, 3, 5, bathtub);
    struct cox_bag_policy policy = make_policy(COX_BAG_MODEL, COX_BAG_SCHEDULE, bathtub);
    bag.job_cores = 17;
    assert_int_equal(cox_bag_runner_create(&runner, &bag, &policy, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "a job needs 17 cores; server 'n1-highcpu-16' has 16"));
    bag.job_cores = 16;
    bag.m_needed = 5;
    assert_int_equal(cox_bag_runner_create(&runner, &bag, &policy, &err), COX_EINVAL);
    bag.m_needed = 0;
    policy.believed.p[0] = 2;
    assert_int_equal(cox_bag_runner_create(&runner, &bag, &policy, &err), COX_EINVAL);
    policy.believed.p[0] = .3;
    for (uint64_t n = 1; n < 40; n++) { /* memory that is not there */
        cox_mem_fail_at(n);
        int rc = cox_bag_runner_create(&runner, &bag, &policy, NULL);
        cox_mem_fail_at(0);
        if (!rc) {
            cox_bag_runner_destroy(runner);
            assert_true(n > 5);
            return;
        }
        assert_int_equal(rc, COX_ENOMEM);
    }
    fail();
}

/* Not a test of speed but a statement of it: bags of 100 jobs a second of processor time. */
static void test_speed(void **state)
{
    (void)state;
    struct cox_bag bag = make_bag(100, 2, 10, bathtub);
    struct cox_bag_policy policy = make_policy(COX_BAG_MODEL, COX_BAG_SCHEDULE, bathtub);
    struct cox_bag_runner *runner;
    struct cox_bag_outcome o;
    double best = INFINITY;
    bag.job_spread = .1;
    assert_int_equal(cox_bag_runner_create(&runner, &bag, &policy, NULL), 0);
    for (int repeat = 0; repeat < 5; repeat++) {
        struct timespec from, to;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        for (uint64_t i = 0; i < 400; i++)
            cox_bag_run(runner, 1, i, &o);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        best = fmin(best,
                    (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec));
    }
    print_message("%.0f bags of 100 jobs a second\n", 400 / best);
    assert_true(400 / best > 1000); /* of some fifty times that */
    cox_bag_runner_destroy(runner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forever), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_restart), cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_table),   cmocka_unit_test(test_draws),
        cmocka_unit_test(test_notice),  cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_same),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
