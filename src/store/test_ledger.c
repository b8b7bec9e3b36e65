/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/ledger.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"

static char folder[200];
static char path[256];
static struct cox_err failure;

#define CHECK(call)                       \
    do {                                  \
        if (call)                         \
            fail_msg("%s", failure.text); \
    } while (0)

static int setup(void **state)
{
    (void)state;
    const char *root = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/cox-ledger-%d", root ? root : "/tmp", (int)getpid());
    snprintf(path, sizeof path, "%s/ledger.db", folder);
    return cox_directory_create(folder, &failure);
}

static int teardown(void **state)
{
    (void)state;
    return cox_directory_remove(folder, &failure);
}

static struct cox_ledger *create(void)
{
    struct cox_ledger *l = NULL;
    CHECK(cox_directory_remove(folder, &failure));
    CHECK(cox_directory_create(folder, &failure));
    CHECK(cox_ledger_open(&l, path, &failure));
    return l;
}

static struct cox_ledger_point point(int64_t id, const double *x)
{
    struct cox_ledger_point p = {.id = id, .state = COX_POINT_TODO, .n_x = 2, .x = x};
    snprintf(p.key, sizeof p.key, "key-%lld", (long long)id);
    return p;
}

static const double values[3] = {1.5, -0.25, 1.0 / 3};
static const double errors[3] = {0.1, NAN, 0};
static const double spreads[3] = {0.01, 0.02, 0.03};
static const int first[3] = {0, 1, 3};

static struct cox_ledger_result simulated(int64_t id)
{
    return (struct cox_ledger_result){.point = id,
                                      .attempt = id + 1,
                                      .model = -1,
                                      .n = 3,
                                      .n_outputs = 2,
                                      .value = values,
                                      .error = errors,
                                      .first = first};
}

static struct cox_ledger_result predicted(int64_t id)
{
    struct cox_ledger_result r = simulated(id);
    r.predicted = true;
    r.attempt = -1;
    r.model = 2;
    r.error = spreads;
    r.spread = spreads;
    return r;
}

struct seen {
    int n;
    int64_t id[16];
    enum cox_point_state state[16];
    bool predicted[16];
    double x[16][2];
    char key[16][65];
    struct cox_ledger_attempt attempt[16];
    struct cox_ledger_batch batch;
    struct cox_ledger_model model;
    struct cox_ledger_server server;
    int stop_at;
};

static int see_point(void *user, const struct cox_ledger_point *p)
{
    struct seen *s = user;
    if (s->stop_at && s->n == s->stop_at)
        return COX_ECANCELLED;
    assert_int_equal(p->n_x, 2);
    assert_int_equal((uintptr_t)p->x % sizeof(double), 0);
    s->x[s->n][0] = p->x[0];
    s->x[s->n][1] = p->x[1];
    s->state[s->n] = p->state;
    snprintf(s->key[s->n], sizeof s->key[0], "%s", p->key);
    s->id[s->n++] = p->id;
    return 0;
}

static int see_result(void *user, const struct cox_ledger_result *r)
{
    struct seen *s = user;
    assert_int_equal(r->n, 3);
    assert_int_equal(r->n_outputs, 2);
    assert_memory_equal(r->value, values, sizeof values);
    assert_memory_equal(r->first, first, sizeof first);
    assert_true(r->predicted ? r->spread != NULL : r->spread == NULL);
    assert_int_equal(r->attempt, r->predicted ? -1 : (r->attempt > 0 ? r->attempt : 0));
    assert_int_equal(r->model, r->predicted ? 2 : -1);
    assert_true(r->predicted || isnan(r->error[1]));
    s->predicted[s->n] = r->predicted;
    s->id[s->n++] = r->point;
    return 0;
}

static int see_attempt(void *user, const struct cox_ledger_attempt *a)
{
    struct seen *s = user;
    s->attempt[s->n] = *a;
    s->id[s->n++] = a->point;
    return 0;
}

static int see_batch(void *user, const struct cox_ledger_batch *b)
{
    ((struct seen *)user)->batch = *b;
    ((struct seen *)user)->n++;
    return 0;
}

static int see_model(void *user, const struct cox_ledger_model *m)
{
    ((struct seen *)user)->model = *m;
    ((struct seen *)user)->n++;
    return 0;
}

static int see_server(void *user, const struct cox_ledger_server *v)
{
    ((struct seen *)user)->server = *v;
    ((struct seen *)user)->n++;
    return 0;
}

static void put_points(struct cox_ledger *l, int n)
{
    for (int i = 0; i < n; i++) {
        double x[2] = {i, 0.1 * i};
        struct cox_ledger_point p = point(i, x);
        CHECK(cox_ledger_put_point(l, &p, &failure));
    }
}

