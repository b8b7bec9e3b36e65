/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/stale.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct path {
    int64_t segment;      /* the first that counts */
    double began, newest; /* lane's clock, NaN: no frame yet */
    double best, best_at;
    double asked_at; /* NaN: not asked */
};

struct cox_stale {
    int lanes;
    double stale_ps;
    struct path *path;   /* [lanes] */
    double *moved;       /* [lanes] scratch, NaN: too young */
    double *sorted;      /* [lanes] scratch */
    int64_t *newest_row; /* [lanes] scratch, -1: none */
};

static const struct path nowhere = {.began = NAN, .newest = NAN, .best = NAN, .asked_at = NAN};

int cox_stale_create(struct cox_stale **out, int lanes, double stale_ps, struct cox_err *err)
{
    *out = NULL;
    struct cox_stale *s = cox_alloc(1, sizeof *s);
    if (s) {
        s->lanes = lanes;
        s->stale_ps = stale_ps;
        s->path = cox_alloc((size_t)lanes, sizeof *s->path);
        s->moved = cox_alloc((size_t)lanes, sizeof *s->moved);
        s->sorted = cox_alloc((size_t)lanes, sizeof *s->sorted);
        s->newest_row = cox_alloc((size_t)lanes, sizeof *s->newest_row);
    }
    if (!s || !s->path || !s->moved || !s->sorted || !s->newest_row) {
        cox_stale_destroy(s);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d lanes", lanes);
    }
    for (int i = 0; i < lanes; i++)
        s->path[i] = nowhere;
    *out = s;
    return COX_OK;
}

void cox_stale_destroy(struct cox_stale *stale)
{
    if (!stale)
        return;
    cox_free(stale->path);
    cox_free(stale->moved);
    cox_free(stale->sorted);
    cox_free(stale->newest_row);
    cox_free(stale);
}

void cox_stale_frame(struct cox_stale *stale, int lane, int32_t segment, double time_ps,
                     double value)
{
    struct path *p = &stale->path[lane];
    if (segment < p->segment)
        return;
    if (isnan(p->began))
        p->began = p->best_at = time_ps;
    p->newest = time_ps;
    if (!isnan(value) && !(value <= p->best)) {
        p->best = value;
        p->best_at = time_ps;
    }
}

void cox_stale_restarted(struct cox_stale *stale, int lane, int64_t segment)
{
    stale->path[lane] = nowhere;
    stale->path[lane].segment = segment;
}

void cox_stale_asked(struct cox_stale *stale, int lane)
{
    stale->path[lane].asked_at = stale->path[lane].newest;
}

static bool old_enough(const struct cox_stale *s, const struct path *p)
{
    double since = isnan(p->asked_at) ? p->began : p->asked_at;
    return p->newest - since >= s->stale_ps; /* false for NaN */
}

int cox_stale_by_objective(const struct cox_stale *stale, bool *stale_lanes)
{
    int n = 0;
    for (int i = 0; i < stale->lanes; i++) {
        const struct path *p = &stale->path[i];
        stale_lanes[i] = old_enough(stale, p) && p->newest - p->best_at >= stale->stale_ps;
        n += stale_lanes[i];
    }
    return n;
}

static double distance(const float *a, const float *b, int d)
{
    double sum = 0;
    for (int i = 0; i < d; i++)
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sqrt(sum);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How far each lane has moved over the last stale_ps of its present path, NaN where that is not
 * known: too young, or the row is no longer there. */
static int measure(const struct cox_stale *s, const struct cox_stale_rows *rows)
{
    int known = 0;
    for (int i = 0; i < s->lanes; i++) {
        s->newest_row[i] = -1;
        s->moved[i] = NAN;
    }
    for (int64_t r = rows->n - 1; r >= 0; r--) {
        int lane = rows->lane[r];
        const struct path *p = &s->path[lane];
        if (rows->segment[r] < p->segment || !isnan(s->moved[lane]))
            continue;
        if (s->newest_row[lane] < 0)
            s->newest_row[lane] = r;
        int64_t newest = s->newest_row[lane];
        if (rows->time_ps[newest] - rows->time_ps[r] < s->stale_ps)
            continue;
        s->moved[lane] = distance(rows->latent + r * rows->n_latent,
                                  rows->latent + newest * rows->n_latent, rows->n_latent);
        s->sorted[known++] = s->moved[lane];
    }
    return known;
}

int cox_stale_by_latent(const struct cox_stale *stale, const struct cox_stale_rows *rows,
                        bool *stale_lanes)
{
    int n = 0;
    int known = measure(stale, rows);
    memset(stale_lanes, 0, (size_t)stale->lanes * sizeof *stale_lanes);
    if (known < 2) /* nothing to compare with */
        return 0;
    qsort(stale->sorted, (size_t)known, sizeof *stale->sorted, by_value);
    double limit = 0.25 * stale->sorted[known / 2];
    for (int i = 0; i < stale->lanes; i++) {
        stale_lanes[i] = old_enough(stale, &stale->path[i]) && stale->moved[i] < limit;
        n += stale_lanes[i];
    }
    return n;
}
