/* SPDX-License-Identifier: BSD-3-Clause */
/* Lanes and their segments: what ends, what comes next, and how a simulation that comes back after
 * a crash finds its way into the chain of segments again. Only the newest segment of a lane runs,
 * but for a moment the one before it as well, when a start was given at once (`now`). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "steer/agent/agent.h"
#include "steer/streaming/streaming.h"

/* Continuations that are simulated again, rather than to go on with new velocities. */
#define REPEAT_MOST 2
#define CUT_SHORT "cut short: its worker died"

int cox_streaming_lanes_init(struct cox_streaming *s, struct cox_err *err)
{
    int depth = s->settings->stop.target.segments;
    s->lane = cox_alloc((size_t)s->lanes, sizeof *s->lane);
    s->arrived = cox_alloc((size_t)s->lanes * (size_t)depth, sizeof *s->arrived);
    if (!s->lane || !s->arrived)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d replicas", s->lanes);
    for (int w = 0; w < s->simulations; w++) {
        int first;
        int n;
        cox_settings_lanes(s->settings, s->simulations, w, &first, &n);
        for (int lane = first; lane < first + n; lane++)
            s->lane[lane] = (struct stream_lane){.worker = w,
                                                 .segment = -1,
                                                 .sent = -1,
                                                 .last_frame = -1,
                                                 .last_segment = -1,
                                                 .start = lane % s->n_starts,
                                                 .unsettled = -1,
                                                 .row = {.id = -1},
                                                 .old = {.id = -1}};
    }
    return COX_OK;
}

int cox_streaming_pending(const struct cox_streaming *s)
{
    int n = 0;
    for (int lane = 0; lane < s->lanes; lane++)
        n += s->lane[lane].pick.there;
    return n;
}

/* ---- segments ---- */

/* In memory only. */
static int append_segment(struct cox_streaming *s, const struct cox_catalog_segment *row,
                          struct cox_err *err)
{
    if (s->n_segments == s->segment_room) {
        int64_t room = s->segment_room ? 2 * s->segment_room : 1024;
        struct stream_segment *more = cox_realloc(s->segment, (size_t)room, sizeof *more);
        if (!more)
            return cox_err_set(err, COX_ENOMEM, "out of memory for %lld segments", (long long)room);
        s->segment = more;
        s->segment_room = room;
    }
    struct stream_lane *l = &s->lane[row->lane];
    if (l->segment >= 0)
        s->segment[l->segment].next = row->id;
    const struct stream_segment *before =
        row->continued && l->segment >= 0 ? &s->segment[l->segment] : NULL;
    s->segment[s->n_segments++] = (struct stream_segment){.next = -1,
                                                          .begin = before ? before->begin : row->id,
                                                          .chain = before ? before->chain + 1 : 0,
                                                          .lane = row->lane,
                                                          .generation = row->round,
                                                          .frames = -1,
                                                          .best = NAN,
                                                          .continued = row->continued};
    if (l->unsettled < 0)
        l->unsettled = row->id;
    l->segment = row->id;
    l->row = *row;
    if (row->start >= 0)
        l->start = row->start;
    return COX_OK;
}

int cox_streaming_open(struct cox_streaming *s, const struct cox_catalog_segment *row,
                       struct cox_err *err)
{
    struct stream_op *op = cox_streaming_op(s, STREAM_OP_ADD_SEGMENT, err);
    if (!op)
        return COX_ENOMEM;
    op->row.segment = *row;
    return append_segment(s, row, err);
}

static void count_closed(struct cox_streaming *s, const struct cox_catalog_segment *row)
{
    struct stream_lane *l = &s->lane[row->lane];
    s->closed++;
    s->closed_frames += row->n_frames;
    l->closed_frames += row->n_frames;
    s->blown += row->blown;
    s->lost += row->lost;
    s->cut += row->cut;
    if (!row->lost && row->round + 1 > l->completed)
        l->completed = row->round + 1;
}

