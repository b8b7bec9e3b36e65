/* SPDX-License-Identifier: BSD-3-Clause */
#include "learn/dbscan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "learn/leaves.h"

struct work {
    struct cox_neighbours *index;
    int n, k;         /* k = min_samples - 1 neighbours */
    float *distance2; /* [n][k] */
    int *id;          /* [n][k] */
    float *core2;     /* [n] smallest eps² that makes the point a core point */
    float *out2;      /* [n] smallest eps² that makes it no outlier */
    float eps2;
    int *parent;  /* [n] union-find over core points */
    int *number;  /* [n] cluster of a root */
    int *uniform; /* [leaves] root of all core points of the leaf, -1 = several, -2 = no core point
                   */
    int *label;
    const struct cox_dbscan_options *options;
};

static void work_deinit(struct work *w)
{
    cox_neighbours_destroy(w->index);
    cox_free(w->distance2);
    cox_free(w->id);
    cox_free(w->core2);
    cox_free(w->out2);
    cox_free(w->parent);
    cox_free(w->number);
    cox_free(w->uniform);
}

static int work_init(struct work *w, const float *points, int n, int d, struct cox_err *err)
{
    int rc = cox_neighbours_create(&w->index, points, n, d, err);
    if (rc)
        return rc;
    w->n = n;
    w->k = w->options->min_samples - 1;
    const size_t many = (size_t)n, list = w->k < n ? many * (size_t)w->k : 0;
    w->distance2 = cox_alloc(list, sizeof *w->distance2);
    w->id = cox_alloc(list, sizeof *w->id);
    w->core2 = cox_alloc(many, sizeof *w->core2);
    w->out2 = cox_alloc(many, sizeof *w->out2);
    w->parent = cox_alloc(many, sizeof *w->parent);
    w->number = cox_alloc(many, sizeof *w->number);
    w->uniform = cox_alloc((size_t)w->index->leaves, sizeof *w->uniform);
    if (!w->distance2 || !w->id || !w->core2 || !w->out2 || !w->parent || !w->number || !w->uniform)
        return cox_err_set(err, COX_ENOMEM, "out of memory for DBSCAN of %d points", n);
    return COX_OK;
}

/* core2 and out2 of every point; infinite when there are too few points for any core point. */
static int thresholds(struct work *w, struct cox_team *team, struct cox_err *err)
{
    const int n = w->n, k = w->k;
    if (k > n - 1) {
        for (int i = 0; i < n; i++)
            w->core2[i] = w->out2[i] = INFINITY;
        return COX_OK;
    }
    if (k == 0)
        return COX_OK; /* every point is a core point: all zero */
    int rc = cox_neighbours_knn2(w->index, k, w->distance2, w->id, team, err);
    if (rc)
        return rc;
    for (int i = 0; i < n; i++)
        w->core2[i] = w->distance2[(size_t)i * (size_t)k + (size_t)k - 1];
    /* A core point that lies nearer than core2[i] is among the k nearest; a farther one cannot beat
     * core2[i] itself. */
    for (int i = 0; i < n; i++) {
        float best = w->core2[i];
        for (int j = 0; j < k; j++) {
            const size_t at = (size_t)i * (size_t)k + (size_t)j;
            const float other = w->core2[w->id[at]];
            const float reach = w->distance2[at] > other ? w->distance2[at] : other;
            best = reach < best ? reach : best;
        }
        w->out2[i] = best;
    }
    return COX_OK;
}

