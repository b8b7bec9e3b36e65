/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/executor_slurm_command.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* Settings of the job that srun would take for those of a step. */
static const char *const not_for_steps[] = {
    "SLURM_NTASKS",         "SLURM_NPROCS",         "SLURM_NTASKS_PER_NODE",
    "SLURM_TASKS_PER_NODE", "SLURM_CPUS_PER_TASK",  "SLURM_MEM_PER_CPU",
    "SLURM_MEM_PER_NODE",   "SLURM_MEM_PER_GPU",    "SLURM_DISTRIBUTION",
    "SLURM_NNODES",         "SLURM_HINT",           "SLURM_THREADS_PER_CORE",
    "SLURM_GPUS",           "SLURM_GPUS_PER_NODE",  "SLURM_GPUS_PER_TASK",
    "SLURM_EXCLUSIVE",      "SLURM_OVERLAP",        "SLURM_NTASKS_PER_CORE",
    "SLURM_OPEN_MODE",      "SLURM_TRES_PER_TASK",  "SLURM_NTASKS_PER_GPU",
    "SLURM_STDOUTMODE",     "SLURM_STDERRMODE",     "SLURM_STDINMODE",
    "SLURM_KILL_BAD_EXIT",  "SLURM_DISABLE_STATUS", "SLURM_EXACT",
    "SLURM_IMMEDIATE",      "SLURM_LABELIO",        "SLURM_REQ_SWITCH",
};
_Static_assert(2 * sizeof not_for_steps / sizeof not_for_steps[0] + 20 <= COX_SLURM_WORDS_MAX,
               "room");
enum { N_NOT_FOR_STEPS = (int)(sizeof not_for_steps / sizeof not_for_steps[0]) };

static void put(struct cox_slurm_command *c, const char *word)
{
    c->argv[c->n++] = word;
}

void cox_slurm_command_make(struct cox_slurm_command *c, const struct cox_task *task,
                            const char *node, int log_fd, bool devices)
{
    c->n = 0;
    put(c, "env");
    for (int i = 0; i < N_NOT_FOR_STEPS; i++) {
        put(c, "-u");
        put(c, not_for_steps[i]);
    }
    put(c, "srun");
    put(c, "--disable-status");
    put(c, task->cores ? "--exact" : "--overlap");
    put(c, "--nodes=1");
    put(c, "--ntasks=1");
    put(c, "--input=none");
    snprintf(c->job_name, sizeof c->job_name, "--job-name=%s", task->name);
    put(c, c->job_name);
    snprintf(c->node, sizeof c->node, "--nodelist=%s", node);
    put(c, c->node);
    snprintf(c->cores, sizeof c->cores, "--cpus-per-task=%d", task->cores ? task->cores : 1);
    put(c, c->cores);
    /* 0: may use what the job has, reserves nothing */
    snprintf(c->memory, sizeof c->memory, "--mem=%.0f", ceil(task->memory_gb * 1024));
    put(c, c->memory);
    if (task->accelerators) {
        snprintf(c->devices, sizeof c->devices, "--gpus-per-node=%d", task->accelerators);
        put(c, c->devices);
    } else if (devices) {
        put(c, "--gres=none");
    }
    if (log_fd >= 0) { /* by descriptor: srun gives % and \ in a name a meaning */
        snprintf(c->output, sizeof c->output, "--output=/proc/%d/fd/%d", (int)getpid(), log_fd);
        snprintf(c->errors, sizeof c->errors, "--error=/proc/%d/fd/%d", (int)getpid(), log_fd);
        put(c, "--open-mode=append");
    } else {
        snprintf(c->output, sizeof c->output, "--output=none");
        snprintf(c->errors, sizeof c->errors, "--error=none");
    }
    put(c, c->output);
    put(c, c->errors);
    if (task->directory) {
        snprintf(c->directory, sizeof c->directory, "--chdir=%s", task->directory);
        put(c, c->directory);
    }
}
