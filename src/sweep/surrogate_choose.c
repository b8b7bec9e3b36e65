/* SPDX-License-Identifier: BSD-3-Clause */
/* What is simulated next: audits, and the path (surrogate_internal.h says what these are). */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sweep/surrogate_internal.h"

#define MOST_CANDIDATES 20000 /* that an acquisition looks at */
#define MODEL_CANDIDATES 1000 /* … for which the ensemble is asked again */
#define MOST_VALUES 64        /* of a profile that count in an acquisition */
#define ASKED 64              /* points that the ensemble is asked for at once */

static int at_least(int a, int b)
{
    return a > b ? a : b;
}

/* Ten per feature, but leave most of a small sweep to choose from. */
int cox_surrogate_first(const struct cox_sweep_settings *settings, int n, int d)
{
    int first = settings->surrogate.first;
    if (first == 0) {
        first = at_least(10 * d, 32);
        if (first > n / 4)
            first = at_least(n / 4, 8);
    }
    return first < n ? first : n;
}

int cox_surrogate_first_count(const struct cox_surrogate *s)
{
    return cox_surrogate_first(s->settings, s->n, s->d);
}

static int interval(const struct cox_surrogate *s, int known)
{
    const int every = s->settings->surrogate.retrain_every;
    return every > 0 ? every : at_least(known / 10, 1);
}

/* Points of the path that no training has seen; with `known` only those that have a result. */
static int fresh(const struct cox_surrogate *s, bool known)
{
    int n = 0;
    for (int i = 0; i < s->n_path; i++) {
        const struct cox_surrogate_point *p = &s->point[s->path[i]];
        n += !p->row && !p->failed && (p->value || !known);
    }
    return n;
}

bool cox_surrogate_due(const struct cox_surrogate *surrogate)
{
    struct cox_surrogate *s = (struct cox_surrogate *)surrogate;
    if (!s->settings->surrogate.enabled || s->job.running)
        return false;
    cox_surrogate_refresh(s);
    if (s->complete || s->want_audits || s->want_rest)
        return false;
    const int n = fresh(s, true);
    return s->model ? n >= interval(s, s->n_rows) : n >= cox_surrogate_first_count(s);
}

void cox_surrogate_take(struct cox_surrogate *s, int p)
{
    struct cox_surrogate_point *point = &s->point[p];
    if (point->path)
        return;
    point->path = true;
    s->path[s->n_path++] = p;
    if (point->value) {
        if (s->model)
            cox_surrogate_remember(s, p);
        s->stale = true;
    }
}

/* The next of the permutation that is not simulated yet; how many audits there are, under way or
 * known. -1: none is left. */
static int next_audit(const struct cox_surrogate *s, int *drawn)
{
    *drawn = 0;
    for (int r = 0; r < s->n; r++) {
        const int p = s->permutation[r];
        const struct cox_surrogate_point *point = &s->point[p];
        if (point->path || point->failed)
            continue;
        if (!point->value && !point->under_way)
            return p;
        ++*drawn;
    }
    return -1;
}

/* In a search audits are random points that are learned from: on the path at once. */
static int audits_of_search(const struct cox_surrogate *s)
{
    int n = 0;
    for (int p = 0; p < s->n; p++)
        n += (s->point[p].value || s->point[p].under_way) &&
             s->point[p].purpose == COX_PURPOSE_AUDIT;
    return n;
}

/* ---- the path ---- */

static int open_points(const struct cox_surrogate *s, bool only_beyond, int *pool)
{
    int n = 0;
    for (int p = 0; p < s->n; p++) {
        if (s->point[p].path || s->point[p].failed)
            continue;
        if (only_beyond &&
            cox_surrogate_in_reach(s, s->model->inside[p], (double)s->model->spread[p]))
            continue;
        pool[n++] = p;
    }
    return n;
}

/* Keeps `most` of a pool, drawn at random; they stay in their order, which is nobody's choice. */
static int thin(struct cox_surrogate *s, int *pool, int n, int most)
{
    if (n <= most)
        return n;
    int kept = 0;
    for (int i = 0; i < n; i++) /* Knuth's algorithm S */
        if (cox_rng_below(&s->rng, (uint32_t)(n - i)) < (uint32_t)(most - kept))
            pool[kept++] = pool[i];
    return kept;
}

static double *gather(const struct cox_surrogate *s, const int *points, int n, const double *of)
{
    const size_t d = (size_t)s->d;
    double *out = cox_alloc((size_t)n * d, sizeof *out);
    for (int i = 0; out && i < n; i++)
        memcpy(out + (size_t)i * d, of + (size_t)points[i] * d, d * sizeof *out);
    return out;
}

