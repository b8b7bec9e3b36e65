/* SPDX-License-Identifier: BSD-3-Clause */
/* Our reference and every instruction set of the ensemble engine against OpenMM's Reference
 * platform, on the example systems: as prepared, and after a stretch of hot dynamics (displaced in
 * every degree of freedom, bonds to hydrogen included). Prints each energy term beside OpenMM's.
 *
 * Tolerances, relative RMS of the force error: reference 1e-8 (both in double; OpenMM 7.7 uses
 * 138.93545764 for the Coulomb constant of NonbondedForce, 1.2e-8 more than GROMACS and we).
 * Ensemble: asked for are
 * 2e-5 (BBA) and 2e-4 (CLN025, alanine dipeptide); it gives 1e-6 … 3e-6, so 1e-5 is demanded:
 * float32 sums of ~100 terms that cancel. (Positions rounded to float32 alone would give 1.7e-5,
 * from bonds: k·ulp(x) = 3e5·6e-8·|x|.) */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "cox/engine.h"
#include "md/reference.h"
#include "openmm_shim.h"

struct example {
    const char *path;
    double tolerance; /* of the ensemble engine */
};

static const struct example examples[] = {
    {"examples/bba/bba.system.h5", 1e-5},
    {"examples/chignolin/cln025.system.h5", 1e-5},
    {"examples/alanine-dipeptide/alanine-dipeptide.system.h5", 1e-5},
};

static void must(int rc, const struct cox_err *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

static struct cox_system *load(const char *path)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = NULL;
    char full[512];
    snprintf(full, sizeof full, "%s/%s", COX_SOURCE_DIR, path);
    must(cox_system_load(&s, full, &err), &err);
    return s;
}

static double relative_rms(int n, const double (*f)[3], const double (*g)[3])
{
    double error = 0, square = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            error += (f[i][k] - g[i][k]) * (f[i][k] - g[i][k]);
            square += g[i][k] * g[i][k];
        }
    return sqrt(error / square);
}

/* Terms side by side; returns the largest difference of a term. */
static double terms(const char *name, const struct cox_energies *a, const struct cox_energies *b)
{
    const struct {
        const char *name;
        double ours, theirs;
    } row[] = {
        {"bond", a->bond, b->bond},
        {"angle", a->angle, b->angle},
        {"torsion", a->torsion, b->torsion},
        {"LJ", a->lj, b->lj},
        {"Coulomb", a->coulomb, b->coulomb},
        {"LJ 1-4", a->lj14, b->lj14},
        {"Coulomb 1-4", a->coulomb14, b->coulomb14},
        {"GB", a->gb, b->gb},
        {"surface", a->surface, b->surface},
        {"potential", a->potential, b->potential},
    };
    double worst = 0;
    printf("  %-12s %16s %16s %10s\n", "kJ/mol", name, "OpenMM", "difference");
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        double difference = row[i].ours - row[i].theirs;
        printf("  %-12s %16.6f %16.6f %10.1e\n", row[i].name, row[i].ours, row[i].theirs,
               difference);
        worst = fmax(worst, fabs(difference));
    }
    return worst;
}

/* Positions after 0.15 ps at 600 K without constraints, by OpenMM. */
static void shake_up(const struct cox_system *s, double (*x)[3])
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_openmm *o = NULL;
    const struct cox_openmm_options options = {.platform = "CPU",
                                               .threads = 1,
                                               .timestep_fs = 0.5,
                                               .temperature_K = 600,
                                               .friction_per_ps = 10,
                                               .seed = 11};
    must(cox_openmm_create(&o, s, &options, &err), &err);
    must(cox_openmm_thermalize(o, &err), &err);
    must(cox_openmm_step(o, 300, &err), &err);
    must(cox_openmm_positions(o, x, &err), &err);
    cox_openmm_destroy(o);
}

struct oracle {
    double (*x)[3], (*force)[3];
    struct cox_energies energies;
};

