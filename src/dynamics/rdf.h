/* SPDX-License-Identifier: BSD-3-Clause */
/* Radial distribution functions of all pairs of names, averaged over frames:
 *     g_ab(r) = V/(N_a N_b) Σ n(r)/(4π/3 (r₊³ − r₋³)),  N_a (N_a − 1) for a = b.
 * Periodic boxes of any shape; images beyond half the box count too, so r may be any length. */
#ifndef COX_DYNAMICS_RDF_H
#define COX_DYNAMICS_RDF_H

#include "dynamics/start.h"

struct cox_rdf;

int cox_rdf_create(struct cox_rdf **out, double r_max_A, int bins,
                   struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. */
void cox_rdf_destroy(struct cox_rdf *rdf);
/* species [n] into names; the names must be the same for all frames. Those without atoms get no
 * curves. */
int cox_rdf_add(struct cox_rdf *rdf, int n, const double (*x)[3], const int *species,
                const char names[][COX_DP_TYPE_NAME], int n_names, const struct cox_box *box,
                struct cox_err *err) COX_MUST_CHECK;

int64_t cox_rdf_frames(const struct cox_rdf *rdf);
int cox_rdf_bins(const struct cox_rdf *rdf);
/* Middle of a bin, Å. */
double cox_rdf_r(const struct cox_rdf *rdf, int bin);
/* Pairs a <= b in the order (0,0) (0,1) … (1,1) …, of names that have atoms; "O-H". */
int cox_rdf_pairs(const struct cox_rdf *rdf);
void cox_rdf_pair_name(const struct cox_rdf *rdf, int pair, char *text, size_t size);
double cox_rdf_value(const struct cox_rdf *rdf, int pair, int bin);

/* What was counted so far, for checkpoints: exact. */
size_t cox_rdf_size(const struct cox_rdf *rdf);
void cox_rdf_save(const struct cox_rdf *rdf, void *bytes);
int cox_rdf_restore(struct cox_rdf *rdf, const void *bytes, size_t size,
                    struct cox_err *err) COX_MUST_CHECK;

#endif
