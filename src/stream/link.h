/* SPDX-License-Identifier: BSD-3-Clause */
/* Control connections of a run: one hub (the coordinator, ZeroMQ ROUTER), many links (its workers,
 * DEALER). Only this module includes zmq.h. ipc on one host (a socket in a folder that only its
 * user may enter), tcp with CURVE across hosts: the hub accepts only clients that hold the run's
 * client key (ZAP), anybody else is dropped and counted. Use each object from one thread.
 * Nothing here sleeps or spins: waiting is poll(2) with a timeout. */
#ifndef COX_STREAM_LINK_H
#define COX_STREAM_LINK_H

#include <limits.h>
#include <stdbool.h>

#include "cox/err.h"
#include "stream/message.h"

#define COX_PROTOCOL_VERSION 1
#define COX_ENDPOINT_SIZE 256
#define COX_PEER_SIZE 64 /* a peer's name with its terminating zero */

/* The keys of one run, Z85 text. Made by the coordinator, kept in RUN/control/keys (mode 0600). */
struct cox_keys {
    char server_public[41], server_secret[41];
    char client_public[41], client_secret[41];
};
int cox_keys_create(struct cox_keys *keys, struct cox_err *err) COX_MUST_CHECK;
/* Replaces the file atomically, mode 0600. */
int cox_keys_save(const struct cox_keys *keys, const char *path,
                  struct cox_err *err) COX_MUST_CHECK;
/* Refuses a file that others may read, and says how to mend it. */
int cox_keys_load(struct cox_keys *keys, const char *path, struct cox_err *err) COX_MUST_CHECK;

struct cox_hub;
struct cox_link;

/* Binds. `endpoint`: "ipc" (a fresh private folder is made and removed with the hub), "tcp" (every
 * interface, a free port), or a full ZeroMQ endpoint ("tcp://10.0.0.1:*"). `keys` are used for tcp,
 * which is always encrypted (COX_EINVAL without); ipc relies on its private folder and never is. */
int cox_hub_create(struct cox_hub **out, const char *endpoint, const struct cox_keys *keys,
                   struct cox_err *err) COX_MUST_CHECK;
void cox_hub_destroy(struct cox_hub *hub);
/* What workers connect to: "ipc:///…", or "tcp://HOST:PORT" with this host's name. */
const char *cox_hub_endpoint(const struct cox_hub *hub);
/* The next message; *message owned by the caller, `peer` filled with its sender's name. NULL in
 * *message after `timeout_s` (0: only what is there; negative: no limit), when one of the `n_fds`
 * (at most 15) descriptors became readable first, or when a signal came. Malformed messages are
 * dropped, logged, and counted. */
int cox_hub_receive(struct cox_hub *hub, double timeout_s, const int *fds, int n_fds,
                    struct cox_message **message, char peer[COX_PEER_SIZE],
                    struct cox_err *err) COX_MUST_CHECK;
/* To the newest attempt of that name: the one whose messages bear the highest "epoch". A message
 * that bears a lower epoch itself (`fenced`) goes to the sender of that one. Takes ownership of the
 * message, also on failure. COX_ENOTFOUND: no such peer is connected (it may have died); COX_EIO:
 * its queue is full. Never blocks. */
int cox_hub_send(struct cox_hub *hub, const char *peer, struct cox_message *message,
                 struct cox_err *err) COX_MUST_CHECK;
/* Malformed messages and refused strangers so far. */
int cox_hub_refused(const struct cox_hub *hub);

/* `name`: "sim-3", at most 48 bytes. Every link has a connection of its own, whatever its name: an
 * orphan that comes back after its successor does not push that one out. */
int cox_link_create(struct cox_link **out, const char *endpoint, const char *name,
                    const struct cox_keys *keys, struct cox_err *err) COX_MUST_CHECK;
/* Sends what is queued for at most a second. */
void cox_link_destroy(struct cox_link *link);
/* Takes ownership of the message, also on failure. */
int cox_link_send(struct cox_link *link, struct cox_message *message,
                  struct cox_err *err) COX_MUST_CHECK;
/* As cox_hub_receive. */
int cox_link_receive(struct cox_link *link, double timeout_s, const int *fds, int n_fds,
                     struct cox_message **message, struct cox_err *err) COX_MUST_CHECK;

#endif
