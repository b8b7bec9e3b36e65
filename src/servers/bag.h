/* SPDX-License-Identifier: BSD-3-Clause */
/* A bag of jobs on servers that may vanish, as a discrete-event simulation: thousands of bags a
 * second, so that policies can be compared by the distributions of their cost and makespan before
 * anything is bought. Hours and USD. Pure functions of their arguments; threads may run different
 * bags. */
#ifndef COX_SERVERS_BAG_H
#define COX_SERVERS_BAG_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"
#include "servers/policy.h"
#include "servers/schedule.h"

enum cox_bag_reuse {
    COX_BAG_ALWAYS, /* naive: any server that is up, whatever its age */
    COX_BAG_NEVER,  /* every job on a fresh server */
    COX_BAG_MODEL   /* cox_job_reuse with the model the policy believes in */
};
enum cox_bag_checkpoints {
    COX_BAG_NO_CHECKPOINTS,
    COX_BAG_PERIODIC, /* every period_h of work */
    COX_BAG_SCHEDULE  /* cox_schedule_table of the believed model */
};

struct cox_bag_policy {
    char name[48];
    bool on_demand;               /* servers that stay, at their price */
    struct cox_lifetime believed; /* what the policy thinks lifetimes are; borrowed arrays */
    enum cox_bag_reuse reuse;
    enum cox_time_model time_model;
    enum cox_bag_checkpoints checkpoints;
    double period_h;
    int spares; /* idle good servers kept for reuse */
};

struct cox_bag {
    int n_jobs, m_needed;     /* ends when m of n are done; 0: all */
    double job_h, job_spread; /* log-normal with this mean and relative standard deviation */
    int job_cores;
    int servers;                 /* at a time */
    double checkpoint_h;         /* δ; its work is lost without checkpoints */
    double budget, deadline_h;   /* 0: none: where one is exceeded the bag ends unfinished */
    struct cox_server_type type; /* its `life` is what really happens … */
    const double *replay; /* … or real lifetimes [n_replay], drawn with replacement: NULL: none.
                             Censored ones are drawn as Kaplan and Meier's estimate says
                             (empirical life); so replay is for traces without censoring */
    int n_replay;
};

struct cox_bag_outcome {
    double cost, makespan_h;
    int done, preemptions, servers;                         /* servers: bought */
    double work_h, lost_h, idle_h, checkpoint_h, startup_h; /* server·hours by use; they sum to what
                                                               was paid for */
    bool finished;
};

/* A bag that would buy more servers than this gets nowhere: it ends unfinished. */
enum { COX_BAG_MOST_SERVERS = 1000, COX_BAG_MOST_PER_JOB = 200 };

struct cox_bag_runner; /* workspace: tables and heaps, sized once */
int cox_bag_runner_create(struct cox_bag_runner **out, const struct cox_bag *bag,
                          const struct cox_bag_policy *policy, struct cox_err *err) COX_MUST_CHECK;
void cox_bag_runner_destroy(struct cox_bag_runner *runner);
/* Servers are bought where jobs wait, at most one per job; a job that was interrupted goes first.
 * The policy knows the mean length of a job, not the length; once that is over it thinks a tenth
 * left. A server's age counts from when it is up; one that has been given notice gets no job; where
 * a checkpoint (of a policy that writes any) fits into the notice nothing but the notice is lost. A
 * server is paid from buying to its end or being given back, which is as soon as it has nothing to
 * do and is no spare. work_h is work that was not lost: of jobs that ended or up to checkpoints.
 *
 * One bag; the same (seed, number) the same lifetimes and job lengths for every policy. Allocates
 * nothing. */
void cox_bag_run(struct cox_bag_runner *runner, uint64_t seed, uint64_t number,
                 struct cox_bag_outcome *out);

#endif
