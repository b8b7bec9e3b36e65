/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by traj.c (opening, writing) and traj_read.c. */
#ifndef COX_STORE_TRAJ_INTERNAL_H
#define COX_STORE_TRAJ_INTERNAL_H

#include "h5/h5.h"
#include "store/traj.h"

#define TRAJ_GROUP "/particles/trajectory"
#define TRAJ_POSITION TRAJ_GROUP "/position/value"
#define TRAJ_STEP TRAJ_GROUP "/position/step"
#define TRAJ_TIME TRAJ_GROUP "/position/time"
#define TRAJ_VELOCITY TRAJ_GROUP "/velocity/value"
#define TRAJ_EDGES TRAJ_GROUP "/box/edges/value"
#define TRAJ_TOPOLOGY "/parameters/topology"
#define TRAJ_PATH_SIZE 128
#define SCALAR_CHUNK 512 /* rows of one number: 16 would be all overhead */
#define EDGES_CHUNK 64

struct cox_traj {
    struct cox_h5 *h5;
    char *path;
    int n_atoms;
    bool velocities, periodic;
    int n_columns;
    struct cox_traj_column column[COX_TRAJ_MAX_COLUMNS];
    int files, file;
    bool compressed;
    int64_t frames;
    double *pending; /* times of the last n_pending frames, to be written by the next sync */
    int64_t n_pending, pending_room;
    int64_t longest; /* rows of the longest dataset when opened: those beyond `frames` are void */
    bool writes;     /* opened for appending */
    bool damaged;    /* an append failed half-way */
};

int cox_traj_alloc(struct cox_traj **out, const char *path, struct cox_err *err);
/* "/observables/NAME/value" */
void cox_traj_column_path(const struct cox_traj *traj, int column, char out[TRAJ_PATH_SIZE]);
enum cox_h5_type cox_traj_h5_type(enum cox_traj_type type);

#endif
