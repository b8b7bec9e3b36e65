/* SPDX-License-Identifier: BSD-3-Clause */
/* The report of a sweep: one self-contained HTML page from what is in its directory. */
#ifndef COX_SWEEP_REPORT_H
#define COX_SWEEP_REPORT_H

#include "cox/err.h"

/* Writes SWEEP/report.html anew; the sweep may still be going on. */
int cox_sweep_report_write(const char *directory, struct cox_err *err) COX_MUST_CHECK;

#endif
