/* SPDX-License-Identifier: BSD-3-Clause */
/* `cox run --submit`: the run as a batch job of Slurm. */
#ifndef COX_CLI_SUBMIT_RUN_H
#define COX_CLI_SUBMIT_RUN_H

#include <stdbool.h>

#include "cli/options.h"
#include "steer/settings.h"

/* Writes directory/job.sh, submits it, says what comes next. Returns the exit code. */
int cox_submit_run(const char *file, const char *directory, const struct cox_settings *settings,
                   const struct cox_option_texts *set, bool json);

#endif
