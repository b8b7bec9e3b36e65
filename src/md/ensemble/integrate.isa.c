/* SPDX-License-Identifier: BSD-3-Clause */
/* Steps. Friction > 0: the leapfrog middle scheme (LFMiddle: Zhang et al., J. Phys. Chem. A 123,
 * 6056 (2019)), as OpenMM's LangevinMiddleIntegrator. Friction 0: velocity Verlet with RATTLE. Slow
 * forces (slow_every > 1) come as impulses of slow_every times their strength every slow_every-th
 * step of a lane (Tuckerman, Berne & Martyna, J. Chem. Phys. 97, 1990 (1992)).
 *
 * Displacements d are found first; positions change only in lanes where all went well, so a lane
 * that blows up stands still at its last good positions and touches nothing of the others. */
#include "md/ensemble/kernels.h"

#include <math.h>

#include "base/clock.h"
#include "md/ensemble/noise.h"

#define STEP_MAX_NM 0.1f /* an atom that would go farther in one step has run away */
#define SAMPLE 16        /* passes are timed every so many steps */

static void lap(struct ens_group *g, double *clock, enum ens_pass pass)
{
    if (!g->sample) {
        const double now = cox_clock_thread_seconds();
        g->seconds[pass] += SAMPLE * (now - *clock);
        *clock = now;
    }
}

static double start_clock(const struct ens_group *g)
{
    return g->sample ? 0 : cox_clock_thread_seconds();
}

static void clear_energies(struct ens_group *g)
{
    for (int t = 0; t < ENS_E_TERMS; t++)
        for (int l = 0; l < W; l++)
            g->energy[t][l] = 0;
}

static void scale_forces(const struct ens_plan *p, struct ens_group *g)
{
    bool one = true;
    vf weight;
    for (int l = 0; l < W; l++) {
        weight[l] = g->weight[l];
        one &= g->weight[l] == 1;
    }
    for (int i = 0; i < 3 * p->n && !one; i++)
        vf_store(g->f + (size_t)i * W, vf_load(g->f + (size_t)i * W) * weight);
}

void ens_forces(const struct ens_plan *p, struct ens_group *g, bool slow, bool energy)
{
    double clock = start_clock(g);
    const bool solvent = p->solvent && slow;
    if (energy)
        clear_energies(g);
    for (int i = 0; i < 3 * p->n; i++)
        vf_store(g->f + (size_t)i * W, (vf){0});
    if (solvent) {
        ens_born(p, g);
        ens_born_radii(p, g, energy);
        lap(g, &clock, ENS_BORN);
        ens_solvent(p, g, energy);
        scale_forces(p, g);
        ens_born_chain(p, g);
        lap(g, &clock, ENS_SOLVENT);
    }
    ens_bonded(p, g, energy);
    lap(g, &clock, ENS_BONDED);
    ens_pairs(p, g, solvent, energy);
    if (solvent)
        ens_close_forces(p, g);
    lap(g, &clock, ENS_PAIRS);
}

/* Weights of the slow forces at the lanes' step counts + ahead; whether any lane has them. */
static bool slow_weights(const struct ens_plan *p, struct ens_group *g, int ahead)
{
    bool any = false;
    for (int l = 0; l < W; l++) {
        const bool slow = (g->step[l] + ahead) % p->slow_every == 0;
        g->weight[l] = slow ? (float)p->slow_every : 0;
        any |= slow && (g->active >> l & 1);
    }
    return any;
}

static void kick(const struct ens_plan *p, struct ens_group *g, float dt)
{
    const vm active = vm_from_bits(g->active);
    for (int i = 0; i < p->n; i++)
        for (int a = 0; a < 3; a++) {
            const size_t at = ((size_t)i * 3 + (size_t)a) * W;
            const vf dv = vf_load(g->f + at) * (dt * p->inv_mass[i]);
            vf_add_to(g->v + at, vf_keep(active, dv));
        }
}

/* d = dt v with the friction and noise of a step in its middle. Returns the mask of lanes in which
 * an atom runs away. */
static vm drift(const struct ens_plan *p, struct ens_group *g)
{
    const float half = (float)(0.5 * p->dt), keep = (float)exp(-p->friction * p->dt);
    const float amplitude = (float)sqrt(-expm1(-2 * p->friction * p->dt));
    vf sigma;
    struct noise_key key;
    for (int l = 0; l < W; l++) {
        sigma[l] = g->active >> l & 1 ? amplitude * sqrtf(g->kT[l]) : 0;
        key.seed[0][l] = g->seed[0][l];
        key.seed[1][l] = g->seed[1][l];
        key.step[0][l] = (uint32_t)g->step[l];
        key.step[1][l] = (uint32_t)((uint64_t)g->step[l] >> 32);
    }
    vm good = vf_le((vf){0}, (vf){0});
    for (int i = 0; i < p->n; i++) {
        vu word[4];
        vf normal[4], r2 = {0};
        threefry(word, &key, (uint32_t)i);
        box_muller(word[0], word[1], &normal[0], &normal[1]);
        box_muller(word[2], word[3], &normal[2], &normal[3]);
        const vf width = sigma * sqrtf(p->inv_mass[i]);
        for (int a = 0; a < 3; a++) {
            const size_t at = ((size_t)i * 3 + (size_t)a) * W;
            const vf before = vf_load(g->v + at);
            const vf after = keep * before + width * normal[a];
            const vf d = half * (before + after);
            r2 += d * d;
            vf_store(g->v + at, after);
            vf_store(g->d + at, d);
        }
        good = vm_and(good, vf_le(r2, vf_set1(STEP_MAX_NM * STEP_MAX_NM)));
    }
    return vm_not(good);
}

