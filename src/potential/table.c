/* SPDX-License-Identifier: BSD-3-Clause */
/* At a node the splines have the Eulerian numbers of nine over 9!, so the coefficients solve a
 * system of nine diagonals. What is assumed beyond its ends decays by 0.61 a cell: the nodes go on
 * MARGIN cells beyond the table on either side, where nets are as smooth as elsewhere. */
#include "potential/table.h"

#include <math.h>
#include <string.h>

#include "kern/gemm.h"
#include "potential/eval_kernels.h"

#define MARGIN 64 /* 0.61^64 = 2e-14 of what constant coefficients beyond are wrong by */
#define BAND 4    /* diagonals on either side */
#define ORDER 10  /* the error goes with this power of the stride */
#define PLACES 8  /* of comparison in a cell */
#define FIRST_STRIDE 0.2

/* One layer of n rows: values x to y, derivatives dx (may be NULL) to dy. */
static void layer(const struct cox_dp_layer *l, const double *x, const double *dx, double *y,
                  double *dy)
{
    for (int o = 0; o < l->out; o++) {
        y[o] = l->b[o];
        dy[o] = 0;
    }
    for (int i = 0; i < l->in; i++) {
        const double *w = l->w + (size_t)i * (size_t)l->out;
        for (int o = 0; o < l->out; o++) {
            y[o] += x[i] * w[o];
            dy[o] += dx[i] * w[o];
        }
    }
    for (int o = 0; o < l->out; o++) {
        const double scale = l->idt ? l->idt[o] : 1;
        const double h = l->linear ? y[o] : tanh(y[o]);
        dy[o] *= l->linear ? scale : scale * (1 - h * h);
        y[o] = scale * h;
        if (l->skip != COX_DP_SKIP_NONE) {
            y[o] += x[o % l->in];
            dy[o] += dx[o % l->in];
        }
    }
}

static int widest(const struct cox_dp_net *net)
{
    int width = 1;
    for (int k = 0; k < net->n; k++)
        width = net->layer[k].out > width ? net->layer[k].out : width;
    return width;
}

/* G and dG/ds̃ at s; `room` is four rows of the widest layer. *g, *dg point into it. */
static void evaluate(const struct cox_dp_net *net, double s, int width, double *room,
                     const double **g, const double **dg)
{
    double *x[2] = {room, room + width}, *dx[2] = {room + 2 * width, room + 3 * width};
    x[0][0] = s;
    dx[0][0] = 1;
    for (int k = 0; k < net->n; k++)
        layer(&net->layer[k], x[k % 2], dx[k % 2], x[(k + 1) % 2], dx[(k + 1) % 2]);
    *g = x[net->n % 2];
    *dg = dx[net->n % 2];
}

/* x·W + b, its tanh (or not), and what is skipped: n rows of one layer. */
static void layer_rows(const struct cox_dp_layer *l, int n, const double *x, double *y)
{
    const struct cox_dgemm product = {.m = n,
                                      .n = l->out,
                                      .k = l->in,
                                      .a = x,
                                      .lda = l->in,
                                      .b = l->w,
                                      .ldb = l->out,
                                      .c = y,
                                      .ldc = l->out};
    cox_dgemm(NULL, &product);
    for (int i = 0; i < n; i++)
        for (int o = 0; o < l->out; o++)
            y[i * l->out + o] += l->b[o];
    if (!l->linear)
        cox_dp_kernels_f64()->tanh((size_t)n * (size_t)l->out, y, y);
    for (int i = 0; i < n; i++)
        for (int o = 0; o < l->out; o++) {
            double *to = &y[i * l->out + o];
            *to *= l->idt ? l->idt[o] : 1;
            *to += l->skip == COX_DP_SKIP_NONE ? 0 : x[i * l->in + o % l->in];
        }
}

/* G at n places from `first` on, `step` apart; g [n][m1]. */
static int values(const struct cox_dp_net *net, int n, double first, double step, double *g)
{
    const size_t room = (size_t)n * (size_t)widest(net) + 64; /* tanh takes whole vectors */
    double *x[2] = {cox_alloc(room, sizeof **x), cox_alloc(room, sizeof **x)};
    const int rc = x[0] && x[1] ? COX_OK : COX_ENOMEM;
    for (int i = 0; !rc && i < n; i++)
        x[0][i] = first + i * step;
    for (int k = 0; !rc && k < net->n; k++)
        layer_rows(&net->layer[k], n, x[k % 2], x[(k + 1) % 2]);
    if (!rc)
        memcpy(g, x[net->n % 2], (size_t)n * (size_t)net->layer[net->n - 1].out * sizeof *g);
    cox_free(x[0]);
    cox_free(x[1]);
    return rc;
}

