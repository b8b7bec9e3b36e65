/* SPDX-License-Identifier: BSD-3-Clause */
/* What is done to a PDB model on its way to pdb2gmx: names, completeness, text. */
#include "molecule/pdb.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "molecule/residues.h"

/* A peptide bond is 0.13 nm long; unminimised models stretch it. */
#define LONGEST_LINK_NM 0.25

static const struct {
    const char *from, *to;
} residue_names[] = {
    {"HSD", "HID"},  {"HSE", "HIE"},  {"HSP", "HIP"},  {"HISD", "HID"}, {"HISE", "HIE"},
    {"HISH", "HIP"}, {"CYX", "CYS"},  {"CYS2", "CYS"}, {"CYSH", "CYS"}, {"ASPH", "ASH"},
    {"GLUH", "GLH"}, {"LYSH", "LYS"}, {"NHE", "NH2"},  {"NAC", "NME"},
};

/* `residue` NULL: any amino acid. */
static const struct {
    const char *residue, *from, *to;
} atom_names[] = {
    {"ILE", "CD", "CD1"}, {NULL, "OT1", "O"},   {NULL, "OT2", "OXT"},  {NULL, "O1", "O"},
    {NULL, "O2", "OXT"},  {NULL, "OC1", "O"},   {NULL, "OC2", "OXT"},  {NULL, "HN", "H"},
    {"NME", "C", "CH3"},  {"NME", "CA", "CH3"}, {"NME", "CAT", "CH3"}, {"NME", "NT", "N"},
    {"NME", "HNT", "H"},  {"ACE", "CA", "CH3"}, {"ACE", "CAY", "CH3"}, {"ACE", "CY", "C"},
    {"ACE", "OY", "O"},   {"NH2", "NT", "N"},
};

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

static const char *new_residue_name(const char *name)
{
    for (int i = 0; i < COUNT(residue_names); i++)
        if (!strcmp(residue_names[i].from, name))
            return residue_names[i].to;
    return NULL;
}

static const char *new_atom_name(const char *residue, const char *name)
{
    for (int i = 0; i < COUNT(atom_names); i++)
        if (!strcmp(atom_names[i].from, name) &&
            (atom_names[i].residue ? !strcmp(atom_names[i].residue, residue)
                                   : !cox_residue_is_cap(residue)))
            return atom_names[i].to;
    return NULL;
}

int cox_pdb_rename_charmm(struct cox_pdb *pdb, struct cox_err *err)
{
    int n_residues = 0;
    int n_atoms = 0;
    for (int i = 0; i < pdb->n_residues; i++) {
        struct cox_pdb_residue *residue = &pdb->residues[i];
        const char *name = new_residue_name(residue->name);
        if (name) {
            snprintf(residue->name, COX_NAME_SIZE, "%s", name);
            n_residues++;
        }
        const char *standard = cox_residue_standard(residue->name);
        for (int a = residue->first; standard && a < residue->first + residue->count; a++) {
            name = new_atom_name(standard, pdb->atoms[a].name);
            if (!name)
                continue;
            snprintf(pdb->atoms[a].name, COX_NAME_SIZE, "%s", name);
            n_atoms++;
        }
    }
    if (!n_residues && !n_atoms)
        return COX_OK;
    struct cox_str notes;
    cox_str_init(&notes, 1 << 16);
    cox_str_add(&notes, pdb->notes);
    cox_str_addf(&notes, "names of other programs changed to the PDB's: %d residues, %d atoms\n",
                 n_residues, n_atoms);
    char *text = cox_str_status(&notes, err) ? NULL : cox_strdup(cox_str_text(&notes));
    cox_str_deinit(&notes);
    if (!text)
        return cox_err_set(err, COX_ENOMEM, "no memory for notes");
    cox_free(pdb->notes);
    pdb->notes = text;
    return COX_OK;
}

static bool has_atom(const struct cox_pdb *pdb, const struct cox_pdb_residue *residue,
                     const char *name, size_t length)
{
    for (int a = residue->first; a < residue->first + residue->count; a++)
        if (strlen(pdb->atoms[a].name) == length && !strncmp(pdb->atoms[a].name, name, length))
            return true;
    return false;
}

/* Adds the names of the heavy atoms that the residue lacks; returns how many. */
static int add_missing(const struct cox_pdb *pdb, const struct cox_pdb_residue *residue,
                       struct cox_str *out)
{
    const char *standard = cox_residue_standard(residue->name);
    const char *name = standard ? cox_residue_heavy_atoms(standard) : "";
    int missing = 0;
    while (*name) {
        size_t length = strcspn(name, " ");
        if (!has_atom(pdb, residue, name, length)) {
            cox_str_add(out, missing++ ? " " : "");
            cox_str_addn(out, name, length);
        }
        name += length;
        name += strspn(name, " ");
    }
    return missing;
}

static const struct cox_pdb_atom *find_atom(const struct cox_pdb *pdb, int residue,
                                            const char *name)
{
    const struct cox_pdb_residue *r = &pdb->residues[residue];
    for (int a = r->first; a < r->first + r->count; a++)
        if (!strcmp(pdb->atoms[a].name, name))
            return &pdb->atoms[a];
    return NULL;
}

