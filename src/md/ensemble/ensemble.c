/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine: groups of lanes handed to a team of threads; a group is worked on by one thread for a
 * whole call, so threads never meet. */
#include "md/ensemble/ensemble.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kern/isa.h"
#include "md/ensemble/lanes.h"

#define DECLARE(isa) extern const struct ens_kernels ens_kernels_##isa;
COX_ISA_LIST(DECLARE)
#define ENTRY(isa) &ens_kernels_##isa,
static const struct ens_kernels *const kernels[] = {COX_ISA_LIST(ENTRY)};

static void ensemble_destroy(void *self)
{
    struct ens_engine *e = self;
    if (!e)
        return;
    for (int i = 0; i < e->n_groups && e->groups; i++)
        ens_group_destroy(e->groups[i]);
    cox_team_destroy(e->team);
    ens_plan_destroy(e->plan);
    cox_free(e->groups);
    cox_free(e->fresh);
    cox_free(e->work);
    cox_free(e->reason);
    cox_free(e);
}

static int create_parts(struct ens_engine *e, const struct cox_system *system,
                        const struct cox_engine_options *o, struct cox_err *err)
{
    int isa, rc = cox_isa_select(&isa, o->isa, err);
    if (rc)
        return rc;
    e->kernels = kernels[isa];
    e->replicas = o->replicas;
    snprintf(e->version, sizeof e->version, "ensemble %s %s", COX_VERSION, e->kernels->isa);
    rc = ens_plan_create(&e->plan, system, o, e->kernels->rows, err);
    if (rc)
        return rc;
    const int lanes = e->kernels->lanes;
    e->n_groups = (o->replicas + lanes - 1) / lanes;
    e->groups = cox_alloc((size_t)e->n_groups, sizeof(struct ens_group *));
    e->fresh = cox_alloc((size_t)e->n_groups, sizeof *e->fresh);
    e->work = cox_alloc((size_t)system->n_atoms * 2, sizeof *e->work);
    e->reason = cox_alloc((size_t)o->replicas, sizeof *e->reason);
    if (!e->groups || !e->fresh || !e->work || !e->reason)
        return cox_err_set(err, COX_ENOMEM, "no memory for an engine of %d replicas", o->replicas);
    for (int i = 0; i < e->n_groups && !rc; i++)
        rc = ens_group_create(&e->groups[i], e->plan, lanes, err);
    if (!rc)
        rc = cox_team_create(&e->team, o->threads, err);
    return rc;
}

/* Every slot holds the system's positions, also those without a replica: they are computed, never
 * moved. */
static int fill_lanes(struct ens_engine *e, const struct cox_system *system,
                      const struct cox_engine_options *o, struct cox_err *err)
{
    const int lanes = e->kernels->lanes;
    int rc = COX_OK;
    for (int lane = 0; lane < o->replicas && !rc; lane++) {
        rc = ens_lane_set_positions(e, lane, (const double(*)[3])system->position_nm, err);
        if (!rc)
            rc = ens_lane_set_temperature(e, lane, o->temperature_K, err);
        if (!rc)
            rc = ens_lane_set_seed(e, lane, cox_seed_mix(o->seed, (uint64_t)lane), err);
    }
    if (rc)
        return cox_err_wrap(err, rc, "the system's own coordinates");
    struct ens_group *last = e->groups[e->n_groups - 1];
    for (int slot = (o->replicas - 1) % lanes + 1; slot < lanes; slot++)
        for (int i = 0; i < 3 * system->n_atoms; i++)
            last->x[i * lanes + slot] = last->x[i * lanes];
    return rc;
}

static int ensemble_create(void **self, const struct cox_system *system,
                           const struct cox_engine_options *options, struct cox_err *err)
{
    struct ens_engine *e = cox_alloc(1, sizeof *e);
    if (!e)
        return cox_err_set(err, COX_ENOMEM, "no memory for an engine");
    int rc = create_parts(e, system, options, err);
    if (!rc)
        rc = fill_lanes(e, system, options, err);
    if (rc) {
        ensemble_destroy(e);
        return rc;
    }
    *self = e;
    return COX_OK;
}

static const char *ensemble_version(const void *self)
{
    return ((const struct ens_engine *)self)->version;
}

static int ensemble_lane_width(const void *self)
{
    return ((const struct ens_engine *)self)->kernels->lanes;
}

struct job {
    struct ens_engine *engine;
    int steps;
    double tolerance;
};

static void step_group(void *user, int item, int thread)
{
    const struct job *job = user;
    (void)thread;
    job->engine->kernels->step(job->engine->plan, job->engine->groups[item], job->steps);
}

static void minimize_group(void *user, int item, int thread)
{
    const struct job *job = user;
    (void)thread;
    job->engine->kernels->minimize(job->engine->plan, job->engine->groups[item], job->steps,
                                   job->tolerance);
}

static void forget(struct ens_engine *e)
{
    for (int i = 0; i < e->n_groups; i++)
        e->fresh[i] = false;
}

static int ensemble_step(void *self, int n, struct cox_err *err)
{
    struct job job = {self, n, 0};
    (void)err;
    cox_team_run(job.engine->team, job.engine->n_groups, step_group, &job);
    forget(self);
    return COX_OK;
}

