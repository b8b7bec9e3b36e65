/* SPDX-License-Identifier: BSD-3-Clause */
/* Every source is first read into a cox_system that carries names and positions only; then residues
 * are paired, then atoms within each pair of residues by name. */
#include "molecule/reference.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "h5/h5.h"
#include "molecule/pdb.h"
#include "molecule/residues.h"
#include "molecule/topology.h"

#define TRAJECTORY "/particles/trajectory/position/value"
#define TOPOLOGY "/parameters/topology"

/* ---- sources ---- */

static int read_pdb(struct cox_system **out, const char *path, int model, struct cox_err *err)
{
    struct cox_pdb *pdb = NULL;
    struct cox_system *s = NULL;
    const struct cox_pdb_options options = {.model = model, .any_residue = true};
    int rc = cox_pdb_read(&pdb, path, &options, err);
    if (!rc)
        rc = cox_pdb_rename_charmm(pdb, err);
    if (!rc)
        rc = cox_system_create(&s, pdb->n_atoms, pdb->n_residues, 0, 0, 0, 0, 0, err);
    for (int i = 0; !rc && i < pdb->n_residues; i++) {
        memcpy(s->residue_name[i], pdb->residues[i].name, COX_NAME_SIZE);
        memcpy(s->chain[i], pdb->residues[i].chain, COX_NAME_SIZE);
        s->residue_number[i] = pdb->residues[i].number;
    }
    for (int i = 0; !rc && i < pdb->n_atoms; i++) {
        memcpy(s->atom_name[i], pdb->atoms[i].name, COX_NAME_SIZE);
        memcpy(s->position_nm[i], pdb->atoms[i].position_nm, sizeof s->position_nm[i]);
        s->residue[i] = pdb->atoms[i].residue;
    }
    if (!rc)
        snprintf(s->name, sizeof s->name, "model %d", pdb->model);
    cox_pdb_destroy(pdb);
    *out = s;
    return rc;
}

static int read_frame(struct cox_system **out, struct cox_h5 *file, int frame, struct cox_err *err)
{
    int rank = 0;
    int64_t dims[COX_H5_MAX_RANK] = {0};
    struct cox_system *s = NULL;
    int rc = cox_h5_shape(file, TRAJECTORY, &rank, dims, err);
    if (!rc)
        rc = cox_topology_read(file, TOPOLOGY, &s, err);
    if (!rc && (rank != 3 || dims[1] != s->n_atoms || dims[2] != 3))
        rc = cox_err_set(err, COX_EFORMAT, "%s: positions do not fit the %d atoms of the topology",
                         cox_h5_path(file), s->n_atoms);
    int64_t row = frame < 0 ? dims[0] + frame : frame;
    if (!rc && (row < 0 || row >= dims[0]))
        rc = cox_err_set(err, COX_EINVAL, "%s: there is no frame %d, it has %lld (counted from 0)",
                         cox_h5_path(file), frame, (long long)dims[0]);
    if (!rc)
        rc = cox_h5_read_rows(file, TRAJECTORY, COX_H5_F64, row, 1, s->position_nm, err);
    if (!rc)
        snprintf(s->name, sizeof s->name, "frame %lld", (long long)row);
    if (rc) {
        cox_system_destroy(s);
        s = NULL;
    }
    *out = s;
    return rc;
}

static int read_source(struct cox_system **out, const char *path, int model, struct cox_err *err)
{
    *out = NULL;
    if (!cox_str_ends(path, ".h5"))
        return read_pdb(out, path, model, err);
    struct cox_h5 *file = NULL;
    int rc = cox_h5_open_read(&file, path, err);
    if (rc)
        return rc;
    bool trajectory = cox_h5_exists(file, TRAJECTORY);
    if (trajectory)
        rc = read_frame(out, file, model, err);
    cox_h5_abandon(file);
    if (trajectory)
        return rc;
    rc = cox_system_load(out, path, err);
    if (!rc)
        snprintf((*out)->name, sizeof(*out)->name, "as prepared");
    return rc;
}

/* ---- pairing ---- */

/* The PDB's name, whatever the protonation; Amber's termini NALA and CALA lose their first letter.
 */
static const char *standard_name(const char *name)
{
    const char *standard = cox_residue_standard(name);
    if (!standard && strlen(name) == 4 && (name[0] == 'N' || name[0] == 'C'))
        standard = cox_residue_standard(name + 1);
    return standard;
}

