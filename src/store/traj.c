/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing. HDF5's single-writer-multiple-readers mode orders its metadata writes, so that a killed
 * writer leaves a readable file; but it cannot cut datasets. So a cut opens the file anew, and only
 * the end of a run needs one: rows that a killed writer left half-written are written over.
 *
 * The file gets its name when it is whole, in that mode: there is no moment at which it cannot be
 * opened for reading, except while it is being cut. */
#include "store/traj.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/traj_internal.h"

#define SCALAR_CHUNK 512  /* rows of one number: 16 would be all overhead */
#define INDEX_SPACE 65536 /* bytes by which the indices of chunks may grow with one block */

void cox_traj_column_path(const struct cox_traj *traj, int column, char out[TRAJ_PATH_SIZE])
{
    snprintf(out, TRAJ_PATH_SIZE, "/observables/%s/value", traj->column[column].name);
}

enum cox_h5_type cox_traj_h5_type(enum cox_traj_type type)
{
    return type == COX_TRAJ_I32 ? COX_H5_I32 : COX_H5_F32;
}

int cox_traj_alloc(struct cox_traj **out, const char *path, struct cox_err *err)
{
    struct cox_traj *t = cox_alloc(1, sizeof *t);
    *out = NULL;
    if (t)
        t->path = cox_strdup(path);
    if (!t || !t->path) {
        cox_free(t);
        return cox_err_set(err, COX_ENOMEM, "out of memory opening '%s'", path);
    }
    *out = t;
    return COX_OK;
}

void cox_traj_destroy(struct cox_traj *traj)
{
    if (!traj)
        return;
    cox_h5_abandon(traj->h5);
    cox_free(traj->pending);
    cox_free(traj->path);
    cox_free(traj);
}

/* ---- opening ---- */

static int parse_column(struct cox_traj *t, const char *line, size_t length, struct cox_err *err)
{
    const char *end = line + length;
    const char *name = memchr(line, '\t', length);
    const char *unit = name ? memchr(name + 1, '\t', (size_t)(end - name - 1)) : NULL;
    struct cox_traj_column *c = &t->column[t->n_columns];
    if (!unit || t->n_columns == COX_TRAJ_MAX_COLUMNS || unit - name > COX_TRAJ_NAME_SIZE ||
        end - unit > (long)sizeof c->unit)
        return cox_err_set(err, COX_EFORMAT, "%s: the list of columns cannot be read", t->path);
    bool integer = !strncmp(line, "int32\t", 6);
    if (!integer && strncmp(line, "float32\t", 8))
        return cox_err_set(err, COX_EFORMAT, "%s: column %d is neither int32 nor float32", t->path,
                           t->n_columns);
    c->type = integer ? COX_TRAJ_I32 : COX_TRAJ_F32;
    memcpy(c->name, name + 1, (size_t)(unit - name - 1));
    memcpy(c->unit, unit + 1, (size_t)(end - unit - 1));
    t->n_columns++;
    return COX_OK;
}

static int read_columns(struct cox_traj *t, struct cox_err *err)
{
    char *list = NULL;
    int rc = cox_h5_get_text(t->h5, "/parameters", "columns", &list, err);
    for (const char *line = list; !rc && *line;) {
        size_t n = strcspn(line, "\n");
        rc = parse_column(t, line, n, err);
        line += n + (line[n] == '\n');
    }
    cox_free(list);
    return rc;
}

struct lengths {
    int64_t shortest, longest; /* -1: not measured yet */
};

static int measure_one(struct cox_traj *t, const char *name, void *user, struct cox_err *err)
{
    struct lengths *lengths = user;
    int rank = 0;
    int64_t dims[COX_H5_MAX_RANK] = {0};
    int rc = cox_h5_shape(t->h5, name, &rank, dims, err);
    if (rc)
        return rc;
    if (rank < 1)
        return cox_err_set(err, COX_EFORMAT, "%s: '%s' has no rows", t->path, name);
    if (lengths->shortest < 0 || dims[0] < lengths->shortest)
        lengths->shortest = dims[0];
    if (dims[0] > lengths->longest)
        lengths->longest = dims[0];
    return COX_OK;
}

typedef int each_set(struct cox_traj *t, const char *name, void *user, struct cox_err *err);

