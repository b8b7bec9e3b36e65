/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/team.h"
#include "h5/h5.h"

static char folder[64];

static const char *at(const char *name)
{
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cox-h5-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

/* Any failure is shown with its message. */
static void ok(int rc, const struct cox_err *err)
{
    if (rc)
        assert_string_equal(err->text, "");
}

static void refused(int rc, int wanted, const struct cox_err *err, const char *words)
{
    assert_int_equal(rc, wanted);
    assert_int_equal(err->status, wanted);
    if (!strstr(err->text, words))
        assert_string_equal(err->text, words);
}

static const int64_t dims23[] = {2, 3};
static const double values23[] = {1, 2.5, -3, 4, 1e300, 6};

static void write_sample(const char *path)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_h5 *file = NULL;
    const char names[3][8] = {"CA", "CB", "1234567"};
    const char *const axes[] = {"none", "periodic", "µ"};
    const int32_t version[] = {1, 1};
    const int64_t three[] = {3};
    const uint8_t bytes[] = {0, 128, 255};
    ok(cox_h5_create(&file, path, &err), &err);
    assert_string_equal(cox_h5_path(file), path);
    ok(cox_h5_write(file, "/a/b/matrix", COX_H5_F64, 2, dims23, values23, &err), &err);
    ok(cox_h5_write(file, "/bytes", COX_H5_U8, 1, three, bytes, &err), &err);
    ok(cox_h5_write(file, "/scalar", COX_H5_F64, 0, NULL, values23 + 1, &err), &err);
    ok(cox_h5_write_texts(file, "/names", 3, 8, names[0], &err), &err);
    ok(cox_h5_group(file, "/a/c", &err), &err);
    ok(cox_h5_group(file, "/a/c", &err), &err);
    ok(cox_h5_link(file, "/a/b/matrix", "/other/name", &err), &err);
    ok(cox_h5_set_text(file, "/", "title", "a run", &err), &err);
    ok(cox_h5_set_text(file, "/", "title", "another µ run", &err), &err); /* replaces */
    ok(cox_h5_set_texts(file, "/a/c", "boundary", 3, axes, &err), &err);
    ok(cox_h5_set_ints(file, "/a", "version", 2, version, &err), &err);
    ok(cox_h5_set_number(file, "/a/b/matrix", "scale", 0.1, &err), &err);
    ok(cox_h5_close(file, &err), &err);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    struct cox_h5 *file = NULL;
    write_sample(at("s.h5"));
    ok(cox_h5_open_read(&file, at("s.h5"), &err), &err);
    double matrix[6] = {0};
    ok(cox_h5_read(file, "/a/b/matrix", COX_H5_F64, 2, dims23, matrix, &err), &err);
    assert_memory_equal(matrix, values23, sizeof matrix);
    ok(cox_h5_read(file, "other/name", COX_H5_F64, 2, dims23, matrix, &err), &err);
    const int64_t three[] = {3};
    int32_t whole[3] = {0};
    ok(cox_h5_read(file, "/bytes", COX_H5_I32, 1, three, whole, &err), &err); /* converts */
    assert_int_equal(whole[2], 255);
    double scalar = 0;
    ok(cox_h5_read(file, "/scalar", COX_H5_F64, 0, NULL, &scalar, &err), &err);
    assert_true(scalar == 2.5);
    char names[3][8];
    ok(cox_h5_read_texts(file, "/names", 3, 8, names[0], &err), &err);
    assert_string_equal(names[0], "CA");
    assert_string_equal(names[2], "1234567");
    char narrow[3][4];
    ok(cox_h5_read_texts(file, "/names", 3, 4, narrow[0], &err), &err);
    assert_string_equal(narrow[2], "123");
    char *text = NULL;
    ok(cox_h5_get_text(file, "/", "title", &text, &err), &err);
    assert_string_equal(text, "another µ run");
    cox_free(text);
    int32_t version[2];
    ok(cox_h5_get_ints(file, "/a", "version", 2, version, &err), &err);
    assert_int_equal(version[1], 1);
    double scale;
    ok(cox_h5_get_number(file, "/a/b/matrix", "scale", &scale, &err), &err);
    assert_true(scale == 0.1);
    assert_true(cox_h5_exists(file, "/a/b/matrix"));
    assert_true(cox_h5_exists(file, "/"));
    assert_false(cox_h5_exists(file, "/a/x/matrix"));
    assert_false(cox_h5_exists(file, "/a/b/matrix/below"));
    int rank = 0;
    int64_t dims[COX_H5_MAX_RANK];
    ok(cox_h5_shape(file, "/a/b/matrix", &rank, dims, &err), &err);
    assert_true(rank == 2 && dims[0] == 2 && dims[1] == 3);
    ok(cox_h5_close(file, &err), &err);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    struct cox_h5 *file = NULL;
    double matrix[6];
    char *text = NULL;
    char names[3][8];
    int32_t one[1];
    const int64_t wrong[] = {3, 2};
    write_sample(at("m.h5"));
    refused(cox_h5_open_read(&file, at("none.h5"), &err), COX_ENOTFOUND, &err, "cannot open '");
    assert_null(file);
    ok(cox_file_replace(at("text.h5"), "not HDF5 at all", 15, &err), &err);
    refused(cox_h5_open_read(&file, at("text.h5"), &err), COX_EIO, &err, "is it HDF5?");
    refused(cox_h5_open_append(&file, at("text.h5"), &err), COX_EFORMAT, &err,
            "is not an HDF5 file");
    assert_null(file);
    refused(cox_h5_create(&file, at("no/folder.h5"), &err), COX_EIO, &err, "cannot create");
    ok(cox_h5_open_read(&file, at("m.h5"), &err), &err);
    refused(cox_h5_read(file, "/a/b/matrix", COX_H5_F64, 2, wrong, matrix, &err), COX_EFORMAT, &err,
            "m.h5: '/a/b/matrix' has shape 2×3 where 3×2 is needed");
    refused(cox_h5_read(file, "/a/b/matrix", COX_H5_F64, 1, wrong, matrix, &err), COX_EFORMAT, &err,
            "has shape 2×3 where 3 is needed");
    refused(cox_h5_read(file, "/missing", COX_H5_F64, 2, dims23, matrix, &err), COX_EFORMAT, &err,
            "m.h5: no dataset '/missing'");
    refused(cox_h5_read(file, "/a", COX_H5_F64, 2, dims23, matrix, &err), COX_EFORMAT, &err,
            "no dataset '/a'");
    const int64_t three[] = {3};
    refused(cox_h5_read(file, "/names", COX_H5_F64, 1, three, matrix, &err), COX_EFORMAT, &err,
            "does not hold numbers");
    refused(cox_h5_read_texts(file, "/bytes", 3, 8, names[0], &err), COX_EFORMAT, &err,
            "does not hold text");
    refused(cox_h5_read_texts(file, "/names", 2, 8, names[0], &err), COX_EFORMAT, &err,
            "has shape 3 where 2 is needed");
    refused(cox_h5_get_text(file, "/", "none", &text, &err), COX_EFORMAT, &err,
            "'/' has no attribute 'none'");
    refused(cox_h5_get_text(file, "/a", "version", &text, &err), COX_EFORMAT, &err,
            "must be 1 text");
    refused(cox_h5_get_ints(file, "/a", "version", 1, one, &err), COX_EFORMAT, &err,
            "must be 1 number(s)");
    refused(cox_h5_get_ints(file, "/", "title", 1, one, &err), COX_EFORMAT, &err, "number(s)");
    refused(cox_h5_read_rows(file, "/bytes", COX_H5_I32, 2, 2, one, &err), COX_EINVAL, &err,
            "rows 2 to 3 of '/bytes' asked for, which has 3");
    refused(cox_h5_read_rows(file, "/bytes", COX_H5_I32, -1, 1, one, &err), COX_EINVAL, &err,
            "rows");
    refused(cox_h5_read_rows(file, "/scalar", COX_H5_I32, 0, 1, one, &err), COX_EINVAL, &err,
            "rows");
    refused(cox_h5_append(file, "/scalar", COX_H5_I32, 1, one, &err), COX_EINVAL, &err, "no rows");
    refused(cox_h5_truncate(file, "/scalar", 0, &err), COX_EINVAL, &err, "cannot cut");
    refused(cox_h5_set_number(file, "/", "x", 1, &err), COX_EIO, &err,
            "cannot write attribute 'x'");
    ok(cox_h5_close(file, &err), &err);
}

