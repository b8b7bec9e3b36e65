/* SPDX-License-Identifier: BSD-3-Clause */
#include "dynamics/dynamics.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "dynamics/internal.h"
#include "dynamics/units.h"

#define MAGIC 0x316e7964786f63ULL /* "coxdyn1" */
#define G_CM3 1.66053906660       /* g/cm³ of one u/Å³ */

static const char *const axis_name[] = {"x", "y", "z"};

/* ---- creating ---- */

static int check_options(const struct cox_dyn_options *o, struct cox_err *err)
{
    if (!(o->timestep_ps > 0))
        return cox_err_set(err, COX_EINVAL, "a timestep of %g ps: it must be above 0",
                           o->timestep_ps);
    if (o->thermostat != COX_DYN_NVE && !(o->tau_ps > 0))
        return cox_err_set(err, COX_EINVAL, "a thermostat's time of %g ps: it must be above 0",
                           o->tau_ps);
    if (o->thermostat == COX_DYN_NOSE_HOOVER &&
        (o->chain < 1 || o->chain > COX_DYN_MAX_CHAIN || !(o->temperature_K > 0) ||
         o->final_temperature_K == 0))
        return cox_err_set(err, COX_EINVAL,
                           "Nosé-Hoover chains have 1 to %d links (not %d) and a temperature above "
                           "0 K (not %g)",
                           COX_DYN_MAX_CHAIN, o->chain, o->temperature_K);
    if (o->deform_axis >= 0 && o->barostat != COX_DYN_FIXED &&
        (o->barostat != COX_DYN_AXES || o->axis[o->deform_axis]))
        return cox_err_set(err, COX_EINVAL,
                           "the deformation and the barostat both move %s: let the barostat move "
                           "the other axes only",
                           axis_name[o->deform_axis]);
    return cox_dyn_barostat_check(o, err);
}

static int allocate(struct cox_dynamics *d, int n)
{
    d->s.n = n;
    d->s.mass = cox_alloc((size_t)n, sizeof *d->s.mass);
    d->s.x = cox_alloc((size_t)n, sizeof *d->s.x);
    d->s.v = cox_alloc((size_t)n, sizeof *d->s.v);
    d->s.force = cox_alloc((size_t)n, sizeof *d->s.force);
    if (d->o.barostat != COX_DYN_FIXED) {
        d->trial = cox_alloc((size_t)n, sizeof *d->trial);
        d->trial_force = cox_alloc((size_t)n, sizeof *d->trial_force);
    }
    return d->s.mass && d->s.x && d->s.v && d->s.force &&
                   (d->o.barostat == COX_DYN_FIXED || (d->trial && d->trial_force))
               ? COX_OK
               : COX_ENOMEM;
}

int cox_dynamics_create(struct cox_dynamics **out, int n, const double *mass_u,
                        const struct cox_dyn_options *options, const struct cox_dyn_field *field,
                        struct cox_err *err)
{
    *out = NULL;
    int rc = check_options(options, err);
    if (rc)
        return rc;
    if (n < 1)
        return cox_err_set(err, COX_EINVAL, "no atoms");
    struct cox_dynamics *d = cox_alloc(1, sizeof *d);
    if (!d)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d atoms", n);
    d->o = *options;
    d->field = field;
    if (allocate(d, n))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for %d atoms", n);
    for (int i = 0; !rc && i < n; i++) {
        d->s.mass[i] = mass_u[i] * COX_DYN_MASS;
        if (!(mass_u[i] > 0) || !isfinite(mass_u[i]))
            rc = cox_err_set(err, COX_EINVAL, "atom %d has a mass of %g u: it must be above 0", i,
                             mass_u[i]);
    }
    if (rc) {
        cox_dynamics_destroy(d);
        return rc;
    }
    d->target_K = options->temperature_K;
    cox_dyn_chain_start(d);
    *out = d;
    return COX_OK;
}

void cox_dynamics_destroy(struct cox_dynamics *d)
{
    if (!d)
        return;
    cox_free(d->s.mass);
    cox_free(d->s.x);
    cox_free(d->s.v);
    cox_free(d->s.force);
    cox_free(d->trial);
    cox_free(d->trial_force);
    cox_free(d);
}

struct cox_dyn_state *cox_dynamics_state(struct cox_dynamics *d)
{
    return &d->s;
}

int cox_dynamics_freedoms(const struct cox_dynamics *d)
{
    bool fixed = d->o.momentum_conserved && d->o.thermostat != COX_DYN_LANGEVIN && d->s.n > 1;
    return 3 * d->s.n - (fixed ? 3 : 0);
}

