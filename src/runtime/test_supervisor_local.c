/* SPDX-License-Identifier: BSD-3-Clause */
/* The supervisor with processes of this machine that misbehave in every way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "runtime/supervisor.h"

static char folder[64];

struct fixture {
    struct cox_executor *executor;
    struct cox_supervisor *supervisor;
    struct cox_supervisor_event event;
};

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cox_supervisor.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

static struct fixture setup(int cores, int64_t first_epoch)
{
    struct fixture f = {NULL};
    struct cox_resources r = {cores, 0, 0};
    assert_int_equal(cox_executor_create_local(&f.executor, &r, NULL), COX_OK);
    assert_int_equal(cox_supervisor_create(&f.supervisor, f.executor, first_epoch, NULL), COX_OK);
    return f;
}

static void teardown(struct fixture *f)
{
    cox_supervisor_destroy(f->supervisor);
    cox_executor_destroy(f->executor);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static int add(struct fixture *f, const char *script, struct cox_task task)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    task.argv = argv;
    snprintf(task.name, sizeof task.name, "task");
    int id = -1;
    assert_int_equal(cox_supervisor_add(f->supervisor, &task, &id, NULL), COX_OK);
    return id;
}

static enum cox_supervisor_kind next(struct fixture *f)
{
    assert_int_equal(cox_supervisor_next(f->supervisor, 60, &f->event, NULL), COX_OK);
    return f->event.kind;
}

static void epochs_reach_the_task(void **state)
{
    (void)state;
    struct fixture f = setup(1, 41);
    char log[128];
    snprintf(log, sizeof log, "%s/epochs.log", folder);
    const char *env[] = {"WHO=e{epoch}-{epoch}", NULL};
    add(&f, "echo \"<{epoch} $WHO>\"; exit $(({epoch} < 43))",
        (struct cox_task){.cores = 1, .env = env, .log = log, .max_restarts = 5});
    for (int64_t epoch = 41; epoch <= 43; epoch++) {
        assert_int_equal(next(&f), COX_SUPERVISOR_STARTED);
        assert_true(f.event.epoch == epoch);
        assert_true(f.event.placement.pid > 0);
        assert_string_equal(f.event.placement.host, "localhost");
        assert_int_equal(next(&f), epoch < 43 ? COX_SUPERVISOR_FAILED : COX_SUPERVISOR_ENDED);
    }
    char *text = NULL;
    assert_int_equal(cox_file_read(&text, NULL, log, 1000, NULL), COX_OK);
    assert_string_equal(text, "<41 e41-41>\n<42 e42-42>\n<43 e43-43>\n");
    cox_free(text);
    teardown(&f);
}

static void a_killed_task_comes_back(void **state)
{
    (void)state;
    struct fixture f = setup(1, 1);
    add(&f, "exec sleep 1000", (struct cox_task){.cores = 1, .max_restarts = 1});
    for (int i = 0; i < 2; i++) {
        assert_int_equal(next(&f), COX_SUPERVISOR_STARTED);
        kill((pid_t)f.event.placement.pid, SIGKILL);
        assert_int_equal(next(&f), i ? COX_SUPERVISOR_GAVE_UP : COX_SUPERVISOR_FAILED);
        assert_string_equal(f.event.end.reason, "killed by signal 9 (SIGKILL)");
    }
    teardown(&f);
}

static void a_hung_task_is_killed(void **state)
{
    (void)state;
    struct fixture f = setup(1, 1);
    char log[128];
    snprintf(log, sizeof log, "%s/hung.log", folder);
    /* stopped processes do not even get SIGTERM */
    add(&f, "echo about to hang; kill -STOP $$",
        (struct cox_task){.cores = 1, .heartbeat_s = 1, .log = log});
    assert_int_equal(next(&f), COX_SUPERVISOR_STARTED);
    assert_int_equal(next(&f), COX_SUPERVISOR_GAVE_UP);
    assert_int_equal(f.event.end.signal, SIGKILL);
    assert_non_null(strstr(f.event.end.reason, "hung: no heartbeat for 1"));
    assert_non_null(strstr(f.event.end.reason, "about to hang"));
    assert_true(f.event.ended_s - f.event.began_s >= 1);
    teardown(&f);
}

