/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the simulate role share. Only src/steer/worker_simulate*.c include this. */
#ifndef COX_STEER_WORKER_SIMULATE_H
#define COX_STEER_WORKER_SIMULATE_H

#include "steer/frames.h"
#include "steer/lane.h"
#include "steer/lanes_state.h"
#include "steer/worker/worker.h"
#include "stream/message.h"
#include "stream/producer.h"

struct sim_lane {
    int32_t generation;
    int32_t index; /* frames of the segment so far */
    int32_t limit; /* frames of the segment when it ends */
    double best;   /* objective within the segment, NaN: none */
    bool begun;    /* is in a segment */
    bool over;     /* its segment has ended; it waits for another */
    bool told;     /* of that, the coordinator */
    bool blown;
    char reason[100];
};

struct simulator {
    struct cox_worker *worker;
    bool found; /* the checkpoint holds */
    struct cox_lanes_state checkpoint;

    struct cox_frames frames; /* holds none: the observables and their columns */
    struct cox_lanes set;
    int first; /* lane within the run of lane 0 of the set */
    struct sim_lane *lane;
    int phase; /* steps since the last frame, of all lanes */
    double step_s;
    int cores, threads;
    bool paused, resting;       /* told to; doing so */
    struct cox_message **later; /* [set.n] starts given at once, for the next frame */
    int n_later;
    double said; /* of the last `ended` */

    /* the stream */
    struct cox_producer *producer; /* NULL until there is an aggregator */
    uint64_t sent, system;
    float *x, *v, *values; /* one frame; v NULL unless velocities are stored */

    /* checkpoints */
    struct cox_lanes_writer *writer;
    struct cox_lanes_state snapshot;
    bool pending; /* the snapshot waits until frames below pending_after are stored */
    uint64_t pending_after;
    double snapshot_at;
    char problem[256]; /* of writing it, as told to the coordinator */

    /* figures, seconds of wall time unless said otherwise */
    double busy_s, features_s, blocked_s, waited_s, paused_s;
    double span_began; /* cox_clock_unix, of the stretch of simulation under way */
};

/* worker_simulate_lanes.c: what the coordinator says of lanes. */
int cox_simulator_welcome(struct simulator *s, const struct cox_message *welcome,
                          struct cox_err *err) COX_MUST_CHECK;
/* Takes ownership of a message of any kind; NULL is allowed. */
int cox_simulator_handle(struct simulator *s, struct cox_message *message,
                         struct cox_err *err) COX_MUST_CHECK;
/* The starts that were given at once, at a frame. */
int cox_simulator_replace(struct simulator *s, struct cox_err *err) COX_MUST_CHECK;
/* Tells of lanes whose segments are over and waits until they have others. */
int cox_simulator_turn(struct simulator *s, struct cox_err *err) COX_MUST_CHECK;
/* At the end: every lane's segment is cut here. */
int cox_simulator_cut(struct simulator *s, struct cox_err *err) COX_MUST_CHECK;

/* worker_simulate_stream.c: frames on their way, checkpoints. */
int cox_simulator_connect(struct simulator *s, const char *endpoint,
                          struct cox_err *err) COX_MUST_CHECK;
int cox_simulator_frame(struct simulator *s, int lane, struct cox_err *err) COX_MUST_CHECK;
/* Waits until no more than `most` frames are unacknowledged, meanwhile dealing with messages; gives
 * up some time after a signal came. */
int cox_simulator_wait(struct simulator *s, uint64_t most, struct cox_err *err) COX_MUST_CHECK;
/* Takes and writes checkpoints as they fall due; to be called at a frame. */
int cox_simulator_checkpoint(struct simulator *s, struct cox_err *err) COX_MUST_CHECK;
/* The last one, once everything is acknowledged. */
int cox_simulator_last_checkpoint(struct simulator *s, struct cox_err *err) COX_MUST_CHECK;
void cox_simulator_figures(void *user, struct cox_message *heartbeat);

#endif
