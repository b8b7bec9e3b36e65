/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk that is full while frames are stored: on a small tmpfs of our own, where the kernel lets
 * us have one, and with a limit on the size of files, which HDF5 runs into half-way. */
#include "store/traj.h"

#include "molecule/test_systems.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

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

static int setup(void **state)
{
    (void)state;
    sys = system_of_glycines(12, 1);
    snprintf(folder, sizeof folder, "%s/cox-full-%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
             (int)getpid());
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

static int64_t steps[BLOCK];
static double times[BLOCK];
static float x[BLOCK][ATOMS][3];
static int32_t segments[BLOCK];
static float values[BLOCK];

/* Numbers that do not compress. */
static void fill(int64_t first, int n)
{
    for (int i = 0; i < n; i++) {
        const int64_t row = first + i;
        uint32_t draw = (uint32_t)row * 2654435761U + 1;
        steps[i] = row * 100 + 1;
        times[i] = 0.2 * (double)(row + 1);
        segments[i] = (int32_t)(row / 10 + 1);
        values[i] = (float)(row + 1) * 0.01F;
        for (int a = 0; a < ATOMS; a++)
            for (int k = 0; k < 3; k++) {
                draw = draw * 1664525U + 1013904223U;
                x[i][a][k] = (float)(draw >> 8) * 1e-6F;
            }
    }
}

static int append(struct cox_traj *t, int n, struct cox_err *err)
{
    const void *const cells[2] = {segments, values};
    fill(cox_traj_frames(t), n);
    const struct cox_traj_block block = {
        .n = n, .step = steps, .time_ps = times, .position_nm = &x[0][0][0], .column = cells};
    return cox_traj_append(t, &block, err);
}

static void create(struct cox_traj **t, bool compress)
{
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    options.n_columns = 2;
    options.columns = columns;
    options.compress = compress;
    CHECK(cox_traj_create(t, path, sys, &options, &failure));
}

/* Reads the file anew: at least so many frames, and every number of them right. */
static void verify(int64_t at_least)
{
    struct cox_traj *t = NULL;
    static float got[ATOMS][3];
    CHECK(cox_traj_open_read(&t, path, &failure));
    assert_true(cox_traj_frames(t) >= at_least);
    for (int64_t i = 0; i < cox_traj_frames(t); i++) {
        int64_t step;
        double time_ps;
        int32_t segment;
        float value;
        fill(i, 1);
        CHECK(cox_traj_read_positions(t, i, 1, &got[0][0], &failure));
        CHECK(cox_traj_read_times(t, i, 1, &step, &time_ps, &failure));
        CHECK(cox_traj_read_i32(t, "segment", i, 1, &segment, &failure));
        CHECK(cox_traj_read_f32(t, "rmsd_A", i, 1, &value, &failure));
        assert_memory_equal(got, x[0], sizeof got);
        assert_true(step == steps[0] && time_ps == times[0] && segment == segments[0] &&
                    value == values[0]);
    }
    CHECK(cox_traj_close(t, &failure));
}

/* Runs a test in a process of its own, which may change its view of the file system and its limits;
 * 77: it could not. */
static void apart(void (*test)(bool compress), bool compress)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        test(compress);
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
}

/* ---- a small disk ---- */

static void small_disk(bool compress)
{
    char ballast[256];
    static char bytes[512 << 10];
    struct cox_traj *t = NULL;
    int64_t synced = 0;
    int rc;
    if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("tmpfs", folder, "tmpfs", 0, "size=2m"))
        _exit(77);
    snprintf(ballast, sizeof ballast, "%s/ballast", folder);
    CHECK(cox_file_append(ballast, bytes, sizeof bytes, &failure));
    create(&t, compress);
    do {
        rc = append(t, BLOCK, &failure);
        if (!rc) {
            CHECK(cox_traj_sync(t, &failure));
            synced += BLOCK;
        }
    } while (!rc);
    assert_int_equal(rc, COX_ENOSPACE);
    assert_non_null(strstr(failure.text, "no space left"));
    assert_true(synced > 500);
    verify(synced);
    /* it stays as it is, however often one tries */
    for (int i = 0; i < 3; i++)
        assert_int_equal(append(t, BLOCK, &failure), COX_ENOSPACE);
    assert_int_equal(cox_traj_frames(t), synced);
    CHECK(cox_traj_sync(t, &failure));
    verify(synced);
    /* nothing new can be made either */
    struct cox_traj *other = NULL;
    const struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    char name[256];
    snprintf(name, sizeof name, "%s/other.h5", folder);
    for (int i = 0; i < 400 && !cox_file_append(ballast, bytes, 4096, NULL); i++)
        continue;
    assert_int_not_equal(cox_traj_create(&other, name, sys, &options, &failure), 0);
    assert_false(cox_file_exists(name));
    /* room is made, and the same writer goes on */
    assert_int_equal(unlink(ballast), 0);
    for (int i = 0; i < 10; i++)
        CHECK(append(t, BLOCK, &failure));
    CHECK(cox_traj_sync(t, &failure));
    verify(synced + 10 * BLOCK);
    CHECK(cox_traj_close(t, &failure));
    verify(synced + 10 * BLOCK);
    CHECK(cox_traj_open_append(&t, path, &failure));
    CHECK(append(t, 1, &failure));
    CHECK(cox_traj_close(t, &failure));
    verify(synced + 10 * BLOCK + 1);
}

static void test_small_disk(void **state)
{
    (void)state;
    apart(small_disk, false);
#ifndef __SANITIZE_ADDRESS__ /* the blosc plugin leaks, and is unloaded before it can be named */
    apart(small_disk, true);
#endif
}

/* ---- no more than so many bytes in a file ---- */

static void limit(rlim_t bytes)
{
    struct rlimit now;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &now), 0);
    now.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
}

static int failures, inside; /* of those, in the middle of HDF5's work */

static void limited(bool compress, rlim_t bytes)
{
    struct cox_traj *t = NULL;
    int64_t synced = 0;
    int rc = COX_OK;
    unlink(path);
    create(&t, compress);
    limit(bytes);
    while (!rc && synced < 4000) {
        rc = append(t, 1 + (int)(bytes % BLOCK), &failure);
        if (!rc)
            rc = cox_traj_sync(t, &failure);
        if (!rc)
            synced = cox_traj_frames(t);
    }
    assert_int_not_equal(rc, 0);
    failures++;
    inside += rc != COX_ENOSPACE;
    if (rc != COX_ENOSPACE)
        assert_int_equal(append(t, 1, &failure), COX_EIO); /* must be opened anew */
    limit(RLIM_INFINITY); /* a disk that is full lets a file have a hole; a limit does not */
    cox_traj_destroy(t);
    verify(synced);
    CHECK(cox_traj_open_append(&t, path, &failure));
    assert_true(cox_traj_frames(t) >= synced);
    synced = cox_traj_frames(t);
    for (int i = 0; i < 5; i++)
        CHECK(append(t, BLOCK, &failure));
    CHECK(cox_traj_sync(t, &failure));
    verify(synced + 5 * BLOCK);
    CHECK(cox_traj_close(t, &failure));
    verify(synced + 5 * BLOCK);
}

static void limits(bool compress)
{
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 6; i++)
        limited(compress, 120000 + 17777 * (rlim_t)i);
    print_message("%d failures, %d within HDF5\n", failures, inside);
    fflush(stdout);
}

static void test_limits(void **state)
{
    (void)state;
    apart(limits, false);
#ifndef __SANITIZE_ADDRESS__
    apart(limits, true);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_disk),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
