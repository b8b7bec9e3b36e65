/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of neighbours of every frame: built once, kept while memory allows (the first frames are
 * kept, those beyond the bound are built each time). Which are kept changes no result. */
#ifndef COX_DP_TRAIN_LISTS_H
#define COX_DP_TRAIN_LISTS_H

#include "base/team.h"
#include "dp_train/systems.h"
#include "potential/neighbours.h"

struct cox_dp_lists {
    struct cox_dp_systems *systems; /* borrowed */
    int n_types;
    double cutoff;
    struct cox_neighbours *kept; /* [frames of all systems]; n = 0: not kept */
    int64_t bytes, bytes_most;
    struct cox_neighbours *spare; /* [n_spare] for those that are not */
    int n_spare;
};

/* What the lists of all frames say of the data. */
struct cox_dp_lists_survey {
    double min_distance;                  /* Å; 0: there is no pair of neighbours */
    int most[COX_DP_MAX_TYPES];           /* largest number of neighbours of each type */
    int64_t most_frame[COX_DP_MAX_TYPES]; /* where: number among all frames */
};

/* Builds all lists, in frames side by side on `team`, keeping at most `bytes`. `survey` may be
 * NULL. A frame that cannot be used (atoms on top of each other, a box without volume) is named. */
int cox_dp_lists_build(struct cox_dp_lists *lists, struct cox_dp_lists_survey *survey,
                       struct cox_dp_systems *systems, const struct cox_dp_model *model,
                       int64_t bytes, struct cox_team *team, struct cox_err *err) COX_MUST_CHECK;
void cox_dp_lists_deinit(struct cox_dp_lists *lists);
/* The list of a frame; `slot` < largest batch of the systems. Until the slot is used again. */
int cox_dp_lists_get(const struct cox_neighbours **out, struct cox_dp_lists *lists, int system,
                     int frame, int slot, struct cox_err *err) COX_MUST_CHECK;

#endif
