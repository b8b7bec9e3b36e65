/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of the files that a bag.yaml names: that they are there, and their placeholders. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "sweep/job_command.h"
#include "sweep/job_template.h"
#include "sweep/settings_check.h"

/* The name in the folder of `path` that is nearest to its own; "" when none is near. */
static void nearest_name(const char *path, char *out, size_t size)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int best = 1000;
    out[0] = '\0';
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    DIR *entries = opendir(folder);
    for (const struct dirent *entry; entries && (entry = readdir(entries));) {
        const char *candidate = entry->d_name;
        int distance = cox_str_distance(name, candidate);
        if (candidate[0] == '.' || distance >= best || cox_str_nearest(name, &candidate, 1) < 0)
            continue;
        best = distance;
        snprintf(out, size, "%s", candidate);
    }
    if (entries)
        closedir(entries);
}

static int check_there(const struct cox_config *config, const char *key, const char *path,
                       struct cox_err *err)
{
    if (cox_file_exists(path))
        return COX_OK;
    char near[NAME_MAX + 1];
    nearest_name(path, near, sizeof near);
    return cox_config_error(config, key, err, COX_EINVAL, "there is no file '%s'%s%s%s", path,
                            near[0] ? "; did you mean '" : "", near, near[0] ? "'?" : "");
}

static int check_template(const struct cox_config *config, const char *key, const char *path,
                          const struct cox_template_scope *scope, struct cox_arena *arena,
                          struct cox_err *err)
{
    char *bytes = NULL;
    size_t length = 0;
    struct cox_err why = COX_ERR_INIT;
    int rc = check_there(config, key, path, err);
    if (rc)
        return rc;
    rc = cox_file_read(&bytes, &length, path, COX_TEMPLATE_MAX_BYTES, &why);
    if (rc)
        return cox_config_error(config, key, err, rc, "%s", why.text);
    struct cox_template t;
    rc = cox_template_file(&t, path, bytes, length, scope, arena, err);
    cox_free(bytes);
    return rc;
}

/* The words were looked at by cox_sweep_settings_finish; here it is who is used. */
static int note_arguments(const struct cox_config_texts *command,
                          const struct cox_template_scope *scope, struct cox_arena *arena,
                          struct cox_err *err)
{
    struct cox_config_texts words;
    int rc = cox_command_words(&words, command, arena, err);
    for (int i = 0; i < words.n && !rc; i++) {
        struct cox_template t;
        rc = cox_template_argument(&t, words.items[i], scope, arena, err);
    }
    return rc;
}

int cox_sweep_settings_check_files(const struct cox_sweep_settings *settings,
                                   const struct cox_config *config, struct cox_arena *arena,
                                   struct cox_err *err)
{
    const struct cox_settings_job *job = &settings->job;
    bool used[64] = {false};
    const struct cox_template_scope scope = {settings->parameters.n, settings->parameters.items,
                                             used};
    char key[64];
    int rc = settings->design.file ? check_there(config, "design.file", settings->design.file, err)
                                   : COX_OK;
    for (int i = 0; i < job->links.n && !rc; i++) {
        snprintf(key, sizeof key, "job.links[%d]", i);
        rc = check_there(config, key, job->links.items[i], err);
    }
    for (int i = 0; i < job->files.n && !rc; i++) {
        snprintf(key, sizeof key, "job.files[%d]", i);
        rc = check_template(config, key, job->files.items[i], &scope, arena, err);
    }
    if (!rc)
        rc = note_arguments(&job->command, &scope, arena, err);
    for (int i = 0; i < scope.n && !rc; i++) {
        const char *name = scope.parameter[i].name;
        snprintf(key, sizeof key, "parameters[%d].name", i);
        if (!used[i])
            rc = cox_config_error(config, key, err, COX_EINVAL,
                                  "parameter '%s' does not reach the job: {%s} is neither in "
                                  "job.command nor in any of job.files",
                                  name, name);
    }
    return rc;
}