/* pdb2gmx would bond the ends of a gap, however far they are apart. */
static int check_links(const struct cox_pdb *pdb, const char *label, struct cox_err *err)
{
    for (int i = 0; i + 1 < pdb->n_residues; i++) {
        const struct cox_pdb_residue *r = &pdb->residues[i];
        const struct cox_pdb_atom *c = find_atom(pdb, i, "C");
        const struct cox_pdb_atom *n = find_atom(pdb, i + 1, "N");
        if (r[0].segment != r[1].segment || !c || !n)
            continue;
        double square = 0;
        for (int k = 0; k < 3; k++)
            square +=
                (c->position_nm[k] - n->position_nm[k]) * (c->position_nm[k] - n->position_nm[k]);
        if (square <= LONGEST_LINK_NM * LONGEST_LINK_NM)
            continue;
        char one[64];
        char two[64];
        cox_residue_describe(r[0].name, r[0].chain, r[0].number, r[0].insertion, one, sizeof one);
        cox_residue_describe(r[1].name, r[1].chain, r[1].number, r[1].insertion, two, sizeof two);
        return cox_err_set(err, COX_EINVAL,
                           "%s:%d: the chain is broken between %s and %s: C and N are %.1f A apart "
                           "(at most %.1f); model the missing residues, or part the chains by TER",
                           label, r[1].line, one, two, 10 * sqrt(square), 10 * LONGEST_LINK_NM);
    }
    return COX_OK;
}

int cox_pdb_check_complete(const struct cox_pdb *pdb, const char *label, struct cox_err *err)
{
    struct cox_str list;
    struct cox_str names;
    int n = 0;
    cox_str_init(&list, 1024);
    cox_str_init(&names, 256);
    for (int i = 0; i < pdb->n_residues; i++) {
        const struct cox_pdb_residue *r = &pdb->residues[i];
        cox_str_deinit(&names);
        cox_str_init(&names, 256);
        if (!add_missing(pdb, r, &names))
            continue;
        char text[64];
        cox_residue_describe(r->name, r->chain, r->number, r->insertion, text, sizeof text);
        if (n < 8)
            cox_str_addf(&list, "%s%s (line %d) lacks %s", n ? "; " : "", text, r->line,
                         cox_str_text(&names));
        n++;
    }
    int rc = COX_OK;
    if (n)
        rc = cox_err_set(err, COX_EINVAL,
                         "%s: %d residue%s with missing heavy atoms: %s%s; model them first "
                         "(hydrogens may lack)",
                         label, n, n == 1 ? "" : "s", cox_str_text(&list), n > 8 ? "; …" : "");
    cox_str_deinit(&list);
    cox_str_deinit(&names);
    return rc ? rc : check_links(pdb, label, err);
}

static int format_atom(const struct cox_pdb *pdb, const struct cox_pdb_atom *atom, int serial,
                       struct cox_str *out, struct cox_err *err)
{
    const struct cox_pdb_residue *r = &pdb->residues[atom->residue];
    char name[16];
    /* Names of one-letter elements begin in the second of the four columns. */
    snprintf(name, sizeof name, strlen(atom->name) < 4 ? " %s" : "%s", atom->name);
    if (strlen(name) > 4 || strlen(r->name) > 4 || strlen(r->chain) > 1 || r->number < -999 ||
        r->number > 9999)
        return cox_err_set(err, COX_EUNSUPPORTED, "atom '%s' of residue '%s' %d does not fit a PDB",
                           atom->name, r->name, r->number);
    for (int k = 0; k < 3; k++)
        if (!(atom->position_nm[k] > -99.9 && atom->position_nm[k] < 999.9))
            return cox_err_set(err, COX_EUNSUPPORTED,
                               "coordinate %g nm of atom '%s' does not fit a PDB",
                               atom->position_nm[k], atom->name);
    cox_str_addf(out, "ATOM  %5d %-4s %-4s%1s%4d%c   %8.3f%8.3f%8.3f  1.00  0.00\n",
                 serial % 100000, name, r->name, r->chain[0] ? r->chain : " ", r->number,
                 r->insertion, 10 * atom->position_nm[0], 10 * atom->position_nm[1],
                 10 * atom->position_nm[2]);
    return COX_OK;
}

int cox_pdb_format(const struct cox_pdb *pdb, bool heavy_only, struct cox_str *out,
                   struct cox_err *err)
{
    int serial = 1;
    int segment = -1;
    for (int i = 0; i < pdb->n_atoms; i++) {
        const struct cox_pdb_atom *atom = &pdb->atoms[i];
        if (heavy_only && atom->element == 1)
            continue;
        int here = pdb->residues[atom->residue].segment;
        if (segment >= 0 && here != segment)
            cox_str_add(out, "TER\n");
        segment = here;
        int rc = format_atom(pdb, atom, serial++, out, err);
        if (rc)
            return rc;
    }
    cox_str_add(out, "TER\nEND\n");
    return cox_str_status(out, err);
}
