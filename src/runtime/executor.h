/* SPDX-License-Identifier: BSD-3-Clause */
/* An executor starts attempts on resources and tells when they end. Kinds: local (fork/exec on this
 * host, process groups, core pinning), slurm (steps inside an allocation, `srun --exact`),
 * simulated (tests: no process, a clock). Used through the supervisor; one thread, which must last
 * as long as the attempts: those of this host die with it. Clocks are monotonic. */
#ifndef COX_RUNTIME_EXECUTOR_H
#define COX_RUNTIME_EXECUTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"
#include "runtime/task.h"

struct cox_executor;

struct cox_resources {
    int cores;        /* 0: as many as this process may use (local) or the allocation has (slurm);
                         local: with more than that, attempts are not pinned */
    double memory_gb; /* 0: not counted */
    int accelerators;
};

int cox_executor_create_local(struct cox_executor **out, const struct cox_resources *resources,
                              struct cox_err *err) COX_MUST_CHECK;
/* Inside an allocation (SLURM_JOB_ID is set); COX_EUNSUPPORTED else. */
int cox_executor_create_slurm(struct cox_executor **out, struct cox_err *err) COX_MUST_CHECK;
/* Attempts last as long as argv[0] says in seconds; argv[1], if there, is the exit code. Time is
 * virtual: cox_executor_wait moves it on. */
int cox_executor_create_simulated(struct cox_executor **out, const struct cox_resources *resources,
                                  struct cox_err *err) COX_MUST_CHECK;
/* Kills what still runs. NULL is allowed. */
void cox_executor_destroy(struct cox_executor *executor);

const char *cox_executor_kind(const struct cox_executor *executor); /* "local", "slurm", … */
void cox_executor_resources(const struct cox_executor *executor, struct cox_resources *total,
                            struct cox_resources *free_now);
/* Seconds on the executor's own clock. */
double cox_executor_now(const struct cox_executor *executor);

/* What an attempt was given. */
struct cox_placement {
    char host[64];
    int64_t pid; /* of the process or of its srun; 0: none */
    int n_cores;
    int first_core; /* of the pinned ones, -1: not pinned or not contiguous */
};
/* Starts one attempt if its resources are free: *handle >= 0; -1 when they are not. COX_EINVAL:
 * more than there is at all. COX_ENOTFOUND: no such program (found out before the fork). */
int cox_executor_start(struct cox_executor *executor, const struct cox_task *task, int64_t epoch,
                       int64_t *handle, struct cox_placement *placement,
                       struct cox_err *err) COX_MUST_CHECK;
/* SIGTERM to the whole process group (or step); `force`: SIGKILL. */
void cox_executor_stop(struct cox_executor *executor, int64_t handle, bool force);
/* The next attempt that ended, waiting at most `timeout_s`; *handle -1: none. */
int cox_executor_wait(struct cox_executor *executor, double timeout_s, int64_t *handle,
                      struct cox_task_end *end, struct cox_err *err) COX_MUST_CHECK;
/* A descriptor that is readable when cox_executor_wait would return at once; -1: none. */
int cox_executor_fd(const struct cox_executor *executor);

#endif
