/* SPDX-License-Identifier: BSD-3-Clause */
/* What an executor is made of; only src/runtime includes this. executor.c checks tasks and counts
 * resources for all kinds, so that each kind only starts, stops and waits. A kind whose attempts
 * are processes of this host in disguise (srun) can hold a local executor and hand it tasks of 0
 * cores: groups, logs, descriptors and reaping are then done. */
#ifndef COX_RUNTIME_EXECUTOR_OPS_H
#define COX_RUNTIME_EXECUTOR_OPS_H

#include "runtime/executor.h"

/* What an attempt has taken from the executor's resources. */
struct cox_held {
    int cores;
    double memory_gb;
    int accelerators;
};

struct cox_executor_ops {
    const char *kind;
    /* Kills what still runs, frees everything, `executor` too. */
    void (*destroy)(struct cox_executor *executor);
    double (*now)(const struct cox_executor *executor);
    /* The task was checked and fits into free_now; still sets *handle -1 when it finds no place.
     * `placement` comes zeroed with host "localhost" and first_core -1. */
    int (*start)(struct cox_executor *executor, const struct cox_task *task, int64_t epoch,
                 int64_t *handle, struct cox_placement *placement, struct cox_err *err);
    void (*stop)(struct cox_executor *executor, int64_t handle, bool force);
    /* As cox_executor_wait; *held is what the ended attempt had. `end` comes zeroed; ended_s may
     * stay so: then it is now. */
    int (*wait)(struct cox_executor *executor, double timeout_s, int64_t *handle,
                struct cox_task_end *end, struct cox_held *held, struct cox_err *err);
    int (*fd)(const struct cox_executor *executor);
};

/* First member of every kind. `total` is set by its create and never changes; `free_now` is kept
 * by executor.c. */
struct cox_executor {
    const struct cox_executor_ops *ops;
    struct cox_resources total;
    struct cox_resources free_now;
};

/* Sets ops, total and free_now. */
void cox_executor_init(struct cox_executor *executor, const struct cox_executor_ops *ops,
                       const struct cox_resources *total);
/* Refuses negative or not finite numbers. */
int cox_resources_check(const struct cox_resources *resources, struct cox_err *err) COX_MUST_CHECK;
/* COX_EINVAL: a task that no amount of waiting makes startable. */
int cox_executor_check(const struct cox_executor *executor, const struct cox_task *task,
                       struct cox_err *err) COX_MUST_CHECK;
/* What it takes is free now. */
bool cox_executor_fits(const struct cox_executor *executor, const struct cox_held *needs);
/* What a task takes. */
struct cox_held cox_held_of(const struct cox_task *task);

/* task_end.c: ok, code, signal and reason from what waitpid said. */
void cox_task_end_set(struct cox_task_end *end, int wait_status);
/* Adds ": <last line>" of the log to the reason; nothing when there is none after byte `from`,
 * where this attempt began. */
void cox_task_end_add_log(struct cox_task_end *end, const char *log, int64_t from);

#endif
