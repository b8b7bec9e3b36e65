/* SPDX-License-Identifier: BSD-3-Clause */
/* One record per producer's name: the epoch it is at, how far its frames were received without a
 * hole, and how far they are stored. A producer's routing id is "NAME.EPOCH", so an orphan and its
 * successor are two connections and each gets its own answer. */
#include "stream/collector.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <zmq.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "stream/guard.h"
#include "stream/producer.h"
#include "stream/socket.h"

#define MAX_PRODUCERS 65536
#define CHECK_MESSAGES 64 /* frames between two looks whether answers are due */

struct producer {
    char name[COX_PEER_SIZE];
    int64_t epoch;     /* of the newest attempt that is known */
    uint64_t received; /* handed out, all up to here */
    uint64_t stored;   /* acknowledged, all up to here */
    uint64_t hole;     /* received + 1 when a hole there was reported, or 0 */
    uint64_t probe;    /* to be answered, or 0 */
    bool due, gap;     /* an acknowledgement is owed; it reports a hole */
    bool met;          /* something came */
};

struct cox_collector {
    struct cox_socket socket;
    struct producer *producers;
    int n, room;
    int *table; /* name to producer: its number + 1, 0 empty; a power of two at least 2 n */
    int table_size;
    int owing; /* producers with `due` */
    zmq_msg_t raw;
    float *aligned; /* a copy of a raw part that does not begin on a float */
    size_t aligned_bytes;
    struct cox_collector_stats stats;
};

/* ---- producers by name ---- */

static uint32_t hash_of(const char *name)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

static int *place_of(const struct cox_collector *c, const char *name)
{
    uint32_t mask = (uint32_t)c->table_size - 1;
    for (uint32_t i = hash_of(name) & mask;; i = (i + 1) & mask)
        if (!c->table[i] || !strcmp(c->producers[c->table[i] - 1].name, name))
            return &c->table[i];
}

static int grow(struct cox_collector *c, struct cox_err *err)
{
    int room = c->room ? 2 * c->room : 64;
    struct producer *more = cox_realloc(c->producers, (size_t)room, sizeof *more);
    if (more)
        c->producers = more;
    int *table = more ? cox_alloc(2 * (size_t)room, sizeof *table) : NULL;
    if (!table)
        return cox_err_set(err, COX_ENOMEM, "collector: out of memory");
    cox_free(c->table);
    c->table = table;
    c->table_size = 2 * room;
    c->room = room;
    for (int i = 0; i < c->n; i++)
        *place_of(c, c->producers[i].name) = i + 1;
    return COX_OK;
}

/* The record of `name`, made when there is none. */
static int find(struct cox_collector *c, const char *name, struct producer **out,
                struct cox_err *err)
{
    int *at = place_of(c, name);
    if (!*at) {
        if (c->n == MAX_PRODUCERS)
            return cox_err_set(err, COX_EINVAL, "collector: more than %d producers", c->n);
        if (c->n == c->room) {
            int rc = grow(c, err);
            if (rc)
                return rc;
            at = place_of(c, name);
        }
        c->producers[c->n] = (struct producer){.epoch = -1};
        snprintf(c->producers[c->n].name, sizeof c->producers[c->n].name, "%s", name);
        *at = ++c->n;
    }
    *out = &c->producers[*at - 1];
    return COX_OK;
}

/* ---- creating ---- */

int cox_collector_create(struct cox_collector **out, const char *endpoint,
                         const struct cox_keys *keys, struct cox_err *err)
{
    *out = NULL;
    struct cox_collector *c = cox_alloc(1, sizeof *c);
    if (!c)
        return cox_err_set(err, COX_ENOMEM, "collector: out of memory");
    zmq_msg_init(&c->raw);
    /* What a producer may have on its way is bounded by its window; the queue must not fill before
     * that, because a connection whose queue is full does not answer ZeroMQ's heartbeats either. */
    const struct cox_socket_limits limits = {
        .send_queue = 1000,
        .receive_queue = 2 * COX_PRODUCER_MAX_WINDOW,
        .message_bytes = sizeof(float) * ((size_t)6 * COX_FRAME_MAX_ATOMS + COX_FRAME_MAX_VALUES),
        .linger_ms = 1000};
    int rc = grow(c, err);
    if (!rc)
        rc = cox_socket_bind(&c->socket, endpoint, keys, &limits, err);
    if (rc) {
        cox_collector_destroy(c);
        return cox_err_wrap(err, rc, "collector");
    }
    *out = c;
    return COX_OK;
}

