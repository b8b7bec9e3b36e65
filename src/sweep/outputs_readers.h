/* SPDX-License-Identifier: BSD-3-Clause */
/* One output out of one file, by its kind. Only src/sweep/outputs*.c and the fuzzers include this.
 */
#ifndef COX_SWEEP_OUTPUTS_READERS_H
#define COX_SWEEP_OUTPUTS_READERS_H

#include "sweep/settings.h"

struct cox_reading {
    int n, n_errors;
    double *value, *error; /* [n], [n_errors], owned; error NULL: none are given */
    int *line;             /* [n], owned: where each stands; NULL: not in lines */
};
void cox_reading_deinit(struct cox_reading *reading);

/* COX_EFORMAT with the file, where in it, what was looked for and what is there. A file that is
 * missing is COX_ENOTFOUND. */
int cox_reading_csv(struct cox_reading *out, const struct cox_sweep_output *output,
                    const char *path, struct cox_err *err) COX_MUST_CHECK;
int cox_reading_json(struct cox_reading *out, const struct cox_sweep_output *output,
                     const char *path, struct cox_err *err) COX_MUST_CHECK;
int cox_reading_hdf5(struct cox_reading *out, const struct cox_sweep_output *output,
                     const char *path, struct cox_err *err) COX_MUST_CHECK;
int cox_reading_text(struct cox_reading *out, const struct cox_sweep_output *output,
                     const char *path, struct cox_err *err) COX_MUST_CHECK;

#endif
