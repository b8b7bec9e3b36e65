/* SPDX-License-Identifier: BSD-3-Clause */
#include "servers/bag_plan.h"

#include <math.h>

#include "base/mem.h"

#define BRACKETS 1024
#define AGES 512
#define CLASSES 8
#define LATE 2.0 /* relative standard deviations by which a job may outlast its mean length */
#define MOST_HOURS 240.0 /* reuse is not decided anew beyond this age */
#define SAME 1e-6        /* expected times nearer than this are the same: the table's rounding */

/* ---- reuse ---- */

/* Steps of the checkpoint programme: 1/300 of the job, but not so short that a day of ages is too
 * many. */
static struct cox_schedule_options schedule_options(const struct bag_plan *plan)
{
    struct cox_schedule_options o = COX_SCHEDULE_OPTIONS_INIT;
    o.work_h = plan->bag.job_h;
    o.checkpoint_h = plan->bag.checkpoint_h;
    o.restart_h = plan->startup_h;
    o.step_h = fmax(plan->bag.job_h / 300, 1.0 / 200);
    return o;
}

/* Hours to the end of a job with `remaining` hours of work on a server of this age. */
static double expected(const struct bag_plan *plan, double remaining, double age,
                       struct cox_err *err)
{
    struct cox_schedule_options o = schedule_options(plan);
    if (plan->table)
        return cox_schedule_table_expected(plan->table, remaining, age);
    o.work_h = remaining;
    o.age_h = age;
    return cox_schedule_periodic(&plan->policy.believed, &o, plan->policy.period_h, err);
}

static int decide(struct bag_plan *plan, struct cox_err *err)
{
    const struct cox_bag_policy *p = &plan->policy;
    const bool whole = p->checkpoints == COX_BAG_NO_CHECKPOINTS;
    double end = cox_lifetime_quantile(&p->believed, 1 - 1e-6);
    end = isfinite(end) ? fmin(end, MOST_HOURS) : MOST_HOURS;
    plan->classes = whole ? 1 : CLASSES;
    plan->ages = AGES;
    plan->age_step = fmax(end, 1) / (AGES - 1);
    plan->good = cox_alloc((size_t)plan->classes * AGES, sizeof *plan->good);
    if (!plan->good)
        return cox_err_set(err, COX_ENOMEM, "out of memory for a policy");
    for (int c = 0; c < plan->classes; c++) {
        double work = plan->bag.job_h * (c + 1) / plan->classes;
        double fresh = whole ? 0 : plan->startup_h + expected(plan, work, 0, err);
        for (int a = 0; a < AGES; a++) {
            bool *good = &plan->good[c * AGES + a];
            double age = a * plan->age_step;
            if (whole)
                *good = cox_job_reuse(&p->believed, work, age, plan->startup_h, p->time_model);
            else
                *good = expected(plan, work, age, err) <= fresh * (1 + SAME);
        }
        if (!isfinite(fresh))
            return cox_err_set(err, COX_EINVAL, "no server lives long enough for %g h of work",
                               fmin(work, p->period_h));
    }
    return COX_OK;
}

bool bag_plan_reuse(const struct bag_plan *plan, double remaining_h, double age_h)
{
    if (!plan->good)
        return plan->policy.reuse != COX_BAG_NEVER || plan->policy.on_demand;
    double c = ceil(remaining_h / plan->bag.job_h * plan->classes - 1e-9) - 1;
    double a = nearbyint(age_h / plan->age_step);
    c = fmin(fmax(c, 0), plan->classes - 1);
    a = fmin(a, plan->ages - 1);
    return plan->good[(size_t)c * (size_t)plan->ages + (size_t)a];
}

/* The last stretch goes on until the job may well be over, for nobody writes a checkpoint when the
 * end is due. */
double bag_plan_stretch(const struct bag_plan *plan, double remaining_h, double age_h)
{
    double stretch = INFINITY;
    if (plan->policy.on_demand || plan->policy.checkpoints == COX_BAG_NO_CHECKPOINTS)
        return stretch;
    if (plan->policy.checkpoints == COX_BAG_PERIODIC)
        stretch = plan->policy.period_h;
    else if (plan->table)
        stretch = cox_schedule_table_next(plan->table, remaining_h, age_h);
    if (stretch < remaining_h * (1 - 1e-9))
        return stretch;
    return remaining_h + LATE * plan->bag.job_spread * plan->bag.job_h;
}

/* ---- lifetimes ---- */

/* The root of F = u in a bracket: regula falsi that halves the end which stays (Illinois). */
static double bracketed(const struct cox_lifetime *life, double u, double low, double high)
{
    double f_low = cox_lifetime_cdf(life, low) - u, f_high = cox_lifetime_cdf(life, high) - u;
    int side = 0;
    for (int i = 0; i < 100 && high - low > 1e-12 * high; i++) {
        double mid = f_high > f_low ? (low * f_high - high * f_low) / (f_high - f_low) : low;
        if (!(mid > low && mid < high))
            mid = (low + high) / 2;
        double f = cox_lifetime_cdf(life, mid) - u;
        if (fabs(f) < 1e-15)
            return mid;
        if (f < 0) {
            low = mid;
            f_low = f;
            f_high = side < 0 ? f_high / 2 : f_high;
            side = -1;
        } else {
            high = mid;
            f_high = f;
            f_low = side > 0 ? f_low / 2 : f_low;
            side = 1;
        }
    }
    return high;
}

