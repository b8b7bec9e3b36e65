/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/adam.h"

#include <math.h>

#define CHUNK 16384 /* numbers of one piece of work */

struct work {
    const struct cox_dp_adam *adam;
    double *x;
    const double *gradient;
    double by; /* the rate with both corrections */
};

static void chunk(void *user, int item, int thread)
{
    const struct work *w = user;
    const double b1 = w->adam->beta1;
    const double b2 = w->adam->beta2;
    const double epsilon = w->adam->epsilon;
    const double by = w->by;
    size_t from = (size_t)item * CHUNK;
    size_t n = w->adam->n - from < CHUNK ? w->adam->n - from : CHUNK;
    const double *restrict gradient = w->gradient + from;
    double *restrict x = w->x + from;
    double *restrict mean = w->adam->mean + from;
    double *restrict square = w->adam->square + from;
    (void)thread;
    for (size_t i = 0; i < n; i++) {
        double g = gradient[i];
        double m = b1 * mean[i] + (1 - b1) * g;
        double v = b2 * square[i] + (1 - b2) * g * g;
        mean[i] = m;
        square[i] = v;
        x[i] -= by * m / (sqrt(v) + epsilon);
    }
}

/* The corrections of both means go into the rate, as at the end of the paper's section 2 and in the
 * reference implementation's framework; epsilon is then the paper's "epsilon hat". */
void cox_dp_adam_step(const struct cox_dp_adam *adam, double *x, const double *gradient,
                      double rate, int64_t step, struct cox_team *team)
{
    double by =
        rate * sqrt(1 - pow(adam->beta2, (double)step)) / (1 - pow(adam->beta1, (double)step));
    struct work work = {adam, x, gradient, by};
    cox_team_run(team, (int)((adam->n + CHUNK - 1) / CHUNK), chunk, &work);
}

void cox_dp_gradient_clip(double *gradient, size_t n, double most)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += gradient[i] * gradient[i];
    double norm = sqrt(sum);
    if (!(norm > most))
        return;
    for (size_t i = 0; i < n; i++)
        gradient[i] *= most / norm;
}
