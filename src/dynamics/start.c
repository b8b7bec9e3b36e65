/* SPDX-License-Identifier: BSD-3-Clause */
#include "dynamics/start.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "dynamics/lines.h"
#include "molecule/elements.h"
#include "potential/data.h"

#define MOST_BYTES ((size_t)1 << 33)
#define MOST_ATOMS 100000000

void cox_dyn_start_init(struct cox_dyn_start *s)
{
    memset(s, 0, sizeof *s);
    s->time_ps = NAN;
}

void cox_dyn_start_deinit(struct cox_dyn_start *s)
{
    cox_free(s->species);
    cox_free(s->x);
    cox_free(s->v);
    cox_free(s->mass_u);
    cox_dyn_start_init(s);
}

int cox_dyn_start_reserve(struct cox_dyn_start *s, int n, struct cox_err *err)
{
    const size_t most = (size_t)n;
    if (n <= s->capacity)
        return COX_OK;
    int *species = cox_realloc(s->species, most, sizeof *species);
    s->species = species ? species : s->species;
    double(*x)[3] = cox_realloc(s->x, most, sizeof *x);
    s->x = x ? x : s->x;
    double(*v)[3] = cox_realloc(s->v, most, sizeof *v);
    s->v = v ? v : s->v;
    double *mass = cox_realloc(s->mass_u, most, sizeof *mass);
    s->mass_u = mass ? mass : s->mass_u;
    if (!species || !x || !v || !mass)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d atoms", n);
    s->capacity = n;
    return COX_OK;
}

int cox_dyn_start_name(struct cox_dyn_start *s, const char *name)
{
    for (int i = 0; i < s->n_names; i++)
        if (!strcmp(s->name[i], name))
            return i;
    if (s->n_names == COX_DYN_MAX_NAMES || strlen(name) >= COX_DP_TYPE_NAME)
        return -1;
    snprintf(s->name[s->n_names], COX_DP_TYPE_NAME, "%s", name);
    return s->n_names++;
}

/* ---- reading ---- */

static int read_xyz(struct cox_dyn_start *out, struct cox_lines *lines, int64_t frame,
                    struct cox_err *err)
{
    int64_t count = 0;
    int rc = COX_OK;
    if (frame < 0) { /* counts first: frames begin with a line that has their number of lines */
        char *line = lines->next;
        while (*line) {
            long long n = 0;
            char first[32];
            size_t length = strcspn(line, "\n");
            snprintf(first, sizeof first, "%.*s", (int)(length < 31 ? length : 31), line);
            if (cox_parse_int(first, &n) || n < 1)
                break;
            count++;
            for (long long skip = 0; skip < n + 2 && *line; skip++) {
                line += strcspn(line, "\n");
                line += *line == '\n';
            }
        }
        frame += count;
        if (frame < 0)
            return cox_err_set(err, COX_EINVAL, "%s has %lld frames; frame %lld was asked for",
                               lines->path, (long long)count, (long long)(frame - count));
    }
    for (int64_t i = 0; !rc && i <= frame; i++) {
        rc = cox_dyn_xyz_next(out, lines, err);
        if (rc == COX_ENOTFOUND)
            rc = cox_err_set(err, COX_EINVAL,
                             "%s has %lld frames; frame %lld (from 0) was asked for", lines->path,
                             (long long)i, (long long)frame);
    }
    return rc;
}

static int read_npy(struct cox_dyn_start *out, const char *path,
                    const struct cox_dyn_start_options *o, struct cox_err *err)
{
    struct cox_dp_data *data = NULL;
    int rc = cox_dp_data_read(&data, path, o->model_name, o->n_model_names, err);
    int64_t frame = o->frame;
    if (rc)
        return rc;
    if (frame < 0)
        frame += data->n;
    if (frame < 0 || frame >= data->n)
        rc = cox_err_set(err, COX_EINVAL, "%s has %lld frames; frame %lld (from 0) was asked for",
                         path, (long long)data->n, (long long)o->frame);
    if (!rc)
        rc = cox_dyn_start_reserve(out, data->n_atoms, err);
    const int *type = rc ? NULL : cox_dp_data_types(data, frame, &out->n);
    out->n = rc ? 0 : out->n;
    out->box.periodic = !rc && data->periodic && data->box;
    for (int i = 0; i < out->n; i++) {
        memcpy(out->x[i], data->x + 3 * (frame * data->n_atoms + i), sizeof out->x[i]);
        out->species[i] = cox_dyn_start_name(out, o->model_name[type[i]]);
        out->mass_u[i] = 0;
    }
    if (out->box.periodic)
        memcpy(out->box.h, data->box + 9 * frame, sizeof out->box.h);
    cox_dp_data_destroy(data);
    return rc;
}

bool cox_dyn_is_labelled(const char *path)
{
    return cox_file_is_directory(path) || strchr(path, '#');
}

int cox_dyn_start_read(struct cox_dyn_start *out, const char *path,
                       const struct cox_dyn_start_options *options, struct cox_err *err)
{
    char *text = NULL;
    size_t length = 0;
    if (cox_dyn_is_labelled(path))
        return read_npy(out, path, options, err);
    int rc = cox_file_read(&text, &length, path, MOST_BYTES, err);
    if (rc)
        return rc;
    struct cox_lines lines = {.path = path, .next = text, .end = text + length};
    if (memchr(text, 0, length))
        rc = cox_err_set(err, COX_EFORMAT,
                         "%s is no text: a start is extended XYZ (.xyz), a LAMMPS data file, or a "
                         "deepmd/npy folder",
                         path);
    else if (cox_str_ends(path, ".xyz") || cox_str_ends(path, ".extxyz"))
        rc = read_xyz(out, &lines, options->frame, err);
    else
        rc = cox_dyn_lammps_parse(out, &lines, options, err);
    cox_free(text);
    return rc;
}

