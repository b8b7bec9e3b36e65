/* SPDX-License-Identifier: BSD-3-Clause */
/* The train role against a played coordinator. */
#include "steer/testing_learn.h"

static int64_t steps_of(const char *name)
{
    char path[PATH_MAX];
    struct cox_cvae *cvae = NULL;
    struct cox_err err = COX_ERR_INIT;
    path_in(path, name);
    if (cox_cvae_load(&cvae, path, NULL, &err))
        fail_msg("%s", err.text);
    int64_t steps = cox_cvae_steps(cvae);
    cox_cvae_destroy(cvae);
    return steps;
}

static void wait_doing(struct world *w, const char *what)
{
    double end = cox_clock_seconds() + PATIENCE_S;
    while (strcmp(cox_message_text(must_hear(w, "heartbeat"), "doing", ""), what) != 0)
        if (cox_clock_seconds() > end)
            fail_msg("never '%s'", what);
}

static void a_trainer_waits_trains_pauses_and_goes_on_after_a_crash(void **state)
{
    struct world w;
    char first[128];
    char leftover[PATH_MAX];
    (void)state;
    open_world(&w, TINY "epochs_first: 300, epochs: 2, publish_tolerance: 1e6}\n"
                        "streaming: {train_first_frames: 40, train_after_frames: 20, "
                        "heartbeat_s: 0.05}");
    start(&w, "train", "train-0");
    must_hear(&w, "hello");
    tell(&w, cox_message_create("welcome"));
    grant(&w, 0);
    write_frames(&w, 20);
    while (cox_message_number(must_hear(&w, "heartbeat"), "lag", 0) < 2) /* 80 of 40 */
        assert_string_not_equal(cox_message_text(w.heartbeat, "doing", ""), "train");
    assert_null(hear(&w, "published", 0.3)); /* no core, no training */

    grant(&w, 1);
    wait_doing(&w, "train");
    grant(&w, 0);
    wait_doing(&w, "paused");
    assert_null(hear(&w, "published", 0.3));
    grant(&w, 2); /* as many as there are, or more */
    const struct cox_message *m = must_hear(&w, "task");
    while (strcmp(cox_message_text(m, "kind", ""), "paused") != 0)
        m = must_hear(&w, "task");
    assert_true(cox_message_number(m, "ended", 0) - cox_message_number(m, "began", 0) > 0.25);
    assert_int_equal(cox_message_int(m, "more", 0), 1);
    m = must_hear(&w, "published");
    assert_int_equal(cox_message_int(m, "id", -1), 0);
    assert_int_equal(cox_message_int(m, "samples", 0), 60); /* of 80: the most that are kept */
    assert_int_equal(cox_message_int(m, "epochs", 0), 300);
    assert_true(isfinite(cox_message_number(m, "valid_loss", NAN)));
    snprintf(first, sizeof first, "%s", cox_message_text(m, "path", ""));
    assert_string_equal(first, "models/model-0000.e1.h5");
    int64_t steps = steps_of(first);
    m = must_hear(&w, "task");
    assert_string_equal(cox_message_text(m, "kind", ""), "train");
    assert_int_equal(cox_message_int(m, "more", 0), 0);
    assert_true(cox_message_number(m, "lag", 9) < 1); /* as it is now: the core may go back */

    /* it has its cores still, and goes on by itself when it is due */
    write_frames(&w, 5);
    m = must_hear(&w, "published");
    assert_int_equal(cox_message_int(m, "id", -1), 1);
    assert_true(steps_of(cox_message_text(m, "path", "")) > steps);

    /* a crash: the next attempt goes on from the newest model that counts */
    kill(w.child, SIGKILL);
    reap(&w, -1);
    path_in(leftover, "models/model-0002.e1.h5.tmp-17");
    assert_int_equal(cox_file_replace(leftover, "?", 1, NULL), 0);
    start(&w, "train", "train-0");
    must_hear(&w, "hello");
    struct cox_message *welcome = cox_message_create("welcome");
    cox_message_set_int(welcome, "model", 0);
    cox_message_set_text(welcome, "path", first);
    tell(&w, welcome);
    grant(&w, 0);
    assert_null(hear(&w, "published", 0.3));
    grant(&w, 1); /* a call: trained even though nothing new has come */
    m = must_hear(&w, "published");
    assert_int_equal(cox_message_int(m, "id", -1), 1);
    assert_string_equal(cox_message_text(m, "path", ""), "models/model-0001.e2.h5");
    assert_false(cox_file_exists(leftover));
    int64_t again = steps_of("models/model-0001.e2.h5");
    assert_in_range(again - steps, 2, 2 * 8); /* two epochs of some 45 maps in batches of 8 */
    stop(&w);
    close_world(&w);
}

