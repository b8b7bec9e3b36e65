/* SPDX-License-Identifier: BSD-3-Clause */
/* The nearest point of a convex hull, by Wolfe's algorithm ("Finding the nearest point in a
 * polytope", Math. Program. 11, 128 (1976)).
 *
 * With q_i = p_i − x, it keeps a corral: at most d + 1 affinely independent q, and the point z of
 * their simplex that is nearest to 0. If some q_j lies beyond the plane through z (⟨z, q_j⟩ < |z|²)
 * it joins, and the corral is reduced until the nearest point of its affine hull lies inside it.
 * |z| falls at every turn. It ends when z = 0 (inside), or when no point lies beyond: then |z| is
 * the distance. ⟨z, q⟩ > 0 for all q is a plane that separates x from the hull: outside for sure.
 *
 * Points are shuffled once, and the search for a q_j that lies beyond stops with the first block of
 * them that has one: only the proof that x is outside needs all of them. */
#include "learn/hull.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

#define LANES 8   /* points side by side in memory */
#define BLOCK 256 /* groups of LANES that are searched at once */
#define MOST_TURNS 4000
/* The distance is right to one or the other. */
#define ABSOLUTE 1e-9
#define RELATIVE 1e-6
/* A weight below this is zero; a column of the triangle below this depends on those before. */
#define NO_WEIGHT 1e-12
#define NO_PIVOT 1e-13

struct cox_hull {
    int d, groups;
    double *least, *width; /* [d]: the box */
    double *points;        /* [groups][d][LANES], in 0 … 1; the last ones repeat */
};

struct corral {
    int d, n;
    double x[COX_HULL_MAX_D]; /* in units of the box */
    double q[COX_HULL_MAX_D + 1][COX_HULL_MAX_D], weight[COX_HULL_MAX_D + 1];
    double z[COX_HULL_MAX_D], norm; /* |z| */
};

static double dot(int d, const double *a, const double *b)
{
    double s = 0;
    for (int k = 0; k < d; k++)
        s += a[k] * b[k];
    return s;
}

static void find_box(struct cox_hull *h, int n, const double *points)
{
    const int d = h->d;
    for (int k = 0; k < d; k++) {
        double low = points[k], high = points[k];
        for (int i = 1; i < n; i++) {
            low = fmin(low, points[(size_t)i * (size_t)d + (size_t)k]);
            high = fmax(high, points[(size_t)i * (size_t)d + (size_t)k]);
        }
        h->least[k] = low;
        h->width[k] = high - low;
        if (!(h->width[k] > 1e-12 * fmax(fabs(low), fabs(high)))) /* constant: any unit will do */
            h->width[k] = low != 0 ? fabs(low) : 1;
    }
}

static void place(struct cox_hull *h, int slot, const double *point)
{
    double *to = h->points + (size_t)(slot / LANES) * (size_t)h->d * LANES + slot % LANES;
    for (int k = 0; k < h->d; k++)
        to[k * LANES] = (point[k] - h->least[k]) / h->width[k];
}

int cox_hull_create(struct cox_hull **out, int n, int d, const double *points, struct cox_err *err)
{
    *out = NULL;
    if (d < 1 || d > COX_HULL_MAX_D || n < 1 || n > 10000000)
        return cox_err_set(err, COX_EINVAL,
                           "hull: %d points in %d dimensions, allowed are 1 to 10000000 in 1 to %d",
                           n, d, COX_HULL_MAX_D);
    for (size_t i = 0; i < (size_t)n * (size_t)d; i++)
        if (!isfinite(points[i]))
            return cox_err_set(err, COX_EINVAL, "hull: coordinate %d of point %d is %g",
                               (int)(i % (size_t)d), (int)(i / (size_t)d), points[i]);
    struct cox_hull *h = cox_alloc(1, sizeof *h);
    int *order = cox_alloc((size_t)n, sizeof(int));
    if (h) {
        h->d = d;
        h->groups = (n + LANES - 1) / LANES;
        h->least = cox_alloc((size_t)d, sizeof(double));
        h->width = cox_alloc((size_t)d, sizeof(double));
        h->points = cox_alloc((size_t)h->groups, (size_t)d * LANES * sizeof(double));
    }
    if (!h || !order || !h->least || !h->width || !h->points) {
        cox_hull_destroy(h);
        cox_free(order);
        return cox_err_set(err, COX_ENOMEM, "hull: out of memory for %d points", n);
    }
    struct cox_rng rng;
    cox_rng_init(&rng, 1, 0);
    for (int i = 0; i < n; i++)
        order[i] = i;
    cox_rng_shuffle(&rng, order, n);
    find_box(h, n, points);
    for (int i = 0; i < h->groups * LANES; i++)
        place(h, i, points + (size_t)order[i < n ? i : n - 1] * (size_t)d);
    cox_free(order);
    *out = h;
    return COX_OK;
}

