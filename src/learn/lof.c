/* SPDX-License-Identifier: BSD-3-Clause */
#include "learn/lof.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "learn/neighbours.h"

struct sorting {
    const float *points;
    size_t d;
};

static int compare_points(const void *a, const void *b, void *user)
{
    const struct sorting *s = user;
    const int i = *(const int *)a, j = *(const int *)b;
    const float *x = s->points + (size_t)i * s->d, *y = s->points + (size_t)j * s->d;
    for (size_t c = 0; c < s->d; c++)
        if (x[c] != y[c])
            return x[c] < y[c] ? -1 : 1;
    return i - j;
}

static int same_point(const struct sorting *s, int i, int j)
{
    const float *x = s->points + (size_t)i * s->d, *y = s->points + (size_t)j * s->d;
    for (size_t c = 0; c < s->d; c++)
        if (x[c] != y[c])
            return 0;
    return 1;
}

int cox_points_distinct(int *first, int *distinct, const float *points, int n, int d,
                        struct cox_err *err)
{
    int *order = cox_alloc((size_t)n, sizeof *order);
    if (!order)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d points", n);
    struct sorting s = {points, (size_t)d};
    for (int i = 0; i < n; i++)
        order[i] = i;
    qsort_r(order, (size_t)n, sizeof *order, compare_points, &s);
    *distinct = 0;
    for (int i = 0, head = 0; i < n; i++) {
        if (i == 0 || !same_point(&s, order[head], order[i])) {
            head = i;
            (*distinct)++;
        }
        first[order[i]] = order[head];
    }
    cox_free(order);
    return COX_OK;
}

struct work {
    int *first, *place, *id;
    float *points, *distance, *density;
    double *factor;
};

static void work_deinit(struct work *w)
{
    cox_free(w->first);
    cox_free(w->place);
    cox_free(w->id);
    cox_free(w->points);
    cox_free(w->distance);
    cox_free(w->density);
    cox_free(w->factor);
}

/* Breunig et al. 2000, definitions 5 to 7; 1e-10 guards the density as in scikit-learn. */
static void factors(struct work *w, int m, int k)
{
    for (int i = 0; i < m; i++) {
        double sum = 0;
        for (int j = 0; j < k; j++) {
            const size_t at = (size_t)i * (size_t)k + (size_t)j;
            const float reach = w->distance[(size_t)w->id[at] * (size_t)k + (size_t)k - 1];
            sum += (double)(w->distance[at] > reach ? w->distance[at] : reach);
        }
        w->density[i] = (float)(1 / (sum / k + 1e-10));
    }
    for (int i = 0; i < m; i++) {
        double sum = 0;
        for (int j = 0; j < k; j++)
            sum += (double)w->density[w->id[(size_t)i * (size_t)k + (size_t)j]];
        w->factor[i] = sum / k / (double)w->density[i];
    }
}

/* The distinct points, their neighbours and factors. */
static int score_distinct(struct work *w, const float *points, int n, int d, int k, int distinct,
                          struct cox_team *team, struct cox_err *err)
{
    const size_t m = (size_t)distinct;
    w->place = cox_alloc((size_t)n, sizeof *w->place);
    w->points = cox_alloc(m * (size_t)d, sizeof *w->points);
    w->distance = cox_alloc(m * (size_t)k, sizeof *w->distance);
    w->id = cox_alloc(m * (size_t)k, sizeof *w->id);
    w->density = cox_alloc(m, sizeof *w->density);
    w->factor = cox_alloc(m, sizeof *w->factor);
    if (!w->place || !w->points || !w->distance || !w->id || !w->density || !w->factor)
        return cox_err_set(err, COX_ENOMEM, "out of memory for the outlier factors of %d points",
                           n);
    for (int i = 0, at = 0; i < n; i++)
        if (w->first[i] == i) {
            memcpy(w->points + (size_t)at * (size_t)d, points + (size_t)i * (size_t)d,
                   (size_t)d * sizeof *points);
            w->place[i] = at++;
        }
    struct cox_neighbours *index;
    int rc = cox_neighbours_create(&index, w->points, distinct, d, err);
    if (rc)
        return rc;
    rc = cox_neighbours_knn(index, k, w->distance, w->id, team, err);
    cox_neighbours_destroy(index);
    if (!rc)
        factors(w, distinct, k);
    return rc;
}

static int compare_scores(const void *a, const void *b, void *user)
{
    const float *score = user;
    const int i = *(const int *)a, j = *(const int *)b;
    if (score[i] != score[j])
        return score[i] > score[j] ? -1 : 1;
    return i - j;
}

int cox_lof(float *score, int *order, int *distinct, const float *points, int n, int d, int k,
            struct cox_team *team, struct cox_err *err)
{
    if (n < 1 || d < 1 || k < 1)
        return cox_err_set(err, COX_EINVAL,
                           "local outlier factor of %d points of %d coordinates with %d "
                           "neighbours: each must be at least 1",
                           n, d, k);
    struct work w = {.first = cox_alloc((size_t)n, sizeof *w.first)};
    int many = 0;
    int rc = w.first ? cox_points_distinct(w.first, &many, points, n, d, err)
                     : cox_err_set(err, COX_ENOMEM, "out of memory for %d points", n);
    if (!rc && many >= 3)
        rc = score_distinct(&w, points, n, d, k < many ? k : many - 1, many, team, err);
    if (!rc) {
        for (int i = 0; i < n; i++)
            score[i] = many >= 3 ? (float)w.factor[w.place[w.first[i]]] : 1.0f;
        if (order) {
            for (int i = 0; i < n; i++)
                order[i] = i;
            qsort_r(order, (size_t)n, sizeof *order, compare_scores, score);
        }
        if (distinct)
            *distinct = many;
    }
    work_deinit(&w);
    return rc;
}
