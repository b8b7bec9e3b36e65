/* SPDX-License-Identifier: BSD-3-Clause */
/* The schedule of HPDC'20 as its authors' programme computed it, for comparison. Of this module
 * only; called by cox_schedule_optimal. */
#ifndef COX_SERVERS_SCHEDULE_PAPER_H
#define COX_SERVERS_SCHEDULE_PAPER_H

#include "servers/schedule.h"

/* Options checked; `steps` of step_h are the work. */
int cox_schedule_paper(struct cox_schedule *out, const struct cox_lifetime *life,
                       const struct cox_schedule_options *options, int steps, double step_h,
                       struct cox_err *err) COX_MUST_CHECK;

#endif
