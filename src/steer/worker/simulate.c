/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulate role: an engine steps all lanes of this worker together, one frame's length at a
 * time, in pieces short enough that messages are seen; then every lane gives a frame to the stream.
 * Everything that changes a lane happens right after a frame, so what a lane does is a function of
 * its segments alone and can be done again after a crash. */
#include "steer/worker/simulate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "steer/columns.h"

#define PIECE_S 0.4      /* of stepping, between two looks at messages */
#define FIRST_PIECE 10   /* steps, while their time is not known */
#define LAST_FRAME_S 15. /* a frame under way is finished before stopping if it takes less */

/* ---- before hello ---- */

/* A checkpoint that this program can go on from exactly, or none. */
static int check_checkpoint(struct simulator *s, struct cox_err *err)
{
    const struct cox_lanes_state *c = &s->checkpoint;
    int rc = cox_lanes_init(&s->set, s->worker->system, &s->worker->settings, c->n, 1, err);
    if (rc)
        return rc;
    const char *engine = cox_engine_version(s->set.engine);
    s->threads = 1;
    if (c->system == s->system && !strcmp(c->engine, engine) &&
        c->lane_bytes == cox_lanes_size(&s->set))
        return COX_OK;
    cox_log(COX_LOG_WARN,
            "the checkpoint of epoch %lld is of '%s'%s and cannot be continued by "
            "'%s'",
            (long long)c->epoch, c->engine, c->system == s->system ? "" : " and another system",
            engine);
    s->found = false;
    return COX_OK;
}

int cox_worker_simulate_prepare(struct cox_worker *worker, struct cox_message *hello,
                                struct cox_err *err)
{
    struct simulator *s = cox_alloc(1, sizeof *s);
    if (!s)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    worker->role = s;
    s->worker = worker;
    s->cores = 1;
    s->system = cox_worker_system_digest(worker->system);
    int rc = cox_frames_init(&s->frames, worker->system, &worker->settings, worker->config, err);
    if (!rc)
        rc = cox_lanes_state_load(&s->checkpoint, &s->found, worker->options->directory,
                                  worker->number, worker->options->epoch, err);
    if (!rc && s->found)
        rc = check_checkpoint(s, err);
    for (int i = 0; !rc && s->found && i < s->checkpoint.n; i++) {
        struct cox_message *entry = cox_message_push(hello, "lanes");
        cox_message_set_int(entry, "lane", s->checkpoint.mark[i].lane);
        cox_message_set_int(entry, "segment", s->checkpoint.mark[i].segment);
        cox_message_set_int(entry, "index", s->checkpoint.mark[i].index);
    }
    if (!rc && s->found)
        cox_message_set_text(hello, "engine", s->checkpoint.engine);
    return rc;
}

void cox_worker_simulate_release(struct cox_worker *worker)
{
    struct simulator *s = worker->role;
    if (!s)
        return;
    cox_producer_destroy(s->producer);
    cox_lanes_writer_destroy(s->writer);
    cox_lanes_state_deinit(&s->snapshot);
    cox_lanes_state_deinit(&s->checkpoint);
    for (int i = 0; i < s->n_later; i++)
        cox_message_destroy(s->later[i]);
    cox_free(s->later);
    cox_free(s->lane);
    cox_free(s->x);
    cox_free(s->v);
    cox_free(s->values);
    cox_lanes_deinit(&s->set);
    cox_frames_deinit(&s->frames);
    cox_free(s);
    worker->role = NULL;
}

/* ---- after welcome ---- */

static int set_up(struct simulator *s, const struct cox_message *welcome, struct cox_err *err)
{
    const struct cox_worker_options *o = s->worker->options;
    int64_t n = cox_message_int(welcome, "n_lanes", 0);
    int64_t first = cox_message_int(welcome, "first_lane", -1);
    int replicas = s->worker->settings.simulation.replicas;
    if (n < 1 || first < 0 || n > replicas || first > replicas - n)
        return cox_err_set(err, COX_EFORMAT,
                           "the welcome gives %lld lanes from %lld; the run has %d", (long long)n,
                           (long long)first, replicas);
    int rc = COX_OK;
    if (s->set.engine && s->set.n != n)
        cox_lanes_deinit(&s->set);
    if (!s->set.engine)
        rc = cox_lanes_init(&s->set, s->worker->system, &s->worker->settings, (int)n, 1, err);
    if (rc)
        return rc;
    size_t floats = (size_t)s->set.n_atoms * 3;
    s->threads = 1;
    s->first = (int)first;
    s->lane = cox_alloc((size_t)n, sizeof *s->lane);
    s->later = cox_alloc((size_t)n, sizeof(struct cox_message *));
    s->x = cox_alloc(floats, sizeof *s->x);
    s->values = cox_alloc((size_t)cox_columns_values(&s->frames), sizeof *s->values);
    if (s->worker->settings.simulation.save_velocities)
        s->v = cox_alloc(floats, sizeof *s->v);
    if (!s->lane || !s->later || !s->x || !s->values ||
        (s->worker->settings.simulation.save_velocities && !s->v))
        return cox_err_set(err, COX_ENOMEM, "out of memory for %lld replicas", (long long)n);
    return cox_lanes_writer_create(&s->writer, o->directory, s->worker->number, err);
}

/* ---- stepping ---- */

