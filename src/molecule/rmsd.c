/* SPDX-License-Identifier: BSD-3-Clause */
/* Horn, J. Opt. Soc. Am. A 4, 629 (1987): the best rotation is the eigenvector, as a quaternion, of
 * the largest eigenvalue λ of a symmetric 4×4 matrix of the inner products, and
 *   n · RMSD² = Σ|a|² + Σ|b|² − 2 λ   (a, b centred).
 * Quaternions are proper rotations, so a mirror image is never superposed by reflection. Jacobi
 * rotations rather than Newton on the characteristic polynomial (QCP): a microsecond more, and no
 * case where it fails, whatever the degeneracy. */
#include "molecule/rmsd.h"

#include <math.h>
#include <stdbool.h>

/* n points: floats or doubles, perhaps through an index. */
struct points {
    const int *index;
    bool single; /* f, else d */
    const float (*f)[3];
    const double (*d)[3];
};

static inline double coordinate(const struct points *p, int i, int k)
{
    int at = p->index ? p->index[i] : i;
    return p->single ? (double)p->f[at][k] : p->d[at][k];
}

static void centroid(int n, const struct points *p, double out[3])
{
    out[0] = out[1] = out[2] = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            out[k] += coordinate(p, i, k);
    for (int k = 0; k < 3; k++)
        out[k] /= n;
}

/* Cyclic Jacobi on a symmetric 4×4 matrix: a becomes diagonal, the columns of v its eigenvectors.
 */
static void jacobi4(double a[4][4], double v[4][4])
{
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            v[i][j] = i == j;
    for (int sweep = 0; sweep < 50; sweep++) {
        double off = 0;
        double scale = 0;
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++) {
                scale += a[i][j] * a[i][j];
                off += i == j ? 0 : a[i][j] * a[i][j];
            }
        if (off <= 1e-32 * scale)
            return;
        for (int p = 0; p < 3; p++)
            for (int q = p + 1; q < 4; q++) {
                if (a[p][q] == 0)
                    continue;
                double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
                double t = copysign(1, theta) / (fabs(theta) + sqrt(theta * theta + 1));
                double c = 1 / sqrt(t * t + 1);
                double s = t * c;
                for (int k = 0; k < 4; k++) {
                    double x = a[k][p];
                    double y = a[k][q];
                    a[k][p] = c * x - s * y;
                    a[k][q] = s * x + c * y;
                }
                for (int k = 0; k < 4; k++) {
                    double x = a[p][k];
                    double y = a[q][k];
                    a[p][k] = c * x - s * y;
                    a[q][k] = s * x + c * y;
                    x = v[k][p];
                    y = v[k][q];
                    v[k][p] = c * x - s * y;
                    v[k][q] = s * x + c * y;
                }
            }
    }
}

static void rotation_of(const double q[4], double r[3][3])
{
    double w = q[0];
    double x = q[1];
    double y = q[2];
    double z = q[3];
    r[0][0] = w * w + x * x - y * y - z * z;
    r[0][1] = 2 * (x * y - w * z);
    r[0][2] = 2 * (x * z + w * y);
    r[1][0] = 2 * (x * y + w * z);
    r[1][1] = w * w - x * x + y * y - z * z;
    r[1][2] = 2 * (y * z - w * x);
    r[2][0] = 2 * (x * z - w * y);
    r[2][1] = 2 * (y * z + w * x);
    r[2][2] = w * w - x * x - y * y + z * z;
}

static void fit(struct cox_superposition *out, int n, const struct points *a,
                const struct points *b)
{
    *out = (struct cox_superposition){.rotation = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
    if (n < 1)
        return;
    centroid(n, a, out->from);
    centroid(n, b, out->to);
    double m[3][3] = {{0}};
    double squares = 0;
    for (int i = 0; i < n; i++) {
        double u[3];
        double w[3];
        for (int k = 0; k < 3; k++) {
            u[k] = coordinate(a, i, k) - out->from[k];
            w[k] = coordinate(b, i, k) - out->to[k];
            squares += u[k] * u[k] + w[k] * w[k];
        }
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 3; k++)
                m[j][k] += u[j] * w[k];
    }
    double h[4][4] = {
        {m[0][0] + m[1][1] + m[2][2], m[1][2] - m[2][1], m[2][0] - m[0][2], m[0][1] - m[1][0]},
        {0, m[0][0] - m[1][1] - m[2][2], m[0][1] + m[1][0], m[2][0] + m[0][2]},
        {0, 0, m[1][1] - m[0][0] - m[2][2], m[1][2] + m[2][1]},
        {0, 0, 0, m[2][2] - m[0][0] - m[1][1]}};
    for (int i = 1; i < 4; i++)
        for (int j = 0; j < i; j++)
            h[i][j] = h[j][i];
    double v[4][4];
    jacobi4(h, v);
    int best = 0;
    for (int i = 1; i < 4; i++)
        if (h[i][i] > h[best][best])
            best = i;
    const double q[4] = {v[0][best], v[1][best], v[2][best], v[3][best]};
    rotation_of(q, out->rotation);
    double rest = squares - 2 * h[best][best];
    out->rmsd = rest > 0 ? sqrt(rest / n) : 0;
}

