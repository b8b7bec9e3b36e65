/* SPDX-License-Identifier: BSD-3-Clause */
/* Features of one frame: what the models learn from, and simple geometry.
 * x is a frame, float [n_atoms][3] in nm; `index` picks n atoms of it (NULL: the first n).
 * No allocation; every function is thread-safe. */
#ifndef COX_MOLECULE_FEATURES_H
#define COX_MOLECULE_FEATURES_H

#include <stdint.h>

#define COX_CONTACT_CUTOFF_NM 0.8

/* Contact map, row-major [n][n]: 1 where the distance is <= cutoff_nm, symmetric, diagonal 1.
 * Returns the number of ones. `out` may be NULL to count only. */
int cox_contact_map(int n, const int *index, const float (*x)[3], double cutoff_nm, float *out);
int cox_contact_map_u8(int n, const int *index, const float (*x)[3], double cutoff_nm,
                       uint8_t *out);
/* The picked points about their centroid, float out[n][3], nm. */
void cox_point_cloud(int n, const int *index, const float (*x)[3], float (*out)[3]);
/* √(mean |x − centroid|²), every point with weight 1, nm. */
double cox_radius_of_gyration(int n, const int *index, const float (*x)[3]);
void cox_centroid(int n, const int *index, const float (*x)[3], double out[3]);
double cox_point_distance(const float a[3], const float b[3]);
/* Torsion angle a-b-c-d in radians, −π … π, IUPAC sign (0 = cis); 0 for degenerate points. */
double cox_dihedral(const double a[3], const double b[3], const double c[3], const double d[3]);

#endif
