/* SPDX-License-Identifier: BSD-3-Clause */
/* The convolutional variational autoencoder of contact maps (Bhowmik et al. 2018; Brace et al.
 * SC21).
 *
 * A map is D×D zeros and ones. The encoder is a chain of "same" convolutions with ReLU, then
 * dropout, one dense layer and the latent mean μ and log-variance; the decoder mirrors it with
 * transposed convolutions and ends in a sigmoid. With the defaults and D = 28 it has 3,450,709
 * parameters. Any D >= 2, odd ones too: a layer of stride s maps a side n to ceil(n / s), and its
 * mirror maps it back to exactly n, so nothing is cropped and no pixel is invented.
 *
 * Loss per map: binary cross-entropy summed over the D² pixels plus the Kullback-Leibler divergence
 * summed over the latent dimensions; a batch's loss is the mean over its maps.
 *
 * Determinism: a model is a function of its options, the maps in their order, the fit options and
 * the instruction set; not of the number of threads.
 * Threads: one caller at a time per model; the work is spread over the team given at creation. */
#ifndef COX_LEARN_CVAE_H
#define COX_LEARN_CVAE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/team.h"
#include "cox/err.h"

struct cox_cvae;

#define COX_CVAE_MAX_LAYERS 8

enum cox_cvae_optimizer { COX_CVAE_RMSPROP, COX_CVAE_ADAM };

struct cox_cvae_options {
    int conv_layers;                  /* 1 … COX_CVAE_MAX_LAYERS */
    int filters[COX_CVAE_MAX_LAYERS]; /* 1 … 1024 each */
    int strides[COX_CVAE_MAX_LAYERS]; /* 1 or 2 each */
    int kernel;                       /* side of every filter: 1, 3, 5 or 7 */
    int dense;                        /* units of the dense layers, 1 … 4096 */
    int latent;                       /* 1 … 256 */
    double dropout;                   /* 0 <= dropout < 1, on the flattened last feature map */
    enum cox_cvae_optimizer optimizer;
    double learning_rate;
    double rho;     /* RMSprop's decay (Adam: β2; its β1 is 0.9) */
    double epsilon; /* RMSprop, Adam */
    int batch;      /* maps per step, 1 … 4096; also the unit of embedding; sizes the workspace */
    uint64_t seed;  /* weights, noise, dropout, split, order */
    const char *isa; /* NULL: the best that runs here, or $COX_ISA */
};
#define COX_CVAE_OPTIONS_INIT                                                                   \
    {                                                                                           \
        .conv_layers = 4, .filters = {64, 64, 64, 64}, .strides = {1, 2, 1, 1}, .kernel = 3,    \
        .dense = 128, .latent = 10, .dropout = 0.25, .optimizer = COX_CVAE_RMSPROP,             \
        .learning_rate = 1e-3, .rho = 0.9, .epsilon = 1e-8, .batch = 64, .seed = 1, .isa = NULL \
    }

/* Contact maps, borrowed for the call. Bytes: one per pixel, zero or not, n rows of D*D. Bits: a
 * row is (D*D + 7) / 8 bytes, pixel p is bit p % 8 (least significant first) of byte p / 8. 48,000
 * maps of 28×28 are 38 MB as bytes, 4.7 MB as bits; the model makes no copy. */
enum cox_cvae_format { COX_CVAE_BYTES, COX_CVAE_BITS };
struct cox_cvae_maps {
    enum cox_cvae_format format;
    int64_t n;
    const uint8_t *data;
    const int64_t *rows; /* NULL: maps 0 … n-1; else n indices of rows of `data` to use, in order */
};
/* Bytes of one row of maps of side D. */
size_t cox_cvae_row_bytes(enum cox_cvae_format format, int size);

/* One finished epoch. Losses are means per map; `kl` is the part of the loss that is divergence.
 * The training loss is the running mean while the weights moved, with dropout and noise; the
 * validation loss is taken after the epoch without dropout, with noise that is the same in every
 * epoch. */
struct cox_cvae_epoch {
    int epoch; /* from 0 in this fit */
    double train_loss, train_kl;
    double valid_loss, valid_kl; /* NaN without validation maps */
    double seconds;              /* wall time of the epoch */
    double maps_per_s;           /* trained maps per second, validation not counted */
};

