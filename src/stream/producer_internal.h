/* SPDX-License-Identifier: BSD-3-Clause */
/* What a producer is made of; for producer.c (its caller) and producer_thread.c. */
#ifndef COX_STREAM_PRODUCER_INTERNAL_H
#define COX_STREAM_PRODUCER_INTERNAL_H

#include "stream/producer.h"

#include <pthread.h>
#include <stdbool.h>

#include "stream/socket.h"

#define LATENCIES 256

struct slot {
    struct cox_stream_frame frame; /* its pointers are not the caller's: NULL or `raw` */
    float *raw;
    size_t bytes;
    double queued_s;
};

struct cox_producer {
    char name[COX_PEER_SIZE];
    int64_t epoch;
    int window;
    size_t frame_bytes;
    double resend_s;
    float *memory;
    struct slot *slots;
    int wake_fd, room_fd;
    pthread_t thread;
    bool locked, running;

    /* of the caller */
    double blocked_since; /* 0: room was there */

    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t queued, acked, bytes, resent;
    double copying_s, blocked_s;
    double latency_s[LATENCIES];
    uint64_t latencies;
    bool asleep, stopping, fenced;
    int status; /* the thread gave up */
    struct cox_err failure;
    char endpoint[COX_ENDPOINT_SIZE];
    bool move;

    /* of the thread */
    struct cox_socket socket;
    bool connected; /* once: before that a frame would be sent, and then again for the connection */
    uint64_t sent;  /* on this connection, so far */
    uint64_t most;  /* on any */
    uint64_t probe; /* the last question's number */
    uint64_t asked; /* sent before it */
    double heard;   /* or last asked */
    double silence; /* until the next question */
};

/* Where the frame with this sequence number lies. */
struct slot *cox_producer_slot(const struct cox_producer *p, uint64_t sequence);
/* Eventfds: makes one readable, and unreadable again. */
void cox_producer_tell(int fd);
void cox_producer_hush(int fd);
/* The thread; `user` is the producer. */
void *cox_producer_work(void *user);

#endif
