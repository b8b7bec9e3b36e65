/* SPDX-License-Identifier: BSD-3-Clause */
/* The window is a ring of slots. The caller fills the next one and counts it as queued; the
 * producer's thread sends what is queued, and the collector's acknowledgements empty slots from the
 * other end. What lies between is never touched by the caller, so the thread reads it without the
 * lock. ZMQ_IMMEDIATE keeps frames out of connections that are not there; when one is made anew,
 * everything unacknowledged is sent again, and the collector drops what it has. */
#include "stream/producer_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define ANSWER_MAX_BYTES ((size_t)64 << 10)

struct slot *cox_producer_slot(const struct cox_producer *p, uint64_t sequence)
{
    return &p->slots[(sequence - 1) % (uint64_t)p->window];
}

void cox_producer_tell(int fd)
{
    uint64_t one = 1;
    (void)!write(fd, &one, sizeof one); /* full means that it is told already */
}

void cox_producer_hush(int fd)
{
    uint64_t n;
    (void)!read(fd, &n, sizeof n);
}

/* ---- creating ---- */

static int check(const struct cox_producer_options *o, struct cox_err *err)
{
    if (o->window < 1 || o->window > COX_PRODUCER_MAX_WINDOW)
        return cox_err_set(err, COX_EINVAL, "a window of %d frames, not 1 to %d", o->window,
                           COX_PRODUCER_MAX_WINDOW);
    if (!o->frame_bytes || o->epoch < 0 || !(o->resend_s > 0))
        return cox_err_set(err, COX_EINVAL, "frames of %zu bytes, epoch %lld, resent after %g s",
                           o->frame_bytes, (long long)o->epoch, o->resend_s);
    return COX_OK;
}

static int set_up(struct cox_producer *p, const struct cox_producer_options *o, struct cox_err *err)
{
    /* a slot begins on a line of its own */
    size_t stride = (o->frame_bytes + 63) / 64 * 16;
    p->slots = cox_alloc((size_t)o->window, sizeof *p->slots);
    p->memory = stride < o->frame_bytes / 8 ? NULL : cox_alloc((size_t)o->window, 4 * stride);
    if (!p->slots || !p->memory)
        return cox_err_set(err, COX_ENOMEM, "out of memory for a window of %d frames of %zu bytes",
                           o->window, o->frame_bytes);
    for (int i = 0; i < o->window; i++)
        p->slots[i].raw = p->memory + (size_t)i * stride;
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0 || p->room_fd < 0)
        return cox_err_errno(err, "cannot make an eventfd");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    p->locked = true;

    char id[COX_PEER_SIZE];
    int n = snprintf(id, sizeof id, "%s.%lld", o->name, (long long)o->epoch);
    if (n >= (int)sizeof id)
        return cox_err_set(err, COX_EINVAL, "'%s': too long a name", o->name);
    const struct cox_socket_limits limits = {.send_queue = o->window,
                                             .receive_queue = 1000,
                                             .message_bytes = ANSWER_MAX_BYTES,
                                             .linger_ms = 0,
                                             .only_connected = true,
                                             .watch = true};
    return cox_socket_connect(&p->socket, o->endpoint, id, o->keys, &limits, err);
}

