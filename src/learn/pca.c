/* SPDX-License-Identifier: BSD-3-Clause */
#include "learn/pca.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define LARGEST_D 256
#define SWEEPS 60

void cox_pca_deinit(struct cox_pca *pca)
{
    cox_free(pca->mean);
    cox_free(pca->component);
    cox_free(pca->variance);
    memset(pca, 0, sizeof *pca);
}

static void covariance(double *c, double *mean, double *row, const float *points, int n, int d)
{
    for (int i = 0; i < n; i++)
        for (int a = 0; a < d; a++)
            mean[a] += (double)points[(size_t)i * (size_t)d + (size_t)a];
    for (int a = 0; a < d; a++)
        mean[a] /= n;
    for (int i = 0; i < n; i++) {
        for (int a = 0; a < d; a++)
            row[a] = (double)points[(size_t)i * (size_t)d + (size_t)a] - mean[a];
        for (int a = 0; a < d; a++)
            for (int b = a; b < d; b++)
                c[(size_t)a * (size_t)d + (size_t)b] += row[a] * row[b];
    }
    for (int a = 0; a < d; a++)
        for (int b = a; b < d; b++) {
            c[(size_t)a * (size_t)d + (size_t)b] /= n - 1;
            c[(size_t)b * (size_t)d + (size_t)a] = c[(size_t)a * (size_t)d + (size_t)b];
        }
}

/* One Jacobi rotation of symmetric c in the plane (p, q); v gathers the rotations, rows are
 * eigenvectors (Golub & Van Loan, Matrix Computations, 8.5). */
static void rotate(double *c, double *v, size_t d, size_t p, size_t q)
{
    const double off = c[p * d + q];
    if (off == 0)
        return;
    const double theta = (c[q * d + q] - c[p * d + p]) / (2 * off);
    const double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
    const double cs = 1 / sqrt(t * t + 1), sn = t * cs;
    for (size_t k = 0; k < d; k++) {
        const double x = c[k * d + p], y = c[k * d + q];
        c[k * d + p] = cs * x - sn * y;
        c[k * d + q] = sn * x + cs * y;
    }
    for (size_t k = 0; k < d; k++) {
        const double x = c[p * d + k], y = c[q * d + k];
        c[p * d + k] = cs * x - sn * y;
        c[q * d + k] = sn * x + cs * y;
        const double r = v[p * d + k], s = v[q * d + k];
        v[p * d + k] = cs * r - sn * s;
        v[q * d + k] = sn * r + cs * s;
    }
}

static void diagonalise(double *c, double *v, size_t d)
{
    for (size_t i = 0; i < d; i++)
        v[i * d + i] = 1;
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        double off = 0, all = 0;
        for (size_t a = 0; a < d; a++)
            for (size_t b = 0; b < d; b++) {
                all += c[a * d + b] * c[a * d + b];
                off += a == b ? 0 : c[a * d + b] * c[a * d + b];
            }
        if (off <= 1e-30 * all)
            return;
        for (size_t p = 0; p + 1 < d; p++)
            for (size_t q = p + 1; q < d; q++)
                rotate(c, v, d, p, q);
    }
}

/* The largest remaining eigenvalues, each with its row turned so that its largest entry is
 * positive.
 */
static void take_components(struct cox_pca *pca, double *c, const double *v)
{
    const size_t d = (size_t)pca->d;
    for (int k = 0; k < pca->components; k++) {
        size_t best = 0;
        for (size_t a = 1; a < d; a++)
            if (c[a * d + a] > c[best * d + best])
                best = a;
        double *row = pca->component + (size_t)k * d;
        memcpy(row, v + best * d, d * sizeof *row);
        pca->variance[k] = c[best * d + best] > 0 ? c[best * d + best] : 0;
        c[best * d + best] = -INFINITY;
        size_t largest = 0;
        for (size_t a = 1; a < d; a++)
            if (fabs(row[a]) > fabs(row[largest]))
                largest = a;
        if (row[largest] < 0)
            for (size_t a = 0; a < d; a++)
                row[a] = -row[a];
    }
}

int cox_pca_fit(struct cox_pca *pca, const float *points, int n, int d, int components,
                struct cox_err *err)
{
    memset(pca, 0, sizeof *pca);
    if (n < 2 || d < 1 || d > LARGEST_D || components < 1 || components > d)
        return cox_err_set(err, COX_EINVAL,
                           "%d principal components of %d points of %d coordinates: needs 1 <= "
                           "components <= coordinates <= %d and at least 2 points",
                           components, n, d, LARGEST_D);
    for (size_t i = 0; i < (size_t)n * (size_t)d; i++)
        if (!isfinite(points[i]))
            return cox_err_set(err, COX_EINVAL, "coordinate %d of point %d is not finite",
                               (int)(i % (size_t)d), (int)(i / (size_t)d));
    const size_t dd = (size_t)d * (size_t)d;
    pca->d = d;
    pca->components = components;
    pca->mean = cox_alloc((size_t)d, sizeof *pca->mean);
    pca->component = cox_alloc((size_t)components * (size_t)d, sizeof *pca->component);
    pca->variance = cox_alloc((size_t)components, sizeof *pca->variance);
    double *c = cox_alloc(2 * dd + (size_t)d, sizeof *c);
    if (!pca->mean || !pca->component || !pca->variance || !c) {
        cox_free(c);
        cox_pca_deinit(pca);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d principal components",
                           components);
    }
    covariance(c, pca->mean, c + 2 * dd, points, n, d);
    for (size_t a = 0; a < (size_t)d; a++)
        pca->total += c[a * (size_t)d + a];
    diagonalise(c, c + dd, (size_t)d);
    take_components(pca, c, c + dd);
    cox_free(c);
    return COX_OK;
}

void cox_pca_project(const struct cox_pca *pca, float *out, const float *points, int n)
{
    const size_t d = (size_t)pca->d;
    for (size_t i = 0; i < (size_t)n; i++)
        for (int k = 0; k < pca->components; k++) {
            double sum = 0;
            for (size_t a = 0; a < d; a++)
                sum +=
                    ((double)points[i * d + a] - pca->mean[a]) * pca->component[(size_t)k * d + a];
            out[i * (size_t)pca->components + (size_t)k] = (float)sum;
        }
}

double cox_pca_explained(const struct cox_pca *pca, int components)
{
    double sum = 0;
    for (int k = 0; k < components && k < pca->components; k++)
        sum += pca->variance[k];
    return pca->total > 0 ? sum / pca->total : 0;
}
