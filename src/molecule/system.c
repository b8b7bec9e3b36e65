/* SPDX-License-Identifier: BSD-3-Clause */
#include "cox/system.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Beyond this a file is broken, not big: all pairs of so many atoms are out of any reach. */
#define MAXIMUM_ATOMS 1000000
#define MAXIMUM_TERMS 100000000

static int check_counts(const int *counts, int n, struct cox_err *err)
{
    static const char *const names[] = {"atoms",    "residues", "bonds",     "angles",
                                        "torsions", "pairs14",  "exclusions"};
    for (int i = 0; i < n; i++) {
        int maximum = i < 2 ? MAXIMUM_ATOMS : MAXIMUM_TERMS;
        int minimum = i < 2 ? 1 : 0;
        if (counts[i] < minimum || counts[i] > maximum)
            return cox_err_set(err, COX_EINVAL, "a system has %d %s; allowed are %d to %d",
                               counts[i], names[i], minimum, maximum);
    }
    return COX_OK;
}

static int alloc_atoms(struct cox_system *s)
{
    size_t n = (size_t)s->n_atoms;
    size_t r = (size_t)s->n_residues;
    double **const values[] = {&s->mass_u,  &s->charge_e,     &s->sigma_nm,
                               &s->epsilon, &s->gb_radius_nm, &s->gb_scale};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        *values[i] = cox_alloc(n, sizeof(double));
        if (!*values[i])
            return COX_ENOMEM;
    }
    s->element = cox_alloc(n, sizeof *s->element);
    s->residue = cox_alloc(n, sizeof *s->residue);
    s->atom_name = cox_alloc(n, sizeof *s->atom_name);
    s->position_nm = cox_alloc(n, sizeof *s->position_nm);
    s->residue_name = cox_alloc(r, sizeof *s->residue_name);
    s->residue_number = cox_alloc(r, sizeof *s->residue_number);
    s->chain = cox_alloc(r, sizeof *s->chain);
    if (!s->element || !s->residue || !s->atom_name || !s->position_nm || !s->residue_name ||
        !s->residue_number || !s->chain)
        return COX_ENOMEM;
    return COX_OK;
}

static int alloc_terms(struct cox_system *s)
{
    s->bonds = cox_alloc((size_t)s->n_bonds, sizeof *s->bonds);
    s->angles = cox_alloc((size_t)s->n_angles, sizeof *s->angles);
    s->torsions = cox_alloc((size_t)s->n_torsions, sizeof *s->torsions);
    s->pairs14 = cox_alloc((size_t)s->n_pairs14, sizeof *s->pairs14);
    s->exclusions = cox_alloc((size_t)s->n_exclusions, sizeof *s->exclusions);
    s->provenance = cox_strdup("{}");
    if (!s->bonds || !s->angles || !s->torsions || !s->pairs14 || !s->exclusions || !s->provenance)
        return COX_ENOMEM;
    return COX_OK;
}

int cox_system_create(struct cox_system **out, int n_atoms, int n_residues, int n_bonds,
                      int n_angles, int n_torsions, int n_pairs14, int n_exclusions,
                      struct cox_err *err)
{
    const int counts[] = {n_atoms,    n_residues, n_bonds,     n_angles,
                          n_torsions, n_pairs14,  n_exclusions};
    *out = NULL;
    int rc = check_counts(counts, 7, err);
    if (rc)
        return rc;
    struct cox_system *s = cox_alloc(1, sizeof *s);
    if (!s)
        return cox_err_set(err, COX_ENOMEM, "no memory for a system of %d atoms", n_atoms);
    s->n_atoms = n_atoms;
    s->n_residues = n_residues;
    s->n_bonds = n_bonds;
    s->n_angles = n_angles;
    s->n_torsions = n_torsions;
    s->n_pairs14 = n_pairs14;
    s->n_exclusions = n_exclusions;
    s->solvent_dielectric = 78.5;
    s->solute_dielectric = 1;
    s->surface_tension = 2.25936;
    rc = alloc_atoms(s);
    if (!rc)
        rc = alloc_terms(s);
    if (rc) {
        cox_system_destroy(s);
        return cox_err_set(err, rc, "no memory for a system of %d atoms", n_atoms);
    }
    *out = s;
    return COX_OK;
}