static void a_file_appears_when_closed(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    struct cox_h5 *file = NULL;
    const int64_t one[] = {1};
    ok(cox_h5_create(&file, at("c.h5"), &err), &err);
    assert_false(cox_file_exists(at("c.h5")));
    cox_h5_abandon(file);
    assert_false(cox_file_exists(at("c.h5")));
    char temporary[300];
    cox_file_temporary(at("c.h5"), temporary, sizeof temporary);
    assert_false(cox_file_exists(temporary));
    write_sample(at("c.h5"));
    ok(cox_h5_create(&file, at("c.h5"), &err), &err);
    ok(cox_h5_write(file, "/new", COX_H5_F64, 1, one, values23, &err), &err);
    struct cox_h5 *old = NULL;
    ok(cox_h5_open_read(&old, at("c.h5"), &err), &err); /* still the old one */
    assert_true(cox_h5_exists(old, "/names"));
    ok(cox_h5_close(old, &err), &err);
    ok(cox_h5_close(file, &err), &err);
    ok(cox_h5_open_read(&old, at("c.h5"), &err), &err);
    assert_false(cox_h5_exists(old, "/names"));
    assert_true(cox_h5_exists(old, "/new"));
    ok(cox_h5_close(old, &err), &err);
    cox_h5_abandon(NULL);
    assert_int_equal(cox_h5_close(NULL, NULL), COX_OK);
    cox_mem_fail_at(1);
    refused(cox_h5_create(&file, at("c.h5"), &err), COX_ENOMEM, &err, "out of memory");
    cox_mem_fail_at(0);
}

