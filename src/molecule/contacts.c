/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/contacts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "molecule/features.h"

#define APART 3 /* residues */

static bool is_contact(const struct cox_system *s, const struct cox_reference *r, int i, int j,
                       double cutoff, double *r0)
{
    int p = s->residue[i];
    int q = s->residue[j];
    if (abs(p - q) <= APART && !strcmp(s->chain[p], s->chain[q]))
        return false;
    double sum = 0;
    for (int k = 0; k < 3; k++) {
        double d = r->position_nm[i][k] - r->position_nm[j][k];
        sum += d * d;
    }
    *r0 = sqrt(sum);
    return *r0 < cutoff;
}

static bool takes_part(const struct cox_system *s, const struct cox_reference *r, int i,
                       bool alpha_carbons)
{
    if (!r->has[i])
        return false;
    return alpha_carbons ? !strcmp(s->atom_name[i], "CA") : s->element[i] != 1;
}

/* Counts the pairs, and keeps them where there is room for them. */
static int find_pairs(struct cox_contacts *c, const struct cox_system *s,
                      const struct cox_reference *r, bool alpha_carbons)
{
    double cutoff = alpha_carbons ? 0.8 : 0.45;
    int n = 0;
    for (int i = 0; i < s->n_atoms; i++) {
        if (!takes_part(s, r, i, alpha_carbons))
            continue;
        for (int j = i + 1; j < s->n_atoms; j++) {
            double r0;
            if (!takes_part(s, r, j, alpha_carbons) || !is_contact(s, r, i, j, cutoff, &r0))
                continue;
            if (c->pair) {
                c->pair[n][0] = i;
                c->pair[n][1] = j;
                c->r0_nm[n] = r0;
            }
            n++;
        }
    }
    return n;
}

int cox_contacts_init(struct cox_contacts *out, const struct cox_system *system,
                      const struct cox_reference *reference, bool alpha_carbons,
                      struct cox_err *err)
{
    *out = (struct cox_contacts){.beta = 50, .lambda = alpha_carbons ? 1.2 : 1.8};
    int n = find_pairs(out, system, reference, alpha_carbons);
    if (!n)
        return cox_err_set(err, COX_EINVAL,
                           "the reference (%s) has no native contact: no two %s within %s nm in "
                           "residues more than %d apart",
                           reference->title, alpha_carbons ? "CA atoms" : "heavy atoms",
                           alpha_carbons ? "0.8" : "0.45", APART);
    out->pair = cox_alloc((size_t)n, sizeof *out->pair);
    out->r0_nm = cox_alloc((size_t)n, sizeof *out->r0_nm);
    if (!out->pair || !out->r0_nm) {
        cox_contacts_deinit(out);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d native contacts", n);
    }
    out->n = find_pairs(out, system, reference, alpha_carbons);
    return COX_OK;
}

void cox_contacts_deinit(struct cox_contacts *contacts)
{
    cox_free(contacts->pair);
    cox_free(contacts->r0_nm);
    *contacts = (struct cox_contacts){0};
}

double cox_contacts_fraction(const struct cox_contacts *c, const float (*x)[3])
{
    double sum = 0;
    for (int i = 0; i < c->n; i++) {
        double r = cox_point_distance(x[c->pair[i][0]], x[c->pair[i][1]]);
        sum += 1 / (1 + exp(c->beta * (r - c->lambda * c->r0_nm[i])));
    }
    return c->n ? sum / c->n : 0;
}
