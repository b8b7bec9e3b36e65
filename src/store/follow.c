/* SPDX-License-Identifier: BSD-3-Clause */
/* A reader keeps its files open and lets HDF5 refresh what it knows of them: nothing that was seen
 * is ever moved or taken back (store/traj.h), also not when their writer dies and another goes on.
 * A file that cannot be opened is one that is not there yet: it may be being made, or cut after a
 * crash; cox_follow_check tells of it. After a failed read it is opened anew, once. */
#include "store/follow.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"

#define MAX_FILES 256 /* aggregators of one run */

struct part {
    struct cox_traj *traj; /* NULL: not there */
    dev_t device;
    ino_t inode;
    int64_t rows; /* known; stays while the file cannot be opened */
    int64_t taken;
    struct cox_err trouble; /* why it is not there */
};

struct cox_follow {
    char directory[PATH_MAX];
    bool single;       /* `directory` is one file, which stands for itself */
    int files;         /* 0: not known yet */
    int next;          /* the file to take from first */
    struct part *part; /* [MAX_FILES], all of them while `files` is not known */
};

int cox_follow_path(const char *directory, int file, char *out, size_t size, struct cox_err *err)
{
    char name[32];
    snprintf(name, sizeof name, "frames-%d.h5", file);
    return cox_path_join(out, size, directory, name, err);
}

/* ---- opening ---- */

static void drop(struct part *part)
{
    cox_traj_destroy(part->traj);
    part->traj = NULL;
}

void cox_follow_close(struct cox_follow *follow)
{
    if (!follow)
        return;
    for (int i = 0; follow->part && i < MAX_FILES; i++)
        drop(&follow->part[i]);
    cox_free(follow->part);
    cox_free(follow);
}

/* The files of a run hold the same things. */
static int check_part(struct cox_follow *f, int file, const struct cox_traj *traj,
                      struct cox_err *err)
{
    int said = 0;
    const int files = cox_traj_files(traj, &said);
    if (f->single)
        return COX_OK;
    if (said != file || files > MAX_FILES || (f->files && files != f->files))
        return cox_err_set(err, COX_EFORMAT, "'%s' says that it is file %d of %d, not %d of %d",
                           cox_traj_path(traj), said, files, file, f->files ? f->files : files);
    for (int i = 0; i < MAX_FILES; i++) {
        const struct cox_traj *other = f->part[i].traj;
        const struct cox_traj_column *a, *b;
        if (!other || i == file)
            continue;
        const int n = cox_traj_columns(traj, &a);
        bool same = cox_traj_atoms(traj) == cox_traj_atoms(other) &&
                    cox_traj_has_velocities(traj) == cox_traj_has_velocities(other) &&
                    n == cox_traj_columns(other, &b);
        for (int k = 0; same && k < n; k++)
            same = a[k].type == b[k].type && !strcmp(a[k].name, b[k].name);
        return same ? COX_OK
                    : cox_err_set(err, COX_EFORMAT, "'%s' and '%s' are not of the same run",
                                  cox_traj_path(traj), cox_traj_path(other));
    }
    return COX_OK;
}

/* Opens a file if it is there. Fails only when it is of another run or memory is out. */
static int open_part(struct cox_follow *f, int file, struct cox_err *err)
{
    char path[PATH_MAX];
    struct stat st;
    struct part *part = &f->part[file];
    part->trouble = (struct cox_err)COX_ERR_INIT;
    int rc = COX_OK;
    if (f->single)
        snprintf(path, sizeof path, "%s", f->directory);
    else
        rc = cox_follow_path(f->directory, file, path, sizeof path, err);
    if (rc)
        return rc;
    if (stat(path, &st)) {
        cox_err_errno(&part->trouble, "cannot open '%s'", path);
        return COX_OK;
    }
    struct cox_traj *traj = NULL;
    rc = cox_traj_open_read(&traj, path, &part->trouble);
    if (rc == COX_ENOMEM)
        return cox_err_set(err, rc, "%s", part->trouble.text);
    if (rc)
        return COX_OK;
    rc = check_part(f, file, traj, err);
    if (!rc && cox_traj_frames(traj) < part->rows)
        rc = cox_err_set(err, COX_EFORMAT, "'%s' was cut from %lld frames to %lld", path,
                         (long long)part->rows, (long long)cox_traj_frames(traj));
    if (rc) {
        cox_traj_destroy(traj);
        return rc;
    }
    part->traj = traj;
    part->device = st.st_dev;
    part->inode = st.st_ino;
    part->rows = cox_traj_frames(traj);
    f->files = f->single ? 1 : cox_traj_files(traj, NULL);
    return COX_OK;
}

