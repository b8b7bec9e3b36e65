/* SPDX-License-Identifier: BSD-3-Clause */
/* Files as killed writers, full disks and bad copies leave them. */
#include "store/repair.h"

#include "molecule/test_systems.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "h5/h5.h"
#include "store/traj.h"

#define ATOMS 63
#define BLOCK 16

static struct cox_system *sys;
static char folder[200];
static char path[256];
static struct cox_err failure;

#define CHECK(call)                       \
    do {                                  \
        if (call)                         \
            fail_msg("%s", failure.text); \
    } while (0)

#ifdef __SANITIZE_ADDRESS__ /* HDF5 1.10 leaks when it refuses a damaged file */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}
#endif

static int setup(void **state)
{
    (void)state;
    sys = system_of_glycines(12, 1);
    snprintf(folder, sizeof folder, "%s/cox-repair-%d",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
    snprintf(path, sizeof path, "%s/frames-0.h5", folder);
    return cox_directory_create(folder, &failure);
}

static int teardown(void **state)
{
    (void)state;
    cox_system_destroy(sys);
    return cox_directory_remove(folder, &failure);
}

static const struct cox_traj_column columns[2] = {{"segment", COX_TRAJ_I32, ""},
                                                  {"rmsd_A", COX_TRAJ_F32, "Angstrom"}};

static int append(struct cox_traj *t, int n)
{
    static float x[BLOCK][ATOMS][3];
    int64_t step[BLOCK];
    double time_ps[BLOCK];
    int32_t segment[BLOCK];
    float value[BLOCK];
    for (int i = 0; i < n; i++) {
        const int64_t row = cox_traj_frames(t) + i;
        step[i] = row + 1;
        time_ps[i] = (double)row + 1;
        segment[i] = (int32_t)row;
        value[i] = (float)row;
        for (int a = 0; a < ATOMS * 3; a++)
            (&x[i][0][0])[a] = (float)(row * 100 + a);
    }
    const void *const cells[2] = {segment, value};
    const struct cox_traj_block block = {
        .n = n, .step = step, .time_ps = time_ps, .position_nm = &x[0][0][0], .column = cells};
    return cox_traj_append(t, &block, &failure);
}

static struct cox_traj *create(void)
{
    struct cox_traj *t = NULL;
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    options.n_columns = 2;
    options.columns = columns;
    unlink(path);
    CHECK(cox_traj_create(&t, path, sys, &options, &failure));
    return t;
}

static void make_good(int blocks)
{
    struct cox_traj *t = create();
    for (int i = 0; i < blocks; i++)
        CHECK(append(t, BLOCK));
    CHECK(cox_traj_close(t, &failure));
}

/* 48 frames that are safe, 16 that nobody was told of. */
static void leave_by_kill(void)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct cox_traj *t = create();
        for (int i = 0; i < 3; i++)
            if (append(t, BLOCK) || cox_traj_sync(t, NULL))
                _exit(1);
        if (append(t, BLOCK))
            _exit(1);
        /* what another sync would do before the times */
        struct cox_traj *again = NULL;
        (void)!cox_traj_open_read(&again, path, NULL);
        raise(SIGKILL);
    }
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
}

static char *bytes(size_t *n)
{
    char *out = NULL;
    CHECK(cox_file_read(&out, n, path, 1 << 26, &failure));
    return out;
}

static void write_bytes(const char *b, size_t n)
{
    CHECK(cox_file_replace(path, b, n, &failure));
}

static struct cox_repair repair(bool look)
{
    struct cox_repair r;
    CHECK(cox_repair_file(&r, path, look, &failure));
    return r;
}

/* Neither looking nor repairing changes the file. */
static struct cox_repair untouched(bool look, enum cox_repair_state state)
{
    size_t n = 0, m = 0;
    char *before = bytes(&n);
    struct cox_repair r = repair(look);
    char *after = bytes(&m);
    if (r.state != state)
        fail_msg("%s: %s", cox_repair_word(r.state), r.why);
    assert_true(n == m && !memcmp(before, after, n));
    cox_free(before);
    cox_free(after);
    return r;
}

static void good_after(int64_t frames)
{
    struct cox_repair r = untouched(false, COX_REPAIR_GOOD);
    assert_true(r.frames == frames && !r.voids && !r.flags && !r.wrong_end);
    r = untouched(true, COX_REPAIR_GOOD);
    assert_int_equal(r.frames, frames);
    struct cox_traj *t = NULL;
    CHECK(cox_traj_open_append(&t, path, &failure));
    CHECK(append(t, BLOCK));
    CHECK(cox_traj_close(t, &failure));
    r = untouched(false, COX_REPAIR_GOOD);
    assert_int_equal(r.frames, frames + BLOCK);
}

static void test_good(void **state)
{
    (void)state;
    make_good(0);
    good_after(0);
    make_good(40);
    good_after(640);
}

static void test_killed(void **state)
{
    (void)state;
    leave_by_kill();
    struct cox_repair r = untouched(true, COX_REPAIR_NEEDED);
    assert_true(r.flags && r.frames == 48);
    r = repair(false);
    assert_int_equal(r.state, COX_REPAIR_DONE);
    assert_true(r.frames == 48 && r.flags);
    good_after(48);
}

