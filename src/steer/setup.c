/* SPDX-License-Identifier: BSD-3-Clause */
/* Bringing a run into memory: fresh from its settings, or back from its directory. */
#include "steer/coordinator.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "steer/starts.h"

static int allocate_lanes(struct cox_coordinator *c, struct cox_err *err)
{
    size_t lanes = (size_t)c->settings->simulation.replicas;
    size_t floats = (size_t)c->system->n_atoms * 3;
    c->origins = cox_alloc(lanes, sizeof *c->origins);
    c->origin_x = cox_alloc(lanes * floats, sizeof(float));
    c->origin_v = cox_alloc(lanes * floats, sizeof(float));
    c->picks = cox_alloc(lanes, sizeof *c->picks);
    c->last_frame = cox_alloc(lanes, sizeof *c->last_frame);
    if (!c->origins || !c->origin_x || !c->origin_v || !c->picks || !c->last_frame)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %zu replicas", lanes);
    for (size_t i = 0; i < lanes; i++)
        c->last_frame[i] = -1;
    return COX_OK;
}

int cox_coordinator_init(struct cox_coordinator *c, const struct cox_settings *settings,
                         const struct cox_config *config, const struct cox_steer_hooks *hooks,
                         struct cox_err *err)
{
    *c = (struct cox_coordinator){.settings = settings,
                                  .hooks = hooks,
                                  .outliers = -1,
                                  .first_hit_ns = NAN,
                                  .first_hit_s = NAN};
    c->cpu_zero = cox_clock_process_seconds();
    c->session_zero = cox_clock_seconds();
    int rc = cox_system_load(&c->system, settings->system, err);
    if (!rc)
        rc = cox_frames_init(&c->frames, c->system, settings, config, err);
    if (!rc)
        rc = cox_starts_load(&c->start, &c->n_starts, c->system, settings, err);
    if (!rc)
        rc = cox_team_create(&c->team, settings->simulation.threads, err);
    if (!rc)
        rc = allocate_lanes(c, err);
    if (!rc)
        rc = cox_simulation_create(&c->simulation, c->system, settings, err);
    if (!rc && settings->learn.enabled && !settings->control)
        rc = cox_learner_create(&c->learner, settings, &c->frames, c->team, err);
    if (rc)
        cox_coordinator_deinit(c);
    return rc;
}

void cox_coordinator_deinit(struct cox_coordinator *c)
{
    if (c->recording)
        cox_record_close(&c->record);
    cox_learner_destroy(c->learner);
    cox_simulation_destroy(c->simulation);
    cox_frames_deinit(&c->frames);
    cox_team_destroy(c->team);
    cox_starts_free(c->start, c->n_starts);
    cox_free(c->origins);
    cox_free(c->origin_x);
    cox_free(c->origin_v);
    cox_free(c->picks);
    cox_free(c->last_frame);
    cox_system_destroy(c->system);
    *c = (struct cox_coordinator){0};
}

/* ---- back from the directory ---- */

#define READ_BLOCK 256

static int reload_frames(struct cox_coordinator *c, struct cox_err *err)
{
    struct cox_traj *traj = c->record.traj;
    int64_t total = cox_traj_frames(traj);
    float *x = cox_alloc((size_t)READ_BLOCK * (size_t)c->system->n_atoms * 3, sizeof *x);
    int32_t *columns = cox_alloc(3 * READ_BLOCK, sizeof *columns);
    int rc = x && columns ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory reading frames");
    if (!rc && cox_traj_atoms(traj) != c->system->n_atoms)
        rc = cox_err_set(err, COX_EFORMAT, "%s has %d atoms, the system %d", cox_traj_path(traj),
                         cox_traj_atoms(traj), c->system->n_atoms);
    for (int64_t first = 0; !rc && first < total; first += READ_BLOCK) {
        int n = (int)(total - first < READ_BLOCK ? total - first : READ_BLOCK);
        int32_t *segment = columns;
        int32_t *lane = columns + READ_BLOCK;
        int32_t *round = columns + 2 * READ_BLOCK;
        rc = cox_traj_read_positions(traj, first, n, x, err);
        if (!rc)
            rc = cox_traj_read_i32(traj, "segment", first, n, segment, err);
        if (!rc)
            rc = cox_traj_read_i32(traj, "lane", first, n, lane, err);
        if (!rc)
            rc = cox_traj_read_i32(traj, "round", first, n, round, err);
        if (!rc)
            rc = cox_frames_append(&c->frames, n, x, segment, lane, round, c->team, err);
        for (int i = 0; !rc && i < n; i++)
            c->last_frame[lane[i]] = first + i;
    }
    cox_free(x);
    cox_free(columns);
    return rc;
}

