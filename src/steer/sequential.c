/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop: each stage is a barrier. Between two stages nothing is waited for, so the time in which
 * no task runs is what the coordinator itself needs; it is measured and kept with every round. */
#include "steer/coordination.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "steer/coordinator.h"
#include "steer/starts.h"

struct round_work {
    double began;
    double busy; /* seconds in which a task of this round ran */
    double ns_per_day;
    bool trained;
    struct cox_catalog_model model;
    struct cox_agent_result agent;
    bool decided;
};

static void tell(struct cox_coordinator *c, const char *stage, const struct round_work *w,
                 bool round_done)
{
    cox_coordinator_status(c, COX_STATUS_RUNNING, stage, "");
    if (!c->hooks || !c->hooks->progress)
        return;
    const struct cox_frames *f = &c->frames;
    int column = f->objective >= 0 ? f->objective : f->rmsd;
    int last = round_done ? c->round - 1 : c->round;
    int64_t best = cox_coordinator_best(c, 0);
    int64_t in_round = cox_coordinator_best(c, last);
    double elapsed = cox_record_seconds(&c->record);
    double done = cox_coordinator_done(c);
    struct cox_steer_progress p = {
        .round = last,
        .stage = stage,
        .ns = c->ns,
        .ns_per_day = w->ns_per_day > 0     ? w->ns_per_day
                      : c->simulating_s > 0 ? c->simulated_ns / c->simulating_s * 86400
                                            : 0,
        .best = best < 0 ? NAN : cox_frames_value(f, best, column),
        .best_in_round = in_round < 0 ? NAN : cox_frames_value(f, in_round, column),
        .best_name = column < 0 ? "" : cox_observable_name(f->observable[column]),
        .outliers = round_done ? c->outliers : -1,
        .picks = round_done ? c->n_picks : 0,
        .arrived = cox_coordinator_arrived(c, last),
        .lanes = c->settings->simulation.replicas,
        .elapsed_s = elapsed,
        .eta_s = done > 0.001 ? elapsed * (1 - done) / done : NAN,
        .round_done = round_done,
    };
    c->hooks->progress(c->hooks->user, &p);
}

static double now(const struct cox_coordinator *c)
{
    return cox_record_seconds(&c->record);
}

static void end_task(struct cox_coordinator *c, struct round_work *w, const char *kind, int workers,
                     double began)
{
    cox_record_task(&c->record, c->round, kind, workers, began);
    w->busy += now(c) - began;
}

static const atomic_int *cancel_of(const struct cox_coordinator *c)
{
    return c->hooks ? c->hooks->cancel : NULL;
}

/* ---- where the lanes begin ---- */

static void begin_at_starts(struct cox_coordinator *c)
{
    int lanes = c->settings->simulation.replicas;
    int unsteered = cox_agent_unsteered(&c->settings->agent, lanes);
    bool steering = c->settings->agent.enabled && !c->settings->control;
    for (int lane = 0; lane < lanes; lane++)
        c->origins[lane] = (struct cox_origin){.parent_segment = -1,
                                               .parent_frame = -1,
                                               .start = lane % c->n_starts,
                                               .steered = steering && lane < lanes - unsteered};
}

/* Fresh lanes begin where minimisation left them. */
static int minimised(struct cox_coordinator *c, struct cox_err *err)
{
    struct cox_engine *engine = cox_simulation_engine(c->simulation);
    int n = c->system->n_atoms;
    double(*x)[3] = cox_alloc((size_t)n, sizeof *x);
    int rc = x ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
    for (int lane = 0; !rc && lane < c->settings->simulation.replicas; lane++) {
        float *to = c->origin_x + (size_t)lane * (size_t)n * 3;
        rc = cox_engine_get_state(engine, lane, x, NULL, err);
        for (int i = 0; !rc && i < 3 * n; i++)
            to[i] = (float)(&x[0][0])[i];
        c->origins[lane].x = to;
    }
    cox_free(x);
    return rc;
}

