/* SPDX-License-Identifier: BSD-3-Clause */
/* The thermostat: mean temperature, distribution of the kinetic energy, every lane its own
 * temperature, drawn velocities. */
#include "example.h"

#define LANES 16

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* P(K <= k) for K = kT/2 χ²(dof), dof even: 1 − e^−y Σ_{j < dof/2} y^j / j!, y = k/kT. */
static double gamma_below(double kinetic, double kT, int dof)
{
    double y = kinetic / kT, term = exp(-y), sum = 0;
    for (int j = 0; j < dof / 2; j++) {
        sum += term;
        term *= y / (j + 1);
    }
    return 1 - sum;
}

static int degrees_of_freedom(const struct cox_system *s)
{
    int dof = 3 * s->n_atoms;
    for (int b = 0; b < s->n_bonds; b++)
        dof -= (s->element[s->bonds[b].atom[0]] == 1) != (s->element[s->bonds[b].atom[1]] == 1);
    return dof;
}

/* Kolmogorov-Smirnov distance of n values to the distribution at kT. */
static double distance(double *value, int n, double kT, int dof)
{
    double worst = 0;
    qsort(value, (size_t)n, sizeof *value, by_value);
    for (int i = 0; i < n; i++) {
        double p = gamma_below(value[i], kT, dof);
        worst = fmax(worst, fmax(p - (double)i / n, (double)(i + 1) / n - p));
    }
    return worst;
}

/* Drawn velocities: exactly Maxwell-Boltzmann on the constrained degrees of freedom. */
static void drawn(void **state)
{
    (void)state;
    struct cox_system *s = example_load(ALANINE);
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    struct cox_err err = COX_ERR_INIT;
    o.replicas = LANES;
    struct cox_engine *e = example_engine(s, &o);
    enum { N = 1600 };
    double kinetic[N];
    for (int i = 0; i < N; i++) {
        must(cox_engine_set_seed(e, i % LANES, (uint64_t)(1000 + i), &err), &err);
        must(cox_engine_draw_velocities(e, i % LANES, &err), &err);
        kinetic[i] = example_energies(e, i % LANES).kinetic;
    }
    double d = distance(kinetic, N, COX_BOLTZMANN * 300, degrees_of_freedom(s));
    printf("drawn velocities: KS distance %.4f of %d\n", d, N);
    assert_true(d < 1.95 / sqrt(N)); /* p = 1e-3 */
    cox_engine_destroy(e);
    cox_system_destroy(s);
}

/* Langevin dynamics at 2 fs. Kinetic energies are taken every 1 ps at a friction of 5/ps, where
 * they have forgotten each other (e^−10). Two tolerances: 4 standard errors of the mean plus 0.5 %
 * for the time step (the middle scheme's own bias at 2 fs: a few 0.1 %, quadratic in the step); and
 * the Kolmogorov-Smirnov distance at p = 1e-3 against the distribution at the mean temperature. */
static void langevin(void **state)
{
    (void)state;
    struct cox_system *s = example_load(ALANINE);
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    o.replicas = LANES;
    o.friction_per_ps = 5;
    struct cox_engine *e = example_engine(s, &o);
    example_step(e, 5000);
    int n = 300 * example_long(), dof = degrees_of_freedom(s);
    double *kinetic = cox_alloc((size_t)n * LANES, sizeof *kinetic), mean = 0, reported = 0;
    for (int k = 0; k < n; k++) {
        example_step(e, 500);
        for (int l = 0; l < LANES; l++) {
            struct cox_energies now = example_energies(e, l);
            kinetic[k * LANES + l] = now.kinetic;
            mean += now.kinetic / (n * LANES);
            reported = now.temperature_K * dof * COX_BOLTZMANN / 2 / now.kinetic;
        }
    }
    assert_float_equal(reported, 1, 1e-6); /* its dof are 3N − constraints */
    double temperature = 2 * mean / (dof * COX_BOLTZMANN);
    double error = 300 * sqrt(2.0 / dof / (n * LANES));
    double d = distance(kinetic, n * LANES, 2 * mean / dof, dof);
    printf("<T> = %.2f ± %.2f K at 300 K; KS distance of the kinetic energy %.4f of %d\n",
           temperature, error, d, n * LANES);
    assert_true(fabs(temperature - 300) <= 4 * error + 1.5);
    assert_true(d < 1.95 / sqrt(n * LANES));
    cox_free(kinetic);
    cox_engine_destroy(e);
    cox_system_destroy(s);
}

/* Neighbouring lanes of one vector, each at its own temperature. */
static void each_its_own(void **state)
{
    (void)state;
    struct cox_system *s = example_load(ALANINE);
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    struct cox_err err = COX_ERR_INIT;
    o.replicas = LANES;
    o.friction_per_ps = 10;
    struct cox_engine *e = example_engine(s, &o);
    double mean[LANES] = {0};
    for (int l = 0; l < LANES; l++)
        must(cox_engine_set_temperature(e, l, 200 + 20 * l, &err), &err);
    example_step(e, 5000);
    int n = 100, dof = degrees_of_freedom(s);
    for (int k = 0; k < n; k++) {
        example_step(e, 250);
        for (int l = 0; l < LANES; l++)
            mean[l] += example_energies(e, l).temperature_K / n;
    }
    for (int l = 0; l < LANES; l++) {
        double wanted = 200 + 20 * l, error = wanted * sqrt(2.0 / dof / n);
        printf("lane %2d: %.1f K of %g\n", l, mean[l], wanted);
        assert_true(fabs(mean[l] - wanted) <= 4 * error + 0.005 * wanted);
    }
    cox_engine_destroy(e);
    cox_system_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn),
        cmocka_unit_test(langevin),
        cmocka_unit_test(each_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
