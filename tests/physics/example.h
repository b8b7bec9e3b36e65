/* SPDX-License-Identifier: BSD-3-Clause */
/* What the physics tests share: an engine on a shipped example, minimised and with velocities. */
#ifndef COX_TESTS_EXAMPLE_H
#define COX_TESTS_EXAMPLE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "cox/engine.h"

#define ALANINE "examples/alanine-dipeptide/alanine-dipeptide.system.h5"
#define CHIGNOLIN "examples/chignolin/cln025.system.h5"

static inline void must(int rc, const struct cox_err *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

static inline struct cox_system *example_load(const char *path)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = NULL;
    char full[512];
    snprintf(full, sizeof full, "%s/%s", COX_SOURCE_DIR, path);
    must(cox_system_load(&s, full, &err), &err);
    return s;
}

static inline struct cox_engine *example_engine(const struct cox_system *s,
                                                const struct cox_engine_options *options)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_engine *e = NULL;
    must(cox_engine_create(&e, "ensemble", s, options, &err), &err);
    must(cox_engine_minimize(e, 500, 10, &err), &err);
    for (int l = 0; l < options->replicas; l++)
        must(cox_engine_draw_velocities(e, l, &err), &err);
    return e;
}

static inline void example_step(struct cox_engine *e, int n)
{
    struct cox_err err = COX_ERR_INIT;
    must(cox_engine_step(e, n, &err), &err);
    for (int l = 0; l < cox_engine_replicas(e); l++)
        if (cox_engine_lane_state(e, l) != COX_LANE_OK)
            fail_msg("lane %d blew up: %s", l, cox_engine_lane_reason(e, l));
}

static inline struct cox_energies example_energies(struct cox_engine *e, int lane)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_energies energies;
    must(cox_engine_evaluate(e, lane, &energies, NULL, &err), &err);
    return energies;
}

/* $COX_PHYSICS_LONG, 1 if it is not set. */
static inline int example_long(void)
{
    const char *text = getenv("COX_PHYSICS_LONG");
    long long n = 1;
    if (text && (cox_parse_int(text, &n) || n < 1))
        fail_msg("COX_PHYSICS_LONG is '%s'; it must be 1, 2, 3 …", text);
    return (int)n;
}

#endif
