/* SPDX-License-Identifier: BSD-3-Clause */
/* What a lane does depends on the lane alone: slots, neighbours, threads, chunks of steps,
 * checkpoints, blown neighbours. */
#include "md/ensemble/testing.h"

#include <math.h>
#include <string.h>

#include "kern/isa.h"

static const char *const small = "alanine-dipeptide/alanine-dipeptide";

static struct cox_engine_options options(int replicas, int threads)
{
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    o.replicas = replicas;
    o.threads = threads;
    o.seed = 7;
    return o;
}

static void same_lane(struct cox_engine *a, int lane_a, struct cox_engine *b, int lane_b)
{
    const size_t size = cox_engine_lane_size(a);
    assert_int_equal(size, cox_engine_lane_size(b));
    char *one = cox_alloc(size, 1), *two = cox_alloc(size, 1);
    OK(cox_engine_save_lane(a, lane_a, one, why));
    OK(cox_engine_save_lane(b, lane_b, two, why));
    assert_memory_equal(one, two, size);
    cox_free(one);
    cox_free(two);
}

static void set_lane(struct cox_engine *e, int lane, uint64_t seed, double temperature)
{
    OK(cox_engine_set_temperature(e, lane, temperature, why));
    OK(cox_engine_set_seed(e, lane, seed, why));
    OK(cox_engine_draw_velocities(e, lane, why));
}

/* Lane 3 among hot neighbours, cut into calls, on two threads; and the same trajectory alone. */
static void determinism_of(const char *name, const char *isa, struct cox_engine_options o)
{
    struct cox_system *s = example(name);
    o.isa = isa;
    o.replicas = 37;
    o.threads = 2;
    struct cox_engine *many = engine(s, &o);
    o.replicas = 1;
    o.threads = 1;
    struct cox_engine *one = engine(s, &o);
    for (int lane = 0; lane < 37; lane++)
        set_lane(many, lane, 100 + (uint64_t)lane, 280 + 5 * lane);
    set_lane(one, 0, 120, 280 + 5 * 20);
    OK(cox_engine_step(many, 77, why));
    set_lane(many, 19, 5, 500); /* a neighbour starts anew, at another phase of its steps */
    OK(cox_engine_step(many, 1, why));
    OK(cox_engine_step(many, 52, why));
    OK(cox_engine_step(one, 130, why));
    assert_int_equal(cox_engine_lane_steps(one, 0), 130);
    same_lane(one, 0, many, 20);
    struct cox_energies a, b;
    OK(cox_engine_evaluate(one, 0, &a, NULL, why));
    OK(cox_engine_evaluate(many, 20, &b, NULL, why));
    assert_memory_equal(&a, &b, sizeof a);
    cox_engine_destroy(many);
    cox_engine_destroy(one);
    cox_system_destroy(s);
}

static void determinism(void **state)
{
    (void)state;
    for (int i = 0; i < cox_isa_count(); i++) {
        if (!cox_isa_supported(i))
            continue;
        struct cox_engine_options o = options(1, 1);
        determinism_of(small, cox_isa_name(i), o);
        o.slow_every = 3;
        determinism_of(small, cox_isa_name(i), o);
        o.friction_per_ps = 0;
        determinism_of(small, cox_isa_name(i), o);
        o.slow_every = 1;
        o.timestep_fs = 4;
        o.hydrogen_mass_u = 3;
        determinism_of(small, cox_isa_name(i), o);
    }
    determinism_of("chignolin/cln025", NULL, options(1, 1));
}

static void checkpoint_of(struct cox_engine_options o)
{
    struct cox_system *s = example(small);
    o.replicas = 5;
    struct cox_engine *a = engine(s, &o);
    draw_all(a);
    OK(cox_engine_step(a, 101, why));
    char *bytes = cox_alloc(cox_engine_lane_size(a), 1);
    OK(cox_engine_save_lane(a, 2, bytes, why));
    o.replicas = 40;
    o.seed = 99;
    o.temperature_K = 400;
    struct cox_engine *b = engine(s, &o);
    OK(cox_engine_step(b, 10, why));
    OK(cox_engine_restore_lane(b, 33, bytes, why));
    OK(cox_engine_step(a, 150, why));
    OK(cox_engine_step(b, 150, why));
    assert_int_equal(cox_engine_lane_steps(b, 33), 251);
    same_lane(a, 2, b, 33);
    struct cox_err err = COX_ERR_INIT;
    bytes[0] ^= 1;
    assert_int_equal(cox_engine_restore_lane(b, 33, bytes, &err), COX_EFORMAT);
    same_lane(a, 2, b, 33);
    cox_free(bytes);
    cox_engine_destroy(a);
    cox_engine_destroy(b);
    cox_system_destroy(s);
}

static void checkpoint(void **state)
{
    (void)state;
    struct cox_engine_options o = options(1, 1);
    checkpoint_of(o);
    o.slow_every = 2;
    checkpoint_of(o);
    o.friction_per_ps = 0;
    checkpoint_of(o);
}

/* A lane given an atom in another is marked with a reason and stands still; its neighbours do not
 * notice; new positions bring it back. */
