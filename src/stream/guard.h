/* SPDX-License-Identifier: BSD-3-Clause */
/* The door of a listening socket with CURVE: a thread that answers ZeroMQ's authentication requests
 * (ZAP, RFC 27) and counts those who are turned away. Only the run's client key is let in. */
#ifndef COX_STREAM_GUARD_H
#define COX_STREAM_GUARD_H

#include "cox/err.h"

struct cox_guard;

/* `context` and `socket` are ZeroMQ's; call before the socket is bound. `client_public`: Z85. */
int cox_guard_create(struct cox_guard **out, void *context, void *socket, const char *client_public,
                     struct cox_err *err) COX_MUST_CHECK;
/* Before the socket is closed, from its thread. NULL is allowed. */
void cox_guard_destroy(struct cox_guard *guard);
int cox_guard_refused(const struct cox_guard *guard);

#endif
