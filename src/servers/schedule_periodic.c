/* SPDX-License-Identifier: BSD-3-Clause */
/* A checkpoint every p hours of work, by the same rules as schedule.c, exactly and without a grid:
 * of n stretches, let E[k] be the expected time from a fresh server with the stretches k, k + 1 …
 * ahead, which end at its ages y_1, y_2 …, y_m. It runs for y_m − G(y_m) hours on average (G = ∫
 * F), and where it goes during stretch j the job begins there anew: E[k] = y_m − G(y_m) + Σ_j
 * (F(y_{j+1}) − F(y_j)) (R + E[j]), whose first term refers to E[k] itself. The first server is as
 * old as it is: everything given that it has lived to s. */
#include <math.h>
#include <stdbool.h>

#include "base/mem.h"
#include "servers/schedule.h"

#define GONE 1e-12 /* of so few servers nothing is computed: they count as gone */

struct periodic {
    double period, last; /* of work, hours: of all stretches but the last, and of that */
    int n;
    double checkpoint, restart;
    double *expected; /* [n] E[k] */
};

/* From the start of stretch k on a server of age s. expected[j] is known for j > k, and for j = k
 * unless `fresh`, when it is what is looked for. */
static double from(const struct periodic *q, const struct cox_lifetime *life, int k, double s,
                   bool fresh)
{
    const double before = cox_lifetime_cdf(life, s);
    const double each = q->period + q->checkpoint;
    const double total = (q->n - 1 - k) * each + q->last;
    double sum = total - cox_lifetime_cdf_integral(life, s, s + total);
    double f = before;
    double self = 0;
    if (!(1 - before > GONE))
        return q->restart + q->expected[k];
    for (int j = k; j < q->n; j++) {
        double y = j + 1 < q->n ? (j + 1 - k) * each : total;
        double next = cox_lifetime_cdf(life, s + y);
        if (fresh && j == k) {
            self = next - f;
            sum += self * q->restart;
        } else if (next > f) {
            sum += (next - f) * (q->restart + q->expected[j]);
        }
        f = next;
    }
    return 1 - before - self > GONE ? sum / (1 - before - self) : INFINITY;
}

static int check(const struct cox_lifetime *life, const struct cox_schedule_options *o,
                 struct cox_err *err)
{
    int status = cox_lifetime_check(life, err);
    if (status)
        return status;
    if (!(o->work_h > 0) || !isfinite(o->work_h) || !(o->step_h > 0) || !(o->age_h >= 0) ||
        !(o->checkpoint_h >= 0) || !(o->restart_h >= 0))
        return cox_err_set(err, COX_EINVAL,
                           "periodic checkpoints: work_h is %g and step_h %g, to be above 0; age_h "
                           "%g, checkpoint_h %g, restart_h %g, to be 0 or more",
                           o->work_h, o->step_h, o->age_h, o->checkpoint_h, o->restart_h);
    return COX_OK;
}

static int most_stretches(const struct cox_schedule_options *o)
{
    return (int)fmax(1, ceil(o->work_h / o->step_h - 1e-9));
}

/* Stretches of `steps` of the grid, which is as schedule.c has it. */
static double evaluate(const struct cox_lifetime *life, const struct cox_schedule_options *o,
                       int steps, double *expected)
{
    const int most = most_stretches(o);
    const double step = o->work_h / most;
    struct periodic q = {.period = steps * step,
                         .n = (most + steps - 1) / steps,
                         .checkpoint = o->checkpoint_h,
                         .restart = o->restart_h,
                         .expected = expected};
    q.last = (most - (q.n - 1) * steps) * step;
    for (int k = q.n - 1; k >= 0; k--)
        expected[k] = from(&q, life, k, 0, true);
    return o->age_h > 0 ? from(&q, life, 0, o->age_h, false) : expected[0];
}

double cox_schedule_periodic(const struct cox_lifetime *life,
                             const struct cox_schedule_options *options, double period_h,
                             struct cox_err *err)
{
    if (check(life, options, err))
        return NAN;
    if (!(period_h > 0)) {
        cox_err_set(err, COX_EINVAL, "periodic checkpoints: the period is %g h; must be above 0",
                    period_h);
        return NAN;
    }
    const int most = most_stretches(options);
    double steps = nearbyint(period_h / (options->work_h / most));
    double *expected = cox_alloc((size_t)most, sizeof *expected);
    if (!expected) {
        cox_err_set(err, COX_ENOMEM, "out of memory for periodic checkpoints");
        return NAN;
    }
    double time = evaluate(life, options, (int)fmin(fmax(steps, 1), most), expected);
    cox_free(expected);
    return time;
}

int cox_schedule_tuned_period(double *period_h, double *expected_h, const struct cox_lifetime *life,
                              const struct cox_schedule_options *options, struct cox_err *err)
{
    int status = check(life, options, err);
    if (status)
        return status;
    const int most = most_stretches(options);
    double *expected = cox_alloc((size_t)most, sizeof *expected);
    if (!expected)
        return cox_err_set(err, COX_ENOMEM, "out of memory for periodic checkpoints");
    *expected_h = INFINITY;
    *period_h = options->work_h;
    for (int steps = 1; steps <= most; steps++) {
        double time = evaluate(life, options, steps, expected);
        if (time < *expected_h) {
            *expected_h = time;
            *period_h = steps * (options->work_h / most);
        }
    }
    cox_free(expected);
    return COX_OK;
}

double cox_schedule_young(double checkpoint_h, double mttf_h)
{
    return sqrt(2 * checkpoint_h * mttf_h);
}
