/* SPDX-License-Identifier: BSD-3-Clause */
/* Child processes: each leads a group of its own, dies with the thread that started it
 * (PR_SET_PDEATHSIG SIGKILL: start them from a thread that lasts), inherits no descriptor but
 * standard input from /dev/null and its log, and no signal settings. No handler of SIGCHLD is
 * needed and no child of anyone else is waited for. Only src/runtime includes this. */
#ifndef COX_RUNTIME_PROCESS_H
#define COX_RUNTIME_PROCESS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cox/err.h"

/* Bytes that the child may use of the stack that the caller lends it until exec. */
enum { COX_SPAWN_STACK = 64 * 1024 };

struct cox_spawn {
    const char *const *argv;
    const char *const *env; /* the whole environment, NULL-terminated */
    const char *directory;  /* NULL: ours */
    const char *log;        /* NULL: /dev/null */
    const cpu_set_t *cpus;  /* NULL: not pinned */
    char *stack;            /* COX_SPAWN_STACK bytes, 16-byte aligned, free again on return */
};

struct cox_process {
    pid_t pid;
    int pidfd;        /* readable once it has ended */
    int64_t log_from; /* where in the log its output begins */
};

/* COX_ENOTFOUND: no such program, nothing was forked. A failure of exec itself is reported here
 * too. */
int cox_process_spawn(struct cox_process *out, const struct cox_spawn *spawn,
                      struct cox_err *err) COX_MUST_CHECK;
/* To every process of the group. Only between spawn and reap: until then the number is ours. */
void cox_process_signal(const struct cox_process *process, int signal);
/* Kills what is left of the group, takes the exit status and closes the pidfd. False: another part
 * of this program took the status away (it waits for any child, or ignores SIGCHLD). Blocks when
 * it has not ended yet. */
bool cox_process_reap(struct cox_process *process, int *wait_status);

/* Our environment with `added` in place of or beside it, and `extra` ("KEY=value" or NULL) unless
 * `added` has that key; free the array (only) with cox_free, valid as long as the others are. NULL
 * when out of memory. */
const char **cox_environment_merge(const char *const *added, const char *extra);

#endif
