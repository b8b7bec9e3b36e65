/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/report/data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

void cox_run_data_deinit(struct cox_run_data *run)
{
    cox_selection_deinit(&run->points);
    cox_system_destroy(run->system);
    cox_json_destroy(run->summary);
    cox_free(run->segments);
    cox_free(run->models);
    cox_free(run->picks);
    cox_free(run->tasks);
    cox_free(run->rounds);
    cox_free(run->attempts);
    cox_free(run->poisons);
    cox_free(run->id);
    cox_free(run->at);
    cox_free(run->wall_s);
    cox_free(run->segment);
    cox_free(run->lane);
    cox_free(run->round);
    cox_free(run->ns);
    cox_free(run->in_time);
    cox_free(run->rmsd_A);
    cox_free(run->objective);
    cox_free(run->temperature_K);
    cox_free(run->maps);
    cox_free(run->mapped);
    cox_arena_destroy(run->arena);
    memset(run, 0, sizeof *run);
}

static int load_settings(struct cox_run_data *run, struct cox_err *err)
{
    char path[PATH_MAX];
    int rc = cox_path_join(path, sizeof path, run->directory, "catalog.db", err);
    if (!rc && !cox_file_exists(path))
        rc =
            cox_err_set(err, COX_ENOTFOUND, "'%s' is no run: it has no catalog.db", run->directory);
    run->arena = cox_arena_create();
    if (!rc && !run->arena)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory");
    if (!rc)
        rc = cox_path_join(path, sizeof path, run->directory, "config.yaml", err);
    if (!rc)
        rc = cox_settings_load(&run->settings, &run->config, path, NULL, 0, run->arena, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, run->directory, "system.h5", err);
    if (!rc)
        rc = cox_system_load(&run->system, path, err);
    if (!rc)
        rc = cox_selection_init(&run->points, run->system, run->settings.features.selection, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, run->directory, "summary.json", err);
    if (!rc && cox_file_exists(path))
        rc = cox_json_read(&run->summary, path, err);
    return rc;
}

static int load_catalog(struct cox_run_data *run, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_catalog *catalog = NULL;
    int rc = cox_path_join(path, sizeof path, run->directory, "catalog.db", err);
    if (!rc)
        rc = cox_catalog_open_read(&catalog, path, err);
    if (!rc)
        rc = cox_catalog_rounds(catalog, &run->rounds, &run->n_rounds, err);
    if (!rc)
        rc = cox_catalog_segments(catalog, &run->segments, &run->n_segments, err);
    if (!rc)
        rc = cox_catalog_models(catalog, &run->models, &run->n_models, err);
    if (!rc)
        rc = cox_catalog_picks(catalog, &run->picks, &run->n_picks, err);
    if (!rc)
        rc = cox_catalog_tasks(catalog, &run->tasks, &run->n_tasks, err);
    if (!rc)
        rc = cox_catalog_attempts(catalog, &run->attempts, &run->n_attempts, err);
    if (!rc)
        rc = cox_catalog_poisons(catalog, &run->poisons, &run->n_poisons, err);
    cox_catalog_close(catalog);
    if (rc)
        return rc;
    run->lanes = run->settings.simulation.replicas;
    run->streaming = run->settings.coordination == COX_STREAMING;
    if (run->streaming)
        return COX_OK;
    run->n = run->n_rounds ? run->rounds[run->n_rounds - 1].frames : 0;
    run->total_ns = run->n_rounds ? run->rounds[run->n_rounds - 1].ns : 0;
    /* A round that is simulated but not yet decided is left out. */
    while (run->n_segments && run->segments[run->n_segments - 1].round >= run->n_rounds)
        run->n_segments--;
    return COX_OK;
}

int cox_run_data_init(struct cox_run_data *run, const char *directory,
                      const struct cox_run_data_options *options, struct cox_err *err)
{
    memset(run, 0, sizeof *run);
    snprintf(run->directory, sizeof run->directory, "%s", directory);
    int rc = load_settings(run, err);
    if (!rc)
        rc = load_catalog(run, err);
    return rc ? rc : cox_run_data_frames(run, options, err);
}

int64_t cox_run_data_frame(const struct cox_run_data *run, int64_t id)
{
    return id >= 0 && id <= run->last_id ? run->at[id] : -1;
}

