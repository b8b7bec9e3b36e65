/* SPDX-License-Identifier: BSD-3-Clause */
/* What the frames files hold, read as they grow: three columns, a block at a time. Everything that
 * stops a run is decided from this, so that a resumed run, which reads it all again, decides alike.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "steer/streaming/streaming.h"

#define BLOCK 1024

struct columns {
    int64_t id[BLOCK];
    int32_t segment[BLOCK], index[BLOCK];
    float value[BLOCK], rmsd[BLOCK];
};

double cox_streaming_ns(const struct cox_streaming *s)
{
    return (double)s->n_frames * s->frame_ns;
}

static int value_column(const struct cox_streaming *s)
{
    return s->frames.objective >= 0 ? s->frames.objective : s->frames.rmsd;
}

static bool better(const struct cox_streaming *s, double a, double b)
{
    return !isnan(a) && (isnan(b) || (s->frames.maximise ? a > b : a < b));
}

static int read_block(struct cox_streaming *s, struct columns *c, int64_t n, struct cox_err *err)
{
    int value = value_column(s);
    int rmsd = s->frames.rmsd;
    int rc = cox_follow_i32(s->follow, "segment", c->id, n, c->segment, err);
    if (!rc)
        rc = cox_follow_i32(s->follow, "index", c->id, n, c->index, err);
    if (!rc && value >= 0)
        rc = cox_follow_f32(s->follow, cox_observable_name(s->frames.observable[value]), c->id, n,
                            c->value, err);
    if (!rc && rmsd >= 0 && rmsd != value)
        rc = cox_follow_f32(s->follow, cox_observable_name(s->frames.observable[rmsd]), c->id, n,
                            c->rmsd, err);
    else if (!rc && rmsd >= 0)
        memcpy(c->rmsd, c->value, (size_t)n * sizeof *c->rmsd);
    return rc;
}

static int note_hit(struct cox_streaming *s, struct cox_err *err)
{
    s->first_hit_ns = cox_streaming_ns(s);
    s->first_hit_s = cox_streaming_now(s);
    int rc = cox_streaming_set(s, "first_hit_ns", s->first_hit_ns, err);
    return rc ? rc : cox_streaming_set(s, "first_hit_s", s->first_hit_s, err);
}

static int take_frame(struct cox_streaming *s, const struct columns *c, int64_t i,
                      struct cox_err *err)
{
    double target = s->settings->stop.target.rmsd_A;
    s->n_frames++;
    if (c->segment[i] < 0 || c->segment[i] >= s->n_segments)
        return cox_err_set(err, COX_EFORMAT,
                           "frame %lld is of segment %d, which the catalog does not know",
                           (long long)c->id[i], c->segment[i]);
    struct stream_segment *g = &s->segment[c->segment[i]];
    struct stream_lane *l = &s->lane[g->lane];
    g->seen++;
    l->empty_blows = 0;
    if (c->segment[i] > l->last_segment ||
        (c->segment[i] == l->last_segment && c->index[i] > l->last_index)) {
        l->last_frame = c->id[i];
        l->last_segment = c->segment[i];
        l->last_index = c->index[i];
    }
    if (value_column(s) >= 0) {
        if (better(s, (double)c->value[i], (double)g->best))
            g->best = c->value[i];
        if (better(s, (double)c->value[i], s->best)) {
            s->best = (double)c->value[i];
            s->best_frame = c->id[i];
        }
    }
    if (isnan(target) || s->frames.rmsd < 0 || !((double)c->rmsd[i] <= target))
        return COX_OK;
    g->within++;
    return isnan(s->first_hit_ns) ? note_hit(s, err) : COX_OK;
}

/* A segment that is closed and wholly stored: whether its lane has arrived, and its best value. */
static int settle(struct cox_streaming *s, int64_t id, struct cox_err *err)
{
    struct stream_segment *g = &s->segment[id];
    int depth = s->settings->stop.target.segments;
    if (g->settled || !g->closed || g->seen < g->frames)
        return COX_OK;
    g->settled = true;
    struct stream_lane *l = &s->lane[g->lane];
    if (g->frames > 0)
        s->arrived[(size_t)g->lane * (size_t)depth + (size_t)(l->n_settled++ % depth)] =
            2 * g->within > g->frames;
    if (g->recorded || isnan(g->best))
        return COX_OK;
    struct stream_op *op = cox_streaming_op(s, STREAM_OP_UPDATE_SEGMENT, err);
    if (!op)
        return COX_ENOMEM;
    int rc = cox_catalog_segment(s->record.catalog, id, &op->row.segment, err);
    if (rc)
        return rc;
    op->row.segment.best_objective = (double)g->best;
    g->recorded = true;
    return COX_OK;
}

