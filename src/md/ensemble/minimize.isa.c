/* SPDX-License-Identifier: BSD-3-Clause */
/* Minimisation by FIRE (Bitzek et al., PRL 97, 170201 (2006)), each lane with its own time step and
 * its own end. It needs forces only, so float32 energies do not stall it, and every atom's
 * displacement is cut by itself, so one bad contact does not hold up the rest of the chain.
 * All is done on accelerations from which RATTLE removed what constraints forbid. */
#include "md/ensemble/kernels.h"

#include <math.h>

#define DT_START 5e-4f /* ps */
#define DT_LEAST 2e-6f
#define DT_MOST 3e-3f
#define MOVE_MAX 0.01f /* nm per atom and step */
#define FORCE_MAX 1e7f /* of a component; also catches overflow */
#define PATIENCE 5

struct state {
    vf dt, alpha, patience;
    uint32_t running;
};

/* d = acceleration along the constraints; largest force of an atom per lane. */
static vf accelerations(const struct ens_plan *p, struct ens_group *g)
{
    const vf most = vf_set1(FORCE_MAX), least = vf_set1(-FORCE_MAX);
    for (int i = 0; i < p->n; i++)
        for (int a = 0; a < 3; a++) {
            const size_t at = ((size_t)i * 3 + (size_t)a) * W;
            vf_store(g->d + at, vf_max(vf_min(vf_load(g->f + at), most), least) * p->inv_mass[i]);
        }
    ens_rattle(p, g, g->d, COX_ALL_LANES);
    vf largest = {0};
    for (int i = 0; i < p->n; i++) {
        const float *d = g->d + (size_t)i * 3 * W;
        const vf x = vf_load(d), y = vf_load(d + W), z = vf_load(d + 2 * W);
        const float mass = (float)p->mass[i];
        largest = vf_max(largest, (x * x + y * y + z * z) * (mass * mass));
    }
    return vf_sqrt(largest);
}

/* Power and norms with the masses as metric. */
static void products(const struct ens_plan *p, const struct ens_group *g, vf *va, vf *vv, vf *aa)
{
    *va = *vv = *aa = (vf){0};
    for (int i = 0; i < p->n; i++)
        for (int c = 0; c < 3; c++) {
            const size_t at = ((size_t)i * 3 + (size_t)c) * W;
            const vf v = vf_load(g->v + at), a = vf_load(g->d + at);
            const float mass = (float)p->mass[i];
            *va += mass * v * a;
            *vv += mass * v * v;
            *aa += mass * a * a;
        }
}

/* FIRE's rules; returns the factors of v and of the acceleration that mix them. */
static void rules(struct state *s, vf va, vf vv, vf aa, vf *keep, vf *mix)
{
    const vm down = vf_lt((vf){0}, va), ready = vf_lt(vf_set1(PATIENCE), s->patience);
    const vm faster = vm_and(down, ready);
    const vf ratio = vf_sqrt(vv) * vf_rsqrt(vf_max(aa, vf_set1(1e-30f)));
    *keep = vf_keep(down, 1.0f - s->alpha);
    *mix = vf_keep(down, s->alpha * ratio);
    s->patience = vf_keep(down, s->patience + 1.0f);
    s->dt = vf_select(faster, vf_min(s->dt * 1.1f, vf_set1(DT_MOST)), s->dt);
    s->dt = vf_select(down, s->dt, vf_max(s->dt * 0.5f, vf_set1(DT_LEAST)));
    s->alpha = vf_select(faster, s->alpha * 0.99f, s->alpha);
    s->alpha = vf_select(down, s->alpha, vf_set1(0.1f));
}

/* v = keep v + mix a + dt a, cut; d = dt v */
static void advance(const struct ens_plan *p, struct ens_group *g, const struct state *s, vf keep,
                    vf mix)
{
    const vf gain = mix + s->dt;
    for (int i = 0; i < p->n; i++) {
        float *v = g->v + (size_t)i * 3 * W, *d = g->d + (size_t)i * 3 * W;
        vf u[3], r2 = {0};
        for (int c = 0; c < 3; c++) {
            u[c] = keep * vf_load(v + c * W) + gain * vf_load(d + c * W);
            r2 += u[c] * u[c];
        }
        const vf length = vf_sqrt(r2) * s->dt;
        const vf cut = vf_min(vf_set1(1), MOVE_MAX * vf_rcp(vf_max(length, vf_set1(1e-20f))));
        for (int c = 0; c < 3; c++) {
            vf_store(v + c * W, u[c] * cut);
            vf_store(d + c * W, u[c] * cut * s->dt);
        }
    }
}

static void move(const struct ens_plan *p, struct ens_group *g, uint32_t lanes)
{
    const vm who = vm_from_bits(lanes);
    for (int i = 0; i < 3 * p->n; i++) {
        float *x = g->x + (size_t)i * W, *low = g->x_low + (size_t)i * W;
        const vf d = vf_keep(who, vf_load(g->d + (size_t)i * W));
        const vf s = vf_load(x) + (vf_load(low) + d);
        vf_store(low, vf_select(who, (vf){0}, vf_load(low)));
        vf_store(x, s);
    }
}

void ens_minimize(const struct ens_plan *p, struct ens_group *g, int steps, double tolerance)
{
    struct state s = {vf_set1(DT_START), vf_set1(0.1f), (vf){0}, g->active};
    for (int i = 0; i < 3 * p->n; i++)
        vf_store(g->v + (size_t)i * W, (vf){0});
    for (int l = 0; l < W; l++)
        g->weight[l] = 1;
    for (int step = 0; step < steps && s.running; step++) {
        ens_forces(p, g, true, false);
        const vf largest = accelerations(p, g);
        s.running &= ~vm_bits(vf_lt(largest, vf_set1((float)tolerance)));
        vf va, vv, aa, keep, mix;
        products(p, g, &va, &vv, &aa);
        rules(&s, va, vv, aa, &keep, &mix);
        advance(p, g, &s, keep, mix);
        const uint32_t bad = ens_shake(p, g, s.running, 0);
        /* A lane whose bonds cannot follow takes no step, and shorter ones from here. */
        const vm failed = vm_from_bits(bad);
        s.dt = vf_select(failed, s.dt * 0.25f, s.dt);
        for (int i = 0; i < 3 * p->n && bad; i++)
            vf_store(g->v + (size_t)i * W,
                     vf_select(failed, (vf){0}, vf_load(g->v + (size_t)i * W)));
        move(p, g, s.running & ~bad);
    }
    for (int i = 0; i < 3 * p->n; i++)
        vf_store(g->v + (size_t)i * W, (vf){0});
}
