/* SPDX-License-Identifier: BSD-3-Clause */
/* Ctrl-C: the first one asks long work to stop cleanly, a second one ends the process. */
#ifndef COX_CLI_INTERRUPT_H
#define COX_CLI_INTERRUPT_H

#include <stdatomic.h>

/* Installs handlers for SIGINT and SIGTERM; returns the flag that they set. */
const atomic_int *cox_interrupt_watch(void);

#endif
