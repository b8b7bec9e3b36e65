/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/plan.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "steer/coordinator.h"

/* Steps until about half a second was spent. */
static int measure_engine(struct cox_coordinator *c, struct cox_plan *plan, struct cox_err *err)
{
    struct cox_engine *engine = cox_simulation_engine(c->simulation);
    double fs = c->settings->simulation.timestep_fs;
    int rc =
        cox_simulation_prepare(c->simulation, c->n_starts, (const float *const *)c->start, err);
    for (int lane = 0; !rc && lane < plan->replicas; lane++)
        rc = cox_engine_draw_velocities(engine, lane, err);
    int steps = 20;
    double seconds = 0;
    while (!rc && seconds < 0.25 && steps < 10000000) {
        double began = cox_clock_seconds();
        steps *= 2;
        rc = cox_engine_step(engine, steps, err);
        seconds = cox_clock_seconds() - began;
    }
    if (!rc)
        plan->ns_per_day = steps * fs * 1e-6 * plan->replicas / seconds * 86400;
    return rc;
}

/* One epoch over a few batches of random maps. */
static int measure_learner(struct cox_coordinator *c, struct cox_plan *plan, double *maps_per_s,
                           struct cox_err *err)
{
    const struct cox_settings_learn *l = &c->settings->learn;
    struct cox_cvae_options options;
    struct cox_cvae *cvae = NULL;
    cox_learner_options(&options, l, 1);
    int n = l->batch * 4;
    uint8_t *maps = cox_alloc((size_t)n, c->frames.map_bytes);
    if (!maps)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    for (size_t i = 0; i < (size_t)n * c->frames.map_bytes; i++)
        maps[i] = (uint8_t)(i * 2654435761u >> 13);
    struct cox_cvae_maps input = {COX_CVAE_BITS, n, maps, NULL};
    struct cox_cvae_fit_options fit = COX_CVAE_FIT_OPTIONS_INIT;
    struct cox_cvae_result result;
    fit.epochs = 1;
    fit.valid_fraction = 0;
    int rc = cox_cvae_create(&cvae, c->frames.points.n, &options, c->team, err);
    if (!rc) {
        plan->parameters = cox_cvae_parameters(cvae);
        rc = cox_cvae_fit(cvae, &input, &fit, &result, err);
    }
    if (!rc)
        *maps_per_s = n / result.seconds;
    cox_cvae_destroy(cvae);
    cox_free(maps);
    return rc;
}

static double rounds_to_limit(const struct cox_settings_stop *s, struct cox_plan *plan)
{
    double rounds = INFINITY;
    plan->limit = "";
    if (!isnan(s->simulated_ns)) {
        rounds = ceil(s->simulated_ns / plan->ns_per_round - 1e-9);
        plan->limit = "simulated_ns";
    }
    if (!isnan(s->wall_minutes) && s->wall_minutes * 60 / plan->round_s < rounds) {
        rounds = ceil(s->wall_minutes * 60 / plan->round_s);
        plan->limit = "wall_minutes";
    }
    if (s->rounds != COX_CONFIG_UNSET && s->rounds < rounds) {
        rounds = s->rounds;
        plan->limit = "rounds";
    }
    return rounds;
}

/* Who does what. Training takes its cores from the simulations only where none is to spare. */
static void deal(struct cox_coordinator *c, struct cox_plan *plan)
{
    const struct cox_settings *s = c->settings;
    int cores = plan->threads;
    plan->streaming = s->coordination == COX_STREAMING;
    if (!plan->streaming)
        return;
    plan->simulations = cox_settings_simulations(s, cores, plan->lane_width);
    plan->aggregators =
        s->streaming.aggregators < plan->simulations ? s->streaming.aggregators : plan->simulations;
    plan->lanes_least = plan->replicas / plan->simulations;
    plan->lanes_most = (plan->replicas + plan->simulations - 1) / plan->simulations;
    plan->cores_spare = cores > plan->simulations ? cores - plan->simulations : 0;
}

static int whole(int a, int b)
{
    return (a + b - 1) / b;
}

/* What was measured was all replicas in one process on all threads; a process of the streaming run
 * has one core, at most, for its vectors of replicas. */
