/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent on made-up frames: one "pair distance" a frame, so that distances are plain numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "steer/agent/agent.h"

#define LANES 8
#define PER_LANE 10
#define N (LANES * PER_LANE)

struct world {
    struct cox_frames frames;
    float pairs[N], values[N];
    int32_t segment[N], lane[N], round[N], state[N], reuse[N], population[2];
    int64_t last[LANES];
    struct cox_pick picks[LANES];
    struct cox_settings_agent settings;
};

/* Lane l sits near distance l nm (10 l Å); objective of frame i is its index: older is better. */
static void build(struct world *w)
{
    memset(w, 0, sizeof *w);
    for (int i = 0; i < N; i++) {
        w->lane[i] = i / PER_LANE;
        w->pairs[i] = (float)w->lane[i] + 0.001f * (float)(i % PER_LANE);
        w->values[i] = (float)i;
        w->last[w->lane[i]] = i;
        w->state[i] = w->lane[i] == 3; /* lane 3 alone is in state 1: the rare one */
    }
    w->population[0] = N - PER_LANE;
    w->population[1] = PER_LANE;
    w->frames = (struct cox_frames){.n_pairs = 1,
                                    .n_observables = 1,
                                    .objective = 0,
                                    .rmsd = 0,
                                    .n = N,
                                    .pairs = w->pairs,
                                    .values = w->values,
                                    .segment = w->segment,
                                    .lane = w->lane,
                                    .round = w->round,
                                    .state = w->state,
                                    .reuse = w->reuse,
                                    .population = w->population,
                                    .n_states = 2};
    w->settings = (struct cox_settings_agent){.enabled = true,
                                              .outliers = COX_OUTLIERS_NONE,
                                              .objective = "rmsd_A",
                                              .direction = COX_MINIMISE,
                                              .explore = 0,
                                              .diversity_A = 0,
                                              .max_reuse = 100,
                                              .restart = 0.5,
                                              .unsteered = 0,
                                              .window = 1000,
                                              .min_samples = 3,
                                              .outliers_min = 0.05,
                                              .outliers_max = 0.2,
                                              .lof_neighbours = 5,
                                              .space = COX_SPACE_DISTANCES};
}

static struct cox_agent_result decide(struct world *w)
{
    struct cox_agent_result result = {.picks = w->picks};
    struct cox_agent_input input = {.settings = &w->settings,
                                    .frames = &w->frames,
                                    .lanes = LANES,
                                    .last_frame = w->last,
                                    .seed = 5};
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_agent_decide(&result, &input, &err), 0);
    return result;
}

static void greedy_takes_the_best_frames_and_the_worst_lanes(void **state)
{
    struct world w;
    (void)state;
    build(&w);
    struct cox_agent_result r = decide(&w);
    assert_int_equal(r.n_picks, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(r.picks[i].frame, i);            /* smallest objective first */
        assert_int_equal(r.picks[i].lane, LANES - 1 - i); /* largest first */
        assert_int_equal(w.reuse[i], 1);
    }
}

static void direction_turns_it_round(void **state)
{
    struct world w;
    (void)state;
    build(&w);
    w.settings.direction = COX_MAXIMISE;
    struct cox_agent_result r = decide(&w);
    assert_int_equal(r.picks[0].frame, N - 1);
    assert_int_equal(r.picks[0].lane, 0);
}

