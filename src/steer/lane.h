/* SPDX-License-Identifier: BSD-3-Clause */
/* A set of lanes on one engine: beginning segments, taking frames, exact states. What the
 * simulations of the sequential and of the streaming run have in common. Lanes are numbered from 0
 * within the set. Use from one thread. */
#ifndef COX_STEER_LANE_H
#define COX_STEER_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/engine.h"
#include "cox/err.h"
#include "steer/settings.h"
#include "steer/thermometer.h"

/* Where a lane's next segment begins. */
struct cox_origin {
    bool continued;         /* goes on as it stands; nothing else is looked at */
    int64_t parent_segment; /* of a restart from a frame */
    int64_t parent_frame;
    int64_t start;  /* of a start structure, when parent_frame is -1 */
    const float *x; /* [n_atoms][3], nm; borrowed for the call */
    const float *v; /* nm/ps; NULL: drawn */
    bool steered;   /* the agent had a say in this lane */
};

/* What is kept of a lane besides the engine's own bytes; stands before them in a saved lane. */
struct cox_lane {
    int64_t segment; /* id */
    uint64_t seed;
    int64_t clock; /* steps since the beginning of the run, through all restarts */
    int64_t start; /* id of the start structure its pathway came from */
};

struct cox_lanes {
    struct cox_engine *engine;
    const struct cox_settings *settings; /* borrowed */
    int n, n_atoms;
    int steps_per_frame, frames_per_segment;
    struct cox_lane *lane; /* [n] */
    struct cox_thermometer thermometer;
    double (*x)[3], (*v)[3]; /* [n_atoms], scratch */
};

/* `n` lanes of the system on an engine as the settings want it, with `threads` threads (0: as many
 * as this process may run on). */
int cox_lanes_init(struct cox_lanes *lanes, const struct cox_system *system,
                   const struct cox_settings *settings, int n, int threads,
                   struct cox_err *err) COX_MUST_CHECK;
void cox_lanes_deinit(struct cox_lanes *lanes);

/* The seed of a segment that begins anew, from the run's; fits a signed 64-bit number. */
uint64_t cox_lane_seed(const struct cox_settings *settings, int64_t segment);
/* A lane enters segment `id`. Unless it goes on as it stands, its seed, positions and velocities
 * are set; origin->x is then needed. */
int cox_lanes_begin(struct cox_lanes *lanes, int lane, int64_t id, uint64_t seed,
                    const struct cox_origin *origin, struct cox_err *err) COX_MUST_CHECK;
/* Sets a lane's positions only: x [n_atoms][3], nm. */
int cox_lanes_place(struct cox_lanes *lanes, int lane, const float *x,
                    struct cox_err *err) COX_MUST_CHECK;
/* The present positions, velocities (each may be NULL) and kinetic temperature of a lane. */
int cox_lanes_read(struct cox_lanes *lanes, int lane, float *x, float *v, float *temperature_K,
                   struct cox_err *err) COX_MUST_CHECK;

/* Exact state of a lane with its struct cox_lane. */
size_t cox_lanes_size(const struct cox_lanes *lanes);
int cox_lanes_save(struct cox_lanes *lanes, int lane, void *bytes,
                   struct cox_err *err) COX_MUST_CHECK;
int cox_lanes_restore(struct cox_lanes *lanes, int lane, const void *bytes,
                      struct cox_err *err) COX_MUST_CHECK;

#endif
