/* SPDX-License-Identifier: BSD-3-Clause */
/* What a simulated bag asks of its policy and of chance, tabulated once, so that an answer takes
 * nanoseconds. For bag.c alone. */
#ifndef COX_SERVERS_BAG_PLAN_H
#define COX_SERVERS_BAG_PLAN_H

#include "servers/bag.h"

struct bag_plan {
    struct cox_bag bag;
    struct cox_bag_policy policy;
    double notice_h, startup_h;
    bool notice_saves; /* a checkpoint fits between the notice and the end */
    int classes, ages; /* of remaining work and of age */
    double age_step;
    bool *good; /* [classes][ages] the policy would reuse such a server; NULL: always */
    struct cox_schedule_table *table;
    double *quantile; /* brackets of the bathtub's */
};

int bag_plan_init(struct bag_plan *plan, const struct cox_bag *bag,
                  const struct cox_bag_policy *policy, struct cox_err *err) COX_MUST_CHECK;
void bag_plan_deinit(struct bag_plan *plan);

/* Whether a job with so much work left is begun on a server of this age that has run others. */
bool bag_plan_reuse(const struct bag_plan *plan, double remaining_h, double age_h);
/* How much work before the next checkpoint, where the job is not over by then; infinity: none. */
double bag_plan_stretch(const struct bag_plan *plan, double remaining_h, double age_h);
/* How long a server lives, from u uniform in [0, 1). */
double bag_plan_lifetime(const struct bag_plan *plan, double u);

#endif