/* s̃ of a neighbour at r around a centre of this type. */
static double input_of(const struct cox_dp_descriptor *q, int centre, double r)
{
    double u = (r - q->rcut_smth) / (q->rcut - q->rcut_smth);
    u = u < 0 ? 0 : u > 1 ? 1 : u;
    const double sw = u * u * u * (-6 * u * u + 15 * u - 10) + 1;
    return (sw / r - q->davg[centre][0]) / q->dstd[centre][0];
}

int cox_dp_table_range(const struct cox_dp_model *model, int descriptor, double stride,
                       double nearest_A, double *low, int *cells, struct cox_err *err)
{
    const struct cox_dp_descriptor *q = &model->descriptor[descriptor];
    double high = -INFINITY;
    *low = INFINITY;
    for (int t = 0; t < model->n_types; t++) {
        *low = fmin(*low, -q->davg[t][0] / q->dstd[t][0]);
        high = fmax(high, input_of(q, t, nearest_A));
    }
    const double n = ceil((high - *low) / stride);
    const int most = COX_DP_TABLE_ROWS - COX_DP_SPLINE - 1;
    if (!(stride > 0) || !(n <= most))
        return cox_err_set(err, COX_EINVAL,
                           "a stride of %g would make %.0f cells between %g and %g; tables have at "
                           "most %d: stride >= %.3g",
                           stride, n, *low, high, most, (high - *low) / most);
    *cells = n > 1 ? (int)n : 1;
    return COX_OK;
}

/* Coefficients from values, in place: rows of m numbers. Gaussian elimination; the matrix of a
 * spline's values is totally positive, so no row need change places. Beyond both ends the
 * coefficients are taken to stay what they are. */
static int solve(double *f, int n, int m)
{
    static const double eulerian[2 * BAND + 1] = {1,     502,   14608, 88234, 156190,
                                                  88234, 14608, 502,   1};
    double(*rows)[2 * BAND + 1] = cox_alloc((size_t)n, sizeof *rows);
    if (!rows)
        return COX_ENOMEM;
    for (int i = 0; i < n; i++)
        for (int k = 0; k <= 2 * BAND; k++) {
            int at = i + k - BAND;
            at = at < 0 ? 0 : at >= n ? n - 1 : at;
            rows[i][at - i + BAND] += eulerian[k] / 362880;
        }
    for (int i = 0; i < n; i++)
        for (int down = 1; down <= BAND && i + down < n; down++) {
            double *row = rows[i + down];
            const double factor = row[BAND - down] / rows[i][BAND];
            for (int k = BAND; k <= 2 * BAND; k++)
                row[k - down] -= factor * rows[i][k];
            for (int a = 0; a < m; a++)
                f[(size_t)(i + down) * (size_t)m + (size_t)a] -=
                    factor * f[(size_t)i * (size_t)m + (size_t)a];
        }
    for (int i = n - 1; i >= 0; i--) {
        double *to = f + (size_t)i * (size_t)m;
        for (int up = 1; up <= BAND && i + up < n; up++)
            for (int a = 0; a < m; a++)
                to[a] -= rows[i][BAND + up] * f[(size_t)(i + up) * (size_t)m + (size_t)a];
        for (int a = 0; a < m; a++)
            to[a] /= rows[i][BAND];
    }
    cox_free(rows);
    return COX_OK;
}

static int no_memory(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory for a table");
}

int cox_dp_table_build(struct cox_dp_table *t, const struct cox_dp_net *net,
                       struct cox_arena *arena, struct cox_err *err)
{
    const int nodes = t->cells + 1 + 2 * MARGIN;
    const size_t m1 = (size_t)net->layer[net->n - 1].out,
                 rows = (size_t)t->cells + COX_DP_SPLINE - 1;
    double *f = cox_alloc((size_t)nodes, m1 * sizeof *f);
    t->m1 = (int)m1;
    t->c = cox_arena_alloc(arena, rows, m1 * sizeof *t->c);
    int rc = f && t->c ? COX_OK : no_memory(err);
    if (!rc &&
        (values(net, nodes, t->low - MARGIN * t->stride, t->stride, f) || solve(f, nodes, t->m1)))
        rc = no_memory(err);
    if (!rc) /* cell 0 begins at node MARGIN, whose own spline is its fifth */
        memcpy(t->c, f + (MARGIN - BAND) * m1, rows * m1 * sizeof *f);
    cox_free(f);
    return rc;
}

/* The splines at x and their derivatives. */
static void splines(double x, double b[COX_DP_SPLINE], double db[COX_DP_SPLINE])
{
    memset(b, 0, COX_DP_SPLINE * sizeof *b);
    b[0] = 1;
    for (int d = 1; d < COX_DP_SPLINE; d++) {
        if (d == COX_DP_SPLINE - 1)
            for (int p = 0; p < COX_DP_SPLINE; p++)
                db[p] = (p ? b[p - 1] : 0) - b[p];
        for (int p = d; p >= 0; p--)
            b[p] = ((p ? (x + d - p) * b[p - 1] : 0) + (1 + p - x) * b[p]) / d;
    }
}

