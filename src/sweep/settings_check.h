/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of a bag.yaml that need more than one key. Only src/sweep/settings*.c include this. */
#ifndef COX_SWEEP_SETTINGS_CHECK_H
#define COX_SWEEP_SETTINGS_CHECK_H

#include "base/mem.h"
#include "sweep/settings.h"

/* All that needs no file but the bag.yaml at `path`; fills in what is decided from other keys. */
int cox_sweep_settings_finish(struct cox_sweep_settings *settings, const char *path,
                              const struct cox_config *config, struct cox_arena *arena,
                              struct cox_err *err) COX_MUST_CHECK;
/* The name that a template (or, not `made`, a link) has in a job's directory. Returns `out`. */
const char *cox_job_file_name(const char *path, bool made, char *out, size_t size);
/* settings_outputs.c: readers, accuracies and the objective. */
int cox_sweep_settings_check_outputs(struct cox_sweep_settings *settings,
                                     const struct cox_config *config,
                                     struct cox_err *err) COX_MUST_CHECK;
/* settings_files.c: the files that it names are there, and their placeholders make sense. */
int cox_sweep_settings_check_files(const struct cox_sweep_settings *settings,
                                   const struct cox_config *config, struct cox_arena *arena,
                                   struct cox_err *err) COX_MUST_CHECK;
/* "; did you mean 'rho'? (known: rho, h)" for messages. */
void cox_sweep_name_hint(char *out, size_t size, const char *name, const char *const *known, int n);

#endif
