/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/producer_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zmq.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define SILENCE_MAX_S 30.0

/* ---- the thread: what the collector says ---- */

static void acknowledged(struct cox_producer *p, uint64_t stored)
{
    double now = cox_clock_seconds();
    pthread_mutex_lock(&p->lock);
    for (uint64_t n = p->acked + 1; n <= stored; n++) {
        const struct slot *slot = cox_producer_slot(p, n);
        p->latency_s[p->latencies++ % LATENCIES] = now - slot->queued_s;
        p->bytes += slot->bytes;
    }
    p->acked = stored;
    if (p->sent < stored) /* it had them before they were sent again */
        p->sent = stored;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    cox_producer_tell(p->room_fd);
}

static void read_answer(struct cox_producer *p, const struct cox_message *m)
{
    p->heard = cox_clock_seconds();
    p->silence = p->resend_s;
    if (cox_message_is(m, "fenced") && cox_message_int(m, "epoch", -1) > p->epoch) {
        pthread_mutex_lock(&p->lock);
        p->fenced = true;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        cox_producer_tell(p->room_fd);
        return;
    }
    int64_t stored = cox_message_int(m, "stored", -1);
    int64_t received = cox_message_int(m, "received", -1);
    if (!cox_message_is(m, "ack") || cox_message_int(m, "epoch", -1) != p->epoch || stored < 0 ||
        received < stored || (uint64_t)received > p->most)
        return;
    if ((uint64_t)stored > p->acked)
        acknowledged(p, (uint64_t)stored);
    /* Frames are missing there: it saw a hole, or had fewer than all that came before a question.
     */
    bool answers = p->probe && cox_message_int(m, "probe", 0) == (int64_t)p->probe;
    uint64_t have = (uint64_t)received > p->acked ? (uint64_t)received : p->acked;
    if (have < p->sent && (cox_message_int(m, "gap", 0) || (answers && have < p->asked)))
        p->sent = have;
}

/* At most this many answers at once, so that frames are sent in between. */
#define ANSWERS 64

static int listen_to_collector(struct cox_producer *p, struct cox_err *err)
{
    for (int i = 0; i < ANSWERS; i++) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        int n = zmq_msg_recv(&part, p->socket.zmq, ZMQ_DONTWAIT);
        if (n < 0) {
            int number = zmq_errno();
            zmq_msg_close(&part);
            return number == EAGAIN || number == EINTR
                       ? COX_OK
                       : cox_err_set(err, COX_EIO, "cannot receive: %s", zmq_strerror(number));
        }
        struct cox_message *m = NULL;
        struct cox_err why = COX_ERR_INIT;
        if (!zmq_msg_more(&part) && !cox_message_unpack(&m, zmq_msg_data(&part), (size_t)n, &why))
            read_answer(p, m);
        else
            cox_log(COX_LOG_WARN, "from the collector: %s", why.text);
        cox_message_destroy(m);
        zmq_msg_close(&part);
    }
    return COX_OK;
}

/* ---- the thread: frames ---- */

