/* SPDX-License-Identifier: BSD-3-Clause */
/* A system from a protein by way of GROMACS: pdb2gmx adds hydrogens and termini and finds the
 * disulfides, grompp resolves the force field, gmx dump prints it. Runs in a directory of its own
 * under $TMPDIR (or /tmp), which is removed in any case. */
#ifndef COX_MOLECULE_GROMACS_H
#define COX_MOLECULE_GROMACS_H

#include <stdatomic.h>

#include "base/str.h"
#include "cox/err.h"
#include "cox/system.h"
#include "molecule/pdb.h"

struct cox_gromacs_options {
    const char *forcefield;   /* "amber99sb-ildn" */
    const char *program;      /* "gmx", looked up in PATH */
    const char *label;        /* the input, for messages */
    const atomic_int *cancel; /* set to stop; may be NULL */
};

/* The model must be complete (cox_pdb_check_complete) and named as the PDB's
 * (cox_pdb_rename_charmm); its hydrogens are ignored. `version` gets GROMACS's version; GB
 * parameters are left 0, the solvent is vacuum. */
int cox_gromacs_prepare(struct cox_system **out, const struct cox_pdb *pdb,
                        const struct cox_gromacs_options *options, char version[64],
                        struct cox_err *err) COX_MUST_CHECK;

/* The reason in what a GROMACS tool printed: the lines of its "Fatal error", joined; "" if none.
 * `out` is initialised by the caller. */
void cox_gromacs_reason(const char *output, struct cox_str *out);

#endif