int cox_dp_table_compare(const struct cox_dp_table *t, const struct cox_dp_net *net,
                         struct cox_dp_table_error *error, struct cox_err *err)
{
    const int width = widest(net);
    double *room = cox_alloc(6, (size_t)width * sizeof *room);
    if (!room)
        return no_memory(err);
    double *value = room + 4 * width, *slope = value + width;
    for (int i = 0; i < PLACES * t->cells; i++) {
        const double *g, *dg;
        double b[COX_DP_SPLINE], db[COX_DP_SPLINE];
        const int cell = i / PLACES;
        const double x = (i % PLACES + 0.5) / PLACES;
        evaluate(net, t->low + (cell + x) * t->stride, width, room, &g, &dg);
        splines(x, b, db);
        for (int a = 0; a < t->m1; a++)
            value[a] = slope[a] = 0;
        for (int p = 0; p < COX_DP_SPLINE; p++) {
            const double *c = t->c + (size_t)(cell + p) * (size_t)t->m1;
            for (int a = 0; a < t->m1; a++) {
                value[a] += b[p] * c[a];
                slope[a] += db[p] * c[a];
            }
        }
        for (int a = 0; a < t->m1; a++) {
            error->g = fmax(error->g, fabs(value[a] - g[a]));
            error->slope = fmax(error->slope, fabs(slope[a] / t->stride - dg[a]));
        }
    }
    cox_free(room);
    return COX_OK;
}

/* G alone, in the middles of the cells. */
static int compare_middles(const struct cox_dp_table *t, const struct cox_dp_net *net,
                           struct cox_dp_table_error *error, struct cox_err *err)
{
    double b[COX_DP_SPLINE], db[COX_DP_SPLINE];
    double *g = cox_alloc((size_t)t->cells, (size_t)t->m1 * sizeof *g);
    if (!g || values(net, t->cells, t->low + 0.5 * t->stride, t->stride, g)) {
        cox_free(g);
        return no_memory(err);
    }
    splines(0.5, b, db);
    for (int i = 0; i < t->cells; i++)
        for (int a = 0; a < t->m1; a++) {
            double value = 0;
            for (int p = 0; p < COX_DP_SPLINE; p++)
                value += b[p] * t->c[(i + p) * t->m1 + a];
            error->g = fmax(error->g, fabs(value - g[i * t->m1 + a]));
        }
    cox_free(g);
    return COX_OK;
}

static int errors(const struct cox_dp_model *model, double stride, double nearest_A, bool slopes,
                  struct cox_dp_table_error *error, struct cox_err *err)
{
    int rc = COX_OK;
    *error = (struct cox_dp_table_error){0};
    for (int d = 0; !rc && d < model->n_descriptors; d++) {
        const struct cox_dp_descriptor *q = &model->descriptor[d];
        struct cox_dp_table t = {.stride = stride};
        rc = cox_dp_table_range(model, d, stride, nearest_A, &t.low, &t.cells, err);
        for (int i = 0; !rc && i < cox_dp_n_embed(model, q); i++) {
            if (!q->embed[i].n)
                continue; /* of an excluded pair */
            struct cox_arena *arena = cox_arena_create();
            rc = arena ? cox_dp_table_build(&t, &q->embed[i], arena, err) : no_memory(err);
            if (!rc)
                rc = slopes ? cox_dp_table_compare(&t, &q->embed[i], error, err)
                            : compare_middles(&t, &q->embed[i], error, err);
            cox_arena_destroy(arena);
        }
    }
    return rc;
}

int cox_dp_table_errors(const struct cox_dp_model *model, double stride, double nearest_A,
                        struct cox_dp_table_error *error, struct cox_err *err)
{
    return errors(model, stride, nearest_A, true, error, err);
}

int cox_dp_table_choose(const struct cox_dp_model *model, double tolerance, double nearest_A,
                        double *stride, struct cox_err *err)
{
    double h = FIRST_STRIDE;
    if (!(tolerance > 0))
        return cox_err_set(err, COX_EINVAL, "a tolerance of %g; must be > 0", tolerance);
    for (int attempt = 0; attempt < 12; attempt++) {
        struct cox_dp_table_error error;
        int rc = errors(model, h, nearest_A, false, &error, err);
        if (rc == COX_ENOMEM)
            return rc;
        if (rc)
            break; /* too many cells */
        *stride = h;
        if (error.g <= tolerance)
            return COX_OK;
        /* what the error asks for, with a little to spare; it may fall more slowly at first */
        const double factor = 0.95 * pow(tolerance / error.g, 1.0 / ORDER);
        h *= factor < 0.8 ? fmax(factor, 0.25) : 0.8;
    }
    return cox_err_set(err, COX_EINVAL, "no table is as exact as %g", tolerance);
}
