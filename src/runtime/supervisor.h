/* SPDX-License-Identifier: BSD-3-Clause */
/* Keeps tasks alive: queues them until resources are free, restarts them within their budget when
 * they die, hang or exceed their time, numbers every attempt with an epoch that only grows. One
 * thread; drives one executor. */
#ifndef COX_RUNTIME_SUPERVISOR_H
#define COX_RUNTIME_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"
#include "runtime/executor.h"
#include "runtime/task.h"

struct cox_supervisor;

enum cox_supervisor_kind {
    COX_SUPERVISOR_NOTHING,
    COX_SUPERVISOR_STARTED,
    COX_SUPERVISOR_ENDED,  /* exit code 0, or after cox_supervisor_stop */
    COX_SUPERVISOR_FAILED, /* this attempt; another follows */
    COX_SUPERVISOR_GAVE_UP /* its restarts are used up, or it cannot be started */
};

struct cox_supervisor_event {
    enum cox_supervisor_kind kind;
    int task;                /* as returned by cox_supervisor_add */
    int64_t epoch;           /* of the attempt; 0: stopped while none was under way */
    double began_s, ended_s; /* executor's clock */
    struct cox_placement placement;
    struct cox_task_end end; /* ENDED, FAILED, GAVE_UP */
};

/* `executor` is borrowed. Epochs start at `first_epoch`: one more than any that an earlier session
 * of the same run used. */
int cox_supervisor_create(struct cox_supervisor **out, struct cox_executor *executor,
                          int64_t first_epoch, struct cox_err *err) COX_MUST_CHECK;
/* Kills what still runs. NULL is allowed. */
void cox_supervisor_destroy(struct cox_supervisor *supervisor);

/* Everything in `task` is copied. argv and env may hold "{epoch}", replaced for each attempt. */
int cox_supervisor_add(struct cox_supervisor *supervisor, const struct cox_task *task, int *id,
                       struct cox_err *err) COX_MUST_CHECK;
/* It lives: resets the heartbeat clock; false when the epoch is not that of the present attempt (a
 * fenced orphan: tell it to go). */
bool cox_supervisor_heartbeat(struct cox_supervisor *supervisor, int task, int64_t epoch);
/* Ends a task for good: SIGTERM, after its grace SIGKILL; an ENDED event follows. */
void cox_supervisor_stop(struct cox_supervisor *supervisor, int task);
/* Ends the present attempt as failed with this reason; it is restarted within its budget. */
void cox_supervisor_fail(struct cox_supervisor *supervisor, int task, const char *reason);
/* The next event, waiting at most `timeout_s` (0: only what is due). Starts, restarts and kills
 * happen in here. */
int cox_supervisor_next(struct cox_supervisor *supervisor, double timeout_s,
                        struct cox_supervisor_event *event, struct cox_err *err) COX_MUST_CHECK;
/* Seconds until something is due by the clock (heartbeats, limits, grace); negative: nothing. */
double cox_supervisor_due_s(const struct cox_supervisor *supervisor);
int cox_supervisor_fd(const struct cox_supervisor *supervisor);
int cox_supervisor_running(const struct cox_supervisor *supervisor);
int cox_supervisor_waiting(const struct cox_supervisor *supervisor);
/* Time in which a queued task could have run (its resources were free) and did not. */
double cox_supervisor_idle_s(const struct cox_supervisor *supervisor);

#endif
