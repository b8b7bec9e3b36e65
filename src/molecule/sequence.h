/* SPDX-License-Identifier: BSD-3-Clause */
/* A peptide from its sequence: heavy atoms from ideal internal coordinates. */
#ifndef COX_MOLECULE_SEQUENCE_H
#define COX_MOLECULE_SEQUENCE_H

#include <stdbool.h>

#include "cox/err.h"
#include "molecule/pdb.h"

struct cox_sequence_options {
    double phi_deg, psi_deg; /* of every residue; proline's phi is kept near its ring's -65 */
    bool cap;                /* ACE before, NME after */
};
#define COX_SEQUENCE_OPTIONS_INIT \
    {                             \
        -120, 140, false          \
    }

/* One-letter codes of the twenty amino acids, upper or lower case; L residues, trans peptide bonds,
 * rotamers chosen so that heavy atoms of different residues keep apart. Refuses other letters with
 * their place, and a backbone that runs into itself. */
int cox_sequence_build(struct cox_pdb **out, const char *sequence,
                       const struct cox_sequence_options *options,
                       struct cox_err *err) COX_MUST_CHECK;

#endif
