/* SPDX-License-Identifier: BSD-3-Clause */
/* Dynamics with a Deep Potential: lists with a skin, virial, conservation, saving. */
#include "potential/test_models.h"

#include "base/mem.h"
#include "dynamics/dynamics.h"
#include "dynamics/field_potential.h"
#include "dynamics/units.h"

struct bench {
    struct test_atoms atoms;
    struct cox_team *team;
    struct cox_dyn_potential *p;
    struct cox_dynamics *d;
};

static struct cox_dyn_potential *potential(struct bench *b, double skin, enum cox_dp_precision how)
{
    const struct cox_dyn_potential_options o = {.precision = how, .skin_A = skin, .team = b->team};
    struct cox_dp_model *m = test_model(true, 0);
    struct cox_dyn_potential *p = NULL;
    struct cox_err err = COX_ERR_INIT;
    if (cox_dyn_potential_create(&p, m, TEST_ATOMS, b->atoms.type, &o, &err))
        fail_msg("%s", err.text);
    cox_dp_model_destroy(m);
    return p;
}

static void start(struct bench *b, const struct cox_dyn_options *o, double skin,
                  enum cox_dp_precision how)
{
    struct cox_err err = COX_ERR_INIT;
    double mass[TEST_ATOMS];
    memset(b, 0, sizeof *b);
    test_atoms_make(&b->atoms, 3);
    assert_int_equal(cox_team_create(&b->team, 2, &err), 0);
    b->p = potential(b, skin, how);
    for (int i = 0; i < TEST_ATOMS; i++)
        mass[i] = b->atoms.type[i] ? 2 : 16;
    if (cox_dynamics_create(&b->d, TEST_ATOMS, mass, o, cox_dyn_potential_field(b->p), &err))
        fail_msg("%s", err.text);
    struct cox_dyn_state *s = cox_dynamics_state(b->d);
    memcpy(s->x, b->atoms.x, sizeof b->atoms.x);
    s->box = b->atoms.box;
    cox_dynamics_draw_velocities(b->d, o->temperature_K);
    if (cox_dynamics_start(b->d, &err))
        fail_msg("%s", err.text);
}

static void stop(struct bench *b)
{
    cox_dynamics_destroy(b->d);
    cox_dyn_potential_destroy(b->p);
    cox_team_destroy(b->team);
}

static void steps(struct bench *b, int n)
{
    struct cox_err err = COX_ERR_INIT;
    for (int i = 0; i < n; i++)
        if (cox_dynamics_step(b->d, &err))
            fail_msg("%s", err.text);
}

/* Along a trajectory whose box changes, too: energy, forces and virial with a skin are those with
 * neighbours looked for anew, up to the order of sums; and the list did live for many steps. */
static void test_skin(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
        struct bench b;
        double force[TEST_ATOMS][3];
        o.thermostat = COX_DYN_LANGEVIN;
        o.temperature_K = 600;
        if (kind) {
            o.barostat = COX_DYN_TRICLINIC;
            o.barostat_every = 2;
            o.pressure_bar = -5000; /* or it shrinks until sel overflows, where ties may decide */
            o.tau_p_ps = 0.05;
        }
        start(&b, &o, 1.0, COX_DP_F64);
        struct cox_dyn_potential *bare = potential(&b, 0, COX_DP_F64);
        const struct cox_dyn_field *field = cox_dyn_potential_field(bare);
        const struct cox_dyn_state *s = cox_dynamics_state(b.d);
        for (int i = 0; i < 400; i++) {
            struct cox_dyn_forces out = {.force = force};
            steps(&b, 1);
            assert_int_equal(
                field->compute(field->self, &out, (const double(*)[3])s->x, &s->box, NULL), 0);
            if (fabs(out.energy - s->energy) > 1e-9)
                fail_msg("step %d: off by %g", i, out.energy - s->energy);
            for (int k = 0; k < 9; k++)
                assert_true(fabs(out.virial[k / 3][k % 3] - s->virial[k / 3][k % 3]) < 1e-9);
            for (int k = 0; k < 3 * TEST_ATOMS; k++)
                assert_true(fabs(force[k / 3][k % 3] - s->force[k / 3][k % 3]) < 1e-9);
        }
        struct cox_dyn_potential_counts counts;
        cox_dyn_potential_counts(b.p, &counts);
        assert_int_equal(counts.most_overflow, 0);
        assert_true(counts.evaluations > 400);
        assert_in_range(counts.builds, 3, 150);
        assert_true(!kind || memcmp(s->box.h, b.atoms.box.h, sizeof s->box.h) != 0);
        cox_dyn_potential_destroy(bare);
        stop(&b);
    }
}

static double energy_at(const struct cox_dyn_field *field, const struct cox_dyn_state *s, int a,
                        int c, double e)
{
    double x[TEST_ATOMS][3], force[TEST_ATOMS][3];
    struct cox_box box = s->box;
    struct cox_dyn_forces out = {.force = force};
    memcpy(x, s->x, sizeof x);
    for (int i = 0; i < TEST_ATOMS; i++)
        x[i][c] += e * s->x[i][a];
    for (int i = 0; i < 3; i++)
        box.h[i][c] += e * s->box.h[i][a];
    assert_int_equal(field->compute(field->self, &out, (const double(*)[3])x, &box, NULL), 0);
    return out.energy;
}

/* Virial and pressure against energies of strained boxes, all nine components: central differences
 * of 10⁻⁵, so 10⁻¹⁰ of the third derivative and 10⁻¹⁴ eV/10⁻⁵ of rounding. */
