/* SPDX-License-Identifier: BSD-3-Clause */
/* Checkpoints of a simulation worker's lanes: RUN/lanes/sim-W.eE.state, one file per worker and
 * attempt (epoch E), replaced whole. A file holds the exact state of every lane at one moment,
 * right after a frame, when all frames up to it are stored; from there an attempt after a crash
 * gives the same frames again. Numbers are in the byte order of the machine that wrote them; a
 * checksum covers all. */
#ifndef COX_STEER_LANES_STATE_H
#define COX_STEER_LANES_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cox/err.h"

/* Where a lane stands; its seed, clock and engine state are in its bytes. */
struct cox_lane_mark {
    int64_t segment;
    double best;  /* objective within the segment so far, NaN: none */
    int32_t lane; /* within the run */
    int32_t generation;
    int32_t index;    /* frames of the segment so far */
    int32_t limit;    /* frames of the segment when it ends */
    int32_t blown;    /* the lane stands still until it is given another segment */
    char reason[100]; /* of that */
};

struct cox_lanes_state {
    int64_t epoch;   /* of the attempt that wrote it */
    uint64_t system; /* digest of the topology */
    char engine[64]; /* version: bytes of another are not continued bit for bit */
    int n;
    size_t lane_bytes;
    struct cox_lane_mark *mark; /* [n] */
    char *bytes;                /* [n][lane_bytes] as by cox_lanes_save */
};

int cox_lanes_state_init(struct cox_lanes_state *state, int n, size_t lane_bytes,
                         struct cox_err *err) COX_MUST_CHECK;
void cox_lanes_state_deinit(struct cox_lanes_state *state);

/* Writes the file of state->epoch and then removes those of earlier epochs. */
int cox_lanes_state_save(const struct cox_lanes_state *state, const char *directory, int worker,
                         struct cox_err *err) COX_MUST_CHECK;
/* The newest whole file of an epoch before `before`; *found false: none. Damaged ones are passed
 * over with a line in the log. */
int cox_lanes_state_load(struct cox_lanes_state *state, bool *found, const char *directory,
                         int worker, int64_t before, struct cox_err *err) COX_MUST_CHECK;

/* A thread that writes states, so that nobody waits for a disk. */
struct cox_lanes_writer;
int cox_lanes_writer_create(struct cox_lanes_writer **out, const char *directory, int worker,
                            struct cox_err *err) COX_MUST_CHECK;
/* Finishes what it is writing. NULL is allowed. */
void cox_lanes_writer_destroy(struct cox_lanes_writer *writer);
bool cox_lanes_writer_idle(struct cox_lanes_writer *writer);
/* Only while idle. Swaps: the writer's former state comes back in *state, to be filled anew. */
void cox_lanes_writer_post(struct cox_lanes_writer *writer, struct cox_lanes_state *state);
/* Waits until it is idle. */
void cox_lanes_writer_wait(struct cox_lanes_writer *writer);
/* How the writing so far went: how many files were written, and the last failure ("" when the last
 * one was good). */
int cox_lanes_writer_written(struct cox_lanes_writer *writer, char *problem, size_t size);

#endif
