/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/adam.h"

#include <math.h>
#include <pthread.h>

#include "dp_train/adam_kernels.h"
#include "kern/isa.h"

#define CHUNK 16384 /* numbers of one piece of work */

#define DECLARE(isa) extern const struct cox_dp_adam_kernels cox_dp_adam_kernels_##isa;
COX_ISA_LIST(DECLARE)
#define ENTRY(isa) &cox_dp_adam_kernels_##isa,
static const struct cox_dp_adam_kernels *const tables[] = {COX_ISA_LIST(ENTRY)};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int chosen;

static void choose(void)
{
    if (cox_isa_select(&chosen, NULL, NULL))
        chosen = 0;
}

const struct cox_dp_adam_kernels *cox_dp_adam_kernels(void)
{
    pthread_once(&once, choose);
    return tables[chosen];
}

const struct cox_dp_adam_kernels *cox_dp_adam_kernels_at(int index)
{
    return index >= 0 && index < cox_isa_count() && cox_isa_supported(index) ? tables[index] : NULL;
}

struct work {
    const struct cox_dp_adam *adam;
    const struct cox_dp_adam_kernels *kernels;
    struct cox_dp_adam_numbers numbers;
    double *x;
    const double *gradient;
};

static void chunk(void *user, int item, int thread)
{
    const struct work *w = user;
    size_t from = (size_t)item * CHUNK;
    size_t n = w->adam->n - from < CHUNK ? w->adam->n - from : CHUNK;
    (void)thread;
    w->kernels->step(n, &w->numbers, w->gradient + from, w->adam->mean + from,
                     w->adam->square + from, w->x + from);
}

/* The corrections of both means go into the rate, as at the end of the paper's section 2 and in the
 * reference implementation's framework; epsilon is then the paper's "epsilon hat". */
void cox_dp_adam_step(const struct cox_dp_adam *adam, double *x, const double *gradient,
                      double rate, int64_t step, struct cox_team *team)
{
    double by =
        rate * sqrt(1 - pow(adam->beta2, (double)step)) / (1 - pow(adam->beta1, (double)step));
    struct work work = {.adam = adam,
                        .kernels = cox_dp_adam_kernels(),
                        .numbers = {adam->beta1, adam->beta2, adam->epsilon, by},
                        .x = x,
                        .gradient = gradient};
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
