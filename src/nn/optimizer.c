/* SPDX-License-Identifier: BSD-3-Clause */
/* RMSprop (Hinton, lecture 6e of "Neural networks for machine learning") and Adam (Kingma and Ba
 * 2015), element by element in chunks spread over the team. */
#include "nn/optimizer.h"

#include <math.h>

#define CHUNK 16384

struct job {
    const struct cox_optimizer *optimizer;
    struct cox_params *params;
    const struct cox_elementwise_kernels *kernels;
    struct cox_rmsprop rmsprop;
    struct cox_adam adam;
};

static void work(void *user, int item, int thread)
{
    const struct job *j = user;
    const int64_t first = (int64_t)item * CHUNK, left = j->params->floats - first;
    const size_t n = (size_t)(left < CHUNK ? left : CHUNK);
    const float *g = j->params->gradient + first;
    float *w = j->params->value + first, *v = j->params->state[0] + first,
          *m = j->params->state[1] + first;
    (void)thread;
    if (j->optimizer->kind == COX_OPTIMIZER_ADAM)
        j->kernels->adam(n, &j->adam, g, m, v, w);
    else
        j->kernels->rmsprop(n, &j->rmsprop, g, v, w);
}

void cox_optimizer_step(struct cox_optimizer *optimizer, struct cox_params *params,
                        const struct cox_elementwise_kernels *kernels, struct cox_team *team)
{
    const double t = (double)++optimizer->steps;
    struct job j = {.optimizer = optimizer, .params = params, .kernels = kernels};
    j.rmsprop = (struct cox_rmsprop){(float)optimizer->learning_rate, (float)optimizer->rho,
                                     (float)optimizer->epsilon};
    if (optimizer->kind == COX_OPTIMIZER_ADAM)
        j.adam = (struct cox_adam){
            (float)(optimizer->learning_rate / (1 - pow(optimizer->beta1, t))),
            (float)optimizer->beta1, (float)optimizer->rho,
            (float)(1 / sqrt(1 - pow(optimizer->rho, t))), (float)optimizer->epsilon};
    cox_team_run(team, (int)((params->floats + CHUNK - 1) / CHUNK), work, &j);
}
