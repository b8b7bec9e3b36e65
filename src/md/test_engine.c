/* SPDX-License-Identifier: BSD-3-Clause */
/* The dispatch and its checks, on the fake engine, and what the fake engine promises to loops. */
#include "cox/engine.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define ATOMS 20
#define LANES 3

static struct cox_system *line_of_atoms(void)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = NULL;
    if (cox_system_create(&s, ATOMS, ATOMS / 2, 0, 0, 0, 0, 0, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < ATOMS; i++) {
        s->mass_u[i] = 12;
        s->residue[i] = i / 2;
        s->position_nm[i][0] = 0.2 * i;
    }
    s->solvent_dielectric = s->solute_dielectric = 1;
    return s;
}

static struct cox_engine *fake(const struct cox_system *s, uint64_t seed)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    struct cox_engine *e = NULL;
    o.replicas = LANES;
    o.seed = seed;
    if (cox_engine_create(&e, "fake", s, &o, &err))
        fail_msg("%s", err.text);
    return e;
}

static void refuse(const struct cox_system *s, const char *kind, struct cox_engine_options o,
                   const char *word)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_engine *e = (struct cox_engine *)1;
    assert_int_equal(cox_engine_create(&e, kind, s, &o, &err), COX_EINVAL);
    assert_null(e);
    if (!strstr(err.text, word))
        fail_msg("'%s' does not mention '%s'", err.text, word);
}

