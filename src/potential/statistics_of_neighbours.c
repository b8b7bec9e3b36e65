/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/statistics_of_neighbours.h"

#include <math.h>

void cox_dp_neighbour_statistics_init(struct cox_dp_neighbour_statistics *s)
{
    *s = (struct cox_dp_neighbour_statistics){.nearest = (double)INFINITY};
}

void cox_dp_neighbour_statistics_add(struct cox_dp_neighbour_statistics *s,
                                     const struct cox_neighbours *list, struct cox_dp_place place)
{
    double nearest2 = s->nearest * s->nearest;
    for (int i = 0; i < list->n; i++) {
        const int64_t *start = list->start + (int64_t)i * (list->n_types + 1);
        place.atom = i;
        for (int t = 0; t < list->n_types; t++) {
            int n = (int)(start[t + 1] - start[t]);
            if (n > s->most[t]) {
                s->most[t] = n;
                s->at[t] = place;
            }
        }
        for (int64_t k = start[0]; k < start[list->n_types]; k++) {
            const double *d = list->dr[k];
            double r2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
            if (r2 < nearest2) {
                nearest2 = r2;
                s->nearest = sqrt(r2);
                s->nearest_at = place;
                s->nearest_at.other = list->index[k];
            }
        }
    }
    s->frames++;
    s->pairs += list->total;
}

int cox_dp_sel_for(int most)
{
    int more = (int)ceil(most * 1.1);
    return more < 1 ? 4 : (more + 3) / 4 * 4;
}
