/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/thermometer.h"

#include <stdbool.h>

#include "base/mem.h"

static bool is_hydrogen(const struct cox_system *s, int i)
{
    return s->element[i] == 1 || (s->element[i] == 0 && s->mass_u[i] < 2.1);
}

int cox_thermometer_init(struct cox_thermometer *t, const struct cox_system *system,
                         const struct cox_settings_simulation *settings, struct cox_err *err)
{
    *t = (struct cox_thermometer){.n_atoms = system->n_atoms,
                                  .degrees_of_freedom = 3 * system->n_atoms};
    t->mass_u = cox_alloc((size_t)system->n_atoms, sizeof *t->mass_u);
    if (!t->mass_u)
        return cox_err_set(err, COX_ENOMEM, "out of memory for the masses of %d atoms",
                           system->n_atoms);
    for (int i = 0; i < system->n_atoms; i++)
        t->mass_u[i] = system->mass_u[i];
    for (int b = 0; b < system->n_bonds; b++) {
        int h = system->bonds[b].atom[0], heavy = system->bonds[b].atom[1];
        if (!is_hydrogen(system, h)) {
            h = heavy;
            heavy = system->bonds[b].atom[0];
        }
        if (!is_hydrogen(system, h))
            continue;
        t->degrees_of_freedom -= settings->constrain_hydrogens;
        if (settings->hydrogen_mass_u > 0 && !is_hydrogen(system, heavy)) {
            t->mass_u[heavy] -= settings->hydrogen_mass_u - t->mass_u[h];
            t->mass_u[h] = settings->hydrogen_mass_u;
        }
    }
    return COX_OK;
}

void cox_thermometer_deinit(struct cox_thermometer *t)
{
    cox_free(t->mass_u);
    t->mass_u = NULL;
}

double cox_thermometer_read(const struct cox_thermometer *t, const double (*v)[3])
{
    double sum = 0; /* twice the kinetic energy; u nm²/ps² is kJ/mol */
    for (int i = 0; i < t->n_atoms; i++)
        sum += t->mass_u[i] * (v[i][0] * v[i][0] + v[i][1] * v[i][1] + v[i][2] * v[i][2]);
    return sum / (t->degrees_of_freedom * COX_BOLTZMANN);
}
