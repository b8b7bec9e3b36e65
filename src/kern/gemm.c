/* SPDX-License-Identifier: BSD-3-Clause */
#include "kern/gemm.h"

#include <cblas.h>
#include <pthread.h>
#include <stddef.h>

/* Work per block below which a call is not worth splitting, multiply-adds. */
#define BLOCK_WORK 4e6
#define MAX_BLOCKS 16
/* Blocks begin at multiples of this, the widest register tile of a GEMM. */
#define GRAIN 16

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The house threads over blocks; OpenBLAS's own threads would fight with them. */
static void single_threaded(void)
{
    openblas_set_num_threads(1);
}

struct job {
    const struct cox_gemm *g;
    int blocks;
    bool by_rows;
};

static void call(const struct cox_gemm *g, int row, int rows, int col, int cols)
{
    const float *a = g->a + (g->transpose_a ? (size_t)row : (size_t)row * (size_t)g->lda);
    const float *b = g->b + (g->transpose_b ? (size_t)col * (size_t)g->ldb : (size_t)col);
    cblas_sgemm(CblasRowMajor, g->transpose_a ? CblasTrans : CblasNoTrans,
                g->transpose_b ? CblasTrans : CblasNoTrans, rows, cols, g->k, 1.0f, a, g->lda, b,
                g->ldb, g->beta, g->c + (size_t)row * (size_t)g->ldc + col, g->ldc);
}

static int edge(int side, int blocks, int i)
{
    const long grains = (side + GRAIN - 1) / GRAIN;
    const long at = grains * i / blocks * GRAIN;
    return at < side ? (int)at : side;
}

static void work(void *user, int item, int thread)
{
    const struct job *j = user;
    const struct cox_gemm *g = j->g;
    (void)thread;
    const int side = j->by_rows ? g->m : g->n;
    const int first = edge(side, j->blocks, item), end = edge(side, j->blocks, item + 1);
    if (first >= end)
        return;
    if (j->by_rows)
        call(g, first, end - first, 0, g->n);
    else
        call(g, 0, g->m, first, end - first);
}

void cox_gemm(struct cox_team *team, const struct cox_gemm *g)
{
    pthread_once(&once, single_threaded);
    if (g->m < 1 || g->n < 1)
        return;
    const double blocks = (double)g->m * g->n * g->k / BLOCK_WORK;
    struct job j = {g, 1, g->m > g->n};
    const int grains = ((j.by_rows ? g->m : g->n) + GRAIN - 1) / GRAIN;
    j.blocks = blocks < 1 ? 1 : blocks > MAX_BLOCKS ? MAX_BLOCKS : (int)blocks;
    j.blocks = j.blocks > grains ? grains : j.blocks;
    if (j.blocks == 1)
        call(g, 0, g->m, 0, g->n);
    else
        cox_team_run(team, j.blocks, work, &j);
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

const char *cox_gemm_library(void)
{
    return openblas_get_config();
}