/* Whether the path still leads to the file that is open. */
static bool is_same(const struct part *part)
{
    struct stat st;
    return !stat(cox_traj_path(part->traj), &st) && st.st_dev == part->device &&
           st.st_ino == part->inode;
}

static int refresh_part(struct cox_follow *f, int file, struct cox_err *err)
{
    struct part *part = &f->part[file];
    if (part->traj && is_same(part) && !cox_traj_refresh(part->traj, &part->trouble)) {
        part->rows = cox_traj_frames(part->traj);
        return COX_OK;
    }
    drop(part);
    return open_part(f, file, err);
}

int cox_follow_refresh(struct cox_follow *follow, int64_t *n, struct cox_err *err)
{
    int rc = COX_OK;
    int64_t sum = 0;
    /* the first file that there is tells how many there are to be */
    for (int i = 0; !rc && i < (follow->files ? follow->files : MAX_FILES); i++)
        rc = refresh_part(follow, i, err);
    for (int i = 0; i < follow->files; i++)
        sum += follow->part[i].rows;
    if (n)
        *n = sum;
    return rc;
}

static int open_follow(struct cox_follow **out, const char *directory, bool single,
                       struct cox_err *err)
{
    *out = NULL;
    if (strlen(directory) >= PATH_MAX)
        return cox_err_set(err, COX_EINVAL, "the path '%.200s…' is too long", directory);
    struct cox_follow *f = cox_alloc(1, sizeof *f);
    if (f)
        f->part = cox_alloc(MAX_FILES, sizeof *f->part);
    if (!f || !f->part) {
        cox_follow_close(f);
        return cox_err_set(err, COX_ENOMEM, "out of memory following '%s'", directory);
    }
    snprintf(f->directory, sizeof f->directory, "%s", directory);
    f->single = single;
    f->files = single;
    int rc = cox_follow_refresh(f, NULL, err);
    if (rc) {
        cox_follow_close(f);
        return rc;
    }
    *out = f;
    return COX_OK;
}

int cox_follow_open(struct cox_follow **out, const char *directory, struct cox_err *err)
{
    return open_follow(out, directory, false, err);
}

int cox_follow_open_file(struct cox_follow **out, const char *path, struct cox_err *err)
{
    return open_follow(out, path, true, err);
}

int cox_follow_check(const struct cox_follow *follow, struct cox_err *err)
{
    for (int i = 0; i < (follow->files ? follow->files : 1); i++) {
        const struct part *part = &follow->part[i];
        if (!part->traj)
            return cox_err_set(err, part->trouble.status ? part->trouble.status : COX_ENOTFOUND,
                               "%s", part->trouble.text);
    }
    return COX_OK;
}

int cox_follow_files(const struct cox_follow *follow)
{
    return follow->files;
}

struct cox_traj *cox_follow_file(struct cox_follow *follow, int file)
{
    return file >= 0 && file < follow->files ? follow->part[file].traj : NULL;
}

int64_t cox_follow_end(const struct cox_follow *follow)
{
    int64_t end = 0;
    for (int i = 0; i < follow->files; i++) {
        const int64_t last = (follow->part[i].rows - 1) * follow->files + i;
        if (follow->part[i].rows && last >= end)
            end = last + 1;
    }
    return end;
}

bool cox_follow_has(const struct cox_follow *follow, int64_t id)
{
    return follow->files && id >= 0 && id / follow->files < follow->part[id % follow->files].rows;
}

/* ---- taking ---- */

/* The files in turn, each its share of what may still be taken: none waits for another. */
int cox_follow_take(struct cox_follow *follow, int64_t most, int64_t *ids, int64_t *n,
                    struct cox_err *err)
{
    const int files = follow->files;
    *n = 0;
    if (most < 0)
        return cox_err_set(err, COX_EINVAL, "%lld frames cannot be taken", (long long)most);
    for (int left = files; left > 0 && *n < most; left--) {
        const int file = follow->next;
        struct part *part = &follow->part[file];
        const int64_t share = (most - *n + left - 1) / left;
        const int64_t there = part->traj ? part->rows - part->taken : 0;
        const int64_t take = there < share ? there : share;
        for (int64_t i = 0; i < take; i++)
            ids[(*n)++] = (part->taken + i) * files + file;
        part->taken += take;
        follow->next = (file + 1) % files;
    }
    return COX_OK;
}

