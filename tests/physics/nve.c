/* SPDX-License-Identifier: BSD-3-Clause */
/* Constant energy: no drift, and errors that shrink with the square of the time step. */
#include "example.h"

#define LANES 16

struct nve {
    double drift, drift_error; /* kT per ns and degree of freedom; mean over the lanes, its error */
    double width;              /* RMS of the energy about its line, kJ/mol */
};

/* 16 lanes from 300 K; the drift of each is the slope of total energy against time. */
static struct nve run(const char *path, double timestep_fs, double length_ps, int samples)
{
    struct cox_system *s = example_load(path);
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    o.replicas = LANES;
    o.timestep_fs = 2;
    o.friction_per_ps = 10;
    o.constraint_tolerance = 1e-6;
    struct cox_engine *warm = example_engine(s, &o);
    example_step(warm, 1500); /* 3 ps in the bath */
    o.timestep_fs = timestep_fs;
    o.friction_per_ps = 0;
    struct cox_engine *e = example_engine(s, &o);
    struct cox_err err = COX_ERR_INIT;
    size_t n = (size_t)s->n_atoms;
    double(*x)[3] = cox_alloc(2 * n, sizeof *x);
    for (int l = 0; l < LANES; l++) {
        must(cox_engine_get_state(warm, l, x, x + n, &err), &err);
        must(cox_engine_set_positions(e, l, (const double(*)[3])x, &err), &err);
        must(cox_engine_set_velocities(e, l, (const double(*)[3])x + n, &err), &err);
    }
    struct cox_energies first = example_energies(e, 0);
    double dof = 2 * first.kinetic / (COX_BOLTZMANN * first.temperature_K);
    double sum[LANES][4] = {{0}}; /* E, E t, E², start */
    double t1 = 0, t2 = 0;
    for (int k = 0; k < samples; k++) {
        example_step(e, (int)lround(length_ps * 1000 / timestep_fs / samples));
        double t = (k + 0.5) / samples - 0.5;
        t1 += t;
        t2 += t * t;
        for (int l = 0; l < LANES; l++) {
            struct cox_energies now = example_energies(e, l);
            double energy = now.potential + now.kinetic;
            if (k == 0)
                sum[l][3] = energy;
            energy -= sum[l][3];
            sum[l][0] += energy;
            sum[l][1] += energy * t;
            sum[l][2] += energy * energy;
        }
    }
    struct nve out = {0};
    double mean = 0, square = 0, unit = length_ps * 1e-3 * dof * COX_BOLTZMANN * 300;
    for (int l = 0; l < LANES; l++) {
        double slope = (sum[l][1] - sum[l][0] * t1 / samples) / (t2 - t1 * t1 / samples);
        mean += slope / unit / LANES;
        square += slope / unit * slope / unit / LANES;
        out.width +=
            (sum[l][2] / samples - pow(sum[l][0] / samples, 2) - slope * slope * t2 / samples) /
            LANES;
    }
    out.drift = mean;
    out.drift_error = sqrt((square - mean * mean) / (LANES - 1));
    out.width = sqrt(out.width);
    printf("%s, %g fs, %g ps: drift %+.1e ± %.0e kT/ns per degree of freedom, fluctuation %.4f "
           "kJ/mol\n",
           path, timestep_fs, length_ps, out.drift, out.drift_error, out.width);
    cox_free(x);
    cox_engine_destroy(warm);
    cox_engine_destroy(e);
    cox_system_destroy(s);
    return out;
}

/* 0.01 kT/ns per degree of freedom: the thermostat of a usual run (1/ps) exchanges 2e3 kT/ns per
 * degree of freedom, so such a drift heats it by 300 K · 5e-6. Four standard errors are added for
 * what the lanes' spread leaves open; at 1 fs, because at 2 fs the shadow energy itself wanders. */
static void drift(void **state)
{
    (void)state;
    int n = example_long();
    struct nve a = run(ALANINE, 1, 100 * n, 100);
    assert_true(fabs(a.drift) <= 0.01 + 4 * a.drift_error);
    assert_true(a.drift_error <= 0.05);
    struct nve c = run(CHIGNOLIN, 1, 10 * n, 50);
    assert_true(fabs(c.drift) <= 0.01 + 4 * c.drift_error);
}

/* Velocity Verlet follows a shadow Hamiltonian that differs from the true one by O(dt²), so the
 * fluctuation of the energy grows fourfold from 1 to 2 fs: a wrong force, constraint or half-kick
 * makes it grow twofold or not at all. */
static void second_order(void **state)
{
    (void)state;
    struct nve one = run(ALANINE, 1, 20, 200), two = run(ALANINE, 2, 20, 200);
    printf("ratio %.2f, 4 expected\n", two.width / one.width);
    assert_true(two.width / one.width > 3.2 && two.width / one.width < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drift),
        cmocka_unit_test(second_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
