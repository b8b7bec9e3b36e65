/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/data.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "potential/data_source.h"

void cox_dp_data_destroy(struct cox_dp_data *d)
{
    if (!d)
        return;
    void *blocks[] = {d->path, d->type,   d->frame_type, d->frame_atoms, d->x,
                      d->box,  d->energy, d->force,      d->virial,      d->fparam};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        cox_free(blocks[i]);
    cox_free(d);
}

const int *cox_dp_data_types(const struct cox_dp_data *d, int64_t frame, int *n)
{
    *n = d->frame_atoms ? d->frame_atoms[frame] : d->n_atoms;
    return d->frame_type ? d->frame_type + frame * d->n_atoms : d->type;
}

/* While a system is read. */
struct reading {
    struct cox_dp_data *d;
    struct cox_dp_source source;
    int map[COX_DP_MAX_TYPES]; /* the model's number of the data's type, −1: not known there */
    int n_map;
    double *types; /* [n][n_atoms] of real_atom_types.npy */
    struct cox_err *err;
};

static int no_memory(const struct reading *r)
{
    return cox_err_set(r->err, COX_ENOMEM, "out of memory reading '%s'", r->source.path);
}

/* "path/name" for messages */
static const char *name_of(const struct reading *r, char out[PATH_MAX], const char *name)
{
    cox_dp_source_name(out, PATH_MAX, &r->source, name);
    return out;
}

/* ---- types ---- */

static int read_map(struct reading *r, const char names[][COX_DP_TYPE_NAME], int n_names)
{
    char **words;
    char path[PATH_MAX];
    int n;
    for (int i = 0; i < COX_DP_MAX_TYPES; i++)
        r->map[i] = i;
    r->n_map = n_names;
    if (!cox_dp_source_has(&r->source, "type_map.raw"))
        return COX_OK;
    int rc = cox_dp_source_words(&words, &n, &r->source, "type_map.raw", r->err);
    if (!rc && n > COX_DP_MAX_TYPES)
        rc = cox_err_set(r->err, COX_EINVAL, "'%s' names %d types; at most %d are possible",
                         name_of(r, path, "type_map.raw"), n, COX_DP_MAX_TYPES);
    for (int i = 0; !rc && i < n; i++) {
        r->map[i] = -1; /* fine as long as no atom is of it */
        for (int t = 0; t < n_names; t++)
            if (!strcmp(words[i], names[t]))
                r->map[i] = t;
    }
    r->n_map = n;
    cox_free(words);
    return rc;
}

static int read_types(struct reading *r)
{
    struct cox_dp_data *d = r->d;
    char path[PATH_MAX];
    char **words;
    int rc = cox_dp_source_words(&words, &d->n_atoms, &r->source, "type.raw", r->err);
    name_of(r, path, "type.raw");
    if (!rc && !d->n_atoms)
        rc = cox_err_set(r->err, COX_EINVAL, "'%s' names no atom", path);
    d->type = rc ? NULL : cox_alloc((size_t)d->n_atoms, sizeof *d->type);
    if (!rc && !d->type)
        rc = no_memory(r);
    for (int i = 0; !rc && i < d->n_atoms; i++) {
        long long type;
        if (cox_parse_int(words[i], &type) || type < 0 || type >= r->n_map)
            rc = cox_err_set(r->err, COX_EINVAL,
                             "'%s': atom %d has the type '%.20s'; 0 to %d are known", path, i,
                             words[i], r->n_map - 1);
        else
            d->type[i] = (int)type;
    }
    cox_free(words);
    return rc;
}

/* From the data's numbers to the model's. */
static int translate(const struct reading *r)
{
    char path[PATH_MAX];
    for (int i = 0; i < r->d->n_atoms; i++) {
        int type = r->d->type[i];
        if (r->map[type] < 0)
            return cox_err_set(r->err, COX_EINVAL,
                               "'%s': atom %d is of a type that the model does not know (number %d "
                               "of type_map.raw)",
                               name_of(r, path, "type.raw"), i, type);
        r->d->type[i] = r->map[type];
    }
    return COX_OK;
}

/* ---- mixed type ---- */

/* Puts rows of three numbers of one frame in the order of `from`. */
static void permute(double *x, const int *from, int n, double *work)
{
    if (!x)
        return;
    memcpy(work, x, (size_t)n * 3 * sizeof *x);
    for (int i = 0; i < n; i++)
        memcpy(x + (ptrdiff_t)i * 3, work + (ptrdiff_t)from[i] * 3, 3 * sizeof *x);
}

