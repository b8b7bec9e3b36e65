/* SPDX-License-Identifier: BSD-3-Clause */
/* Observables: named numbers of a frame, for the agent's objective, the frames file and the
 * reports.
 *
 *   rmsd_A                RMSD of the selection to the reference after superposition, Å
 *   drms_A                RMS difference of the selection's distance matrix to the reference's, Å
 *   rg_A                  radius of gyration of the selection (every atom counts alike), Å
 *   end_to_end_A          distance between the first and the last atom of the selection, Å
 *   contacts              ones of the selection's symmetric contact map at 8 Å, diagonal included
 *   native_fraction       soft fraction of native contacts, heavy atoms: Best, Hummer & Eaton, PNAS
 *                         110, 17874 (2013), eq. 1: Q = ⟨1/(1 + exp(β (r_ij − λ r0_ij)))⟩ over
 * pairs in residues more than 3 apart with r0 < 0.45 nm; β = 50/nm, λ = 1.8. The pairs are of all
 * heavy atoms that the reference has; no selection native_fraction_ca    the same over Cα pairs
 * with r0 < 0.8 nm, λ = 1.2 helix_fraction        share of residues with −100° < φ < −30° and −67°
 * < ψ < −7° (the α region of Best & Hummer 2009) among those that have both hbond_helix_fraction
 * share of the possible i → i+4 hydrogen bonds with O–N < 0.35 nm distance_A(S, S)      distance
 * between the centroids of two selections, Å; of two single atoms the donor-acceptor distance of a
 * hydrogen bond dihedral_deg(S, S, S, S)  torsion angle of four centroids, −180 … 180
 *
 * S is an expression of molecule/select.h. Where a selection is used, one in parentheses takes its
 * place: rmsd_A(heavy). An observable is constant after creation: evaluation allocates nothing and
 * is thread-safe. */
#ifndef COX_MOLECULE_OBSERVABLE_H
#define COX_MOLECULE_OBSERVABLE_H

#include <stdbool.h>

#include "cox/err.h"
#include "cox/system.h"
#include "molecule/reference.h"
#include "molecule/select.h"

struct cox_observable;

/* `what` is a name from the list above. `reference` may be NULL for those that need none;
 * `selection` may be NULL: then the Cα atoms ("name CA"). All arguments are copied. Errors:
 * COX_EINVAL with the nearest names, a missing reference, an atom that the reference lacks. */
int cox_observable_create(struct cox_observable **out, const char *what,
                          const struct cox_system *system, const struct cox_reference *reference,
                          const struct cox_selection *selection,
                          struct cox_err *err) COX_MUST_CHECK;
void cox_observable_destroy(struct cox_observable *observable);
/* x: the whole frame, nm, [n_atoms][3] in the order of the system. */
double cox_observable_value(const struct cox_observable *observable, const float (*x)[3]);
/* `what` as given at creation; borrowed. Has a unit suffix or is a pure number. */
const char *cox_observable_name(const struct cox_observable *observable);

/* The table, for `--explain`: static, ends with name == NULL. */
struct cox_observable_kind {
    const char *name; /* without arguments */
    const char *help;
    int arguments;        /* selections in parentheses: 0, 2, 4 */
    bool takes_selection; /* also given as the only argument */
    bool needs_reference;
};
const struct cox_observable_kind *cox_observable_kinds(void);
/* Only whether the name and the number of arguments are right, for checking a configuration. */
int cox_observable_check(const char *what, bool *needs_reference,
                         struct cox_err *err) COX_MUST_CHECK;

#endif
