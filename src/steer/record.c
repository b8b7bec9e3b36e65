/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/record.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "steer/columns.h"

int cox_record_path(const struct cox_record *record, const char *name, char *out,
                    struct cox_err *err)
{
    return cox_path_join(out, PATH_MAX, record->directory, name, err);
}

static int create_traj(struct cox_record *record, const struct cox_system *system,
                       const struct cox_frames *frames, bool velocities, struct cox_err *err)
{
    struct cox_traj_column columns[COX_COLUMNS_MAX];
    char path[PATH_MAX];
    int rc = cox_record_path(record, "frames-0.h5", path, err);
    if (rc)
        return rc;
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    options.velocities = velocities;
    options.columns = columns;
    options.n_columns = cox_columns(frames, false, columns);
    options.author = "cox run";
    return cox_traj_create(&record->traj, path, system, &options, err);
}

static int open_catalog(struct cox_record *record, struct cox_err *err)
{
    char path[PATH_MAX];
    int rc = cox_record_path(record, "catalog.db", path, err);
    return rc ? rc : cox_catalog_open(&record->catalog, path, err);
}

static int open_events(struct cox_record *record, struct cox_err *err)
{
    char path[PATH_MAX];
    int rc = cox_record_path(record, "events.jsonl", path, err);
    return rc ? rc : cox_events_open(&record->events, path, err);
}

int cox_record_create(struct cox_record *record, const char *directory,
                      const struct cox_system *system, const struct cox_frames *frames,
                      bool velocities, struct cox_err *err)
{
    *record = (struct cox_record){.zero = cox_clock_seconds()};
    snprintf(record->directory, sizeof record->directory, "%s", directory);
    int rc = create_traj(record, system, frames, velocities, err);
    if (!rc)
        rc = open_catalog(record, err);
    if (!rc)
        rc = open_events(record, err);
    if (!rc)
        rc = cox_catalog_set(record->catalog, "elapsed_s", "0", err);
    if (rc)
        cox_record_close(record);
    return rc;
}

int cox_record_open(struct cox_record *record, const char *directory, struct cox_err *err)
{
    *record = (struct cox_record){0};
    char path[PATH_MAX];
    int64_t frames = 0;
    char *elapsed = NULL;
    snprintf(record->directory, sizeof record->directory, "%s", directory);
    int rc = cox_record_path(record, "catalog.db", path, err);
    if (!rc && !cox_file_exists(path))
        rc = cox_err_set(err, COX_ENOTFOUND, "'%s' is no run: it has no catalog.db", directory);
    if (!rc)
        rc = open_catalog(record, err);
    if (!rc)
        rc = cox_catalog_frames(record->catalog, &frames, err);
    if (!rc)
        rc = cox_record_path(record, "frames-0.h5", path, err);
    if (!rc)
        rc = cox_traj_open_append(&record->traj, path, err);
    if (!rc && cox_traj_frames(record->traj) < frames)
        rc = cox_err_set(err, COX_EFORMAT, "%s holds %lld frames, the catalog knows %lld", path,
                         (long long)cox_traj_frames(record->traj), (long long)frames);
    if (!rc)
        rc = cox_traj_truncate(record->traj, frames, err);
    if (!rc)
        rc = open_events(record, err);
    if (!rc)
        rc = cox_catalog_get(record->catalog, "elapsed_s", &elapsed, err);
    double seconds = 0;
    if (!rc && elapsed && cox_parse_double(elapsed, &seconds))
        seconds = 0;
    cox_free(elapsed);
    record->zero = cox_clock_seconds() - seconds;
    if (rc)
        cox_record_close(record);
    return rc;
}

void cox_record_close(struct cox_record *record)
{
    cox_traj_destroy(record->traj);
    cox_catalog_close(record->catalog);
    cox_events_close(record->events);
    record->traj = NULL;
    record->catalog = NULL;
    record->events = NULL;
}

double cox_record_seconds(const struct cox_record *record)
{
    return cox_clock_seconds() - record->zero;
}

void cox_record_task(struct cox_record *record, int round, const char *kind, int workers,
                     double began)
{
    double now = cox_record_seconds(record);
    for (int w = 0; w < workers && record->n_tasks < COX_RECORD_MAX_TASKS; w++) {
        struct cox_catalog_task *task = &record->tasks[record->n_tasks++];
        *task = (struct cox_catalog_task){
            .id = -1, .round = round, .worker = w, .began_s = began, .ended_s = now};
        snprintf(task->kind, sizeof task->kind, "%s", kind);
    }
}