static int for_each_set(struct cox_traj *t, each_set *visit, void *user, struct cox_err *err)
{
    char path[TRAJ_PATH_SIZE];
    int rc = visit(t, TRAJ_POSITION, user, err);
    if (!rc)
        rc = visit(t, TRAJ_STEP, user, err);
    if (!rc)
        rc = visit(t, TRAJ_TIME, user, err);
    if (!rc && t->velocities)
        rc = visit(t, TRAJ_VELOCITY, user, err);
    if (!rc && t->periodic)
        rc = visit(t, TRAJ_EDGES, user, err);
    for (int i = 0; !rc && i < t->n_columns; i++) {
        cox_traj_column_path(t, i, path);
        rc = visit(t, path, user, err);
    }
    return rc;
}

static int cut_one(struct cox_traj *t, const char *name, void *user, struct cox_err *err)
{
    return cox_h5_truncate(t->h5, name, *(const int64_t *)user, err);
}

/* Files of a time when there was only one do not say. */
static void read_part(struct cox_traj *t)
{
    int32_t files = 1;
    int32_t file = 0;
    if (cox_h5_get_ints(t->h5, "/parameters", "files", 1, &files, NULL) ||
        cox_h5_get_ints(t->h5, "/parameters", "file", 1, &file, NULL) || files < 1 || file < 0 ||
        file >= files) {
        files = 1;
        file = 0;
    }
    t->files = files;
    t->file = file;
}

static int find_stored(struct cox_traj *t, const char *name, void *user, struct cox_err *err)
{
    int64_t *least = user;
    int64_t n = 0;
    int rc = cox_h5_rows_stored(t->h5, name, t->frames, &n, err);
    *least = n < *least ? n : *least;
    return rc;
}

int cox_traj_stored(struct cox_traj *traj, int64_t *frames, struct cox_err *err)
{
    *frames = traj->frames;
    return for_each_set(traj, find_stored, frames, err);
}

static int describe(struct cox_traj *t, struct cox_err *err)
{
    struct lengths lengths = {-1, -1};
    int rank = 0;
    int64_t dims[COX_H5_MAX_RANK] = {0};
    if (!cox_h5_exists(t->h5, TRAJ_POSITION) || !cox_h5_exists(t->h5, TRAJ_TOPOLOGY))
        return cox_err_set(err, COX_EFORMAT, "'%s' is not a trajectory written by Coxswain",
                           t->path);
    int rc = cox_h5_shape(t->h5, TRAJ_POSITION, &rank, dims, err);
    if (!rc && (rank != 3 || dims[2] != 3 || dims[1] < 1 || dims[1] > 100000000))
        rc = cox_err_set(err, COX_EFORMAT, "%s: positions must be frames × atoms × 3", t->path);
    if (rc)
        return rc;
    t->n_atoms = (int)dims[1];
    t->velocities = cox_h5_exists(t->h5, TRAJ_VELOCITY);
    t->periodic = cox_h5_exists(t->h5, TRAJ_EDGES);
    t->compressed = true; /* unknown: the larger need of space */
    read_part(t);
    rc = read_columns(t, err);
    if (!rc)
        rc = for_each_set(t, measure_one, &lengths, err);
    t->frames = lengths.shortest;
    t->longest = lengths.longest;
    return rc;
}

static int refuse_cut_off(struct cox_traj *t, struct cox_err *err)
{
    int64_t stored = 0;
    int rc = cox_traj_stored(t, &stored, err);
    if (!rc && stored < t->frames)
        rc =
            cox_err_set(err, COX_EFORMAT,
                        "'%s' tells of %lld frames, of which only the first %lld are in it: was it "
                        "cut off?",
                        t->path, (long long)t->frames, (long long)stored);
    return rc;
}

/* A file that is shorter than it should be: because the disk was full, and nothing that counts is
 * missing; or else it is refused, unchanged. */
static int check_end(const char *path, struct cox_err *err)
{
    unsigned char before[COX_H5_SUPERBLOCK];
    struct cox_h5_state state;
    struct cox_traj *t = NULL;
    int rc = cox_h5_look(&state, path, err);
    if (rc || !state.missing)
        return rc;
    rc = cox_h5_mend(path, before, err);
    if (rc)
        return rc;
    rc = cox_traj_open_read(&t, path, err);
    if (!rc)
        rc = refuse_cut_off(t, err);
    cox_traj_destroy(t);
    int failed = cox_h5_unmend(path, before, rc ? NULL : err);
    return rc ? rc : failed;
}

