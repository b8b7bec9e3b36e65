/* SPDX-License-Identifier: BSD-3-Clause */
/* Time: monotonic seconds for durations, UTC text for records. */
#ifndef COX_BASE_CLOCK_H
#define COX_BASE_CLOCK_H

#include <stddef.h>

/* Seconds since an arbitrary moment, never going back. */
double cox_clock_seconds(void);
/* Seconds of processor time of the calling thread. */
double cox_clock_thread_seconds(void);
/* Seconds of processor time of the whole process. */
double cox_clock_process_seconds(void);
/* Unix time in seconds. */
double cox_clock_unix(void);
/* "2026-11-20T11:15:00.123Z" of now; `size` >= 32. */
void cox_clock_utc(char *text, size_t size);
/* "2 h 05 min", "3 min 20 s", "12.3 s" for people; `size` >= 32. */
void cox_clock_human(double seconds, char *text, size_t size);

#endif
