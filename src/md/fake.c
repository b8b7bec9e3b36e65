/* SPDX-License-Identifier: BSD-3-Clause */
/* An instant stand-in for tests of the loop: every atom is a free overdamped particle that diffuses
 * about where it stands, so lanes spread and a selection among them has something to select. It
 * honours seeds, steps, temperature and checkpoints exactly as a real engine does. A call of any
 * number of steps costs the same: the noise of a step block is a function of (seed, block).
 *
 * $COX_FAKE_BLOW="L:S" makes lane L blow up once it has done S steps since its seed was set. */
#include "md/engine_ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

#define BLOCK 50        /* steps that share one draw */
#define SPREAD_NM 0.004 /* RMS displacement in one block at 300 K */

struct lane {
    uint64_t seed;
    int64_t steps;
    double temperature_K;
    int blown;
    char reason[64];
};

struct fake {
    int n_atoms, replicas;
    struct lane *lane;
    float *x, *v; /* [replicas][n_atoms][3] */
    double *mass; /* [n_atoms] */
    int blow_lane;
    int64_t blow_steps;
};

static void fake_destroy(void *self)
{
    struct fake *f = self;
    cox_free(f->lane);
    cox_free(f->x);
    cox_free(f->v);
    cox_free(f->mass);
    cox_free(f);
}

static int fake_create(void **self, const struct cox_system *system,
                       const struct cox_engine_options *options, struct cox_err *err)
{
    struct fake *f = cox_alloc(1, sizeof *f);
    *self = NULL;
    if (!f)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    size_t n = (size_t)system->n_atoms;
    size_t floats = (size_t)options->replicas * n * 3;
    f->n_atoms = system->n_atoms;
    f->replicas = options->replicas;
    f->lane = cox_alloc((size_t)options->replicas, sizeof *f->lane);
    f->x = cox_alloc(floats, sizeof(float));
    f->v = cox_alloc(floats, sizeof(float));
    f->mass = cox_alloc(n, sizeof(double));
    if (!f->lane || !f->x || !f->v || !f->mass) {
        fake_destroy(f);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d replicas", options->replicas);
    }
    memcpy(f->mass, system->mass_u, n * sizeof(double));
    for (int lane = 0; lane < f->replicas; lane++) {
        f->lane[lane] = (struct lane){.seed = cox_seed_mix(options->seed, (uint64_t)lane),
                                      .temperature_K = options->temperature_K};
        for (size_t i = 0; i < 3 * n; i++)
            f->x[(size_t)lane * 3 * n + i] = (float)(&system->position_nm[0][0])[i];
    }
    f->blow_lane = -1;
    const char *blow = getenv("COX_FAKE_BLOW");
    long long steps;
    if (blow && sscanf(blow, "%d:%lld", &f->blow_lane, &steps) == 2)
        f->blow_steps = steps;
    *self = f;
    return COX_OK;
}

static const char *fake_version(const void *self)
{
    (void)self;
    return "fake " COX_VERSION;
}

static int fake_lane_width(const void *self)
{
    (void)self;
    return 1;
}

static float *of_lane(float *base, const struct fake *f, int lane)
{
    return base + (size_t)lane * (size_t)f->n_atoms * 3;
}

static int fake_set_positions(void *self, int lane, const double (*x)[3], struct cox_err *err)
{
    struct fake *f = self;
    float *to = of_lane(f->x, f, lane);
    (void)err;
    for (int i = 0; i < 3 * f->n_atoms; i++)
        to[i] = (float)(&x[0][0])[i];
    f->lane[lane].blown = 0;
    f->lane[lane].reason[0] = '\0';
    return COX_OK;
}

static int fake_set_velocities(void *self, int lane, const double (*v)[3], struct cox_err *err)
{
    struct fake *f = self;
    float *to = of_lane(f->v, f, lane);
    (void)err;
    for (int i = 0; i < 3 * f->n_atoms; i++)
        to[i] = (float)(&v[0][0])[i];
    return COX_OK;
}

static int fake_draw_velocities(void *self, int lane, struct cox_err *err)
{
    struct fake *f = self;
    float *v = of_lane(f->v, f, lane);
    struct cox_rng rng;
    (void)err;
    cox_rng_init(&rng, f->lane[lane].seed, UINT64_MAX);
    for (int i = 0; i < 3 * f->n_atoms; i++)
        v[i] = (float)(sqrt(COX_BOLTZMANN * f->lane[lane].temperature_K / f->mass[i / 3]) *
                       cox_rng_normal(&rng));
    return COX_OK;
}

static int fake_set_temperature(void *self, int lane, double temperature_K, struct cox_err *err)
{
    struct fake *f = self;
    (void)err;
    f->lane[lane].temperature_K = temperature_K;
    return COX_OK;
}

static int fake_set_seed(void *self, int lane, uint64_t seed, struct cox_err *err)
{
    struct fake *f = self;
    (void)err;
    f->lane[lane].seed = seed;
    f->lane[lane].steps = 0;
    return COX_OK;
}

static int fake_minimize(void *self, int max_steps, double tolerance, struct cox_err *err)
{
    (void)self;
    (void)max_steps;
    (void)tolerance;
    (void)err;
    return COX_OK;
}

