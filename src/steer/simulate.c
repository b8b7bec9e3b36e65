/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/simulate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

/* How often a lane may blow up without a single new frame before it is sent back to its start. */
#define STUBBORN 2

struct cox_simulation {
    struct cox_lanes set;
    const struct cox_settings *settings;
    int n_atoms, lanes;
    int frames_per_segment;
    int n_starts;
    float **start; /* [n_starts][n_atoms][3], minimised: where stubborn lanes go back to */

    /* the round */
    struct cox_catalog_segment *segments;
    int n_segments, segment_room;
    int *current;            /* [lanes] index into segments */
    int *lane_frames;        /* [lanes] frames so far in this round */
    int *empty_blows;        /* [lanes] blow-ups since the last good frame */
    float *lane_x, *lane_v;  /* [lanes][frames_per_segment][n_atoms][3] */
    float *lane_temperature; /* [lanes][frames_per_segment] */
    int64_t *lane_step;
    int32_t *lane_segment;
    int64_t *step;
    double *time_ps;
    int32_t *segment, *lane_of, *round_of;
};

static int allocate(struct cox_simulation *s)
{
    size_t frames = (size_t)s->lanes * (size_t)s->frames_per_segment;
    size_t floats = (size_t)s->n_atoms * 3;
    bool velocities = s->settings->simulation.save_velocities;
    s->segment_room = s->lanes * 4;
    s->segments = cox_alloc((size_t)s->segment_room, sizeof *s->segments);
    s->current = cox_alloc((size_t)s->lanes, sizeof(int));
    s->lane_frames = cox_alloc((size_t)s->lanes, sizeof(int));
    s->empty_blows = cox_alloc((size_t)s->lanes, sizeof(int));
    s->lane_x = cox_alloc(frames, floats * sizeof(float));
    s->lane_temperature = cox_alloc(frames, sizeof(float));
    s->lane_step = cox_alloc(frames, sizeof(int64_t));
    s->lane_segment = cox_alloc(frames, sizeof(int32_t));
    s->step = cox_alloc(frames, sizeof(int64_t));
    s->time_ps = cox_alloc(frames, sizeof(double));
    s->segment = cox_alloc(frames, sizeof(int32_t));
    s->lane_of = cox_alloc(frames, sizeof(int32_t));
    s->round_of = cox_alloc(frames, sizeof(int32_t));
    if (velocities)
        s->lane_v = cox_alloc(frames, floats * sizeof(float));
    if (!s->segments || !s->current || !s->lane_frames || !s->empty_blows || !s->lane_x ||
        !s->lane_temperature || !s->lane_step || !s->lane_segment || !s->step || !s->time_ps ||
        !s->segment || !s->lane_of || !s->round_of || (velocities && !s->lane_v))
        return COX_ENOMEM;
    return COX_OK;
}

int cox_simulation_create(struct cox_simulation **out, const struct cox_system *system,
                          const struct cox_settings *settings, struct cox_err *err)
{
    *out = NULL;
    struct cox_simulation *s = cox_alloc(1, sizeof *s);
    if (!s)
        return cox_err_set(err, COX_ENOMEM, "out of memory for the simulations");
    int rc = cox_lanes_init(&s->set, system, settings, settings->simulation.replicas,
                            settings->simulation.threads, err);
    s->settings = settings;
    s->n_atoms = system->n_atoms;
    s->lanes = s->set.n;
    s->frames_per_segment = s->set.frames_per_segment;
    if (!rc && allocate(s))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for %d replicas of %d atoms", s->lanes,
                         s->n_atoms);
    if (rc) {
        cox_simulation_destroy(s);
        return rc;
    }
    *out = s;
    return COX_OK;
}

void cox_simulation_destroy(struct cox_simulation *s)
{
    if (!s)
        return;
    cox_lanes_deinit(&s->set);
    cox_free(s->lane_temperature);
    for (int i = 0; i < s->n_starts; i++)
        cox_free(s->start[i]);
    void *blocks[] = {s->start,   s->segments, s->current,   s->lane_frames,  s->empty_blows,
                      s->lane_x,  s->lane_v,   s->lane_step, s->lane_segment, s->step,
                      s->time_ps, s->segment,  s->lane_of,   s->round_of};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        cox_free(blocks[i]);
    cox_free(s);
}

struct cox_engine *cox_simulation_engine(struct cox_simulation *simulation)
{
    return simulation->set.engine;
}

static int keep_starts(struct cox_simulation *s, int n, struct cox_err *err)
{
    s->start = cox_alloc((size_t)n, sizeof *s->start);
    for (int i = 0; s->start && i < n; i++) {
        s->start[i] = cox_alloc((size_t)s->n_atoms * 3, sizeof(float));
        if (!s->start[i])
            break;
        s->n_starts++;
    }
    if (s->n_starts < n)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d start structures", n);
    return COX_OK;
}