/* *full: the queue takes no more now. */
static int send_frame(struct cox_producer *p, uint64_t sequence, bool *full, struct cox_err *err)
{
    const struct slot *slot = cox_producer_slot(p, sequence);
    const struct cox_stream_stamp stamp = {
        .sequence = sequence, .first = p->acked + 1, .epoch = p->epoch};
    char header[COX_FRAME_HEADER_MAX];
    size_t length;
    int rc = cox_stream_frame_pack(&slot->frame, &stamp, header, sizeof header, &length, err);
    if (rc)
        return rc;
    zmq_msg_t raw;
    *full = false;
    /* a copy: the slot may be used again while a second sending of it still waits in a queue */
    if (zmq_msg_init_size(&raw, slot->bytes))
        return cox_err_set(err, COX_ENOMEM, "out of memory for a frame of %zu bytes", slot->bytes);
    memcpy(zmq_msg_data(&raw), slot->raw, slot->bytes);
    if (zmq_send(p->socket.zmq, header, length, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_msg_send(&raw, p->socket.zmq, ZMQ_DONTWAIT) < 0) {
        int number = zmq_errno();
        zmq_msg_close(&raw);
        *full = number == EAGAIN || number == EINTR;
        return *full ? COX_OK : cox_err_set(err, COX_EIO, "cannot send: %s", zmq_strerror(number));
    }
    return COX_OK;
}

static int send_frames(struct cox_producer *p, uint64_t queued, bool *full, struct cox_err *err)
{
    uint64_t resent = 0;
    int rc = COX_OK;
    *full = false;
    while (!rc && p->sent < queued) {
        rc = send_frame(p, p->sent + 1, full, err);
        if (rc || *full)
            break;
        if (p->sent == p->acked)
            p->heard = cox_clock_seconds(); /* silence is counted from the first that waits */
        p->sent++;
        if (p->sent <= p->most)
            resent++;
        else
            p->most = p->sent;
    }
    if (resent) {
        pthread_mutex_lock(&p->lock);
        p->resent += resent;
        pthread_mutex_unlock(&p->lock);
    }
    return rc;
}

/* Asks what the collector has. Whether this gets through does not matter: it is asked again. */
static void ask(struct cox_producer *p)
{
    struct cox_message *m = cox_message_create("probe");
    void *bytes = NULL;
    size_t length;
    cox_message_set_int(m, "epoch", p->epoch);
    cox_message_set_int(m, "first", (int64_t)p->acked + 1);
    cox_message_set_int(m, "probe", (int64_t)++p->probe);
    if (!cox_message_pack(m, &bytes, &length, NULL))
        (void)zmq_send(p->socket.zmq, bytes, length, ZMQ_DONTWAIT);
    cox_free(bytes);
    cox_message_destroy(m);
    p->asked = p->sent;
    p->heard = cox_clock_seconds();
    p->silence = p->silence * 2 < SILENCE_MAX_S ? p->silence * 2 : SILENCE_MAX_S;
}

static int move(struct cox_producer *p, struct cox_err *err)
{
    char endpoint[COX_ENDPOINT_SIZE] = "";
    pthread_mutex_lock(&p->lock);
    if (p->move)
        snprintf(endpoint, sizeof endpoint, "%s", p->endpoint);
    p->move = false;
    pthread_mutex_unlock(&p->lock);
    if (!endpoint[0])
        return COX_OK;
    p->connected = false;
    return cox_socket_move(&p->socket, endpoint, err);
}

/* One turn; *stopping when the owner wants the thread to end. */
static int turn(struct cox_producer *p, bool *stopping, struct cox_err *err)
{
    int rc = move(p, err);
    if (!rc)
        rc = listen_to_collector(p, err);
    if (rc)
        return rc;
    if (cox_socket_connections(&p->socket)) {
        p->connected = true;
        p->sent = p->acked;
        p->silence = p->resend_s;
    }
    pthread_mutex_lock(&p->lock);
    uint64_t queued = p->fenced || !p->connected ? p->sent : p->queued;
    pthread_mutex_unlock(&p->lock);
    bool full;
    rc = send_frames(p, queued, &full, err);
    if (rc)
        return rc;
    bool waiting = p->sent > p->acked && !p->fenced; /* fenced is written by this thread only */
    double left = waiting ? p->heard + p->silence - cox_clock_seconds() : -1;
    if (waiting && left <= 0) {
        ask(p);
        left = p->silence;
    }
    pthread_mutex_lock(&p->lock);
    *stopping = p->stopping;
    /* with a full queue more frames are no reason to wake up, but a wish to stop is */
    bool work =
        *stopping || p->move || (!full && p->connected && !p->fenced && p->sent < p->queued);
    p->asleep = !work;
    pthread_mutex_unlock(&p->lock);
    if (work)
        return COX_OK;
    bool over;
    rc = cox_socket_wait(&p->socket, full, left, &p->wake_fd, 1, &over, err);
    pthread_mutex_lock(&p->lock);
    p->asleep = false;
    pthread_cond_broadcast(&p->changed); /* cox_producer_wake may have been called */
    pthread_mutex_unlock(&p->lock);
    cox_producer_hush(p->wake_fd);
    return rc;
}

void *cox_producer_work(void *user)
{
    struct cox_producer *p = user;
    struct cox_err err = COX_ERR_INIT;
    bool stopping = false;
    int rc = COX_OK;
    while (!rc && !stopping)
        rc = turn(p, &stopping, &err);
    if (rc) {
        pthread_mutex_lock(&p->lock);
        p->status = rc;
        p->failure = err;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        cox_producer_tell(p->room_fd);
    }
    return NULL;
}
