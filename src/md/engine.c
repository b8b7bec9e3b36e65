/* SPDX-License-Identifier: BSD-3-Clause */
/* Dispatch of cox/engine.h to the table of the engine's kind. All argument checks are here, so that
 * every engine refuses the same things in the same words. */
#include "md/engine_ops.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "md/ensemble/ensemble.h"

struct cox_engine {
    const struct cox_engine_ops *ops;
    void *self;
    int replicas;
    int n_atoms;
};

static const struct cox_engine_ops *const kinds[] = {
    &cox_engine_ensemble_ops,
    &cox_engine_fake_ops,
};
enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const struct cox_engine_ops *ops_find(const char *kind, struct cox_err *err)
{
    struct cox_str names;
    cox_str_init(&names, 256);
    for (int i = 0; i < N_KINDS; i++) {
        if (kind && strcmp(kind, kinds[i]->kind) == 0) {
            cox_str_deinit(&names);
            return kinds[i];
        }
        cox_str_addf(&names, "%s'%s'", i ? ", " : "", kinds[i]->kind);
    }
    (void)cox_err_set(err, COX_EINVAL, "no engine '%s'; there are %s", kind ? kind : "(null)",
                      cox_str_text(&names));
    cox_str_deinit(&names);
    return NULL;
}

static int check_range(const char *name, double value, double low, double high, struct cox_err *err)
{
    if (value >= low && value <= high) {
        return 0;
    }
    return cox_err_set(err, COX_EINVAL, "%s is %g; it must be %g … %g", name, value, low, high);
}

static int options_check(const struct cox_engine_options *o, struct cox_err *err)
{
    const struct {
        const char *name;
        double value, low, high;
    } checks[] = {
        {"replicas", o->replicas, 1, COX_ENGINE_REPLICAS_MAX},
        {"timestep_fs", o->timestep_fs, 1e-4, COX_ENGINE_TIMESTEP_MAX_FS},
        {"temperature_K", o->temperature_K, 0, COX_ENGINE_TEMPERATURE_MAX_K},
        {"friction_per_ps", o->friction_per_ps, 0, COX_ENGINE_FRICTION_MAX_PER_PS},
        {"constraint_tolerance", o->constraint_tolerance, COX_ENGINE_TOLERANCE_MIN,
         COX_ENGINE_TOLERANCE_MAX},
        {"slow_every", o->slow_every, 1, COX_ENGINE_SLOW_EVERY_MAX},
        {"threads", o->threads, 0, COX_ENGINE_THREADS_MAX},
    };
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        int rc = check_range(checks[i].name, checks[i].value, checks[i].low, checks[i].high, err);
        if (rc) {
            return rc;
        }
    }
    /* written so that a NaN is refused too */
    if (o->hydrogen_mass_u != 0 && !(o->hydrogen_mass_u >= COX_ENGINE_HYDROGEN_MASS_MIN_U &&
                                     o->hydrogen_mass_u <= COX_ENGINE_HYDROGEN_MASS_MAX_U)) {
        return cox_err_set(
            err, COX_EINVAL, "hydrogen_mass_u is %g; it must be 0 (as in the system) or %g … %g",
            o->hydrogen_mass_u, COX_ENGINE_HYDROGEN_MASS_MIN_U, COX_ENGINE_HYDROGEN_MASS_MAX_U);
    }
    return 0;
}

static int lane_check(const struct cox_engine *engine, int lane, struct cox_err *err)
{
    if (lane >= 0 && lane < engine->replicas) {
        return 0;
    }
    return cox_err_set(err, COX_EINVAL, "lane %d; the engine has lanes 0 … %d", lane,
                       engine->replicas - 1);
}

static int vectors_check(const char *what, const double (*x)[3], int n, struct cox_err *err)
{
    if (!x) {
        return cox_err_set(err, COX_EINVAL, "no %s given", what);
    }
    for (int i = 0; i < n; i++) {
        if (!isfinite(x[i][0]) || !isfinite(x[i][1]) || !isfinite(x[i][2])) {
            return cox_err_set(err, COX_EINVAL, "%s of atom %d: (%g, %g, %g) is not finite", what,
                               i, x[i][0], x[i][1], x[i][2]);
        }
    }
    return 0;
}

int cox_engine_create(struct cox_engine **out, const char *kind, const struct cox_system *system,
                      const struct cox_engine_options *options, struct cox_err *err)
{
    static const struct cox_engine_options defaults = COX_ENGINE_OPTIONS_INIT;
    *out = NULL;
    const struct cox_engine_ops *ops = ops_find(kind, err);
    if (!ops) {
        return COX_EINVAL;
    }
    if (!options) {
        options = &defaults;
    }
    int rc = options_check(options, err);
    if (rc) {
        return cox_err_wrap(err, rc, "engine '%s'", kind);
    }
    rc = cox_system_check(system, err);
    if (rc) {
        return cox_err_wrap(err, rc, "engine '%s': system", kind);
    }
    struct cox_engine *engine = cox_alloc(1, sizeof(*engine));
    if (!engine) {
        return cox_err_set(err, COX_ENOMEM, "engine '%s': out of memory", kind);
    }
    engine->ops = ops;
    engine->replicas = options->replicas;
    engine->n_atoms = system->n_atoms;
    rc = ops->create(&engine->self, system, options, err);
    if (rc) {
        cox_free(engine);
        return cox_err_wrap(err, rc, "engine '%s'", kind);
    }
    *out = engine;
    return 0;
}

