/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent role against a played coordinator. */
#include "steer/testing_learn.h"

static int64_t offered(const struct cox_message *m, int i, const char *key)
{
    return cox_message_int(cox_message_item(m, "starts", i), key, -1);
}

/* The newest list of offers that knows all frames written. */
static const struct cox_message *offers(struct world *w)
{
    double end = cox_clock_seconds() + PATIENCE_S;
    const struct cox_message *m = must_hear(w, "starts");
    while (cox_message_int(m, "frames", 0) < w->frame) {
        assert_true(cox_clock_seconds() < end);
        m = must_hear(w, "starts");
    }
    return m;
}

static void used(struct world *w, const char *key, int64_t frame, int lane, int segment)
{
    struct cox_message *m = cox_message_create("used");
    cox_message_set_ints(m, key, &frame, 1);
    if (lane >= 0) {
        cox_message_set_int(m, "lane", lane);
        cox_message_set_int(m, "segment", segment);
    }
    tell(w, m);
}

/* Frames 0 … LANES−1 at these stretches, then rounds in which nobody gets anywhere. */
static void write_known(struct world *w, const double best[LANES], int rounds)
{
    for (int lane = 0; lane < LANES; lane++)
        write_frame(w, lane, lane, best[lane], lane == LANES - 1);
    for (int i = 0; i < rounds * LANES; i++)
        write_frame(w, i % LANES, i % LANES, 0.9 + 0.01 * (i % LANES), i == rounds * LANES - 1);
}

static void an_agent_offers_the_best_and_forgets_what_was_used(void **state)
{
    static const double best[LANES] = {0.5, 0.1, 0.3, 0.7};
    static const double better[LANES] = {0.5, 0.05, 0.3, 0.7};
    struct world w;
    (void)state;
    open_world(&w, "agent: {objective: rmsd_A, explore: 0, diversity_A: 0.01, max_reuse: 2, "
                   "window: 40, unsteered: 0.25}\nlearn: {enabled: false}\n"
                   "streaming: {heartbeat_s: 0.05}");
    write_known(&w, best, 5);
    start(&w, "agent", "agent-0");
    must_hear(&w, "hello");
    tell(&w, cox_message_create("welcome"));
    const struct cox_message *m = offers(&w);
    assert_int_equal(cox_message_count(m, "starts"), 2); /* half of three, rounded */
    assert_int_equal(offered(m, 0, "frame"), 1);
    assert_int_equal(offered(m, 1, "frame"), 2);
    assert_int_equal(offered(m, 0, "parent_segment"), 1);
    assert_int_equal(offered(m, 0, "now"), 0);
    assert_int_equal(offered(m, 0, "lane"), 2); /* of 0, 1 and 2 the farthest from the fold */
    int states = (int)cox_message_int(m, "states", 0);
    assert_true(states > 1);

    /* offers are no uses: it is offered until it was taken twice; a poisoned one never again */
    write_known(&w, better, 0);
    m = offers(&w);
    assert_int_equal(offered(m, 0, "frame"), 24 + 1);
    used(&w, "frames", 25, 2, 10);
    used(&w, "frames", 25, 2, 11);
    write_known(&w, best, 0);
    m = offers(&w);
    assert_true(offered(m, 0, "frame") == 28 + 1 || offered(m, 0, "frame") == 1);
    used(&w, "poisoned", 1, -1, 0);
    used(&w, "poisoned", 29, -1, 0);
    for (int i = 0; i < LANES; i++)
        write_frame(&w, i, i, 0.95, i == LANES - 1);
    m = offers(&w);
    assert_true(offered(m, 0, "frame") % LANES == 2); /* the next best */

    /* the window: what has fallen out of it is not offered; states are for ever */
    for (int i = 0; i < 30 * LANES; i++)
        write_frame(&w, i % LANES, i % LANES, 0.9 + 0.01 * (i % LANES), i == 30 * LANES - 1);
    m = offers(&w);
    assert_int_equal(cox_message_int(m, "window", 0), 40);
    for (int i = 0; i < cox_message_count(m, "starts"); i++)
        assert_true(offered(m, i, "frame") >= w.frame - 40);
    assert_true(cox_message_int(m, "states", 0) >= states);
    states = (int)cox_message_int(m, "states", 0);
    int64_t favourite = offered(m, 0, "frame");

    /* a crash: the next attempt knows what was used, and finds the same states */
    kill(w.child, SIGKILL);
    reap(&w, -1);
    start(&w, "agent", "agent-0");
    must_hear(&w, "hello");
    struct cox_message *welcome = cox_message_create("welcome");
    cox_message_set_ints(welcome, "frames", (const int64_t[]){favourite, 25, favourite}, 3);
    tell(&w, welcome);
    m = offers(&w);
    assert_int_equal(cox_message_int(m, "states", 0), states);
    for (int i = 0; i < cox_message_count(m, "starts"); i++)
        assert_true(offered(m, i, "frame") != favourite);
    stop(&w);
    close_world(&w);
}

