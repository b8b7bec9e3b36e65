/* SPDX-License-Identifier: BSD-3-Clause */
/* What both workers of bench/potential.py are made of: a frame of atoms from a file, and a loop
 * that reads commands and prints one line of JSON for each:
 *   run N        N force evaluations, the atoms moved a little before each: seconds, processor
 *                seconds of all threads
 *   forces PATH  of the frame as it was read: energy; forces to PATH as raw doubles
 *   memory       resident, MiB
 * Other lines go to the worker's own command. Å, eV. */
#ifndef COX_BENCH_POTENTIAL_WORKER_H
#define COX_BENCH_POTENTIAL_WORKER_H

#include "cox/err.h"

struct potential_frame {
    int n;
    double box[9];
    int *type;
    double (*x)[3];  /* where the atoms are now */
    double (*x0)[3]; /* as read */
    double energy;
    double (*force)[3];
};

struct potential_worker {
    /* Energy and forces of the atoms where they are now, neighbour lists made anew. */
    int (*compute)(void *user, struct potential_frame *frame, struct cox_err *err);
    /* Prints one line; COX_ENOTFOUND: no such command. NULL: none. */
    int (*command)(void *user, struct potential_frame *frame, const char *line,
                   struct cox_err *err);
    const char *about; /* members of a JSON object, printed after the first force */
    void *user;
};

/* `path`: raw doubles: the number of atoms, nine of the box, then a type and a position each. */
int potential_frame_read(struct potential_frame *frame, const char *path,
                         struct cox_err *err) COX_MUST_CHECK;
void potential_frame_deinit(struct potential_frame *frame);
/* Until standard input ends. */
int potential_serve(const struct potential_worker *worker, struct potential_frame *frame,
                    struct cox_err *err) COX_MUST_CHECK;

#endif