/* conformation 0: as prepared, 1: shaken up */
static struct oracle ask(const struct cox_system *s, int conformation)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_openmm *o = NULL;
    const struct cox_openmm_options options = {
        .platform = "Reference", .split = 1, .timestep_fs = 1, .temperature_K = 300};
    size_t n = (size_t)s->n_atoms;
    struct oracle a = {.x = cox_alloc(n, sizeof *a.x), .force = cox_alloc(n, sizeof *a.force)};
    assert_non_null(a.x);
    assert_non_null(a.force);
    if (conformation)
        shake_up(s, a.x);
    for (size_t i = 0; i < n && !conformation; i++)
        for (int k = 0; k < 3; k++)
            a.x[i][k] = s->position_nm[i][k];
    must(cox_openmm_create(&o, s, &options, &err), &err);
    must(cox_openmm_set_positions(o, (const double(*)[3])a.x, &err), &err);
    must(cox_openmm_evaluate(o, &a.energies, a.force, &err), &err);
    cox_openmm_destroy(o);
    return a;
}

static void reference(const struct cox_system *s, const struct oracle *a)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_energies energies;
    double(*f)[3] = cox_alloc((size_t)s->n_atoms, sizeof *f);
    must(cox_forces_ref(s, (const double(*)[3])a->x, &energies, f, NULL, &err), &err);
    double rms = relative_rms(s->n_atoms, (const double(*)[3])f, (const double(*)[3])a->force);
    printf("  reference: relative RMS force difference %.2e (allowed 1e-08)\n", rms);
    double worst = terms("reference", &energies, &a->energies);
    assert_true(rms <= 1e-8);
    assert_true(worst <= 3e-8 * fabs(a->energies.coulomb) + 1e-6);
    cox_free(f);
}

static void ensemble_with(const struct example *example, const struct cox_system *s,
                          const struct oracle *a, const char *isa)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_engine *engine = NULL;
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    struct cox_energies energies;
    o.isa = isa;
    o.constrain_hydrogens = false; /* a force comparison at exactly these coordinates */
    int rc = cox_engine_create(&engine, "ensemble", s, &o, &err);
    if (rc && isa) {
        printf("  %s: skipped: %s\n", isa, err.text);
        return;
    }
    must(rc, &err);
    double(*f)[3] = cox_alloc((size_t)s->n_atoms, sizeof *f);
    must(cox_engine_set_positions(engine, 0, (const double(*)[3])a->x, &err), &err);
    must(cox_engine_evaluate(engine, 0, &energies, f, &err), &err);
    double rms = relative_rms(s->n_atoms, (const double(*)[3])f, (const double(*)[3])a->force);
    printf("  %s: relative RMS force error %.2e (allowed %.0e)\n", cox_engine_version(engine), rms,
           example->tolerance);
    double worst = terms("ensemble", &energies, &a->energies);
    assert_true(rms <= example->tolerance);
    /* float32 terms of up to ~1e4 kJ/mol, summed by row */
    assert_true(worst <= 0.05 + 2e-5 * fabs(a->energies.coulomb));
    cox_free(f);
    cox_engine_destroy(engine);
}

static void compare(const struct example *example)
{
    static const char *const isas[] = {"sse2", "avx2", "avx512", "neon"};
    struct cox_system *s = load(example->path);
    for (int conformation = 0; conformation < 2; conformation++) {
        struct oracle a = ask(s, conformation);
        printf("%s, %d atoms, %s\n", example->path, s->n_atoms,
               conformation ? "shaken up" : "as prepared");
        reference(s, &a);
        for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
            ensemble_with(example, s, &a, isas[i]);
        cox_free(a.x);
        cox_free(a.force);
    }
    cox_system_destroy(s);
}

static void bba(void **state)
{
    (void)state;
    compare(&examples[0]);
}

static void cln025(void **state)
{
    (void)state;
    compare(&examples[1]);
}

static void alanine_dipeptide(void **state)
{
    (void)state;
    compare(&examples[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bba),
        cmocka_unit_test(cln025),
        cmocka_unit_test(alanine_dipeptide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
