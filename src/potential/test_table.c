/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/test_models.h"

#include <stdlib.h>
#include <unistd.h>

#include "potential/dp_file.h"
#include "potential/evaluate.h"
#include "potential/table.h"

/* Halving the stride of a spline of the ninth degree divides its error by 1,024 (that of its slope
 * by 512), or by more while it is coarse, until rounding is left. */
static void errors_go_with_the_tenth_power(void **state)
{
    (void)state;
    struct cox_dp_model *m = test_model(false, 0);
    struct cox_dp_table_error coarse, fine, finest;
    assert_int_equal(cox_dp_table_errors(m, 0.24, 1, &coarse, NULL), 0);
    assert_int_equal(cox_dp_table_errors(m, 0.12, 1, &fine, NULL), 0);
    assert_int_equal(cox_dp_table_errors(m, 0.02, 1, &finest, NULL), 0);
    print_message("stride 0.24: G %.1e, dG %.1e; 0.12: %.1e, %.1e; 0.02: %.1e, %.1e\n", coarse.g,
                  coarse.slope, fine.g, fine.slope, finest.g, finest.slope);
    assert_true(coarse.g > 800 * fine.g && coarse.slope > 400 * fine.slope);
    assert_true(finest.g > 0 && finest.g < 1e-14 && finest.slope < 1e-12);
    cox_dp_model_destroy(m);
}

static void strides_are_chosen_or_refused(void **state)
{
    (void)state;
    struct cox_dp_model *m = test_model(true, 0);
    struct cox_dp_table_error error;
    struct cox_err err = COX_ERR_INIT;
    double loose = 0, tight = 0;
    assert_int_equal(cox_dp_table_choose(m, 1e-6, 1, &loose, NULL), 0);
    assert_int_equal(cox_dp_table_errors(m, loose, 1, &error, NULL), 0);
    assert_true(error.g <= 1.1e-6);
    assert_int_equal(cox_dp_table_choose(m, 1e-13, 1, &tight, NULL), 0);
    assert_int_equal(cox_dp_table_errors(m, tight, 1, &error, NULL), 0);
    assert_true(error.g <= 1.1e-13 && tight < loose / 2);
    assert_true(cox_dp_table_choose(m, 1e-25, 1, &tight, &err) == COX_EINVAL);
    assert_non_null(strstr(err.text, "1e-25"));
    assert_true(cox_dp_table_errors(m, 0, 1, &error, NULL) == COX_EINVAL);
    assert_true(cox_dp_table_errors(m, -1, 1, &error, NULL) == COX_EINVAL);
    assert_true(cox_dp_table_errors(m, (double)NAN, 1, &error, NULL) == COX_EINVAL);
    assert_true(cox_dp_table_errors(m, 1e-7, 1, &error, NULL) == COX_EINVAL);
    cox_dp_model_destroy(m);
}

static double energy(struct cox_dp_eval *e, const struct cox_dp_model *m,
                     const struct test_atoms *t, double force[TEST_ATOMS][3], double virial[3][3])
{
    struct cox_neighbours list;
    struct cox_dp_result r = {.force = force};
    const struct cox_dp_atoms atoms = {TEST_ATOMS, TEST_ATOMS, t->type};
    cox_neighbours_init(&list);
    assert_int_equal(cox_neighbours_build(&list, TEST_ATOMS, (const double(*)[3])t->x, t->type, 2,
                                          &t->box, cox_dp_cutoff(m), NULL),
                     0);
    assert_int_equal(cox_dp_eval_compute(e, &r, &atoms, &list, NULL, NULL), 0);
    if (virial)
        memcpy(virial, r.virial, sizeof r.virial);
    cox_neighbours_deinit(&list);
    return r.energy;
}

/* The tables are a potential of their own: even where they are as coarse as to be wrong, forces are
 * the slope of the energy. h = 2e-4 Å: a central difference leaves h² E‴/6, some 1e-7, and rounding
 * of 1e-14·E/h, 1e-8. */
