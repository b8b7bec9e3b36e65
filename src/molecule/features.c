/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/features.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

static inline const float *point(const int *index, const float (*x)[3], int i)
{
    return x[index ? index[i] : i];
}

double cox_point_distance(const float a[3], const float b[3])
{
    double dx = (double)a[0] - (double)b[0];
    double dy = (double)a[1] - (double)b[1];
    double dz = (double)a[2] - (double)b[2];
    return sqrt(dx * dx + dy * dy + dz * dz);
}

int cox_contact_map(int n, const int *index, const float (*x)[3], double cutoff_nm, float *out)
{
    int ones = 0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++) {
            bool near =
                i == j || cox_point_distance(point(index, x, i), point(index, x, j)) <= cutoff_nm;
            ones += near ? 1 + (i != j) : 0;
            if (out)
                out[(size_t)i * (size_t)n + (size_t)j] = out[(size_t)j * (size_t)n + (size_t)i] =
                    near ? 1.0F : 0.0F;
        }
    }
    return ones;
}

int cox_contact_map_u8(int n, const int *index, const float (*x)[3], double cutoff_nm, uint8_t *out)
{
    int ones = 0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++) {
            bool near =
                i == j || cox_point_distance(point(index, x, i), point(index, x, j)) <= cutoff_nm;
            ones += near ? 1 + (i != j) : 0;
            if (out)
                out[(size_t)i * (size_t)n + (size_t)j] = out[(size_t)j * (size_t)n + (size_t)i] =
                    near;
        }
    }
    return ones;
}

void cox_centroid(int n, const int *index, const float (*x)[3], double out[3])
{
    out[0] = out[1] = out[2] = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            out[k] += (double)point(index, x, i)[k];
    for (int k = 0; k < 3 && n > 0; k++)
        out[k] /= n;
}

void cox_point_cloud(int n, const int *index, const float (*x)[3], float (*out)[3])
{
    double c[3];
    cox_centroid(n, index, x, c);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            out[i][k] = (float)((double)point(index, x, i)[k] - c[k]);
}

double cox_radius_of_gyration(int n, const int *index, const float (*x)[3])
{
    double c[3];
    double sum = 0;
    cox_centroid(n, index, x, c);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            double d = (double)point(index, x, i)[k] - c[k];
            sum += d * d;
        }
    return n > 0 ? sqrt(sum / n) : 0;
}

static void cross(const double a[3], const double b[3], double out[3])
{
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* atan2 form (Blondel & Karplus 1996): well conditioned at 0 and π, where acos is not. */
double cox_dihedral(const double a[3], const double b[3], const double c[3], const double d[3])
{
    double u[3];
    double v[3];
    double w[3];
    double m[3];
    double n[3];
    for (int k = 0; k < 3; k++) {
        u[k] = b[k] - a[k];
        v[k] = c[k] - b[k];
        w[k] = d[k] - c[k];
    }
    cross(u, v, m);
    cross(v, w, n);
    double y = sqrt(dot(v, v)) * dot(u, n);
    double x = dot(m, n);
    return y == 0 && x == 0 ? 0 : atan2(y, x);
}
