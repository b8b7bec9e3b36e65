/* SPDX-License-Identifier: BSD-3-Clause */
#include "md/ensemble/plan.h"

#include <math.h>

#include "base/mem.h"

void ens_plan_destroy(struct ens_plan *p)
{
    if (!p)
        return;
    void *const blocks[] = {p->mass,    p->inv_mass,  p->lj,         p->gb,     p->lj_in,
                            p->gb_in,   p->offset,    p->offset_in,  p->rho,    p->scaled,
                            p->far,     p->chain,     p->inv_radius, p->self,   p->surface,
                            p->cut2,    p->block_cut, p->bonds,      p->angles, p->torsions,
                            p->pairs14, p->clusters,  p->links};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        cox_free(blocks[i]);
    cox_free(p);
}

static int plan_bonds(struct ens_plan *p, const struct cox_system *s,
                      const struct cox_engine_options *o)
{
    p->bonds = cox_alloc((size_t)s->n_bonds, sizeof *p->bonds);
    if (!p->bonds)
        return COX_ENOMEM;
    for (int b = 0; b < s->n_bonds; b++) {
        const struct cox_bond *bond = &s->bonds[b];
        const int i = bond->atom[0], j = bond->atom[1];
        if (o->constrain_hydrogens && (ens_is_hydrogen(s, i) || ens_is_hydrogen(s, j)))
            continue;
        p->bonds[p->n_bonds++] = (struct ens_bond){i, j, (float)bond->r0_nm, (float)bond->k};
    }
    return COX_OK;
}

static int plan_angles(struct ens_plan *p, const struct cox_system *s)
{
    p->angles = cox_alloc((size_t)s->n_angles, sizeof *p->angles);
    if (!p->angles)
        return COX_ENOMEM;
    for (int a = 0; a < s->n_angles; a++) {
        const struct cox_angle *t = &s->angles[a];
        p->angles[p->n_angles++] = (struct ens_angle){t->atom[0],
                                                      t->atom[1],
                                                      t->atom[2],
                                                      (float)cos(t->theta0_rad),
                                                      (float)sin(t->theta0_rad),
                                                      (float)t->k};
    }
    return COX_OK;
}

/* Terms of one quadruple stand near each other in every input: look back a little. */
static struct ens_torsion *find_torsion(struct ens_plan *p, const int *atom)
{
    for (int i = p->n_torsions - 1; i >= 0 && i >= p->n_torsions - 32; i--) {
        const int *q = p->torsions[i].atom;
        if ((q[0] == atom[0] && q[1] == atom[1] && q[2] == atom[2] && q[3] == atom[3]) ||
            (q[0] == atom[3] && q[1] == atom[2] && q[2] == atom[1] && q[3] == atom[0]))
            return &p->torsions[i];
    }
    struct ens_torsion *t = &p->torsions[p->n_torsions++];
    for (int i = 0; i < 4; i++)
        t->atom[i] = atom[i];
    return t;
}

static int plan_torsions(struct ens_plan *p, const struct cox_system *s, struct cox_err *err)
{
    p->torsions = cox_alloc((size_t)s->n_torsions, sizeof *p->torsions);
    if (!p->torsions)
        return COX_ENOMEM;
    for (int i = 0; i < s->n_torsions; i++) {
        const struct cox_torsion *term = &s->torsions[i];
        const int n = term->periodicity;
        if (n < 0 || n > 6)
            return cox_err_set(err, COX_EUNSUPPORTED,
                               "torsion %d has periodicity %d; the ensemble engine takes 0 to 6", i,
                               n);
        if (term->k == 0)
            continue;
        struct ens_torsion *t = find_torsion(p, term->atom);
        t->offset += (float)term->k;
        if (n == 0) {
            t->offset += (float)(term->k * cos(term->phase_rad));
            continue;
        }
        /* cos(nφ - φ0) = cos φ0 cos nφ + sin φ0 sin nφ; sin π is 0 here. */
        const double sine = sin(term->phase_rad);
        t->a[n - 1] += (float)(term->k * cos(term->phase_rad));
        t->b[n - 1] += (float)(fabs(sine) < 1e-9 ? 0 : term->k * sine);
        if (n > t->order)
            t->order = n;
    }
    return COX_OK;
}

int ens_plan_create(struct ens_plan **out, const struct cox_system *system,
                    const struct cox_engine_options *options, int rows, struct cox_err *err)
{
    struct ens_plan *p = cox_alloc(1, sizeof *p);
    if (!p)
        return cox_err_set(err, COX_ENOMEM, "no memory for an engine");
    p->n = system->n_atoms;
    p->rows = rows;
    p->blocks = (p->n + rows - 1) / rows;
    p->solvent = system->solvent == COX_SOLVENT_OBC2;
    p->dt = options->timestep_fs * 1e-3;
    p->friction = options->friction_per_ps;
    p->tolerance = options->constraint_tolerance;
    p->slow_every = p->solvent ? options->slow_every : 1;
    struct cox_err why = COX_ERR_INIT;
    int rc = ens_plan_masses(p, system, options, &why);
    if (!rc)
        rc = plan_bonds(p, system, options);
    if (!rc)
        rc = plan_angles(p, system);
    if (!rc)
        rc = plan_torsions(p, system, &why);
    if (!rc)
        rc = ens_plan_pairs(p, system);
    if (!rc && p->solvent)
        rc = ens_plan_born(p, system, &why);
    if (rc) {
        ens_plan_destroy(p);
        if (rc == COX_ENOMEM && !why.text[0])
            return cox_err_set(err, rc, "no memory for the tables of %d atoms", system->n_atoms);
        return cox_err_set(err, rc, "%s", why.text);
    }
    *out = p;
    return COX_OK;
}
