/* SPDX-License-Identifier: BSD-3-Clause */
#include "learn/neighbours.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "learn/leaves.h"

/* Coordinates beyond this would overflow when squared. */
#define LARGEST 1e15f

static int check_points(const float *points, int n, int d, struct cox_err *err)
{
    if (n < 1 || d < 1 || d > 4096)
        return cox_err_set(err, COX_EINVAL,
                           "%d points of %d coordinates: at least 1 point and 1 to 4096 "
                           "coordinates are needed",
                           n, d);
    for (size_t i = 0; i < (size_t)n * (size_t)d; i++)
        if (!(fabsf(points[i]) <= LARGEST))
            return cox_err_set(err, COX_EINVAL,
                               "coordinate %d of point %d is %g: must be finite and at most 1e15",
                               (int)(i % (size_t)d), (int)(i / (size_t)d), (double)points[i]);
    return COX_OK;
}

/* Orders order[low..high) so that the `middle`-th is in its place by coordinate c (quickselect with
 * the median of three; ties by number, so that the tree is one and the same everywhere). */
static void select_middle(int *order, int low, int high, int middle, const float *points, int d,
                          int c)
{
#define BEFORE(a, b)                                                                              \
    (points[(size_t)(a) * (size_t)d + (size_t)c] < points[(size_t)(b) * (size_t)d + (size_t)c] || \
     (points[(size_t)(a) * (size_t)d + (size_t)c] ==                                              \
          points[(size_t)(b) * (size_t)d + (size_t)c] &&                                          \
      (a) < (b)))
    while (high - low > 1) {
        const int x = order[low], y = order[low + (high - low) / 2], z = order[high - 1];
        const int pivot = BEFORE(x, y) ? (BEFORE(y, z)   ? y
                                          : BEFORE(x, z) ? z
                                                         : x)
                                       : (BEFORE(x, z)   ? x
                                          : BEFORE(y, z) ? z
                                                         : y);
        int i = low, j = high - 1;
        while (i <= j) {
            while (BEFORE(order[i], pivot))
                i++;
            while (BEFORE(pivot, order[j]))
                j--;
            if (i <= j) {
                const int t = order[i];
                order[i++] = order[j];
                order[j--] = t;
            }
        }
        if (middle <= j)
            high = j + 1;
        else if (middle >= i)
            low = i;
        else
            return;
    }
#undef BEFORE
}

static int widest(const int *order, int low, int high, const float *points, int d)
{
    int best = 0;
    float width = -1;
    for (int c = 0; c < d; c++) {
        float lo = INFINITY, hi = -INFINITY;
        for (int i = low; i < high; i++) {
            const float x = points[(size_t)order[i] * (size_t)d + (size_t)c];
            lo = x < lo ? x : lo;
            hi = x > hi ? x : hi;
        }
        if (hi - lo > width) {
            width = hi - lo;
            best = c;
        }
    }
    return best;
}

/* Splits at multiples of a leaf, so that all leaves but the last are full. */
static void split(int *order, int low, int high, const float *points, int d)
{
    while (high - low > COX_LEAF) {
        const int leaves = (high - low + COX_LEAF - 1) / COX_LEAF;
        const int middle = low + leaves / 2 * COX_LEAF;
        select_middle(order, low, high, middle, points, d, widest(order, low, high, points, d));
        split(order, low, middle, points, d);
        low = middle;
    }
}

static void fill_leaf(struct cox_neighbours *index, int leaf, const int *order)
{
    const int d = index->d;
    float *block = index->block + (size_t)leaf * (size_t)d * COX_LEAF;
    float *low = index->low + (size_t)leaf * (size_t)d;
    float *high = index->high + (size_t)leaf * (size_t)d;
    for (int c = 0; c < d; c++) {
        low[c] = INFINITY;
        high[c] = -INFINITY;
    }
    for (int l = 0; l < COX_LEAF; l++) {
        const int at = leaf * COX_LEAF + l;
        const int p = at < index->n ? order[at] : -1;
        index->id[at] = p;
        for (int c = 0; c < d; c++) {
            const float x =
                p < 0 ? COX_DISTANCE_FAR : index->point[(size_t)p * (size_t)d + (size_t)c];
            block[c * COX_LEAF + l] = x;
            if (p >= 0) {
                low[c] = x < low[c] ? x : low[c];
                high[c] = x > high[c] ? x : high[c];
            }
        }
    }
}

