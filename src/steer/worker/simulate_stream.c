/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/worker/simulate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "steer/columns.h"

#define LAST_WORDS_S 10.0 /* for acknowledgements once a signal has come */

/* Of the settings, as far as producers go. */
static int window_of(const struct simulator *s)
{
    int window = s->worker->settings.streaming.window_frames;
    return window < COX_PRODUCER_MAX_WINDOW ? window : COX_PRODUCER_MAX_WINDOW;
}

int cox_simulator_connect(struct simulator *s, const char *endpoint, struct cox_err *err)
{
    const struct cox_worker *w = s->worker;
    if (!endpoint[0])
        return COX_OK; /* there is no aggregator yet; we shall be told */
    if (s->producer)
        return cox_producer_move(s->producer, endpoint, err);
    struct cox_producer_options options = COX_PRODUCER_OPTIONS_INIT;
    options.endpoint = endpoint;
    options.name = w->options->name;
    options.epoch = w->options->epoch;
    options.window = window_of(s);
    options.frame_bytes = sizeof(float) * ((size_t)s->set.n_atoms * (s->v ? 6 : 3) +
                                           (size_t)cox_columns_values(&s->frames));
    options.keys = w->keyed ? &w->keys : NULL;
    return cox_producer_create(&s->producer, &options, err);
}

/* Whether a signal came so long ago that nobody waits for us any more. */
static bool too_late(const struct simulator *s, double began)
{
    return s->worker->stopping && !s->worker->stopped && cox_clock_seconds() - began > LAST_WORDS_S;
}

int cox_simulator_wait(struct simulator *s, uint64_t most, struct cox_err *err)
{
    double began = cox_clock_seconds();
    int rc = COX_OK;
    while (!rc) {
        if (s->producer) {
            (void)cox_producer_room(s->producer); /* rearms the descriptor */
            if (cox_producer_fenced(s->producer))
                return cox_err_set(err, COX_ECANCELLED,
                                   "the aggregator knows a later attempt than this one");
            if (s->sent - cox_producer_acked(s->producer) <= most)
                break;
        } else if (s->worker->stopping) {
            break;
        }
        if (too_late(s, began))
            break;
        int fd = s->producer ? cox_producer_fd(s->producer) : -1;
        struct cox_message *message = NULL;
        rc = cox_worker_receive(s->worker, 1.0, &fd, fd >= 0, &message, err);
        if (!rc)
            rc = cox_simulator_handle(s, message, err);
    }
    return rc;
}

static void note_best(struct simulator *s, int lane)
{
    const struct cox_frames *f = &s->frames;
    int column = f->objective >= 0 ? f->objective : f->rmsd;
    double *best = &s->lane[lane].best;
    if (column < 0)
        return;
    double value = (double)s->values[column];
    if (isnan(*best) || (f->maximise ? value > *best : value < *best))
        *best = value;
}

int cox_simulator_frame(struct simulator *s, int lane, struct cox_err *err)
{
    struct sim_lane *l = &s->lane[lane];
    const struct cox_lane *known = &s->set.lane[lane];
    float temperature_K = 0;
    double began = cox_clock_seconds();
    int rc = cox_lanes_read(&s->set, lane, s->x, s->v, &temperature_K, err);
    if (rc)
        return rc;
    cox_columns_fill(&s->frames, (const float(*)[3])s->x, temperature_K, s->values);
    note_best(s, lane);
    double blocked = cox_clock_seconds();
    s->features_s += blocked - began;
    rc = cox_simulator_wait(s, (uint64_t)window_of(s) - 1, err);
    s->blocked_s += cox_clock_seconds() - blocked;
    if (rc)
        return rc;
    if (!s->producer || cox_producer_room(s->producer) < 1)
        return cox_err_set(err, COX_ECANCELLED, "stopped while frames waited for an aggregator");
    struct cox_stream_frame frame = {
        .system = s->system,
        .segment = known->segment,
        .index = l->index,
        .lane = s->first + lane,
        .generation = l->generation,
        .step = known->clock,
        .time_ps = (double)known->clock * s->worker->settings.simulation.timestep_fs * 1e-3,
        .n_atoms = s->set.n_atoms,
        .n_values = cox_columns_values(&s->frames),
        .x = s->x,
        .v = s->v,
        .values = s->values,
    };
    rc = cox_producer_send(s->producer, &frame, NULL, err);
    if (rc)
        return rc;
    l->index++;
    s->sent++;
    return COX_OK;
}

/* ---- checkpoints ---- */

