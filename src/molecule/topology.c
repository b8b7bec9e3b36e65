/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/topology.h"

#include <stdio.h>

#include "base/mem.h"

#define PATH_SIZE 256

static const char *join(char *out, const char *group, const char *name)
{
    snprintf(out, PATH_SIZE, "%s/%s", group, name);
    return out;
}

static int write_bonds(struct cox_h5 *file, const char *group, const struct cox_system *s,
                       struct cox_err *err)
{
    char path[PATH_SIZE];
    int32_t(*pairs)[2] = cox_alloc((size_t)s->n_bonds, sizeof *pairs);
    if (!pairs)
        return cox_err_set(err, COX_ENOMEM, "out of memory writing %d bonds", s->n_bonds);
    for (int i = 0; i < s->n_bonds; i++) {
        pairs[i][0] = s->bonds[i].atom[0];
        pairs[i][1] = s->bonds[i].atom[1];
    }
    const int64_t dims[2] = {s->n_bonds, 2};
    int rc = cox_h5_write(file, join(path, group, "bonds"), COX_H5_I32, 2, dims, pairs, err);
    cox_free(pairs);
    return rc;
}

int cox_topology_write(struct cox_h5 *file, const char *group, const struct cox_system *s,
                       struct cox_err *err)
{
    char path[PATH_SIZE];
    const int64_t atoms = s->n_atoms;
    const int64_t residues = s->n_residues;
    int rc = cox_h5_group(file, group, err);
    if (!rc)
        rc = cox_h5_set_text(file, group, "name", s->name, err);
    if (!rc)
        rc = cox_h5_write_texts(file, join(path, group, "atom_name"), atoms, COX_NAME_SIZE,
                                s->atom_name[0], err);
    if (!rc)
        rc = cox_h5_write(file, join(path, group, "element"), COX_H5_I32, 1, &atoms, s->element,
                          err);
    if (!rc)
        rc = cox_h5_write(file, join(path, group, "residue"), COX_H5_I32, 1, &atoms, s->residue,
                          err);
    if (!rc)
        rc = cox_h5_write(file, join(path, group, "mass_u"), COX_H5_F64, 1, &atoms, s->mass_u, err);
    if (!rc)
        rc = cox_h5_write(file, join(path, group, "charge_e"), COX_H5_F64, 1, &atoms, s->charge_e,
                          err);
    if (!rc)
        rc = cox_h5_write_texts(file, join(path, group, "residue_name"), residues, COX_NAME_SIZE,
                                s->residue_name[0], err);
    if (!rc)
        rc = cox_h5_write(file, join(path, group, "residue_number"), COX_H5_I32, 1, &residues,
                          s->residue_number, err);
    if (!rc)
        rc = cox_h5_write_texts(file, join(path, group, "chain"), residues, COX_NAME_SIZE,
                                s->chain[0], err);
    return rc ? rc : write_bonds(file, group, s, err);
}

/* Length of a dataset's first dimension. */
static int length_of(struct cox_h5 *file, const char *group, const char *name, int *out,
                     struct cox_err *err)
{
    char path[PATH_SIZE];
    int rank = 0;
    int64_t dims[COX_H5_MAX_RANK] = {0};
    int rc = cox_h5_shape(file, join(path, group, name), &rank, dims, err);
    if (rc)
        return rc;
    if (rank < 1 || dims[0] > 100000000)
        return cox_err_set(err, COX_EFORMAT, "%s: '%s' has an impossible shape", cox_h5_path(file),
                           path);
    *out = (int)dims[0];
    return COX_OK;
}

static int read_arrays(struct cox_h5 *file, const char *group, struct cox_system *s,
                       struct cox_err *err)
{
    char path[PATH_SIZE];
    const int64_t atoms = s->n_atoms;
    const int64_t residues = s->n_residues;
    int rc = cox_h5_read_texts(file, join(path, group, "atom_name"), atoms, COX_NAME_SIZE,
                               s->atom_name[0], err);
    if (!rc)
        rc =
            cox_h5_read(file, join(path, group, "element"), COX_H5_I32, 1, &atoms, s->element, err);
    if (!rc)
        rc =
            cox_h5_read(file, join(path, group, "residue"), COX_H5_I32, 1, &atoms, s->residue, err);
    if (!rc)
        rc = cox_h5_read(file, join(path, group, "mass_u"), COX_H5_F64, 1, &atoms, s->mass_u, err);
    if (!rc)
        rc = cox_h5_read(file, join(path, group, "charge_e"), COX_H5_F64, 1, &atoms, s->charge_e,
                         err);
    if (!rc)
        rc = cox_h5_read_texts(file, join(path, group, "residue_name"), residues, COX_NAME_SIZE,
                               s->residue_name[0], err);
    if (!rc)
        rc = cox_h5_read(file, join(path, group, "residue_number"), COX_H5_I32, 1, &residues,
                         s->residue_number, err);
    if (!rc)
        rc = cox_h5_read_texts(file, join(path, group, "chain"), residues, COX_NAME_SIZE,
                               s->chain[0], err);
    return rc;
}

static int read_bonds(struct cox_h5 *file, const char *group, struct cox_system *s,
                      struct cox_err *err)
{
    char path[PATH_SIZE];
    int32_t(*pairs)[2] = cox_alloc((size_t)s->n_bonds, sizeof *pairs);
    if (!pairs)
        return cox_err_set(err, COX_ENOMEM, "out of memory reading %d bonds", s->n_bonds);
    const int64_t dims[2] = {s->n_bonds, 2};
    int rc = cox_h5_read(file, join(path, group, "bonds"), COX_H5_I32, 2, dims, pairs, err);
    for (int i = 0; !rc && i < s->n_bonds; i++)
        for (int k = 0; k < 2; k++) {
            if (pairs[i][k] < 0 || pairs[i][k] >= s->n_atoms)
                rc = cox_err_set(err, COX_EFORMAT, "%s: bond %d names atom %d, there are %d",
                                 cox_h5_path(file), i, pairs[i][k], s->n_atoms);
            s->bonds[i].atom[k] = pairs[i][k];
        }
    cox_free(pairs);
    return rc;
}

int cox_topology_read(struct cox_h5 *file, const char *group, struct cox_system **out,
                      struct cox_err *err)
{
    int atoms = 0;
    int residues = 0;
    int bonds = 0;
    *out = NULL;
    int rc = length_of(file, group, "element", &atoms, err);
    if (!rc)
        rc = length_of(file, group, "residue_number", &residues, err);
    if (!rc)
        rc = length_of(file, group, "bonds", &bonds, err);
    struct cox_system *s = NULL;
    if (!rc)
        rc = cox_system_create(&s, atoms, residues, bonds, 0, 0, 0, 0, err);
    if (!rc)
        rc = read_arrays(file, group, s, err);
    if (!rc)
        rc = read_bonds(file, group, s, err);
    for (int i = 0; !rc && i < atoms; i++)
        if (s->residue[i] < 0 || s->residue[i] >= residues)
            rc = cox_err_set(err, COX_EFORMAT, "%s: atom %d lies in residue %d, there are %d",
                             cox_h5_path(file), i, s->residue[i], residues);
    char *name = NULL;
    if (!rc)
        rc = cox_h5_get_text(file, group, "name", &name, err);
    if (!rc) {
        snprintf(s->name, sizeof s->name, "%s", name);
        *out = s;
    } else {
        cox_system_destroy(s);
    }
    cox_free(name);
    return rc;
}
