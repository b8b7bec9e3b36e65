/* SPDX-License-Identifier: BSD-3-Clause */
/* How a system is printed, by `cox prepare` and `cox show`. To stdout. */
#ifndef COX_CLI_SHOW_H
#define COX_CLI_SHOW_H

#include "cox/err.h"
#include "cox/system.h"

/* A few lines. */
void cox_show_brief(const struct cox_system *system, const char *path);
/* All that there is to say. */
void cox_show_full(const struct cox_system *system, const char *path);
int cox_show_json(const struct cox_system *system, const char *path,
                  struct cox_err *err) COX_MUST_CHECK;

#endif