struct cox_cvae_fit_options {
    int epochs;            /* >= 1 */
    double valid_fraction; /* 0 <= f < 1: this share, drawn at random once per fit, is held out */
    int patience;   /* stop after this many epochs without a better validation loss; 0: never */
    bool keep_best; /* end with the weights of the best validation loss, not the last */
    /* After each epoch, on the calling thread; may be NULL. */
    void (*progress)(void *user, const struct cox_cvae_epoch *epoch);
    /* Before each batch, on the calling thread; may be NULL. Anything but 0 ends the fit with that
     * status, the weights as trained so far. It may wait, and may call cox_cvae_set_team. */
    int (*pulse)(void *user, struct cox_err *err);
    void *user;
    const atomic_int *cancel;       /* NULL, or: non-zero ends the fit with COX_ECANCELLED */
    struct cox_cvae_epoch *history; /* NULL, or room for `epochs` entries, owned by the caller */
};
#define COX_CVAE_FIT_OPTIONS_INIT                                                                 \
    {                                                                                             \
        .epochs = 20, .valid_fraction = 0.2, .patience = 0, .keep_best = false, .progress = NULL, \
        .pulse = NULL, .user = NULL, .cancel = NULL, .history = NULL                              \
    }

struct cox_cvae_result {
    int epochs; /* finished */
    int64_t train_maps, valid_maps;
    double train_loss, valid_loss; /* of the last epoch, or of the kept one with keep_best */
    int best_epoch;                /* lowest validation loss (training loss without validation) */
    double best_loss;
    double seconds;
};

/* A fresh model with random weights for maps of side `size` (D). `options` NULL: the defaults.
 * `team` is borrowed until the model is destroyed; NULL works on the calling thread alone. */
int cox_cvae_create(struct cox_cvae **out, int size, const struct cox_cvae_options *options,
                    struct cox_team *team, struct cox_err *err) COX_MUST_CHECK;
void cox_cvae_destroy(struct cox_cvae *cvae);

/* From now on works with another team (borrowed, NULL: the calling thread); results do not depend
 * on it. Between two calls, or from a fit's `pulse`. */
int cox_cvae_set_team(struct cox_cvae *cvae, struct cox_team *team,
                      struct cox_err *err) COX_MUST_CHECK;

/* Trains from the present weights and optimiser state: calling it again, or after cox_cvae_load, is
 * a warm start. `options` NULL: the defaults; `result` may be NULL. Needs at least one training
 * map. COX_ECANCELLED leaves the weights as trained so far. COX_EUNSTABLE: the loss or the weights
 * became NaN or infinite; the model is back in its state before the call. No allocation in a step.
 */
int cox_cvae_fit(struct cox_cvae *cvae, const struct cox_cvae_maps *maps,
                 const struct cox_cvae_fit_options *options, struct cox_cvae_result *result,
                 struct cox_err *err) COX_MUST_CHECK;

/* latent[n][options.latent] = μ of each map: no noise, no dropout, the same map the same numbers.
 */
int cox_cvae_embed(struct cox_cvae *cvae, const struct cox_cvae_maps *maps, float *latent,
                   struct cox_err *err) COX_MUST_CHECK;
/* pixels[n][D*D] in (0, 1): the decoder's answer to μ. */
int cox_cvae_reconstruct(struct cox_cvae *cvae, const struct cox_cvae_maps *maps, float *pixels,
                         struct cox_err *err) COX_MUST_CHECK;
/* pixels[n][D*D] from latent[n][options.latent]. */
int cox_cvae_decode(struct cox_cvae *cvae, int64_t n, const float *latent, float *pixels,
                    struct cox_err *err) COX_MUST_CHECK;
/* Mean loss per map as in validation: no dropout, noise by the model's seed. `kl` may be NULL. */
int cox_cvae_loss(struct cox_cvae *cvae, const struct cox_cvae_maps *maps, double *loss, double *kl,
                  struct cox_err *err) COX_MUST_CHECK;

/* Checkpoints: one HDF5 file with architecture, options, weights, optimiser state, seed, number of
 * steps and version (docs/learner.md); replaced atomically. */
int cox_cvae_save(const struct cox_cvae *cvae, const char *path,
                  struct cox_err *err) COX_MUST_CHECK;
/* The options are the file's, the instruction set this machine's. Refuses a file that is no CVAE,
 * of a later version, incomplete, or with weights that are not finite. */
int cox_cvae_load(struct cox_cvae **out, const char *path, struct cox_team *team,
                  struct cox_err *err) COX_MUST_CHECK;

/* Number of trainable parameters. */
int64_t cox_cvae_parameters(const struct cox_cvae *cvae);
int cox_cvae_size(const struct cox_cvae *cvae);   /* D */
int cox_cvae_latent(const struct cox_cvae *cvae); /* latent dimensions */
/* Training steps (batches) since the weights were random. */
int64_t cox_cvae_steps(const struct cox_cvae *cvae);
/* Borrowed until the model is destroyed. */
const struct cox_cvae_options *cox_cvae_get_options(const struct cox_cvae *cvae);
/* Changes the learning rate of later fits (options of a loaded model come from its file). */
int cox_cvae_set_learning_rate(struct cox_cvae *cvae, double learning_rate,
                               struct cox_err *err) COX_MUST_CHECK;

#endif
