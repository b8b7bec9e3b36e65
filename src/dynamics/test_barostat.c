/* SPDX-License-Identifier: BSD-3-Clause */
/* Stochastic cell rescaling and deformation, where the distribution of the box is known. */
#include "dynamics/test_fields.h"

#include "base/rng.h"

#define KT(kelvin) (COX_DYN_BOLTZMANN * (kelvin))

static struct cox_dyn_options options(enum cox_dyn_barostat barostat)
{
    struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
    o.thermostat = COX_DYN_LANGEVIN;
    o.tau_ps = 0.05;
    o.timestep_ps = 0.001;
    o.barostat = barostat;
    o.barostat_every = 1;
    o.pressure_bar = 500;
    o.tau_p_ps = 0.02;
    return o;
}

/* An ideal gas: V has a gamma distribution of order N + 1, P<V> = (N + 1) kT, variance of the same
 * order. And the mean pressure is what was asked for. All three kinds of coupling. */
static void test_ideal_gas(void **state)
{
    (void)state;
    enum { N = 20 };
    const long steps = 300000;
    for (int kind = COX_DYN_ISO; kind <= COX_DYN_TRICLINIC; kind++) {
        struct cox_dyn_options o = options(kind);
        struct test_field t;
        struct test_mean mean = {0}, variance = {0}, pressure = {0};
        struct cox_dyn_sample now;
        const double unit = KT(300) / (o.pressure_bar / COX_DYN_BAR);
        test_field_init(&t, N);
        t.shape = 0.05; /* or edges and angles would wander off */
        /* of an ideal gas: 1/P */
        o.compressibility_per_bar = 1 / o.pressure_bar;
        struct cox_dynamics *d = test_dynamics(&o, &t, cbrt((N + 1) * unit));
        test_steps(d, 1000);
        for (long i = 0; i < steps; i++) {
            test_steps(d, 1);
            cox_dynamics_sample(d, &now);
            double off = now.volume / unit - (N + 1);
            test_mean_add(&mean, i, steps, now.volume / unit / (N + 1));
            test_mean_add(&variance, i, steps, off * off / (N + 1));
            test_mean_add(&pressure, i, steps, now.pressure_bar / o.pressure_bar);
        }
        assert_mean(&mean, 1, 0.01);
        assert_mean(&variance, 1, 0.08);
        assert_mean(&pressure, 1, 0.01);
        assert_true(now.accepted > 0.5 && now.accepted < 1);
        cox_dynamics_destroy(d);
    }
}

/* Mean and variance of the volume under V^N exp(−(P V + ½ k (V − V0)²)/kT), by quadrature. */
static void expect_volume(const struct cox_dyn_options *o, const struct test_field *t, double *mean,
                          double *variance)
{
    double sums[3] = {0, 0, 0};
    double pressure = o->pressure_bar / COX_DYN_BAR;
    for (double v = 0.5; v < 4 * t->volume0; v += 0.5) {
        double off = v - t->volume0;
        double weight = exp(t->n * log(v / t->volume0) -
                            (pressure * off + 0.5 * t->volume * off * off) / KT(o->temperature_K));
        sums[0] += weight;
        sums[1] += weight * v;
        sums[2] += weight * v * v;
    }
    *mean = sums[1] / sums[0];
    *variance = sums[2] / sums[0] - *mean * *mean;
}

/* A stiff volume, far from an ideal gas, and moves that are too long for it on purpose: only the
 * Metropolis test keeps the distribution right then. */
static void test_stiff_volume(void **state)
{
    (void)state;
    const long steps = 200000;
    for (int kind = COX_DYN_ISO; kind <= COX_DYN_TRICLINIC; kind += 2)
        for (int crude = 0; crude < 2; crude++) {
            struct cox_dyn_options o = options(kind);
            struct test_field t;
            struct test_mean mean = {0}, variance = {0}, pressure = {0};
            struct cox_dyn_sample now;
            double v = 0, spread = 0;
            test_field_init(&t, 20);
            t.shape = 0.05;
            t.volume = 1e-5;
            t.volume0 = 1000;
            o.pressure_bar = 2000;
            expect_volume(&o, &t, &v, &spread);
            o.compressibility_per_bar = spread / (KT(300) * v) / COX_DYN_BAR;
            o.tau_p_ps = crude ? 0.0004 : 0.01;
            struct cox_dynamics *d = test_dynamics(&o, &t, cbrt(v));
            test_steps(d, 1000);
            for (long i = 0; i < steps; i++) {
                test_steps(d, 1);
                cox_dynamics_sample(d, &now);
                test_mean_add(&mean, i, steps, (now.volume - v) / sqrt(spread));
                test_mean_add(&variance, i, steps, pow(now.volume - v, 2) / spread);
                test_mean_add(&pressure, i, steps, now.pressure_bar);
            }
            assert_mean(&mean, 0, 0.03);
            assert_mean(&variance, 1, 0.06);
            assert_mean(&pressure, o.pressure_bar, 100);
            if (crude)
                assert_true(now.accepted < 0.8);
            cox_dynamics_destroy(d);
        }
}

/* A box whose shape is held by springs. Integrating by parts over h → h t with t lower triangular
 * gives the mean of (W − P V 1)/kT + (N + 1) 1 in the frame in which h is lower triangular: Haar's
 * measure of all h is, after the rotation, the left one of lower triangular matrices, and t changes
 * that by t11² / t33², so that the mean is diagonal with −2, 0, 2. Angles do move. */
