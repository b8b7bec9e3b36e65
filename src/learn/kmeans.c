/* SPDX-License-Identifier: BSD-3-Clause */
#include "learn/kmeans.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "learn/distance.h"

/* Points are worked through in this many pieces whatever the team is, so that sums are formed in
 * one and the same order. */
#define PIECES 32
#define LANES COX_DISTANCE_LANES
#define BATCH 256

struct work {
    const float *points;
    int n, d, k, groups;
    struct cox_team *team;
    const struct cox_distance_kernels *kernels;
    float *centres;   /* [k][d] */
    float *packed;    /* [groups][d][16] */
    int *label, *old; /* [n] */
    float *distance2; /* [n] to the nearest centre */
    double *sum;      /* [PIECES][k][d] */
    int *count;       /* [PIECES][k] */
    double potential[PIECES][LANES];
    int changed[PIECES];
};

static void piece_of(const struct work *w, int piece, int *low, int *high)
{
    *low = (int)((int64_t)w->n * piece / PIECES);
    *high = (int)((int64_t)w->n * (piece + 1) / PIECES);
}

static void work_deinit(struct work *w)
{
    cox_free(w->packed);
    cox_free(w->label);
    cox_free(w->old);
    cox_free(w->distance2);
    cox_free(w->sum);
    cox_free(w->count);
    cox_free(w->centres);
}

static int work_init(struct work *w, const float *points, int n, int d, int k,
                     struct cox_team *team, struct cox_err *err)
{
    const size_t many = (size_t)n, kd = (size_t)k * (size_t)d;
    memset(w, 0, sizeof *w);
    w->points = points;
    w->n = n;
    w->d = d;
    w->k = k;
    w->groups = (k + LANES - 1) / LANES;
    w->team = team;
    const int rc = cox_distance_select(&w->kernels, NULL, err);
    if (rc)
        return rc;
    w->centres = cox_alloc(kd, sizeof *w->centres);
    w->packed = cox_alloc((size_t)w->groups * (size_t)d * LANES, sizeof *w->packed);
    w->label = cox_alloc(many, sizeof *w->label);
    w->old = cox_alloc(many, sizeof *w->old);
    w->distance2 = cox_alloc(many, sizeof *w->distance2);
    w->sum = cox_alloc(PIECES * kd, sizeof *w->sum);
    w->count = cox_alloc(PIECES * (size_t)k, sizeof *w->count);
    if (!w->centres || !w->packed || !w->label || !w->old || !w->distance2 || !w->sum || !w->count)
        return cox_err_set(err, COX_ENOMEM, "out of memory for k-means of %d points", n);
    return COX_OK;
}

/* Side by side in groups of 16; places beyond k lie infinitely far away. */
static void pack(float *packed, const float *centres, int k, int d)
{
    const int groups = (k + LANES - 1) / LANES;
    for (int g = 0; g < groups; g++)
        for (int c = 0; c < d; c++)
            for (int l = 0; l < LANES; l++) {
                const int j = g * LANES + l;
                packed[((size_t)g * (size_t)d + (size_t)c) * LANES + (size_t)l] =
                    j < k ? centres[(size_t)j * (size_t)d + (size_t)c] : COX_DISTANCE_FAR;
            }
}

static void assign_piece(void *user, int piece, int thread)
{
    (void)thread;
    struct work *w = user;
    int low, high;
    piece_of(w, piece, &low, &high);
    w->kernels->nearest(w->label + low, w->distance2 + low, w->points + (size_t)low * (size_t)w->d,
                        high - low, w->d, w->packed, w->groups);
    double inertia = 0;
    int changed = 0;
    for (int i = low; i < high; i++) {
        inertia += (double)w->distance2[i];
        changed += w->label[i] != w->old[i];
    }
    w->potential[piece][0] = inertia;
    w->changed[piece] = changed;
}