static void test_pressure_is_the_derivative(void **state)
{
    (void)state;
    struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
    struct cox_dyn_sample now;
    struct bench b;
    start(&b, &o, 0.5, COX_DP_F64);
    const struct cox_dyn_state *s = cox_dynamics_state(b.d);
    const struct cox_dyn_field *field = cox_dyn_potential_field(b.p);
    double trace = 0;
    for (int a = 0; a < 3; a++)
        for (int c = 0; c < 3; c++) {
            double slope =
                (energy_at(field, s, a, c, 1e-5) - energy_at(field, s, a, c, -1e-5)) / 2e-5;
            assert_true(fabs(-slope - s->virial[a][c]) < 1e-6);
            trace -= a == c ? slope : 0;
        }
    cox_dynamics_sample(b.d, &now);
    double wanted = (2 * now.kinetic + trace) / (3 * now.volume) * COX_DYN_BAR;
    assert_true(fabs(now.pressure_bar - wanted) < 1);
    assert_true(fabs(wanted) > 100);
    stop(&b);
}

/* NVE: the energy's error goes with the square of the step, and momentum stays zero. */
static void test_conservation(void **state)
{
    (void)state;
    double worst[2] = {0, 0};
    for (int half = 0; half < 2; half++) {
        struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
        struct cox_dyn_sample first, now;
        struct bench b;
        o.thermostat = COX_DYN_NVE;
        o.timestep_ps = half ? 0.00005 : 0.0001;
        o.temperature_K = 30;
        start(&b, &o, 1.0, COX_DP_F64);
        cox_dynamics_sample(b.d, &first);
        for (int i = 0; i < (half ? 600 : 300); i++) {
            steps(&b, 1);
            cox_dynamics_sample(b.d, &now);
            worst[half] = fmax(worst[half], fabs(now.conserved - first.conserved));
        }
        assert_true(cox_dynamics_stop_centre(b.d) < 1e-10);
        stop(&b);
    }
    assert_true(worst[0] < 2e-3 * TEST_ATOMS);
    assert_in_range(lround(100 * worst[0] / worst[1]), 330, 470);
}

/* float32 nets: forces are off by 10⁻⁶ of the greatest, and the sum of forces still is zero. */
static void test_single_precision(void **state)
{
    (void)state;
    struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
    struct bench b, c;
    start(&b, &o, 1.0, COX_DP_F64);
    start(&c, &o, 1.0, COX_DP_F32);
    const struct cox_dyn_state *s = cox_dynamics_state(b.d), *t = cox_dynamics_state(c.d);
    double most = 0, off = 0, sum = 0;
    for (int k = 0; k < 3 * TEST_ATOMS; k++) {
        most = fmax(most, fabs(s->force[k / 3][k % 3]));
        off = fmax(off, fabs(s->force[k / 3][k % 3] - t->force[k / 3][k % 3]));
        sum += k % 3 == 0 ? t->force[k / 3][0] : 0;
    }
    assert_true(off < 1e-5 * most && off > 0);
    assert_true(fabs(sum) < 1e-12);
    stop(&b);
    stop(&c);
}

/* A state restored in another process's objects goes on to the same bits, though its lists were
 * built at other moments there; two threads; nothing is allocated in a step. */
static void test_saving(void **state)
{
    (void)state;
    struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
    struct bench a, b;
    o.thermostat = COX_DYN_LANGEVIN;
    o.barostat = COX_DYN_ISO;
    o.pressure_bar = 50000;
    start(&a, &o, 1.0, COX_DP_F64);
    start(&b, &o, 1.0, COX_DP_F64);
    char *bytes = cox_alloc(1, cox_dynamics_size(a.d));
    steps(&a, 133);
    cox_dynamics_save(a.d, bytes);
    steps(&b, 5);
    uint64_t allocations = cox_mem_allocations();
    steps(&a, 20);
    assert_true(cox_mem_allocations() - allocations <= 8); /* a longer list than ever, at most */
    steps(&a, 80);
    assert_int_equal(cox_dynamics_restore(b.d, bytes, cox_dynamics_size(b.d), NULL), 0);
    steps(&b, 100);
    const struct cox_dyn_state *s = cox_dynamics_state(a.d), *t = cox_dynamics_state(b.d);
    assert_memory_equal(s->x, t->x, TEST_ATOMS * sizeof *s->x);
    assert_memory_equal(s->v, t->v, TEST_ATOMS * sizeof *s->v);
    assert_memory_equal(&s->box, &t->box, sizeof s->box);
    cox_free(bytes);
    stop(&a);
    stop(&b);
}

static void test_atoms_on_top_of_each_other(void **state)
{
    (void)state;
    struct cox_dyn_options o = COX_DYN_OPTIONS_INIT;
    struct cox_err err = COX_ERR_INIT;
    struct bench b;
    start(&b, &o, 1.0, COX_DP_F64);
    struct cox_dyn_state *s = cox_dynamics_state(b.d);
    memcpy(s->x[5], s->x[4], sizeof s->x[5]);
    assert_int_equal(cox_dynamics_start(b.d, &err), COX_EINVAL);
    if (!strstr(err.text, "step 0: atoms 4 and 5") && !strstr(err.text, "step 0: atoms 5 and 4"))
        fail_msg("%s", err.text);
    stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_skin),         cmocka_unit_test(test_pressure_is_the_derivative),
        cmocka_unit_test(test_conservation), cmocka_unit_test(test_single_precision),
        cmocka_unit_test(test_saving),       cmocka_unit_test(test_atoms_on_top_of_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
