/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/repair.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "h5/h5.h"
#include "store/traj.h"

#define READ_BLOCK 64 /* frames */

const char *cox_repair_word(enum cox_repair_state state)
{
    static const char *const words[] = {"good", "needs repair", "repaired", "being written",
                                        "damaged"};
    return words[state];
}

static int damaged(struct cox_repair *out, const struct cox_err *err)
{
    out->state = COX_REPAIR_DAMAGED;
    snprintf(out->why, sizeof out->why, "%.599s", err->text);
    return COX_OK;
}

/* Reads every number of every frame once. */
static int read_rows(struct cox_traj *t, struct cox_err *err)
{
    const struct cox_traj_column *columns = NULL;
    const int n_columns = cox_traj_columns(t, &columns);
    const size_t floats = (size_t)cox_traj_atoms(t) * 3;
    float *x = cox_alloc(READ_BLOCK * floats, sizeof *x);
    int64_t step[READ_BLOCK];
    double time_ps[READ_BLOCK];
    float value[READ_BLOCK];
    int rc = x ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory reading frames");
    for (int64_t at = 0; !rc && at < cox_traj_frames(t); at += READ_BLOCK) {
        const int64_t left = cox_traj_frames(t) - at;
        const int64_t n = left < READ_BLOCK ? left : READ_BLOCK;
        rc = cox_traj_read_positions(t, at, n, x, err);
        if (!rc && cox_traj_has_velocities(t))
            rc = cox_traj_read_velocities(t, at, n, x, err);
        if (!rc)
            rc = cox_traj_read_times(t, at, n, step, time_ps, err);
        for (int k = 0; !rc && k < n_columns; k++)
            rc = cox_traj_read_f32(t, columns[k].name, at, n, value, err);
        if (rc)
            cox_err_wrap(err, rc, "frames %lld to %lld", (long long)at, (long long)(at + n - 1));
    }
    cox_free(x);
    return rc;
}

/* Whole, and of another kind. */
static bool is_other_file(const char *path)
{
    struct cox_h5 *file = NULL;
    bool other = !cox_h5_open_follow(&file, path, NULL) && !cox_h5_exists(file, "/h5md");
    cox_h5_abandon(file);
    return other;
}

/* Opens the file for reading and looks into it; what cannot be read makes it damaged. */
static int look_into(struct cox_repair *out, const char *path, struct cox_err *err)
{
    struct cox_traj *t = NULL;
    struct cox_system *system = NULL;
    int64_t stored = 0;
    int rc = cox_traj_open_read(&t, path, err);
    if (rc)
        return rc == COX_EFORMAT && !out->flags && !out->wrong_end && is_other_file(path)
                   ? COX_EINVAL
                   : rc;
    out->frames = cox_traj_frames(t);
    out->voids = cox_traj_voids(t);
    rc = cox_traj_stored(t, &stored, err);
    if (!rc && stored < out->frames)
        rc = cox_err_set(err, COX_EFORMAT,
                         "it tells of %lld frames, of which only the first %lld are in the file: "
                         "was it cut off?",
                         (long long)out->frames, (long long)stored);
    if (!rc)
        rc = cox_traj_system(t, &system, err);
    if (!rc)
        rc = read_rows(t, err);
    cox_system_destroy(system);
    cox_traj_destroy(t);
    return rc;
}

static bool is_harmless(const struct cox_repair *r)
{
    return !r->flags && !r->wrong_end && !r->unfinished && r->voids <= 0;
}

static int only_look(struct cox_repair *out, const char *path, struct cox_err *err)
{
    struct cox_err why = COX_ERR_INIT;
    if (out->unfinished) { /* reading it would finish it */
        out->state = COX_REPAIR_NEEDED;
        snprintf(out->why, sizeof out->why, "'%s' was killed within a write", path);
        return COX_OK;
    }
    int rc = look_into(out, path, &why);
    if (rc == COX_ENOMEM || rc == COX_EINVAL)
        return cox_err_set(err, rc, "%s", why.text);
    if (rc && (rc != COX_EIO || out->frames >= 0 || is_harmless(out)))
        return damaged(out, &why);
    if (rc) /* HDF5 refuses it as it is; more can only be known once it is mended */
        snprintf(out->why, sizeof out->why, "%.599s", why.text);
    out->state = is_harmless(out) ? COX_REPAIR_GOOD : COX_REPAIR_NEEDED;
    return COX_OK;
}

/* Mends the superblock, looks, and takes that back when the file turns out to be damaged. */
static int mend(struct cox_repair *out, const char *path, bool missing, struct cox_err *err)
{
    unsigned char before[COX_H5_SUPERBLOCK];
    struct cox_err why = COX_ERR_INIT;
    int rc = cox_h5_mend(path, before, err);
    if (rc)
        return rc;
    rc = look_into(out, path, &why);
    if (rc) {
        int failed = out->flags || out->wrong_end ? cox_h5_unmend(path, before, err) : COX_OK;
        if (failed || rc == COX_ENOMEM || rc == COX_EINVAL)
            return failed ? failed : cox_err_set(err, rc, "%s", why.text);
        return damaged(out, &why);
    }
    if (is_harmless(out)) {
        out->state = COX_REPAIR_GOOD;
        return COX_OK;
    }
    struct cox_traj *t = NULL;
    if (missing) /* that was for the look; as a writer needs it: */
        rc = cox_h5_unmend(path, before, err);
    if (!rc && (out->voids || missing)) /* as every resume opens it; closing cuts */
        rc = cox_traj_open_append(&t, path, err);
    if (!rc)
        rc = cox_traj_close(t, err);
    if (!rc)
        out->state = COX_REPAIR_DONE;
    return rc;
}

int cox_repair_file(struct cox_repair *out, const char *path, bool look, struct cox_err *err)
{
    struct cox_h5_state state = {0};
    struct cox_err why = COX_ERR_INIT;
    bool written = false;
    *out = (struct cox_repair){.frames = -1, .voids = -1};
    if (cox_file_is_directory(path))
        return cox_err_set(err, COX_EINVAL, "'%s' is a directory", path);
    int rc = cox_h5_written_now(path, &written, err);
    if (rc)
        return rc;
    if (written) {
        out->state = COX_REPAIR_WRITTEN;
        return COX_OK;
    }
    if (!look && access(path, W_OK))
        return cox_err_errno(err, "cannot write '%s'", path);
    rc = cox_h5_look(&state, path, &why);
    if (rc == COX_EFORMAT)
        return damaged(out, &why);
    if (rc)
        return cox_err_set(err, rc, "%s", why.text);
    out->flags = state.flags;
    out->wrong_end = state.wrong_end;
    out->unfinished = state.unfinished;
    rc = look ? only_look(out, path, err) : mend(out, path, state.missing > 0, err);
    if (rc == COX_EEXISTS) { /* a writer came in between */
        out->state = COX_REPAIR_WRITTEN;
        rc = COX_OK;
    }
    return rc;
}
