/* SPDX-License-Identifier: BSD-3-Clause */
/* The regressor as a whole: it learns, the same whatever the threads, stops, refuses, saves, and
 * allocates nothing in a step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "learn/regressor_net.h"

enum { IN = 2, OUT = 5, N = 300 };
static double X[N * IN], Y[N * OUT], E[N * OUT];
static const struct cox_regressor_data all = {.n = N, .x = X, .y = Y, .err = NULL};

static double truth(const double *x, int j)
{
    return sin(3 * x[0] + 0.7 * j) + 0.5 * x[1] * (j + 1);
}

static void make_rows(double noise)
{
    struct cox_rng rng;
    cox_rng_init(&rng, 31, 0);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < IN; k++)
            X[i * IN + k] = cox_rng_uniform(&rng);
        for (int j = 0; j < OUT; j++)
            Y[i * OUT + j] = truth(X + i * IN, j) + noise * cox_rng_normal(&rng);
    }
}

static struct cox_regressor_options small(void)
{
    struct cox_regressor_options o = COX_REGRESSOR_OPTIONS_INIT;
    o.members = 4;
    o.hidden[0] = 48;
    o.hidden[1] = 24;
    o.dropout = 0.1;
    o.learning_rate = 3e-3;
    o.seed = 5;
    return o;
}

static struct cox_regressor *make(const struct cox_regressor_options *o, struct cox_team *team)
{
    struct cox_regressor *r = NULL;
    assert_int_equal(cox_regressor_create(&r, IN, OUT, o, team, NULL), COX_OK);
    return r;
}

static struct cox_regressor_fit_options epochs(int n)
{
    struct cox_regressor_fit_options f = COX_REGRESSOR_FIT_OPTIONS_INIT;
    f.epochs = n;
    return f;
}

static bool same(const struct cox_regressor *a, const struct cox_regressor *b)
{
    for (int k = 0; k < a->options.members; k++) {
        const struct cox_params *p = a->members[k].params, *q = b->members[k].params;
        const size_t bytes = (size_t)p->floats * sizeof(float);
        if (memcmp(p->value, q->value, bytes) || memcmp(p->state[0], q->state[0], bytes) ||
            memcmp(p->state[1], q->state[1], bytes) ||
            a->members[k].optimizer.steps != b->members[k].optimizer.steps)
            return false;
    }
    return memcmp(a->inputs.least, b->inputs.least, IN * sizeof(double)) == 0 &&
           memcmp(a->outputs.width, b->outputs.width, OUT * sizeof(double)) == 0;
}

static double error_at(const struct cox_regressor *r, double from, double to, double *spread)
{
    double x[100 * IN], mean[100 * OUT], sd[100 * OUT], sum = 0;
    struct cox_rng rng;
    cox_rng_init(&rng, 32, 0);
    for (int i = 0; i < 100 * IN; i++)
        x[i] = from + (to - from) * cox_rng_uniform(&rng);
    assert_int_equal(cox_regressor_predict(r, NULL, 100, x, mean, sd, NULL), COX_OK);
    *spread = 0;
    for (int i = 0; i < 100; i++)
        for (int j = 0; j < OUT; j++) {
            sum += pow(mean[i * OUT + j] - truth(x + i * IN, j), 2);
            *spread += sd[i * OUT + j] / (100 * OUT);
        }
    return sqrt(sum / (100 * OUT));
}

/* A smooth function of two inputs from 300 rows: within 2 % of its range of about 3; members agree
 * there and much less where there were no rows. More rows with noise that is known: weights by the
 * error bars beat none. */
