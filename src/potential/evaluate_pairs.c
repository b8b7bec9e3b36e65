/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/evaluate_pairs.h"

#include <string.h>

static double length2(const double x[3])
{
    return x[0] * x[0] + x[1] * x[1] + x[2] * x[2];
}

/* Those of n neighbours, from `at` of the list on, that are no farther than rcut become rows; their
 * number. */
static int filter(const struct cox_neighbours *list, struct cox_dp_block *b, int row, int64_t at,
                  int n, double rcut)
{
    const double(*dr)[3] = (const double(*)[3])(list->dr + at);
    const int *index = list->index + at;
    double(*to)[3] = b->dr + row;
    int *to_index = b->index + row, kept = 0;
    for (int i = 0; i < n; i++) { /* written in any case: no jump to guess wrong */
        memcpy(to[kept], dr[i], sizeof to[0]);
        to_index[kept] = index[i];
        kept += length2(dr[i]) <= rcut * rcut;
    }
    return kept;
}

/* Of n rows the `most` nearest stay: those that count, as when it was trained. Found by insertion,
 * then put in the list's order. */
static void keep_nearest(struct cox_dp_block *b, int row, int n, int most)
{
    double(*dr)[3] = b->dr + row;
    int *order = b->order + row, *index = b->index + row, kept = 0;
    for (int i = 0; i < n; i++) {
        const double r2 = length2(dr[i]);
        if (kept == most && (!most || length2(dr[order[most - 1]]) <= r2))
            continue;
        int k = kept < most ? kept++ : most - 1;
        for (; k > 0 && length2(dr[order[k - 1]]) > r2; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    for (int i = 1; i < kept; i++) {
        const int moved = order[i];
        int k = i;
        for (; k > 0 && order[k - 1] > moved; k--)
            order[k] = order[k - 1];
        order[k] = moved;
    }
    for (int i = 0; i < kept; i++) {
        memcpy(dr[i], dr[order[i]], sizeof dr[0]); /* forwards: order[i] >= i */
        index[i] = index[order[i]];
    }
}

long long cox_dp_block_gather(struct cox_dp_block *b, const struct cox_dp_model *m, double cutoff,
                              const struct cox_neighbours *list)
{
    long long overflow = 0;
    int row = 0;
    for (int d = 0; d < m->n_descriptors; d++)
        for (int t = 0; t < m->n_types; t++) {
            const struct cox_dp_descriptor *q = &m->descriptor[d];
            const int excluded = q->exclude[b->type][t];
            const double rcut = excluded == COX_DP_EXCLUDE_NEIGHBOURS ? cutoff : q->rcut;
            b->first[d * m->n_types + t] = row;
            for (int i = 0; i < b->n; i++) {
                const int64_t *start = list->start + (int64_t)b->atom[i] * (m->n_types + 1) + t;
                const int n = filter(list, b, row, start[0], (int)(start[1] - start[0]), rcut);
                const struct cox_dp_slots slots = cox_dp_slots_of(q, b->type, t, n);
                if (slots.used < n)
                    keep_nearest(b, row, n, slots.used);
                *cox_dp_span_of(b, m, d, t, i) = (struct cox_dp_span){.first = row,
                                                                      .n = slots.used,
                                                                      .inside = slots.used,
                                                                      .empty = slots.empty,
                                                                      .blank = slots.blank};
                overflow += excluded ? 0 : n - slots.used;
                row += slots.used;
            }
        }
    b->first[m->n_descriptors * m->n_types] = row;
    return overflow;
}
