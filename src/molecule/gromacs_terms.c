/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/gromacs_terms.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* Where the next atom, term … of the system goes. */
struct cursor {
    int atom, residue, bond, angle, torsion, pair, exclusion;
};

static const struct cox_gromacs_molecule *molecule_of(const struct cox_gromacs_terms *t, int i)
{
    return (const struct cox_gromacs_molecule *)t->molecules.items + i;
}

static const struct cox_gromacs_block *block_of(const struct cox_gromacs_terms *t, int i)
{
    return (const struct cox_gromacs_block *)t->blocks.items + i;
}

static const struct cox_gromacs_function *function_of(const struct cox_gromacs_terms *t, int i)
{
    return (const struct cox_gromacs_function *)t->functions.items + i;
}

/* 4 ε ((σ/r)¹² − (σ/r)⁶) from C12/r¹² − C6/r⁶. */
static void sigma_epsilon(double c6, double c12, double *sigma, double *epsilon)
{
    *sigma = c6 > 0 ? pow(c12 / c6, 1.0 / 6) : 0;
    *epsilon = c12 > 0 ? c6 * c6 / (4 * c12) : 0;
}

/* The tpr holds float32, so the rules hold to a few 1e-7 of the larger term. */
static int check_lorentz_berthelot(const struct cox_gromacs_terms *t, const double *sigma,
                                   const double *epsilon, struct cox_err *err)
{
    for (int i = 0; i < t->n_types; i++)
        for (int j = 0; j < t->n_types; j++) {
            const double *found = function_of(t, i * t->n_types + j)->value;
            double s6 = pow(0.5 * (sigma[i] + sigma[j]), 6);
            double four = 4 * sqrt(epsilon[i] * epsilon[j]);
            double c6 = four * s6;
            double c12 = four * s6 * s6;
            if (fabs(found[0] - c6) > 1e-4 * c6 + 1e-12 ||
                fabs(found[1] - c12) > 1e-4 * c12 + 1e-15)
                return cox_err_set(err, COX_EUNSUPPORTED,
                                   "the Lennard-Jones parameters of atom types %d and %d do not "
                                   "follow the Lorentz-Berthelot rules (is it not an Amber force "
                                   "field?)",
                                   i, j);
        }
    return COX_OK;
}

static int lennard_jones(const struct cox_gromacs_terms *t, double *sigma, double *epsilon,
                         struct cox_err *err)
{
    for (int i = 0; i < t->n_types; i++) {
        const double *c = function_of(t, i * t->n_types + i)->value;
        sigma_epsilon(c[0], c[1], &sigma[i], &epsilon[i]);
    }
    return check_lorentz_berthelot(t, sigma, epsilon, err);
}

static int check_counts(const struct cox_gromacs_terms *t, int64_t *counts, struct cox_err *err)
{
    if (t->n_types < 1 || t->n_types > 10000 || t->functions.n < t->n_types * t->n_types)
        return cox_err_set(err, COX_EFORMAT, "gmx dump lists %d function types for %d atom types",
                           t->functions.n, t->n_types);
    for (int i = 0; i < t->n_types * t->n_types; i++)
        if (function_of(t, i)->kind != COX_GMX_LJ)
            return cox_err_set(err, COX_EUNSUPPORTED,
                               "nonbonded interactions are of the kind '%s', not Lennard-Jones",
                               function_of(t, i)->name);
    for (int b = 0; b < t->blocks.n; b++) {
        const struct cox_gromacs_block *block = block_of(t, b);
        if (block->molecule < 0 || block->molecule >= t->molecules.n || block->count < 0 ||
            block->count > 1000000)
            return cox_err_set(err, COX_EFORMAT, "gmx dump lists %d molecules of type %d",
                               block->count, block->molecule);
        const struct cox_gromacs_molecule *m = molecule_of(t, block->molecule);
        counts[0] += (int64_t)block->count * m->atoms.n;
        counts[1] += (int64_t)block->count * m->residues.n;
        counts[2] += (int64_t)block->count * m->exclusions.n;
    }
    if (counts[0] != t->positions.n || counts[0] < 1)
        return cox_err_set(err, COX_EFORMAT, "gmx dump lists %lld atoms and %d positions",
                           (long long)counts[0], t->positions.n);
    if (counts[1] > INT32_MAX || counts[2] > INT32_MAX)
        return cox_err_set(err, COX_EFORMAT, "gmx dump lists too many residues or exclusions");
    return COX_OK;
}