static void sum_piece(void *user, int piece, int thread)
{
    (void)thread;
    struct work *w = user;
    const size_t d = (size_t)w->d;
    double *sum = w->sum + (size_t)piece * (size_t)w->k * d;
    int *count = w->count + (size_t)piece * (size_t)w->k;
    memset(sum, 0, (size_t)w->k * d * sizeof *sum);
    memset(count, 0, (size_t)w->k * sizeof *count);
    int low, high;
    piece_of(w, piece, &low, &high);
    for (int i = low; i < high; i++) {
        double *s = sum + (size_t)w->label[i] * d;
        const float *p = w->points + (size_t)i * d;
        for (size_t c = 0; c < d; c++)
            s[c] += (double)p[c];
        count[w->label[i]]++;
    }
}

/* Labels and distances of the present centres; returns the inertia. */
static double assign(struct work *w, int *changed)
{
    pack(w->packed, w->centres, w->k, w->d);
    int *t = w->old;
    w->old = w->label;
    w->label = t;
    cox_team_run(w->team, PIECES, assign_piece, w);
    double inertia = 0;
    *changed = 0;
    for (int p = 0; p < PIECES; p++) {
        inertia += w->potential[p][0];
        *changed += w->changed[p];
    }
    return inertia;
}

/* Empty clusters take the points farthest from their centres, one each. */
static void fill_empty(struct work *w)
{
    const size_t d = (size_t)w->d;
    for (int j = 0; j < w->k; j++) {
        if (w->count[j] > 0)
            continue;
        int far = -1;
        for (int i = 0; i < w->n; i++)
            if (w->count[w->label[i]] > 1 && (far < 0 || w->distance2[i] > w->distance2[far]))
                far = i;
        if (far < 0)
            return;
        const float *p = w->points + (size_t)far * d;
        double *from = w->sum + (size_t)w->label[far] * d, *to = w->sum + (size_t)j * d;
        for (size_t c = 0; c < d; c++) {
            from[c] -= (double)p[c];
            to[c] = (double)p[c];
        }
        w->count[w->label[far]]--;
        w->count[j] = 1;
        w->label[far] = j;
        w->distance2[far] = 0;
    }
}

/* New centres from the labels; returns the sum of the squared shifts. */
static double update(struct work *w)
{
    const size_t kd = (size_t)w->k * (size_t)w->d;
    cox_team_run(w->team, PIECES, sum_piece, w);
    for (int p = 1; p < PIECES; p++) {
        for (size_t i = 0; i < kd; i++)
            w->sum[i] += w->sum[(size_t)p * kd + i];
        for (int j = 0; j < w->k; j++)
            w->count[j] += w->count[(size_t)p * (size_t)w->k + (size_t)j];
    }
    fill_empty(w);
    double shift = 0;
    for (int j = 0; j < w->k; j++)
        for (int c = 0; c < w->d && w->count[j] > 0; c++) {
            const size_t at = (size_t)j * (size_t)w->d + (size_t)c;
            const float x = (float)(w->sum[at] / w->count[j]);
            const double move = (double)x - (double)w->centres[at];
            shift += move * move;
            w->centres[at] = x;
        }
    return shift;
}

/* Mean over the coordinates of their variance, the scale of the tolerance. */
static double mean_variance(const float *points, int n, int d)
{
    double total = 0;
    for (int c = 0; c < d; c++) {
        double mean = 0, square = 0;
        for (int i = 0; i < n; i++)
            mean += (double)points[(size_t)i * (size_t)d + (size_t)c];
        mean /= n;
        for (int i = 0; i < n; i++) {
            const double x = (double)points[(size_t)i * (size_t)d + (size_t)c] - mean;
            square += x * x;
        }
        total += square / n;
    }
    return total / d;
}

/* Trial centres in w->packed (first group): the sum over the points of the smaller of the present
 * distance and that to each trial. */
