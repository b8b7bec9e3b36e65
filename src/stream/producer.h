/* SPDX-License-Identifier: BSD-3-Clause */
/* The sending end of a frame stream: DEALER, at most `window` frames unacknowledged, sent again
 * after a reconnection or a loss, acknowledged cumulatively once stored. A full window blocks the
 * sender: back-pressure, nothing is dropped, memory is bounded. Socket work happens on a thread of
 * the producer; cox_producer_send costs the caller one copy. One thread sends; the functions that
 * say so may be called from any. */
#ifndef COX_STREAM_PRODUCER_H
#define COX_STREAM_PRODUCER_H

#include <stdatomic.h>
#include <stdint.h>

#include "cox/err.h"
#include "stream/frame.h"
#include "stream/link.h"

struct cox_producer;

struct cox_producer_options {
    const char *endpoint; /* of the collector */
    const char *name;     /* "sim-3" */
    int64_t epoch;        /* of this attempt: a collector that has seen a later one refuses us */
    int window;           /* frames, at most COX_PRODUCER_MAX_WINDOW */
    size_t frame_bytes;   /* upper bound of a raw part; the window is allocated once */
    double resend_s;      /* silence after which the collector is asked what it has; doubles up to
                             half a minute while it stays silent */
    const struct cox_keys *keys; /* for tcp; ipc does not use them */
};
#define COX_PRODUCER_MAX_WINDOW 1024
#define COX_PRODUCER_OPTIONS_INIT     \
    {                                 \
        .window = 64, .resend_s = 2.0 \
    }

/* Figures since creation; seconds are of the calling thread's wall time unless said otherwise. */
struct cox_producer_stats {
    uint64_t sent, acked; /* frames; acked means stored */
    uint64_t bytes;       /* of acknowledged frames */
    uint64_t resent;
    double copying_s;    /* in cox_producer_send without the wait */
    double blocked_s;    /* waiting for credit */
    double thread_cpu_s; /* processor time of the producer's own thread */
    double latency_s;    /* mean time from send to acknowledgement, newest 256 frames */
};

int cox_producer_create(struct cox_producer **out, const struct cox_producer_options *options,
                        struct cox_err *err) COX_MUST_CHECK;
/* Does not wait for acknowledgements. */
void cox_producer_destroy(struct cox_producer *producer);
/* Copies the frame into the window, waiting while it is full. COX_ECANCELLED: `cancel` was raised
 * while waiting (cox_producer_wake ends the wait), or this epoch is fenced (cox_producer_fenced).
 */
int cox_producer_send(struct cox_producer *producer, const struct cox_stream_frame *frame,
                      const atomic_int *cancel, struct cox_err *err) COX_MUST_CHECK;
/* Ends a wait: from any thread, or from a signal handler. */
void cox_producer_wake(struct cox_producer *producer);
/* For callers that must go on with other things (heartbeats) while the window is full: how many
 * frames cox_producer_send would take without waiting (1 when fenced: it then says so), and a
 * descriptor that is readable when this may have changed since it was asked. Time from a 0 to the
 * next cox_producer_send counts as blocked. From the sending thread. */
int cox_producer_room(struct cox_producer *producer);
int cox_producer_fd(const struct cox_producer *producer);
/* The collector has moved (its process was replaced): goes there with all that is unacknowledged.
 * The same endpoint does nothing. Any thread. */
int cox_producer_move(struct cox_producer *producer, const char *endpoint,
                      struct cox_err *err) COX_MUST_CHECK;
/* Frames acknowledged: all of the first so many that were sent are stored. Any thread. */
uint64_t cox_producer_acked(const struct cox_producer *producer);
int cox_producer_fenced(const struct cox_producer *producer);
/* Waits until every frame is acknowledged; COX_EIO after `timeout_s`. */
int cox_producer_drain(struct cox_producer *producer, double timeout_s,
                       struct cox_err *err) COX_MUST_CHECK;
void cox_producer_get_stats(const struct cox_producer *producer, struct cox_producer_stats *out);

#endif