int cox_streaming_close(struct cox_streaming *s, struct cox_catalog_segment *row,
                        struct cox_err *err)
{
    struct stream_segment *g = &s->segment[row->id];
    row->running = false;
    row->steps = row->n_frames * s->steps_per_frame;
    if (!isnan(g->best))
        row->best_objective = (double)g->best;
    struct stream_op *op = cox_streaming_op(s, STREAM_OP_UPDATE_SEGMENT, err);
    if (!op)
        return COX_ENOMEM;
    op->row.segment = *row;
    if (!g->closed) {
        count_closed(s, row);
    } else {
        s->closed_frames += row->n_frames - g->frames;
        s->lane[row->lane].closed_frames += row->n_frames - g->frames;
    }
    g->closed = true;
    g->frames = (int32_t)row->n_frames;
    s->watch_soon = true;
    return COX_OK;
}

/* Closes a segment whose worker can say no more about it; it has what is stored. */
static int close_by_guess(struct cox_streaming *s, struct cox_catalog_segment *row, bool lost,
                          const char *reason, struct cox_err *err)
{
    struct stream_segment *g = &s->segment[row->id];
    row->lost = lost;
    row->cut = !lost && !row->blown;
    row->n_frames = g->seen;
    g->guessed = true;
    snprintf(row->reason, sizeof row->reason, "%s", reason);
    return cox_streaming_close(s, row, err);
}

/* Segments of a lane, from `from` to the one before `before`, whose last frames were on their way
 * when their worker died, and which will not be simulated again: they have what is stored. */
static int give_up(struct cox_streaming *s, int lane, int64_t from, int64_t before,
                   struct cox_err *err)
{
    struct stream_lane *l = &s->lane[lane];
    int rc = COX_OK;
    for (int64_t id = from; !rc && id >= 0 && id < before; id = s->segment[id].next) {
        const struct stream_segment *g = &s->segment[id];
        struct cox_catalog_segment row;
        if (g->settled || (g->closed && (g->guessed || g->seen >= g->frames)))
            continue;
        if (id == l->old.id)
            row = l->old;
        else
            rc = cox_catalog_segment(s->record.catalog, id, &row, err);
        if (!rc)
            rc = close_by_guess(s, &row, false, CUT_SHORT, err);
    }
    if (l->old.id < before)
        l->old.id = -1;
    return rc;
}

static int give_up_before(struct cox_streaming *s, int lane, int64_t before, struct cox_err *err)
{
    return give_up(s, lane, s->lane[lane].unsettled, before, err);
}

/* ---- ended ---- */

static bool same_lane(const struct cox_streaming *s, const struct stream_worker *w, int64_t lane,
                      int64_t segment)
{
    return lane >= 0 && lane < s->lanes && s->lane[lane].worker == w->number && segment >= 0 &&
           segment < s->n_segments && s->segment[segment].lane == lane;
}

static int close_as_told(struct cox_streaming *s, const struct cox_message *item,
                         struct cox_catalog_segment *row, struct cox_err *err)
{
    struct stream_lane *l = &s->lane[row->lane];
    row->n_frames = cox_message_int(item, "frames", 0);
    row->blown = cox_message_int(item, "blown", 0) != 0;
    row->cut = !row->blown && cox_message_int(item, "cut", 0) != 0;
    if (row->n_frames < 0 || row->n_frames > INT32_MAX)
        row->n_frames = 0;
    /* cut while it was simulated again after a crash: an earlier attempt had been further */
    if (row->cut && row->n_frames < s->segment[row->id].seen)
        row->n_frames = s->segment[row->id].seen;
    if (row->blown) {
        snprintf(row->reason, sizeof row->reason, "%s", cox_message_text(item, "reason", ""));
        cox_streaming_trouble(s, "lane %d, segment %lld blew up (%s); restarted", row->lane,
                              (long long)row->id, row->reason);
        l->empty_blows++;
        if (row->n_frames < STREAM_YOUNG) {
            int rc = cox_streaming_blame(s, row, row->reason, err);
            if (rc)
                return rc;
        }
    }
    return cox_streaming_close(s, row, err);
}