static int falling(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Possible numbers of outliers: m if the m-th largest threshold is above the next one. */
static int possible(const float *sorted, int n, int m)
{
    if (m == 0)
        return isfinite(sorted[0]);
    if (m == n)
        return sorted[n - 1] > 0;
    return sorted[m - 1] > sorted[m];
}

/* Chooses eps² between two thresholds so that the number of outliers is as near to the middle of
 * the wanted range as ties allow. */
static int search_eps(struct work *w, double *eps, struct cox_err *err)
{
    const int n = w->n, low = w->options->outliers_min, high = w->options->outliers_max;
    if (isinf(w->out2[0])) {
        w->eps2 = 0; /* no eps makes a core point */
        *eps = 0;
        return COX_OK;
    }
    float *sorted = cox_alloc((size_t)n, sizeof *sorted);
    if (!sorted)
        return cox_err_set(err, COX_ENOMEM, "out of memory for DBSCAN of %d points", n);
    memcpy(sorted, w->out2, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, falling);
    const int middle = low + (high - low) / 2 < n ? low + (high - low) / 2 : n;
    int m = 0;
    for (int away = 0; away <= n; away++) {
        if (middle - away >= 0 && possible(sorted, n, middle - away)) {
            m = middle - away;
            break;
        }
        if (middle + away <= n && possible(sorted, n, middle + away)) {
            m = middle + away;
            break;
        }
    }
    const double above = m > 0 ? sqrt((double)sorted[m - 1]) : 0;
    const double below = m < n ? sqrt((double)sorted[m]) : 0;
    *eps = m == 0 ? below * (1 + 1e-5) : (above + below) / 2;
    if (!(*eps > 0))
        *eps = 1e-6; /* all points coincide */
    w->eps2 = (float)(*eps * *eps);
    if (m > 0 && w->eps2 >= sorted[m - 1])
        w->eps2 = sorted[m < n ? m : n - 1];
    cox_free(sorted);
    return COX_OK;
}

static int root_of(struct work *w, int i)
{
    while (w->parent[i] != i) {
        w->parent[i] = w->parent[w->parent[i]];
        i = w->parent[i];
    }
    return i;
}

static void join(struct work *w, int a, int b)
{
    a = root_of(w, a);
    b = root_of(w, b);
    if (a < b)
        w->parent[b] = a;
    else
        w->parent[a] = b;
}

static bool is_core(const struct work *w, int i)
{
    return i >= 0 && w->core2[i] <= w->eps2;
}

static void update_uniform(struct work *w, int leaf)
{
    const int *id = w->index->id + (size_t)leaf * COX_LEAF;
    int common = -2;
    for (int l = 0; l < COX_LEAF; l++)
        if (is_core(w, id[l])) {
            const int root = root_of(w, id[l]);
            if (common == -2)
                common = root;
            else if (common != root) {
                w->uniform[leaf] = -1;
                return;
            }
        }
    w->uniform[leaf] = common;
}

/* Joins the core points of two leaves that lie within eps. Once everything in both is one cluster
 * there is nothing left to find out, which is the usual case inside a dense region. */
static void join_leaves(struct work *w, int a, int b)
{
    if (w->uniform[a] == -2 || w->uniform[b] == -2)
        return;
    if (w->uniform[a] >= 0 && w->uniform[b] >= 0 &&
        root_of(w, w->uniform[a]) == root_of(w, w->uniform[b]))
        return;
    const struct cox_neighbours *index = w->index;
    const size_t d = (size_t)index->d;
    float d2[COX_LEAF] __attribute__((aligned(64)));
    const int *ia = index->id + (size_t)a * COX_LEAF, *ib = index->id + (size_t)b * COX_LEAF;
    bool joined = false;
    for (int l = 0; l < COX_LEAF; l++) {
        if (!is_core(w, ia[l]))
            continue;
        const float *q = index->point + (size_t)ia[l] * d;
        if (w->uniform[b] >= 0 && root_of(w, ia[l]) == root_of(w, w->uniform[b]))
            continue;
        if (cox_leaves_point_apart(index, q, b) > w->eps2 ||
            index->kernels->leaf(d2, index->block + (size_t)b * d * COX_LEAF, q, index->d) >
                w->eps2)
            continue;
        for (int m = 0; m < COX_LEAF; m++)
            if (d2[m] <= w->eps2 && is_core(w, ib[m])) {
                join(w, ia[l], ib[m]);
                joined = true;
            }
    }
    if (joined) {
        update_uniform(w, a);
        update_uniform(w, b);
    }
}

static void join_all(struct work *w)
{
    const int leaves = w->index->leaves;
    for (int i = 0; i < w->n; i++)
        w->parent[i] = i;
    for (int a = 0; a < leaves; a++) {
        update_uniform(w, a);
        join_leaves(w, a, a);
    }
    /* Near pairs first (neighbours in the tree, then touching boxes): they make the big clusters,
     * and the far pairs are then mostly skipped. */
    for (int a = 0; a + 1 < leaves; a++)
        join_leaves(w, a, a + 1);
    for (int pass = 0; pass < 2; pass++) {
        const float from = pass ? w->eps2 * 0.25f : -1, to = pass ? w->eps2 : w->eps2 * 0.25f;
        for (int a = 0; a < leaves; a++)
            for (int b = a + 1; b < leaves; b++) {
                const float apart = cox_leaves_apart(w->index, a, b);
                if (apart > from && apart <= to)
                    join_leaves(w, a, b);
            }
    }
}

/* Border points of one leaf: the smallest cluster number among the core points in reach. */
static void label_border(void *user, int leaf, int thread)
{
    (void)thread;
    struct work *w = user;
    const struct cox_neighbours *index = w->index;
    const size_t d = (size_t)index->d;
    float d2[COX_LEAF] __attribute__((aligned(64)));
    for (int l = 0; l < COX_LEAF; l++) {
        const int i = index->id[(size_t)leaf * COX_LEAF + (size_t)l];
        if (i < 0 || is_core(w, i) || w->out2[i] > w->eps2)
            continue;
        const float *q = index->point + (size_t)i * d;
        int best = w->n;
        for (int other = 0; other < index->leaves; other++) {
            if (w->uniform[other] == -2 || (w->uniform[other] >= 0 && w->uniform[other] >= best) ||
                cox_leaves_point_apart(index, q, other) > w->eps2 ||
                index->kernels->leaf(d2, index->block + (size_t)other * d * COX_LEAF, q, index->d) >
                    w->eps2)
                continue;
            const int *id = index->id + (size_t)other * COX_LEAF;
            for (int m = 0; m < COX_LEAF; m++)
                if (d2[m] <= w->eps2 && is_core(w, id[m]) && w->label[id[m]] < best)
                    best = w->label[id[m]];
        }
        w->label[i] = best < w->n ? best : -1;
    }
}

/* Clusters get their numbers in the order of their first core point. */
static void label_points(struct work *w, struct cox_dbscan_result *result, struct cox_team *team)
{
    join_all(w);
    for (int i = 0; i < w->n; i++)
        w->number[i] = -1;
    for (int i = 0; i < w->n; i++) {
        w->label[i] = -1;
        if (!is_core(w, i))
            continue;
        const int root = root_of(w, i);
        if (w->number[root] < 0)
            w->number[root] = result->clusters++;
        w->label[i] = w->number[root];
    }
    /* From here on `uniform` holds the label common to a leaf's core points. */
    for (int a = 0; a < w->index->leaves; a++) {
        update_uniform(w, a);
        if (w->uniform[a] >= 0)
            w->uniform[a] = w->number[root_of(w, w->uniform[a])];
    }
    cox_team_run(team, w->index->leaves, label_border, w);
    for (int i = 0; i < w->n; i++)
        result->outliers += w->label[i] < 0;
}

static int check_options(const struct cox_dbscan_options *o, struct cox_err *err)
{
    if (o->min_samples < 1)
        return cox_err_set(err, COX_EINVAL, "min_samples is %d: must be at least 1",
                           o->min_samples);
    if (!(o->eps > 0) && (o->outliers_min < 0 || o->outliers_max < o->outliers_min))
        return cox_err_set(err, COX_EINVAL,
                           "wanted number of outliers %d to %d: must be 0 <= least <= most",
                           o->outliers_min, o->outliers_max);
    return COX_OK;
}

int cox_dbscan(struct cox_dbscan_result *result, int *label, float *outlierness,
               const float *points, int n, int d, const struct cox_dbscan_options *options,
               struct cox_team *team, struct cox_err *err)
{
    *result = (struct cox_dbscan_result){.reached = true};
    int rc = check_options(options, err);
    if (rc)
        return rc;
    struct work w = {.options = options, .label = label};
    rc = work_init(&w, points, n, d, err);
    if (!rc)
        rc = thresholds(&w, team, err);
    if (!rc) {
        if (options->eps > 0) {
            result->eps = options->eps;
            w.eps2 = (float)(options->eps * options->eps);
        } else {
            rc = search_eps(&w, &result->eps, err);
        }
    }
    if (!rc) {
        label_points(&w, result, team);
        if (!(options->eps > 0))
            result->reached = result->outliers >= options->outliers_min &&
                              result->outliers <= options->outliers_max;
        for (int i = 0; outlierness && i < n; i++)
            outlierness[i] = sqrtf(w.out2[i]);
    }
    work_deinit(&w);
    return rc;
}
