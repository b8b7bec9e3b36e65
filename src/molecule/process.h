/* SPDX-License-Identifier: BSD-3-Clause */
/* A helper program, run to its end: by argv, no shell, output to a file, cancellable. */
#ifndef COX_MOLECULE_PROCESS_H
#define COX_MOLECULE_PROCESS_H

#include <stdatomic.h>

#include "cox/err.h"

struct cox_process {
    const char *const *argv;  /* NULL-terminated; argv[0] is looked up in PATH */
    const char *directory;    /* to run in */
    const char *output;       /* file for stdout, within the directory or absolute */
    const char *errors;       /* file for stderr; NULL: the same as for stdout */
    const atomic_int *cancel; /* set to end the program; may be NULL */
};

/* Waits for its end. *exit_status: 0 … 255, or 128 + signal. COX_ENOTFOUND when there is no such
 * program, COX_ECANCELLED when cancelled (the program was ended). stdin is empty. */
int cox_process_run(const struct cox_process *process, int *exit_status,
                    struct cox_err *err) COX_MUST_CHECK;

#endif
