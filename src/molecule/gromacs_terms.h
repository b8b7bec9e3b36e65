/* SPDX-License-Identifier: BSD-3-Clause */
/* What a tpr holds, in its own units and words, before it becomes a system: kinds of molecules, how
 * often each occurs, function types, coordinates. Private to the GROMACS reader. */
#ifndef COX_MOLECULE_GROMACS_TERMS_H
#define COX_MOLECULE_GROMACS_TERMS_H

#include <stdbool.h>

#include "cox/err.h"
#include "cox/system.h"
#include "molecule/growing.h"

enum cox_gromacs_kind {
    COX_GMX_OTHER,
    COX_GMX_LJ,
    COX_GMX_LJ14,
    COX_GMX_BOND,
    COX_GMX_ANGLE,
    COX_GMX_PROPER,
    COX_GMX_IMPROPER
};

struct cox_gromacs_function {
    enum cox_gromacs_kind kind;
    char name[24];
    double value[2]; /* c6, c12 | length nm, k | angle °, k | phase °, k */
    int multiplicity;
};
struct cox_gromacs_atom {
    int type, residue, element;
    double mass_u, charge_e;
    char name[COX_NAME_SIZE];
};
struct cox_gromacs_residue {
    char name[COX_NAME_SIZE];
    int number;
};
struct cox_gromacs_interaction {
    int type; /* index of a function */
    int atom[4];
};
struct cox_gromacs_molecule {
    struct cox_growing atoms, residues, interactions;
    struct cox_growing exclusions; /* int[2], ascending */
};
#define COX_GROMACS_MOLECULE_INIT                                                                \
    {                                                                                            \
        COX_GROWING_INIT(struct cox_gromacs_atom), COX_GROWING_INIT(struct cox_gromacs_residue), \
            COX_GROWING_INIT(struct cox_gromacs_interaction), COX_GROWING_INIT(int[2])           \
    }
struct cox_gromacs_block {
    int molecule, count;
};
struct cox_gromacs_terms {
    struct cox_growing functions, molecules, blocks;
    struct cox_growing positions; /* double[3], nm */
    int n_types;
    double fudge_charge;
};
#define COX_GROMACS_TERMS_INIT                                                            \
    {                                                                                     \
        COX_GROWING_INIT(struct cox_gromacs_function),                                    \
            COX_GROWING_INIT(struct cox_gromacs_molecule),                                \
            COX_GROWING_INIT(struct cox_gromacs_block), COX_GROWING_INIT(double[3]), 0, 0 \
    }

/* Checks and converts; see cox_gromacs_dump_parse. */
int cox_gromacs_terms_build(struct cox_system **out, const struct cox_gromacs_terms *terms,
                            struct cox_err *err) COX_MUST_CHECK;
void cox_gromacs_terms_deinit(struct cox_gromacs_terms *terms);

#endif