int cox_traj_open_append(struct cox_traj **out, const char *path, struct cox_err *err)
{
    struct cox_traj *t = NULL;
    *out = NULL;
    int rc = cox_traj_alloc(&t, path, err);
    if (rc)
        return rc;
    t->writes = true;
    rc = check_end(path, err);
    if (!rc)
        rc = cox_h5_open_append(&t->h5, path, err);
    if (!rc)
        rc = describe(t, err);
    if (!rc)
        rc = refuse_cut_off(t, err);
    if (rc) {
        cox_traj_destroy(t);
        return rc;
    }
    *out = t;
    return COX_OK;
}

int cox_traj_open_read(struct cox_traj **out, const char *path, struct cox_err *err)
{
    struct cox_traj *t = NULL;
    *out = NULL;
    int rc = cox_traj_alloc(&t, path, err);
    if (rc)
        return rc;
    rc = cox_h5_open_follow(&t->h5, path, err);
    if (!rc)
        rc = describe(t, err);
    if (rc) {
        cox_traj_destroy(t);
        return rc;
    }
    *out = t;
    return COX_OK;
}

int cox_traj_refresh(struct cox_traj *traj, struct cox_err *err)
{
    struct lengths time = {-1, -1};
    if (traj->writes || !traj->h5)
        return cox_err_set(err, COX_EINVAL, "'%s' is not open for reading", traj->path);
    int rc = measure_one(traj, TRAJ_TIME, &time, err);
    if (rc || time.shortest == traj->frames)
        return rc;
    struct lengths lengths = {-1, -1};
    rc = for_each_set(traj, measure_one, &lengths, err);
    if (!rc && lengths.shortest < traj->frames)
        rc = cox_err_set(err, COX_EFORMAT, "'%s' was cut from %lld frames to %lld", traj->path,
                         (long long)traj->frames, (long long)lengths.shortest);
    if (!rc)
        traj->frames = lengths.shortest;
    return rc;
}

/* ---- writing ---- */

static int check_writable(const struct cox_traj *t, struct cox_err *err)
{
    if (!t->writes)
        return cox_err_set(err, COX_EINVAL, "'%s' is open for reading only", t->path);
    if (t->damaged)
        return cox_err_set(err, COX_EIO, "'%s': an append failed before; open it anew", t->path);
    return COX_OK;
}

/* Bytes by which `n` more rows may let the file grow, at most. */
static int64_t growth(const struct cox_traj *t, int64_t n)
{
    const int64_t chunk = (int64_t)COX_TRAJ_CHUNK * t->n_atoms * 3 * 4;
    const int64_t last = t->frames + n;
    int64_t chunks = (last + COX_TRAJ_CHUNK - 1) / COX_TRAJ_CHUNK -
                     (t->frames + COX_TRAJ_CHUNK - 1) / COX_TRAJ_CHUNK;
    if (t->compressed && t->frames % COX_TRAJ_CHUNK)
        chunks++; /* the chunk under way is put in a new place */
    return chunks * (chunk + 64) * (t->velocities ? 2 : 1) +
           (t->periodic ? (n / EDGES_CHUNK + 1) * EDGES_CHUNK * 72 : 0) +
           (int64_t)(t->n_columns + 2) * (n / SCALAR_CHUNK + 1) * SCALAR_CHUNK * 8 + INDEX_SPACE;
}

/* Room for the times of `n` more rows. */
static int reserve_times(struct cox_traj *t, int64_t n, struct cox_err *err)
{
    if (t->n_pending + n <= t->pending_room)
        return COX_OK;
    int64_t room = 2 * (t->n_pending + n);
    double *more = cox_realloc(t->pending, (size_t)room, sizeof *more);
    if (!more)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %lld frames of '%s'", (long long)n,
                           t->path);
    t->pending = more;
    t->pending_room = room;
    return COX_OK;
}

/* All but the times, which cox_traj_sync writes. */
static int append_all(struct cox_traj *t, const struct cox_traj_block *block, struct cox_err *err)
{
    struct cox_h5 *f = t->h5;
    char path[TRAJ_PATH_SIZE];
    const int64_t at = t->frames;
    const int n = block->n;
    int rc = cox_h5_write_rows(f, TRAJ_POSITION, COX_H5_F32, at, n, block->position_nm, err);
    if (!rc && t->velocities)
        rc = cox_h5_write_rows(f, TRAJ_VELOCITY, COX_H5_F32, at, n, block->velocity_nm_ps, err);
    if (!rc && t->periodic)
        rc = cox_h5_write_rows(f, TRAJ_EDGES, COX_H5_F64, at, n, block->box_nm, err);
    for (int i = 0; !rc && i < t->n_columns; i++) {
        cox_traj_column_path(t, i, path);
        rc = cox_h5_write_rows(f, path, cox_traj_h5_type(t->column[i].type), at, n,
                               block->column[i], err);
    }
    if (!rc)
        rc = cox_h5_write_rows(f, TRAJ_STEP, COX_H5_I64, at, n, block->step, err);
    return rc;
}

