/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the tests of md/ensemble. */
#ifndef COX_MD_ENSEMBLE_TESTING_H
#define COX_MD_ENSEMBLE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/mem.h"
#include "cox/engine.h"

#define OK(call)                                  \
    do {                                          \
        struct cox_err why_ = COX_ERR_INIT;       \
        struct cox_err *const why = &why_;        \
        if ((call) != COX_OK)                     \
            fail_msg("%s: %s", #call, why->text); \
    } while (0)

static inline struct cox_system *example(const char *name)
{
    char path[512];
    struct cox_system *system = NULL;
    snprintf(path, sizeof path, "%s/examples/%s.system.h5", COX_SOURCE_DIR, name);
    OK(cox_system_load(&system, path, why));
    return system;
}

static inline struct cox_engine *engine(const struct cox_system *system,
                                        const struct cox_engine_options *options)
{
    struct cox_engine *e = NULL;
    OK(cox_engine_create(&e, "ensemble", system, options, why));
    return e;
}

/* [n][3], the caller frees with cox_free */
static inline double (*vectors(const struct cox_system *system))[3]
{
    double(*x)[3] = cox_alloc((size_t)system->n_atoms, sizeof *x);
    assert_non_null(x);
    return x;
}

static inline void draw_all(struct cox_engine *e)
{
    for (int lane = 0; lane < cox_engine_replicas(e); lane++)
        OK(cox_engine_draw_velocities(e, lane, why));
}

#endif
