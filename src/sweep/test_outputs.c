/* SPDX-License-Identifier: BSD-3-Clause */
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
#include "base/rng.h"
#include "base/str.h"
#include "h5/h5.h"
#include "sweep/outputs.h"
#include "sweep/outputs_table.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cox-out-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

static void write_file(const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/out", folder);
    assert_int_equal(cox_file_replace(path, text, strlen(text), NULL), 0);
}

static int read_outputs(struct cox_values *v, int n, const struct cox_sweep_output *outputs,
                        struct cox_err *err)
{
    const struct cox_sweep_settings s = {.outputs = {n, outputs}};
    return cox_outputs_read(v, &s, folder, err);
}

/* `error` NULL: none is given. */
static void expect(const struct cox_sweep_output *output, const char *text, int n,
                   const double *value, const double *error)
{
    struct cox_values v;
    struct cox_err err = COX_ERR_INIT;
    if (text)
        write_file(text);
    if (read_outputs(&v, 1, output, &err))
        fail_msg("%s\nof: %s", err.text, text ? text : "the file");
    assert_int_equal(v.n, n);
    assert_true(v.first[0] == 0 && v.first[1] == n);
    for (int i = 0; i < n; i++) {
        if (v.value[i] != value[i])
            fail_msg("value %d is %g, not %g, of: %s", i, v.value[i], value[i], text);
        assert_true(error ? v.error[i] == error[i] : isnan(v.error[i]));
    }
    cox_values_deinit(&v);
}

static void refuses(const struct cox_sweep_output *output, const char *text, const char *place,
                    const char *what)
{
    struct cox_values v;
    struct cox_err err = COX_ERR_INIT;
    if (text)
        write_file(text);
    int rc = read_outputs(&v, 1, output, &err);
    if (!rc)
        fail_msg("accepted: %s", text);
    if (strstr(err.text, folder) || !strstr(err.text, "output 'y': ") || !strstr(err.text, place) ||
        !strstr(err.text, what))
        fail_msg("wanted '%s' and '%s' in: %s", place, what, err.text);
    assert_null(v.value);
}

#define READER(...) (&(struct cox_sweep_output){.name = "y", __VA_ARGS__})
#define ROW(...) READER(.csv = "out", __VA_ARGS__)
#define CSV(...) ROW(.row = COX_CONFIG_UNSET, __VA_ARGS__)
#define JSON(...) READER(.json = "out", __VA_ARGS__)
#define TEXT(...) READER(.text = "out", __VA_ARGS__)
#define HDF5(...) READER(.hdf5 = "out", __VA_ARGS__)
#define LIST(...) ((const double[]){__VA_ARGS__})