int cox_neighbours_create(struct cox_neighbours **out, const float *points, int n, int d,
                          struct cox_err *err)
{
    *out = NULL;
    int rc = check_points(points, n, d, err);
    if (rc)
        return rc;
    const struct cox_distance_kernels *kernels;
    rc = cox_distance_select(&kernels, NULL, err);
    if (rc)
        return rc;
    struct cox_neighbours *index = cox_alloc(1, sizeof *index);
    int *order = cox_alloc((size_t)n, sizeof *order);
    if (!index || !order)
        goto no_memory;
    index->n = n;
    index->d = d;
    index->kernels = kernels;
    index->leaves = (n + COX_LEAF - 1) / COX_LEAF;
    const size_t leaves = (size_t)index->leaves;
    index->id = cox_alloc(leaves * COX_LEAF, sizeof *index->id);
    index->block = cox_alloc(leaves * COX_LEAF * (size_t)d, sizeof *index->block);
    index->low = cox_alloc(leaves * (size_t)d, sizeof *index->low);
    index->high = cox_alloc(leaves * (size_t)d, sizeof *index->high);
    index->point = cox_alloc((size_t)n * (size_t)d, sizeof *index->point);
    if (!index->id || !index->block || !index->low || !index->high || !index->point)
        goto no_memory;
    memcpy(index->point, points, (size_t)n * (size_t)d * sizeof *points);
    for (int i = 0; i < n; i++)
        order[i] = i;
    split(order, 0, n, points, d);
    for (int l = 0; l < index->leaves; l++)
        fill_leaf(index, l, order);
    cox_free(order);
    *out = index;
    return COX_OK;

no_memory:
    cox_free(order);
    cox_neighbours_destroy(index);
    return cox_err_set(err, COX_ENOMEM, "out of memory for %d points of %d coordinates", n, d);
}

void cox_neighbours_destroy(struct cox_neighbours *index)
{
    if (!index)
        return;
    cox_free(index->id);
    cox_free(index->block);
    cox_free(index->low);
    cox_free(index->high);
    cox_free(index->point);
    cox_free(index);
}

/* A float32 sum of d squares is off by less than d + 3 rounding errors: the lower bound gives way
 * by that much and more on either side. */
static float slack(int d)
{
    return 1.0f - 1.2e-7f * (float)(2 * d + 8);
}

float cox_leaves_apart(const struct cox_neighbours *index, int a, int b)
{
    const size_t d = (size_t)index->d;
    const float *la = index->low + (size_t)a * d, *ha = index->high + (size_t)a * d;
    const float *lb = index->low + (size_t)b * d, *hb = index->high + (size_t)b * d;
    float sum = 0;
    for (size_t c = 0; c < d; c++) {
        const float x = la[c] - hb[c], y = lb[c] - ha[c];
        const float gap = x > y ? x : y;
        sum += gap > 0 ? gap * gap : 0;
    }
    return sum * slack(index->d);
}

float cox_leaves_point_apart(const struct cox_neighbours *index, const float *point, int leaf)
{
    const size_t d = (size_t)index->d;
    const float *low = index->low + (size_t)leaf * d, *high = index->high + (size_t)leaf * d;
    float sum = 0;
    for (size_t c = 0; c < d; c++) {
        const float x = low[c] - point[c], y = point[c] - high[c];
        const float gap = x > y ? x : y;
        sum += gap > 0 ? gap * gap : 0;
    }
    return sum * slack(index->d);
}

struct near_leaf {
    float apart;
    int leaf;
};

struct knn_job {
    const struct cox_neighbours *index;
    int k;
    float *distance2;       /* [n][k] in the caller's order */
    int *id;                /* [n][k] */
    struct near_leaf *near; /* [threads][leaves] */
};

static int compare_near(const void *a, const void *b)
{
    const struct near_leaf *x = a, *y = b;
    if (x->apart != y->apart)
        return x->apart < y->apart ? -1 : 1;
    return x->leaf - y->leaf;
}

/* Takes the points of one leaf into a query's list of the k nearest (sorted by distance, number).
 */