static void diversity_keeps_picks_apart(void **state)
{
    struct world w;
    (void)state;
    build(&w);
    w.settings.diversity_A = 5; /* lanes are 10 Å apart, their frames 0.01 Å */
    struct cox_agent_result r = decide(&w);
    assert_int_equal(r.n_picks, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(r.picks[i].frame, i * PER_LANE);
    w.settings.diversity_A = 1000;
    memset(w.reuse, 0, sizeof w.reuse);
    r = decide(&w);
    assert_int_equal(r.n_picks, 1); /* nothing else is far enough: the other lanes go on */
}

static void a_frame_is_not_reused_for_ever(void **state)
{
    struct world w;
    (void)state;
    build(&w);
    w.settings.max_reuse = 2;
    decide(&w);
    decide(&w);
    struct cox_agent_result r = decide(&w);
    assert_int_equal(r.picks[0].frame, 4);
    assert_int_equal(w.reuse[0], 2);
}

static void unsteered_lanes_are_left_alone(void **state)
{
    struct world w;
    (void)state;
    build(&w);
    w.settings.unsteered = 0.5;
    w.settings.restart = 1;
    struct cox_agent_result r = decide(&w);
    assert_int_equal(r.n_picks, 4);
    for (int i = 0; i < r.n_picks; i++)
        assert_true(r.picks[i].lane < 4);
}

static void exploration_prefers_rare_states(void **state)
{
    struct world w;
    (void)state;
    build(&w);
    w.settings.explore = 1;
    struct cox_agent_result r = decide(&w);
    for (int i = 0; i < r.n_picks; i++)
        assert_int_equal(w.lane[r.picks[i].frame], 3);
    /* without an objective it is the same */
    w.settings.explore = 0;
    w.frames.objective = -1;
    memset(w.reuse, 0, sizeof w.reuse);
    r = decide(&w);
    for (int i = 0; i < r.n_picks; i++)
        assert_int_equal(w.lane[r.picks[i].frame], 3);
}

static void outliers_are_the_only_candidates(void **state)
{
    struct world w;
    (void)state;
    build(&w);
    for (int i = 0; i < N; i++)
        w.pairs[i] = 1 + 1e-4f * (float)((i * 37) % N);
    w.pairs[40] = 9; /* two frames far away from all */
    w.pairs[50] = 12;
    int methods[] = {COX_OUTLIERS_DBSCAN, COX_OUTLIERS_LOF, COX_OUTLIERS_KNN};
    for (int k = 0; k < 3; k++) {
        w.settings.outliers = methods[k];
        w.settings.outliers_min = 2.0 / N;
        w.settings.outliers_max = 2.0 / N;
        memset(w.reuse, 0, sizeof w.reuse);
        struct cox_agent_result r = decide(&w);
        assert_int_equal(r.outliers, 2);
        assert_int_equal(r.n_picks, 2);
        assert_int_equal(r.picks[0].frame, 40); /* ranked by the objective */
        assert_int_equal(r.picks[1].frame, 50);
    }
}

/* Many copies of one point, far from all: LOF, which leaves copies out, takes it for an outlier;
 * the distance to the k-th neighbour does not. */
static void copies_are_no_outliers(void **state)
{
    struct world w;
    (void)state;
    build(&w);
    for (int i = 0; i < N; i++)
        w.pairs[i] = i < 30 ? 9 : 1 + 1e-2f * (float)((i * 37) % N);
    w.pairs[77] = 3; /* alone */
    w.settings.outliers_min = w.settings.outliers_max = 1.5 / N;
    w.settings.outliers = COX_OUTLIERS_LOF;
    struct cox_agent_result r = decide(&w);
    assert_true(r.picks[0].frame < 30);
    memset(w.reuse, 0, sizeof w.reuse);
    w.settings.outliers = COX_OUTLIERS_KNN;
    r = decide(&w);
    assert_int_equal(r.outliers, 1);
    assert_int_equal(r.picks[0].frame, 77);
}

static void only_the_window_counts(void **state)
{
    struct world w;
    (void)state;
    build(&w);
    w.settings.window = 2 * PER_LANE;
    struct cox_agent_result r = decide(&w);
    assert_int_equal(r.window, 2 * PER_LANE);
    for (int i = 0; i < r.n_picks; i++)
        assert_true(r.picks[i].frame >= N - 2 * PER_LANE);
}

static void random_order_is_seeded_and_stays_among_the_best(void **state)
{
    struct world a;
    struct world b;
    (void)state;
    build(&a);
    build(&b);
    a.settings.random_order = b.settings.random_order = true;
    struct cox_agent_result x = decide(&a);
    struct cox_agent_result y = decide(&b);
    bool shuffled = false;
    for (int i = 0; i < x.n_picks; i++) {
        assert_int_equal(x.picks[i].frame, y.picks[i].frame);
        assert_true(x.picks[i].frame < 16);
        shuffled |= x.picks[i].frame != i;
    }
    assert_true(shuffled);
}

static void urgent_lanes_come_first_and_offers_are_not_counted(void **state)
{
    struct world w;
    bool urgent[LANES] = {[2] = true, [5] = true};
    (void)state;
    build(&w);
    struct cox_agent_result r = {.picks = w.picks};
    struct cox_agent_input input = {.settings = &w.settings,
                                    .frames = &w.frames,
                                    .lanes = LANES,
                                    .last_frame = w.last,
                                    .urgent = urgent,
                                    .offers = true};
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_agent_decide(&r, &input, &err), 0);
    const int lanes[] = {5, 2, 7, 6};
    assert_int_equal(r.n_picks, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(r.picks[i].lane, lanes[i]);
        assert_int_equal(w.reuse[r.picks[i].frame], 0);
    }
    w.settings.restart = 0; /* the share does not hold them back */
    assert_int_equal(cox_agent_decide(&r, &input, &err), 0);
    assert_int_equal(r.n_picks, 2);
    w.settings.unsteered = 1; /* but nobody touches an unsteered lane */
    assert_int_equal(cox_agent_decide(&r, &input, &err), 0);
    assert_int_equal(r.n_picks, 0);
}

static void memory_may_run_out_at_any_point(void **state)
{
    struct world w;
    (void)state;
    build(&w);
    for (int method = COX_OUTLIERS_NONE; method <= COX_OUTLIERS_KNN; method++) {
        w.settings.outliers = method;
        int rc = COX_ENOMEM;
        for (uint64_t n = 1; rc && n < 1000; n++) {
            struct cox_agent_result result = {.picks = w.picks};
            struct cox_agent_input input = {
                .settings = &w.settings, .frames = &w.frames, .lanes = LANES, .last_frame = w.last};
            struct cox_err err = COX_ERR_INIT;
            uint64_t before = cox_mem_in_use();
            cox_mem_fail_at(n);
            rc = cox_agent_decide(&result, &input, &err);
            cox_mem_fail_at(0);
            assert_true(rc == 0 || rc == COX_ENOMEM);
            assert_int_equal(cox_mem_in_use(), before);
        }
        assert_int_equal(rc, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_best_frames_and_the_worst_lanes),
        cmocka_unit_test(direction_turns_it_round),
        cmocka_unit_test(diversity_keeps_picks_apart),
        cmocka_unit_test(a_frame_is_not_reused_for_ever),
        cmocka_unit_test(unsteered_lanes_are_left_alone),
        cmocka_unit_test(exploration_prefers_rare_states),
        cmocka_unit_test(outliers_are_the_only_candidates),
        cmocka_unit_test(copies_are_no_outliers),
        cmocka_unit_test(only_the_window_counts),
        cmocka_unit_test(random_order_is_seeded_and_stays_among_the_best),
        cmocka_unit_test(urgent_lanes_come_first_and_offers_are_not_counted),
        cmocka_unit_test(memory_may_run_out_at_any_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
