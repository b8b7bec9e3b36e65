/* SPDX-License-Identifier: BSD-3-Clause */
/* The aggregate role as a process: what comes twice, too early, from others or from the past; and a
 * disk that takes nothing for a while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "steer/test_crew.h"
#include "stream/producer.h"

static const char *const settings =
    "streaming: {checkpoint_s: 0.02, heartbeat_s: 0.03, window_frames: 32, compress: false}";

/* A crew of an aggregator alone; frames are the test's own. */
static struct crew *begin(void)
{
    struct crew *c = crew_create(4, 0, settings);
    crew_start_all(c);
    crew_until(c, c->worker[0].up && c->stored);
    return c;
}

static struct cox_producer *connect_to(const struct crew *c, const char *name, int64_t epoch)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_producer *p = NULL;
    struct cox_producer_options options = COX_PRODUCER_OPTIONS_INIT;
    options.endpoint = c->endpoint;
    options.name = name;
    options.epoch = epoch;
    options.frame_bytes = sizeof(float) * (3 * CREW_ATOMS + 2);
    if (cox_producer_create(&p, &options, &err))
        fail_msg("%s", err.text);
    return p;
}

static void send_frames(const struct crew *c, struct cox_producer *p, int64_t segment, int first,
                        int n)
{
    struct cox_err err = COX_ERR_INIT;
    float x[CREW_ATOMS][3];
    float values[2] = {1.5F, 300};
    for (int i = first; i < first + n; i++) {
        for (int k = 0; k < 3 * CREW_ATOMS; k++)
            (&x[0][0])[k] = (float)(segment + i + k);
        struct cox_stream_frame frame = {.system = cox_worker_system_digest(c->system),
                                         .segment = segment,
                                         .index = i,
                                         .lane = crew_lane(c, segment),
                                         .generation = 2,
                                         .step = 100 * (i + 1),
                                         .time_ps = 0.2 * (i + 1),
                                         .n_atoms = CREW_ATOMS,
                                         .n_values = 2,
                                         .x = &x[0][0],
                                         .values = values};
        if (cox_producer_send(p, &frame, NULL, &err))
            fail_msg("%s", err.text);
    }
}

/* Serves until all is acknowledged. */
static void drain(struct crew *c, struct cox_producer *p, uint64_t frames)
{
    crew_until(c, cox_producer_acked(p) >= frames);
}

static void end(struct crew *c, int64_t frames)
{
    int64_t n;
    crew_stop_all(c);
    struct crew_row *rows = crew_rows(c, &n);
    assert_int_equal(n, frames);
    for (int64_t i = 1; i < n; i++)
        assert_true(crew_compare(&rows[i - 1], &rows[i]) < 0);
    cox_free(rows);
    crew_destroy(c);
}

static void what_comes_again_is_acknowledged_and_not_stored(void **state)
{
    (void)state;
    struct crew *c = begin();
    struct cox_producer *p = connect_to(c, "sim-0", 5);
    send_frames(c, p, 1, 0, 10);
    send_frames(c, p, 2, 0, 7); /* less than a chunk is stored after a moment */
    drain(c, p, 17);
    cox_producer_destroy(p);
    p = connect_to(c, "sim-0", 6); /* begins again further back */
    send_frames(c, p, 1, 4, 6);
    drain(c, p, 6);
    send_frames(c, p, 2, 0, 10);
    drain(c, p, 16);
    crew_until(c, cox_message_int(c->stored, "stored", -1) == 20);
    assert_int_equal(cox_message_int(c->stored, "duplicates", -1), 13);
    crew_kill(c, &c->worker[0]); /* its successor counts what is in the file */
    crew_until(c, c->worker[0].up);
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_producer_move(p, c->endpoint, &err), 0);
    send_frames(c, p, 2, 8, 2);
    send_frames(c, p, 7, 0, 3);
    drain(c, p, 21);
    cox_producer_destroy(p);
    end(c, 23);
}

static void a_frame_whose_predecessors_are_missing_is_refused_aloud(void **state)
{
    (void)state;
    struct crew *c = begin();
    struct cox_producer *p = connect_to(c, "sim-0", 5);
    send_frames(c, p, 3, 0, 4);
    drain(c, p, 4);
    send_frames(c, p, 3, 5, 1);
    crew_until(c, (crew_reap(&c->worker[0], false), !c->worker[0].pid));
    assert_int_equal(c->worker[0].exit_code, 1);
    assert_int_equal(cox_producer_acked(p), 4);
    cox_producer_destroy(p);
    crew_start(c, &c->worker[0]);
    crew_until(c, c->worker[0].up);
    end(c, 4);
}

