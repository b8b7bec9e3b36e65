/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes that are made as a whole or not at all. They are gathered, stored in a file of their own
 * beside the one they are for ("PATH.redo"), and only then made; who finds such a file makes them
 * again, all of them, which changes nothing where they had been made. One whose checksum is wrong
 * was not finished: nothing had been written yet. */
#ifndef COX_H5_REDO_H
#define COX_H5_REDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cox/err.h"

struct cox_h5_redo {
    unsigned char *bytes; /* as in the file: a head, then (place, length, bytes) of each write */
    size_t used, room;
};

void cox_h5_redo_deinit(struct cox_h5_redo *redo);
/* Copies the bytes; false: out of memory. */
bool cox_h5_redo_add(struct cox_h5_redo *redo, uint64_t at, const void *bytes, size_t n);
/* Writes over `bytes`, which are those of the file at `at`, what was gathered for that place. */
void cox_h5_redo_overlay(const struct cox_h5_redo *redo, uint64_t at, void *bytes, size_t n);
/* Forgets what was gathered; the memory is kept. */
void cox_h5_redo_clear(struct cox_h5_redo *redo);
bool cox_h5_redo_is_empty(const struct cox_h5_redo *redo);
/* Completes the head. `end`: how long the file is to be afterwards; 0: as it is. */
void cox_h5_redo_seal(struct cox_h5_redo *redo, uint64_t end);
/* Makes the writes of a sealed one; 0 or -1 and errno. */
int cox_h5_redo_apply(const struct cox_h5_redo *redo, int fd);

/* "PATH.redo" into out[PATH_MAX + 8]. */
#define COX_H5_REDO_PATH_SIZE (4096 + 8)
void cox_h5_redo_path(char out[COX_H5_REDO_PATH_SIZE], const char *path);
/* Empties it first: one that came back after a power cut tells nothing. */
int cox_h5_redo_remove(const char *name, struct cox_err *err) COX_MUST_CHECK;
bool cox_h5_redo_is_there(const char *path);
/* Makes the writes that a killed writer of `path` left, if there are any, and removes their file.
 * `fd`: the file, open for writing and locked. */
int cox_h5_redo_replay(const char *path, int fd, struct cox_err *err) COX_MUST_CHECK;

#endif
