/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/helix.h"

#include <string.h>

#include "base/mem.h"
#include "molecule/features.h"

#define RAD 0.017453292519943295
#define BOND_NM 0.35

/* Backbone atoms of a residue, -1 where it has none. */
struct backbone {
    int n, ca, c, o;
};

static int find_backbone(struct backbone **out, const struct cox_system *s, struct cox_err *err)
{
    *out = cox_alloc((size_t)s->n_residues, sizeof **out);
    if (!*out)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d residues", s->n_residues);
    for (int i = 0; i < s->n_residues; i++)
        (*out)[i] = (struct backbone){-1, -1, -1, -1};
    for (int i = 0; i < s->n_atoms; i++) {
        struct backbone *b = &(*out)[s->residue[i]];
        const char *name = s->atom_name[i];
        if (!strcmp(name, "N"))
            b->n = i;
        else if (!strcmp(name, "CA"))
            b->ca = i;
        else if (!strcmp(name, "C"))
            b->c = i;
        else if (!strcmp(name, "O"))
            b->o = i;
    }
    return COX_OK;
}

/* Whether residue i + 1 follows i in the chain. */
static bool is_linked(const struct cox_system *s, const struct backbone *b, int i)
{
    if (i < 0 || i + 1 >= s->n_residues || b[i].c < 0 || b[i + 1].n < 0)
        return false;
    if (!s->n_bonds)
        return !strcmp(s->chain[i], s->chain[i + 1]);
    for (int k = 0; k < s->n_bonds; k++) {
        const int *a = s->bonds[k].atom;
        if ((a[0] == b[i].c && a[1] == b[i + 1].n) || (a[1] == b[i].c && a[0] == b[i + 1].n))
            return true;
    }
    return false;
}

static void add_torsions(struct cox_helix *h, const struct cox_system *s, const struct backbone *b,
                         const bool *linked)
{
    for (int i = 1; i + 1 < s->n_residues; i++) {
        if (!linked[i - 1] || !linked[i] || b[i].ca < 0)
            continue;
        const int atom[5] = {b[i - 1].c, b[i].n, b[i].ca, b[i].c, b[i + 1].n};
        memcpy(h->atom[h->n++], atom, sizeof atom);
    }
}

static void add_bonds(struct cox_helix *h, const struct cox_system *s, const struct backbone *b,
                      const bool *linked)
{
    for (int i = 0; i + 4 < s->n_residues; i++) {
        bool proline = !strcmp(s->residue_name[i + 4], "PRO");
        if (b[i].o < 0 || proline || !linked[i] || !linked[i + 1] || !linked[i + 2] ||
            !linked[i + 3])
            continue;
        const int atom[5] = {b[i].o, b[i + 4].n, 0, 0, 0};
        memcpy(h->atom[h->n++], atom, sizeof atom);
    }
}

int cox_helix_init(struct cox_helix *out, const struct cox_system *system, bool bonds,
                   struct cox_err *err)
{
    struct backbone *b = NULL;
    bool *linked = cox_alloc((size_t)system->n_residues, sizeof *linked);
    *out = (struct cox_helix){.bonds = bonds};
    out->atom = cox_alloc((size_t)system->n_residues, sizeof *out->atom);
    int rc = linked && out->atom ? find_backbone(&b, system, err)
                                 : cox_err_set(err, COX_ENOMEM, "out of memory for %d residues",
                                               system->n_residues);
    if (!rc) {
        for (int i = 0; i < system->n_residues; i++)
            linked[i] = is_linked(system, b, i);
        if (bonds)
            add_bonds(out, system, b, linked);
        else
            add_torsions(out, system, b, linked);
        if (!out->n)
            rc = cox_err_set(err, COX_EINVAL, "the system has no %s",
                             bonds ? "peptide chain of five residues"
                                   : "residue between two others of a peptide chain");
    }
    cox_free(b);
    cox_free(linked);
    if (rc)
        cox_helix_deinit(out);
    return rc;
}

void cox_helix_deinit(struct cox_helix *helix)
{
    cox_free(helix->atom);
    *helix = (struct cox_helix){0};
}

/* −100° < φ < −30°, −67° < ψ < −7°: Best & Hummer, J. Phys. Chem. B 113, 9004 (2009). */
static bool is_alpha(const int atom[5], const float (*x)[3])
{
    double p[5][3];
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 3; k++)
            p[i][k] = (double)x[atom[i]][k];
    double phi = cox_dihedral(p[0], p[1], p[2], p[3]) / RAD;
    double psi = cox_dihedral(p[1], p[2], p[3], p[4]) / RAD;
    return phi > -100 && phi < -30 && psi > -67 && psi < -7;
}

double cox_helix_fraction(const struct cox_helix *h, const float (*x)[3])
{
    int count = 0;
    for (int i = 0; i < h->n; i++) {
        const int *atom = h->atom[i];
        count +=
            h->bonds ? cox_point_distance(x[atom[0]], x[atom[1]]) < BOND_NM : is_alpha(atom, x);
    }
    return h->n ? (double)count / h->n : 0;
}
