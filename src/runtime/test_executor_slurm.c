/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be known of the Slurm executor without Slurm; tests/slurm has the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "runtime/executor.h"
#include "runtime/executor_ops.h"
#include "runtime/executor_slurm_command.h"
#include "runtime/executor_slurm_words.h"

/* "n1:4 n2:4" */
static void expect_nodes(const char *names, const char *cores, const char *wanted)
{
    struct cox_slurm_node *nodes;
    struct cox_err err = COX_ERR_INIT;
    struct cox_str text;
    int n;
    if (cox_slurm_nodes(&nodes, &n, names, cores, &err))
        fail_msg("%s", err.text);
    cox_str_init(&text, 10000);
    for (int i = 0; i < n; i++)
        cox_str_addf(&text, "%s%s:%d", i ? " " : "", nodes[i].name, nodes[i].cores);
    assert_string_equal(cox_str_text(&text), wanted);
    cox_str_deinit(&text);
    cox_free(nodes);
}

static void expect_refusal(const char *names, const char *cores, const char *word)
{
    struct cox_slurm_node *nodes;
    struct cox_err err = COX_ERR_INIT;
    int n;
    assert_int_equal(cox_slurm_nodes(&nodes, &n, names, cores, &err), COX_EINVAL);
    if (!strstr(err.text, word))
        fail_msg("'%s' lacks '%s'", err.text, word);
}

static void test_nodes(void **state)
{
    (void)state;
    expect_nodes("node7", "48", "node7:48");
    expect_nodes("n[1-3]", "2(x3)", "n1:2 n2:2 n3:2");
    expect_nodes("n[1,3]", "4,2", "n1:4 n3:2");
    expect_nodes("gpu[08-11],fat1,n[2,5-6]", "16(x4),128,4(x2),8",
                 "gpu08:16 gpu09:16 gpu10:16 gpu11:16 fat1:128 n2:4 n5:4 n6:8");
    expect_nodes("r[1-2]n[1-2]-ib", "1(x4)", "r1n1-ib:1 r1n2-ib:1 r2n1-ib:1 r2n2-ib:1");
    expect_refusal("n[1-3]", "2(x2)", "are of 2 nodes, there are 3");
    expect_refusal("n1", "2(x2)", "more than the 1 nodes");
    expect_refusal("n1", "two", "are not like");
    expect_refusal("n1", "", "are of 0 nodes");
    expect_refusal("n1", "2(x", "are not like");
    expect_refusal("n1", "99999999999", "are not like");
    expect_refusal("n[1-3", "2(x3)", "not closed");
    expect_refusal("n[3-1]", "2", "malformed range");
    expect_refusal("n[a]", "2", "malformed range");
    expect_refusal("n[]", "2", "malformed range");
    expect_refusal("n[1-99999999]", "2", "malformed range");
    expect_refusal("n[1-9999][1-9999]", "2", "more than");
    expect_refusal("n1,,n2", "2(x2)", "name of 0 characters");
    expect_refusal("", "2", "name of 0 characters");
}

static void test_nodes_without_memory(void **state)
{
    (void)state;
    for (uint64_t i = 1;; i++) {
        struct cox_slurm_node *nodes;
        int n;
        cox_mem_fail_at(i);
        int rc = cox_slurm_nodes(&nodes, &n, "n[1-40]", "2(x40)", NULL);
        cox_mem_fail_at(0);
        cox_free(nodes);
        if (!rc)
            break;
        assert_int_equal(rc, COX_ENOMEM);
        assert_true(i < 10);
    }
}

struct said {
    int code, signal; /* of srun */
    const char *words;
    enum cox_slurm_asked asked;
    bool ok;
    int task_code, task_signal;
    bool lost;
    enum cox_slurm_verdict verdict;
    const char *reason;
};

