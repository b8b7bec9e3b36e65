/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "sweep/job.h"
#include "sweep/job_links.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cox-job-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

static const char *path_of(const char *name)
{
    static char path[4][200];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void write_file(const char *name, const char *text)
{
    struct cox_err err = COX_ERR_INIT;
    if (cox_file_replace(path_of(name), text, strlen(text), &err))
        fail_msg("%s", err.text);
}

static void expect_file(const char *name, const char *text)
{
    char *found = NULL;
    struct cox_err err = COX_ERR_INIT;
    if (cox_file_read(&found, NULL, path_of(name), 1 << 20, &err))
        fail_msg("%s", err.text);
    assert_string_equal(found, text);
    cox_free(found);
}

/* A bag with its points and jobs. */
struct bag {
    struct cox_sweep_settings s;
    struct cox_config *config;
    struct cox_arena *arena;
    struct cox_points points;
    struct cox_jobs *jobs;
};

static void open_bag(struct bag *b, const char *file, const char *text)
{
    struct cox_err err = COX_ERR_INIT;
    *b = (struct bag){.arena = cox_arena_create()};
    write_file(file, text);
    if (cox_sweep_settings_load(&b->s, &b->config, path_of(file), NULL, 0, b->arena, &err) ||
        cox_points_create(&b->points, &b->s, b->config, &err) ||
        cox_jobs_create(&b->jobs, &b->s, b->config, &b->points, &err))
        fail_msg("%s", err.text);
}

static void close_bag(struct bag *b)
{
    cox_jobs_destroy(b->jobs);
    cox_points_deinit(&b->points);
    cox_arena_destroy(b->arena);
}

static void key_of(const char *text, int point, char key[COX_JOB_KEY_SIZE])
{
    struct bag b;
    struct cox_err err = COX_ERR_INIT;
    open_bag(&b, "bag.yaml", text);
    if (cox_job_key(b.jobs, point, key, &err))
        fail_msg("%s", err.text);
    close_bag(&b);
}

#define PARAMETERS                            \
    "parameters:\n"                           \
    "  - {name: h, values: [3.5, 4, 4.25]}\n" \
    "  - {name: salt, choices: [nacl, \"k cl\"]}\n"
#define OUTPUT "outputs: [{name: y, csv: o.csv, column: y}]\n"
#define JOB(rest) "job:\n  command: " rest "\n"

static void arguments_are_rendered(void **state)
{
    (void)state;
    struct bag b;
    const char *const *argv;
    struct cox_err err = COX_ERR_INIT;
    open_bag(
        &b, "bag.yaml",
        PARAMETERS OUTPUT JOB("[sh, \"-h={h}\", \"{h:8.3f}|{h:-8.2e}|{h:+g}\", \"{salt}\", "
                              "\"{salt:6s}|\", \"{{h}} ${h} {} { h }\", \"{point:04d}/{cores}\", "
                              "\"{bag}/x\", \"\"]") "  cores: 2\n  resume: sh {bag} --again\n");
    assert_int_equal(b.points.n, 6);
    assert_int_equal(cox_job_arguments(b.jobs, 5, false, &argv, b.arena, &err), 0);
    char bag[100];
    snprintf(bag, sizeof bag, "%s/x", folder);
    const char *const want[] = {
        "-h=4.25", "   4.250|4.25e+00|+4.25", "k cl", "  k cl|", "{h} ${h} {} { h }", "0005/2", bag,
        ""};
    assert_int_equal(argv[0][0], '/'); /* found in PATH */
    assert_true(cox_str_ends(argv[0], "/sh"));
    for (int i = 0; i < 8; i++)
        assert_string_equal(argv[i + 1], want[i]);
    assert_null(argv[9]);
    assert_int_equal(cox_job_arguments(b.jobs, 5, true, &argv, b.arena, &err), 0);
    assert_string_equal(argv[1], folder);
    assert_string_equal(argv[2], "--again");
    assert_null(argv[3]);
    close_bag(&b);
}

static void programs_are_looked_for(void **state)
{
    (void)state;
    struct bag b;
    const char *const *argv;
    struct cox_err err = COX_ERR_INIT;
    static const char *const bad[][2] = {
        {"no-such-program {h} {salt}", "no program 'no-such-program' in PATH"},
        {"./tool {h} {salt}", "there is no program"},
        {"./plain {h} {salt}", "chmod +x"},
        {"/tmp {h} {salt}", "a folder"},
    };
    write_file("plain", "#!/bin/sh\n");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[400];
        snprintf(text, sizeof text, PARAMETERS OUTPUT JOB("%s"), bad[i][0]);
        b = (struct bag){.arena = cox_arena_create()};
        write_file("bag.yaml", text);
        assert_int_equal(
            cox_sweep_settings_load(&b.s, &b.config, path_of("bag.yaml"), NULL, 0, b.arena, &err),
            0);
        assert_int_equal(cox_points_create(&b.points, &b.s, b.config, &err), 0);
        assert_true(cox_jobs_create(&b.jobs, &b.s, b.config, &b.points, &err) != 0);
        if (!strstr(err.text, bad[i][1]) || !strstr(err.text, "bag.yaml:6:3:"))
            fail_msg("wanted '%s' in: %s", bad[i][1], err.text);
        close_bag(&b);
    }
    assert_int_equal(cox_directory_create(path_of("bin"), NULL), 0);
    write_file("bin/a tool", "#!/bin/sh\n");
    assert_int_equal(chmod(path_of("bin/a tool"), 0755), 0);
    open_bag(&b, "bag.yaml", PARAMETERS OUTPUT JOB("\"'bin/a tool' {h} {salt}\""));
    assert_int_equal(cox_job_arguments(b.jobs, 0, false, &argv, b.arena, &err), 0);
    assert_string_equal(argv[0], path_of("bin/a tool"));
    close_bag(&b);
}

