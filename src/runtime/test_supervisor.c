/* SPDX-License-Identifier: BSD-3-Clause */
/* What the supervisor decides, in simulated time. With processes: test_supervisor_local.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/executor_ops.h"
#include "runtime/supervisor.h"

/* Virtual seconds that a loaded machine may add. */
static const double SLACK_S = 2.0;

struct fixture {
    struct cox_executor *executor;
    struct cox_supervisor *supervisor;
    struct cox_supervisor_event event;
};

static struct fixture setup(int cores)
{
    struct fixture f = {NULL};
    struct cox_resources r = {cores, 0, 0};
    assert_int_equal(cox_executor_create_simulated(&f.executor, &r, NULL), COX_OK);
    assert_int_equal(cox_supervisor_create(&f.supervisor, f.executor, 1, NULL), COX_OK);
    return f;
}

static void teardown(struct fixture *f)
{
    cox_supervisor_destroy(f->supervisor);
    cox_executor_destroy(f->executor);
}

static int add(struct fixture *f, const char *seconds, const char *code, struct cox_task task)
{
    const char *argv[] = {seconds, code, NULL};
    task.argv = argv;
    if (!task.name[0])
        snprintf(task.name, sizeof task.name, "task");
    int id = -1;
    assert_int_equal(cox_supervisor_add(f->supervisor, &task, &id, NULL), COX_OK);
    return id;
}

static enum cox_supervisor_kind next(struct fixture *f, double timeout_s)
{
    assert_int_equal(cox_supervisor_next(f->supervisor, timeout_s, &f->event, NULL), COX_OK);
    return f->event.kind;
}

static double now(const struct fixture *f)
{
    return cox_executor_now(f->executor);
}

static void assert_near(double seconds, double expected)
{
    if (!(seconds >= expected - 1e-6 && seconds <= expected + SLACK_S))
        fail_msg("%g s, expected %g s", seconds, expected);
}

static void runs_to_its_end(void **state)
{
    (void)state;
    struct fixture f = setup(2);
    assert_int_equal(next(&f, 0), COX_SUPERVISOR_NOTHING);
    assert_true(cox_supervisor_due_s(f.supervisor) < 0);
    int id = add(&f, "5", NULL, (struct cox_task){.cores = 1});
    assert_int_equal(cox_supervisor_waiting(f.supervisor), 1);
    assert_true(cox_supervisor_due_s(f.supervisor) == 0);
    assert_int_equal(next(&f, 0), COX_SUPERVISOR_STARTED);
    assert_int_equal(f.event.task, id);
    assert_int_equal(f.event.epoch, 1);
    assert_int_equal(cox_supervisor_running(f.supervisor), 1);
    assert_int_equal(cox_supervisor_waiting(f.supervisor), 0);
    assert_true(cox_supervisor_due_s(f.supervisor) < 0);
    assert_int_equal(next(&f, 1), COX_SUPERVISOR_NOTHING);
    assert_int_equal(next(&f, 10), COX_SUPERVISOR_ENDED);
    assert_true(f.event.end.ok);
    assert_string_equal(f.event.end.reason, "exit code 0");
    assert_near(f.event.ended_s - f.event.began_s, 5);
    assert_int_equal(cox_supervisor_running(f.supervisor), 0);
    teardown(&f);
}

static void restarts_within_its_budget(void **state)
{
    (void)state;
    struct fixture f = setup(1);
    add(&f, "3", "9", (struct cox_task){.cores = 1, .max_restarts = 2});
    for (int64_t epoch = 1; epoch <= 3; epoch++) {
        assert_int_equal(next(&f, 0), COX_SUPERVISOR_STARTED);
        assert_int_equal(f.event.epoch, epoch);
        assert_int_equal(next(&f, 10), epoch < 3 ? COX_SUPERVISOR_FAILED : COX_SUPERVISOR_GAVE_UP);
        assert_int_equal(f.event.epoch, epoch);
        assert_int_equal(f.event.end.code, 9);
    }
    assert_int_equal(next(&f, 100), COX_SUPERVISOR_NOTHING);
    assert_int_equal(cox_supervisor_waiting(f.supervisor), 0);
    teardown(&f);
}

