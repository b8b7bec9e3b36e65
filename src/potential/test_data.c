/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "h5/h5.h"
#include "potential/npy.h"

#define WATER COX_SOURCE_DIR "/../shared/data/water/data"

static const char water[2][COX_DP_TYPE_NAME] = {"O", "H"};
static const char reversed[2][COX_DP_TYPE_NAME] = {"H", "O"};
static const char foreign[1][COX_DP_TYPE_NAME] = {"O"};

/* A .npy of float64 rows. */
static void write_npy(const char *folder, const char *name, int rows, int width, const double *x)
{
    char path[512];
    char bytes[8192];
    char header[119];
    snprintf(header, sizeof header, "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d), }",
             rows, width);
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    memset(bytes + 10, ' ', 118);
    memcpy(bytes + 10, header, strlen(header));
    bytes[127] = '\n';
    size_t size = (size_t)rows * (size_t)width * sizeof *x;
    assert_true(128 + size <= sizeof bytes);
    memcpy(bytes + 128, x, size);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(cox_file_replace(path, bytes, 128 + size, NULL), 0);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(cox_file_replace(path, text, strlen(text), NULL), 0);
}

/* Two frames of three atoms in two sets. */
static void make_system(char *folder)
{
    char set[512];
    double x[9] = {0, 0, 0, 1, 0, 0, 0, 1, 0};
    double box[9] = {9, 0, 0, 0, 9, 0, 0, 0, 9};
    double energy = -3;
    assert_non_null(mkdtemp(folder));
    write_text(folder, "type.raw", "0\n1 1\n");
    write_text(folder, "type_map.raw", "O\nH\n");
    for (int i = 0; i < 2; i++) {
        snprintf(set, sizeof set, "%s/set.00%d", folder, i);
        assert_int_equal(mkdir(set, 0700), 0);
        x[0] = i;
        write_npy(set, "coord.npy", 1, 9, x);
        write_npy(set, "box.npy", 1, 9, box);
        write_npy(set, "energy.npy", 1, 1, &energy);
    }
}

static void refuses(const char *folder, const char names[][COX_DP_TYPE_NAME], int n,
                    const char *wanted)
{
    struct cox_dp_data *d = NULL;
    struct cox_err err = COX_ERR_INIT;
    assert_int_not_equal(cox_dp_data_read(&d, folder, names, n, &err), COX_OK);
    assert_null(d);
    if (!strstr(err.text, wanted))
        fail_msg("'%s' does not say '%s'", err.text, wanted);
}

static void a_system_of_two_sets_is_read(void **state)
{
    (void)state;
    char folder[] = "/tmp/cox-test-XXXXXX";
    struct cox_dp_data *d = NULL;
    struct cox_err err = COX_ERR_INIT;
    make_system(folder);
    if (cox_dp_data_read(&d, folder, water, 2, &err))
        fail_msg("%s", err.text);
    assert_int_equal(d->n, 2);
    assert_int_equal(d->n_atoms, 3);
    assert_true(d->periodic);
    assert_true(d->x[0] == 0 && d->x[9] == 1 && d->x[3] == 1);
    assert_int_equal(d->type[0], 0);
    assert_int_equal(d->type[2], 1);
    assert_null(d->force);
    cox_dp_data_destroy(d);
    assert_int_equal(cox_dp_data_read(&d, folder, reversed, 2, &err), 0);
    assert_int_equal(d->type[0], 1); /* by name, not by number */
    cox_dp_data_destroy(d);
    write_text(folder, "nopbc", "");
    assert_int_equal(cox_dp_data_read(&d, folder, water, 2, &err), 0);
    assert_false(d->periodic);
    assert_null(d->box);
    cox_dp_data_destroy(d);
    assert_int_equal(cox_directory_remove(folder, &err), 0);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    char folder[] = "/tmp/cox-test-XXXXXX";
    char set[512];
    struct cox_err err = COX_ERR_INIT;
    double x[18] = {0};
    double nan_energy = (double)NAN;
    make_system(folder);
    snprintf(set, sizeof set, "%s/set.001", folder);
    refuses(folder, foreign, 1, "atom 1 is of a type that the model does not know");
    write_npy(set, "coord.npy", 1, 6, x);
    refuses(folder, water, 2, "rows of 6 numbers; 9 were expected");
    write_npy(set, "coord.npy", 2, 9, x);
    refuses(folder, water, 2, "has 1 rows, coord.npy 2");
    write_npy(set, "coord.npy", 1, 9, x);
    write_npy(set, "energy.npy", 1, 1, &nan_energy);
    refuses(folder, water, 2, "energy.npy': row 0 holds");
    char path[600];
    snprintf(path, sizeof path, "%s/energy.npy", set);
    unlink(path);
    refuses(folder, water, 2, "some sets have energy.npy, others do not");
    write_text(set, "energy.npy", "rubbish that is no array");
    refuses(folder, water, 2, "this is no .npy file");
    write_text(folder, "type.raw", "0 1 7\n");
    refuses(folder, water, 2, "atom 2 has the type '7'; 0 to 1 are known");
    refuses("/nonexistent/x", water, 2, "there is no system");
    assert_int_equal(cox_directory_remove(folder, &err), 0);
}

