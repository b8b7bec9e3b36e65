/* SPDX-License-Identifier: BSD-3-Clause */
/* Decisions about transient servers, each a pure function that can be tested alone. Hours and USD.
 * A job that is not checkpointed loses what it has done when its server is taken away. */
#ifndef COX_SERVERS_POLICY_H
#define COX_SERVERS_POLICY_H

#include <stdbool.h>

#include "servers/lifetime.h"

enum cox_time_model {
    COX_TIME_PAPER, /* T + ∫_s^{s+T} t f dt (HPDC'20, eq. 8): charges a loss with the server's
                       age instead of what the job lost, and ignores that the server lived to s */
    COX_TIME_FIRST_ORDER, /* T + ∫_s^{s+T} (t − s) f dt / (1 − F(s)): at most one loss */
    COX_TIME_RESTART /* exact: after each loss again from the start on a fresh server of the same
                        kind, until it is done; infinity where a fresh one never lasts T */
};

/* Expected hours from the start on a server of age s to the end of a job of T hours; of coming up
 * nothing is counted. Of a server of an age that none reaches: as one that goes at once. */
double cox_job_expected_time(const struct cox_lifetime *life, double T, double s,
                             enum cox_time_model model);
/* Whether a job of T hours is better begun on the server of age s than on a fresh one that takes
 * `startup_h` to come up (so does, but for the paper's model, every one after a loss). Where both
 * are the same, the old one; false where neither ends, and for an age that none reaches. Take
 * COX_TIME_RESTART: to the others a server about to go looks good, for it loses little and they
 * see no further loss. */
bool cox_job_reuse(const struct cox_lifetime *life, double T, double s, double startup_h,
                   enum cox_time_model model);

struct cox_server_type {
    char name[64];
    int cores;
    double price, price_on_demand; /* USD per hour of a server: as bought, and of one that stays */
    double startup_h;
    double notice_s;          /* between the notice and the end */
    struct cox_lifetime life; /* its arrays are borrowed */
};

/* Parallel servers that n jobs of E[T] hours need within D hours: ⌈n·E[T]/D⌉, at least 1; -1 where
 * no number will do (a single job takes longer). `slots`: jobs that one server runs at a time. On
 * average, and as if what one server has left could be another's: whole jobs need up to
 * ⌈n/⌊D/E[T]⌋⌉. */
int cox_servers_for_deadline(int n_jobs, double expected_h, double deadline_h, int slots);

/* Of types[n], with job_h[i] the hours of one job on `job_cores` cores of type i (as the bag's
 * first jobs measured them; NaN: not tried), the one that minimises expected cost per job, price ·
 * E[T] / slots; deadline_h (0: none) rules out types whose E[T] is beyond it. -1: none is left.
 * cost[n] (nullable) gets every type's, infinity for those ruled out. */
int cox_server_choose(const struct cox_server_type *types, int n, const double *job_h,
                      int job_cores, double deadline_h, enum cox_time_model model, double *cost);

#endif