/* One frame: its atoms first, in their order, then the places without one. */
static int sort_frame(struct reading *r, int64_t f, int *from, double *work)
{
    struct cox_dp_data *d = r->d;
    const double *types = r->types + f * d->n_atoms;
    int *to = d->frame_type + f * d->n_atoms;
    int n = 0;
    for (int i = 0; i < d->n_atoms; i++) {
        double t = types[i];
        if (t == -1)
            continue;
        if (!(t >= 0 && t < r->n_map) || t != floor(t) || r->map[(int)t] < 0)
            return cox_err_set(r->err, COX_EINVAL,
                               "'%s': real_atom_types.npy, frame %lld: atom %d has the type %g, "
                               "which the model does not know",
                               r->source.path, (long long)f, i, t);
        to[n] = r->map[(int)t];
        from[n++] = i;
    }
    if (!n)
        return cox_err_set(r->err, COX_EINVAL, "'%s': frame %lld has no atom (all types are -1)",
                           r->source.path, (long long)f);
    d->frame_atoms[f] = n;
    for (int i = 0, at = n; i < d->n_atoms; i++)
        if (types[i] == -1) {
            to[at] = -1;
            from[at++] = i;
        }
    permute(d->x + f * d->n_atoms * 3, from, d->n_atoms, work);
    permute(d->force ? d->force + f * d->n_atoms * 3 : NULL, from, d->n_atoms, work);
    return COX_OK;
}

static int sort_frames(struct reading *r)
{
    struct cox_dp_data *d = r->d;
    size_t n = (size_t)d->n_atoms;
    int *from = cox_alloc(n, sizeof *from);
    double *work = cox_alloc(n * 3, sizeof *work);
    d->frame_type = cox_alloc((size_t)d->n * n, sizeof *d->frame_type);
    d->frame_atoms = cox_alloc((size_t)d->n, sizeof *d->frame_atoms);
    int rc = from && work && d->frame_type && d->frame_atoms ? COX_OK : no_memory(r);
    for (int64_t f = 0; !rc && f < d->n; f++)
        rc = sort_frame(r, f, from, work);
    cox_free(work);
    cox_free(from);
    memset(d->type, 0, n * sizeof *d->type); /* what type.raw says has no meaning then */
    return rc;
}

/* ---- sets ---- */

/* Appends the rows of one file to an array of the system. Absent files are fine unless `required`;
 * *rows −1 then. */
static int read_rows(const struct reading *r, const char *set, const char *name, int64_t width,
                     bool required, double **to, int64_t *rows)
{
    char file[PATH_MAX];
    char path[PATH_MAX];
    struct cox_npy a;
    snprintf(file, sizeof file, "%.200s/%s.npy", set, name);
    name_of(r, path, file);
    *rows = -1;
    if (!required && !cox_dp_source_has(&r->source, file))
        return COX_OK;
    int rc = cox_dp_source_array(&a, &r->source, file, r->err);
    if (rc)
        return rc;
    int64_t got = a.rank ? a.dims[0] : 0;
    int64_t found = got ? a.n / got : 0;
    if (a.rank < 1 || a.rank > 3 || (got && found != width))
        rc = cox_err_set(r->err, COX_EINVAL, "'%s': rows of %lld numbers; %lld were expected", path,
                         (long long)found, (long long)width);
    for (int64_t i = 0; !rc && i < a.n; i++)
        if (!isfinite(a.x[i]))
            rc = cox_err_set(r->err, COX_EINVAL, "'%s': row %lld holds %g", path,
                             (long long)(i / width), a.x[i]);
    double *more =
        rc ? NULL : cox_realloc(*to, (size_t)(r->d->n + got) * (size_t)width, sizeof *more);
    if (!rc && !more)
        rc = no_memory(r);
    if (!rc) {
        *to = more;
        memcpy(more + r->d->n * width, a.x, (size_t)a.n * sizeof *more);
        *rows = got;
    }
    cox_free(a.x);
    return rc;
}