/* Rows of which only some datasets have a part. */
static void test_voids(void **state)
{
    (void)state;
    struct cox_h5 *file = NULL;
    const int64_t step[5] = {1, 2, 3, 4, 5};
    make_good(2);
    CHECK(cox_h5_open_append(&file, path, &failure));
    CHECK(
        cox_h5_append(file, "/particles/trajectory/position/step", COX_H5_I64, 5, step, &failure));
    CHECK(cox_h5_close(file, &failure));
    struct cox_repair r = untouched(true, COX_REPAIR_NEEDED);
    assert_true(r.frames == 32 && r.voids == 5 && !r.flags);
    r = repair(false);
    assert_true(r.state == COX_REPAIR_DONE && r.frames == 32 && r.voids == 5);
    good_after(32);
}

static void test_written_now(void **state)
{
    (void)state;
    struct cox_traj *t = create();
    CHECK(append(t, BLOCK));
    CHECK(cox_traj_sync(t, &failure));
    assert_int_equal(repair(true).state, COX_REPAIR_WRITTEN);
    assert_int_equal(repair(false).state, COX_REPAIR_WRITTEN);
    struct cox_traj *other = NULL;
    assert_int_equal(cox_traj_open_append(&other, path, &failure), COX_EEXISTS);
    assert_non_null(strstr(failure.text, "another process"));
    CHECK(append(t, BLOCK));
    CHECK(cox_traj_close(t, &failure));
    good_after(32);
}

/* Killed while it was being cut: nothing was written yet. */
static void test_killed_alone(void **state)
{
    (void)state;
    int status = 0;
    make_good(3);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct cox_h5 *file = NULL;
        if (!cox_h5_open_alone(&file, path, NULL) &&
            !cox_h5_truncate(file, "/particles/trajectory/position/value", 10, NULL) &&
            !cox_h5_flush(file, NULL))
            raise(SIGKILL);
        _exit(1);
    }
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    struct cox_repair r = untouched(false, COX_REPAIR_GOOD);
    assert_true(r.frames == 48 && !r.flags);
    good_after(48);
}

/* Killed between making up its mind to write and having written. */
static void test_unfinished(void **state)
{
    (void)state;
    char name[300];
    make_good(3);
    snprintf(name, sizeof name, "%s.redo", path);
    CHECK(cox_file_replace(name, "CoxRedo1, not all of it", 23, &failure));
    struct cox_repair r = untouched(true, COX_REPAIR_NEEDED);
    assert_true(r.unfinished && r.why[0] && cox_file_exists(name));
    r = untouched(false, COX_REPAIR_DONE);
    assert_true(r.frames == 48 && !cox_file_exists(name));
    good_after(48);
}

/* A copy that was cut off: beyond repair wherever the cut is, and left as it is. */
static void test_cut_off(void **state)
{
    (void)state;
    static const double shares[] = {0.02, 0.2, 0.5, 0.7, 0.9};
    for (int killed = 0; killed < 2; killed++)
        for (int i = 0; i < (killed ? 3 : 5); i++) { /* the last quarter holds what is void */
            size_t n = 0;
            if (killed)
                leave_by_kill();
            else
                make_good(20);
            char *b = bytes(&n);
            write_bytes(b, (size_t)(shares[i] * (double)n));
            cox_free(b);
            struct cox_repair r = untouched(false, COX_REPAIR_DAMAGED);
            assert_true(r.why[0]);
            r = repair(true);
            assert_true(r.state == COX_REPAIR_DAMAGED || r.state == COX_REPAIR_NEEDED);
        }
}

static void test_spoilt(void **state)
{
    (void)state;
    size_t n = 0;
    make_good(3);
    char *b = bytes(&n);
    b[30] = (char)(b[30] ^ 1); /* within the superblock */
    write_bytes(b, n);
    struct cox_repair r = untouched(false, COX_REPAIR_DAMAGED);
    assert_non_null(strstr(r.why, "checksum"));
    memset(b, 'x', 8);
    write_bytes(b, n);
    r = untouched(false, COX_REPAIR_DAMAGED);
    assert_non_null(strstr(r.why, "not an HDF5 file"));
    write_bytes("", 0);
    untouched(false, COX_REPAIR_DAMAGED);
    cox_free(b);
}

static void test_refusals(void **state)
{
    (void)state;
    struct cox_repair r;
    struct cox_h5 *file = NULL;
    unlink(path);
    assert_int_equal(cox_repair_file(&r, path, false, &failure), COX_ENOTFOUND);
    assert_int_equal(cox_repair_file(&r, folder, false, &failure), COX_EINVAL);
    CHECK(cox_h5_create(&file, path, &failure));
    CHECK(cox_h5_close(file, &failure));
    assert_int_equal(cox_repair_file(&r, path, false, &failure), COX_EINVAL);
    assert_non_null(strstr(failure.text, "not a trajectory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),         cmocka_unit_test(test_killed),
        cmocka_unit_test(test_voids),        cmocka_unit_test(test_written_now),
        cmocka_unit_test(test_killed_alone), cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_cut_off),      cmocka_unit_test(test_spoilt),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
