/* SPDX-License-Identifier: BSD-3-Clause */
/* Stochastic cell rescaling (Bernetti and Bussi, J. Chem. Phys. 153, 114107 (2020); anisotropic:
 * Del Tatto, Raiteri, Bernetti, Bussi, Appl. Sci. 12, 1139 (2022)), each move put to a Metropolis
 * test, so that the distribution of the box is exact for any length of the move (it is then a MALA
 * step; Roberts and Tweedie, Bernoulli 2, 341 (1996)).
 *
 * A move strains box and positions, x' = x g, h' = h g, with g = exp(Σ ε_k B_k), the B_k
 * orthonormal symmetric matrices. The box's measure is dV spread evenly over shapes, that is
 * V × Haar's measure of the matrices h; positions give V^N; so per unit of ε
 *     ln ρ = (N + 1) ln V − (U + P V)/kT,   ∂ ln ρ/∂ε_k = B_k : [(N + 1) 1 + (W − P V 1)/kT],
 * W being the virial −∂U/∂ε. The proposal is ε_k = D ∂ ln ρ/∂ε_k + √(2D) ξ_k; the move back is −ε,
 * and Haar's measure makes the two comparable without a Jacobian. Velocities stay as they are.
 * D = kT β Δt/(V τ) for the logarithm of the volume, as in the papers. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "dynamics/internal.h"
#include "dynamics/units.h"

#define MAX_BASIS 6
#define MOST_PULL 0.01 /* of the deterministic part of a strain: far from the wanted pressure */

int cox_dyn_barostat_check(const struct cox_dyn_options *o, struct cox_err *err)
{
    if (o->barostat == COX_DYN_FIXED)
        return COX_OK;
    if (o->thermostat == COX_DYN_NVE)
        return cox_err_set(err, COX_EINVAL, "a barostat needs a thermostat");
    if (!(o->temperature_K > 0) || o->final_temperature_K == 0)
        return cox_err_set(err, COX_EINVAL, "a barostat needs a temperature above 0 K");
    if (!(o->tau_p_ps > 0) || !(o->compressibility_per_bar > 0) || o->barostat_every < 1)
        return cox_err_set(err, COX_EINVAL,
                           "the barostat's time (%g ps), compressibility (%g per bar) and interval "
                           "(%d steps) must be above 0",
                           o->tau_p_ps, o->compressibility_per_bar, o->barostat_every);
    if (o->barostat == COX_DYN_AXES && !o->axis[0] && !o->axis[1] && !o->axis[2])
        return cox_err_set(err, COX_EINVAL, "the barostat may move no axis");
    return COX_OK;
}

struct move {
    int n;                         /* of the basis */
    double basis[MAX_BASIS][3][3]; /* orthonormal, but for the volume alone: 1/3 */
    double spread;                 /* D per volume: D = spread / V */
};

static void plan(struct move *m, const struct cox_dynamics *d)
{
    const struct cox_dyn_options *o = &d->o;
    memset(m, 0, sizeof *m);
    m->spread = COX_DYN_BOLTZMANN * d->target_K * o->compressibility_per_bar * COX_DYN_BAR *
                o->timestep_ps * o->barostat_every / o->tau_p_ps;
    if (o->barostat == COX_DYN_ISO) {
        for (int k = 0; k < 3; k++)
            m->basis[0][k][k] = 1.0 / 3; /* ε is then ln V' − ln V */
        m->n = 1;
        return;
    }
    m->spread /= 3; /* of each axis: the sum of three strains is that of the volume */
    for (int k = 0; k < 3; k++)
        if (o->barostat == COX_DYN_TRICLINIC || o->axis[k])
            m->basis[m->n++][k][k] = 1;
    for (int k = 0; o->barostat == COX_DYN_TRICLINIC && k < 3; k++) {
        int l = (k + 1) % 3;
        m->basis[m->n][k][l] = m->basis[m->n][l][k] = sqrt(0.5);
        m->n++;
    }
}

/* Where the proposal is centred, from a state's virial and volume. */
static void centre(double out[MAX_BASIS], const struct move *m, const struct cox_dynamics *d,
                   const double virial[3][3], double volume)
{
    double kt = COX_DYN_BOLTZMANN * d->target_K;
    double pv = d->o.pressure_bar / COX_DYN_BAR * volume;
    for (int b = 0; b < m->n; b++) {
        double slope = 0;
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < 3; k++)
                slope +=
                    m->basis[b][i][k] * (virial[i][k] / kt + (i == k ? d->s.n + 1 - pv / kt : 0));
        double pull = m->spread / volume * slope;
        out[b] = pull > MOST_PULL ? MOST_PULL : pull < -MOST_PULL ? -MOST_PULL : pull;
    }
}

/* ln of the proposal's density, constants left out. */
static double density(const struct move *m, const double strain[MAX_BASIS], double sign,
                      const double middle[MAX_BASIS], double volume)
{
    double sum = 0;
    double wide = m->spread / volume;
    for (int b = 0; b < m->n; b++) {
        double off = sign * strain[b] - middle[b];
        sum -= off * off / (4 * wide) + 0.5 * log(wide);
    }
    return sum;
}

static void multiply(const double a[3][3], const double b[3][3], double out[3][3])
{
    double c[3][3];
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            c[i][k] = a[i][0] * b[0][k] + a[i][1] * b[1][k] + a[i][2] * b[2][k];
    memcpy(out, c, sizeof c);
}

