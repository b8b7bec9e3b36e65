/* SPDX-License-Identifier: BSD-3-Clause */
/* Root mean square deviations and optimal superposition (Horn 1987: the largest eigenvalue of a 4×4
 * matrix, found by Jacobi rotations; proper rotations only, robust when points are collinear,
 * coincide or are identical). Arithmetic is double throughout; lengths come out in the unit that
 * goes in. No allocation; every function is thread-safe.
 *
 * Points are [n][3]. `index` picks n of them out of a longer array (a selection of a frame); NULL
 * means the first n. n >= 1 (n == 0 gives 0). */
#ifndef COX_MOLECULE_RMSD_H
#define COX_MOLECULE_RMSD_H

#include <stddef.h>

/* target ≈ rotation · (mobile − from) + to */
struct cox_superposition {
    double rotation[3][3]; /* determinant +1 */
    double from[3];        /* centroid of the mobile points */
    double to[3];          /* centroid of the target points */
    double rmsd;
};

/* After optimal superposition: a float frame, of which `index` picks n atoms, against n doubles. */
double cox_rmsd(int n, const int *index, const float (*mobile)[3], const double (*target)[3]);
/* Both are frames, picked by the same index. */
double cox_rmsd_f32(int n, const int *index, const float (*a)[3], const float (*b)[3]);
double cox_rmsd_f64(int n, const int *index, const double (*a)[3], const double (*b)[3]);
/* Where the points lie, without superposition. */
double cox_rmsd_unfitted(int n, const int *index, const float (*mobile)[3],
                         const double (*target)[3]);
double cox_rmsd_unfitted_f32(int n, const int *index, const float (*a)[3], const float (*b)[3]);

/* The superposition of the picked mobile points on n target points (target is not indexed). */
void cox_superpose(struct cox_superposition *out, int n, const int *index, const float (*mobile)[3],
                   const double (*target)[3]);
void cox_superpose_f64(struct cox_superposition *out, int n, const int *index,
                       const double (*mobile)[3], const double (*target)[3]);
/* Moves all n points (usually a whole frame), in place. */
void cox_superposition_apply(const struct cox_superposition *s, int n, float (*x)[3]);
void cox_superposition_apply_f64(const struct cox_superposition *s, int n, double (*x)[3]);

/* Distance RMS: √(mean over the n(n−1)/2 pairs of (d_ij(a) − d_ij(b))²); blind to rotation,
 * translation and mirror images. 0 for n < 2. */
double cox_drms(int n, const int *index, const float (*a)[3], const float (*b)[3]);
/* The same in two steps, for comparing many frames: pair distances, n(n−1)/2 floats in the order
 * (0,1) (0,2) … (n−2,n−1), then their RMS difference. */
size_t cox_pair_count(int n);
void cox_pair_distances(int n, const int *index, const float (*x)[3], float *out);
double cox_pair_rms(size_t pairs, const float *a, const float *b);

#endif
