/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/schedule.h"

#include <math.h>

double cox_dp_rate_at(const struct cox_dp_input_rate *rate, int64_t step)
{
    double times = (double)step / (double)rate->decay_steps;
    double lr = rate->start_lr * pow(rate->decay_rate, rate->smooth ? times : floor(times));
    return lr > rate->stop_lr ? lr : rate->stop_lr;
}

struct cox_dp_prefactors cox_dp_prefactors_at(const struct cox_dp_input *input, int64_t step)
{
    const struct cox_dp_input_loss *l = &input->loss;
    double share = cox_dp_rate_at(&input->rate, step) / input->rate.start_lr;
    return (struct cox_dp_prefactors){
        .energy = l->start_e * share + l->limit_e * (1 - share),
        .force = l->start_f * share + l->limit_f * (1 - share),
        .virial = l->start_v * share + l->limit_v * (1 - share),
    };
}
