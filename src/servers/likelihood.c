/* SPDX-License-Identifier: BSD-3-Clause */
/* Maximum likelihood by the simplex of Nelder and Mead (1965) on the logarithms of the parameters:
 * it needs no derivative, which the bathtub's edge, beyond which the likelihood is nought, does not
 * have. Started again from where it ended until that brings nothing. */
#include <math.h>
#include <string.h>

#include "servers/traces.h"

#define MOST 4
#define STEPS 2000
#define RESTARTS 20
#define ROUGH 1e-2 /* of the logarithm of the likelihood: from every guess … */
#define FINE 1e-9  /* … and from the best of them */

struct problem {
    enum cox_lifetime_kind kind;
    int p;
    const struct cox_traces *traces;
};

struct vertex {
    double x[MOST];
    double f; /* − log likelihood */
};

static double cost(const struct problem *q, const double *x)
{
    struct cox_lifetime life = {.kind = q->kind};
    for (int i = 0; i < q->p; i++)
        life.p[i] = exp(x[i]);
    if (cox_lifetime_check(&life, NULL))
        return INFINITY;
    double l = cox_traces_log_likelihood(q->traces, &life);
    return isfinite(l) ? -l : INFINITY;
}

/* base + t (to − base), valued. */
static struct vertex along(const struct problem *q, const double *base, const double *to, double t)
{
    struct vertex v;
    memset(&v, 0, sizeof v);
    for (int k = 0; k < q->p; k++)
        v.x[k] = base[k] + t * (to[k] - base[k]);
    v.f = cost(q, v.x);
    return v;
}

static void sort(struct vertex *s, int n)
{
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && s[j].f < s[j - 1].f; j--) {
            struct vertex swap = s[j];
            s[j] = s[j - 1];
            s[j - 1] = swap;
        }
}

/* One step of the simplex s[p + 1], sorted before and after. */
static void step(const struct problem *q, struct vertex *s)
{
    const int p = q->p;
    double centre[MOST] = {0};
    for (int i = 0; i < p; i++)
        for (int k = 0; k < p; k++)
            centre[k] += s[i].x[k] / p;
    struct vertex reflected = along(q, centre, s[p].x, -1);
    if (reflected.f < s[0].f) {
        struct vertex expanded = along(q, centre, s[p].x, -2);
        s[p] = expanded.f < reflected.f ? expanded : reflected;
    } else if (reflected.f < s[p - 1].f) {
        s[p] = reflected;
    } else {
        bool outside = reflected.f < s[p].f;
        struct vertex contracted = along(q, centre, s[p].x, outside ? -0.5 : 0.5);
        if (contracted.f < fmin(reflected.f, s[p].f))
            s[p] = contracted;
        else
            for (int i = 1; i <= p; i++)
                s[i] = along(q, s[0].x, s[i].x, 0.5);
    }
    sort(s, p + 1);
}

/* From x, which it replaces, until the simplex is flat to `tolerance`; returns the cost reached. */
static double descend(const struct problem *q, double *x, double tolerance)
{
    static const double size[] = {0.1, -0.05, 0.3, -0.2, 0.02}; /* of simplices, in turn */
    double reached = cost(q, x);
    int in_vain = 0;
    for (int r = 0; r < RESTARTS; r++) {
        struct vertex s[MOST + 1];
        memset(s, 0, sizeof s);
        for (int i = 0; i <= q->p; i++) {
            memcpy(s[i].x, x, (size_t)q->p * sizeof *x);
            if (i)
                s[i].x[i - 1] += size[r % 5];
            s[i].f = cost(q, s[i].x);
        }
        sort(s, q->p + 1);
        for (int i = 0; i < STEPS && s[q->p].f - s[0].f > tolerance; i++)
            step(q, s);
        in_vain = s[0].f < reached - 10 * tolerance ? 0 : in_vain + 1;
        if (s[0].f < reached) {
            reached = s[0].f;
            memcpy(x, s[0].x, (size_t)q->p * sizeof *x);
        }
        if (in_vain > 2)
            break;
    }
    return reached;
}

int cox_lifetime_fit_likelihood(struct cox_lifetime *out, enum cox_lifetime_kind kind,
                                const struct cox_traces *traces, const struct cox_lifetime *start,
                                struct cox_err *err)
{
    static const int parameters[] = {0, 1, 2, 4, 0};
    struct problem q = {kind, parameters[kind], traces};
    double total = 0, longest = 0, best = INFINITY;
    int gone = 0;
    *out = (struct cox_lifetime){.kind = kind};
    for (int i = 0; i < traces->n; i++) {
        total += traces->item[i].hours;
        longest = fmax(longest, traces->item[i].hours);
        gone += traces->item[i].preempted;
    }
    if (!q.p)
        return cox_err_set(err, COX_EINVAL, "the %s lifetime has nothing to fit",
                           cox_lifetime_name(kind));
    if (gone <= q.p || !(total > 0))
        return cox_err_set(err, COX_EINVAL,
                           "%d lifetimes that ended are too few to fit the %s model: %d or more",
                           gone, cox_lifetime_name(kind), q.p + 1);
    const double mean = total / gone;
    /* of the bathtub: some early, the others at the end; the edge must lie behind what was seen */
    const double guesses[][3][MOST] = {
        [COX_LIFETIME_EXPONENTIAL] = {{mean}, {mean}, {mean}},
        [COX_LIFETIME_WEIBULL] = {{mean, 1}, {mean, 0.5}, {mean, 3}},
        [COX_LIFETIME_CONSTRAINED] = {{.3, longest / 20, longest / 30, longest},
                                      {.2, longest / 10, longest / 10, longest},
                                      {.6, longest / 5, longest / 3, longest}},
    };
    double found[MOST] = {0};
    for (int g = 0; g < 4; g++) {
        double x[MOST] = {0};
        if (g == 3 && !start)
            continue;
        for (int i = 0; i < q.p; i++)
            x[i] = log(g < 3 ? guesses[kind][g][i] : start->p[i]);
        if (kind == COX_LIFETIME_CONSTRAINED) /* until the likelihood is not nought */
            for (int i = 0; i < 200 && !isfinite(cost(&q, x)); i++)
                x[3] += 0.01;
        double reached = descend(&q, x, ROUGH);
        if (reached < best)
            memcpy(found, x, sizeof found);
        best = fmin(best, reached);
    }
    if (!isfinite(best))
        return cox_err_set(err, COX_EINVAL, "the %s model does not allow these lifetimes",
                           cox_lifetime_name(kind));
    (void)descend(&q, found, FINE);
    for (int i = 0; i < q.p; i++)
        out->p[i] = exp(found[i]);
    return cox_lifetime_check(out, err);
}
