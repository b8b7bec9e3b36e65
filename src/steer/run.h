/* SPDX-License-Identifier: BSD-3-Clause */
/* A steered run. Sequential (DeepDriveMD-F): rounds of simulate → features → store → train → embed
 * → agent; the same settings and seed give the same run, also through any number of interruptions.
 * Streaming (DeepDriveMD-S): processes that do all of that at once. The settings say which. */
#ifndef COX_STEER_RUN_H
#define COX_STEER_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"
#include "steer/settings.h"

struct cox_steer_progress {
    int round; /* the one under way, from 0 */
    const char *stage;
    const char *roles; /* streaming: who is at work; NULL else */
    double ns;         /* aggregate simulated time, committed */
    double ns_per_day; /* of the last round, while simulating */
    double best;       /* objective or RMSD, NaN: none */
    const char *best_name;
    double best_in_round;
    int outliers, picks;     /* of the last round; -1: no search */
    int arrived, lanes;      /* lanes within the target in the last round */
    double elapsed_s, eta_s; /* eta NaN: unknown */
    bool round_done;         /* the last call of a round */
};

struct cox_steer_hooks {
    void (*progress)(void *user, const struct cox_steer_progress *progress); /* may be NULL */
    void *user;
    const atomic_int *cancel; /* may be NULL */
};

enum cox_stop_reason {
    COX_STOP_NONE,
    COX_STOP_TARGET,
    COX_STOP_CONVERGED,
    COX_STOP_SIMULATED,
    COX_STOP_WALL,
    COX_STOP_ROUNDS
};

struct cox_steer_outcome {
    enum cox_stop_reason reason;
    char text[200]; /* one sentence */
    int rounds;
    int64_t frames;
    double ns, wall_s, ns_per_day; /* ns_per_day: aggregate, of the time spent simulating */
    double best;                   /* NaN: none */
    char best_name[64];            /* "" for none */
    int64_t best_frame;
    double first_hit_ns, first_hit_s; /* first frame within the target, NaN: none */
    int states, ancestors, blown;
    double idle_mean_s, idle_max_s; /* per round: no task ran */
    double cpu_share;               /* processor time / (wall time · threads), this session */
    /* streaming */
    bool streaming;
    double stream_share; /* of simulation time that went into handing frames over, this session */
    int restarts;        /* of processes that died, all sessions */
    int models;          /* published */
    int64_t segments;
};

/* Starts a fresh run in `directory`, which must not hold one already. COX_ECANCELLED: interrupted,
 * what was stored is kept and cox_steer_resume goes on. */
int cox_steer_run(struct cox_steer_outcome *outcome, const struct cox_settings *settings,
                  const struct cox_config *config, const char *directory,
                  const struct cox_steer_hooks *hooks, struct cox_err *err) COX_MUST_CHECK;
/* Goes on with the run in `directory` until one of its stops holds. */
int cox_steer_resume(struct cox_steer_outcome *outcome, const char *directory,
                     const struct cox_steer_hooks *hooks, struct cox_err *err) COX_MUST_CHECK;

#endif