static void a_cut_array_is_refused(void **state)
{
    (void)state;
    char folder[] = "/tmp/cox-test-XXXXXX";
    char path[600];
    char *bytes;
    size_t length;
    struct cox_npy a;
    struct cox_err err = COX_ERR_INIT;
    make_system(folder);
    snprintf(path, sizeof path, "%s/set.000/coord.npy", folder);
    assert_int_equal(cox_file_read(&bytes, &length, path, 1 << 20, &err), 0);
    for (size_t n = 0; n < length; n++) {
        assert_int_equal(cox_file_replace(path, bytes, n, &err), 0);
        assert_int_not_equal(cox_npy_read(&a, path, &err), COX_OK);
        assert_null(a.x);
    }
    cox_free(bytes);
    assert_int_equal(cox_directory_remove(folder, &err), 0);
}

/* The two frames of make_system with places for a fourth atom, of which one frame has none. */
static void frames_of_mixed_type_have_their_own_atoms(void **state)
{
    (void)state;
    char folder[] = "/tmp/cox-test-XXXXXX";
    char set[512];
    struct cox_dp_data *d = NULL;
    struct cox_err err = COX_ERR_INIT;
    int n;
    const double types[2][3] = {{1, -1, 0}, {0, 1, 0}};
    make_system(folder);
    for (int i = 0; i < 2; i++) {
        snprintf(set, sizeof set, "%s/set.00%d", folder, i);
        write_npy(set, "real_atom_types.npy", 1, 3, types[i]);
    }
    if (cox_dp_data_read(&d, folder, reversed, 2, &err))
        fail_msg("%s", err.text);
    const int *type = cox_dp_data_types(d, 0, &n);
    assert_int_equal(n, 2);
    assert_int_equal(type[0], 0); /* H, by its name */
    assert_int_equal(type[1], 1);
    assert_int_equal(type[2], -1);
    assert_true(d->x[0] == 0 && d->x[4] == 1 && d->x[6] == 1); /* the third atom's place is next */
    type = cox_dp_data_types(d, 1, &n);
    assert_int_equal(n, 3);
    assert_int_equal(type[1], 0);
    cox_dp_data_destroy(d);
    const double wrong[3] = {0, 0.5, -1};
    write_npy(set, "real_atom_types.npy", 1, 3, wrong);
    refuses(folder, water, 2, "frame 1: atom 1 has the type 0.5");
    const double none[3] = {-1, -1, -1};
    write_npy(set, "real_atom_types.npy", 1, 3, none);
    refuses(folder, water, 2, "frame 1 has no atom");
    assert_int_equal(cox_directory_remove(folder, &err), 0);
}

