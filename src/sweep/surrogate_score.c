/* SPDX-License-Identifier: BSD-3-Clause */
/* What an error counts: |y − ŷ| in units of the accuracy wanted; of an output with several values
 * the `bins` quantile over them, of a point the largest over its outputs. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "sweep/surrogate_internal.h"

static const struct cox_sweep_output *output_of(const struct cox_surrogate *s, int o)
{
    return (const struct cox_sweep_output *)s->settings->outputs.items + o;
}

bool cox_surrogate_wanted(const struct cox_surrogate *s, int o)
{
    const struct cox_sweep_output *output = output_of(s, o);
    return !output->ignore &&
           (output->accuracy > 0 || output->relative_accuracy > 0 || output->within_error);
}

/* The k-th smallest (from 0) of v[n], which it puts in another order (Hoare 1961). */
static double nth(double *v, int n, int k)
{
    int low = 0, high = n - 1;
    while (low < high) {
        const double pivot = v[low + (high - low) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i <= j) {
                const double t = v[i];
                v[i++] = v[j];
                v[j--] = t;
            }
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            break;
    }
    return v[k];
}

/* So many of the values must be as good. */
static double over_values(double *v, int n, double bins)
{
    if (n == 0)
        return 0;
    const double share = bins > 0 && bins < 1 ? bins : 1;
    int k = (int)ceil(share * n - 1e-9);
    return nth(v, n, (k < 1 ? 1 : k) - 1);
}

void cox_surrogate_scores(const struct cox_surrogate *s, const double *accuracy,
                          const double *value, const double *error, const double *mean,
                          double *scratch, double *score)
{
    for (int o = 0; o < s->n_outputs; o++) {
        const struct cox_sweep_output *output = output_of(s, o);
        int n = 0;
        if (output->ignore) {
            score[o] = NAN;
            continue;
        }
        for (int j = s->first[o]; j < s->first[o + 1]; j++) {
            double unit = accuracy[j];
            if (output->within_error && error[j] > unit)
                unit = error[j];
            const double off = fabs(value[j] - mean[j]);
            scratch[n++] = !isfinite(off) ? INFINITY : off > 0 ? off / unit : 0;
        }
        score[o] = over_values(scratch, n, output->bins);
    }
}

double cox_surrogate_worst(const struct cox_surrogate *s, const double *score)
{
    double worst = NAN;
    for (int o = 0; o < s->n_outputs; o++)
        if (cox_surrogate_wanted(s, o))
            worst = fmax(worst, score[o]); /* fmax drops the NaN */
    return worst;
}

double cox_surrogate_spread(const struct cox_surrogate *s, const double *accuracy, const double *sd,
                            double *scratch, double *each)
{
    double worst = 0;
    for (int o = 0; o < s->n_outputs; o++) {
        const struct cox_sweep_output *output = output_of(s, o);
        int n = 0;
        for (int j = s->first[o]; !output->ignore && j < s->first[o + 1]; j++)
            scratch[n++] = !isfinite(sd[j]) ? INFINITY : sd[j] > 0 ? sd[j] / accuracy[j] : 0;
        const double u = over_values(scratch, n, output->bins);
        if (each)
            each[o] = u;
        if (cox_surrogate_wanted(s, o))
            worst = fmax(worst, u);
    }
    return worst;
}

/* The range of an output is over all its values and rows: a profile is one quantity. An error bar
 * counts by its mean over the rows, since that of a point not simulated is not known. An output of
 * which no accuracy is asked is measured by a twentieth of its range, for half-widths. */
void cox_surrogate_accuracy(const struct cox_surrogate *s, int n, const double *value,
                            const double *error, double *accuracy)
{
    const size_t m = (size_t)s->n_values;
    for (int o = 0; o < s->n_outputs; o++) {
        const struct cox_sweep_output *output = output_of(s, o);
        double least = INFINITY, most = -INFINITY;
        for (int i = 0; i < n; i++)
            for (int j = s->first[o]; j < s->first[o + 1]; j++) {
                least = fmin(least, value[(size_t)i * m + (size_t)j]);
                most = fmax(most, value[(size_t)i * m + (size_t)j]);
            }
        double wanted = output->accuracy > 0 ? output->accuracy : 0;
        if (!(wanted > 0) && output->relative_accuracy > 0 && most > least)
            wanted = output->relative_accuracy * (most - least);
        if (!cox_surrogate_wanted(s, o) && most > least)
            wanted = 0.05 * (most - least);
        for (int j = s->first[o]; j < s->first[o + 1]; j++) {
            double sum = 0;
            int bars = 0;
            for (int i = 0; i < n && output->within_error; i++)
                if (isfinite(error[(size_t)i * m + (size_t)j])) {
                    sum += error[(size_t)i * m + (size_t)j];
                    bars++;
                }
            accuracy[j] = bars ? fmax(wanted, sum / bars) : wanted;
        }
    }
}
