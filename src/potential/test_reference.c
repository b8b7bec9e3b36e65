/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/test_models.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "potential/dp_file.h"
#include "potential/reference.h"

#define ORACLES COX_SOURCE_DIR "/../shared/data/deep-potential-oracle/"

struct answer {
    double energy, force[TEST_ATOMS][3], virial[3][3], atom_energy[TEST_ATOMS];
    double atom_virial[TEST_ATOMS][9];
};

static void evaluate(struct answer *out, const struct cox_dp_model *m, int n, const double (*x)[3],
                     const int *type, const struct cox_box *box, const double *fparam)
{
    struct cox_neighbours list;
    struct cox_err err = COX_ERR_INIT;
    struct cox_dp_result r = {
        .force = out->force, .atom_energy = out->atom_energy, .atom_virial = out->atom_virial};
    cox_neighbours_init(&list);
    if (cox_neighbours_build(&list, n, x, type, m->n_types, box, m->descriptor[0].rcut, &err) ||
        cox_dp_reference(&r, m, &(struct cox_dp_atoms){n, n, type}, &list, fparam, &err))
        fail_msg("%s", err.text);
    out->energy = r.energy;
    memcpy(out->virial, r.virial, sizeof r.virial);
    cox_neighbours_deinit(&list);
}

static void near(double got, double wanted, double tolerance, const char *what)
{
    if (!(fabs(got - wanted) <= tolerance))
        fail_msg("%s: %.15g instead of %.15g (tolerance %g)", what, got, wanted, tolerance);
}

/* ---- the published model, to every digit that is known (spec/deep-potential.md) ---- */

static const double oracle_x[6][3] = {{12.83, 2.56, 2.18}, {12.09, 2.87, 2.74}, {.25, 3.32, 1.68},
                                      {3.36, 3.00, 1.81},  {3.51, 2.51, 2.60},  {4.27, 3.22, 1.56}};
static const int oracle_type[6] = {0, 1, 1, 0, 1, 1};
static const struct cox_box cube = {true, {{13, 0, 0}, {0, 13, 0}, {0, 0, 13}}};

static void the_two_sided_oracle(void **state)
{
    (void)state;
    static const char path[] = ORACLES "deeppot.pbtxt";
    struct cox_dp_model *m = NULL;
    struct cox_err err = COX_ERR_INIT;
    struct answer a;
    if (!cox_file_exists(path)) {
        print_message("skipped: there is no %s\n", path);
        skip();
    }
    if (cox_dp_model_read(&m, path, &err))
        fail_msg("%s", err.text);
    assert_int_equal(m->n_types, 2);
    assert_string_equal(m->type_name[0], "O");
    assert_string_equal(m->type_name[1], "H");
    assert_false(m->descriptor[0].one_side);
    assert_int_equal(m->descriptor[0].axis, 4);
    evaluate(&a, m, 6, oracle_x, oracle_type, &cube, NULL);
    near(a.energy, -930.9691834787726, 1e-10, "energy");
    static const double f0[3] = {-.3034045420701180, .8405844663871177, .07696947487118486};
    static const double f1[3] = {.7662001266663505, -.1880601391333554, -.6183333871091723};
    for (int k = 0; k < 3; k++) {
        near(a.force[0][k], f0[k], 1e-12, "force on atom 0");
        near(a.force[1][k], f1[k], 1e-12, "force on atom 1");
    }
    near(a.virial[0][0], -1.179031485227, 1e-10, "virial xx");
    near(a.virial[0][1], -.259610047470, 1e-10, "virial xy");
    near(a.virial[0][2], .816468154805, 1e-10, "virial xz");
    near(a.virial[1][1], -.782557387686, 1e-10, "virial yy");
    near(a.virial[1][2], .567938258719, 1e-10, "virial yz");
    near(a.virial[2][2], -1.151431907422, 1e-10, "virial zz");
    evaluate(&a, m, 6, oracle_x, oracle_type, NULL, NULL);
    near(a.energy, -930.1358316319, 1e-9, "energy without periodicity");
    /* without the empty slots it would be −932.258: they must count */
    cox_dp_model_destroy(m);
}

