/* SPDX-License-Identifier: BSD-3-Clause */
/* When predictions may be served and when nothing needs to be simulated any more: audits, their
 * conformal quantile, and a bound of the failing share (docs/surrogate.md). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "learn/conformal.h"
#include "sweep/surrogate_internal.h"

/* log n (n − 1) … (n − k + 1) */
static double log_falling(double n, double k)
{
    return n < k ? -INFINITY : lgamma(n + 1) - lgamma(n - k + 1);
}

/* Under "B of M fail", the chance of this sequence of audits is [B]_k [M − B]_{v−k} / [M]_v. Its
 * ratio to that under a smaller B′ is a supermartingale if B or more fail, so by Ville's inequality
 * it ever exceeds 1/δ with probability δ at most (Wald 1945; Robbins 1970; Waudby-Smith and Ramdas
 * 2020 for draws without replacement). A mixture of three B′, since how many do fail is not known:
 * with no failure it costs log(1/0.3) more than a test that may look only once. */
static double log_evidence(int M, int v, int k, int B)
{
    static const struct {
        double share, weight;
    } other[] = {{0, 0.3}, {0.2, 0.4}, {0.5, 0.3}};
    const double null = log_falling(B, k) + log_falling((double)M - B, v - k);
    double most = -INFINITY, term[3], sum = 0;
    for (int i = 0; i < 3; i++) {
        const double b = floor(other[i].share * B);
        term[i] = log(other[i].weight) + log_falling(b, k) + log_falling(M - b, v - k) - null;
        most = fmax(most, term[i]);
    }
    if (isinf(most))
        return most;
    for (int i = 0; i < 3; i++)
        sum += exp(term[i] - most);
    return most + log(sum);
}

/* The largest B that is not refuted; the evidence grows with B (test_surrogate.c). */
int cox_surrogate_bound(int M, int v, int k, double delta)
{
    const double enough = log(1 / delta);
    int low = k, high = M - (v - k) + 1;
    while (high - low > 1) {
        const int B = low + (high - low) / 2;
        if (log_evidence(M, v, k, B) >= enough)
            high = B;
        else
            low = B;
    }
    return low;
}

bool cox_surrogate_in_reach(const struct cox_surrogate *s, bool inside, double spread)
{
    return inside && spread <= s->settings->surrogate.spread;
}

static bool reached(const struct cox_surrogate *s, int p)
{
    return cox_surrogate_in_reach(s, s->model->inside[p], (double)s->model->spread[p]);
}

/* Points that an acquisition chose are harder than the average, hence the 2. */
bool cox_surrogate_promising(const struct cox_surrogate *s)
{
    const int n = s->n_recent < COX_SURROGATE_RECENT ? s->n_recent : COX_SURROGATE_RECENT;
    int bad = 0;
    for (int i = 0; i < n; i++)
        bad += !(s->recent[i] <= 1);
    return n >= COX_SURROGATE_RECENT / 2 && bad <= 2 * s->settings->targets.failing * n;
}

void cox_surrogate_remember(struct cox_surrogate *s, int p)
{
    const double score = cox_surrogate_worst(s, s->point[p].score);
    if (isnan(score))
        return;
    s->recent[s->n_recent++ % COX_SURROGATE_RECENT] = score;
}

/* The model is put to the test when the path has foreseen its last results well, has no point left
 * that would have to be simulated in any case, and is a quarter longer than for the last test. Of
 * the probability 1 − coverage the j-th such model gets 1/(j (j + 1)); whether it is one follows
 * from the path alone, so that all of them together stay within it. */
static double share_of_risk(const struct cox_surrogate *s)
{
    const double j = s->model->look ? s->model->look : s->looks + 1;
    return (1 - s->settings->targets.coverage) / (j * (j + 1));
}

/* P(X >= k) of a binomial. */
static double upper_tail(int v, int k, double p)
{
    double sum = 0;
    for (int i = k; i <= v; i++)
        sum += exp(lgamma(v + 1.0) - lgamma(i + 1.0) - lgamma(v - i + 1.0) + i * log(p) +
                   (v - i) * log1p(-p));
    return sum;
}

struct tally {
    int M;             /* points within reach that are not on the path, audited or not */
    int open;          /* of them unknown */
    int outside;       /* not on the path and beyond reach: the path has to take them */
    int outside_known; /* of them known */
};

