/* SPDX-License-Identifier: BSD-3-Clause */
#include "md/reference.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

#define ATOMS 14

/* A crumpled helix (no three atoms nearly in line: there torsions lose their digits) with every
 * kind of term and odd parameters; atom 5 is large enough to swallow its neighbours (the buried
 * branch of the Born integral). */
static struct cox_system *chain(uint64_t seed)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = NULL;
    int n = ATOMS;
    if (cox_system_create(&s, n, 1, n - 1, n - 2, n - 3, n - 3, 3 * n - 6, &err))
        fail_msg("%s", err.text);
    struct cox_rng rng;
    cox_rng_init(&rng, seed, 0);
    for (int i = 0; i < n; i++) {
        s->mass_u[i] = 12;
        s->charge_e[i] = cox_rng_uniform(&rng) - 0.5;
        s->sigma_nm[i] = 0.1 + 0.15 * cox_rng_uniform(&rng);
        s->epsilon[i] = cox_rng_uniform(&rng);
        s->gb_radius_nm[i] = i == 5 ? 0.45 : 0.12 + 0.08 * cox_rng_uniform(&rng);
        s->gb_scale[i] = 0.7 + 0.2 * cox_rng_uniform(&rng);
        const double helix[3] = {0.06 * i, 0.12 * cos(1.9 * i), 0.12 * sin(1.9 * i)};
        for (int k = 0; k < 3; k++)
            s->position_nm[i][k] = helix[k] + 0.04 * (cox_rng_uniform(&rng) - 0.5);
    }
    int e = 0;
    for (int i = 0; i + 1 < n; i++) {
        s->bonds[i] = (struct cox_bond){{i, i + 1}, 0.14 + 0.02 * cox_rng_uniform(&rng), 2e5};
        for (int j = i + 1; j <= i + 3 && j < n; j++, e++)
            s->exclusions[e][0] = i, s->exclusions[e][1] = j;
        if (i + 2 < n)
            s->angles[i] = (struct cox_angle){{i, i + 1, i + 2}, 1.9, 400};
        if (i + 3 < n) {
            s->torsions[i] = (struct cox_torsion){
                {i, i + 1, i + 2, i + 3}, 1 + i % 4, 0, i % 3 ? 3.14159265 : 0.4, 5 + i};
            s->pairs14[i] = (struct cox_pair14){{i, i + 3}, 0.1 * (i - 4), 0.2, 0.3};
        }
    }
    s->solvent = COX_SOLVENT_OBC2;
    s->solvent_dielectric = 78.5;
    s->solute_dielectric = 1;
    s->surface_tension = 2.25936;
    if (cox_system_check(s, &err))
        fail_msg("%s", err.text);
    return s;
}

static double potential(const struct cox_system *s, const double (*x)[3], double (*force)[3])
{
    struct cox_energies e;
    struct cox_err err = COX_ERR_INIT;
    if (cox_forces_ref(s, x, &e, force, NULL, &err))
        fail_msg("%s", err.text);
    return e.potential;
}

/* Fourth-order central differences, (8 (E₁ − E₋₁) − (E₂ − E₋₂)) / 12h. With h = 1e-4 nm rounding
 * contributes ~1e4 kJ/mol · 1e-16 / h = 1e-8 kJ/mol/nm and the h⁴E⁽⁵⁾/30 term about 1e-5 of the
 * stiffest (LJ at contact); forces here are ~1e4, so 1e-7 of their RMS is asked for. */
static void differences(void **state)
{
    (void)state;
    const double h = 1e-4;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct cox_system *s = chain(seed);
        double f[ATOMS][3], worst = 0, square = 0;
        potential(s, (const double(*)[3])s->position_nm, f);
        for (int i = 0; i < ATOMS; i++)
            for (int k = 0; k < 3; k++) {
                double e[4], keep = s->position_nm[i][k];
                for (int m = 0; m < 4; m++) {
                    s->position_nm[i][k] = keep + h * (const double[]){-2, -1, 1, 2}[m];
                    e[m] = potential(s, (const double(*)[3])s->position_nm, NULL);
                }
                s->position_nm[i][k] = keep;
                double numeric = -(8 * (e[2] - e[1]) - (e[3] - e[0])) / (12 * h);
                worst = fmax(worst, fabs(numeric - f[i][k]));
                square += f[i][k] * f[i][k];
            }
        double rms = sqrt(square / (3 * ATOMS));
        printf("seed %d: RMS force %.4g, worst difference %.2g kJ/mol/nm\n", (int)seed, rms, worst);
        assert_true(worst <= 1e-7 * rms);
        cox_system_destroy(s);
    }
}