static void forces_are_the_slope_of_the_tables(void **state)
{
    (void)state;
    struct cox_dp_model *m = test_model(false, 0);
    struct cox_dp_eval *e = NULL, *exact = NULL;
    struct test_atoms t;
    double force[TEST_ATOMS][3], other[TEST_ATOMS][3];
    double wrong = 0;
    const double h = 2e-4;
    test_atoms_make(&t, 21);
    m->tables.stride = -1;
    assert_int_equal(cox_dp_eval_create(&exact, m, COX_DP_F64, NULL, NULL), 0);
    m->tables = (struct cox_dp_tables){.stride = 1.2, .nearest_A = 1};
    assert_int_equal(cox_dp_eval_create(&e, m, COX_DP_F64, NULL, NULL), 0);
    energy(e, m, &t, force, NULL);
    energy(exact, m, &t, other, NULL);
    for (int i = 0; i < TEST_ATOMS; i++)
        for (int k = 0; k < 3; k++) {
            struct test_atoms moved = t;
            moved.x[i][k] += h;
            const double above = energy(e, m, &moved, NULL, NULL);
            moved.x[i][k] -= 2 * h;
            const double below = energy(e, m, &moved, NULL, NULL);
            assert_true(fabs((below - above) / (2 * h) - force[i][k]) < 1e-6);
            wrong = fmax(wrong, fabs(force[i][k] - other[i][k]));
        }
    print_message("stride 1.2: forces wrong by %.1e, and yet the slope\n", wrong);
    assert_true(wrong > 1e-5); /* else nothing was shown */
    cox_dp_eval_destroy(e);
    cox_dp_eval_destroy(exact);
    cox_dp_model_destroy(m);
}

/* Tables that end at 2.4 Å, where many neighbours are nearer: those are counted and go through the
 * nets, in both precisions; 3e-10 is what is left of the table's error, 2e-5 that of float. */
static void neighbours_nearer_than_the_table(void **state)
{
    (void)state;
    struct cox_dp_model *m = test_model(true, 0);
    struct test_atoms t;
    double force[TEST_ATOMS][3], exact[TEST_ATOMS][3], virial[3][3], exact_virial[3][3];
    struct cox_dp_eval *e = NULL;
    test_atoms_make(&t, 22);
    m->tables.stride = -1;
    assert_int_equal(cox_dp_eval_create(&e, m, COX_DP_F64, NULL, NULL), 0);
    const double wanted = energy(e, m, &t, exact, exact_virial);
    assert_true(cox_dp_eval_beyond_table(e) == 0);
    cox_dp_eval_destroy(e);
    m->tables = (struct cox_dp_tables){.stride = 0.03, .nearest_A = 2.4};
    for (int single = 0; single < 2; single++) {
        const double tolerance = single ? 2e-5 : 3e-10;
        assert_int_equal(cox_dp_eval_create(&e, m, single ? COX_DP_F32 : COX_DP_F64, NULL, NULL),
                         0);
        const double got = energy(e, m, &t, force, virial);
        assert_true(cox_dp_eval_beyond_table(e) > 10);
        assert_true(fabs(got - wanted) < TEST_ATOMS * tolerance);
        for (int i = 0; i < 3 * TEST_ATOMS; i++)
            assert_true(fabs(force[i / 3][i % 3] - exact[i / 3][i % 3]) < tolerance);
        for (int i = 0; i < 9; i++)
            assert_true(fabs(virial[i / 3][i % 3] - exact_virial[i / 3][i % 3]) < 9 * tolerance);
        cox_dp_eval_destroy(e);
    }
    cox_dp_model_destroy(m);
}

/* A file says how its tables are made; one that says nonsense is refused. */
static void files(void **state)
{
    (void)state;
    struct cox_dp_model *m = test_model(true, 0), *back = NULL;
    struct cox_err err = COX_ERR_INIT;
    char path[] = "/tmp/cox_table_XXXXXX.dp";
    const int fd = mkstemps(path, 3);
    assert_true(fd >= 0);
    close(fd);
    m->tables = (struct cox_dp_tables){
        .stride = 0.0625, .nearest_A = 0.875, .error = 1e-9, .d_error = 3e-8};
    assert_int_equal(cox_dp_model_write(m, path, NULL), 0);
    assert_int_equal(cox_dp_model_read(&back, path, NULL), 0);
    assert_memory_equal(&back->tables, &m->tables, sizeof m->tables);
    cox_dp_model_destroy(back);
    m->tables.nearest_A = -1;
    assert_int_equal(cox_dp_model_write(m, path, NULL), 0);
    assert_true(cox_dp_model_read(&back, path, &err) == COX_EFORMAT);
    assert_non_null(strstr(err.text, "nearest_A"));
    unlink(path);
    cox_dp_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_go_with_the_tenth_power),
        cmocka_unit_test(strides_are_chosen_or_refused),
        cmocka_unit_test(forces_are_the_slope_of_the_tables),
        cmocka_unit_test(neighbours_nearer_than_the_table),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