/* As srun 22.05 said it. */
static const struct said all_said[] = {
    {0, 0, "", COX_SLURM_NOTHING, true, 0, 0, false, COX_SLURM_NODE_FINE, "exit code 0"},
    {3, 0, "srun: error: n2: task 0: Exited with exit code 3\n", COX_SLURM_NOTHING, false, 3, 0,
     false, COX_SLURM_NODE_FINE, "exit code 3"},
    {130, 0, "srun: error: n2: task 0: Exited with exit code 130\n", COX_SLURM_ASKED_TO_STOP, false,
     130, 0, false, COX_SLURM_NODE_FINE, "exit code 130"},
    {137, 0, "srun: error: n2: task 0: Killed\n", COX_SLURM_NOTHING, false, -1, SIGKILL, false,
     COX_SLURM_NODE_FINE, "killed by signal 9 (SIGKILL)"},
    {139, 0, "srun: error: n2: task 0: Segmentation fault\n", COX_SLURM_NOTHING, false, -1, SIGSEGV,
     false, COX_SLURM_NODE_FINE, "SIGSEGV"},
    {137, 0,
     "srun: forcing job termination\nsrun: Job step aborted: Waiting up to 7 seconds for "
     "job step to finish.\nsrun: error: n2: task 0: Killed\n",
     COX_SLURM_FORCED, false, -1, SIGKILL, false, COX_SLURM_NODE_FINE, "SIGKILL"},
    {137, 0,
     "srun: Job step aborted: Waiting up to 7 seconds for job step to finish.\n"
     "srun: error: n2: task 0: Killed\n",
     COX_SLURM_NOTHING, false, -1, SIGKILL, true, COX_SLURM_NODE_FINE, "cancelled by Slurm"},
    /* its exit status alone would say that all is well */
    {0, 0, "srun: error: Node failure on n2\n", COX_SLURM_NOTHING, false, -1, 0, true,
     COX_SLURM_NODE_GONE, "lost: Node failure on n2"},
    {1, 0,
     "srun: error: Unable to create step for job 1: Requested node configuration is not "
     "available\n",
     COX_SLURM_NOTHING, false, -1, 0, true, COX_SLURM_NODE_GONE, "not available"},
    {140, 0,
     "srun: error: slurm_receive_msgs: [[localhost]:60317] failed: Socket timed out on "
     "send/recv operation\nsrun: error: Task launch for StepId=1.19 failed on node n3: "
     "Socket timed out on send/recv operation\nsrun: error: Application launch failed: "
     "Socket timed out on send/recv operation\n",
     COX_SLURM_NOTHING, false, -1, 0, true, COX_SLURM_NODE_SUSPECT, "Socket timed out"},
    {1, 0,
     "srun: error: Unable to create step for job 1: Job/step already completing or "
     "completed\n",
     COX_SLURM_FORCED, false, -1, SIGKILL, false, COX_SLURM_NODE_FINE, "SIGKILL"},
    {-1, SIGINT, "", COX_SLURM_ASKED_TO_STOP, false, -1, SIGINT, false, COX_SLURM_NODE_FINE,
     "SIGINT"},
    {0, 0, "", COX_SLURM_FORCED, false, -1, SIGKILL, false, COX_SLURM_NODE_FINE, "SIGKILL"},
    {0, 0, "", COX_SLURM_ASKED_TO_STOP, true, 0, 0, false, COX_SLURM_NODE_FINE, "exit code 0"},
    {-1, SIGTERM, "", COX_SLURM_FORCED, false, -1, SIGKILL, false, COX_SLURM_NODE_FINE, "SIGKILL"},
    {-1, SIGKILL, "", COX_SLURM_FORCED, false, -1, 0, true, COX_SLURM_NODE_SUSPECT,
     "lost: srun was killed"},
    {-1, SIGTERM, "", COX_SLURM_NOTHING, false, -1, 0, true, COX_SLURM_NODE_SUSPECT,
     "lost: srun was killed"},
    {2, 0, "", COX_SLURM_NOTHING, false, -1, 0, true, COX_SLURM_NODE_SUSPECT, "without a word"},
};

static void test_what_srun_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all_said / sizeof *all_said; i++) {
        const struct said *s = &all_said[i];
        struct cox_task_end srun = {
            .ok = !s->code, .code = s->code, .signal = s->signal, .ended_s = 5};
        struct cox_task_end end;
        enum cox_slurm_verdict verdict = cox_slurm_end(&end, &srun, s->words, s->asked);
        if (end.ok != s->ok || end.code != s->task_code || end.signal != s->task_signal ||
            end.lost != s->lost || verdict != s->verdict || !strstr(end.reason, s->reason) ||
            end.ended_s != 5)
            fail_msg("%zu: ok %d code %d signal %d lost %d verdict %d: %s", i, end.ok, end.code,
                     end.signal, end.lost, verdict, end.reason);
    }
}

static bool has(const struct cox_slurm_command *c, const char *word)
{
    for (int i = 0; i < c->n; i++)
        if (!strcmp(c->argv[i], word))
            return true;
    return false;
}