static int ensemble_minimize(void *self, int max_steps, double tolerance, struct cox_err *err)
{
    struct job job = {self, max_steps, tolerance};
    (void)err;
    for (int lane = 0; lane < job.engine->replicas; lane++)
        ens_lane_separate(job.engine, lane);
    cox_team_run(job.engine->team, job.engine->n_groups, minimize_group, &job);
    forget(self);
    return COX_OK;
}

static enum cox_lane_state ensemble_lane_state(const void *self, int lane)
{
    int slot;
    const struct ens_group *g = ens_lane_group(self, lane, &slot);
    return g->reason[slot] == ENS_FINE ? COX_LANE_OK : COX_LANE_BLOWN;
}

static const char *ensemble_lane_reason(const void *self, int lane)
{
    const struct ens_engine *e = self;
    int slot;
    const struct ens_group *g = ens_lane_group(e, lane, &slot);
    const char *what = g->reason[slot] == ENS_RUNAWAY
                           ? "an atom moved more than 0.1 nm in one step"
                           : "constraints of bonds to hydrogen did not converge";
    if (g->reason[slot] == ENS_FINE)
        return "";
    snprintf(e->reason[lane], sizeof e->reason[lane], "step %lld: %s", (long long)g->step[slot],
             what);
    return e->reason[lane];
}

static int64_t ensemble_lane_steps(const void *self, int lane)
{
    int slot;
    const struct ens_group *g = ens_lane_group(self, lane, &slot);
    return g->step[slot];
}

static double kinetic(const struct ens_plan *p, const struct ens_group *g, int slot)
{
    double sum = 0;
    for (int i = 0; i < p->n; i++)
        for (int a = 0; a < 3; a++) {
            const double v = (double)g->v[(i * 3 + a) * g->lanes + slot];
            sum += 0.5 * p->mass[i] * v * v;
        }
    return sum;
}

static int ensemble_evaluate(void *self, int lane, struct cox_energies *energies,
                             double (*force)[3], struct cox_err *err)
{
    struct ens_engine *e = self;
    const struct ens_plan *p = e->plan;
    int slot, group = lane / e->kernels->lanes;
    struct ens_group *g = ens_lane_group(e, lane, &slot);
    (void)err;
    if (!e->fresh[group]) {
        for (int l = 0; l < g->lanes; l++)
            g->weight[l] = 1;
        e->kernels->forces(p, g, true, true);
        e->fresh[group] = true;
    }
    for (int i = 0; i < p->n && force; i++)
        for (int a = 0; a < 3; a++)
            force[i][a] = (double)g->f[(i * 3 + a) * g->lanes + slot];
    if (energies) {
        double t[ENS_E_TERMS], sum = 0;
        for (int k = 0; k < ENS_E_TERMS; k++)
            sum += t[k] = g->energy[k][slot];
        const double moving = kinetic(p, g, slot);
        *energies = (struct cox_energies){.bond = t[ENS_E_BOND],
                                          .angle = t[ENS_E_ANGLE],
                                          .torsion = t[ENS_E_TORSION],
                                          .lj = t[ENS_E_LJ],
                                          .coulomb = t[ENS_E_COULOMB],
                                          .lj14 = t[ENS_E_LJ14],
                                          .coulomb14 = t[ENS_E_COULOMB14],
                                          .gb = t[ENS_E_GB],
                                          .surface = t[ENS_E_SURFACE],
                                          .kinetic = moving,
                                          .potential = sum,
                                          .temperature_K = 2 * moving / (p->dof * COX_BOLTZMANN)};
    }
    return COX_OK;
}

static int ensemble_profile(const void *self, const struct cox_engine_pass **out)
{
    static const char *const names[ENS_PASSES] = {"bonded", "born radii", "gb pairs",
                                                  "lj, coulomb and born chain",
                                                  "integration and constraints"};
    /* The counters belong to the engine; the caller sees a snapshot. */
    struct ens_engine *e = (struct ens_engine *)(uintptr_t)self;
    for (int k = 0; k < ENS_PASSES; k++) {
        e->passes[k] = (struct cox_engine_pass){names[k], 0};
        for (int i = 0; i < e->n_groups; i++)
            e->passes[k].seconds += e->groups[i]->seconds[k];
    }
    *out = e->passes;
    return ENS_PASSES;
}

const struct cox_engine_ops cox_engine_ensemble_ops = {
    .kind = "ensemble",
    .create = ensemble_create,
    .destroy = ensemble_destroy,
    .version = ensemble_version,
    .lane_width = ensemble_lane_width,
    .set_positions = ens_lane_set_positions,
    .set_velocities = ens_lane_set_velocities,
    .draw_velocities = ens_lane_draw_velocities,
    .set_temperature = ens_lane_set_temperature,
    .set_seed = ens_lane_set_seed,
    .minimize = ensemble_minimize,
    .step = ensemble_step,
    .lane_state = ensemble_lane_state,
    .lane_reason = ensemble_lane_reason,
    .lane_steps = ensemble_lane_steps,
    .get_state = ens_lane_get_state,
    .evaluate = ensemble_evaluate,
    .lane_size = ens_lane_size,
    .save_lane = ens_lane_save,
    .restore_lane = ens_lane_restore,
    .profile = ensemble_profile,
};
