/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading: status.json where there is one; else what catalog and summary know, which is what an
 * older run, or one copied without it, has. Whether anybody is still at work shows in the lock that
 * the catalog's writer holds on the run's folder (store/catalog.c): it ends with its process. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "steer/settings.h"
#include "steer/status/internal.h"
#include "store/catalog.h"

#define STALE_S 3.0

/* Asked only when there is doubt: the moment in which we hold the lock ourselves could refuse a
 * `cox resume`. */
static bool is_held(const char *directory)
{
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool held = flock(fd, LOCK_SH | LOCK_NB) != 0;
    close(fd);
    return held;
}

/* A writer on this host is gone when its process is; elsewhere the file must be stale. A clock that
 * was set back makes it look as if it came from the future. */
static bool is_doubtful(const struct cox_run_status *s)
{
    char host[sizeof s->host] = "";
    gethostname(host, sizeof host - 1);
    const double age = cox_clock_unix() - s->updated_s;
    if (!(age >= -1 && age <= STALE_S))
        return true;
    return !strcmp(host, s->host) && s->pid > 0 && kill((pid_t)s->pid, 0) && errno == ESRCH;
}

static int from_catalog(struct cox_run_status *s, struct cox_catalog *catalog, struct cox_err *err)
{
    struct cox_catalog_segment *segments = NULL;
    struct cox_catalog_round *rounds = NULL;
    struct cox_catalog_model *models = NULL;
    struct cox_catalog_task *tasks = NULL;
    int64_t n_segments = 0, n_rounds = 0, n_models = 0, n_tasks = 0;
    int rc = cox_catalog_segments(catalog, &segments, &n_segments, err);
    if (!rc)
        rc = cox_catalog_rounds(catalog, &rounds, &n_rounds, err);
    if (!rc)
        rc = cox_catalog_models(catalog, &models, &n_models, err);
    if (!rc)
        rc = cox_catalog_tasks(catalog, &tasks, &n_tasks, err);
    if (!rc) {
        s->segments = n_segments;
        s->models = (int)n_models;
        s->blown = 0;
        for (int64_t i = 0; i < n_segments; i++)
            s->blown += segments[i].blown;
        if (n_tasks)
            s->elapsed_s = tasks[n_tasks - 1].ended_s;
    }
    if (!rc && n_rounds) {
        const struct cox_catalog_round *last = &rounds[n_rounds - 1];
        s->generation = s->generation_last = last->id + 1;
        s->frames = last->frames;
        s->ns = last->ns;
        s->best = last->best_objective;
        s->outliers = last->outliers;
        s->states = 0;
        for (int64_t i = 0; i < n_rounds; i++)
            s->states += rounds[i].new_states;
    }
    if (!rc && n_models) {
        s->model = (int)models[n_models - 1].id;
        s->train_loss = models[n_models - 1].train_loss;
        s->valid_loss = models[n_models - 1].valid_loss;
    }
    cox_free(segments);
    cox_free(rounds);
    cox_free(models);
    cox_free(tasks);
    return rc;
}

static int from_settings(struct cox_run_status *s, const char *directory, struct cox_err *err)
{
    struct cox_settings settings;
    struct cox_config *config = NULL;
    char path[PATH_MAX];
    struct cox_arena *arena = cox_arena_create();
    int rc = arena ? cox_path_join(path, sizeof path, directory, "config.yaml", err)
                   : cox_err_set(err, COX_ENOMEM, "out of memory");
    if (!rc)
        rc = cox_settings_load(&settings, &config, path, NULL, 0, arena, err);
    if (!rc) {
        snprintf(s->title, sizeof s->title, "%s", settings.title ? settings.title : "");
        snprintf(s->best_name, sizeof s->best_name, "%s",
                 settings.agent.objective ? settings.agent.objective : "rmsd_A");
        s->lanes = settings.simulation.replicas;
        s->target_ns = settings.stop.simulated_ns;
    }
    cox_arena_destroy(arena);
    return rc;
}

static int from_summary(struct cox_run_status *s, const char *directory, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_json *summary = NULL;
    int rc = cox_path_join(path, sizeof path, directory, "summary.json", err);
    if (rc || !cox_file_exists(path))
        return rc;
    rc = cox_json_read(&summary, path, err);
    if (rc)
        return rc;
    const char *stop = cox_json_get_text(summary, "stop");
    const char *text = cox_json_get_text(summary, "stop_text");
    s->state = stop && strcmp(stop, "interrupted") != 0 ? COX_STATUS_DONE : COX_STATUS_INTERRUPTED;
    snprintf(s->text, sizeof s->text, "%s", text ? text : "");
    s->elapsed_s = cox_json_get_number(summary, "wall_s", s->elapsed_s);
    s->ns_per_day = cox_json_get_number(summary, "ns_per_day", NAN);
    s->first_hit_ns = cox_json_get_number(summary, "first_hit_ns", NAN);
    s->best = cox_json_get_number(summary, "best", s->best);
    cox_json_destroy(summary);
    return COX_OK;
}

/* A run without status.json. */
static int reconstruct(struct cox_run_status *s, const char *directory, const char *catalog_path,
                       struct cox_err *err)
{
    struct cox_catalog *catalog = NULL;
    cox_run_status_init(s);
    s->state = COX_STATUS_DEAD;
    int rc = from_settings(s, directory, err);
    if (!rc)
        rc = cox_catalog_open_read(&catalog, catalog_path, err);
    if (!rc)
        rc = from_catalog(s, catalog, err);
    cox_catalog_close(catalog);
    if (!rc)
        rc = from_summary(s, directory, err);
    if (!rc && is_held(directory))
        s->state = s->frames > 0 ? COX_STATUS_RUNNING : COX_STATUS_STARTING;
    return rc;
}

int cox_run_status_read(struct cox_run_status *s, const char *directory, struct cox_err *err)
{
    char path[PATH_MAX], catalog[PATH_MAX];
    struct cox_json *json = NULL;
    cox_run_status_init(s);
    int rc = cox_path_join(catalog, sizeof catalog, directory, "catalog.db", err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, directory, COX_STATUS_FILE, err);
    if (!rc && !cox_file_exists(catalog) && !cox_file_exists(path))
        rc = cox_err_set(err, COX_ENOTFOUND, "'%s' is no run: it has no catalog.db", directory);
    if (rc)
        return rc;
    if (!cox_file_exists(path))
        return reconstruct(s, directory, catalog, err);
    rc = cox_json_read(&json, path, err);
    if (rc)
        return rc;
    rc = cox_run_status_parse(s, json, err);
    cox_json_destroy(json);
    if (rc)
        return cox_err_wrap(err, rc, "%s", path);
    if (!cox_run_status_over(s) && is_doubtful(s) && !is_held(directory))
        s->state = COX_STATUS_DEAD;
    return COX_OK;
}
