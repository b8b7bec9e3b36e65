/* SPDX-License-Identifier: BSD-3-Clause */
/* The system file: see docs/formats.md. Terms are stored as two tables each, atoms and parameters,
 * so that any HDF5 reader can use them without compound types. */
#include "cox/system.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "h5/h5.h"

#define FORMAT_NAME "coxswain-system"
#define FORMAT_VERSION 1

enum { BONDS, ANGLES, TORSIONS, PAIRS14, EXCLUSIONS, N_TERMS };

/* Columns of the two tables of each kind of term. */
static const struct {
    const char *atoms, *parameters;
    int n_ints, n_doubles;
} terms[N_TERMS] = {
    [BONDS] = {"/bonds/atoms", "/bonds/parameters", 2, 2},
    [ANGLES] = {"/angles/atoms", "/angles/parameters", 3, 2},
    /* four atoms, periodicity, improper */
    [TORSIONS] = {"/torsions/atoms", "/torsions/parameters", 6, 2},
    [PAIRS14] = {"/pairs14/atoms", "/pairs14/parameters", 2, 3},
    [EXCLUSIONS] = {"/exclusions/atoms", NULL, 2, 0},
};

static int count_of(const struct cox_system *s, int kind)
{
    const int counts[N_TERMS] = {s->n_bonds, s->n_angles, s->n_torsions, s->n_pairs14,
                                 s->n_exclusions};
    return counts[kind];
}

/* Copies term `i` to the rows of the tables, or back from them when `load`. */
static void move_ints(int32_t *row, int *atom, int n, bool load)
{
    for (int k = 0; k < n; k++) {
        if (load)
            atom[k] = row[k];
        else
            row[k] = atom[k];
    }
}

static void move_double(double *cell, double *value, bool load)
{
    if (load)
        *value = *cell;
    else
        *cell = *value;
}

static void move_term(struct cox_system *s, int kind, int i, int32_t *ints, double *doubles,
                      bool load)
{
    if (kind == BONDS) {
        move_ints(ints, s->bonds[i].atom, 2, load);
        move_double(&doubles[0], &s->bonds[i].r0_nm, load);
        move_double(&doubles[1], &s->bonds[i].k, load);
    } else if (kind == ANGLES) {
        move_ints(ints, s->angles[i].atom, 3, load);
        move_double(&doubles[0], &s->angles[i].theta0_rad, load);
        move_double(&doubles[1], &s->angles[i].k, load);
    } else if (kind == TORSIONS) {
        move_ints(ints, s->torsions[i].atom, 4, load);
        move_ints(ints + 4, &s->torsions[i].periodicity, 1, load);
        move_ints(ints + 5, &s->torsions[i].improper, 1, load);
        move_double(&doubles[0], &s->torsions[i].phase_rad, load);
        move_double(&doubles[1], &s->torsions[i].k, load);
    } else if (kind == PAIRS14) {
        move_ints(ints, s->pairs14[i].atom, 2, load);
        move_double(&doubles[0], &s->pairs14[i].charge_product, load);
        move_double(&doubles[1], &s->pairs14[i].sigma_nm, load);
        move_double(&doubles[2], &s->pairs14[i].epsilon, load);
    } else {
        move_ints(ints, s->exclusions[i], 2, load);
    }
}

static int transfer_terms(struct cox_h5 *file, struct cox_system *s, int kind, bool load,
                          struct cox_err *err)
{
    int n = count_of(s, kind);
    const int n_ints = terms[kind].n_ints;
    const int n_doubles = terms[kind].n_doubles;
    int64_t shape_i[2] = {n, n_ints};
    int64_t shape_d[2] = {n, n_doubles};
    int32_t *ints = cox_alloc((size_t)n * (size_t)n_ints, sizeof *ints);
    double *doubles = cox_alloc((size_t)n * (size_t)n_doubles + 1, sizeof *doubles);
    int rc = COX_OK;
    if (!ints || !doubles)
        rc = cox_err_set(err, COX_ENOMEM, "no memory for %d terms", n);
    if (!rc && load) {
        rc = cox_h5_read(file, terms[kind].atoms, COX_H5_I32, 2, shape_i, ints, err);
        if (!rc && n_doubles)
            rc = cox_h5_read(file, terms[kind].parameters, COX_H5_F64, 2, shape_d, doubles, err);
    }
    for (int i = 0; !rc && i < n; i++)
        move_term(s, kind, i, ints + (size_t)i * (size_t)n_ints,
                  doubles + (size_t)i * (size_t)n_doubles, load);
    if (!rc && !load) {
        rc = cox_h5_write(file, terms[kind].atoms, COX_H5_I32, 2, shape_i, ints, err);
        if (!rc && n_doubles)
            rc = cox_h5_write(file, terms[kind].parameters, COX_H5_F64, 2, shape_d, doubles, err);
    }
    cox_free(ints);
    cox_free(doubles);
    return rc;
}

