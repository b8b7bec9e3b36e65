/* SPDX-License-Identifier: BSD-3-Clause */
/* The surrogate's models: trained beside the simulations, saved, loaded and gone on with,
 * distrusted when audits fail, and used to search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "sweep/surrogate_internal.h"
#include "sweep/test_loop.h"

static struct cox_err err;
static char folder[] = "/tmp/cox-surrogate-XXXXXX";

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

static void hill(const double *x, int d, double *y)
{
    double sum = 0;
    for (int i = 0; i < d; i++)
        sum += (x[i] - 0.3) * (x[i] - 0.3);
    y[0] = exp(-4 * sum) + 0.3 * sin(5 * x[0]);
}

static void profile(const double *x, int d, double *y)
{
    (void)d;
    for (int j = 0; j < 12; j++)
        y[j] = 2 + x[0] * sin(0.3 * j) + x[1] * x[1] * cos(0.2 * j);
}

/* While a training runs everything else goes on: results, choices, states, predictions; its end is
 * told by the file descriptor. Under TSan this is the test for races. */
static void test_beside(void **state)
{
    (void)state;
    struct loop l;
    struct cox_pick picks[8];
    struct cox_surrogate_state now;
    struct cox_ledger_model told;
    double y[12], mean[12], width[12];
    bool served;
    int during = 0, trainings = 0, done = 0;
    loop_init(&l, 300, 2, profile, 12);
    assert_int_equal(cox_surrogate_create(&l.surrogate, &l.settings, &l.points, 2, &err), COX_OK);
    struct cox_surrogate *s = l.surrogate;
    assert_int_equal(cox_surrogate_train_begin(s, &err), COX_EUNSUPPORTED); /* nothing to learn */
    assert_int_equal(
        cox_surrogate_predict(s, 1, l.points.feature, mean, NULL, NULL, NULL, NULL, &err),
        COX_EUNSUPPORTED);
    struct pollfd fd = {.fd = cox_surrogate_train_fd(s), .events = POLLIN};
    const double until = cox_clock_seconds() + 120;
    while (trainings < 6 && cox_clock_seconds() < until) {
        const int n = cox_surrogate_choose(s, 8, picks);
        for (int i = 0; i < n; i++) {
            loop_simulate(&l, picks[i].point, y);
            assert_int_equal(
                cox_surrogate_add(s, picks[i].point, picks[i].purpose, y, NULL, l.first, 1, &err),
                COX_OK);
            done++;
            during += cox_surrogate_training(s);
        }
        cox_surrogate_state(s, &now);
        assert_int_equal(now.simulated, done);
        if (s->model)
            assert_int_equal(cox_surrogate_predict(s, 1, l.points.feature, mean, width, NULL,
                                                   &served, NULL, &err),
                             COX_OK);
        if (cox_surrogate_training(s)) {
            assert_false(cox_surrogate_due(s));
            assert_int_equal(cox_surrogate_train_begin(s, &err), COX_EUNSUPPORTED);
            if (poll(&fd, 1, n > 0 ? 0 : 100) == 1) {
                assert_int_equal(cox_surrogate_train_end(s, &told, &err), COX_OK);
                assert_int_equal(told.id, ++trainings);
                assert_true(told.n_results >= 32 && told.n_results <= done);
                assert_true(told.epochs > 0 && told.seconds > 0 && told.train_loss >= 0);
                assert_int_equal(poll(&fd, 1, 0), 0);
            }
        } else if (cox_surrogate_due(s)) {
            assert_int_equal(cox_surrogate_train_begin(s, &err), COX_OK);
            assert_true(cox_surrogate_training(s));
        } else if (now.complete) {
            break;
        }
    }
    assert_true(trainings >= 2);
    assert_true(during > 0);
    /* destroyed in the middle of a long one: it stops at the next batch */
    l.settings.surrogate.epochs = 1000000;
    assert_int_equal(cox_surrogate_training(s) ? cox_surrogate_train_end(s, &told, &err) : COX_OK,
                     COX_OK);
    assert_int_equal(cox_surrogate_train_begin(s, &err), COX_OK);
    usleep(20000);
    const double began = cox_clock_seconds();
    cox_surrogate_destroy(s);
    l.surrogate = NULL;
    assert_true(cox_clock_seconds() - began < 10); /* else it would be hours */
    loop_deinit(&l);
}

