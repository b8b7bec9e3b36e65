/* SPDX-License-Identifier: BSD-3-Clause */
/* What the evaluator needs per instruction set and precision. Rows are neighbours, columns the
 * units of a layer; rows of units are `stride` long, a whole number of vectors, zeros behind the
 * last unit. Types are void where they are float in one table and double in the other. */
#ifndef COX_POTENTIAL_EVAL_KERNELS_H
#define COX_POTENTIAL_EVAL_KERNELS_H

#include <stddef.h>

/* The cutoff and the statistics of one centre type. */
struct cox_dp_environment {
    double rcut, rcut_smth;
    double avg[4], inv_std[4];
};

struct cox_dp_kernels {
    const char *isa;
    int lanes; /* numbers in a vector */
    /* r[c][i] = R̃ of n neighbours, c = 0 … 3, from their places dr[i]; rows of r are `step` apart.
     */
    void (*environment)(const struct cox_dp_environment *env, int n, const double (*dr)[3], void *r,
                        ptrdiff_t step);
    /* grad[i] = ∂E/∂dr[i] from dr[c][i] = ∂E/∂R̃. */
    void (*environment_back)(const struct cox_dp_environment *env, int n, const double (*dr)[3],
                             const void *d, ptrdiff_t step, double (*grad)[3]);
    /* First layer of an embedding net on n inputs s: y = skip·s + idt·tanh(s w + b), dy = dy/ds. */
    void (*first)(int n, const void *s, int width, const void *w, const void *b, const void *idt,
                  int skip, void *y, void *dy);
    /* Later layers, in place: z holds x·W, dz holds dx·W; then y = skip + idt·tanh(z + b) and dy
     * likewise. `skip` and `dskip` are what is added, NULL: nothing; dz NULL: no tangents. `tanhs`
     * (may be NULL): where tanh itself is kept. */
    void (*layer)(int n, int width, const void *b, const void *idt, const void *skip,
                  const void *dskip, void *z, void *dz, void *tanhs);
    /* z = dy · idt · (1 − tanh²) for n × width numbers. */
    void (*layer_back)(int n, int width, const void *idt, const void *tanhs, const void *dy,
                       void *z);
    /* dr[c][i] += Σ_a da[c][a] g[i][a] for c = 0 … 3, and to c = 0 also Σ_c r[c][i] Σ_a da[c][a]
     * dg[i][a]. */
    void (*rows_back)(int n, int width, const void *da, const void *g, const void *dg,
                      const void *r, void *dr, ptrdiff_t step);
    /* y = tanh(x) for n numbers, for tests. */
    void (*tanh)(size_t n, const void *x, void *y);
};

/* The tables of the instruction set that runs here ($COX_ISA as in kern/isa.h). */
const struct cox_dp_kernels *cox_dp_kernels_f32(void);
const struct cox_dp_kernels *cox_dp_kernels_f64(void);

#endif
