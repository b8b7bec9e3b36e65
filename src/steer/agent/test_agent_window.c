/* SPDX-License-Identifier: BSD-3-Clause */
/* The window of a streaming agent against everything kept: the same states, whatever was dropped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "steer/agent/window.h"

enum { ATOMS = 6, LANES = 3, WINDOW = 50 };

struct world {
    struct cox_system *system;
    struct cox_arena *arena;
    struct cox_settings settings;
};

static void open_world(struct world *w)
{
    struct cox_err err = COX_ERR_INIT;
    w->arena = cox_arena_create();
    assert_int_equal(cox_system_create(&w->system, ATOMS, ATOMS, 0, 0, 0, 0, 0, &err), 0);
    for (int i = 0; i < ATOMS; i++) {
        w->system->residue[i] = i;
        snprintf(w->system->atom_name[i], COX_NAME_SIZE, "CA");
        snprintf(w->system->residue_name[i], COX_NAME_SIZE, "GLY");
    }
    assert_int_equal(cox_config_defaults(&w->settings, &cox_settings_schema, w->arena, &err), 0);
    w->settings.agent.window = WINDOW;
    w->settings.simulation.replicas = LANES;
}

static void close_world(struct world *w)
{
    cox_system_destroy(w->system);
    cox_arena_destroy(w->arena);
}

/* Frame `id`: a chain of random steps; few enough shapes that states are met again. */
static int append(struct cox_agent_window *window, int64_t id, struct cox_err *err)
{
    float x[ATOMS][3];
    int32_t segment = (int32_t)(id / 10);
    int32_t lane = (int32_t)(id % LANES);
    double time = (double)id;
    struct cox_rng rng;
    cox_rng_init(&rng, 3, (uint64_t)(id * 7 % 90));
    memset(x, 0, sizeof x);
    for (int i = 1; i < ATOMS; i++)
        for (int k = 0; k < 3; k++)
            x[i][k] = x[i - 1][k] + (float)(0.2 * cox_rng_normal(&rng));
    struct cox_agent_block block = {.n = 1,
                                    .id = &id,
                                    .x = &x[0][0],
                                    .segment = &segment,
                                    .lane = &lane,
                                    .round = &segment,
                                    .time_ps = &time};
    return cox_agent_window_append(window, &block, NULL, err);
}

static void dropping_changes_no_state(void **state)
{
    struct world w;
    struct cox_agent_window small;
    struct cox_agent_window whole;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    open_world(&w);
    assert_int_equal(cox_agent_window_init(&small, w.system, &w.settings, NULL, &err), 0);
    w.settings.agent.window = 100000;
    assert_int_equal(cox_agent_window_init(&whole, w.system, &w.settings, NULL, &err), 0);
    for (int64_t id = 0; id < 400; id++) {
        assert_int_equal(append(&small, id, &err), 0);
        assert_int_equal(append(&whole, id, &err), 0);
        int64_t n = small.frames.n;
        assert_true(n <= WINDOW + WINDOW / 8);
        assert_true(id < WINDOW || n >= WINDOW);
        assert_int_equal(small.frames.n_states, whole.frames.n_states);
        for (int64_t i = 0; i < n; i++) {
            int64_t same = id + 1 - n + i;
            assert_int_equal(small.id[i], same);
            assert_int_equal(small.frames.state[i], whole.frames.state[same]);
            assert_int_equal(small.frames.lane[i], whole.frames.lane[same]);
            assert_true(small.time_ps[i] == whole.time_ps[same]);
        }
        for (int lane = 0; lane < LANES && id >= LANES; lane++)
            assert_int_equal(small.id[small.last[lane]], whole.last[lane]);
    }
    assert_true(whole.frames.n_states > 5);
    for (int s = 0; s < whole.frames.n_states; s++)
        assert_int_equal(small.frames.population[s], whole.frames.population[s]);
    cox_agent_window_deinit(&small);
    cox_agent_window_deinit(&whole);
    close_world(&w);
}

static void uses_are_known_by_id_before_and_after_the_frame(void **state)
{
    struct world w;
    struct cox_agent_window window;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    open_world(&w);
    assert_int_equal(cox_agent_window_init(&window, w.system, &w.settings, NULL, &err), 0);
    for (int64_t i = 0; i < 600; i++) /* in any order, more than a first allocation holds */
        assert_int_equal(cox_agent_window_used(&window, i * 7 % 600 + 10, &err), 0);
    assert_int_equal(cox_agent_window_used(&window, 12, &err), 0);
    assert_int_equal(cox_agent_window_poisoned(&window, 13, &err), 0);
    for (int64_t id = 0; id < 20; id++)
        assert_int_equal(append(&window, id, &err), 0);
    assert_int_equal(window.frames.reuse[9], 0);
    assert_int_equal(window.frames.reuse[10], 1);
    assert_int_equal(window.frames.reuse[12], 2);
    assert_true(window.frames.reuse[13] > 1000000);
    assert_int_equal(cox_agent_window_used(&window, 9, &err), 0);
    assert_int_equal(cox_agent_window_used(&window, 13, &err), 0);
    assert_int_equal(cox_agent_window_poisoned(&window, 13, &err), 0); /* said twice */
    assert_int_equal(window.frames.reuse[9], 1);
    assert_true(window.frames.reuse[13] > 1000000);
    cox_agent_window_deinit(&window);
    close_world(&w);
}

static void a_frame_of_no_lane_is_refused(void **state)
{
    struct world w;
    struct cox_agent_window window;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    open_world(&w);
    w.settings.simulation.replicas = 2;
    assert_int_equal(cox_agent_window_init(&window, w.system, &w.settings, NULL, &err), 0);
    assert_int_equal(append(&window, 1, &err), 0);
    assert_int_equal(append(&window, 2, &err), COX_EFORMAT);
    assert_non_null(strstr(err.text, "lane 2"));
    cox_agent_window_deinit(&window);
    close_world(&w);
}

/* The n-th allocation fails: an error, and what was there stays usable. */
static void memory_may_run_out(void **state)
{
    struct world w;
    (void)state;
    open_world(&w);
    int rc = COX_ENOMEM;
    for (uint64_t n = 1; rc && n < 200; n++) {
        struct cox_agent_window window;
        struct cox_err err = COX_ERR_INIT;
        uint64_t before = cox_mem_in_use();
        cox_mem_fail_at(n);
        rc = cox_agent_window_init(&window, w.system, &w.settings, NULL, &err);
        bool made = !rc;
        if (!rc)
            rc = cox_agent_window_model(&window, 4, &err);
        for (int64_t id = 0; !rc && id < 100; id++)
            rc = append(&window, id, &err);
        if (!rc)
            rc = cox_agent_window_used(&window, 3, &err);
        cox_mem_fail_at(0);
        assert_true(rc == 0 || rc == COX_ENOMEM);
        if (made) {
            assert_int_equal(append(&window, 500, &err), 0);
            cox_agent_window_deinit(&window);
        }
        assert_int_equal(cox_mem_in_use(), before);
    }
    assert_int_equal(rc, 0);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dropping_changes_no_state),
        cmocka_unit_test(uses_are_known_by_id_before_and_after_the_frame),
        cmocka_unit_test(a_frame_of_no_lane_is_refused),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
