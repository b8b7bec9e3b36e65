/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside status. */
#ifndef COX_STEER_STATUS_INTERNAL_H
#define COX_STEER_STATUS_INTERNAL_H

#include "steer/status/status.h"

#define COX_STATUS_FILE "status.json"

/* status.c: from the file's text; release with cox_run_status_deinit, also after a failure. */
int cox_run_status_parse(struct cox_run_status *status, const struct cox_json *json,
                         struct cox_err *err) COX_MUST_CHECK;

#endif