static void options(void **state)
{
    (void)state;
    struct cox_system *s = line_of_atoms();
    const struct cox_engine_options good = COX_ENGINE_OPTIONS_INIT;
    refuse(s, "openm", good, "'fake'");
    refuse(s, NULL, good, "'fake'");
    struct cox_engine_options o = good;
#define REFUSE(field, value)          \
    do {                              \
        o = good;                     \
        o.field = (value);            \
        refuse(s, "fake", o, #field); \
    } while (0)
    REFUSE(replicas, 0);
    REFUSE(timestep_fs, 0);
    REFUSE(timestep_fs, 11);
    REFUSE(timestep_fs, (double)NAN);
    REFUSE(temperature_K, -1);
    REFUSE(friction_per_ps, -0.1);
    REFUSE(hydrogen_mass_u, 0.5);
    REFUSE(hydrogen_mass_u, (double)NAN);
    REFUSE(constraint_tolerance, 0);
    REFUSE(slow_every, 0);
    REFUSE(threads, -1);
    s->position_nm[3][1] = (double)INFINITY;
    refuse(s, "fake", good, "atom 3");
    cox_system_destroy(s);
}

static void lanes(void **state)
{
    (void)state;
    struct cox_system *s = line_of_atoms();
    struct cox_engine *e = fake(s, 1);
    struct cox_err err = COX_ERR_INIT;
    double x[ATOMS][3] = {{0}};
    char bytes[64];
    assert_int_equal(cox_engine_replicas(e), LANES);
    for (int lane = -1; lane <= LANES; lane += LANES + 1) {
        assert_int_equal(cox_engine_set_positions(e, lane, (const double(*)[3])x, &err),
                         COX_EINVAL);
        assert_non_null(strstr(err.text, "0 … 2"));
        assert_int_equal(cox_engine_set_velocities(e, lane, (const double(*)[3])x, &err),
                         COX_EINVAL);
        assert_int_equal(cox_engine_draw_velocities(e, lane, &err), COX_EINVAL);
        assert_int_equal(cox_engine_set_temperature(e, lane, 300, &err), COX_EINVAL);
        assert_int_equal(cox_engine_set_seed(e, lane, 1, &err), COX_EINVAL);
        assert_int_equal(cox_engine_get_state(e, lane, x, NULL, &err), COX_EINVAL);
        assert_int_equal(cox_engine_evaluate(e, lane, NULL, NULL, &err), COX_EINVAL);
        assert_int_equal(cox_engine_save_lane(e, lane, bytes, &err), COX_EINVAL);
        assert_int_equal(cox_engine_restore_lane(e, lane, bytes, &err), COX_EINVAL);
    }
    assert_int_equal(cox_engine_set_temperature(e, 0, (double)NAN, &err), COX_EINVAL);
    x[7][2] = (double)NAN;
    assert_int_equal(cox_engine_set_positions(e, 0, (const double(*)[3])x, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "atom 7"));
    assert_int_equal(cox_engine_step(e, -1, &err), COX_EINVAL);
    assert_int_equal(cox_engine_minimize(e, -1, 1, &err), COX_EINVAL);
    assert_int_equal(cox_engine_minimize(e, 1, (double)NAN, &err), COX_EINVAL);
    memset(bytes, 1, sizeof bytes);
    assert_int_equal(cox_engine_restore_lane(e, 0, bytes, &err), COX_EFORMAT);
    cox_engine_destroy(e);
    cox_engine_destroy(NULL);
    cox_system_destroy(s);
}

static void must(int rc, const struct cox_err *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

static void state_of(struct cox_engine *e, int lane, double (*x)[3])
{
    struct cox_err err = COX_ERR_INIT;
    must(cox_engine_get_state(e, lane, x, NULL, &err), &err);
}

/* Cut into other calls, in another slot, after a save and restore: the same trajectory. */
static void determinism(void **state)
{
    (void)state;
    struct cox_system *s = line_of_atoms();
    struct cox_engine *a = fake(s, 1), *b = fake(s, 2);
    struct cox_err err = COX_ERR_INIT;
    double x[ATOMS][3], y[ATOMS][3];
    must(cox_engine_set_seed(a, 0, 77, &err), &err);
    must(cox_engine_set_seed(b, 2, 77, &err), &err);
    must(cox_engine_step(a, 1234, &err), &err);
    must(cox_engine_step(b, 777, &err), &err);
    void *bytes = cox_alloc(cox_engine_lane_size(b), 1);
    must(cox_engine_save_lane(b, 2, bytes, &err), &err);
    must(cox_engine_restore_lane(b, 1, bytes, &err), &err);
    must(cox_engine_step(b, 1234 - 777, &err), &err);
    state_of(a, 0, x);
    assert_int_equal(cox_engine_lane_steps(b, 1), 1234);
    for (int lane = 1; lane <= 2; lane++) {
        state_of(b, lane, y);
        assert_memory_equal(x, y, sizeof x);
    }
    state_of(b, 0, y);
    assert_memory_not_equal(x, y, sizeof x);
    cox_free(bytes);
    cox_engine_destroy(a);
    cox_engine_destroy(b);
    cox_system_destroy(s);
}

static void blow_up(void **state)
{
    (void)state;
    struct cox_system *s = line_of_atoms();
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(setenv("COX_FAKE_BLOW_ONE_IN", "1", 1), 0);
    struct cox_engine *e = fake(s, 1);
    must(cox_engine_step(e, 499, &err), &err);
    assert_int_equal(cox_engine_lane_state(e, 1), COX_LANE_OK);
    assert_string_equal(cox_engine_lane_reason(e, 1), "");
    must(cox_engine_step(e, 499, &err), &err);
    assert_int_equal(cox_engine_lane_state(e, 1), COX_LANE_BLOWN);
    assert_non_null(strstr(cox_engine_lane_reason(e, 1), "step 500"));
    must(cox_engine_set_positions(e, 1, (const double(*)[3])s->position_nm, &err), &err);
    assert_int_equal(cox_engine_lane_state(e, 1), COX_LANE_OK);
    assert_int_equal(cox_engine_lane_state(e, 2), COX_LANE_BLOWN);
    cox_engine_destroy(e);
    assert_int_equal(setenv("COX_FAKE_BLOW_ONE_IN", "x", 1), 0);
    assert_int_equal(cox_engine_create(&e, "fake", s, NULL, &err), COX_EINVAL);
    unsetenv("COX_FAKE_BLOW_ONE_IN");
    cox_system_destroy(s);
}

/* Wanders by a few tenths of a nm and no further; no allocation per step. */
static void wanders(void **state)
{
    (void)state;
    struct cox_system *s = line_of_atoms();
    struct cox_engine *e = fake(s, 3);
    struct cox_err err = COX_ERR_INIT;
    double x[ATOMS][3], mean = 0;
    must(cox_engine_step(e, 100000, &err), &err);
    uint64_t allocations = cox_mem_allocations();
    for (int n = 0; n < 50; n++) {
        must(cox_engine_step(e, 20000, &err), &err);
        state_of(e, 0, x);
        double square = 0;
        for (int i = 0; i < ATOMS; i++)
            for (int k = 0; k < 3; k++)
                square += pow(x[i][k] - s->position_nm[i][k], 2) / ATOMS;
        mean += sqrt(square) / 50;
    }
    assert_int_equal(cox_mem_allocations(), allocations);
    assert_true(mean > 0.1 && mean < 0.8);
    cox_engine_destroy(e);
    cox_system_destroy(s);
}

static void no_memory(void **state)
{
    (void)state;
    struct cox_system *s = line_of_atoms();
    struct cox_err err = COX_ERR_INIT;
    uint64_t before = cox_mem_in_use();
    for (uint64_t n = 1; n < 12; n++) {
        struct cox_engine *e = NULL;
        cox_mem_fail_at(n);
        int rc = cox_engine_create(&e, "fake", s, NULL, &err);
        cox_mem_fail_at(0);
        assert_true(rc == COX_OK || rc == COX_ENOMEM);
        assert_true(rc == COX_OK || e == NULL);
        cox_engine_destroy(e);
        assert_int_equal(cox_mem_in_use(), before);
    }
    cox_system_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options), cmocka_unit_test(lanes),   cmocka_unit_test(determinism),
        cmocka_unit_test(blow_up), cmocka_unit_test(wanders), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
