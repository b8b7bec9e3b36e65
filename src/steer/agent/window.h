/* SPDX-License-Identifier: BSD-3-Clause */
/* What a streaming agent keeps: the newest agent.window frames (and an eighth more, so that
 * dropping is cheap), with their ids, times and latent vectors; the states of all frames ever seen;
 * and how often frames were used or what is wrong with them, by id, also of frames that are not
 * here yet. Memory is bounded by the window, the number of states and the number of restarts.
 * Use from one thread. */
#ifndef COX_STEER_AGENT_WINDOW_H
#define COX_STEER_AGENT_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "steer/frames.h"

struct cox_agent_ledger; /* of one frame */

struct cox_agent_window {
    struct cox_frames frames; /* rows 0 … frames.n − 1, oldest first */
    int64_t size;             /* agent.window */
    int lanes;
    int64_t *id; /* of each row, as below */
    double *time_ps;
    float *latent; /* [rows][n_latent] */
    int64_t capacity;
    int n_latent;     /* 0: no model yet */
    int64_t embedded; /* rows of the window before this one have the present model's vectors */
    int64_t *last;    /* [lanes] newest row, -1: none here */
    int64_t seen;     /* frames ever */
    struct cox_agent_ledger *ledger; /* by id, ascending */
    int64_t n_ledger, ledger_capacity;
};

int cox_agent_window_init(struct cox_agent_window *window, const struct cox_system *system,
                          const struct cox_settings *settings, const struct cox_config *config,
                          struct cox_err *err) COX_MUST_CHECK;
void cox_agent_window_deinit(struct cox_agent_window *window);

/* New frames x[n][n_atoms][3] with their columns. */
struct cox_agent_block {
    int n;
    const int64_t *id;
    const float *x;
    const int32_t *segment, *lane, *round;
    const double *time_ps;
};
int cox_agent_window_append(struct cox_agent_window *window, const struct cox_agent_block *block,
                            struct cox_team *team, struct cox_err *err) COX_MUST_CHECK;
/* A lane has begun at this frame, or: it is never to be offered again. Before or after it is here.
 */
int cox_agent_window_used(struct cox_agent_window *window, int64_t id,
                          struct cox_err *err) COX_MUST_CHECK;
int cox_agent_window_poisoned(struct cox_agent_window *window, int64_t id,
                              struct cox_err *err) COX_MUST_CHECK;
/* Another model: all vectors of the window are outdated. */
int cox_agent_window_model(struct cox_agent_window *window, int n_latent,
                           struct cox_err *err) COX_MUST_CHECK;

#endif
