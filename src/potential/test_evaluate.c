/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/test_models.h"

#include "base/mem.h"
#include "kern/isa.h"
#include "potential/eval_kernels.h"
#include "potential/evaluate.h"

struct answer {
    double energy, force[TEST_ATOMS][3], virial[3][3], atom_energy[TEST_ATOMS];
    long long overflow;
};

static void by_reference(struct answer *out, const struct cox_dp_model *m,
                         const struct test_atoms *t, const struct cox_neighbours *list,
                         const double *fparam)
{
    struct cox_dp_result r = {.force = out->force, .atom_energy = out->atom_energy};
    assert_int_equal(cox_dp_reference(&r, m,
                                      &(struct cox_dp_atoms){TEST_ATOMS, TEST_ATOMS, t->type}, list,
                                      fparam, NULL),
                     0);
    out->energy = r.energy;
    out->overflow = r.overflow;
    memcpy(out->virial, r.virial, sizeof r.virial);
}

static void by_eval(struct answer *out, struct cox_dp_eval *e, const struct test_atoms *t,
                    const struct cox_neighbours *list, const double *fparam)
{
    struct cox_dp_result r = {.force = out->force, .atom_energy = out->atom_energy};
    struct cox_err err = COX_ERR_INIT;
    if (cox_dp_eval_compute(e, &r, &(struct cox_dp_atoms){TEST_ATOMS, TEST_ATOMS, t->type}, list,
                            fparam, &err))
        fail_msg("%s", err.text);
    out->energy = r.energy;
    out->overflow = r.overflow;
    memcpy(out->virial, r.virial, sizeof r.virial);
}

static void same(const struct answer *a, const struct answer *b, double tolerance)
{
    assert_true(fabs(a->energy - b->energy) < tolerance);
    assert_true(a->overflow == b->overflow);
    for (int i = 0; i < TEST_ATOMS; i++) {
        assert_true(fabs(a->atom_energy[i] - b->atom_energy[i]) < tolerance);
        for (int k = 0; k < 3; k++)
            assert_true(fabs(a->force[i][k] - b->force[i][k]) < tolerance);
    }
    for (int k = 0; k < 9; k++)
        assert_true(fabs(a->virial[k / 3][k % 3] - b->virial[k / 3][k % 3]) < 4 * tolerance);
}

/* Double: rounding of sums of some hundred terms of size 1, and of tanh (1e-16 each). Float: its
 * rounding is 6e-8; energies of about 10 eV and sums over 40 neighbours leave some 1e-5. */
static void it_agrees_with_the_reference(void **state)
{
    (void)state;
    static const double fparam[2] = {0.3, -0.7};
    for (int kind = 0; kind < 4; kind++) { /* one-sided; few slots; excluded pairs */
        struct cox_dp_model *m = test_model(kind != 1, 2);
        struct cox_neighbours list;
        struct test_atoms t;
        struct answer wanted;
        if (kind == 2) {
            m->descriptor[0].sel[0] = 7;
            m->descriptor[0].sel[1] = 12;
            m->descriptor[0].n_slots = 19;
        }
        if (kind == 3)
            m->descriptor[0].exclude[0][0] = true;
        test_atoms_make(&t, 3 + (uint64_t)kind);
        cox_neighbours_init(&list);
        assert_int_equal(cox_neighbours_build(&list, TEST_ATOMS, (const double(*)[3])t.x, t.type, 2,
                                              &t.box, m->descriptor[0].rcut, NULL),
                         0);
        by_reference(&wanted, m, &t, &list, fparam);
        if (kind == 2)
            assert_true(wanted.overflow > 0);
        for (int threads = 1; threads <= 3; threads += 2)
            for (int precision = 0; precision < 2; precision++) {
                struct cox_team *team = NULL;
                struct cox_dp_eval *e = NULL;
                struct answer got;
                struct answer again;
                assert_int_equal(cox_team_create(&team, threads, NULL), 0);
                assert_int_equal(
                    cox_dp_eval_create(&e, m, precision ? COX_DP_F32 : COX_DP_F64, team, NULL), 0);
                by_eval(&got, e, &t, &list, fparam);
                same(&got, &wanted, precision ? 2e-5 : 1e-12);
                uint64_t before = cox_mem_allocations();
                by_eval(&again, e, &t, &list, fparam);
                assert_true(cox_mem_allocations() == before); /* none in a force evaluation */
                assert_memory_equal(got.force, again.force, sizeof got.force);
                cox_dp_eval_destroy(e);
                cox_team_destroy(team);
            }
        cox_neighbours_deinit(&list);
        cox_dp_model_destroy(m);
    }
}

/* Against libm: double within 4 units in the last place, float within 4. */
static void tanh_is_exact_enough(void **state)
{
    (void)state;
    const struct cox_dp_kernels *d = cox_dp_kernels_f64(), *f = cox_dp_kernels_f32();
    double x[64], y[64];
    float xf[64], yf[64];
    double worst = 0, worst_f = 0;
    for (int block = -400; block < 400; block++) {
        for (int i = 0; i < 64; i++) {
            x[i] = (block + i / 64.0) / 16.0 * (block % 7 ? 1 : 1e-3);
            xf[i] = (float)x[i];
        }
        d->tanh(64, x, y);
        f->tanh(64, xf, yf);
        for (int i = 0; i < 64; i++) {
            double want = tanh(x[i]), want_f = tanh((double)xf[i]);
            if (want != 0)
                worst = fmax(worst, fabs(y[i] / want - 1) / 2.2e-16);
            if (want_f != 0)
                worst_f = fmax(worst_f, fabs((double)yf[i] / want_f - 1) / 1.2e-7);
        }
    }
    print_message("tanh: %.2f units in the last place in double, %.2f in float\n", worst, worst_f);
    assert_true(worst < 4 && worst_f < 4);
    x[0] = (double)NAN;
    x[1] = (double)INFINITY;
    x[2] = -(double)INFINITY;
    x[3] = -0.0;
    d->tanh(8, x, y);
    assert_true(isnan(y[0]) && y[1] == 1 && y[2] == -1 && y[3] == 0 && signbit(y[3]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tanh_is_exact_enough),
        cmocka_unit_test(it_agrees_with_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
