/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices, rows of a lane, and files from a synthetic run. */
#include "store/extract.h"

#include "molecule/test_systems.h"

#include <unistd.h>

#include "molecule/rmsd.h"

#define ATOMS 63
#define FRAMES 40
#define LANES 4

static struct cox_system *sys;
static char folder[200];
static struct cox_err failure;

#define CHECK(call)                       \
    do {                                  \
        if (call)                         \
            fail_msg("%s", failure.text); \
    } while (0)

/* Row r: segment r / 5, lane (r / 5) % 4; the molecule turned at random. */
static void make_run(void)
{
    static const struct cox_traj_column columns[2] = {{"segment", COX_TRAJ_I32, ""},
                                                      {"lane", COX_TRAJ_I32, ""}};
    char path[300];
    struct cox_traj *t = NULL;
    struct cox_catalog *c = NULL;
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    options.n_columns = 2;
    options.columns = columns;
    CHECK(cox_directory_create(folder, &failure));
    snprintf(path, sizeof path, "%s/frames-0.h5", folder);
    CHECK(cox_traj_create(&t, path, sys, &options, &failure));
    for (int r = 0; r < FRAMES + 3; r++) { /* three frames that no segment has: a crash */
        float(*x)[3] = frame_of(sys);
        const int32_t cells[2] = {r / 5, r / 5 % LANES};
        const void *const values[2] = {&cells[0], &cells[1]};
        const int64_t step = 250 * (r % 5 + 1 + r / 20 * 5);
        const double time = 0.001 * (double)step;
        move_frame(x, ATOMS, (uint64_t)r + 1);
        const struct cox_traj_block block = {1, &step, &time, &x[0][0], NULL, NULL, values};
        CHECK(cox_traj_append(t, &block, &failure));
        cox_free(x);
    }
    CHECK(cox_traj_close(t, &failure));
    snprintf(path, sizeof path, "%s/catalog.db", folder);
    CHECK(cox_catalog_open(&c, path, &failure));
    const struct cox_catalog_start start = {.id = 0, .path = "u.pdb", .title = "unfolded"};
    CHECK(cox_catalog_add_start(c, &start, &failure));
    for (int s = 0; s < FRAMES / 5; s++) {
        struct cox_catalog_segment row = {.id = s,
                                          .round = s / LANES,
                                          .lane = s % LANES,
                                          .parent_segment = s < LANES ? -1 : s - LANES,
                                          .parent_frame = s < LANES ? -1 : 5 * (s - LANES) + 2,
                                          .start = s < LANES ? 0 : -1,
                                          .steps = 1250,
                                          .timestep_fs = 4,
                                          .first_frame = 5 * s,
                                          .n_frames = 5};
        CHECK(cox_catalog_add_segment(c, &row, &failure));
    }
    cox_catalog_close(c);
}

static int setup(void **state)
{
    (void)state;
    sys = system_of_glycines(12, 1);
    snprintf(folder, sizeof folder, "%s/cox-extract-%d",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
    make_run();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cox_system_destroy(sys);
    return cox_directory_remove(folder, &failure);
}

static void expect_slice(const char *text, int64_t frames, int64_t first, int64_t step,
                         int64_t count)
{
    struct cox_slice s;
    CHECK(cox_slice_parse(&s, text, frames, &failure));
    assert_int_equal(s.first, first);
    assert_int_equal(s.step, step);
    assert_int_equal(s.count, count);
}

static void test_slices(void **state)
{
    (void)state;
    expect_slice(NULL, 10, 0, 1, 10);
    expect_slice(":", 10, 0, 1, 10);
    expect_slice("::", 10, 0, 1, 10);
    expect_slice("3", 10, 3, 1, 1);
    expect_slice("-1", 10, 9, 1, 1);
    expect_slice("2:5", 10, 2, 1, 3);
    expect_slice("2:", 10, 2, 1, 8);
    expect_slice(":-2", 10, 0, 1, 8);
    expect_slice("-3:", 10, 7, 1, 3);
    expect_slice("::3", 10, 0, 3, 4);
    expect_slice("1:9:4", 10, 1, 4, 2);
    expect_slice("::-1", 10, 9, -1, 10);
    expect_slice("8:2:-3", 10, 8, -3, 2);
    expect_slice("-100:100", 10, 0, 1, 10);
    expect_slice("::9223372036854775807", 10, 0, INT64_MAX, 1);
    expect_slice("::-9223372036854775807", 10, 9, -INT64_MAX, 1);
}

static void test_bad_slices(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "a",   "1:b", "1:2:3:4",
                                      "::0", "10",  "-11", "5:5",
                                      "5:2", "20:", "1.5", "99999999999999999999"};
    struct cox_slice s;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(cox_slice_parse(&s, bad[i], 10, &failure), COX_EINVAL);
    assert_int_equal(cox_slice_parse(&s, NULL, 0, &failure), COX_EINVAL);
}

static void test_rows(void **state)
{
    (void)state;
    struct cox_follow *t = NULL;
    struct cox_catalog *c = NULL;
    int64_t *rows = NULL;
    int64_t frames = 0;
    int64_t n = 0;
    CHECK(cox_extract_open(&t, &c, &frames, folder, &failure));
    assert_int_equal(frames, FRAMES); /* not the three of the crash */
    CHECK(cox_extract_ids(&rows, &n, t, frames, NULL, 2, &failure));
    assert_int_equal(n, 10);
    assert_true(rows[0] == 10 && rows[4] == 14 && rows[5] == 30);
    cox_free(rows);
    CHECK(cox_extract_ids(&rows, &n, t, frames, "-1", 2, &failure));
    assert_true(n == 1 && rows[0] == 34);
    cox_free(rows);
    assert_int_equal(cox_extract_ids(&rows, &n, t, frames, NULL, 9, &failure), COX_EINVAL);
    assert_non_null(strstr(failure.text, "lanes are 0 to 3"));
    assert_int_equal(cox_extract_ids(&rows, &n, t, frames, "40", -1, &failure), COX_EINVAL);
    cox_catalog_close(c);
    cox_follow_close(t);
}

