/* SPDX-License-Identifier: BSD-3-Clause */
/* N_L : N_S, the cores that learn against those that simulate. Training happens in bursts: when it
 * falls due, cores are lent to it, simulations pause, and when it has caught up they go on. */
#ifndef COX_STEER_STREAMING_CORES_H
#define COX_STEER_STREAMING_CORES_H

#include <stdbool.h>

#define COX_CORES_MAX 1024

struct cox_cores {
    bool off; /* nobody is told anything: another host's scheduler decides */
    int n;    /* cores of the run */
    int list[COX_CORES_MAX];
    int spare;      /* cores that no simulation has: the trainer's for good */
    int most;       /* cores of training at most (streaming.learn_cores_max) */
    int want;       /* cores of the next burst, 1 … most */
    bool lent;      /* a burst is on */
    bool trained;   /* the burst's training has ended */
    double lent_at; /* in frames: what was stored when it began */
    int granted;    /* cores that the trainer has now */
    int moves;      /* of a core from one side to the other, for the report */
};

/* A burst may begin when training is due (`lag`, frames since the last one began over those that
 * make it due, is 1 or more). How many cores it gets follows how late it is: twice as late as it
 * should be, one more; in time again, one less. In between it stays, so that nothing flaps. */
int cox_cores_burst(struct cox_cores *cores, double lag);

#endif
