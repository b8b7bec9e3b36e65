/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/worker/simulate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define REPEAT_S 5.0 /* between two tellings of the same ended segment */

/* ---- beginning ---- */

static void open_lane(struct simulator *s, int lane, const struct cox_message *entry)
{
    s->lane[lane] = (struct sim_lane){
        .generation = (int32_t)cox_message_int(entry, "generation", 0),
        .limit = s->set.frames_per_segment,
        .best = NAN,
        .begun = true,
    };
    int64_t clock = cox_message_int(entry, "clock", -1);
    if (clock >= 0)
        s->set.lane[lane].clock = clock;
}

/* Coordinates that an engine refuses end the segment at once, as a blow-up would. */
static int refuse(struct simulator *s, int lane, int rc, const struct cox_err *problem,
                  struct cox_err *err)
{
    if (rc != COX_EINVAL)
        return cox_err_set(err, rc, "%s", problem->text);
    s->lane[lane].blown = s->lane[lane].over = true;
    snprintf(s->lane[lane].reason, sizeof s->lane[lane].reason, "%.99s", problem->text);
    return COX_OK;
}

static int begin(struct simulator *s, int lane, const struct cox_message *entry,
                 struct cox_err *err)
{
    size_t x_bytes = 0;
    size_t v_bytes = 0;
    size_t wanted = (size_t)s->set.n_atoms * 3 * sizeof(float);
    int64_t segment = cox_message_int(entry, "segment", -1);
    struct cox_origin origin = {
        .continued = !strcmp(cox_message_text(entry, "kind", ""), "continue"),
        .parent_segment = cox_message_int(entry, "parent_segment", -1),
        .parent_frame = cox_message_int(entry, "parent_frame", -1),
        .start = cox_message_int(entry, "start", -1),
        .x = cox_message_bytes(entry, "x", &x_bytes),
        .v = cox_message_bytes(entry, "v", &v_bytes),
        .steered = cox_message_int(entry, "steered", 0) != 0,
    };
    if (!origin.continued && (x_bytes != wanted || (origin.v && v_bytes != wanted)))
        return cox_err_set(err, COX_EFORMAT,
                           "segment %lld of lane %d: %zu bytes of coordinates, %zu of velocities; "
                           "%d atoms need %zu",
                           (long long)segment, s->first + lane, x_bytes, v_bytes, s->set.n_atoms,
                           wanted);
    if (origin.continued && (!s->lane[lane].begun || s->lane[lane].blown))
        return cox_err_set(err, COX_EFORMAT,
                           "segment %lld continues lane %d, which has no state to go on from",
                           (long long)segment, s->first + lane);
    struct cox_err problem = COX_ERR_INIT;
    open_lane(s, lane, entry);
    int rc = cox_lanes_begin(&s->set, lane, segment, (uint64_t)cox_message_int(entry, "seed", 0),
                             &origin, &problem);
    return rc ? refuse(s, lane, rc, &problem, err) : COX_OK;
}

static int lane_of(const struct simulator *s, const struct cox_message *entry, struct cox_err *err,
                   int *lane)
{
    int64_t global = cox_message_int(entry, "lane", -1);
    int64_t segment = cox_message_int(entry, "segment", -1);
    if (global < s->first || global >= s->first + s->set.n || segment < 0)
        return cox_err_set(err, COX_EFORMAT,
                           "an assignment of segment %lld to lane %lld; this worker has lanes %d … "
                           "%d",
                           (long long)segment, (long long)global, s->first,
                           s->first + s->set.n - 1);
    *lane = (int)(global - s->first);
    return COX_OK;
}

/* ---- ended ---- */