void cox_system_destroy(struct cox_system *s)
{
    if (!s)
        return;
    void *const blocks[] = {s->mass_u,       s->charge_e,    s->sigma_nm,     s->epsilon,
                            s->gb_radius_nm, s->gb_scale,    s->element,      s->residue,
                            s->atom_name,    s->position_nm, s->residue_name, s->residue_number,
                            s->chain,        s->bonds,       s->angles,       s->torsions,
                            s->pairs14,      s->exclusions,  s->provenance};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        cox_free(blocks[i]);
    cox_free(s);
}

static int check_value(const char *what, int index, double value, double minimum,
                       struct cox_err *err)
{
    if (isfinite(value) && value >= minimum)
        return COX_OK;
    if (minimum > -HUGE_VAL)
        return cox_err_set(err, COX_EINVAL, "%s %d is %g; it must be finite and at least %g", what,
                           index, value, minimum);
    return cox_err_set(err, COX_EINVAL, "%s %d is %g; it must be finite", what, index, value);
}

static int check_atoms(const struct cox_system *s, struct cox_err *err)
{
    int rc = COX_OK;
    /* The Born radius integral needs the radius less its offset of 0.009 nm to be positive. */
    double least_radius = s->solvent == COX_SOLVENT_OBC2 ? 0.0091 : 0;
    for (int i = 0; !rc && i < s->n_atoms; i++) {
        if (s->residue[i] < 0 || s->residue[i] >= s->n_residues ||
            (i && s->residue[i] < s->residue[i - 1]))
            return cox_err_set(err, COX_EINVAL,
                               "atom %d lies in residue %d; residues go from 0 to %d in order", i,
                               s->residue[i], s->n_residues - 1);
        if (s->element[i] < 0 || s->element[i] > 118)
            return cox_err_set(err, COX_EINVAL, "atom %d has element %d, not 0 to 118", i,
                               s->element[i]);
        if (!memchr(s->atom_name[i], 0, COX_NAME_SIZE))
            return cox_err_set(err, COX_EINVAL, "the name of atom %d does not end", i);
        rc = check_value("the mass of atom", i, s->mass_u[i], 1e-3, err);
        if (!rc)
            rc = check_value("the charge of atom", i, s->charge_e[i], -HUGE_VAL, err);
        if (!rc)
            rc = check_value("sigma of atom", i, s->sigma_nm[i], 0, err);
        if (!rc)
            rc = check_value("epsilon of atom", i, s->epsilon[i], 0, err);
        if (!rc)
            rc = check_value("the GB radius of atom", i, s->gb_radius_nm[i], least_radius, err);
        if (!rc)
            rc = check_value("the GB scale of atom", i, s->gb_scale[i], 0, err);
        for (int k = 0; !rc && k < 3; k++)
            rc = check_value("a coordinate of atom", i, s->position_nm[i][k], -HUGE_VAL, err);
    }
    for (int i = 0; !rc && i < s->n_residues; i++)
        if (!memchr(s->residue_name[i], 0, COX_NAME_SIZE) || !memchr(s->chain[i], 0, COX_NAME_SIZE))
            return cox_err_set(err, COX_EINVAL, "the name of residue %d does not end", i);
    return rc;
}

/* Atoms in range and all different. */
static int check_indices(const struct cox_system *s, const char *what, int index, const int *atom,
                         int n, struct cox_err *err)
{
    for (int a = 0; a < n; a++) {
        if (atom[a] < 0 || atom[a] >= s->n_atoms)
            return cox_err_set(err, COX_EINVAL, "%s %d names atom %d; atoms go from 0 to %d", what,
                               index, atom[a], s->n_atoms - 1);
        for (int b = 0; b < a; b++)
            if (atom[a] == atom[b])
                return cox_err_set(err, COX_EINVAL, "%s %d names atom %d twice", what, index,
                                   atom[a]);
    }
    return COX_OK;
}

