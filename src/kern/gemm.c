/* SPDX-License-Identifier: BSD-3-Clause */
#include "kern/gemm.h"

#include <pthread.h>
#include <stddef.h>

#include "kern/gemm_kernels.h"
#include "kern/isa.h"

/* Work per block below which a call is not worth splitting, multiply-adds. */
#define BLOCK_WORK 4e6
#define MAX_BLOCKS 16
/* Blocks begin at multiples of this, the widest register tile of a GEMM. */
#define GRAIN 32

#define DECLARE(isa) extern const struct cox_gemm_kernels cox_gemm_kernels_##isa;
COX_ISA_LIST(DECLARE)
#define ENTRY(isa) &cox_gemm_kernels_##isa,
static const struct cox_gemm_kernels *const tables[] = {COX_ISA_LIST(ENTRY)};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct cox_gemm_kernels *chosen;

static void choose(void)
{
    int index;
    chosen = tables[cox_isa_select(&index, NULL, NULL) == COX_OK ? index : 0];
}

/* A product of either kind, to be cut. */
struct job {
    const struct cox_gemm *single; /* or */
    const struct cox_dgemm *twice;
    int m, n, blocks;
    bool by_rows;
};

static int edge(int side, int blocks, int i)
{
    const long grains = (side + GRAIN - 1) / GRAIN;
    const long at = grains * i / blocks * GRAIN;
    return at < side ? (int)at : side;
}

static void block(const struct job *j, int row, int rows, int col, int cols)
{
    if (j->single)
        chosen->block(j->single, row, rows, col, cols);
    else
        chosen->block_f64(j->twice, row, rows, col, cols);
}

static void work(void *user, int item, int thread)
{
    const struct job *j = user;
    (void)thread;
    const int side = j->by_rows ? j->m : j->n;
    const int first = edge(side, j->blocks, item), end = edge(side, j->blocks, item + 1);
    if (first >= end)
        return;
    if (j->by_rows)
        block(j, first, end - first, 0, j->n);
    else
        block(j, 0, j->m, first, end - first);
}

static void spread(struct cox_team *team, struct job *j, int k)
{
    pthread_once(&once, choose);
    if (j->m < 1 || j->n < 1)
        return;
    const double blocks = (double)j->m * j->n * k / BLOCK_WORK;
    j->by_rows = j->m > j->n;
    const int grains = ((j->by_rows ? j->m : j->n) + GRAIN - 1) / GRAIN;
    j->blocks = blocks < 1 ? 1 : blocks > MAX_BLOCKS ? MAX_BLOCKS : (int)blocks;
    j->blocks = j->blocks > grains ? grains : j->blocks;
    if (j->blocks == 1)
        block(j, 0, j->m, 0, j->n);
    else
        cox_team_run(team, j->blocks, work, j);
}

void cox_gemm(struct cox_team *team, const struct cox_gemm *g)
{
    struct job j = {.single = g, .m = g->m, .n = g->n};
    spread(team, &j, g->k);
}

void cox_dgemm(struct cox_team *team, const struct cox_dgemm *g)
{
    struct job j = {.twice = g, .m = g->m, .n = g->n};
    spread(team, &j, g->k);
}

void cox_gemm_ref(const struct cox_gemm *g)
{
    for (int i = 0; i < g->m; i++)
        for (int j = 0; j < g->n; j++) {
            double s = 0;
            for (int k = 0; k < g->k; k++)
                s += (double)(g->transpose_a ? g->a[k * g->lda + i] : g->a[i * g->lda + k]) *
                     (double)(g->transpose_b ? g->b[j * g->ldb + k] : g->b[k * g->ldb + j]);
            float *c = g->c + (size_t)i * (size_t)g->ldc + j;
            *c = (float)(s + (g->beta != 0 ? (double)g->beta * (double)*c : 0));
        }
}
