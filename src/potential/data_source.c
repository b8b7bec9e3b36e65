/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/data_source.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "h5/foreign.h"

#define TEXT_MAXIMUM ((size_t)1 << 30)

static int no_memory(const char *path, struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
}

int cox_dp_source_open(struct cox_dp_source *s, const char *path, struct cox_err *err)
{
    char file[PATH_MAX];
    const char *hash = strchr(path, '#');
    *s = (struct cox_dp_source){0};
    if (strlen(path) + 64 > sizeof s->path)
        return cox_err_set(err, COX_EINVAL, "the path '%.60s…' is too long", path);
    memcpy(s->path, path, strlen(path) + 1);
    if (cox_file_is_directory(path)) {
        memcpy(s->root, path, strlen(path) + 1);
        return COX_OK;
    }
    size_t length = hash ? (size_t)(hash - path) : strlen(path);
    memcpy(file, path, length);
    file[length] = '\0';
    if (!cox_file_exists(file) || cox_file_is_directory(file))
        return cox_err_set(err, COX_ENOTFOUND,
                           "there is no system '%s' (a folder with a type.raw, or FILE.h5#/GROUP)",
                           path);
    snprintf(s->root, sizeof s->root, "%s", hash ? hash + 1 : "");
    while (cox_str_ends(s->root, "/"))
        s->root[strlen(s->root) - 1] = '\0';
    return cox_h5_open_read(&s->file, file, err);
}

void cox_dp_source_close(struct cox_dp_source *s)
{
    cox_h5_abandon(s->file);
    s->file = NULL;
}

void cox_dp_source_name(char *out, size_t size, const struct cox_dp_source *s, const char *name)
{
    snprintf(out, size, "%s%s%s", s->path, cox_str_ends(s->path, "/") ? "" : "/", name);
}

/* The name within the file, or that of the file. */
static void inner(char out[PATH_MAX], const struct cox_dp_source *s, const char *name)
{
    snprintf(out, PATH_MAX, "%s%s%s", s->root, s->root[0] && cox_str_ends(s->root, "/") ? "" : "/",
             name);
}

bool cox_dp_source_has(const struct cox_dp_source *s, const char *name)
{
    char path[PATH_MAX];
    inner(path, s, name);
    return s->file ? cox_h5_exists(s->file, path) : cox_file_exists(path);
}

static int array_of(struct cox_npy *out, struct cox_h5 *file, const char *name, struct cox_err *err)
{
    int64_t dims[COX_H5_MAX_RANK];
    int rank;
    *out = (struct cox_npy){0};
    int rc = cox_h5_shape(file, name, &rank, dims, err);
    if (rc)
        return rc;
    if (rank > COX_NPY_MAX_RANK)
        return cox_err_set(err, COX_EFORMAT, "%s: '%s' has %d dimensions", cox_h5_path(file), name,
                           rank);
    out->rank = rank;
    out->n = 1;
    for (int i = 0; i < rank; i++) {
        out->dims[i] = dims[i];
        if (dims[i] && out->n > INT64_MAX / 16 / dims[i])
            return cox_err_set(err, COX_EFORMAT, "%s: '%s' is too large", cox_h5_path(file), name);
        out->n *= dims[i];
    }
    out->x = cox_alloc((size_t)out->n, sizeof *out->x);
    if (!out->x)
        return no_memory(cox_h5_path(file), err);
    rc = cox_h5_read(file, name, COX_H5_F64, rank, dims, out->x, err);
    if (rc) {
        cox_free(out->x);
        out->x = NULL;
    }
    return rc;
}

int cox_dp_source_array(struct cox_npy *out, const struct cox_dp_source *s, const char *name,
                        struct cox_err *err)
{
    char path[PATH_MAX];
    inner(path, s, name);
    return s->file ? array_of(out, s->file, path, err) : cox_npy_read(out, path, err);
}

/* ---- words ---- */

/* The words of a text, in one block with their addresses. */
static int split(char ***words, int *n, const char *text, const char *path, struct cox_err *err)
{
    size_t length = strlen(text) + 1;
    size_t most = length / 2 + 1;
    char **list = cox_alloc(most * sizeof *list + length, 1);
    if (!list)
        return no_memory(path, err);
    char *at = (char *)(list + most);
    memcpy(at, text, length);
    for (at += strspn(at, " \t\r\n"); *at; at += strspn(at, " \t\r\n")) {
        list[(*n)++] = at;
        at += strcspn(at, " \t\r\n");
        if (*at)
            *at++ = '\0';
    }
    *words = list;
    return COX_OK;
}

/* Whole numbers as words. */
static int number_words(char ***words, int *n, const struct cox_npy *a, const char *path,
                        struct cox_err *err)
{
    enum { WIDTH = 24 };
    char **list = cox_alloc((size_t)a->n, sizeof *list + WIDTH);
    if (!list || a->n > INT_MAX) {
        cox_free(list);
        return no_memory(path, err);
    }
    char *at = (char *)(list + a->n);
    for (int64_t i = 0; i < a->n; i++, at += WIDTH) {
        list[i] = at;
        snprintf(at, WIDTH, "%.12g", a->x[i]);
    }
    *words = list;
    *n = (int)a->n;
    return COX_OK;
}

int cox_dp_source_words(char ***words, int *n, const struct cox_dp_source *s, const char *name,
                        struct cox_err *err)
{
    char path[PATH_MAX];
    char *text = NULL;
    struct cox_npy a = {0};
    *words = NULL;
    *n = 0;
    inner(path, s, name);
    if (!s->file) {
        int rc = cox_file_read(&text, NULL, path, TEXT_MAXIMUM, err);
        if (!rc)
            rc = split(words, n, text, path, err);
        cox_free(text);
        return rc;
    }
    if (!cox_h5_read_words(words, n, s->file, path, NULL))
        return COX_OK;
    int rc = array_of(&a, s->file, path, err);
    if (!rc)
        rc = number_words(words, n, &a, path, err);
    cox_free(a.x);
    return rc;
}

/* ---- lists ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The entries of a folder, sorted; one block. */
static int entries(const char *folder, char ***out, int *n, struct cox_err *err)
{
    DIR *dir = opendir(folder);
    size_t bytes = 0;
    int count = 0;
    if (!dir)
        return cox_err_errno(err, "cannot open '%s'", folder);
    for (struct dirent *e; (e = readdir(dir));) {
        count++;
        bytes += strlen(e->d_name) + 1;
    }
    rewinddir(dir);
    char **list = cox_alloc((size_t)count * sizeof *list + bytes, 1);
    char *to = (char *)(list + count);
    char *end = list ? to + bytes : NULL;
    for (struct dirent *e; list && *n < count && (e = readdir(dir));) {
        size_t length = strlen(e->d_name) + 1;
        if (to + length > end)
            break; /* the folder is being filled this moment: its new entries are not ours */
        memcpy(to, e->d_name, length);
        list[(*n)++] = to;
        to += length;
    }
    closedir(dir);
    if (!list)
        return no_memory(folder, err);
    qsort(list, (size_t)*n, sizeof *list, by_text);
    *out = list;
    return COX_OK;
}

int cox_dp_source_list(char ***names, int *n, const struct cox_dp_source *s, const char *folder,
                       struct cox_err *err)
{
    char path[PATH_MAX];
    *names = NULL;
    *n = 0;
    inner(path, s, folder);
    if (s->file && !folder[0] && s->root[0])
        memcpy(path, s->root, strlen(s->root) + 1); /* without the '/' at the end */
    return s->file ? cox_h5_list(names, n, s->file, path, err) : entries(path, names, n, err);
}
