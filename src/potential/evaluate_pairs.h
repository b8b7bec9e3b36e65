/* SPDX-License-Identifier: BSD-3-Clause */
/* The evaluator's unit of work: some atoms of one type and their neighbours as rows. */
#ifndef COX_POTENTIAL_EVALUATE_PAIRS_H
#define COX_POTENTIAL_EVALUATE_PAIRS_H

#include "potential/eval_kernels.h"
#include "potential/model.h"
#include "potential/neighbours.h"

/* Atoms of a block, at most: enough that the fitting net's matrices, read once per block, are worth
 * their way from memory. */
#define COX_DP_BLOCK 56

/* The neighbours of one type of one atom of a block. */
struct cox_dp_span {
    int first, n;     /* rows */
    int inside;       /* the first of them, within the table */
    int empty, blank; /* slots left over, see cox_dp_slots */
};

struct cox_dp_block {
    int n, type;
    int atom[COX_DP_BLOCK];
    double energy[COX_DP_BLOCK]; /* without the bias */
    struct cox_dp_environment environment[COX_DP_MAX_DESCRIPTORS];
    struct cox_dp_span *span; /* [descriptor][type][COX_DP_BLOCK] */
    int *first; /* [descriptor][type], and the end: rows are sorted so, then by atom */
    int capacity;
    double (*dr)[3], (*grad)[3]; /* [capacity] */
    int *index;                  /* [capacity] */
    int *order;                  /* [capacity] */
};

static inline struct cox_dp_span *cox_dp_span_of(const struct cox_dp_block *b,
                                                 const struct cox_dp_model *m, int d, int t, int i)
{
    return &b->span[(d * m->n_types + t) * COX_DP_BLOCK + i];
}

/* Gathers the neighbours of the block's atoms: those within the cutoff of each descriptor, of more
 * than sel the nearest. `cutoff` is the largest of all. There must be room for all of the list's.
 * Returns how many were too many. */
long long cox_dp_block_gather(struct cox_dp_block *b, const struct cox_dp_model *m, double cutoff,
                              const struct cox_neighbours *list);

#endif