static void a_healthy_life_gives_restarts_back(void **state)
{
    (void)state;
    struct fixture f = setup(1);
    add(&f, "60", "9", (struct cox_task){.cores = 1, .max_restarts = 1, .healthy_s = 50});
    for (int i = 0; i < 9; i++) {
        assert_int_equal(next(&f, 10), COX_SUPERVISOR_STARTED);
        assert_int_equal(next(&f, 100), COX_SUPERVISOR_FAILED);
    }
    teardown(&f);
    f = setup(1);
    add(&f, "40", "9", (struct cox_task){.cores = 1, .max_restarts = 1, .healthy_s = 50});
    assert_int_equal(next(&f, 10), COX_SUPERVISOR_STARTED);
    assert_int_equal(next(&f, 100), COX_SUPERVISOR_FAILED);
    assert_int_equal(next(&f, 10), COX_SUPERVISOR_STARTED);
    assert_int_equal(next(&f, 100), COX_SUPERVISOR_GAVE_UP);
    teardown(&f);
}

static void crash_loops_rest(void **state)
{
    (void)state;
    struct fixture f = setup(1);
    add(&f, "0.5", "1", (struct cox_task){.cores = 1, .max_restarts = 12});
    double ended = NAN, last = 0;
    for (int i = 0; i <= 12; i++) {
        assert_int_equal(next(&f, 100), COX_SUPERVISOR_STARTED);
        double rest = i ? f.event.began_s - ended : 0;
        if (i == 1)
            assert_near(rest, 0);
        if (i > 1)
            assert_near(rest, fmin(0.1 * pow(2, i - 2), 5));
        last = rest;
        next(&f, 100);
        ended = f.event.ended_s;
    }
    assert_near(last, 5);
    assert_int_equal(f.event.kind, COX_SUPERVISOR_GAVE_UP);
    teardown(&f);
}

static void silence_is_a_failure(void **state)
{
    (void)state;
    struct fixture f = setup(1);
    int id =
        add(&f, "1e6", NULL, (struct cox_task){.cores = 1, .heartbeat_s = 10, .max_restarts = 1});
    assert_int_equal(next(&f, 0), COX_SUPERVISOR_STARTED);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(next(&f, 6), COX_SUPERVISOR_NOTHING);
        assert_true(cox_supervisor_heartbeat(f.supervisor, id, 1));
    }
    double heard = now(&f);
    assert_int_equal(next(&f, 100), COX_SUPERVISOR_FAILED);
    assert_near(f.event.ended_s - heard, 10);
    assert_int_equal(f.event.end.signal, SIGKILL);
    assert_true(strstr(f.event.end.reason, "hung: no heartbeat for 1") == f.event.end.reason);
    assert_int_equal(next(&f, 0), COX_SUPERVISOR_STARTED);
    assert_int_equal(f.event.epoch, 2);
    assert_false(cox_supervisor_heartbeat(f.supervisor, id, 1)); /* an orphan */
    assert_true(cox_supervisor_heartbeat(f.supervisor, id, 2));
    assert_false(cox_supervisor_heartbeat(f.supervisor, id + 1, 2));
    teardown(&f);
}

/* A coordinator that was held up for a minute has not listened: its tasks are not to blame, once.
 */
static void who_did_not_listen_does_not_judge(void **state)
{
    (void)state;
    struct fixture f = setup(1);
    int id = add(&f, "1e6", NULL, (struct cox_task){.cores = 1, .heartbeat_s = 20});
    assert_int_equal(next(&f, 0), COX_SUPERVISOR_STARTED);
    int64_t handle;
    struct cox_task_end end;
    for (int round = 0; round < 3; round++) { /* time passes without the supervisor */
        assert_int_equal(cox_executor_wait(f.executor, 60, &handle, &end, NULL), COX_OK);
        assert_int_equal(next(&f, 0), COX_SUPERVISOR_NOTHING);
        assert_int_equal(next(&f, 5), COX_SUPERVISOR_NOTHING);
        assert_true(cox_supervisor_heartbeat(f.supervisor, id, 1));
    }
    assert_int_equal(cox_executor_wait(f.executor, 60, &handle, &end, NULL), COX_OK);
    double back = now(&f);
    assert_int_equal(next(&f, 100), COX_SUPERVISOR_GAVE_UP);
    assert_near(f.event.ended_s - back, 10); /* half a period */
    /* nor can a caller that always comes late keep a dead task alive */
    add(&f, "1e6", NULL, (struct cox_task){.cores = 1, .heartbeat_s = 20});
    assert_int_equal(next(&f, 0), COX_SUPERVISOR_STARTED);
    int late = 0;
    do
        assert_int_equal(cox_executor_wait(f.executor, 60, &handle, &end, NULL), COX_OK);
    while (next(&f, 0) == COX_SUPERVISOR_NOTHING && ++late < 10);
    assert_int_equal(f.event.kind, COX_SUPERVISOR_GAVE_UP);
    assert_int_equal(late, 1);
    teardown(&f);
}

