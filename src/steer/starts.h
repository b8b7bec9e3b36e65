/* SPDX-License-Identifier: BSD-3-Clause */
/* The start structures of a run: where the lanes begin before there is anything to choose from. */
#ifndef COX_STEER_STARTS_H
#define COX_STEER_STARTS_H

#include "cox/err.h"
#include "cox/system.h"
#include "steer/settings.h"
#include "store/catalog.h"

/* *n structures (*x)[n][n_atoms][3], nm: the files that the settings name, or the system's own
 * coordinates. Release with cox_starts_free, also after a failure. */
int cox_starts_load(float ***x, int *n, const struct cox_system *system,
                    const struct cox_settings *settings, struct cox_err *err) COX_MUST_CHECK;
void cox_starts_free(float **x, int n);
/* Downhill, as simulation.minimize_steps wants it; a function of the structures alone. */
int cox_starts_minimize(float **x, int n, const struct cox_system *system,
                        const struct cox_settings *settings, struct cox_err *err) COX_MUST_CHECK;
/* Those that the catalog does not know yet: a run may have died right after making it. */
int cox_starts_record(int n, const struct cox_system *system, const struct cox_settings *settings,
                      struct cox_catalog *catalog, struct cox_err *err) COX_MUST_CHECK;

#endif
