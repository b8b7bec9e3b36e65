/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double cox_clock_seconds(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

double cox_clock_thread_seconds(void)
{
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

double cox_clock_process_seconds(void)
{
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

double cox_clock_unix(void)
{
    return seconds_of(CLOCK_REALTIME);
}

void cox_clock_utc(char *text, size_t size)
{
    struct timespec now;
    struct tm utc;
    char date[24];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, size, "%s.%03dZ", date, (int)(now.tv_nsec / 1000000));
}

void cox_clock_human(double seconds, char *text, size_t size)
{
    if (!isfinite(seconds) || seconds < 0) {
        snprintf(text, size, "?");
        return;
    }
    if (seconds < 59.95) { /* what would round to 60.0 is a minute */
        snprintf(text, size, "%.1f s", seconds);
        return;
    }
    long long whole = seconds < 1e15 ? llround(seconds) : (long long)1e15;
    if (whole < 3600)
        snprintf(text, size, "%d min %02d s", (int)(whole / 60), (int)(whole % 60));
    else
        snprintf(text, size, "%lld h %02d min", whole / 3600, (int)(whole / 60 % 60));
}
