/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/settings_streaming.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct cox_config_row *row_named(const struct cox_config_schema *schema,
                                              const char *name)
{
    for (int i = 0; i < schema->n; i++)
        if (!strcmp(schema->rows[i].name, name))
            return &schema->rows[i];
    return NULL;
}

/* Whether a key holds what it would if nobody had given it. */
static bool is_initial(const struct cox_config_row *row, const void *values, const void *initial)
{
    const void *a = (const char *)values + row->offset;
    const void *b = (const char *)initial + row->offset;
    if (row->type == COX_CONFIG_TEXTS) /* their defaults are empty */
        return ((const struct cox_config_texts *)a)->n == 0;
    if (row->type == COX_CONFIG_DOUBLE)
        return *(const double *)a == *(const double *)b ||
               (isnan(*(const double *)a) && isnan(*(const double *)b));
    return memcmp(a, b, row->width) == 0;
}

/* Refuses `key` ("agent.stale_ps"), or every key of a section ("streaming"), when it says something
 * else than its default; `why` ends the message. */
static int refuse_given(const struct cox_settings *s, const struct cox_config *config,
                        const char *key, const char *why, struct cox_err *err)
{
    struct cox_settings defaults;
    struct cox_arena *arena = cox_arena_create();
    if (!arena)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    int rc = cox_config_defaults(&defaults, &cox_settings_schema, arena, err);
    char section[32];
    const char *dot = strchr(key, '.');
    snprintf(section, sizeof section, "%.*s", dot ? (int)(dot - key) : 31, key);
    const struct cox_config_row *at = row_named(&cox_settings_schema, section);
    for (int i = 0; !rc && i < at->section->n; i++) {
        const struct cox_config_row *row = &at->section->rows[i];
        if (dot && strcmp(row->name, dot + 1) != 0)
            continue;
        if (is_initial(row, (const char *)s + at->offset, (const char *)&defaults + at->offset))
            continue;
        char full[96];
        snprintf(full, sizeof full, "%s.%s", section, row->name);
        rc = cox_config_error(config, full, err, COX_EINVAL, "%s %s", full, why);
    }
    cox_arena_destroy(arena);
    return rc;
}

static int check_sequential(const struct cox_settings *s, const struct cox_config *config,
                            struct cox_err *err)
{
    static const char *const keys[] = {"streaming", "runtime", "agent.stale_ps",
                                       "learn.publish_tolerance"};
    int rc = COX_OK;
    for (size_t i = 0; !rc && i < sizeof keys / sizeof keys[0]; i++)
        rc = refuse_given(s, config, keys[i],
                          "is for coordination: streaming; this run is sequential", err);
    if (!rc && s->slurm.nodes > 1)
        rc = cox_config_error(config, "slurm.nodes", err, COX_EINVAL,
                              "a sequential run is one process and cannot use %d nodes; give 1, or "
                              "coordination: streaming",
                              s->slurm.nodes);
    return rc;
}

static int check_processes(const struct cox_settings *s, const struct cox_config *config,
                           struct cox_err *err)
{
    const struct cox_settings_streaming *t = &s->streaming;
    int replicas = s->simulation.replicas;
    if (t->simulations > replicas)
        return cox_config_error(config, "streaming.simulations", err, COX_EINVAL,
                                "%d simulations for %d replicas; each needs one at least",
                                t->simulations, replicas);
    int most = t->simulations ? t->simulations : replicas;
    if (t->aggregators > most)
        return cox_config_error(config, "streaming.aggregators", err, COX_EINVAL,
                                "%d aggregators for %d %s; some would never see a frame",
                                t->aggregators, most, t->simulations ? "simulations" : "replicas");
    if (t->silence_s < 3 * t->heartbeat_s)
        return cox_config_error(config, "streaming.silence_s", err, COX_EINVAL,
                                "silence_s %g is less than three heartbeats of %g s; one late one "
                                "would count as death",
                                t->silence_s, t->heartbeat_s);
    if (t->transport == COX_TRANSPORT_IPC && s->runtime.executor == COX_EXECUTOR_SLURM)
        return cox_config_error(config, "streaming.transport", err, COX_EINVAL,
                                "ipc does not leave a machine; use tcp or auto with executor: "
                                "slurm");
    if (s->runtime.executor == COX_EXECUTOR_LOCAL && s->slurm.nodes > 1)
        return cox_config_error(config, "runtime.executor", err, COX_EINVAL,
                                "executor: local is one machine, slurm.nodes is %d; use slurm or "
                                "auto",
                                s->slurm.nodes);
    return COX_OK;
}