static int take_snapshot(struct simulator *s, struct cox_err *err)
{
    struct cox_lanes_state *t = &s->snapshot;
    int rc = COX_OK;
    if (!t->bytes)
        rc = cox_lanes_state_init(t, s->set.n, cox_lanes_size(&s->set), err);
    if (rc)
        return rc;
    t->epoch = s->worker->options->epoch;
    t->system = s->system;
    snprintf(t->engine, sizeof t->engine, "%s", cox_engine_version(s->set.engine));
    for (int lane = 0; !rc && lane < s->set.n; lane++) {
        const struct sim_lane *l = &s->lane[lane];
        struct cox_lane_mark *mark = &t->mark[lane];
        *mark = (struct cox_lane_mark){.segment = s->set.lane[lane].segment,
                                       .best = l->best,
                                       .lane = s->first + lane,
                                       .generation = l->generation,
                                       .index = l->index,
                                       .limit = l->limit,
                                       .blown = l->blown};
        snprintf(mark->reason, sizeof mark->reason, "%s", l->reason);
        rc = cox_lanes_save(&s->set, lane, t->bytes + (size_t)lane * t->lane_bytes, err);
    }
    s->pending = !rc;
    s->pending_after = s->sent;
    s->snapshot_at = cox_clock_seconds();
    return rc;
}

/* A disk that takes no checkpoint is told once, and once more when it does again. */
static void note_problem(struct simulator *s)
{
    char problem[sizeof s->problem];
    cox_lanes_writer_written(s->writer, problem, sizeof problem);
    if (problem[0] && !s->problem[0])
        cox_worker_tell(s->worker, "trouble", "no checkpoint: %s", problem);
    else if (!problem[0] && s->problem[0])
        cox_worker_tell(s->worker, "recovered", "checkpoints are written again");
    snprintf(s->problem, sizeof s->problem, "%s", problem);
}

static void post_when_stored(struct simulator *s)
{
    if (!cox_lanes_writer_idle(s->writer))
        return;
    note_problem(s);
    if (!s->pending || !s->producer || cox_producer_acked(s->producer) < s->pending_after)
        return;
    cox_lanes_writer_post(s->writer, &s->snapshot);
    s->pending = false;
}

int cox_simulator_checkpoint(struct simulator *s, struct cox_err *err)
{
    post_when_stored(s);
    bool due = s->snapshot_at <= 0 ||
               cox_clock_seconds() - s->snapshot_at >= s->worker->settings.streaming.checkpoint_s;
    return due && !s->pending ? take_snapshot(s, err) : COX_OK;
}

int cox_simulator_last_checkpoint(struct simulator *s, struct cox_err *err)
{
    if (s->producer && cox_producer_acked(s->producer) < s->sent) {
        cox_log(COX_LOG_WARN,
                "%llu frames were not acknowledged in time; the last checkpoint "
                "stands",
                (unsigned long long)(s->sent - cox_producer_acked(s->producer)));
        return COX_OK;
    }
    cox_lanes_writer_wait(s->writer);
    int rc =
        s->phase ? COX_OK : take_snapshot(s, err); /* in the midst of a frame: the pending one */
    if (rc)
        return rc;
    post_when_stored(s);
    cox_lanes_writer_wait(s->writer);
    note_problem(s);
    return COX_OK;
}

/* ---- figures ---- */

void cox_simulator_figures(void *user, struct cox_message *heartbeat)
{
    const struct simulator *s = user;
    struct cox_producer_stats stats = {0};
    if (s->producer)
        cox_producer_get_stats(s->producer, &stats);
    double frame_ns = s->worker->settings.simulation.frame_ps * 1e-3;
    cox_message_set_number(heartbeat, "ns", (double)s->sent * frame_ns);
    cox_message_set_int(heartbeat, "frames", (int64_t)s->sent);
    cox_message_set_int(heartbeat, "acked", (int64_t)stats.acked);
    cox_message_set_number(heartbeat, "bytes", (double)stats.bytes);
    cox_message_set_int(heartbeat, "resent", (int64_t)stats.resent);
    cox_message_set_number(heartbeat, "latency_s", stats.latency_s);
    cox_message_set_number(heartbeat, "busy_s", s->busy_s);
    cox_message_set_number(heartbeat, "features_s", s->features_s);
    cox_message_set_number(heartbeat, "blocked_s", s->blocked_s);
    cox_message_set_number(heartbeat, "stream_s",
                           stats.copying_s + stats.thread_cpu_s + s->blocked_s);
    cox_message_set_number(heartbeat, "waited_s", s->waited_s);
    cox_message_set_number(heartbeat, "paused_s", s->paused_s);
    cox_message_set_text(heartbeat, "doing", s->resting ? "paused" : "simulate");
}
