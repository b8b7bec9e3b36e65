/* SPDX-License-Identifier: BSD-3-Clause */
/* One ZeroMQ socket with its own context: how it is bound or connected, encrypted, and waited on.
 * For link, producer and collector. */
#ifndef COX_STREAM_SOCKET_H
#define COX_STREAM_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "cox/err.h"
#include "stream/folder.h"
#include "stream/link.h"

#define COX_WAIT_MAX_FDS 15

struct cox_guard;

struct cox_socket {
    void *context, *zmq;
    void *monitor; /* of a connecting one: tells when a connection is made */
    struct cox_guard *guard;
    char folder[COX_FOLDER_SIZE]; /* to be removed, or "" */
    char endpoint[COX_ENDPOINT_SIZE];
};

struct cox_socket_limits {
    int send_queue, receive_queue; /* messages per peer */
    size_t message_bytes;          /* a larger one ends its connection */
    int linger_ms;
    bool only_connected; /* nothing is queued while there is no connection, nor kept after it */
    bool watch;          /* cox_socket_connections works */
};

/* ROUTER. `endpoint` and `keys` as for cox_hub_create; on failure nothing stays. */
int cox_socket_bind(struct cox_socket *s, const char *endpoint, const struct cox_keys *keys,
                    const struct cox_socket_limits *limits, struct cox_err *err) COX_MUST_CHECK;
/* DEALER under `name`. */
int cox_socket_connect(struct cox_socket *s, const char *endpoint, const char *name,
                       const struct cox_keys *keys, const struct cox_socket_limits *limits,
                       struct cox_err *err) COX_MUST_CHECK;
/* Leaves the endpoint it is connected to for another one. */
int cox_socket_move(struct cox_socket *s, const char *endpoint, struct cox_err *err) COX_MUST_CHECK;
/* Connections that were made since the last call. */
int cox_socket_connections(struct cox_socket *s);
void cox_socket_close(struct cox_socket *s);

/* Waits until the socket may be read (or written, if asked), an fd is readable, a signal came, or
 * the time is over (negative: no limit). *over: one of the last three. */
int cox_socket_wait(struct cox_socket *s, bool write, double timeout_s, const int *fds, int n_fds,
                    bool *over, struct cox_err *err) COX_MUST_CHECK;

/* A name that may be a peer's: 1 to COX_PEER_SIZE - 1 letters, digits, '-', '_' or '.'. */
bool cox_peer_name_ok(const char *name, size_t length);

#endif
