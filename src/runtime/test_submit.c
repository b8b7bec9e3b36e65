/* SPDX-License-Identifier: BSD-3-Clause */
/* The script of a batch job; tests/slurm submits it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "runtime/submit.h"

static struct cox_submit plain(void)
{
    return (struct cox_submit){
        .program = "/usr/bin/cox",
        .file = "/home/me/fold.yaml",
        .directory = "/home/me/fold.run",
        .from = "/home/me",
        .name = "Ac-Ala15: a helix!",
        .nodes = 2,
        .time_minutes = 90,
        .requeue = true,
    };
}

static void expect(const struct cox_submit *submit, const char *const *lines, size_t n)
{
    struct cox_str text;
    struct cox_err err = COX_ERR_INIT;
    cox_str_init(&text, 1 << 20);
    if (cox_submit_script(&text, submit, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++) {
        const char *line = lines[i];
        bool absent = line[0] == '!';
        if (!strstr(cox_str_text(&text), line + absent) != absent)
            fail_msg("%s: '%s' in\n%s", absent ? "is there" : "is missing", line + absent,
                     cox_str_text(&text));
    }
    cox_str_deinit(&text);
}
#define EXPECT(submit, ...)                                  \
    do {                                                     \
        const char *const lines[] = {__VA_ARGS__};           \
        expect(submit, lines, sizeof lines / sizeof *lines); \
    } while (0)

static void test_options(void **state)
{
    (void)state;
    struct cox_submit s = plain();
    EXPECT(&s, "#!/bin/bash\n", "\n#SBATCH --job-name=cox-Ac-Ala15-a-helix\n",
           "\n#SBATCH --output=\"/home/me/fold.run/job.log\"\n", "\n#SBATCH --open-mode=append\n",
           "\n#SBATCH --nodes=2\n", "\n#SBATCH --exclusive\n", "\n#SBATCH --time=90:00\n",
           "\n#SBATCH --no-kill\n", "\n#SBATCH --requeue\n", "\n#SBATCH --signal=B:TERM@60\n",
           "!#SBATCH --partition", "!#SBATCH --account", "!#SBATCH --cpus-per-task", "\nsets=()\n",
           "\nrequeue=yes");
    static const char *const extra[] = {"--qos=long", "--constraint=\"a&b\""};
    static const char *const set[] = {"seed=2", "title=it's"};
    s.partition = "main,big";
    s.account = "chem";
    s.cores_per_node = 16;
    s.time_minutes = 1.5;
    s.extra = extra;
    s.n_extra = 2;
    s.set = set;
    s.n_set = 2;
    s.requeue = false;
    EXPECT(&s, "\n#SBATCH --partition=\"main,big\"\n", "\n#SBATCH --account=\"chem\"\n",
           "\n#SBATCH --cpus-per-task=16\n", "\n#SBATCH --time=1:30\n", "!#SBATCH --exclusive",
           "\n#SBATCH --no-requeue\n", "\n#SBATCH --signal=B:TERM@22\n", "\n#SBATCH --qos=long\n",
           "\n#SBATCH --constraint=\"a&b\"\n", "sets=(--set 'seed=2' --set 'title=it'\\''s')\n",
           "\nrequeue= #");
}

static void test_names_that_shells_and_slurm_mangle(void **state)
{
    (void)state;
    struct cox_submit s = plain();
    s.directory = "/a 100%j/$(rm)'\"`";
    EXPECT(&s, "--output=\"/a 100%%j/$(rm)'\\\"`/job.log\"\n", "\nrun='/a 100%j/$(rm)'\\''\"`'\n");
    s.directory = "/a\\b%n"; /* a backslash turns Slurm's own % off */
    EXPECT(&s, "--output=\"/a\\\\\\\\b%n/job.log\"\n", "\nrun='/a\\b%n'\n");
}

