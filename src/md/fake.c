/* SPDX-License-Identifier: BSD-3-Clause */
/* The "fake" engine: an instant stand-in, so that tests of the steering loop run in milliseconds.
 *
 * A lane wanders around the system's positions like a bead chain: every STRIDE steps the positions
 * relax towards them by a few per cent and get a random kick along the first MODES Rouse modes
 * (cosines along the chain of residues; Doi & Edwards 1986, section 4.1) and a small one per atom.
 * So RMSD and contact maps vary smoothly and differently per lane. Kicks are a function of (seed,
 * step), hence exact for any cutting of steps into calls and for restored lanes. Velocities are
 * kept but move nothing. The only energy is the harmonic tether (reported as `bond`).
 *
 * Blow-ups on demand: with COX_FAKE_BLOW_ONE_IN=n in the environment when the engine is created,
 * a lane blows up BLOW_STEP steps after its seed was set, if its seed is one of the unlucky:
 * cox_seed_mix(seed, BLOW_SALT) % n == 0. n = 1: every lane. */
#include "md/engine_ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"

#define MODES 8
#define STRIDE 100
#define BLOW_STEP 500
#define BLOW_SALT 0xb10c
#define SPREAD_NM 0.25            /* amplitude of the first mode at 300 K */
#define JITTER_NM 0.005           /* of single atoms per kick */
#define RELAX_PS 10.0             /* of the tether */
#define TETHER_K 1000.0           /* kJ/mol/nm² */
#define MAGIC 0x316b6166786f63ULL /* "coxfak1" */

struct lane {
    uint64_t seed;
    int64_t steps;
    double temperature_K;
    int64_t draws; /* velocities drawn since the seed was set */
    int32_t state;
    char reason[92];
};

struct fake {
    int n_atoms, replicas;
    double timestep_ps;
    long blow_one_in;        /* 0: never */
    double *mass;            /* [n_atoms] */
    double (*origin)[3];     /* [n_atoms] */
    float (*mode)[MODES];    /* [n_atoms] */
    struct lane *lane;       /* [replicas] */
    double (*x)[3], (*v)[3]; /* [replicas][n_atoms] */
    struct cox_engine_pass pass;
};

static void destroy(void *self)
{
    struct fake *f = self;
    if (!f)
        return;
    cox_free(f->mass);
    cox_free(f->origin);
    cox_free(f->mode);
    cox_free(f->lane);
    cox_free(f->x);
    cox_free(f->v);
    cox_free(f);
}

static void modes_fill(struct fake *f, const struct cox_system *system)
{
    const double pi = 3.14159265358979323846;
    for (int i = 0; i < f->n_atoms; i++) {
        double along =
            (system->residue[i] + 0.5) / (system->n_residues > 0 ? system->n_residues : 1);
        for (int m = 0; m < MODES; m++)
            f->mode[i][m] = (float)(SPREAD_NM / (m + 1) * cos(pi * (m + 1) * along));
    }
}

static int create(void **self, const struct cox_system *system,
                  const struct cox_engine_options *options, struct cox_err *err)
{
    struct fake *f = cox_alloc(1, sizeof *f);
    if (!f)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    size_t n = (size_t)system->n_atoms, all = n * (size_t)options->replicas;
    f->n_atoms = system->n_atoms;
    f->replicas = options->replicas;
    f->timestep_ps = options->timestep_fs * 1e-3;
    f->pass.name = "fake";
    f->mass = cox_alloc(n, sizeof *f->mass);
    f->origin = cox_alloc(n, sizeof *f->origin);
    f->mode = cox_alloc(n, sizeof *f->mode);
    f->lane = cox_alloc((size_t)options->replicas, sizeof *f->lane);
    f->x = cox_alloc(all, sizeof *f->x);
    f->v = cox_alloc(all, sizeof *f->v);
    if (!f->mass || !f->origin || !f->mode || !f->lane || !f->x || !f->v) {
        destroy(f);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d replicas of %d atoms",
                           options->replicas, system->n_atoms);
    }
    const char *blow = getenv("COX_FAKE_BLOW_ONE_IN");
    long long one_in = 0;
    if (blow && (cox_parse_int(blow, &one_in) || one_in < 0)) {
        destroy(f);
        return cox_err_set(err, COX_EINVAL, "COX_FAKE_BLOW_ONE_IN is '%s'; it must be 0, 1, 2 …",
                           blow);
    }
    f->blow_one_in = (long)one_in;
    memcpy(f->mass, system->mass_u, n * sizeof *f->mass);
    memcpy(f->origin, system->position_nm, n * sizeof *f->origin);
    modes_fill(f, system);
    for (int l = 0; l < f->replicas; l++) {
        memcpy(f->x + (size_t)l * n, f->origin, n * sizeof *f->x);
        f->lane[l].seed = cox_seed_mix(options->seed, (uint64_t)l);
        f->lane[l].temperature_K = options->temperature_K;
    }
    *self = f;
    return COX_OK;
}

