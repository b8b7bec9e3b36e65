/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

void cox_progress_init(struct cox_progress *p)
{
    bool terminal = isatty(STDOUT_FILENO);
    *p = (struct cox_progress){.terminal = terminal,
                               .period = terminal ? 0.1 : 60,
                               .last = terminal ? 0 : cox_clock_seconds()};
}

void cox_progress_show(struct cox_progress *p, const char *fmt, ...)
{
    double now = cox_clock_seconds();
    if (now - p->last < p->period)
        return;
    p->last = now;
    char line[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (p->terminal)
        printf("\r%s\033[K", line);
    else
        printf("%s\n", line);
    p->width = (int)strlen(line);
    fflush(stdout);
}

void cox_progress_end(struct cox_progress *p)
{
    if (p->terminal && p->width)
        printf("\n");
    p->width = 0;
    fflush(stdout);
}