static void trial_piece(void *user, int piece, int thread)
{
    (void)thread;
    struct work *w = user;
    float out[BATCH * LANES] __attribute__((aligned(64)));
    double sum[LANES] = {0};
    int low, high;
    piece_of(w, piece, &low, &high);
    for (int at = low; at < high; at += BATCH) {
        const int many = high - at < BATCH ? high - at : BATCH;
        w->kernels->group(out, w->points + (size_t)at * (size_t)w->d, many, w->d, w->packed);
        float part[LANES] = {0};
        for (int i = 0; i < many; i++) {
            const float best = w->distance2[at + i];
            for (int l = 0; l < LANES; l++) {
                const float x = out[i * LANES + l];
                part[l] += x < best ? x : best;
            }
        }
        for (int l = 0; l < LANES; l++)
            sum[l] += (double)part[l];
    }
    memcpy(w->potential[piece], sum, sizeof sum);
}

static void nearer_piece(void *user, int piece, int thread)
{
    (void)thread;
    struct work *w = user;
    float out[BATCH * LANES] __attribute__((aligned(64)));
    int low, high;
    piece_of(w, piece, &low, &high);
    double sum = 0;
    for (int at = low; at < high; at += BATCH) {
        const int many = high - at < BATCH ? high - at : BATCH;
        w->kernels->group(out, w->points + (size_t)at * (size_t)w->d, many, w->d, w->packed);
        for (int i = 0; i < many; i++) {
            if (out[i * LANES] < w->distance2[at + i])
                w->distance2[at + i] = out[i * LANES];
            sum += (double)w->distance2[at + i];
        }
    }
    w->potential[piece][0] = sum;
}

/* Makes points[at] the j-th centre and updates all distances to the nearest centre. */
static double place(struct work *w, int j, int at)
{
    const size_t d = (size_t)w->d;
    memcpy(w->centres + (size_t)j * d, w->points + (size_t)at * d, d * sizeof *w->centres);
    pack(w->packed, w->points + (size_t)at * d, 1, w->d);
    cox_team_run(w->team, PIECES, nearer_piece, w);
    double total = 0;
    for (int p = 0; p < PIECES; p++)
        total += w->potential[p][0];
    return total;
}

static int draw(const struct work *w, double total, struct cox_rng *rng)
{
    double left = cox_rng_uniform(rng) * total;
    int last = -1;
    for (int i = 0; i < w->n; i++) {
        if (!(w->distance2[i] > 0))
            continue;
        last = i;
        left -= (double)w->distance2[i];
        if (left < 0)
            break;
    }
    return last;
}

/* Greedy k-means++: each new centre is the best of 2 + ln k draws. Returns the number placed, less
 * than k when there are fewer distinct points. */
static int seed_centres(struct work *w, struct cox_rng *rng, float *trials)
{
    const size_t d = (size_t)w->d;
    for (int i = 0; i < w->n; i++)
        w->distance2[i] = FLT_MAX;
    double total = place(w, 0, (int)cox_rng_below(rng, (uint32_t)w->n));
    int many = 2 + (int)log((double)w->k);
    many = many < LANES ? many : LANES;
    for (int j = 1; j < w->k; j++) {
        int drawn[LANES] = {0};
        for (int t = 0; t < many; t++) {
            drawn[t] = draw(w, total, rng);
            if (drawn[t] < 0)
                return j;
            memcpy(trials + (size_t)t * d, w->points + (size_t)drawn[t] * d, d * sizeof *trials);
        }
        pack(w->packed, trials, many, w->d);
        cox_team_run(w->team, PIECES, trial_piece, w);
        int best = 0;
        double least = INFINITY;
        for (int t = 0; t < many; t++) {
            double sum = 0;
            for (int p = 0; p < PIECES; p++)
                sum += w->potential[p][t];
            if (sum < least) {
                least = sum;
                best = t;
            }
        }
        total = place(w, j, drawn[best]);
    }
    return w->k;
}

