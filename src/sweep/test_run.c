/* SPDX-License-Identifier: BSD-3-Clause */
/* The controller in one process; tests/sweep has it as users run it. */
#include "sweep/run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

static char folder[200];
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
    snprintf(folder, sizeof folder, "%s/cox-sweep-%d", root ? root : "/tmp", (int)getpid());
    return cox_directory_create(folder, &failure);
}

static int teardown(void **state)
{
    (void)state;
    return cox_directory_remove(folder, &failure);
}

static void join(char *out, size_t size, const char *name)
{
    snprintf(out, size, "%s/%s", folder, name);
}

static void write_bag(const char *text)
{
    char path[256];
    join(path, sizeof path, "bag.yaml");
    CHECK(cox_file_replace(path, text, strlen(text), &failure));
}

/* Loads the bag and runs it in `name`; `fail_at` > 0: that allocation of the run fails. */
static int run(struct cox_sweep_outcome *outcome, const char *name,
               const struct cox_sweep_hooks *hooks, uint64_t fail_at)
{
    char path[256];
    char directory[256];
    struct cox_sweep_settings settings;
    struct cox_config *config = NULL;
    struct cox_arena *arena = cox_arena_create();
    assert_non_null(arena);
    join(path, sizeof path, "bag.yaml");
    join(directory, sizeof directory, name);
    CHECK(cox_sweep_settings_load(&settings, &config, path, NULL, 0, arena, &failure));
    cox_mem_fail_at(fail_at);
    int rc = cox_sweep_run(outcome, &settings, config, directory, hooks, &failure);
    cox_mem_fail_at(0);
    cox_arena_destroy(arena);
    return rc;
}

static const char three[] = "parameters: [{name: x, values: [1, 2, 3]}]\n"
                            "job: {command: [sh, -c, 'echo y={x} > out.txt']}\n"
                            "outputs: [{name: y, text: out.txt, match: 'y=(.*)'}]\n"
                            "surrogate: {enabled: false}\n";

struct heard {
    int lines, told;
    struct cox_sweep_progress last;
    char line[640];
    atomic_int cancel;
};

static void hear(void *user, const char *line)
{
    struct heard *h = user;
    h->lines++;
    snprintf(h->line, sizeof h->line, "%s", line);
}

static void see(void *user, const struct cox_sweep_progress *p)
{
    struct heard *h = user;
    h->told++;
    h->last = *p;
}

static void test_outcome(void **state)
{
    (void)state;
    struct cox_sweep_outcome o;
    struct heard h = {0};
    const struct cox_sweep_hooks hooks = {.progress = see, .said = hear, .user = &h};
    write_bag(three);
    CHECK(run(&o, "outcome", &hooks, 0));
    assert_int_equal(o.reason, COX_SWEEP_ALL);
    assert_string_equal(o.text, "all 3 points are simulated");
    assert_true(o.points == 3 && o.attempts == 3 && o.retries == 0 && o.preemptions == 0);
    assert_true(o.last.simulated == 3 && o.last.speedup == 1);
    assert_true(h.told >= 1 && h.last.simulated == 3 && h.last.running == 0);
    assert_int_equal(h.lines, 0);
    CHECK(run(&o, "outcome", NULL, 0)); /* nothing left to do */
    assert_true(o.attempts == 3 && o.last.simulated == 3);
}

static void test_cancel(void **state)
{
    (void)state;
    struct cox_sweep_outcome o;
    struct heard h = {0};
    const struct cox_sweep_hooks hooks = {.user = &h, .cancel = &h.cancel};
    write_bag(three);
    atomic_store(&h.cancel, 1); /* before it began: nothing is started */
    assert_int_equal(run(&o, "cancel", &hooks, 0), COX_ECANCELLED);
    assert_int_equal(o.attempts, 0);
    atomic_store(&h.cancel, 0);
    CHECK(run(&o, "cancel", &hooks, 0));
    assert_int_equal(o.attempts, 3);
}

static void test_failed_line(void **state)
{
    (void)state;
    struct cox_sweep_outcome o;
    struct heard h = {0};
    const struct cox_sweep_hooks hooks = {.said = hear, .user = &h};
    write_bag("parameters: [{name: x, values: [1, 2]}]\n"
              "job: {command: [sh, -c, 'test {x} = 1 && echo y=1 > out.txt'], retries: 1}\n"
              "outputs: [{name: y, text: out.txt, match: 'y=(.*)'}]\n"
              "surrogate: {enabled: false}\n");
    CHECK(run(&o, "failed", &hooks, 0));
    assert_true(o.last.simulated == 1 && o.last.failed == 1 && o.retries == 1 && o.attempts == 3);
    assert_int_equal(h.lines, 2);
    assert_non_null(strstr(h.line, "point 1 (x=2): exit code 1"));
    assert_non_null(strstr(h.line, "given up, see jobs/000/000001-try2"));
}

static void test_too_many_cores(void **state)
{
    (void)state;
    struct cox_sweep_outcome o;
    write_bag("parameters: [{name: x, values: [1, 2]}]\n"
              "job: {command: ['true', '{x}'], cores: 60000}\n"
              "outputs: [{name: y, text: out.txt, match: 'y=(.*)'}]\n");
    assert_int_equal(run(&o, "cores", NULL, 0), COX_EINVAL);
    assert_non_null(strstr(failure.text, "bag.yaml:2:"));
    assert_non_null(strstr(failure.text, "a job takes 60000 cores"));
}

/* Each allocation fails in turn: an error (or a run that did without it), nothing is left behind
 * in memory, and the next run in the same directory comes to the end. */
static void test_allocations(void **state)
{
    (void)state;
    struct cox_sweep_outcome o;
    char directory[256];
    write_bag(three);
    int failures = 0;
    uint64_t clean = 0;
    for (uint64_t n = 1; clean < 3 && n < 4000; n += 1 + n / 12) {
        join(directory, sizeof directory, "allocations");
        CHECK(cox_directory_remove(directory, &failure));
        uint64_t before = cox_mem_in_use();
        int rc = run(&o, "allocations", NULL, n);
        assert_true(rc == COX_OK || rc == COX_ENOMEM);
        assert_true(cox_mem_in_use() == before);
        failures += rc != 0;
        clean = rc ? 0 : clean + 1;
        if (rc) {
            CHECK(run(&o, "allocations", NULL, 0));
            assert_int_equal(o.last.simulated, 3);
        }
    }
    assert_true(failures > 20);
}

static void nothing(void *user, enum cox_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

int main(void)
{
    cox_log_set_sink(nothing, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcome),     cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_failed_line), cmocka_unit_test(test_too_many_cores),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
