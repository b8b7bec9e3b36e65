/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a lane's next segment begins: at the agent's pick, at its own exact state, at its last
 * stored frame, or at a start structure; and what nobody begins at any more because it crashed
 * twice. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "steer/agent/agent.h"
#include "steer/lane.h"
#include "steer/streaming/streaming.h"

#define STUBBORN 2 /* blow-ups without a stored frame before a lane goes back to its start */
#define CRASHES 2

/* ---- set aside ---- */

static struct cox_catalog_poison *poison_of(const struct cox_streaming *s, int64_t frame,
                                            int64_t start)
{
    for (int64_t i = 0; i < s->n_poisons; i++)
        if (s->poison[i].frame == frame && s->poison[i].start == (frame >= 0 ? -1 : start))
            return &s->poison[i];
    return NULL;
}

bool cox_streaming_poisoned(const struct cox_streaming *s, int64_t frame, int64_t start)
{
    const struct cox_catalog_poison *p = poison_of(s, frame, start);
    return p && p->set_aside;
}

int cox_streaming_blame(struct cox_streaming *s, const struct cox_catalog_segment *row,
                        const char *reason, struct cox_err *err)
{
    bool only_start = row->parent_frame < 0 && s->n_starts == 1;
    if (row->continued || only_start || (row->parent_frame < 0 && row->start < 0))
        return COX_OK;
    struct cox_catalog_poison *p = poison_of(s, row->parent_frame, row->start);
    if (!p && s->n_poisons == s->poison_room) {
        int64_t room = s->poison_room ? 2 * s->poison_room : 16;
        struct cox_catalog_poison *more = cox_realloc(s->poison, (size_t)room, sizeof *more);
        if (!more)
            return cox_err_set(err, COX_ENOMEM, "out of memory");
        s->poison = more;
        s->poison_room = room;
    }
    if (!p) {
        p = &s->poison[s->n_poisons++];
        *p = (struct cox_catalog_poison){.frame = row->parent_frame,
                                         .start = row->parent_frame >= 0 ? -1 : row->start};
    }
    p->crashes++;
    snprintf(p->reason, sizeof p->reason, "%s", reason);
    if (p->crashes >= CRASHES && !p->set_aside) {
        p->set_aside = true;
        cox_streaming_trouble(s, "%s %lld is set aside: what began there failed %d times (%s)",
                              p->frame >= 0 ? "frame" : "start structure",
                              (long long)(p->frame >= 0 ? p->frame : p->start), p->crashes, reason);
    }
    struct stream_op *op = cox_streaming_op(s, STREAM_OP_POISON, err);
    if (!op)
        return COX_ENOMEM;
    op->row.poison = *p;
    struct stream_worker *agent = cox_streaming_role(s, STREAM_AGENT);
    if (!p->set_aside || p->frame < 0 || !agent || !agent->up)
        return COX_OK;
    struct cox_message *m = cox_message_create("used");
    cox_message_set_ints(m, "poisoned", &p->frame, 1);
    return cox_streaming_send(s, agent->name, m, err);
}

int cox_streaming_blame_worker(struct cox_streaming *s, const struct stream_worker *w,
                               const char *reason, struct cox_err *err)
{
    int rc = cox_streaming_watch(s, err);
    for (int lane = 0; !rc && lane < s->lanes; lane++) {
        const struct stream_lane *l = &s->lane[lane];
        if (l->worker != w->number || l->segment < 0 || l->sent != l->segment ||
            s->segment[l->segment].closed || s->segment[l->segment].seen >= STREAM_YOUNG)
            continue;
        rc = cox_streaming_blame(s, &l->row, reason, err);
    }
    return rc;
}

/* ---- the next segment ---- */

static bool is_steered(const struct cox_streaming *s, int lane)
{
    return s->steering && lane < s->lanes - cox_agent_unsteered(&s->settings->agent, s->lanes);
}