static double share_of_measured(const struct cox_plan *plan)
{
    double measured = whole(whole(plan->replicas, plan->lane_width), plan->threads);
    double each = whole(plan->lanes_most, plan->lane_width);
    return measured / (each * fmax(1, (double)plan->simulations / plan->threads));
}

static void estimate_streaming(const struct cox_settings *s, struct cox_plan *plan)
{
    double trainings = (double)plan->frames_per_round / s->streaming.train_after_frames;
    plan->round_s = plan->simulate_s; /* of one segment of all replicas */
    if (!plan->cores_spare)
        plan->round_s += plan->train_s * trainings;
    else
        plan->train_s *= plan->threads / fmin(plan->cores_spare, s->streaming.learn_cores_max);
    plan->frames_per_s = plan->frames_per_round / plan->round_s;
    plan->train_every_s = fmax(plan->train_s, plan->round_s / trainings);
}

static int estimate(struct cox_coordinator *c, struct cox_plan *plan, struct cox_err *err)
{
    const struct cox_settings *s = c->settings;
    double maps_per_s = 0;
    int rc = measure_engine(c, plan, err);
    if (!rc && c->learner)
        rc = measure_learner(c, plan, &maps_per_s, err);
    if (rc)
        return rc;
    if (plan->streaming)
        plan->ns_per_day *= share_of_measured(plan);
    plan->ns_per_round = s->simulation.segment_ps * 1e-3 * plan->replicas;
    plan->simulate_s = plan->ns_per_round / plan->ns_per_day * 86400;
    plan->round_s = plan->simulate_s;
    if (c->learner) {
        double share = 1 - s->learn.validation_fraction;
        double first = plan->streaming ? s->streaming.train_first_frames : plan->frames_per_round;
        first = fmin(first, s->learn.max_samples);
        plan->train_first_s = first * share * s->learn.epochs_first / maps_per_s;
        plan->train_s = s->learn.max_samples * share * s->learn.epochs / maps_per_s;
        plan->round_s += plan->train_s / s->learn.retrain_every;
    }
    if (plan->streaming)
        estimate_streaming(s, plan);
    plan->rounds = rounds_to_limit(&s->stop, plan);
    plan->total_s = plan->rounds * plan->round_s;
    plan->frames_mb = plan->rounds * plan->frames_per_round * c->system->n_atoms * 12.0 *
                      (s->simulation.save_velocities ? 2 : 1) * 1e-6;
    return COX_OK;
}

int cox_plan_make(struct cox_plan *plan, const struct cox_settings *settings,
                  const struct cox_config *config, struct cox_err *err)
{
    struct cox_coordinator c;
    *plan = (struct cox_plan){.start_rmsd_A = NAN};
    int rc = cox_coordinator_init(&c, settings, config, NULL, err);
    if (rc)
        return rc;
    int lanes = settings->simulation.replicas;
    bool steering = settings->agent.enabled && !settings->control;
    snprintf(plan->system, sizeof plan->system, "%s", c.system->name);
    plan->atoms = c.system->n_atoms;
    plan->points = c.frames.points.n;
    plan->replicas = lanes;
    plan->threads = cox_team_threads(c.team);
    plan->lane_width = cox_engine_lane_width(cox_simulation_engine(c.simulation));
    snprintf(plan->engine, sizeof plan->engine, "%s",
             cox_engine_version(cox_simulation_engine(c.simulation)));
    plan->starts = c.n_starts;
    plan->frames_per_round =
        lanes * (int)lround(settings->simulation.segment_ps / settings->simulation.frame_ps);
    plan->steered = steering ? lanes - cox_agent_unsteered(&settings->agent, lanes) : 0;
    plan->restarted = (int)lround(settings->agent.restart * plan->steered);
    if (c.frames.reference)
        snprintf(plan->reference, sizeof plan->reference, "%s", c.frames.reference->title);
    if (c.frames.rmsd >= 0)
        plan->start_rmsd_A =
            cox_observable_value(c.frames.observable[c.frames.rmsd], (const float(*)[3])c.start[0]);
    deal(&c, plan);
    rc = estimate(&c, plan, err);
    cox_coordinator_deinit(&c);
    return rc;
}