/* Torsions that never have energy are in the force field's files only to stop a search. */
static bool counts_as_term(const struct cox_gromacs_function *f)
{
    return !(f->kind == COX_GMX_PROPER || f->kind == COX_GMX_IMPROPER) || f->value[1] != 0;
}

static void count_terms(const struct cox_gromacs_terms *t, int64_t *by_kind)
{
    for (int b = 0; b < t->blocks.n; b++) {
        const struct cox_growing *list = &molecule_of(t, block_of(t, b)->molecule)->interactions;
        for (int i = 0; i < list->n; i++) {
            const struct cox_gromacs_interaction *term =
                (const struct cox_gromacs_interaction *)list->items + i;
            const struct cox_gromacs_function *f = function_of(t, term->type);
            if (counts_as_term(f))
                by_kind[f->kind] += block_of(t, b)->count;
        }
    }
}

/* GROMACS writes 5/6 as 0.8333 in its Amber force fields; the force field says 1/1.2. */
static double charge_scale(const struct cox_gromacs_terms *t)
{
    return fabs(t->fudge_charge - 5.0 / 6) < 5e-5 ? 5.0 / 6 : t->fudge_charge;
}

static void add_term(struct cox_system *s, struct cursor *c, const struct cox_gromacs_terms *t,
                     const struct cox_gromacs_interaction *term)
{
    const struct cox_gromacs_function *f = function_of(t, term->type);
    const double degree = M_PI / 180;
    int atom[4];
    for (int k = 0; k < 4; k++)
        atom[k] = term->atom[k] + c->atom;
    if (!counts_as_term(f))
        return;
    if (f->kind == COX_GMX_BOND) {
        s->bonds[c->bond++] = (struct cox_bond){{atom[0], atom[1]}, f->value[0], f->value[1]};
    } else if (f->kind == COX_GMX_ANGLE) {
        s->angles[c->angle++] =
            (struct cox_angle){{atom[0], atom[1], atom[2]}, f->value[0] * degree, f->value[1]};
    } else if (f->kind == COX_GMX_LJ14) {
        struct cox_pair14 *p = &s->pairs14[c->pair++];
        p->atom[0] = atom[0];
        p->atom[1] = atom[1];
        p->charge_product = charge_scale(t) * s->charge_e[atom[0]] * s->charge_e[atom[1]];
        sigma_epsilon(f->value[0], f->value[1], &p->sigma_nm, &p->epsilon);
    } else {
        struct cox_torsion *d = &s->torsions[c->torsion++];
        memcpy(d->atom, atom, sizeof d->atom);
        d->improper = f->kind == COX_GMX_IMPROPER;
        d->periodicity = f->multiplicity;
        d->phase_rad = f->value[0] * degree;
        d->k = f->value[1];
    }
}

static int add_atoms(struct cox_system *s, const struct cursor *c,
                     const struct cox_gromacs_molecule *m, int n_types, const double *sigma,
                     const double *epsilon, struct cox_err *err)
{
    for (int i = 0; i < m->atoms.n; i++) {
        const struct cox_gromacs_atom *a = (const struct cox_gromacs_atom *)m->atoms.items + i;
        int k = c->atom + i;
        if (a->type < 0 || a->type >= n_types || a->residue < 0 || a->residue >= m->residues.n)
            return cox_err_set(err, COX_EFORMAT, "gmx dump: atom %d is of type %d in residue %d", i,
                               a->type, a->residue);
        s->mass_u[k] = a->mass_u;
        s->charge_e[k] = a->charge_e;
        s->sigma_nm[k] = sigma[a->type];
        s->epsilon[k] = epsilon[a->type];
        s->element[k] = a->element;
        s->residue[k] = c->residue + a->residue;
        /* GROMACS's names of the two oxygens of a C terminus. */
        const char *name = !strcmp(a->name, "OC1")   ? "O"
                           : !strcmp(a->name, "OC2") ? "OXT"
                                                     : a->name;
        snprintf(s->atom_name[k], COX_NAME_SIZE, "%s", name);
    }
    for (int i = 0; i < m->residues.n; i++) {
        const struct cox_gromacs_residue *r =
            (const struct cox_gromacs_residue *)m->residues.items + i;
        memcpy(s->residue_name[c->residue + i], r->name, COX_NAME_SIZE);
        s->residue_number[c->residue + i] = r->number;
    }
    return COX_OK;
}