static bool same_residue(const char *a, const char *b)
{
    const char *first = standard_name(a);
    const char *second = standard_name(b);
    return !strcmp(first ? first : a, second ? second : b);
}

/* pair[i]: the file's residue of the system's residue i, or -1. Returns how many names agree. */
static int pair_by_number(const struct cox_system *s, const struct cox_system *f, int *pair)
{
    int equal = 0;
    for (int i = 0; i < s->n_residues; i++) {
        int best = -1;
        int best_score = -1;
        for (int j = 0; j < f->n_residues; j++) {
            if (f->residue_number[j] != s->residue_number[i])
                continue;
            int score = 2 * same_residue(s->residue_name[i], f->residue_name[j]) +
                        !strcmp(s->chain[i], f->chain[j]);
            if (score > best_score) {
                best = j;
                best_score = score;
            }
        }
        pair[i] = best;
        equal += best_score >= 2;
    }
    return equal;
}

static int count_equal(const struct cox_system *s, const struct cox_system *f, int offset)
{
    int equal = 0;
    for (int i = 0; i < s->n_residues; i++) {
        int j = i + offset;
        if (j >= 0 && j < f->n_residues)
            equal += same_residue(s->residue_name[i], f->residue_name[j]);
    }
    return equal;
}

/* The offset with the most equal names; the smallest shift among equals. */
static int best_offset(const struct cox_system *s, const struct cox_system *f, int *offset)
{
    int best = -1;
    int reach = s->n_residues > f->n_residues ? s->n_residues : f->n_residues;
    for (int k = 0; k < 2 * reach; k++) {
        int shift = k % 2 ? (k + 1) / 2 : -k / 2;
        int equal = count_equal(s, f, shift);
        if (equal > best) {
            best = equal;
            *offset = shift;
        }
    }
    return best;
}

/* One name for the spellings of force fields and programs: the terminal oxygens, isoleucine's CD.
 */
static const char *plain_name(const char *name, const char *residue)
{
    static const char *const same[][2] = {{"OT1", "O"},   {"OC1", "O"},   {"O1", "O"},
                                          {"OT2", "OXT"}, {"OC2", "OXT"}, {"O2", "OXT"}};
    const char *standard = standard_name(residue);
    if (!standard || cox_residue_is_cap(standard))
        return name;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        if (!strcmp(name, same[i][0]))
            return same[i][1];
    if (!strcmp(standard, "ILE") && !strcmp(name, "CD"))
        return "CD1";
    return name;
}

static void match_atoms(struct cox_reference *r, const struct cox_system *s,
                        const struct cox_system *f, const int *pair, const int *first)
{
    for (int i = 0; i < s->n_atoms; i++) {
        int j = pair[s->residue[i]];
        if (j < 0)
            continue;
        const char *name = plain_name(s->atom_name[i], s->residue_name[s->residue[i]]);
        for (int k = first[j]; k < f->n_atoms && f->residue[k] == j; k++) {
            if (strcmp(name, plain_name(f->atom_name[k], f->residue_name[j])))
                continue;
            memcpy(r->position_nm[i], f->position_nm[k], sizeof r->position_nm[i]);
            r->has[i] = true;
            r->matched++;
            break;
        }
    }
}

static int pair_residues(struct cox_reference *r, const struct cox_system *s,
                         const struct cox_system *f, int *pair, const char *path,
                         struct cox_err *err)
{
    int equal = pair_by_number(s, f, pair);
    int by_sequence = best_offset(s, f, &r->offset);
    r->by_number = equal >= by_sequence;
    if (r->by_number) {
        r->offset = 0;
    } else {
        equal = by_sequence;
        for (int i = 0; i < s->n_residues; i++) {
            int j = i + r->offset;
            pair[i] = j >= 0 && j < f->n_residues ? j : -1;
        }
    }
    int fewer = s->n_residues < f->n_residues ? s->n_residues : f->n_residues;
    if (!equal || 2 * equal < fewer)
        return cox_err_set(err, COX_EINVAL,
                           "'%s' does not fit the system: only %d of its %d residues have the "
                           "names of the system's %d, by number or by sequence",
                           path, equal, f->n_residues, s->n_residues);
    return COX_OK;
}

