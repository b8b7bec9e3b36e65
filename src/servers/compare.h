/* SPDX-License-Identifier: BSD-3-Clause */
/* The same bag under several policies, many times, and what it comes to: distributions of cost and
 * makespan, and what of the gain over servers on demand is their price and what is policy. */
#ifndef COX_SERVERS_COMPARE_H
#define COX_SERVERS_COMPARE_H

#include "servers/bag.h"

struct cox_spread {
    double mean, error; /* standard error of the mean */
    double p5, p50, p95;
};

struct cox_bag_result {
    struct cox_bag_policy policy;
    int bags, finished;
    double *cost, *makespan_h; /* [bags] in the order of their numbers, owned */
    struct cox_spread cost_spread, makespan_spread;
    double servers, preemptions; /* means, as are the hours of servers by use: */
    double work_h, lost_h, idle_h, checkpoint_h, startup_h;
};

/* Bags 0 … bags − 1 of `seed` under each of policies[n]: results[n] are to be deinitialised, also
 * after a failure. The same numbers meet the same fortune, so that policies can be compared in
 * pairs. */
int cox_bag_compare(struct cox_bag_result *results, const struct cox_bag_policy *policies, int n,
                    const struct cox_bag *bag, int bags, uint64_t seed,
                    struct cox_err *err) COX_MUST_CHECK;
void cox_bag_result_deinit(struct cox_bag_result *result);
/* Mean of a's cost − b's over bags in pairs, and its standard error. */
double cox_bag_difference(const struct cox_bag_result *a, const struct cox_bag_result *b,
                          double *error);

/* The policies that are always compared, in this order. */
enum cox_usual_policy {
    COX_USUAL_ON_DEMAND,   /* servers that stay */
    COX_USUAL_NAIVE,       /* always reuse, no checkpoints */
    COX_USUAL_EXPONENTIAL, /* believes in an exponential lifetime of the same mean: always reuses,
                              checkpoints at even intervals */
    COX_USUAL_TUNED,       /* reuse by the model, the best period */
    COX_USUAL_MODEL,       /* reuse and checkpoints by the model */
    COX_USUAL_POLICIES
};
/* Without checkpoints (`checkpoints` false: the job writes none) the exponential one is to always
 * reuse, the tuned one to never do. */
int cox_bag_usual(struct cox_bag_policy out[COX_USUAL_POLICIES], const struct cox_bag *bag,
                  const struct cox_lifetime *believed, bool checkpoints,
                  struct cox_err *err) COX_MUST_CHECK;
/* ∫ (1 − F); infinity where servers stay. */
double cox_lifetime_mean(const struct cox_lifetime *life);

/* Where the gain comes from. All in USD per bag, means. */
struct cox_bag_gain {
    double on_demand; /* what the bag costs there */
    double ideal;     /* … at the transient price, were no server ever taken away */
    double naive, policy;
    double factor;        /* on_demand / policy … */
    double price_factor;  /* … = on_demand / ideal … */
    double policy_factor; /* … × ideal / policy: what preemptions leave of it */
    double
        price_share; /* of on_demand − policy: (on_demand − naive), which needs no policy at all */
    double policy_share; /* … and (naive − policy) */
    double taken_back; /* of naive − ideal, what preemptions cost: (naive − policy); NaN: nothing */
};
struct cox_bag_gain cox_bag_gain(const struct cox_bag *bag, const struct cox_bag_result *on_demand,
                                 const struct cox_bag_result *naive,
                                 const struct cox_bag_result *policy);

#endif