static void add_ended(const struct simulator *s, int lane, bool cut, struct cox_message *ended)
{
    const struct sim_lane *l = &s->lane[lane];
    struct cox_message *entry = cox_message_push(ended, "lanes");
    cox_message_set_int(entry, "lane", s->first + lane);
    cox_message_set_int(entry, "segment", s->set.lane[lane].segment);
    cox_message_set_int(entry, "generation", l->generation);
    cox_message_set_int(entry, "frames", l->index);
    cox_message_set_int(entry, "steps", (int64_t)l->index * s->set.steps_per_frame);
    cox_message_set_int(entry, "clock", s->set.lane[lane].clock);
    if (!isnan(l->best))
        cox_message_set_number(entry, "best", l->best);
    cox_message_set_int(entry, "blown", l->blown);
    cox_message_set_int(entry, "cut", cut);
    cox_message_set_text(entry, "reason", l->reason);
}

/* Tells the timeline of the simulation since the last telling, unless that was a moment ago. */
static int tell_span(struct simulator *s, bool last, struct cox_err *err)
{
    double now = cox_clock_unix();
    if (s->span_began <= 0 || (!last && now - s->span_began < 1))
        return COX_OK;
    int rc = cox_worker_task(s->worker, "simulate", s->span_began, s->cores, err);
    s->span_began = now;
    return rc;
}

static int tell_ended(struct simulator *s, struct cox_err *err)
{
    struct cox_message *ended = cox_worker_message(s->worker, "ended");
    for (int lane = 0; lane < s->set.n; lane++) {
        if (!s->lane[lane].over)
            continue;
        add_ended(s, lane, false, ended);
        s->lane[lane].told = true;
    }
    s->said = cox_clock_seconds();
    int rc = cox_worker_send(s->worker, ended, err);
    return rc ? rc : tell_span(s, false, err);
}

int cox_simulator_cut(struct simulator *s, struct cox_err *err)
{
    struct cox_message *ended = cox_worker_message(s->worker, "ended");
    for (int lane = 0; lane < s->set.n; lane++)
        add_ended(s, lane, !s->lane[lane].over, ended);
    int rc = cox_worker_send(s->worker, ended, err);
    return rc ? rc : tell_span(s, true, err);
}

int cox_simulator_turn(struct simulator *s, struct cox_err *err)
{
    double began = cox_clock_seconds();
    for (;;) {
        int over = 0;
        int untold = 0;
        for (int lane = 0; lane < s->set.n; lane++) {
            struct sim_lane *l = &s->lane[lane];
            l->over = l->over || l->index >= l->limit;
            over += l->over;
            untold += l->over && !l->told;
        }
        if (!over || s->worker->stopping)
            break;
        int rc = COX_OK;
        if (untold || cox_clock_seconds() - s->said >= REPEAT_S)
            rc = tell_ended(s, err);
        struct cox_message *message = NULL;
        if (!rc)
            rc = cox_worker_receive(s->worker, 1.0, NULL, 0, &message, err);
        if (!rc)
            rc = cox_simulator_handle(s, message, err);
        if (rc)
            return rc;
    }
    s->waited_s += cox_clock_seconds() - began;
    return COX_OK;
}

/* ---- assignments ---- */

static int assign(struct simulator *s, const struct cox_message *message, struct cox_err *err)
{
    bool now = cox_message_int(message, "now", 0) != 0;
    struct cox_message *ended = NULL;
    int rc = COX_OK;
    for (int i = 0; !rc && i < cox_message_count(message, "lanes"); i++) {
        const struct cox_message *entry = cox_message_item(message, "lanes", i);
        int lane = 0;
        rc = lane_of(s, entry, err, &lane);
        if (rc || cox_message_int(entry, "segment", -1) <= s->set.lane[lane].segment)
            continue; /* an answer that came twice */
        if (!s->lane[lane].over && !now) {
            cox_log(COX_LOG_WARN, "lane %d was given a segment that it did not ask for",
                    s->first + lane);
            continue;
        }
        if (!s->lane[lane].told) {
            ended = ended ? ended : cox_worker_message(s->worker, "ended");
            add_ended(s, lane, !s->lane[lane].over, ended);
        }
        rc = begin(s, lane, entry, err);
    }
    if (!rc && ended)
        return cox_worker_send(s->worker, ended, err);
    cox_message_destroy(ended);
    return rc;
}

