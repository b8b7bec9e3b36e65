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

struct job {
    const struct cox_gemm *g;
    int blocks;
    bool by_rows;
};

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
        chosen->block(g, first, end - first, 0, g->n);
    else
        chosen->block(g, 0, g->m, first, end - first);
}

void cox_gemm(struct cox_team *team, const struct cox_gemm *g)
{
    pthread_once(&once, choose);
    if (g->m < 1 || g->n < 1)
        return;
    const double blocks = (double)g->m * g->n * g->k / BLOCK_WORK;
    struct job j = {g, 1, g->m > g->n};
    const int grains = ((j.by_rows ? g->m : g->n) + GRAIN - 1) / GRAIN;
    j.blocks = blocks < 1 ? 1 : blocks > MAX_BLOCKS ? MAX_BLOCKS : (int)blocks;
    j.blocks = j.blocks > grains ? grains : j.blocks;
    if (j.blocks == 1)
        chosen->block(g, 0, g->m, 0, g->n);
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
