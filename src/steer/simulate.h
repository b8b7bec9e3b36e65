/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulate role: drives an engine through one round of segments and gathers the frames. A lane
 * that blows up ends its segment and goes on, in a new segment, from its last good frame. */
#ifndef COX_STEER_SIMULATE_H
#define COX_STEER_SIMULATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cox/engine.h"
#include "cox/err.h"
#include "steer/lane.h"
#include "steer/settings.h"
#include "store/catalog.h"

struct cox_simulation;

/* What one round left behind; valid until the next round. Frames stand lane by lane, in the order
 * in which they are to be stored; frame i of the block gets the id first_frame + i. */
struct cox_block {
    int n_segments;
    const struct cox_catalog_segment *segments;
    int n_frames;
    const float *x;             /* [n_frames][n_atoms][3] */
    const float *v;             /* NULL unless velocities are saved */
    const float *temperature_K; /* [n_frames] kinetic */
    const int64_t *step;
    const double *time_ps;
    const int32_t *segment, *lane, *round; /* [n_frames] */
    double ns;                             /* aggregate simulated time of the round */
};

int cox_simulation_create(struct cox_simulation **out, const struct cox_system *system,
                          const struct cox_settings *settings, struct cox_err *err) COX_MUST_CHECK;
void cox_simulation_destroy(struct cox_simulation *simulation);
struct cox_engine *cox_simulation_engine(struct cox_simulation *simulation);

/* Sets every lane to its start structure starts[lane % n] ([n_atoms][3], nm) and minimises. Done
 * once, before the first round of a fresh run. */
int cox_simulation_prepare(struct cox_simulation *simulation, int n_starts,
                           const float *const *starts, struct cox_err *err) COX_MUST_CHECK;

/* One round: lane i begins at origins[i]; ids of segments and frames start at the given ones.
 * COX_ECANCELLED when `cancel` was raised: the round is then void. */
struct cox_round_start {
    int round;
    int64_t first_segment, first_frame;
    const struct cox_origin *origins;
};
int cox_simulation_round(struct cox_simulation *simulation, const struct cox_round_start *start,
                         const atomic_int *cancel, struct cox_block *out,
                         struct cox_err *err) COX_MUST_CHECK;

/* Exact state of a lane, with what this role knows of it, for the catalog. */
size_t cox_simulation_lane_size(const struct cox_simulation *simulation);
int cox_simulation_save_lane(struct cox_simulation *simulation, int lane, void *bytes,
                             struct cox_err *err) COX_MUST_CHECK;
int cox_simulation_restore_lane(struct cox_simulation *simulation, int lane, const void *bytes,
                                struct cox_err *err) COX_MUST_CHECK;
/* The segment that a lane is in. */
int64_t cox_simulation_lane_segment(const struct cox_simulation *simulation, int lane);

#endif
