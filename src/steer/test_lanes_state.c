/* SPDX-License-Identifier: BSD-3-Clause */
/* Checkpoints of lanes as files: exact, of the right attempt, whole or not at all. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "steer/lanes_state.h"

enum { LANES = 3, BYTES = 101 };

static char folder[] = "/tmp/cox-lanes-XXXXXX";

static void fill(struct cox_lanes_state *s, int64_t epoch)
{
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_lanes_state_init(s, LANES, BYTES, &err), 0);
    s->epoch = epoch;
    s->system = 0xfedcba9876543210u;
    snprintf(s->engine, sizeof s->engine, "fake of epoch %lld", (long long)epoch);
    for (int i = 0; i < LANES; i++) {
        s->mark[i] = (struct cox_lane_mark){.segment = 1000 * epoch + i,
                                            .best = i ? 1.5 * i : NAN,
                                            .lane = 10 + i,
                                            .generation = i,
                                            .index = 3 + i,
                                            .limit = 10,
                                            .blown = i == 2};
        for (int k = 0; k < BYTES; k++)
            s->bytes[i * BYTES + k] = (char)(epoch + 7 * i + k);
    }
    snprintf(s->mark[2].reason, sizeof s->mark[2].reason, "step 5: it flew apart");
}

static void save(int worker, int64_t epoch)
{
    struct cox_lanes_state s;
    struct cox_err err = COX_ERR_INIT;
    fill(&s, epoch);
    if (cox_lanes_state_save(&s, folder, worker, &err))
        fail_msg("%s", err.text);
    cox_lanes_state_deinit(&s);
}

/* The epoch of what an attempt finds, -1: nothing. */
static int64_t found_by(int worker, int64_t epoch)
{
    struct cox_lanes_state s;
    struct cox_lanes_state wanted;
    struct cox_err err = COX_ERR_INIT;
    bool found = false;
    if (cox_lanes_state_load(&s, &found, folder, worker, epoch, &err))
        fail_msg("%s", err.text);
    if (!found)
        return -1;
    fill(&wanted, s.epoch);
    assert_int_equal(s.n, LANES);
    assert_int_equal(s.lane_bytes, BYTES);
    assert_true(s.system == wanted.system);
    assert_string_equal(s.engine, wanted.engine);
    assert_memory_equal(s.mark, wanted.mark, LANES * sizeof *s.mark);
    assert_memory_equal(s.bytes, wanted.bytes, LANES * BYTES);
    int64_t of = s.epoch;
    cox_lanes_state_deinit(&s);
    cox_lanes_state_deinit(&wanted);
    return of;
}

static void path_of(int worker, int64_t epoch, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/lanes/sim-%d.e%lld.state", folder, worker, (long long)epoch);
}

static void an_attempt_finds_the_newest_before_its_own(void **state)
{
    char path[PATH_MAX];
    (void)state;
    assert_int_equal(found_by(1, 100), -1); /* there is not even the folder */
    save(1, 4);
    save(12, 6); /* another worker's */
    assert_int_equal(found_by(1, 4), -1);
    assert_int_equal(found_by(1, 5), 4);
    save(1, 9);
    path_of(1, 4, path);
    assert_false(cox_file_exists(path)); /* nobody needs it any more */
    assert_int_equal(found_by(1, 10), 9);
    assert_int_equal(found_by(12, 10), 6);
    save(1, 7); /* an orphan of epoch 7 still writes: in vain */
    assert_int_equal(found_by(1, 10), 9);
    assert_int_equal(found_by(1, 9), 7);
}

static void damaged_files_are_passed_over(void **state)
{
    char path[PATH_MAX];
    char *bytes = NULL;
    size_t length = 0;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    save(2, 5);
    path_of(2, 5, path);
    assert_int_equal(cox_file_read(&bytes, &length, path, 1 << 20, &err), 0);
    save(2, 3); /* older, whole */
    for (size_t at = 0; at < length; at += 17) {
        bytes[at] = (char)(bytes[at] ^ 16);
        assert_int_equal(cox_file_replace(path, bytes, length, &err), 0);
        assert_int_equal(found_by(2, 6), 3);
        bytes[at] = (char)(bytes[at] ^ 16);
    }
    for (size_t cut = 0; cut < length; cut += 29) {
        assert_int_equal(cox_file_replace(path, bytes, cut, &err), 0);
        assert_int_equal(found_by(2, 6), 3);
    }
    assert_int_equal(cox_file_replace(path, bytes, length, &err), 0);
    assert_int_equal(found_by(2, 6), 5);
    cox_free(bytes);
}

static void names_of_other_things_are_not_taken_for_checkpoints(void **state)
{
    static const char *const names[] = {"sim-3.e.state",    "sim-3.ex.state",
                                        "sim-3.e5.state.1", "sim-3.e-5.state",
                                        "sim-30.e5.state",  "sim-3.e99999999999999999999.state"};
    char path[PATH_MAX];
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/lanes/%s", folder, names[i]);
        assert_int_equal(cox_file_replace(path, "x", 1, &err), 0);
    }
    assert_int_equal(found_by(3, 100), -1);
}

static void a_thread_writes_while_nobody_waits(void **state)
{
    struct cox_lanes_writer *writer = NULL;
    struct cox_lanes_state s;
    struct cox_err err = COX_ERR_INIT;
    char problem[128];
    (void)state;
    assert_int_equal(cox_lanes_writer_create(&writer, folder, 4, &err), 0);
    for (int64_t epoch = 1; epoch <= 5; epoch++) {
        fill(&s, epoch);
        cox_lanes_writer_wait(writer);
        assert_true(cox_lanes_writer_idle(writer));
        cox_lanes_writer_post(writer, &s);
        cox_lanes_state_deinit(&s); /* the former one */
    }
    cox_lanes_writer_wait(writer);
    assert_int_equal(cox_lanes_writer_written(writer, problem, sizeof problem), 5);
    assert_string_equal(problem, "");
    assert_int_equal(found_by(4, 100), 5);
    cox_lanes_writer_destroy(writer);
    /* a folder that is none: the failure is told, and nothing else happens */
    assert_int_equal(cox_lanes_writer_create(&writer, "/proc/self/nowhere", 4, &err), 0);
    fill(&s, 6);
    cox_lanes_writer_post(writer, &s);
    cox_lanes_writer_wait(writer);
    assert_int_equal(cox_lanes_writer_written(writer, problem, sizeof problem), 0);
    assert_non_null(strstr(problem, "nowhere"));
    cox_lanes_state_deinit(&s);
    cox_lanes_writer_destroy(writer);
    cox_lanes_writer_destroy(NULL);
}

static void out_of_memory_is_an_error_not_a_crash(void **state)
{
    struct cox_lanes_state s;
    struct cox_err err = COX_ERR_INIT;
    bool found = false;
    (void)state;
    save(5, 1);
    int rc = -1;
    for (uint64_t n = 1; rc; n++) {
        assert_true(n < 100);
        cox_mem_fail_at(n);
        rc = cox_lanes_state_load(&s, &found, folder, 5, 2, &err);
        cox_mem_fail_at(0);
        if (rc)
            assert_int_equal(rc, COX_ENOMEM);
        if (!rc && found)
            cox_lanes_state_deinit(&s);
    }
    assert_true(found);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempt_finds_the_newest_before_its_own),
        cmocka_unit_test(damaged_files_are_passed_over),
        cmocka_unit_test(names_of_other_things_are_not_taken_for_checkpoints),
        cmocka_unit_test(a_thread_writes_while_nobody_waits),
        cmocka_unit_test(out_of_memory_is_an_error_not_a_crash),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
