/* SPDX-License-Identifier: BSD-3-Clause */
#include "learn/diverse.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

#include "base/mem.h"

static double apart2(const float *a, const float *b, int d)
{
    double sum = 0;
    for (int c = 0; c < d; c++) {
        const double t = (double)a[c] - (double)b[c];
        sum += t * t;
    }
    return sum;
}

void cox_diverse_walk(int *chosen, int *kept, int wanted, const int *candidates, int n_candidates,
                      const float *points, int d, double least_distance)
{
    *kept = 0;
    for (int i = 0; i < n_candidates && *kept < wanted; i++) {
        const float *p = points + (size_t)candidates[i] * (size_t)d;
        int free_of_all = 1;
        for (int j = 0; j < *kept && free_of_all; j++)
            free_of_all = apart2(p, points + (size_t)chosen[j] * (size_t)d, d) >=
                          least_distance * least_distance;
        if (free_of_all)
            chosen[(*kept)++] = candidates[i];
    }
}

int cox_diverse_farthest(int *chosen, int *kept, float *distance, int wanted, int first,
                         const float *points, int n, int d, struct cox_err *err)
{
    *kept = 0;
    if (n < 1 || d < 1 || wanted < 0 || first < 0 || first >= n)
        return cox_err_set(err, COX_EINVAL,
                           "choosing %d of %d points from number %d: the first must be one of them",
                           wanted, n, first);
    double *near2 = cox_alloc((size_t)n, sizeof *near2);
    if (!near2)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d points", n);
    for (int i = 0; i < n; i++)
        near2[i] = DBL_MAX;
    for (int at = first; *kept < wanted; (*kept)++) {
        if (near2[at] <= 0)
            break;
        chosen[*kept] = at;
        if (distance)
            distance[*kept] = *kept ? (float)sqrt(near2[at]) : INFINITY;
        const float *p = points + (size_t)at * (size_t)d;
        int best = 0;
        for (int i = 0; i < n; i++) {
            const double x = apart2(points + (size_t)i * (size_t)d, p, d);
            near2[i] = x < near2[i] ? x : near2[i];
            if (near2[i] > near2[best])
                best = i;
        }
        at = best;
    }
    cox_free(near2);
    return COX_OK;
}
