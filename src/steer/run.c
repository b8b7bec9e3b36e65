/* SPDX-License-Identifier: BSD-3-Clause */
/* One way in for both kinds of coordination. */
#include "steer/run.h"

#include <limits.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "steer/coordination.h"
#include "steer/report/run.h"

/* The report is made of the files, once they are closed. It can be made again by `cox report`, so a
 * failure does not spoil the run. */
static void report(const char *directory)
{
    struct cox_err problem = COX_ERR_INIT;
    if (cox_steer_report(directory, &problem))
        cox_log(COX_LOG_WARN, "no report: %s", problem.text);
}

int cox_steer_run(struct cox_steer_outcome *outcome, const struct cox_settings *settings,
                  const struct cox_config *config, const char *directory,
                  const struct cox_steer_hooks *hooks, struct cox_err *err)
{
    *outcome = (struct cox_steer_outcome){0};
    int rc = settings->coordination == COX_STREAMING
                 ? cox_streaming_run(outcome, settings, config, directory, hooks, err)
                 : cox_sequential_run(outcome, settings, config, directory, hooks, err);
    if (!rc)
        report(directory);
    return rc;
}

int cox_steer_resume(struct cox_steer_outcome *outcome, const char *directory,
                     const struct cox_steer_hooks *hooks, struct cox_err *err)
{
    struct cox_settings settings;
    struct cox_config *config = NULL;
    char path[PATH_MAX];
    *outcome = (struct cox_steer_outcome){0};
    struct cox_arena *arena = cox_arena_create();
    if (!arena)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    int rc = cox_path_join(path, sizeof path, directory, "config.yaml", err);
    if (!rc)
        rc = cox_settings_load(&settings, &config, path, NULL, 0, arena, err);
    if (!rc && settings.coordination == COX_STREAMING)
        rc = cox_streaming_resume(outcome, &settings, config, directory, hooks, err);
    else if (!rc)
        rc = cox_sequential_resume(outcome, &settings, config, directory, hooks, err);
    cox_arena_destroy(arena);
    if (!rc)
        report(directory);
    return rc;
}