static void test_the_command(void **state)
{
    (void)state;
    struct cox_slurm_command c;
    struct cox_task task = COX_TASK_INIT;
    task.cores = 3;
    task.memory_gb = 1.5;
    task.directory = "/a b";
    cox_slurm_command_make(&c, &task, "n7", -1, false);
    assert_true(c.n < COX_SLURM_WORDS_MAX);
    assert_true(has(&c, "--exact") && has(&c, "--cpus-per-task=3") && has(&c, "--mem=1536") &&
                has(&c, "--nodelist=n7") && has(&c, "--chdir=/a b") && has(&c, "--output=none"));
    assert_false(has(&c, "--overlap") || has(&c, "--gres=none"));
    task.cores = 0;
    task.memory_gb = 0;
    task.accelerators = 2;
    cox_slurm_command_make(&c, &task, "n7", 9, true);
    assert_true(c.n < COX_SLURM_WORDS_MAX);
    assert_true(has(&c, "--overlap") && has(&c, "--mem=0") && has(&c, "--gpus-per-node=2") &&
                has(&c, "--open-mode=append"));
    assert_false(has(&c, "--exact"));
}

static void forget_slurm(void)
{
    static const char *const names[] = {
        "SLURM_JOB_ID",      "SLURM_STEP_ID",           "SLURM_JOB_NODELIST",
        "SLURMD_NODENAME",   "SLURM_JOB_CPUS_PER_NODE", "SLURM_MEM_PER_NODE",
        "SLURM_MEM_PER_CPU", "SLURM_GPUS_ON_NODE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

static void expect_none(const char *word)
{
    struct cox_executor *executor;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_executor_create_slurm(&executor, &err), COX_EUNSUPPORTED);
    assert_null(executor);
    if (!strstr(err.text, word))
        fail_msg("'%s' lacks '%s'", err.text, word);
}

static void test_the_allocation(void **state)
{
    (void)state;
    struct cox_executor *executor;
    struct cox_resources total, now;
    forget_slurm();
    expect_none("SLURM_JOB_ID is not set");
    setenv("SLURM_JOB_ID", "12", 1);
    expect_none("SLURM_JOB_NODELIST is not set");
    setenv("SLURM_JOB_NODELIST", "n[1-2]", 1);
    setenv("SLURM_JOB_CPUS_PER_NODE", "4,8", 1);
    setenv("SLURM_STEP_ID", "0", 1);
    expect_none("within a step");
    setenv("SLURM_STEP_ID", "4294967290", 1); /* the shell of salloc is a step that takes nothing */
    setenv("SLURM_MEM_PER_CPU", "2048", 1);
    assert_int_equal(cox_executor_create_slurm(&executor, NULL), 0);
    cox_executor_resources(executor, &total, &now);
    assert_int_equal(total.cores, 12);
    assert_int_equal(now.cores, 12);
    assert_true(total.memory_gb > 23.999 && total.memory_gb < 24.001);
    assert_true(cox_executor_fd(executor) >= 0);
    struct cox_task task = COX_TASK_INIT;
    const char *argv[] = {"true", NULL};
    int64_t handle;
    struct cox_placement placement;
    struct cox_err err = COX_ERR_INIT;
    task.argv = argv;
    task.cores = 9; /* fits into no node, though there are 12 */
    assert_int_equal(cox_executor_start(executor, &task, 1, &handle, &placement, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "the largest has 8"));
    cox_executor_destroy(executor);
    forget_slurm();
}

static void test_create_without_memory(void **state)
{
    (void)state;
    setenv("SLURM_JOB_ID", "12", 1);
    setenv("SLURM_JOB_NODELIST", "n[1-2]", 1);
    setenv("SLURM_JOB_CPUS_PER_NODE", "4(x2)", 1);
    uint64_t before = cox_mem_in_use();
    for (uint64_t i = 1;; i++) {
        struct cox_executor *executor;
        cox_mem_fail_at(i);
        int rc = cox_executor_create_slurm(&executor, NULL);
        cox_mem_fail_at(0);
        cox_executor_destroy(executor);
        assert_int_equal(cox_mem_in_use(), before);
        if (!rc)
            break;
        assert_int_equal(rc, COX_ENOMEM);
        assert_true(i < 50);
    }
    forget_slurm();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes),          cmocka_unit_test(test_nodes_without_memory),
        cmocka_unit_test(test_what_srun_says), cmocka_unit_test(test_the_command),
        cmocka_unit_test(test_the_allocation), cmocka_unit_test(test_create_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