static void ready(struct loop *l, double accuracy)
{
    loop_init(l, 250, 2, hill, 1);
    l->output[0].accuracy = accuracy;
    l->settings.surrogate.audits_min = 10;
    l->settings.targets.failing = 0.2;
    l->settings.targets.coverage = 0.8;
    l->settings.surrogate.retrain_every = 6;
}

/* The same seed and the same order of results: the same sweep to the bit, whatever the threads. */
static void test_repeatable(void **state)
{
    (void)state;
    struct loop l[2];
    for (int i = 0; i < 2; i++) {
        ready(&l[i], 0.05);
        l[i].threads = 1 + i;
        assert_int_equal(loop_run(&l[i], 250, &err), COX_OK);
        assert_true(l[i].state.complete);
    }
    assert_int_equal(l[0].simulated, l[1].simulated);
    assert_true(l[0].simulated < 200);
    assert_int_equal(l[0].surrogate->n_path, l[1].surrogate->n_path);
    assert_memory_equal(l[0].surrogate->path, l[1].surrogate->path,
                        (size_t)l[0].surrogate->n_path * sizeof(int));
    for (int p = 0; p < 250; p++) {
        double a, b;
        const double *x = l[0].points.feature + 2 * p;
        assert_int_equal(
            cox_surrogate_predict(l[0].surrogate, 1, x, &a, NULL, NULL, NULL, NULL, &err), COX_OK);
        assert_int_equal(
            cox_surrogate_predict(l[1].surrogate, 1, x, &b, NULL, NULL, NULL, NULL, &err), COX_OK);
        assert_memory_equal(&a, &b, sizeof a);
    }
    loop_deinit(&l[0]);
    loop_deinit(&l[1]);
}

static void predict_all(const struct loop *l, struct cox_surrogate *s, double *out, bool *served)
{
    const int n = l->points.n;
    assert_int_equal(cox_surrogate_predict(s, n, l->points.feature, out, out + n, out + 2 * n,
                                           served, out + 3 * n, &err),
                     COX_OK);
}

/* Saved and loaded: the same predictions, half-widths and decisions to the bit, alone (`cox sweep
 * predict`) and with the results (resume), before them or after. */
static void test_file(void **state)
{
    (void)state;
    struct loop l;
    char path[256];
    double before[4 * 250], after[4 * 250];
    bool served[250], again[250];
    struct cox_surrogate_state was, is;
    ready(&l, 0.05);
    assert_int_equal(loop_run(&l, 250, &err), COX_OK);
    assert_true(l.state.complete && l.state.servable > 0);
    snprintf(path, sizeof path, "%s/model.h5", folder);
    assert_int_equal(cox_surrogate_save(l.surrogate, path, &err), COX_OK);
    predict_all(&l, l.surrogate, before, served);
    cox_surrogate_state(l.surrogate, &was);
    for (int round = 0; round < 3; round++) {
        struct cox_surrogate *s;
        assert_int_equal(cox_surrogate_create(&s, &l.settings, &l.points, 1, &err), COX_OK);
        if (round < 2 && cox_surrogate_load(s, path, &err) != COX_OK)
            fail_msg("%s", err.text);
        for (int p = 0; p < 250 && round > 0; p++) {
            const struct cox_surrogate_point *point = &l.surrogate->point[p];
            if (point->value)
                assert_int_equal(cox_surrogate_add(s, p, (enum cox_purpose)point->purpose,
                                                   point->value, point->error, l.first, 1, &err),
                                 COX_OK);
        }
        if (round == 2)
            assert_int_equal(cox_surrogate_load(s, path, &err), COX_OK);
        cox_surrogate_state(s, &is);
        predict_all(&l, s, after, again);
        assert_memory_equal(before, after, sizeof before);
        assert_memory_equal(served, again, sizeof served);
        assert_int_equal(is.audits, was.audits);
        assert_int_equal(is.servable, was.servable);
        assert_true(is.trusted);
        if (round > 0) {
            assert_true(is.complete);
            assert_string_equal(is.why, was.why);
        }
        cox_surrogate_destroy(s);
    }
    loop_deinit(&l);
}