static void the_one_sided_oracle(void **state)
{
    (void)state;
    static const char path[] = ORACLES "deeppot_sea.yaml";
    struct cox_dp_model *m = NULL;
    struct cox_dp_model *again = NULL;
    struct cox_err err = COX_ERR_INIT;
    struct answer a;
    struct answer b;
    if (!cox_file_exists(path)) {
        print_message("skipped: there is no %s\n", path);
        skip();
    }
    if (cox_dp_model_read(&m, path, &err))
        fail_msg("%s", err.text);
    assert_true(m->descriptor[0].one_side);
    evaluate(&a, m, 6, oracle_x, oracle_type, &cube, NULL);
    near(a.energy, -929.7371700503966, 1e-10, "energy");
    near(a.force[0][0], .006277522211496973, 1e-14, "force");
    near(a.force[0][1], -.001117962774241806, 1e-14, "force");
    near(a.force[0][2], 6.185804450073e-4, 1e-14, "force");
    /* written as .dp and read again it is the same model */
    char copy[] = "/tmp/cox-test-XXXXXX.dp";
    int fd = mkstemps(copy, 3);
    assert_true(fd >= 0);
    close(fd);
    if (cox_dp_model_write(m, copy, &err) || cox_dp_model_read(&again, copy, &err))
        fail_msg("%s", err.text);
    evaluate(&b, again, 6, oracle_x, oracle_type, &cube, NULL);
    assert_true(a.energy == b.energy);
    assert_memory_equal(a.force, b.force, 6 * sizeof a.force[0]);
    unlink(copy);
    cox_dp_model_destroy(again);
    cox_dp_model_destroy(m);
}

/* ---- derivatives ---- */

/* Central differences of step h have an error of about h²·E‴/6 + ε·|E|/h; with |E| ≈ 350 eV, h =
 * 1e-4 Å: 1e-8 + 1e-9. */
static void forces_are_the_slope_of_the_energy(void **state)
{
    (void)state;
    for (int one_side = 0; one_side < 2; one_side++) {
        struct cox_dp_model *m = test_model(one_side, 2);
        static const double fparam[2] = {0.3, -0.7};
        struct test_atoms t;
        struct answer a;
        struct answer b;
        test_atoms_make(&t, 3);
        evaluate(&a, m, TEST_ATOMS, (const double(*)[3])t.x, t.type, &t.box, fparam);
        double largest = 0;
        for (int i = 0; i < TEST_ATOMS; i++)
            for (int k = 0; k < 3; k++) {
                const double h = 1e-4;
                double e[2];
                double at = t.x[i][k];
                for (int side = 0; side < 2; side++) {
                    t.x[i][k] = at + (side ? h : -h);
                    evaluate(&b, m, TEST_ATOMS, (const double(*)[3])t.x, t.type, &t.box, fparam);
                    e[side] = b.energy;
                }
                t.x[i][k] = at;
                near(a.force[i][k], -(e[1] - e[0]) / (2 * h), 1e-7, "force");
                largest = fmax(largest, fabs(a.force[i][k]));
            }
        assert_true(largest > 1e-2); /* there is something to be wrong about */
        cox_dp_model_destroy(m);
    }
}

/* W = −∂E/∂ε for x → (1 + ε)x, box included; the atoms' shares add up to it. */
static void the_virial_is_the_slope_with_strain(void **state)
{
    (void)state;
    struct cox_dp_model *m = test_model(true, 0);
    struct test_atoms t;
    struct answer a;
    struct answer b;
    test_atoms_make(&t, 4);
    evaluate(&a, m, TEST_ATOMS, (const double(*)[3])t.x, t.type, &t.box, NULL);
    for (int p = 0; p < 3; p++)
        for (int q = 0; q < 3; q++) {
            const double h = 2e-5;
            double e[2];
            for (int side = 0; side < 2; side++) {
                struct test_atoms s = t;
                double strain = side ? h : -h;
                for (int i = 0; i < TEST_ATOMS; i++)
                    s.x[i][p] += strain * t.x[i][q];
                for (int k = 0; k < 3; k++)
                    s.box.h[k][p] += strain * t.box.h[k][q];
                evaluate(&b, m, TEST_ATOMS, (const double(*)[3])s.x, s.type, &s.box, NULL);
                e[side] = b.energy;
            }
            near(a.virial[p][q], -(e[1] - e[0]) / (2 * h), 2e-6, "virial");
            double sum = 0;
            for (int i = 0; i < TEST_ATOMS; i++)
                sum += a.atom_virial[i][3 * p + q];
            near(sum, a.virial[p][q], 1e-10, "sum of the atoms' virials");
        }
    cox_dp_model_destroy(m);
}

/* ---- invariances ---- */

