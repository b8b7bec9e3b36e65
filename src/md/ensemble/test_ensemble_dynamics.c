/* SPDX-License-Identifier: BSD-3-Clause */
/* Energy conservation, temperature, distribution of the kinetic energy, constraints. */
#include "md/ensemble/testing.h"

#include <math.h>

static double total(struct cox_engine *e, int lane)
{
    struct cox_energies a;
    OK(cox_engine_evaluate(e, lane, &a, NULL, why));
    return a.potential + a.kinetic;
}

static int freedom(const struct cox_system *s)
{
    int dof = 3 * s->n_atoms;
    for (int b = 0; b < s->n_bonds; b++)
        dof -= s->element[s->bonds[b].atom[0]] == 1 || s->element[s->bonds[b].atom[1]] == 1;
    return dof;
}

/* Drift of the total energy without friction, in kT per degree of freedom and ns, fitted over the
 * lanes' means. */
static double drift(const char *name, double timestep_fs, double hydrogen_mass, int slow_every,
                    double ps)
{
    struct cox_system *s = example(name);
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    o.replicas = 16;
    o.friction_per_ps = 0;
    o.timestep_fs = timestep_fs;
    o.hydrogen_mass_u = hydrogen_mass;
    o.slow_every = slow_every;
    struct cox_engine *e = engine(s, &o);
    OK(cox_engine_minimize(e, 300, 10, why));
    draw_all(e);
    const int every = 50, samples = (int)(ps / (timestep_fs * 1e-3 * every));
    double st = 0, stt = 0, se = 0, ste = 0;
    OK(cox_engine_step(e, 200, why));
    for (int k = 0; k < samples; k++) {
        OK(cox_engine_step(e, every, why));
        double mean = 0;
        for (int lane = 0; lane < 16; lane++)
            mean += total(e, lane) / 16;
        const double t = k * every * timestep_fs * 1e-6; /* ns */
        st += t;
        stt += t * t;
        se += mean;
        ste += t * mean;
    }
    const double slope = (samples * ste - st * se) / (samples * stt - st * st);
    const double kT = COX_BOLTZMANN * 300, result = slope / (kT * freedom(s));
    print_message("%s, %g fs, hydrogens %g u, slow every %d: drift %.4f kT/dof/ns\n", name,
                  timestep_fs, hydrogen_mass, slow_every, result);
    cox_engine_destroy(e);
    cox_system_destroy(s);
    return fabs(result);
}

static void conservation(void **state)
{
    (void)state;
    assert_true(drift("alanine-dipeptide/alanine-dipeptide", 2, 0, 1, 100) < 0.05);
    assert_true(drift("alanine-dipeptide/alanine-dipeptide", 1, 0, 1, 50) < 0.05);
    assert_true(drift("alanine-dipeptide/alanine-dipeptide", 4, 3, 1, 100) < 0.1);
    assert_true(drift("alanine-dipeptide/alanine-dipeptide", 2, 0, 2, 100) < 0.1);
    assert_true(drift("chignolin/cln025", 2, 0, 1, 8) < 0.3);
}

/* Mean and variance of the kinetic energy: <K> = f kT/2, var K = f (kT)²/2. Lanes are independent;
 * samples 0.5 ps apart with friction 5/ps nearly so. */
static void temperature_of(double timestep_fs, double hydrogen_mass, int slow_every)
{
    struct cox_system *s = example("alanine-dipeptide/alanine-dipeptide");
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    const double wanted[2] = {280, 400};
    o.replicas = 64;
    o.friction_per_ps = 5;
    o.timestep_fs = timestep_fs;
    o.hydrogen_mass_u = hydrogen_mass;
    o.slow_every = slow_every;
    struct cox_engine *e = engine(s, &o);
    OK(cox_engine_minimize(e, 300, 10, why));
    for (int lane = 0; lane < 64; lane++)
        OK(cox_engine_set_temperature(e, lane, wanted[lane % 2], why));
    draw_all(e);
    const int every = (int)(500 / timestep_fs), samples = 60, dof = freedom(s);
    OK(cox_engine_step(e, 4 * every, why));
    double sum[2] = {0}, squares[2] = {0};
    for (int k = 0; k < samples; k++) {
        OK(cox_engine_step(e, every, why));
        for (int lane = 0; lane < 64; lane++) {
            struct cox_energies a;
            OK(cox_engine_evaluate(e, lane, &a, NULL, why));
            sum[lane % 2] += a.temperature_K;
            squares[lane % 2] += a.temperature_K * a.temperature_K;
        }
    }
    const double n = 32 * samples;
    for (int h = 0; h < 2; h++) {
        const double mean = sum[h] / n, variance = squares[h] / n - mean * mean;
        const double expected = wanted[h] * wanted[h] * 2 / dof;
        print_message("%g fs, slow every %d, %g K: <T> %.2f, var T / expected %.3f\n", timestep_fs,
                      slow_every, wanted[h], mean, variance / expected);
        /* standard errors of independent samples: 0.4 % and 3 %; five of them */
        assert_true(fabs(mean / wanted[h] - 1) < 5 * sqrt(2.0 / dof / n) + 0.01);
        assert_true(fabs(variance / expected - 1) < 5 * sqrt(2 / n) + 0.02);
    }
    cox_engine_destroy(e);
    cox_system_destroy(s);
}

static void temperature(void **state)
{
    (void)state;
    temperature_of(2, 0, 1);
    temperature_of(4, 3, 1);
    temperature_of(2, 0, 2);
}

static void constraints(void **state)
{
    (void)state;
    struct cox_system *s = example("chignolin/cln025");
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    o.replicas = 16;
    o.timestep_fs = 4;
    o.hydrogen_mass_u = 3;
    o.temperature_K = 400;
    struct cox_engine *e = engine(s, &o);
    OK(cox_engine_minimize(e, 100, 10, why));
    draw_all(e);
    OK(cox_engine_step(e, 500, why));
    double(*x)[3] = vectors(s);
    double worst = 0;
    for (int lane = 0; lane < 16; lane++) {
        assert_int_equal(cox_engine_lane_state(e, lane), COX_LANE_OK);
        OK(cox_engine_get_state(e, lane, x, NULL, why));
        for (int b = 0; b < s->n_bonds; b++) {
            const int i = s->bonds[b].atom[0], j = s->bonds[b].atom[1];
            if (s->element[i] != 1 && s->element[j] != 1)
                continue;
            double r2 = 0;
            for (int k = 0; k < 3; k++)
                r2 += pow(x[i][k] - x[j][k], 2);
            worst = fmax(worst, fabs(sqrt(r2) / s->bonds[b].r0_nm - 1));
        }
    }
    print_message("largest relative error of a constraint: %.2g\n", worst);
    assert_true(worst < 1e-5);
    cox_free(x);
    cox_engine_destroy(e);
    cox_system_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conservation),
        cmocka_unit_test(temperature),
        cmocka_unit_test(constraints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
