/* SPDX-License-Identifier: BSD-3-Clause */
/* When to write checkpoints on a server that may vanish: dynamic programming over (remaining work,
 * age of the server). Hours. */
#ifndef COX_SERVERS_SCHEDULE_H
#define COX_SERVERS_SCHEDULE_H

#include "cox/err.h"
#include "servers/lifetime.h"

enum cox_schedule_convention {
    COX_SCHEDULE_CONSISTENT, /* probabilities given that the server lived to its present age; a
                                failure loses the work since the last checkpoint and goes on on a
                                fresh server */
    COX_SCHEDULE_PAPER       /* as published (HPDC'20, section 5): for comparison only */
};

struct cox_schedule_options {
    double work_h, age_h; /* of the job; of the server when it begins */
    double checkpoint_h;  /* δ: what writing one takes */
    double restart_h;     /* what coming up on a fresh server takes */
    double step_h;        /* resolution of the programme: 1/60 */
    enum cox_schedule_convention convention;
};
#define COX_SCHEDULE_OPTIONS_INIT                                                              \
    {                                                                                          \
        .work_h = 1, .age_h = 0, .checkpoint_h = 1.0 / 60, .restart_h = 0, .step_h = 1.0 / 60, \
        .convention = COX_SCHEDULE_CONSISTENT                                                  \
    }

struct cox_schedule {
    int n;             /* stretches of work; a checkpoint after each but the last */
    double *stretch_h; /* [n], owned: sums to the work; as taken when no server is lost */
    double expected_h; /* to the end */
};

int cox_schedule_optimal(struct cox_schedule *out, const struct cox_lifetime *life,
                         const struct cox_schedule_options *options,
                         struct cox_err *err) COX_MUST_CHECK;
void cox_schedule_deinit(struct cox_schedule *schedule);

/* Expected hours of checkpointing every `period_h` of work (infinity: never), under the consistent
 * convention, exactly on the same grid; and the period that is best for this model and job. */
double cox_schedule_periodic(const struct cox_lifetime *life,
                             const struct cox_schedule_options *options, double period_h,
                             struct cox_err *err);
int cox_schedule_tuned_period(double *period_h, double *expected_h, const struct cox_lifetime *life,
                              const struct cox_schedule_options *options,
                              struct cox_err *err) COX_MUST_CHECK;
/* √(2 δ MTTF) (Young 1974), for comparison. */
double cox_schedule_young(double checkpoint_h, double mttf_h);

/* The policy as a table for a simulation or a run: the next stretch for (remaining work, age),
 * rounded to the grid. */
struct cox_schedule_table;
int cox_schedule_table_create(struct cox_schedule_table **out, const struct cox_lifetime *life,
                              const struct cox_schedule_options *options,
                              struct cox_err *err) COX_MUST_CHECK;
void cox_schedule_table_destroy(struct cox_schedule_table *table);
double cox_schedule_table_next(const struct cox_schedule_table *table, double remaining_h,
                               double age_h);

#endif
