/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands behind cox/engine.h: one table of operations per kind of engine.
 *
 * engine.c checks every argument before it calls an operation, so these need not check again:
 * pointers that must not be NULL are not, `lane` is in 0 … replicas-1, positions and velocities are
 * finite, temperatures, time steps, counts and tolerances lie within the limits below, the system
 * has passed cox_system_check, options are never NULL. What only an engine can know (an instruction
 * set that it lacks, constraints that cannot be fulfilled, out of memory) it reports itself.
 *
 * `self` is the engine's own object, made by `create`. Contracts (units, shapes, determinism,
 * threads, what a call changes) are those of the functions of the same name in cox/engine.h.
 * All members must be set. */
#ifndef COX_MD_ENGINE_OPS_H
#define COX_MD_ENGINE_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "cox/engine.h"
#include "cox/err.h"
#include "cox/system.h"

/* Limits that engine.c enforces. */
#define COX_ENGINE_REPLICAS_MAX 65536
#define COX_ENGINE_TIMESTEP_MAX_FS 10.0
#define COX_ENGINE_TEMPERATURE_MAX_K 10000.0
#define COX_ENGINE_FRICTION_MAX_PER_PS 10000.0
#define COX_ENGINE_HYDROGEN_MASS_MIN_U 1.0 /* when not 0 */
#define COX_ENGINE_HYDROGEN_MASS_MAX_U 5.0
#define COX_ENGINE_TOLERANCE_MIN 1e-8
#define COX_ENGINE_TOLERANCE_MAX 1e-2
#define COX_ENGINE_SLOW_EVERY_MAX 16
#define COX_ENGINE_THREADS_MAX 1024

struct cox_engine_ops {
    const char *kind; /* the name given to cox_engine_create */

    /* `system` is borrowed during the call only: copy what is needed. On failure *self is unset. */
    int (*create)(void **self, const struct cox_system *system,
                  const struct cox_engine_options *options, struct cox_err *err);
    void (*destroy)(void *self); /* NULL is allowed */
    const char *(*version)(const void *self);
    int (*lane_width)(const void *self);

    int (*set_positions)(void *self, int lane, const double (*x)[3], struct cox_err *err);
    int (*set_velocities)(void *self, int lane, const double (*v)[3], struct cox_err *err);
    int (*draw_velocities)(void *self, int lane, struct cox_err *err);
    int (*set_temperature)(void *self, int lane, double temperature_K, struct cox_err *err);
    int (*set_seed)(void *self, int lane, uint64_t seed, struct cox_err *err);

    int (*minimize)(void *self, int max_steps, double tolerance, struct cox_err *err);
    int (*step)(void *self, int n, struct cox_err *err); /* n >= 1 */

    enum cox_lane_state (*lane_state)(const void *self, int lane);
    const char *(*lane_reason)(const void *self, int lane);
    int64_t (*lane_steps)(const void *self, int lane);
    int (*get_state)(void *self, int lane, double (*x)[3], double (*v)[3], struct cox_err *err);
    int (*evaluate)(void *self, int lane, struct cox_energies *energies, double (*force)[3],
                    struct cox_err *err);

    /* The bytes of a lane must name their own layout (a magic number, the number of atoms), so that
     * restoring foreign bytes is refused with COX_EFORMAT. They need no alignment. */
    size_t (*lane_size)(const void *self);
    int (*save_lane)(void *self, int lane, void *bytes, struct cox_err *err);
    int (*restore_lane)(void *self, int lane, const void *bytes, struct cox_err *err);

    int (*profile)(const void *self, const struct cox_engine_pass **out);
};

/* src/md/fake.c: see there how lanes can be made to blow up. The ensemble's table,
 * cox_engine_ensemble_ops, is declared in md/ensemble/ensemble.h. */
extern const struct cox_engine_ops cox_engine_fake_ops;

#endif