/* Segments settle in the order of each lane; what is not settled yet are few. */
static int settle_lanes(struct cox_streaming *s, struct cox_err *err)
{
    int rc = COX_OK;
    for (int lane = 0; !rc && lane < s->lanes; lane++) {
        struct stream_lane *l = &s->lane[lane];
        while (!rc && l->unsettled >= 0 && s->segment[l->unsettled].closed) {
            rc = settle(s, l->unsettled, err);
            if (!s->segment[l->unsettled].settled && !s->segment[l->unsettled].guessed)
                break;
            if (s->segment[l->unsettled].next < 0)
                break;
            l->unsettled = s->segment[l->unsettled].next;
        }
    }
    return rc;
}

int cox_streaming_watch(struct cox_streaming *s, struct cox_err *err)
{
    int64_t known = 0;
    int64_t n = 1;
    s->watch_soon = false;
    s->watch_at = cox_clock_seconds();
    struct columns *c = cox_alloc(1, sizeof *c);
    int rc = c ? cox_follow_refresh(s->follow, &known, err)
               : cox_err_set(err, COX_ENOMEM, "out of memory");
    while (!rc && n > 0) {
        rc = cox_follow_take(s->follow, BLOCK, c->id, &n, err);
        if (!rc && n > 0)
            rc = read_block(s, c, n, err);
        for (int64_t i = 0; !rc && i < n; i++)
            rc = take_frame(s, c, i, err);
    }
    cox_free(c);
    if (!rc && !s->n_ops) /* the rows that are read back must be written */
        rc = settle_lanes(s, err);
    return rc ? cox_err_wrap(err, rc, "reading what is stored") : COX_OK;
}

int cox_streaming_arrived(const struct cox_streaming *s, int k)
{
    int depth = s->settings->stop.target.segments;
    int n = 0;
    if (isnan(s->settings->stop.target.rmsd_A) || s->frames.rmsd < 0 || k > depth)
        return 0;
    for (int lane = 0; lane < s->lanes; lane++) {
        int settled = s->lane[lane].n_settled;
        n += settled >= k &&
             s->arrived[(size_t)lane * (size_t)depth + (size_t)((settled - k) % depth)];
    }
    return n;
}

/* ---- generations ---- */

static int slowest(const struct cox_streaming *s)
{
    int least = -1;
    for (int lane = 0; lane < s->lanes; lane++) {
        const struct stream_lane *l = &s->lane[lane];
        if (s->worker && s->worker[l->worker].failed)
            continue;
        if (least < 0 || l->completed < least)
            least = l->completed;
    }
    return least < 0 ? s->generation : least;
}

int cox_streaming_generations(struct cox_streaming *s, struct cox_err *err)
{
    int now = slowest(s);
    double seconds = cox_streaming_now(s);
    for (; s->generation < now; s->generation++) {
        struct stream_op *op = cox_streaming_op(s, STREAM_OP_ROUND, err);
        if (!op)
            return COX_ENOMEM;
        int at = s->generation % (int)(sizeof s->states_at / sizeof s->states_at[0]);
        int before = s->generation ? s->states_before : 0;
        op->row.round = (struct cox_catalog_round){.id = s->generation,
                                                   .frames = s->n_frames,
                                                   .ns = cox_streaming_ns(s),
                                                   .best_objective = s->best,
                                                   .best_frame = s->best_frame,
                                                   .outliers = s->outliers,
                                                   .new_states = s->states - before,
                                                   .wall_s = seconds - s->generation_at};
        s->states_before = s->states;
        s->states_at[at] = s->states;
        s->generation_at = seconds;
    }
    return COX_OK;
}

/* ---- stops ---- */

