/* SPDX-License-Identifier: BSD-3-Clause */
/* The checks of settings that one row cannot tell, for the keys of the streaming run. Only
 * settings.c includes this. */
#ifndef COX_STEER_SETTINGS_STREAMING_H
#define COX_STEER_SETTINGS_STREAMING_H

#include "steer/settings.h"

/* Fills what was left out and depends on the coordination; refuses contradictions, and keys of the
 * other coordination that differ from their defaults (so that an effective configuration, which
 * gives every key, reads back). */
int cox_settings_finish_streaming(struct cox_settings *settings, const struct cox_config *config,
                                  struct cox_err *err) COX_MUST_CHECK;

#endif