static void refuses(const struct loop *l, const char *path, int status, const char *says)
{
    struct cox_surrogate *s;
    assert_int_equal(cox_surrogate_create(&s, &l->settings, &l->points, 1, &err), COX_OK);
    assert_int_equal(cox_surrogate_load(s, path, &err), status);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
    cox_surrogate_destroy(s);
}

static void test_foreign(void **state)
{
    (void)state;
    struct loop l, other;
    char path[256], plain[256];
    ready(&l, 0.05);
    l.settings.surrogate.epochs_first = l.settings.surrogate.epochs = 5;
    assert_int_equal(loop_run(&l, 60, &err), COX_OK);
    snprintf(path, sizeof path, "%s/foreign.h5", folder);
    snprintf(plain, sizeof plain, "%s/plain.h5", folder);
    assert_int_equal(cox_surrogate_save(l.surrogate, path, &err), COX_OK);
    assert_int_equal(cox_regressor_save(l.surrogate->model->regressor, plain, &err), COX_OK);
    refuses(&l, plain, COX_EFORMAT, "is not the surrogate of a sweep");
    snprintf(plain, sizeof plain, "%s/none.h5", folder);
    refuses(&l, plain, COX_ENOTFOUND, "none.h5");
    snprintf(plain, sizeof plain, "%s/text.h5", folder);
    assert_int_equal(cox_file_replace(plain, "not HDF5", 8, &err), COX_OK);
    refuses(&l, plain, COX_EIO, "text.h5");
    loop_init(&other, 250, 3, hill, 1);
    refuses(&other, path, COX_EFORMAT, "2 features and 1 outputs, this one has 3 and 1");
    loop_deinit(&other);
    l.output[0].name = "z";
    refuses(&l, path, COX_EFORMAT, "output 1 is 'y', this sweep's is 'z'");
    l.output[0].name = "y";
    /* cut anywhere: refused, and what is there stays usable */
    char *bytes;
    size_t length;
    assert_int_equal(cox_file_read(&bytes, &length, path, 1 << 26, &err), COX_OK);
    for (int i = 1; i < 8; i++) {
        assert_int_equal(cox_file_replace(plain, bytes, length * (size_t)i / 8, &err), COX_OK);
        assert_true(cox_surrogate_load(l.surrogate, plain, &err) != COX_OK);
        double y;
        assert_int_equal(cox_surrogate_predict(l.surrogate, 1, l.points.feature, &y, NULL, NULL,
                                               NULL, NULL, &err),
                         COX_OK);
    }
    cox_free(bytes);
    struct cox_surrogate *s;
    assert_int_equal(cox_surrogate_create(&s, &l.settings, &l.points, 1, &err), COX_OK);
    assert_int_equal(cox_surrogate_save(s, plain, &err), COX_EUNSUPPORTED);
    cox_surrogate_destroy(s);
    loop_deinit(&l);
}

/* A world that changes once predictions are served: audits fail, trust is withdrawn, the sweep
 * simulates and learns again, and does not claim to be complete before that. */
