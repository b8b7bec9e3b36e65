/* SPDX-License-Identifier: BSD-3-Clause */
/* What there is to run: argv, environment, resources, and what to do when it fails. runtime knows
 * nothing else of it. */
#ifndef COX_RUNTIME_TASK_H
#define COX_RUNTIME_TASK_H

#include <stdbool.h>
#include <stdint.h>

#define COX_TASK_NAME_SIZE 64

struct cox_task {
    char name[COX_TASK_NAME_SIZE]; /* unique among those alive: "sim-3" */
    const char *const *argv;       /* NULL-terminated; copied by whoever takes the task */
    const char *const *env;        /* NULL, or NULL-terminated "KEY=value" added to ours; copied */
    const char *directory;         /* to run in; NULL: ours */
    const char *log;               /* file that stdout and stderr are appended to; NULL: dropped */
    int cores;                     /* >= 0; 0: shares a core with others */
    double memory_gb;              /* 0: not reserved */
    int accelerators;
    double wall_s;      /* killed after this; 0: no limit */
    double heartbeat_s; /* hung after a silence of this; 0: no heartbeats expected */
    int max_restarts;   /* attempts after the first */
    double healthy_s;   /* an attempt that lived so long gives all restarts back; 0: none does */
    double grace_s;     /* between SIGTERM and SIGKILL */
};
#define COX_TASK_INIT               \
    {                               \
        .cores = 1, .grace_s = 10.0 \
    }

/* How an attempt ended. */
struct cox_task_end {
    bool ok;          /* exit code 0 */
    int code;         /* exit code, -1 when killed by a signal */
    int signal;       /* 0: none */
    double ended_s;   /* executor's clock, as near as it knows */
    bool lost;        /* the executor lost sight of it (a node died, preemption) */
    char reason[160]; /* "exit code 3", "killed by signal 9 (SIGKILL)", "hung: no heartbeat for 61
                         s", with the last line of its log where there is one */
};

#endif
