/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the coordinator share: one run under way. Only src/steer includes this. */
#ifndef COX_STEER_COORDINATOR_H
#define COX_STEER_COORDINATOR_H

#include "base/mem.h"
#include "base/team.h"
#include "cox/system.h"
#include "steer/agent/agent.h"
#include "steer/frames.h"
#include "steer/learner.h"
#include "steer/record.h"
#include "steer/run.h"
#include "steer/simulate.h"
#include "steer/status/status.h"

struct cox_coordinator {
    const struct cox_settings *settings;
    const struct cox_steer_hooks *hooks;
    struct cox_system *system;
    struct cox_team *team;
    struct cox_frames frames;
    struct cox_simulation *simulation;
    struct cox_learner *learner; /* NULL without one */
    struct cox_record record;
    bool recording; /* record is open */

    int n_starts;
    float **start; /* [n_starts][n_atoms][3] nm */

    int round; /* the next one to do */
    int64_t next_segment;
    double ns;
    struct cox_origin *origins; /* [lanes] */
    float *origin_x, *origin_v; /* [lanes][n_atoms][3] */
    struct cox_pick *picks;     /* [lanes] */
    int n_picks;
    int outliers;
    int64_t *last_frame; /* [lanes] */
    double idle_sum, idle_max;
    double simulating_s, simulated_ns; /* of this session, for ns/day */
    double first_hit_ns, first_hit_s;
    double cpu_zero, session_zero;
    double status_at; /* when status.json was written */
    bool status_failed;
};

/* directory.c: makes the run directory with config.yaml, system.h5 and the other inputs; refuses
 * one that holds a run. */
int cox_run_directory_create(const struct cox_settings *settings, const char *directory,
                             struct cox_err *err) COX_MUST_CHECK;

/* setup.c: everything but the record. */
int cox_coordinator_init(struct cox_coordinator *c, const struct cox_settings *settings,
                         const struct cox_config *config, const struct cox_steer_hooks *hooks,
                         struct cox_err *err) COX_MUST_CHECK;
void cox_coordinator_deinit(struct cox_coordinator *c);
/* Rebuilds the state of an interrupted run from its directory. When the last round was simulated
 * but not decided, *undecided is true. */
int cox_coordinator_reload(struct cox_coordinator *c, bool *undecided,
                           struct cox_err *err) COX_MUST_CHECK;

/* stop.c */
enum cox_stop_reason cox_coordinator_stop(const struct cox_coordinator *c, char *text, size_t size);
/* Lanes whose median RMSD over their frames of `round` is within the target. */
int cox_coordinator_arrived(const struct cox_coordinator *c, int round);
/* Share of the run that is done, by whichever limit is nearest; NaN when unknown. */
double cox_coordinator_done(const struct cox_coordinator *c);
/* Best frame so far, -1 when there is no objective; within rounds >= first_round. */
int64_t cox_coordinator_best(const struct cox_coordinator *c, int first_round);
/* States founded in the last `rounds` rounds. */
int cox_coordinator_new_states(const struct cox_coordinator *c, int rounds);

/* status_sequential.c: writes status.json, at most once a second and whenever it is over. */
void cox_coordinator_status(struct cox_coordinator *c, enum cox_run_status_state state,
                            const char *doing, const char *why);

/* summary.c: fills the outcome and writes summary.json. */
int cox_coordinator_summarise(struct cox_coordinator *c, struct cox_steer_outcome *outcome,
                              struct cox_err *err) COX_MUST_CHECK;

#endif