/* An engine cannot change its threads: another takes the lanes over, bit for bit. */
static int use_cores(struct simulator *s, struct cox_err *err)
{
    int width = cox_engine_lane_width(s->set.engine);
    int most = (s->set.n + width - 1) / width;
    int threads = s->cores < most ? s->cores : most;
    if (threads == s->threads)
        return COX_OK;
    struct cox_lanes other;
    int rc =
        cox_lanes_init(&other, s->worker->system, &s->worker->settings, s->set.n, threads, err);
    if (rc)
        return rc;
    void *bytes = cox_alloc(cox_lanes_size(&s->set), 1);
    if (!bytes)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for a replica");
    for (int lane = 0; !rc && lane < s->set.n; lane++) {
        rc = cox_lanes_save(&s->set, lane, bytes, err);
        if (!rc)
            rc = cox_lanes_restore(&other, lane, bytes, err);
    }
    cox_free(bytes);
    if (rc) {
        cox_lanes_deinit(&other);
        return rc;
    }
    cox_lanes_deinit(&s->set);
    s->set = other;
    s->threads = threads;
    s->step_s = 0;
    return COX_OK;
}

/* Messages that are there; while paused, waits for them. */
static int listen(struct simulator *s, struct cox_err *err)
{
    double began = 0;
    double began_unix = 0;
    int rc = COX_OK;
    for (;;) {
        struct cox_message *message = NULL;
        bool paused = s->paused && !s->worker->stopping;
        if (paused && began <= 0) {
            began = cox_clock_seconds();
            began_unix = cox_clock_unix();
            s->resting = true;
            if (s->span_began > 0)
                rc = cox_worker_task(s->worker, "simulate", s->span_began, s->cores, err);
        }
        if (!rc)
            rc = cox_worker_receive(s->worker, paused ? -1 : 0, NULL, 0, &message, err);
        bool more = message != NULL;
        if (!rc)
            rc = cox_simulator_handle(s, message, err);
        if (rc || (!more && !(s->paused && !s->worker->stopping)))
            break;
    }
    s->resting = false;
    if (began > 0) {
        s->paused_s += cox_clock_seconds() - began;
        s->span_began = cox_clock_unix();
        if (!rc)
            rc = cox_worker_task(s->worker, "paused", began_unix, 0, err);
    }
    return rc;
}

static int piece(const struct simulator *s)
{
    int left = s->set.steps_per_frame - s->phase;
    double n = s->step_s > 0 ? PIECE_S / s->step_s : FIRST_PIECE;
    return n < 1 ? 1 : n < left ? (int)n : left;
}

static bool any_over(const struct simulator *s)
{
    for (int lane = 0; lane < s->set.n; lane++)
        if (s->lane[lane].over)
            return true;
    return false;
}

/* To the next frame, or, when told to stop, as far as there is time. */
static int step_to_frame(struct simulator *s, struct cox_err *err)
{
    while (s->phase < s->set.steps_per_frame) {
        int rc = listen(s, err);
        if (rc)
            return rc;
        double left = s->step_s * (s->set.steps_per_frame - s->phase);
        if (s->worker->stopping && (!s->phase || left > LAST_FRAME_S))
            return COX_OK;
        if (!s->phase && any_over(s))
            return COX_OK; /* it was given a start that cannot be begun at */
        int n = piece(s);
        double began = cox_clock_seconds();
        rc = cox_engine_step(s->set.engine, n, err);
        if (rc)
            return rc;
        double seconds = cox_clock_seconds() - began;
        s->busy_s += seconds;
        s->step_s = seconds / n;
        s->phase += n;
    }
    return COX_OK;
}

static int take_frames(struct simulator *s, struct cox_err *err)
{
    int rc = COX_OK;
    for (int lane = 0; !rc && lane < s->set.n; lane++) {
        struct sim_lane *l = &s->lane[lane];
        if (cox_engine_lane_state(s->set.engine, lane) == COX_LANE_OK) {
            s->set.lane[lane].clock += s->set.steps_per_frame;
            rc = cox_simulator_frame(s, lane, err);
            continue;
        }
        l->blown = l->over = true;
        snprintf(l->reason, sizeof l->reason, "%.99s", cox_engine_lane_reason(s->set.engine, lane));
        cox_log(COX_LOG_WARN, "lane %d, segment %lld blew up (%s)", s->first + lane,
                (long long)s->set.lane[lane].segment, l->reason);
    }
    s->phase = 0; /* not before: starts given at once wait until all lanes have their frames */
    return rc;
}

/* Everything acknowledged, the lanes' states written; the coordinator learns where they stand. */
static int wind_up(struct simulator *s, struct cox_err *err)
{
    int rc = cox_simulator_wait(s, 0, err);
    if (!rc)
        rc = cox_simulator_last_checkpoint(s, err);
    if (!rc && s->worker->stopped)
        rc = cox_simulator_cut(s, err);
    return rc;
}

int cox_worker_simulate(struct cox_worker *worker, const struct cox_message *welcome,
                        struct cox_err *err)
{
    struct simulator *s = worker->role;
    int rc = set_up(s, welcome, err);
    if (!rc)
        rc = cox_simulator_welcome(s, welcome, err);
    if (!rc)
        rc = cox_simulator_connect(s, cox_message_text(welcome, "endpoint", ""), err);
    worker->figures = cox_simulator_figures;
    worker->figures_user = s;
    s->span_began = cox_clock_unix();
    while (!rc && !worker->stopping) {
        rc = cox_simulator_turn(s, err);
        if (!rc)
            rc = use_cores(s, err);
        if (!rc)
            rc = step_to_frame(s, err);
        if (rc || s->phase < s->set.steps_per_frame)
            continue;
        rc = take_frames(s, err);
        if (!rc)
            rc = cox_simulator_replace(s, err);
        if (!rc)
            rc = cox_simulator_checkpoint(s, err);
    }
    if (!rc)
        rc = wind_up(s, err);
    worker->figures = NULL;
    return rc;
}
