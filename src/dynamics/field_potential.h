/* SPDX-License-Identifier: BSD-3-Clause */
/* A Deep Potential as a force field of dynamics. Neighbours are looked for within the cutoff and a
 * skin, and anew only when an atom has moved, or the box has changed, so far that one could be
 * missed; each evaluation is given those within the cutoff. */
#ifndef COX_DYNAMICS_FIELD_POTENTIAL_H
#define COX_DYNAMICS_FIELD_POTENTIAL_H

#include "dynamics/field.h"
#include "potential/evaluate.h"

struct cox_dyn_potential_options {
    enum cox_dp_precision precision;
    double skin_A;         /* 0: neighbours are looked for in every evaluation */
    struct cox_team *team; /* borrowed; may be NULL */
    const double *fparam;  /* [model's n_fparam], copied; NULL when it has none */
};

struct cox_dyn_potential;

/* type [n], in the model's numbering, is copied. The model may go afterwards. */
int cox_dyn_potential_create(struct cox_dyn_potential **out, const struct cox_dp_model *model,
                             int n, const int *type,
                             const struct cox_dyn_potential_options *options,
                             struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. */
void cox_dyn_potential_destroy(struct cox_dyn_potential *p);
/* Borrowed; lives as long as the potential. */
const struct cox_dyn_field *cox_dyn_potential_field(const struct cox_dyn_potential *p);

struct cox_dyn_potential_counts {
    int64_t evaluations, builds; /* of lists */
    double list_s, evaluate_s;   /* wall time */
    long long overflow;          /* neighbours beyond the model's sel in the last evaluation */
    long long most_overflow;     /* in any so far */
    double neighbours;           /* within the cutoff, mean of the last evaluation */
};
void cox_dyn_potential_counts(const struct cox_dyn_potential *p,
                              struct cox_dyn_potential_counts *out);

#endif