static void test_points_and_results(void **state)
{
    (void)state;
    struct cox_ledger *l = create();
    struct cox_ledger *reader = NULL;
    CHECK(cox_ledger_begin(l, &failure));
    put_points(l, 3);
    struct cox_ledger_result a = predicted(0);
    struct cox_ledger_result b = simulated(1);
    CHECK(cox_ledger_put_result(l, &a, &failure));
    CHECK(cox_ledger_put_result(l, &b, &failure));
    CHECK(cox_ledger_set_state(l, 0, COX_POINT_PREDICTED, COX_PURPOSE_NONE, &failure));
    CHECK(cox_ledger_set_state(l, 1, COX_POINT_SIMULATED, COX_PURPOSE_AUDIT, &failure));
    CHECK(cox_ledger_commit(l, &failure));
    assert_int_equal(cox_ledger_set_state(l, 9, COX_POINT_TODO, COX_PURPOSE_NONE, &failure),
                     COX_ENOTFOUND);
    CHECK(cox_ledger_open_read(&reader, path, &failure));
    struct seen s = {0};
    CHECK(cox_ledger_points(reader, see_point, &s, &failure));
    assert_int_equal(s.n, 3);
    assert_true(s.x[2][1] == 0.2 && s.id[2] == 2);
    assert_int_equal(s.state[0], COX_POINT_PREDICTED);
    assert_int_equal(s.state[1], COX_POINT_SIMULATED);
    assert_int_equal(s.state[2], COX_POINT_TODO);
    s = (struct seen){.stop_at = 1};
    assert_int_equal(cox_ledger_points(reader, see_point, &s, &failure), COX_ECANCELLED);
    s = (struct seen){0};
    CHECK(cox_ledger_results(reader, see_result, &s, &failure));
    assert_int_equal(s.n, 2);
    assert_true(s.predicted[0] && !s.predicted[1]);
    /* a simulation takes the place of a prediction, never the other way round */
    a = predicted(1);
    b = simulated(0);
    CHECK(cox_ledger_put_result(l, &a, &failure));
    CHECK(cox_ledger_put_result(l, &b, &failure));
    a = predicted(2);
    CHECK(cox_ledger_put_result(l, &a, &failure));
    CHECK(cox_ledger_set_state(l, 2, COX_POINT_PREDICTED, COX_PURPOSE_NONE, &failure));
    s = (struct seen){0};
    CHECK(cox_ledger_results(l, see_result, &s, &failure));
    assert_int_equal(s.n, 3);
    assert_true(!s.predicted[0] && !s.predicted[1] && s.predicted[2]);
    CHECK(cox_ledger_set_state(l, 0, COX_POINT_SIMULATED, COX_PURPOSE_CHOSEN, &failure));
    CHECK(cox_ledger_withdraw_predictions(l, &failure));
    s = (struct seen){0};
    CHECK(cox_ledger_results(l, see_result, &s, &failure));
    assert_int_equal(s.n, 2);
    s = (struct seen){0};
    CHECK(cox_ledger_points(l, see_point, &s, &failure));
    assert_int_equal(s.state[2], COX_POINT_TODO);
    assert_int_equal(s.state[0], COX_POINT_SIMULATED);
    CHECK(cox_ledger_drop_result(l, 0, &failure));
    s = (struct seen){0};
    CHECK(cox_ledger_results(l, see_result, &s, &failure));
    assert_int_equal(s.n, 1);
    cox_ledger_destroy(reader);
    cox_ledger_destroy(l);
}

static void test_accounts(void **state)
{
    (void)state;
    struct cox_ledger *l = create();
    struct cox_ledger_attempt a = {.id = 7,
                                   .point = 3,
                                   .server = "small-2",
                                   .host = "localhost",
                                   .pid = 4321,
                                   .cores = 2,
                                   .began_s = 1.25,
                                   .ended_s = NAN,
                                   .directory = "jobs/000/000003",
                                   .cost = NAN,
                                   .seed = UINT64_MAX - 5};
    CHECK(cox_ledger_put_attempt(l, &a, &failure));
    a.ended_s = 2.5;
    a.cost = 0.125;
    snprintf(a.end, sizeof a.end, "failed");
    snprintf(a.reason, sizeof a.reason, "exit code 3: no convergence");
    CHECK(cox_ledger_put_attempt(l, &a, &failure));
    struct seen s = {0};
    CHECK(cox_ledger_attempts(l, see_attempt, &s, &failure));
    assert_int_equal(s.n, 1);
    assert_string_equal(s.attempt[0].reason, a.reason);
    assert_string_equal(s.attempt[0].end, "failed");
    assert_string_equal(s.attempt[0].directory, a.directory);
    assert_true(s.attempt[0].seed == a.seed && s.attempt[0].ended_s == 2.5 &&
                s.attempt[0].cost == 0.125 && s.attempt[0].pid == 4321 && s.attempt[0].cores == 2);
    cox_ledger_destroy(l);
}

