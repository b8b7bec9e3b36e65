/* SPDX-License-Identifier: BSD-3-Clause */
/* Units inside this module: Å, ps, eV, K, as the potential's; masses eV ps²/Å². CODATA 2018. */
#ifndef COX_DYNAMICS_UNITS_H
#define COX_DYNAMICS_UNITS_H

#define COX_DYN_BOLTZMANN 8.617333262e-5 /* eV/K */
#define COX_DYN_MASS 1.0364269656e-4     /* eV ps²/Å² of one u */
#define COX_DYN_BAR 1602176.634          /* bar in one eV/Å³ */

#endif
