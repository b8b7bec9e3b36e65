/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/team.h"

enum { MOST = 1000 };

struct job {
    int done[MOST];     /* each written by one thread only */
    atomic_int threads; /* bit set of those seen */
    int highest;
    struct cox_team *inner;
};

static void mark(void *user, int item, int thread)
{
    struct job *job = user;
    job->done[item]++;
    atomic_fetch_or(&job->threads, 1 << thread);
}

static void every_item_is_done_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        struct cox_team *team = NULL;
        assert_int_equal(cox_team_create(&team, threads, NULL), COX_OK);
        assert_int_equal(cox_team_threads(team), threads);
        static const int sizes[] = {0, 1, 2, 3, 17, MOST};
        for (int round = 0; round < 60; round++) {
            struct job job = {.highest = 0};
            int n = sizes[round % 6];
            cox_team_run(team, n, mark, &job);
            for (int i = 0; i < MOST; i++)
                assert_int_equal(job.done[i], i < n);
            assert_true(job.threads < 1 << threads);
        }
        cox_team_destroy(team);
    }
}

static void no_team_runs_here(void **state)
{
    (void)state;
    struct job job = {.highest = 0};
    cox_team_run(NULL, 10, mark, &job);
    assert_int_equal(job.done[9], 1);
    assert_int_equal(job.threads, 1);
    assert_int_equal(cox_team_threads(NULL), 1);
    cox_team_destroy(NULL);
}

/* Results of a job are seen by the caller and by the next job without further ado. */
static void add_up(void *user, int item, int thread)
{
    (void)thread;
    struct job *job = user;
    job->done[item + 1] = job->done[item + 1] + item;
}

static void jobs_follow_each_other(void **state)
{
    (void)state;
    struct cox_team *team = NULL;
    assert_int_equal(cox_team_create(&team, 3, NULL), COX_OK);
    struct job job = {.highest = 0};
    for (int round = 0; round < 2000; round++)
        cox_team_run(team, 4, add_up, &job);
    assert_int_equal(job.done[1], 0);
    assert_int_equal(job.done[4], 6000);
    cox_team_destroy(team);
}

static void mark_inside(void *user, int item, int thread)
{
    struct job *jobs = user;
    (void)thread;
    cox_team_run(jobs[item].inner, 50, mark, &jobs[item]);
}

static void teams_nest(void **state)
{
    (void)state;
    static struct job jobs[2];
    struct cox_team *outer = NULL;
    assert_int_equal(cox_team_create(&outer, 2, NULL), COX_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(cox_team_create(&jobs[i].inner, 2, NULL), COX_OK);
    cox_team_run(outer, 2, mark_inside, jobs);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(jobs[i].done[49], 1);
        cox_team_destroy(jobs[i].inner);
    }
    cox_team_destroy(outer);
}

static void bad_sizes_and_no_memory(void **state)
{
    (void)state;
    struct cox_team *team = NULL;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_team_create(&team, -1, &err), COX_EINVAL);
    assert_string_equal(err.text, "threads must be >= 0, not -1");
    for (uint64_t n = 1; n <= 2; n++) {
        cox_mem_fail_at(n);
        assert_int_equal(cox_team_create(&team, 2, &err), COX_ENOMEM);
        assert_null(team);
    }
    cox_mem_fail_at(0);
    assert_int_equal(cox_team_create(&team, 0, &err), COX_OK);
    assert_int_equal(cox_team_threads(team), cox_processors());
    cox_team_destroy(team);
}

static void running_allocates_nothing(void **state)
{
    (void)state;
    struct cox_team *team = NULL;
    assert_int_equal(cox_team_create(&team, 2, NULL), COX_OK);
    struct job job = {.highest = 0};
    uint64_t before = cox_mem_allocations();
    cox_team_run(team, 100, mark, &job);
    assert_int_equal(cox_mem_allocations(), before);
    cox_team_destroy(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_is_done_once), cmocka_unit_test(no_team_runs_here),
        cmocka_unit_test(jobs_follow_each_other),  cmocka_unit_test(teams_nest),
        cmocka_unit_test(bad_sizes_and_no_memory), cmocka_unit_test(running_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