/* The values that count in an acquisition: of long profiles a few. */
static int chosen_values(const struct cox_surrogate *s, int *value)
{
    int used = 0, n = 0, seen = 0;
    for (int o = 0; o < s->n_outputs; o++)
        used += cox_surrogate_wanted(s, o) ? s->first[o + 1] - s->first[o] : 0;
    const int stride = used / MOST_VALUES + 1;
    for (int o = 0; o < s->n_outputs; o++)
        for (int j = s->first[o]; cox_surrogate_wanted(s, o) && j < s->first[o + 1]; j++)
            if (seen++ % stride == 0)
                value[n++] = j;
    return n;
}

/* Every member's answers, in accuracies: [members][n][values]. */
static double *ask_members(struct cox_surrogate *s, const int *pool, int n, int *values,
                           struct cox_err *err)
{
    const size_t K = (size_t)cox_regressor_get_options(s->model->regressor)->members;
    const size_t d = (size_t)s->d, m = (size_t)s->n_values;
    int chosen[MOST_VALUES + 1];
    const size_t M = (size_t)chosen_values(s, chosen);
    double *x = cox_alloc(ASKED * d, sizeof *x), *all = cox_alloc(K * ASKED * m, sizeof *all);
    double *out = cox_alloc(K * (size_t)n * M, sizeof *out);
    int rc = x && all && out ? COX_OK : COX_ENOMEM;
    *values = (int)M;
    for (size_t at = 0; at < (size_t)n && rc == COX_OK; at += ASKED) {
        const size_t some = (size_t)n - at < ASKED ? (size_t)n - at : ASKED;
        for (size_t i = 0; i < some; i++)
            memcpy(x + i * d, s->points->feature + (size_t)pool[at + i] * d, d * sizeof *x);
        rc = cox_regressor_predict_members(s->model->regressor, s->model->workspace, (int64_t)some,
                                           x, all, err);
        for (size_t k = 0; k < K && rc == COX_OK; k++)
            for (size_t i = 0; i < some; i++)
                for (size_t v = 0; v < M; v++) {
                    const double unit = s->model->accuracy[chosen[v]];
                    out[(k * (size_t)n + at + i) * M + v] =
                        unit > 0 ? all[(k * some + i) * m + (size_t)chosen[v]] / unit : 0;
                }
    }
    cox_free(x);
    cox_free(all);
    if (rc == COX_OK)
        return out;
    cox_free(out);
    return NULL;
}

/* The largest spreads first; of equal ones the first of the design. */
static int by_spread(const struct cox_surrogate *s, int *pool, int n, int most)
{
    const float *u = s->model->spread;
    for (int gap = n / 2; gap > 0; gap = gap == 2 ? 1 : (int)(gap / 2.2)) /* Shell's sort */
        for (int i = gap; i < n; i++) {
            const int p = pool[i];
            int j = i;
            for (; j >= gap &&
                   (u[pool[j - gap]] < u[p] || (!(u[pool[j - gap]] > u[p]) && pool[j - gap] > p));
                 j -= gap)
                pool[j] = pool[j - gap];
            pool[j] = p;
        }
    return n < most ? n : most;
}

/* Adds `most` of a pool to the list. */
static void acquire(struct cox_surrogate *s, int *pool, int n, int most)
{
    enum cox_acquisition kind = (enum cox_acquisition)s->settings->acquisition.kind;
    struct cox_candidates c = {.n_features = s->d, .n_known = s->n_path};
    struct cox_err err = COX_ERR_INIT;
    double *member = NULL, *feature = NULL, *known = NULL;
    int *picks = s->list + s->n_list, got = -1;
    if (n == 0 || most <= 0)
        return;
    c.n = kind == COX_ACQUIRE_VARIANCE     ? by_spread(s, pool, n, MODEL_CANDIDATES)
          : kind == COX_ACQUIRE_INTEGRATED ? thin(s, pool, n, MODEL_CANDIDATES)
                                           : thin(s, pool, n, MOST_CANDIDATES);
    if (kind == COX_ACQUIRE_VARIANCE || kind == COX_ACQUIRE_INTEGRATED) {
        c.members = cox_regressor_get_options(s->model->regressor)->members;
        c.member = member = ask_members(s, pool, c.n, &c.n_values, &err);
    }
    c.feature = feature = gather(s, pool, c.n, s->unit);
    c.known = known = gather(s, s->path, s->n_path, s->unit);
    if (feature && known && (member || !c.members))
        got = cox_acquire(kind, &c, most, &s->rng, picks, &err);
    if (got < 0) { /* out of memory: any points will do */
        cox_log(COX_LOG_WARN, "the acquisition fell back to random points: %s", err.text);
        c.member = NULL;
        got = cox_acquire(COX_ACQUIRE_RANDOM, &c, most, &s->rng, picks, &err);
    }
    for (int i = 0; i < got; i++)
        picks[i] = pool[picks[i]];
    s->n_list += got > 0 ? got : 0;
    cox_free(member);
    cox_free(feature);
    cox_free(known);
}

