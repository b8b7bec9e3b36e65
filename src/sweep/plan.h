/* SPDX-License-Identifier: BSD-3-Clause */
/* What a sweep will take before any of it is run: how many simulations, hours and dollars. From the
 * settings alone; what they do not say is NaN. */
#ifndef COX_SWEEP_PLAN_H
#define COX_SWEEP_PLAN_H

#include "sweep/points.h"

/* One way to run it. */
struct cox_sweep_way {
    int simulations;
    double
        hours; /* makespan: rounds of simulations on what runs side by side, training not counted */
    double core_hours;
    double cost;           /* USD; NaN: servers have no price, or the time is unknown */
    double cost_on_demand; /* of the same on servers that stay */
};

struct cox_sweep_plan {
    int points, needed; /* needed: targets.jobs, else all */
    int first, audits;  /* results before the first training; audits before any prediction */
    int slots;          /* jobs side by side */
    char where[96];     /* "2 cores of this machine", "4 × n1-highcpu-16" */
    double job_h;       /* of one simulation, undisturbed; NaN: job.expected_minutes is not given */
    double expected_h;  /* … on a server that may vanish, without checkpoints */
    int servers_for_deadline;   /* 0: no deadline or time unknown; -1: none will do */
    struct cox_sweep_way most;  /* everything is simulated */
    struct cox_sweep_way least; /* the surrogate takes over as soon as its rule lets it; as `most`
                                   where there is none */
};

int cox_sweep_plan_make(struct cox_sweep_plan *out, const struct cox_sweep_settings *settings,
                        const struct cox_config *config, const struct cox_points *points,
                        struct cox_err *err) COX_MUST_CHECK;

#endif
