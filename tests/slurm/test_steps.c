/* SPDX-License-Identifier: BSD-3-Clause */
/* The Slurm executor against a real cluster: run by test_steps.py within an allocation of 3 nodes
 * of 2 cores. What must happen outside (the death of a node) is asked for with one line on stdout,
 * "do: WHAT", and is done when one line came back on stdin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "runtime/executor.h"

static struct cox_executor *executor;
static char folder[256];

static int free_cores(void)
{
    struct cox_resources now;
    cox_executor_resources(executor, NULL, &now);
    return now.cores;
}

static int all_cores(void)
{
    struct cox_resources total;
    cox_executor_resources(executor, &total, NULL);
    return total.cores;
}

static int64_t start(const char *script, int cores, const char *log, char *host)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct cox_task task = COX_TASK_INIT;
    struct cox_placement placement;
    struct cox_err err = COX_ERR_INIT;
    int64_t handle;
    snprintf(task.name, sizeof task.name, "test");
    task.argv = argv;
    task.cores = cores;
    task.log = log;
    if (cox_executor_start(executor, &task, 1, &handle, &placement, &err))
        fail_msg("%s", err.text);
    if (handle >= 0)
        assert_int_equal(placement.n_cores, cores);
    if (host)
        snprintf(host, sizeof placement.host, "%s", handle >= 0 ? placement.host : "");
    return handle;
}

/* The end of one attempt; what else ends meanwhile is a surprise. */
static struct cox_task_end end_of(int64_t handle, double timeout_s)
{
    struct cox_task_end end = {.code = 0};
    struct cox_err err = COX_ERR_INIT;
    double until = cox_clock_seconds() + timeout_s;
    int64_t ended = -1;
    while (ended < 0 && cox_clock_seconds() < until)
        if (cox_executor_wait(executor, until - cox_clock_seconds(), &ended, &end, &err))
            fail_msg("%s", err.text);
    if (ended != handle)
        fail_msg("%lld ended, not %lld: %s", (long long)ended, (long long)handle, end.reason);
    return end;
}

/* Nothing may end for so long. */
static void stays_quiet(double seconds)
{
    struct cox_task_end end;
    int64_t ended;
    double until = cox_clock_seconds() + seconds;
    do {
        assert_int_equal(
            cox_executor_wait(executor, until - cox_clock_seconds(), &ended, &end, NULL), 0);
        assert_int_equal(ended, -1);
    } while (cox_clock_seconds() < until);
}

static struct cox_task_end run(const char *script, const char *log)
{
    return end_of(start(script, 1, log, NULL), 20);
}

static void outside(const char *what)
{
    char line[64];
    printf("do: %s\n", what);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        fail_msg("nobody did '%s'", what);
}

static void test_the_allocation_is_what_slurm_gave(void **state)
{
    (void)state;
    assert_string_equal(cox_executor_kind(executor), "slurm");
    assert_int_equal(all_cores(), 6);
    assert_int_equal(free_cores(), 6);
}

static void test_ends_are_told_apart(void **state)
{
    (void)state;
    char log[300];
    snprintf(log, sizeof log, "%s/a 100%%n\\x'.log", folder);
    struct cox_task_end end = run("echo first; exit 0", log);
    assert_true(end.ok && end.code == 0 && !end.signal && !end.lost);
    end = run("echo so it goes; exit 3", log);
    assert_true(!end.ok && end.code == 3 && !end.signal && !end.lost);
    assert_non_null(strstr(end.reason, "exit code 3"));
    assert_non_null(strstr(end.reason, "so it goes"));
    end = run("exit 130", log);
    assert_true(end.code == 130 && !end.signal);
    end = run("kill -SEGV $$", log);
    assert_true(end.code == -1 && end.signal == SIGSEGV && !end.lost);
    end = run("kill -KILL $$", NULL);
    assert_true(end.signal == SIGKILL && !end.lost);
    char *text;
    size_t length;
    assert_int_equal(cox_file_read(&text, &length, log, 10000, NULL), 0);
    assert_non_null(strstr(text, "first\nso it goes\n"));
    cox_free(text);
    assert_int_equal(free_cores(), 6);
}

static void test_no_such_program(void **state)
{
    (void)state;
    const char *argv[] = {"/nowhere/cox", NULL};
    struct cox_task task = COX_TASK_INIT;
    struct cox_placement placement;
    int64_t handle;
    task.argv = argv;
    assert_int_equal(cox_executor_start(executor, &task, 1, &handle, &placement, NULL),
                     COX_ENOTFOUND);
    argv[0] = "true";
    task.cores = 3; /* of one node: there are 6, but 2 on each */
    assert_int_equal(cox_executor_start(executor, &task, 1, &handle, &placement, NULL), COX_EINVAL);
}