int cox_run_data_ancestors(const struct cox_run_data *run, int round, struct cox_err *err)
{
    bool *seen = cox_alloc((size_t)run->n_segments + 1, sizeof *seen);
    bool *placed = cox_alloc((size_t)run->lanes + 1, sizeof *placed);
    int count = 0;
    for (int64_t i = run->n_segments; seen && placed && i-- > 0;) {
        const struct cox_catalog_segment *s = &run->segments[i];
        const int64_t root = s->ancestor;
        if (s->lane < 0 || s->lane >= run->lanes || s->round > round || placed[s->lane])
            continue;
        if (!run->streaming && s->round != round)
            continue;
        placed[s->lane] = true;
        if (root < 0 || root >= run->n_segments || seen[root])
            continue;
        seen[root] = true;
        count++;
    }
    const bool failed = !seen || !placed;
    cox_free(seen);
    cox_free(placed);
    return failed ? cox_err_set(err, COX_ENOMEM, "out of memory") : count;
}

void cox_run_data_strategy(const struct cox_run_data *run, char *text, size_t size)
{
    static const char *const methods[] = {"every frame a candidate", "DBSCAN outliers",
                                          "LOF outliers"};
    const struct cox_settings *s = &run->settings;
    const struct cox_settings_agent *a = &s->agent;
    const char *streaming = run->streaming ? "streaming: " : "";
    if (s->control || !a->enabled) {
        snprintf(text, size, "%sno steering (control)", streaming);
        return;
    }
    const char *space = a->outliers == COX_OUTLIERS_NONE ? ""
                        : a->space == COX_SPACE_LATENT   ? " in the CVAE's latent space"
                                                         : " on point distances";
    char goal[160] = "novelty only";
    if (a->objective && a->explore < 1)
        snprintf(goal, sizeof goal, "%s %s (weight of novelty %g)", a->objective,
                 a->direction == COX_MINIMISE ? "minimised" : "maximised", a->explore);
    snprintf(text, size,
             "%s%s%s, %s, picks at least %g Å apart, a frame used at most %d times, %g %% of the "
             "replicas unsteered",
             streaming, methods[a->outliers], space, goal, a->diversity_A, a->max_reuse,
             100 * a->unsteered);
}

const char *cox_run_data_rmsd_name(const struct cox_run_data *run)
{
    const char *selection = run->settings.reference.selection;
    return selection && strcmp(selection, "name CA") ? "RMSD" : "Cα RMSD";
}

const char *cox_run_data_round_word(const struct cox_run_data *run)
{
    return run->streaming ? "generation" : "round";
}

double cox_run_data_wall_s(const struct cox_run_data *run)
{
    double end = cox_json_get_number(run->summary, "wall_s", 0);
    for (int64_t i = 0; i < run->n_tasks; i++)
        end = fmax(end, run->tasks[i].ended_s);
    return end;
}

double cox_run_data_segments_per_hour(const struct cox_run_data *run)
{
    const double wall = cox_run_data_wall_s(run);
    return wall > 0 ? run->total_ns / (run->settings.simulation.segment_ps * 1e-3) / wall * 3600
                    : NAN;
}

/* Without a summary: as many as there were threads, or simulations. */
int cox_run_data_cores(const struct cox_run_data *run)
{
    int cores = (int)cox_json_get_number(run->summary, "threads", 0);
    int found = 0;
    for (int64_t i = 0; i < run->n_tasks; i++) {
        const struct cox_catalog_task *t = &run->tasks[i];
        long long number = run->streaming ? -1 : t->worker;
        if (run->streaming && cox_str_starts(t->who, "sim-") && cox_parse_int(t->who + 4, &number))
            number = -1;
        if (number >= found && number < INT_MAX)
            found = (int)number + 1;
    }
    return cores > 0 ? cores : found > 0 ? found : 1;
}

double cox_run_data_task_cores(const struct cox_run_data *run, const struct cox_catalog_task *task)
{
    return !run->streaming ? 1 : !strcmp(task->kind, "paused") ? 0 : task->worker;
}

double cox_run_data_core_seconds(const struct cox_run_data *run, const char *kind)
{
    double seconds = 0;
    for (int64_t i = 0; i < run->n_tasks; i++) {
        const struct cox_catalog_task *t = &run->tasks[i];
        if (!strcmp(t->kind, kind))
            seconds += (t->ended_s - t->began_s) * cox_run_data_task_cores(run, t);
    }
    return seconds;
}
