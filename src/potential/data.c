/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/data.h"

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "potential/npy.h"

#define RAW_MAXIMUM ((size_t)1 << 30)
#define MAX_DEPTH 8

void cox_dp_data_destroy(struct cox_dp_data *d)
{
    if (!d)
        return;
    void *blocks[] = {d->path, d->type, d->x, d->box, d->energy, d->force, d->virial, d->fparam};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        cox_free(blocks[i]);
    cox_free(d);
}

static int no_memory(const char *path, struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
}

/* ---- types ---- */

/* The words of a text file, cut in place: *words is one block into `text`. */
static int split(char *text, char ***words, int *n, const char *path, struct cox_err *err)
{
    size_t most = strlen(text) / 2 + 1;
    *n = 0;
    *words = cox_alloc(most, sizeof **words);
    if (!*words)
        return no_memory(path, err);
    for (char *at = text + strspn(text, " \t\r\n"); *at; at += strspn(at, " \t\r\n")) {
        (*words)[(*n)++] = at;
        at += strcspn(at, " \t\r\n");
        if (*at)
            *at++ = '\0';
    }
    return COX_OK;
}

static int read_words(const char *folder, const char *name, char **text, char ***words, int *n,
                      char *path, struct cox_err *err)
{
    *text = NULL;
    *words = NULL;
    *n = 0;
    int rc = cox_path_join(path, PATH_MAX, folder, name, err);
    if (!rc)
        rc = cox_file_read(text, NULL, path, RAW_MAXIMUM, err);
    return rc ? rc : split(*text, words, n, path, err);
}

/* map[i]: the model's number of the data's type i; as many as the data names. */
static int translate(const struct cox_dp_data *d, const char names[][COX_DP_TYPE_NAME], int n_names,
                     int *map, int *n_map, struct cox_err *err)
{
    char path[PATH_MAX];
    char *text;
    char **words;
    for (int i = 0; i < COX_DP_MAX_TYPES; i++)
        map[i] = i;
    *n_map = n_names;
    int rc = cox_path_join(path, sizeof path, d->path, "type_map.raw", err);
    if (rc || !cox_file_exists(path))
        return rc;
    int n = 0;
    rc = read_words(d->path, "type_map.raw", &text, &words, &n, path, err);
    if (!rc && n > COX_DP_MAX_TYPES)
        rc = cox_err_set(err, COX_EINVAL, "'%s' names %d types; at most %d are possible", path, n,
                         COX_DP_MAX_TYPES);
    for (int i = 0; !rc && i < n; i++) {
        map[i] = -1; /* fine as long as no atom is of it */
        for (int t = 0; t < n_names; t++)
            if (!strcmp(words[i], names[t]))
                map[i] = t;
    }
    *n_map = n;
    cox_free(words);
    cox_free(text);
    return rc;
}

static int read_types(struct cox_dp_data *d, const char names[][COX_DP_TYPE_NAME], int n_names,
                      struct cox_err *err)
{
    char path[PATH_MAX];
    char *text;
    char **words;
    int map[COX_DP_MAX_TYPES];
    int n_map;
    int rc = translate(d, names, n_names, map, &n_map, err);
    if (rc)
        return rc;
    rc = read_words(d->path, "type.raw", &text, &words, &d->n_atoms, path, err);
    if (!rc && !d->n_atoms)
        rc = cox_err_set(err, COX_EINVAL, "'%s' names no atom", path);
    d->type = rc ? NULL : cox_alloc((size_t)d->n_atoms, sizeof *d->type);
    if (!rc && !d->type)
        rc = no_memory(path, err);
    for (int i = 0; !rc && i < d->n_atoms; i++) {
        long long type;
        if (cox_parse_int(words[i], &type) || type < 0 || type >= n_map)
            rc = cox_err_set(err, COX_EINVAL,
                             "'%s': atom %d has the type '%.20s'; 0 to %d are known", path, i,
                             words[i], n_map - 1);
        else if (map[type] < 0)
            rc = cox_err_set(err, COX_EINVAL,
                             "'%s': atom %d is of a type that the model does not know (number %lld "
                             "of type_map.raw)",
                             path, i, type);
        else
            d->type[i] = map[type];
    }
    cox_free(words);
    cox_free(text);
    return rc;
}

/* ---- sets ---- */

/* Appends the rows of one file to an array of the system. Absent files are fine unless `required`;
 * *rows −1 then. */
static int read_rows(const struct cox_dp_data *d, const char *set, const char *name, int64_t width,
                     bool required, double **to, int64_t *rows, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_npy a;
    snprintf(path, sizeof path, "%s/%s/%s.npy", d->path, set, name);
    *rows = -1;
    if (!required && !cox_file_exists(path))
        return COX_OK;
    int rc = cox_npy_read(&a, path, err);
    if (rc)
        return rc;
    int64_t got = a.rank ? a.dims[0] : 0;
    int64_t found = got ? a.n / got : 0;
    if (a.rank < 1 || a.rank > 3 || (got && found != width))
        rc = cox_err_set(err, COX_EINVAL, "'%s': rows of %lld numbers; %lld were expected", path,
                         (long long)found, (long long)width);
    for (int64_t i = 0; !rc && i < a.n; i++)
        if (!isfinite(a.x[i]))
            rc = cox_err_set(err, COX_EINVAL, "'%s': row %lld holds %g", path,
                             (long long)(i / width), a.x[i]);
    double *more = rc ? NULL : cox_realloc(*to, (size_t)(d->n + got) * (size_t)width, sizeof *more);
    if (!rc && !more)
        rc = no_memory(path, err);
    if (!rc) {
        *to = more;
        memcpy(more + d->n * width, a.x, (size_t)a.n * sizeof *more);
        *rows = got;
    }
    cox_free(a.x);
    return rc;
}

