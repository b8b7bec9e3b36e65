/* SPDX-License-Identifier: BSD-3-Clause */
#include "cox/engine.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "md/engine_ops.h"

static const struct cox_engine_ops *const kinds[] = {&cox_engine_ensemble_ops,
                                                     &cox_engine_fake_ops};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

struct cox_engine {
    const struct cox_engine_ops *ops;
    void *self;
    int replicas, n_atoms;
};

static int check_options(const struct cox_engine_options *o, struct cox_err *err)
{
    const struct {
        const char *name;
        double value, minimum, maximum;
    } checks[] = {
        {"replicas", o->replicas, 1, 1e6},
        {"timestep_fs", o->timestep_fs, 1e-6, 10},
        {"temperature_K", o->temperature_K, 0, 1e5},
        {"friction_per_ps", o->friction_per_ps, 0, 1e4},
        {"hydrogen_mass_u", o->hydrogen_mass_u, 0, 8},
        {"constraint_tolerance", o->constraint_tolerance, 1e-9, 1e-2},
        {"slow_every", o->slow_every, 1, 16},
        {"threads", o->threads, 0, 4096},
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        if (!(checks[i].value >= checks[i].minimum && checks[i].value <= checks[i].maximum))
            return cox_err_set(err, COX_EINVAL, "%s must be from %g to %g, not %g", checks[i].name,
                               checks[i].minimum, checks[i].maximum, checks[i].value);
    return COX_OK;
}

int cox_engine_create(struct cox_engine **out, const char *kind, const struct cox_system *system,
                      const struct cox_engine_options *options, struct cox_err *err)
{
    *out = NULL;
    const struct cox_engine_ops *ops = NULL;
    for (size_t i = 0; i < N_KINDS; i++)
        if (!strcmp(kinds[i]->kind, kind))
            ops = kinds[i];
    if (!ops)
        return cox_err_set(err, COX_EINVAL, "unknown engine '%s' (allowed: ensemble, fake)", kind);
    int rc = check_options(options, err);
    if (!rc)
        rc = cox_system_check(system, err);
    if (rc)
        return cox_err_wrap(err, rc, "engine '%s'", kind);
    struct cox_engine *engine = cox_alloc(1, sizeof *engine);
    if (!engine)
        return cox_err_set(err, COX_ENOMEM, "out of memory for engine '%s'", kind);
    engine->ops = ops;
    engine->replicas = options->replicas;
    engine->n_atoms = system->n_atoms;
    rc = ops->create(&engine->self, system, options, err);
    if (rc) {
        cox_free(engine);
        return cox_err_wrap(err, rc, "engine '%s'", kind);
    }
    *out = engine;
    return COX_OK;
}

void cox_engine_destroy(struct cox_engine *engine)
{
    if (!engine)
        return;
    engine->ops->destroy(engine->self);
    cox_free(engine);
}

const char *cox_engine_version(const struct cox_engine *engine)
{
    return engine->ops->version(engine->self);
}

int cox_engine_replicas(const struct cox_engine *engine)
{
    return engine->replicas;
}

int cox_engine_lane_width(const struct cox_engine *engine)
{
    return engine->ops->lane_width(engine->self);
}

static int check_lane(const struct cox_engine *engine, int lane, struct cox_err *err)
{
    if (lane < 0 || lane >= engine->replicas)
        return cox_err_set(err, COX_EINVAL, "lane %d is not one of 0 … %d", lane,
                           engine->replicas - 1);
    return COX_OK;
}

static int check_vectors(const struct cox_engine *engine, const char *what, const double (*x)[3],
                         struct cox_err *err)
{
    for (int i = 0; i < engine->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            if (!isfinite(x[i][k]))
                return cox_err_set(err, COX_EINVAL, "%s of atom %d is not finite", what, i);
    return COX_OK;
}

int cox_engine_set_positions(struct cox_engine *engine, int lane, const double (*x)[3],
                             struct cox_err *err)
{
    int rc = check_lane(engine, lane, err);
    if (!rc)
        rc = check_vectors(engine, "position", x, err);
    return rc ? rc : engine->ops->set_positions(engine->self, lane, x, err);
}

int cox_engine_set_velocities(struct cox_engine *engine, int lane, const double (*v)[3],
                              struct cox_err *err)
{
    int rc = check_lane(engine, lane, err);
    if (!rc)
        rc = check_vectors(engine, "velocity", v, err);
    return rc ? rc : engine->ops->set_velocities(engine->self, lane, v, err);
}

int cox_engine_draw_velocities(struct cox_engine *engine, int lane, struct cox_err *err)
{
    int rc = check_lane(engine, lane, err);
    return rc ? rc : engine->ops->draw_velocities(engine->self, lane, err);
}

int cox_engine_set_temperature(struct cox_engine *engine, int lane, double temperature_K,
                               struct cox_err *err)
{
    int rc = check_lane(engine, lane, err);
    if (!rc && !(temperature_K >= 0 && temperature_K <= 1e5))
        rc = cox_err_set(err, COX_EINVAL, "temperature_K must be from 0 to 100000, not %g",
                         temperature_K);
    return rc ? rc : engine->ops->set_temperature(engine->self, lane, temperature_K, err);
}

int cox_engine_set_seed(struct cox_engine *engine, int lane, uint64_t seed, struct cox_err *err)
{
    int rc = check_lane(engine, lane, err);
    return rc ? rc : engine->ops->set_seed(engine->self, lane, seed, err);
}

int cox_engine_minimize(struct cox_engine *engine, int max_steps, double tolerance,
                        struct cox_err *err)
{
    if (max_steps < 0 || !(tolerance >= 0))
        return cox_err_set(err, COX_EINVAL,
                           "minimisation needs max_steps >= 0 and tolerance >= 0, not %d and %g",
                           max_steps, tolerance);
    return engine->ops->minimize(engine->self, max_steps, tolerance, err);
}

int cox_engine_step(struct cox_engine *engine, int n, struct cox_err *err)
{
    if (n < 0)
        return cox_err_set(err, COX_EINVAL, "cannot take %d steps", n);
    return n ? engine->ops->step(engine->self, n, err) : COX_OK;
}

enum cox_lane_state cox_engine_lane_state(const struct cox_engine *engine, int lane)
{
    return engine->ops->lane_state(engine->self, lane);
}

const char *cox_engine_lane_reason(const struct cox_engine *engine, int lane)
{
    return engine->ops->lane_reason(engine->self, lane);
}

int64_t cox_engine_lane_steps(const struct cox_engine *engine, int lane)
{
    return engine->ops->lane_steps(engine->self, lane);
}

int cox_engine_get_state(struct cox_engine *engine, int lane, double (*x)[3], double (*v)[3],
                         struct cox_err *err)
{
    int rc = check_lane(engine, lane, err);
    return rc ? rc : engine->ops->get_state(engine->self, lane, x, v, err);
}

int cox_engine_evaluate(struct cox_engine *engine, int lane, struct cox_energies *energies,
                        double (*force)[3], struct cox_err *err)
{
    int rc = check_lane(engine, lane, err);
    return rc ? rc : engine->ops->evaluate(engine->self, lane, energies, force, err);
}

size_t cox_engine_lane_size(const struct cox_engine *engine)
{
    return engine->ops->lane_size(engine->self);
}

int cox_engine_save_lane(struct cox_engine *engine, int lane, void *bytes, struct cox_err *err)
{
    int rc = check_lane(engine, lane, err);
    return rc ? rc : engine->ops->save_lane(engine->self, lane, bytes, err);
}

int cox_engine_restore_lane(struct cox_engine *engine, int lane, const void *bytes,
                            struct cox_err *err)
{
    int rc = check_lane(engine, lane, err);
    return rc ? rc : engine->ops->restore_lane(engine->self, lane, bytes, err);
}

int cox_engine_profile(const struct cox_engine *engine, const struct cox_engine_pass **out)
{
    return engine->ops->profile(engine->self, out);
}
