/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/deviation.h"

#include <math.h>
#include <stddef.h>

/* Mean square distance of value `at` over the models from their mean, or from a label; the number
 * that it is measured by (the mean or the label) goes to *centre. */
static double spread(int models, const double *const *x, int at, const double *label,
                     double *centre)
{
    double mean = 0;
    double sum = 0;
    for (int k = 0; k < models; k++)
        mean += x[k][at] / models;
    *centre = label ? label[at] : mean;
    for (int k = 0; k < models; k++)
        sum += (x[k][at] - *centre) * (x[k][at] - *centre) / models;
    return sum;
}

static void of_forces(struct cox_dp_deviation *out, double *atom_f, int models, int n,
                      const double *const *force, const struct cox_dp_deviation_options *o)
{
    out->max_f = out->avg_f = 0;
    out->min_f = (double)INFINITY;
    for (int i = 0; i < n; i++) {
        double square = 0;
        double length = 0;
        for (int c = 0; c < 3; c++) {
            double centre;
            square += spread(models, force, 3 * i + c, o->force, &centre);
            length += centre * centre;
        }
        double f = sqrt(square);
        if (o->relative_f > 0)
            f /= sqrt(length) + o->relative_f;
        out->max_f = fmax(out->max_f, f);
        out->min_f = fmin(out->min_f, f);
        out->avg_f += f / n;
        if (atom_f)
            atom_f[i] = f;
    }
}

static void of_virials(struct cox_dp_deviation *out, int models, int n, const double *const *virial,
                       const struct cox_dp_deviation_options *o)
{
    double v[9];
    double length = 0;
    double square = 0;
    out->max_v = 0;
    out->min_v = (double)INFINITY;
    for (int c = 0; c < 9; c++) {
        double centre;
        v[c] = sqrt(spread(models, virial, c, o->virial, &centre)) / n;
        length += centre * centre / ((double)n * n);
    }
    for (int c = 0; c < 9; c++) {
        if (o->relative_v > 0)
            v[c] /= sqrt(length) + o->relative_v;
        out->max_v = fmax(out->max_v, v[c]);
        out->min_v = fmin(out->min_v, v[c]);
        square += v[c] * v[c];
    }
    out->avg_v = sqrt(square) / 3;
}

void cox_dp_deviation_of(struct cox_dp_deviation *out, double *atom_f, int models, int n,
                         const double *energy, const double *const *force,
                         const double *const *virial, const struct cox_dp_deviation_options *o)
{
    double mean = 0;
    double square = 0;
    of_forces(out, atom_f, models, n, force, o);
    of_virials(out, models, n, virial, o);
    for (int k = 0; k < models; k++)
        mean += energy[k] / models;
    double centre = o->energy ? o->energy[0] : mean;
    for (int k = 0; k < models; k++)
        square += (energy[k] - centre) * (energy[k] - centre) / models;
    out->e = sqrt(square) / n;
}
