/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/guard.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <zmq.h>

#include "base/mem.h"

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define MONITOR_ENDPOINT "inproc://cox.monitor"
#define CONTROL_ENDPOINT "inproc://cox.guard"
#define ZAP_PARTS 16
/* Another run's key (the server's, the client's), or no key: the last looks like a connection that
 * broke off while it was made, which is counted with it. */
#define REFUSALS                                                             \
    (ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | \
     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)

struct cox_guard {
    void *socket;                      /* watched */
    void *zap, *monitor, *told, *tell; /* told is the thread's end, tell ours */
    uint8_t client[32];
    atomic_int refused;
    pthread_t thread;
    bool running;
};

/* Receives a whole message; the first `most` parts are kept in `parts`, the number is returned. */
static int receive_parts(void *socket, zmq_msg_t *parts, int most)
{
    int n = 0;
    for (;;) {
        zmq_msg_t extra, *at = n < most ? &parts[n] : &extra;
        zmq_msg_init(at);
        if (zmq_msg_recv(at, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(at);
            return n;
        }
        bool more = zmq_msg_more(at);
        if (n < most)
            n++;
        else
            zmq_msg_close(at);
        if (!more)
            return n;
    }
}

static bool part_is(zmq_msg_t *part, const void *bytes, size_t length)
{
    return zmq_msg_size(part) == length && !memcmp(zmq_msg_data(part), bytes, length);
}

/* Request: version, request id, domain, address, identity, mechanism, credentials…
 * Reply: version, request id, status, text, user, metadata. */
static void answer_zap(struct cox_guard *g)
{
    zmq_msg_t parts[ZAP_PARTS];
    int n = receive_parts(g->zap, parts, ZAP_PARTS);
    if (n >= 2) {
        bool welcome = n == 7 && part_is(&parts[5], "CURVE", 5) &&
                       part_is(&parts[6], g->client, sizeof g->client);
        const char *status = welcome ? "200" : "400";
        const char *text = welcome ? "OK" : "not a key of this run";
        zmq_send(g->zap, "1.0", 3, ZMQ_SNDMORE);
        zmq_send(g->zap, zmq_msg_data(&parts[1]), zmq_msg_size(&parts[1]), ZMQ_SNDMORE);
        zmq_send(g->zap, status, 3, ZMQ_SNDMORE);
        zmq_send(g->zap, text, strlen(text), ZMQ_SNDMORE);
        zmq_send(g->zap, "", 0, ZMQ_SNDMORE);
        zmq_send(g->zap, "", 0, 0);
    }
    for (int i = 0; i < n; i++)
        zmq_msg_close(&parts[i]);
}

static void count_event(struct cox_guard *g)
{
    zmq_msg_t parts[2];
    int n = receive_parts(g->monitor, parts, 2);
    if (n && zmq_msg_size(&parts[0]) >= sizeof(uint16_t)) {
        uint16_t event;
        memcpy(&event, zmq_msg_data(&parts[0]), sizeof event);
        if (event & REFUSALS)
            atomic_fetch_add(&g->refused, 1);
    }
    for (int i = 0; i < n; i++)
        zmq_msg_close(&parts[i]);
}

static void *stand(void *user)
{
    struct cox_guard *g = user;
    for (;;) {
        zmq_pollitem_t items[3] = {{.socket = g->told, .events = ZMQ_POLLIN},
                                   {.socket = g->zap, .events = ZMQ_POLLIN},
                                   {.socket = g->monitor, .events = ZMQ_POLLIN}};
        int n = zmq_poll(items, 3, -1);
        if (n < 0 && zmq_errno() == EINTR)
            continue;
        if (n < 0 || items[0].revents)
            return NULL;
        if (items[1].revents)
            answer_zap(g);
        if (items[2].revents)
            count_event(g);
    }
}

static void *open_socket(void *context, int type, const char *bind, const char *connect)
{
    void *socket = zmq_socket(context, type);
    int none = 0;
    if (!socket)
        return NULL;
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    if ((bind && zmq_bind(socket, bind)) || (connect && zmq_connect(socket, connect))) {
        zmq_close(socket);
        return NULL;
    }
    return socket;
}

int cox_guard_create(struct cox_guard **out, void *context, void *socket, const char *client_public,
                     struct cox_err *err)
{
    *out = NULL;
    struct cox_guard *g = cox_alloc(1, sizeof *g);
    if (!g)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    g->socket = socket;
    if (!zmq_z85_decode(g->client, client_public) ||
        !(g->zap = open_socket(context, ZMQ_REP, ZAP_ENDPOINT, NULL)) ||
        zmq_socket_monitor(socket, MONITOR_ENDPOINT, REFUSALS) ||
        !(g->monitor = open_socket(context, ZMQ_PAIR, NULL, MONITOR_ENDPOINT)) ||
        !(g->told = open_socket(context, ZMQ_PAIR, CONTROL_ENDPOINT, NULL)) ||
        !(g->tell = open_socket(context, ZMQ_PAIR, NULL, CONTROL_ENDPOINT))) {
        int rc = cox_err_set(err, COX_EIO, "cannot set up authentication: %s",
                             zmq_strerror(zmq_errno()));
        cox_guard_destroy(g);
        return rc;
    }
    sigset_t all, before; /* signals are for the program's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&g->thread, NULL, stand, g);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        cox_guard_destroy(g);
        return cox_err_set(err, COX_EIO, "cannot start a thread: %s", strerror(failed));
    }
    g->running = true;
    *out = g;
    return COX_OK;
}

void cox_guard_destroy(struct cox_guard *g)
{
    if (!g)
        return;
    if (g->running) {
        zmq_send(g->tell, "", 0, 0);
        pthread_join(g->thread, NULL);
    }
    zmq_socket_monitor(g->socket, NULL, 0);
    void *const sockets[4] = {g->zap, g->monitor, g->told, g->tell};
    for (int i = 0; i < 4; i++)
        if (sockets[i])
            zmq_close(sockets[i]);
    cox_free(g);
}

int cox_guard_refused(const struct cox_guard *g)
{
    return g ? atomic_load(&g->refused) : 0;
}
