/* SPDX-License-Identifier: BSD-3-Clause */
/* The two kinds of coordination behind steer/run.h; the settings say which. */
#ifndef COX_STEER_COORDINATION_H
#define COX_STEER_COORDINATION_H

#include "steer/run.h"

/* sequential.c: one process, rounds. */
int cox_sequential_run(struct cox_steer_outcome *outcome, const struct cox_settings *settings,
                       const struct cox_config *config, const char *directory,
                       const struct cox_steer_hooks *hooks, struct cox_err *err) COX_MUST_CHECK;
int cox_sequential_resume(struct cox_steer_outcome *outcome, const struct cox_settings *settings,
                          const struct cox_config *config, const char *directory,
                          const struct cox_steer_hooks *hooks, struct cox_err *err) COX_MUST_CHECK;

/* streaming.c: this process coordinates others that simulate, store, train and decide at once. */
int cox_streaming_run(struct cox_steer_outcome *outcome, const struct cox_settings *settings,
                      const struct cox_config *config, const char *directory,
                      const struct cox_steer_hooks *hooks, struct cox_err *err) COX_MUST_CHECK;
int cox_streaming_resume(struct cox_steer_outcome *outcome, const struct cox_settings *settings,
                         const struct cox_config *config, const char *directory,
                         const struct cox_steer_hooks *hooks, struct cox_err *err) COX_MUST_CHECK;

#endif
