/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "molecule/topology.h"
#include "store/traj_internal.h"

int64_t cox_traj_frames(const struct cox_traj *traj)
{
    return traj->frames;
}

int64_t cox_traj_voids(const struct cox_traj *traj)
{
    return traj->longest > traj->frames ? traj->longest - traj->frames : 0;
}

int cox_traj_atoms(const struct cox_traj *traj)
{
    return traj->n_atoms;
}

int cox_traj_room(const struct cox_traj *traj)
{
    return COX_TRAJ_CHUNK - (int)(traj->frames % COX_TRAJ_CHUNK);
}

int cox_traj_files(const struct cox_traj *traj, int *file)
{
    if (file)
        *file = traj->file;
    return traj->files;
}

bool cox_traj_has_velocities(const struct cox_traj *traj)
{
    return traj->velocities;
}

bool cox_traj_is_periodic(const struct cox_traj *traj)
{
    return traj->periodic;
}

const char *cox_traj_path(const struct cox_traj *traj)
{
    return traj->path;
}

int cox_traj_columns(const struct cox_traj *traj, const struct cox_traj_column **out)
{
    *out = traj->column;
    return traj->n_columns;
}

int cox_traj_column_index(const struct cox_traj *traj, const char *name)
{
    for (int i = 0; i < traj->n_columns; i++)
        if (!strcmp(traj->column[i].name, name))
            return i;
    return -1;
}

static int check_rows(const struct cox_traj *t, int64_t first, int64_t n, struct cox_err *err)
{
    if (!t->h5)
        return cox_err_set(err, COX_EIO, "'%s' is closed after a failure", t->path);
    if (first >= 0 && n >= 0 && first <= t->frames - n)
        return COX_OK;
    return cox_err_set(err, COX_EINVAL, "'%s': frames %lld to %lld asked for, it has %lld", t->path,
                       (long long)first, (long long)(first + n - 1), (long long)t->frames);
}

int cox_traj_read_positions(struct cox_traj *traj, int64_t first, int64_t n, float *position_nm,
                            struct cox_err *err)
{
    int rc = check_rows(traj, first, n, err);
    return rc ? rc
              : cox_h5_read_rows(traj->h5, TRAJ_POSITION, COX_H5_F32, first, n, position_nm, err);
}

int cox_traj_read_boxes(struct cox_traj *traj, int64_t first, int64_t n, double *box_nm,
                        struct cox_err *err)
{
    int rc = check_rows(traj, first, n, err);
    if (!rc && !traj->periodic)
        rc = cox_err_set(err, COX_ENOTFOUND, "'%s' has no boxes", traj->path);
    return rc ? rc : cox_h5_read_rows(traj->h5, TRAJ_EDGES, COX_H5_F64, first, n, box_nm, err);
}

int cox_traj_read_velocities(struct cox_traj *traj, int64_t first, int64_t n, float *velocity_nm_ps,
                             struct cox_err *err)
{
    int rc = check_rows(traj, first, n, err);
    if (!rc && !traj->velocities)
        rc = cox_err_set(err, COX_ENOTFOUND, "'%s' holds no velocities", traj->path);
    return rc ? rc
              : cox_h5_read_rows(traj->h5, TRAJ_VELOCITY, COX_H5_F32, first, n, velocity_nm_ps,
                                 err);
}

int cox_traj_read_times(struct cox_traj *traj, int64_t first, int64_t n, int64_t *step,
                        double *time_ps, struct cox_err *err)
{
    int rc = check_rows(traj, first, n, err);
    if (!rc && step)
        rc = cox_h5_read_rows(traj->h5, TRAJ_STEP, COX_H5_I64, first, n, step, err);
    if (rc || !time_ps)
        return rc;
    /* a writer has the last ones still with it */
    const int64_t stored = traj->frames - traj->n_pending;
    const int64_t there = first + n <= stored ? n : first < stored ? stored - first : 0;
    if (there)
        rc = cox_h5_read_rows(traj->h5, TRAJ_TIME, COX_H5_F64, first, there, time_ps, err);
    if (there < n)
        memcpy(time_ps + there, traj->pending + (first + there - stored),
               (size_t)(n - there) * sizeof *time_ps);
    return rc;
}

static int unknown_column(const struct cox_traj *t, const char *column, struct cox_err *err)
{
    struct cox_str list;
    cox_str_init(&list, 900);
    for (int i = 0; i < t->n_columns; i++)
        cox_str_addf(&list, "%s%s", i ? ", " : "", t->column[i].name);
    int rc = cox_err_set(err, COX_ENOTFOUND, "'%s' has no column '%s'; it has: %s", t->path, column,
                         t->n_columns ? cox_str_text(&list) : "none");
    cox_str_deinit(&list);
    return rc;
}

static int read_column(struct cox_traj *t, const char *column, enum cox_h5_type type, int64_t first,
                       int64_t n, void *out, struct cox_err *err)
{
    char path[TRAJ_PATH_SIZE];
    int rc = check_rows(t, first, n, err);
    int i = cox_traj_column_index(t, column);
    if (rc)
        return rc;
    if (i < 0)
        return unknown_column(t, column, err);
    cox_traj_column_path(t, i, path);
    return cox_h5_read_rows(t->h5, path, type, first, n, out, err);
}

int cox_traj_read_i32(struct cox_traj *traj, const char *column, int64_t first, int64_t n,
                      int32_t *out, struct cox_err *err)
{
    return read_column(traj, column, COX_H5_I32, first, n, out, err);
}

int cox_traj_read_f32(struct cox_traj *traj, const char *column, int64_t first, int64_t n,
                      float *out, struct cox_err *err)
{
    return read_column(traj, column, COX_H5_F32, first, n, out, err);
}

int cox_traj_system(struct cox_traj *traj, struct cox_system **out, struct cox_err *err)
{
    *out = NULL;
    int rc = check_rows(traj, 0, 0, err);
    if (!rc)
        rc = cox_topology_read(traj->h5, TRAJ_TOPOLOGY, out, err);
    if (!rc && (*out)->n_atoms != traj->n_atoms)
        rc = cox_err_set(err, COX_EFORMAT, "%s: positions of %d atoms, a topology of %d",
                         traj->path, traj->n_atoms, (*out)->n_atoms);
    if (!rc && traj->frames)
        rc = cox_h5_read_rows(traj->h5, TRAJ_POSITION, COX_H5_F64, 0, 1, (*out)->position_nm, err);
    if (rc) {
        cox_system_destroy(*out);
        *out = NULL;
    }
    return rc;
}
