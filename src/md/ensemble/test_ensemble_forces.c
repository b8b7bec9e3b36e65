/* SPDX-License-Identifier: BSD-3-Clause */
/* Forces and every energy term of each instruction set against the double-precision reference. */
#include "md/ensemble/testing.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kern/isa.h"
#include "md/reference.h"

static double force_error(const struct cox_system *s, const double (*f)[3], const double (*ref)[3])
{
    double difference = 0, norm = 0;
    for (int i = 0; i < s->n_atoms; i++)
        for (int a = 0; a < 3; a++) {
            difference += pow(f[i][a] - ref[i][a], 2);
            norm += pow(ref[i][a], 2);
        }
    return sqrt(difference / norm);
}

static void compare_term(const char *name, double ours, double theirs, double tolerance)
{
    if (!(fabs(ours - theirs) <= tolerance * fmax(fabs(theirs), 100)))
        fail_msg("%s: %.6f, the reference says %.6f", name, ours, theirs);
}

static void compare_lane(struct cox_engine *e, const struct cox_system *s, int lane, double most)
{
    double(*x)[3] = vectors(s), (*f)[3] = vectors(s), (*ref)[3] = vectors(s);
    struct cox_energies a, b;
    OK(cox_engine_get_state(e, lane, x, NULL, why));
    OK(cox_engine_evaluate(e, lane, &a, f, why));
    OK(cox_forces_ref(s, (const double(*)[3])x, &b, ref, NULL, why));
    const double error = force_error(s, (const double(*)[3])f, (const double(*)[3])ref);
    if (!(error <= most))
        fail_msg("%s lane %d: relative force error %.3g above %.3g", s->name, lane, error, most);
    const double t = 2e-5;
    compare_term("angle", a.angle, b.angle, t);
    compare_term("torsion", a.torsion, b.torsion, t);
    compare_term("lj", a.lj, b.lj, t);
    compare_term("coulomb", a.coulomb, b.coulomb, t);
    compare_term("lj14", a.lj14, b.lj14, t);
    compare_term("coulomb14", a.coulomb14, b.coulomb14, t);
    compare_term("gb", a.gb, b.gb, t);
    compare_term("surface", a.surface, b.surface, t);
    compare_term("bond", a.bond, b.bond, t);
    compare_term("potential", a.potential, b.potential, t);
    cox_free(x);
    cox_free(f);
    cox_free(ref);
}

/* Some dynamics first, so that the lanes differ; the system without constraints, so that the
 * reference has the same bonds. */
static void moved(const struct cox_system *s, const char *isa, double most, int slow_every)
{
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    o.isa = isa;
    o.replicas = 19;
    o.threads = 1;
    o.timestep_fs = 0.5;
    o.temperature_K = 350;
    o.constrain_hydrogens = false;
    o.slow_every = slow_every;
    struct cox_engine *e = engine(s, &o);
    OK(cox_engine_minimize(e, 60, 10, why));
    draw_all(e);
    OK(cox_engine_step(e, 20, why));
    for (int lane = 0; lane < 19; lane += 6)
        compare_lane(e, s, lane, most);
    cox_engine_destroy(e);
}

static void every_isa(const char *name, double most)
{
    struct cox_system *s = example(name);
    for (int i = 0; i < cox_isa_count(); i++)
        if (cox_isa_supported(i))
            moved(s, cox_isa_name(i), most, 1);
    cox_system_destroy(s);
}

static void bba(void **state)
{
    (void)state;
    every_isa("bba/bba", 2e-5);
}

static void chignolin(void **state)
{
    (void)state;
    every_isa("chignolin/cln025", 2e-5);
}

static void alanine_dipeptide(void **state)
{
    (void)state;
    every_isa("alanine-dipeptide/alanine-dipeptide", 2e-5);
}

static void vacuum(void **state)
{
    (void)state;
    struct cox_system *s = example("chignolin/cln025");
    s->solvent = COX_SOLVENT_VACUUM;
    for (int i = 0; i < cox_isa_count(); i++)
        if (cox_isa_supported(i))
            moved(s, cox_isa_name(i), 2e-5, 1);
    cox_system_destroy(s);
}