static int allocate(struct cox_reference **out, int n_atoms, struct cox_err *err)
{
    struct cox_reference *r = cox_alloc(1, sizeof *r);
    *out = NULL;
    if (r) {
        r->n_atoms = n_atoms;
        r->position_nm = cox_alloc((size_t)n_atoms, sizeof *r->position_nm);
        r->has = cox_alloc((size_t)n_atoms, sizeof *r->has);
    }
    if (!r || !r->position_nm || !r->has) {
        cox_reference_destroy(r);
        return cox_err_set(err, COX_ENOMEM, "out of memory for a reference of %d atoms", n_atoms);
    }
    *out = r;
    return COX_OK;
}

static int match(struct cox_reference *r, const struct cox_system *s, const struct cox_system *f,
                 const char *path, struct cox_err *err)
{
    int *pair = cox_alloc((size_t)s->n_residues, sizeof *pair);
    int *first = cox_alloc((size_t)f->n_residues, sizeof *first);
    int rc = pair && first ? pair_residues(r, s, f, pair, path, err)
                           : cox_err_set(err, COX_ENOMEM, "out of memory matching '%s'", path);
    if (!rc) {
        for (int k = f->n_atoms - 1; k >= 0; k--)
            first[f->residue[k]] = k;
        match_atoms(r, s, f, pair, first);
        const char *slash = strrchr(path, '/');
        char how[48] = "residue number";
        if (!r->by_number)
            snprintf(how, sizeof how, "sequence, offset %d", r->offset);
        snprintf(r->title, sizeof r->title, "%.64s %s: %d of %d atoms by %s",
                 slash ? slash + 1 : path, f->name, r->matched, s->n_atoms, how);
    }
    cox_free(pair);
    cox_free(first);
    return rc;
}

int cox_reference_load(struct cox_reference **out, const struct cox_system *system,
                       const char *path, int model, struct cox_err *err)
{
    struct cox_system *f = NULL;
    struct cox_reference *r = NULL;
    *out = NULL;
    int rc = read_source(&f, path, model, err);
    if (!rc)
        rc = allocate(&r, system->n_atoms, err);
    if (!rc) {
        r->file_atoms = f->n_atoms;
        rc = match(r, system, f, path, err);
    }
    cox_system_destroy(f);
    if (rc) {
        cox_reference_destroy(r);
        return cox_err_wrap(err, rc, "reading the reference fold");
    }
    *out = r;
    return COX_OK;
}

int cox_reference_from_positions(struct cox_reference **out, const struct cox_system *system,
                                 const double (*position_nm)[3], struct cox_err *err)
{
    int rc = allocate(out, system->n_atoms, err);
    if (rc)
        return rc;
    struct cox_reference *r = *out;
    memcpy(r->position_nm, position_nm, (size_t)system->n_atoms * sizeof *position_nm);
    memset(r->has, 1, (size_t)system->n_atoms);
    r->matched = r->file_atoms = system->n_atoms;
    r->by_number = true;
    snprintf(r->title, sizeof r->title, "%s: all %d atoms", system->name, system->n_atoms);
    return COX_OK;
}

void cox_reference_destroy(struct cox_reference *reference)
{
    if (!reference)
        return;
    cox_free(reference->position_nm);
    cox_free(reference->has);
    cox_free(reference);
}

int cox_reference_require(const struct cox_reference *reference, const struct cox_system *system,
                          const struct cox_selection *selection, struct cox_err *err)
{
    int missing = 0;
    int first = -1;
    for (int i = 0; i < selection->n; i++)
        if (!reference->has[selection->atom[i]] && !missing++)
            first = selection->atom[i];
    if (!missing)
        return COX_OK;
    int residue = system->residue[first];
    return cox_err_set(err, COX_EINVAL,
                       "the reference (%s) lacks %d of the %d selected atoms, first '%s' of %s %d",
                       reference->title, missing, selection->n, system->atom_name[first],
                       system->residue_name[residue], system->residue_number[residue]);
}

void cox_reference_gather(const struct cox_reference *reference,
                          const struct cox_selection *selection, double (*out)[3])
{
    for (int i = 0; i < selection->n; i++)
        memcpy(out[i], reference->position_nm[selection->atom[i]], sizeof out[i]);
}