static int start(struct cox_producer *p, struct cox_err *err)
{
    sigset_t all, before; /* signals are for the program's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&p->thread, NULL, cox_producer_work, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return cox_err_set(err, COX_EIO, "cannot start a thread: %s", strerror(failed));
    p->running = true;
    return COX_OK;
}

int cox_producer_create(struct cox_producer **out, const struct cox_producer_options *o,
                        struct cox_err *err)
{
    *out = NULL;
    int rc = check(o, err);
    if (rc)
        return cox_err_wrap(err, rc, "producer");
    struct cox_producer *p = cox_alloc(1, sizeof *p);
    if (!p)
        return cox_err_set(err, COX_ENOMEM, "producer: out of memory");
    snprintf(p->name, sizeof p->name, "%s", o->name);
    snprintf(p->endpoint, sizeof p->endpoint, "%s", o->endpoint);
    p->epoch = o->epoch;
    p->window = o->window;
    p->frame_bytes = o->frame_bytes;
    p->resend_s = p->silence = o->resend_s;
    p->wake_fd = p->room_fd = -1;
    rc = set_up(p, o, err);
    if (!rc)
        rc = start(p, err);
    if (rc) {
        cox_producer_destroy(p);
        return cox_err_wrap(err, rc, "producer");
    }
    *out = p;
    return COX_OK;
}

void cox_producer_destroy(struct cox_producer *p)
{
    if (!p)
        return;
    if (p->running) {
        pthread_mutex_lock(&p->lock);
        p->stopping = true;
        pthread_mutex_unlock(&p->lock);
        cox_producer_tell(p->wake_fd);
        pthread_join(p->thread, NULL);
    }
    if (p->socket.context)
        cox_socket_close(&p->socket);
    if (p->wake_fd >= 0)
        close(p->wake_fd);
    if (p->room_fd >= 0)
        close(p->room_fd);
    if (p->locked) {
        pthread_mutex_destroy(&p->lock);
        pthread_cond_destroy(&p->changed);
    }
    cox_free(p->memory);
    cox_free(p->slots);
    cox_free(p);
}

/* ---- the caller ---- */

/* Under the lock: why no frame can be sent any more, or COX_OK. */
static int obstacle(struct cox_producer *p, struct cox_err *err)
{
    if (p->status)
        return cox_err_set(err, p->status, "producer '%s': %s", p->name, p->failure.text);
    if (p->fenced)
        return cox_err_set(err, COX_ECANCELLED, "producer '%s': a later attempt than %lld runs",
                           p->name, (long long)p->epoch);
    return COX_OK;
}

static int wait_for_room(struct cox_producer *p, const atomic_int *cancel, struct cox_err *err)
{
    int rc = COX_OK;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        rc = obstacle(p, err);
        if (rc || p->queued - p->acked < (uint64_t)p->window)
            break;
        if (!p->blocked_since)
            p->blocked_since = cox_clock_seconds();
        if (cancel && atomic_load(cancel)) {
            rc = cox_err_set(err, COX_ECANCELLED, "producer '%s': interrupted", p->name);
            break;
        }
        pthread_cond_wait(&p->changed, &p->lock);
    }
    if (p->blocked_since) {
        p->blocked_s += cox_clock_seconds() - p->blocked_since;
        p->blocked_since = 0;
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

int cox_producer_send(struct cox_producer *p, const struct cox_stream_frame *frame,
                      const atomic_int *cancel, struct cox_err *err)
{
    size_t bytes = cox_stream_frame_bytes(frame);
    if (bytes > p->frame_bytes)
        return cox_err_set(err, COX_EINVAL, "producer '%s': a frame of %zu bytes (at most %zu)",
                           p->name, bytes, p->frame_bytes);
    int rc = wait_for_room(p, cancel, err);
    if (rc)
        return rc;
    double began = cox_clock_seconds();
    struct slot *slot =
        cox_producer_slot(p, p->queued + 1); /* queued is written by this thread only */
    cox_stream_frame_copy(frame, slot->raw);
    slot->frame = *frame;
    slot->frame.x = slot->raw;
    slot->frame.v = frame->v ? slot->raw : NULL; /* only whether they are there matters */
    slot->frame.values = frame->values && frame->n_values ? slot->raw : NULL;
    slot->bytes = bytes;
    slot->queued_s = began;
    pthread_mutex_lock(&p->lock);
    p->queued++;
    bool asleep = p->asleep;
    p->asleep = false; /* once is enough */
    p->copying_s += cox_clock_seconds() - began;
    pthread_mutex_unlock(&p->lock);
    if (asleep)
        cox_producer_tell(p->wake_fd);
    return COX_OK;
}

void cox_producer_wake(struct cox_producer *p)
{
    cox_producer_tell(p->wake_fd);
}

int cox_producer_room(struct cox_producer *p)
{
    cox_producer_hush(p->room_fd);
    pthread_mutex_lock(&p->lock);
    int room = p->window - (int)(p->queued - p->acked);
    if (!room && (p->fenced || p->status))
        room = 1;
    if (!room && !p->blocked_since)
        p->blocked_since = cox_clock_seconds();
    pthread_mutex_unlock(&p->lock);
    return room;
}

int cox_producer_fd(const struct cox_producer *p)
{
    return p->room_fd;
}

int cox_producer_move(struct cox_producer *p, const char *endpoint, struct cox_err *err)
{
    if (strlen(endpoint) >= sizeof p->endpoint ||
        strncmp(endpoint, p->endpoint, strcspn(p->endpoint, ":") + 1) != 0)
        return cox_err_set(err, COX_EINVAL, "producer '%s': cannot move from '%s' to '%s'", p->name,
                           p->endpoint, endpoint);
    pthread_mutex_lock(&p->lock);
    if (strcmp(endpoint, p->endpoint) != 0) {
        snprintf(p->endpoint, sizeof p->endpoint, "%s", endpoint);
        p->move = true;
    }
    pthread_mutex_unlock(&p->lock);
    cox_producer_tell(p->wake_fd);
    return COX_OK;
}

uint64_t cox_producer_acked(const struct cox_producer *producer)
{
    struct cox_producer *p = (struct cox_producer *)(uintptr_t)producer;
    pthread_mutex_lock(&p->lock);
    uint64_t acked = p->acked;
    pthread_mutex_unlock(&p->lock);
    return acked;
}

int cox_producer_fenced(const struct cox_producer *producer)
{
    struct cox_producer *p = (struct cox_producer *)(uintptr_t)producer;
    pthread_mutex_lock(&p->lock);
    bool fenced = p->fenced;
    pthread_mutex_unlock(&p->lock);
    return fenced;
}

int cox_producer_drain(struct cox_producer *p, double timeout_s, struct cox_err *err)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    double whole = timeout_s > 0 ? timeout_s : 0;
    end.tv_sec += (time_t)whole;
    end.tv_nsec += (long)(1e9 * (whole - (double)(time_t)whole));
    if (end.tv_nsec >= 1000000000L) {
        end.tv_nsec -= 1000000000L;
        end.tv_sec++;
    }
    pthread_mutex_lock(&p->lock);
    int rc = COX_OK;
    bool late = false;
    while (p->acked < p->queued && !(rc = obstacle(p, err)) && !late)
        late = pthread_cond_timedwait(&p->changed, &p->lock, &end) == ETIMEDOUT;
    if (!rc && p->acked < p->queued)
        rc = cox_err_set(err, COX_EIO, "producer '%s': %llu frames not stored after %g s", p->name,
                         (unsigned long long)(p->queued - p->acked), timeout_s);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

void cox_producer_get_stats(const struct cox_producer *producer, struct cox_producer_stats *out)
{
    struct cox_producer *p = (struct cox_producer *)(uintptr_t)producer;
    clockid_t clock;
    struct timespec used = {0};
    if (!pthread_getcpuclockid(p->thread, &clock))
        clock_gettime(clock, &used);
    pthread_mutex_lock(&p->lock);
    uint64_t n = p->latencies < LATENCIES ? p->latencies : LATENCIES;
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += p->latency_s[i];
    *out = (struct cox_producer_stats){
        .sent = p->queued,
        .acked = p->acked,
        .bytes = p->bytes,
        .resent = p->resent,
        .copying_s = p->copying_s,
        .blocked_s = p->blocked_s,
        .thread_cpu_s = (double)used.tv_sec + 1e-9 * (double)used.tv_nsec,
        .latency_s = n ? sum / (double)n : 0,
    };
    pthread_mutex_unlock(&p->lock);
}