static void refuse(const struct cox_submit *submit, const char *word)
{
    struct cox_str text;
    struct cox_err err = COX_ERR_INIT;
    cox_str_init(&text, 1 << 20);
    assert_int_equal(cox_submit_script(&text, submit, &err), COX_EINVAL);
    if (!strstr(err.text, word))
        fail_msg("'%s' lacks '%s'", err.text, word);
    cox_str_deinit(&text);
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const lines[] = {"--qos=a\nrm -rf /"};
    static const char *const words[] = {"qos=a"};
    struct cox_submit s = plain();
    s.n_extra = 1;
    s.extra = lines;
    refuse(&s, "slurm.extra");
    s.extra = words;
    refuse(&s, "'qos=a' is no option of sbatch");
    s = plain();
    s.partition = "a\nb";
    refuse(&s, "slurm.partition");
    s = plain();
    s.directory = "/a\nb";
    refuse(&s, "line break");
    s = plain();
    s.n_set = 1;
    s.set = lines;
    refuse(&s, "--set");
    s = plain();
    s.nodes = 0;
    refuse(&s, "nodes (0)");
    s = plain();
    s.time_minutes = 0;
    refuse(&s, "time_minutes (0)");
}

static void test_without_memory(void **state)
{
    (void)state;
    struct cox_submit s = plain();
    for (uint64_t i = 1;; i++) {
        struct cox_str text;
        cox_str_init(&text, 1 << 20);
        cox_mem_fail_at(i);
        int rc = cox_submit_script(&text, &s, NULL);
        cox_mem_fail_at(0);
        cox_str_deinit(&text);
        if (!rc)
            break;
        assert_int_equal(rc, COX_ENOMEM);
        assert_true(i < 100);
    }
}

/* With an sbatch of our own in PATH. */
static void with_sbatch(const char *folder, const char *script, int wanted, const char *word)
{
    char path[300], run[300], job[COX_SUBMIT_JOB_SIZE] = "";
    struct cox_err err = COX_ERR_INIT;
    struct cox_submit s = plain();
    snprintf(path, sizeof path, "%s/sbatch", folder);
    snprintf(run, sizeof run, "%s/x.run", folder);
    s.directory = run;
    assert_int_equal(cox_file_replace(path, script, strlen(script), NULL), 0);
    assert_int_equal(chmod(path, 0700), 0);
    int rc = cox_submit_job(job, &s, &err);
    if (rc != wanted || !strstr(rc ? err.text : job, word))
        fail_msg("%d: '%s', '%s'", rc, job, err.text);
}

static void test_what_sbatch_says(void **state)
{
    (void)state;
    char folder[] = "/tmp/cox-submit-XXXXXX";
    char path[400];
    const char *old = getenv("PATH");
    char *kept = cox_strdup(old ? old : "");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s:/usr/bin:/bin", folder);
    setenv("PATH", path, 1);
    with_sbatch(folder, "#!/bin/sh\n[ \"$1\" = --parsable ] && [ -x \"$2\" ] && echo 1234\n", 0,
                "1234");
    with_sbatch(folder, "#!/bin/sh\necho sbatch: a note; echo '77;far'\n", 0, "77");
    with_sbatch(folder, "#!/bin/sh\necho no such account >&2; exit 1\n", COX_EEXTERNAL,
                "no such account");
    with_sbatch(folder, "#!/bin/sh\necho hello\n", COX_EEXTERNAL, "named no job: 'hello'");
    with_sbatch(folder, "#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x; exit 3\n", COX_EEXTERNAL,
                "refused");
    setenv("PATH", "/nowhere", 1);
    char job[COX_SUBMIT_JOB_SIZE];
    struct cox_submit s = plain();
    s.directory = folder;
    assert_int_equal(cox_submit_job(job, &s, NULL), COX_ENOTFOUND);
    setenv("PATH", kept, 1);
    cox_free(kept);
    assert_int_equal(cox_directory_remove(folder, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_names_that_shells_and_slurm_mangle),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_what_sbatch_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