static void test_fall_back(void **state)
{
    (void)state;
    struct loop l;
    struct cox_pick pick;
    struct cox_surrogate_state now = {0};
    struct cox_ledger_model told;
    double y[1];
    int shifted = 0, chosen = 0;
    bool trusted = false, withdrawn = false;
    ready(&l, 0.05);
    l.settings.targets.failing = 0.02;
    assert_int_equal(cox_surrogate_create(&l.surrogate, &l.settings, &l.points, 1, &err), COX_OK);
    struct cox_surrogate *s = l.surrogate;
    for (int i = 0; i < 250 && !now.complete; i++) {
        if (cox_surrogate_choose(s, 1, &pick) == 0)
            break;
        loop_simulate(&l, pick.point, y);
        if (trusted) { /* from the first trust on */
            y[0] += 5;
            shifted += pick.purpose == COX_PURPOSE_AUDIT;
            chosen += withdrawn && pick.purpose == COX_PURPOSE_CHOSEN;
        }
        assert_int_equal(cox_surrogate_add(s, pick.point, pick.purpose, y, NULL, l.first, 1, &err),
                         COX_OK);
        cox_surrogate_state(s, &now);
        if (trusted && !withdrawn && !now.trusted) {
            withdrawn = true;
            assert_true(shifted <= 12); /* it takes few */
            assert_true(now.audits_failed > 0);
        }
        trusted = trusted || now.trusted;
        if (now.complete)
            break;
        if (cox_surrogate_due(s)) {
            assert_int_equal(cox_surrogate_train_begin(s, &err), COX_OK);
            assert_int_equal(cox_surrogate_train_end(s, &told, &err), COX_OK);
        }
    }
    assert_true(trusted && withdrawn);
    assert_true(chosen > 10); /* simulating again */
    assert_true(!now.complete || now.simulated == 250);
    loop_deinit(&l);
}

/* Branin's function on a grid of 41 × 41, scaled to [0, 1]; the least is 0.3979. */
static void branin(const double *u, int d, double *y)
{
    (void)d;
    const double pi = acos(-1), x = 15 * u[0] - 5, z = 15 * u[1];
    const double a = z - 5.1 / (4 * pi * pi) * x * x + 5 / pi * x - 6;
    y[0] = a * a + 10 * (1 - 1 / (8 * pi)) * cos(x) + 10;
}

static void grid(struct loop *l, loop_function *function)
{
    loop_init(l, 41 * 41, 2, function, 1);
    for (int i = 0; i < 41 * 41; i++) {
        l->points.feature[2 * i] = (i % 41) / 40.0;
        l->points.feature[2 * i + 1] = (i / 41) / 40.0;
    }
    l->cores = 4;
    l->settings.surrogate.first = 20;
    l->settings.surrogate.retrain_every = 4;
    l->output[0].accuracy = 1;
    l->settings.objective = (struct cox_settings_objective){
        .kind = COX_OBJECTIVE_MINIMISE, .output = "y", .value = NAN, .tolerance = 0.1};
}

static void test_search(void **state)
{
    (void)state;
    double least = INFINITY, nearest = INFINITY, sum = 0;
    struct loop l;
    grid(&l, branin);
    for (int p = 0; p < 41 * 41; p++) {
        double y[1];
        branin(l.points.feature + 2 * p, 2, y);
        least = fmin(least, y[0]);
        nearest = fmin(nearest, fabs(y[0] - 50));
    }
    loop_deinit(&l);
    for (int seed = 1; seed <= 5; seed++) {
        grid(&l, branin);
        l.settings.seed = seed;
        if (loop_run(&l, 600, &err) != COX_OK)
            fail_msg("%s", err.text);
        assert_true(l.state.complete);
        assert_true(l.state.best_value - least < 0.5); /* of a range of 300 */
        assert_true(l.simulated < 400);                /* random: half of 1681 for the best one */
        sum += l.simulated;
        loop_deinit(&l);
    }
    print_message("Branin: %.0f of 1681 simulations\n", sum / 5);
    grid(&l, branin);
    l.settings.objective.kind = COX_OBJECTIVE_REACH;
    l.settings.objective.value = 50;
    l.settings.objective.tolerance = 0.2;
    assert_int_equal(loop_run(&l, 600, &err), COX_OK);
    assert_true(l.state.complete && l.simulated < 200);
    assert_true(nearest <= 0.2 && fabs(l.state.best_value - 50) <= 0.2);
    assert_non_null(strstr(l.state.why, "reached: 'y' is"));
    double width; /* its audits were learned from: nothing is promised */
    bool served;
    assert_int_equal(cox_surrogate_predict(l.surrogate, 1, l.points.feature, NULL, &width, NULL,
                                           &served, NULL, &err),
                     COX_OK);
    assert_true(isinf(width) && !served);
    loop_deinit(&l);
    grid(&l, branin); /* nothing is beyond 1000: it says so instead of simulating everything */
    l.settings.objective.kind = COX_OBJECTIVE_REACH;
    l.settings.objective.value = 1000;
    assert_int_equal(loop_run(&l, 1681, &err), COX_OK);
    assert_true(l.state.complete && l.simulated < 600);
    assert_non_null(strstr(l.state.why, "out of reach"));
    loop_deinit(&l);
}