static void wall_time_and_grace(void **state)
{
    (void)state;
    struct fixture f = setup(2, 1);
    /* one saves and leaves when told, one does not listen */
    add(&f, "trap 'exit 0' TERM; while :; do sleep 0.01; done",
        (struct cox_task){.cores = 1, .wall_s = 1, .grace_s = 30});
    int deaf = add(&f, "trap '' TERM; while :; do sleep 0.01; done",
                   (struct cox_task){.cores = 1, .wall_s = 1, .grace_s = 0.2});
    assert_int_equal(next(&f), COX_SUPERVISOR_STARTED);
    assert_int_equal(next(&f), COX_SUPERVISOR_STARTED);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(next(&f), COX_SUPERVISOR_GAVE_UP);
        double lived = f.event.ended_s - f.event.began_s;
        if (f.event.task == deaf) {
            assert_string_equal(f.event.end.reason,
                                "wall time of 1 s exceeded; killed by signal 9 (SIGKILL)");
            assert_true(lived >= 1.2);
        } else {
            assert_string_equal(f.event.end.reason, "wall time of 1 s exceeded; exit code 0");
            assert_true(lived >= 1);
        }
        assert_false(f.event.end.ok);
    }
    teardown(&f);
}

static void stop_insists(void **state)
{
    (void)state;
    struct fixture f = setup(2, 1);
    char ready[128], script[512];
    snprintf(ready, sizeof ready, "%s/ready", folder);
    snprintf(script, sizeof script, "trap '' TERM; sleep 1000 & : > %s; wait", ready);
    int id = add(&f, script, (struct cox_task){.cores = 1, .grace_s = 0.1, .max_restarts = 3});
    assert_int_equal(next(&f), COX_SUPERVISOR_STARTED);
    while (!cox_file_exists(ready)) {
        assert_int_equal(cox_supervisor_next(f.supervisor, 0.01, &f.event, NULL), COX_OK);
        assert_int_equal(f.event.kind, COX_SUPERVISOR_NOTHING);
    }
    cox_supervisor_stop(f.supervisor, id);
    assert_true(cox_supervisor_heartbeat(f.supervisor, id, 1)); /* may still say good-bye */
    assert_int_equal(next(&f), COX_SUPERVISOR_ENDED);
    assert_false(f.event.end.ok);
    assert_string_equal(f.event.end.reason, "stopped; killed by signal 9 (SIGKILL)");
    teardown(&f);
}

static void what_cannot_start(void **state)
{
    (void)state;
    struct fixture f = setup(2, 1);
    char script[128];
    snprintf(script, sizeof script, "%s/no-interpreter", folder);
    assert_int_equal(cox_file_replace(script, "\x01\x02", 2, NULL), COX_OK);
    assert_int_equal(chmod(script, 0700), 0);
    const char *missing[] = {"/no/such/program", NULL}, *broken[] = {script, NULL};
    int id;
    struct cox_task task = {.argv = missing, .cores = 1, .max_restarts = 3};
    assert_int_equal(cox_supervisor_add(f.supervisor, &task, &id, NULL), COX_OK);
    assert_int_equal(next(&f), COX_SUPERVISOR_GAVE_UP);
    assert_non_null(strstr(f.event.end.reason, "there is no program '/no/such/program'"));
    task.argv = broken; /* might be repaired: tried again */
    task.max_restarts = 1;
    assert_int_equal(cox_supervisor_add(f.supervisor, &task, &id, NULL), COX_OK);
    assert_int_equal(next(&f), COX_SUPERVISOR_FAILED);
    assert_non_null(strstr(f.event.end.reason, "Exec format error"));
    assert_int_equal(next(&f), COX_SUPERVISOR_GAVE_UP);
    /* stopped before the caller heard that it failed */
    int first = add(&f, "exec sleep 1000", (struct cox_task){.cores = 1});
    assert_int_equal(cox_supervisor_add(f.supervisor, &task, &id, NULL), COX_OK);
    assert_int_equal(next(&f), COX_SUPERVISOR_STARTED);
    assert_int_equal(f.event.task, first);
    cox_supervisor_stop(f.supervisor, id);
    assert_int_equal(next(&f), COX_SUPERVISOR_ENDED);
    assert_int_equal(f.event.task, id);
    assert_true(f.event.epoch > 0); /* of the attempt whose failure was not yet told */
    assert_int_equal(cox_supervisor_waiting(f.supervisor), 0);
    teardown(&f);
}

