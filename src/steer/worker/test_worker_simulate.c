/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulate role as a process, beside an aggregator: pausing, cores, starts given at once, lanes
 * that blow up, orphans, orderly stops, back-pressure, a coordinator that is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "steer/test_crew.h"

enum { LANES = 4 };

static const char *const settings =
    "streaming: {checkpoint_s: 0.02, heartbeat_s: 0.03, window_frames: 32, compress: false}";

static int64_t frames_of(const struct crew *c)
{
    return cox_message_int(c->heartbeat, "frames", 0);
}

static void tell_cores(struct crew *c, int n)
{
    static const int64_t list[] = {0, 0};
    struct cox_message *m = cox_message_create("cores");
    cox_message_set_ints(m, "list", list, n);
    crew_send(c, "sim-0", m);
}

static void no_cores_is_a_pause_and_two_are_two_threads(void **state)
{
    (void)state;
    struct crew *c = crew_create(LANES, 1, settings);
    crew_start_all(c);
    crew_until(c, c->newest[0] / LANES >= 2);
    tell_cores(c, 0);
    crew_until(c, !strcmp(cox_message_text(c->heartbeat, "doing", ""), "paused"));
    int64_t frames = frames_of(c);
    double paused = cox_message_number(c->heartbeat, "paused_s", -1);
    crew_serve(c, 0.15); /* it stays alive, and does nothing */
    assert_int_equal(frames_of(c), frames);
    assert_int_equal(c->worker[0].pid > 0, 1);
    tell_cores(c, 2); /* another engine takes over, with two threads */
    crew_until(c, frames_of(c) > frames + 50);
    assert_int_equal(c->paused, 1);
    crew_until(c, cox_message_number(c->heartbeat, "paused_s", -1) > paused + 0.1);
    c->generations = (int)(c->newest[0] / LANES) + 3;
    crew_until(c, crew_all_done(c));
    crew_stop_all(c);

    struct crew *quiet = crew_create(LANES, 1, settings);
    int64_t n[2];
    quiet->generations = c->generations;
    crew_start_all(quiet);
    crew_until(quiet, crew_all_done(quiet));
    crew_stop_all(quiet);
    struct crew_row *rows[2] = {crew_rows(c, &n[0]), crew_rows(quiet, &n[1])};
    n[0] = crew_common(c, rows[0], n[0]);
    n[1] = crew_common(quiet, rows[1], n[1]);
    assert_int_equal(n[0], (int64_t)c->generations * LANES * 10);
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(rows[0], rows[1], (size_t)n[0] * sizeof *rows[0]);
    cox_free(rows[0]);
    cox_free(rows[1]);
    crew_destroy(quiet);
    crew_destroy(c);
}

static void a_start_given_at_once_cuts_the_segment_at_a_frame(void **state)
{
    (void)state;
    struct crew *c = crew_create(LANES, 1, settings);
    int cuts = 0;
    crew_start_all(c);
    for (int round = 0; round < 15; round++) {
        crew_until(c, c->newest[1] / LANES >= 5 * round + 1);
        /* the next segment that the rule would begin anew, before its time */
        int64_t now = c->newest[1];
        int64_t next = now + LANES;
        struct cox_message *m = cox_message_create("assign");
        c->segment[next].opened = c->segment[next].anew = true;
        c->newest[1] = next;
        cox_message_set_int(m, "now", 1);
        crew_entry(c, next, cox_message_push(m, "lanes"));
        crew_send(c, "sim-0", m);
        crew_until(c, c->segment[now].closed && c->segment[next].closed);
        cuts += c->segment[now].cut;
    }
    crew_stop_all(c);
    assert_true(cuts > 3); /* the others had just ended of their own */
    int64_t n;
    struct crew_row *rows = crew_rows(c, &n);
    crew_assert_complete(c, rows, n);
    cox_free(rows);
    crew_destroy(c);
}

static void a_lane_that_blows_up_asks_for_another_segment(void **state)
{
    (void)state;
    assert_int_equal(setenv("COX_FAKE_BLOW_ONE_IN", "3", 1), 0);
    struct crew *c = crew_create(LANES, 1, settings);
    crew_start_all(c);
    crew_until(c, crew_slowest(c) >= 5);
    crew_kill(c, &c->worker[0]); /* a blown lane is the same after a crash */
    c->generations = 14;
    crew_until(c, crew_all_done(c));
    crew_stop_all(c);
    assert_int_equal(unsetenv("COX_FAKE_BLOW_ONE_IN"), 0);
    int blown = 0;
    for (int64_t id = 0; id < (int64_t)c->generations * LANES; id++) {
        if (!c->segment[id].blown)
            continue;
        assert_int_equal(c->segment[id].frames, 4); /* at step 500 */
        blown++;
    }
    assert_in_range(blown, 2, 20);
    int64_t n;
    struct crew_row *rows = crew_rows(c, &n);
    crew_assert_complete(c, rows, n);
    cox_free(rows);
    crew_destroy(c);
}

static void an_orphan_leaves_and_nothing_of_it_counts(void **state)
{
    (void)state;
    struct crew *c = crew_create(LANES, 1, settings);
    crew_start_all(c);
    for (int round = 0; round < 3; round++) {
        int64_t slowest = crew_slowest(c);
        crew_until(c, crew_slowest(c) > slowest + 1);
        struct crew_worker orphan = c->worker[0];
        kill(orphan.pid, SIGSTOP); /* a machine that seems dead … */
        crew_start(c, &c->worker[0]);
        slowest = crew_slowest(c);
        crew_until(c, crew_slowest(c) > slowest + 1);
        kill(orphan.pid, SIGCONT); /* … and comes back */
        crew_until(c, (crew_reap(&orphan, false), !orphan.pid));
        assert_int_equal(orphan.exit_code, 130);
    }
    c->generations = (int)crew_slowest(c) + 4;
    crew_until(c, crew_all_done(c));
    crew_stop_all(c);
    assert_true(c->fenced + cox_message_int(c->stored, "fenced", 0) > 0);
    int64_t n;
    struct crew_row *rows = crew_rows(c, &n);
    crew_assert_complete(c, rows, n);
    cox_free(rows);
    crew_destroy(c);
}

