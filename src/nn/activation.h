/* SPDX-License-Identifier: BSD-3-Clause */
/* What a layer does to its sums. */
#ifndef COX_NN_ACTIVATION_H
#define COX_NN_ACTIVATION_H

enum cox_activation {
    COX_ACTIVATION_NONE,
    COX_ACTIVATION_RELU,    /* max(0, x) */
    COX_ACTIVATION_SIGMOID, /* 1 / (1 + e^-x) */
    COX_ACTIVATION_TANH
};

#endif