/* The segment that a worker must be given which has ended `segment`: the next one if it goes on
 * from its exact state, else the last beginning before the newest. */
static int64_t rejoin(const struct cox_streaming *s, int64_t segment)
{
    int64_t next = s->segment[segment].next;
    int64_t begin = next;
    for (int64_t id = next; id >= 0; id = s->segment[id].next)
        if (!s->segment[id].continued)
            begin = id;
    return begin;
}

static int ended_lane(struct cox_streaming *s, struct stream_worker *w,
                      const struct cox_message *item, struct cox_message *answer,
                      struct cox_err *err)
{
    int64_t lane = cox_message_int(item, "lane", -1);
    int64_t id = cox_message_int(item, "segment", -1);
    if (!same_lane(s, w, lane, id)) {
        cox_streaming_trouble(s, "%s ended segment %lld of lane %lld, which is not its own",
                              w->name, (long long)id, (long long)lane);
        return COX_OK;
    }
    struct stream_lane *l = &s->lane[lane];
    bool first = !s->segment[id].closed;
    int rc = COX_OK;
    if (first && id == l->segment)
        rc = close_as_told(s, item, &l->row, err);
    else if (first && id == l->old.id)
        rc = close_as_told(s, item, &l->old, err);
    if (rc)
        return rc;
    if (id == l->old.id) {
        l->old.id = -1;
        if (first && l->sent == l->segment)
            return COX_OK; /* it has what comes next */
    }
    if (s->phase != STREAM_RUNNING)
        return COX_OK;
    if (s->segment[id].next < 0)
        rc = cox_streaming_next(s, (int)lane, !l->row.blown, err);
    int64_t next = rc ? -1 : rejoin(s, id);
    if (rc || next < 0)
        return rc;
    if (next != s->segment[id].next) /* what lies between is not simulated again */
        rc = give_up(s, (int)lane, s->segment[id].next, next, err);
    if (rc)
        return rc;
    l->sent = next;
    return cox_streaming_assignment(s, next, cox_message_push(answer, "lanes"), err);
}

int cox_streaming_ended(struct cox_streaming *s, struct stream_worker *w,
                        const struct cox_message *message, struct cox_err *err)
{
    struct cox_message *answer = cox_message_create("assign");
    int n = cox_message_count(message, "lanes");
    int rc = answer ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
    for (int i = 0; !rc && i < n; i++)
        rc = ended_lane(s, w, cox_message_item(message, "lanes", i), answer, err);
    if (!rc && cox_message_count(answer, "lanes"))
        return cox_streaming_send(s, w->name, answer, err);
    cox_message_destroy(answer);
    return rc;
}

/* ---- starts ---- */

static int start_now(struct cox_streaming *s, int lane, struct cox_err *err)
{
    struct stream_lane *l = &s->lane[lane];
    struct stream_worker *w = &s->worker[l->worker];
    bool busy = l->segment < 0 || s->segment[l->segment].closed || l->old.id >= 0 || !w->up ||
                w->hello || s->phase != STREAM_RUNNING;
    if (busy || !cox_streaming_good_pick(s, lane, NULL))
        return COX_OK; /* it is taken when the segment ends */
    struct cox_catalog_segment old = l->row;
    int rc = cox_streaming_next(s, lane, true, err);
    if (rc)
        return rc;
    l->old = old;
    l->sent = l->segment;
    struct cox_message *m = cox_message_create("assign");
    cox_message_set_int(m, "now", 1);
    rc = cox_streaming_assignment(s, l->segment, cox_message_push(m, "lanes"), err);
    if (!rc)
        return cox_streaming_send(s, w->name, m, err);
    cox_message_destroy(m);
    return rc;
}