static int transfer(struct cox_h5 *file, const char *name, enum cox_h5_type type, int rank, int n,
                    void *data, bool load, struct cox_err *err)
{
    const int64_t shape[2] = {n, 3};
    if (load)
        return cox_h5_read(file, name, type, rank, shape, data, err);
    return cox_h5_write(file, name, type, rank, shape, data, err);
}

static int transfer_texts(struct cox_h5 *file, const char *name, int n, char *rows, bool load,
                          struct cox_err *err)
{
    if (load)
        return cox_h5_read_texts(file, name, n, COX_NAME_SIZE, rows, err);
    return cox_h5_write_texts(file, name, n, COX_NAME_SIZE, rows, err);
}

static int transfer_tables(struct cox_h5 *file, struct cox_system *s, bool load,
                           struct cox_err *err)
{
    const struct {
        const char *name;
        enum cox_h5_type type;
        int rank, n;
        void *data;
    } tables[] = {
        {"/atoms/mass_u", COX_H5_F64, 1, s->n_atoms, s->mass_u},
        {"/atoms/charge_e", COX_H5_F64, 1, s->n_atoms, s->charge_e},
        {"/atoms/sigma_nm", COX_H5_F64, 1, s->n_atoms, s->sigma_nm},
        {"/atoms/epsilon_kJ_per_mol", COX_H5_F64, 1, s->n_atoms, s->epsilon},
        {"/atoms/gb_radius_nm", COX_H5_F64, 1, s->n_atoms, s->gb_radius_nm},
        {"/atoms/gb_scale", COX_H5_F64, 1, s->n_atoms, s->gb_scale},
        {"/atoms/element", COX_H5_I32, 1, s->n_atoms, s->element},
        {"/atoms/residue", COX_H5_I32, 1, s->n_atoms, s->residue},
        {"/atoms/position_nm", COX_H5_F64, 2, s->n_atoms, s->position_nm},
        {"/residues/number", COX_H5_I32, 1, s->n_residues, s->residue_number},
    };
    int rc = COX_OK;
    for (size_t i = 0; !rc && i < sizeof tables / sizeof tables[0]; i++)
        rc = transfer(file, tables[i].name, tables[i].type, tables[i].rank, tables[i].n,
                      tables[i].data, load, err);
    if (!rc)
        rc = transfer_texts(file, "/atoms/name", s->n_atoms, s->atom_name[0], load, err);
    if (!rc)
        rc = transfer_texts(file, "/residues/name", s->n_residues, s->residue_name[0], load, err);
    if (!rc)
        rc = transfer_texts(file, "/residues/chain", s->n_residues, s->chain[0], load, err);
    for (int kind = 0; !rc && kind < N_TERMS; kind++)
        rc = transfer_terms(file, s, kind, load, err);
    return rc;
}

static const char *solvent_name(enum cox_solvent solvent)
{
    return solvent == COX_SOLVENT_OBC2 ? "obc2" : "vacuum";
}

static int write_attributes(struct cox_h5 *file, const struct cox_system *s, struct cox_err *err)
{
    int rc = cox_h5_set_text(file, "/", "format", FORMAT_NAME, err);
    if (!rc)
        rc = cox_h5_set_number(file, "/", "version", FORMAT_VERSION, err);
    if (!rc)
        rc = cox_h5_set_text(file, "/", "name", s->name, err);
    if (!rc)
        rc = cox_h5_set_text(file, "/", "provenance", s->provenance ? s->provenance : "{}", err);
    if (!rc)
        rc = cox_h5_group(file, "/solvent", err);
    if (!rc)
        rc = cox_h5_set_text(file, "/solvent", "model", solvent_name(s->solvent), err);
    if (!rc)
        rc = cox_h5_set_number(file, "/solvent", "solvent_dielectric", s->solvent_dielectric, err);
    if (!rc)
        rc = cox_h5_set_number(file, "/solvent", "solute_dielectric", s->solute_dielectric, err);
    if (!rc)
        rc = cox_h5_set_number(file, "/solvent", "surface_tension_kJ_per_mol_nm2",
                               s->surface_tension, err);
    return rc;
}

int cox_system_save(const struct cox_system *system, const char *path, struct cox_err *err)
{
    int rc = cox_system_check(system, err);
    if (rc)
        return cox_err_wrap(err, rc, "cannot save '%s'", path);
    /* One set of tables serves both ways; saving only reads from it. */
    struct cox_system copy = *system;
    struct cox_h5 *file = NULL;
    rc = cox_h5_create(&file, path, err);
    if (rc)
        return rc;
    rc = transfer_tables(file, &copy, false, err);
    if (!rc)
        rc = write_attributes(file, system, err);
    if (rc) {
        cox_h5_abandon(file);
        return rc;
    }
    return cox_h5_close(file, err);
}

