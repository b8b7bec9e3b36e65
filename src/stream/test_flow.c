/* SPDX-License-Identifier: BSD-3-Clause */
/* Producer and collector together, in one process; tests/stream kills them as processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "stream/collector.h"
#include "stream/producer.h"

#define ATOMS 10
#define PATIENCE 20.0 /* seconds; reached only when something is broken */

static char folder[64];

static struct cox_producer *producer(const char *endpoint, const char *name, int64_t epoch,
                                     int window)
{
    struct cox_producer_options options = COX_PRODUCER_OPTIONS_INIT;
    struct cox_producer *p;
    struct cox_err err = COX_ERR_INIT;
    options.endpoint = endpoint;
    options.name = name;
    options.epoch = epoch;
    options.window = window;
    options.frame_bytes = ATOMS * 12 + 8;
    options.resend_s = 0.05;
    if (cox_producer_create(&p, &options, &err))
        fail_msg("%s", err.text);
    return p;
}

static int try_send(struct cox_producer *p, int index, const atomic_int *cancel,
                    struct cox_err *err)
{
    float x[3 * ATOMS], values[2] = {(float)index, 300.0f};
    for (int i = 0; i < 3 * ATOMS; i++)
        x[i] = (float)(index + i);
    struct cox_stream_frame frame = {.system = 5,
                                     .segment = 1,
                                     .index = index,
                                     .n_atoms = ATOMS,
                                     .n_values = 2,
                                     .x = x,
                                     .values = values};
    return cox_producer_send(p, &frame, cancel, err);
}

static void send_frames(struct cox_producer *p, int from, int to)
{
    struct cox_err err = COX_ERR_INIT;
    for (int i = from; i < to; i++)
        if (try_send(p, i, NULL, &err))
            fail_msg("%s", err.text);
}

/* The next frame must be this one, of `peer`. */
static void expect_frame(struct cox_collector *c, const char *peer, int index)
{
    struct cox_stream_frame f;
    char from[COX_PEER_SIZE];
    struct cox_err err = COX_ERR_INIT;
    int got;
    if (cox_collector_receive(c, PATIENCE, NULL, 0, &f, from, &got, &err))
        fail_msg("%s", err.text);
    if (!got)
        fail_msg("nothing came instead of frame %d", index);
    assert_string_equal(from, peer);
    assert_int_equal(f.index, index);
    assert_int_equal(f.n_atoms, ATOMS);
    assert_true(f.values[0] == (float)index && f.values[1] == 300.0f);
    for (int i = 0; i < 3 * ATOMS; i++)
        assert_true(f.x[i] == (float)(index + i));
}

static int nothing_comes(struct cox_collector *c, double seconds)
{
    struct cox_stream_frame f;
    char from[COX_PEER_SIZE];
    int got;
    double end = cox_clock_seconds() + seconds;
    do {
        assert_int_equal(cox_collector_receive(c, end - cox_clock_seconds() > 0.01 ? 0.01 : 0, NULL,
                                               0, &f, from, &got, NULL),
                         COX_OK);
    } while (!got && cox_clock_seconds() < end);
    return !got;
}

static void acknowledge(struct cox_collector *c)
{
    assert_int_equal(cox_collector_acknowledge(c, NULL), COX_OK);
}

static struct cox_collector_stats stats_of(const struct cox_collector *c)
{
    struct cox_collector_stats s;
    cox_collector_get_stats(c, &s);
    return s;
}

