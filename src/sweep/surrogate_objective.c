/* SPDX-License-Identifier: BSD-3-Clause */
/* Sweeps that look for a point: expected improvement (Jones, Schonlau and Welch 1998) with the
 * ensemble's spread, widened by how far off its last predictions were. */
#include <math.h>
#include <stdio.h>

#include "sweep/surrogate_internal.h"

/* A search ends when so many models in a row expect no improvement, and so many results per feature
 * brought none: an ensemble may be too sure of itself where it has seen nothing. */
#define QUIET 2
#define FRUITLESS 10

static double value_of(const struct cox_surrogate *s, int p)
{
    return s->point[p].value[s->first[s->objective]];
}

/* Smaller is better. */
static double merit(const struct cox_surrogate *s, double value)
{
    switch (s->settings->objective.kind) {
    case COX_OBJECTIVE_MINIMISE:
        return value;
    case COX_OBJECTIVE_MAXIMISE:
        return -value;
    default:
        return fabs(value - s->settings->objective.value);
    }
}

int cox_surrogate_best(const struct cox_surrogate *s)
{
    int best = -1;
    for (int i = 0; s->objective >= 0 && i < s->n_path; i++) {
        const int p = s->path[i];
        if (s->point[p].value &&
            (best < 0 || merit(s, value_of(s, p)) < merit(s, value_of(s, best))))
            best = p;
    }
    return best;
}

/* Root mean square of error/σ of the last results, at least 1: what σ is multiplied by. */
static double widening(const struct cox_surrogate *s)
{
    const int n = s->n_z2 < COX_SURROGATE_RECENT ? s->n_z2 : COX_SURROGATE_RECENT;
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += s->z2[i];
    return n < 5 ? 2 : fmin(fmax(sqrt(sum / n), 1), 10);
}

static double improvement(const struct cox_surrogate *s, int p, double best, double wide)
{
    const double mean = (double)s->model->mean[p], sd = wide * (double)s->model->sd[p];
    switch (s->settings->objective.kind) {
    case COX_OBJECTIVE_MINIMISE:
        return cox_expected_improvement(mean, sd, best);
    case COX_OBJECTIVE_MAXIMISE:
        return cox_expected_improvement(-mean, sd, best);
    default:
        return cox_expected_approach(mean, sd, s->settings->objective.value, best);
    }
}

static double tolerance(const struct cox_surrogate *s)
{
    const double t = s->settings->objective.tolerance;
    return t >= 0 ? t : s->model ? s->model->accuracy[s->first[s->objective]] : 0;
}

/* Results on the path since one was better by more than the tolerance than all before. */
static int fruitless(const struct cox_surrogate *s)
{
    double best = INFINITY;
    int n = 0;
    for (int i = 0; i < s->n_path; i++) {
        const int p = s->path[i];
        if (!s->point[p].value)
            continue;
        const double now = merit(s, value_of(s, p));
        n = now < best - tolerance(s) ? 0 : n + 1;
        if (n == 0)
            best = now;
    }
    return n;
}

void cox_surrogate_improvements(const struct cox_surrogate *s, int n, const int *points,
                                double *out)
{
    const int best = cox_surrogate_best(s);
    const double wide = widening(s), least = best < 0 ? INFINITY : merit(s, value_of(s, best));
    for (int i = 0; i < n; i++)
        /* where nothing is to be expected, the least known point is the best */
        out[i] = improvement(s, points[i], least, wide) + 1e-12 * (double)s->model->sd[points[i]];
}

/* The largest over what is not simulated. */
static double expected(const struct cox_surrogate *s)
{
    const int best = cox_surrogate_best(s);
    const double wide = widening(s);
    double most = 0;
    for (int p = 0; best >= 0 && p < s->n; p++)
        if (!s->point[p].value && !s->point[p].failed)
            most = fmax(most, improvement(s, p, merit(s, value_of(s, best)), wide));
    return most;
}

/* After every training: what it expects. */
void cox_surrogate_objective_model(struct cox_surrogate *s)
{
    const double share = s->settings->objective.kind == COX_OBJECTIVE_REACH ? 0.01 : 1;
    s->quiet = expected(s) < share * tolerance(s) ? s->quiet + 1 : 0;
}

void cox_surrogate_objective_state(struct cox_surrogate *s)
{
    const struct cox_settings_objective *o = &s->settings->objective;
    const int best = cox_surrogate_best(s);
    if (best < 0) {
        snprintf(s->why, sizeof s->why, "not yet: nothing was simulated");
        return;
    }
    const double value = value_of(s, best);
    if (o->kind == COX_OBJECTIVE_REACH && fabs(value - o->value) <= tolerance(s)) {
        s->complete = true;
        snprintf(s->why, sizeof s->why, "reached: '%s' is %.6g, %.6g from %.6g", o->output, value,
                 fabs(value - o->value), o->value);
    } else if (!s->model) {
        snprintf(s->why, sizeof s->why, "not yet: there is no model, the best '%s' is %.6g",
                 o->output, value);
    } else if (s->quiet >= QUIET && fruitless(s) >= FRUITLESS * s->d) {
        s->complete = true;
        snprintf(s->why, sizeof s->why,
                 o->kind == COX_OBJECTIVE_REACH
                     ? "out of reach: the nearest '%s' is %.6g, no point is expected to come nearer"
                     : "complete: the best '%s' is %.6g, no larger improvement than %.3g is "
                       "expected",
                 o->output, value, tolerance(s));
    } else {
        snprintf(s->why, sizeof s->why,
                 "not yet: the best '%s' is %.6g, an improvement of %.3g is expected", o->output,
                 value, expected(s));
    }
}
