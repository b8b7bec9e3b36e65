/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run would do, found out without running it: `cox run --check`. The rates are measured: a
 * short stretch of dynamics and a short training on this machine. */
#ifndef COX_STEER_PLAN_H
#define COX_STEER_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"
#include "steer/settings.h"

struct cox_plan {
    char system[64];
    int atoms, points, replicas, threads, lane_width;
    int starts, frames_per_round, steered, restarted;
    char reference[200]; /* "" without one */
    char engine[64];
    double start_rmsd_A;             /* of the first start, NaN without a reference */
    double ns_per_day;               /* aggregate, measured */
    double ns_per_round, simulate_s; /* one round */
    int64_t parameters;              /* of the model; 0 without one */
    double train_first_s, train_s;   /* one training, measured on random maps */
    double round_s;                  /* average over rounds with and without training */
    double rounds, total_s;          /* until the nearest limit */
    const char *limit;               /* which one: "simulated_ns", "wall_minutes", "rounds" */
    double frames_mb;                /* size of the frames files at the end, uncompressed */
    /* streaming: processes of this run, and how replicas and cores are dealt to them */
    bool streaming;
    int simulations, aggregators; /* 0: sequential */
    int lanes_least, lanes_most;  /* of one simulation */
    int cores_spare;              /* cores that no simulation has */
    double frames_per_s;          /* of all simulations, on their way to the files */
    double train_every_s;         /* from one training to the next */
};

int cox_plan_make(struct cox_plan *plan, const struct cox_settings *settings,
                  const struct cox_config *config, struct cox_err *err) COX_MUST_CHECK;

#endif
