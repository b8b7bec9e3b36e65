/* SPDX-License-Identifier: BSD-3-Clause */
#include "dynamics/frames.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cox/system.h"
#include "dynamics/lines.h"
#include "molecule/elements.h"
#include "potential/data.h"
#include "potential/data_source.h"
#include "store/traj.h"

#define MOST_BYTES ((size_t)1 << 34)
#define A_PER_NM 10.0

struct cox_dyn_frames {
    char *path;
    int64_t at;
    /* one of these three */
    char *text;
    struct cox_lines lines;
    struct cox_traj *traj;
    struct cox_system *system;
    float *nm; /* [n][3] */
    struct cox_dp_data *data;
    char (*name)[COX_DP_TYPE_NAME];
};

/* Names of a labelled system: its own type_map.raw, else TYPE0, TYPE1 … */
static int own_names(struct cox_dyn_frames *f, int *n, struct cox_err *err)
{
    struct cox_dp_source source;
    char **words = NULL;
    *n = 0;
    f->name = cox_alloc(COX_DYN_MAX_NAMES, sizeof *f->name);
    if (!f->name)
        return cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", f->path);
    int rc = cox_dp_source_open(&source, f->path, err);
    if (rc)
        return rc;
    if (cox_dp_source_has(&source, "type_map.raw"))
        rc = cox_dp_source_words(&words, n, &source, "type_map.raw", err);
    cox_dp_source_close(&source);
    if (*n > COX_DYN_MAX_NAMES)
        rc = cox_err_set(err, COX_EINVAL, "'%s' names %d types; at most %d can be read", f->path,
                         *n, COX_DYN_MAX_NAMES);
    for (int i = 0; !rc && i < *n; i++)
        snprintf(f->name[i], COX_DP_TYPE_NAME, "%s", words[i]);
    for (; !rc && !words && *n < COX_DYN_MAX_NAMES; (*n)++)
        snprintf(f->name[*n], COX_DP_TYPE_NAME, "TYPE%d", *n);
    cox_free(words);
    return rc;
}

static int open_any(struct cox_dyn_frames *f, struct cox_err *err)
{
    size_t length = 0;
    int n = 0;
    int rc;
    if (cox_dyn_is_labelled(f->path)) {
        rc = own_names(f, &n, err);
        return rc ? rc
                  : cox_dp_data_read(&f->data, f->path, (const char(*)[COX_DP_TYPE_NAME])f->name, n,
                                     err);
    }
    if (cox_str_ends(f->path, ".h5")) {
        rc = cox_traj_open_read(&f->traj, f->path, err);
        if (!rc)
            rc = cox_traj_system(f->traj, &f->system, err);
        if (!rc && !(f->nm = cox_alloc((size_t)f->system->n_atoms, 3 * sizeof *f->nm)))
            rc = cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", f->path);
        return rc;
    }
    if (!cox_str_ends(f->path, ".xyz") && !cox_str_ends(f->path, ".extxyz"))
        return cox_err_set(err, COX_EINVAL,
                           "'%s': trajectories are .h5, .xyz, .extxyz or deepmd/npy folders",
                           f->path);
    rc = cox_file_read(&f->text, &length, f->path, MOST_BYTES, err);
    if (!rc)
        f->lines = (struct cox_lines){.path = f->path, .next = f->text, .end = f->text + length};
    return rc;
}

int cox_dyn_frames_open(struct cox_dyn_frames **out, const char *path, struct cox_err *err)
{
    struct cox_dyn_frames *f = cox_alloc(1, sizeof *f);
    *out = NULL;
    if (f)
        f->path = cox_strdup(path);
    int rc = f && f->path ? open_any(f, err)
                          : cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
    if (rc) {
        cox_dyn_frames_close(f);
        return rc;
    }
    *out = f;
    return COX_OK;
}

void cox_dyn_frames_close(struct cox_dyn_frames *f)
{
    if (!f)
        return;
    cox_free(f->text);
    cox_traj_destroy(f->traj);
    cox_system_destroy(f->system);
    cox_free(f->nm);
    cox_dp_data_destroy(f->data);
    cox_free(f->name);
    cox_free(f->path);
    cox_free(f);
}

static int no_more(const struct cox_dyn_frames *f, struct cox_err *err)
{
    return cox_err_set(err, COX_ENOTFOUND, "'%s' has no further frame", f->path);
}

static int name_atoms(struct cox_dyn_frames *f, struct cox_dyn_start *out, struct cox_err *err)
{
    for (int i = 0; i < out->n; i++) {
        out->species[i] = cox_dyn_start_name(out, f->system->atom_name[i]);
        if (out->species[i] < 0)
            return cox_err_set(err, COX_EINVAL, "'%s' has more than %d names of atoms", f->path,
                               COX_DYN_MAX_NAMES);
    }
    return COX_OK;
}

static int next_h5(struct cox_dyn_frames *f, struct cox_dyn_start *out, struct cox_err *err)
{
    if (f->at >= cox_traj_frames(f->traj))
        return no_more(f, err);
    int rc = cox_dyn_start_reserve(out, f->system->n_atoms, err);
    if (rc)
        return rc;
    out->n = f->system->n_atoms;
    if (!f->at)
        rc = name_atoms(f, out, err);
    if (!rc)
        rc = cox_traj_read_positions(f->traj, f->at, 1, f->nm, err);
    if (!rc)
        rc = cox_traj_read_times(f->traj, f->at, 1, &out->step, &out->time_ps, err);
    out->box.periodic = cox_traj_is_periodic(f->traj);
    if (!rc && out->box.periodic)
        rc = cox_traj_read_boxes(f->traj, f->at, 1, out->box.h[0], err);
    for (int k = 0; !rc && k < 9; k++)
        out->box.h[k / 3][k % 3] *= A_PER_NM;
    for (int i = 0; !rc && i < 3 * out->n; i++)
        out->x[i / 3][i % 3] = A_PER_NM * (double)f->nm[i];
    f->at++;
    return rc;
}

static int next_npy(struct cox_dyn_frames *f, struct cox_dyn_start *out, struct cox_err *err)
{
    const struct cox_dp_data *d = f->data;
    if (f->at >= d->n)
        return no_more(f, err);
    int rc = cox_dyn_start_reserve(out, d->n_atoms, err);
    if (rc)
        return rc;
    const int *type = cox_dp_data_types(d, f->at, &out->n);
    for (int i = 0; i < out->n; i++) {
        out->species[i] = cox_dyn_start_name(out, f->name[type[i]]);
        memcpy(out->x[i], d->x + 3 * (f->at * d->n_atoms + i), sizeof out->x[i]);
    }
    out->box.periodic = d->periodic && d->box;
    if (out->box.periodic)
        memcpy(out->box.h, d->box + 9 * f->at, sizeof out->box.h);
    out->step = f->at++;
    return COX_OK;
}

int cox_dyn_frames_next(struct cox_dyn_frames *f, struct cox_dyn_start *out, struct cox_err *err)
{
    if (f->traj)
        return next_h5(f, out, err);
    if (f->data)
        return next_npy(f, out, err);
    return cox_dyn_xyz_next(out, &f->lines, err);
}
