/* SPDX-License-Identifier: BSD-3-Clause */
/* Integrator and thermostats, with forces whose distributions are known. */
#include "dynamics/test_fields.h"

#include "base/mem.h"

#define KT(kelvin) (COX_DYN_BOLTZMANN * (kelvin))

static double drift_of(double timestep_ps)
{
    struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
    struct test_field t;
    struct cox_dyn_sample first, now;
    double worst = 0;
    test_field_init(&t, 12);
    t.pair = 5;
    o.timestep_ps = timestep_ps;
    o.thermostat = COX_DYN_NVE;
    struct cox_dynamics *d = test_dynamics(&o, &t, 0);
    cox_dynamics_sample(d, &first);
    for (long i = 0; i < lround(2 / timestep_ps); i++) {
        test_steps(d, 1);
        cox_dynamics_sample(d, &now);
        worst = fmax(worst, fabs(now.conserved - first.conserved));
    }
    cox_dynamics_destroy(d);
    return worst;
}

/* Verlet's error of the energy is of second order in the step: a quarter at half the step, the
 * next order being of relative size (ω dt)² ~ 1 %. */
static void test_energy_is_conserved(void **state)
{
    (void)state;
    double e1 = drift_of(0.001), e2 = drift_of(0.0005), e4 = drift_of(0.00025);
    assert_true(e1 > 0 && e1 < 12 * 3 * KT(300) * 0.01);
    assert_in_range(lround(1000 * e1 / e2), 3800, 4200);
    assert_in_range(lround(1000 * e2 / e4), 3950, 4050);
}

/* Back to the start with velocities turned round: but for rounding (10⁻¹⁶ a step, grown by chaos),
 * which rules out any friction or error that is not symmetric in time. */
static void test_time_can_be_reversed(void **state)
{
    (void)state;
    struct test_field t;
    test_field_init(&t, 12);
    t.pair = 5;
    for (int chain = 0; chain < 2; chain++) {
        struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
        double x[12][3];
        o.thermostat = chain ? COX_DYN_NOSE_HOOVER : COX_DYN_NVE;
        o.timestep_ps = 0.002;
        o.tau_ps = 0.05;
        struct cox_dynamics *d = test_dynamics(&o, &t, 0);
        struct cox_dyn_state *s = cox_dynamics_state(d);
        memcpy(x, s->x, sizeof x);
        test_steps(d, 500);
        double far = fabs(s->x[3][1] - x[3][1]);
        for (int i = 0; i < 36; i++)
            s->v[i / 3][i % 3] *= -1;
        for (int k = 0; k < o.chain; k++)
            d->eta_v[k] *= -1;
        test_steps(d, 500);
        assert_true(far > 1e-3);
        for (int i = 0; i < 36; i++)
            assert_true(fabs(s->x[i / 3][i % 3] - x[i / 3][i % 3]) < 1e-9);
        cox_dynamics_destroy(d);
    }
}

/* Oscillators: positions and velocities have Gaussian distributions of known width, whatever the
 * step: BAOAB is exact for the positions and the velocities between the drifts. A large step
 * (ω dt = 0.8) would show any error of second order as 4 to 16 %. */
static void test_langevin_is_exact_for_oscillators(void **state)
{
    (void)state;
    enum { N = 64 };
    const long steps = 40000;
    struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
    struct test_field t;
    struct test_mean temperature = {0}, square = {0}, fourth = {0}, fluctuation = {0};
    test_field_init(&t, N);
    t.own = 1;
    o.momentum_conserved = false;
    o.thermostat = COX_DYN_LANGEVIN;
    o.timestep_ps = 0.8 * sqrt(10 * COX_DYN_MASS / t.own);
    o.tau_ps = 5 * o.timestep_ps;
    o.most_move_A = 10;
    struct cox_dynamics *d = test_dynamics(&o, &t, 0);
    struct cox_dyn_state *s = cox_dynamics_state(d);
    test_steps(d, 200);
    for (long i = 0; i < steps; i++) {
        struct cox_dyn_sample now;
        test_steps(d, 1);
        cox_dynamics_sample(d, &now);
        test_mean_add(&temperature, i, steps, now.temperature_K / 300);
        test_mean_add(&fluctuation, i, steps, 1.5 * N * pow(now.temperature_K / 300 - 1, 2));
        for (int a = 0; a < N; a += 4) { /* those of mass 10 */
            double z2 = s->x[a][2] * s->x[a][2] * t.own / KT(300);
            test_mean_add(&square, i, steps, z2);
            test_mean_add(&fourth, i, steps, z2 * z2 / 3);
        }
    }
    assert_mean(&temperature, 1, 3e-3);
    assert_mean(&square, 1, 5e-3);
    assert_mean(&fourth, 1, 1e-2);
    assert_mean(&fluctuation, 1, 2e-2); /* of the kinetic energy: gamma's variance 2/3N */
    cox_dynamics_destroy(d);
}

