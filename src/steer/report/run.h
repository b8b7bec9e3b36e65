/* SPDX-License-Identifier: BSD-3-Clause */
/* The report of a run: RUN/report.html, one page without scripts or other files. */
#ifndef COX_STEER_REPORT_RUN_H
#define COX_STEER_REPORT_RUN_H

#include "cox/err.h"

/* Reads the run directory (config.yaml, system.h5, catalog.db, frames-0.h5, the last model,
 * summary.json where there is one) and replaces report.html in it. Works for runs without a model
 * or a reference, for interrupted ones and beside a run under way: what is not there is left out.
 * Shows the rounds that are committed. */
int cox_steer_report(const char *run_directory, struct cox_err *err) COX_MUST_CHECK;

#endif
