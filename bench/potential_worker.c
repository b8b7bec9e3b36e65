/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential_worker.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

static int allocate(struct potential_frame *frame, struct cox_err *err)
{
    const size_t n = (size_t)frame->n;
    frame->type = cox_alloc(n, sizeof *frame->type);
    frame->x = cox_alloc(n, sizeof *frame->x);
    frame->x0 = cox_alloc(n, sizeof *frame->x0);
    frame->force = cox_alloc(n, sizeof *frame->force);
    return frame->type && frame->x && frame->x0 && frame->force
               ? 0
               : cox_err_set(err, COX_ENOMEM, "no memory for %zu atoms", n);
}

int potential_frame_read(struct potential_frame *frame, const char *path, struct cox_err *err)
{
    double row[4];
    *frame = (struct potential_frame){0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return cox_err_errno(err, "cannot open '%s'", path);
    int rc = 0;
    if (fread(row, sizeof *row, 1, file) != 1 || !(row[0] >= 1 && row[0] <= 1e7) ||
        fread(frame->box, sizeof frame->box, 1, file) != 1)
        rc = cox_err_set(err, COX_EFORMAT, "'%s': no number of atoms and box", path);
    else {
        frame->n = (int)row[0];
        rc = allocate(frame, err);
    }
    for (int i = 0; !rc && i < frame->n; i++) {
        if (fread(row, sizeof row, 1, file) != 1)
            rc = cox_err_set(err, COX_EFORMAT, "'%s' ends before atom %d", path, i);
        else {
            frame->type[i] = (int)row[0];
            for (int k = 0; k < 3; k++)
                frame->x[i][k] = frame->x0[i][k] = row[1 + k];
        }
    }
    fclose(file);
    return rc;
}

void potential_frame_deinit(struct potential_frame *frame)
{
    cox_free(frame->type);
    cox_free(frame->x);
    cox_free(frame->x0);
    cox_free(frame->force);
}

/* As a simulation does, so that nobody profits from positions seen before: 0.05 Å at most. */
static void move(struct potential_frame *frame, long long step)
{
    for (int i = 0; i < frame->n; i++)
        for (int k = 0; k < 3; k++)
            frame->x[i][k] = frame->x0[i][k] + 0.05 * sin(0.02 * (double)step * (1 + (i + k) % 7));
}

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double resident_mib(void)
{
    char line[256];
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r"); /* in pages: "all resident …" */
    if (file && fgets(line, sizeof line, file)) {
        char *word = line + strcspn(line, " ");
        word += strspn(word, " ");
        word[strcspn(word, " ")] = '\0';
        if (cox_parse_int(word, &pages))
            pages = 0;
    }
    if (file)
        fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static int run(const struct potential_worker *worker, struct potential_frame *frame, long long n,
               struct cox_err *err)
{
    static long long step; /* goes on from command to command */
    const double began = cox_clock_seconds(), cpu = processor_seconds();
    for (long long k = 0; k < n; k++) {
        move(frame, ++step);
        int rc = worker->compute(worker->user, frame, err);
        if (rc)
            return rc;
    }
    printf("{\"seconds\": %.9g, \"cpu\": %.9g, \"energy\": %.17g}\n", cox_clock_seconds() - began,
           processor_seconds() - cpu, frame->energy);
    return 0;
}

static int forces(const struct potential_worker *worker, struct potential_frame *frame,
                  const char *path, struct cox_err *err)
{
    const size_t n = (size_t)frame->n;
    memcpy(frame->x, frame->x0, n * sizeof *frame->x);
    int rc = worker->compute(worker->user, frame, err);
    if (rc)
        return rc;
    FILE *file = fopen(path, "wb");
    if (!file)
        return cox_err_errno(err, "cannot write '%s'", path);
    const bool whole = fwrite(frame->force, sizeof *frame->force, n, file) == n;
    if (fclose(file) || !whole)
        return cox_err_set(err, COX_EIO, "cannot write '%s'", path);
    printf("{\"energy\": %.17g}\n", frame->energy);
    return 0;
}

static int obey(const struct potential_worker *worker, struct potential_frame *frame, char *line,
                struct cox_err *err)
{
    long long n;
    line[strcspn(line, "\n")] = '\0';
    if (!strncmp(line, "run ", 4) && !cox_parse_int(line + 4, &n))
        return run(worker, frame, n, err);
    if (!strncmp(line, "forces ", 7))
        return forces(worker, frame, line + 7, err);
    if (!strcmp(line, "memory")) {
        printf("{\"now\": %.2f}\n", resident_mib());
        return 0;
    }
    int rc = worker->command ? worker->command(worker->user, frame, line, err) : COX_ENOTFOUND;
    return rc == COX_ENOTFOUND ? cox_err_set(err, COX_EINVAL, "unknown command '%s'", line) : rc;
}

int potential_serve(const struct potential_worker *worker, struct potential_frame *frame,
                    struct cox_err *err)
{
    char line[1024];
    int rc = worker->compute(worker->user, frame, err);
    if (rc)
        return rc;
    printf("{%s}\n", worker->about);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        rc = obey(worker, frame, line, err);
        if (rc)
            return rc;
        fflush(stdout);
    }
    return 0;
}