static vm drift_nve(const struct ens_plan *p, struct ens_group *g)
{
    const float dt = (float)p->dt;
    vm good = vf_le((vf){0}, (vf){0});
    for (int i = 0; i < p->n; i++) {
        vf r2 = {0};
        for (int a = 0; a < 3; a++) {
            const size_t at = ((size_t)i * 3 + (size_t)a) * W;
            const vf d = dt * vf_load(g->v + at);
            r2 += d * d;
            vf_store(g->d + at, d);
        }
        good = vm_and(good, vf_le(r2, vf_set1(STEP_MAX_NM * STEP_MAX_NM)));
    }
    return vm_not(good);
}

static void mark_blown(const struct ens_plan *p, struct ens_group *g, uint32_t lanes,
                       enum ens_reason reason)
{
    for (int l = 0; l < W; l++) {
        if (!(lanes >> l & 1))
            continue;
        g->reason[l] = reason;
        for (int i = 0; i < 3 * p->n; i++)
            g->v[(size_t)i * W + (size_t)l] = 0;
    }
    g->active &= ~lanes;
}

/* x + x_low += d, exactly but for the last bit of x_low (Knuth's sum of two). */
INLINE void add_exactly(float *x, float *low, vf d)
{
    const vf a = vf_load(x), b = vf_load(low) + d;
    const vf s = a + b, t = s - a;
    vf_store(x, s);
    vf_store(low, (a - (s - t)) + (b - t));
}

static void move(const struct ens_plan *p, struct ens_group *g)
{
    const vm active = vm_from_bits(g->active);
    for (int i = 0; i < 3 * p->n; i++) {
        const size_t at = (size_t)i * W;
        add_exactly(g->x + at, g->x_low + at, vf_keep(active, vf_load(g->d + at)));
    }
    uint32_t due = 0;
    for (int l = 0; l < W; l++) {
        g->step[l] += g->active >> l & 1;
        due |= (uint32_t)(g->step[l] % ENS_RECENTRE == 0) << l;
    }
    due &= g->active;
    if (!due)
        return;
    const vm who = vm_from_bits(due);
    for (int a = 0; a < 3; a++) {
        vf sum = {0};
        for (int i = 0; i < p->n; i++)
            sum += vf_load(g->x + ((size_t)i * 3 + (size_t)a) * W);
        const vf shift = vf_keep(who, sum * (-1.0f / (float)p->n));
        for (int i = 0; i < p->n; i++) {
            const size_t at = ((size_t)i * 3 + (size_t)a) * W;
            add_exactly(g->x + at, g->x_low + at, shift);
        }
    }
}

static void constrain_and_move(const struct ens_plan *p, struct ens_group *g, vm runaway)
{
    uint32_t bad = vm_bits(runaway) & g->active;
    if (bad)
        mark_blown(p, g, bad, ENS_RUNAWAY);
    bad = ens_shake(p, g, g->active, (float)(1 / p->dt));
    if (bad)
        mark_blown(p, g, bad, ENS_CONSTRAINT);
    move(p, g);
}

static void langevin_step(const struct ens_plan *p, struct ens_group *g)
{
    const bool slow = slow_weights(p, g, 0);
    ens_forces(p, g, slow, false);
    double clock = start_clock(g);
    kick(p, g, (float)p->dt);
    ens_rattle(p, g, g->v, g->active);
    constrain_and_move(p, g, drift(p, g));
    lap(g, &clock, ENS_MOVE);
}

/* f belongs to the present positions, with the weights of the present step. */
static void verlet_step(const struct ens_plan *p, struct ens_group *g)
{
    double clock = start_clock(g);
    kick(p, g, (float)(0.5 * p->dt));
    constrain_and_move(p, g, drift_nve(p, g));
    lap(g, &clock, ENS_MOVE);
    const bool slow = slow_weights(p, g, 0);
    ens_forces(p, g, slow, false);
    clock = start_clock(g);
    kick(p, g, (float)(0.5 * p->dt));
    ens_rattle(p, g, g->v, g->active);
    lap(g, &clock, ENS_MOVE);
}

void ens_step(const struct ens_plan *p, struct ens_group *g, int steps)
{
    const bool verlet = p->friction == 0;
    if (!g->active)
        return;
    if (verlet) {
        const bool slow = slow_weights(p, g, 0);
        ens_forces(p, g, slow, false);
    }
    for (int s = 0; s < steps && g->active; s++) {
        (verlet ? verlet_step : langevin_step)(p, g);
        g->sample = g->sample ? g->sample - 1 : SAMPLE - 1;
    }
}

const struct ens_kernels COX_ISA_SYMBOL(ens_kernels) = {
    COX_ISA_TEXT, W, ENS_ROWS, ens_forces, ens_step, ens_minimize,
};