static struct cox_extract *open_extract(struct cox_follow *t, const char *path, const char *select,
                                        bool superpose)
{
    const struct cox_extract_options options = {.paths = {path},
                                                .n_paths = 1,
                                                .select = select,
                                                .superpose = superpose,
                                                .frame_ps = 1,
                                                .steps_per_frame = 250};
    struct cox_extract *e = NULL;
    CHECK(cox_extract_create(&e, t, &options, &failure));
    return e;
}

/* All frames are the same molecule: superposed, they coincide. */
static void test_superposed_h5(void **state)
{
    (void)state;
    struct cox_follow *f = NULL;
    struct cox_traj *t = NULL;
    struct cox_catalog *c = NULL;
    int64_t frames = 0;
    char path[300];
    float first[ATOMS][3];
    float x[ATOMS][3];
    int32_t number = 0;
    snprintf(path, sizeof path, "%s/out.h5", folder);
    CHECK(cox_extract_open(&f, &c, &frames, folder, &failure));
    struct cox_extract *e = open_extract(f, path, NULL, true);
    for (int64_t r = 5; r < 15; r++)
        CHECK(cox_extract_frame(e, r, r, (double)r, r / 5, &failure));
    assert_false(cox_file_exists(path));
    CHECK(cox_extract_close(e, &failure));
    const int64_t fifth = 5;
    CHECK(cox_follow_positions(f, &fifth, 1, &first[0][0], &failure));
    cox_follow_close(f);
    cox_catalog_close(c);
    CHECK(cox_traj_open_read(&t, path, &failure));
    assert_int_equal(cox_traj_frames(t), 10);
    for (int64_t r = 0; r < 10; r++) {
        CHECK(cox_traj_read_positions(t, r, 1, &x[0][0], &failure));
        assert_true(cox_rmsd_unfitted_f32(ATOMS, NULL, (const float(*)[3])x,
                                          (const float(*)[3])first) < 1e-5);
        CHECK(cox_traj_read_i32(t, "frame", r, 1, &number, &failure));
        assert_int_equal(number, r + 5);
        CHECK(cox_traj_read_i32(t, "segment", r, 1, &number, &failure));
        assert_int_equal(number, (r + 5) / 5);
    }
    cox_traj_destroy(t);
    unlink(path);
}

static void test_failures_leave_nothing(void **state)
{
    (void)state;
    struct cox_follow *t = NULL;
    struct cox_catalog *c = NULL;
    struct cox_extract *e = NULL;
    int64_t frames = 0;
    char first[300];
    char second[300];
    snprintf(first, sizeof first, "%s/a.pdb", folder);
    snprintf(second, sizeof second, "%s/b.h5", folder);
    CHECK(cox_extract_open(&t, &c, &frames, folder, &failure));
    struct cox_extract_options options = {.paths = {first, second}, .n_paths = 2};
    options.select = "name CA";
    assert_int_equal(cox_extract_create(&e, t, &options, &failure), COX_EINVAL);
    options.select = "name";
    assert_int_equal(cox_extract_create(&e, t, &options, &failure), COX_EINVAL);
    options.select = NULL;
    CHECK(cox_extract_create(&e, t, &options, &failure));
    assert_int_equal(cox_extract_frame(e, 1000, 0, 0, 0, &failure), COX_EINVAL);
    cox_extract_abandon(e);
    options.paths[1] = "x.trr";
    assert_int_equal(cox_extract_create(&e, t, &options, &failure), COX_EINVAL);
    assert_false(cox_file_exists(first));
    assert_false(cox_file_exists(second));
    cox_follow_close(t);
    cox_catalog_close(c);
    assert_int_equal(cox_extract_open(&t, &c, &frames, "/nowhere", &failure), COX_ENOTFOUND);
    assert_int_equal(cox_extract_open(&t, &c, &frames, COX_SOURCE_DIR, &failure), COX_ENOTFOUND);
    assert_non_null(strstr(failure.text, "is no run"));
}

static void test_allocation_failures(void **state)
{
    (void)state;
    char path[300];
    snprintf(path, sizeof path, "%s/a.xtc", folder);
    uint64_t before = cox_mem_in_use();
    for (uint64_t n = 1;; n++) {
        struct cox_follow *t = NULL;
        struct cox_catalog *c = NULL;
        struct cox_extract *e = NULL;
        int64_t *rows = NULL;
        int64_t frames;
        int64_t count;
        const struct cox_extract_options options = {
            .paths = {path}, .n_paths = 1, .select = "heavy", .superpose = true};
        cox_mem_fail_at(n);
        int rc = cox_extract_open(&t, &c, &frames, folder, NULL);
        if (!rc)
            rc = cox_extract_ids(&rows, &count, t, frames, "::2", 1, NULL);
        if (!rc)
            rc = cox_extract_create(&e, t, &options, NULL);
        cox_mem_fail_at(0);
        cox_free(rows);
        cox_extract_abandon(e);
        cox_follow_close(t);
        cox_catalog_close(c);
        assert_int_equal(cox_mem_in_use(), before);
        if (!rc)
            break;
        assert_int_equal(rc, COX_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_bad_slices),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_superposed_h5),
        cmocka_unit_test(test_failures_leave_nothing),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