static void test_models_batches_servers(void **state)
{
    (void)state;
    struct cox_ledger *l = create();
    struct seen s = {0};
    struct cox_ledger_model m = {.id = 1,
                                 .path = "models/model-0001.h5",
                                 .n_results = 40,
                                 .train_loss = 0.5,
                                 .valid_loss = NAN,
                                 .seconds = 2,
                                 .at_s = 9,
                                 .epochs = 30,
                                 .seed = 11};
    CHECK(cox_ledger_put_model(l, &m, &failure));
    struct cox_ledger_batch b = {.id = 1,
                                 .at_s = 10,
                                 .simulated = 40,
                                 .predicted = 60,
                                 .failed = 1,
                                 .audits = 8,
                                 .audits_failed = 0,
                                 .model = -1,
                                 .half_width = INFINITY,
                                 .failing_bound = 0.2,
                                 .error = NAN,
                                 .t_sim = 30,
                                 .t_learn = 2,
                                 .t_lookup = 1e-5,
                                 .speedup = 2.4,
                                 .objective = NAN,
                                 .cost = 0.5};
    CHECK(cox_ledger_put_batch(l, &b, &failure));
    struct cox_ledger_server v = {.id = 2,
                                  .type = "small",
                                  .began_s = 0,
                                  .ended_s = NAN,
                                  .preempted = false,
                                  .price = 0.015,
                                  .cost = 0};
    CHECK(cox_ledger_put_server(l, &v, &failure));
    v.ended_s = 3600;
    v.preempted = true;
    v.cost = 0.015;
    CHECK(cox_ledger_put_server(l, &v, &failure));
    s.n = 0;
    CHECK(cox_ledger_models(l, see_model, &s, &failure));
    assert_true(s.n == 1 && s.model.n_results == 40 && isnan(s.model.valid_loss) &&
                s.model.epochs == 30 && s.model.seed == 11);
    assert_string_equal(s.model.path, m.path);
    s.n = 0;
    CHECK(cox_ledger_batches(l, see_batch, &s, &failure));
    assert_true(s.n == 1 && s.batch.model == -1 && isinf(s.batch.half_width) &&
                isnan(s.batch.error) && s.batch.t_lookup == 1e-5 && s.batch.cost == 0.5 &&
                s.batch.audits == 8 && s.batch.predicted == 60 && s.batch.speedup == 2.4);
    s.n = 0;
    CHECK(cox_ledger_servers(l, see_server, &s, &failure));
    assert_true(s.n == 1 && s.server.preempted && s.server.ended_s == 3600 &&
                s.server.cost == 0.015);
    cox_ledger_destroy(l);
}

static void test_texts(void **state)
{
    (void)state;
    struct cox_ledger *l = create();
    char *text = NULL;
    CHECK(cox_ledger_get_text(l, "outputs", &text, &failure));
    assert_null(text);
    CHECK(cox_ledger_set_text(l, "outputs", "p\nq", &failure));
    CHECK(cox_ledger_set_text(l, "outputs", "p\nr", &failure));
    CHECK(cox_ledger_get_text(l, "outputs", &text, &failure));
    assert_string_equal(text, "p\nr");
    cox_free(text);
    cox_ledger_destroy(l);
}