static double distance2(const struct cox_surrogate *s, int p, int q)
{
    const double *a = s->unit + (size_t)p * (size_t)s->d, *b = s->unit + (size_t)q * (size_t)s->d;
    double sum = 0;
    for (int f = 0; f < s->d; f++)
        sum += (a[f] - b[f]) * (a[f] - b[f]);
    return sum;
}

/* The first points: by turns the farthest from all before (which finds the corners, so that the
 * hull is wide) and the best of ten at random (Mitchell 1991: even inside). */
static void first_list(struct cox_surrogate *s, int *pool, int n, int most)
{
    double *nearest = cox_alloc((size_t)n, sizeof *nearest);
    if (!nearest) {
        s->n_list = thin(s, pool, n, most);
        memcpy(s->list, pool, (size_t)s->n_list * sizeof *pool);
        return;
    }
    for (int i = 0; i < n; i++)
        nearest[i] = INFINITY;
    for (int k = -s->n_path; k < most; k++) {
        int pick = -1, p;
        if (k >= 0) {
            const bool far = (s->n_path + k) % 2 == 0;
            for (int i = 0; i < (far ? n : 10); i++) {
                const int c = far ? i : (int)cox_rng_below(&s->rng, (uint32_t)n);
                if (nearest[c] > 0 && (pick < 0 || nearest[c] > nearest[pick]))
                    pick = c;
            }
            if (pick < 0)
                continue;
            p = pool[pick];
            s->list[s->n_list++] = p;
        } else {
            p = s->path[k + s->n_path];
        }
        for (int i = 0; i < n; i++)
            nearest[i] = fmin(nearest[i], distance2(s, pool[i], p));
    }
    cox_free(nearest);
}

/* Of those with gain >= 0; -1: none. */
static int largest(const double *gain, int n)
{
    int best = -1;
    for (int i = 0; i < n; i++)
        if (gain[i] >= 0 && (best < 0 || gain[i] > gain[best]))
            best = i;
    return best;
}

static int farthest(const struct cox_surrogate *s, const int *pool, const double *gain, int n)
{
    int best = -1;
    double most = -1;
    for (int i = 0; i < n; i++) {
        double nearest = gain[i] >= 0 ? INFINITY : -1;
        for (int j = 0; j < s->n_path && nearest > most; j++)
            nearest = fmin(nearest, distance2(s, pool[i], s->path[j]));
        for (int j = 0; j < s->n_list && nearest > most; j++)
            nearest = fmin(nearest, distance2(s, pool[i], s->list[j]));
        if (nearest > most) {
            most = nearest;
            best = i;
        }
    }
    return best;
}

/* The largest expected improvement, then the largest of those that are not near to it, and so on:
 * near ones would tell the same. Every fourth is the one farthest from all that is known: the
 * ensemble does not know what it has not seen. */
static void search_list(struct cox_surrogate *s, const int *pool, int n, int most)
{
    const double apart = 0.05 * 0.05 * s->d;
    double *gain = cox_alloc((size_t)n, sizeof *gain);
    if (!gain)
        return;
    cox_surrogate_improvements(s, n, pool, gain);
    while (s->n_list < most) {
        int best = -1;
        if ((s->n_path + s->n_list) % 4 == 3)
            best = farthest(s, pool, gain, n);
        else
            best = largest(gain, n);
        if (best < 0)
            break;
        s->list[s->n_list++] = pool[best];
        const int taken = pool[best];
        for (int i = 0; i < n; i++)
            if (distance2(s, pool[i], taken) <= apart)
                gain[i] = -1;
    }
    cox_free(gain);
}

