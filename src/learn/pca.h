/* SPDX-License-Identifier: BSD-3-Clause */
/* Principal components of n points of d coordinates: mean-centred, covariance with n - 1, in double
 * precision. The entry of largest magnitude of each component is positive. */
#ifndef COX_LEARN_PCA_H
#define COX_LEARN_PCA_H

#include "cox/err.h"

struct cox_pca {
    int d, components;
    double *mean;      /* [d], owned */
    double *component; /* [components][d], orthonormal rows, largest variance first, owned */
    double *variance;  /* [components], owned */
    double total;      /* variance of all d coordinates together */
};

/* 1 <= components <= d <= 256, n >= 2; points [n][d] finite. Release with cox_pca_deinit, also
 * after a failure. */
int cox_pca_fit(struct cox_pca *pca, const float *points, int n, int d, int components,
                struct cox_err *err) COX_MUST_CHECK;
void cox_pca_deinit(struct cox_pca *pca);
/* out [n][components] (owned by the caller) = (points - mean) · componentᵀ. */
void cox_pca_project(const struct cox_pca *pca, float *out, const float *points, int n);
/* Share of the total variance that the first `components` explain; 0 when there is none. */
double cox_pca_explained(const struct cox_pca *pca, int components);

#endif