/* A life in which the n-th allocation fails, for every n: an error or less good choices, and
 * nothing is left behind. */
static int life(struct loop *l, const char *path)
{
    struct cox_surrogate *s;
    struct cox_pick picks[4];
    struct cox_surrogate_state now;
    struct cox_ledger_model told;
    double y[1];
    int rc = cox_surrogate_create(&s, &l->settings, &l->points, 1, &err);
    for (int p = 0; p < 20 && rc == COX_OK; p++) {
        loop_simulate(l, p, y);
        rc = cox_surrogate_add(s, p, p % 5 ? COX_PURPOSE_DESIGN : COX_PURPOSE_AUDIT, y, NULL,
                               l->first, 1, &err);
    }
    if (rc == COX_OK)
        rc = cox_surrogate_train_begin(s, &err);
    if (rc == COX_OK)
        rc = cox_surrogate_train_end(s, &told, &err);
    if (rc == COX_OK) {
        (void)cox_surrogate_choose(s, 4, picks);
        cox_surrogate_state(s, &now);
        rc = cox_surrogate_predict(s, 1, l->points.feature, y, NULL, NULL, NULL, NULL, &err);
    }
    if (rc == COX_OK)
        rc = cox_surrogate_save(s, path, &err);
    if (rc == COX_OK)
        rc = cox_surrogate_load(s, path, &err);
    cox_surrogate_destroy(s);
    return rc;
}

static void test_memory(void **state)
{
    (void)state;
    struct loop l;
    char path[256];
    ready(&l, 0.05);
    l.settings.surrogate.epochs_first = 1;
    l.settings.surrogate.members = 2;
    l.settings.surrogate.first = 10;
    snprintf(path, sizeof path, "%s/life.h5", folder);
    assert_int_equal(life(&l, path), COX_OK);
    const uint64_t in_use = cox_mem_in_use(), before = cox_mem_allocations();
    assert_int_equal(life(&l, path), COX_OK);
    const uint64_t many = cox_mem_allocations() - before;
    int failed = 0;
    assert_true(many > 50);
    for (uint64_t n = 1; n <= many; n++) {
        cox_mem_fail_at(n);
        failed += life(&l, path) != COX_OK;
        cox_mem_fail_at(0);
        assert_int_equal(cox_mem_in_use(), in_use);
    }
    assert_true(failed > (int)many / 2);
    loop_deinit(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside),    cmocka_unit_test(test_repeatable),
        cmocka_unit_test(test_file),      cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_fall_back), cmocka_unit_test(test_search),
        cmocka_unit_test(test_memory),
    };
    size_t n = sizeof tests / sizeof tests[0];
#ifdef __SANITIZE_THREAD__
    n = 1; /* the threads are those of the first; the rest takes minutes */
#endif
    return _cmocka_run_group_tests("tests", tests, n, setup, teardown);
}