static void count(const struct cox_surrogate *s, struct tally *t)
{
    *t = (struct tally){0};
    for (int p = 0; p < s->n; p++) {
        const struct cox_surrogate_point *point = &s->point[p];
        if (point->path || point->failed)
            continue;
        if (reached(s, p)) {
            t->M++;
            t->open += !point->value;
        } else {
            t->outside++;
            t->outside_known += point->value != NULL;
        }
    }
}

/* The audits are what is known without a gap of the permutation, in its order: those after the
 * first gap would be there because they ended early. */
static void audit(struct cox_surrogate *s, double *ratio)
{
    const double alpha = 1 - s->settings->targets.coverage;
    int n = 0;
    s->audits = s->audits_failed = 0;
    for (int o = -1; o < s->n_outputs; o++) {
        n = 0;
        for (int r = 0; r < s->n; r++) {
            const int p = s->permutation[r];
            const struct cox_surrogate_point *point = &s->point[p];
            if (point->path || point->failed)
                continue;
            if (!point->value)
                break;
            if (!reached(s, p))
                continue;
            const double score = o < 0 ? cox_surrogate_worst(s, point->score) : point->score[o];
            ratio[n++] = isnan(score) ? INFINITY
                                      : score / ((double)s->model->spread[p] + COX_SURROGATE_FLOOR);
            if (o < 0)
                s->audits_failed += !(score <= 1);
        }
        const double q = cox_conformal_quantile(ratio, n, alpha);
        if (o < 0)
            s->q = q;
        else
            s->q_output[o] = q;
        s->audits = n;
    }
}

static double half_width(const struct cox_surrogate *s, int p)
{
    return s->q * ((double)s->model->spread[p] + COX_SURROGATE_FLOOR);
}

/* Served of what is open; the median half-width of all that is not simulated. */
static void serve(struct cox_surrogate *s, double *scratch)
{
    int n = 0;
    s->servable = 0;
    for (int p = 0; p < s->n; p++) {
        const struct cox_surrogate_point *point = &s->point[p];
        if (point->value || point->failed)
            continue;
        const double h = half_width(s, p);
        scratch[n++] = isnan(h) ? INFINITY : h;
        s->servable += reached(s, p) && h <= 1;
    }
    /* the quantile that has half of them on either side: ⌈(n + 1)/2⌉-th */
    s->half_width = n ? cox_conformal_quantile(scratch, n, 0.5) : 0;
}

/* The least number of audits, at least v, with which k failures would be few enough, if `open`
 * points were served after v of them. */
static int audits_needed(const struct cox_surrogate *s, int M, int v, int k, int open)
{
    const double failing = s->settings->targets.failing, delta = share_of_risk(s);
    int low = v - 1, high = v + open;
    while (high - low > 1) {
        const int mid = low + (high - low) / 2;
        if (cox_surrogate_bound(M, mid, k, delta) - k <= failing * (open - (mid - v)))
            high = mid;
        else
            low = mid;
    }
    return high;
}

int cox_surrogate_least_audits(const struct cox_sweep_settings *settings, int M)
{
    const double delta =
        (1 - settings->targets.coverage) / 2; /* of the first model put to the test */
    int v = settings->surrogate.audits_min;
    while (v < M && cox_surrogate_bound(M, v, 0, delta) > settings->targets.failing * (M - v))
        v++;
    return v < M ? v : M;
}

static void explain(struct cox_surrogate *s, const struct tally *t)
{
    const double coverage = 100 * s->settings->targets.coverage;
    if (s->complete)
        snprintf(s->why, sizeof s->why,
                 "complete: with %.4g %% confidence at most %.2g %% of the %d predictions miss the "
                 "accuracy (%d audits, %d failed)",
                 coverage, 100 * s->failing_bound, s->servable, s->audits, s->audits_failed);
    else if (s->refuted)
        snprintf(
            s->why, sizeof s->why,
            "not yet: %d of %d audits failed, more than %.3g %% of failing predictions explain",
            s->audits_failed, s->audits, 100 * s->settings->targets.failing);
    else if (t->outside - t->outside_known > 0)
        snprintf(s->why, sizeof s->why,
                 "not yet: %d points are outside the hull of what was learned, or the ensemble "
                 "disagrees on them",
                 t->outside - t->outside_known);
    else if (s->want_rest)
        snprintf(s->why, sizeof s->why, "not yet: %d points are still simulated, the rest is good",
                 t->open - s->servable);
    else if (!cox_surrogate_promising(s))
        snprintf(s->why, sizeof s->why,
                 "not yet: too many of the last results were not foreseen well enough");
    else
        snprintf(s->why, sizeof s->why,
                 "not yet: up to %.2g %% of the predictions could miss the accuracy, %.3g %% may "
                 "(%d audits, %d failed)",
                 100 * s->failing_bound, 100 * s->settings->targets.failing, s->audits,
                 s->audits_failed);
}