void cox_hull_destroy(struct cox_hull *h)
{
    if (!h)
        return;
    cox_free(h->least);
    cox_free(h->width);
    cox_free(h->points);
    cox_free(h);
}

/* The least ⟨z, p⟩ over some groups, and which point it is; `squares`: of |p − x|² instead. */
static double least_of(const struct cox_hull *h, const struct corral *c, bool squares, int first,
                       int end, int *which)
{
    double best = (double)INFINITY;
    for (int g = first; g < end; g++) {
        const double *p = h->points + (size_t)g * (size_t)h->d * LANES;
        double sum[LANES] = {0};
        for (int k = 0; k < h->d; k++, p += LANES)
            for (int l = 0; l < LANES; l++)
                sum[l] += squares ? (p[l] - c->x[k]) * (p[l] - c->x[k]) : c->z[k] * p[l];
        for (int l = 0; l < LANES; l++)
            if (sum[l] < best) {
                best = sum[l];
                *which = g * LANES + l;
            }
    }
    return best;
}

/* ⟨z, q⟩ of the least point in the first block, from *from on and round, that has one below
 * `wanted`; without any, the least of all. */
static double search(const struct cox_hull *h, const struct corral *c, double wanted, int *from,
                     int *which)
{
    const double shift = dot(c->d, c->z, c->x);
    const int blocks = (h->groups + BLOCK - 1) / BLOCK;
    double best = (double)INFINITY;
    for (int b = 0; b < blocks && !(best < wanted); b++, *from = (*from + 1) % blocks) {
        int at = 0;
        const int first = *from * BLOCK, end = first + BLOCK;
        const double value =
            least_of(h, c, false, first, end < h->groups ? end : h->groups, &at) - shift;
        if (value < best) {
            best = value;
            *which = at;
        }
    }
    return best;
}

static void join(const struct cox_hull *h, struct corral *c, int which)
{
    const double *p = h->points + (size_t)(which / LANES) * (size_t)h->d * LANES + which % LANES;
    for (int k = 0; k < c->d; k++)
        c->q[c->n][k] = p[k * LANES] - c->x[k];
    c->weight[c->n++] = 0;
}

static void drop(struct corral *c, int i)
{
    c->n--;
    memmove(c->q[i], c->q[i + 1], (size_t)(c->n - i) * sizeof c->q[0]);
    memmove(&c->weight[i], &c->weight[i + 1], (size_t)(c->n - i) * sizeof c->weight[0]);
}

static void set_z(struct corral *c)
{
    for (int k = 0; k < c->d; k++) {
        c->z[k] = 0;
        for (int i = 0; i < c->n; i++)
            c->z[k] += c->weight[i] * c->q[i][k];
    }
    c->norm = sqrt(dot(c->d, c->z, c->z));
}

/* v = weights, of sum 1, of the point of the affine hull nearest to 0: least squares of
 * q_0 + Σ t_i (q_i − q_0) by Householder reflections, which unlike the normal equations do not
 * square what rounding costs. False: affinely dependent. */
