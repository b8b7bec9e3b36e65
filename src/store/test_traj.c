/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/traj.h"

#include "molecule/test_systems.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "h5/h5.h"
#include "molecule/reference.h"

#define ATOMS 63

static struct cox_system *sys;
static char path[256];

static int setup(void **state)
{
    (void)state;
    sys = system_of_glycines(12, 1);
    snprintf(path, sizeof path, "%s/cox-traj-%d.h5", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
             (int)getpid());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cox_system_destroy(sys);
    unlink(path);
    return 0;
}

static const struct cox_traj_column columns[3] = {{"segment", COX_TRAJ_I32, ""},
                                                  {"rmsd_A", COX_TRAJ_F32, "Angstrom"},
                                                  {"lane", COX_TRAJ_I32, ""}};

/* Frames whose every number follows from its row. */
#define ROOM 64
struct rows {
    int64_t step[ROOM];
    double time[ROOM], box[ROOM][9];
    float x[ROOM][ATOMS][3], v[ROOM][ATOMS][3];
    int32_t segment[ROOM], lane[ROOM];
    float rmsd[ROOM];
};
static struct rows rows;

static float coordinate(int64_t row, int atom, int k)
{
    return (float)(row + 1) * 0.37F + (float)atom * 0.0123F - (float)k * 1.7F;
}

static void fill(int64_t first, int n)
{
    for (int i = 0; i < n; i++) {
        int64_t row = first + i;
        rows.step[i] = row * 100;
        rows.time[i] = 0.2 * (double)row;
        for (int k = 0; k < 9; k++)
            rows.box[i][k] = 1e-3 * (double)row + k / 3.0;
        rows.segment[i] = (int32_t)(row / 10);
        rows.lane[i] = (int32_t)(row % 7);
        rows.rmsd[i] = (float)row * 0.01F;
        for (int a = 0; a < ATOMS; a++)
            for (int k = 0; k < 3; k++) {
                rows.x[i][a][k] = coordinate(row, a, k);
                rows.v[i][a][k] = -coordinate(row, a, k);
            }
    }
}

static struct cox_traj *create(bool velocities, bool compress)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_traj *t = NULL;
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    options.velocities = options.periodic = velocities;
    options.compress = compress;
    options.n_columns = 3;
    options.columns = columns;
    options.author = "Ω tester";
    unlink(path);
    if (cox_traj_create(&t, path, sys, &options, &err))
        fail_msg("%s", err.text);
    return t;
}

static int append(struct cox_traj *t, int n, struct cox_err *err)
{
    const void *const cells[3] = {rows.segment, rows.rmsd, rows.lane};
    fill(cox_traj_frames(t), n);
    const struct cox_traj_block block = {
        .n = n,
        .step = rows.step,
        .time_ps = rows.time,
        .position_nm = &rows.x[0][0][0],
        .velocity_nm_ps = cox_traj_has_velocities(t) ? &rows.v[0][0][0] : NULL,
        .box_nm = cox_traj_is_periodic(t) ? rows.box[0] : NULL,
        .column = cells,
    };
    return cox_traj_append(t, &block, err);
}

/* Reads all rows, a few at a time, and compares every number. */
static void verify(struct cox_traj *t, int64_t frames)
{
    struct cox_err err = COX_ERR_INIT;
    static struct rows got;
    assert_int_equal(cox_traj_frames(t), frames);
    for (int64_t at = 0; at < frames;) {
        int64_t n = frames - at < 13 ? frames - at : 13;
        fill(at, (int)n);
        int rc = cox_traj_read_positions(t, at, n, &got.x[0][0][0], &err);
        if (!rc)
            rc = cox_traj_read_times(t, at, n, got.step, got.time, &err);
        if (!rc)
            rc = cox_traj_read_i32(t, "segment", at, n, got.segment, &err);
        if (!rc)
            rc = cox_traj_read_f32(t, "rmsd_A", at, n, got.rmsd, &err);
        if (!rc && cox_traj_has_velocities(t))
            rc = cox_traj_read_velocities(t, at, n, &got.v[0][0][0], &err);
        assert_true(cox_traj_is_periodic(t) == cox_traj_has_velocities(t));
        if (!rc && cox_traj_is_periodic(t))
            rc = cox_traj_read_boxes(t, at, n, got.box[0], &err);
        if (rc)
            fail_msg("%s", err.text);
        assert_memory_equal(got.x, rows.x, (size_t)n * sizeof rows.x[0]);
        assert_memory_equal(got.step, rows.step, (size_t)n * sizeof rows.step[0]);
        assert_memory_equal(got.time, rows.time, (size_t)n * sizeof rows.time[0]);
        assert_memory_equal(got.segment, rows.segment, (size_t)n * sizeof rows.segment[0]);
        assert_memory_equal(got.rmsd, rows.rmsd, (size_t)n * sizeof rows.rmsd[0]);
        if (cox_traj_has_velocities(t))
            assert_memory_equal(got.v, rows.v, (size_t)n * sizeof rows.v[0]);
        if (cox_traj_is_periodic(t))
            assert_memory_equal(got.box, rows.box, (size_t)n * sizeof rows.box[0]);
        at += n;
    }
}