/* ---- growing datasets ---- */

static const int64_t chunk[] = {4, 3};

static void append_rows(struct cox_h5 *file, const char *name, int first, int n)
{
    struct cox_err err = COX_ERR_INIT;
    float *rows = cox_alloc((size_t)n, 3 * sizeof(float));
    for (int i = 0; i < 3 * n; i++)
        rows[i] = (float)(3 * first + i);
    ok(cox_h5_append(file, name, COX_H5_F32, n, rows, &err), &err);
    cox_free(rows);
}

static void rows_are(struct cox_h5 *file, const char *name, int first, int n)
{
    struct cox_err err = COX_ERR_INIT;
    double *rows = cox_alloc((size_t)n, 3 * sizeof(double));
    ok(cox_h5_read_rows(file, name, COX_H5_F64, first, n, rows, &err), &err);
    for (int i = 0; i < 3 * n; i++)
        assert_true(rows[i] == 3 * first + i);
    cox_free(rows);
}

static int64_t length_of(struct cox_h5 *file, const char *name)
{
    struct cox_err err = COX_ERR_INIT;
    int rank = 0;
    int64_t dims[COX_H5_MAX_RANK];
    ok(cox_h5_shape(file, name, &rank, dims, &err), &err);
    return dims[0];
}

static void rows_grow_and_are_cut(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    struct cox_h5 *file = NULL;
    ok(cox_h5_create_live(&file, at("g.h5"), &err), &err);
    ok(cox_h5_create_growing(file, "/x/packed", COX_H5_F32, 2, chunk, true, &err), &err);
    ok(cox_h5_create_growing(file, "/x/plain", COX_H5_F32, 2, chunk, false, &err), &err);
    assert_int_equal(length_of(file, "/x/packed"), 0);
    rows_are(file, "/x/packed", 0, 0);
    static const int steps[] = {1, 4, 0, 7, 100};
    int n = 0;
    for (int i = 0; i < 5; i++) {
        append_rows(file, "/x/packed", n, steps[i]);
        append_rows(file, "/x/plain", n, steps[i]);
        n += steps[i];
        assert_int_equal(length_of(file, "/x/packed"), n);
        rows_are(file, "/x/packed", 0, n);
        rows_are(file, "/x/plain", n - steps[i], steps[i]);
    }
    ok(cox_h5_truncate(file, "/x/packed", 50, &err), &err);
    refused(cox_h5_truncate(file, "/x/packed", 51, &err), COX_EINVAL, &err,
            "cannot cut '/x/packed' to 51 rows, it has 50");
    append_rows(file, "/x/packed", 50, 3);
    ok(cox_h5_close(file, &err), &err);
    ok(cox_h5_open_append(&file, at("g.h5"), &err), &err);
    append_rows(file, "/x/packed", 53, 2);
    ok(cox_h5_close(file, &err), &err);
    ok(cox_h5_open_read(&file, at("g.h5"), &err), &err);
    assert_int_equal(length_of(file, "/x/packed"), 55);
    rows_are(file, "/x/packed", 0, 55);
    ok(cox_h5_close(file, &err), &err);
    write_sample(at("fixed.h5"));
    float row[3] = {0};
    ok(cox_h5_open_alone(&file, at("fixed.h5"), &err), &err);
    refused(cox_h5_append(file, "/a/b/matrix", COX_H5_F32, 1, row, &err), COX_EIO, &err,
            "cannot extend '/a/b/matrix'");
    ok(cox_h5_close(file, &err), &err);
}

/* A writer that is killed: flushed rows survive, the file can be cut and appended to again. Without
 * SWMR they do not: a compressed chunk may have moved, and the index on disk tells of the old
 * place. */