/* ---- velocities ---- */

void cox_dyn_kinetic(const struct cox_dynamics *d, double out[3][3])
{
    memset(out, 0, 9 * sizeof(double));
    for (int i = 0; i < d->s.n; i++) {
        const double *v = d->s.v[i];
        const double m = d->s.mass[i];
        out[0][0] += m * v[0] * v[0];
        out[1][1] += m * v[1] * v[1];
        out[2][2] += m * v[2] * v[2];
        out[0][1] += m * v[0] * v[1];
        out[0][2] += m * v[0] * v[2];
        out[1][2] += m * v[1] * v[2];
    }
    out[1][0] = out[0][1];
    out[2][0] = out[0][2];
    out[2][1] = out[1][2];
}

double cox_dynamics_stop_centre(struct cox_dynamics *d)
{
    double momentum[3] = {0, 0, 0};
    double total = 0;
    for (int i = 0; i < d->s.n; i++) {
        total += d->s.mass[i];
        for (int k = 0; k < 3; k++)
            momentum[k] += d->s.mass[i] * d->s.v[i][k];
    }
    for (int i = 0; i < d->s.n; i++)
        for (int k = 0; k < 3; k++)
            d->s.v[i][k] -= momentum[k] / total;
    return sqrt(momentum[0] * momentum[0] + momentum[1] * momentum[1] + momentum[2] * momentum[2]) /
           total;
}

void cox_dynamics_draw_velocities(struct cox_dynamics *d, double temperature_K)
{
    struct cox_rng rng;
    double twice[3][3];
    cox_rng_init(&rng, d->o.seed, COX_DYN_FOR_VELOCITIES);
    for (int i = 0; i < d->s.n; i++)
        for (int k = 0; k < 3; k++)
            d->s.v[i][k] = cox_rng_normal(&rng) / sqrt(d->s.mass[i]);
    if (d->s.n > 1)
        cox_dynamics_stop_centre(d);
    cox_dyn_kinetic(d, twice);
    double sum = twice[0][0] + twice[1][1] + twice[2][2];
    double scale = sqrt(cox_dynamics_freedoms(d) * COX_DYN_BOLTZMANN * temperature_K / sum);
    for (int i = 0; i < d->s.n; i++)
        for (int k = 0; k < 3; k++)
            d->s.v[i][k] *= scale;
}

/* ---- steps ---- */

static int evaluate(struct cox_dynamics *d, struct cox_err *err)
{
    struct cox_dyn_forces out = {.force = d->s.force};
    int rc = d->field->compute(d->field->self, &out, (const double(*)[3])d->s.x, &d->s.box, err);
    if (rc)
        return cox_err_wrap(err, rc, "step %lld", (long long)d->s.step);
    d->s.energy = out.energy;
    memcpy(d->s.virial, out.virial, sizeof out.virial);
    return COX_OK;
}

int cox_dynamics_start(struct cox_dynamics *d, struct cox_err *err)
{
    bool periodic = d->s.box.periodic;
    if ((d->o.barostat != COX_DYN_FIXED || d->o.deform_axis >= 0) && !periodic)
        return cox_err_set(err, COX_EINVAL, "a barostat or a deformation needs a periodic box");
    if (d->o.deform_axis >= 0)
        d->first_length = d->s.box.h[d->o.deform_axis][d->o.deform_axis];
    if (d->o.deform_axis >= 0 && d->first_length == 0)
        return cox_err_set(err, COX_EINVAL, "the box has no length along %s",
                           axis_name[d->o.deform_axis]);
    cox_dyn_kinetic(d, d->middle);
    return evaluate(d, err);
}

static void push(struct cox_dynamics *d, double t)
{
    for (int i = 0; i < d->s.n; i++)
        for (int k = 0; k < 3; k++)
            d->s.v[i][k] += t / d->s.mass[i] * d->s.force[i][k];
}

static void drift(struct cox_dynamics *d, double t)
{
    for (int i = 0; i < d->s.n; i++)
        for (int k = 0; k < 3; k++)
            d->s.x[i][k] += t * d->s.v[i][k];
}

/* Stretches the box and the positions with it; the work is that of the mean virial before and
 * after. Returns the logarithm of the stretch. */
static double deform(struct cox_dynamics *d)
{
    const int a = d->o.deform_axis;
    if (a < 0)
        return 0;
    double was = d->s.box.h[a][a];
    double is =
        d->first_length * (1 + d->o.deform_rate_per_ps * d->o.timestep_ps * (double)d->s.step);
    for (int k = 0; k < 3; k++)
        d->s.box.h[k][a] *= is / was;
    d->s.box.h[a][a] = is;
    for (int i = 0; i < d->s.n; i++)
        d->s.x[i][a] *= is / was;
    return log(is / was);
}

