/* SPDX-License-Identifier: BSD-3-Clause */
/* All frames files of a run, frames-0.h5 … frames-(M-1).h5, as one: for roles that follow a run
 * while it is written, and for reports, export and comparison afterwards. A frame's id is row·M +
 * file, so that it never changes and needs no index; with one file (every sequential run) it is the
 * row. Ids may have holes when M > 1. Use from one thread at a time. */
#ifndef COX_STORE_FOLLOW_H
#define COX_STORE_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cox/err.h"
#include "store/traj.h"

struct cox_follow;

/* "DIRECTORY/frames-FILE.h5". */
int cox_follow_path(const char *directory, int file, char *out, size_t size,
                    struct cox_err *err) COX_MUST_CHECK;

/* The files in `directory`; M is read from the files themselves (/parameters "files"), which every
 * writer stores. A file that is not there yet, or cannot be opened, is waited for by
 * cox_follow_refresh: this fails only when a file is of another run. */
int cox_follow_open(struct cox_follow **out, const char *directory,
                    struct cox_err *err) COX_MUST_CHECK;
/* One trajectory file, whatever its name: ids are rows. */
int cox_follow_open_file(struct cox_follow **out, const char *path,
                         struct cox_err *err) COX_MUST_CHECK;
void cox_follow_close(struct cox_follow *follow);

/* For those who do not wait, reports and exports: an error when a file is missing or cannot be
 * opened, and why. */
int cox_follow_check(const struct cox_follow *follow, struct cox_err *err) COX_MUST_CHECK;
/* Sees what was synced since; *n (may be NULL) is the number of frames now known, in all files. */
int cox_follow_refresh(struct cox_follow *follow, int64_t *n, struct cox_err *err) COX_MUST_CHECK;
/* M; 0 while no file is there. */
int cox_follow_files(const struct cox_follow *follow);
/* One more than the largest id that is known. */
int64_t cox_follow_end(const struct cox_follow *follow);
/* Whether a frame with this id is known. */
bool cox_follow_has(const struct cox_follow *follow, int64_t id);
struct cox_traj *cox_follow_file(struct cox_follow *follow,
                                 int file); /* borrowed; NULL: not there */

/* The ids of the frames that this reader has not taken yet, at most `most`, ascending per file;
 * takes them. */
int cox_follow_take(struct cox_follow *follow, int64_t most, int64_t *ids, int64_t *n,
                    struct cox_err *err) COX_MUST_CHECK;
/* How many there are to take. */
int64_t cox_follow_waiting(const struct cox_follow *follow);
/* By id, in the given order; runs of neighbouring rows are read in one go. x [n][N][3] etc. */
int cox_follow_positions(struct cox_follow *follow, const int64_t *ids, int64_t n, float *x,
                         struct cox_err *err) COX_MUST_CHECK;
int cox_follow_velocities(struct cox_follow *follow, const int64_t *ids, int64_t n, float *v,
                          struct cox_err *err) COX_MUST_CHECK;
int cox_follow_i32(struct cox_follow *follow, const char *column, const int64_t *ids, int64_t n,
                   int32_t *out, struct cox_err *err) COX_MUST_CHECK;
int cox_follow_f32(struct cox_follow *follow, const char *column, const int64_t *ids, int64_t n,
                   float *out, struct cox_err *err) COX_MUST_CHECK;
int cox_follow_times(struct cox_follow *follow, const int64_t *ids, int64_t n, int64_t *step,
                     double *time_ps, struct cox_err *err) COX_MUST_CHECK;

#endif
