/* SPDX-License-Identifier: BSD-3-Clause */
/* A job of a sweep: its key, its directory, its arguments. Placeholders in arguments and template
 * files: {NAME} a parameter, {NAME:.3f} with a printf format of one number, {seed} (of the point,
 * from the sweep's seed and the point's inputs), {cores}, {point} (its number), {bag} (the folder
 * of the bag.yaml); {{ and }} are braces. In a template file only known names are replaced, so that
 * braces of LAMMPS or JSON may stand as they are. */
#ifndef COX_SWEEP_JOB_H
#define COX_SWEEP_JOB_H

#include <stdint.h>

#include "base/mem.h"
#include "sweep/points.h"

enum { COX_JOB_KEY_SIZE = 65 };

struct cox_jobs; /* the settings' templates, read once */

int cox_jobs_create(struct cox_jobs **out, const struct cox_sweep_settings *settings,
                    const struct cox_config *config, const struct cox_points *points,
                    struct cox_err *err) COX_MUST_CHECK;
void cox_jobs_destroy(struct cox_jobs *jobs);
/* SHA-256 over arguments, rendered files and the contents of links, as the job will see them (the
 * numbers of points and the place of the sweep are not in it): the same key, the same result. */
int cox_job_key(const struct cox_jobs *jobs, int point, char key[COX_JOB_KEY_SIZE],
                struct cox_err *err) COX_MUST_CHECK;
uint64_t cox_job_seed(const struct cox_jobs *jobs, int point);
/* Makes `directory` with the rendered files and links; an existing one is made anew unless
 * `keep`, as after a preemption. */
int cox_job_prepare(const struct cox_jobs *jobs, int point, const char *directory, bool keep,
                    struct cox_err *err) COX_MUST_CHECK;
/* Its argv (`resume`: of the command after a preemption), NULL-terminated, in the arena. A program
 * without a slash is looked for in PATH; one with a slash is as seen from the bag.yaml. */
int cox_job_arguments(const struct cox_jobs *jobs, int point, bool resume, const char *const **argv,
                      struct cox_arena *arena, struct cox_err *err) COX_MUST_CHECK;
/* Removes what settings.job.keep does not name; nothing when that is empty. */
int cox_job_tidy(const struct cox_jobs *jobs, const char *directory,
                 struct cox_err *err) COX_MUST_CHECK;

#endif
