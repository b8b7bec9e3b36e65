/* SPDX-License-Identifier: BSD-3-Clause */
/* Langevin: the O of BAOAB (Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34).
 * Nosé-Hoover chains: Martyna, Tuckerman, Tobias, Klein, Mol. Phys. 87, 1117 (1996), with the
 * Suzuki-Yoshida weights of fourth order. */
#include <math.h>

#include "base/rng.h"
#include "dynamics/internal.h"
#include "dynamics/units.h"

static double trace(const double a[3][3])
{
    return a[0][0] + a[1][1] + a[2][2];
}

/* v ← c v + √((1 − c²) kT/m) ξ. The kinetic energy right after it is free of the error of order
 * dt² that the velocities at full steps have (exactly so for harmonic forces), and is what the
 * temperature is taken from. */
void cox_dyn_langevin(struct cox_dynamics *d)
{
    struct cox_rng rng;
    double before[3][3];
    double c = exp(-d->o.timestep_ps / d->o.tau_ps);
    double spread =
        sqrt(-expm1(-2 * d->o.timestep_ps / d->o.tau_ps) * COX_DYN_BOLTZMANN * d->target_K);
    cox_rng_init(&rng, d->o.seed, (uint64_t)d->s.step * COX_DYN_PURPOSES + COX_DYN_FOR_LANGEVIN);
    cox_dyn_kinetic(d, before);
    for (int i = 0; i < d->s.n; i++) {
        double width = spread / sqrt(d->s.mass[i]);
        for (int k = 0; k < 3; k++)
            d->s.v[i][k] = c * d->s.v[i][k] + width * cox_rng_normal(&rng);
    }
    cox_dyn_kinetic(d, d->middle);
    d->heat += 0.5 * (trace((const double(*)[3])d->middle) - trace((const double(*)[3])before));
}

void cox_dyn_chain_start(struct cox_dynamics *d)
{
    double kt = COX_DYN_BOLTZMANN * d->target_K;
    double unit = kt * d->o.tau_ps * d->o.tau_ps;
    for (int k = 0; k < d->o.chain; k++)
        d->eta_mass[k] = k ? unit : unit * cox_dynamics_freedoms(d);
}

/* Force on link k, over its mass; `twice` is 2 × the kinetic energy of the atoms. */
static double pull(const struct cox_dynamics *d, int k, double twice)
{
    double kt = COX_DYN_BOLTZMANN * d->target_K;
    double drive = k ? d->eta_mass[k - 1] * d->eta_v[k - 1] * d->eta_v[k - 1] - kt
                     : twice - cox_dynamics_freedoms(d) * kt;
    return drive / d->eta_mass[k];
}

static void kick(struct cox_dynamics *d, int k, double t, double twice)
{
    double drag = k + 1 < d->o.chain ? exp(-0.125 * t * d->eta_v[k + 1]) : 1;
    d->eta_v[k] *= drag;
    d->eta_v[k] += 0.25 * t * pull(d, k, twice);
    d->eta_v[k] *= drag;
}

/* The chain over half a step. */
void cox_dyn_chain_half(struct cox_dynamics *d)
{
    const double w = 1 / (2 - cbrt(2));
    const double weight[3] = {w, 1 - 2 * w, w};
    double twice[3][3];
    double scale = 1;
    cox_dyn_kinetic(d, twice);
    double sum = trace((const double(*)[3])twice);
    for (int y = 0; y < 3; y++) {
        double t = weight[y] * d->o.timestep_ps;
        for (int k = d->o.chain - 1; k >= 0; k--)
            kick(d, k, t, sum * scale * scale);
        scale *= exp(-0.5 * t * d->eta_v[0]);
        for (int k = 0; k < d->o.chain; k++)
            d->eta[k] += 0.5 * t * d->eta_v[k];
        for (int k = 0; k < d->o.chain; k++)
            kick(d, k, t, sum * scale * scale);
    }
    for (int i = 0; i < d->s.n; i++)
        for (int k = 0; k < 3; k++)
            d->s.v[i][k] *= scale;
}

double cox_dyn_chain_energy(const struct cox_dynamics *d)
{
    double kt = COX_DYN_BOLTZMANN * d->target_K;
    double sum = 0;
    if (d->o.thermostat != COX_DYN_NOSE_HOOVER)
        return 0;
    for (int k = 0; k < d->o.chain; k++)
        sum += 0.5 * d->eta_mass[k] * d->eta_v[k] * d->eta_v[k] +
               (k ? kt : kt * cox_dynamics_freedoms(d)) * d->eta[k];
    return sum;
}

void cox_dyn_set_target(struct cox_dynamics *d)
{
    const struct cox_dyn_options *o = &d->o;
    double target = o->temperature_K;
    if (o->final_temperature_K >= 0 && o->ramp_steps > 0) {
        double done = (double)d->s.step / (double)o->ramp_steps;
        target += (done < 1 ? done : 1) * (o->final_temperature_K - o->temperature_K);
    }
    if (target == d->target_K)
        return;
    /* what the chain's energy changes by is put in from outside */
    double before = cox_dyn_chain_energy(d);
    d->target_K = target;
    d->heat += cox_dyn_chain_energy(d) - before;
}
