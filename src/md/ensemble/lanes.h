/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside md/ensemble: the engine object and what is done to one lane, in plain double precision. */
#ifndef COX_MD_ENSEMBLE_LANES_H
#define COX_MD_ENSEMBLE_LANES_H

#include "base/team.h"
#include "cox/engine.h"
#include "md/ensemble/group.h"

struct ens_engine {
    struct ens_plan *plan;
    const struct ens_kernels *kernels;
    struct ens_group **groups;
    int n_groups, replicas;
    bool *fresh; /* [n_groups] f and energies belong to the present positions, all weights 1 */
    struct cox_team *team;
    double (*work)[3];  /* [n] scratch of lane operations */
    char (*reason)[96]; /* [replicas] */
    struct cox_engine_pass passes[ENS_PASSES];
    char version[64];
};

struct ens_group *ens_lane_group(const struct ens_engine *e, int lane, int *slot);
int ens_lane_set_positions(void *self, int lane, const double (*x)[3], struct cox_err *err);
int ens_lane_set_velocities(void *self, int lane, const double (*v)[3], struct cox_err *err);
int ens_lane_draw_velocities(void *self, int lane, struct cox_err *err);
int ens_lane_set_temperature(void *self, int lane, double temperature_K, struct cox_err *err);
int ens_lane_set_seed(void *self, int lane, uint64_t seed, struct cox_err *err);
int ens_lane_get_state(void *self, int lane, double (*x)[3], double (*v)[3], struct cox_err *err);
size_t ens_lane_size(const void *self);
int ens_lane_save(void *self, int lane, void *bytes, struct cox_err *err);
int ens_lane_restore(void *self, int lane, const void *bytes, struct cox_err *err);
/* Moves atoms that lie on one another a little apart, so that forces have a direction. */
void ens_lane_separate(struct ens_engine *e, int lane);

#endif