void cox_collector_destroy(struct cox_collector *c)
{
    if (!c)
        return;
    zmq_msg_close(&c->raw);
    if (c->socket.context)
        cox_socket_close(&c->socket);
    cox_free(c->aligned);
    cox_free(c->producers);
    cox_free(c->table);
    cox_free(c);
}

const char *cox_collector_endpoint(const struct cox_collector *c)
{
    return c->socket.endpoint;
}

/* ---- answers ---- */

static void owe(struct cox_collector *c, struct producer *p)
{
    if (!p->due)
        c->owing++;
    p->due = true;
}

/* To the connection of that attempt. 1: its queue is full, to be tried again. A producer that is
 * not there any more asks when it comes back. */
static int send_to(struct cox_collector *c, const char *name, int64_t epoch, struct cox_message *m)
{
    char id[COX_PEER_SIZE];
    void *bytes = NULL;
    size_t length;
    int again = 0;
    int n = snprintf(id, sizeof id, "%s.%lld", name, (long long)epoch);
    if (cox_message_pack(m, &bytes, &length, NULL))
        again = 1;
    else if (zmq_send(c->socket.zmq, id, (size_t)n, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        again = zmq_errno() == EAGAIN || zmq_errno() == EINTR;
    else
        (void)zmq_send(c->socket.zmq, bytes, length, ZMQ_DONTWAIT);
    cox_free(bytes);
    cox_message_destroy(m);
    return again;
}

static void answer(struct cox_collector *c, struct producer *p)
{
    struct cox_message *m = cox_message_create("ack");
    cox_message_set_int(m, "epoch", p->epoch);
    cox_message_set_int(m, "stored", (int64_t)p->stored);
    cox_message_set_int(m, "received", (int64_t)p->received);
    if (p->gap)
        cox_message_set_int(m, "gap", 1);
    if (p->probe)
        cox_message_set_int(m, "probe", (int64_t)p->probe);
    if (send_to(c, p->name, p->epoch, m))
        return;
    p->due = p->gap = false;
    p->probe = 0;
    c->owing--;
}

static void answer_all(struct cox_collector *c)
{
    for (int i = 0; c->owing && i < c->n; i++)
        if (c->producers[i].due)
            answer(c, &c->producers[i]);
}

static void fence(struct cox_collector *c, const struct producer *p, int64_t epoch)
{
    struct cox_message *m = cox_message_create("fenced");
    c->stats.fenced++;
    cox_message_set_int(m, "epoch", p->epoch);
    (void)send_to(c, p->name, epoch, m); /* if it goes on, it is told again */
}

/* ---- what comes ---- */

/* Everything of the old attempt that was not stored is void: its successor sends it again. */
static void begin_epoch(struct cox_collector *c, struct producer *p, int64_t epoch)
{
    c->stats.waiting -= p->received - p->stored;
    if (p->due)
        c->owing--;
    p->epoch = epoch;
    p->received = p->stored = p->hole = p->probe = 0;
    p->due = p->gap = false;
}

/* A sign of life of attempt `epoch`, which has all before `first` acknowledged. False: fenced. */
static bool meet(struct cox_collector *c, struct producer *p, int64_t epoch, uint64_t first)
{
    if (epoch < p->epoch) {
        fence(c, p, epoch);
        return false;
    }
    if (epoch > p->epoch)
        begin_epoch(c, p, epoch);
    if (!p->met)
        c->stats.producers++;
    p->met = true;
    uint64_t waiting = p->received - p->stored;
    if (first - 1 > p->stored) /* by the collector before us */
        p->stored = first - 1;
    if (p->stored > p->received)
        p->received = p->stored;
    c->stats.waiting += p->received - p->stored - waiting;
    return true;
}

/* True when this frame is the next one. */
static bool is_next(struct cox_collector *c, struct producer *p, uint64_t sequence)
{
    if (sequence == p->received + 1)
        return true;
    if (sequence <= p->received) {
        c->stats.duplicates++;
        owe(c, p);
        return false;
    }
    c->stats.gaps++;
    if (p->hole != p->received + 1) { /* once per hole: what follows it comes anyway */
        p->hole = p->received + 1;
        p->gap = true;
        owe(c, p);
    }
    return false;
}

/* "NAME.EPOCH" */
static bool read_id(zmq_msg_t *part, char name[COX_PEER_SIZE], int64_t *epoch)
{
    size_t n = zmq_msg_size(part);
    long long value;
    memset(name, 0, COX_PEER_SIZE);
    if (!cox_peer_name_ok(zmq_msg_data(part), n))
        return false;
    memcpy(name, zmq_msg_data(part), n);
    char *dot = strrchr(name, '.');
    if (!dot || dot == name || cox_parse_int(dot + 1, &value) || value < 0)
        return false;
    *dot = '\0';
    *epoch = value;
    return true;
}

/* The raw part where floats may be read. */
static const void *aligned(struct cox_collector *c, struct cox_err *err)
{
    void *data = zmq_msg_data(&c->raw);
    size_t n = zmq_msg_size(&c->raw);
    if (!((uintptr_t)data % sizeof(float)))
        return data;
    if (n > c->aligned_bytes) {
        float *more = cox_alloc(n, 1);
        if (!more) {
            cox_err_set(err, COX_ENOMEM, "collector: out of memory for a frame of %zu bytes", n);
            return NULL;
        }
        cox_free(c->aligned);
        c->aligned = more;
        c->aligned_bytes = n;
    }
    memcpy(c->aligned, data, n);
    return c->aligned;
}

static int read_frame(struct cox_collector *c, const char *name, int64_t epoch, zmq_msg_t *header,
                      struct cox_stream_frame *frame, int *got, struct cox_err *err)
{
    struct cox_stream_stamp stamp;
    struct producer *p;
    const void *raw = aligned(c, err);
    if (!raw)
        return COX_ENOMEM;
    int rc = cox_stream_frame_unpack(frame, &stamp, zmq_msg_data(header), zmq_msg_size(header), raw,
                                     zmq_msg_size(&c->raw), err);
    if (!rc && stamp.epoch != epoch)
        rc = cox_err_set(err, COX_EFORMAT, "a frame of epoch %lld", (long long)stamp.epoch);
    if (!rc)
        rc = find(c, name, &p, err);
    if (rc || !meet(c, p, epoch, stamp.first) || !is_next(c, p, stamp.sequence))
        return rc;
    p->received = stamp.sequence;
    p->hole = 0;
    c->stats.waiting++;
    c->stats.frames++;
    c->stats.bytes += zmq_msg_size(&c->raw);
    *got = 1;
    return COX_OK;
}

static int read_probe(struct cox_collector *c, const char *name, int64_t epoch, zmq_msg_t *part,
                      struct cox_err *err)
{
    struct cox_message *m;
    struct producer *p;
    int rc = zmq_msg_size(part) > COX_FRAME_HEADER_MAX
                 ? cox_err_set(err, COX_EFORMAT, "a question of %zu bytes", zmq_msg_size(part))
                 : cox_message_unpack(&m, zmq_msg_data(part), zmq_msg_size(part), err);
    if (rc)
        return rc;
    int64_t first = cox_message_int(m, "first", 0), probe = cox_message_int(m, "probe", 0);
    if (!cox_message_is(m, "probe") || cox_message_int(m, "epoch", -1) != epoch || first < 1 ||
        probe < 1)
        rc = cox_err_set(err, COX_EFORMAT, "not a question of epoch %lld", (long long)epoch);
    else if (!(rc = find(c, name, &p, err)) && meet(c, p, epoch, (uint64_t)first)) {
        p->probe = (uint64_t)probe;
        owe(c, p);
    }
    cox_message_destroy(m);
    return rc;
}

/* The next part of the message at hand into `part`; false when there is none. */
static bool next_part(struct cox_collector *c, zmq_msg_t *before, zmq_msg_t *part)
{
    return zmq_msg_more(before) && zmq_msg_recv(part, c->socket.zmq, ZMQ_DONTWAIT) >= 0;
}

static void drop_rest(struct cox_collector *c, zmq_msg_t *part)
{
    while (zmq_msg_more(part))
        if (zmq_msg_recv(part, c->socket.zmq, ZMQ_DONTWAIT) < 0)
            return;
}

/* One message that is there; *there 0 when none is. */
static int take(struct cox_collector *c, struct cox_stream_frame *frame, char peer[COX_PEER_SIZE],
                int *got, bool *there, struct cox_err *err)
{
    zmq_msg_t id, header;
    zmq_msg_init(&id);
    zmq_msg_init(&header);
    *there = zmq_msg_recv(&id, c->socket.zmq, ZMQ_DONTWAIT) >= 0;
    if (!*there) {
        int number = zmq_errno();
        zmq_msg_close(&id);
        return number == EAGAIN || number == EINTR
                   ? COX_OK
                   : cox_err_set(err, COX_EIO, "collector: cannot receive: %s",
                                 zmq_strerror(number));
    }
    struct cox_err why = COX_ERR_INIT;
    int64_t epoch;
    int rc = COX_EFORMAT;
    /* ZeroMQ renames a connection whose name was taken over; its frames come again by the new one
     */
    bool replaced = zmq_msg_size(&id) && !*(const char *)zmq_msg_data(&id);
    if (replaced) {
        drop_rest(c, &id);
        rc = COX_OK;
    } else if (!read_id(&id, peer, &epoch)) {
        cox_err_set(&why, rc, "a peer without a proper name");
        drop_rest(c, &id);
    } else if (!next_part(c, &id, &header)) {
        cox_err_set(&why, rc, "an empty message");
    } else if (!zmq_msg_more(&header)) {
        rc = read_probe(c, peer, epoch, &header, &why);
    } else if (!next_part(c, &header, &c->raw) || zmq_msg_more(&c->raw)) {
        cox_err_set(&why, rc, "a message of more than two parts");
        drop_rest(c, &c->raw);
    } else {
        rc = read_frame(c, peer, epoch, &header, frame, got, &why);
    }
    zmq_msg_close(&id);
    zmq_msg_close(&header);
    if (rc == COX_ENOMEM)
        return cox_err_set(err, rc, "%s", why.text);
    uint64_t before = c->stats.malformed;
    c->stats.malformed += rc != COX_OK;
    if (rc && !(before & (before + 1))) /* the 1st, 2nd, 4th, 8th …: they do not fill the log */
        cox_log(COX_LOG_WARN, "collector: from '%s': %s (%llu malformed so far)", peer, why.text,
                (unsigned long long)c->stats.malformed);
    return COX_OK;
}

int cox_collector_receive(struct cox_collector *c, double timeout_s, const int *fds, int n_fds,
                          struct cox_stream_frame *frame, char peer[COX_PEER_SIZE], int *got,
                          struct cox_err *err)
{
    double end = cox_clock_seconds() + timeout_s;
    *got = 0;
    for (bool over = false;;) {
        bool there = true;
        for (int i = 0; there && !*got && i < CHECK_MESSAGES; i++) {
            int rc = take(c, frame, peer, got, &there, err);
            if (rc)
                return rc;
        }
        if (*got)
            return COX_OK;
        answer_all(c);
        if (there)
            continue;
        double left = timeout_s < 0 ? -1 : end - cox_clock_seconds();
        if (over || (timeout_s >= 0 && left <= 0))
            return COX_OK;
        int rc = cox_socket_wait(&c->socket, false, left, fds, n_fds, &over, err);
        if (rc)
            return cox_err_wrap(err, rc, "collector");
    }
}

int cox_collector_acknowledge(struct cox_collector *c, struct cox_err *err)
{
    (void)err;
    for (int i = 0; i < c->n; i++) {
        struct producer *p = &c->producers[i];
        if (p->received > p->stored)
            owe(c, p);
        p->stored = p->received;
    }
    c->stats.waiting = 0;
    answer_all(c);
    return COX_OK;
}

int cox_collector_expect(struct cox_collector *c, const char *name, int64_t epoch,
                         struct cox_err *err)
{
    struct producer *p;
    if (!cox_peer_name_ok(name, strlen(name)) || epoch < 0)
        return cox_err_set(err, COX_EINVAL, "collector: '%s' is no producer's name", name);
    int rc = find(c, name, &p, err);
    if (!rc && epoch > p->epoch)
        begin_epoch(c, p, epoch);
    return rc;
}

void cox_collector_get_stats(const struct cox_collector *c, struct cox_collector_stats *out)
{
    *out = c->stats;
    out->strangers = (uint64_t)cox_guard_refused(c->socket.guard);
}