static void blow_up(void **state)
{
    (void)state;
    struct cox_system *s = example(small);
    const struct cox_engine_options o = options(20, 2);
    struct cox_engine *a = engine(s, &o), *b = engine(s, &o);
    draw_all(a);
    draw_all(b);
    double(*x)[3] = vectors(s), (*v)[3] = vectors(s);
    memcpy(x, s->position_nm, (size_t)s->n_atoms * sizeof *x);
    for (int k = 0; k < 3; k++) /* a carbonyl oxygen nearly on a far heavy atom */
        x[5][k] = x[16][k] + 0.01;
    OK(cox_engine_set_positions(b, 4, (const double(*)[3])x, why));
    for (int i = 0; i < s->n_atoms; i++)
        v[i][0] = i == 3 ? 1e4 : 0;
    OK(cox_engine_set_velocities(b, 17, (const double(*)[3])v, why));
    OK(cox_engine_step(a, 100, why));
    OK(cox_engine_step(b, 60, why));
    const int64_t steps = cox_engine_lane_steps(b, 4);
    OK(cox_engine_step(b, 40, why));
    for (int lane = 0; lane < 20; lane++) {
        const bool bad = lane == 4 || lane == 17;
        assert_int_equal(cox_engine_lane_state(b, lane), bad ? COX_LANE_BLOWN : COX_LANE_OK);
        if (!bad)
            same_lane(a, lane, b, lane);
    }
    assert_true(strstr(cox_engine_lane_reason(b, 4), "step") != NULL);
    assert_string_equal(cox_engine_lane_reason(b, 5), "");
    assert_int_equal(cox_engine_lane_steps(b, 4), steps);
    OK(cox_engine_get_state(b, 17, x, v, why));
    for (int i = 0; i < s->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            assert_true(isfinite(x[i][k]) && v[i][k] == 0);
    OK(cox_engine_get_state(a, 0, x, NULL, why));
    OK(cox_engine_set_positions(b, 4, (const double(*)[3])x, why));
    OK(cox_engine_step(b, 10, why));
    assert_int_equal(cox_engine_lane_state(b, 4), COX_LANE_OK);
    assert_string_equal(cox_engine_lane_reason(b, 4), "");
    cox_free(x);
    cox_free(v);
    cox_engine_destroy(a);
    cox_engine_destroy(b);
    cox_system_destroy(s);
}

static void no_allocation(void **state)
{
    (void)state;
    struct cox_system *s = example(small);
    const struct cox_engine_options o = options(20, 2);
    struct cox_engine *e = engine(s, &o);
    struct cox_energies energies;
    double(*f)[3] = vectors(s);
    draw_all(e);
    const uint64_t before = cox_mem_allocations();
    OK(cox_engine_step(e, 50, why));
    OK(cox_engine_evaluate(e, 0, &energies, f, why));
    OK(cox_engine_minimize(e, 5, 1, why));
    assert_int_equal(cox_mem_allocations(), before);
    cox_free(f);
    cox_engine_destroy(e);
    cox_system_destroy(s);
}

static void out_of_memory(void **state)
{
    (void)state;
    struct cox_system *s = example(small);
    const struct cox_engine_options o = options(20, 1);
    const uint64_t in_use = cox_mem_in_use();
    int rc = COX_ENOMEM;
    for (uint64_t n = 1; rc; n++) {
        struct cox_engine *e = NULL;
        struct cox_err err = COX_ERR_INIT;
        cox_mem_fail_at(n);
        rc = cox_engine_create(&e, "ensemble", s, &o, &err);
        cox_mem_fail_at(0);
        cox_engine_destroy(e);
        assert_true(rc == COX_ENOMEM || rc == COX_OK);
        assert_int_equal(cox_mem_in_use(), in_use);
    }
    cox_system_destroy(s);
}

/* Largest force on an atom that constraints do not take up, by the work of trial steps: here simply
 * the engine's own criterion, seen as the drop of the energy. */
static void minimiser(void **state)
{
    (void)state;
    struct cox_system *s = example("chignolin/extended");
    struct cox_engine_options o = options(3, 1);
    struct cox_engine *e = engine(s, &o);
    double(*x)[3] = vectors(s);
    memcpy(x, s->position_nm, (size_t)s->n_atoms * sizeof *x);
    OK(cox_engine_set_positions(e, 0, (const double(*)[3])x, why));
    for (int k = 0; k < 3; k++) /* two heavy atoms of far residues on one another */
        x[4][k] = x[100][k] + (k == 0 ? 0.004 : 0);
    struct cox_err err = COX_ERR_INIT;
    if (cox_engine_set_positions(e, 1, (const double(*)[3])x, &err) != COX_OK)
        fail_msg("%s", err.text);
    struct cox_energies before, after, bad;
    OK(cox_engine_evaluate(e, 0, &before, NULL, why));
    OK(cox_engine_minimize(e, 1500, 10, why));
    OK(cox_engine_evaluate(e, 0, &after, NULL, why));
    OK(cox_engine_evaluate(e, 1, &bad, NULL, why));
    assert_true(after.potential < before.potential - 50);
    assert_true(isfinite(bad.potential));
    if (!(bad.potential < after.potential + 2500))
        fail_msg("the clash was not resolved: %g against %g", bad.potential, after.potential);
    draw_all(e);
    OK(cox_engine_step(e, 300, why));
    for (int lane = 0; lane < 3; lane++)
        assert_int_equal(cox_engine_lane_state(e, lane), COX_LANE_OK);
    cox_free(x);
    cox_engine_destroy(e);
    cox_system_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(determinism),   cmocka_unit_test(checkpoint),
        cmocka_unit_test(blow_up),       cmocka_unit_test(no_allocation),
        cmocka_unit_test(out_of_memory), cmocka_unit_test(minimiser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