static struct cox_err failure;
#define CHECK(call)                       \
    do {                                  \
        if (call)                         \
            fail_msg("%s", failure.text); \
    } while (0)

static void round_trip(bool velocities, bool compress)
{
    struct cox_traj *t = create(velocities, compress);
    static const int blocks[] = {1, 16, 3, 32, 64, 5};
    int64_t total = 0;
    for (int i = 0; i < 6; i++) {
        CHECK(append(t, blocks[i], &failure));
        total += blocks[i];
    }
    verify(t, total); /* also through the writer */
    CHECK(cox_traj_close(t, &failure));
    CHECK(cox_traj_open_read(&t, path, &failure));
    verify(t, total);
    assert_int_equal(cox_traj_atoms(t), ATOMS);
    assert_true(cox_traj_has_velocities(t) == velocities);
    const struct cox_traj_column *list;
    assert_int_equal(cox_traj_columns(t, &list), 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(list[i].name, columns[i].name);
        assert_string_equal(list[i].unit, columns[i].unit);
        assert_int_equal(list[i].type, columns[i].type);
    }
    CHECK(cox_traj_close(t, &failure));
}

static void test_round_trip(void **state)
{
    (void)state;
    round_trip(false, false);
    round_trip(true, false);
#ifndef __SANITIZE_ADDRESS__ /* the blosc plugin leaks, and is unloaded before it can be named */
    round_trip(true, true);
#endif
}

static void test_append_and_truncate(void **state)
{
    (void)state;
    struct cox_traj *t = create(true, false);
    CHECK(append(t, 20, &failure));
    CHECK(cox_traj_close(t, &failure));
    CHECK(cox_traj_open_append(&t, path, &failure));
    assert_int_equal(cox_traj_frames(t), 20);
    CHECK(append(t, 30, &failure));
    CHECK(cox_traj_truncate(t, 17, &failure)); /* after readers were let in: reopens */
    verify(t, 17);
    CHECK(append(t, 40, &failure));
    CHECK(cox_traj_sync(t, &failure));
    verify(t, 57);
    CHECK(cox_traj_truncate(t, 57, &failure));
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_traj_truncate(t, 58, &err), COX_EINVAL);
    assert_int_equal(cox_traj_truncate(t, -1, &err), COX_EINVAL);
    CHECK(cox_traj_close(t, &failure));
    CHECK(cox_traj_open_append(&t, path, &failure));
    CHECK(cox_traj_truncate(t, 0, &failure));
    CHECK(append(t, 1, &failure));
    CHECK(cox_traj_close(t, &failure));
    CHECK(cox_traj_open_read(&t, path, &failure));
    verify(t, 1);
    CHECK(cox_traj_close(t, &failure));
}