int cox_simulator_replace(struct simulator *s, struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; i < s->n_later; i++) {
        if (!rc)
            rc = assign(s, s->later[i], err);
        cox_message_destroy(s->later[i]);
    }
    s->n_later = 0;
    return rc;
}

/* Each lane can have one start waiting, so more messages than lanes are not ours to keep. */
static int keep_for_later(struct simulator *s, struct cox_message *message, struct cox_err *err)
{
    if (s->n_later == s->set.n) {
        cox_message_destroy(message);
        return cox_err_set(err, COX_EFORMAT, "more starts than lanes were given at once");
    }
    s->later[s->n_later++] = message;
    return COX_OK;
}

static int take_cores(struct simulator *s, const struct cox_message *message, struct cox_err *err)
{
    int n = 0;
    int rc = cox_worker_grant(s->worker, message, &n, err);
    s->paused = n == 0;
    if (n)
        s->cores = n;
    return rc;
}

int cox_simulator_handle(struct simulator *s, struct cox_message *message, struct cox_err *err)
{
    int rc = COX_OK;
    if (!message)
        return COX_OK;
    if (cox_message_is(message, "assign")) {
        if (s->phase && cox_message_int(message, "now", 0))
            return keep_for_later(s, message, err);
        rc = assign(s, message, err);
    } else if (cox_message_is(message, "cores")) {
        rc = take_cores(s, message, err);
    } else if (cox_message_is(message, "aggregator")) {
        rc = cox_simulator_connect(s, cox_message_text(message, "endpoint", ""), err);
    }
    cox_message_destroy(message);
    return rc;
}

/* ---- welcome ---- */

static int restore(struct simulator *s, int i, struct cox_err *err)
{
    const struct cox_lane_mark *mark = &s->checkpoint.mark[i];
    int lane = mark->lane - s->first;
    if (lane < 0 || lane >= s->set.n)
        return COX_OK; /* the lanes were dealt anew */
    int rc = cox_lanes_restore(&s->set, lane,
                               s->checkpoint.bytes + (size_t)i * s->checkpoint.lane_bytes, err);
    if (rc)
        return cox_err_wrap(err, rc, "lane %d from its checkpoint", mark->lane);
    s->lane[lane] = (struct sim_lane){.generation = mark->generation,
                                      .index = mark->index,
                                      .limit = mark->limit,
                                      .best = mark->best,
                                      .begun = true,
                                      .over = mark->blown != 0,
                                      .blown = mark->blown != 0};
    snprintf(s->lane[lane].reason, sizeof s->lane[lane].reason, "%s", mark->reason);
    return COX_OK;
}

static int keep(struct simulator *s, int lane, const struct cox_message *entry, struct cox_err *err)
{
    int64_t segment = cox_message_int(entry, "segment", -1);
    int64_t frames = cox_message_int(entry, "frames", -1);
    if (!s->lane[lane].begun || s->set.lane[lane].segment != segment)
        return cox_err_set(err, COX_EFORMAT, "lane %d is to keep segment %lld, which it has not",
                           s->first + lane, (long long)segment);
    if (frames >= 0 && frames < s->lane[lane].limit)
        s->lane[lane].limit = (int32_t)frames;
    return COX_OK;
}

int cox_simulator_welcome(struct simulator *s, const struct cox_message *welcome,
                          struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; !rc && s->found && i < s->checkpoint.n; i++)
        rc = restore(s, i, err);
    for (int i = 0; !rc && i < cox_message_count(welcome, "lanes"); i++) {
        const struct cox_message *entry = cox_message_item(welcome, "lanes", i);
        int lane = 0;
        rc = lane_of(s, entry, err, &lane);
        if (rc)
            break;
        if (!strcmp(cox_message_text(entry, "kind", ""), "keep"))
            rc = keep(s, lane, entry, err);
        else
            rc = begin(s, lane, entry, err);
    }
    for (int lane = 0; !rc && lane < s->set.n; lane++)
        if (!s->lane[lane].begun)
            rc = cox_err_set(err, COX_EFORMAT, "the welcome says nothing of lane %d",
                             s->first + lane);
    return rc;
}