static void take_leaf(const struct cox_neighbours *index, int leaf, int query, int k, float *list2,
                      int *list)
{
    float d2[COX_LEAF] __attribute__((aligned(64)));
    const float *q = index->point + (size_t)query * (size_t)index->d;
    const float least = index->kernels->leaf(
        d2, index->block + (size_t)leaf * (size_t)index->d * COX_LEAF, q, index->d);
    if (least > list2[k - 1])
        return;
    const int *id = index->id + (size_t)leaf * COX_LEAF;
    for (int l = 0; l < COX_LEAF; l++) {
        if (d2[l] > list2[k - 1] || id[l] < 0 || id[l] == query ||
            (d2[l] == list2[k - 1] && id[l] > list[k - 1]))
            continue;
        int at = k - 1;
        while (at > 0 &&
               (list2[at - 1] > d2[l] || (list2[at - 1] == d2[l] && list[at - 1] > id[l]))) {
            list2[at] = list2[at - 1];
            list[at] = list[at - 1];
            at--;
        }
        list2[at] = d2[l];
        list[at] = id[l];
    }
}

/* All queries of one leaf: their own leaf first, then the others from near to far. */
static void knn_leaf(void *user, int leaf, int thread)
{
    const struct knn_job *job = user;
    const struct cox_neighbours *index = job->index;
    struct near_leaf *near = job->near + (size_t)thread * (size_t)index->leaves;
    const int *queries = index->id + (size_t)leaf * COX_LEAF;
    const int k = job->k;
    float worst = 0;
    for (int l = 0; l < COX_LEAF && queries[l] >= 0; l++) {
        float *list2 = job->distance2 + (size_t)queries[l] * (size_t)k;
        int *list = job->id + (size_t)queries[l] * (size_t)k;
        for (int i = 0; i < k; i++) {
            list2[i] = FLT_MAX;
            list[i] = index->n;
        }
        take_leaf(index, leaf, queries[l], k, list2, list);
        worst = list2[k - 1] > worst ? list2[k - 1] : worst;
    }
    int n_near = 0;
    for (int other = 0; other < index->leaves; other++) {
        const float apart = other == leaf ? INFINITY : cox_leaves_apart(index, leaf, other);
        if (apart <= worst)
            near[n_near++] = (struct near_leaf){apart, other};
    }
    qsort(near, (size_t)n_near, sizeof *near, compare_near);
    for (int l = 0; l < COX_LEAF && queries[l] >= 0; l++) {
        float *list2 = job->distance2 + (size_t)queries[l] * (size_t)k;
        int *list = job->id + (size_t)queries[l] * (size_t)k;
        const float *q = index->point + (size_t)queries[l] * (size_t)index->d;
        for (int i = 0; i < n_near && near[i].apart <= list2[k - 1]; i++)
            if (cox_leaves_point_apart(index, q, near[i].leaf) <= list2[k - 1])
                take_leaf(index, near[i].leaf, queries[l], k, list2, list);
    }
}

int cox_neighbours_knn2(const struct cox_neighbours *index, int k, float *distance2, int *id,
                        struct cox_team *team, struct cox_err *err)
{
    if (k < 1 || k > index->n - 1)
        return cox_err_set(err, COX_EINVAL, "%d nearest neighbours asked for among %d points", k,
                           index->n);
    const size_t threads = team ? (size_t)cox_team_threads(team) : 1;
    struct knn_job job = {index, k, distance2, id, NULL};
    job.near = cox_alloc(threads * (size_t)index->leaves, sizeof *job.near);
    if (!id)
        job.id = cox_alloc((size_t)index->n * (size_t)k, sizeof *job.id);
    int rc = COX_OK;
    if (!job.near || !job.id)
        rc =
            cox_err_set(err, COX_ENOMEM, "out of memory for the neighbours of %d points", index->n);
    else
        cox_team_run(team, index->leaves, knn_leaf, &job);
    cox_free(job.near);
    if (!id)
        cox_free(job.id);
    return rc;
}

int cox_neighbours_knn(const struct cox_neighbours *index, int k, float *distance, int *id,
                       struct cox_team *team, struct cox_err *err)
{
    const size_t many = (size_t)index->n * (k > 0 ? (size_t)k : 1);
    float *distance2 = distance ? distance : cox_alloc(many, sizeof *distance2);
    if (!distance2)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %zu distances", many);
    const int rc = cox_neighbours_knn2(index, k, distance2, id, team, err);
    if (!rc && distance)
        for (size_t i = 0; i < many; i++)
            distance[i] = sqrtf(distance[i]);
    if (!distance)
        cox_free(distance2);
    return rc;
}
