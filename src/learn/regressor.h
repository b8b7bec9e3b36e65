/* SPDX-License-Identifier: BSD-3-Clause */
/* A deep ensemble of regressors (Lakshminarayanan et al. 2017): K networks that learn the same rows
 * x → y and differ by their initial weights, the order they see the rows in, their dropout and, if
 * asked, their bootstrap. Their mean is the prediction; their spread says how far they agree, and
 * nothing more: calibrate it (learn/conformal.h). The default network is that of Kadupitiya et al.
 * (JoCS 2020): in–512 ReLU–256 sigmoid–out, Adam 1e-4, batches of 32, dropout 0.15, 500 epochs.
 *
 * Numbers come and go as doubles in the caller's units; the networks are float32. Inputs are scaled
 * to 0 … 1 by the least and the largest value seen, outputs likewise, and the scaling belongs to
 * the model. An input that never varied counts for nothing; an output that never varied is
 * predicted as its value with a spread of 0; an output that never had a value is NaN, so is its
 * spread.
 *
 * Loss: Σ w (ŷ − y)² / Σ w in scaled units, over the values that are there. A value with the error
 * bar e has w = 1/(e² + f²), f = error_floor times the output's range, divided by the mean of that
 * over all values with an error bar; one without has w = 1; one whose error is infinite, w = 0. A
 * NaN in y is a missing value: w = 0.
 *
 * Determinism: a model is a function of its options, the rows of each fit in their order and the
 * instruction set; not of the number of threads. A prediction depends on its own row alone, not on
 * the batch it came in.
 * Threads: cox_regressor_predict and the other functions that take a const regressor may run at
 * once, each with a workspace of its own; nothing may run beside a fit or a load of the same
 * regressor. To predict while training, train a copy. */
#ifndef COX_LEARN_REGRESSOR_H
#define COX_LEARN_REGRESSOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/team.h"
#include "cox/err.h"
#include "nn/activation.h"

struct cox_regressor;

#define COX_REGRESSOR_MAX_HIDDEN 8
#define COX_REGRESSOR_MAX_MEMBERS 64
#define COX_REGRESSOR_VERSION_SIZE 64

enum cox_regressor_scaling {
    COX_REGRESSOR_EACH_OUTPUT,  /* every output has its own range */
    COX_REGRESSOR_WHOLE_PROFILE /* one range over all outputs: they are values of one quantity */
};

struct cox_regressor_options {
    int members;                          /* K: 1 … COX_REGRESSOR_MAX_MEMBERS */
    int hidden_layers;                    /* 0 … COX_REGRESSOR_MAX_HIDDEN */
    int hidden[COX_REGRESSOR_MAX_HIDDEN]; /* units of each, 1 … 8192 */
    enum cox_activation activation[COX_REGRESSOR_MAX_HIDDEN]; /* of each; the output has none */
    double dropout;       /* 0 <= dropout < 1, after every hidden layer, in training only */
    double learning_rate; /* Adam's (β1 0.9, β2 0.999, ε 1e-8) */
    int batch;            /* rows per step, 1 … 4096 */
    enum cox_regressor_scaling scaling;
    double error_floor; /* > 0, in ranges of the output: errors below it count as it */
    bool bootstrap;     /* each member sees row i Poisson(1) times, drawn from (seed, member, i) */
    uint64_t seed;
    const char *isa; /* NULL: the best that runs here, or $COX_ISA */
};
#define COX_REGRESSOR_OPTIONS_INIT                                                    \
    {                                                                                 \
        .members = 5, .hidden_layers = 2, .hidden = {512, 256},                       \
        .activation = {COX_ACTIVATION_RELU, COX_ACTIVATION_SIGMOID}, .dropout = 0.15, \
        .learning_rate = 1e-4, .batch = 32, .scaling = COX_REGRESSOR_EACH_OUTPUT,     \
        .error_floor = 0.01, .bootstrap = false, .seed = 1, .isa = NULL               \
    }

/* Rows to learn from, borrowed for the call. x is finite. Rows that were there in an earlier fit
 * keep their index, new ones are appended: held-out and bootstrapped rows are drawn by index. */
struct cox_regressor_data {
    int64_t n;
    const double *x;   /* [n][in] */
    const double *y;   /* [n][out], NaN: no value */
    const double *err; /* [n][out] standard errors >= 0, NaN: unknown; or NULL: none is known */
};

/* A member has finished an epoch. Losses are as in the header, of this member: of training the
 * mean while the weights moved, with dropout; of the held-out rows without, NaN if there are none.
 */
struct cox_regressor_epoch {
    int member, epoch; /* from 0 */
    double train_loss, valid_loss;
};

struct cox_regressor_fit_options {
    int epochs;            /* >= 1, of each member */
    bool warm;             /* go on from the weights of the last fit, if there was one; else anew */
    double final_rate;     /* the learning rate falls along half a cosine to this share of itself at
                              the last epoch, 0 <= f <= 1; 1: it stays */
    double valid_fraction; /* 0 <= f < 1: the share of rows held out from each member, a draw from
                              (seed, member, row): the same rows in every fit */
    int patience; /* a member stops after this many epochs without a better loss on its held-out
                     rows, and goes back to its best weights; 0: never. Needs valid_fraction > 0 */
    /* After each epoch of each member; on any thread of the team, one call at a time. */
    void (*progress)(void *user, const struct cox_regressor_epoch *epoch);
    void *user;
    const atomic_int *stop; /* NULL, or: non-zero ends the fit before the next batch */
};
#define COX_REGRESSOR_FIT_OPTIONS_INIT                                                    \
    {                                                                                     \
        .epochs = 500, .warm = true, .final_rate = 1, .valid_fraction = 0, .patience = 0, \
        .progress = NULL, .user = NULL, .stop = NULL                                      \
    }

