/* SPDX-License-Identifier: BSD-3-Clause */
/* One-sided Jacobi (Hestenes 1958): rotations of columns until all are orthogonal give the singular
 * value decomposition A = U Σ Vᵀ; then x = Σ_k v_k (u_k·b)/σ_k. */
#include "dp_train/least_squares.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

#define SWEEPS 60
#define UNDETERMINED 1e-12

/* Columns p and q of u [rows][n] and of v [n][n]; false when they are orthogonal already. */
static bool rotate(double *u, double *v, long long rows, int n, int p, int q)
{
    double pp = 0;
    double qq = 0;
    double pq = 0;
    for (long long i = 0; i < rows; i++) {
        const double *row = u + i * n;
        pp += row[p] * row[p];
        qq += row[q] * row[q];
        pq += row[p] * row[q];
    }
    if (fabs(pq) <= 1e-15 * sqrt(pp * qq))
        return false;
    double zeta = (qq - pp) / (2 * pq);
    double t = copysign(1, zeta) / (fabs(zeta) + sqrt(1 + zeta * zeta));
    double c = 1 / sqrt(1 + t * t);
    double s = c * t;
    for (long long i = 0; i < rows + n; i++) {
        double *row = i < rows ? u + i * n : v + (i - rows) * n;
        double at = row[p];
        row[p] = c * at - s * row[q];
        row[q] = s * at + c * row[q];
    }
    return true;
}

static void solve(double *x, const double *u, const double *v, const double *b, long long rows,
                  int n)
{
    double largest = 0;
    memset(x, 0, (size_t)n * sizeof *x);
    for (int pass = 0; pass < 2; pass++)
        for (int k = 0; k < n; k++) {
            double norm = 0;
            double ub = 0;
            for (long long i = 0; i < rows; i++) {
                norm += u[i * n + k] * u[i * n + k];
                ub += u[i * n + k] * b[i];
            }
            if (!pass)
                largest = fmax(largest, norm);
            else if (sqrt(norm) > UNDETERMINED * sqrt(largest))
                for (int j = 0; j < n; j++)
                    x[j] += v[j * n + k] * ub / norm;
        }
}

int cox_dp_least_squares(double *x, const double *a, const double *b, long long rows, int n,
                         struct cox_err *err)
{
    double *u = cox_alloc((size_t)rows * (size_t)n, sizeof *u);
    double *v = cox_alloc((size_t)n * (size_t)n, sizeof *v);
    if (!u || !v) {
        cox_free(u);
        cox_free(v);
        return cox_err_set(err, COX_ENOMEM, "out of memory for least squares");
    }
    memcpy(u, a, (size_t)rows * (size_t)n * sizeof *u);
    for (int i = 0; i < n; i++)
        v[i * n + i] = 1;
    bool turned = true;
    for (int sweep = 0; turned && sweep < SWEEPS; sweep++) {
        turned = false;
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++)
                turned |= rotate(u, v, rows, n, p, q);
    }
    solve(x, u, v, b, rows, n);
    cox_free(u);
    cox_free(v);
    return COX_OK;
}
