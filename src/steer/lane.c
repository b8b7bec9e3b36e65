/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/lane.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

int cox_lanes_init(struct cox_lanes *s, const struct cox_system *system,
                   const struct cox_settings *settings, int n, int threads, struct cox_err *err)
{
    static const char *const kinds[] = {"ensemble", "fake"};
    const struct cox_settings_simulation *m = &settings->simulation;
    *s = (struct cox_lanes){.settings = settings,
                            .n = n,
                            .n_atoms = system->n_atoms,
                            .steps_per_frame = (int)lround(m->frame_ps * 1000 / m->timestep_fs),
                            .frames_per_segment = (int)lround(m->segment_ps / m->frame_ps)};
    struct cox_engine_options options = COX_ENGINE_OPTIONS_INIT;
    options.replicas = n;
    options.threads = threads;
    options.timestep_fs = m->timestep_fs;
    options.temperature_K = m->temperature_K;
    options.friction_per_ps = m->friction_per_ps;
    options.hydrogen_mass_u = m->hydrogen_mass_u;
    options.constrain_hydrogens = m->constrain_hydrogens;
    options.slow_every = m->slow_every;
    options.seed = (uint64_t)settings->seed;
    s->lane = cox_alloc((size_t)n, sizeof *s->lane);
    s->x = cox_alloc((size_t)s->n_atoms, sizeof *s->x);
    s->v = cox_alloc((size_t)s->n_atoms, sizeof *s->v);
    int rc = s->lane && s->x && s->v
                 ? cox_engine_create(&s->engine, kinds[m->engine], system, &options, err)
                 : cox_err_set(err, COX_ENOMEM, "out of memory for %d replicas of %d atoms", n,
                               s->n_atoms);
    if (!rc)
        rc = cox_thermometer_init(&s->thermometer, system, m, err);
    if (rc)
        cox_lanes_deinit(s);
    return rc;
}

void cox_lanes_deinit(struct cox_lanes *s)
{
    cox_engine_destroy(s->engine);
    cox_thermometer_deinit(&s->thermometer);
    cox_free(s->lane);
    cox_free(s->x);
    cox_free(s->v);
    *s = (struct cox_lanes){0};
}

static void to_double(int n, const float *from, double (*to)[3])
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            to[i][k] = (double)from[3 * i + k];
}

static void to_float(int n, const double (*from)[3], float *to)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            to[3 * i + k] = (float)from[i][k];
}

uint64_t cox_lane_seed(const struct cox_settings *settings, int64_t segment)
{
    return cox_seed_mix((uint64_t)settings->seed, (uint64_t)segment) >> 1;
}

int cox_lanes_place(struct cox_lanes *s, int lane, const float *x, struct cox_err *err)
{
    to_double(s->n_atoms, x, s->x);
    return cox_engine_set_positions(s->engine, lane, (const double(*)[3])s->x, err);
}

int cox_lanes_begin(struct cox_lanes *s, int lane, int64_t id, uint64_t seed,
                    const struct cox_origin *origin, struct cox_err *err)
{
    struct cox_lane *l = &s->lane[lane];
    l->segment = id;
    if (origin->continued)
        return COX_OK;
    l->seed = seed;
    if (origin->start >= 0)
        l->start = origin->start;
    int rc = cox_lanes_place(s, lane, origin->x, err);
    if (!rc)
        rc = cox_engine_set_seed(s->engine, lane, seed, err);
    if (!rc && origin->v) {
        to_double(s->n_atoms, origin->v, s->v);
        rc = cox_engine_set_velocities(s->engine, lane, (const double(*)[3])s->v, err);
    } else if (!rc) {
        rc = cox_engine_draw_velocities(s->engine, lane, err);
    }
    return rc;
}

int cox_lanes_read(struct cox_lanes *s, int lane, float *x, float *v, float *temperature_K,
                   struct cox_err *err)
{
    int rc = cox_engine_get_state(s->engine, lane, s->x, s->v, err);
    if (rc)
        return rc;
    if (x)
        to_float(s->n_atoms, (const double(*)[3])s->x, x);
    if (v)
        to_float(s->n_atoms, (const double(*)[3])s->v, v);
    if (temperature_K)
        *temperature_K = (float)cox_thermometer_read(&s->thermometer, (const double(*)[3])s->v);
    return COX_OK;
}

size_t cox_lanes_size(const struct cox_lanes *s)
{
    return sizeof(struct cox_lane) + cox_engine_lane_size(s->engine);
}

int cox_lanes_save(struct cox_lanes *s, int lane, void *bytes, struct cox_err *err)
{
    memcpy(bytes, &s->lane[lane], sizeof(struct cox_lane));
    return cox_engine_save_lane(s->engine, lane, (char *)bytes + sizeof(struct cox_lane), err);
}

int cox_lanes_restore(struct cox_lanes *s, int lane, const void *bytes, struct cox_err *err)
{
    memcpy(&s->lane[lane], bytes, sizeof(struct cox_lane));
    return cox_engine_restore_lane(s->engine, lane, (const char *)bytes + sizeof(struct cox_lane),
                                   err);
}
