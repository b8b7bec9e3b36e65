/* SPDX-License-Identifier: BSD-3-Clause */
/* A collector against bytes that no producer of ours would send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <string.h>

#include <cmocka.h>
#include <zmq.h>

#include "base/clock.h"
#include "stream/collector.h"

#define ATOMS 10
#define PATIENCE 20.0 /* seconds; reached only when something is broken */

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

/* A connection without a producer. */
struct wire {
    void *context, *dealer;
};

static struct wire wire_to(const struct cox_collector *c, const char *name)
{
    struct wire w = {.context = zmq_ctx_new()};
    int none = 0;
    w.dealer = zmq_socket(w.context, ZMQ_DEALER);
    zmq_setsockopt(w.dealer, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(w.dealer, ZMQ_ROUTING_ID, name, strlen(name));
    assert_int_equal(zmq_connect(w.dealer, cox_collector_endpoint(c)), 0);
    return w;
}

static void wire_sends(const struct wire *w, uint64_t sequence, uint64_t first)
{
    float x[3 * ATOMS] = {0};
    char header[COX_FRAME_HEADER_MAX];
    size_t n;
    struct cox_stream_frame f = {.n_atoms = ATOMS, .x = x, .index = (int)sequence};
    struct cox_stream_stamp stamp = {.sequence = sequence, .first = first, .epoch = 1};
    assert_int_equal(cox_stream_frame_pack(&f, &stamp, header, sizeof header, &n, NULL), COX_OK);
    zmq_send(w->dealer, header, n, ZMQ_SNDMORE);
    zmq_send(w->dealer, x, sizeof x, 0);
}

static int64_t wire_hears(struct cox_collector *c, const struct wire *w, const char *key)
{
    char bytes[256];
    int n, none = 0;
    double end = cox_clock_seconds() + PATIENCE;
    while ((n = zmq_recv(w->dealer, bytes, sizeof bytes, ZMQ_DONTWAIT)) < 0 &&
           cox_clock_seconds() < end)
        assert_true(nothing_comes(c, none));
    struct cox_message *m;
    assert_int_equal(cox_message_unpack(&m, bytes, (size_t)n, NULL), COX_OK);
    int64_t value = cox_message_int(m, key, -1);
    cox_message_destroy(m);
    return value;
}

static void holes_and_doubles_are_answered(void **state)
{
    (void)state;
    struct cox_collector *c;
    assert_int_equal(cox_collector_create(&c, "ipc", NULL, NULL), COX_OK);
    struct wire w = wire_to(c, "sim-0.1");
    struct cox_stream_frame f;
    char peer[COX_PEER_SIZE];
    int got;
    wire_sends(&w, 1, 1);
    assert_int_equal(cox_collector_receive(c, PATIENCE, NULL, 0, &f, peer, &got, NULL), COX_OK);
    assert_int_equal(got, 1);
    wire_sends(&w, 3, 1); /* 2 is missing: said once */
    wire_sends(&w, 4, 1);
    assert_int_equal(wire_hears(c, &w, "gap"), 1);
    assert_true(nothing_comes(c, 0.05));
    assert_int_equal(stats_of(c).gaps, 2);
    wire_sends(&w, 2, 1);
    assert_int_equal(cox_collector_receive(c, PATIENCE, NULL, 0, &f, peer, &got, NULL), COX_OK);
    assert_int_equal(f.index, 2);
    acknowledge(c);
    assert_int_equal(wire_hears(c, &w, "stored"), 2);
    wire_sends(&w, 1, 1); /* its acknowledgement was lost, it seems */
    assert_int_equal(wire_hears(c, &w, "stored"), 2);
    assert_int_equal(stats_of(c).duplicates, 1);
    wire_sends(&w, 9, 9); /* 3 … 8 were stored by another collector */
    assert_int_equal(cox_collector_receive(c, PATIENCE, NULL, 0, &f, peer, &got, NULL), COX_OK);
    assert_int_equal(f.index, 9);
    assert_int_equal(stats_of(c).waiting, 1);
    zmq_close(w.dealer);
    zmq_ctx_term(w.context);
    cox_collector_destroy(c);
}

static void malformed_frames_are_dropped_and_counted(void **state)
{
    (void)state;
    struct cox_collector *c;
    assert_int_equal(cox_collector_create(&c, "ipc", NULL, NULL), COX_OK);
    static const char *const names[] = {"sim-0", ".1", "sim-0.x", "sim-0.-1", "sim/0.1"};
    struct wire w;
    for (int i = 0; i < 5; i++) {
        w = wire_to(c, names[i]);
        wire_sends(&w, 1, 1);
        double end = cox_clock_seconds() + PATIENCE;
        while ((int)stats_of(c).malformed < i + 1 && cox_clock_seconds() < end)
            assert_true(nothing_comes(c, 0.01));
        assert_int_equal(stats_of(c).malformed, i + 1);
        zmq_close(w.dealer);
        zmq_ctx_term(w.context);
    }
    w = wire_to(c, "sim-0.2"); /* frames of epoch 1 */
    wire_sends(&w, 1, 1);
    zmq_send(w.dealer, "", 0, 0);
    zmq_send(w.dealer, "rubbish", 7, 0);
    zmq_send(w.dealer, "\x80", 1, 0);
    zmq_send(w.dealer, "rubbish", 7, ZMQ_SNDMORE);
    zmq_send(w.dealer, "rubbish", 7, 0);
    zmq_send(w.dealer, "a", 1, ZMQ_SNDMORE);
    zmq_send(w.dealer, "b", 1, ZMQ_SNDMORE);
    zmq_send(w.dealer, "c", 1, ZMQ_SNDMORE);
    zmq_send(w.dealer, "d", 1, 0);
    double end = cox_clock_seconds() + PATIENCE;
    while (stats_of(c).malformed < 11 && cox_clock_seconds() < end)
        assert_true(nothing_comes(c, 0.01));
    assert_int_equal(stats_of(c).malformed, 11);
    zmq_close(w.dealer);
    zmq_ctx_term(w.context);
    cox_collector_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_and_doubles_are_answered),
        cmocka_unit_test(malformed_frames_are_dropped_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