static int check_learning(const struct cox_settings *s, const struct cox_config *config,
                          struct cox_err *err)
{
    const struct cox_settings_streaming *t = &s->streaming;
    bool steering = s->agent.enabled && !s->control;
    const char *no_agent = s->control ? "control is true" : "agent.enabled is false";
    const char *no_model = s->control ? "control is true" : "learn.enabled is false";
    if (t->agent_command.n && !steering)
        return cox_config_error(config, "streaming.agent_command", err, COX_EINVAL,
                                "agent_command is given, but %s", no_agent);
    if (t->train_command.n && (!s->learn.enabled || s->control))
        return cox_config_error(config, "streaming.train_command", err, COX_EINVAL,
                                "train_command is given, but %s", no_model);
    double patience = s->agent.stale_ps;
    if (patience > 0 && !steering)
        return cox_config_error(config, "agent.stale_ps", err, COX_EINVAL,
                                "stale_ps is given, but %s", no_agent);
    if (patience > 0 && patience < 2 * s->simulation.frame_ps)
        return cox_config_error(config, "agent.stale_ps", err, COX_EINVAL,
                                "stale_ps %g is less than two frames of %g ps; no progress could "
                                "be seen in it",
                                patience, s->simulation.frame_ps);
    if (patience > 0 && !s->agent.objective && !s->learn.enabled)
        return cox_config_error(config, "agent.stale_ps", err, COX_EINVAL,
                                "stale_ps needs agent.objective or learn.enabled: true to see "
                                "progress by");
    return COX_OK;
}

static void fill(struct cox_settings *s)
{
    bool streaming = s->coordination == COX_STREAMING;
    if (s->agent.window == COX_CONFIG_UNSET)
        s->agent.window = streaming ? 80000 : 8000;
    if (!streaming)
        return;
    double frames = round(s->simulation.segment_ps / s->simulation.frame_ps);
    double round_frames = fmin(frames * s->simulation.replicas, 1e8);
    if (s->streaming.train_first_frames == COX_CONFIG_UNSET)
        s->streaming.train_first_frames = (int)fmax(2, round_frames);
    if (s->streaming.train_after_frames == COX_CONFIG_UNSET)
        s->streaming.train_after_frames = (int)fmin(round_frames * s->learn.retrain_every, 1e8);
}

int cox_settings_finish_streaming(struct cox_settings *settings, const struct cox_config *config,
                                  struct cox_err *err)
{
    fill(settings);
    if (settings->coordination != COX_STREAMING)
        return check_sequential(settings, config, err);
    int rc = check_processes(settings, config, err);
    return rc ? rc : check_learning(settings, config, err);
}

int cox_settings_simulations(const struct cox_settings *settings, int cores, int lane_width)
{
    int replicas = settings->simulation.replicas;
    int vectors = (replicas + lane_width - 1) / lane_width;
    int n = settings->streaming.simulations;
    if (!n)
        n = cores < vectors ? cores : vectors;
    n = n < replicas ? n : replicas;
    return n > 1 ? n : 1;
}

void cox_settings_lanes(const struct cox_settings *settings, int workers, int worker, int *first,
                        int *n)
{
    int64_t replicas = settings->simulation.replicas;
    int64_t begin = replicas * worker / workers;
    int64_t end = replicas * (worker + 1) / workers;
    *first = (int)begin;
    *n = (int)(end - begin);
}
