/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/starts.h"

#include <stdio.h>

#include "base/mem.h"
#include "molecule/reference.h"
#include "steer/lane.h"

static int load_one(float *out, const char *path, const struct cox_system *system,
                    struct cox_err *err)
{
    struct cox_reference *reference = NULL;
    int rc = cox_reference_load(&reference, system, path, 0, err);
    if (rc)
        return cox_err_wrap(err, rc, "start structure");
    for (int i = 0; !rc && i < system->n_atoms; i++) {
        if (!reference->has[i])
            rc =
                cox_err_set(err, COX_EINVAL,
                            "start structure '%s' lacks atom %s of residue %s %d; it must have all "
                            "%d atoms of the system",
                            path, system->atom_name[i], system->residue_name[system->residue[i]],
                            system->residue_number[system->residue[i]], system->n_atoms);
        for (int k = 0; k < 3; k++)
            out[3 * i + k] = (float)reference->position_nm[i][k];
    }
    cox_reference_destroy(reference);
    return rc;
}

int cox_starts_load(float ***x, int *n, const struct cox_system *system,
                    const struct cox_settings *settings, struct cox_err *err)
{
    int wanted = settings->starts.n ? settings->starts.n : 1;
    size_t floats = (size_t)system->n_atoms * 3;
    int rc = COX_OK;
    *n = 0;
    *x = cox_alloc((size_t)wanted, sizeof **x);
    for (int i = 0; *x && !rc && i < wanted; i++) {
        (*x)[i] = cox_alloc(floats, sizeof(float));
        if (!(*x)[i])
            break;
        *n = i + 1;
        if (settings->starts.n) {
            rc = load_one((*x)[i], settings->starts.items[i], system, err);
        } else {
            const double *from = &system->position_nm[0][0];
            for (size_t k = 0; k < floats; k++)
                (*x)[i][k] = (float)from[k];
        }
    }
    if (!rc && *n < wanted)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for %d start structures", wanted);
    return rc;
}

void cox_starts_free(float **x, int n)
{
    for (int i = 0; i < n; i++)
        cox_free(x[i]);
    cox_free(x);
}

int cox_starts_minimize(float **x, int n, const struct cox_system *system,
                        const struct cox_settings *settings, struct cox_err *err)
{
    struct cox_lanes lanes;
    if (!settings->simulation.minimize_steps)
        return COX_OK;
    int rc = cox_lanes_init(&lanes, system, settings, n, 1, err);
    if (rc)
        return rc;
    for (int i = 0; !rc && i < n; i++)
        rc = cox_lanes_place(&lanes, i, x[i], err);
    if (!rc)
        rc = cox_engine_minimize(lanes.engine, settings->simulation.minimize_steps, 10, err);
    for (int i = 0; !rc && i < n; i++)
        rc = cox_lanes_read(&lanes, i, x[i], NULL, NULL, err);
    cox_lanes_deinit(&lanes);
    return rc ? cox_err_wrap(err, rc, "minimising the start structures") : COX_OK;
}

int cox_starts_record(int n, const struct cox_system *system, const struct cox_settings *settings,
                      struct cox_catalog *catalog, struct cox_err *err)
{
    struct cox_catalog_start *rows = NULL;
    int64_t known = 0;
    int rc = cox_catalog_starts(catalog, &rows, &known, err);
    cox_free(rows);
    for (int i = (int)known; !rc && i < n; i++) {
        struct cox_catalog_start row = {.id = i};
        bool given = settings->starts.n > 0;
        snprintf(row.path, sizeof row.path, "%s",
                 given ? settings->starts.items[i] : settings->system);
        snprintf(row.title, sizeof row.title, "%s", given ? row.path : system->name);
        rc = cox_catalog_add_start(catalog, &row, err);
    }
    return rc;
}