/* exp of Σ ε_k B_k by its series: strains are small. */
static void exponential(const struct move *m, const double strain[MAX_BASIS], double g[3][3])
{
    double e[3][3] = {{0}};
    double term[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (int b = 0; b < m->n; b++)
        for (int i = 0; i < 9; i++)
            e[i / 3][i % 3] += strain[b] * m->basis[b][i / 3][i % 3];
    memcpy(g, term, sizeof term);
    for (int p = 1; p < 20; p++) {
        multiply((const double(*)[3])term, (const double(*)[3])e, term);
        for (int i = 0; i < 9; i++) {
            term[i / 3][i % 3] /= p;
            g[i / 3][i % 3] += term[i / 3][i % 3];
        }
    }
}

static void transform(int n, const double (*in)[3], double (*out)[3], const double g[3][3])
{
    for (int i = 0; i < n; i++) {
        const double x[3] = {in[i][0], in[i][1], in[i][2]};
        for (int k = 0; k < 3; k++)
            out[i][k] = x[0] * g[0][k] + x[1] * g[1][k] + x[2] * g[2][k];
    }
}

/* The rotation (columns: the new axes) that makes h lower triangular again, if it was. */
static void upright(const double h[3][3], double q[3][3])
{
    double c[3][3];
    memcpy(c[0], h[0], sizeof c[0]);
    memcpy(c[1], h[1], sizeof c[1]);
    double length = sqrt(c[0][0] * c[0][0] + c[0][1] * c[0][1] + c[0][2] * c[0][2]);
    for (int k = 0; k < 3; k++)
        c[0][k] /= length;
    double along = c[0][0] * c[1][0] + c[0][1] * c[1][1] + c[0][2] * c[1][2];
    for (int k = 0; k < 3; k++)
        c[1][k] -= along * c[0][k];
    length = sqrt(c[1][0] * c[1][0] + c[1][1] * c[1][1] + c[1][2] * c[1][2]);
    for (int k = 0; k < 3; k++)
        c[1][k] /= length;
    for (int k = 0; k < 3; k++)
        c[2][k] = c[0][(k + 1) % 3] * c[1][(k + 2) % 3] - c[0][(k + 2) % 3] * c[1][(k + 1) % 3];
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            q[i][k] = c[k][i];
}

static void rotate(struct cox_dynamics *d)
{
    double q[3][3];
    double turned[3][3];
    const int n = d->s.n;
    upright((const double(*)[3])d->s.box.h, q);
    multiply((const double(*)[3])d->s.box.h, (const double(*)[3])q, d->s.box.h);
    d->s.box.h[0][1] = d->s.box.h[0][2] = d->s.box.h[1][2] = 0;
    transform(n, (const double(*)[3])d->s.x, d->s.x, (const double(*)[3])q);
    transform(n, (const double(*)[3])d->s.v, d->s.v, (const double(*)[3])q);
    transform(n, (const double(*)[3])d->s.force, d->s.force, (const double(*)[3])q);
    for (int pass = 0; pass < 2; pass++) {
        double(*tensor)[3] = pass ? d->middle : d->s.virial;
        double transposed[3][3];
        multiply((const double(*)[3])tensor, (const double(*)[3])q, turned);
        for (int i = 0; i < 9; i++)
            transposed[i / 3][i % 3] = q[i % 3][i / 3];
        multiply((const double(*)[3])transposed, (const double(*)[3])turned, tensor);
    }
}

int cox_dyn_barostat_move(struct cox_dynamics *d, struct cox_err *err)
{
    struct move m;
    struct cox_rng rng;
    double strain[MAX_BASIS], there[MAX_BASIS], back[MAX_BASIS], g[3][3];
    struct cox_box box = d->s.box;
    double kt = COX_DYN_BOLTZMANN * d->target_K;
    double volume = cox_dyn_volume((const double(*)[3])box.h);
    bool lower = box.h[0][1] == 0 && box.h[0][2] == 0 && box.h[1][2] == 0;
    plan(&m, d);
    cox_rng_init(&rng, d->o.seed, (uint64_t)d->s.step * COX_DYN_PURPOSES + COX_DYN_FOR_BAROSTAT);
    centre(there, &m, d, (const double(*)[3])d->s.virial, volume);
    for (int b = 0; b < m.n; b++)
        strain[b] = there[b] + sqrt(2 * m.spread / volume) * cox_rng_normal(&rng);
    exponential(&m, strain, g);
    multiply((const double(*)[3])box.h, (const double(*)[3])g, box.h);
    transform(d->s.n, (const double(*)[3])d->s.x, d->trial, (const double(*)[3])g);
    double trial = cox_dyn_volume((const double(*)[3])box.h);
    struct cox_dyn_forces out = {.force = d->trial_force};
    int rc = d->field->compute(d->field->self, &out, (const double(*)[3])d->trial, &box, err);
    if (rc)
        return cox_err_wrap(err, rc, "step %lld, barostat", (long long)d->s.step);
    centre(back, &m, d, (const double(*)[3])out.virial, trial);
    double gain =
        (d->s.n + 1) * log(trial / volume) -
        (out.energy - d->s.energy + d->o.pressure_bar / COX_DYN_BAR * (trial - volume)) / kt +
        density(&m, strain, -1, back, trial) - density(&m, strain, 1, there, volume);
    d->tried++;
    if (!(log(1 - cox_rng_uniform(&rng)) < gain))
        return COX_OK;
    double(*swap)[3] = d->s.x;
    d->s.x = d->trial;
    d->trial = swap;
    swap = d->s.force;
    d->s.force = d->trial_force;
    d->trial_force = swap;
    d->heat += out.energy - d->s.energy;
    d->s.energy = out.energy;
    memcpy(d->s.virial, out.virial, sizeof out.virial);
    d->s.box = box;
    d->accepted++;
    if (lower && d->o.barostat == COX_DYN_TRICLINIC)
        rotate(d);
    return COX_OK;
}