static bool nearest_affine(const struct corral *c, double *v)
{
    const int d = c->d, n = c->n - 1;
    double a[COX_HULL_MAX_D][COX_HULL_MAX_D], diagonal[COX_HULL_MAX_D], right[COX_HULL_MAX_D];
    for (int i = 0; i < n; i++)
        for (int k = 0; k < d; k++)
            a[i][k] = c->q[i + 1][k] - c->q[0][k];
    for (int k = 0; k < d; k++)
        right[k] = -c->q[0][k];
    if (n > d)
        return false;
    for (int i = 0; i < n; i++) {
        double *u = a[i], length = sqrt(dot(d - i, u + i, u + i));
        if (length < NO_PIVOT)
            return false;
        diagonal[i] = u[i] > 0 ? -length : length;
        u[i] -= diagonal[i];
        const double scale = -1 / (diagonal[i] * u[i]); /* 2 / |u|² */
        for (int j = i + 1; j <= n; j++) {
            double *column = j < n ? a[j] : right;
            const double s = scale * dot(d - i, u + i, column + i);
            for (int k = i; k < d; k++)
                column[k] -= s * u[k];
        }
    }
    v[0] = 1;
    for (int i = n - 1; i >= 0; i--) {
        double s = right[i];
        for (int j = i + 1; j < n; j++)
            s -= a[j][i] * v[j + 1];
        v[i + 1] = s / diagonal[i];
    }
    for (int i = 1; i <= n; i++)
        v[0] -= v[i];
    return true;
}

/* Moves z to the nearest point of the corral's simplex, dropping points on the way. */
static bool reduce(struct corral *c)
{
    for (;;) {
        double v[COX_HULL_MAX_D + 1], step = 1;
        int leaves = -1;
        if (!nearest_affine(c, v))
            return false;
        for (int i = 0; i < c->n; i++)
            if (v[i] <= NO_WEIGHT && c->weight[i] - v[i] > 0) {
                const double most = c->weight[i] / (c->weight[i] - v[i]);
                if (leaves < 0 || most < step) {
                    step = most;
                    leaves = i;
                }
            }
        for (int i = 0; i < c->n; i++)
            c->weight[i] += step * (v[i] - c->weight[i]);
        if (leaves < 0)
            break;
        drop(c, leaves);
        for (int i = c->n - 1; i >= 0 && c->n > 1; i--)
            if (c->weight[i] <= NO_WEIGHT && step > 0)
                drop(c, i);
    }
    set_z(c);
    return true;
}

/* Runs to the end: *distance, or with `decide` only as far as to know on which side of the
 * tolerance it is. */
static void run(const struct cox_hull *h, struct corral *c, bool decide, double *distance)
{
    int which = 0, from = 0;
    const int first = h->groups < BLOCK ? h->groups : BLOCK;
    least_of(h, c, true, 0, first, &which);
    join(h, c, which);
    c->weight[0] = 1;
    set_z(c);
    const double enough = decide ? COX_HULL_TOLERANCE : ABSOLUTE;
    for (int turn = 0; turn < MOST_TURNS && c->norm > enough; turn++) {
        double wanted = c->norm * (c->norm - fmax(ABSOLUTE, RELATIVE * c->norm));
        if (decide) /* a plane that separates is enough */
            wanted = fmin(wanted, COX_HULL_TOLERANCE * c->norm);
        if (search(h, c, wanted, &from, &which) >= wanted)
            break;
        if (c->n > c->d) /* d + 1 points round z ≠ 0: rounding */
            break;
        const struct corral before = *c;
        join(h, c, which);
        if (!reduce(c) || !(c->norm < before.norm)) {
            *c = before;
            break;
        }
    }
    *distance = c->norm;
}

bool cox_hull_query(const struct cox_hull *h, const double *x, double *distance)
{
    struct corral c = {.d = h->d};
    double away = 0;
    bool numbers = true;
    for (int k = 0; k < h->d; k++) {
        c.x[k] = (x[k] - h->least[k]) / h->width[k];
        numbers = numbers && isfinite(c.x[k]);
        /* a constant coordinate has a box of no width */
        away = fmax(away, fmax(-c.x[k], c.x[k] - 1));
    }
    if (!numbers) {
        if (distance)
            *distance = (double)INFINITY;
        return false;
    }
    if (!distance && away > COX_HULL_TOLERANCE)
        return false;
    double found;
    run(h, &c, distance == NULL, &found);
    const bool inside = found <= COX_HULL_TOLERANCE;
    if (distance)
        *distance = inside ? 0 : found;
    return inside;
}