static double lloyd(struct work *w, const struct cox_kmeans_options *o, double tolerance,
                    int *iterations)
{
    int changed;
    double inertia = assign(w, &changed);
    for (*iterations = 1; *iterations <= o->iterations; (*iterations)++) {
        const double shift = update(w);
        inertia = assign(w, &changed);
        if (changed == 0 || shift <= tolerance)
            break;
    }
    if (*iterations > o->iterations)
        *iterations = o->iterations;
    return inertia;
}

static int check(const struct cox_kmeans_options *o, const float *points, int n, int d,
                 struct cox_err *err)
{
    if (n < 1 || d < 1 || o->k < 1 || o->starts < 1 || o->iterations < 1)
        return cox_err_set(err, COX_EINVAL,
                           "k-means of %d points of %d coordinates, k = %d, %d starts, %d "
                           "iterations: each must be at least 1",
                           n, d, o->k, o->starts, o->iterations);
    for (size_t i = 0; i < (size_t)n * (size_t)d; i++)
        if (!(fabsf(points[i]) <= 1e15f))
            return cox_err_set(err, COX_EINVAL,
                               "coordinate %d of point %d is %g: must be finite and at most 1e15",
                               (int)(i % (size_t)d), (int)(i / (size_t)d), (double)points[i]);
    return COX_OK;
}

int cox_kmeans(struct cox_kmeans_result *result, float *centres, int *label, const float *points,
               int n, int d, const struct cox_kmeans_options *options, struct cox_team *team,
               struct cox_err *err)
{
    *result = (struct cox_kmeans_result){.inertia = INFINITY};
    int rc = check(options, points, n, d, err);
    if (rc)
        return rc;
    const int k = options->k < n ? options->k : n;
    struct work w;
    rc = work_init(&w, points, n, d, k, team, err);
    float *trials = cox_alloc((size_t)LANES * (size_t)d, sizeof *trials);
    if (!rc && !trials)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for k-means of %d points", n);
    const double tolerance = rc ? 0 : options->tolerance * mean_variance(points, n, d);
    const int starts = options->initial ? 1 : options->starts;
    for (int s = 0; s < starts && !rc; s++) {
        w.k = k;
        if (options->initial) {
            memcpy(w.centres, options->initial, (size_t)k * (size_t)d * sizeof *centres);
        } else {
            struct cox_rng rng;
            cox_rng_init(&rng, options->seed, (uint64_t)s);
            w.k = seed_centres(&w, &rng, trials);
        }
        w.groups = (w.k + LANES - 1) / LANES;
        int iterations;
        const double inertia = lloyd(&w, options, tolerance, &iterations);
        if (inertia < result->inertia) {
            *result = (struct cox_kmeans_result){inertia, iterations, w.k};
            memcpy(centres, w.centres, (size_t)w.k * (size_t)d * sizeof *centres);
            if (label)
                memcpy(label, w.label, (size_t)n * sizeof *label);
        }
    }
    cox_free(trials);
    work_deinit(&w);
    return rc;
}

int cox_kmeans_predict(int *label, double *inertia, const float *centres, int k,
                       const float *points, int n, int d, struct cox_team *team,
                       struct cox_err *err)
{
    struct cox_kmeans_options o = COX_KMEANS_OPTIONS_INIT;
    o.k = k;
    if (n < 1) {
        if (inertia)
            *inertia = 0;
        return COX_OK;
    }
    int rc = check(&o, points, n, d, err);
    if (rc)
        return rc;
    struct work w;
    rc = work_init(&w, points, n, d, k, team, err);
    if (!rc) {
        int changed;
        memcpy(w.centres, centres, (size_t)k * (size_t)d * sizeof *centres);
        const double sum = assign(&w, &changed);
        memcpy(label, w.label, (size_t)n * sizeof *label);
        if (inertia)
            *inertia = sum;
    }
    work_deinit(&w);
    return rc;
}