static void tables_are_read(void **state)
{
    (void)state;
    const struct cox_sweep_output *rho = CSV(.column = "rho", .error_column = "err");
    static const char *const same[] = {
        "z,rho,err\n0,1,0.1\n1,2.5,0.2\n2,-3e2,0\n",
        "\"z\",\"rho\",\"err\"\r\n0 , 1 ,0.1\r\n\r\n1,\"2.5\",0.2\r\n2,-3D+02,0",
        "# made by sim\n# z rho err\n0 1 0.1\n1 2.5 0.2 # so\n  2\t-300 0\n",
        "z rho err\n0 1 0.1\n1 2.5 .2\n2 -300 0\n",
        "#z,rho,err are the columns\nerr,a b,rho\n.1,,1\n.2,\"x,\ny\",2.5\n0,z,-300\n",
        "\xEF\xBB\xBFz,rho,err\r0,1,0.1\r1,2.5,0.2\r2,-300,0\r",
        /* LAMMPS: fix ave/chunk and fix ave/time mode vector; the last block counts */
        "# Chunk-averaged data for fix 1 and group all\n# Timestep Number-of-chunks Total-count\n"
        "# Chunk rho err\n100 2 40\n  1 7 7\n  2 8 8\n200 3 40\n  1 1 0.1\n  2 2.5 0.2\n"
        "  3 -300 0\n",
        "# Time-averaged data for fix 2\n# TimeStep Number-of-rows\n# Row rho err\n100 3\n"
        "1 1 0.1\n2 2.5 0.2\n3 -300 0\n",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        expect(rho, same[i], 3, LIST(1, 2.5, -300), LIST(0.1, 0.2, 0));
    const char *text = same[0];
    expect(CSV(.column = "rho"), text, 3, LIST(1, 2.5, -300), NULL);
    expect(CSV(.column = "2"), text, 3, LIST(1, 2.5, -300), NULL);
    expect(ROW(.column = "rho", .row = 1), text, 1, LIST(1), NULL);
    expect(ROW(.column = "rho", .row = -1), text, 1, LIST(-300), NULL);
    expect(ROW(.column = "rho", .row = -3, .error_column = "3"), text, 1, LIST(1), LIST(0.1));
    expect(CSV(.column = "2"), "1 2\n3 4\n", 2, LIST(2, 4), NULL);
    /* fix ave/time of scalars */
    expect(ROW(.column = "c_p", .row = -1), "# Time-averaged\n# TimeStep c_t c_p\n10 1 2\n20 3 4\n",
           1, LIST(4), NULL);
    /* a name that is a number, and a word beside the numbers that are asked for */
    expect(CSV(.column = "1"), "x,1\n5,6\n", 1, LIST(6), NULL);
    expect(CSV(.column = "rho"), "name,rho\nrun one,4\n", 1, LIST(4), NULL);
}

/* A field of random characters, as RFC 4180 writes it: quoted where it must be, now and then where
 * it need not. */
static void add_field(struct cox_str *csv, struct cox_rng *rng, char *field)
{
    static const char letters[] = "ab ,\"\n#'\tz";
    int n = (int)cox_rng_below(rng, 7);
    for (int i = 0; i < n; i++)
        field[i] = letters[cox_rng_below(rng, sizeof letters - 1)];
    field[n] = '\0';
    bool blank = n && (strchr(" \t", field[0]) || strchr(" \t", field[n - 1]));
    if (!blank && !strpbrk(field, ",\"\n#") && cox_rng_below(rng, 2)) {
        cox_str_add(csv, field);
        return;
    }
    cox_str_add(csv, "\"");
    for (int i = 0; i < n; i++)
        cox_str_addf(csv, field[i] == '"' ? "%c\"" : "%c", field[i]);
    cox_str_add(csv, "\"");
}

static void any_field_comes_back(void **state)
{
    (void)state;
    struct cox_rng rng;
    cox_rng_init(&rng, 3, 0);
    for (int turn = 0; turn < 500; turn++) {
        enum { ROWS = 6, COLUMNS = 4 };
        char field[ROWS][COLUMNS][8];
        struct cox_str csv;
        struct cox_table table;
        struct cox_err err = COX_ERR_INIT;
        cox_str_init(&csv, 1 << 16);
        cox_str_add(&csv, "w,x,y,z\r\n");
        for (int i = 0; i < ROWS; i++)
            for (int k = 0; k < COLUMNS; k++) {
                add_field(&csv, &rng, field[i][k]);
                cox_str_add(&csv, k + 1 < COLUMNS ? "," : turn % 2 ? "\r\n" : "\n");
            }
        if (cox_table_parse(&table, "t", cox_str_text(&csv), csv.length, &err))
            fail_msg("%s, of:\n%s", err.text, cox_str_text(&csv));
        assert_int_equal(table.n_rows, ROWS);
        for (int i = 0; i < ROWS; i++)
            for (int k = 0; k < COLUMNS; k++)
                assert_string_equal(table.field[i * COLUMNS + k], field[i][k]);
        assert_string_equal(table.name[3], "z");
        cox_table_deinit(&table);
        cox_str_deinit(&csv);
    }
}

static void bad_tables_are_refused_with_their_place(void **state)
{
    (void)state;
    const char *text = "z,rho,err\n0,1,0.1\n1,two,-0.2\n2,3,0\n";
    refuses(CSV(.column = "rho"), text, "out:3:", "'two' is no number");
    refuses(CSV(.column = "rh"), text, "out:", "did you mean 'rho'? (known: z, rho, err)");
    refuses(CSV(.column = "4"), text, "out:", "no column 4: there are 3");
    refuses(CSV(.column = "0"), text, "out:", "no column 0");
    refuses(CSV(.column = "rho"), "1,2\n", "out:", "has no names");
    refuses(ROW(.column = "z", .row = 4), text, "out:", "no row 4: there are 3");
    refuses(ROW(.column = "z", .row = -4), text, "out:", "no row -4: there are 3");
    refuses(CSV(.column = "z", .error_column = "err"), text, "out: line 3", "error is -0.2");
    refuses(CSV(.column = "y"), "x,y\n1,nan\n", "out: line 2", "the value is nan");
    refuses(CSV(.column = "y"), "x,y\n1,2\n3,inf\n", "out: line 3", "the value is inf");
    refuses(CSV(.column = "y", .error_column = "x"), "x,y\n1,2\nnan,2\n", "line 3", "error is nan");
    refuses(CSV(.column = "y"), "x,y\n1,2\n3\n", "out:3:", "a row of 1 where there are 2 columns");
    refuses(CSV(.column = "y"), "x y\n1 2\n3 4 5\n", "out:3:", "a row of 3");
    refuses(CSV(.column = "y"), "x,y\n1,\"2\n", "out:2:", "has no end");
    refuses(CSV(.column = "y"), "", "out:", "no rows of numbers");
    refuses(CSV(.column = "y"), "# only\n# comments\n", "out:", "no rows of numbers");
    refuses(CSV(.column = "y"), "x,y\n", "out:", "no rows of numbers");
    refuses(CSV(.column = "y"), "# a\n# TimeStep Number-of-rows\n# Row y\n100 3\n1 1\n2 2\n",
            "out:4:", "a block of 3 rows ends after 2");
    refuses(CSV(.column = "y"), "# a\n# TimeStep Number-of-rows\n# Row y\n100 -3\n1 1\n",
            "out:4:", "no begin of a block");
    refuses(CSV(.column = "y"), "# a\n# TimeStep Number-of-rows\n# Row y z\n100 1\n1 1\n",
            "out:5:", "a row of 2 where there are 3 columns");
    struct cox_values v;
    struct cox_err err = COX_ERR_INIT;
    const struct cox_sweep_output gone = {.name = "y", .csv = "gone", .column = "y"};
    assert_int_equal(read_outputs(&v, 1, &gone, &err), COX_ENOTFOUND);
    assert_non_null(strstr(err.text, "gone"));
}

static void json_is_read(void **state)
{
    (void)state;
    const char *text = "{\"a\": {\"b\": [1, 2.5, {\"c\": [3, 4]}]}, \"x.y\": 7, \"l\": [1, 2, 3],"
                       " \"e\": [0.1, 0, 3], \"n\": null, \"s\": \"5\", \"empty\": [],"
                       " \"m\": [[1, 2], [3, 4]], \"bad\": [1, true], \"q\": -1}";
    expect(JSON(.key = "a.b[1]"), text, 1, LIST(2.5), NULL);
    expect(JSON(.key = "a.b[2].c[0]"), text, 1, LIST(3), NULL);
    expect(JSON(.key = "a.b[2].c"), text, 2, LIST(3, 4), NULL);
    expect(JSON(.key = "m[1]"), text, 2, LIST(3, 4), NULL);
    expect(JSON(.key = "m[1][0]"), text, 1, LIST(3), NULL);
    expect(JSON(.key = "x.y"), text, 1, LIST(7), NULL);
    expect(JSON(.key = "l", .error_key = "e"), text, 3, LIST(1, 2, 3), LIST(0.1, 0, 3));
    expect(JSON(.key = "[1].v"), "[{\"v\": 1}, {\"v\": 2}]", 1, LIST(2), NULL);
    write_file(text);
    refuses(JSON(.key = "a.c"), NULL, "out: ", "no 'c' in 'a' (there: b)");
    refuses(JSON(.key = "z"), NULL, "out: ", "no 'z' in the object (there: a, x.y, l");
    refuses(JSON(.key = "a.b[3]"), NULL, "out: ", "'a.b' has 3 entries, no [3]");
    refuses(JSON(.key = "a[0]"), NULL, "out: ", "'a' is an object, not a list");
    refuses(JSON(.key = "l.x"), NULL, "out: ", "'l' is a list, not an object");
    refuses(JSON(.key = "l[x]"), NULL, "out: ", "[ ] holds a number");
    refuses(JSON(.key = "s"), NULL, "out: ", "'s' is a text, not a number");
    refuses(JSON(.key = "n"), NULL, "out: ", "'n' is null");
    refuses(JSON(.key = "a"), NULL, "out: ", "'a' is an object");
    refuses(JSON(.key = "bad"), NULL, "out: ", "'bad[1]' is true");
    refuses(JSON(.key = "m"), NULL, "out: ", "'m[0]' is a list");
    refuses(JSON(.key = "empty"), NULL, "out: ", "empty list");
    refuses(JSON(.key = "q", .error_key = "q"), NULL, "out: number 1", "error is -1");
    refuses(JSON(.key = "l", .error_key = "q"), NULL, "out: ", "1 standard errors for 3 values");
    refuses(JSON(.key = "a"), "{\"a\": 1,}", "out: 1:9:", "");
    refuses(JSON(.key = "a"), "", "out: ", "");
}

static void logs_are_read(void **state)
{
    (void)state;
    const char *text = "Step 1 E = 1.5 dE = 0.1\nStep 2 E = -2D0 dE = 0.2 E = 7\nDone in 3 s\n";
    expect(TEXT(.match = " E = ([^ ]+)", .error_match = "dE = ([0-9.]+)"), text, 1, LIST(7),
           LIST(0.2));
    expect(TEXT(.match = "^Step [0-9]+ E = ([^ ]+)"), text, 1, LIST(-2), NULL);
    expect(TEXT(.match = "Done in ([0-9]+) s$"), text, 1, LIST(3), NULL);
    expect(TEXT(.match = "x*([0-9]*)$"), "a 12", 1, LIST(12), NULL);
    write_file(text);
    refuses(TEXT(.match = "F = (.*)"), NULL, "out: no match of 'F = (.*)'",
            "in 3 lines; the last is 'Done in 3 s'");
    refuses(TEXT(.match = "(Step)"), NULL, "out:2:", "'Step', no number");
    refuses(TEXT(.match = "F = (.*)"), "", "out:", "the file is empty");
    refuses(TEXT(.match = "E = (.*)", .error_match = "d = (.*)"), "E = 1\n", "d = (.*)", "1 lines");
    refuses(TEXT(.match = "E = (.*)"), "E = nan\n", "line 1", "the value is nan");
}

static void datasets_are_read(void **state)
{
    (void)state;
    struct cox_h5 *file;
    struct cox_err err = COX_ERR_INIT;
    char path[200];
    snprintf(path, sizeof path, "%s/out", folder);
    assert_int_equal(cox_h5_create(&file, path, &err), 0);
    const float list[] = {1, 2.5F, -3};
    const double errors[] = {0.1, 0, 4};
    const int32_t whole = 7;
    const int64_t three = 3;
    const int64_t square[] = {3, 1};
    const int64_t none = 0;
    int rc = cox_h5_write(file, "/rho/value", COX_H5_F32, 1, &three, list, &err);
    rc |= cox_h5_write(file, "/rho/error", COX_H5_F64, 1, &three, errors, &err);
    rc |= cox_h5_write(file, "/n", COX_H5_I32, 0, NULL, &whole, &err);
    rc |= cox_h5_write(file, "/square", COX_H5_F32, 2, square, list, &err);
    rc |= cox_h5_write(file, "/none", COX_H5_F32, 1, &none, list, &err);
    rc |= cox_h5_write_texts(file, "/words", 1, 4, "abc", &err);
    rc |= cox_h5_close(file, &err);
    assert_int_equal(rc, 0);
    expect(HDF5(.key = "/rho/value", .error_key = "rho/error"), NULL, 3, LIST(1, 2.5, -3), errors);
    expect(HDF5(.key = "n"), NULL, 1, LIST(7), NULL);
    refuses(HDF5(.key = "/rho/valu"), NULL, "out: ", "'/rho/valu'");
    refuses(HDF5(.key = "/rho"), NULL, "out: ", "'/rho'");
    refuses(HDF5(.key = "/square"), NULL, "out: ", "has 2 dimensions");
    refuses(HDF5(.key = "/none"), NULL, "out: ", "0 values");
    refuses(HDF5(.key = "/words"), NULL, "out: ", "'/words'");
    refuses(HDF5(.key = "/n", .error_key = "/rho/error"), NULL, "out: ", "3 standard errors for 1");
    refuses(HDF5(.key = "/n"), "no HDF5 at all", "out", "");
}

static void outputs_stand_one_after_the_other(void **state)
{
    (void)state;
    struct cox_values v;
    struct cox_err err = COX_ERR_INIT;
    write_file("z,rho,err\n0,1,0.1\n1,2,0.2\n");
    const struct cox_sweep_output outputs[] = {*CSV(.column = "rho", .error_column = "err"),
                                               *ROW(.column = "z", .row = -1),
                                               *CSV(.column = "err")};
    assert_int_equal(read_outputs(&v, 3, outputs, &err), 0);
    assert_int_equal(v.n, 5);
    assert_true(v.first[1] == 2 && v.first[2] == 3 && v.first[3] == 5);
    assert_true(v.value[1] == 2 && v.value[2] == 1 && v.value[4] == 0.2);
    assert_true(v.error[1] == 0.2 && isnan(v.error[2]) && isnan(v.error[4]));
    cox_values_deinit(&v);
    /* the papers' profiles as they are published */
    static const char reference[] =
        COX_SOURCE_DIR "/../shared/data/ion-profiles/h4nm_c0.5M_s-0.01Cm2.csv";
    if (!cox_file_exists(reference)) {
        print_message("no %s: not looked at\n", reference);
        return;
    }
    const struct cox_sweep_settings s = {
        .outputs = {1, &(struct cox_sweep_output){.name = "y",
                                                  .csv = "h4nm_c0.5M_s-0.01Cm2.csv",
                                                  .column = "cation_M",
                                                  .error_column = "cation_err_M",
                                                  .row = COX_CONFIG_UNSET}}};
    if (cox_outputs_read(&v, &s, COX_SOURCE_DIR "/../shared/data/ion-profiles", &err))
        fail_msg("%s", err.text);
    assert_true(v.n > 100);
    cox_values_deinit(&v);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct cox_h5 *file;
    struct cox_err err = COX_ERR_INIT;
    static const char *const names[] = {"t", "j", "l"};
    static const char *const texts[] = {"z,rho,err\n0,1,0.1\n1,2,0.2\n", "{\"a\": [1, 2]}",
                                        "E = 5\n"};
    char path[200];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(cox_file_replace(path, texts[i], strlen(texts[i]), &err), 0);
    }
    snprintf(path, sizeof path, "%s/h", folder);
    const int64_t two = 2;
    assert_int_equal(cox_h5_create(&file, path, &err), 0);
    int rc = cox_h5_write(file, "/a", COX_H5_F64, 1, &two, LIST(1, 2), &err);
    rc |= cox_h5_close(file, &err);
    assert_int_equal(rc, 0);
    const struct cox_sweep_output outputs[] = {
        {.name = "t", .csv = "t", .column = "rho", .error_column = "err", .row = COX_CONFIG_UNSET},
        {.name = "j", .json = "j", .key = "a", .error_key = "a"},
        {.name = "h", .hdf5 = "h", .key = "a", .error_key = "a"},
        {.name = "l", .text = "l", .match = "E = (.)", .error_match = "E = (.)"}};
    rc = COX_ENOMEM;
    int n = 0;
    for (; rc; n++) {
        struct cox_values v;
        uint64_t before = cox_mem_in_use();
        cox_mem_fail_at((uint64_t)n + 1);
        rc = read_outputs(&v, 4, outputs, &err);
        cox_mem_fail_at(0);
        if (rc && (rc != COX_ENOMEM || !err.text[0]))
            fail_msg("allocation %d: %d, %s", n, rc, err.text);
        cox_values_deinit(&v);
        assert_true(cox_mem_in_use() == before);
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_read),
        cmocka_unit_test(any_field_comes_back),
        cmocka_unit_test(bad_tables_are_refused_with_their_place),
        cmocka_unit_test(json_is_read),
        cmocka_unit_test(logs_are_read),
        cmocka_unit_test(datasets_are_read),
        cmocka_unit_test(outputs_stand_one_after_the_other),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