static void save_model(const struct world *w, const char *name, uint64_t seed)
{
    char path[PATH_MAX];
    struct cox_cvae *cvae = NULL;
    struct cox_err err = COX_ERR_INIT;
    path_in(path, name);
    if (cox_learner_fresh(&cvae, &w->settings.learn, ATOMS, seed, NULL, &err) ||
        cox_cvae_save(cvae, path, &err))
        fail_msg("%s", err.text);
    cox_cvae_destroy(cvae);
}

static void tell_model(struct world *w, int id, const char *name)
{
    struct cox_message *m = cox_message_create("model");
    cox_message_set_int(m, "id", id);
    cox_message_set_text(m, "path", name);
    tell(w, m);
}

static void a_new_model_embeds_the_window_anew(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, TINY "epochs: 1}\nagent: {outliers: lof, window: 600, lof_neighbours: 4}\n"
                        "streaming: {heartbeat_s: 0.05}");
    write_frames(&w, 200); /* 800, more than a window and several pieces */
    start(&w, "agent", "agent-0");
    must_hear(&w, "hello");
    tell(&w, cox_message_create("welcome"));
    assert_int_equal(cox_message_int(offers(&w), "model", 0), -1);
    for (int id = 3; id < 5; id++) {
        char name[64];
        snprintf(name, sizeof name, "models/model-%d.h5", id);
        save_model(&w, name, (uint64_t)id);
        tell_model(&w, id, name);
        const struct cox_message *m = offers(&w); /* nothing new came but the model */
        assert_int_equal(cox_message_int(m, "model", 0), id);
        assert_int_equal(cox_message_int(m, "outliers", 0), 60);
        must_hear(&w, "heartbeat");
        assert_true(cox_message_int(w.heartbeat, "embedded", 0) >= 600);
        write_frames(&w, 1);
        assert_int_equal(cox_message_int(offers(&w), "model", 0), id);
    }
    tell_model(&w, 7, "models/no-such.h5");
    must_hear(&w, "trouble");
    write_frames(&w, 1);
    assert_int_equal(cox_message_int(offers(&w), "model", 0), 4);
    stop(&w);
    close_world(&w);
}

static void a_stale_lane_is_to_be_replaced_at_once(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, "agent: {objective: rmsd_A, explore: 0, diversity_A: 0, stale_ps: 5, "
                   "restart: 0, unsteered: 0}\nlearn: {enabled: false}\n"
                   "streaming: {heartbeat_s: 0.05}");
    for (int i = 0; i < 8 * LANES; i++) { /* all move towards the fold but lane 2 */
        int lane = i % LANES;
        write_frame(&w, lane, lane, lane == 2 ? 0.9 + 0.01 * i : 0.9 - 0.005 * i,
                    i == 8 * LANES - 1);
    }
    start(&w, "agent", "agent-0");
    must_hear(&w, "hello");
    tell(&w, cox_message_create("welcome"));
    const struct cox_message *m = offers(&w);
    assert_int_equal(cox_message_count(m, "starts"), 1);
    assert_int_equal(offered(m, 0, "lane"), 2);
    assert_int_equal(offered(m, 0, "now"), 1);
    used(&w, "frames", offered(m, 0, "frame"), 2, 77);
    for (int i = 8 * LANES; i < 12 * LANES; i++) {
        int lane = i % LANES;
        write_frame(&w, lane, lane == 2 ? 77 : lane, lane == 2 ? 1 : 0.9 - 0.005 * i,
                    i == 12 * LANES - 1);
    }
    assert_int_equal(cox_message_count(offers(&w), "starts"), 0); /* it has its time now */
    stop(&w);
    close_world(&w);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_agent_offers_the_best_and_forgets_what_was_used),
    cmocka_unit_test(a_new_model_embeds_the_window_anew),
    cmocka_unit_test(a_stale_lane_is_to_be_replaced_at_once),
};
TESTING_LEARN_MAIN(tests)
