/* SPDX-License-Identifier: BSD-3-Clause */
/* `cox sweep simulate`: what was simulated (sweep_simulate.c) and how it is shown
 * (sweep_simulate_show.c). */
#ifndef COX_CLI_SWEEP_SIMULATE_H
#define COX_CLI_SWEEP_SIMULATE_H

#include "servers/compare.h"
#include "sweep/settings_servers.h"

struct simulate_type {
    int servers;          /* at a time: as many cores as `count` servers of the first type */
    double expected_cost; /* USD per job; infinity: ruled out */
    double chosen;        /* share of explorations that end with it */
    struct cox_spread cost, makespan_h; /* simulated, by the model's policy */
    int finished, bags;
};

struct simulation {
    int bags;
    uint64_t seed;
    bool observed; /* servers live as those that were observed; else as the model says */
    bool checkpoints;
    int explore; /* first jobs on each type */
    struct cox_sweep_servers servers;
    struct simulate_type *types; /* [servers.n], owned */
    int for_deadline; /* servers that the deadline needs, by expectation; -1: no number will do */
    int type;         /* the one that the policies are compared on */
    bool named;       /* … because the user said so */
    struct cox_bag bag;
    struct cox_lifetime believed;
    struct cox_bag_result results[COX_USUAL_POLICIES + 1];
    int n_results;
    struct cox_bag_gain gain;
};

void simulate_print(const struct simulation *s);
int simulate_write(const struct simulation *s, bool json, const char *output,
                   struct cox_err *err) COX_MUST_CHECK;

#endif