static void frames_flow_in_order(void **state)
{
    (void)state;
    uint64_t before = cox_mem_in_use();
    struct cox_collector *c;
    assert_int_equal(cox_collector_create(&c, "ipc", NULL, NULL), COX_OK);
    struct cox_producer *a = producer(cox_collector_endpoint(c), "sim-0", 1, 64);
    struct cox_producer *b = producer(cox_collector_endpoint(c), "sim-1", 2, 64);
    send_frames(a, 0, 40);
    for (int i = 0; i < 40; i++)
        expect_frame(c, "sim-0", i);
    assert_int_equal(cox_producer_acked(a), 0); /* received is not stored */
    assert_int_equal(stats_of(c).waiting, 40);
    acknowledge(c);
    assert_int_equal(cox_producer_drain(a, PATIENCE, NULL), COX_OK);
    assert_int_equal(cox_producer_acked(a), 40);
    send_frames(b, 0, 3);
    for (int i = 0; i < 3; i++)
        expect_frame(c, "sim-1", i);
    acknowledge(c);
    assert_int_equal(cox_producer_drain(b, PATIENCE, NULL), COX_OK);
    struct cox_producer_stats s;
    cox_producer_get_stats(a, &s);
    assert_int_equal(s.sent, 40);
    assert_int_equal(s.acked, 40);
    assert_int_equal(s.bytes, 40 * (ATOMS * 12 + 8));
    assert_true(s.latency_s > 0 && s.latency_s < PATIENCE && s.thread_cpu_s > 0);
    struct cox_collector_stats t = stats_of(c);
    assert_int_equal(t.frames, 43);
    assert_int_equal(t.producers, 2);
    assert_int_equal(t.waiting, 0);
    assert_int_equal(t.malformed + t.fenced + t.gaps, 0);
    cox_producer_destroy(a);
    cox_producer_destroy(b);
    cox_collector_destroy(c);
    assert_int_equal(cox_mem_in_use(), before);
}

static atomic_int cancelled;

struct waker {
    struct cox_producer *p;
    int raise;
};

static void *wake_soon(void *user)
{
    const struct waker *w = user;
    usleep(50000);
    atomic_store(&cancelled, w->raise);
    cox_producer_wake(w->p);
    return NULL;
}

static void a_full_window_blocks(void **state)
{
    (void)state;
    struct cox_collector *c;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_collector_create(&c, "ipc", NULL, NULL), COX_OK);
    struct cox_producer *p = producer(cox_collector_endpoint(c), "sim-0", 1, 8);
    assert_int_equal(cox_producer_room(p), 8);
    send_frames(p, 0, 8);
    assert_int_equal(cox_producer_room(p), 0);
    pthread_t thread;
    struct waker waker = {p, 1};
    atomic_store(&cancelled, 0);
    assert_int_equal(pthread_create(&thread, NULL, wake_soon, &waker), 0);
    assert_int_equal(try_send(p, 8, &cancelled, &err), COX_ECANCELLED);
    pthread_join(thread, NULL);
    struct cox_producer_stats s;
    cox_producer_get_stats(p, &s);
    assert_true(s.blocked_s > 0.04);
    assert_int_equal(s.sent, 8);
    /* the collector got the window and not a frame more, whatever the time */
    for (int i = 0; i < 8; i++)
        expect_frame(c, "sim-0", i);
    assert_true(nothing_comes(c, 0.2));
    assert_int_equal(cox_producer_drain(p, 0.05, &err), COX_EIO);
    assert_non_null(strstr(err.text, "8 frames not stored"));
    /* room is told through the descriptor */
    struct pollfd poll_fd = {.fd = cox_producer_fd(p), .events = POLLIN};
    assert_int_equal(cox_producer_room(p), 0);
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
    acknowledge(c);
    assert_int_equal(poll(&poll_fd, 1, (int)(1000 * PATIENCE)), 1);
    assert_int_equal(cox_producer_room(p), 8);
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
    send_frames(p, 8, 16);
    for (int i = 8; i < 16; i++)
        expect_frame(c, "sim-0", i);
    /* a wake without a reason does not end the wait: the acknowledgement does */
    waker.raise = 0;
    atomic_store(&cancelled, 0);
    assert_int_equal(pthread_create(&thread, NULL, wake_soon, &waker), 0);
    acknowledge(c);
    send_frames(p, 16, 17);
    pthread_join(thread, NULL);
    cox_producer_destroy(p); /* with a frame on its way */
    cox_collector_destroy(c);
}

static struct cox_producer *woken;

static void on_alarm(int number)
{
    (void)number;
    atomic_store(&cancelled, 1);
    cox_producer_wake(woken);
}

