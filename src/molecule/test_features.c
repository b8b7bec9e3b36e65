/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/features.h"

#include "molecule/observable.h"
#include "molecule/rmsd.h"
#include "molecule/test_systems.h"

static struct cox_system *sys;

static int setup(void **state)
{
    (void)state;
    sys = system_of_glycines(12, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cox_system_destroy(sys);
    return 0;
}

static void test_contact_map(void **state)
{
    (void)state;
    const float x[5][3] = {{0, 0, 0}, {9, 9, 9}, {0.8F, 0, 0}, {0, 0.81F, 0}, {0, 0, -0.5F}};
    static const int index[4] = {0, 2, 3, 4};
    static const float want[16] = {1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1};
    float map[16];
    uint8_t bytes[16];
    /* 0.8F lies just above 0.8 */
    assert_int_equal(cox_contact_map(4, index, x, 0.80001, map), 8);
    assert_int_equal(cox_contact_map_u8(4, index, x, 0.80001, bytes), 8);
    assert_int_equal(cox_contact_map(4, index, x, 0.80001, NULL), 8);
    for (int i = 0; i < 16; i++) {
        assert_true(map[i] == want[i]);
        assert_true((float)bytes[i] == want[i]);
    }
}

static void test_cloud_and_gyration(void **state)
{
    (void)state;
    float x[4][3] = {{1, 2, 3}, {3, 2, 3}, {1, 4, 3}, {3, 4, 3}};
    float cloud[4][3];
    cox_point_cloud(4, NULL, x, cloud);
    assert_float_equal(cloud[0][0], -1, 1e-7);
    assert_float_equal(cloud[3][1], 1, 1e-7);
    assert_float_equal(cloud[2][2], 0, 1e-7);
    assert_float_equal(cox_radius_of_gyration(4, NULL, x), sqrt(2), 1e-9);
    move_frame(x, 4, 5);
    assert_float_equal(cox_radius_of_gyration(4, NULL, x), sqrt(2), 1e-6);
}

static void test_dihedral(void **state)
{
    (void)state;
    const double a[3] = {1, 0, 0};
    const double b[3] = {0, 0, 0};
    const double c[3] = {0, 0, 1};
    for (int degree = -179; degree <= 180; degree++) {
        double phi = degree * M_PI / 180;
        /* seen along b → c, clockwise is positive */
        const double d[3] = {cos(phi), sin(phi), 1};
        assert_float_equal(cox_dihedral(a, b, c, d), phi, 1e-12);
    }
    assert_true(cox_dihedral(a, b, b, c) == 0);
}

static double value_of(const char *what, const struct cox_reference *reference, const float (*x)[3])
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_observable *o = NULL;
    if (cox_observable_create(&o, what, sys, reference, NULL, &err))
        fail_msg("%s", err.text);
    assert_string_equal(cox_observable_name(o), what);
    uint64_t before = cox_mem_allocations();
    double value = cox_observable_value(o, x);
    assert_int_equal(cox_mem_allocations(), before);
    cox_observable_destroy(o);
    return value;
}

static struct cox_reference *own_reference(void)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_reference *r = NULL;
    assert_int_equal(
        cox_reference_from_positions(&r, sys, (const double(*)[3])sys->position_nm, &err), COX_OK);
    return r;
}