/* The distribution of the kinetic energy is that of χ² with 3N (3N − 3) degrees of freedom: its
 * mean, variance and skewness; anharmonic chain. */
static void check_kinetic(enum cox_dyn_thermostat thermostat, double tau_ps)
{
    enum { N = 16 };
    const long steps = 150000;
    struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
    struct test_field t;
    struct test_mean mean = {0}, variance = {0}, skewness = {0}, drift = {0};
    test_field_init(&t, N);
    t.pair = 5;
    o.thermostat = thermostat;
    o.timestep_ps = 0.001;
    o.tau_ps = tau_ps;
    struct cox_dynamics *d = test_dynamics(&o, &t, 0);
    test_steps(d, 2000);
    struct cox_dyn_sample first, now;
    cox_dynamics_sample(d, &first);
    double half = 0.5 * cox_dynamics_freedoms(d);
    assert_int_equal(cox_dynamics_freedoms(d), thermostat == COX_DYN_LANGEVIN ? 3 * N : 3 * N - 3);
    for (long i = 0; i < steps; i++) {
        test_steps(d, 1);
        cox_dynamics_sample(d, &now);
        double off = now.kinetic / KT(300) - half; /* gamma: mean half, variance half, third moment
                                                      2 half */
        test_mean_add(&mean, i, steps, now.kinetic / KT(300) / half);
        test_mean_add(&variance, i, steps, off * off / half);
        test_mean_add(&skewness, i, steps, off * off * off / (2 * half));
        test_mean_add(&drift, i, steps, now.conserved - first.conserved);
    }
    assert_mean(&mean, 1, 5e-3);
    assert_mean(&variance, 1, 5e-2);
    assert_mean(&skewness, 1, 0.3);
    double error = 0;
    /* what is conserved stays within a small part of one kT per atom, over 150 ps */
    assert_true(fabs(test_mean_of(&drift, &error)) < 0.02 * N * KT(300));
    assert_true(fabs(now.conserved - first.conserved) < 0.02 * N * KT(300));
    cox_dynamics_destroy(d);
}

static void test_langevin_kinetic_energy(void **state)
{
    (void)state;
    check_kinetic(COX_DYN_LANGEVIN, 0.1);
}

static void test_chains_kinetic_energy(void **state)
{
    (void)state;
    check_kinetic(COX_DYN_NOSE_HOOVER, 0.05);
}

/* The chain's own energy balances that of the atoms: error of second order. */
static void test_chains_conserve(void **state)
{
    (void)state;
    double worst[2] = {0, 0};
    for (int half = 0; half < 2; half++) {
        struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
        struct cox_dyn_sample first, now;
        struct test_field t;
        test_field_init(&t, 12);
        t.pair = 5;
        o.thermostat = COX_DYN_NOSE_HOOVER;
        o.tau_ps = 0.02;
        o.timestep_ps = half ? 0.0005 : 0.001;
        struct cox_dynamics *d = test_dynamics(&o, &t, 0);
        cox_dynamics_sample(d, &first);
        for (int i = 0; i < (half ? 1000 : 500); i++) {
            test_steps(d, 1);
            cox_dynamics_sample(d, &now);
            worst[half] = fmax(worst[half], fabs(now.conserved - first.conserved));
        }
        cox_dynamics_destroy(d);
    }
    assert_in_range(lround(1000 * worst[0] / worst[1]), 3700, 4300);
}

