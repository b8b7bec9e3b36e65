/* SPDX-License-Identifier: BSD-3-Clause */
/* Trajectories in H5MD 1.1 (docs/formats-run.md): frames of one system, exact float32 coordinates,
 * optional velocities, and any number of per-frame columns ("observables": segment, lane, rmsd_A
 * …). MDAnalysis' H5MDReader opens the file. Units nm, ps, nm/ps.
 *
 *   /particles/trajectory/position/{value [T][N][3], step [T], time [T]}, velocity/ likewise
 *   /particles/trajectory/box/edges/{value [T][3][3], step, time}   only of a periodic system
 *   /observables/NAME/{value [T], step, time}      step and time are shared by hard links
 *   /parameters/topology/…, /connectivity/bonds    so that the file needs no other
 *
 * Readers may follow while it is written (SWMR). A row is there when all datasets have it; its time
 * is written last, by cox_traj_sync and only once all else of it is in the file, so that no reader
 * sees a row that a later recovery would take back. After a crash the rows beyond the shortest
 * dataset are void and are written anew. One writer; its lock ends with its process. Row from 0.
 * Use from one thread at a time. */
#ifndef COX_STORE_TRAJ_H
#define COX_STORE_TRAJ_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"
#include "cox/system.h"

#define COX_TRAJ_CHUNK 16 /* frames per HDF5 chunk */
#define COX_TRAJ_MAX_COLUMNS 32
#define COX_TRAJ_NAME_SIZE 64

struct cox_traj;

enum cox_traj_type { COX_TRAJ_I32, COX_TRAJ_F32 };

struct cox_traj_column {
    char name[COX_TRAJ_NAME_SIZE]; /* no '/' */
    enum cox_traj_type type;
    char unit[16]; /* "" for pure numbers; else "Angstrom", "kJ mol-1", … */
};

struct cox_traj_options {
    bool velocities;
    bool periodic; /* every frame has its box */
    bool compress; /* coordinates and velocities; bench/store.md tells what it costs and gives */
    int n_columns; /* <= COX_TRAJ_MAX_COLUMNS */
    const struct cox_traj_column *columns;
    const char *author; /* NULL: "unknown" */
    int files, file;    /* of a run: frames-`file`.h5 of `files`; 0, 0: the only one */
};
#define COX_TRAJ_OPTIONS_INIT                                                \
    {                                                                        \
        .velocities = false, .compress = false, .n_columns = 0, .columns = 0 \
    }

/* `n` frames to append. All pointers are borrowed for the call. */
struct cox_traj_block {
    int n;
    const int64_t *step;         /* [n] steps of the frame's lane */
    const double *time_ps;       /* [n] simulated time of the frame's lane */
    const float *position_nm;    /* [n][N][3] */
    const float *velocity_nm_ps; /* [n][N][3]; required if created with velocities, else NULL */
    const double *box_nm;        /* [n][3][3], the rows the edges; likewise if periodic */
    const void *const *column;   /* [n_columns] of int32_t[n] or float[n], in the file's order */
};

/* A new file at its final path; refuses an existing one. */
int cox_traj_create(struct cox_traj **out, const char *path, const struct cox_system *system,
                    const struct cox_traj_options *options, struct cox_err *err) COX_MUST_CHECK;
/* Goes on with a file, also after its writer was killed. COX_EEXISTS: another process writes it;
 * COX_EFORMAT: it was cut off (a copy, say) or is damaged. */
int cox_traj_open_append(struct cox_traj **out, const char *path,
                         struct cox_err *err) COX_MUST_CHECK;
/* A snapshot for reading. A file that some process is writing may be opened too: rows are those
 * that were synced. */
int cox_traj_open_read(struct cox_traj **out, const char *path, struct cox_err *err) COX_MUST_CHECK;
/* Sees the rows that were synced since, also by another writer than before. After a failure close
 * the file and open it anew. */