static void a_signal_handler_ends_a_wait(void **state)
{
    (void)state;
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "ipc://%s/nobody", folder);
    woken = producer(endpoint, "sim-0", 1, 4);
    send_frames(woken, 0, 4);
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, before;
    struct itimerval soon = {.it_value.tv_usec = 50000}, never = {0};
    atomic_store(&cancelled, 0);
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &soon, NULL);
    assert_int_equal(try_send(woken, 4, &cancelled, NULL), COX_ECANCELLED);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    cox_producer_destroy(woken);
}

/* A collector that stalls is asked now and then, not flooded. */
static void a_stalled_collector_is_not_flooded(void **state)
{
    (void)state;
    struct cox_collector *c;
    assert_int_equal(cox_collector_create(&c, "ipc", NULL, NULL), COX_OK);
    struct cox_producer *p = producer(cox_collector_endpoint(c), "sim-0", 1, 32);
    send_frames(p, 0, 32);
    usleep(1000000); /* twenty times the silence after which it asks */
    for (int i = 0; i < 32; i++)
        expect_frame(c, "sim-0", i);
    assert_true(nothing_comes(c, 0.1));
    struct cox_producer_stats s;
    cox_producer_get_stats(p, &s);
    assert_int_equal(s.resent, 0);
    assert_int_equal(stats_of(c).duplicates, 0);
    acknowledge(c);
    assert_int_equal(cox_producer_drain(p, PATIENCE, NULL), COX_OK);
    cox_producer_destroy(p);
    cox_collector_destroy(c);
}

/* The second collector is told nothing; what the first had not stored comes again, the rest not. */
static void take_over(int moves)
{
    struct cox_collector *c;
    char first[128], second[128];
    snprintf(first, sizeof first, "ipc://%s/first", folder);
    snprintf(second, sizeof second, "ipc://%s/second", folder);
    assert_int_equal(cox_collector_create(&c, first, NULL, NULL), COX_OK);
    struct cox_producer *p = producer(first, "sim-0", 1, 16);
    send_frames(p, 0, 16);
    for (int i = 0; i < 6; i++)
        expect_frame(c, "sim-0", i);
    acknowledge(c); /* 0 … 5 */
    double end = cox_clock_seconds() + PATIENCE;
    while (cox_producer_acked(p) < 6 && cox_clock_seconds() < end)
        assert_int_equal(poll(NULL, 0, 1), 0);
    expect_frame(c, "sim-0", 6); /* taken, not stored */
    cox_collector_destroy(c);
    if (moves)
        assert_int_equal(cox_producer_move(p, second, NULL), COX_OK);
    assert_int_equal(cox_collector_create(&c, moves ? second : first, NULL, NULL), COX_OK);
    send_frames(p, 16, 20);
    for (int i = 6; i < 20; i++)
        expect_frame(c, "sim-0", i);
    acknowledge(c);
    assert_int_equal(cox_producer_drain(p, PATIENCE, NULL), COX_OK);
    assert_int_equal(cox_producer_acked(p), 20);
    struct cox_producer_stats s;
    cox_producer_get_stats(p, &s);
    assert_true(s.resent >= 10);
    assert_int_equal(cox_producer_move(p, "tcp://127.0.0.1:9", NULL), COX_EINVAL);
    cox_producer_destroy(p);
    cox_collector_destroy(c);
}

static void another_collector_takes_over(void **state)
{
    (void)state;
    take_over(0);
    take_over(1);
}

/* ---- epochs ---- */

static void wait_until_fenced(struct cox_collector *c, struct cox_producer *p)
{
    double end = cox_clock_seconds() + PATIENCE;
    while (!cox_producer_fenced(p) && cox_clock_seconds() < end)
        assert_true(nothing_comes(c, 0.01));
    assert_true(cox_producer_fenced(p));
}