int cox_traj_append(struct cox_traj *traj, const struct cox_traj_block *block, struct cox_err *err)
{
    int rc = check_writable(traj, err);
    if (rc)
        return rc;
    if (block->n < 1)
        return COX_OK;
    if (!block->position_nm || !block->step || !block->time_ps ||
        (traj->velocities && !block->velocity_nm_ps) || (traj->periodic && !block->box_nm) ||
        (traj->n_columns && !block->column))
        return cox_err_set(err, COX_EINVAL,
                           "'%s': a block needs positions, steps, times%s%s and %d columns",
                           traj->path, traj->velocities ? ", velocities" : "",
                           traj->periodic ? ", boxes" : "", traj->n_columns);
    rc = reserve_times(traj, block->n, err);
    if (!rc)
        rc = cox_h5_reserve(traj->h5, growth(traj, block->n), err);
    if (rc)
        return rc;
    rc = append_all(traj, block, err);
    traj->damaged = rc != COX_OK;
    if (rc)
        return rc;
    memcpy(traj->pending + traj->n_pending, block->time_ps, (size_t)block->n * sizeof(double));
    traj->n_pending += block->n;
    traj->frames += block->n;
    return COX_OK;
}

int cox_traj_sync(struct cox_traj *traj, struct cox_err *err)
{
    int rc = check_writable(traj, err);
    if (rc)
        return rc;
    if (traj->n_pending) {
        /* safe on the disk before any time tells of it: also after a power cut */
        rc = cox_h5_flush(traj->h5, err);
        if (!rc)
            rc = cox_h5_sync(traj->h5, err);
        if (!rc)
            rc = cox_h5_write_rows(traj->h5, TRAJ_TIME, COX_H5_F64, traj->frames - traj->n_pending,
                                   traj->n_pending, traj->pending, err);
        if (!rc)
            rc = cox_h5_flush(traj->h5, err);
    }
    if (!rc)
        rc = cox_h5_sync(traj->h5, err);
    traj->damaged = rc != COX_OK;
    if (!rc)
        traj->n_pending = 0;
    return rc;
}

/* ---- cutting ---- */

static int cut_all(struct cox_traj *t, int64_t n, struct cox_err *err)
{
    int rc = cox_h5_close(t->h5, err);
    t->h5 = NULL;
    if (!rc)
        rc = cox_h5_open_alone(&t->h5, t->path, err);
    if (!rc)
        rc = for_each_set(t, cut_one, &n, err);
    if (!rc)
        rc = cox_h5_flush(t->h5, err);
    if (!rc)
        rc = cox_h5_sync(t->h5, err);
    if (!rc) {
        t->frames = t->longest = n;
        rc = cox_h5_close(t->h5, err);
        t->h5 = NULL;
    }
    return rc;
}

int cox_traj_truncate(struct cox_traj *traj, int64_t n, struct cox_err *err)
{
    int rc = check_writable(traj, err);
    if (rc)
        return rc;
    if (n < 0 || n > traj->frames)
        return cox_err_set(err, COX_EINVAL, "'%s': cannot cut to %lld frames, it has %lld",
                           traj->path, (long long)n, (long long)traj->frames);
    if (n == traj->frames)
        return COX_OK;
    rc = cox_traj_sync(traj, err);
    if (!rc)
        rc = cut_all(traj, n, err);
    if (!rc)
        rc = cox_h5_open_append(&traj->h5, traj->path, err);
    traj->damaged = rc != COX_OK;
    return rc;
}

int cox_traj_close(struct cox_traj *traj, struct cox_err *err)
{
    if (!traj)
        return COX_OK;
    int rc = COX_OK;
    if (traj->writes && traj->n_pending && !traj->damaged)
        rc = cox_traj_sync(traj, err);
    if (!rc && traj->writes && !traj->damaged && traj->longest > traj->frames)
        rc = cut_all(traj, traj->frames, err);
    if (traj->h5 && !rc) {
        rc = cox_h5_close(traj->h5, err);
        traj->h5 = NULL;
    }
    cox_traj_destroy(traj);
    return rc;
}