/* A reader in another process sees what was synced while the writer goes on. */
static void test_reader_beside_writer(void **state)
{
    (void)state;
    struct cox_traj *t = create(false, false);
    CHECK(append(t, 33, &failure));
    CHECK(cox_traj_sync(t, &failure));
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct cox_traj *reader = NULL;
        float x[ATOMS][3];
        int bad = cox_traj_open_read(&reader, path, NULL) || cox_traj_frames(reader) != 33 ||
                  cox_traj_read_positions(reader, 32, 1, &x[0][0], NULL) ||
                  x[5][1] != coordinate(32, 5, 1);
        _exit(bad ? 1 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
    /* and one in this process */
    struct cox_traj *here = NULL;
    CHECK(cox_traj_open_read(&here, path, &failure));
    verify(here, 33);
    CHECK(append(t, 5, &failure));
    verify(here, 33);
    CHECK(cox_traj_close(here, &failure));
    CHECK(cox_traj_sync(t, &failure));
    verify(t, 38);
    CHECK(cox_traj_close(t, &failure));
}

static void test_without_columns(void **state)
{
    (void)state;
    struct cox_traj *t = NULL;
    const struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    float x[ATOMS][3];
    unlink(path);
    fill(0, 2);
    const struct cox_traj_block block = {
        .n = 2, .step = rows.step, .time_ps = rows.time, .position_nm = &rows.x[0][0][0]};
    CHECK(cox_traj_create(&t, path, sys, &options, &failure));
    CHECK(cox_traj_append(t, &block, &failure));
    CHECK(cox_traj_close(t, &failure));
    CHECK(cox_traj_open_append(&t, path, &failure));
    CHECK(cox_traj_append(t, &block, &failure));
    CHECK(cox_traj_read_positions(t, 3, 1, &x[0][0], &failure));
    assert_memory_equal(x, rows.x[1], sizeof x);
    assert_int_equal(cox_traj_column_index(t, "lane"), -1);
    CHECK(cox_traj_close(t, &failure));
}

/* A writer killed at any moment: what was synced is there, whole, and the file can be continued. */
static void kill_once(int wait_us)
{
    int pipes[2];
    unlink(path);
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
        options.velocities = options.periodic = true;
        options.n_columns = 3;
        options.columns = columns;
        struct cox_traj *t = NULL;
        if (cox_traj_create(&t, path, sys, &options, NULL))
            _exit(1);
        for (;;) {
            for (int i = 0; i < 3; i++)
                if (append(t, 7 + i, NULL))
                    _exit(1);
            int64_t frames = cox_traj_frames(t);
            if (cox_traj_sync(t, NULL) || write(pipes[1], &frames, sizeof frames) < 0)
                _exit(1);
        }
    }
    close(pipes[1]);
    int64_t synced = 0;
    int64_t more;
    assert_int_equal(read(pipes[0], &synced, sizeof synced), sizeof synced);
    usleep((useconds_t)wait_us);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    while (read(pipes[0], &more, sizeof more) == sizeof more)
        synced = more;
    close(pipes[0]);
    struct cox_traj *t = NULL;
    CHECK(cox_traj_open_read(&t, path, &failure));
    assert_true(cox_traj_frames(t) >= synced);
    CHECK(cox_traj_close(t, &failure));
    CHECK(cox_traj_open_append(&t, path, &failure));
    assert_true(cox_traj_frames(t) >= synced);
    verify(t, cox_traj_frames(t));
    CHECK(cox_traj_truncate(t, synced, &failure));
    CHECK(append(t, 20, &failure));
    CHECK(cox_traj_close(t, &failure));
    CHECK(cox_traj_open_read(&t, path, &failure));
    verify(t, synced + 20);
    CHECK(cox_traj_close(t, &failure));
}

static void test_killed_writer(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++)
        kill_once(200 + 1700 * i);
}

static void test_topology(void **state)
{
    (void)state;
    struct cox_traj *t = create(false, false);
    struct cox_system *back = NULL;
    CHECK(cox_traj_system(t, &back, &failure)); /* no frame yet */
    cox_system_destroy(back);
    CHECK(append(t, 3, &failure));
    CHECK(cox_traj_system(t, &back, &failure));
    assert_int_equal(back->n_atoms, ATOMS);
    assert_int_equal(back->n_residues, sys->n_residues);
    assert_int_equal(back->n_bonds, sys->n_bonds);
    assert_string_equal(back->name, sys->name);
    assert_memory_equal(back->atom_name, sys->atom_name, ATOMS * sizeof sys->atom_name[0]);
    assert_memory_equal(back->element, sys->element, ATOMS * sizeof(int));
    assert_memory_equal(back->residue, sys->residue, ATOMS * sizeof(int));
    assert_memory_equal(back->residue_number, sys->residue_number, 13 * sizeof(int));
    assert_string_equal(back->chain[12], "W");
    assert_int_equal(back->bonds[10].atom[1], sys->bonds[10].atom[1]);
    assert_true(back->position_nm[7][2] == (double)coordinate(0, 7, 2));
    CHECK(cox_traj_close(t, &failure));
    /* a frame as a reference */
    struct cox_reference *r = NULL;
    CHECK(cox_reference_load(&r, back, path, 2, &failure));
    assert_true(r->position_nm[7][2] == (double)coordinate(2, 7, 2));
    cox_reference_destroy(r);
    CHECK(cox_reference_load(&r, back, path, -1, &failure));
    assert_true(r->position_nm[7][2] == (double)coordinate(2, 7, 2));
    assert_int_equal(r->matched, ATOMS);
    cox_reference_destroy(r);
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_reference_load(&r, back, path, 3, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "no frame 3, it has 3"));
    cox_system_destroy(back);
}