static void a_signal_ends_it_in_order_and_nothing_is_done_twice(void **state)
{
    (void)state;
    struct crew *c = crew_create(LANES, 1, settings);
    crew_start_all(c);
    for (int round = 0; round < 3; round++) {
        crew_until(c, c->worker[0].up);
        int64_t slowest = crew_slowest(c);
        crew_until(c, crew_slowest(c) > slowest + 1);
        kill(c->worker[0].pid, SIGTERM);
        crew_until(c, (crew_reap(&c->worker[0], false), !c->worker[0].pid));
        assert_int_equal(c->worker[0].exit_code, 130);
        crew_until(c, c->worker[0].bye);
        crew_start(c, &c->worker[0]);
    }
    c->generations = (int)crew_slowest(c) + 3;
    crew_until(c, crew_all_done(c));
    crew_until(c, cox_message_int(c->stored, "waiting", -1) == 0);
    assert_int_equal(cox_message_int(c->stored, "duplicates", -1), 0);
    crew_stop_all(c);
    int64_t n;
    struct crew_row *rows = crew_rows(c, &n);
    crew_assert_complete(c, rows, n);
    cox_free(rows);
    crew_destroy(c);
}

static void without_an_aggregator_it_waits_and_stays_alive(void **state)
{
    (void)state;
    struct crew *c = crew_create(LANES, 1, settings);
    struct crew_worker *store = &c->worker[1];
    crew_start(c, &c->worker[0]); /* before there is any */
    crew_until(c, c->heartbeat);
    assert_int_equal(frames_of(c), 0);
    crew_start(c, store);
    crew_until(c, crew_slowest(c) > 1);
    kill(store->pid, SIGKILL);
    crew_reap(store, true);
    int64_t sent = -1;
    while (sent != frames_of(c)) {
        sent = frames_of(c);
        crew_serve(c, 0.15);
    }
    assert_in_range(sent - cox_message_int(c->heartbeat, "acked", -1), 1, 32);
    double blocked = cox_message_number(c->heartbeat, "blocked_s", -1);
    assert_true(blocked >= 0);
    crew_start(c, store);
    c->generations = (int)crew_slowest(c) + 4;
    crew_until(c, crew_all_done(c));
    crew_until(c, cox_message_number(c->heartbeat, "blocked_s", -1) > blocked + 0.1);
    crew_stop_all(c);
    int64_t n;
    struct crew_row *rows = crew_rows(c, &n);
    crew_assert_complete(c, rows, n);
    cox_free(rows);
    crew_destroy(c);
}

static void it_leaves_when_the_coordinator_falls_silent(void **state)
{
    (void)state;
    struct crew *c = crew_create(LANES, 1, "streaming: {heartbeat_s: 0.03, silence_s: 0.4}");
    crew_start_all(c);
    crew_until(c, crew_slowest(c) > 1);
    double began = cox_clock_seconds();
    for (int w = 0; w < 2; w++) {
        crew_reap(&c->worker[w], true); /* not serving */
        assert_int_equal(c->worker[w].exit_code, 130);
    }
    assert_true(cox_clock_seconds() - began > 0.3);
    crew_destroy(c);
}

static void coordinates_that_are_no_numbers_end_a_segment_not_the_process(void **state)
{
    (void)state;
    struct crew *c = crew_create(LANES, 1, settings);
    crew_start_all(c);
    crew_until(c, crew_slowest(c) > 0);
    int64_t now = c->newest[2];
    int64_t next = now + LANES;
    float x[CREW_ATOMS][3] = {{NAN}};
    struct cox_message *m = cox_message_create("assign");
    struct cox_message *entry = cox_message_push(m, "lanes");
    c->segment[next].opened = true;
    c->newest[2] = next;
    cox_message_set_int(m, "now", 1);
    cox_message_set_int(entry, "lane", 2);
    cox_message_set_int(entry, "segment", next);
    cox_message_set_int(entry, "generation", next / LANES);
    cox_message_set_text(entry, "kind", "restart");
    cox_message_set_bytes(entry, "x", x, sizeof x);
    crew_send(c, "sim-0", m);
    crew_until(c, c->segment[next].closed);
    if (c->segment[next].blown) /* else the rule's own segment was there first */
        assert_int_equal(c->segment[next].frames, 0);
    c->generations = (int)(next / LANES) + 3;
    crew_until(c, crew_all_done(c));
    crew_stop_all(c);
    assert_int_equal(c->worker[0].exit_code, 0);
    crew_destroy(c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_cores_is_a_pause_and_two_are_two_threads),
        cmocka_unit_test(a_start_given_at_once_cuts_the_segment_at_a_frame),
        cmocka_unit_test(a_lane_that_blows_up_asks_for_another_segment),
        cmocka_unit_test(an_orphan_leaves_and_nothing_of_it_counts),
        cmocka_unit_test(a_signal_ends_it_in_order_and_nothing_is_done_twice),
        cmocka_unit_test(without_an_aggregator_it_waits_and_stays_alive),
        cmocka_unit_test(it_leaves_when_the_coordinator_falls_silent),
        cmocka_unit_test(coordinates_that_are_no_numbers_end_a_segment_not_the_process),
    };
    return crew_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
