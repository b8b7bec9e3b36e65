/* SPDX-License-Identifier: BSD-3-Clause */
/* The Deep Potential's fast evaluator: atoms of one type in blocks, so that the nets become matrix
 * products; true numbers of neighbours, the empty slots added analytically; derivatives of the
 * embedding carried forwards, of the fitting net backwards. What it gives is that of
 * cox_dp_reference, up to rounding. */
#ifndef COX_POTENTIAL_EVALUATE_H
#define COX_POTENTIAL_EVALUATE_H

#include <stdbool.h>

#include "base/team.h"
#include "potential/reference.h"

enum cox_dp_precision {
    COX_DP_F64,
    COX_DP_F32,  /* nets in float; the environment's geometry, energies and sums in double */
    COX_DP_MIX16 /* as F32, but factors of the nets' matrix products rounded to bfloat16 (8 bits),
                    summed in float; their first and last layers, and tables, stay float */
};

/* "float64", "float32" or "mix16"; COX_EINVAL otherwise. */
int cox_dp_precision_parse(enum cox_dp_precision *out, const char *name,
                           struct cox_err *err) COX_MUST_CHECK;

struct cox_dp_eval;

/* `team` (may be NULL) is borrowed; one evaluation at a time. The model may go afterwards. */
int cox_dp_eval_create(struct cox_dp_eval **out, const struct cox_dp_model *model,
                       enum cox_dp_precision precision, struct cox_team *team,
                       struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. */
void cox_dp_eval_destroy(struct cox_dp_eval *eval);
/* As cox_dp_reference. Allocates only when there are more atoms or neighbours than ever before;
 * with the same number of threads the same bits. */
int cox_dp_eval_compute(struct cox_dp_eval *eval, struct cox_dp_result *result,
                        const struct cox_dp_atoms *atoms, const struct cox_neighbours *list,
                        const double *fparam, struct cox_err *err) COX_MUST_CHECK;

/* Whether this processor multiplies bfloat16 (AVX512-BF16); where it does not, MIX16 gives the same
 * up to rounding of float, but no faster than F32. */
bool cox_dp_eval_has_half(void);
/* How many neighbours of the last evaluation were nearer than the model's tables reach; for those
 * the nets themselves were evaluated. 0 without tables. */
long long cox_dp_eval_beyond_table(const struct cox_dp_eval *eval);

#endif