static void judge(struct cox_surrogate *s, double *scratch)
{
    const struct cox_settings_targets *targets = &s->settings->targets;
    struct tally t;
    audit(s, scratch);
    count(s, &t);
    serve(s, scratch);
    const int v = s->audits, k = s->audits_failed, M = t.M;
    if (s->model->look == 0 && t.outside == 0 && cox_surrogate_promising(s) &&
        s->model->n_rows >= 1.25 * s->look_rows) {
        s->model->look = ++s->looks;
        s->look_rows = s->model->n_rows;
    }
    const double delta = share_of_risk(s);
    const int bad = cox_surrogate_bound(M, v, k, delta) - k;
    s->failing_bound = bad == 0 ? 0 : s->servable > 0 ? fmin(1, (double)bad / s->servable) : 1;
    s->refuted = k > 0 && upper_tail(v, k, targets->failing) < 1 - targets->coverage;
    const bool enough = v >= s->settings->surrogate.audits_min && isfinite(s->q);
    s->trusted = enough && s->servable > 0 && !s->refuted;
    s->must = t.outside - t.outside_known;
    const bool tested = s->model->look > 0 && s->must == 0;
    const bool proven = s->trusted && s->failing_bound <= targets->failing;
    s->complete = tested && proven && s->servable == t.open;
    s->want_rest = tested && proven && !s->complete;
    s->want_audits = false;
    if (tested && !proven && !s->refuted) {
        const int open = enough ? s->servable : t.open;
        const int clean = audits_needed(s, M, 0, 0, open + v);
        s->audit_target = audits_needed(s, M, v, k, open);
        if (s->audit_target < s->settings->surrogate.audits_min)
            s->audit_target = s->settings->surrogate.audits_min;
        /* Learning more is the better way when what is still to be audited is more than a model
         * without failures would take from the beginning, or when few points would be served. */
        s->want_audits = s->audit_target - v <= clean && (!enough || 2 * s->servable >= t.open);
    }
    explain(s, &t);
}

static bool any_wanted(const struct cox_surrogate *s)
{
    for (int o = 0; o < s->n_outputs; o++)
        if (cox_surrogate_wanted(s, o))
            return true;
    return false;
}

void cox_surrogate_refresh(struct cox_surrogate *s)
{
    const int open = s->n - s->known - s->failed;
    struct cox_err err = COX_ERR_INIT;
    if (!s->stale)
        return;
    s->stale = false;
    s->trusted = s->complete = s->refuted = s->want_audits = s->want_rest = false;
    s->servable = s->audits = s->audits_failed = 0;
    s->half_width = INFINITY;
    s->failing_bound = 1;
    if (open == 0) {
        s->complete = true;
        s->half_width = s->failing_bound = 0;
        snprintf(s->why, sizeof s->why, "complete: every point was simulated%s",
                 s->failed ? " or failed" : "");
    } else if (s->model && !s->model->spread && cox_surrogate_survey(s, s->model, NULL, &err)) {
        snprintf(s->why, sizeof s->why, "not yet: %.180s", err.text);
        cox_surrogate_model_destroy(s->model);
        s->model = NULL;
    } else if (s->objective >= 0) {
        cox_surrogate_objective_state(s);
    } else if (!s->settings->surrogate.enabled) {
        snprintf(s->why, sizeof s->why, "not yet: %d points are to be simulated", open);
    } else if (!s->model) {
        snprintf(s->why, sizeof s->why, "not yet: there is no model, %d points are known",
                 s->known);
    } else if (!any_wanted(s)) {
        audit(s, s->scratch_points); /* for the half-widths of predictions that are asked for */
        s->audits_failed = 0;
        snprintf(s->why, sizeof s->why,
                 "not yet: no output has an accuracy, so all %d points are to be simulated", open);
    } else {
        judge(s, s->scratch_points);
    }
}
