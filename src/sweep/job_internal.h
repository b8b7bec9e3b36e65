/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of sweep/job.h share. */
#ifndef COX_SWEEP_JOB_INTERNAL_H
#define COX_SWEEP_JOB_INTERNAL_H

#include <sys/stat.h>

#include "sweep/job.h"
#include "sweep/job_template.h"

struct cox_job_command {
    int n;
    const struct cox_template *word; /* [n] */
    const char *program;             /* its file, where it is the same at every point; else NULL */
};
struct cox_job_file {
    const char *name; /* in the job's directory */
    mode_t mode;
    struct cox_template text;
};
struct cox_job_link {
    const char *name, *target; /* target: absolute */
    char digest[65];
};

struct cox_jobs {
    const struct cox_sweep_settings *settings; /* borrowed, as the points */
    const struct cox_points *points;
    struct cox_arena *arena;
    struct cox_template_scope scope;
    struct cox_job_command command, resume;
    int n_files, n_links;
    struct cox_job_file *file; /* by name */
    struct cox_job_link *link;
    int *order;          /* [scope.n] parameters by name */
    uint64_t *name_hash; /* [scope.n] */
};

struct cox_template_values cox_job_values(const struct cox_jobs *jobs, int point, bool for_key);

#endif
