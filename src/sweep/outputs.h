/* SPDX-License-Identifier: BSD-3-Clause */
/* The outputs of a finished job, read from its directory as settings.outputs says. */
#ifndef COX_SWEEP_OUTPUTS_H
#define COX_SWEEP_OUTPUTS_H

#include "sweep/settings.h"

/* All outputs of a job in one row, output after output. */
struct cox_values {
    int n;         /* numbers */
    double *value; /* [n], owned */
    double *error; /* [n], owned; NaN where the job gives none */
    int *first; /* [n_outputs + 1], owned: output o is value[first[o]] … value[first[o + 1] − 1] */
};
void cox_values_deinit(struct cox_values *values);

/* COX_EFORMAT with the file (as seen from `directory`), where in it, and what was looked for;
 * values that are not finite are refused, errors that are not finite or negative too. */
int cox_outputs_read(struct cox_values *out, const struct cox_sweep_settings *settings,
                     const char *directory, struct cox_err *err) COX_MUST_CHECK;

#endif