int cox_simulation_prepare(struct cox_simulation *s, int n_starts, const float *const *starts,
                           struct cox_err *err)
{
    int rc = keep_starts(s, n_starts, err);
    for (int lane = 0; !rc && lane < s->lanes; lane++)
        rc = cox_lanes_place(&s->set, lane, starts[lane % n_starts], err);
    if (!rc && s->settings->simulation.minimize_steps)
        rc = cox_engine_minimize(s->set.engine, s->settings->simulation.minimize_steps, 10, err);
    for (int i = 0; !rc && i < n_starts; i++) {
        if (i < s->lanes)
            rc = cox_lanes_read(&s->set, i, s->start[i], NULL, NULL, err);
        else
            memcpy(s->start[i], starts[i], (size_t)s->n_atoms * 3 * sizeof(float));
    }
    return rc;
}

/* Opens a new segment of a lane; the engine's lane is set unless it goes on. */
static int open_segment(struct cox_simulation *s, int lane, int64_t id, int round,
                        const struct cox_origin *origin, struct cox_err *err)
{
    if (s->n_segments == s->segment_room) {
        struct cox_catalog_segment *more =
            cox_realloc(s->segments, (size_t)s->segment_room * 2, sizeof *more);
        if (!more)
            return cox_err_set(err, COX_ENOMEM, "out of memory for segments");
        s->segments = more;
        s->segment_room *= 2;
    }
    struct cox_catalog_segment *segment = &s->segments[s->n_segments];
    *segment = (struct cox_catalog_segment){
        .id = id,
        .round = round,
        .lane = lane,
        .parent_segment = origin->continued ? s->set.lane[lane].segment : origin->parent_segment,
        .parent_frame = origin->parent_frame,
        .start = origin->continued ? -1 : origin->start,
        .continued = origin->continued,
        .steered = origin->steered,
        .temperature_K = s->settings->simulation.temperature_K,
        .timestep_fs = s->settings->simulation.timestep_fs,
        .best_objective = NAN,
        .ancestor = -1,
    };
    snprintf(segment->engine, sizeof segment->engine, "%s", cox_engine_version(s->set.engine));
    int rc = cox_lanes_begin(&s->set, lane, id, cox_lane_seed(s->settings, id), origin, err);
    segment->seed = s->set.lane[lane].seed;
    s->current[lane] = s->n_segments++;
    return rc ? cox_err_wrap(err, rc, "lane %d, segment %lld", lane, (long long)id) : COX_OK;
}

static size_t slot(const struct cox_simulation *s, int lane, int frame)
{
    return (size_t)lane * (size_t)s->frames_per_segment + (size_t)frame;
}

/* Ends the segment of a lane that blew up and begins another from its last good frame; the frame's
 * final id is not known yet, so its place in the round is kept in parent_frame as -2 - index. */
static int recover_lane(struct cox_simulation *s, int lane, const struct cox_round_start *start,
                        struct cox_err *err)
{
    struct cox_catalog_segment *old = &s->segments[s->current[lane]];
    const char *reason = cox_engine_lane_reason(s->set.engine, lane);
    old->blown = true;
    snprintf(old->reason, sizeof old->reason, "%s", reason);
    cox_log(COX_LOG_WARN, "lane %d, segment %lld blew up (%s); restarted", lane, (long long)old->id,
            reason);
    struct cox_origin origin = {.parent_segment = -1, .parent_frame = -1, .start = -1};
    int frames = s->lane_frames[lane];
    origin.steered = old->steered;
    if (frames && s->empty_blows[lane] < STUBBORN) {
        origin.parent_segment = s->lane_segment[slot(s, lane, frames - 1)];
        origin.parent_frame = -2 - frames;
        origin.x = s->lane_x + slot(s, lane, frames - 1) * (size_t)s->n_atoms * 3;
    } else {
        origin.start = s->set.lane[lane].start;
        origin.x = s->start[origin.start];
    }
    s->empty_blows[lane]++;
    return open_segment(s, lane, start->first_segment + s->n_segments, start->round, &origin, err);
}

