/* SPDX-License-Identifier: BSD-3-Clause */
/* A job for the tests of sweeps: counts to N, one unit a millisecond, and sums something up that
 * depends on every unit. Each unit is told in done.log (a byte, so that what was done twice can be
 * seen), a checkpoint is written every `every` units and on SIGTERM.
 *     count N EVERY X [quiet]      quiet: dies of SIGTERM without a checkpoint */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t asked;

static void on_signal(int number)
{
    (void)number;
    asked = 1;
}

static int write_state(int n, double sum)
{
    char text[64];
    int length = snprintf(text, sizeof text, "%d %.17g\n", n, sum);
    int fd = open("state.new", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, (size_t)length) != length || close(fd))
        return 1;
    return rename("state.new", "state");
}

static void read_state(int *n, double *sum)
{
    char text[64] = "";
    int fd = open("state", O_RDONLY);
    if (fd < 0)
        return;
    if (read(fd, text, sizeof text - 1) > 0) {
        char *end;
        *n = (int)strtol(text, &end, 10);
        *sum = strtod(end, NULL);
    }
    close(fd);
}

static void one_unit(void)
{
    struct timespec left = {.tv_nsec = 1000000};
    while (nanosleep(&left, &left) && !asked)
        ;
}

static int append(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    size_t length = strlen(text);
    return fd < 0 || write(fd, text, length) != (ssize_t)length || close(fd);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    int total = (int)strtol(argv[1], NULL, 10);
    int every = (int)strtol(argv[2], NULL, 10);
    double x = strtod(argv[3], NULL);
    int n = 0;
    double sum = 0;
    char line[64];
    if (argc < 5)
        signal(SIGTERM, on_signal);
    read_state(&n, &sum);
    snprintf(line, sizeof line, "%d\n", n);
    if (append("starts.log", line))
        return 3;
    while (n < total && !asked) {
        one_unit();
        if (append("done.log", "."))
            return 3;
        n++;
        sum += x * (n % 7);
        if (n % every == 0 && write_state(n, sum))
            return 3;
    }
    if (write_state(n, sum))
        return 3;
    if (n < total)
        return 0; /* as GROMACS does: stopped in order, but not done */
    snprintf(line, sizeof line, "{\"sum\": %.17g}\n", sum);
    FILE *f = fopen("result.json", "w");
    if (!f)
        return 3;
    fputs(line, f);
    return fclose(f) != 0;
}