static void test_learns(void **state)
{
    struct cox_regressor_options o = small();
    struct cox_regressor_fit_options f = epochs(300);
    struct cox_regressor_result result;
    double inside, outside;
    (void)state;
    make_rows(0);
    f.final_rate = 0.01;
    o.dropout = 0;
    struct cox_regressor *r = make(&o, NULL);
    assert_int_equal(cox_regressor_fit(r, &all, &f, &result, NULL), COX_OK);
    assert_true(!result.warm && result.epochs == 300 && result.steps == 4 * 300 * 10);
    const double error = error_at(r, 0, 1, &inside), far = error_at(r, 2, 3, &outside);
    print_message("error %.4f (spread %.4f), outside %.3f (%.3f), loss %.2g, %.2f s\n", error,
                  inside, far, outside, result.train_loss, result.seconds);
    assert_true(error < 0.06 && outside > 5 * inside && far > 5 * error);
    cox_regressor_destroy(r);
}

static void test_error_bars(void **state)
{
    struct cox_regressor_options o = small();
    struct cox_regressor_fit_options f = epochs(150);
    struct cox_regressor_data data = all;
    double with = 0, without = 0, spread;
    struct cox_rng rng;
    (void)state;
    make_rows(0);
    cox_rng_init(&rng, 33, 0);
    for (int i = 0; i < N * OUT; i++) { /* every second value is off by ±1, and says so */
        E[i] = i % 2 ? 1 : 0.02;
        Y[i] += E[i] * cox_rng_normal(&rng);
    }
    o.members = 2;
    o.dropout = 0;
    for (int pass = 0; pass < 2; pass++) {
        data.err = pass ? E : NULL;
        struct cox_regressor *r = make(&o, NULL);
        assert_int_equal(cox_regressor_fit(r, &data, &f, NULL, NULL), COX_OK);
        *(pass ? &with : &without) = error_at(r, 0, 1, &spread);
        cox_regressor_destroy(r);
    }
    print_message("error with error bars %.3f, without %.3f\n", with, without);
    assert_true(with < 0.5 * without);
}

/* The same bits for one thread and three; another seed gives others; a row's prediction does not
 * depend on those beside it, nor on who asks. */
static void test_deterministic(void **state)
{
    static double a[N * OUT], b[N * OUT], sd[N * OUT], values[4 * N * OUT];
    struct cox_regressor_options o = small();
    struct cox_regressor_fit_options f = epochs(4);
    struct cox_regressor_workspace *w;
    struct cox_team *team;
    (void)state;
    make_rows(0.1);
    f.valid_fraction = 0.2;
    f.patience = 3;
    o.bootstrap = true;
    assert_int_equal(cox_team_create(&team, 3, NULL), COX_OK);
    struct cox_regressor *one = make(&o, NULL), *three = make(&o, team), *copy, *other;
    assert_int_equal(cox_regressor_fit(one, &all, &f, NULL, NULL), COX_OK);
    assert_int_equal(cox_regressor_fit(three, &all, &f, NULL, NULL), COX_OK);
    assert_true(same(one, three));
    assert_int_equal(cox_regressor_copy(&copy, one, team, NULL), COX_OK);
    assert_true(same(one, copy));
    f.epochs = 2;
    assert_int_equal(cox_regressor_fit(one, &all, &f, NULL, NULL), COX_OK);
    assert_int_equal(cox_regressor_fit(copy, &all, &f, NULL, NULL), COX_OK);
    assert_true(same(one, copy) && !same(one, three));
    o.seed = 6;
    other = make(&o, NULL);
    assert_int_equal(cox_regressor_fit(other, &all, &f, NULL, NULL), COX_OK);
    assert_false(same(other, three));
    assert_int_equal(cox_regressor_predict(copy, NULL, N, X, a, sd, NULL), COX_OK);
    assert_int_equal(cox_regressor_workspace_create(&w, one, NULL), COX_OK);
    const uint64_t before = cox_mem_allocations();
    for (int i = 0; i < N; i++)
        assert_int_equal(cox_regressor_predict(one, w, 1, X + i * IN, b + i * OUT, NULL, NULL),
                         COX_OK);
    assert_int_equal(cox_mem_allocations(), before);
    assert_memory_equal(a, b, sizeof a);
    /* mean and spread are those of the members */
    assert_int_equal(cox_regressor_predict_members(one, w, N, X, values, NULL), COX_OK);
    for (int i = 0; i < N * OUT; i++) {
        double mean = 0, squares = 0;
        for (int k = 0; k < 4; k++)
            mean += values[k * N * OUT + i] / 4;
        for (int k = 0; k < 4; k++)
            squares += pow(values[k * N * OUT + i] - mean, 2);
        assert_true(fabs(mean - a[i]) < 1e-14 && fabs(sqrt(squares / 3) - sd[i]) < 1e-12);
    }
    cox_regressor_workspace_destroy(w);
    cox_regressor_destroy(one);
    cox_regressor_destroy(three);
    cox_regressor_destroy(copy);
    cox_regressor_destroy(other);
    cox_team_destroy(team);
}

