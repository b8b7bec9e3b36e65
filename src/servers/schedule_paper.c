/* SPDX-License-Identifier: BSD-3-Clause */
/* Kadupitiya, Jadhao, Sharma (HPDC'20), section 5: what their published programme does, which is
 * neither what the paper's equations say nor consistent in itself. In steps; w is the work that is
 * left, t the time since the server (or its predecessor) began:
 *   p = F(s + t + i + δ) − F(s + t), not divided by 1 − F(s + t);
 *   M(w, t) = min over i of (1 − p)(i + δ + M(w − i, t + i + δ)) + p ((i + δ)/2 + R + M(w, R));
 *   at t = R, where that refers to itself, p/(1 − p) ((i + δ)/2 + R) in place of the last term;
 *   M ≥ w. After a failure the age goes on from s + R: for s > 0 that is no fresh server. The last
 * stretch, too, writes a checkpoint.
 * The schedule that is printed is not the path of this programme: at a position c (work done, taken
 * for the age) it takes the longest of the stretches that were best for any amount of work left at
 * t = c, among the states that the recursion met. */
#include "servers/schedule_paper.h"

#include <math.h>
#include <stdint.h>

#include "base/mem.h"

struct paper {
    int w, c, r;        /* steps of work, of a checkpoint, of coming up */
    int ages;           /* t = 0 … ages − 1 */
    double *f;          /* [ages + w + c + 1] */
    double *value;      /* [w + 1][ages], by work left */
    uint16_t *choice;   /* likewise */
    unsigned char *met; /* likewise */
};

static size_t at(const struct paper *q, int w, int t)
{
    return (size_t)w * (size_t)q->ages + (size_t)t;
}

/* The last age that the recursion can reach with w steps left. */
static int last_age(const struct paper *q, int w)
{
    return q->r + (q->w - w) * (1 + q->c);
}

static void solve_state(struct paper *q, int w, int t)
{
    double best = INFINITY;
    int choice = 0;
    for (int i = 1; i <= w; i++) {
        int end = t + i + q->c;
        double fails = fmin(1, q->f[end] - q->f[t]);
        double lasts = 1 - fails;
        double lost = (i + q->c) / 2. + q->r;
        double rest = i < w ? q->value[at(q, w - i, end)] : 0;
        double time = lasts * (i + q->c + rest);
        if (t == q->r)
            time += (lasts > 0 ? fails / lasts : fails) * lost;
        else
            time += fails * (lost + q->value[at(q, w, q->r)]);
        time = fmax(time, w);
        if (time < best) {
            best = time;
            choice = i;
        }
    }
    q->value[at(q, w, t)] = best;
    q->choice[at(q, w, t)] = (uint16_t)choice;
}

/* Bottom up; then from the beginning, which states a recursion would have met. */
static void solve(struct paper *q)
{
    for (int w = 1; w <= q->w; w++) {
        solve_state(q, w, q->r);
        for (int t = 0; t <= last_age(q, w); t++)
            if (t != q->r)
                solve_state(q, w, t);
    }
    q->met[at(q, q->w, 0)] = 1;
    for (int w = q->w; w > 0; w--) {
        for (int t = 0; t <= last_age(q, w); t++)
            if (q->met[at(q, w, t)] && t != q->r)
                q->met[at(q, w, q->r)] = 1;
        for (int t = 0; t <= last_age(q, w); t++)
            for (int i = 1; q->met[at(q, w, t)] && i < w; i++)
                q->met[at(q, w - i, t + i + q->c)] = 1;
    }
}

static void read_out(struct cox_schedule *out, const struct paper *q, double step_h)
{
    int done = 0;
    out->n = 0;
    while (done < q->w) {
        int longest = 0;
        for (int w = 1; done < q->ages && w <= q->w; w++)
            if (done <= last_age(q, w) && q->met[at(q, w, done)] &&
                q->choice[at(q, w, done)] > longest)
                longest = q->choice[at(q, w, done)];
        if (!longest || done + longest > q->w) /* they end here; the rest is the last stretch */
            longest = q->w - done;
        out->stretch_h[out->n++] = longest * step_h;
        done += longest;
    }
}

static int whole_steps(int *out, double hours, double step_h, const char *what, struct cox_err *err)
{
    double steps = hours / step_h;
    *out = (int)lround(steps);
    if (fabs(steps - *out) > 1e-6)
        return cox_err_set(err, COX_EINVAL,
                           "the published schedule needs a %s of whole steps: %g h are %g steps "
                           "of %g h",
                           what, hours, steps, step_h);
    return COX_OK;
}

int cox_schedule_paper(struct cox_schedule *out, const struct cox_lifetime *life,
                       const struct cox_schedule_options *options, int steps, double step_h,
                       struct cox_err *err)
{
    struct paper q = {.w = steps};
    int status = whole_steps(&q.c, options->checkpoint_h, step_h, "checkpoint", err);
    if (!status)
        status = whole_steps(&q.r, options->restart_h, step_h, "restart", err);
    if (status)
        return status;
    q.ages = last_age(&q, 1) + 1;
    int n = q.ages + q.w + q.c + 1;
    size_t states = (size_t)(q.w + 1) * (size_t)q.ages;
    q.f = cox_alloc((size_t)n, sizeof *q.f);
    q.value = cox_alloc(states, sizeof *q.value);
    q.choice = cox_alloc(states, sizeof *q.choice);
    q.met = cox_alloc(states, 1);
    out->stretch_h = cox_alloc((size_t)q.w, sizeof *out->stretch_h);
    if (q.f && q.value && q.choice && q.met && out->stretch_h) {
        for (int k = 0; k < n; k++)
            q.f[k] = cox_lifetime_cdf(life, options->age_h + k * step_h);
        solve(&q);
        read_out(out, &q, step_h);
        out->expected_h = q.value[at(&q, q.w, 0)] * step_h;
    } else {
        status = cox_err_set(err, COX_ENOMEM, "out of memory for a schedule of %d steps", q.w);
        cox_schedule_deinit(out);
    }
    cox_free(q.f);
    cox_free(q.value);
    cox_free(q.choice);
    cox_free(q.met);
    return status;
}
