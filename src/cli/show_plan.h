/* SPDX-License-Identifier: BSD-3-Clause */
/* What `cox run --check` prints. */
#ifndef COX_CLI_SHOW_PLAN_H
#define COX_CLI_SHOW_PLAN_H

#include "steer/plan.h"

void cox_show_plan(const struct cox_plan *plan, const struct cox_settings *settings);
/* Returns the exit code. */
int cox_show_plan_json(const struct cox_plan *plan);

#endif
