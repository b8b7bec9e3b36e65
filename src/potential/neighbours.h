/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is within the cutoff of whom: a full list, grouped by the neighbour's type, in boxes of any
 * shape (also smaller than the cutoff: an atom may then see several images of another, or of
 * itself) or without periodicity. Å. Linear in the number of atoms. Use from one thread; it may
 * lend a team. */
#ifndef COX_POTENTIAL_NEIGHBOURS_H
#define COX_POTENTIAL_NEIGHBOURS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/team.h"
#include "cox/err.h"

struct cox_box {
    bool periodic;
    double h[3][3]; /* rows: the three edges; right-handed or not */
};

struct cox_neighbours {
    int n, n_types;
    int64_t *start; /* [n][n_types + 1]: neighbours of type t of atom i are start[i·(n_types+1) + t]
                       … start[i·(n_types+1) + t + 1] − 1 */
    int *index;     /* [total] the neighbour, within the given atoms */
    double (*dr)[3]; /* [total] from the atom to this image of the neighbour */
    int64_t total;
    int64_t capacity, start_capacity;
    struct cox_team *team; /* borrowed; may be NULL. The list does not depend on it */
    struct cox_neighbours_work
        *work; /* kept between calls, so that steps of a run allocate nothing */
};

/* Zeroes; deinit frees. */
void cox_neighbours_init(struct cox_neighbours *list);
void cox_neighbours_deinit(struct cox_neighbours *list);
/* Builds the list of pairs with r <= cutoff. type[i] in 0 … n_types − 1; x need not lie inside the
 * box. COX_EINVAL: a coordinate that is not finite, a box without volume, a type out of range, two
 * atoms closer than 1e-4 Å. */
int cox_neighbours_build(struct cox_neighbours *list, int n, const double (*x)[3], const int *type,
                         int n_types, const struct cox_box *box, double cutoff,
                         struct cox_err *err) COX_MUST_CHECK;

#endif