/* Column k of the last n rows, side by side as the frames file wants it. */
static int append_frames(struct cox_record *record, const struct cox_block *block,
                         const struct cox_frames *frames, struct cox_err *err)
{
    int m = frames->n_observables;
    int n = block->n_frames;
    const void *columns[COX_COLUMNS_MAX] = {block->segment, block->lane, block->round};
    float *values = cox_alloc((size_t)n * (size_t)(m + 1), sizeof *values);
    if (!values)
        return cox_err_set(err, COX_ENOMEM, "out of memory storing %d frames", n);
    int64_t first = frames->n - n;
    for (int k = 0; k < m; k++) {
        columns[COX_COLUMN_VALUES + k] = values + (size_t)k * (size_t)n;
        for (int i = 0; i < n; i++)
            values[(size_t)k * (size_t)n + (size_t)i] = frames->values[(first + i) * m + k];
    }
    columns[COX_COLUMN_VALUES + m] = block->temperature_K;
    struct cox_traj_block rows = {.n = n,
                                  .step = block->step,
                                  .time_ps = block->time_ps,
                                  .position_nm = block->x,
                                  .velocity_nm_ps = block->v,
                                  .column = columns};
    int rc = cox_traj_append(record->traj, &rows, err);
    cox_free(values);
    return rc ? rc : cox_traj_sync(record->traj, err);
}

static int commit_tasks(struct cox_record *record, struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; !rc && i < record->n_tasks; i++)
        rc = cox_catalog_add_task(record->catalog, &record->tasks[i], err);
    if (!rc) {
        char elapsed[32];
        snprintf(elapsed, sizeof elapsed, "%.6f", cox_record_seconds(record));
        rc = cox_catalog_set(record->catalog, "elapsed_s", elapsed, err);
    }
    record->n_tasks = 0;
    return rc;
}

/* The best value of the objective (or RMSD) within a segment's frames. */
static double best_of(const struct cox_frames *frames, int64_t first, int64_t n, bool maximise)
{
    int column = frames->objective >= 0 ? frames->objective : frames->rmsd;
    double best = cox_frames_value(frames, first, n ? column : -1);
    for (int64_t i = first; i < first + n; i++) {
        double value = cox_frames_value(frames, i, column);
        if (maximise ? value > best : value < best)
            best = value;
    }
    return best;
}

static int commit_lanes(struct cox_record *record, struct cox_simulation *simulation, int lanes,
                        struct cox_err *err)
{
    size_t size = cox_simulation_lane_size(simulation);
    void *bytes = cox_alloc(size, 1);
    int rc = bytes ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory saving a lane");
    for (int lane = 0; !rc && lane < lanes; lane++) {
        rc = cox_simulation_save_lane(simulation, lane, bytes, err);
        if (!rc)
            rc = cox_catalog_set_lane(record->catalog, lane,
                                      cox_simulation_lane_segment(simulation, lane), bytes, size,
                                      err);
    }
    cox_free(bytes);
    return rc;
}

int cox_record_simulated(struct cox_record *record, const struct cox_block *block,
                         const struct cox_frames *frames, struct cox_simulation *simulation,
                         int lanes, struct cox_err *err)
{
    double began = cox_record_seconds(record);
    int round = block->n_segments ? block->segments[0].round : 0;
    int rc = append_frames(record, block, frames, err);
    if (!rc)
        rc = cox_catalog_begin(record->catalog, err);
    if (rc)
        return rc;
    for (int i = 0; !rc && i < block->n_segments; i++) {
        struct cox_catalog_segment segment = block->segments[i];
        segment.best_objective =
            best_of(frames, segment.first_frame, segment.n_frames, frames->maximise);
        rc = cox_catalog_add_segment(record->catalog, &segment, err);
    }
    if (!rc)
        rc = commit_lanes(record, simulation, lanes, err);
    cox_record_task(record, round, "store", 1, began);
    if (!rc)
        rc = commit_tasks(record, err);
    if (!rc)
        rc = cox_catalog_commit(record->catalog, err);
    if (rc)
        cox_catalog_rollback(record->catalog);
    return rc ? cox_err_wrap(err, rc, "round %d: storing", round) : COX_OK;
}

int cox_record_decided(struct cox_record *record, const struct cox_decision *decision,
                       struct cox_err *err)
{
    int rc = cox_catalog_begin(record->catalog, err);
    if (rc)
        return rc;
    if (decision->model)
        rc = cox_catalog_add_model(record->catalog, decision->model, err);
    for (int i = 0; !rc && decision->agent && i < decision->agent->n_picks; i++) {
        const struct cox_pick *p = &decision->agent->picks[i];
        struct cox_catalog_pick row = {.round = decision->round.id,
                                       .lane = p->lane,
                                       .frame = p->frame,
                                       .score = p->score,
                                       .rank = p->rank};
        snprintf(row.reason, sizeof row.reason, "%s", decision->reason ? decision->reason : "");
        rc = cox_catalog_add_pick(record->catalog, &row, err);
    }
    if (!rc)
        rc = cox_catalog_add_round(record->catalog, &decision->round, err);
    if (!rc)
        rc = commit_tasks(record, err);
    if (!rc)
        rc = cox_catalog_commit(record->catalog, err);
    if (rc)
        cox_catalog_rollback(record->catalog);
    return rc ? cox_err_wrap(err, rc, "round %d: committing", decision->round.id) : COX_OK;
}
