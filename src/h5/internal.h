/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of this module only: the one place that includes hdf5.h. */
#ifndef COX_H5_INTERNAL_H
#define COX_H5_INTERNAL_H

#include <limits.h>

#include <hdf5.h>

#include "h5/h5.h"

struct cox_h5_driver; /* driver.c */

struct cox_h5 {
    hid_t id;
    struct cox_h5_driver *driver; /* of a file that is written in place; HDF5's */
    struct cox_h5_driver *spare;  /* for the next opening */
    bool staged;                  /* written to `temporary`, renamed on close */
    int fd;                       /* holds the writer's lock; -1 */
    int64_t reserved; /* the file may grow to this many bytes; 0: nothing was reserved */
    char path[PATH_MAX];
    char temporary[PATH_MAX];
};

/* The library's lock; recursive. */
void cox_h5_enter(void);
void cox_h5_leave(void);
/* Translates the library's error stack: "<file>: cannot <what> '<name>': <detail>". `name` NULL:
 * the file itself. */
int cox_h5_fail(const struct cox_h5 *file, const char *what, const char *name, struct cox_err *err);
int cox_h5_alloc(struct cox_h5 **out, const char *path, struct cox_err *err);
enum cox_h5_access {
    COX_H5_PLAIN,
    COX_H5_LIVE,  /* through driver.c, objects in the format that SWMR needs */
    COX_H5_STAGED /* likewise, all at once when it is closed */
};

/* Sees to it that there is a file->spare. */
int cox_h5_reserve_driver(struct cox_h5 *file, struct cox_err *err);
/* Opens file->path, with file->spare if it is to be written in place; COX_EIO when HDF5 refuses. */
int cox_h5_open_id(struct cox_h5 *file, enum cox_h5_access access, unsigned flags,
                   struct cox_err *err);
int cox_h5_open_with(struct cox_h5 **out, const char *path, unsigned flags, struct cox_err *err);
/* Makes the last writes of a writer that was killed (redo.h), if there are some, nobody else writes
 * it and this process may: readers need them, too. */
void cox_h5_finish(const char *path);
/* Gives up the writer's lock and the space reserved. `failed`: HDF5 may not have closed the file in
 * order. */
void cox_h5_unlock(struct cox_h5 *file, bool failed);
bool cox_h5_exists_locked(struct cox_h5 *file, const char *name);
/* NULL: out of memory. Free with cox_free unless a file took it. */
struct cox_h5_driver *cox_h5_driver_create(void);
/* Has the file that is opened with this access list go through *driver, and take it: then *driver
 * is NULL, and it ends with the file. */
void cox_h5_driver_use(struct cox_h5_driver **driver, hid_t access, bool staged);
struct cox_h5_driver *cox_h5_driver_of(hid_t file);
/* Some of its datasets are compressed. */
void cox_h5_driver_compressed(struct cox_h5_driver *driver);
/* What was staged is not to be written. */
void cox_h5_driver_drop(struct cox_h5_driver *driver);
/* 0, or -1 and errno. */
int cox_h5_driver_sync(struct cox_h5_driver *driver);
/* A link-creation list that makes groups on the way; close with H5Pclose. */
hid_t cox_h5_make_parents(void);

#endif
