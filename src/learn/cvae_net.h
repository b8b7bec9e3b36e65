/* SPDX-License-Identifier: BSD-3-Clause */
/* The CVAE's inside: its network, workspaces and single steps. For src/learn/cvae*.c and tests. */
#ifndef COX_LEARN_CVAE_NET_H
#define COX_LEARN_CVAE_NET_H

#include "learn/cvae.h"
#include "nn/conv_chain.h"
#include "nn/dense.h"
#include "nn/optimizer.h"
#include "nn/params.h"

/* A batch is cut into this many groups; a group's maps are done in order by one thread and add to
 * the group's own gradients, which are then added in order: the sums do not depend on the threads.
 */
#define COX_CVAE_GROUPS 16

struct cox_cvae {
    struct cox_cvae_options options;
    int size;
    struct cox_team *team; /* borrowed, may be NULL */
    const struct cox_elementwise_kernels *kernels;
    struct cox_params *params;
    struct cox_optimizer optimizer; /* its steps are the model's */
    struct cox_conv_chain *encoder, *decoder;
    struct cox_dense encoder_dense, mean, log_variance, decoder_dense, decoder_map;
    int flat; /* height · width · channels of the last encoder map */

    /* Workspace for options.batch = B maps, sized once. */
    int threads;                   /* that there are workspaces for */
    float *tapes;                  /* [B][encoder tape] */
    float *decoder_tapes;          /* [threads][decoder tape], also for its gradient: */
    float *decoder_gradient_tapes; /* [threads] */
    float *encoder_gradient_tapes; /* [threads] */
    float *features, *d_features;  /* [B][flat], after dropout */
    float *hidden, *d_hidden;      /* [B][dense], encoder side */
    float *mu, *d_mu, *log_var, *d_log_var, *noise, *z, *d_z; /* [B][latent] */
    float *grown, *d_grown;                                   /* [B][dense], decoder side */
    float *decoded, *d_decoded;                               /* [B][flat] */
    float *partials;                    /* [groups][encoder span + decoder span] */
    double *cross_entropy, *divergence; /* [B], per map */
    int64_t *batch_rows;                /* [B], for calls that number maps 0 … n-1 */
};

/* How a batch is run. */
struct cox_cvae_pass {
    const struct cox_cvae_maps *maps;
    const int64_t *rows; /* rows of maps->data, n of them */
    int n;               /* 1 … options.batch */
    bool dropout;
    /* Noise ε: given [n][latent], or drawn from (noise_key, noise_stream[i] or first_stream + i).
     */
    const float *given_noise;
    uint64_t key;
    uint64_t first_stream;
};

/* The passes assume packed weights: call after every change of them. */
void cox_cvae_pack(struct cox_cvae *cvae, bool backward);
/* μ and log σ² of a batch into the workspace. */
void cox_cvae_encode_batch(struct cox_cvae *cvae, const struct cox_cvae_pass *pass);
/* decoded from z; then for each map the loss (log_loss), the pixels, or loss and gradients. */
void cox_cvae_grow(struct cox_cvae *cvae, int n);
void cox_cvae_loss_batch(struct cox_cvae *cvae, const struct cox_cvae_pass *pass, double *loss,
                         double *kl);
void cox_cvae_pixels_batch(struct cox_cvae *cvae, int n, float *pixels);
/* Loss sums of a batch and the gradients (of the mean loss) in the parameter store. */
void cox_cvae_gradients_batch(struct cox_cvae *cvae, const struct cox_cvae_pass *pass, double *loss,
                              double *kl);
/* Checks options; messages name the option, its value and what is allowed. */
int cox_cvae_options_check(const struct cox_cvae_options *options, int size,
                           struct cox_err *err) COX_MUST_CHECK;

#endif