static void directories_are_made_anew(void **state)
{
    (void)state;
    struct bag b;
    struct cox_err err = COX_ERR_INIT;
    write_file("in.ions.template", "variable h equal {h}\nregion {box} ${h} {\"a\":{\"b\":1}}\n"
                                   "seed {{seed}} {salt}{point}\n");
    write_file("run.sh.in", "#!/bin/sh\n");
    assert_int_equal(chmod(path_of("run.sh.in"), 0755), 0);
    write_file("pair.dat", "1 2 3\n");
    open_bag(&b, "bag.yaml",
             PARAMETERS OUTPUT JOB("sh") "  files: [in.ions.template, run.sh.in]\n"
                                         "  links: [pair.dat]\n");
    char job[200];
    snprintf(job, sizeof job, "%s/sweep/jobs/000003", folder);
    if (cox_job_prepare(b.jobs, 3, job, false, &err))
        fail_msg("%s", err.text);
    static const char want[] =
        "variable h equal 4\nregion {box} ${h} {\"a\":{\"b\":1}}\nseed {seed} k cl3\n";
    expect_file("sweep/jobs/000003/in.ions", want);
    expect_file("sweep/jobs/000003/pair.dat", "1 2 3\n");
    assert_int_equal(access(path_of("sweep/jobs/000003/run.sh"), X_OK), 0);
    struct stat st;
    assert_int_equal(lstat(path_of("sweep/jobs/000003/pair.dat"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    /* kept after a preemption: what the job wrote stays, what is missing comes back */
    write_file("sweep/jobs/000003/state", "step 5\n");
    write_file("sweep/jobs/000003/in.ions", "changed by the job\n");
    assert_int_equal(unlink(path_of("sweep/jobs/000003/run.sh")), 0);
    assert_int_equal(cox_job_prepare(b.jobs, 3, job, true, &err), 0);
    expect_file("sweep/jobs/000003/state", "step 5\n");
    expect_file("sweep/jobs/000003/in.ions", "changed by the job\n");
    expect_file("sweep/jobs/000003/run.sh", "#!/bin/sh\n");
    /* a new attempt begins from nothing */
    assert_int_equal(cox_job_prepare(b.jobs, 3, job, false, &err), 0);
    assert_false(cox_file_exists(path_of("sweep/jobs/000003/state")));
    expect_file("sweep/jobs/000003/in.ions", want);
    expect_file("pair.dat", "1 2 3\n"); /* the link went, not what it leads to */
    close_bag(&b);
}

static void finished_jobs_are_tidied(void **state)
{
    (void)state;
    static const char *const files[] = {"o.csv",     "log",       "deep/o.csv", "deep/log",
                                        "restart/a", "restart/b", ".hidden"};
    static const char *const folders[] = {"deep", "restart", "empty"};
    struct bag b;
    struct cox_err err = COX_ERR_INIT;
    write_file("pair.dat", "1 2 3\n");
    for (int with = 0; with < 2; with++) {
        char name[100];
        open_bag(&b, "bag.yaml",
                 with ? PARAMETERS OUTPUT JOB("sh {h} {salt}") "  links: [pair.dat]\n"
                                                               "  keep: ['*.csv', 'restart/[a]']\n"
                      : PARAMETERS OUTPUT JOB("sh {h} {salt}") "  links: [pair.dat]\n");
        assert_int_equal(cox_job_prepare(b.jobs, 0, path_of("job"), false, &err), 0);
        for (int i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "job/%s", folders[i]);
            assert_int_equal(cox_directory_create(path_of(name), NULL), 0);
        }
        for (int i = 0; i < 7; i++) {
            snprintf(name, sizeof name, "job/%s", files[i]);
            write_file(name, "x");
        }
        if (cox_job_tidy(b.jobs, path_of("job"), &err))
            fail_msg("%s", err.text);
        for (int i = 0; i < 7; i++) {
            static const bool kept[] = {true, false, true, false, true, false, false};
            snprintf(name, sizeof name, "job/%s", files[i]);
            assert_int_equal(cox_file_exists(path_of(name)), kept[i] || !with);
        }
        assert_int_equal(cox_file_exists(path_of("job/empty")), !with);
        assert_int_equal(cox_file_exists(path_of("job/pair.dat")), !with);
        expect_file("pair.dat", "1 2 3\n");
        close_bag(&b);
    }
}

/* The digest under which a sweep of today is found again in ten years, on any machine. It was
 * computed apart, in Python, from what docs/bag.md says of keys and seeds; a change of it repeats
 * everybody's jobs. */
static void keys_are_stable(void **state)
{
    (void)state;
    char key[COX_JOB_KEY_SIZE];
    write_file("in.ions", "h {h:.2f} {point} {bag} {cores}\n");
    write_file("pair.dat", "1 2 3\n");
    key_of(PARAMETERS OUTPUT JOB("sh {h} '{salt}' {seed}") "  files: [in.ions]\n"
                                                           "  links: [pair.dat]\n",
           5, key);
    assert_string_equal(key, "4c3ed0f2e9f9594a0a7475978aa0c63bd221cbfd23bf0cf78a64e3ec6ce30c1a");
}

static void keys_tell_what_the_job_sees_and_nothing_else(void **state)
{
    (void)state;
    static const char base[] = PARAMETERS OUTPUT JOB("sh {h} {salt}") "  files: [in.ions]\n"
                                                                      "  links: [pair.dat, ff]\n";
    static const char *const same[] = {
        /* order of keys, parameters, files; what does not reach the job; the place of the sweep */
        "job:\n  links: [ff, pair.dat]\n  files: [in.ions]\n  command: [sh, \"{h}\", \"{salt}\"]\n"
        "  retries: 7\n  cores: 2\nseed: 99\n" OUTPUT
        "parameters:\n  - {name: h, values: [3.5, 4, 4.25]}\n"
        "  - {choices: [nacl, \"k cl\"], name: salt}\n",
    };
    static const char *const other[] = {
        PARAMETERS OUTPUT JOB("sh {h:.3f} {salt}") "  files: [in.ions]\n  links: [pair.dat, ff]\n",
        PARAMETERS OUTPUT JOB("sh {h}{salt}") "  files: [in.ions]\n  links: [pair.dat, ff]\n",
        PARAMETERS OUTPUT JOB("sh {h} {salt} {seed}") "  files: [in.ions]\n"
                                                      "  links: [pair.dat, ff]\n",
        PARAMETERS OUTPUT JOB("sh {h} {salt}") "  files: [in.ions]\n  links: [ff]\n",
        PARAMETERS OUTPUT JOB("sh {h} {salt}") "  links: [pair.dat, ff, in.ions]\n",
    };
    char first[COX_JOB_KEY_SIZE];
    char key[COX_JOB_KEY_SIZE];
    write_file("in.ions", "h {h:.2f} {point} {bag} {cores}\n");
    write_file("pair.dat", "1 2 3\n");
    assert_int_equal(cox_directory_create(path_of("ff/sub"), NULL), 0);
    write_file("ff/a", "a");
    write_file("ff/sub/b", "b");
    key_of(base, 3, first);
    key_of(base, 3, key);
    assert_string_equal(first, key);
    key_of(base, 2, key);
    assert_string_not_equal(first, key);
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        key_of(same[i], 3, key);
        assert_string_equal(first, key);
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        key_of(other[i], 3, key);
        assert_string_not_equal(first, key);
    }
    static const char *const changes[] = {"pair.dat", "ff/a", "ff/sub/b", "in.ions"};
    for (size_t i = 0; i < 4; i++) { /* contents */
        char before[COX_JOB_KEY_SIZE];
        key_of(base, 3, before);
        write_file(changes[i], "changed\n");
        key_of(base, 3, key);
        assert_string_not_equal(before, key);
    }
}

static void folders_without_end_are_refused(void **state)
{
    (void)state;
    char digest[65];
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_directory_create(path_of("loop/in/deep"), NULL), 0);
    write_file("loop/in/deep/x", "x");
    assert_int_equal(symlink("../..", path_of("loop/in/again")), 0);
    assert_int_equal(symlink("..", path_of("loop/in/deep/too")), 0);
    assert_int_equal(cox_job_digest(path_of("loop"), digest, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "leads back"));
    assert_int_equal(unlink(path_of("loop/in/again")), 0);
    assert_int_equal(unlink(path_of("loop/in/deep/too")), 0);
    assert_int_equal(symlink("in/deep", path_of("loop/short")), 0); /* twice, but not for ever */
    assert_int_equal(cox_job_digest(path_of("loop"), digest, &err), 0);
    assert_int_equal(cox_job_digest("/dev/null", digest, &err), COX_EINVAL);
}

