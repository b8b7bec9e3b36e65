/* SPDX-License-Identifier: BSD-3-Clause */
/* What `cox sweep run` and `resume` print. */
#ifndef COX_CLI_SHOW_SWEEP_H
#define COX_CLI_SHOW_SWEEP_H

#include <stdbool.h>

#include "cli/progress.h"
#include "sweep/run.h"

struct cox_show_sweep {
    struct cox_progress line;
    bool quiet;
};

void cox_show_sweep_init(struct cox_show_sweep *show, bool quiet);
/* Hooks; user is the struct above. */
void cox_show_sweep_progress(void *user, const struct cox_sweep_progress *progress);
void cox_show_sweep_said(void *user, const char *line);
/* After the run: the outcome, or why there is none. Returns the exit code. */
int cox_show_sweep_end(struct cox_show_sweep *show, int rc, const struct cox_sweep_outcome *outcome,
                       const char *directory, bool json, const struct cox_err *err);

#endif