static void a_later_epoch_fences_an_earlier_one(void **state)
{
    (void)state;
    struct cox_collector *c;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_collector_create(&c, "ipc", NULL, NULL), COX_OK);
    struct cox_producer *orphan = producer(cox_collector_endpoint(c), "sim-0", 3, 16);
    send_frames(orphan, 0, 5);
    for (int i = 0; i < 5; i++)
        expect_frame(c, "sim-0", i);
    struct cox_producer *next = producer(cox_collector_endpoint(c), "sim-0", 4, 16);
    send_frames(next, 2, 6); /* from its checkpoint; what is there already, the store drops */
    for (int i = 2; i < 6; i++)
        expect_frame(c, "sim-0", i);
    assert_int_equal(stats_of(c).waiting, 4); /* the orphan's are void */
    send_frames(orphan, 5, 8);
    wait_until_fenced(c, orphan);
    assert_int_equal(try_send(orphan, 8, NULL, &err), COX_ECANCELLED);
    assert_non_null(strstr(err.text, "a later attempt"));
    assert_int_equal(cox_producer_drain(orphan, PATIENCE, NULL), COX_ECANCELLED);
    assert_int_equal(cox_producer_acked(orphan), 0);
    assert_true(stats_of(c).fenced > 0);
    /* and the successor has not noticed */
    send_frames(next, 6, 9);
    for (int i = 6; i < 9; i++)
        expect_frame(c, "sim-0", i);
    acknowledge(c);
    assert_int_equal(cox_producer_drain(next, PATIENCE, NULL), COX_OK);
    assert_int_equal(cox_producer_fenced(next), 0);
    assert_int_equal(stats_of(c).producers, 1);
    cox_producer_destroy(orphan);
    cox_producer_destroy(next);
    cox_collector_destroy(c);
}

static void an_expected_epoch_fences_at_once(void **state)
{
    (void)state;
    struct cox_collector *c;
    assert_int_equal(cox_collector_create(&c, "ipc", NULL, NULL), COX_OK);
    assert_int_equal(cox_collector_expect(c, "sim-0", 9, NULL), COX_OK);
    assert_int_equal(cox_collector_expect(c, "sim-0", 2, NULL), COX_OK); /* never back */
    assert_int_equal(cox_collector_expect(c, "sim 0", 2, NULL), COX_EINVAL);
    assert_int_equal(stats_of(c).producers, 0);
    struct cox_producer *orphan = producer(cox_collector_endpoint(c), "sim-0", 8, 16);
    struct cox_producer *right = producer(cox_collector_endpoint(c), "sim-0", 9, 16);
    send_frames(orphan, 0, 3);
    wait_until_fenced(c, orphan);
    send_frames(right, 0, 3);
    for (int i = 0; i < 3; i++)
        expect_frame(c, "sim-0", i);
    cox_producer_destroy(orphan);
    cox_producer_destroy(right);
    cox_collector_destroy(c);
}

static void many_producers_are_told_apart(void **state)
{
    (void)state;
    enum { N = 40 };
    struct cox_collector *c;
    struct cox_producer *p[N];
    int next[N] = {0};
    char name[COX_PEER_SIZE];
    assert_int_equal(cox_collector_create(&c, "ipc", NULL, NULL), COX_OK);
    for (int i = 0; i < 100; i++) { /* the table grows */
        snprintf(name, sizeof name, "sim-%d", i);
        assert_int_equal(cox_collector_expect(c, name, 1, NULL), COX_OK);
    }
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "sim-%d", i);
        p[i] = producer(cox_collector_endpoint(c), name, 1, 4);
        send_frames(p[i], 0, 4);
    }
    for (int n = 0; n < 4 * N; n++) {
        struct cox_stream_frame f;
        int got;
        assert_int_equal(cox_collector_receive(c, PATIENCE, NULL, 0, &f, name, &got, NULL), COX_OK);
        assert_int_equal(got, 1);
        long which = strtol(name + 4, NULL, 10);
        assert_int_equal(f.index, next[which]++);
    }
    assert_int_equal(stats_of(c).producers, N);
    acknowledge(c);
    for (int i = 0; i < N; i++) {
        assert_int_equal(cox_producer_drain(p[i], PATIENCE, NULL), COX_OK);
        cox_producer_destroy(p[i]);
    }
    cox_collector_destroy(c);
}

