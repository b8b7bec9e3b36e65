/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/summary.h"

#include <math.h>
#include <string.h>

#include "molecule/pdb.h"

static void measure(const struct cox_system *s, struct cox_system_summary *out)
{
    double centre[3] = {0};
    double square = 0;
    double low[3] = {INFINITY, INFINITY, INFINITY};
    double high[3] = {-INFINITY, -INFINITY, -INFINITY};
    for (int i = 0; i < s->n_atoms; i++)
        for (int k = 0; k < 3; k++) {
            double x = s->position_nm[i][k];
            centre[k] += s->mass_u[i] * x / out->mass_u;
            low[k] = fmin(low[k], x);
            high[k] = fmax(high[k], x);
        }
    for (int i = 0; i < s->n_atoms; i++)
        for (int k = 0; k < 3; k++) {
            double d = s->position_nm[i][k] - centre[k];
            square += s->mass_u[i] * d * d / out->mass_u;
        }
    out->radius_of_gyration_nm = sqrt(square);
    for (int k = 0; k < 3; k++)
        out->extent_nm[k] = high[k] - low[k];
}

void cox_system_summarise(const struct cox_system *s, struct cox_system_summary *out)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < s->n_atoms; i++) {
        out->charge_e += s->charge_e[i];
        out->mass_u += s->mass_u[i];
        out->n_hydrogens += s->element[i] == 1;
    }
    for (int i = 0; i < s->n_torsions; i++)
        out->n_impropers += s->torsions[i].improper != 0;
    for (int i = 0; i < s->n_bonds; i++) {
        const int *atom = s->bonds[i].atom;
        out->n_disulfides += s->element[atom[0]] == 16 && s->element[atom[1]] == 16;
    }
    measure(s, out);
}

void cox_system_sequence(const struct cox_system *s, struct cox_str *out)
{
    bool after_cap = false;
    for (int i = 0; i < s->n_residues; i++) {
        char letter = cox_residue_letter(s->residue_name[i]);
        bool new_chain = i && strcmp(s->chain[i], s->chain[i - 1]) != 0;
        if (new_chain)
            cox_str_add(out, "/");
        if (i && !new_chain && (after_cap || !letter))
            cox_str_add(out, "-");
        if (letter)
            cox_str_addn(out, &letter, 1);
        else
            cox_str_add(out, s->residue_name[i]);
        after_cap = !letter;
    }
}