static int check_rows(const struct reading *r, const char *set, const char *name, int64_t rows,
                      int64_t frames, const double *so_far)
{
    char file[PATH_MAX];
    char path[PATH_MAX];
    snprintf(file, sizeof file, "%.200s/%s.npy", set, name);
    if (rows >= 0 && rows != frames)
        return cox_err_set(r->err, COX_EINVAL, "'%s' has %lld rows, coord.npy %lld",
                           name_of(r, path, file), (long long)rows, (long long)frames);
    if ((rows < 0) != (so_far == NULL) || (rows >= 0 && !so_far))
        return cox_err_set(r->err, COX_EINVAL, "'%s': some sets have %s.npy, others do not",
                           r->source.path, name);
    return COX_OK;
}

static int read_fparam(struct reading *r, const char *set, int64_t frames)
{
    struct cox_dp_data *d = r->d;
    char file[PATH_MAX];
    struct cox_npy a;
    int64_t rows;
    snprintf(file, sizeof file, "%.200s/fparam.npy", set);
    if (!cox_dp_source_has(&r->source, file))
        return check_rows(r, set, "fparam", -1, frames, d->fparam);
    int rc = cox_dp_source_array(&a, &r->source, file, r->err);
    if (!rc && !d->n_fparam)
        d->n_fparam = a.rank && a.dims[0] ? (int)(a.n / a.dims[0]) : 0;
    if (!rc)
        cox_free(a.x);
    if (!rc)
        rc = read_rows(r, set, "fparam", d->n_fparam, true, &d->fparam, &rows);
    return rc ? rc : check_rows(r, set, "fparam", rows, frames, d->fparam);
}

static int read_set(struct reading *r, const char *set)
{
    struct cox_dp_data *d = r->d;
    int64_t width = 3 * (int64_t)d->n_atoms;
    int64_t frames;
    int64_t rows;
    int rc = read_rows(r, set, "coord", width, true, &d->x, &frames);
    const struct {
        const char *name;
        int64_t width;
        double **to;
        bool required;
    } parts[] = {{"box", 9, &d->box, d->periodic},
                 {"energy", 1, &d->energy, false},
                 {"force", width, &d->force, false},
                 {"virial", 9, &d->virial, false},
                 {"real_atom_types", d->n_atoms, &r->types, false}};
    for (size_t i = 0; !rc && i < sizeof parts / sizeof parts[0]; i++) {
        if (!d->periodic && parts[i].to == &d->box)
            continue;
        rc =
            read_rows(r, set, parts[i].name, parts[i].width, parts[i].required, parts[i].to, &rows);
        if (!rc)
            rc = check_rows(r, set, parts[i].name, rows, frames, *parts[i].to);
    }
    if (!rc)
        rc = read_fparam(r, set, frames);
    if (!rc)
        d->n += frames;
    return rc;
}

static int read_sets(struct reading *r)
{
    char **list;
    int n;
    int sets = 0;
    int rc = cox_dp_source_list(&list, &n, &r->source, "", r->err);
    for (int i = 0; !rc && i < n; i++)
        if (cox_str_starts(list[i], "set.")) {
            rc = read_set(r, list[i]);
            sets++;
        }
    cox_free(list);
    if (!rc && !sets)
        rc = cox_err_set(r->err, COX_ENOTFOUND, "'%s' has no set.* folder", r->source.path);
    if (!rc && !r->d->n)
        rc = cox_err_set(r->err, COX_EINVAL, "'%s' has no frames", r->source.path);
    return rc;
}

int cox_dp_data_read(struct cox_dp_data **out, const char *path,
                     const char names[][COX_DP_TYPE_NAME], int n_names, struct cox_err *err)
{
    struct reading r = {.err = err};
    *out = NULL;
    int rc = cox_dp_source_open(&r.source, path, err);
    if (rc)
        return rc;
    r.d = cox_alloc(1, sizeof *r.d);
    if (r.d)
        r.d->path = cox_strdup(path);
    rc = r.d && r.d->path ? read_map(&r, names, n_names) : no_memory(&r);
    if (!rc)
        rc = read_types(&r);
    if (!rc) {
        r.d->periodic = !cox_dp_source_has(&r.source, "nopbc");
        rc = read_sets(&r);
    }
    if (!rc)
        rc = r.types ? sort_frames(&r) : translate(&r);
    cox_free(r.types);
    cox_dp_source_close(&r.source);
    if (rc)
        cox_dp_data_destroy(r.d);
    else
        *out = r.d;
    return rc;
}