/* The velocities of the middle of the step tell how far atoms moved. */
static int look_for_blow_up(const struct cox_dynamics *d, struct cox_err *err)
{
    double most = d->o.most_move_A / d->o.timestep_ps;
    for (int i = 0; i < d->s.n; i++) {
        const double *v = d->s.v[i];
        double speed = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
        if (!(speed <= most))
            return cox_err_set(err, COX_EUNSTABLE,
                               "step %lld: atom %d moves %.3g Å in one step (allowed: %g Å): the "
                               "run has blown up; try a shorter timestep, a relaxed start, or a "
                               "model that knows such structures",
                               (long long)d->s.step, i, speed * d->o.timestep_ps, d->o.most_move_A);
    }
    return COX_OK;
}

static int look_at_temperature(const struct cox_dynamics *d, struct cox_err *err)
{
    struct cox_dyn_sample s;
    cox_dynamics_sample(d, &s);
    if (isfinite(s.conserved) && s.temperature_K <= d->o.most_temperature_K)
        return COX_OK;
    int hottest = 0;
    double most = -1;
    for (int i = 0; i < d->s.n; i++) {
        const double *v = d->s.v[i];
        double energy = d->s.mass[i] * (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
        if (!(energy <= most)) {
            most = energy;
            hottest = i;
        }
        if (!isfinite(energy))
            break;
    }
    return cox_err_set(
        err, COX_EUNSTABLE,
        "step %lld: the temperature is %.4g K (allowed: %g K), potential energy %.6g "
        "eV, atom %d the hottest: the run has blown up; try a shorter timestep, a "
        "relaxed start, or a model that knows such structures",
        (long long)d->s.step, s.temperature_K, d->o.most_temperature_K, s.potential, hottest);
}

int cox_dynamics_step(struct cox_dynamics *d, struct cox_err *err)
{
    const double t = d->o.timestep_ps;
    const int a = d->o.deform_axis;
    d->s.step++;
    cox_dyn_set_target(d);
    if (d->o.thermostat == COX_DYN_NOSE_HOOVER)
        cox_dyn_chain_half(d);
    push(d, 0.5 * t);
    int rc = look_for_blow_up(d, err);
    if (rc)
        return rc;
    if (d->o.thermostat == COX_DYN_LANGEVIN) {
        drift(d, 0.5 * t);
        cox_dyn_langevin(d);
        drift(d, 0.5 * t);
    } else {
        drift(d, t);
    }
    double strain = deform(d);
    double before = strain != 0 ? d->s.virial[a][a] : 0;
    rc = evaluate(d, err);
    if (rc)
        return rc;
    if (strain != 0)
        d->heat -= 0.5 * (before + d->s.virial[a][a]) * strain;
    push(d, 0.5 * t);
    if (d->o.thermostat == COX_DYN_NOSE_HOOVER)
        cox_dyn_chain_half(d);
    rc = look_at_temperature(d, err);
    if (!rc && d->o.barostat != COX_DYN_FIXED && d->s.step % d->o.barostat_every == 0)
        rc = cox_dyn_barostat_move(d, err);
    return rc;
}

/* ---- looking ---- */

double cox_dyn_volume(const double h[3][3])
{
    return fabs(h[0][0] * (h[1][1] * h[2][2] - h[1][2] * h[2][1]) -
                h[0][1] * (h[1][0] * h[2][2] - h[1][2] * h[2][0]) +
                h[0][2] * (h[1][0] * h[2][1] - h[1][1] * h[2][0]));
}

/* Temperature and pressure of Langevin dynamics are those of the velocities between the half
 * drifts; the conserved energy needs those at the full step. */
void cox_dynamics_sample(const struct cox_dynamics *d, struct cox_dyn_sample *out)
{
    double full[3][3];
    double total = 0;
    *out = (struct cox_dyn_sample){.step = d->s.step,
                                   .time_ps = (double)d->s.step * d->o.timestep_ps,
                                   .target_K = d->target_K,
                                   .potential = d->s.energy};
    cox_dyn_kinetic(d, full);
    const double(*twice)[3] = (const double(*)[3])full;
    if (d->o.thermostat == COX_DYN_LANGEVIN)
        twice = (const double(*)[3])d->middle;
    double at_step = 0.5 * (full[0][0] + full[1][1] + full[2][2]);
    out->kinetic = 0.5 * (twice[0][0] + twice[1][1] + twice[2][2]);
    out->temperature_K = 2 * out->kinetic / (cox_dynamics_freedoms(d) * COX_DYN_BOLTZMANN);
    out->conserved = at_step + d->s.energy + cox_dyn_chain_energy(d) - d->heat;
    out->accepted = d->tried ? (double)d->accepted / (double)d->tried : 0;
    if (!d->s.box.periodic)
        return;
    out->volume = cox_dyn_volume((const double(*)[3])d->s.box.h);
    for (int i = 0; i < d->s.n; i++)
        total += d->s.mass[i];
    out->density = total / COX_DYN_MASS / out->volume * G_CM3;
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++)
            out->stress_bar[i][k] = (twice[i][k] + 0.5 * (d->s.virial[i][k] + d->s.virial[k][i])) /
                                    out->volume * COX_DYN_BAR;
        out->pressure_bar += out->stress_bar[i][i] / 3;
    }
}