/* Every observable is blind to where the molecule lies. */
static void test_observables_are_invariant(void **state)
{
    (void)state;
    static const char *const names[] = {"rmsd_A",
                                        "rmsd_A(heavy and protein)",
                                        "drms_A",
                                        "rg_A",
                                        "end_to_end_A",
                                        "contacts",
                                        "native_fraction",
                                        "native_fraction_ca",
                                        "helix_fraction",
                                        "hbond_helix_fraction",
                                        "distance_A(resid 1, resid 12 and (name CA or name N))",
                                        "dihedral_deg(resid 1,resid 4,resid 8,index 50)"};
    struct cox_reference *r = own_reference();
    float(*x)[3] = frame_of(sys);
    struct cox_rng rng;
    cox_rng_init(&rng, 5, 5);
    for (int i = 0; i < sys->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            x[i][k] += 0.02F * (float)cox_rng_normal(&rng);
    double first[12];
    for (int i = 0; i < 12; i++)
        first[i] = value_of(names[i], r, (const float(*)[3])x);
    for (uint64_t seed = 1; seed < 6; seed++) {
        move_frame(x, sys->n_atoms, seed);
        for (int i = 0; i < 12; i++)
            assert_float_equal(first[i], value_of(names[i], r, (const float(*)[3])x), 2e-4);
    }
    cox_free(x);
    cox_reference_destroy(r);
}

static void test_observable_values(void **state)
{
    (void)state;
    struct cox_reference *r = own_reference();
    float(*x)[3] = frame_of(sys);
    const float(*f)[3] = (const float(*)[3])x;
    assert_float_equal(value_of("rmsd_A", r, f), 0, 1e-5);
    assert_float_equal(value_of("drms_A", r, f), 0, 1e-5);
    /* r = r0: 1/(1 + exp(−50·0.8·r0)), with r0 of a few ångström */
    assert_true(value_of("native_fraction", r, f) > 0.99);
    assert_true(value_of("native_fraction_ca", r, f) > 0.9);
    assert_float_equal(value_of("end_to_end_A", NULL, f),
                       10 * cox_point_distance(f[2], f[5 * 11 + 2]), 1e-9);
    assert_float_equal(value_of("distance_A(index 2,index 7)", NULL, f),
                       10 * cox_point_distance(f[2], f[7]), 1e-5);
    for (int i = 0; i < sys->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            x[i][k] *= 10;
    assert_true(value_of("native_fraction", r, f) < 1e-6);
    assert_float_equal(value_of("contacts", NULL, f), 12, 2);
    cox_free(x);
    cox_reference_destroy(r);
}

/* Atom D placed by the length CD, the angle BCD and the torsion ABCD (degrees). */
static void place(const double a[3], const double b[3], const double c[3], double length,
                  double angle, double torsion, double out[3])
{
    double u[3];
    double v[3];
    double n[3];
    double m[3];
    double lu = 0;
    double ln = 0;
    for (int k = 0; k < 3; k++) {
        u[k] = c[k] - b[k];
        v[k] = b[k] - a[k];
        lu += u[k] * u[k];
    }
    for (int k = 0; k < 3; k++)
        u[k] /= sqrt(lu);
    for (int k = 0; k < 3; k++) {
        n[k] = v[(k + 1) % 3] * u[(k + 2) % 3] - v[(k + 2) % 3] * u[(k + 1) % 3];
        ln += n[k] * n[k];
    }
    for (int k = 0; k < 3; k++)
        n[k] /= sqrt(ln);
    for (int k = 0; k < 3; k++)
        m[k] = n[(k + 1) % 3] * u[(k + 2) % 3] - n[(k + 2) % 3] * u[(k + 1) % 3];
    double t = angle * M_PI / 180;
    double p = torsion * M_PI / 180;
    for (int k = 0; k < 3; k++)
        out[k] = c[k] + length * (-cos(t) * u[k] + sin(t) * cos(p) * m[k] + sin(t) * sin(p) * n[k]);
}

/* A chain built with φ = −57°, ψ = −47° is all helix; extended, none. */
static void build_chain(struct cox_system *s, double phi, double psi)
{
    double(*x)[3] = s->position_nm;
    const double start[3][3] = {{0, 0, 0}, {0.1458, 0, 0}, {0.2, 0.14, 0}};
    for (int r = 0; r < 12; r++) {
        int at = 5 * r;
        if (!r) {
            memcpy(x[at], start[0], sizeof start[0]);
            memcpy(x[at + 2], start[1], sizeof start[1]);
            memcpy(x[at + 3], start[2], sizeof start[2]);
        } else {
            int back = at - 5;
            place(x[back], x[back + 2], x[back + 3], 0.1329, 116.6, psi, x[at]);
            place(x[back + 2], x[back + 3], x[at], 0.1458, 121.7, 180, x[at + 2]);
            place(x[back + 3], x[at], x[at + 2], 0.1525, 111.0, phi, x[at + 3]);
        }
        place(x[at], x[at + 2], x[at + 3], 0.1231, 120.5, psi + 180, x[at + 4]);
    }
}

static void test_helix(void **state)
{
    (void)state;
    struct cox_system *copy = sys;
    sys = system_of_glycines(12, 1);
    build_chain(sys, -57, -47);
    float(*x)[3] = frame_of(sys);
    assert_float_equal(value_of("helix_fraction", NULL, (const float(*)[3])x), 1, 1e-9);
    assert_float_equal(value_of("hbond_helix_fraction", NULL, (const float(*)[3])x), 1, 1e-9);
    assert_float_equal(
        value_of("dihedral_deg(index 3,index 5,index 7,index 8)", NULL, (const float(*)[3])x), -57,
        1e-3);
    cox_free(x);
    build_chain(sys, -120, 130);
    x = frame_of(sys);
    assert_float_equal(value_of("helix_fraction", NULL, (const float(*)[3])x), 0, 1e-9);
    assert_float_equal(value_of("hbond_helix_fraction", NULL, (const float(*)[3])x), 0, 1e-9);
    cox_free(x);
    cox_system_destroy(sys);
    sys = copy;
}

static void expect_error(const char *what, const struct cox_reference *r, const char *part)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_observable *o = NULL;
    assert_int_equal(cox_observable_create(&o, what, sys, r, NULL, &err), COX_EINVAL);
    assert_null(o);
    if (!strstr(err.text, part))
        fail_msg("'%s' gave: %s", what, err.text);
}

static void test_observable_errors(void **state)
{
    (void)state;
    struct cox_reference *r = own_reference();
    expect_error("rsmd_A", r, "did you mean 'rmsd_A'?");
    expect_error("banana", r, "there are: rmsd_A, drms_A");
    expect_error("rmsd_A", NULL, "needs a reference");
    expect_error("native_fraction", NULL, "needs a reference");
    expect_error("distance_A(name CA)", r, "has 1 arguments, it takes 2");
    expect_error("distance_A", r, "has 0 arguments");
    expect_error("distance_A(resid 1, resid 2", r, "lacks 1 closing ')'");
    expect_error("distance_A(resid 1, resid 2) x", r, "follows the closing");
    expect_error("distance_A(resid 1, resid 200)", r, "selects none");
    expect_error("dihedral_deg(all,all,all,all,all)", r, "more than 4");
    expect_error("helix_fraction(all)", r, "has 1 arguments, it takes 0");
    bool needs = false;
    assert_int_equal(cox_observable_check("rmsd_A(heavy)", &needs, NULL), COX_OK);
    assert_true(needs);
    assert_int_equal(cox_observable_check("rg_A", &needs, NULL), COX_OK);
    assert_false(needs);
    r->has[7] = false;
    expect_error("rmsd_A", r, "lacks 1 of the 12 selected atoms, first 'CA' of GLY 2");
    cox_reference_destroy(r);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    struct cox_reference *r = own_reference();
    uint64_t before = cox_mem_in_use();
    static const char *const names[] = {"rmsd_A(heavy)", "native_fraction", "helix_fraction",
                                        "distance_A(resid 1,resid 2)"};
    for (int k = 0; k < 4; k++)
        for (uint64_t n = 1;; n++) {
            struct cox_observable *o = NULL;
            cox_mem_fail_at(n);
            int rc = cox_observable_create(&o, names[k], sys, r, NULL, NULL);
            cox_mem_fail_at(0);
            cox_observable_destroy(o);
            assert_int_equal(cox_mem_in_use(), before);
            if (!rc)
                break;
            assert_int_equal(rc, COX_ENOMEM);
        }
    cox_reference_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contact_map),       cmocka_unit_test(test_cloud_and_gyration),
        cmocka_unit_test(test_dihedral),          cmocka_unit_test(test_observables_are_invariant),
        cmocka_unit_test(test_observable_values), cmocka_unit_test(test_helix),
        cmocka_unit_test(test_observable_errors), cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