/* ---- what cannot be, and who may not ---- */

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct cox_producer_options good = COX_PRODUCER_OPTIONS_INIT, o;
    struct cox_producer *p;
    struct cox_err err = COX_ERR_INIT;
    good.endpoint = "ipc:///tmp/nobody";
    good.name = "sim-0";
    good.frame_bytes = 100;
    for (int i = 0; i < 6; i++) {
        o = good;
        o.window = i == 0 ? 0 : i == 1 ? COX_PRODUCER_MAX_WINDOW + 1 : o.window;
        o.frame_bytes = i == 2 ? 0 : o.frame_bytes;
        o.resend_s = i == 3 ? 0 : o.resend_s;
        o.name = i == 4 ? "sim 0" : o.name;
        o.endpoint = i == 5 ? "tcp://127.0.0.1:9" : o.endpoint; /* without keys */
        assert_int_equal(cox_producer_create(&p, &o, &err), COX_EINVAL);
        assert_null(p);
    }
    o = good;
    o.frame_bytes = SIZE_MAX / 2;
    assert_int_equal(cox_producer_create(&p, &o, &err), COX_ENOMEM);
    uint64_t before = cox_mem_in_use();
    for (uint64_t n = 1; n <= 3; n++) {
        cox_mem_fail_at(n);
        assert_int_equal(cox_producer_create(&p, &good, &err), COX_ENOMEM);
        cox_mem_fail_at(0);
        assert_int_equal(cox_mem_in_use(), before);
    }
    assert_int_equal(cox_producer_create(&p, &good, NULL), COX_OK);
    assert_int_equal(try_send(p, 0, NULL, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "a frame of 128 bytes (at most 100)"));
    cox_producer_destroy(p);
    cox_producer_destroy(NULL);
    cox_collector_destroy(NULL);
}

/* Encrypted, with the run's keys and without. */
static void strangers_frames_do_not_come_in(void **state)
{
    (void)state;
    struct cox_keys keys, wrong;
    struct cox_collector *c;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_keys_create(&keys, NULL), COX_OK);
    assert_int_equal(cox_keys_create(&wrong, NULL), COX_OK);
    assert_int_equal(cox_collector_create(&c, "tcp://127.0.0.1:*", &keys, NULL), COX_OK);
    struct cox_producer_options options = COX_PRODUCER_OPTIONS_INIT;
    options.endpoint = cox_collector_endpoint(c);
    options.name = "sim-0";
    options.frame_bytes = 1000;
    memcpy(wrong.server_public, keys.server_public, sizeof wrong.server_public);
    options.keys = &wrong;
    struct cox_producer *stranger, *own;
    assert_int_equal(cox_producer_create(&stranger, &options, &err), COX_OK);
    send_frames(stranger, 0, 3);
    double end = cox_clock_seconds() + PATIENCE;
    while (!stats_of(c).strangers && cox_clock_seconds() < end)
        assert_true(nothing_comes(c, 0.01));
    assert_true(stats_of(c).strangers > 0);
    options.keys = &keys;
    assert_int_equal(cox_producer_create(&own, &options, &err), COX_OK);
    send_frames(own, 10, 13);
    for (int i = 10; i < 13; i++)
        expect_frame(c, "sim-0", i);
    acknowledge(c);
    assert_int_equal(cox_producer_drain(own, PATIENCE, NULL), COX_OK);
    assert_int_equal(cox_producer_acked(stranger), 0);
    cox_producer_destroy(stranger);
    cox_producer_destroy(own);
    cox_collector_destroy(c);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cox-flow-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_flow_in_order),
        cmocka_unit_test(a_full_window_blocks),
        cmocka_unit_test(a_signal_handler_ends_a_wait),
        cmocka_unit_test(a_stalled_collector_is_not_flooded),
        cmocka_unit_test(another_collector_takes_over),
        cmocka_unit_test(a_later_epoch_fences_an_earlier_one),
        cmocka_unit_test(an_expected_epoch_fences_at_once),
        cmocka_unit_test(many_producers_are_told_apart),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(strangers_frames_do_not_come_in),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
