/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside `cox md`: a run, and its checkpoint. */
#ifndef COX_CLI_MD_RUN_H
#define COX_CLI_MD_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/md.h"
#include "cli/md_observe.h"
#include "store/traj.h"

struct md_run {
    struct cox_md_options o;
    struct cox_md_observe observe;
    const char *output, *summary;
    double length_ns, frame_ps, skip_ps;
    long long minimize;
    bool quiet, resume;

    struct cox_system *system;
    struct cox_engine *engine;
    struct cox_traj *traj;
    int replicas, steps_per_frame;
    int64_t frames, done; /* per lane: wanted, stored */
    int64_t from;         /* frames when this session began */
    int left;             /* steps to the next frame */
    double (*x)[3];       /* one lane, scratch */
    double (*last)[3];    /* [replicas][n_atoms] at the last frame (or the start) */
    float *block;         /* [replicas][n_atoms][3] */
    int64_t *step;        /* [replicas] at the last frame; then of the block */
    int *blows;           /* [replicas] since it last lived from frame to frame */
    int32_t *lane;        /* [replicas] 0, 1, 2 … */
    double *time_ps;
    int64_t *base; /* [replicas] steps before the seed was last set */
    int64_t blown; /* all in all */
    double began, wall_s;
};

/* TRAJ.h5.state: everything that a later `cox md --resume` needs to go on to the same bits,
 * replaced whole. Written when all frames so far are stored. */
int md_state_save(const struct md_run *m, struct cox_err *err) COX_MUST_CHECK;
/* Into a run that was set up alike; cuts the trajectory to the frames that the state knows.
 * COX_EINVAL: the state is of other options, and which. Where there is no state, m->traj stays
 * NULL and what there is of a trajectory is removed: it is of a run killed in its first moments. */
int md_state_load(struct md_run *m, struct cox_err *err) COX_MUST_CHECK;
/* That of an earlier run to the same file. */
int md_state_remove(const struct md_run *m, struct cox_err *err) COX_MUST_CHECK;

#endif