/* A permutation, with one point set aside and brought back later. */
static void test_renumber(void **state)
{
    (void)state;
    struct cox_ledger *l = create();
    put_points(l, 4);
    for (int i = 0; i < 4; i++) {
        struct cox_ledger_attempt a = {.id = i + 1, .point = i, .ended_s = NAN, .cost = NAN};
        struct cox_ledger_result r = simulated(i);
        CHECK(cox_ledger_put_attempt(l, &a, &failure));
        CHECK(cox_ledger_put_result(l, &r, &failure));
    }
    const int64_t from[4] = {0, 1, 2, 3};
    const int64_t to[4] = {1, 0, COX_LEDGER_ASIDE, 2};
    CHECK(cox_ledger_begin(l, &failure));
    CHECK(cox_ledger_renumber(l, from, to, 4, &failure));
    CHECK(cox_ledger_commit(l, &failure));
    struct seen s = {0};
    CHECK(cox_ledger_points(l, see_point, &s, &failure));
    assert_int_equal(s.n, 3);
    assert_string_equal(s.key[0], "key-1");
    assert_string_equal(s.key[1], "key-0");
    assert_string_equal(s.key[2], "key-3");
    s = (struct seen){0};
    CHECK(cox_ledger_all_points(l, see_point, &s, &failure));
    assert_int_equal(s.n, 4);
    assert_true(s.id[3] == COX_LEDGER_ASIDE);
    assert_string_equal(s.key[3], "key-2");
    s = (struct seen){0};
    CHECK(cox_ledger_results(l, see_result, &s, &failure));
    assert_int_equal(s.n, 3);
    s = (struct seen){0};
    CHECK(cox_ledger_attempts(l, see_attempt, &s, &failure));
    for (int i = 0; i < 4; i++)
        assert_true(s.id[i] == to[i]);
    const int64_t aside = COX_LEDGER_ASIDE;
    const int64_t back = 3;
    CHECK(cox_ledger_begin(l, &failure));
    CHECK(cox_ledger_renumber(l, &aside, &back, 1, &failure));
    CHECK(cox_ledger_commit(l, &failure));
    s = (struct seen){0};
    CHECK(cox_ledger_points(l, see_point, &s, &failure));
    assert_string_equal(s.key[3], "key-2");
    cox_ledger_destroy(l);
}

/* Killed with a transaction open: what was committed is there, the rest is not. */
static void test_kill(void **state)
{
    (void)state;
    cox_ledger_destroy(create());
    pid_t child = fork();
    if (!child) {
        struct cox_ledger *l = NULL;
        if (cox_ledger_open(&l, path, NULL) || cox_ledger_begin(l, NULL))
            _exit(1);
        put_points(l, 2);
        if (cox_ledger_commit(l, NULL) || cox_ledger_begin(l, NULL))
            _exit(1);
        double x[2] = {0};
        struct cox_ledger_point p = point(7, x);
        if (cox_ledger_put_point(l, &p, NULL))
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    struct cox_ledger *l = NULL;
    CHECK(cox_ledger_open(&l, path, &failure));
    struct seen s = {0};
    CHECK(cox_ledger_points(l, see_point, &s, &failure));
    assert_int_equal(s.n, 2);
    cox_ledger_destroy(l);
}

static void test_refusals(void **state)
{
    (void)state;
    struct cox_ledger *l = create();
    struct cox_ledger *second = NULL;
    bool written = false;
    CHECK(cox_ledger_written_now(path, &written, &failure));
    assert_true(written);
    assert_int_equal(cox_ledger_open(&second, path, &failure), COX_EEXISTS);
    assert_null(second);
    assert_non_null(strstr(failure.text, "being written by another process"));
    cox_ledger_destroy(l);
    CHECK(cox_ledger_written_now(path, &written, &failure));
    assert_false(written);
    unlink(path);
    assert_int_equal(cox_ledger_open_read(&second, path, &failure), COX_ENOTFOUND);
    CHECK(cox_file_replace(path, "no database at all", 18, &failure));
    assert_int_equal(cox_ledger_open(&second, path, &failure), COX_EFORMAT);
    assert_null(second);
}

static int work(void)
{
    struct cox_ledger *l = NULL;
    char *text = NULL;
    double x[2] = {1, 2};
    struct seen s = {0};
    struct cox_ledger_point p = point(0, x);
    struct cox_ledger_result r = simulated(0);
    int rc = cox_ledger_open(&l, path, NULL);
    if (!rc)
        rc = cox_ledger_put_point(l, &p, NULL);
    if (!rc)
        rc = cox_ledger_put_result(l, &r, NULL);
    if (!rc)
        rc = cox_ledger_set_text(l, "a", "b", NULL);
    if (!rc)
        rc = cox_ledger_get_text(l, "a", &text, NULL);
    if (!rc)
        rc = cox_ledger_points(l, see_point, &s, NULL);
    if (!rc)
        rc = cox_ledger_results(l, see_result, &s, NULL);
    cox_free(text);
    cox_ledger_destroy(l);
    return rc;
}

/* Each allocation fails once: an error and nothing left behind. */
static void test_allocations(void **state)
{
    (void)state;
    cox_ledger_destroy(create());
    uint64_t before = cox_mem_in_use();
    int rc = COX_ENOMEM;
    int failures = 0;
    for (uint64_t n = 1; rc && n < 100; n++) {
        cox_mem_fail_at(n);
        rc = work();
        cox_mem_fail_at(0);
        assert_true(rc == COX_OK || rc == COX_ENOMEM);
        assert_true(cox_mem_in_use() == before);
        failures += rc != 0;
    }
    assert_int_equal(rc, COX_OK);
    assert_true(failures >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points_and_results),
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_models_batches_servers),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_renumber),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
