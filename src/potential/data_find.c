/* SPDX-License-Identifier: BSD-3-Clause */
/* Systems at or below a path: folders, or groups of HDF5 files, that have a type.raw. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "potential/data.h"
#include "potential/data_source.h"

#define MAX_DEPTH 8

struct found {
    char **paths;
    int n, room;
};

static int no_memory(const char *path, struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
}

static int add(struct found *f, const char *path, struct cox_err *err)
{
    if (f->n == f->room) {
        char **more = cox_realloc(f->paths, (size_t)f->room * 2 + 8, sizeof *more);
        if (!more)
            return no_memory(path, err);
        f->paths = more;
        f->room = f->room * 2 + 8;
    }
    f->paths[f->n] = cox_strdup(path);
    return f->paths[f->n] ? (f->n++, COX_OK) : no_memory(path, err);
}

static int look(struct found *f, const char *folder, int depth, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_dp_source s;
    char **list;
    int n;
    if (depth > MAX_DEPTH)
        return COX_OK;
    int rc = cox_dp_source_open(&s, folder, err);
    if (rc)
        return rc;
    if (cox_dp_source_has(&s, "type.raw")) {
        cox_dp_source_close(&s);
        return add(f, folder, err);
    }
    rc = cox_dp_source_list(&list, &n, &s, "", err);
    cox_dp_source_close(&s);
    for (int i = 0; !rc && i < n; i++) {
        if (list[i][0] == '.')
            continue;
        rc = cox_path_join(path, sizeof path, folder, list[i], err);
        if (!rc && cox_file_is_directory(path))
            rc = look(f, path, depth + 1, err);
    }
    cox_free(list);
    return rc;
}

/* Within a file: what is no group has nothing below it. */
static int look_in_file(struct found *f, struct cox_dp_source *s, int depth, struct cox_err *err)
{
    char path[2 * PATH_MAX];
    char **list;
    int n;
    size_t length = strlen(s->root);
    if (cox_dp_source_has(s, "type.raw")) {
        snprintf(path, sizeof path, "%s#%s", cox_h5_path(s->file), length ? s->root : "/");
        return add(f, path, err);
    }
    if (depth > MAX_DEPTH || cox_dp_source_list(&list, &n, s, "", NULL))
        return COX_OK;
    int rc = COX_OK;
    for (int i = 0; !rc && i < n; i++) {
        if (length + strlen(list[i]) + 2 > sizeof s->root)
            continue;
        snprintf(s->root + length, sizeof s->root - length, "/%s", list[i]);
        rc = look_in_file(f, s, depth + 1, err);
        s->root[length] = '\0';
    }
    cox_free(list);
    return rc;
}

static int look_anywhere(struct found *f, const char *path, struct cox_err *err)
{
    struct cox_dp_source s;
    if (cox_file_is_directory(path))
        return look(f, path, 0, err);
    int rc = cox_dp_source_open(&s, path, err);
    if (rc)
        return rc;
    rc = look_in_file(f, &s, 0, err);
    cox_dp_source_close(&s);
    return rc;
}

int cox_dp_data_find(char ***paths, int *n, const char *path, struct cox_err *err)
{
    struct found f = {0};
    *paths = NULL;
    *n = 0;
    int rc = look_anywhere(&f, path, err);
    if (!rc && !f.n)
        rc = cox_err_set(err, COX_ENOTFOUND, "no system at or below '%s': no type.raw there", path);
    size_t bytes = 0;
    for (int i = 0; i < f.n; i++)
        bytes += strlen(f.paths[i]) + 1;
    char **block = rc ? NULL : cox_alloc((size_t)f.n * sizeof *block + bytes, 1);
    if (!rc && !block)
        rc = no_memory(path, err);
    char *to = block ? (char *)(block + f.n) : NULL;
    for (int i = 0; i < f.n; i++) {
        size_t length = strlen(f.paths[i]) + 1;
        if (block) {
            memcpy(to, f.paths[i], length);
            block[i] = to;
            to += length;
        }
        cox_free(f.paths[i]);
    }
    cox_free(f.paths);
    *paths = block;
    *n = rc ? 0 : f.n;
    return rc;
}