/* The same system as groups and datasets of one file, texts as h5py writes them or as numbers. */
static void systems_in_files_are_found_and_read(void **state)
{
    (void)state;
    char folder[] = "/tmp/cox-test-XXXXXX";
    char path[600];
    char inner[700];
    struct cox_h5 *h = NULL;
    struct cox_dp_data *d = NULL;
    struct cox_err err = COX_ERR_INIT;
    const int32_t types[3] = {0, 1, 1};
    const float x[2][9] = {{0, 0, 0, 1, 0, 0, 0, 1, 0}, {1, 0, 0, 1, 0, 0, 0, 1, 0}};
    const double energy[2] = {-3, -4};
    const int64_t rows[2] = {2, 9};
    const int64_t three = 3;
    char **paths;
    int n;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/all.h5", folder);
    assert_int_equal(cox_h5_create(&h, path, &err), 0);
    assert_int_equal(cox_h5_write(h, "/a/w/type.raw", COX_H5_I32, 1, &three, types, &err), 0);
    assert_int_equal(cox_h5_write_texts(h, "/a/w/type_map.raw", 2, 2, "O\0H", &err), 0);
    assert_int_equal(cox_h5_write(h, "/a/w/set.000/coord.npy", COX_H5_F32, 2, rows, x, &err), 0);
    assert_int_equal(cox_h5_write(h, "/a/w/set.000/energy.npy", COX_H5_F64, 1, rows, energy, &err),
                     0);
    assert_int_equal(cox_h5_group(h, "/a/w/nopbc", &err), 0);
    assert_int_equal(cox_h5_write(h, "/b/type.raw", COX_H5_I32, 1, &three, types, &err), 0);
    assert_int_equal(cox_h5_close(h, &err), 0);
    assert_int_equal(cox_dp_data_find(&paths, &n, path, &err), 0);
    assert_int_equal(n, 2);
    snprintf(inner, sizeof inner, "%s#/a/w", path);
    assert_string_equal(paths[0], inner);
    if (cox_dp_data_read(&d, paths[0], reversed, 2, &err))
        fail_msg("%s", err.text);
    assert_int_equal(d->n, 2);
    assert_false(d->periodic);
    assert_int_equal(d->type[0], 1);
    assert_true(d->x[9] == 1 && d->energy[1] == -4);
    cox_dp_data_destroy(d);
    refuses(paths[1], water, 2, "has no set.* folder");
    cox_free(paths);
    snprintf(inner, sizeof inner, "%s#/nothing", path);
    refuses(inner, water, 2, "/nothing");
    assert_int_equal(cox_directory_remove(folder, &err), 0);
}

static void the_water_data_is_read(void **state)
{
    (void)state;
    char **paths;
    int n;
    struct cox_dp_data *d = NULL;
    struct cox_err err = COX_ERR_INIT;
    if (!cox_file_is_directory(WATER)) {
        print_message("skipped: there is no %s\n", WATER);
        skip();
    }
    assert_int_equal(cox_dp_data_find(&paths, &n, WATER, &err), 0);
    assert_int_equal(n, 4);
    if (cox_dp_data_read(&d, paths[1], water, 2, &err))
        fail_msg("%s", err.text);
    assert_int_equal(d->n, 160);
    assert_int_equal(d->n_atoms, 192);
    double sum = 0; /* forces of a frame add up to nothing */
    for (int i = 0; i < 192; i++)
        sum += d->force[3 * i];
    assert_true(fabs(sum) < 0.05);
    assert_true(d->energy[0] < -29000 && d->energy[0] > -31000);
    cox_dp_data_destroy(d);
    cox_free(paths);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_system_of_two_sets_is_read),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_cut_array_is_refused),
        cmocka_unit_test(frames_of_mixed_type_have_their_own_atoms),
        cmocka_unit_test(systems_in_files_are_found_and_read),
        cmocka_unit_test(the_water_data_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
