/* SPDX-License-Identifier: BSD-3-Clause */
/* PDB files (wwPDB format 3.3, fixed columns): one model of the protein in them.
 *
 * What is read: ATOM records, and HETATM records whose residue is an amino acid known below (caps
 * ACE, NME, NH2 and MSE's like are not rewritten). Other HETATM records, water and ions are
 * dropped, and a note says so. Alternate locations: the one with the highest occupancy of a
 * residue, the first among equals. Insertion codes make distinct residues. A residue ends where
 * chain, number, insertion code or name changes, or at TER. What is refused, with file:line and
 * reason: a line that ends before its coordinates, a field that is no number, no atoms, no such
 * model, unknown residue in ATOM records (all are listed), the same atom twice in a residue.
 * Reentrant; no state. */
#ifndef COX_MOLECULE_PDB_H
#define COX_MOLECULE_PDB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "cox/err.h"
#include "cox/system.h"

struct cox_pdb_atom {
    char name[COX_NAME_SIZE]; /* as in the file, blanks removed: "CA", "1HB" */
    char altloc;              /* ' ' when none */
    int serial;
    int element; /* atomic number, from columns 77-78 or else the name; 0 unknown */
    int residue; /* index */
    int line;    /* of the file, from 1 */
    double occupancy;
    double position_nm[3];
};

struct cox_pdb_residue {
    char name[COX_NAME_SIZE];
    char chain[COX_NAME_SIZE]; /* "" when blank */
    int number;
    char insertion;   /* ' ' when none */
    int first, count; /* its atoms */
    int segment;      /* counts TER records and changes of chain; from 0 */
    int line;         /* of its first atom */
};

struct cox_pdb {
    int n_atoms, n_residues, n_models;
    int model; /* the one that was read, as numbered in the file */
    struct cox_pdb_atom *atoms;
    struct cox_pdb_residue *residues;
    char *notes; /* lines about what was chosen or dropped, each ended by '\n'; "" when none */
};

struct cox_pdb_options {
    int model; /* number as in the MODEL record; 0: the first, with a note if there are more */
    bool any_residue; /* keep ATOM records of unknown residues instead of refusing them */
};
#define COX_PDB_OPTIONS_INIT \
    {                        \
        0, false             \
    }

/* `text` need not end with zero; `label` names it in messages. `options` NULL: defaults. */
int cox_pdb_parse(struct cox_pdb **out, const char *text, size_t length, const char *label,
                  const struct cox_pdb_options *options, struct cox_err *err) COX_MUST_CHECK;
int cox_pdb_read(struct cox_pdb **out, const char *path, const struct cox_pdb_options *options,
                 struct cox_err *err) COX_MUST_CHECK;
void cox_pdb_destroy(struct cox_pdb *pdb);

/* Renames CHARMM's and older names in place to those of the PDB: HSD, HSE, HSP → HID, HIE, HIP; CYX
 * → CYS; ILE CD → CD1; OT1/OT2, O1/O2, OC1/OC2 → O/OXT; HN → H; atoms of caps. Adds a note. */
int cox_pdb_rename_charmm(struct cox_pdb *pdb, struct cox_err *err) COX_MUST_CHECK;
/* Refuses amino acids that lack heavy atoms, with residue, atoms and line; `label` names the file.
 */
int cox_pdb_check_complete(const struct cox_pdb *pdb, const char *label,
                           struct cox_err *err) COX_MUST_CHECK;
/* Whether the name is that of an amino acid or cap that the reader knows. */
bool cox_pdb_residue_known(const char *name);
/* One-letter code of a residue name, 'X' when there is none, 0 for a cap. */
char cox_residue_letter(const char *name);

/* Appends the model as PDB text to `out`; heavy atoms only when asked so. Coordinates are rounded
 * to 0.0001 nm. Refuses what does not fit the columns. */
int cox_pdb_format(const struct cox_pdb *pdb, bool heavy_only, struct cox_str *out,
                   struct cox_err *err) COX_MUST_CHECK;

#endif
