/* SPDX-License-Identifier: BSD-3-Clause */
/* The kinetic temperature of a frame, with the masses and degrees of freedom that the simulation
 * has: hydrogens repartitioned, bonds to them rigid. */
#ifndef COX_STEER_THERMOMETER_H
#define COX_STEER_THERMOMETER_H

#include "cox/err.h"
#include "cox/system.h"
#include "steer/settings.h"

struct cox_thermometer {
    int n_atoms;
    double *mass_u; /* [n_atoms], owned */
    int degrees_of_freedom;
};

int cox_thermometer_init(struct cox_thermometer *thermometer, const struct cox_system *system,
                         const struct cox_settings_simulation *settings,
                         struct cox_err *err) COX_MUST_CHECK;
void cox_thermometer_deinit(struct cox_thermometer *thermometer);
/* Of velocities v[n_atoms][3] in nm/ps, K. */
double cox_thermometer_read(const struct cox_thermometer *thermometer, const double (*v)[3]);

#endif