/* A ramp is followed, and the conserved energy does not follow it. */
static void test_ramp(void **state)
{
    (void)state;
    for (int chain = 0; chain < 2; chain++) {
        struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
        struct cox_dyn_sample first, now;
        struct test_mean late = {0};
        struct test_field t;
        test_field_init(&t, 64);
        t.pair = 5;
        o.thermostat = chain ? COX_DYN_NOSE_HOOVER : COX_DYN_LANGEVIN;
        o.timestep_ps = 0.001;
        o.tau_ps = 0.05;
        o.final_temperature_K = 900;
        o.ramp_steps = 4000;
        struct cox_dynamics *d = test_dynamics(&o, &t, 0);
        cox_dynamics_sample(d, &first);
        test_steps(d, 2000);
        cox_dynamics_sample(d, &now);
        assert_true(fabs(now.target_K - 600) < 1e-9);
        test_steps(d, 4000);
        for (int i = 0; i < 20000; i++) {
            test_steps(d, 1);
            cox_dynamics_sample(d, &now);
            test_mean_add(&late, i, 20000, now.temperature_K);
        }
        assert_mean(&late, 900, 9);
        assert_true(now.kinetic + now.potential - first.kinetic - first.potential > 5);
        assert_true(fabs(now.conserved - first.conserved) < 0.5);
        cox_dynamics_destroy(d);
    }
}

static void test_velocities(void **state)
{
    (void)state;
    struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
    struct test_field t;
    struct cox_dyn_sample now;
    double again[3];
    test_field_init(&t, 100);
    o.thermostat = COX_DYN_NVE;
    struct cox_dynamics *d = test_dynamics(&o, &t, 0);
    cox_dynamics_sample(d, &now);
    assert_true(fabs(now.temperature_K - 300) < 1e-9);
    memcpy(again, cox_dynamics_state(d)->v[7], sizeof again);
    assert_true(cox_dynamics_stop_centre(d) < 1e-12);
    cox_dynamics_destroy(d);
    d = test_dynamics(&o, &t, 0);
    assert_memory_equal(again, cox_dynamics_state(d)->v[7], sizeof again);
    cox_dynamics_destroy(d);
    o.seed = 2;
    d = test_dynamics(&o, &t, 0);
    assert_memory_not_equal(again, cox_dynamics_state(d)->v[7], sizeof again);
    cox_dynamics_state(d)->v[0][0] += 7;
    assert_true(cox_dynamics_stop_centre(d) > 0.01);
    cox_dynamics_destroy(d);
}

/* Saved and restored in another object: the same bits; and no step allocates. */
static void test_saving(void **state)
{
    (void)state;
    struct test_field t;
    test_field_init(&t, 12);
    t.pair = 5;
    t.volume = 1e-4;
    t.volume0 = 900;
    for (int kind = 0; kind < 3; kind++) {
        struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
        struct cox_dyn_sample one, two;
        o.thermostat = kind == 1 ? COX_DYN_NOSE_HOOVER : COX_DYN_LANGEVIN;
        o.barostat = kind == 2 ? COX_DYN_TRICLINIC : COX_DYN_FIXED;
        o.deform_axis = kind == 1 ? 2 : -1;
        o.deform_rate_per_ps = 0.01;
        struct cox_dynamics *a = test_dynamics(&o, &t, 10), *b = test_dynamics(&o, &t, 10);
        char *bytes = cox_alloc(1, cox_dynamics_size(a));
        test_steps(a, 57);
        cox_dynamics_save(a, bytes);
        uint64_t allocations = cox_mem_allocations();
        test_steps(a, 100);
        assert_int_equal(cox_mem_allocations(), allocations);
        assert_int_equal(cox_dynamics_restore(b, bytes, cox_dynamics_size(b), NULL), COX_OK);
        test_steps(b, 100);
        assert_memory_equal(a->s.x, b->s.x, 12 * sizeof *a->s.x);
        assert_memory_equal(a->s.v, b->s.v, 12 * sizeof *a->s.v);
        assert_memory_equal(&a->s.box, &b->s.box, sizeof a->s.box);
        cox_dynamics_sample(a, &one);
        cox_dynamics_sample(b, &two);
        assert_memory_equal(&one, &two, sizeof one);
        struct cox_err err = COX_ERR_INIT;
        assert_int_equal(cox_dynamics_restore(b, bytes, cox_dynamics_size(b) - 8, &err),
                         COX_EFORMAT);
        bytes[0] ^= 1;
        assert_int_equal(cox_dynamics_restore(b, bytes, cox_dynamics_size(b), &err), COX_EFORMAT);
        cox_free(bytes);
        cox_dynamics_destroy(a);
        cox_dynamics_destroy(b);
    }
}