static double empirical(const struct cox_lifetime *life, double u)
{
    int low = 0, high = life->n;
    while (low < high) {
        int mid = (low + high) / 2;
        if (life->cdf[mid] >= u)
            high = mid;
        else
            low = mid + 1;
    }
    return low < life->n ? life->time[low] : INFINITY;
}

double bag_plan_lifetime(const struct bag_plan *plan, double u)
{
    const struct cox_lifetime *life = &plan->bag.type.life;
    if (plan->policy.on_demand)
        return INFINITY;
    if (plan->bag.replay)
        return plan->bag.replay[(int)(u * plan->bag.n_replay)];
    if (life->kind == COX_LIFETIME_EMPIRICAL)
        return u > 0 ? empirical(life, u) : 0;
    if (!plan->quantile)
        return cox_lifetime_quantile(life, u);
    int i = (int)(u * BRACKETS);
    if (u <= cox_lifetime_cdf(life, 1e-12)) /* the share that is gone at once */
        return 0;
    return bracketed(life, u, plan->quantile[i], plan->quantile[i + 1]);
}

/* ---- making ---- */

static int check(const struct cox_bag *b, const struct cox_bag_policy *p, struct cox_err *err)
{
    int rc = cox_lifetime_check(&b->type.life, err);
    if (!rc)
        rc = cox_lifetime_check(&p->believed, err);
    if (rc)
        return rc;
    if (b->n_jobs < 1 || b->m_needed < 0 || b->m_needed > b->n_jobs || b->servers < 1)
        return cox_err_set(err, COX_EINVAL,
                           "bag: %d of %d jobs on %d servers; at least one job and one server, and "
                           "no more jobs needed than there are",
                           b->m_needed, b->n_jobs, b->servers);
    if (!(b->job_h > 0) || !isfinite(b->job_h) || !(b->job_spread >= 0) || b->job_spread > 10)
        return cox_err_set(err, COX_EINVAL,
                           "bag: a job takes %g h with a relative spread of %g; must be above 0, "
                           "and 0 … 10",
                           b->job_h, b->job_spread);
    if (b->job_cores < 1 || b->job_cores > b->type.cores)
        return cox_err_set(err, COX_EINVAL, "bag: a job needs %d cores; server '%s' has %d",
                           b->job_cores, b->type.name, b->type.cores);
    if (!(b->checkpoint_h >= 0) || !(b->type.startup_h >= 0) || !(b->type.notice_s >= 0) ||
        !(b->budget >= 0) || !(b->deadline_h >= 0))
        return cox_err_set(err, COX_EINVAL,
                           "bag: checkpoint %g h, start of a server %g h, notice %g s, budget %g, "
                           "deadline %g h; must be 0 or more",
                           b->checkpoint_h, b->type.startup_h, b->type.notice_s, b->budget,
                           b->deadline_h);
    if (!((p->on_demand ? b->type.price_on_demand : b->type.price) >= 0))
        return cox_err_set(err, COX_EINVAL, "bag: server '%s' has no price%s", b->type.name,
                           p->on_demand ? " on demand" : "");
    if (p->checkpoints == COX_BAG_PERIODIC && !(p->period_h > 0))
        return cox_err_set(err, COX_EINVAL, "policy '%s': period is %g h; must be above 0", p->name,
                           p->period_h);
    return COX_OK;
}

int bag_plan_init(struct bag_plan *plan, const struct cox_bag *bag,
                  const struct cox_bag_policy *policy, struct cox_err *err)
{
    int rc = check(bag, policy, err);
    *plan = (struct bag_plan){.bag = *bag, .policy = *policy, .startup_h = bag->type.startup_h};
    if (rc)
        return rc;
    if (policy->on_demand)
        return COX_OK;
    plan->notice_h = bag->type.notice_s / 3600;
    plan->notice_saves =
        policy->checkpoints != COX_BAG_NO_CHECKPOINTS && plan->notice_h >= bag->checkpoint_h;
    if (policy->checkpoints == COX_BAG_SCHEDULE && !plan->notice_saves) {
        struct cox_schedule_options o = schedule_options(plan);
        rc = cox_schedule_table_create(&plan->table, &policy->believed, &o, err);
    }
    if (!rc && policy->reuse == COX_BAG_MODEL && !plan->notice_saves)
        rc = decide(plan, err); /* else nothing is lost with a server: always */
    if (!rc && bag->type.life.kind == COX_LIFETIME_CONSTRAINED) {
        plan->quantile = cox_alloc(BRACKETS + 1, sizeof *plan->quantile);
        if (!plan->quantile)
            rc = cox_err_set(err, COX_ENOMEM, "out of memory for lifetimes");
        for (int i = 0; !rc && i <= BRACKETS; i++)
            plan->quantile[i] = cox_lifetime_quantile(&bag->type.life, i / (double)BRACKETS);
    }
    if (rc) {
        bag_plan_deinit(plan);
        return cox_err_wrap(err, rc, "policy '%s'", policy->name);
    }
    return COX_OK;
}

void bag_plan_deinit(struct bag_plan *plan)
{
    cox_schedule_table_destroy(plan->table);
    cox_free(plan->good);
    cox_free(plan->quantile);
    *plan = (struct bag_plan){0};
}