static void turning_moving_and_renaming_change_nothing(void **state)
{
    (void)state;
    struct cox_dp_model *m = test_model(false, 0);
    struct test_atoms t;
    struct test_atoms s;
    struct answer a;
    struct answer b;
    test_atoms_make(&t, 5);
    evaluate(&a, m, TEST_ATOMS, (const double(*)[3])t.x, t.type, &t.box, NULL);
    /* a rotation about (1, 1, 1) by 120° after one about z by 0.4 */
    const double c = cos(0.4);
    const double d = sin(0.4);
    const double rot[3][3] = {{0, 0, 1}, {c, -d, 0}, {d, c, 0}};
    for (int i = 0; i < TEST_ATOMS; i++) {
        int to = (i * 7 + 3) % TEST_ATOMS;
        s.type[to] = t.type[i];
        for (int k = 0; k < 3; k++) {
            s.x[to][k] = 17.0 - 3 * k;
            for (int q = 0; q < 3; q++)
                s.x[to][k] += rot[k][q] * (t.x[i][q] + (i % 4) * t.box.h[i % 3][q]);
        }
    }
    s.box.periodic = true;
    for (int e = 0; e < 3; e++)
        for (int k = 0; k < 3; k++) {
            s.box.h[e][k] = 0;
            for (int q = 0; q < 3; q++)
                s.box.h[e][k] += rot[k][q] * t.box.h[e][q];
        }
    evaluate(&b, m, TEST_ATOMS, (const double(*)[3])s.x, s.type, &s.box, NULL);
    near(b.energy, a.energy, 1e-10, "energy");
    for (int i = 0; i < TEST_ATOMS; i++) {
        int to = (i * 7 + 3) % TEST_ATOMS;
        near(b.atom_energy[to], a.atom_energy[i], 1e-11, "energy of an atom");
        for (int k = 0; k < 3; k++) {
            double turned = 0;
            for (int q = 0; q < 3; q++)
                turned += rot[k][q] * a.force[i][q];
            near(b.force[to][k], turned, 1e-11, "force");
        }
    }
    cox_dp_model_destroy(m);
}

static void a_neighbour_enters_smoothly(void **state)
{
    (void)state;
    struct cox_dp_model *m = test_model(true, 0);
    struct answer a;
    struct answer b;
    double x[2][3] = {{0, 0, 0}, {m->descriptor[0].rcut + 1e-9, 0, 0}};
    static const int type[2] = {0, 1};
    evaluate(&a, m, 2, (const double(*)[3])x, type, NULL, NULL);
    x[1][0] = m->descriptor[0].rcut - 1e-6;
    evaluate(&b, m, 2, (const double(*)[3])x, type, NULL, NULL);
    near(b.energy, a.energy, 1e-12, "energy at the cutoff");
    near(b.force[0][0], 0, 1e-9, "force at the cutoff");
    cox_dp_model_destroy(m);
}

static void too_many_neighbours_are_counted(void **state)
{
    (void)state;
    struct cox_dp_model *m = test_model(true, 0);
    struct cox_neighbours list;
    struct test_atoms t;
    struct cox_err err = COX_ERR_INIT;
    struct cox_dp_result all = {0};
    struct cox_dp_result few = {0};
    test_atoms_make(&t, 6);
    cox_neighbours_init(&list);
    assert_int_equal(cox_neighbours_build(&list, TEST_ATOMS, (const double(*)[3])t.x, t.type, 2,
                                          &t.box, m->descriptor[0].rcut, &err),
                     0);
    assert_int_equal(cox_dp_reference(&all, m,
                                      &(struct cox_dp_atoms){TEST_ATOMS, TEST_ATOMS, t.type}, &list,
                                      NULL, &err),
                     0);
    assert_int_equal(all.overflow, 0);
    m->descriptor[0].sel[1] = 5;
    m->descriptor[0].n_slots = 35;
    assert_int_equal(cox_dp_reference(&few, m,
                                      &(struct cox_dp_atoms){TEST_ATOMS, TEST_ATOMS, t.type}, &list,
                                      NULL, &err),
                     0);
    assert_true(few.overflow > 0);
    cox_neighbours_deinit(&list);
    cox_dp_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_two_sided_oracle),
        cmocka_unit_test(the_one_sided_oracle),
        cmocka_unit_test(forces_are_the_slope_of_the_energy),
        cmocka_unit_test(the_virial_is_the_slope_with_strain),
        cmocka_unit_test(turning_moving_and_renaming_change_nothing),
        cmocka_unit_test(a_neighbour_enters_smoothly),
        cmocka_unit_test(too_many_neighbours_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
