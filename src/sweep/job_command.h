/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands as a bag.yaml has them: a list of words, or one text that is split. */
#ifndef COX_SWEEP_JOB_COMMAND_H
#define COX_SWEEP_JOB_COMMAND_H

#include "base/mem.h"
#include "config/config.h"
#include "cox/err.h"

/* Several items are the words. One item is split as a shell would split words: at blanks, with
 * 'so', "so" (a backslash before " or \ takes its meaning away) and \ outside of quotes; nothing
 * else means anything, neither $ nor * nor ;. In the arena. COX_EINVAL for a quote without end and
 * a program without a name. */
int cox_command_words(struct cox_config_texts *out, const struct cox_config_texts *command,
                      struct cox_arena *arena, struct cox_err *err) COX_MUST_CHECK;
/* The file of a program: with a slash as seen from `folder`, without in PATH; `cox` is the running
 * program itself. COX_ENOTFOUND where there is none that may be executed. */
int cox_command_program(char *out, size_t size, const char *program, const char *folder,
                        struct cox_err *err) COX_MUST_CHECK;

#endif