/* A start structure that may be begun at: the lane's own, or the next good one. */
static int64_t good_start(const struct cox_streaming *s, int64_t wanted)
{
    for (int i = 0; i < s->n_starts; i++) {
        int64_t start = (wanted + i) % s->n_starts;
        if (!cox_streaming_poisoned(s, -1, start))
            return start;
    }
    return wanted;
}

static int take_pick(struct cox_streaming *s, int lane, struct cox_err *err)
{
    struct stream_lane *l = &s->lane[lane];
    struct stream_op *op = cox_streaming_op(s, STREAM_OP_PICK, err);
    if (!op)
        return COX_ENOMEM;
    const struct stream_pick *p = &l->pick;
    op->row.pick = (struct cox_catalog_pick){
        .round = l->row.round, .lane = lane, .frame = p->frame, .score = p->score, .rank = p->rank};
    snprintf(op->row.pick.reason, sizeof op->row.pick.reason, "%s%s", p->now ? "stale: " : "",
             s->agent_words);
    s->picks++;
    l->pick.there = false;
    struct stream_worker *agent = cox_streaming_role(s, STREAM_AGENT);
    if (!agent || !agent->up)
        return COX_OK;
    struct cox_message *m = cox_message_create("used");
    cox_message_set_ints(m, "frames", &p->frame, 1);
    cox_message_set_int(m, "lane", lane);
    cox_message_set_int(m, "segment", s->n_segments);
    return cox_streaming_send(s, agent->name, m, err);
}

/* Its coordinates, nm; kept, because they are asked for again at once. */
static int read_frame(struct cox_streaming *s, int64_t frame, struct cox_err *err)
{
    int64_t known = 0;
    if (s->scratch_frame == frame)
        return COX_OK;
    s->scratch_frame = -1;
    int rc = cox_follow_refresh(s->follow, &known, err);
    if (!rc)
        rc = cox_follow_positions(s->follow, &frame, 1, s->scratch, err);
    if (!rc)
        s->scratch_frame = frame;
    return rc;
}

/* Where the pick comes from is read, not believed. */
bool cox_streaming_good_pick(struct cox_streaming *s, int lane, struct cox_catalog_segment *row)
{
    struct stream_pick *p = &s->lane[lane].pick;
    struct cox_err problem = COX_ERR_INIT;
    int32_t segment = -1;
    if (!p->there)
        return false;
    int rc = read_frame(s, p->frame, &problem);
    if (!rc)
        rc = cox_follow_i32(s->follow, "segment", &p->frame, 1, &segment, &problem);
    if (rc)
        cox_streaming_trouble(s, "the agent's pick for lane %d cannot be read: %s", lane,
                              problem.text);
    p->there =
        !rc && segment >= 0 && segment < s->n_segments && !cox_streaming_poisoned(s, p->frame, -1);
    if (row && p->there) {
        row->parent_segment = segment;
        row->parent_frame = p->frame;
    }
    return p->there;
}

static int from_last_frame(struct cox_streaming *s, int lane, struct cox_catalog_segment *row,
                           struct cox_err *err)
{
    struct stream_lane *l = &s->lane[lane];
    int rc = cox_streaming_watch(s, err);
    if (rc)
        return rc;
    if (l->last_frame >= 0 && l->empty_blows < STUBBORN &&
        !cox_streaming_poisoned(s, l->last_frame, -1)) {
        row->parent_segment = l->last_segment;
        row->parent_frame = l->last_frame;
    } else {
        row->start = good_start(s, l->start);
        l->empty_blows = 0;
    }
    return COX_OK;
}

