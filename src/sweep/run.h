/* SPDX-License-Identifier: BSD-3-Clause */
/* A sweep: jobs through the task runtime, results into the ledger, the surrogate trained beside
 * them. Killed at any time, it goes on without repeating a finished job.
 *
 *     SWEEP/config.yaml   effective settings      SWEEP/ledger.db   points, results, accounts
 *     SWEEP/design.csv    its points, where they came from a file
 *     SWEEP/jobs/000/000123/   a job's directory  SWEEP/models/model-0003.h5
 *     SWEEP/status.json   for `cox sweep status`  SWEEP/summary.json, SWEEP/report.html at the end
 */
#ifndef COX_SWEEP_RUN_H
#define COX_SWEEP_RUN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "store/ledger.h"
#include "sweep/settings.h"
#include "sweep/surrogate.h"

struct cox_sweep_progress {
    int points, simulated, predicted, failed, running, preempted;
    struct cox_surrogate_state surrogate;
    double jobs_per_s, elapsed_s, eta_s; /* eta NaN: unknown */
    double speedup, cost;
    const char *stage; /* "simulating", "training", "auditing" */
};
struct cox_sweep_hooks {
    void (*progress)(void *user, const struct cox_sweep_progress *progress); /* may be NULL */
    void (*said)(void *user,
                 const char *line); /* a failed job, a switch, a fall back; may be NULL */
    void *user;
    const atomic_int *cancel; /* may be NULL */
    bool retry_failed;        /* points whose retries are used up get as many again */
};

enum cox_sweep_stop {
    COX_SWEEP_ALL,       /* every point was simulated */
    COX_SWEEP_COMPLETE,  /* the rest is predicted, with the guarantee asked for */
    COX_SWEEP_JOBS,      /* m of n */
    COX_SWEEP_OBJECTIVE, /* reached, or no improvement is expected */
    COX_SWEEP_BUDGET,
    COX_SWEEP_DEADLINE
};
struct cox_sweep_outcome {
    enum cox_sweep_stop reason;
    char text[240]; /* one sentence */
    char best[200]; /* of a search: inputs of the best point, "x=0.3 y=1"; else empty */
    struct cox_ledger_batch last;
    int points, attempts, preemptions, retries;
    double wall_s, busy_share; /* of the cores, this session */
    double overhead_ms;        /* of the controller per job, this session */
};

/* In a new directory, or going on in one that has this bag (also with points, targets or settings
 * changed since: results are found by the contents of their inputs). COX_ECANCELLED: interrupted,
 * all that was finished is kept. */
int cox_sweep_run(struct cox_sweep_outcome *outcome, const struct cox_sweep_settings *settings,
                  const struct cox_config *config, const char *directory,
                  const struct cox_sweep_hooks *hooks, struct cox_err *err) COX_MUST_CHECK;

#endif
