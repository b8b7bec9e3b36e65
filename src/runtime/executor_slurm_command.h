/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of one step: srun with every option said, whatever the job was submitted with.
 * Only src/runtime includes this. */
#ifndef COX_RUNTIME_EXECUTOR_SLURM_COMMAND_H
#define COX_RUNTIME_EXECUTOR_SLURM_COMMAND_H

#include <limits.h>
#include <stdbool.h>

#include "runtime/task.h"

enum { COX_SLURM_WORDS_MAX = 96 };

struct cox_slurm_command {
    const char *argv[COX_SLURM_WORDS_MAX]; /* n words; the task's own follow */
    int n;
    char node[96], cores[48], memory[48], devices[48], output[80], errors[80];
    char directory[PATH_MAX + 16], job_name[COX_TASK_NAME_SIZE + 16];
};

/* `log_fd`: a descriptor of this process that the task's output is appended to, -1: dropped.
 * `devices`: the allocation has accelerators. */
void cox_slurm_command_make(struct cox_slurm_command *command, const struct cox_task *task,
                            const char *node, int log_fd, bool devices);

#endif
