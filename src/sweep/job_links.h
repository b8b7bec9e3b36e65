/* SPDX-License-Identifier: BSD-3-Clause */
/* Files and folders by their contents. Only src/sweep/job*.c include this. */
#ifndef COX_SWEEP_JOB_LINKS_H
#define COX_SWEEP_JOB_LINKS_H

#include "cox/err.h"

/* SHA-256 of a file's bytes; of a folder of the names and digests of all that is in it, in the
 * order of the names. Symbolic links count as what they lead to. COX_EINVAL for what is neither. */
int cox_job_digest(const char *path, char digest[65], struct cox_err *err) COX_MUST_CHECK;

#endif
