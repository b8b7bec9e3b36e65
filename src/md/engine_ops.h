/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands behind include/cox/engine.h: one table of operations per kind of engine. engine.c has
 * checked every argument (lane in range, counts not negative, options sane) before it calls one. */
#ifndef COX_MD_ENGINE_OPS_H
#define COX_MD_ENGINE_OPS_H

#include "cox/engine.h"

struct cox_engine_ops {
    const char *kind;
    /* *self is handed to every other operation; NULL on failure. `options` is borrowed for the
     * call. */
    int (*create)(void **self, const struct cox_system *system,
                  const struct cox_engine_options *options, struct cox_err *err);
    void (*destroy)(void *self); /* never called with NULL */
    const char *(*version)(const void *self);
    int (*lane_width)(const void *self);
    int (*set_positions)(void *self, int lane, const double (*x)[3], struct cox_err *err);
    int (*set_velocities)(void *self, int lane, const double (*v)[3], struct cox_err *err);
    int (*draw_velocities)(void *self, int lane, struct cox_err *err);
    int (*set_temperature)(void *self, int lane, double temperature_K, struct cox_err *err);
    int (*set_seed)(void *self, int lane, uint64_t seed, struct cox_err *err);
    int (*minimize)(void *self, int max_steps, double tolerance, struct cox_err *err);
    int (*step)(void *self, int n, struct cox_err *err);
    enum cox_lane_state (*lane_state)(const void *self, int lane);
    const char *(*lane_reason)(const void *self, int lane);
    int64_t (*lane_steps)(const void *self, int lane);
    int (*get_state)(void *self, int lane, double (*x)[3], double (*v)[3], struct cox_err *err);
    int (*evaluate)(void *self, int lane, struct cox_energies *energies, double (*force)[3],
                    struct cox_err *err);
    size_t (*lane_size)(const void *self);
    int (*save_lane)(void *self, int lane, void *bytes, struct cox_err *err);
    int (*restore_lane)(void *self, int lane, const void *bytes, struct cox_err *err);
    int (*profile)(const void *self, const struct cox_engine_pass **out);
};

extern const struct cox_engine_ops cox_engine_ensemble_ops; /* ensemble/ */
extern const struct cox_engine_ops cox_engine_fake_ops;     /* fake.c */

#endif
