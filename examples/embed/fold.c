/* SPDX-License-Identifier: BSD-3-Clause */
/* Coxswain as a library: loads a system file and runs a few replicas of it for a picosecond.
 *
 *     make && ./fold ../chignolin/cln025.system.h5
 *
 * Only <cox/…> headers are used, and the installed libcox.a (pkg-config coxswain). */
#include <stdio.h>
#include <stdlib.h>

#include <cox/engine.h>
#include <cox/err.h>
#include <cox/system.h>

static int fail(const struct cox_err *err)
{
    fprintf(stderr, "fold: %s\n", err->text);
    return EXIT_FAILURE;
}

/* Downhill a little, then a picosecond at 300 K with steps of 2 fs. */
static int run(struct cox_engine *engine, struct cox_err *err)
{
    int rc = cox_engine_minimize(engine, 50, 10, err);
    for (int lane = 0; lane < cox_engine_replicas(engine) && !rc; lane++)
        rc = cox_engine_draw_velocities(engine, lane, err);
    return rc ? rc : cox_engine_step(engine, 500, err);
}

static int report(struct cox_engine *engine, struct cox_err *err)
{
    printf("%s\n", cox_engine_version(engine));
    for (int lane = 0; lane < cox_engine_replicas(engine); lane++) {
        struct cox_energies e;
        int rc = cox_engine_evaluate(engine, lane, &e, NULL, err);
        if (rc)
            return rc;
        printf("replica %d: potential %.1f kJ/mol, temperature %.0f K%s%s\n", lane, e.potential,
               e.temperature_K,
               cox_engine_lane_state(engine, lane) == COX_LANE_OK ? "" : ", blown: ",
               cox_engine_lane_reason(engine, lane));
    }
    return COX_OK;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: fold SYSTEM.h5\n");
        return 2;
    }
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *system = NULL;
    struct cox_engine *engine = NULL;
    struct cox_engine_options options = COX_ENGINE_OPTIONS_INIT;
    options.replicas = 4;
    options.threads = 1;
    options.seed = 1;
    int rc = cox_system_load(&system, argv[1], &err);
    if (!rc)
        rc = cox_engine_create(&engine, "ensemble", system, &options, &err);
    if (!rc)
        rc = run(engine, &err);
    if (!rc)
        rc = report(engine, &err);
    cox_engine_destroy(engine);
    cox_system_destroy(system);
    return rc ? fail(&err) : EXIT_SUCCESS;
}