/* Threads with workspaces of their own predict from one model at once (the sanitiser watches). */
struct asking {
    const struct cox_regressor *regressor;
    struct cox_regressor_workspace *workspace[3];
    double mean[30][N * OUT];
};

static void ask(void *user, int item, int thread)
{
    struct asking *a = user;
    if (cox_regressor_predict(a->regressor, a->workspace[thread], N, X, a->mean[item], NULL, NULL))
        a->mean[item][0] = (double)NAN;
}

static void test_at_once(void **state)
{
    static struct asking a;
    struct cox_regressor_options o = small();
    struct cox_regressor_fit_options f = epochs(1);
    struct cox_team *team;
    (void)state;
    make_rows(0);
    assert_int_equal(cox_team_create(&team, 3, NULL), COX_OK);
    struct cox_regressor *r = make(&o, NULL);
    assert_int_equal(cox_regressor_fit(r, &all, &f, NULL, NULL), COX_OK);
    a.regressor = r;
    for (int i = 0; i < 3; i++)
        assert_int_equal(cox_regressor_workspace_create(&a.workspace[i], r, NULL), COX_OK);
    cox_team_run(team, 30, ask, &a);
    for (int i = 1; i < 30; i++)
        assert_memory_equal(a.mean[0], a.mean[i], sizeof a.mean[0]);
    for (int i = 0; i < 3; i++)
        cox_regressor_workspace_destroy(a.workspace[i]);
    cox_regressor_destroy(r);
    cox_team_destroy(team);
}

struct watch {
    int calls, epochs[4];
    double best[4];
    atomic_int *stop;
};

static void watch(void *user, const struct cox_regressor_epoch *e)
{
    struct watch *w = user;
    w->calls++;
    assert_int_equal(e->epoch, w->epochs[e->member]++);
    w->best[e->member] = fmin(w->best[e->member], e->valid_loss);
    if (w->stop && w->calls == 6)
        atomic_store(w->stop, 1);
}

/* With patience each member ends at the best loss of its own held-out rows. */
static void test_early_stopping(void **state)
{
    struct cox_regressor_options o = small();
    struct cox_regressor_fit_options f = epochs(400);
    struct cox_regressor_result result;
    struct watch w = {.best = {1e9, 1e9, 1e9, 1e9}};
    (void)state;
    make_rows(0.5);
    o.dropout = 0;
    f.valid_fraction = 0.3;
    f.patience = 8;
    f.progress = watch;
    f.user = &w;
    struct cox_regressor *r = make(&o, NULL);
    assert_int_equal(cox_regressor_fit(r, &all, &f, &result, NULL), COX_OK);
    assert_true(w.calls < 4 * 400 && w.calls >= 4 * 9);
    assert_true(fabs(result.valid_loss - (w.best[0] + w.best[1] + w.best[2] + w.best[3]) / 4) <
                1e-12);
    /* those weights, and the same rows held out: nothing learnt, nothing changed */
    struct cox_regressor *still;
    struct cox_regressor_result same_loss;
    struct cox_regressor_fit_options once = f;
    assert_int_equal(cox_regressor_copy(&still, r, NULL, NULL), COX_OK);
    still->options.learning_rate = 1e-30;
    once.epochs = 1;
    once.progress = NULL;
    assert_int_equal(cox_regressor_fit(still, &all, &once, &same_loss, NULL), COX_OK);
    assert_true(same_loss.valid_loss == result.valid_loss);
    cox_regressor_destroy(still);
    /* going on from there cannot end with a worse loss on the same held-out rows */
    struct cox_regressor_result again;
    w = (struct watch){.best = {1e9, 1e9, 1e9, 1e9}};
    assert_int_equal(cox_regressor_fit(r, &all, &f, &again, NULL), COX_OK);
    assert_true(again.warm && again.valid_loss <= result.valid_loss);
    cox_regressor_destroy(r);
}