static void wall_time_is_a_limit(void **state)
{
    (void)state;
    struct fixture f = setup(1);
    add(&f, "100", NULL, (struct cox_task){.cores = 1, .wall_s = 30, .max_restarts = 1});
    for (int attempt = 0; attempt < 2; attempt++) {
        assert_int_equal(next(&f, 0), COX_SUPERVISOR_STARTED);
        assert_int_equal(next(&f, 1000), attempt ? COX_SUPERVISOR_GAVE_UP : COX_SUPERVISOR_FAILED);
        assert_near(f.event.ended_s - f.event.began_s, 30);
        assert_string_equal(f.event.end.reason,
                            "wall time of 30 s exceeded; killed by signal 15 (SIGTERM)");
    }
    teardown(&f);
}

static void the_caller_fails_and_stops(void **state)
{
    (void)state;
    struct fixture f = setup(1);
    struct cox_task task = {.cores = 1, .max_restarts = 5};
    int a = add(&f, "1000", NULL, task), b = add(&f, "1000", NULL, task);
    assert_int_equal(next(&f, 0), COX_SUPERVISOR_STARTED);
    cox_supervisor_fail(f.supervisor, b, "not running: no effect");
    cox_supervisor_fail(f.supervisor, a, "sent nonsense");
    assert_false(cox_supervisor_heartbeat(f.supervisor, a, 1)); /* it is fenced already */
    assert_int_equal(next(&f, 0), COX_SUPERVISOR_FAILED);
    assert_string_equal(f.event.end.reason, "sent nonsense; killed by signal 9 (SIGKILL)");
    assert_int_equal(next(&f, 0), COX_SUPERVISOR_STARTED);
    assert_int_equal(f.event.task, a); /* before b, which was added later */
    assert_int_equal(f.event.epoch, 2);
    cox_supervisor_stop(f.supervisor, b);
    assert_int_equal(next(&f, 0), COX_SUPERVISOR_ENDED);
    assert_int_equal(f.event.task, b);
    assert_string_equal(f.event.end.reason, "stopped before it began");
    assert_int_equal(f.event.epoch, 0);
    cox_supervisor_stop(f.supervisor, a);
    cox_supervisor_stop(f.supervisor, a);
    assert_int_equal(next(&f, 0), COX_SUPERVISOR_ENDED);
    assert_string_equal(f.event.end.reason, "stopped; killed by signal 15 (SIGTERM)");
    cox_supervisor_stop(f.supervisor, a);
    cox_supervisor_stop(f.supervisor, 77);
    int c = add(&f, "0.1", "1", task);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(next(&f, 9), COX_SUPERVISOR_STARTED);
        assert_int_equal(next(&f, 9), COX_SUPERVISOR_FAILED);
    }
    cox_supervisor_stop(f.supervisor, c); /* while it rests */
    assert_int_equal(next(&f, 9), COX_SUPERVISOR_ENDED);
    assert_int_equal(f.event.task, c);
    assert_string_equal(f.event.end.reason, "stopped before it began again");
    assert_int_equal(f.event.epoch, 0);
    assert_int_equal(next(&f, 99), COX_SUPERVISOR_NOTHING);
    assert_int_equal(cox_supervisor_waiting(f.supervisor), 0);
    assert_int_equal(cox_supervisor_running(f.supervisor), 0);
    teardown(&f);
}

