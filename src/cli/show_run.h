/* SPDX-License-Identifier: BSD-3-Clause */
/* How a run looks on the terminal: shared by `cox run` and `cox resume`. */
#ifndef COX_CLI_SHOW_RUN_H
#define COX_CLI_SHOW_RUN_H

#include <stdbool.h>

#include "cli/progress.h"
#include "cox/err.h"
#include "steer/run.h"

struct cox_show_run {
    struct cox_progress line;
    bool quiet;
    double best;        /* last one that got a line of its own */
    double last_period; /* rounds are announced at most so often */
};

void cox_show_run_init(struct cox_show_run *show, bool quiet);
/* A hook of cox_steer_run. */
void cox_show_run_progress(void *show, const struct cox_steer_progress *progress);
/* Prints what was reached, or the error; returns the exit code. */
int cox_show_run_end(struct cox_show_run *show, int rc, const struct cox_steer_outcome *outcome,
                     const char *directory, bool json, const struct cox_err *err);

#endif