static void test_shape(void **state)
{
    (void)state;
    const long steps = 200000;
    struct cox_dyn_options o = options(COX_DYN_TRICLINIC);
    struct test_field t;
    struct test_mean balance[6] = {0}, tilt = {0}, tilt2 = {0};
    test_field_init(&t, 20);
    t.metric = 2e-4;
    t.edge0 = 12;
    o.compressibility_per_bar = 1e-4;
    struct cox_dynamics *d = test_dynamics(&o, &t, 12);
    test_steps(d, 1000);
    for (long i = 0; i < steps; i++) {
        static const int pair[6][2] = {{0, 0}, {1, 1}, {2, 2}, {0, 1}, {0, 2}, {1, 2}};
        struct cox_dyn_sample now;
        test_steps(d, 1);
        cox_dynamics_sample(d, &now);
        const struct cox_dyn_state *s = cox_dynamics_state(d);
        for (int c = 0; c < 6; c++) {
            double w = s->virial[pair[c][0]][pair[c][1]] / KT(300);
            if (c < 3)
                w += t.n + 1 - o.pressure_bar / COX_DYN_BAR * now.volume / KT(300);
            test_mean_add(&balance[c], i, steps, w / (t.n + 1));
        }
        assert_true(s->box.h[0][1] == 0 && s->box.h[0][2] == 0 && s->box.h[1][2] == 0);
        test_mean_add(&tilt, i, steps, s->box.h[1][0]);
        test_mean_add(&tilt2, i, steps, s->box.h[1][0] * s->box.h[1][0]);
    }
    for (int c = 0; c < 6; c++)
        assert_mean(&balance[c], c < 3 ? (2.0 * c - 2) / (t.n + 1) : 0, 0.022);
    assert_mean(&tilt, 0, 0.05);
    double error;
    assert_true(test_mean_of(&tilt2, &error) > 0.01);
    cox_dynamics_destroy(d);
}

/* Axes that may not move stand still; deformation stretches as told and does the work −P dV. */
static void test_deformation(void **state)
{
    (void)state;
    struct cox_dyn_options o = options(COX_DYN_AXES);
    struct cox_dyn_sample first, now;
    struct test_field t;
    test_field_init(&t, 20);
    t.volume = 2e-5;
    t.volume0 = 1000;
    o.axis[2] = false;
    o.deform_axis = 2;
    o.deform_rate_per_ps = 0.1;
    o.compressibility_per_bar = 1e-4;
    struct cox_dynamics *d = test_dynamics(&o, &t, 10);
    cox_dynamics_sample(d, &first);
    test_steps(d, 1000);
    cox_dynamics_sample(d, &now);
    const struct cox_dyn_state *s = cox_dynamics_state(d);
    assert_true(fabs(s->box.h[2][2] - 11) < 1e-9);
    assert_true(s->box.h[0][0] != 10 && s->box.h[1][1] != 10);
    assert_true(s->box.h[0][0] != s->box.h[1][1]);
    assert_true(fabs(now.conserved - first.conserved) < 2e-3);
    cox_dynamics_destroy(d);

    o.barostat = COX_DYN_FIXED;
    o.thermostat = COX_DYN_NVE;
    d = test_dynamics(&o, &t, 10);
    cox_dynamics_sample(d, &first);
    test_steps(d, 1000);
    cox_dynamics_sample(d, &now);
    /* ½ k (1100 − 1000)² was put in */
    assert_true(fabs(now.potential - first.potential - 0.1) < 1e-9);
    assert_true(fabs(now.conserved - first.conserved) < 1e-6);
    cox_dynamics_destroy(d);
}

/* The virial of the test's fields is the derivative that it should be: −dU/dε for x' = x(1 + ε). */
static void test_virials(void **state)
{
    (void)state;
    struct cox_rng rng;
    struct test_field t;
    double x[5][3], force[5][3];
    struct cox_box box = {.periodic = true, .h = {{11, 0, 0}, {1, 12, 0}, {-2, 0.5, 13}}};
    test_field_init(&t, 5);
    t.pair = 2;
    t.volume = 1e-5;
    t.volume0 = 1500;
    t.metric = 1e-4;
    t.edge0 = 12;
    t.shape = 0.3;
    cox_rng_init(&rng, 3, 3);
    for (int i = 0; i < 15; i++)
        x[i / 3][i % 3] = cox_rng_normal(&rng);
    struct cox_dyn_forces out = {.force = force};
    assert_int_equal(test_field_compute(&t, &out, (const double(*)[3])x, &box, NULL), 0);
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++) {
            double energy[2];
            for (int side = 0; side < 2; side++) {
                const double e = (side ? 1 : -1) * 1e-5;
                double y[5][3];
                struct cox_box strained = box;
                struct cox_dyn_forces probe = {.force = force};
                memcpy(y, x, sizeof y);
                for (int i = 0; i < 5; i++)
                    y[i][b] += e * x[i][a];
                for (int i = 0; i < 3; i++)
                    strained.h[i][b] += e * box.h[i][a];
                assert_int_equal(
                    test_field_compute(&t, &probe, (const double(*)[3])y, &strained, NULL), 0);
                energy[side] = probe.energy;
            }
            double slope = (energy[0] - energy[1]) / 2e-5;
            if (!(fabs(slope - out.virial[a][b]) < 1e-6 * (1 + fabs(slope))))
                fail_msg("%d %d: %g, %g", a, b, slope, out.virial[a][b]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virials),      cmocka_unit_test(test_ideal_gas),
        cmocka_unit_test(test_stiff_volume), cmocka_unit_test(test_shape),
        cmocka_unit_test(test_deformation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