static int take_frame(struct cox_simulation *s, int lane, struct cox_err *err)
{
    size_t at = slot(s, lane, s->lane_frames[lane]);
    size_t floats = (size_t)s->n_atoms * 3;
    int rc =
        cox_lanes_read(&s->set, lane, s->lane_x + at * floats,
                       s->lane_v ? s->lane_v + at * floats : NULL, &s->lane_temperature[at], err);
    if (rc)
        return rc;
    s->lane_step[at] = s->set.lane[lane].clock;
    s->lane_segment[at] = (int32_t)s->set.lane[lane].segment;
    s->lane_frames[lane]++;
    s->empty_blows[lane] = 0;
    struct cox_catalog_segment *segment = &s->segments[s->current[lane]];
    segment->n_frames++;
    segment->steps += s->set.steps_per_frame;
    return COX_OK;
}

/* Moves the lanes' frames together (in place: the block is the lanes' own buffer, closed up where a
 * lane has fewer) and gives frames and segments their final ids. */
static void close_up(struct cox_simulation *s, const struct cox_round_start *start,
                     struct cox_block *out)
{
    size_t floats = (size_t)s->n_atoms * 3;
    double ps_per_step = s->settings->simulation.timestep_fs * 1e-3;
    size_t n = 0;
    for (int lane = 0; lane < s->lanes; lane++) {
        int64_t lane_first = start->first_frame + (int64_t)n;
        for (int i = 0; i < s->n_segments; i++) {
            struct cox_catalog_segment *g = &s->segments[i];
            if (g->lane == lane && g->parent_frame <= -2)
                g->parent_frame = lane_first + (-2 - g->parent_frame) - 1;
        }
        for (int f = 0; f < s->lane_frames[lane]; f++, n++) {
            size_t from = slot(s, lane, f);
            if (from != n) {
                memmove(s->lane_x + n * floats, s->lane_x + from * floats, floats * sizeof(float));
                if (s->lane_v)
                    memmove(s->lane_v + n * floats, s->lane_v + from * floats,
                            floats * sizeof(float));
            }
            s->lane_temperature[n] = s->lane_temperature[from];
            s->step[n] = s->lane_step[from];
            s->time_ps[n] = (double)s->lane_step[from] * ps_per_step;
            s->segment[n] = s->lane_segment[from];
            s->lane_of[n] = lane;
            s->round_of[n] = start->round;
        }
        int64_t next = lane_first;
        for (int i = 0; i < s->n_segments; i++) {
            if (s->segments[i].lane != lane)
                continue;
            s->segments[i].first_frame = next;
            next += s->segments[i].n_frames;
        }
    }
    *out = (struct cox_block){
        .n_segments = s->n_segments,
        .segments = s->segments,
        .n_frames = (int)n,
        .x = s->lane_x,
        .v = s->lane_v,
        .temperature_K = s->lane_temperature,
        .step = s->step,
        .time_ps = s->time_ps,
        .segment = s->segment,
        .lane = s->lane_of,
        .round = s->round_of,
        .ns = (double)n * s->set.steps_per_frame * ps_per_step * 1e-3,
    };
}

int cox_simulation_round(struct cox_simulation *s, const struct cox_round_start *start,
                         const atomic_int *cancel, struct cox_block *out, struct cox_err *err)
{
    int rc = COX_OK;
    s->n_segments = 0;
    for (int lane = 0; !rc && lane < s->lanes; lane++) {
        s->lane_frames[lane] = 0;
        s->empty_blows[lane] = 0;
        rc = open_segment(s, lane, start->first_segment + lane, start->round, &start->origins[lane],
                          err);
    }
    for (int f = 0; !rc && f < s->frames_per_segment; f++) {
        if (cancel && atomic_load(cancel))
            return cox_err_set(err, COX_ECANCELLED, "interrupted");
        rc = cox_engine_step(s->set.engine, s->set.steps_per_frame, err);
        for (int lane = 0; !rc && lane < s->lanes; lane++) {
            s->set.lane[lane].clock += s->set.steps_per_frame;
            if (cox_engine_lane_state(s->set.engine, lane) == COX_LANE_OK)
                rc = take_frame(s, lane, err);
            else
                rc = recover_lane(s, lane, start, err);
        }
    }
    if (!rc)
        close_up(s, start, out);
    return rc;
}

/* ---- lanes in the catalog ---- */

size_t cox_simulation_lane_size(const struct cox_simulation *s)
{
    return cox_lanes_size(&s->set);
}

int cox_simulation_save_lane(struct cox_simulation *s, int lane, void *bytes, struct cox_err *err)
{
    return cox_lanes_save(&s->set, lane, bytes, err);
}

int cox_simulation_restore_lane(struct cox_simulation *s, int lane, const void *bytes,
                                struct cox_err *err)
{
    return cox_lanes_restore(&s->set, lane, bytes, err);
}

int64_t cox_simulation_lane_segment(const struct cox_simulation *s, int lane)
{
    return s->set.lane[lane].segment;
}