/* One term after the other by hand, where it can be said in a line. */
static void by_hand(void **state)
{
    (void)state;
    struct cox_system *s = NULL;
    struct cox_err err = COX_ERR_INIT;
    struct cox_energies e;
    double f[2][3], born[2];
    if (cox_system_create(&s, 2, 1, 0, 0, 0, 0, 0, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < 2; i++) {
        s->mass_u[i] = 1;
        s->charge_e[i] = i ? -1 : 1;
        s->sigma_nm[i] = 0.3;
        s->epsilon[i] = i ? 4 : 1;
        s->gb_radius_nm[i] = 0.159;
        s->gb_scale[i] = 0.8;
    }
    s->position_nm[1][2] = 50;
    s->solvent = COX_SOLVENT_OBC2;
    s->solvent_dielectric = 80;
    s->solute_dielectric = 1;
    s->surface_tension = 2;
    assert_int_equal(cox_forces_ref(s, (const double(*)[3])s->position_nm, &e, f, born, &err), 0);
    /* far apart: bare Born ions; f = r; a descreening of ~1e-6 remains */
    assert_float_equal(born[0], 0.15, 1e-7);
    double pre = 138.935456 * (1 - 1 / 80.0);
    assert_float_equal(e.gb, -pre / 0.15 + pre / 50, 1e-3);
    assert_float_equal(e.surface, 2 * 4 * M_PI * 2 * 0.299 * 0.299 * pow(0.159 / 0.15, 6), 1e-4);
    assert_float_equal(e.coulomb, -138.935456 / 50, 1e-12);
    /* touching, without solvent: at the LJ minimum, E = −√(ε ε) = −2 */
    s->solvent = COX_SOLVENT_VACUUM;
    s->position_nm[1][2] = 0.3 * pow(2, 1.0 / 6);
    assert_int_equal(cox_forces_ref(s, (const double(*)[3])s->position_nm, &e, f, born, &err), 0);
    assert_float_equal(e.lj, -2, 1e-12);
    assert_true(e.gb == 0 && e.surface == 0 && born[0] == 0);
    double r = s->position_nm[1][2];
    assert_float_equal(f[0][2], 138.935456 / (r * r), 1e-8); /* attracted upwards by Coulomb only */
    cox_system_destroy(s);
}

/* A planar cis chain has φ = 0: k (1 + cos(−φ0)). */
static void torsion_sign(void **state)
{
    (void)state;
    struct cox_system *s = NULL;
    struct cox_err err = COX_ERR_INIT;
    struct cox_energies e;
    if (cox_system_create(&s, 4, 1, 0, 0, 1, 0, 6, &err))
        fail_msg("%s", err.text);
    /* looking along 1 → 2 (+z), atom 3 is turned clockwise by 30° from atom 0: φ = +30° */
    const double x[4][3] = {
        {0.1, 0, 0}, {0, 0, 0}, {0, 0, 0.1}, {0.1 * cos(M_PI / 6), 0.1 * sin(M_PI / 6), 0.1}};
    memcpy(s->position_nm, x, sizeof x);
    int n = 0;
    for (int i = 0; i < 4; i++)
        for (int j = i + 1; j < 4; j++, n++)
            s->exclusions[n][0] = i, s->exclusions[n][1] = j;
    s->torsions[0] = (struct cox_torsion){{0, 1, 2, 3}, 1, 0, M_PI / 6, 1};
    assert_int_equal(cox_forces_ref(s, x, &e, NULL, NULL, &err), 0);
    assert_float_equal(e.torsion, 2, 1e-12);
    s->torsions[0].phase_rad = -M_PI / 6;
    assert_int_equal(cox_forces_ref(s, x, &e, NULL, NULL, &err), 0);
    assert_float_equal(e.torsion, 1 + cos(M_PI / 3), 1e-12);
    cox_system_destroy(s);
}

/* Translating and rotating leave the energy, the sum of forces and of torques is nothing. */
static void invariance(void **state)
{
    (void)state;
    struct cox_system *s = chain(4);
    double f[ATOMS][3], g[ATOMS][3], x[ATOMS][3];
    double energy = potential(s, (const double(*)[3])s->position_nm, f), rms = 0;
    const double c = cos(0.7), w = sin(0.7);
    for (int i = 0; i < ATOMS; i++) {
        const double *p = s->position_nm[i];
        x[i][0] = c * p[0] - w * p[1] + 0.3;
        x[i][1] = w * p[0] + c * p[1] - 0.2;
        x[i][2] = p[2] + 0.5;
        rms += f[i][0] * f[i][0] + f[i][1] * f[i][1] + f[i][2] * f[i][2];
    }
    rms = sqrt(rms / (3 * ATOMS));
    assert_float_equal(potential(s, (const double(*)[3])x, g), energy, 1e-10 * fabs(energy) + 1e-9);
    double sum[3] = {0}, torque[3] = {0};
    for (int i = 0; i < ATOMS; i++) {
        assert_float_equal(g[i][0], c * f[i][0] - w * f[i][1], 1e-9 * rms);
        assert_float_equal(g[i][1], w * f[i][0] + c * f[i][1], 1e-9 * rms);
        for (int k = 0; k < 3; k++) {
            int l = (k + 1) % 3, m = (k + 2) % 3;
            sum[k] += g[i][k];
            torque[k] += x[i][l] * g[i][m] - x[i][m] * g[i][l];
        }
    }
    for (int k = 0; k < 3; k++) {
        assert_float_equal(sum[k], 0, 1e-10 * rms);
        assert_float_equal(torque[k], 0, 1e-10 * rms);
    }
    cox_system_destroy(s);
}

/* Atoms listed in reverse: the same energy, the forces in reverse. */
static void permutation(void **state)
{
    (void)state;
    struct cox_system *s = chain(5);
    double f[ATOMS][3], g[ATOMS][3];
    double energy = potential(s, (const double(*)[3])s->position_nm, f);
#define TURN(i) (ATOMS - 1 - (i))
    for (int i = 0; i < ATOMS / 2; i++) {
        double *per_atom[] = {s->charge_e, s->sigma_nm, s->epsilon, s->gb_radius_nm, s->gb_scale};
        for (int a = 0; a < 5; a++) {
            double keep = per_atom[a][i];
            per_atom[a][i] = per_atom[a][TURN(i)];
            per_atom[a][TURN(i)] = keep;
        }
        for (int k = 0; k < 3; k++) {
            double keep = s->position_nm[i][k];
            s->position_nm[i][k] = s->position_nm[TURN(i)][k];
            s->position_nm[TURN(i)][k] = keep;
        }
    }
    for (int t = 0; t < s->n_bonds; t++)
        for (int k = 0; k < 2; k++)
            s->bonds[t].atom[k] = TURN(s->bonds[t].atom[k]);
    for (int t = 0; t < s->n_angles; t++)
        for (int k = 0; k < 3; k++)
            s->angles[t].atom[k] = TURN(s->angles[t].atom[k]);
    for (int t = 0; t < s->n_torsions; t++)
        for (int k = 0; k < 4; k++)
            s->torsions[t].atom[k] = TURN(s->torsions[t].atom[k]);
    for (int t = 0; t < s->n_pairs14; t++)
        for (int k = 0; k < 2; k++)
            s->pairs14[t].atom[k] = TURN(s->pairs14[t].atom[k]);
    for (int t = 0; t < s->n_exclusions; t++) {
        int i = s->exclusions[t][0];
        s->exclusions[t][0] = TURN(s->exclusions[t][1]);
        s->exclusions[t][1] = TURN(i);
    }
    assert_float_equal(potential(s, (const double(*)[3])s->position_nm, g), energy,
                       1e-10 * fabs(energy));
    for (int i = 0; i < ATOMS; i++)
        for (int k = 0; k < 3; k++)
            assert_float_equal(g[TURN(i)][k], f[i][k], 1e-8);
    cox_system_destroy(s);
}

/* Each allocation in turn fails: an error, and nothing is lost. */
static void no_memory(void **state)
{
    (void)state;
    struct cox_system *s = chain(6);
    uint64_t before = cox_mem_in_use();
    struct cox_err err = COX_ERR_INIT;
    int failures = 0;
    for (uint64_t n = 1; n < 10; n++) {
        cox_mem_fail_at(n);
        int rc = cox_forces_ref(s, (const double(*)[3])s->position_nm, NULL, NULL, NULL, &err);
        cox_mem_fail_at(0);
        assert_true(rc == 0 || rc == COX_ENOMEM);
        failures += rc != 0;
        assert_int_equal(cox_mem_in_use(), before);
    }
    assert_int_equal(failures, 3);
    cox_system_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences),  cmocka_unit_test(by_hand),
        cmocka_unit_test(torsion_sign), cmocka_unit_test(invariance),
        cmocka_unit_test(permutation),  cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