static double unfitted(int n, const struct points *a, const struct points *b)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            double d = coordinate(a, i, k) - coordinate(b, i, k);
            sum += d * d;
        }
    return n > 0 ? sqrt(sum / n) : 0;
}

double cox_rmsd(int n, const int *index, const float (*mobile)[3], const double (*target)[3])
{
    struct cox_superposition s;
    cox_superpose(&s, n, index, mobile, target);
    return s.rmsd;
}

double cox_rmsd_f32(int n, const int *index, const float (*a)[3], const float (*b)[3])
{
    const struct points first = {.index = index, .single = true, .f = a};
    const struct points second = {.index = index, .single = true, .f = b};
    struct cox_superposition s;
    fit(&s, n, &first, &second);
    return s.rmsd;
}

double cox_rmsd_f64(int n, const int *index, const double (*a)[3], const double (*b)[3])
{
    const struct points first = {.index = index, .d = a};
    const struct points second = {.index = index, .d = b};
    struct cox_superposition s;
    fit(&s, n, &first, &second);
    return s.rmsd;
}

double cox_rmsd_unfitted(int n, const int *index, const float (*mobile)[3],
                         const double (*target)[3])
{
    const struct points a = {.index = index, .single = true, .f = mobile};
    const struct points b = {.d = target};
    return unfitted(n, &a, &b);
}

double cox_rmsd_unfitted_f32(int n, const int *index, const float (*a)[3], const float (*b)[3])
{
    const struct points first = {.index = index, .single = true, .f = a};
    const struct points second = {.index = index, .single = true, .f = b};
    return unfitted(n, &first, &second);
}

void cox_superpose(struct cox_superposition *out, int n, const int *index, const float (*mobile)[3],
                   const double (*target)[3])
{
    const struct points a = {.index = index, .single = true, .f = mobile};
    const struct points b = {.d = target};
    fit(out, n, &a, &b);
}

void cox_superpose_f64(struct cox_superposition *out, int n, const int *index,
                       const double (*mobile)[3], const double (*target)[3])
{
    const struct points a = {.index = index, .d = mobile};
    const struct points b = {.d = target};
    fit(out, n, &a, &b);
}

static void move(const struct cox_superposition *s, double x[3])
{
    const double c[3] = {x[0] - s->from[0], x[1] - s->from[1], x[2] - s->from[2]};
    for (int k = 0; k < 3; k++)
        x[k] = s->rotation[k][0] * c[0] + s->rotation[k][1] * c[1] + s->rotation[k][2] * c[2] +
               s->to[k];
}

void cox_superposition_apply(const struct cox_superposition *s, int n, float (*x)[3])
{
    for (int i = 0; i < n; i++) {
        double y[3] = {x[i][0], x[i][1], x[i][2]};
        move(s, y);
        for (int k = 0; k < 3; k++)
            x[i][k] = (float)y[k];
    }
}

void cox_superposition_apply_f64(const struct cox_superposition *s, int n, double (*x)[3])
{
    for (int i = 0; i < n; i++)
        move(s, x[i]);
}

/* ---- distance RMS ---- */

static double pair_distance(const float (*x)[3], int i, int j)
{
    double dx = (double)x[i][0] - (double)x[j][0];
    double dy = (double)x[i][1] - (double)x[j][1];
    double dz = (double)x[i][2] - (double)x[j][2];
    return sqrt(dx * dx + dy * dy + dz * dz);
}

double cox_drms(int n, const int *index, const float (*a)[3], const float (*b)[3])
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            int p = index ? index[i] : i;
            int q = index ? index[j] : j;
            double d = pair_distance(a, p, q) - pair_distance(b, p, q);
            sum += d * d;
        }
    return n > 1 ? sqrt(sum / (double)cox_pair_count(n)) : 0;
}

size_t cox_pair_count(int n)
{
    return n > 1 ? (size_t)n * (size_t)(n - 1) / 2 : 0;
}

void cox_pair_distances(int n, const int *index, const float (*x)[3], float *out)
{
    size_t at = 0;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++)
            out[at++] = (float)pair_distance(x, index ? index[i] : i, index ? index[j] : j);
}

double cox_pair_rms(size_t pairs, const float *a, const float *b)
{
    double sum = 0;
    /* blocks of floats vectorise; the doubles between them keep the precision */
    for (size_t start = 0; start < pairs; start += 64) {
        size_t end = start + 64 < pairs ? start + 64 : pairs;
        float part[8] = {0};
        size_t i = start;
        for (; i + 8 <= end; i += 8)
            for (int k = 0; k < 8; k++) {
                float d = a[i + (size_t)k] - b[i + (size_t)k];
                part[k] += d * d;
            }
        for (; i < end; i++) {
            float d = a[i] - b[i];
            part[0] += d * d;
        }
        for (int k = 0; k < 8; k++)
            sum += (double)part[k];
    }
    return pairs ? sqrt(sum / (double)pairs) : 0;
}