static bool on_target(const struct cox_streaming *s)
{
    const struct cox_settings_target *t = &s->settings->stop.target;
    if (isnan(t->rmsd_A))
        return false;
    for (int k = 1; k <= t->segments; k++)
        if (cox_streaming_arrived(s, k) < (int)ceil(t->lanes * s->lanes - 1e-9))
            return false;
    return true;
}

static int new_states(const struct cox_streaming *s, int generations)
{
    int room = (int)(sizeof s->states_at / sizeof s->states_at[0]);
    if (generations >= room || s->generation - s->generation_zero <= generations)
        return -1;
    return s->states_at[(s->generation - 1) % room] -
           s->states_at[(s->generation - 1 - generations) % room];
}

static bool converged(const struct cox_streaming *s)
{
    const struct cox_settings_convergence *v = &s->settings->stop.convergence;
    double ns = s->settings->simulation.segment_ps * 1e-3 * s->lanes;
    int found = new_states(s, v->rounds);
    if (v->new_states_per_ns <= 0 || found < 0 || !s->states)
        return false;
    return found / (ns * v->rounds) < v->new_states_per_ns;
}

/* Frames that are stored, or that an ended segment is known to have. */
static double ns_known(const struct cox_streaming *s)
{
    int64_t n = s->n_frames > s->closed_frames ? s->n_frames : s->closed_frames;
    return (double)n * s->frame_ns;
}

enum cox_stop_reason cox_streaming_stop(const struct cox_streaming *s, char *text, size_t size)
{
    const struct cox_settings_stop *t = &s->settings->stop;
    text[0] = '\0';
    if (on_target(s)) {
        snprintf(text, size, "target reached: %d of %d replicas within %g Å of the reference",
                 cox_streaming_arrived(s, 1), s->lanes, t->target.rmsd_A);
        return COX_STOP_TARGET;
    }
    if (converged(s)) {
        snprintf(text, size, "converged: %d new states in the last %d rounds",
                 new_states(s, t->convergence.rounds), t->convergence.rounds);
        return COX_STOP_CONVERGED;
    }
    if (!isnan(t->simulated_ns) && ns_known(s) >= t->simulated_ns - 1e-9) {
        snprintf(text, size, "limit of %g ns reached", t->simulated_ns);
        return COX_STOP_SIMULATED;
    }
    if (t->rounds != COX_CONFIG_UNSET && s->generation >= t->rounds) {
        snprintf(text, size, "limit of %d rounds reached", t->rounds);
        return COX_STOP_ROUNDS;
    }
    if (!isnan(t->wall_minutes) && cox_streaming_now(s) >= t->wall_minutes * 60) {
        snprintf(text, size, "limit of %g minutes reached", t->wall_minutes);
        return COX_STOP_WALL;
    }
    return COX_STOP_NONE;
}

double cox_streaming_done(const struct cox_streaming *s)
{
    const struct cox_settings_stop *t = &s->settings->stop;
    double done = NAN;
    if (!isnan(t->simulated_ns))
        done = fmax(done, cox_streaming_ns(s) / t->simulated_ns);
    if (t->rounds != COX_CONFIG_UNSET)
        done = fmax(done, (double)s->generation / t->rounds);
    if (!isnan(t->wall_minutes))
        done = fmax(done, cox_streaming_now(s) / (t->wall_minutes * 60));
    return fmin(done, 1);
}

/* ---- the end ---- */

int cox_streaming_reconcile(struct cox_streaming *s, struct cox_err *err)
{
    int rc = COX_OK;
    for (int64_t id = 0; !rc && id < s->n_segments; id++) {
        struct stream_segment *g = &s->segment[id];
        /* more than its worker told: it was cut while it was simulated again after a crash */
        if (!g->closed || !(g->guessed || g->seen > g->frames) || g->frames == g->seen)
            continue;
        struct stream_op *op = cox_streaming_op(s, STREAM_OP_UPDATE_SEGMENT, err);
        if (!op)
            return COX_ENOMEM;
        rc = cox_catalog_segment(s->record.catalog, id, &op->row.segment, err);
        op->row.segment.n_frames = g->seen;
        op->row.segment.best_objective = (double)g->best;
        g->frames = g->seen;
    }
    return rc;
}
