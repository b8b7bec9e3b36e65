/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent: who is restarted, and from which frames.
 *
 * Candidates are the outliers among the newest `window` frames (DBSCAN, LOF, or those farthest from
 * their k-th neighbour, in latent space or on point distances), or all of them. A candidate's score
 * is explore · (rank of its novelty) + (1 − explore) · (rank of its objective), ranks running from
 * 0, the worst, to 1. Novelty is the outlier score; without outlier search it is the rarity of the
 * frame's state. Picks are taken best first, each at least `diversity_A` (distance RMS) from the
 * others of the round, no frame more often than `max_reuse` in the run. Restarted are the least
 * promising of the steered lanes, by the same score of their last frame. */
#ifndef COX_STEER_AGENT_AGENT_H
#define COX_STEER_AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/team.h"
#include "cox/err.h"
#include "steer/frames.h"
#include "steer/settings.h"

struct cox_pick {
    int lane;
    int64_t frame;
    double score; /* 0 … 1 */
    double novelty;
    int rank; /* among the candidates, 0 the best */
};

struct cox_agent_input {
    const struct cox_settings_agent *settings;
    struct cox_frames *frames;
    const float *latent; /* [frames->n][n_latent] rows of the window are valid; NULL: none */
    int n_latent;
    int lanes;
    const int64_t *last_frame; /* [lanes] newest frame of each lane, -1: none */
    const bool *urgent;        /* [lanes] restart these first, whatever the share; NULL: none */
    bool offers;               /* picks are offers: the caller counts reuse once they are taken */
    uint64_t seed;             /* of this round */
    struct cox_team *team;
};

struct cox_agent_result {
    int n_picks;
    struct cox_pick *picks; /* [lanes], owned by the caller of the agent */
    int outliers;           /* candidates found by the outlier search, -1 without one */
    int window;             /* frames looked at */
    double eps;             /* DBSCAN's radius, 0 otherwise */
};

/* Fills result->picks (room for `lanes`, given by the caller), urgent lanes first, and counts the
 * reuse of the frames it picks, unless they are only offers. Deterministic. */
int cox_agent_decide(struct cox_agent_result *result, const struct cox_agent_input *input,
                     struct cox_err *err) COX_MUST_CHECK;
/* For people: "LOF, rmsd_A". */
void cox_agent_describe(const struct cox_settings_agent *settings, char *text, size_t size);
/* The lanes that are never touched are the last ones: how many. */
int cox_agent_unsteered(const struct cox_settings_agent *settings, int lanes);

#endif
