/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/obc.h"

#include <string.h>

#include "base/mem.h"

enum { H = 1, C = 6, N = 7, O = 8, F = 9, P = 15, S = 16, CL = 17 };

static const char *const names[] = {"amber99-obc", "mbondi2"};

/* Scale factors of Hawkins, Cramer and Truhlar 1996, as in Tinker and Amber. */
static double scale_of(int element)
{
    switch (element) {
    case H:
    case O:
        return 0.85;
    case C:
        return 0.72;
    case N:
        return 0.79;
    case F:
        return 0.88;
    case P:
        return 0.86;
    case S:
        return 0.96;
    default:
        return 0.8;
    }
}

static double mbondi2(int element, int partner)
{
    switch (element) {
    case H:
        return partner == N ? 0.13 : 0.12;
    case C:
    case CL:
        return 0.17;
    case N:
        return 0.155;
    case P:
        return 0.185;
    case S:
        return 0.18;
    default:
        return 0.15;
    }
}

/* `neighbours` tells the hybridisation: an ammonium's nitrogen has four, a carbonyl's oxygen one.
 */
static double amber99_obc(int element, int partner, int neighbours)
{
    switch (element) {
    case H:
        return partner == O ? 0.105 : partner == N ? 0.115 : 0.125;
    case C:
        return neighbours >= 4 ? 0.19 : 0.1875;
    case N:
        return neighbours >= 4 ? 0.1625 : 0.1706;
    case O:
        return neighbours <= 1 ? 0.148 : 0.1535;
    case S:
        return 0.1775;
    default:
        return mbondi2(element, partner);
    }
}

int cox_obc_assign(struct cox_system *s, enum cox_radii radii, struct cox_err *err)
{
    int *neighbours = cox_alloc((size_t)s->n_atoms, sizeof *neighbours);
    int *partner = cox_alloc((size_t)s->n_atoms, sizeof *partner);
    int rc = COX_OK;
    if (!neighbours || !partner)
        rc = cox_err_set(err, COX_ENOMEM, "no memory for the bonds of %d atoms", s->n_atoms);
    for (int i = 0; !rc && i < s->n_bonds; i++)
        for (int k = 0; k < 2; k++) {
            int atom = s->bonds[i].atom[k];
            neighbours[atom]++;
            partner[atom] = s->element[s->bonds[i].atom[1 - k]];
        }
    for (int i = 0; !rc && i < s->n_atoms; i++) {
        int element = s->element[i];
        if (element < 1)
            rc = cox_err_set(err, COX_EUNSUPPORTED,
                             "atom %d '%s' is of an unknown element: it has no GB radius", i,
                             s->atom_name[i]);
        else if (element == H && !neighbours[i])
            rc = cox_err_set(err, COX_EINVAL, "hydrogen %d '%s' is bonded to nothing", i,
                             s->atom_name[i]);
        else {
            s->gb_scale[i] = scale_of(element);
            s->gb_radius_nm[i] = radii == COX_RADII_MBONDI2
                                     ? mbondi2(element, partner[i])
                                     : amber99_obc(element, partner[i], neighbours[i]);
        }
    }
    cox_free(neighbours);
    cox_free(partner);
    return rc;
}

const char *cox_radii_name(enum cox_radii radii)
{
    return names[radii];
}

int cox_radii_of_name(const char *name, enum cox_radii *out, struct cox_err *err)
{
    for (int i = 0; i < 2; i++)
        if (!strcmp(name, names[i])) {
            *out = (enum cox_radii)i;
            return COX_OK;
        }
    return cox_err_set(err, COX_EINVAL, "unknown radii '%s'; allowed are 'amber99-obc', 'mbondi2'",
                       name);
}
