/* SPDX-License-Identifier: BSD-3-Clause */
/* Masses (repartitioned from heavy atoms to their hydrogens if wished) and constraints. */
#include "md/ensemble/plan.h"

#include <math.h>

#include "base/mem.h"

bool ens_is_hydrogen(const struct cox_system *s, int i)
{
    return s->element[i] == 1 || (s->element[i] == 0 && s->mass_u[i] < 2.1);
}

static int masses(struct ens_plan *p, const struct cox_system *s,
                  const struct cox_engine_options *o, struct cox_err *err)
{
    p->mass = cox_alloc((size_t)p->n, sizeof *p->mass);
    p->inv_mass = cox_alloc((size_t)p->n, sizeof *p->inv_mass);
    if (!p->mass || !p->inv_mass)
        return COX_ENOMEM;
    for (int i = 0; i < p->n; i++)
        p->mass[i] = s->mass_u[i];
    for (int b = 0; b < s->n_bonds && o->hydrogen_mass_u > 0; b++) {
        int h = s->bonds[b].atom[0], heavy = s->bonds[b].atom[1];
        if (!ens_is_hydrogen(s, h)) {
            const int t = h;
            h = heavy;
            heavy = t;
        }
        if (!ens_is_hydrogen(s, h) || ens_is_hydrogen(s, heavy))
            continue;
        p->mass[heavy] -= o->hydrogen_mass_u - p->mass[h];
        p->mass[h] = o->hydrogen_mass_u;
        if (p->mass[heavy] < 1)
            return cox_err_set(err, COX_EINVAL,
                               "hydrogens of %g u leave %g u for atom %d; the least is 1 u",
                               o->hydrogen_mass_u, p->mass[heavy], heavy);
    }
    for (int i = 0; i < p->n; i++)
        p->inv_mass[i] = (float)(1 / p->mass[i]);
    return COX_OK;
}

static bool constrained(const struct cox_system *s, const struct cox_bond *b)
{
    return ens_is_hydrogen(s, b->atom[0]) || ens_is_hydrogen(s, b->atom[1]);
}

/* `degree` counts the constraints of each atom; `slot` its cluster plus one. */
static void sort_constraints(struct ens_plan *p, const struct cox_system *s, const int *degree,
                             int *slot)
{
    for (int b = 0; b < s->n_bonds; b++) {
        const struct cox_bond *bond = &s->bonds[b];
        if (!constrained(s, bond))
            continue;
        int leaf = bond->atom[0], centre = bond->atom[1];
        const float length2 = (float)(bond->r0_nm * bond->r0_nm);
        /* a leaf has one constraint; of two leaves the heavier is the centre */
        if (degree[leaf] != 1 || (degree[centre] == 1 && p->mass[leaf] > p->mass[centre])) {
            const int t = leaf;
            leaf = centre;
            centre = t;
        }
        p->dof--;
        if (degree[leaf] != 1 || degree[centre] > ENS_LEAVES || slot[centre] < 0) {
            p->links[p->n_links++] =
                (struct ens_link){leaf, centre, length2, p->inv_mass[leaf], p->inv_mass[centre]};
            continue;
        }
        if (!slot[centre]) {
            slot[centre] = ++p->n_clusters;
            p->clusters[slot[centre] - 1] =
                (struct ens_cluster){.centre = centre, .inv_centre = p->inv_mass[centre]};
        }
        struct ens_cluster *c = &p->clusters[slot[centre] - 1];
        c->leaf[c->n] = leaf;
        c->length2[c->n] = length2;
        c->inv_leaf[c->n++] = p->inv_mass[leaf];
    }
}

static int constraints(struct ens_plan *p, const struct cox_system *s)
{
    const size_t n = (size_t)p->n;
    int *degree = cox_alloc(n, sizeof *degree), *slot = cox_alloc(n, sizeof *slot);
    p->clusters = cox_alloc((size_t)s->n_bonds, sizeof *p->clusters);
    p->links = cox_alloc((size_t)s->n_bonds, sizeof *p->links);
    int rc = degree && slot && p->clusters && p->links ? COX_OK : COX_ENOMEM;
    if (!rc) {
        for (int b = 0; b < s->n_bonds; b++)
            if (constrained(s, &s->bonds[b])) {
                degree[s->bonds[b].atom[0]]++;
                degree[s->bonds[b].atom[1]]++;
            }
        /* A centre that shares an atom with a constraint that is no star leaves it all to sweeps.
         */
        for (int b = 0; b < s->n_bonds; b++) {
            const int i = s->bonds[b].atom[0], j = s->bonds[b].atom[1];
            if (constrained(s, &s->bonds[b]) && degree[i] > 1 && degree[j] > 1)
                slot[i] = slot[j] = -1;
        }
        sort_constraints(p, s, degree, slot);
    }
    cox_free(degree);
    cox_free(slot);
    return rc;
}

int ens_plan_masses(struct ens_plan *p, const struct cox_system *system,
                    const struct cox_engine_options *options, struct cox_err *err)
{
    p->dof = 3 * p->n;
    int rc = masses(p, system, options, err);
    if (!rc && options->constrain_hydrogens)
        rc = constraints(p, system);
    return rc;
}