static void a_killed_writer_is_survived(void **state)
{
    (void)state;
    for (int compress = 0; compress < 2; compress++) {
        struct cox_err err = COX_ERR_INIT;
        const char *path = at(compress ? "k1.h5" : "k0.h5");
        pid_t child = fork();
        if (!child) {
            struct cox_h5 *file = NULL;
            int rc = cox_h5_create_live(&file, path, NULL);
            rc |= cox_h5_create_growing(file, "/x", COX_H5_F32, 2, chunk, compress, NULL);
            rc |= cox_h5_publish(file, NULL);
            append_rows(file, "/x", 0, 30);
            rc |= cox_h5_flush(file, NULL);
            append_rows(file, "/x", 30, 2000);
            if (!rc)
                raise(SIGKILL);
            _exit(1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        struct cox_h5 *file = NULL;
        /* a reader may look in the meantime */
        ok(cox_h5_open_read(&file, path, &err), &err);
        rows_are(file, "/x", 0, 30);
        ok(cox_h5_close(file, &err), &err);
        ok(cox_h5_open_alone(&file, path, &err), &err);
        assert_true(length_of(file, "/x") >= 30);
        rows_are(file, "/x", 0, 30);
        ok(cox_h5_truncate(file, "/x", 30, &err), &err);
        append_rows(file, "/x", 30, 5);
        ok(cox_h5_close(file, &err), &err);
        ok(cox_h5_open_read(&file, path, &err), &err);
        assert_int_equal(length_of(file, "/x"), 35);
        rows_are(file, "/x", 0, 35);
        ok(cox_h5_close(file, &err), &err);
    }
}

/* ---- threads, allocation failure, damage ---- */

static void write_and_read(void *user, int item, int thread)
{
    (void)thread;
    (void)user;
    char path[300];
    snprintf(path, sizeof path, "%s/t%d.h5", folder, item);
    write_sample(path);
    struct cox_err err = COX_ERR_INIT;
    struct cox_h5 *file = NULL;
    double matrix[6] = {0};
    ok(cox_h5_open_read(&file, path, &err), &err);
    ok(cox_h5_read(file, "/a/b/matrix", COX_H5_F64, 2, dims23, matrix, &err), &err);
    assert_memory_equal(matrix, values23, sizeof matrix);
    ok(cox_h5_close(file, &err), &err);
}

static void threads_take_turns(void **state)
{
    (void)state;
    struct cox_team *team = NULL;
    assert_int_equal(cox_team_create(&team, 4, NULL), COX_OK);
    cox_team_run(team, 24, write_and_read, NULL);
    cox_team_destroy(team);
}

static int read_all(const char *path)
{
    struct cox_h5 *file = NULL;
    struct cox_err err = COX_ERR_INIT;
    double matrix[6];
    char names[3][8];
    int32_t version[2];
    char *text = NULL;
    double scale;
    int rc = cox_h5_open_read(&file, path, &err);
    if (rc)
        return rc;
    rc = cox_h5_read(file, "/a/b/matrix", COX_H5_F64, 2, dims23, matrix, &err);
    if (!rc)
        rc = cox_h5_read_texts(file, "/names", 3, 8, names[0], &err);
    if (!rc)
        rc = cox_h5_get_text(file, "/", "title", &text, &err);
    if (!rc)
        rc = cox_h5_get_ints(file, "/a", "version", 2, version, &err);
    if (!rc)
        rc = cox_h5_get_number(file, "/a/b/matrix", "scale", &scale, &err);
    assert_true(!rc || err.text[0]);
    cox_free(text);
    cox_h5_abandon(file);
    return rc;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    write_sample(at("f.h5"));
    assert_int_equal(read_all(at("f.h5")), COX_OK);
    uint64_t before = cox_mem_in_use();
    int rc = COX_ENOMEM;
    for (uint64_t n = 1; rc; n++) {
        cox_mem_fail_at(n);
        rc = read_all(at("f.h5"));
        cox_mem_fail_at(0);
        assert_true(!rc || rc == COX_ENOMEM);
        assert_int_equal(cox_mem_in_use(), before);
        assert_true(n < 20);
    }
}

static void cut_files_are_refused(void **state)
{
    (void)state;
    write_sample(at("whole.h5"));
    char *bytes = NULL;
    size_t length = 0;
    assert_int_equal(cox_file_read(&bytes, &length, at("whole.h5"), 1 << 20, NULL), COX_OK);
    for (size_t n = 0; n < length; n += 97) {
        assert_int_equal(cox_file_replace(at("cut.h5"), bytes, n, NULL), COX_OK);
        assert_int_not_equal(read_all(at("cut.h5")), COX_OK);
    }
    cox_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),     cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(a_file_appears_when_closed),  cmocka_unit_test(rows_grow_and_are_cut),
        cmocka_unit_test(a_killed_writer_is_survived), cmocka_unit_test(threads_take_turns),
        cmocka_unit_test(each_allocation_may_fail),    cmocka_unit_test(cut_files_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
