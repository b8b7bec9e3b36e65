/* SPDX-License-Identifier: BSD-3-Clause */
/* The regressor's inside: scaling, networks and single steps. For src/learn/regressor*.c and tests.
 */
#ifndef COX_LEARN_REGRESSOR_NET_H
#define COX_LEARN_REGRESSOR_NET_H

#include "learn/regressor.h"
#include "nn/dense.h"
#include "nn/optimizer.h"
#include "nn/params.h"

/* value = least + width · scaled; a column that never varied has width 0, one that never had a
 * value is NaN in both. */
struct cox_regressor_scale {
    int n;
    double *least, *width; /* [n], owned */
};

struct cox_regressor_member {
    uint64_t seed;
    struct cox_params *params;
    struct cox_optimizer optimizer; /* its steps are this member's */
};

struct cox_regressor {
    struct cox_regressor_options options;
    int n_in, n_out;
    struct cox_team *team; /* borrowed, may be NULL */
    const struct cox_elementwise_kernels *kernels;
    int n_layers;                                          /* hidden ones and the output */
    struct cox_dense layers[COX_REGRESSOR_MAX_HIDDEN + 1]; /* the same for all members */
    struct cox_regressor_scale inputs, outputs;
    struct cox_regressor_member members[COX_REGRESSOR_MAX_MEMBERS];
    bool trained;
    int64_t fits, rows;
    char version[COX_REGRESSOR_VERSION_SIZE];
};

/* The rows of a fit as the networks see them, made once for all members. */
struct cox_regressor_rows {
    int64_t n;
    float *x;           /* [n][in], owned */
    float *y;           /* [n][out]; 0 where missing */
    float *weight;      /* [n][out]; 0 where missing */
    double mean_weight; /* of a row: Σ weight / n */
};

/* Room for one member's batch. */
struct cox_regressor_batch {
    float *x, *y, *weight; /* [batch][in], [batch][out], gathered */
    float *act[COX_REGRESSOR_MAX_HIDDEN + 1], *d_act[COX_REGRESSOR_MAX_HIDDEN + 1];
};

/* Scaling (regressor_scale.c). */
int cox_regressor_scale_init(struct cox_regressor_scale *scale, int n,
                             struct cox_err *err) COX_MUST_CHECK;
void cox_regressor_scale_deinit(struct cox_regressor_scale *scale);
void cox_regressor_scale_copy(struct cox_regressor_scale *to,
                              const struct cox_regressor_scale *from);
/* Nothing is known. */
void cox_regressor_scale_clear(struct cox_regressor_scale *scale);
/* Widens it to hold values[n][scale->n]; NaN: no value. `whole`: one range for all columns. */
void cox_regressor_scale_widen(struct cox_regressor_scale *scale, int64_t n, const double *values,
                               bool whole);
/* Re-expresses a member that was trained with `from_in`, `from_out` for the regressor's scaling. */
void cox_regressor_reexpress(const struct cox_regressor *r, struct cox_regressor_member *m,
                             const struct cox_regressor_scale *from_in,
                             const struct cox_regressor_scale *from_out);
int cox_regressor_rows_init(struct cox_regressor_rows *rows, const struct cox_regressor *r,
                            const struct cox_regressor_data *data,
                            struct cox_err *err) COX_MUST_CHECK;
void cox_regressor_rows_deinit(struct cox_regressor_rows *rows);
/* One row of inputs. */
void cox_regressor_scale_input(const struct cox_regressor *r, const double *x, float *scaled);

/* Steps (regressor_step.c). */
int cox_regressor_batch_init(struct cox_regressor_batch *b, const struct cox_regressor *r,
                             struct cox_err *err) COX_MUST_CHECK;
void cox_regressor_batch_deinit(struct cox_regressor_batch *b);
/* The rows index[0 … n-1] into b->x, y, weight; n <= options.batch. */
void cox_regressor_gather(const struct cox_regressor *r, struct cox_regressor_batch *b,
                          const struct cox_regressor_rows *rows, const int *index, int n);
/* Σ w (ŷ − y)² of the n gathered rows, and Σ w. With `gradient`: with dropout (drawn from the
 * member's seed and step), and the gradient of loss / (n · mean_weight) into the member's store. */
double cox_regressor_loss(const struct cox_regressor *r, const struct cox_regressor_member *m,
                          struct cox_regressor_batch *b, int n, double mean_weight, bool gradient,
                          double *weights);
/* scaled[n][out] = the member's answers to x[n][in], both scaled; act: two blocks of n × the widest
 * hidden layer. */
void cox_regressor_forward(const struct cox_regressor *r, const struct cox_regressor_member *m,
                           int n, const float *x, float *const act[2], float *scaled);
int cox_regressor_widest(const struct cox_regressor *r);

/* Draws a member's weights anew and forgets its steps. */
void cox_regressor_member_draw(struct cox_regressor_member *m);
int cox_regressor_options_check(const struct cox_regressor_options *o, int n_in, int n_out,
                                struct cox_err *err) COX_MUST_CHECK;

#endif