/* Small tasks pass a large one that does not fit, but not for ever. */
static void fair_to_large_tasks(void **state)
{
    (void)state;
    struct fixture f = setup(4);
    char seconds[8];
    for (int i = 0; i < 3; i++) {
        snprintf(seconds, sizeof seconds, "1.%d", i);
        add(&f, seconds, NULL, (struct cox_task){.cores = 1});
    }
    int large = add(&f, "1", NULL, (struct cox_task){.cores = 4});
    int free_rider = -1;
    for (int i = 0; i < 400; i++) {
        snprintf(seconds, sizeof seconds, "1.%d", i % 10);
        add(&f, seconds, NULL, (struct cox_task){.cores = 1});
    }
    free_rider = add(&f, "1", NULL, (struct cox_task){.cores = 0});
    int passed = 0, passed_at_once = 0;
    bool rides = false;
    double zero = now(&f);
    while (next(&f, 100) != COX_SUPERVISOR_NOTHING) {
        if (f.event.kind != COX_SUPERVISOR_STARTED)
            continue;
        if (f.event.task == large)
            break;
        passed += f.event.task > large && f.event.task != free_rider;
        rides = rides || f.event.task == free_rider;
        if (now(&f) - zero < 0.5)
            passed_at_once = passed;
    }
    assert_int_equal(f.event.task, large);
    assert_int_equal(passed_at_once, 1); /* the fourth core did not wait */
    assert_in_range(passed, 2, 64);
    assert_true(rides); /* needs no core: nothing of the large one's */
    teardown(&f);
}

/* Ends and failures at once: all is told, each in its order, epochs never repeat. */
static void many_at_once(void **state)
{
    (void)state;
    enum { TASKS = 500 };
    struct fixture f = setup(7);
    int left[TASKS], told[TASKS] = {0};
    for (int i = 0; i < TASKS; i++) {
        left[i] = i % 3;
        add(&f, i % 2 ? "2.5" : "3", i % 3 ? "1" : NULL,
            (struct cox_task){.cores = 1 + i % 2, .max_restarts = i % 3});
    }
    int64_t epoch = 0;
    int ended = 0;
    while (ended < TASKS) {
        assert_int_not_equal(next(&f, 1000), COX_SUPERVISOR_NOTHING);
        int id = f.event.task;
        switch (f.event.kind) {
        case COX_SUPERVISOR_STARTED:
            assert_true(f.event.epoch == epoch + 1);
            epoch = f.event.epoch;
            assert_int_equal(told[id]++ % 2, 0);
            break;
        case COX_SUPERVISOR_FAILED:
            assert_true(left[id]-- > 0);
            assert_int_equal(told[id]++ % 2, 1);
            break;
        default:
            assert_int_equal(f.event.kind, id % 3 ? COX_SUPERVISOR_GAVE_UP : COX_SUPERVISOR_ENDED);
            assert_int_equal(left[id], 0);
            assert_int_equal(told[id]++ % 2, 1);
            ended++;
        }
    }
    assert_int_equal(next(&f, 1000), COX_SUPERVISOR_NOTHING);
    teardown(&f);
}