static int begin_at_picks(struct cox_coordinator *c, struct cox_err *err)
{
    size_t floats = (size_t)c->system->n_atoms * 3;
    bool keep = c->settings->simulation.save_velocities;
    int rc = COX_OK;
    for (int lane = 0; lane < c->settings->simulation.replicas; lane++) {
        struct cox_origin *o = &c->origins[lane];
        *o = (struct cox_origin){
            .continued = true, .parent_segment = -1, .parent_frame = -1, .start = -1};
        /* a lane that blew up at the very end of the round stands in a segment without a frame */
        int64_t last = c->last_frame[lane];
        if (last >= 0 &&
            c->frames.segment[last] == cox_simulation_lane_segment(c->simulation, lane))
            o->parent_frame = last;
        o->steered =
            c->settings->agent.enabled && !c->settings->control &&
            lane < c->settings->simulation.replicas -
                       cox_agent_unsteered(&c->settings->agent, c->settings->simulation.replicas);
    }
    for (int i = 0; !rc && i < c->n_picks; i++) {
        const struct cox_pick *p = &c->picks[i];
        struct cox_origin *o = &c->origins[p->lane];
        float *x = c->origin_x + (size_t)p->lane * floats;
        float *v = c->origin_v + (size_t)p->lane * floats;
        o->continued = false;
        o->parent_segment = c->frames.segment[p->frame];
        o->parent_frame = p->frame;
        o->x = x;
        rc = cox_traj_read_positions(c->record.traj, p->frame, 1, x, err);
        if (!rc && keep) {
            rc = cox_traj_read_velocities(c->record.traj, p->frame, 1, v, err);
            o->v = v;
        }
    }
    return rc;
}

/* ---- the stages ---- */

static void note_first_hit(struct cox_coordinator *c, int64_t first)
{
    double target = c->settings->stop.target.rmsd_A;
    if (!isnan(c->first_hit_ns) || isnan(target) || c->frames.rmsd < 0)
        return;
    /* within a round the lanes run side by side: the earliest by its place in its lane */
    double per_frame = c->settings->simulation.frame_ps * 1e-3 * c->settings->simulation.replicas;
    int lane = -1;
    int place = 0;
    for (int64_t i = first; i < c->frames.n; i++) {
        place = c->frames.lane[i] == lane ? place + 1 : 1;
        lane = c->frames.lane[i];
        if (cox_frames_value(&c->frames, i, c->frames.rmsd) > target)
            continue;
        double ns = c->ns + place * per_frame;
        if (isnan(c->first_hit_ns) || ns < c->first_hit_ns) {
            c->first_hit_ns = ns;
            c->first_hit_s = now(c);
        }
    }
}

static int simulate(struct cox_coordinator *c, struct round_work *w, struct cox_err *err)
{
    int threads = cox_team_threads(c->team);
    struct cox_round_start start = {.round = c->round,
                                    .first_segment = c->next_segment,
                                    .first_frame = c->frames.n,
                                    .origins = c->origins};
    struct cox_block block;
    double began = now(c);
    int rc = cox_simulation_round(c->simulation, &start, cancel_of(c), &block, err);
    if (rc)
        return rc;
    double seconds = now(c) - began;
    end_task(c, w, "simulate", threads, began);
    w->ns_per_day = block.ns / seconds * 86400;
    c->simulating_s += seconds;
    c->simulated_ns += block.ns;

    began = now(c);
    int64_t first = c->frames.n;
    rc = cox_frames_append(&c->frames, block.n_frames, block.x, block.segment, block.lane,
                           block.round, c->team, err);
    if (rc)
        return rc;
    for (int64_t i = first; i < c->frames.n; i++)
        c->last_frame[c->frames.lane[i]] = i;
    note_first_hit(c, first);
    end_task(c, w, "features", threads, began);

    began = now(c);
    rc = cox_record_simulated(&c->record, &block, &c->frames, c->simulation,
                              c->settings->simulation.replicas, err);
    w->busy += now(c) - began;
    c->next_segment += block.n_segments;
    return rc;
}

static int train(struct cox_coordinator *c, struct round_work *w, struct cox_err *err)
{
    struct cox_cvae_result result;
    char path[PATH_MAX];
    double began = now(c);
    tell(c, "train", w, false);
    int rc = cox_learner_train(c->learner, c->round, cancel_of(c), &result, err);
    if (rc)
        return rc == COX_ECANCELLED ? rc : cox_err_wrap(err, rc, "round %d: training", c->round);
    w->trained = true;
    w->model = (struct cox_catalog_model){.id = c->round,
                                          .round = c->round,
                                          .train_loss = result.train_loss,
                                          .valid_loss = result.valid_loss,
                                          .epochs = result.epochs,
                                          .samples = result.train_maps + result.valid_maps,
                                          .wall_s = result.seconds,
                                          .seed = cox_learner_seed(c->learner)};
    snprintf(w->model.path, sizeof w->model.path, "models/model-%04d.h5", c->round);
    rc = cox_record_path(&c->record, w->model.path, path, err);
    if (!rc)
        rc = cox_learner_save(c->learner, path, err);
    end_task(c, w, "train", cox_team_threads(c->team), began);
    return rc;
}

