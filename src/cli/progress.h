/* SPDX-License-Identifier: BSD-3-Clause */
/* One line of progress: redrawn in place on a terminal, else at most one plain line a minute. */
#ifndef COX_CLI_PROGRESS_H
#define COX_CLI_PROGRESS_H

#include <stdbool.h>

struct cox_progress {
    bool terminal;
    double last;   /* when the last line was printed */
    int width;     /* of the last line on a terminal */
    double period; /* seconds between lines where stdout is no terminal */
};

void cox_progress_init(struct cox_progress *p);
/* Shows the line, or drops it if it comes too soon; a terminal is redrawn at most ten times a
 * second. */
void cox_progress_show(struct cox_progress *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends the line in place, so that ordinary output may follow. */
void cox_progress_end(struct cox_progress *p);

#endif
