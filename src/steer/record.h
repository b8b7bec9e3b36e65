/* SPDX-License-Identifier: BSD-3-Clause */
/* The run directory as the coordinator sees it: frames file, catalog, events. Two commits make a
 * round safe: first its segments and lane states, once the frames are on the disk; then the model,
 * the picks and the round itself. Whatever a crash leaves behind between them is redone. */
#ifndef COX_STEER_RECORD_H
#define COX_STEER_RECORD_H

#include <limits.h>
#include <stdint.h>

#include "base/json.h"
#include "cox/err.h"
#include "steer/agent/agent.h"
#include "steer/frames.h"
#include "steer/simulate.h"
#include "store/catalog.h"
#include "store/events.h"
#include "store/traj.h"

#define COX_RECORD_MAX_TASKS 64

struct cox_record {
    char directory[PATH_MAX];
    struct cox_catalog *catalog;
    struct cox_traj *traj;
    struct cox_events *events;
    /* tasks of the round under way, not yet committed */
    struct cox_catalog_task tasks[COX_RECORD_MAX_TASKS];
    int n_tasks;
    double
        zero; /* clock_seconds at which the run would have begun, had it never been interrupted */
};

/* DIRECTORY/NAME into `out`, PATH_MAX bytes. */
int cox_record_path(const struct cox_record *record, const char *name, char *out,
                    struct cox_err *err) COX_MUST_CHECK;

/* A new run; the directory exists, with its config.yaml and system.h5. */
int cox_record_create(struct cox_record *record, const char *directory,
                      const struct cox_system *system, const struct cox_frames *frames,
                      bool velocities, struct cox_err *err) COX_MUST_CHECK;
/* Goes on with a run; the frames file is cut to what the catalog knows. */
int cox_record_open(struct cox_record *record, const char *directory,
                    struct cox_err *err) COX_MUST_CHECK;
void cox_record_close(struct cox_record *record);

double cox_record_seconds(const struct cox_record *record);
/* Notes a task that ran from `began` (cox_record_seconds) until now, on `workers` threads. */
void cox_record_task(struct cox_record *record, int round, const char *kind, int workers,
                     double began);

/* Stores the frames (with the observables that `frames` holds for its last block->n_frames rows),
 * syncs, and commits segments, lane states and tasks. */
int cox_record_simulated(struct cox_record *record, const struct cox_block *block,
                         const struct cox_frames *frames, struct cox_simulation *simulation,
                         int lanes, struct cox_err *err) COX_MUST_CHECK;

struct cox_decision {
    const struct cox_catalog_model *model; /* NULL: none was trained */
    const struct cox_agent_result *agent;  /* NULL: no agent */
    const char *reason;                    /* of every pick: "lof+rmsd_A" */
    struct cox_catalog_round round;
};
int cox_record_decided(struct cox_record *record, const struct cox_decision *decision,
                       struct cox_err *err) COX_MUST_CHECK;

#endif