/* What the path takes next; nothing where it has to wait for a model. */
static void make_list(struct cox_surrogate *s, int asked)
{
    const int batch = at_least(s->settings->acquisition.batch, asked);
    const int first = cox_surrogate_first_count(s);
    const int before = fresh(s, false);
    int most, limit;
    s->n_list = s->next = 0;
    if (s->model) {
        most = at_least(batch, interval(s, s->n_rows) < 64 ? interval(s, s->n_rows) : 64);
        limit = 2 * at_least(interval(s, s->n_rows), batch);
    } else {
        most = before < first ? first - before : batch;
        limit = first + at_least(first / 4, batch);
    }
    if (most > limit - before)
        most = limit - before; /* or all would be simulated while a model is being trained */
    if (most > s->n)
        most = s->n;
    if (most <= 0)
        return;
    int *pool = cox_alloc((size_t)s->n, sizeof *pool);
    if (!pool)
        return;
    if (!s->model) {
        const int n = thin(s, pool, open_points(s, false, pool), MOST_CANDIDATES);
        first_list(s, pool, n, most < n ? most : n);
    } else if (s->objective >= 0) {
        search_list(s, pool, open_points(s, false, pool), most);
    } else {
        /* Once the last results were foreseen, every other point is one that could not be served in
         * any case. Not all of them: these are at the border, and inside there is still to learn.
         */
        if (cox_surrogate_promising(s))
            acquire(s, pool, open_points(s, true, pool), (most + 1) / 2);
        acquire(s, pool, open_points(s, false, pool), most - s->n_list);
    }
    cox_free(pool);
}

/* Takes points onto the path until one is found that has to be simulated; -1: the path waits. What
 * is known already, because it was an audit, costs nothing. */
static int next_of_path(struct cox_surrogate *s, int asked)
{
    for (int i = 0; i < s->n_path && s->returned > 0; i++) { /* what was taken and came back */
        const struct cox_surrogate_point *point = &s->point[s->path[i]];
        if (!point->value && !point->under_way && !point->failed) {
            s->returned--;
            return s->path[i];
        }
    }
    s->returned = 0;
    for (;;) {
        if (s->next == s->n_list)
            make_list(s, asked);
        if (s->next == s->n_list)
            return -1;
        const int p = s->list[s->next++];
        struct cox_surrogate_point *point = &s->point[p];
        if (point->path || point->failed)
            continue;
        const bool simulate = !point->value && !point->under_way;
        cox_surrogate_take(s, p);
        if (simulate)
            return p;
    }
}

/* ---- choosing ---- */

/* Where the half-width is too large although all else is well: no more learning for these. */
static int next_of_rest(const struct cox_surrogate *s)
{
    int worst = -1;
    for (int p = 0; p < s->n; p++) {
        const struct cox_surrogate_point *point = &s->point[p];
        if (point->value || point->under_way || point->failed)
            continue;
        if (worst < 0 || s->model->spread[p] > s->model->spread[worst])
            worst = p;
    }
    if (worst >= 0 && s->q * ((double)s->model->spread[worst] + COX_SURROGATE_FLOOR) <= 1)
        return -1;
    return worst;
}

static int next_in_order(struct cox_surrogate *s)
{
    while (s->cursor < s->n) {
        const struct cox_surrogate_point *point = &s->point[s->cursor];
        if (!point->value && !point->under_way && !point->failed)
            return s->cursor;
        s->cursor++;
    }
    return -1;
}

static bool choose_one(struct cox_surrogate *s, int asked, struct cox_pick *pick)
{
    pick->purpose = COX_PURPOSE_DESIGN;
    if (!s->settings->surrogate.enabled) {
        pick->point = next_in_order(s);
        return pick->point >= 0;
    }
    cox_surrogate_refresh(s);
    pick->point = -1;
    if (s->complete)
        return false;
    int drawn;
    const int next = next_audit(s, &drawn);
    if (s->objective >= 0)
        drawn = audits_of_search(s);
    pick->purpose = COX_PURPOSE_AUDIT;
    if (s->want_audits) {
        int ahead = 0; /* under way: their results may be enough */
        for (int r = 0; r < s->n && ahead < drawn; r++)
            ahead += !s->point[s->permutation[r]].path && s->point[s->permutation[r]].under_way;
        pick->point = s->audits + ahead < s->audit_target ? next : -1;
        return pick->point >= 0;
    }
    if (s->want_rest) {
        pick->point = next_of_rest(s);
        return pick->point >= 0;
    }
    if (next >= 0 && drawn < s->settings->surrogate.audit * (s->known + s->under_way + 1)) {
        pick->point = next;
        return true;
    }
    pick->purpose = s->model ? COX_PURPOSE_CHOSEN : COX_PURPOSE_DESIGN;
    pick->point = next_of_path(s, asked);
    return pick->point >= 0;
}

int cox_surrogate_choose(struct cox_surrogate *s, int most, struct cox_pick *picks)
{
    int n = 0;
    while (n < most && choose_one(s, most, &picks[n])) {
        struct cox_surrogate_point *point = &s->point[picks[n].point];
        point->under_way = true;
        point->purpose = (unsigned char)picks[n].purpose;
        s->under_way++;
        n++;
    }
    return n;
}
