/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything follows from two integrals over one attempt, which lifetime.c has in closed form: the
 * probability r that a server of age s is gone before the job's T hours are over, and what is lost
 * then, l = ∫_s^{s+T} (t − s) f dt / (1 − F(s)). */
#include "servers/policy.h"

#include <math.h>
#include <stddef.h>

/* Rounding of the closed forms: two times that differ by less are the same. */
#define SAME 1e-9

/* ∫_s^{s+T} t f dt, by parts. */
static double paper_loss(const struct cox_lifetime *life, double T, double s)
{
    return (s + T) * cox_lifetime_cdf(life, s + T) - s * cox_lifetime_cdf(life, s) -
           cox_lifetime_cdf_integral(life, s, s + T);
}

/* Attempts on fresh servers until one lasts: E = (1 − r) T + l + r (startup + E). */
static double fresh_time(const struct cox_lifetime *life, double T, double startup_h)
{
    double risk = cox_lifetime_risk(life, 0, T);
    if (!(risk < 1))
        return INFINITY;
    return T + (cox_lifetime_loss(life, 0, T) + risk * startup_h) / (1 - risk);
}

static double expected_time(const struct cox_lifetime *life, double T, double s, double startup_h,
                            enum cox_time_model model)
{
    double risk;
    if (model == COX_TIME_PAPER)
        return T + paper_loss(life, T, s);
    risk = cox_lifetime_risk(life, s, T);
    if (!(risk > 0))
        return T;
    if (model == COX_TIME_FIRST_ORDER)
        return T + cox_lifetime_loss(life, s, T) + risk * startup_h;
    return (1 - risk) * T + cox_lifetime_loss(life, s, T) +
           risk * (startup_h + fresh_time(life, T, startup_h));
}

double cox_job_expected_time(const struct cox_lifetime *life, double T, double s,
                             enum cox_time_model model)
{
    return expected_time(life, T, s, 0, model);
}

bool cox_job_reuse(const struct cox_lifetime *life, double T, double s, double startup_h,
                   enum cox_time_model model)
{
    if (!(cox_lifetime_cdf(life, s) < 1)) /* the model says that there is none */
        return false;
    double old = expected_time(life, T, s, startup_h, model);
    double fresh = startup_h + expected_time(life, T, 0, startup_h, model);
    return isfinite(old) && old <= fresh * (1 + SAME);
}

int cox_servers_for_deadline(int n_jobs, double expected_h, double deadline_h, int slots)
{
    double servers;
    if (!(expected_h <= deadline_h) || slots < 1)
        return -1;
    servers = n_jobs / (double)slots * (expected_h / deadline_h);
    return servers > 1 ? (int)ceil(servers * (1 - SAME)) : 1;
}

int cox_server_choose(const struct cox_server_type *types, int n, const double *job_h,
                      int job_cores, double deadline_h, enum cox_time_model model, double *cost)
{
    int best = -1;
    double least = INFINITY;
    for (int i = 0; i < n; i++) {
        int slots = job_cores > 0 ? types[i].cores / job_cores : 0;
        double here = INFINITY;
        if (slots > 0 && job_h[i] >= 0) { /* NaN is not */
            double hours = cox_job_expected_time(&types[i].life, job_h[i], 0, model);
            if (!(deadline_h > 0) || hours <= deadline_h)
                here = types[i].price * hours / slots;
        }
        if (cost)
            cost[i] = here;
        if (here < least) {
            least = here;
            best = i;
        }
    }
    return best;
}