static void test_blow_ups(void **state)
{
    (void)state;
    struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
    struct cox_err err = COX_ERR_INIT;
    struct test_field t;
    test_field_init(&t, 5);
    o.thermostat = COX_DYN_NVE;
    struct cox_dynamics *d = test_dynamics(&o, &t, 0);
    test_steps(d, 3);
    cox_dynamics_state(d)->v[2][1] = 2000;
    assert_int_equal(cox_dynamics_step(d, &err), COX_EUNSTABLE);
    assert_non_null(strstr(err.text, "step 4: atom 2 moves 1 Å in one step (allowed: 0.5 Å)"));
    cox_dynamics_state(d)->v[2][1] = NAN;
    assert_int_equal(cox_dynamics_step(d, &err), COX_EUNSTABLE);
    assert_non_null(strstr(err.text, "atom 2 moves nan"));
    cox_dynamics_state(d)->v[2][1] = 500;
    assert_int_equal(cox_dynamics_step(d, &err), COX_EUNSTABLE);
    assert_non_null(strstr(err.text, "the temperature is"));
    assert_non_null(strstr(err.text, "atom 2 the hottest"));
    cox_dynamics_state(d)->v[2][1] = 0;
    t.broken = true;
    assert_int_equal(cox_dynamics_step(d, &err), COX_EUNSTABLE);
    assert_non_null(strstr(err.text, "potential energy nan"));
    cox_dynamics_destroy(d);
}

static void refused(const struct cox_dyn_options *o, const char *text)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_dynamics *d = NULL;
    struct test_field t;
    const double mass[2] = {1, 1};
    test_field_init(&t, 2);
    int rc = cox_dynamics_create(&d, 2, mass, o, &t.field, &err);
    if (!rc)
        rc = cox_dynamics_start(d, &err);
    assert_int_equal(rc, COX_EINVAL);
    if (!strstr(err.text, text))
        fail_msg("'%s' is not in '%s'", text, err.text);
    cox_dynamics_destroy(d);
}

static void test_refusals(void **state)
{
    (void)state;
    struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
    o.timestep_ps = 0;
    refused(&o, "timestep of 0 ps");
    o = (struct cox_dyn_options)COX_DYN_OPTIONS_INIT;
    o.barostat = COX_DYN_ISO;
    refused(&o, "a barostat needs a thermostat");
    o.thermostat = COX_DYN_LANGEVIN;
    refused(&o, "needs a periodic box");
    o.barostat_every = 0;
    refused(&o, "interval (0 steps)");
    o.barostat_every = 1;
    o.deform_axis = 2;
    refused(&o, "the deformation and the barostat both move z");
    o.barostat = COX_DYN_AXES;
    refused(&o, "the deformation and the barostat both move z");
    o.axis[2] = o.axis[1] = o.axis[0] = false;
    refused(&o, "may move no axis");
    o = (struct cox_dyn_options)COX_DYN_OPTIONS_INIT;
    o.thermostat = COX_DYN_NOSE_HOOVER;
    o.chain = 9;
    refused(&o, "1 to 8 links (not 9)");
    o.thermostat = COX_DYN_LANGEVIN;
    o.tau_ps = 0;
    refused(&o, "time of 0 ps");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_energy_is_conserved),
        cmocka_unit_test(test_time_can_be_reversed),
        cmocka_unit_test(test_langevin_is_exact_for_oscillators),
        cmocka_unit_test(test_langevin_kinetic_energy),
        cmocka_unit_test(test_chains_kinetic_energy),
        cmocka_unit_test(test_chains_conserve),
        cmocka_unit_test(test_ramp),
        cmocka_unit_test(test_velocities),
        cmocka_unit_test(test_saving),
        cmocka_unit_test(test_blow_ups),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
