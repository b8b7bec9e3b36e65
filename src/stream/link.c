/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/link.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <zmq.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "stream/guard.h"
#include "stream/socket.h"

#define QUEUE 4096 /* messages per peer; then a sender is told */

static const struct cox_socket_limits limits = {.send_queue = QUEUE,
                                                .receive_queue = QUEUE,
                                                .message_bytes = COX_MESSAGE_MAX_BYTES,
                                                .linger_ms = 1000};

#define NAME_MAX_BYTES 48 /* leaves room for what tells links of one name apart */
#define MAX_PEERS 65536

/* Whom a name stands for. ZeroMQ knows connections by "NAME.TOKEN". */
struct peer {
    char name[COX_PEER_SIZE];
    char id[COX_PEER_SIZE], outdated_id[COX_PEER_SIZE];
    int64_t epoch, outdated_epoch;
};

struct cox_hub {
    struct cox_socket socket;
    struct peer *peers;
    int n_peers, room;
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
    cox_free(hub->peers);
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

/* ---- names ---- */

static struct peer *find(const struct cox_hub *hub, const char *name)
{
    for (int i = 0; i < hub->n_peers; i++)
        if (!strcmp(hub->peers[i].name, name))
            return &hub->peers[i];
    return NULL;
}

/* `id` has spoken for attempt `epoch` of its name. Turns `peer` from the id into the name. */
static int note(struct cox_hub *hub, char peer[COX_PEER_SIZE], int64_t epoch, struct cox_err *err)
{
    char id[COX_PEER_SIZE];
    memcpy(id, peer, sizeof id);
    char *dot = strrchr(peer, '.');
    if (dot && dot != peer)
        *dot = '\0';
    struct peer *p = find(hub, peer);
    if (!p) {
        if (hub->n_peers == MAX_PEERS)
            return cox_err_set(err, COX_EFORMAT, "more than %d names", MAX_PEERS);
        if (hub->n_peers == hub->room) {
            int room = hub->room ? 2 * hub->room : 16;
            struct peer *more = cox_realloc(hub->peers, (size_t)room, sizeof *more);
            if (!more)
                return cox_err_set(err, COX_ENOMEM, "out of memory");
            hub->peers = more;
            hub->room = room;
        }
        p = &hub->peers[hub->n_peers++];
        *p = (struct peer){.epoch = INT64_MIN, .outdated_epoch = INT64_MIN};
        snprintf(p->name, sizeof p->name, "%s", peer);
    }
    if (epoch >= p->epoch) {
        p->epoch = epoch;
        memcpy(p->id, id, sizeof id);
    } else {
        p->outdated_epoch = epoch;
        memcpy(p->outdated_id, id, sizeof id);
    }
    return COX_OK;
}

/* ---- receiving and sending ---- */

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
    if (!rc && (rc = note(hub, peer, cox_message_int(*message, "epoch", -1), &why))) {
        cox_message_destroy(*message);
        *message = NULL;
    }
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
    int64_t epoch = cox_message_int(message, "epoch", INT64_MAX);
    const struct peer *p = find(hub, peer);
    int rc = pack(&part, message, err);
    if (rc)
        return cox_err_wrap(err, rc, "to '%s'", peer);
    const char *id = !p                                               ? ""
                     : epoch == p->outdated_epoch && epoch < p->epoch ? p->outdated_id
                                                                      : p->id;
    if (!p) {
        rc = cox_err_set(err, COX_ENOTFOUND, "cannot send to '%s': not connected", peer);
    } else if (zmq_send(hub->socket.zmq, id, strlen(id), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
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

/* Different for every link that was ever made with that name. */
static void make_id(char id[COX_PEER_SIZE], const char *name)
{
    static atomic_uint made;
    uint64_t moment = (uint64_t)(1e6 * cox_clock_unix());
    uint64_t token = cox_seed_mix(moment, (uint64_t)getpid() << 32 | atomic_fetch_add(&made, 1));
    snprintf(id, COX_PEER_SIZE, "%s.%08x", name, (unsigned)(token & 0xffffffffu));
}

int cox_link_create(struct cox_link **out, const char *endpoint, const char *name,
                    const struct cox_keys *keys, struct cox_err *err)
{
    char id[COX_PEER_SIZE];
    *out = NULL;
    if (strlen(name) > NAME_MAX_BYTES)
        return cox_err_set(err, COX_EINVAL, "link: '%s': a name of more than %d bytes", name,
                           NAME_MAX_BYTES);
    make_id(id, name);
    struct cox_link *link = cox_alloc(1, sizeof *link);
    if (!link)
        return cox_err_set(err, COX_ENOMEM, "link: out of memory");
    int rc = cox_socket_connect(&link->socket, endpoint, *name ? id : name, keys, &limits, err);
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