int cox_traj_refresh(struct cox_traj *traj, struct cox_err *err) COX_MUST_CHECK;
/* Syncs (when written) and closes; frees in any case. */
int cox_traj_close(struct cox_traj *traj, struct cox_err *err) COX_MUST_CHECK;
/* For error paths: closes without reporting. NULL is allowed. */
void cox_traj_destroy(struct cox_traj *traj);

/* COX_ENOSPACE: the disk is full and nothing has changed; try again when there is room. After any
 * other failure the file must be closed; opened anew, it has what was synced, perhaps more. */
int cox_traj_append(struct cox_traj *traj, const struct cox_traj_block *block,
                    struct cox_err *err) COX_MUST_CHECK;
/* Makes all rows so far visible to readers and safe on the disk. */
int cox_traj_sync(struct cox_traj *traj, struct cox_err *err) COX_MUST_CHECK;
/* Keeps the first n frames; n <= the present number. */
int cox_traj_truncate(struct cox_traj *traj, int64_t n, struct cox_err *err) COX_MUST_CHECK;

int64_t cox_traj_frames(const struct cox_traj *traj);
/* Rows that some datasets have beyond the frames: void, left by a killed writer. */
int64_t cox_traj_voids(const struct cox_traj *traj);
/* How many frames, from the first, are really in the file: less than cox_traj_frames when it was
 * cut off, say while being copied. Looks where the chunks are; reads none. */
int cox_traj_stored(struct cox_traj *traj, int64_t *frames, struct cox_err *err) COX_MUST_CHECK;
int cox_traj_atoms(const struct cox_traj *traj);
/* How many rows fill the chunk under way: blocks that end with a chunk are stored most cheaply. */
int cox_traj_room(const struct cox_traj *traj);
/* This is file `file` of `files`, 0 of 1 where the file does not say. */
int cox_traj_files(const struct cox_traj *traj, int *file);
bool cox_traj_has_velocities(const struct cox_traj *traj);
bool cox_traj_is_periodic(const struct cox_traj *traj);
const char *cox_traj_path(const struct cox_traj *traj);
int cox_traj_columns(const struct cox_traj *traj, const struct cox_traj_column **out);
/* -1 when there is no such column. */
int cox_traj_column_index(const struct cox_traj *traj, const char *name);

/* Rows first … first+n-1; refuses rows outside. Out: [n][N][3], [n]. */
int cox_traj_read_positions(struct cox_traj *traj, int64_t first, int64_t n, float *position_nm,
                            struct cox_err *err) COX_MUST_CHECK;
int cox_traj_read_velocities(struct cox_traj *traj, int64_t first, int64_t n, float *velocity_nm_ps,
                             struct cox_err *err) COX_MUST_CHECK;
int cox_traj_read_boxes(struct cox_traj *traj, int64_t first, int64_t n, double *box_nm,
                        struct cox_err *err) COX_MUST_CHECK;
/* step and time_ps may each be NULL. */
int cox_traj_read_times(struct cox_traj *traj, int64_t first, int64_t n, int64_t *step,
                        double *time_ps, struct cox_err *err) COX_MUST_CHECK;
/* Converts to the wanted type; COX_ENOTFOUND naming the columns there are. */
int cox_traj_read_i32(struct cox_traj *traj, const char *column, int64_t first, int64_t n,
                      int32_t *out, struct cox_err *err) COX_MUST_CHECK;
int cox_traj_read_f32(struct cox_traj *traj, const char *column, int64_t first, int64_t n,
                      float *out, struct cox_err *err) COX_MUST_CHECK;
/* The topology that the file carries (names, residues, elements, masses, charges, bonds; no force
 * field), positions of frame 0 if there is one. The caller destroys it. */
int cox_traj_system(struct cox_traj *traj, struct cox_system **out,
                    struct cox_err *err) COX_MUST_CHECK;

#endif
