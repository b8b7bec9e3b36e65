/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/submit_run.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "runtime/submit.h"

static int print_json(const char *job, const char *directory)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "job", job);
    cox_json_set_text(j, "run", directory);
    char *text = cox_json_text(j, true);
    fputs(text ? text : "", stdout);
    cox_free(text);
    cox_json_destroy(j);
    return text ? COX_EXIT_OK : COX_EXIT_FAILED;
}

static void print_next(const char *job, const char *directory)
{
    printf("submitted as job %s\n"
           "  cox status %s   how the run goes, once it has started\n"
           "  squeue -j %s   where the job is in the queue\n"
           "  scancel %s     ends it; 'sbatch %s/job.sh' goes on\n"
           "what it says is in %s/job.log\n",
           job, directory, job, job, directory, directory);
}

int cox_submit_run(const char *file, const char *directory, const struct cox_settings *settings,
                   const struct cox_option_texts *set, bool json)
{
    char program[PATH_MAX], whole_file[PATH_MAX], run[PATH_MAX], from[PATH_MAX];
    char job[COX_SUBMIT_JOB_SIZE];
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_directory_create_private(directory, &err);
    if (!rc && !realpath("/proc/self/exe", program))
        rc = cox_err_errno(&err, "cannot find this program");
    if (!rc && !realpath(file, whole_file))
        rc = cox_err_errno(&err, "cannot find '%s'", file);
    if (!rc && !realpath(directory, run))
        rc = cox_err_errno(&err, "cannot find '%s'", directory);
    if (!rc && !getcwd(from, sizeof from))
        rc = cox_err_errno(&err, "cannot find the current folder");
    if (!rc) {
        const struct cox_settings_slurm *s = &settings->slurm;
        const struct cox_submit submit = {
            .program = program,
            .file = whole_file,
            .directory = run,
            .from = from,
            .set = set->items,
            .n_set = set->n,
            .name = settings->title,
            .partition = s->partition,
            .account = s->account,
            .nodes = s->nodes,
            .cores_per_node = s->cores_per_node,
            .time_minutes = s->time_minutes,
            .extra = (const char *const *)s->extra.items,
            .n_extra = s->extra.n,
            .requeue = s->requeue,
        };
        rc = cox_submit_job(job, &submit, &err);
    }
    if (rc) {
        fprintf(stderr, "cox: %s\n", err.text);
        return rc == COX_EINVAL ? COX_EXIT_USAGE : COX_EXIT_FAILED;
    }
    if (json)
        return print_json(job, directory);
    print_next(job, directory);
    return COX_EXIT_OK;
}
