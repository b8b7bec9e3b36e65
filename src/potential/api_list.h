/* SPDX-License-Identifier: BSD-3-Clause */
/* A caller's list of neighbours in the form that the evaluators take. */
#ifndef COX_POTENTIAL_API_LIST_H
#define COX_POTENTIAL_API_LIST_H

#include "cox/potential.h"
#include "potential/neighbours.h"

/* Checks `given`, leaves out what is farther than the cutoff and groups the rest by type. The types
 * of atoms 0 … n − 1 have been checked. COX_EINVAL: a number that is no atom, a centre's own, two
 * atoms on top of each other. With list->team. */
int cox_dp_take_list(struct cox_neighbours *list, const struct cox_potential_list *given, int n,
                     const double (*x)[3], const int *type, int n_types, double cutoff_A,
                     struct cox_err *err) COX_MUST_CHECK;

#endif
