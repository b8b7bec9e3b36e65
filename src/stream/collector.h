/* SPDX-License-Identifier: BSD-3-Clause */
/* The receiving end of frame streams: ROUTER, any number of producers. The owner stores frames and
 * then acknowledges all that it has taken; until then they belong to their producers. Duplicates
 * (sequence numbers) and frames of outdated epochs are dropped here. A collector that takes another
 * one's place knows nothing of what that one stored: its owner drops what it has by (segment,
 * index). Memory: at most producers × window frames. Use from one thread. */
#ifndef COX_STREAM_COLLECTOR_H
#define COX_STREAM_COLLECTOR_H

#include <stdint.h>

#include "cox/err.h"
#include "stream/frame.h"
#include "stream/link.h"

struct cox_collector;

/* `endpoint` and `keys` as for cox_hub_create. */
int cox_collector_create(struct cox_collector **out, const char *endpoint,
                         const struct cox_keys *keys, struct cox_err *err) COX_MUST_CHECK;
void cox_collector_destroy(struct cox_collector *collector);
const char *cox_collector_endpoint(const struct cox_collector *collector);

/* The producer `name` is at this epoch: frames of earlier attempts are refused even before the new
 * one has sent its first. */
int cox_collector_expect(struct cox_collector *collector, const char *name, int64_t epoch,
                         struct cox_err *err) COX_MUST_CHECK;

/* The next new frame in its producer's order; blocks point into the collector and are valid until
 * the next call. `peer`: the producer's name. *got 0: timeout, one of `fds` readable, a signal. */
int cox_collector_receive(struct cox_collector *collector, double timeout_s, const int *fds,
                          int n_fds, struct cox_stream_frame *frame, char peer[COX_PEER_SIZE],
                          int *got, struct cox_err *err) COX_MUST_CHECK;
/* Everything handed out so far is stored: tells the producers. */
int cox_collector_acknowledge(struct cox_collector *collector, struct cox_err *err) COX_MUST_CHECK;

struct cox_collector_stats {
    uint64_t frames, bytes;                                  /* handed out */
    uint64_t duplicates, gaps, malformed, fenced, strangers; /* turned away */
    int producers;
    uint64_t waiting; /* handed out, not yet acknowledged */
};
void cox_collector_get_stats(const struct cox_collector *collector,
                             struct cox_collector_stats *out);

#endif