static void test_errors(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    struct cox_traj *t = create(true, false);
    struct cox_traj *other = NULL;
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    float x[ATOMS * 3];
    assert_int_equal(cox_traj_create(&other, path, sys, &options, &err), COX_EEXISTS);
    CHECK(append(t, 4, &failure));
    assert_int_equal(cox_traj_read_positions(t, 4, 1, x, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "frames 4 to 4 asked for, it has 4"));
    assert_int_equal(cox_traj_read_positions(t, -1, 1, x, &err), COX_EINVAL);
    assert_int_equal(cox_traj_read_f32(t, "rsmd", 0, 1, x, &err), COX_ENOTFOUND);
    assert_non_null(strstr(err.text, "segment, rmsd_A, lane"));
    assert_int_equal(cox_traj_column_index(t, "lane"), 2);
    assert_int_equal(cox_traj_column_index(t, "x"), -1);
    struct cox_traj_block block = {.n = 1, .step = rows.step, .time_ps = rows.time};
    assert_int_equal(cox_traj_append(t, &block, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "velocities, boxes and 3 columns"));
    CHECK(cox_traj_close(t, &failure));
    CHECK(cox_traj_open_read(&t, path, &failure));
    assert_int_equal(append(t, 1, &err), COX_EINVAL);
    CHECK(cox_traj_close(t, &failure));
    assert_int_equal(cox_traj_open_read(&t, "/nowhere/x.h5", &err), COX_ENOTFOUND);
    unlink(path);
    struct cox_h5 *plain = NULL;
    CHECK(cox_h5_create(&plain, path, &failure));
    CHECK(cox_h5_close(plain, &failure));
    assert_int_equal(cox_traj_open_read(&t, path, &err), COX_EFORMAT);
    unlink(path);
    struct cox_traj_column twice[2] = {{"a", COX_TRAJ_I32, ""}, {"a", COX_TRAJ_F32, ""}};
    options.columns = twice;
    options.n_columns = 2;
    assert_int_equal(cox_traj_create(&other, path, sys, &options, &err), COX_EINVAL);
    snprintf(twice[0].name, sizeof twice[0].name, "a/b");
    assert_int_equal(cox_traj_create(&other, path, sys, &options, &err), COX_EINVAL);
    assert_false(cox_file_exists(path));
}

static void test_allocation_failures(void **state)
{
    (void)state;
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    options.n_columns = 3;
    options.columns = columns;
    uint64_t before = cox_mem_in_use();
    for (uint64_t n = 1;; n++) {
        struct cox_traj *t = NULL;
        unlink(path);
        cox_mem_fail_at(n);
        int rc = cox_traj_create(&t, path, sys, &options, NULL);
        cox_mem_fail_at(0);
        cox_traj_destroy(t);
        assert_int_equal(cox_mem_in_use(), before);
        if (!rc)
            break;
        assert_int_equal(rc, COX_ENOMEM);
        assert_false(cox_file_exists(path));
    }
    for (uint64_t n = 1;; n++) {
        struct cox_traj *t = NULL;
        cox_mem_fail_at(n);
        int rc = cox_traj_open_append(&t, path, NULL);
        cox_mem_fail_at(0);
        cox_traj_destroy(t);
        assert_int_equal(cox_mem_in_use(), before);
        if (!rc)
            break;
        assert_int_equal(rc, COX_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_append_and_truncate),
        cmocka_unit_test(test_reader_beside_writer),
        cmocka_unit_test(test_without_columns),
        cmocka_unit_test(test_killed_writer),
        cmocka_unit_test(test_topology),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