static void attempts_of_the_past_are_refused(void **state)
{
    (void)state;
    struct crew *c = begin();
    struct cox_message *expect = cox_message_create("expect");
    cox_message_set_text(expect, "name", "sim-0");
    cox_message_set_int(expect, "epoch", 9);
    crew_send(c, "agg-0", expect);
    crew_serve(c, 0.3); /* it looks at its messages a few times a second */
    struct cox_producer *old = connect_to(c, "sim-0", 8);
    send_frames(c, old, 1, 0, 10);
    crew_until(c, cox_producer_fenced(old));
    struct cox_producer *new = connect_to(c, "sim-0", 9);
    send_frames(c, new, 1, 0, 3);
    drain(c, new, 3);
    assert_int_equal(cox_producer_acked(old), 0);
    cox_producer_destroy(old);
    cox_producer_destroy(new);
    end(c, 3);
}

static void frames_of_another_system_are_refused(void **state)
{
    (void)state;
    struct crew *c = begin();
    struct cox_err err = COX_ERR_INIT;
    struct cox_producer *p = connect_to(c, "sim-0", 5);
    float x[CREW_ATOMS][3] = {{0}};
    float values[2] = {0};
    struct cox_stream_frame frame = {.system = 1 + cox_worker_system_digest(c->system),
                                     .n_atoms = CREW_ATOMS,
                                     .n_values = 2,
                                     .x = &x[0][0],
                                     .values = values};
    assert_int_equal(cox_producer_send(p, &frame, NULL, &err), 0);
    crew_until(c, (crew_reap(&c->worker[0], false), !c->worker[0].pid));
    assert_int_equal(c->worker[0].exit_code, 1);
    cox_producer_destroy(p);
    crew_start(c, &c->worker[0]);
    crew_until(c, c->worker[0].up);
    end(c, 0);
}

static void limit_file(const struct crew_worker *w, rlim_t bytes)
{
    struct rlimit old;
    assert_int_equal(prlimit(w->pid, RLIMIT_FSIZE, NULL, &old), 0);
    struct rlimit new = {.rlim_cur = bytes, .rlim_max = old.rlim_max};
    assert_int_equal(prlimit(w->pid, RLIMIT_FSIZE, &new, NULL), 0);
}

/* The limit on the size of files stands for a full disk: it can be set from outside. */
static void a_disk_that_takes_nothing_delays_and_loses_nothing(void **state)
{
    (void)state;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;
    sigaction(SIGXFSZ, &ignore, &before); /* inherited */
    /* HDF5 1.10 loses a few kilobytes with every write that fails */
    assert_int_equal(setenv("LSAN_OPTIONS", "detect_leaks=0", 1), 0);
    struct crew *c = crew_create(4, 1, settings);
    struct crew_worker *store = &c->worker[1];
    char path[PATH_MAX];
    crew_path(c, "frames-0.h5", path);
    crew_start_all(c);
    for (int round = 1; round <= 3; round++) {
        int64_t slowest = crew_slowest(c);
        crew_until(c, crew_slowest(c) > slowest + 1);
        struct stat there;
        assert_int_equal(stat(path, &there), 0);
        limit_file(store, (rlim_t)there.st_size + (round == 2 ? 1000 : 0));
        crew_until(c, c->troubles == round);
        assert_non_null(strstr(c->trouble, "nothing is lost"));
        int64_t sent = -1;
        while (sent != cox_message_int(c->heartbeat, "frames", 0)) {
            sent = cox_message_int(c->heartbeat, "frames", 0);
            crew_serve(c, 0.2); /* back-pressure, and both are alive */
        }
        assert_in_range(sent - cox_message_int(c->heartbeat, "acked", -1), 1, 32);
        assert_true(c->worker[0].pid && store->pid);
        limit_file(store, RLIM_INFINITY);
        crew_until(c, c->recoveries == round);
    }
    c->generations = (int)crew_slowest(c) + 3;
    crew_until(c, crew_all_done(c));
    crew_stop_all(c);
    sigaction(SIGXFSZ, &before, NULL);
    assert_int_equal(unsetenv("LSAN_OPTIONS"), 0);
    int64_t n;
    struct crew_row *rows = crew_rows(c, &n);
    crew_assert_complete(c, rows, n);
    cox_free(rows);
    crew_destroy(c);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_again_is_acknowledged_and_not_stored),
        cmocka_unit_test(a_frame_whose_predecessors_are_missing_is_refused_aloud),
        cmocka_unit_test(attempts_of_the_past_are_refused),
        cmocka_unit_test(frames_of_another_system_are_refused),
        cmocka_unit_test(a_disk_that_takes_nothing_delays_and_loses_nothing),
    };
    return crew_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