/* Slow forces count once in an evaluation, whatever the steps do. */
static void respa(void **state)
{
    (void)state;
    struct cox_system *s = example("alanine-dipeptide/alanine-dipeptide");
    moved(s, NULL, 2e-5, 3);
    cox_system_destroy(s);
}

/* Squeezed to half its size, spheres overlap and swallow each other: every branch of the exact
 * integral. Forces are huge and cancel; the bound is that of float32. */
static void squeezed(void **state)
{
    (void)state;
    struct cox_system *s = example("chignolin/cln025");
    double(*x)[3] = vectors(s);
    for (double scale = 0.9; scale > 0.25; scale -= 0.2) {
        for (int i = 0; i < s->n_atoms; i++)
            for (int a = 0; a < 3; a++)
                x[i][a] = scale * s->position_nm[i][a];
        for (int i = 0; i < cox_isa_count(); i++) {
            if (!cox_isa_supported(i))
                continue;
            struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
            o.isa = cox_isa_name(i);
            o.threads = 1;
            o.constrain_hydrogens = false;
            struct cox_engine *e = engine(s, &o);
            OK(cox_engine_set_positions(e, 0, (const double(*)[3])x, why));
            compare_lane(e, s, 0, 2e-5);
            cox_engine_destroy(e);
        }
    }
    cox_free(x);
    cox_system_destroy(s);
}

/* -dE/dx by central differences. The energy is a sum of float32 terms, accurate to about 1e-3
 * kJ/mol here; with h = 2e-3 nm the quotient is good to about 0.3 + h² E'''/6 ≈ 1 % of forces of
 * hundreds. */
static void differences(void **state)
{
    (void)state;
    struct cox_system *s = example("alanine-dipeptide/alanine-dipeptide");
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    o.threads = 1;
    o.constrain_hydrogens = false;
    struct cox_engine *e = engine(s, &o);
    double(*x)[3] = vectors(s), (*f)[3] = vectors(s);
    struct cox_energies up, down;
    OK(cox_engine_get_state(e, 0, x, NULL, why));
    OK(cox_engine_evaluate(e, 0, NULL, f, why));
    const double h = 1e-3;
    double worst = 0, norm = 0;
    for (int i = 0; i < s->n_atoms; i++)
        for (int a = 0; a < 3; a++) {
            x[i][a] += h;
            OK(cox_engine_set_positions(e, 0, (const double(*)[3])x, why));
            OK(cox_engine_evaluate(e, 0, &up, NULL, why));
            x[i][a] -= 2 * h;
            OK(cox_engine_set_positions(e, 0, (const double(*)[3])x, why));
            OK(cox_engine_evaluate(e, 0, &down, NULL, why));
            x[i][a] += h;
            worst = fmax(worst, fabs((down.potential - up.potential) / (2 * h) - f[i][a]));
            norm = fmax(norm, fabs(f[i][a]));
        }
    if (!(worst < 0.02 * norm))
        fail_msg("differences of the energy and forces disagree by %g of %g", worst, norm);
    cox_free(x);
    cox_free(f);
    cox_engine_destroy(e);
    cox_system_destroy(s);
}

static void unknown_isa(void **state)
{
    (void)state;
    struct cox_system *s = example("alanine-dipeptide/alanine-dipeptide");
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    struct cox_err err = COX_ERR_INIT;
    struct cox_engine *e = NULL;
    o.isa = "avx1024";
    assert_int_equal(cox_engine_create(&e, "ensemble", s, &o, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "avx1024"));
    assert_non_null(strstr(err.text, cox_isa_name(0)));
    cox_system_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bba),
        cmocka_unit_test(chignolin),
        cmocka_unit_test(alanine_dipeptide),
        cmocka_unit_test(vacuum),
        cmocka_unit_test(respa),
        cmocka_unit_test(squeezed),
        cmocka_unit_test(differences),
        cmocka_unit_test(unknown_isa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
