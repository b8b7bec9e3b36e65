/* SPDX-License-Identifier: BSD-3-Clause */
/* settings.json beside an installed model, and what the environment says of threads. */
#ifndef COX_KIM_SETTINGS_H
#define COX_KIM_SETTINGS_H

#include "potential/evaluate.h"

/* Reads FOLDER/settings.json. */
int cox_kim_settings_read(enum cox_dp_precision *precision, const char *folder,
                          struct cox_err *err) COX_MUST_CHECK;
/* Threads of one process: COX_THREADS or OMP_NUM_THREADS where set; one among many processes of an
 * MPI run; else as many as this process may run on. COX_EINVAL: set to what is no number. */
int cox_kim_threads(int *threads, struct cox_err *err) COX_MUST_CHECK;
/* This process is one of several that mpirun or srun started, and not the first. */
int cox_kim_rank(void);

#endif
