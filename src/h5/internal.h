/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of this module only: the one place that includes hdf5.h. */
#ifndef COX_H5_INTERNAL_H
#define COX_H5_INTERNAL_H

#include <limits.h>

#include <hdf5.h>

#include "h5/h5.h"

struct cox_h5 {
    hid_t id;
    bool staged;      /* written to `temporary`, renamed on close */
    int fd;           /* holds the writer's lock; -1 */
    int64_t reserved; /* the file may grow to this many bytes; 0: nothing was reserved */
    char path[PATH_MAX];
    char temporary[PATH_MAX];
};

/* The library's lock; recursive. */
void cox_h5_enter(void);
void cox_h5_leave(void);
/* Translates the library's error stack: "<file>: cannot <what> '<name>': <detail>". */
int cox_h5_fail(const struct cox_h5 *file, const char *what, const char *name, struct cox_err *err);
int cox_h5_alloc(struct cox_h5 **out, const char *path, struct cox_err *err);
/* `latest`: objects are written in the format that SWMR needs. Close with H5Pclose. */
hid_t cox_h5_access_list(bool latest);
/* Opens file->path; COX_EIO when HDF5 refuses. */
int cox_h5_open_id(struct cox_h5 *file, bool latest, unsigned flags, struct cox_err *err);
int cox_h5_open_with(struct cox_h5 **out, const char *path, unsigned flags, struct cox_err *err);
/* Gives up the writer's lock and the space reserved. `failed`: HDF5 may not have closed the file in
 * order. */
void cox_h5_unlock(struct cox_h5 *file, bool failed);
bool cox_h5_exists_locked(struct cox_h5 *file, const char *name);
/* A link-creation list that makes groups on the way; close with H5Pclose. */
hid_t cox_h5_make_parents(void);

#endif
