/* SPDX-License-Identifier: BSD-3-Clause */
/* OpenMM 7.7 seen from C: the oracle of forces and populations, and the opponent in bench/.
 * Debian's OpenMM has no C interface, so this shim is C++; every exception becomes an error.
 * nm, ps, u, kJ/mol, K. One thread at a time per object. */
#ifndef COX_OPENMM_SHIM_H
#define COX_OPENMM_SHIM_H

#ifdef __cplusplus
extern "C" {
#endif

#include "cox/engine.h"
#include "cox/err.h"
#include "cox/system.h"

struct cox_openmm;

struct cox_openmm_options {
    const char *platform; /* "Reference" or "CPU" */
    int threads;          /* of CPU */
    double cutoff_nm; /* 0: NoCutoff; else CutoffNonPeriodic, reaction field with ε = 1 (the bare
                         force, shifted) */
    int split;        /* 1: every energy term a force of its own, for cox_openmm_evaluate; slow */
    double timestep_fs, temperature_K, friction_per_ps;
    double hydrogen_mass_u; /* 0: as they are */
    int constrain_hydrogens;
    int seed;
};

int cox_openmm_create(struct cox_openmm **out, const struct cox_system *system,
                      const struct cox_openmm_options *options, struct cox_err *err) COX_MUST_CHECK;
void cox_openmm_destroy(struct cox_openmm *o);
/* Borrowed from OpenMM: "7.7". */
const char *cox_openmm_version(void);
int cox_openmm_set_positions(struct cox_openmm *o, const double (*x)[3],
                             struct cox_err *err) COX_MUST_CHECK;
/* Constrains the positions, then draws velocities at the temperature. */
int cox_openmm_thermalize(struct cox_openmm *o, struct cox_err *err) COX_MUST_CHECK;
int cox_openmm_minimize(struct cox_openmm *o, struct cox_err *err) COX_MUST_CHECK;
int cox_openmm_step(struct cox_openmm *o, int n, struct cox_err *err) COX_MUST_CHECK;
int cox_openmm_positions(struct cox_openmm *o, double (*x)[3], struct cox_err *err) COX_MUST_CHECK;
/* Either output may be NULL. Without `split` only `potential` and the forces are filled in. */
int cox_openmm_evaluate(struct cox_openmm *o, struct cox_energies *energies, double (*force)[3],
                        struct cox_err *err) COX_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
