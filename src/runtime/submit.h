/* SPDX-License-Identifier: BSD-3-Clause */
/* A run as a batch job of Slurm: writes a script that a person can read, and hands it to sbatch.
 * The job starts the run or goes on with it, passes SIGTERM on shortly before its time ends, and
 * puts itself back into the queue as long as the run is not done. */
#ifndef COX_RUNTIME_SUBMIT_H
#define COX_RUNTIME_SUBMIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "cox/err.h"

enum { COX_SUBMIT_JOB_SIZE = 64 };

struct cox_submit {
    const char *program;    /* cox itself; absolute, as the next three */
    const char *file;       /* configuration */
    const char *directory;  /* of the run */
    const char *from;       /* folder that relative paths in `set` are seen from */
    const char *const *set; /* KEY=VALUE, n_set */
    int n_set;
    const char *name;                /* of the job; other characters than letters and digits go */
    const char *partition, *account; /* NULL: the cluster's default */
    int nodes, cores_per_node;       /* cores_per_node 0: whole nodes */
    double time_minutes;
    const char *const *extra; /* more options of sbatch, n_extra; they win over ours */
    int n_extra;
    bool requeue;
};

/* COX_EINVAL where a value cannot stand in a script. */
int cox_submit_script(struct cox_str *out, const struct cox_submit *submit,
                      struct cox_err *err) COX_MUST_CHECK;
/* Creates the directory, writes its job.sh (0700), submits it. `job`: the number, in at most
 * COX_SUBMIT_JOB_SIZE bytes. COX_ENOTFOUND: there is no sbatch; COX_EEXTERNAL with its own words:
 * it refused. */
int cox_submit_job(char *job, const struct cox_submit *submit, struct cox_err *err) COX_MUST_CHECK;

#endif