static int check_format(struct cox_h5 *file, const char *path, struct cox_err *err)
{
    char *format = NULL;
    double version = 0;
    int rc = cox_h5_get_text(file, "/", "format", &format, err);
    if (rc == COX_ENOMEM)
        return rc;
    if (rc || strcmp(format, FORMAT_NAME) != 0) {
        cox_free(format);
        return cox_err_set(err, COX_EFORMAT,
                           "%s: not a system file (no attribute 'format' that says '%s'); "
                           "'cox prepare' makes one",
                           path, FORMAT_NAME);
    }
    cox_free(format);
    rc = cox_h5_get_number(file, "/", "version", &version, err);
    if (!rc && version != FORMAT_VERSION)
        rc = cox_err_set(err, COX_EUNSUPPORTED,
                         "%s: system file of version %g; this program reads version %d: prepare it "
                         "again with 'cox prepare'",
                         path, version, FORMAT_VERSION);
    return rc;
}

static int rows_of(struct cox_h5 *file, const char *name, int *n, struct cox_err *err)
{
    int rank = 0;
    int64_t dims[COX_H5_MAX_RANK] = {0};
    int rc = cox_h5_shape(file, name, &rank, dims, err);
    if (rc)
        return rc;
    if (rank < 1 || dims[0] < 0 || dims[0] > INT32_MAX)
        return cox_err_set(err, COX_EFORMAT, "%s: '%s' is no table", cox_h5_path(file), name);
    *n = (int)dims[0];
    return COX_OK;
}

static int read_attributes(struct cox_h5 *file, struct cox_system *s, struct cox_err *err)
{
    char *name = NULL;
    char *solvent = NULL;
    int rc = cox_h5_get_text(file, "/", "name", &name, err);
    if (!rc && strlen(name) >= sizeof s->name)
        rc = cox_err_set(err, COX_EFORMAT,
                         "the name of the system has %zu characters, not below %zu", strlen(name),
                         sizeof s->name);
    if (!rc) {
        memcpy(s->name, name, strlen(name) + 1);
        cox_free(s->provenance);
        s->provenance = NULL;
        rc = cox_h5_get_text(file, "/", "provenance", &s->provenance, err);
    }
    if (!rc)
        rc = cox_h5_get_text(file, "/solvent", "model", &solvent, err);
    if (!rc && !strcmp(solvent, "obc2"))
        s->solvent = COX_SOLVENT_OBC2;
    else if (!rc && !strcmp(solvent, "vacuum"))
        s->solvent = COX_SOLVENT_VACUUM;
    else if (!rc)
        rc = cox_err_set(err, COX_EUNSUPPORTED,
                         "solvent model '%s' is unknown; allowed are 'obc2' and 'vacuum'", solvent);
    if (!rc)
        rc = cox_h5_get_number(file, "/solvent", "solvent_dielectric", &s->solvent_dielectric, err);
    if (!rc)
        rc = cox_h5_get_number(file, "/solvent", "solute_dielectric", &s->solute_dielectric, err);
    if (!rc)
        rc = cox_h5_get_number(file, "/solvent", "surface_tension_kJ_per_mol_nm2",
                               &s->surface_tension, err);
    cox_free(name);
    cox_free(solvent);
    return rc;
}

static int load_open(struct cox_system **out, struct cox_h5 *file, struct cox_err *err)
{
    int n_atoms = 0;
    int n_residues = 0;
    int n[N_TERMS] = {0};
    int rc = rows_of(file, "/atoms/mass_u", &n_atoms, err);
    if (!rc)
        rc = rows_of(file, "/residues/number", &n_residues, err);
    for (int kind = 0; !rc && kind < N_TERMS; kind++)
        rc = rows_of(file, terms[kind].atoms, &n[kind], err);
    struct cox_system *s = NULL;
    if (!rc)
        rc = cox_system_create(&s, n_atoms, n_residues, n[BONDS], n[ANGLES], n[TORSIONS],
                               n[PAIRS14], n[EXCLUSIONS], err);
    if (!rc)
        rc = transfer_tables(file, s, true, err);
    if (!rc)
        rc = read_attributes(file, s, err);
    if (!rc)
        rc = cox_system_check(s, err);
    if (rc) {
        cox_system_destroy(s);
        return rc == COX_EINVAL ? COX_EFORMAT : rc;
    }
    *out = s;
    return COX_OK;
}

int cox_system_load(struct cox_system **out, const char *path, struct cox_err *err)
{
    struct cox_h5 *file = NULL;
    *out = NULL;
    int rc = cox_h5_open_read(&file, path, err);
    if (rc)
        return rc;
    rc = check_format(file, path, err);
    if (!rc) {
        rc = load_open(out, file, err);
        if (rc)
            rc = cox_err_wrap(err, rc, "%s", path);
    }
    int closed = cox_h5_close(file, rc ? NULL : err);
    if (!rc && closed) {
        cox_system_destroy(*out);
        *out = NULL;
        rc = closed;
    }
    return rc;
}
