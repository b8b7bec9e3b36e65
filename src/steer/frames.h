/* SPDX-License-Identifier: BSD-3-Clause */
/* What the learner and the agent know of every frame of a run, in memory: the selected points, the
 * contact map, the observables, and the state that the frame belongs to. Row i is frame i of the
 * frames file, as long as nothing was dropped. Coordinates of all atoms stay on disk.
 *
 * States: regular-space (leader) clustering in distance-RMS: a frame farther than `state_radius_nm`
 * from every leader founds a new state. Depends on the order of frames only. */
#ifndef COX_STEER_FRAMES_H
#define COX_STEER_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/team.h"
#include "cox/err.h"
#include "cox/system.h"
#include "molecule/observable.h"
#include "molecule/reference.h"
#include "molecule/select.h"
#include "steer/settings.h"

#define COX_FRAMES_MAX_OBSERVABLES 20

struct cox_frames {
    /* what is computed */
    const struct cox_system *system; /* borrowed */
    struct cox_selection points;
    int n_pairs;      /* points·(points − 1)/2 */
    size_t map_bytes; /* bytes of one bit-packed contact map */
    double cutoff_nm;
    double state_radius_nm;
    struct cox_reference *reference; /* NULL: none */
    int n_observables;
    struct cox_observable *observable[COX_FRAMES_MAX_OBSERVABLES];
    int rmsd;      /* column of rmsd_A, -1: none */
    int objective; /* column of the agent's objective, -1: none */
    bool maximise; /* the objective */

    /* the frames */
    int64_t n, capacity;
    float *pairs;                    /* [n][n_pairs] distances between the points, nm */
    uint8_t *maps;                   /* [n][map_bytes] */
    float *values;                   /* [n][n_observables] */
    int32_t *segment, *lane, *round; /* [n] */
    int32_t *state;                  /* [n] */
    int32_t *reuse;                  /* [n] how often the frame was picked */

    /* the states */
    int n_states, state_capacity;
    int64_t *leader;     /* [n_states] row; negative: it was dropped */
    float *leader_pairs; /* [n_states][n_pairs] */
    int32_t *population; /* [n_states] frames, dropped ones too */
};

/* Loads the reference, resolves selections and observables. Errors carry the place in the file
 * where `config` is given. `system` is borrowed. */
int cox_frames_init(struct cox_frames *frames, const struct cox_system *system,
                    const struct cox_settings *settings, const struct cox_config *config,
                    struct cox_err *err) COX_MUST_CHECK;
void cox_frames_deinit(struct cox_frames *frames);

/* Computes the features of n frames x[n][n_atoms][3] (nm), in parallel, and appends them; the
 * caller gives segment, lane and round of each. */
int cox_frames_append(struct cox_frames *frames, int n, const float *x, const int32_t *segment,
                      const int32_t *lane, const int32_t *round, struct cox_team *team,
                      struct cox_err *err) COX_MUST_CHECK;
/* Forgets the oldest n frames: row i becomes row i − n. Their states and populations stay. */
void cox_frames_drop(struct cox_frames *frames, int64_t n);
/* Only the contact maps of n frames x[n][n_atoms][3], into maps[n][map_bytes]; appends nothing. */
int cox_frames_maps(const struct cox_frames *frames, int n, const float *x, uint8_t *maps,
                    struct cox_team *team, struct cox_err *err) COX_MUST_CHECK;
/* Distance RMS between two frames, Å. */
double cox_frames_distance_A(const struct cox_frames *frames, int64_t a, int64_t b);
/* Value of a column; NaN when the column is -1. */
double cox_frames_value(const struct cox_frames *frames, int64_t frame, int column);

#endif
