/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/link.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <zmq.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "stream/guard.h"
#include "stream/socket.h"

#define QUEUE 4096 /* messages per peer; then a sender is told */

static const struct cox_socket_limits limits = {.send_queue = QUEUE,
                                                .receive_queue = QUEUE,
                                                .message_bytes = COX_MESSAGE_MAX_BYTES,
                                                .linger_ms = 1000};

struct cox_hub {
    struct cox_socket socket;
    int malformed;
    int logged; /* strangers told of so far */
};

struct cox_link {
    struct cox_socket socket;
};

/* Packs and destroys. */
static int pack(zmq_msg_t *part, struct cox_message *message, struct cox_err *err)
{
    void *bytes;
    size_t length;
    int rc = cox_message_pack(message, &bytes, &length, err);
    cox_message_destroy(message);
    if (rc)
        return rc;
    if (zmq_msg_init_size(part, length))
        rc = cox_err_set(err, COX_ENOMEM, "message: out of memory");
    else
        memcpy(zmq_msg_data(part), bytes, length);
    cox_free(bytes);
    return rc;
}

/* ---- hub ---- */

int cox_hub_create(struct cox_hub **out, const char *endpoint, const struct cox_keys *keys,
                   struct cox_err *err)
{
    *out = NULL;
    struct cox_hub *hub = cox_alloc(1, sizeof *hub);
    if (!hub)
        return cox_err_set(err, COX_ENOMEM, "hub: out of memory");
    int rc = cox_socket_bind(&hub->socket, endpoint, keys, &limits, err);
    if (rc) {
        cox_free(hub);
        return cox_err_wrap(err, rc, "hub");
    }
    *out = hub;
    return COX_OK;
}

void cox_hub_destroy(struct cox_hub *hub)
{
    if (!hub)
        return;
    cox_socket_close(&hub->socket);
    cox_free(hub);
}

const char *cox_hub_endpoint(const struct cox_hub *hub)
{
    return hub->socket.endpoint;
}

int cox_hub_refused(const struct cox_hub *hub)
{
    return hub->malformed + cox_guard_refused(hub->socket.guard);
}

/* At 1, 2, 4, 8 …: somebody who keeps trying does not fill the log. */
static bool worth_a_line(int n)
{
    return n > 0 && !(n & (n - 1));
}

static void log_strangers(struct cox_hub *hub)
{
    int n = cox_guard_refused(hub->socket.guard);
    if (n <= hub->logged)
        return;
    int before = hub->logged;
    hub->logged = n;
    while (n & (n - 1))
        n &= n - 1; /* the largest power of two that is reached */
    if (n > before)
        cox_log(COX_LOG_WARN, "%s: %d connections without the run's key refused so far",
                hub->socket.endpoint, hub->logged);
}

/* The rest of a message of several parts. */
static void drop_rest(void *zmq, zmq_msg_t *part)
{
    while (zmq_msg_more(part))
        if (zmq_msg_recv(part, zmq, ZMQ_DONTWAIT) < 0)
            return;
}

/* One message that is there. 0 in *got: none. A malformed one gives *got 1 and no message. */
static int take(struct cox_hub *hub, struct cox_message **message, char peer[COX_PEER_SIZE],
                int *got, struct cox_err *err)
{
    zmq_msg_t part;
    *got = 0;
    zmq_msg_init(&part);
    if (zmq_msg_recv(&part, hub->socket.zmq, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&part);
        if (zmq_errno() == EAGAIN || zmq_errno() == EINTR)
            return COX_OK;
        return cox_err_set(err, COX_EIO, "hub: cannot receive: %s", zmq_strerror(zmq_errno()));
    }
    *got = 1;
    size_t n = zmq_msg_size(&part);
    struct cox_err why = COX_ERR_INIT;
    bool named = cox_peer_name_ok(zmq_msg_data(&part), n);
    memset(peer, 0, COX_PEER_SIZE);
    if (named)
        memcpy(peer, zmq_msg_data(&part), n);
    int rc = COX_EFORMAT;
    if (!named)
        cox_err_set(&why, rc, "a peer without a proper name");
    else if (!zmq_msg_more(&part) || zmq_msg_recv(&part, hub->socket.zmq, ZMQ_DONTWAIT) < 0)
        cox_err_set(&why, rc, "no message");
    else if (zmq_msg_more(&part))
        cox_err_set(&why, rc, "a message of several parts");
    else
        rc = cox_message_unpack(message, zmq_msg_data(&part), zmq_msg_size(&part), &why);
    drop_rest(hub->socket.zmq, &part);
    zmq_msg_close(&part);
    if (rc == COX_ENOMEM)
        return cox_err_set(err, rc, "hub: %s", why.text);
    if (rc && worth_a_line(++hub->malformed))
        cox_log(COX_LOG_WARN, "hub: from '%s': %s (%d malformed so far)", peer, why.text,
                hub->malformed);
    return COX_OK;
}