static void test_stop(void **state)
{
    struct cox_regressor_options o = small();
    struct cox_regressor_fit_options f = epochs(50);
    atomic_int stop = 0;
    struct watch w = {.stop = &stop};
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    make_rows(0);
    struct cox_regressor *r = make(&o, NULL), *fresh = make(&o, NULL), *copy;
    f.progress = watch;
    f.user = &w;
    f.stop = &stop;
    assert_int_equal(cox_regressor_fit(r, &all, &f, NULL, &err), COX_ECANCELLED);
    assert_string_equal(err.text, "regressor: training was stopped");
    assert_false(cox_regressor_is_trained(r));
    for (int k = 0; k < 4; k++)
        assert_true(r->members[k].optimizer.steps == 0);
    atomic_store(&stop, 0);
    f.progress = NULL;
    f.epochs = 3;
    assert_int_equal(cox_regressor_fit(r, &all, &f, NULL, NULL), COX_OK);
    assert_int_equal(cox_regressor_fit(fresh, &all, &f, NULL, NULL), COX_OK);
    assert_true(same(r, fresh)); /* the stopped fit left nothing behind */
    assert_int_equal(cox_regressor_copy(&copy, r, NULL, NULL), COX_OK);
    atomic_store(&stop, 0);
    w = (struct watch){.stop = &stop};
    f.progress = watch;
    f.epochs = 50;
    assert_int_equal(cox_regressor_fit(r, &all, &f, NULL, NULL), COX_ECANCELLED);
    assert_false(same(r, copy)); /* warm: trained so far */
    f.warm = false;
    struct cox_regressor *third;
    assert_int_equal(cox_regressor_copy(&third, r, NULL, NULL), COX_OK);
    atomic_store(&stop, 0);
    w = (struct watch){.stop = &stop};
    assert_int_equal(cox_regressor_fit(r, &all, &f, NULL, NULL), COX_ECANCELLED);
    assert_true(same(r, third) && cox_regressor_is_trained(r)); /* anew: as it was */
    cox_regressor_destroy(r);
    cox_regressor_destroy(fresh);
    cox_regressor_destroy(copy);
    cox_regressor_destroy(third);
}

static void refused(struct cox_regressor *r, const struct cox_regressor_data *data,
                    const struct cox_regressor_fit_options *f, const char *text)
{
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_regressor_fit(r, data, f, NULL, &err), COX_EINVAL);
    if (!strstr(err.text, text))
        fail_msg("'%s' does not say '%s'", err.text, text);
}