/* ---- after reading ---- */

int cox_dyn_start_replicate(struct cox_dyn_start *s, const int times[3], struct cox_err *err)
{
    const int n = s->n;
    double all = (double)times[0] * times[1] * times[2];
    if (times[0] < 1 || times[1] < 1 || times[2] < 1 || all * n > MOST_ATOMS)
        return cox_err_set(err, COX_EINVAL,
                           "%d × %d × %d boxes of %d atoms: 1 to %d atoms are "
                           "allowed",
                           times[0], times[1], times[2], n, MOST_ATOMS);
    if (all > 1 && !s->box.periodic)
        return cox_err_set(err, COX_EINVAL, "only a periodic box can be replicated");
    int rc = cox_dyn_start_reserve(s, n * (int)all, err);
    if (rc)
        return rc;
    int at = 0;
    for (int a = 0; a < times[0]; a++)
        for (int b = 0; b < times[1]; b++)
            for (int c = 0; c < times[2]; c++)
                for (int i = 0; i < n; i++, at++) {
                    for (int k = 0; k < 3; k++) {
                        s->x[at][k] = s->x[i][k] + a * s->box.h[0][k] + b * s->box.h[1][k] +
                                      c * s->box.h[2][k];
                        s->v[at][k] = s->v[i][k];
                    }
                    s->species[at] = s->species[i];
                    s->mass_u[at] = s->mass_u[i];
                }
    s->n = at;
    for (int e = 0; e < 3; e++)
        for (int k = 0; k < 3; k++)
            s->box.h[e][k] *= times[e];
    return COX_OK;
}

static void turn(double x[3], const double axis[3][3])
{
    double out[3];
    for (int k = 0; k < 3; k++)
        out[k] = x[0] * axis[k][0] + x[1] * axis[k][1] + x[2] * axis[k][2];
    memcpy(x, out, sizeof out);
}

bool cox_dyn_start_upright(struct cox_dyn_start *s)
{
    double axis[3][3];
    double(*h)[3] = s->box.h;
    if (!s->box.periodic ||
        (h[0][1] == 0 && h[0][2] == 0 && h[1][2] == 0 && h[0][0] > 0 && h[1][1] > 0))
        return false;
    memcpy(axis, h, sizeof axis);
    for (int e = 0; e < 2; e++) {
        double along =
            e ? axis[0][0] * axis[1][0] + axis[0][1] * axis[1][1] + axis[0][2] * axis[1][2] : 0;
        for (int k = 0; k < 3; k++)
            axis[e][k] -= along * axis[0][k];
        double length =
            sqrt(axis[e][0] * axis[e][0] + axis[e][1] * axis[e][1] + axis[e][2] * axis[e][2]);
        if (!(length > 0))
            return false; /* a box without volume: looking for neighbours says so */
        for (int k = 0; k < 3; k++)
            axis[e][k] /= length;
    }
    for (int k = 0; k < 3; k++)
        axis[2][k] = axis[0][(k + 1) % 3] * axis[1][(k + 2) % 3] -
                     axis[0][(k + 2) % 3] * axis[1][(k + 1) % 3];
    for (int i = 0; i < s->n; i++) {
        turn(s->x[i], (const double(*)[3])axis);
        turn(s->v[i], (const double(*)[3])axis);
    }
    for (int e = 0; e < 3; e++)
        turn(h[e], (const double(*)[3])axis);
    h[0][1] = h[0][2] = h[1][2] = 0;
    return true;
}

int cox_dyn_start_types(const struct cox_dyn_start *s, const char model_name[][COX_DP_TYPE_NAME],
                        int n_model_names, int *type, struct cox_err *err)
{
    for (int i = 0; i < s->n; i++) {
        const char *name = s->name[s->species[i]];
        type[i] = -1;
        for (int t = 0; t < n_model_names; t++)
            if (!strcmp(name, model_name[t]))
                type[i] = t;
        if (type[i] >= 0)
            continue;
        char known[512] = "";
        for (int t = 0; t < n_model_names; t++) {
            size_t used = strlen(known);
            snprintf(known + used, sizeof known - used, "%s%s", t ? ", " : "", model_name[t]);
        }
        return cox_err_set(err, COX_EINVAL, "atom %d is '%s'; the model knows %s", i, name, known);
    }
    return COX_OK;
}

int cox_dyn_start_masses(struct cox_dyn_start *s, const struct cox_dyn_mass *given, int n_given,
                         struct cox_err *err)
{
    for (int g = 0; g < n_given; g++) {
        bool there = false;
        for (int t = 0; t < s->n_names; t++)
            there = there || !strcmp(s->name[t], given[g].name);
        if (!there)
            return cox_err_set(err, COX_EINVAL, "a mass of '%s' was given, which no atom is",
                               given[g].name);
    }
    for (int i = 0; i < s->n; i++) {
        const char *name = s->name[s->species[i]];
        for (int g = 0; g < n_given; g++)
            if (!strcmp(name, given[g].name))
                s->mass_u[i] = given[g].mass_u;
        if (s->mass_u[i] <= 0)
            s->mass_u[i] = cox_element_mass(cox_element_of_symbol(name));
        if (!(s->mass_u[i] > 0))
            return cox_err_set(err, COX_EINVAL,
                               "no mass of '%s' is known: give it with --mass %s=MASS (u)", name,
                               name);
    }
    return COX_OK;
}