int cox_hub_receive(struct cox_hub *hub, double timeout_s, const int *fds, int n_fds,
                    struct cox_message **message, char peer[COX_PEER_SIZE], struct cox_err *err)
{
    bool over = false;
    double end = cox_clock_seconds() + timeout_s;
    *message = NULL;
    for (;;) {
        int got;
        int rc = take(hub, message, peer, &got, err);
        if (rc || *message)
            return rc;
        if (got)
            continue; /* malformed: the next one */
        log_strangers(hub);
        double left = timeout_s < 0 ? -1 : end - cox_clock_seconds();
        if (over || (timeout_s >= 0 && left <= 0))
            return COX_OK;
        rc = cox_socket_wait(&hub->socket, false, left, fds, n_fds, &over, err);
        if (rc)
            return cox_err_wrap(err, rc, "hub");
    }
}

int cox_hub_send(struct cox_hub *hub, const char *peer, struct cox_message *message,
                 struct cox_err *err)
{
    zmq_msg_t part;
    int rc = pack(&part, message, err);
    if (rc)
        return cox_err_wrap(err, rc, "to '%s'", peer);
    if (zmq_send(hub->socket.zmq, peer, strlen(peer), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_msg_send(&part, hub->socket.zmq, ZMQ_DONTWAIT) < 0) {
        int number = zmq_errno();
        rc = number == EHOSTUNREACH ? COX_ENOTFOUND : COX_EIO;
        cox_err_set(err, rc, "cannot send to '%s': %s", peer,
                    number == EHOSTUNREACH ? "not connected"
                    : number == EAGAIN     ? "its queue is full"
                                           : zmq_strerror(number));
    }
    zmq_msg_close(&part);
    return rc;
}

/* ---- link ---- */

int cox_link_create(struct cox_link **out, const char *endpoint, const char *name,
                    const struct cox_keys *keys, struct cox_err *err)
{
    *out = NULL;
    struct cox_link *link = cox_alloc(1, sizeof *link);
    if (!link)
        return cox_err_set(err, COX_ENOMEM, "link: out of memory");
    int rc = cox_socket_connect(&link->socket, endpoint, name, keys, &limits, err);
    if (rc) {
        cox_free(link);
        return cox_err_wrap(err, rc, "link");
    }
    *out = link;
    return COX_OK;
}

void cox_link_destroy(struct cox_link *link)
{
    if (!link)
        return;
    cox_socket_close(&link->socket);
    cox_free(link);
}

int cox_link_send(struct cox_link *link, struct cox_message *message, struct cox_err *err)
{
    zmq_msg_t part;
    int rc = pack(&part, message, err);
    if (rc)
        return cox_err_wrap(err, rc, "to the hub");
    if (zmq_msg_send(&part, link->socket.zmq, ZMQ_DONTWAIT) < 0)
        rc = cox_err_set(err, COX_EIO, "cannot send to the hub: %s",
                         zmq_errno() == EAGAIN ? "the queue is full" : zmq_strerror(zmq_errno()));
    zmq_msg_close(&part);
    return rc;
}

int cox_link_receive(struct cox_link *link, double timeout_s, const int *fds, int n_fds,
                     struct cox_message **message, struct cox_err *err)
{
    bool over = false;
    double end = cox_clock_seconds() + timeout_s;
    *message = NULL;
    for (;;) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        int n = zmq_msg_recv(&part, link->socket.zmq, ZMQ_DONTWAIT);
        int number = n < 0 ? zmq_errno() : 0;
        int rc = COX_OK;
        if (n >= 0 && zmq_msg_more(&part))
            drop_rest(link->socket.zmq, &part);
        else if (n >= 0) {
            struct cox_err why = COX_ERR_INIT;
            rc = cox_message_unpack(message, zmq_msg_data(&part), (size_t)n, &why);
            if (rc == COX_EFORMAT) {
                cox_log(COX_LOG_WARN, "from the hub: %s", why.text);
                rc = COX_OK;
            } else if (rc) {
                rc = cox_err_set(err, rc, "from the hub: %s", why.text);
            }
        }
        zmq_msg_close(&part);
        if (rc || *message)
            return rc;
        if (n >= 0)
            continue;
        if (number != EAGAIN && number != EINTR)
            return cox_err_set(err, COX_EIO, "cannot receive from the hub: %s",
                               zmq_strerror(number));
        double left = timeout_s < 0 ? -1 : end - cox_clock_seconds();
        if (over || (timeout_s >= 0 && left <= 0))
            return COX_OK;
        rc = cox_socket_wait(&link->socket, false, left, fds, n_fds, &over, err);
        if (rc)
            return cox_err_wrap(err, rc, "link");
    }
}
