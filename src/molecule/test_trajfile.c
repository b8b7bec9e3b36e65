/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests/mdanalysis does not see: errors, temporary files, exact bytes where the format is
 * plain. */
#include "molecule/trajfile.h"

#include "molecule/test_systems.h"

#include <glob.h>
#include <unistd.h>

static struct cox_system *sys;
static float (*x)[3];
static char base[200];
static struct cox_err failure;

static const char *const suffixes[3] = {".dcd", ".xtc", ".pdb"};

static int setup(void **state)
{
    (void)state;
    sys = system_of_glycines(12, 1);
    x = frame_of(sys);
    snprintf(base, sizeof base, "%s/cox-trajfile-%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
             (int)getpid());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cox_system_destroy(sys);
    cox_free(x);
    return 0;
}

static const char *path_of(int format)
{
    static char path[256];
    snprintf(path, sizeof path, "%s%s", base, suffixes[format]);
    return path;
}

/* Files whose names begin with ours: none may be left behind. */
static size_t leftovers(void)
{
    char pattern[256];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s*", base);
    size_t n = glob(pattern, 0, NULL, &found) ? 0 : found.gl_pathc;
    globfree(&found);
    return n;
}

static struct cox_trajfile *create(int format, const struct cox_selection *selection)
{
    struct cox_trajfile *f = NULL;
    struct cox_trajfile_options options = COX_TRAJFILE_OPTIONS_INIT;
    options.format = (enum cox_trajfile_format)format;
    options.selection = selection;
    if (cox_trajfile_create(&f, path_of(format), sys, &options, &failure))
        fail_msg("%s", failure.text);
    return f;
}

static int append(struct cox_trajfile *f)
{
    return cox_trajfile_append(f, 10, 0.5, (const float(*)[3])x, &failure);
}

static void test_appears_when_closed(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        struct cox_trajfile *f = create(k, NULL);
        assert_int_equal(append(f), COX_OK);
        assert_int_equal(append(f), COX_OK);
        assert_int_equal(cox_trajfile_frames(f), 2);
        assert_false(cox_file_exists(path_of(k)));
        assert_int_equal(cox_trajfile_close(f, &failure), COX_OK);
        assert_true(cox_file_exists(path_of(k)));
        f = create(k, NULL);
        assert_int_equal(append(f), COX_OK);
        cox_trajfile_abandon(f);
        assert_true(cox_file_exists(path_of(k)));
        unlink(path_of(k));
        assert_int_equal(leftovers(), 0);
    }
    cox_trajfile_abandon(NULL);
}

static void test_refuses_bad_coordinates(void **state)
{
    (void)state;
    float keep = x[7][1];
    static const float bad[3] = {NAN, INFINITY, -1e9F};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 3; i++) {
            struct cox_trajfile *f = create(k, NULL);
            x[7][1] = bad[i];
            assert_int_equal(append(f), COX_EINVAL);
            assert_non_null(strstr(failure.text, "atom 7 of frame 0"));
            x[7][1] = keep;
            assert_int_equal(append(f), COX_OK);
            cox_trajfile_abandon(f);
        }
    assert_int_equal(leftovers(), 0);
}

static void test_pdb_text(void **state)
{
    (void)state;
    struct cox_selection chosen;
    char *text = NULL;
    float keep[3];
    memcpy(keep, x[7], sizeof keep);
    x[7][0] = 1.23456F;
    x[7][1] = -0.00001F;
    x[7][2] = -12.3F;
    assert_int_equal(cox_selection_init(&chosen, sys, "name CA or resname HOH", &failure), COX_OK);
    struct cox_trajfile *f = create(COX_TRAJFILE_PDB, &chosen);
    cox_selection_deinit(&chosen);
    assert_int_equal(append(f), COX_OK);
    assert_int_equal(cox_trajfile_close(f, &failure), COX_OK);
    assert_int_equal(cox_file_read(&text, NULL, path_of(2), 100000, &failure), COX_OK);
    assert_non_null(strstr(text, "\nATOM      2  CA  GLY A   2      12.346  -0.000-123.000  1.00"
                                 "  0.00           C\n"));
    assert_non_null(strstr(text, "\nHETATM   14  OW  HOH W  13 "));
    assert_non_null(strstr(text, "\nMODEL        1\n"));
    assert_non_null(strstr(text, "\nTER "));
    assert_non_null(strstr(text, "\nENDMDL\nEND\n"));
    cox_free(text);
    memcpy(x[7], keep, sizeof keep);
    /* and our own reader takes it */
    struct cox_pdb *pdb = NULL;
    assert_int_equal(cox_pdb_read(&pdb, path_of(2), NULL, &failure), COX_OK);
    assert_int_equal(pdb->n_atoms, 12);
    assert_float_equal(pdb->atoms[1].position_nm[0], 1.2346, 1e-9);
    cox_pdb_destroy(pdb);
    unlink(path_of(2));
}