int cox_streaming_starts(struct cox_streaming *s, const struct cox_message *message,
                         struct cox_err *err)
{
    int n = cox_message_count(message, "starts");
    int rc = COX_OK;
    for (int lane = 0; lane < s->lanes; lane++)
        s->lane[lane].pick.there = false;
    for (int i = 0; !rc && i < n; i++) {
        const struct cox_message *item = cox_message_item(message, "starts", i);
        int64_t lane = cox_message_int(item, "lane", -1);
        struct stream_pick pick = {.there = true,
                                   .now = cox_message_int(item, "now", 0) != 0,
                                   .frame = cox_message_int(item, "frame", -1),
                                   .parent_segment = cox_message_int(item, "parent_segment", -1),
                                   .score = cox_message_number(item, "score", NAN),
                                   .rank = (int)cox_message_int(item, "rank", 0)};
        if (lane < 0 || lane >= s->lanes || pick.frame < 0 || pick.parent_segment < 0 ||
            pick.parent_segment >= s->n_segments || cox_streaming_poisoned(s, pick.frame, -1))
            continue;
        s->lane[lane].pick = pick;
        if (pick.now)
            rc = start_now(s, (int)lane, err);
    }
    return rc;
}

/* ---- welcome ---- */

/* Whether a worker that stands in `segment` should go on from there: the chain of segments that
 * continue it leads to the newest one, or holds frames that are not stored yet. */
static bool worth_going_on(const struct cox_streaming *s, int64_t segment)
{
    for (int64_t id = segment;; id = s->segment[id].next) {
        const struct stream_segment *g = &s->segment[id];
        if (g->next < 0)
            return true;
        if (!g->closed)
            return false; /* replaced at once, and not told any more */
        if (!g->guessed && g->seen < g->frames)
            return true;
        if (!s->segment[g->next].continued)
            return false;
    }
}

/* The segment of the lane's checkpoint and how many of its frames are behind it; -1: none. */
static int64_t checkpoint_of(const struct cox_streaming *s, const struct stream_worker *w,
                             const struct cox_message *hello, int lane, int64_t *index)
{
    for (int i = 0; i < cox_message_count(hello, "lanes"); i++) {
        const struct cox_message *item = cox_message_item(hello, "lanes", i);
        int64_t id = cox_message_int(item, "segment", -1);
        *index = cox_message_int(item, "index", 0);
        if (cox_message_int(item, "lane", -1) == lane && same_lane(s, w, lane, id))
            return id;
    }
    return -1;
}

static bool tainted(const struct cox_streaming *s, const struct cox_catalog_segment *row,
                    int64_t segment)
{
    return row->id == segment && !row->continued && !s->segment[segment].closed &&
           cox_streaming_poisoned(s, row->parent_frame, row->start);
}

/* Where the newest segment's chain of continuations begins, if that is near enough to be simulated
 * again, every segment to its full length; -1 else. */
static int64_t near_beginning(const struct cox_streaming *s, const struct stream_lane *l)
{
    int64_t begin = s->segment[l->segment].begin;
    if (s->segment[l->segment].chain > REPEAT_MOST)
        return -1;
    for (int64_t id = begin; id != l->segment; id = s->segment[id].next)
        if (s->segment[id].guessed || s->segment[id].frames != s->frames_per_segment)
            return -1;
    return begin;
}

/* The segment to give to a lane without a state worth keeping: the newest one, or that which it
 * goes back to, from its beginning, if that can be repeated; else a new one. */
static int begin_again(struct cox_streaming *s, int lane, int64_t *given, struct cox_err *err)
{
    struct stream_lane *l = &s->lane[lane];
    int rc = COX_OK;
    if (l->segment >= 0 && !s->segment[l->segment].closed) {
        bool poisoned = tainted(s, &l->row, l->segment);
        *given = l->row.continued ? near_beginning(s, l) : l->segment;
        if (*given >= 0 && !poisoned)
            return COX_OK;
        rc = close_by_guess(s, &l->row, true,
                            poisoned ? "its start was set aside" : "the exact state is gone", err);
    }
    if (!rc)
        rc = cox_streaming_next(s, lane, false, err);
    *given = l->segment;
    return rc;
}