/* A model that cannot be read: trouble, and a new beginning under a new number. */
static void a_trainer_begins_anew_where_its_model_is_damaged(void **state)
{
    struct world w;
    char path[PATH_MAX];
    (void)state;
    open_world(&w, TINY "epochs_first: 7, epochs: 2}\n"
                        "streaming: {train_first_frames: 40, heartbeat_s: 0.05}");
    path_in(path, "models/model-0001.e2.h5");
    assert_int_equal(cox_file_replace(path, "?", 1, NULL), 0);
    write_frames(&w, 20);
    start(&w, "train", "train-0");
    must_hear(&w, "hello");
    struct cox_message *welcome = cox_message_create("welcome");
    cox_message_set_int(welcome, "model", 1);
    cox_message_set_text(welcome, "path", "models/model-0001.e2.h5");
    tell(&w, welcome);
    grant(&w, 1);
    must_hear(&w, "trouble");
    const struct cox_message *m = must_hear(&w, "published");
    assert_string_equal(cox_message_text(m, "path", ""), "models/model-0002.e1.h5");
    assert_int_equal(cox_message_int(m, "epochs", 0), 7);
    stop(&w);
    close_world(&w);
}

static void a_worse_model_is_not_published(void **state)
{
    struct world w;
    int published = 0;
    int refused = 0;
    (void)state;
    /* a learning rate that throws the weights about */
    open_world(&w, TINY "epochs_first: 5, epochs: 1, publish_tolerance: 0, learning_rate: 0.1}\n"
                        "streaming: {train_first_frames: 40, train_after_frames: 4, "
                        "heartbeat_s: 0.05}");
    start(&w, "train", "train-0");
    must_hear(&w, "hello");
    tell(&w, cox_message_create("welcome"));
    grant(&w, 1);
    write_frames(&w, 20);
    while (!published || refused < 2) {
        struct cox_err err = COX_ERR_INIT;
        struct cox_message *m = NULL;
        char peer[COX_PEER_SIZE];
        assert_int_equal(cox_hub_receive(w.hub, PATIENCE_S, NULL, 0, &m, peer, &err), 0);
        assert_non_null(m);
        published += cox_message_is(m, "published");
        refused += cox_message_is(m, "trouble") &&
                   strstr(cox_message_text(m, "text", ""), "publish_tolerance") != NULL;
        if (cox_message_is(m, "task"))
            write_frames(&w, 2);
        if (cox_message_is(m, "heartbeat"))
            tell(&w, cox_message_create("alive")); /* it has not been told to stop */
        if (cox_message_is(m, "published"))
            assert_int_equal(cox_message_int(m, "id", -1), published - 1);
        cox_message_destroy(m);
        assert_true(published < 200);
    }
    stop(&w);
    close_world(&w);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_trainer_waits_trains_pauses_and_goes_on_after_a_crash),
    cmocka_unit_test(a_trainer_begins_anew_where_its_model_is_damaged),
    cmocka_unit_test(a_worse_model_is_not_published),
};
TESTING_LEARN_MAIN(tests)
