/* SPDX-License-Identifier: BSD-3-Clause */
/* Matrix products of float32 and float64 (gemm.isa.c), spread over a team. */
#ifndef COX_KERN_GEMM_H
#define COX_KERN_GEMM_H

#include <stdbool.h>

#include "base/team.h"

/* c[m][n] = op(a) op(b) + beta c, row-major, op(a) is m×k and op(b) k×n; `ld*` are row lengths in
 * floats of the arrays as stored. The result is cut into blocks by its shape alone, so it does not
 * depend on the number of threads. `team` may be NULL. */
struct cox_gemm {
    bool transpose_a, transpose_b;
    int m, n, k;
    const float *a, *b;
    float *c;
    int lda, ldb, ldc;
    float beta;
};
void cox_gemm(struct cox_team *team, const struct cox_gemm *g);
/* The plain reference: this thread, accumulated in double. */
void cox_gemm_ref(const struct cox_gemm *g);

/* The same in double. */
struct cox_dgemm {
    bool transpose_a, transpose_b;
    int m, n, k;
    const double *a, *b;
    double *c;
    int lda, ldb, ldc;
    double beta;
};
void cox_dgemm(struct cox_team *team, const struct cox_dgemm *g);

#endif