/* ---- saving ---- */

struct header {
    uint64_t magic, size;
    int64_t n, step, tried, accepted;
    double target_K, heat, first_length, energy;
    double virial[3][3], middle[3][3], h[3][3];
    double eta[COX_DYN_MAX_CHAIN], eta_v[COX_DYN_MAX_CHAIN], eta_mass[COX_DYN_MAX_CHAIN];
    int64_t periodic;
};

size_t cox_dynamics_size(const struct cox_dynamics *d)
{
    return sizeof(struct header) + 3 * (size_t)d->s.n * sizeof *d->s.x + d->field->state_size;
}

void cox_dynamics_save(const struct cox_dynamics *d, void *bytes)
{
    const size_t block = (size_t)d->s.n * sizeof *d->s.x;
    struct header h = {.magic = MAGIC,
                       .size = cox_dynamics_size(d),
                       .n = d->s.n,
                       .step = d->s.step,
                       .tried = d->tried,
                       .accepted = d->accepted,
                       .target_K = d->target_K,
                       .heat = d->heat,
                       .first_length = d->first_length,
                       .energy = d->s.energy,
                       .periodic = d->s.box.periodic};
    memcpy(h.virial, d->s.virial, sizeof h.virial);
    memcpy(h.middle, d->middle, sizeof h.middle);
    memcpy(h.h, d->s.box.h, sizeof h.h);
    memcpy(h.eta, d->eta, sizeof h.eta);
    memcpy(h.eta_v, d->eta_v, sizeof h.eta_v);
    memcpy(h.eta_mass, d->eta_mass, sizeof h.eta_mass);
    char *at = bytes;
    memcpy(at, &h, sizeof h);
    memcpy(at += sizeof h, d->s.x, block);
    memcpy(at += block, d->s.v, block);
    memcpy(at += block, d->s.force, block);
    if (d->field->state_size)
        d->field->save(d->field->self, at + block);
}

int cox_dynamics_restore(struct cox_dynamics *d, const void *bytes, size_t size,
                         struct cox_err *err)
{
    const size_t block = (size_t)d->s.n * sizeof *d->s.x;
    const char *at = bytes;
    struct header h = {0};
    if (size >= sizeof h)
        memcpy(&h, at, sizeof h);
    if (size != cox_dynamics_size(d) || h.magic != MAGIC || h.size != size || h.n != d->s.n)
        return cox_err_set(err, COX_EFORMAT,
                           "the saved state is of %lld atoms and %lld bytes; %d atoms and %lld "
                           "bytes are needed",
                           (long long)h.n, (long long)size, d->s.n,
                           (long long)cox_dynamics_size(d));
    d->s.step = h.step;
    d->tried = h.tried;
    d->accepted = h.accepted;
    d->target_K = h.target_K;
    d->heat = h.heat;
    d->first_length = h.first_length;
    d->s.energy = h.energy;
    d->s.box.periodic = h.periodic;
    memcpy(d->s.virial, h.virial, sizeof h.virial);
    memcpy(d->middle, h.middle, sizeof h.middle);
    memcpy(d->s.box.h, h.h, sizeof h.h);
    memcpy(d->eta, h.eta, sizeof h.eta);
    memcpy(d->eta_v, h.eta_v, sizeof h.eta_v);
    memcpy(d->eta_mass, h.eta_mass, sizeof h.eta_mass);
    memcpy(d->s.x, at += sizeof h, block);
    memcpy(d->s.v, at += block, block);
    memcpy(d->s.force, at += block, block);
    return d->field->state_size ? d->field->restore(d->field->self, at + block, err) : COX_OK;
}