static void diffuse(struct fake *f, int lane, int64_t block)
{
    struct lane *l = &f->lane[lane];
    float *x = of_lane(f->x, f, lane);
    struct cox_rng rng;
    double spread = SPREAD_NM * sqrt(l->temperature_K / 300);
    cox_rng_init(&rng, l->seed, (uint64_t)block);
    for (int i = 0; i < 3 * f->n_atoms; i++)
        x[i] += (float)(spread * cox_rng_normal(&rng));
}

static int fake_step(void *self, int n, struct cox_err *err)
{
    struct fake *f = self;
    (void)err;
    for (int lane = 0; lane < f->replicas; lane++) {
        struct lane *l = &f->lane[lane];
        if (l->blown)
            continue;
        int64_t before = l->steps / BLOCK;
        l->steps += n;
        for (int64_t block = before; block < l->steps / BLOCK; block++)
            diffuse(f, lane, block);
        if (lane == f->blow_lane && l->steps >= f->blow_steps) {
            l->blown = 1;
            f->blow_lane = -1; /* once */
            snprintf(l->reason, sizeof l->reason, "asked to, at step %lld", (long long)l->steps);
        }
    }
    return COX_OK;
}

static enum cox_lane_state fake_lane_state(const void *self, int lane)
{
    const struct fake *f = self;
    return f->lane[lane].blown ? COX_LANE_BLOWN : COX_LANE_OK;
}

static const char *fake_lane_reason(const void *self, int lane)
{
    const struct fake *f = self;
    return f->lane[lane].reason;
}

static int64_t fake_lane_steps(const void *self, int lane)
{
    const struct fake *f = self;
    return f->lane[lane].steps;
}

static int fake_get_state(void *self, int lane, double (*x)[3], double (*v)[3], struct cox_err *err)
{
    struct fake *f = self;
    (void)err;
    for (int i = 0; i < 3 * f->n_atoms; i++) {
        if (x)
            (&x[0][0])[i] = (double)of_lane(f->x, f, lane)[i];
        if (v)
            (&v[0][0])[i] = (double)of_lane(f->v, f, lane)[i];
    }
    return COX_OK;
}

/* Free particles: no potential energy, no force. */
static int fake_evaluate(void *self, int lane, struct cox_energies *energies, double (*force)[3],
                         struct cox_err *err)
{
    struct fake *f = self;
    const float *v = of_lane(f->v, f, lane);
    (void)err;
    if (force)
        memset(force, 0, (size_t)f->n_atoms * sizeof *force);
    if (energies) {
        *energies = (struct cox_energies){0};
        for (int i = 0; i < 3 * f->n_atoms; i++)
            energies->kinetic += 0.5 * f->mass[i / 3] * (double)v[i] * (double)v[i];
        energies->temperature_K = 2 * energies->kinetic / (3 * f->n_atoms * COX_BOLTZMANN);
    }
    return COX_OK;
}

static size_t fake_lane_size(const void *self)
{
    const struct fake *f = self;
    return sizeof(struct lane) + (size_t)f->n_atoms * 6 * sizeof(float);
}

static int fake_save_lane(void *self, int lane, void *bytes, struct cox_err *err)
{
    struct fake *f = self;
    size_t size = (size_t)f->n_atoms * 3 * sizeof(float);
    char *to = bytes;
    (void)err;
    memcpy(to, &f->lane[lane], sizeof(struct lane));
    memcpy(to + sizeof(struct lane), of_lane(f->x, f, lane), size);
    memcpy(to + sizeof(struct lane) + size, of_lane(f->v, f, lane), size);
    return COX_OK;
}

static int fake_restore_lane(void *self, int lane, const void *bytes, struct cox_err *err)
{
    struct fake *f = self;
    size_t size = (size_t)f->n_atoms * 3 * sizeof(float);
    const char *from = bytes;
    (void)err;
    memcpy(&f->lane[lane], from, sizeof(struct lane));
    memcpy(of_lane(f->x, f, lane), from + sizeof(struct lane), size);
    memcpy(of_lane(f->v, f, lane), from + sizeof(struct lane) + size, size);
    return COX_OK;
}

static int fake_profile(const void *self, const struct cox_engine_pass **out)
{
    (void)self;
    *out = NULL;
    return 0;
}

const struct cox_engine_ops cox_engine_fake_ops = {
    .kind = "fake",
    .create = fake_create,
    .destroy = fake_destroy,
    .version = fake_version,
    .lane_width = fake_lane_width,
    .set_positions = fake_set_positions,
    .set_velocities = fake_set_velocities,
    .draw_velocities = fake_draw_velocities,
    .set_temperature = fake_set_temperature,
    .set_seed = fake_set_seed,
    .minimize = fake_minimize,
    .step = fake_step,
    .lane_state = fake_lane_state,
    .lane_reason = fake_lane_reason,
    .lane_steps = fake_lane_steps,
    .get_state = fake_get_state,
    .evaluate = fake_evaluate,
    .lane_size = fake_lane_size,
    .save_lane = fake_save_lane,
    .restore_lane = fake_restore_lane,
    .profile = fake_profile,
};
