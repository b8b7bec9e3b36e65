/* SPDX-License-Identifier: BSD-3-Clause */
/* Optimisers over a parameter store. */
#ifndef COX_NN_OPTIMIZER_H
#define COX_NN_OPTIMIZER_H

#include <stdint.h>

#include "base/team.h"
#include "kern/elementwise.h"
#include "nn/params.h"

enum cox_optimizer_kind { COX_OPTIMIZER_RMSPROP, COX_OPTIMIZER_ADAM };

struct cox_optimizer {
    enum cox_optimizer_kind kind;
    double learning_rate;
    double beta1; /* Adam */
    double rho;   /* RMSprop's ρ, Adam's β2 */
    double epsilon;
    int64_t steps; /* done; part of a checkpoint */
};
#define COX_OPTIMIZER_RMSPROP_INIT                                                    \
    {                                                                                 \
        .kind = COX_OPTIMIZER_RMSPROP, .learning_rate = 1e-3, .beta1 = 0, .rho = 0.9, \
        .epsilon = 1e-8, .steps = 0                                                   \
    }
#define COX_OPTIMIZER_ADAM_INIT                                                        \
    {                                                                                  \
        .kind = COX_OPTIMIZER_ADAM, .learning_rate = 1e-3, .beta1 = 0.9, .rho = 0.999, \
        .epsilon = 1e-8, .steps = 0                                                    \
    }

/* One step along the store's gradients. No allocation; the result does not depend on the team. */
void cox_optimizer_step(struct cox_optimizer *optimizer, struct cox_params *params,
                        const struct cox_elementwise_kernels *kernels, struct cox_team *team);

#endif