static void test_environment_and_directory(void **state)
{
    (void)state;
    char log[300];
    const char *argv[] = {"sh", "-c", "echo $GREETING $(pwd) $SLURM_CPUS_ON_NODE", NULL};
    const char *env[] = {"GREETING=ahoy", NULL};
    struct cox_task task = COX_TASK_INIT;
    struct cox_placement placement;
    int64_t handle;
    char *text;
    size_t length;
    char wanted[300];
    snprintf(log, sizeof log, "%s/env.log", folder);
    task.argv = argv;
    task.env = env;
    task.directory = folder;
    task.log = log;
    task.cores = 2;
    task.memory_gb = 0.25;
    assert_int_equal(cox_executor_start(executor, &task, 1, &handle, &placement, NULL), 0);
    assert_true(end_of(handle, 20).ok);
    assert_int_equal(cox_file_read(&text, &length, log, 10000, NULL), 0);
    snprintf(wanted, sizeof wanted, "ahoy %s 2\n", folder);
    assert_string_equal(text, wanted);
    cox_free(text);
}

static void test_cores_are_counted_by_node(void **state)
{
    (void)state;
    int64_t handles[6];
    char host[64];
    int on[4] = {0, 0, 0, 0};
    for (int i = 0; i < 6; i++) {
        handles[i] = start("exec sleep 1000", 1, NULL, host);
        assert_true(handles[i] >= 0);
        on[host[1] - '0']++;
    }
    assert_true(on[1] == 2 && on[2] == 2 && on[3] == 2);
    assert_int_equal(start("true", 1, NULL, NULL), -1);
    /* a task that shares a core runs although all are taken */
    int64_t shared = start("exit 4", 0, NULL, host);
    assert_string_equal(host, "n1");
    assert_int_equal(end_of(shared, 20).code, 4);
    for (int i = 0; i < 6; i++)
        cox_executor_stop(executor, handles[i], true);
    for (int i = 0; i < 6; i++) {
        struct cox_task_end end;
        int64_t ended = -1;
        while (ended < 0)
            assert_int_equal(cox_executor_wait(executor, 20, &ended, &end, NULL), 0);
        if (end.signal != SIGKILL || end.lost)
            fail_msg("%s", end.reason);
    }
    assert_int_equal(free_cores(), 6);
}

/* A step that is being made does not hear the first signal, at some moments. */
static void test_forced_while_it_begins(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct cox_task_end end;
        const struct timespec pause = {0, round % 10 * 20000000L};
        int64_t handle = start("exec sleep 1000", 2, NULL, NULL);
        nanosleep(&pause, NULL);
        cox_executor_stop(executor, handle, true);
        end = end_of(handle, 20);
        if (end.signal != SIGKILL || end.lost)
            fail_msg("%s, %ld ms after its beginning", end.reason, pause.tv_nsec / 1000000);
    }
}

static void test_stop_asks_then_forces(void **state)
{
    (void)state;
    char log[300];
    snprintf(log, sizeof log, "%s/stop.log", folder);
    int64_t handle =
        start("trap 'exit 7' INT TERM; echo ready; while :; do sleep 0.1; done", 1, log, NULL);
    for (bool set = false; !set;) { /* its trap */
        char *text = NULL;
        size_t length = 0;
        set = !cox_file_read(&text, &length, log, 1000, NULL) && length;
        cox_free(text);
        stays_quiet(0.02);
    }
    cox_executor_stop(executor, handle, false);
    cox_executor_stop(executor, handle, false); /* asking twice is not forcing */
    struct cox_task_end end = end_of(handle, 20);
    assert_true(end.code == 7 && !end.lost);
    handle = start("trap '' INT TERM; while :; do sleep 0.1; done", 1, NULL, NULL);
    stays_quiet(0.5);
    cox_executor_stop(executor, handle, false);
    stays_quiet(0.5);
    double began = cox_clock_seconds();
    cox_executor_stop(executor, handle, true);
    end = end_of(handle, 20);
    assert_true(end.signal == SIGKILL && !end.lost);
    assert_true(cox_clock_seconds() - began < 4);
    /* before its step is there */
    handle = start("exec sleep 1000", 1, NULL, NULL);
    cox_executor_stop(executor, handle, true);
    end = end_of(handle, 20);
    assert_true(!end.ok && !end.lost);
    assert_int_equal(free_cores(), 6);
}