static void test_dcd_bytes(void **state)
{
    (void)state;
    char *bytes = NULL;
    size_t length = 0;
    int32_t word;
    float number;
    struct cox_trajfile *f = create(COX_TRAJFILE_DCD, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(append(f), COX_OK);
    assert_int_equal(cox_trajfile_close(f, &failure), COX_OK);
    assert_int_equal(cox_file_read(&bytes, &length, path_of(0), 1000000, &failure), COX_OK);
    size_t header = 8 + 84 + 8 + 84 + 8 + 4;
    assert_int_equal(length, header + 3 * 3 * (8 + 4 * 63));
    memcpy(&word, bytes + 8, sizeof word);
    assert_int_equal(word, 3);
    memcpy(&number, bytes + header + 4 + 4 * 7, sizeof number);
    assert_float_equal(number, 10 * x[7][0], 0);
    cox_free(bytes);
    unlink(path_of(0));
}

static void test_errors(void **state)
{
    (void)state;
    struct cox_trajfile *f = NULL;
    const struct cox_trajfile_options options = COX_TRAJFILE_OPTIONS_INIT;
    enum cox_trajfile_format format;
    assert_int_equal(cox_trajfile_create(&f, "/nowhere/x.dcd", sys, &options, &failure),
                     COX_ENOTFOUND);
    assert_non_null(strstr(failure.text, "/nowhere/x.dcd"));
    assert_int_equal(cox_trajfile_format_of("a.trr", &format, &failure), COX_EINVAL);
    assert_int_equal(cox_trajfile_format_of("a.pdb", &format, &failure), COX_OK);
    assert_int_equal(format, COX_TRAJFILE_PDB);
}

static void test_full_disk(void **state)
{
    (void)state;
    /* /dev/full takes the bytes and fails when they are flushed */
    if (access("/dev/full", W_OK))
        skip();
    char temporary[300];
    cox_file_temporary(path_of(1), temporary, sizeof temporary);
    assert_int_equal(symlink("/dev/full", temporary), 0);
    struct cox_trajfile *f = create(1, NULL);
    int rc = COX_OK;
    for (int i = 0; !rc && i < 100; i++)
        rc = append(f);
    if (rc) {
        cox_trajfile_abandon(f);
    } else {
        rc = cox_trajfile_close(f, &failure);
    }
    assert_int_equal(rc, COX_EIO);
    assert_non_null(strstr(failure.text, "No space left"));
    assert_int_equal(leftovers(), 0);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    uint64_t before = cox_mem_in_use();
    for (int k = 0; k < 3; k++)
        for (uint64_t n = 1;; n++) {
            struct cox_trajfile *f = NULL;
            struct cox_trajfile_options options = COX_TRAJFILE_OPTIONS_INIT;
            options.format = (enum cox_trajfile_format)k;
            cox_mem_fail_at(n);
            int rc = cox_trajfile_create(&f, path_of(k), sys, &options, NULL);
            cox_mem_fail_at(0);
            cox_trajfile_abandon(f);
            assert_int_equal(cox_mem_in_use(), before);
            assert_int_equal(leftovers(), 0);
            if (!rc)
                break;
            assert_int_equal(rc, COX_ENOMEM);
        }
    struct cox_trajfile *f = create(1, NULL);
    before = cox_mem_allocations();
    assert_int_equal(append(f), COX_OK);
    assert_int_equal(cox_mem_allocations(), before); /* no allocation per frame */
    cox_trajfile_abandon(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appears_when_closed),
        cmocka_unit_test(test_refuses_bad_coordinates),
        cmocka_unit_test(test_pdb_text),
        cmocka_unit_test(test_dcd_bytes),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