static void seeds_are_of_the_point_and_the_sweep(void **state)
{
    (void)state;
    struct bag a;
    struct bag b;
    open_bag(&a, "bag.yaml", PARAMETERS OUTPUT JOB("sh {h} {salt}"));
    /* the same points in another order, other parameters' order too */
    open_bag(&b, "bag.yaml",
             "parameters:\n  - {name: salt, choices: [\"k cl\", nacl]}\n"
             "  - {name: h, values: [4.25, 4, 3.5]}\n" OUTPUT JOB("sh {h} {salt}"));
    for (int i = 0; i < 6; i++) {
        int there = (1 - i % 2) * 3 + (2 - i / 2);
        uint64_t seed = cox_job_seed(a.jobs, i);
        assert_true(seed >= 1 && seed <= 900000000);
        assert_true(seed == cox_job_seed(b.jobs, there));
        for (int k = 0; k < i; k++)
            assert_true(seed != cox_job_seed(a.jobs, k));
    }
    uint64_t before = cox_job_seed(a.jobs, 0);
    a.s.seed++;
    assert_true(before != cox_job_seed(a.jobs, 0));
    close_bag(&a);
    close_bag(&b);
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__ || !defined __OPTIMIZE__
#define KEY_SECONDS 2e-3 /* watched */
#else
#define KEY_SECONDS 1e-4
#endif

/* Ten thousand points, a template of a few kilobytes: at most 0.1 ms each, the best of three turns
 * (a loaded machine makes single ones slower). */
static void keys_are_fast(void **state)
{
    (void)state;
    struct bag b;
    char line[64];
    struct cox_str text;
    double best = 1e9;
    cox_str_init(&text, 1 << 20);
    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof line, "fix %d all ave/time {h} 10 100 c_thermo_%d # ${x}\n", i, i);
        cox_str_add(&text, line);
    }
    write_file("in.long", cox_str_text(&text));
    cox_str_deinit(&text);
    open_bag(&b, "bag.yaml",
             "parameters:\n  - {name: h, range: [3, 4], steps: 100}\n"
             "  - {name: c, range: [0.1, 2], steps: 100, log: true}\n" OUTPUT JOB(
                 "sh {c} {seed}") "  files: [in.long]\n");
    for (int turn = 0; turn < 3; turn++) {
        char key[COX_JOB_KEY_SIZE];
        struct cox_err err = COX_ERR_INIT;
        double begin = cpu_seconds();
        for (int i = 0; i < b.points.n; i++)
            if (cox_job_key(b.jobs, i, key, &err))
                fail_msg("%s", err.text);
        double each = (cpu_seconds() - begin) / b.points.n;
        best = each < best ? each : best;
    }
    print_message("%.1f us for a key\n", 1e6 * best);
    assert_true(best < KEY_SECONDS);
    close_bag(&b);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct bag b;
    write_file("in.ions", "h {h}\n");
    write_file("pair.dat", "1 2 3\n");
    open_bag(&b, "bag.yaml",
             PARAMETERS OUTPUT JOB("sh {h} {salt}") "  files: [in.ions]\n"
                                                    "  links: [pair.dat, ff]\n");
    int rc = COX_ENOMEM;
    int n = 0;
    for (; rc; n++) {
        struct cox_jobs *jobs = NULL;
        char key[COX_JOB_KEY_SIZE];
        const char *const *argv;
        struct cox_err err = COX_ERR_INIT;
        uint64_t before = cox_mem_in_use();
        struct cox_arena *arena = cox_arena_create();
        cox_mem_fail_at((uint64_t)n + 1);
        rc = cox_jobs_create(&jobs, &b.s, b.config, &b.points, &err);
        if (!rc)
            rc = cox_job_key(jobs, 1, key, &err);
        if (!rc)
            rc = cox_job_arguments(jobs, 1, false, &argv, arena, &err);
        if (!rc)
            rc = cox_job_prepare(jobs, 1, path_of("job"), false, &err);
        cox_mem_fail_at(0);
        if (rc && (rc != COX_ENOMEM || !err.text[0]))
            fail_msg("allocation %d: %d, %s", n, rc, err.text);
        cox_jobs_destroy(jobs);
        cox_arena_destroy(arena);
        assert_true(cox_mem_in_use() == before);
    }
    assert_true(n > 10);
    close_bag(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_rendered),
        cmocka_unit_test(programs_are_looked_for),
        cmocka_unit_test(directories_are_made_anew),
        cmocka_unit_test(finished_jobs_are_tidied),
        cmocka_unit_test(keys_are_stable),
        cmocka_unit_test(keys_tell_what_the_job_sees_and_nothing_else),
        cmocka_unit_test(folders_without_end_are_refused),
        cmocka_unit_test(seeds_are_of_the_point_and_the_sweep),
        cmocka_unit_test(keys_are_fast),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