void cox_engine_destroy(struct cox_engine *engine)
{
    if (engine) {
        engine->ops->destroy(engine->self);
        cox_free(engine);
    }
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

int cox_engine_set_positions(struct cox_engine *engine, int lane, const double (*x)[3],
                             struct cox_err *err)
{
    int rc = lane_check(engine, lane, err);
    if (!rc) {
        rc = vectors_check("position", x, engine->n_atoms, err);
    }
    if (!rc) {
        rc = engine->ops->set_positions(engine->self, lane, x, err);
    }
    return rc ? cox_err_wrap(err, rc, "set positions") : 0;
}

int cox_engine_set_velocities(struct cox_engine *engine, int lane, const double (*v)[3],
                              struct cox_err *err)
{
    int rc = lane_check(engine, lane, err);
    if (!rc) {
        rc = vectors_check("velocity", v, engine->n_atoms, err);
    }
    if (!rc) {
        rc = engine->ops->set_velocities(engine->self, lane, v, err);
    }
    return rc ? cox_err_wrap(err, rc, "set velocities") : 0;
}

int cox_engine_draw_velocities(struct cox_engine *engine, int lane, struct cox_err *err)
{
    int rc = lane_check(engine, lane, err);
    return rc ? rc : engine->ops->draw_velocities(engine->self, lane, err);
}

int cox_engine_set_temperature(struct cox_engine *engine, int lane, double temperature_K,
                               struct cox_err *err)
{
    int rc = lane_check(engine, lane, err);
    if (!rc) {
        rc = check_range("temperature_K", temperature_K, 0, COX_ENGINE_TEMPERATURE_MAX_K, err);
    }
    return rc ? rc : engine->ops->set_temperature(engine->self, lane, temperature_K, err);
}

int cox_engine_set_seed(struct cox_engine *engine, int lane, uint64_t seed, struct cox_err *err)
{
    int rc = lane_check(engine, lane, err);
    return rc ? rc : engine->ops->set_seed(engine->self, lane, seed, err);
}

int cox_engine_minimize(struct cox_engine *engine, int max_steps, double tolerance,
                        struct cox_err *err)
{
    if (max_steps < 0) {
        return cox_err_set(err, COX_EINVAL, "minimise: %d steps; it must be 0 or more", max_steps);
    }
    if (!(tolerance >= 0) || !isfinite(tolerance)) {
        return cox_err_set(err, COX_EINVAL,
                           "minimise: tolerance %g kJ/mol/nm; it must be finite and 0 or more",
                           tolerance);
    }
    return max_steps ? engine->ops->minimize(engine->self, max_steps, tolerance, err) : 0;
}

int cox_engine_step(struct cox_engine *engine, int n, struct cox_err *err)
{
    if (n < 0) {
        return cox_err_set(err, COX_EINVAL, "%d steps; it must be 0 or more", n);
    }
    return n ? engine->ops->step(engine->self, n, err) : 0;
}

/* The queries below have no error to give: a lane that does not exist is our caller's bug, answered
 * with the harmless value. */
enum cox_lane_state cox_engine_lane_state(const struct cox_engine *engine, int lane)
{
    return lane_check(engine, lane, NULL) ? COX_LANE_OK
                                          : engine->ops->lane_state(engine->self, lane);
}

const char *cox_engine_lane_reason(const struct cox_engine *engine, int lane)
{
    return lane_check(engine, lane, NULL) ? "" : engine->ops->lane_reason(engine->self, lane);
}

int64_t cox_engine_lane_steps(const struct cox_engine *engine, int lane)
{
    return lane_check(engine, lane, NULL) ? 0 : engine->ops->lane_steps(engine->self, lane);
}

int cox_engine_get_state(struct cox_engine *engine, int lane, double (*x)[3], double (*v)[3],
                         struct cox_err *err)
{
    int rc = lane_check(engine, lane, err);
    return rc ? rc : engine->ops->get_state(engine->self, lane, x, v, err);
}

int cox_engine_evaluate(struct cox_engine *engine, int lane, struct cox_energies *energies,
                        double (*force)[3], struct cox_err *err)
{
    int rc = lane_check(engine, lane, err);
    return rc ? rc : engine->ops->evaluate(engine->self, lane, energies, force, err);
}

size_t cox_engine_lane_size(const struct cox_engine *engine)
{
    return engine->ops->lane_size(engine->self);
}

int cox_engine_save_lane(struct cox_engine *engine, int lane, void *bytes, struct cox_err *err)
{
    int rc = lane_check(engine, lane, err);
    if (!rc && !bytes) {
        rc = cox_err_set(err, COX_EINVAL, "save lane %d: no memory given", lane);
    }
    return rc ? rc : engine->ops->save_lane(engine->self, lane, bytes, err);
}

int cox_engine_restore_lane(struct cox_engine *engine, int lane, const void *bytes,
                            struct cox_err *err)
{
    int rc = lane_check(engine, lane, err);
    if (!rc && !bytes) {
        rc = cox_err_set(err, COX_EINVAL, "restore lane %d: no bytes given", lane);
    }
    return rc ? rc : engine->ops->restore_lane(engine->self, lane, bytes, err);
}

int cox_engine_profile(const struct cox_engine *engine, const struct cox_engine_pass **out)
{
    return engine->ops->profile(engine->self, out);
}
