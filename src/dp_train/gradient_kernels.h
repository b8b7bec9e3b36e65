/* SPDX-License-Identifier: BSD-3-Clause */
/* What the training step needs per instruction set and precision. Matrices of nets have a row per
 * unit and a column per atom (or per place where an embedding net is evaluated): everything below
 * runs along columns, a whole number of vectors of them. Types are void where they are float in one
 * table and double in the other. */
#ifndef COX_DP_TRAIN_GRADIENT_KERNELS_H
#define COX_DP_TRAIN_GRADIENT_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

/* Terms of the Chebyshev series by which an embedding net is replaced in each cell. */
#define COX_DP_ORDER 16

/* What follows the matrix product in a layer: y = skip(x) + idt·tanh(z + b). */
struct cox_dp_activation {
    int out, in, n; /* rows of y and of x; columns */
    bool skip, linear;
    const void *b, *idt; /* [out]; idt NULL: ones */
    ptrdiff_t wide;      /* row length of x and y */
    ptrdiff_t narrow;    /* of h, zd, and all adjoints */
};

struct cox_dp_shape {
    int m1, axis, n; /* columns, an even number of vectors */
    bool folded;     /* of D_pq and D_qp, p < q < axis, only the first is there */
    ptrdiff_t wide;  /* row length of D; all else has n */
};

/* The cutoff and the statistics of one centre type. */
struct cox_dp_surroundings {
    double rcut, rcut_smth, avg[4], inv_std[4];
};

/* A net's series: of one atom `slots` cells are in use, slot i stands for the table's cell[i]. */
struct cox_dp_series {
    int slots, m1, stride;
    const int *cell;
    const void *table;  /* [cells][ORDER][stride] */
    const void *turned; /* [cells][m1][ORDER] */
};

struct cox_dp_gradient_kernels {
    const char *isa;
    int lanes;
    /* y holds z; h becomes tanh (or z of a linear layer). */
    void (*forwards)(const struct cox_dp_activation *a, const void *x, void *y, void *h);
    /* yd = skip(xd) + idt·(1 − h²)·zd. */
    void (*tangent)(const struct cox_dp_activation *a, const void *xd, const void *h,
                    const void *zd, void *yd);
    /* zt = idt·(1 − h²)·yt. */
    void (*back_tangent)(const struct cox_dp_activation *a, const void *h, const void *yt,
                         void *zt);
    /* zv = idt·(1 − h²)·yv − 2 h zd zt; adds to the gradients gb[out] and gi[out] (NULL: no idt).
     * zd, yt, zt NULL: there are no tangents. */
    void (*back)(const struct cox_dp_activation *a, const void *h, const void *zd, const void *yt,
                 const void *zt, const void *yv, void *zv, double *gb, double *gi);
    /* to[n][to_row] = the transpose of from[rows][from_row]; `to` is written in whole vectors. */
    void (*turn)(int rows, int n, const void *from, ptrdiff_t from_row, void *to, ptrdiff_t to_row);
    /* x += what skip carries back from y. */
    void (*skip_back)(const struct cox_dp_activation *a, const void *y, void *x);

    /* D, and Ḋ; a [4][m1][n]. */
    void (*descriptor)(const struct cox_dp_shape *s, const void *a, void *d);
    void (*descriptor_tangent)(const struct cox_dp_shape *s, const void *a, const void *ad,
                               void *dd);
    /* out += ∂(Σ m D)/∂a. */
    void (*descriptor_back)(const struct cox_dp_shape *s, const void *a, const void *m, void *out);
    /* Column `at` of [4][m1][n] from, and to, scale · row[4][stride]. */
    void (*put)(const struct cox_dp_shape *s, int at, double scale, const void *row, int stride,
                void *a);
    void (*take)(const struct cox_dp_shape *s, int at, double scale, void *row, int stride,
                 const void *a);

    /* R̃ of n neighbours, their derivatives, and ∂E/∂x from ∂E/∂R̃. */
    void (*surroundings)(const struct cox_dp_surroundings *e, int n, const double (*x)[3],
                         double (*r)[4]);
    void (*surroundings_tangent)(const struct cox_dp_surroundings *e, int n, const double (*x)[3],
                                 const double (*xd)[3], double (*rd)[4]);
    void (*surroundings_back)(const struct cox_dp_surroundings *e, int n, const double (*x)[3],
                              const double (*d)[4], double (*grad)[3]);

    /* t[i][k] = T_k(u[i]); slope: their derivatives, NULL: not wanted. */
    void (*chebyshev)(int n, const double *u, void *t, void *slope);
    /* p[slot[i]][c][k] += r[i][c] t[i][k], and its derivative when u moves by rd[i][0] · per_s.
     * `radial`: 1/5, 0, 0, 0 in place of r[i]. */
    void (*spread)(bool radial, int n, const int *slot, const double (*r)[4], const void *t,
                   void *p);
    void (*spread_tangent)(bool radial, int n, const int *slot, const double (*r)[4],
                           const double (*rd)[4], double per_s, const void *t, const void *slope,
                           void *pd);
    /* a[4][stride] = Σ p[slot]ᵀ · table, of all slots. */
    void (*contract)(const struct cox_dp_series *s, const void *p, void *a);
    /* f[slot][4][ORDER] = a · tableᵀ. */
    void (*expand)(const struct cox_dp_series *s, const void *a, void *f);
    /* d[i] = ∂E/∂R̃ of neighbour i, from f. */
    void (*collect)(bool radial, int n, const int *slot, const double (*r)[4], double per_s,
                    const void *t, const void *slope, const void *f, double (*d)[4]);
    /* to[cell][ORDER][stride] += p[slot]·av + pd[slot]·at. */
    void (*deposit)(const struct cox_dp_series *s, const void *p, const void *av, const void *pd,
                    const void *at, void *to);

    /* Between the two kinds of numbers. */
    void (*from_double)(size_t n, const double *from, void *to);
    void (*to_double)(size_t n, const void *from, double *to);
};

/* The tables of the instruction set that runs here ($COX_ISA as in kern/isa.h). */
const struct cox_dp_gradient_kernels *cox_dp_gradient_kernels_f32(void);
const struct cox_dp_gradient_kernels *cox_dp_gradient_kernels_f64(void);

#endif