static int decide(struct cox_coordinator *c, struct round_work *w, struct cox_err *err)
{
    const struct cox_settings_agent *a = &c->settings->agent;
    int n_latent = 0;
    const float *latent = NULL;
    int rc = COX_OK;
    if (c->learner && a->outliers != COX_OUTLIERS_NONE && a->space == COX_SPACE_LATENT) {
        bool ready;
        double began = now(c);
        tell(c, "embed", w, false);
        rc = cox_learner_embed(c->learner, a->window, &ready, err);
        latent = cox_learner_latent(c->learner, &n_latent);
        end_task(c, w, "embed", cox_team_threads(c->team), began);
    }
    if (rc)
        return rc;
    double began = now(c);
    struct cox_agent_input input = {
        .settings = a,
        .frames = &c->frames,
        .latent = latent,
        .n_latent = n_latent,
        .lanes = c->settings->simulation.replicas,
        .last_frame = c->last_frame,
        .seed = cox_seed_mix((uint64_t)c->settings->seed, 0xa6e0000u + (unsigned)c->round),
        .team = c->team};
    w->agent.picks = c->picks;
    rc = cox_agent_decide(&w->agent, &input, err);
    if (rc)
        return cox_err_wrap(err, rc, "round %d: agent", c->round);
    w->decided = true;
    c->n_picks = w->agent.n_picks;
    c->outliers = w->agent.outliers;
    end_task(c, w, "agent", 1, began);
    return COX_OK;
}

static int write_event(struct cox_coordinator *c, const struct cox_catalog_round *row,
                       struct cox_err *err)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_int(j, "round", row->id);
    cox_json_set_int(j, "frames", row->frames);
    cox_json_set_number(j, "ns", row->ns);
    cox_json_set_number(j, "best_objective", row->best_objective);
    cox_json_set_int(j, "outliers", row->outliers);
    cox_json_set_int(j, "picks", c->n_picks);
    cox_json_set_number(j, "wall_s", row->wall_s);
    cox_json_set_number(j, "idle_s", row->idle_s);
    return cox_events_write(c->record.events, "round", j, err);
}

static int keep_first_hit(struct cox_coordinator *c, struct cox_err *err)
{
    char text[32];
    if (isnan(c->first_hit_ns))
        return COX_OK;
    snprintf(text, sizeof text, "%.9g", c->first_hit_ns);
    int rc = cox_catalog_set(c->record.catalog, "first_hit_ns", text, err);
    snprintf(text, sizeof text, "%.3f", c->first_hit_s);
    return rc ? rc : cox_catalog_set(c->record.catalog, "first_hit_s", text, err);
}

/* Commits what was decided; the round is then over. */
static int commit(struct cox_coordinator *c, struct round_work *w, struct cox_err *err)
{
    char reason[160];
    cox_agent_describe(&c->settings->agent, reason, sizeof reason);
    c->round++;
    int64_t best = cox_coordinator_best(c, 0);
    double wall = now(c) - w->began;
    struct cox_decision d = {
        .model = w->trained ? &w->model : NULL,
        .agent = w->decided ? &w->agent : NULL,
        .reason = reason,
        .round = {.id = c->round - 1,
                  .frames = c->frames.n,
                  .ns = c->ns,
                  .best_objective = NAN,
                  .best_frame = best,
                  .outliers = c->outliers,
                  .new_states = cox_coordinator_new_states(c, 1),
                  .wall_s = wall,
                  .idle_s = wall > w->busy ? wall - w->busy : 0},
    };
    int column = c->frames.objective >= 0 ? c->frames.objective : c->frames.rmsd;
    if (best >= 0)
        d.round.best_objective = cox_frames_value(&c->frames, best, column);
    c->idle_sum += d.round.idle_s;
    if (d.round.idle_s > c->idle_max)
        c->idle_max = d.round.idle_s;
    int rc = keep_first_hit(c, err);
    if (!rc)
        rc = cox_record_decided(&c->record, &d, err);
    if (!rc)
        rc = write_event(c, &d.round, err);
    if (!rc)
        tell(c, "done", w, true);
    return rc;
}

/* The second half of a round: everything after its frames are safe. */
static int learn_and_decide(struct cox_coordinator *c, struct round_work *w, struct cox_err *err)
{
    bool steering = c->settings->agent.enabled && !c->settings->control;
    double ns = c->settings->simulation.frame_ps * 1e-3;
    int rc = COX_OK;
    c->ns = (double)c->frames.n * ns;
    c->n_picks = 0;
    if (c->learner && cox_learner_due(c->learner, c->round))
        rc = train(c, w, err);
    if (!rc && steering)
        rc = decide(c, w, err);
    return rc ? rc : commit(c, w, err);
}

