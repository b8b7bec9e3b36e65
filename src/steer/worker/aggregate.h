/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of the aggregate role. Only src/steer/worker_aggregate*.c include this. */
#ifndef COX_STEER_WORKER_AGGREGATE_H
#define COX_STEER_WORKER_AGGREGATE_H

#include <limits.h>

#include "steer/frames.h"
#include "steer/worker/worker.h"
#include "store/traj.h"
#include "stream/collector.h"
#include "stream/message.h"

struct aggregator {
    struct cox_worker *worker;
    struct cox_frames frames; /* holds none: names the columns */
    struct cox_collector *collector;
    struct cox_traj *traj;
    char path[PATH_MAX];
    int lock_fd; /* held as long as we may write */
    bool locked;
    uint64_t system;
    int n_atoms, n_values;

    int32_t *count; /* [segments] frames that are in the file or in the batch */
    int64_t segments;

    /* the batch: frames that are not acknowledged, of which `appended` are in the file */
    int n, appended, room;
    float *x, *v, *values, *piece;
    int64_t *step;
    double *time_ps;
    int32_t *segment, *lane, *generation, *index;
    double newest; /* when the last one came */
    bool owed;     /* an acknowledgement, if only of frames that were there already */
    bool quiet;    /* nothing waits here and nothing came */

    bool trouble, reopen; /* the disk refuses; the file must be opened anew */
    double retry_at;

    uint64_t stored, duplicates;
    double busy_s;
};

#endif