static void test_refusals(void **state)
{
    struct cox_regressor_options o = small();
    struct cox_regressor *r = make(&o, NULL), *none;
    struct cox_regressor_data data = all;
    struct cox_err err = COX_ERR_INIT;
    double mean[OUT];
    (void)state;
    make_rows(0);
    assert_int_equal(cox_regressor_predict(r, NULL, 1, X, mean, NULL, &err), COX_EINVAL);
    assert_string_equal(err.text, "regressor: a prediction of a model not yet trained");
    assert_int_equal(cox_regressor_save(r, "test_regressor_untrained.h5", &err), COX_EINVAL);
    assert_string_equal(err.text, "saving the regressor: it has not been trained yet");
    assert_false(cox_file_exists("test_regressor_untrained.h5"));
    data.n = 0;
    refused(r, &data, NULL, "0 rows, allowed are 1 to");
    data.n = N;
    X[7] = (double)NAN;
    refused(r, &data, NULL, "input 1 of row 3 is nan");
    X[7] = 0.5;
    Y[OUT] = (double)-INFINITY;
    refused(r, &data, NULL, "output 0 of row 1 is -inf");
    Y[OUT] = 0;
    memset(E, 0, sizeof E);
    E[2] = -1;
    data.err = E;
    refused(r, &data, NULL, "the error of output 2 of row 0 is -1");
    struct cox_regressor_fit_options f = epochs(0);
    refused(r, &all, &f, "0 epochs");
    f = epochs(1);
    f.patience = 3;
    refused(r, &all, &f, "patience is 3 with a valid_fraction of 0");
    assert_false(cox_regressor_is_trained(r));
    o.hidden[1] = 0;
    assert_int_equal(cox_regressor_create(&none, IN, OUT, &o, NULL, &err), COX_EINVAL);
    assert_string_equal(err.text, "regressor: hidden is 0, allowed are 1 to 8192");
    assert_null(none);
    /* what becomes infinite is refused and undone, all members of it */
    f = epochs(2);
    assert_int_equal(cox_regressor_fit(r, &all, &f, NULL, NULL), COX_OK);
    struct cox_regressor *copy;
    r->members[2].params->value[3] = (float)INFINITY;
    assert_int_equal(cox_regressor_copy(&copy, r, NULL, NULL), COX_OK);
    assert_int_equal(cox_regressor_fit(r, &all, &f, NULL, &err), COX_EUNSTABLE);
    assert_non_null(strstr(err.text, "the loss of member 2 became"));
    assert_true(same(r, copy));
    assert_int_equal(
        cox_regressor_predict(r, NULL, 1, (double[]){0, (double)NAN}, mean, NULL, &err),
        COX_EINVAL);
    assert_non_null(strstr(err.text, "input 1 of row 0 is nan"));
    cox_regressor_destroy(copy);
    cox_regressor_destroy(r);
}

/* As many allocations for 5 epochs as for 1; and none that fails leaves anything behind. */
static void test_memory(void **state)
{
    struct cox_regressor_options o = small();
    struct cox_regressor *r, *copy;
    struct cox_err err = COX_ERR_INIT;
    uint64_t counts[2];
    (void)state;
    make_rows(0);
    const uint64_t in_use = cox_mem_in_use();
    for (int i = 0; i < 2; i++) {
        struct cox_regressor_fit_options f = epochs(i ? 5 : 1);
        r = make(&o, NULL);
        f.valid_fraction = 0.2;
        f.patience = 100;
        const uint64_t before = cox_mem_allocations();
        assert_int_equal(cox_regressor_fit(r, &all, &f, NULL, NULL), COX_OK);
        counts[i] = cox_mem_allocations() - before;
        if (i == 0)
            cox_regressor_destroy(r);
    }
    assert_int_equal(counts[0], counts[1]);
    struct cox_regressor_fit_options f = epochs(1);
    assert_int_equal(cox_regressor_copy(&copy, r, NULL, NULL), COX_OK);
    int failures = 0, rc = COX_ENOMEM;
    for (uint64_t i = 1; rc != COX_OK; i++, failures++) {
        cox_mem_fail_at(i);
        rc = cox_regressor_fit(r, &all, &f, NULL, &err);
        cox_mem_fail_at(0);
        assert_true(rc == COX_OK || (rc == COX_ENOMEM && same(r, copy)));
    }
    assert_true(failures > 20);
    for (uint64_t i = 1;; i++) {
        struct cox_regressor *more;
        cox_mem_fail_at(i);
        rc = cox_regressor_copy(&more, r, NULL, &err);
        cox_mem_fail_at(0);
        if (rc == COX_OK) {
            cox_regressor_destroy(more);
            break;
        }
        assert_true(rc == COX_ENOMEM && !more);
    }
    cox_regressor_destroy(r);
    cox_regressor_destroy(copy);
    assert_int_equal(cox_mem_in_use(), in_use);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),         cmocka_unit_test(test_error_bars),
        cmocka_unit_test(test_deterministic),  cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_early_stopping), cmocka_unit_test(test_stop),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