static void refuses_nonsense(void **state)
{
    (void)state;
    struct fixture f = setup(2);
    const char *argv[] = {"1", NULL}, *nothing[] = {NULL}, *env[] = {"novalue", NULL};
    const struct cox_task wrong[] = {
        {.argv = NULL},
        {.argv = nothing},
        {.argv = argv, .env = env},
        {.argv = argv, .cores = 3},
        {.argv = argv, .memory_gb = NAN},
        {.argv = argv, .wall_s = -1},
        {.argv = argv, .heartbeat_s = INFINITY},
        {.argv = argv, .grace_s = NAN},
        {.argv = argv, .max_restarts = -1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int id = 0;
        struct cox_err err = COX_ERR_INIT;
        assert_int_equal(cox_supervisor_add(f.supervisor, &wrong[i], &id, &err), COX_EINVAL);
        assert_int_equal(id, -1);
        assert_true(err.text[0]);
    }
    struct cox_supervisor *none = NULL;
    assert_int_equal(cox_supervisor_create(&none, f.executor, 0, NULL), COX_EINVAL);
    add(&f, "never", NULL, (struct cox_task){.cores = 1, .max_restarts = 3});
    assert_int_equal(next(&f, 0), COX_SUPERVISOR_GAVE_UP); /* no restart would help */
    assert_non_null(strstr(f.event.end.reason, "'never' is not a number of seconds"));
    teardown(&f);
}

/* An executor on several hosts may find no place for what the sums allow, and may fail. */
struct picky {
    struct cox_executor base;
    double now;
    int asked, refusals, failures;
    bool running, ends, broken;
};

static double picky_now(const struct cox_executor *x)
{
    return ((const struct picky *)x)->now;
}

static int picky_start(struct cox_executor *x, const struct cox_task *task, int64_t epoch,
                       int64_t *handle, struct cox_placement *placement, struct cox_err *err)
{
    (void)task;
    (void)epoch;
    (void)placement;
    struct picky *p = (struct picky *)x;
    p->asked++;
    if (p->failures > 0) {
        p->failures--;
        return cox_err_set(err, COX_EIO, "the node is down");
    }
    if (p->refusals > 0) {
        p->refusals--;
        return COX_OK;
    }
    p->running = true;
    *handle = 5;
    return COX_OK;
}

static void picky_stop(struct cox_executor *x, int64_t handle, bool force)
{
    (void)handle;
    (void)force;
    ((struct picky *)x)->ends = true;
}

static int picky_wait(struct cox_executor *x, double timeout_s, int64_t *handle,
                      struct cox_task_end *end, struct cox_held *held, struct cox_err *err)
{
    struct picky *p = (struct picky *)x;
    if (p->broken)
        return cox_err_set(err, COX_EEXTERNAL, "the cluster is gone");
    if (p->running && p->ends) {
        p->running = p->ends = false;
        *handle = 5;
        *held = (struct cox_held){.cores = 1};
        cox_task_end_set(end, 0);
    } else {
        p->now += timeout_s;
    }
    return COX_OK;
}

static void an_executor_that_refuses(void **state)
{
    (void)state;
    static const struct cox_executor_ops ops = {.kind = "picky",
                                                .now = picky_now,
                                                .start = picky_start,
                                                .stop = picky_stop,
                                                .wait = picky_wait};
    struct picky p = {.now = 100, .refusals = 3};
    cox_executor_init(&p.base, &ops, &(struct cox_resources){.cores = 4});
    struct fixture f = {.executor = &p.base};
    assert_int_equal(cox_supervisor_create(&f.supervisor, f.executor, 1, NULL), COX_OK);
    add(&f, "x", NULL, (struct cox_task){.cores = 1, .max_restarts = 9});
    assert_int_equal(next(&f, 0.5), COX_SUPERVISOR_NOTHING);
    assert_int_equal(p.asked, 1); /* not again and again */
    assert_true(fabs(cox_supervisor_due_s(f.supervisor) - 0.5) < 1e-9);
    assert_int_equal(next(&f, 60), COX_SUPERVISOR_STARTED);
    assert_int_equal(p.asked, 4);
    assert_true(fabs(p.now - 103) < 1e-9);
    assert_int_equal(f.event.epoch, 1); /* refusals use none up */
    p.failures = 2;                     /* the next one fails twice, then finds its place */
    add(&f, "y", NULL, (struct cox_task){.cores = 1, .max_restarts = 2});
    assert_int_equal(next(&f, 60), COX_SUPERVISOR_FAILED);
    assert_string_equal(f.event.end.reason, "the node is down");
    assert_int_equal(f.event.epoch, 2);
    assert_int_equal(next(&f, 60), COX_SUPERVISOR_FAILED);
    p.refusals = 1; /* and is asked again as soon as something ended */
    double now_s = p.now;
    assert_int_equal(next(&f, 0.3), COX_SUPERVISOR_NOTHING);
    p.ends = true;
    assert_int_equal(next(&f, 60), COX_SUPERVISOR_ENDED);
    assert_int_equal(next(&f, 60), COX_SUPERVISOR_STARTED);
    assert_int_equal(f.event.epoch, 4);
    assert_true(p.now - now_s < 0.5);
    p.broken = true;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_supervisor_next(f.supervisor, 1, &f.event, &err), COX_EEXTERNAL);
    assert_string_equal(err.text, "the cluster is gone");
    cox_supervisor_destroy(f.supervisor);
}