static int welcome_lane(struct cox_streaming *s, struct stream_worker *w,
                        const struct cox_message *hello, int lane, struct cox_message *welcome,
                        struct cox_err *err)
{
    struct stream_lane *l = &s->lane[lane];
    int64_t index = 0;
    int64_t at = checkpoint_of(s, w, hello, lane, &index);
    int64_t given = -1;
    int rc = COX_OK;
    l->sent = -1;
    if (at >= 0 && (!worth_going_on(s, at) || tainted(s, &l->row, at)))
        at = -1;
    const struct stream_segment *g = at >= 0 ? &s->segment[at] : NULL;
    if (g && g->closed && index >= g->frames) { /* it waits for what comes next */
        rc = give_up_before(s, lane, at, err);
        if (!rc && g->next < 0)
            rc = cox_streaming_next(s, lane, !l->row.blown, err);
        given = rc ? -1 : rejoin(s, at);
    } else if (g) {
        struct cox_message *item = cox_message_push(welcome, "lanes");
        cox_message_set_int(item, "lane", lane);
        cox_message_set_int(item, "segment", at);
        cox_message_set_int(item, "generation", g->generation);
        cox_message_set_text(item, "kind", "keep");
        if (g->closed && !g->guessed)
            cox_message_set_int(item, "frames", g->frames);
        return give_up_before(s, lane, at, err);
    } else {
        rc = begin_again(s, lane, &given, err);
        if (!rc)
            rc = give_up_before(s, lane, given, err);
    }
    if (rc)
        return rc;
    l->sent = given;
    return cox_streaming_assignment(s, given, cox_message_push(welcome, "lanes"), err);
}

int cox_streaming_welcome_lanes(struct cox_streaming *s, struct stream_worker *w,
                                const struct cox_message *hello, struct cox_message *welcome,
                                struct cox_err *err)
{
    int first;
    int n;
    cox_settings_lanes(s->settings, s->simulations, w->number, &first, &n);
    int rc = cox_streaming_watch(s, err);
    for (int lane = first; !rc && lane < first + n; lane++)
        rc = welcome_lane(s, w, hello, lane, welcome, err);
    return rc;
}

/* ---- back from the catalog ---- */

int cox_streaming_lanes_reload(struct cox_streaming *s, struct cox_err *err)
{
    struct cox_catalog_segment *rows = NULL;
    int64_t n = 0;
    int rc = cox_catalog_segments(s->record.catalog, &rows, &n, err);
    for (int64_t i = 0; !rc && i < n; i++) {
        if (rows[i].id != i || rows[i].lane < 0 || rows[i].lane >= s->lanes) {
            rc = cox_err_set(err, COX_EFORMAT,
                             "the catalog's segment %lld of lane %d is no part "
                             "of this run",
                             (long long)rows[i].id, rows[i].lane);
            break;
        }
        struct stream_lane *l = &s->lane[rows[i].lane];
        struct cox_catalog_segment before = l->row;
        rc = append_segment(s, &rows[i], err);
        if (rc)
            break;
        struct stream_segment *g = &s->segment[i];
        /* a start given at once, and the coordinator died before the old segment's end was told */
        if (before.id >= 0 && before.running)
            l->old = before;
        g->recorded = !isnan(rows[i].best_objective);
        if (rows[i].running)
            continue;
        g->closed = true;
        g->frames = (int32_t)rows[i].n_frames;
        g->guessed = rows[i].lost || !strcmp(rows[i].reason, CUT_SHORT);
        count_closed(s, &rows[i]);
    }
    cox_free(rows);
    return rc;
}