static int reload_lanes(struct cox_coordinator *c, struct cox_err *err)
{
    size_t wanted = cox_simulation_lane_size(c->simulation);
    int rc = COX_OK;
    for (int lane = 0; !rc && lane < c->settings->simulation.replicas; lane++) {
        void *bytes = NULL;
        size_t length = 0;
        int64_t segment;
        rc = cox_catalog_get_lane(c->record.catalog, lane, &segment, &bytes, &length, err);
        if (!rc && length != wanted)
            rc = cox_err_set(
                err, COX_EFORMAT,
                "the state of lane %d has %zu bytes, this program needs %zu: the run was "
                "made by another version or engine",
                lane, length, wanted);
        if (!rc)
            rc = cox_simulation_restore_lane(c->simulation, lane, bytes, err);
        cox_free(bytes);
    }
    return rc;
}

static int reload_picks(struct cox_coordinator *c, struct cox_err *err)
{
    struct cox_catalog_pick *picks = NULL;
    int64_t n = 0;
    int rc = cox_catalog_picks(c->record.catalog, &picks, &n, err);
    c->n_picks = 0;
    for (int64_t i = 0; !rc && i < n; i++) {
        c->frames.reuse[picks[i].frame]++;
        if (picks[i].round == c->round - 1)
            c->picks[c->n_picks++] = (struct cox_pick){.lane = picks[i].lane,
                                                       .frame = picks[i].frame,
                                                       .score = picks[i].score,
                                                       .rank = picks[i].rank};
    }
    cox_free(picks);
    return rc;
}

static int reload_number(struct cox_coordinator *c, const char *key, double *out,
                         struct cox_err *err)
{
    char *text = NULL;
    int rc = cox_catalog_get(c->record.catalog, key, &text, err);
    if (!rc && text && cox_parse_double(text, out))
        rc = cox_err_set(err, COX_EFORMAT, "catalog.db: %s is '%s', no number", key, text);
    cox_free(text);
    return rc;
}

/* Time spent simulating in earlier sessions, for the rate. */
static int reload_times(struct cox_coordinator *c, struct cox_err *err)
{
    struct cox_catalog_task *tasks = NULL;
    int64_t n = 0;
    int rc = cox_catalog_tasks(c->record.catalog, &tasks, &n, err);
    for (int64_t i = 0; !rc && i < n; i++)
        if (tasks[i].worker == 0 && !strcmp(tasks[i].kind, "simulate"))
            c->simulating_s += tasks[i].ended_s - tasks[i].began_s;
    cox_free(tasks);
    c->simulated_ns = (double)c->frames.n * c->settings->simulation.frame_ps * 1e-3;
    return rc;
}

static int reload_rounds(struct cox_coordinator *c, struct cox_err *err)
{
    struct cox_catalog_round *rounds = NULL;
    int64_t n = 0;
    int rc = cox_catalog_rounds(c->record.catalog, &rounds, &n, err);
    if (rc)
        return rc;
    c->round = (int)n;
    for (int64_t i = 0; i < n; i++) {
        c->idle_sum += rounds[i].idle_s;
        if (rounds[i].idle_s > c->idle_max)
            c->idle_max = rounds[i].idle_s;
        c->ns = rounds[i].ns;
    }
    cox_free(rounds);
    rc = reload_number(c, "first_hit_ns", &c->first_hit_ns, err);
    if (!rc)
        rc = reload_number(c, "first_hit_s", &c->first_hit_s, err);
    return rc;
}

static int reload_model(struct cox_coordinator *c, struct cox_err *err)
{
    struct cox_catalog_model *models = NULL;
    int64_t n = 0;
    char path[PATH_MAX];
    int rc = cox_catalog_models(c->record.catalog, &models, &n, err);
    if (!rc && n)
        rc = cox_record_path(&c->record, models[n - 1].path, path, err);
    if (!rc && n)
        rc = cox_learner_load(c->learner, path, err);
    cox_free(models);
    return rc;
}

int cox_coordinator_reload(struct cox_coordinator *c, bool *undecided, struct cox_err *err)
{
    int64_t segments = 0;
    int rc = reload_frames(c, err);
    if (!rc)
        rc = reload_rounds(c, err);
    if (!rc)
        rc = reload_times(c, err);
    if (!rc)
        rc = cox_catalog_next_segment(c->record.catalog, &segments, err);
    if (rc)
        return rc;
    c->next_segment = segments;
    *undecided = false;
    if (!segments)
        return COX_OK; /* killed before the first round was stored */
    struct cox_catalog_segment last;
    rc = cox_catalog_segment(c->record.catalog, segments - 1, &last, err);
    if (!rc)
        *undecided = last.round == c->round;
    if (!rc)
        rc = reload_lanes(c, err);
    if (!rc)
        rc = reload_picks(c, err);
    if (!rc && c->learner)
        rc = reload_model(c, err);
    return rc;
}
