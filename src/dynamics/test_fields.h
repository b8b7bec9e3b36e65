/* SPDX-License-Identifier: BSD-3-Clause */
/* Analytic fields of force, whose distributions are known. */
#ifndef COX_DYNAMICS_TEST_FIELDS_H
#define COX_DYNAMICS_TEST_FIELDS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dynamics/dynamics.h"
#include "dynamics/internal.h"
#include "dynamics/units.h"

/* Springs to the origin, and between consecutive atoms a quartic one; a spring on the volume and
 * one on the metric of the box. */
struct test_field {
    int n;
    double own;             /* ½ own x², eV/Å² */
    double pair;            /* ¼ pair (r² − 1)² between atoms i and i + 1, eV */
    double volume, volume0; /* ½ volume (V − volume0)² */
    double metric, edge0;   /* ½ metric |h hᵀ − edge0² 1|² */
    double shape;           /* shape (tr h hᵀ / V^⅔ − 3), blind to the volume */
    double constant[3];     /* force on every atom */
    bool broken;            /* gives NaN */
    struct cox_dyn_field field;
};

static inline double dot3(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static inline void test_field_box(const struct test_field *t, struct cox_dyn_forces *out,
                                  const struct cox_box *box)
{
    double v = cox_dyn_volume(box->h);
    double m[3][3];
    if (t->volume > 0) {
        out->energy += 0.5 * t->volume * (v - t->volume0) * (v - t->volume0);
        for (int k = 0; k < 3; k++)
            out->virial[k][k] -= t->volume * (v - t->volume0) * v;
    }
    double trace =
        dot3(box->h[0], box->h[0]) + dot3(box->h[1], box->h[1]) + dot3(box->h[2], box->h[2]);
    double scale = t->shape / pow(v, 2.0 / 3);
    out->energy += scale * trace - 3 * t->shape;
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            for (int i = 0; i < 3; i++)
                out->virial[a][b] -=
                    2 * scale * box->h[i][a] * box->h[i][b] - (a == b ? 2 * scale * trace / 9 : 0);
    if (t->metric <= 0)
        return;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            m[i][k] = dot3(box->h[i], box->h[k]) - (i == k ? t->edge0 * t->edge0 : 0);
            out->energy += 0.5 * t->metric * m[i][k] * m[i][k];
        }
    /* d(h hᵀ) = 2 h ε hᵀ, so −dU/dε = −2 metric hᵀ m h */
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            for (int i = 0; i < 3; i++)
                for (int k = 0; k < 3; k++)
                    out->virial[a][b] -= 2 * t->metric * box->h[i][a] * m[i][k] * box->h[k][b];
}

static inline int test_field_compute(void *self, struct cox_dyn_forces *out, const double (*x)[3],
                                     const struct cox_box *box, struct cox_err *err)
{
    const struct test_field *t = self;
    (void)err;
    out->energy = t->broken ? NAN : 0;
    memset(out->virial, 0, sizeof out->virial);
    for (int i = 0; i < t->n; i++)
        for (int k = 0; k < 3; k++) {
            out->force[i][k] = t->constant[k] - t->own * x[i][k];
            out->energy += 0.5 * t->own * x[i][k] * x[i][k] - t->constant[k] * x[i][k];
        }
    for (int i = 0; t->pair > 0 && i + 1 < t->n; i++) {
        const double d[3] = {x[i + 1][0] - x[i][0], x[i + 1][1] - x[i][1], x[i + 1][2] - x[i][2]};
        double off = dot3(d, d) - 1;
        out->energy += 0.25 * t->pair * off * off;
        for (int k = 0; k < 3; k++) {
            out->force[i][k] += t->pair * off * d[k];
            out->force[i + 1][k] -= t->pair * off * d[k];
            for (int l = 0; l < 3; l++)
                out->virial[k][l] -= t->pair * off * d[k] * d[l];
        }
    }
    if (box->periodic)
        test_field_box(t, out, box);
    return COX_OK;
}

static inline void test_field_init(struct test_field *t, int n)
{
    *t = (struct test_field){.n = n};
    t->field = (struct cox_dyn_field){.self = t, .compute = test_field_compute};
}

/* Mean and its standard error from the means of blocks, which must be long against correlations. */
#define TEST_BLOCKS 20
struct test_mean {
    double sum[TEST_BLOCKS];
    long n[TEST_BLOCKS];
};

static inline void test_mean_add(struct test_mean *m, long i, long of, double value)
{
    int block = (int)(i * TEST_BLOCKS / of);
    m->sum[block] += value;
    m->n[block]++;
}

static inline double test_mean_of(const struct test_mean *m, double *error)
{
    double mean = 0, spread = 0;
    for (int b = 0; b < TEST_BLOCKS; b++)
        mean += m->sum[b] / (double)m->n[b] / TEST_BLOCKS;
    for (int b = 0; b < TEST_BLOCKS; b++) {
        double off = m->sum[b] / (double)m->n[b] - mean;
        spread += off * off;
    }
    *error = sqrt(spread / TEST_BLOCKS / (TEST_BLOCKS - 1));
    return mean;
}

/* Seeds are fixed, so this passes always or never; 4 errors leave a wrong formula, which is off by
 * far more, nowhere to hide: each call also says how small the error must be for that. */
#define assert_mean(m, wanted, most_error)                                                  \
    do {                                                                                    \
        double error_, is_ = test_mean_of(m, &error_);                                      \
        if (!(fabs(is_ - (wanted)) <= 4 * error_) || !(error_ <= (most_error)))             \
            fail_msg("%s: %.8g ± %.2g, expected %.8g, error at most %.2g", #m, is_, error_, \
                     (double)(wanted), (double)(most_error));                               \
    } while (0)

static inline struct cox_dynamics *test_dynamics(const struct cox_dyn_options *o,
                                                 const struct test_field *t, double edge)
{
    struct cox_dynamics *d = NULL;
    struct cox_err err = COX_ERR_INIT;
    double mass[256];
    for (int i = 0; i < t->n; i++)
        mass[i] = 10 + 3 * (i % 4);
    if (cox_dynamics_create(&d, t->n, mass, o, &t->field, &err))
        fail_msg("%s", err.text);
    struct cox_dyn_state *s = cox_dynamics_state(d);
    s->box.periodic = edge > 0;
    for (int i = 0; i < t->n; i++)
        s->x[i][0] = t->pair > 0 ? 1.05 * i : 0.01 * i;
    for (int k = 0; k < 3; k++)
        s->box.h[k][k] = edge;
    cox_dynamics_draw_velocities(d, o->temperature_K);
    if (cox_dynamics_start(d, &err))
        fail_msg("%s", err.text);
    return d;
}

static inline void test_steps(struct cox_dynamics *d, long n)
{
    struct cox_err err = COX_ERR_INIT;
    for (long i = 0; i < n; i++)
        if (cox_dynamics_step(d, &err))
            fail_msg("%s", err.text);
}

#endif