static int loop(struct cox_coordinator *c, bool undecided, struct cox_steer_outcome *outcome,
                struct cox_err *err)
{
    int rc = COX_OK;
    if (undecided) {
        struct round_work w = {.began = now(c)};
        rc = learn_and_decide(c, &w, err);
    }
    while (!rc) {
        outcome->reason = cox_coordinator_stop(c, outcome->text, sizeof outcome->text);
        if (outcome->reason != COX_STOP_NONE)
            return COX_OK;
        struct round_work w = {.began = now(c)};
        if (c->round) /* round 0 begins at the starts */
            rc = begin_at_picks(c, err);
        if (rc)
            break;
        tell(c, "simulate", &w, false);
        rc = simulate(c, &w, err);
        if (!rc)
            rc = learn_and_decide(c, &w, err);
    }
    return rc;
}

static int prepare_lanes(struct cox_coordinator *c, struct cox_err *err)
{
    int rc =
        cox_simulation_prepare(c->simulation, c->n_starts, (const float *const *)c->start, err);
    if (rc)
        return cox_err_wrap(err, rc, "preparing the replicas");
    begin_at_starts(c);
    return minimised(c, err);
}

static int finish(struct cox_coordinator *c, int rc, struct cox_steer_outcome *outcome,
                  struct cox_err *err)
{
    struct cox_json *j = cox_json_object();
    int summary = COX_OK;
    cox_json_set_text(j, "status", rc ? (rc == COX_ECANCELLED ? "interrupted" : "failed") : "done");
    cox_json_set_text(j, "why", rc && err ? err->text : outcome->text);
    if (cox_events_write(c->record.events, "end", j, NULL) && !rc)
        summary = cox_err_set(err, COX_EIO, "cannot write events.jsonl");
    if (!rc || rc == COX_ECANCELLED) {
        struct cox_err problem = COX_ERR_INIT;
        int written = cox_coordinator_summarise(c, outcome, &problem);
        if (written && !rc)
            summary = cox_err_set(err, written, "%s", problem.text);
    }
    cox_coordinator_status(c,
                           !rc                    ? COX_STATUS_DONE
                           : rc == COX_ECANCELLED ? COX_STATUS_INTERRUPTED
                                                  : COX_STATUS_FAILED,
                           "", rc && rc != COX_ECANCELLED && err ? err->text : outcome->text);
    return rc ? rc : summary;
}

int cox_sequential_run(struct cox_steer_outcome *outcome, const struct cox_settings *settings,
                       const struct cox_config *config, const char *directory,
                       const struct cox_steer_hooks *hooks, struct cox_err *err)
{
    struct cox_coordinator c;
    int rc = cox_coordinator_init(&c, settings, config, hooks, err);
    if (rc)
        return rc;
    rc = cox_run_directory_create(settings, directory, err);
    if (!rc)
        rc = cox_record_create(&c.record, directory, c.system, &c.frames,
                               settings->simulation.save_velocities, err);
    if (!rc) {
        c.recording = true;
        rc = cox_starts_record(c.n_starts, c.system, settings, c.record.catalog, err);
    }
    if (!rc)
        rc = prepare_lanes(&c, err);
    if (!rc)
        rc = finish(&c, loop(&c, false, outcome, err), outcome, err);
    cox_coordinator_deinit(&c);
    return rc;
}

int cox_sequential_resume(struct cox_steer_outcome *outcome, const struct cox_settings *settings,
                          const struct cox_config *config, const char *directory,
                          const struct cox_steer_hooks *hooks, struct cox_err *err)
{
    struct cox_coordinator c;
    bool undecided = false;
    int rc = cox_coordinator_init(&c, settings, config, hooks, err);
    if (rc)
        return rc;
    rc = cox_record_open(&c.record, directory, err);
    c.recording = !rc;
    if (!rc)
        rc = cox_starts_record(c.n_starts, c.system, settings, c.record.catalog, err);
    if (!rc)
        rc = prepare_lanes(&c, err);
    if (!rc)
        rc = cox_coordinator_reload(&c, &undecided, err);
    if (!rc)
        rc = finish(&c, loop(&c, undecided, outcome, err), outcome, err);
    cox_coordinator_deinit(&c);
    return rc;
}
