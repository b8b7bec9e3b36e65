/* SPDX-License-Identifier: BSD-3-Clause */
/* A run directory that stands alone: the system, the reference and the starts are copied into it,
 * and its config.yaml names the copies, so that it can be moved, resumed and run again. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "steer/coordinator.h"

#define INPUT_MAXIMUM ((size_t)4 << 30)

static int copy_in(const char *from, const char *directory, const char *name, struct cox_err *err)
{
    char to[PATH_MAX];
    char *bytes = NULL;
    size_t length = 0;
    int rc = cox_path_join(to, sizeof to, directory, name, err);
    if (!rc)
        rc = cox_file_read(&bytes, &length, from, INPUT_MAXIMUM, err);
    if (!rc)
        rc = cox_file_replace(to, bytes, length, err);
    cox_free(bytes);
    return rc;
}

/* "reference.pdb": `stem` with the file's own suffix. */
static void keep_suffix(const char *path, const char *stem, char *name, size_t size)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const char *dot = strchr(base, '.');
    if (dot && strstr(base, ".system.h5"))
        dot = strstr(base, ".system.h5");
    else if (dot)
        dot = strrchr(base, '.');
    snprintf(name, size, "%s%s", stem, dot ? dot : "");
}

/* Emits the settings with "<directory>/" taken off the copies' paths. */
static int write_config(const struct cox_settings *settings, const char *directory,
                        struct cox_err *err)
{
    struct cox_str text;
    struct cox_str out;
    char whole[PATH_MAX];
    char path[PATH_MAX];
    cox_str_init(&text, 1 << 22);
    cox_str_init(&out, 1 << 22);
    cox_config_emit(&text, &cox_settings_schema, settings);
    int rc = cox_str_status(&text, err);
    if (!rc && !realpath(directory, whole))
        rc = cox_err_errno(err, "cannot find '%s'", directory);
    if (!rc) {
        size_t n = strlen(whole);
        whole[n] = '/';
        whole[n + 1] = '\0';
        const char *at = cox_str_text(&text);
        for (const char *hit; (hit = strstr(at, whole)); at = hit + n + 1)
            cox_str_addn(&out, at, (size_t)(hit - at));
        cox_str_add(&out, at);
        rc = cox_str_status(&out, err);
    }
    if (!rc)
        rc = cox_path_join(path, sizeof path, directory, "config.yaml", err);
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&out), out.length, err);
    cox_str_deinit(&text);
    cox_str_deinit(&out);
    return rc;
}

static int join_in(struct cox_arena *arena, const char *directory, const char *name,
                   const char **out, struct cox_err *err)
{
    char whole[PATH_MAX];
    char path[PATH_MAX];
    if (!realpath(directory, whole))
        return cox_err_errno(err, "cannot find '%s'", directory);
    int rc = cox_path_join(path, sizeof path, whole, name, err);
    if (rc)
        return rc;
    *out = cox_arena_strdup(arena, path);
    return *out ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
}

static int copy_inputs(struct cox_settings *inside, const struct cox_settings *settings,
                       const char *directory, struct cox_arena *arena, struct cox_err *err)
{
    char name[256];
    int rc = copy_in(settings->system, directory, "system.h5", err);
    if (!rc)
        rc = join_in(arena, directory, "system.h5", &inside->system, err);
    if (!rc && settings->reference.path) {
        keep_suffix(settings->reference.path, "reference", name, sizeof name);
        rc = copy_in(settings->reference.path, directory, name, err);
        if (!rc)
            rc = join_in(arena, directory, name, &inside->reference.path, err);
    }
    const char **starts = cox_arena_alloc(arena, (size_t)settings->starts.n + 1, sizeof *starts);
    if (!starts)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    for (int i = 0; !rc && i < settings->starts.n; i++) {
        char stem[32];
        snprintf(stem, sizeof stem, "start-%d", i);
        keep_suffix(settings->starts.items[i], stem, name, sizeof name);
        rc = copy_in(settings->starts.items[i], directory, name, err);
        if (!rc)
            rc = join_in(arena, directory, name, &starts[i], err);
    }
    inside->starts.items = starts;
    inside->output = NULL; /* a run of this file goes elsewhere */
    return rc;
}

int cox_run_directory_create(const struct cox_settings *settings, const char *directory,
                             struct cox_err *err)
{
    struct cox_settings inside = *settings;
    char path[PATH_MAX];
    int rc = cox_path_join(path, sizeof path, directory, "catalog.db", err);
    if (!rc && cox_file_exists(path))
        return cox_err_set(err, COX_EEXISTS,
                           "'%s' already holds a run; go on with it by 'cox resume %s', or give "
                           "another directory with -o",
                           directory, directory);
    /* results are their owner's until he shares them; a folder that was there keeps its mode */
    if (!rc)
        rc = cox_directory_create_private(directory, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, directory, "models", err);
    if (!rc)
        rc = cox_directory_create(path, err);
    /* left by a run that died before its catalog was made */
    if (!rc)
        rc = cox_path_join(path, sizeof path, directory, "frames-0.h5", err);
    if (!rc)
        unlink(path);
    struct cox_arena *arena = rc ? NULL : cox_arena_create();
    if (!rc && !arena)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory");
    if (!rc)
        rc = copy_inputs(&inside, settings, directory, arena, err);
    if (!rc)
        rc = write_config(&inside, directory, err);
    cox_arena_destroy(arena);
    return rc;
}