static int check_bonded(const struct cox_system *s, struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; !rc && i < s->n_bonds; i++) {
        rc = check_indices(s, "bond", i, s->bonds[i].atom, 2, err);
        if (!rc)
            rc = check_value("the length of bond", i, s->bonds[i].r0_nm, 0, err);
        if (!rc)
            rc = check_value("the force constant of bond", i, s->bonds[i].k, 0, err);
    }
    for (int i = 0; !rc && i < s->n_angles; i++) {
        rc = check_indices(s, "angle", i, s->angles[i].atom, 3, err);
        if (!rc)
            rc = check_value("the value of angle", i, s->angles[i].theta0_rad, 0, err);
        if (!rc)
            rc = check_value("the force constant of angle", i, s->angles[i].k, 0, err);
    }
    for (int i = 0; !rc && i < s->n_torsions; i++) {
        const struct cox_torsion *t = &s->torsions[i];
        rc = check_indices(s, "torsion", i, t->atom, 4, err);
        if (!rc && (t->periodicity < 1 || t->periodicity > 6))
            rc = cox_err_set(err, COX_EINVAL, "torsion %d has periodicity %d, not 1 to 6", i,
                             t->periodicity);
        if (!rc)
            rc = check_value("the phase of torsion", i, t->phase_rad, -HUGE_VAL, err);
        if (!rc)
            rc = check_value("the force constant of torsion", i, t->k, -HUGE_VAL, err);
    }
    return rc;
}

static int compare_keys(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t pair_key(const struct cox_system *s, int i, int j)
{
    int low = i < j ? i : j;
    int high = i < j ? j : i;
    return (int64_t)low * s->n_atoms + high;
}

/* Exclusions in order and once each; a 1-4 pair must be excluded, or it would count twice. */
static int check_pairs_sorted(const struct cox_system *s, int64_t *keys, struct cox_err *err)
{
    size_t n = (size_t)s->n_exclusions;
    for (size_t i = 0; i < n; i++) {
        const int *e = s->exclusions[i];
        int rc = check_indices(s, "exclusion", (int)i, e, 2, err);
        if (rc)
            return rc;
        if (e[0] > e[1])
            return cox_err_set(err, COX_EINVAL, "exclusion %d is (%d, %d); the first is the lower",
                               (int)i, e[0], e[1]);
        keys[i] = pair_key(s, e[0], e[1]);
    }
    if (n)
        qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 1; i < n; i++)
        if (keys[i] == keys[i - 1])
            return cox_err_set(err, COX_EINVAL, "exclusion (%d, %d) is listed twice",
                               (int)(keys[i] / s->n_atoms), (int)(keys[i] % s->n_atoms));
    for (int i = 0; i < s->n_pairs14; i++) {
        const struct cox_pair14 *p = &s->pairs14[i];
        int rc = check_indices(s, "1-4 pair", i, p->atom, 2, err);
        if (!rc)
            rc =
                check_value("the charge product of 1-4 pair", i, p->charge_product, -HUGE_VAL, err);
        if (!rc)
            rc = check_value("sigma of 1-4 pair", i, p->sigma_nm, 0, err);
        if (!rc)
            rc = check_value("epsilon of 1-4 pair", i, p->epsilon, 0, err);
        if (rc)
            return rc;
        int64_t key = pair_key(s, p->atom[0], p->atom[1]);
        if (!n || !bsearch(&key, keys, n, sizeof *keys, compare_keys))
            return cox_err_set(err, COX_EINVAL, "1-4 pair %d (%d, %d) is not among the exclusions",
                               i, p->atom[0], p->atom[1]);
    }
    return COX_OK;
}

int cox_system_check(const struct cox_system *s, struct cox_err *err)
{
    const int counts[] = {s->n_atoms,    s->n_residues, s->n_bonds,     s->n_angles,
                          s->n_torsions, s->n_pairs14,  s->n_exclusions};
    int rc = check_counts(counts, 7, err);
    if (!rc && !memchr(s->name, 0, sizeof s->name))
        rc = cox_err_set(err, COX_EINVAL, "the name of the system does not end");
    if (!rc && s->solvent != COX_SOLVENT_VACUUM && s->solvent != COX_SOLVENT_OBC2)
        rc = cox_err_set(err, COX_EINVAL, "unknown solvent %d", (int)s->solvent);
    if (!rc)
        rc = check_value("solvent dielectric", 0, s->solvent_dielectric, 1, err);
    if (!rc)
        rc = check_value("solute dielectric", 0, s->solute_dielectric, 1, err);
    if (!rc)
        rc = check_value("surface tension", 0, s->surface_tension, 0, err);
    if (!rc)
        rc = check_atoms(s, err);
    if (!rc)
        rc = check_bonded(s, err);
    if (rc)
        return rc;
    int64_t *keys = cox_alloc((size_t)s->n_exclusions, sizeof *keys);
    if (!keys)
        return cox_err_set(err, COX_ENOMEM, "no memory to check %d exclusions", s->n_exclusions);
    rc = check_pairs_sorted(s, keys, err);
    cox_free(keys);
    return rc;
}
