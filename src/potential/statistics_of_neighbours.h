/* SPDX-License-Identifier: BSD-3-Clause */
/* What a data set asks of a descriptor: the most neighbours of each type that any atom has (`sel`),
 * and the smallest distance of two atoms (the range of tables). */
#ifndef COX_POTENTIAL_STATISTICS_OF_NEIGHBOURS_H
#define COX_POTENTIAL_STATISTICS_OF_NEIGHBOURS_H

#include "potential/model.h"
#include "potential/neighbours.h"

struct cox_dp_place {
    int system;
    long long frame;
    int atom, other; /* `other` of a pair */
};

struct cox_dp_neighbour_statistics {
    int most[COX_DP_MAX_TYPES]; /* of each type, around any atom */
    struct cox_dp_place at[COX_DP_MAX_TYPES];
    double nearest; /* Å; infinity: no two atoms within the cutoff */
    struct cox_dp_place nearest_at;
    long long frames, pairs; /* looked at; pairs counted from both sides */
};

void cox_dp_neighbour_statistics_init(struct cox_dp_neighbour_statistics *statistics);
/* Adds a frame's list; `place` tells which frame it is (atoms are filled in). */
void cox_dp_neighbour_statistics_add(struct cox_dp_neighbour_statistics *statistics,
                                     const struct cox_neighbours *list, struct cox_dp_place place);
/* What DeePMD-kit makes of "auto": a tenth more, rounded up to a multiple of 4; 1 at least. */
int cox_dp_sel_for(int most);

#endif
