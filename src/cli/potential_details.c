/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/potential_details.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static const struct {
    const char *suffix, *columns;
} files[DETAILS_FILES] = {
    [DETAILS_E] = {".e.out", "data_e pred_e"},
    [DETAILS_E_ATOM] = {".e_peratom.out", "data_e pred_e"},
    [DETAILS_F] = {".f.out", "data_fx data_fy data_fz pred_fx pred_fy pred_fz"},
    [DETAILS_V] = {".v.out", "data_vxx data_vxy data_vxz data_vyx data_vyy data_vyz data_vzx "
                             "data_vzy data_vzz pred_vxx pred_vxy pred_vxz pred_vyx pred_vyy "
                             "pred_vyz pred_vzx pred_vzy pred_vzz"},
    [DETAILS_V_ATOM] = {".v_peratom.out",
                        "data_vxx data_vxy data_vxz data_vyx data_vyy data_vyz data_vzx "
                        "data_vzy data_vzz pred_vxx pred_vxy pred_vxz pred_vyx pred_vyy "
                        "pred_vyz pred_vzx pred_vzy pred_vzz"},
    [DETAILS_AE] = {".ae.out", "pred_ae"},
};

int potential_details_open(struct potential_details *d, const char *prefix, bool atomic,
                           struct cox_err *err)
{
    *d = (struct potential_details){.open = true};
    for (int i = 0; i < DETAILS_FILES; i++) {
        if (i == DETAILS_AE && !atomic)
            continue;
        int n = snprintf(d->of[i].path, sizeof d->of[i].path, "%s%s", prefix, files[i].suffix);
        if (n < 0 || (size_t)n + 32 > sizeof d->of[i].path)
            return cox_err_set(err, COX_EINVAL, "the name '%s' is too long", prefix);
        cox_file_temporary(d->of[i].path, d->of[i].temporary, sizeof d->of[i].temporary);
        d->of[i].file = fopen(d->of[i].temporary, "w");
        if (!d->of[i].file)
            return cox_err_set(err, COX_EIO, "cannot write '%s': %s", d->of[i].path,
                               strerror(errno));
    }
    return COX_OK;
}

void potential_details_system(struct potential_details *d, const char *path)
{
    d->system = path;
    memset(d->header, 0, sizeof d->header);
}

static void row(struct potential_details *d, int which, int n, const double *label,
                const double *predicted, double scale)
{
    FILE *f = d->of[which].file;
    if (!f || (!label && which != DETAILS_AE))
        return;
    if (!d->header[which])
        fprintf(f, "# %s: %s\n", d->system, files[which].columns);
    d->header[which] = d->of[which].used = true;
    for (int i = 0; label && i < n; i++)
        fprintf(f, "%.18e ", scale * label[i]);
    for (int i = 0; i < n; i++)
        fprintf(f, "%.18e%c", scale * predicted[i], i + 1 < n ? ' ' : '\n');
}

void potential_details_add(struct potential_details *d, int n, const double *energy,
                           const double *energy_of, const double *force, const double *force_of,
                           const double *virial, const double *virial_of, const double *atom_energy)
{
    row(d, DETAILS_E, 1, energy, energy_of, 1);
    row(d, DETAILS_E_ATOM, 1, energy, energy_of, 1.0 / n);
    for (int i = 0; force && i < n; i++)
        row(d, DETAILS_F, 3, force + 3 * (size_t)i, force_of + 3 * (size_t)i, 1);
    row(d, DETAILS_V, 9, virial, virial_of, 1);
    row(d, DETAILS_V_ATOM, 9, virial, virial_of, 1.0 / n);
    for (int i = 0; atom_energy && i < n; i++)
        row(d, DETAILS_AE, 1, NULL, atom_energy + i, 1);
}

int potential_details_commit(struct potential_details *d, struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; i < DETAILS_FILES; i++) { /* all must be whole before one is shown */
        FILE *f = d->of[i].file;
        if (!f)
            continue;
        bool bad = ferror(f);
        bad = fclose(f) || bad;
        d->of[i].file = NULL;
        if (bad && !rc)
            rc = cox_err_set(err, COX_EIO, "cannot write '%s': %s", d->of[i].path, strerror(errno));
    }
    for (int i = 0; !rc && i < DETAILS_FILES; i++)
        if (d->of[i].used)
            rc = cox_file_commit(d->of[i].temporary, d->of[i].path, err);
    return rc;
}

void potential_details_close(struct potential_details *d)
{
    for (int i = 0; d->open && i < DETAILS_FILES; i++) {
        if (d->of[i].file)
            fclose(d->of[i].file);
        if (d->of[i].temporary[0])
            unlink(d->of[i].temporary); /* of what was committed there is none */
    }
    d->open = false;
}