static int add_molecule(struct cox_system *s, struct cursor *c, const struct cox_gromacs_terms *t,
                        int which, const double *sigma, const double *epsilon, struct cox_err *err)
{
    const struct cox_gromacs_molecule *m = molecule_of(t, which);
    int rc = add_atoms(s, c, m, t->n_types, sigma, epsilon, err);
    if (rc)
        return rc;
    for (int i = 0; i < m->interactions.n; i++)
        add_term(s, c, t, (const struct cox_gromacs_interaction *)m->interactions.items + i);
    for (int i = 0; i < m->exclusions.n; i++) {
        const int *pair = (const int *)m->exclusions.items + 2 * (size_t)i;
        s->exclusions[c->exclusion][0] = pair[0] + c->atom;
        s->exclusions[c->exclusion++][1] = pair[1] + c->atom;
    }
    c->atom += m->atoms.n;
    c->residue += m->residues.n;
    return COX_OK;
}

static int create(struct cox_system **out, const struct cox_gromacs_terms *t, struct cox_err *err)
{
    int64_t counts[3] = {0};
    int64_t kinds[COX_GMX_IMPROPER + 1] = {0};
    int rc = check_counts(t, counts, err);
    if (rc)
        return rc;
    count_terms(t, kinds);
    for (int k = 0; k <= COX_GMX_IMPROPER; k++)
        if (kinds[k] > INT32_MAX / 4)
            return cox_err_set(err, COX_EFORMAT, "gmx dump lists too many terms");
    return cox_system_create(out, (int)counts[0], (int)counts[1], (int)kinds[COX_GMX_BOND],
                             (int)kinds[COX_GMX_ANGLE],
                             (int)(kinds[COX_GMX_PROPER] + kinds[COX_GMX_IMPROPER]),
                             (int)kinds[COX_GMX_LJ14], (int)counts[2], err);
}

int cox_gromacs_terms_build(struct cox_system **out, const struct cox_gromacs_terms *t,
                            struct cox_err *err)
{
    struct cursor c = {0};
    *out = NULL;
    int rc = create(out, t, err);
    if (rc)
        return rc;
    struct cox_system *s = *out;
    double *sigma = cox_alloc((size_t)t->n_types, sizeof *sigma);
    double *epsilon = cox_alloc((size_t)t->n_types, sizeof *epsilon);
    if (!sigma || !epsilon)
        rc = cox_err_set(err, COX_ENOMEM, "no memory for %d atom types", t->n_types);
    if (!rc)
        rc = lennard_jones(t, sigma, epsilon, err);
    for (int b = 0; !rc && b < t->blocks.n; b++)
        for (int k = 0; !rc && k < block_of(t, b)->count; k++)
            rc = add_molecule(s, &c, t, block_of(t, b)->molecule, sigma, epsilon, err);
    if (!rc)
        memcpy(s->position_nm, t->positions.items, (size_t)s->n_atoms * sizeof *s->position_nm);
    if (!rc)
        rc = cox_system_check(s, err);
    cox_free(sigma);
    cox_free(epsilon);
    if (rc) {
        cox_system_destroy(s);
        *out = NULL;
    }
    return rc;
}

void cox_gromacs_terms_deinit(struct cox_gromacs_terms *t)
{
    for (int i = 0; i < t->molecules.n; i++) {
        struct cox_gromacs_molecule *m = (struct cox_gromacs_molecule *)t->molecules.items + i;
        cox_growing_deinit(&m->atoms);
        cox_growing_deinit(&m->residues);
        cox_growing_deinit(&m->interactions);
        cox_growing_deinit(&m->exclusions);
    }
    cox_growing_deinit(&t->functions);
    cox_growing_deinit(&t->molecules);
    cox_growing_deinit(&t->blocks);
    cox_growing_deinit(&t->positions);
}