struct cox_regressor_result {
    bool warm;         /* it went on from trained weights */
    int epochs;        /* of the member that made most */
    int64_t steps;     /* batches in this fit, of all members */
    double train_loss; /* means over the members, of the epoch each ended with */
    double valid_loss; /* NaN without held-out rows */
    double seconds;    /* wall time */
};

/* A fresh model for n_in inputs (1 … 4096) and n_out outputs (1 … 65536). `options` NULL: the
 * defaults. `team` is borrowed until the model is destroyed; NULL works on the calling thread
 * alone. Fits spread members over it, predictions blocks of rows. */
int cox_regressor_create(struct cox_regressor **out, int n_in, int n_out,
                         const struct cox_regressor_options *options, struct cox_team *team,
                         struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. */
void cox_regressor_destroy(struct cox_regressor *regressor);
/* A copy that shares nothing: train it while the original predicts. Works with `team`. */
int cox_regressor_copy(struct cox_regressor **out, const struct cox_regressor *from,
                       struct cox_team *team, struct cox_err *err) COX_MUST_CHECK;

/* Learns the rows: all of them, old and new, each time. Needs at least one. `options` NULL: the
 * defaults; `result` may be NULL. Ranges only grow: a fit that goes on (`warm`) keeps those of the
 * last one and widens them where new rows lie outside; the first and the last layers are then
 * re-expressed, so that the widened model is the same function as before. COX_ECANCELLED after
 * `stop`: a warm fit leaves the weights as trained so far. COX_EUNSTABLE: a loss or a weight became
 * NaN or infinite. After these and every other error, but for the warm fit that was stopped, the
 * model is as it was before the call. No allocation in a step. */
int cox_regressor_fit(struct cox_regressor *regressor, const struct cox_regressor_data *data,
                      const struct cox_regressor_fit_options *options,
                      struct cox_regressor_result *result, struct cox_err *err) COX_MUST_CHECK;

/* Room for predictions of one thread; NULL in a prediction: it makes (and frees) its own. */
struct cox_regressor_workspace;
int cox_regressor_workspace_create(struct cox_regressor_workspace **out,
                                   const struct cox_regressor *regressor,
                                   struct cox_err *err) COX_MUST_CHECK;
void cox_regressor_workspace_destroy(struct cox_regressor_workspace *workspace);

/* mean[n][out] and, unless NULL, sd[n][out]: mean and standard deviation (K − 1; 0 for K = 1) over
 * the members, in the outputs' units. No dropout. With a workspace it runs on the calling thread
 * and allocates nothing; without, on the regressor's team, which must be free. COX_EINVAL: not
 * trained, or x not finite (the message names row and input). */
int cox_regressor_predict(const struct cox_regressor *regressor,
                          struct cox_regressor_workspace *workspace, int64_t n, const double *x,
                          double *mean, double *sd, struct cox_err *err) COX_MUST_CHECK;
/* values[K][n][out]: each member's answer. */
int cox_regressor_predict_members(const struct cox_regressor *regressor,
                                  struct cox_regressor_workspace *workspace, int64_t n,
                                  const double *x, double *values,
                                  struct cox_err *err) COX_MUST_CHECK;

/* One HDF5 file (docs/surrogate.md), replaced atomically: options, scaling, weights, optimiser
 * state, counts, seed and version. A model that was loaded goes on to the same bits as the one that
 * was saved. */
int cox_regressor_save(const struct cox_regressor *regressor, const char *path,
                       struct cox_err *err) COX_MUST_CHECK;
/* The same into a file that is open for more: who adds groups of other names has a file that
 * cox_regressor_load still reads. */
struct cox_h5;
int cox_regressor_write(const struct cox_regressor *regressor, struct cox_h5 *file,
                        struct cox_err *err) COX_MUST_CHECK;
/* The options are the file's, the instruction set this machine's. Refuses a file that is none of
 * ours, of a later format, incomplete, or with numbers that are not finite. */
int cox_regressor_load(struct cox_regressor **out, const char *path, struct cox_team *team,
                       struct cox_err *err) COX_MUST_CHECK;

/* A name for this state of the model, for the provenance of predictions; kept in the file. Empty at
 * first; a fit leaves it as it is. Longer texts are refused. */
int cox_regressor_set_version(struct cox_regressor *regressor, const char *version,
                              struct cox_err *err) COX_MUST_CHECK;
const char *cox_regressor_version(const struct cox_regressor *regressor);

int cox_regressor_inputs(const struct cox_regressor *regressor);
int cox_regressor_outputs(const struct cox_regressor *regressor);
bool cox_regressor_is_trained(const struct cox_regressor *regressor);
/* Fits that ended well (or were stopped) since the weights were last drawn, and rows of the last.
 */
int64_t cox_regressor_fits(const struct cox_regressor *regressor);
int64_t cox_regressor_rows(const struct cox_regressor *regressor);
/* Trainable numbers of one member. */
int64_t cox_regressor_parameters(const struct cox_regressor *regressor);
/* Borrowed until the model is destroyed. */
const struct cox_regressor_options *
cox_regressor_get_options(const struct cox_regressor *regressor);
/* Least and largest value of output j in the scaling; NaN both: it never had a value. */
void cox_regressor_output_range(const struct cox_regressor *regressor, int j, double *least,
                                double *largest);

#endif