/* What sanitizers and their load add is not the scheduler's. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const double MOST_IDLE_S = 10;
#else
static const double MOST_IDLE_S = 1;
#endif

/* 6,120 tasks of one second: see bench/runtime.md for what is measured and how. */
static void little_idle_time(void **state)
{
    (void)state;
    enum { TASKS = 6120 };
    static const int cores[] = {1, 120, TASKS};
    for (size_t c = 0; c < sizeof cores / sizeof *cores; c++) {
        struct fixture f = setup(cores[c]);
        for (int i = 0; i < TASKS; i++)
            add(&f, "1", NULL, (struct cox_task){.cores = 1});
        double first = now(&f), last = 0;
        int ended = 0;
        while (ended < TASKS) {
            assert_int_not_equal(next(&f, 10), COX_SUPERVISOR_NOTHING);
            if (f.event.kind == COX_SUPERVISOR_ENDED) {
                ended++;
                last = f.event.ended_s;
            }
        }
        double beyond = last - first - (double)TASKS / cores[c];
        double idle = cox_supervisor_idle_s(f.supervisor);
        print_message("%d cores: %.3f s beyond the ideal, idle %.3f s\n", cores[c], beyond, idle);
        assert_true(beyond >= 0 && beyond < MOST_IDLE_S);
        assert_true(idle >= 0 && idle < MOST_IDLE_S);
        teardown(&f);
    }
}

static int one_round(void)
{
    struct cox_executor *x = NULL;
    struct cox_supervisor *s = NULL;
    struct cox_resources r = {2, 0, 0};
    int rc = cox_executor_create_simulated(&x, &r, NULL);
    if (!rc)
        rc = cox_supervisor_create(&s, x, 1, NULL);
    const char *argv[] = {"1", "0", "{epoch}", NULL}, *env[] = {"E={epoch}", NULL};
    struct cox_task task = {.argv = argv, .env = env, .cores = 1, .directory = "/", .log = "/log"};
    int added = 0, ended = 0;
    for (int i = 0; i < 40 && !rc; i++) {
        int id;
        task.memory_gb = i % 7;
        rc = cox_supervisor_add(s, &task, &id, NULL);
        added += !rc;
    }
    /* out of memory while starting: the task keeps its place, the next call goes on */
    for (int tries = 0; ended < added && tries < 500; tries++) {
        struct cox_supervisor_event event;
        int failure = cox_supervisor_next(s, 10, &event, NULL);
        if (failure)
            rc = failure;
        else if (event.kind == COX_SUPERVISOR_ENDED)
            ended++;
        else
            assert_int_equal(event.kind, COX_SUPERVISOR_STARTED);
    }
    assert_int_equal(ended, added);
    cox_supervisor_destroy(s);
    cox_executor_destroy(x);
    return rc;
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    uint64_t before = cox_mem_in_use();
    int failures = 0;
    for (uint64_t n = 1;; n++) {
        uint64_t made = cox_mem_allocations();
        cox_mem_fail_at(n);
        int rc = one_round();
        cox_mem_fail_at(0);
        assert_true(cox_mem_in_use() == before);
        if (!rc) {
            assert_true(cox_mem_allocations() - made < n);
            break;
        }
        assert_int_equal(rc, COX_ENOMEM);
        failures++;
    }
    assert_true(failures > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_to_its_end),
        cmocka_unit_test(restarts_within_its_budget),
        cmocka_unit_test(a_healthy_life_gives_restarts_back),
        cmocka_unit_test(crash_loops_rest),
        cmocka_unit_test(silence_is_a_failure),
        cmocka_unit_test(who_did_not_listen_does_not_judge),
        cmocka_unit_test(wall_time_is_a_limit),
        cmocka_unit_test(the_caller_fails_and_stops),
        cmocka_unit_test(fair_to_large_tasks),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(refuses_nonsense),
        cmocka_unit_test(an_executor_that_refuses),
        cmocka_unit_test(little_idle_time),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