/* As the coordinator does it: poll on the descriptor and the next thing due, then ask. */
static void the_descriptor_and_the_clock(void **state)
{
    (void)state;
    struct fixture f = setup(1, 1);
    add(&f, "exit 1", (struct cox_task){.cores = 1, .max_restarts = 3});
    int starts = 0, turns = 0;
    do {
        double due = cox_supervisor_due_s(f.supervisor);
        struct pollfd p = {.fd = cox_supervisor_fd(f.supervisor), .events = POLLIN};
        if (due)
            assert_true(poll(&p, 1, due < 0 ? 60000 : (int)(due * 1000) + 1) >= 0);
        assert_int_equal(cox_supervisor_next(f.supervisor, 0, &f.event, NULL), COX_OK);
        starts += f.event.kind == COX_SUPERVISOR_STARTED;
        assert_true(turns++ < 100);
    } while (f.event.kind != COX_SUPERVISOR_GAVE_UP);
    assert_int_equal(starts, 4);
    teardown(&f);
}

static int one_round(void)
{
    struct cox_executor *x = NULL;
    struct cox_supervisor *s = NULL;
    struct cox_resources r = {2, 0, 0};
    int rc = cox_executor_create_local(&x, &r, NULL);
    if (!rc)
        rc = cox_supervisor_create(&s, x, 1, NULL);
    const char *argv[] = {"true", "{epoch}", NULL}, *env[] = {"E={epoch}", NULL};
    struct cox_task task = {.argv = argv, .env = env, .cores = 1, .log = "/dev/null"};
    int added = 0, ended = 0;
    for (int i = 0; i < 3 && !rc; i++) {
        int id;
        rc = cox_supervisor_add(s, &task, &id, NULL);
        added += !rc;
    }
    for (int tries = 0; ended < added && tries < 50; tries++) {
        struct cox_supervisor_event event;
        int failure = cox_supervisor_next(s, 60, &event, NULL);
        if (failure)
            rc = failure;
        ended += event.kind == COX_SUPERVISOR_ENDED;
        assert_int_not_equal(event.kind, COX_SUPERVISOR_GAVE_UP);
    }
    assert_int_equal(ended, added);
    cox_supervisor_destroy(s);
    cox_executor_destroy(x);
    return rc;
}

static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    int n = 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    uint64_t before = cox_mem_in_use();
    int open_before = descriptors(), failures = 0;
    for (uint64_t n = 1;; n++) {
        cox_mem_fail_at(n);
        int rc = one_round();
        cox_mem_fail_at(0);
        assert_true(cox_mem_in_use() == before);
        assert_int_equal(descriptors(), open_before);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        if (!rc)
            break;
        assert_int_equal(rc, COX_ENOMEM);
        failures++;
    }
    assert_true(failures > 20);
}

static atomic_bool noise_ends;

static void *make_noise(void *user)
{
    (void)user;
    while (!noise_ends) {
        void *block = cox_alloc(100, 10);
        int fd = dup(0);
        if (fd >= 0)
            close(fd);
        cox_free(block);
    }
    return NULL;
}

/* Threads of the host work on while children share its memory until exec. */
static void beside_busy_threads(void **state)
{
    (void)state;
    enum { TASKS = 100 };
    struct fixture f = setup(2, 1);
    pthread_t threads[2];
    noise_ends = false;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_noise, NULL), 0);
    const char *argv[] = {"true", NULL};
    struct cox_task task = {.argv = argv, .cores = 1};
    for (int i = 0; i < TASKS; i++) {
        int id;
        assert_int_equal(cox_supervisor_add(f.supervisor, &task, &id, NULL), COX_OK);
    }
    int ended = 0;
    for (int i = 0; i < 2 * TASKS; i++)
        ended += next(&f) == COX_SUPERVISOR_ENDED;
    noise_ends = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(ended, TASKS);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_reach_the_task),
        cmocka_unit_test(a_killed_task_comes_back),
        cmocka_unit_test(a_hung_task_is_killed),
        cmocka_unit_test(wall_time_and_grace),
        cmocka_unit_test(stop_insists),
        cmocka_unit_test(what_cannot_start),
        cmocka_unit_test(the_descriptor_and_the_clock),
        cmocka_unit_test(survives_failing_allocations),
        cmocka_unit_test(beside_busy_threads),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