static void test_many_steps(void **state)
{
    (void)state;
    double began = cox_clock_seconds();
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 6; k++)
            assert_true(start("true", 1, NULL, NULL) >= 0);
        for (int k = 0; k < 6; k++) {
            struct cox_task_end end;
            int64_t ended = -1;
            while (ended < 0)
                assert_int_equal(cox_executor_wait(executor, 20, &ended, &end, NULL), 0);
            if (!end.ok)
                fail_msg("%s", end.reason);
        }
    }
    printf("30 steps in %.2f s\n", cox_clock_seconds() - began);
}

/* slurmd is gone for a while: a step cannot be launched there, the node is left alone, a probe
 * finds out that it is back. */
static void test_an_unreachable_node_is_left_alone_until_it_is_back(void **state)
{
    (void)state;
    char host[64] = "";
    int64_t a = start("exec sleep 1000", 2, NULL, host); /* n1 and n2 are taken: n3 is next */
    assert_string_equal(host, "n1");
    int64_t b = start("exec sleep 1000", 2, NULL, host);
    assert_string_equal(host, "n2");
    stays_quiet(0.5);
    outside("stop slurmd n3");
    int64_t c = start("true", 1, NULL, host);
    assert_string_equal(host, "n3");
    struct cox_task_end end = end_of(c, 30);
    print_message("%s\n", end.reason);
    assert_true(end.lost && !end.ok);
    assert_int_equal(free_cores(), 0);
    assert_int_equal(all_cores(), 6);
    assert_int_equal(start("true", 1, NULL, NULL), -1);
    outside("start slurmd n3");
    double until = cox_clock_seconds() + 30;
    while (free_cores() < 2 && cox_clock_seconds() < until) {
        int64_t ended;
        assert_int_equal(cox_executor_wait(executor, 1, &ended, &end, NULL), 0);
        assert_int_equal(ended, -1);
    }
    c = start("exit 5", 2, NULL, host);
    assert_string_equal(host, "n3");
    assert_int_equal(end_of(c, 20).code, 5);
    cox_executor_stop(executor, a, true);
    assert_int_equal(end_of(a, 20).signal, SIGKILL);
    cox_executor_stop(executor, b, true);
    assert_int_equal(end_of(b, 20).signal, SIGKILL);
}

static void test_a_dead_node_is_out_and_the_others_go_on(void **state)
{
    (void)state;
    char host[64];
    int64_t a = start("exec sleep 1000", 2, NULL, host);
    assert_string_equal(host, "n1");
    int64_t b = start("exec sleep 1000", 2, NULL, host);
    assert_string_equal(host, "n2");
    stays_quiet(0.5);
    outside("kill n2");
    double began = cox_clock_seconds();
    struct cox_task_end end = end_of(b, 60);
    print_message("%s (after %.1f s)\n", end.reason, cox_clock_seconds() - began);
    assert_true(end.lost && !end.ok && end.code == -1);
    assert_int_equal(all_cores(), 4);
    assert_int_equal(free_cores(), 2);
    int64_t c = start("exit 6", 2, NULL, host);
    assert_string_equal(host, "n3");
    assert_int_equal(end_of(c, 20).code, 6);
    cox_executor_stop(executor, a, true);
    assert_int_equal(end_of(a, 20).signal, SIGKILL);
}

/* Nothing that we started may outlive the executor. */
static void test_destroy_leaves_nothing(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    assert_true(start("trap '' TERM INT; while :; do sleep 0.1; done", 1, NULL, NULL) >= 0);
    stays_quiet(0.5);
    cox_executor_destroy(executor);
    assert_int_equal(cox_executor_create_slurm(&executor, &err), 0);
}

int main(int argc, char **argv)
{
    struct cox_err err = COX_ERR_INIT;
    if (argc != 2) {
        fprintf(stderr, "usage: test_steps FOLDER (within an allocation; see test_steps.py)\n");
        return 2;
    }
    snprintf(folder, sizeof folder, "%s", argv[1]);
    if (cox_executor_create_slurm(&executor, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_allocation_is_what_slurm_gave),
        cmocka_unit_test(test_ends_are_told_apart),
        cmocka_unit_test(test_no_such_program),
        cmocka_unit_test(test_environment_and_directory),
        cmocka_unit_test(test_cores_are_counted_by_node),
        cmocka_unit_test(test_stop_asks_then_forces),
        cmocka_unit_test(test_forced_while_it_begins),
        cmocka_unit_test(test_many_steps),
        cmocka_unit_test(test_an_unreachable_node_is_left_alone_until_it_is_back),
        cmocka_unit_test(test_a_dead_node_is_out_and_the_others_go_on),
        cmocka_unit_test(test_destroy_leaves_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cox_executor_destroy(executor);
    return failed;
}