static const char *version(const void *self)
{
    (void)self;
    return "fake " COX_VERSION;
}

static int lane_width(const void *self)
{
    (void)self;
    return 1;
}

static int set_positions(void *self, int lane, const double (*x)[3], struct cox_err *err)
{
    struct fake *f = self;
    (void)err;
    memcpy(f->x + (size_t)lane * (size_t)f->n_atoms, x, (size_t)f->n_atoms * sizeof *x);
    f->lane[lane].state = COX_LANE_OK;
    f->lane[lane].reason[0] = 0;
    return COX_OK;
}

static int set_velocities(void *self, int lane, const double (*v)[3], struct cox_err *err)
{
    struct fake *f = self;
    (void)err;
    memcpy(f->v + (size_t)lane * (size_t)f->n_atoms, v, (size_t)f->n_atoms * sizeof *v);
    return COX_OK;
}

static int draw_velocities(void *self, int lane, struct cox_err *err)
{
    struct fake *f = self;
    struct lane *l = &f->lane[lane];
    double(*v)[3] = f->v + (size_t)lane * (size_t)f->n_atoms;
    (void)err;
    struct cox_rng rng;
    cox_rng_init(&rng, l->seed, 0x76000000u + (uint64_t)l->draws++);
    for (int i = 0; i < f->n_atoms; i++) {
        double width = sqrt(COX_BOLTZMANN * l->temperature_K / f->mass[i]);
        for (int k = 0; k < 3; k++)
            v[i][k] = width * cox_rng_normal(&rng);
    }
    return COX_OK;
}

static int set_temperature(void *self, int lane, double temperature_K, struct cox_err *err)
{
    (void)err;
    ((struct fake *)self)->lane[lane].temperature_K = temperature_K;
    return COX_OK;
}

static int set_seed(void *self, int lane, uint64_t seed, struct cox_err *err)
{
    struct lane *l = &((struct fake *)self)->lane[lane];
    (void)err;
    l->seed = seed;
    l->steps = 0;
    l->draws = 0;
    return COX_OK;
}

/* The start is as low as the tether can be asked for: nothing to do. */
static int minimize(void *self, int max_steps, double tolerance, struct cox_err *err)
{
    (void)self, (void)max_steps, (void)tolerance, (void)err;
    return COX_OK;
}

static void kick(const struct fake *f, const struct lane *l, double (*x)[3])
{
    struct cox_rng rng;
    cox_rng_init(&rng, l->seed, (uint64_t)l->steps);
    /* Ornstein-Uhlenbeck: stationary width is that of the modes, whatever the time step */
    double keep = exp(-STRIDE * f->timestep_ps / RELAX_PS);
    double width = sqrt((1 - keep * keep) * l->temperature_K / 300);
    float a[3][MODES];
    for (int k = 0; k < 3; k++)
        for (int m = 0; m < MODES; m++)
            a[k][m] = (float)(width * cox_rng_normal(&rng));
    uint64_t noise = cox_rng_u64(&rng) | 1;
    for (int i = 0; i < f->n_atoms; i++)
        for (int k = 0; k < 3; k++) {
            float sum = 0;
            for (int m = 0; m < MODES; m++)
                sum += a[k][m] * f->mode[i][m];
            noise ^= noise << 13, noise ^= noise >> 7, noise ^= noise << 17; /* xorshift64 */
            double jitter = JITTER_NM * ((double)(noise >> 11) * 0x1p-52 - 1);
            x[i][k] = f->origin[i][k] + keep * (x[i][k] - f->origin[i][k]) + (double)sum + jitter;
        }
}

static int step(void *self, int n, struct cox_err *err)
{
    struct fake *f = self;
    double began = cox_clock_seconds();
    (void)err;
    for (int lane = 0; lane < f->replicas; lane++) {
        struct lane *l = &f->lane[lane];
        if (l->state != COX_LANE_OK)
            continue;
        double(*x)[3] = f->x + (size_t)lane * (size_t)f->n_atoms;
        bool unlucky =
            f->blow_one_in > 0 && cox_seed_mix(l->seed, BLOW_SALT) % (uint64_t)f->blow_one_in == 0;
        int64_t end = l->steps + n;
        for (int64_t s = (l->steps / STRIDE + 1) * STRIDE; s <= end; s += STRIDE) {
            l->steps = s;
            if (unlucky && s == BLOW_STEP) {
                l->state = COX_LANE_BLOWN;
                snprintf(l->reason, sizeof l->reason,
                         "step %lld: asked to blow up (COX_FAKE_BLOW_ONE_IN=%ld)", (long long)s,
                         f->blow_one_in);
                break;
            }
            kick(f, l, x);
        }
        if (l->state == COX_LANE_OK)
            l->steps = end;
    }
    f->pass.seconds += cox_clock_seconds() - began;
    return COX_OK;
}