int64_t cox_follow_waiting(const struct cox_follow *follow)
{
    int64_t sum = 0;
    for (int i = 0; i < follow->files; i++)
        sum += follow->part[i].rows - follow->part[i].taken;
    return sum;
}

/* ---- reading ---- */

/* Reads rows first … first + n - 1 of a file to place `at` of what the caller wants. */
typedef int read_rows(struct cox_traj *traj, int64_t first, int64_t n, int64_t at, void *user,
                      struct cox_err *err);

static int read_run(struct cox_follow *f, int file, int64_t first, int64_t n, int64_t at,
                    read_rows *read, void *user, struct cox_err *err)
{
    struct part *part = &f->part[file];
    int rc = part->traj ? read(part->traj, first, n, at, user, err) : COX_EIO;
    if (rc != COX_EIO)
        return rc;
    drop(part);
    rc = open_part(f, file, err);
    if (!rc && !part->traj)
        rc = cox_err_set(err, part->trouble.status, "%s", part->trouble.text);
    return rc ? rc : read(part->traj, first, n, at, user, err);
}

static int for_each_run(struct cox_follow *f, const int64_t *ids, int64_t n, read_rows *read,
                        void *user, struct cox_err *err)
{
    for (int64_t i = 0; i < n;) {
        int64_t length = 1;
        if (!cox_follow_has(f, ids[i]))
            return cox_err_set(err, COX_EINVAL, "'%s': there is no frame %lld", f->directory,
                               (long long)ids[i]);
        while (i + length < n && ids[i + length] == ids[i] + length * f->files &&
               cox_follow_has(f, ids[i + length]))
            length++;
        int rc =
            read_run(f, (int)(ids[i] % f->files), ids[i] / f->files, length, i, read, user, err);
        if (rc)
            return rc;
        i += length;
    }
    return COX_OK;
}

static int read_positions(struct cox_traj *traj, int64_t first, int64_t n, int64_t at, void *user,
                          struct cox_err *err)
{
    float *x = user;
    return cox_traj_read_positions(traj, first, n, x + at * cox_traj_atoms(traj) * 3, err);
}

int cox_follow_positions(struct cox_follow *follow, const int64_t *ids, int64_t n, float *x,
                         struct cox_err *err)
{
    return for_each_run(follow, ids, n, read_positions, x, err);
}

static int read_velocities(struct cox_traj *traj, int64_t first, int64_t n, int64_t at, void *user,
                           struct cox_err *err)
{
    float *v = user;
    return cox_traj_read_velocities(traj, first, n, v + at * cox_traj_atoms(traj) * 3, err);
}

int cox_follow_velocities(struct cox_follow *follow, const int64_t *ids, int64_t n, float *v,
                          struct cox_err *err)
{
    return for_each_run(follow, ids, n, read_velocities, v, err);
}

struct column_job {
    const char *column;
    int32_t *i32; /* one of the two */
    float *f32;
};

static int read_column(struct cox_traj *traj, int64_t first, int64_t n, int64_t at, void *user,
                       struct cox_err *err)
{
    const struct column_job *job = user;
    return job->i32 ? cox_traj_read_i32(traj, job->column, first, n, job->i32 + at, err)
                    : cox_traj_read_f32(traj, job->column, first, n, job->f32 + at, err);
}

int cox_follow_i32(struct cox_follow *follow, const char *column, const int64_t *ids, int64_t n,
                   int32_t *out, struct cox_err *err)
{
    struct column_job job = {column, out, NULL};
    return for_each_run(follow, ids, n, read_column, &job, err);
}

int cox_follow_f32(struct cox_follow *follow, const char *column, const int64_t *ids, int64_t n,
                   float *out, struct cox_err *err)
{
    struct column_job job = {column, NULL, out};
    return for_each_run(follow, ids, n, read_column, &job, err);
}

struct times_job {
    int64_t *step;
    double *time_ps;
};

static int read_times(struct cox_traj *traj, int64_t first, int64_t n, int64_t at, void *user,
                      struct cox_err *err)
{
    const struct times_job *job = user;
    return cox_traj_read_times(traj, first, n, job->step ? job->step + at : NULL,
                               job->time_ps ? job->time_ps + at : NULL, err);
}

int cox_follow_times(struct cox_follow *follow, const int64_t *ids, int64_t n, int64_t *step,
                     double *time_ps, struct cox_err *err)
{
    struct times_job job = {step, time_ps};
    return for_each_run(follow, ids, n, read_times, &job, err);
}
