/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of `cox potential test -d PREFIX`: tables of labels and predictions that numpy.loadtxt
 * reads. They appear together in the end, or not at all. */
#ifndef COX_CLI_POTENTIAL_DETAILS_H
#define COX_CLI_POTENTIAL_DETAILS_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "cox/err.h"

enum { DETAILS_E, DETAILS_E_ATOM, DETAILS_F, DETAILS_V, DETAILS_V_ATOM, DETAILS_AE, DETAILS_FILES };

struct potential_details {
    bool open;
    struct {
        char path[PATH_MAX], temporary[PATH_MAX];
        FILE *file; /* NULL: not asked for */
        bool used;  /* has rows; else it is left away */
    } of[DETAILS_FILES];
    const char *system;
    bool header[DETAILS_FILES]; /* written for this system */
};

int potential_details_open(struct potential_details *details, const char *prefix, bool atomic,
                           struct cox_err *err) COX_MUST_CHECK;
/* Rows of another system follow. `path` is borrowed as long as they do. */
void potential_details_system(struct potential_details *details, const char *path);
/* A frame of n atoms; labels may be NULL. */
void potential_details_add(struct potential_details *details, int n, const double *energy,
                           const double *energy_of, const double *force, const double *force_of,
                           const double *virial, const double *virial_of,
                           const double *atom_energy);
int potential_details_commit(struct potential_details *details, struct cox_err *err) COX_MUST_CHECK;
/* Removes what was not committed. */
void potential_details_close(struct potential_details *details);

#endif