static enum cox_lane_state lane_state(const void *self, int lane)
{
    return (enum cox_lane_state)((const struct fake *)self)->lane[lane].state;
}

static const char *lane_reason(const void *self, int lane)
{
    return ((const struct fake *)self)->lane[lane].reason;
}

static int64_t lane_steps(const void *self, int lane)
{
    return ((const struct fake *)self)->lane[lane].steps;
}

static int get_state(void *self, int lane, double (*x)[3], double (*v)[3], struct cox_err *err)
{
    struct fake *f = self;
    size_t n = (size_t)f->n_atoms;
    (void)err;
    if (x)
        memcpy(x, f->x + (size_t)lane * n, n * sizeof *x);
    if (v)
        memcpy(v, f->v + (size_t)lane * n, n * sizeof *v);
    return COX_OK;
}

static int evaluate(void *self, int lane, struct cox_energies *energies, double (*force)[3],
                    struct cox_err *err)
{
    struct fake *f = self;
    const double(*x)[3] = (const double(*)[3])f->x + (size_t)lane * (size_t)f->n_atoms;
    const double(*v)[3] = (const double(*)[3])f->v + (size_t)lane * (size_t)f->n_atoms;
    struct cox_energies e = {0};
    (void)err;
    for (int i = 0; i < f->n_atoms; i++)
        for (int k = 0; k < 3; k++) {
            double d = x[i][k] - f->origin[i][k];
            e.bond += 0.5 * TETHER_K * d * d;
            e.kinetic += 0.5 * f->mass[i] * v[i][k] * v[i][k];
            if (force)
                force[i][k] = -TETHER_K * d;
        }
    e.potential = e.bond;
    e.temperature_K = 2 * e.kinetic / (3.0 * f->n_atoms * COX_BOLTZMANN);
    if (energies)
        *energies = e;
    return COX_OK;
}

/* magic, number of atoms, struct lane, x, v */
static size_t lane_size(const void *self)
{
    size_t n = (size_t)((const struct fake *)self)->n_atoms;
    return 16 + sizeof(struct lane) + 2 * n * sizeof(double[3]);
}

static int save_lane(void *self, int lane, void *bytes, struct cox_err *err)
{
    struct fake *f = self;
    size_t n = (size_t)f->n_atoms, block = n * sizeof(double[3]);
    uint64_t head[2] = {MAGIC, n};
    char *p = bytes;
    (void)err;
    memcpy(p, head, sizeof head);
    memcpy(p + 16, &f->lane[lane], sizeof(struct lane));
    memcpy(p + 16 + sizeof(struct lane), f->x + (size_t)lane * n, block);
    memcpy(p + 16 + sizeof(struct lane) + block, f->v + (size_t)lane * n, block);
    return COX_OK;
}

static int restore_lane(void *self, int lane, const void *bytes, struct cox_err *err)
{
    struct fake *f = self;
    size_t n = (size_t)f->n_atoms, block = n * sizeof(double[3]);
    uint64_t head[2];
    const char *p = bytes;
    memcpy(head, p, sizeof head);
    if (head[0] != MAGIC || head[1] != n)
        return cox_err_set(err, COX_EFORMAT,
                           "restore lane %d: not a lane of the fake engine with %d atoms", lane,
                           f->n_atoms);
    memcpy(&f->lane[lane], p + 16, sizeof(struct lane));
    f->lane[lane].reason[sizeof f->lane[lane].reason - 1] = 0;
    memcpy(f->x + (size_t)lane * n, p + 16 + sizeof(struct lane), block);
    memcpy(f->v + (size_t)lane * n, p + 16 + sizeof(struct lane) + block, block);
    return COX_OK;
}

static int profile(const void *self, const struct cox_engine_pass **out)
{
    *out = &((const struct fake *)self)->pass;
    return 1;
}

const struct cox_engine_ops cox_engine_fake_ops = {
    .kind = "fake",
    .create = create,
    .destroy = destroy,
    .version = version,
    .lane_width = lane_width,
    .set_positions = set_positions,
    .set_velocities = set_velocities,
    .draw_velocities = draw_velocities,
    .set_temperature = set_temperature,
    .set_seed = set_seed,
    .minimize = minimize,
    .step = step,
    .lane_state = lane_state,
    .lane_reason = lane_reason,
    .lane_steps = lane_steps,
    .get_state = get_state,
    .evaluate = evaluate,
    .lane_size = lane_size,
    .save_lane = save_lane,
    .restore_lane = restore_lane,
    .profile = profile,
};
