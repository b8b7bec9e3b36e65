/* SPDX-License-Identifier: BSD-3-Clause */
/* From what a user has - a PDB, a sequence, an Amber topology - to a system. */
#ifndef COX_MOLECULE_PREPARE_H
#define COX_MOLECULE_PREPARE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/str.h"
#include "cox/err.h"
#include "cox/system.h"

struct cox_prepare_options {
    /* One of these three. */
    const char *pdb;      /* path */
    const char *sequence; /* one-letter codes */
    const char *prmtop;   /* path, with `coordinates` */

    const char *coordinates; /* inpcrd or rst7 of the prmtop */
    int model;               /* of the PDB, 0: the first */
    double phi_deg, psi_deg; /* of the sequence's backbone */
    bool cap;                /* ACE and NME around the sequence */
    const char *forcefield;  /* of pdb2gmx */
    const char *solvent;     /* "obc2", "vacuum" */
    const char *radii;       /* "amber99-obc", "mbondi2"; NULL: amber99-obc, or the prmtop's own */
    double surface_tension;  /* kJ/mol/nm² */
    const char *gmx;         /* the program */
    const char *name;        /* of the system; NULL: from the input */
    const char *command;     /* for the provenance; may be NULL */
    const atomic_int *cancel;
};
#define COX_PREPARE_OPTIONS_INIT                                                            \
    {                                                                                       \
        .phi_deg = -120, .psi_deg = 140, .forcefield = "amber99sb-ildn", .solvent = "obc2", \
        .surface_tension = 2.25936, .gmx = "gmx"                                            \
    }

/* `notes` (initialised by the caller) gets lines about what was chosen on the way; they are in the
 * provenance too. The same input makes the same system. */
int cox_prepare(struct cox_system **out, struct cox_str *notes,
                const struct cox_prepare_options *options, struct cox_err *err) COX_MUST_CHECK;

#endif
