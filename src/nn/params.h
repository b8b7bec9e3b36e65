/* SPDX-License-Identifier: BSD-3-Clause */
/* The trainable parameters of a network: named tensors in one flat block, with gradients and the
 * optimiser's state in blocks of the same layout. Build: create, add tensors, commit; then the
 * layers hold the indices. */
#ifndef COX_NN_PARAMS_H
#define COX_NN_PARAMS_H

#include <stdint.h>

#include "base/rng.h"
#include "cox/err.h"
#include "h5/h5.h"

#define COX_PARAM_RANK 4
#define COX_PARAM_NAME 64

struct cox_param {
    char name[COX_PARAM_NAME]; /* "encoder/conv1/weight" */
    int rank;
    int64_t dims[COX_PARAM_RANK];
    int64_t count;  /* elements */
    int64_t offset; /* in floats into the blocks, a multiple of 16 */
    double limit;   /* initial values are uniform in ±limit */
};

struct cox_params {
    int n;
    struct cox_param *list;
    int64_t floats;  /* of a block, padding included */
    float *value;    /* owned; padding stays zero */
    float *gradient; /* owned */
    float *state[2]; /* owned; second, and for Adam first, moments */
};

int cox_params_create(struct cox_params **out, struct cox_err *err) COX_MUST_CHECK;
void cox_params_destroy(struct cox_params *params);
/* Before commit. The index of the new tensor, or a negative status. `limit` 0: starts at zero. */
int cox_params_add(struct cox_params *params, const char *name, int rank, const int64_t *dims,
                   double limit, struct cox_err *err) COX_MUST_CHECK;
/* Allocates the blocks. */
int cox_params_commit(struct cox_params *params, struct cox_err *err) COX_MUST_CHECK;
/* Draws all values anew and clears gradients and state. */
void cox_params_draw(struct cox_params *params, uint64_t seed);
/* √(6 / (fan_in + fan_out)) (Glorot and Bengio 2010). */
double cox_params_glorot(double fan_in, double fan_out);

float *cox_params_value(const struct cox_params *params, int index);
float *cox_params_gradient(const struct cox_params *params, int index);
/* Trainable numbers, without padding. */
int64_t cox_params_count(const struct cox_params *params);

/* Checkpoint of values and state under a group: <group>/<name> and <group>_state0, _state1/<name>.
 */
int cox_params_save(const struct cox_params *params, struct cox_h5 *file, const char *group,
                    struct cox_err *err) COX_MUST_CHECK;
/* Into committed parameters of the same names and shapes; refuses NaN and infinities. */
int cox_params_load(struct cox_params *params, struct cox_h5 *file, const char *group,
                    struct cox_err *err) COX_MUST_CHECK;

#endif
