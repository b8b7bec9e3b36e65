/* SPDX-License-Identifier: BSD-3-Clause */
/* When to write checkpoints on a server that may vanish: dynamic programming over (remaining work,
 * age of the server). Hours. Pure functions; threads may call any of them. */
#ifndef COX_SERVERS_SCHEDULE_H
#define COX_SERVERS_SCHEDULE_H

#include "cox/err.h"
#include "servers/lifetime.h"

enum cox_schedule_convention {
    COX_SCHEDULE_CONSISTENT, /* probabilities given that the server lived to its present age; a
                                failure loses the work since the last checkpoint and goes on on a
                                fresh server */
    COX_SCHEDULE_PAPER       /* as the authors of HPDC'20, section 5, computed it: for comparison
                                only; what it does is at the top of schedule_paper.c */
};

struct cox_schedule_options {
    double work_h, age_h; /* of the job; of the server when it begins */
    double checkpoint_h;  /* δ: what writing one takes; need not be whole steps */
    double restart_h;     /* what coming up on a fresh server takes; its age counts from then */
    double step_h;        /* resolution of the programme: 1/60; made a little less where the work is
                             no whole number of steps. At most 2000 steps of work */
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
 * convention, exactly; the period is rounded to the same grid. Infinity where no server lasts a
 * period; NaN with err set for what is out of range. And the period that is best for this model and
 * job, of all on the grid. */
double cox_schedule_periodic(const struct cox_lifetime *life,
                             const struct cox_schedule_options *options, double period_h,
                             struct cox_err *err);
int cox_schedule_tuned_period(double *period_h, double *expected_h, const struct cox_lifetime *life,
                              const struct cox_schedule_options *options,
                              struct cox_err *err) COX_MUST_CHECK;
/* √(2 δ MTTF) (Young 1974), for comparison. */
double cox_schedule_young(double checkpoint_h, double mttf_h);

/* The policy as a table for a simulation or a run: the next stretch for (remaining work, age),
 * rounded to the grid, for jobs of up to work_h (more work than that is taken for so much); all of
 * the work that remains means: no checkpoint any more. Ages beyond those that the model knows are
 * taken for the last of them; a Weibull model is tabulated up to age_h or 24 h, the greater.
 * COX_EUNSUPPORTED for the published convention. `next` is quick and allocates nothing. */
struct cox_schedule_table;
int cox_schedule_table_create(struct cox_schedule_table **out, const struct cox_lifetime *life,
                              const struct cox_schedule_options *options,
                              struct cox_err *err) COX_MUST_CHECK;
void cox_schedule_table_destroy(struct cox_schedule_table *table);
double cox_schedule_table_next(const struct cox_schedule_table *table, double remaining_h,
                               double age_h);
/* … and the hours to the end that it expects from there. */
double cox_schedule_table_expected(const struct cox_schedule_table *table, double remaining_h,
                                   double age_h);

#endif
