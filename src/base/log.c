/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static cox_log_sink *the_sink;
static void *the_user;

void cox_log_set_sink(cox_log_sink *sink, void *user)
{
    the_sink = sink;
    the_user = user;
}

void cox_log(enum cox_log_level level, const char *fmt, ...)
{
    if (!the_sink)
        return;
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    the_sink(the_user, level, line);
}