static int check_rows(const struct cox_dp_data *d, const char *set, const char *name, int64_t rows,
                      int64_t frames, const double *so_far, struct cox_err *err)
{
    if (rows >= 0 && rows != frames)
        return cox_err_set(err, COX_EINVAL, "'%s/%s/%s.npy' has %lld rows, coord.npy %lld", d->path,
                           set, name, (long long)rows, (long long)frames);
    if ((rows < 0) != (so_far == NULL) || (rows >= 0 && !so_far))
        return cox_err_set(err, COX_EINVAL, "'%s': some sets have %s.npy, others do not", d->path,
                           name);
    return COX_OK;
}

static int read_fparam(struct cox_dp_data *d, const char *set, int64_t frames, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_npy a;
    int64_t rows;
    snprintf(path, sizeof path, "%s/%s/fparam.npy", d->path, set);
    if (!cox_file_exists(path))
        return COX_OK;
    int rc = cox_npy_read(&a, path, err);
    if (!rc && !d->n_fparam)
        d->n_fparam = a.rank && a.dims[0] ? (int)(a.n / a.dims[0]) : 0;
    if (!rc)
        cox_free(a.x);
    if (!rc)
        rc = read_rows(d, set, "fparam", d->n_fparam, true, &d->fparam, &rows, err);
    return rc ? rc : check_rows(d, set, "fparam", rows, frames, d->fparam, err);
}

static int read_set(struct cox_dp_data *d, const char *set, struct cox_err *err)
{
    int64_t width = 3 * (int64_t)d->n_atoms;
    int64_t frames;
    int64_t rows;
    int rc = read_rows(d, set, "coord", width, true, &d->x, &frames, err);
    const struct {
        const char *name;
        int64_t width;
        double **to;
        bool required;
    } parts[] = {{"box", 9, &d->box, d->periodic},
                 {"energy", 1, &d->energy, false},
                 {"force", width, &d->force, false},
                 {"virial", 9, &d->virial, false}};
    for (size_t i = 0; !rc && i < sizeof parts / sizeof parts[0]; i++) {
        if (!d->periodic && parts[i].to == &d->box)
            continue;
        rc = read_rows(d, set, parts[i].name, parts[i].width, parts[i].required, parts[i].to, &rows,
                       err);
        if (!rc)
            rc = check_rows(d, set, parts[i].name, rows, frames, *parts[i].to, err);
    }
    if (!rc)
        rc = read_fparam(d, set, frames, err);
    if (!rc)
        d->n += frames;
    return rc;
}

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
    *out = NULL;
    *n = 0;
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

static int read_sets(struct cox_dp_data *d, struct cox_err *err)
{
    char **list;
    int n;
    int sets = 0;
    int rc = entries(d->path, &list, &n, err);
    for (int i = 0; !rc && i < n; i++)
        if (cox_str_starts(list[i], "set.")) {
            rc = read_set(d, list[i], err);
            sets++;
        }
    cox_free(list);
    if (!rc && !sets)
        rc = cox_err_set(err, COX_ENOTFOUND, "'%s' has no set.* folder", d->path);
    if (!rc && !d->n)
        rc = cox_err_set(err, COX_EINVAL, "'%s' has no frames", d->path);
    return rc;
}

int cox_dp_data_read(struct cox_dp_data **out, const char *path,
                     const char names[][COX_DP_TYPE_NAME], int n_names, struct cox_err *err)
{
    char nopbc[PATH_MAX];
    *out = NULL;
    if (!cox_file_is_directory(path))
        return cox_err_set(err, COX_ENOTFOUND, "there is no system '%s' (a folder with a type.raw)",
                           path);
    struct cox_dp_data *d = cox_alloc(1, sizeof *d);
    if (d)
        d->path = cox_strdup(path);
    int rc = d && d->path ? cox_path_join(nopbc, sizeof nopbc, path, "nopbc", err)
                          : no_memory(path, err);
    if (!rc) {
        d->periodic = !cox_file_exists(nopbc);
        rc = read_types(d, names, n_names, err);
    }
    if (!rc)
        rc = read_sets(d, err);
    if (rc)
        cox_dp_data_destroy(d);
    else
        *out = d;
    return rc;
}

/* ---- finding systems ---- */

struct found {
    char **paths;
    int n, room;
};

static int look(struct found *f, const char *folder, int depth, struct cox_err *err)
{
    char path[PATH_MAX];
    int rc = cox_path_join(path, sizeof path, folder, "type.raw", err);
    if (rc || depth > MAX_DEPTH)
        return rc;
    if (cox_file_exists(path)) {
        if (f->n == f->room) {
            char **more = cox_realloc(f->paths, (size_t)f->room * 2 + 8, sizeof *more);
            if (!more)
                return no_memory(folder, err);
            f->paths = more;
            f->room = f->room * 2 + 8;
        }
        f->paths[f->n] = cox_strdup(folder);
        return f->paths[f->n] ? (f->n++, COX_OK) : no_memory(folder, err);
    }
    char **list;
    int n;
    rc = entries(folder, &list, &n, err);
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

int cox_dp_data_find(char ***paths, int *n, const char *path, struct cox_err *err)
{
    struct found f = {0};
    *paths = NULL;
    *n = 0;
    int rc = cox_file_is_directory(path)
                 ? look(&f, path, 0, err)
                 : cox_err_set(err, COX_ENOTFOUND, "there is no folder '%s'", path);
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