int cox_streaming_next(struct cox_streaming *s, int lane, bool has_state, struct cox_err *err)
{
    struct stream_lane *l = &s->lane[lane];
    const struct cox_catalog_segment *before = l->segment >= 0 ? &l->row : NULL;
    const struct cox_settings_simulation *m = &s->settings->simulation;
    struct cox_catalog_segment row = {
        .id = s->n_segments,
        .round = !before        ? 0
                 : before->lost ? before->round
                                : before->round + 1,
        .lane = lane,
        .parent_segment = -1,
        .parent_frame = -1,
        .start = -1,
        .steered = is_steered(s, lane),
        .temperature_K = m->temperature_K,
        .timestep_fs = m->timestep_fs,
        .first_frame = -1,
        .running = true,
        .best_objective = NAN,
        .ancestor = -1,
    };
    int rc = COX_OK;
    snprintf(row.engine, sizeof row.engine, "%s", s->engine);
    if (!before) {
        row.start = good_start(s, lane % s->n_starts);
    } else if (cox_streaming_good_pick(s, lane, &row)) {
        rc = take_pick(s, lane, err);
    } else if (has_state) {
        row.parent_segment = before->id;
        row.continued = true;
    } else {
        rc = from_last_frame(s, lane, &row, err);
    }
    row.seed = before && row.continued ? before->seed : cox_lane_seed(s->settings, row.id);
    return rc ? rc : cox_streaming_open(s, &row, err);
}

/* ---- telling it ---- */

static int add_coordinates(struct cox_streaming *s, const struct cox_catalog_segment *row,
                           struct cox_message *to, struct cox_err *err)
{
    size_t floats = (size_t)s->system->n_atoms * 3;
    if (row->start >= 0) {
        if (row->start >= s->n_starts)
            return cox_err_set(err, COX_EFORMAT, "segment %lld begins at start %lld of %d",
                               (long long)row->id, (long long)row->start, s->n_starts);
        cox_message_set_bytes(to, "x", s->start[row->start], floats * sizeof(float));
        return COX_OK;
    }
    int rc = read_frame(s, row->parent_frame, err);
    if (rc)
        return rc;
    cox_message_set_bytes(to, "x", s->scratch, floats * sizeof(float));
    if (s->settings->simulation.save_velocities) {
        s->scratch_frame = -1;
        rc = cox_follow_velocities(s->follow, &row->parent_frame, 1, s->scratch, err);
        if (!rc)
            cox_message_set_bytes(to, "v", s->scratch, floats * sizeof(float));
    }
    return rc;
}

/* Steps of the lane before a segment. */
static int64_t clock_before(const struct cox_streaming *s, int64_t segment)
{
    int64_t frames = s->lane[s->segment[segment].lane].closed_frames;
    for (int64_t id = segment; id >= 0; id = s->segment[id].next)
        if (s->segment[id].closed)
            frames -= s->segment[id].frames;
    return frames * s->steps_per_frame;
}

int cox_streaming_assignment(struct cox_streaming *s, int64_t segment, struct cox_message *to,
                             struct cox_err *err)
{
    struct stream_lane *l = &s->lane[s->segment[segment].lane];
    struct cox_catalog_segment old;
    const struct cox_catalog_segment *row = &l->row;
    int rc = COX_OK;
    if (segment != l->row.id) { /* of long ago: it is written */
        rc = cox_catalog_segment(s->record.catalog, segment, &old, err);
        row = &old;
    }
    if (!rc && !row->continued)
        rc = add_coordinates(s, row, to, err);
    if (rc)
        return cox_err_wrap(err, rc, "assigning segment %lld", (long long)segment);
    cox_message_set_int(to, "lane", row->lane);
    cox_message_set_int(to, "segment", segment);
    cox_message_set_int(to, "generation", row->round);
    cox_message_set_int(to, "seed", (int64_t)row->seed);
    cox_message_set_text(to, "kind",
                         row->continued    ? "continue"
                         : row->start >= 0 ? "start"
                                           : "restart");
    cox_message_set_int(to, "parent_segment", row->parent_segment);
    cox_message_set_int(to, "parent_frame", row->parent_frame);
    cox_message_set_int(to, "start", row->start);
    cox_message_set_int(to, "steered", row->steered);
    cox_message_set_int(to, "clock", clock_before(s, segment));
    return COX_OK;
}
