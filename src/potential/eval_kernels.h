/* SPDX-License-Identifier: BSD-3-Clause */
/* What the evaluator needs per instruction set and precision. Rows are neighbours (in the fitting
 * net: atoms), columns the units of a layer; rows of units are a whole number of vectors long,
 * zeros behind the last unit. Types are void where they are float in one table and double in the
 * other. */
#ifndef COX_POTENTIAL_EVAL_KERNELS_H
#define COX_POTENTIAL_EVAL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The cutoff and the statistics of one centre type, and where tables of its embedding nets begin.
 */
struct cox_dp_environment {
    double rcut, rcut_smth;
    double avg[4], inv_std[4];
    bool radial; /* rows of (1, 0, 0, 0) instead of R̃ */
    double table_low, table_inv_stride;
    int table_cells; /* 0: no table */
};

/* One layer with its matrix packed for the kernels: panels of two vectors of columns (the last may
 * have one), each panel [in][its columns]. */
struct cox_dp_dense {
    int in, out;
    int in_stride, out_stride; /* length of the rows of x and y */
    const void *w;
    const void *back;    /* the transposed matrix, packed likewise; fitting nets only */
    const void *b, *idt; /* [out_stride]; idt NULL: ones */
    /* w and back in bfloat16, two rows of the matrix as one of pairs; NULL: not wanted */
    const uint16_t *w_half, *back_half;
    int skip; /* enum cox_dp_skip */
    bool linear;
};

/* A spline table of one embedding net: G_a(s̃) = Σ_p B_p(x) c[cell + p][a], p = 0 … 9, where
 * cell + x = (s̃ − low) / stride. Of the ninth degree: its rows are read once per atom, so a coarse
 * table with wide splines costs less than a fine one with narrow splines as exact. */
#define COX_DP_SPLINE 10
#define COX_DP_TABLE_ROWS 8192 /* at most */
struct cox_dp_grid {
    int n;         /* coefficients per column: cells + 9 */
    int stride;    /* columns, a whole number of vectors */
    const void *c; /* [n][stride] */
};

/* The nearest bfloat16, ties to even; a NaN stays one. */
static inline uint16_t cox_dp_half_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
}

struct cox_dp_kernels {
    const char *isa;
    int lanes; /* numbers in a vector */
    /* s[i] = s̃ and r[i][0 … 3] = R̃ of n neighbours from their places dr[i]; with a table also their
     * cells and fractions, cell −1 where s̃ lies beyond it. */
    void (*environment)(const struct cox_dp_environment *env, int n, const double (*dr)[3], void *s,
                        void *r, int *cell, void *fraction);
    /* grad[i] = ∂E/∂dr[i] from d[i][0 … 3] = ∂E/∂R̃. */
    void (*environment_back)(const struct cox_dp_environment *env, int n, const double (*dr)[3],
                             const void *d, double (*grad)[3]);
    /* First layer of an embedding net (in = 1) on n inputs s. Rows of embedding nets are pairs:
     * y[2i] a neighbour's values, y[2i + 1] their derivatives by s. */
    void (*first)(const struct cox_dp_dense *l, int n, const void *s, void *y);
    /* A later one, n pairs: y = skip(x) + idt·tanh(x·W + b). */
    void (*layer)(const struct cox_dp_dense *l, int n, const void *x, void *y);
    /* A hidden layer of a fitting net; tanhs: where tanh itself is kept. */
    void (*fit)(const struct cox_dp_dense *l, int n, const void *x, void *y, void *tanhs);
    /* Back through it: z is room for n rows; dx = (dy ⊙ idt ⊙ (1 − tanh²))·Wᵀ + skip(dy). */
    void (*fit_back)(const struct cox_dp_dense *l, int n, const void *tanhs, const void *dy,
                     void *z, void *dx);
    /* The three of them with factors in bfloat16; `half` is room for their rows. NULL in double. */
    void (*layer_half)(const struct cox_dp_dense *l, int n, const void *x, void *half, void *y);
    void (*fit_half)(const struct cox_dp_dense *l, int n, const void *x, void *half, void *y,
                     void *tanhs);
    void (*fit_back_half)(const struct cox_dp_dense *l, int n, const void *tanhs, const void *dy,
                          void *z, void *half, void *dx);
    bool (*has_half)(void); /* whether the processor multiplies bfloat16 */
    /* a[4][stride] += Σ_i r[i]ᵀ g[2i]. */
    void (*contract)(int n, int stride, const void *r, const void *g, void *a);
    /* d[i][c] = Σ_a da[c][a] g[2i][a], and added to c = 0 (radial: instead of all)
     * Σ_c r[i][c] Σ_a da[c][a] g[2i + 1][a]. */
    void (*contract_back)(int n, int stride, bool radial, const void *da, const void *g,
                          const void *r, void *d);
    /* The same two from a table: n rows, each with its cell >= 0. `moments` is room for
     * grid->n rows of 4, `list` for grid->n numbers. */
    void (*table)(const struct cox_dp_grid *grid, int n, const int *cell, const void *fraction,
                  const void *r, void *moments, int *list, void *a);
    void (*table_back)(const struct cox_dp_grid *grid, int n, bool radial, double inv_stride,
                       const int *cell, const void *fraction, const void *r, const void *da,
                       void *moments, int *list, void *d);
    /* D from A, times `scale`: for b = 0 … axis−1 the products with columns a = b … m1−1 (those
     * with a < b are their mirror images), one behind the other; and da[4][stride] from dd. */
    void (*describe)(int m1, int axis, int stride, double scale, const void *a, void *d);
    void (*describe_back)(int m1, int axis, int stride, double scale, const void *a, const void *dd,
                          void *da);
    /* y += weight·x, for n numbers, a whole number of vectors. */
    void (*add)(int n, double weight, const void *x, void *y);
    /* Σ x·y of n numbers, a whole number of vectors, in double. */
    double (*dot)(int n, const void *x, const void *y);
    /* y = tanh(x) for n numbers, for tests. */
    void (*tanh)(size_t n, const void *x, void *y);
};

/* The tables of the instruction set that runs here ($COX_ISA as in kern/isa.h). */
const struct cox_dp_kernels *cox_dp_kernels_f32(void);
const struct cox_dp_kernels *cox_dp_kernels_f64(void);

#endif
