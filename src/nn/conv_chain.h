/* SPDX-License-Identifier: BSD-3-Clause */
/* A chain of convolutions and transposed convolutions, run image by image: what one layer leaves in
 * the cache the next one reads, and images are the unit of threading.
 *
 * Maps are as in kern/conv.h. A *tape* holds all maps of one image, from the chain's input to its
 * output; a second tape of the same layout holds their gradients. Whoever owns a tape allocates
 * cox_conv_chain_tape_floats zeros once; the rings stay zero.
 * Threads: forward and backward only read the chain, so any number of images may run at once, each
 * with its own tapes; pack after every change of the weights. */
#ifndef COX_NN_CONV_CHAIN_H
#define COX_NN_CONV_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/team.h"
#include "kern/conv.h"
#include "kern/elementwise.h"
#include "nn/params.h"

struct cox_conv_layer {
    bool transposed;
    int kernel, stride;
    int channels; /* of its output */
    int height,
        width; /* of its output; used if transposed: must satisfy ceil(· / stride) = input */
    bool relu;
};

/* A map of the chain: `offset` in floats into a tape. */
struct cox_conv_map {
    int height, width, channels, halo;
    size_t offset;
};

struct cox_conv_chain;

/* Adds "<name>/conv<i>/weight" [k][k][fine][coarse] (Glorot) and "/bias" to the parameters, which
 * must outlive the chain. `layers` is copied. */
int cox_conv_chain_create(struct cox_conv_chain **out, struct cox_params *params, const char *name,
                          const struct cox_conv_map *input, int n_layers,
                          const struct cox_conv_layer *layers, const char *isa,
                          struct cox_err *err) COX_MUST_CHECK;
void cox_conv_chain_destroy(struct cox_conv_chain *chain);

size_t cox_conv_chain_tape_floats(const struct cox_conv_chain *chain);
const struct cox_conv_map *cox_conv_chain_input(const struct cox_conv_chain *chain);
const struct cox_conv_map *cox_conv_chain_output(const struct cox_conv_chain *chain);
/* The chain's parameters are one run of the store's blocks: offset and length in floats. */
int64_t cox_conv_chain_offset(const struct cox_conv_chain *chain);
int64_t cox_conv_chain_span(const struct cox_conv_chain *chain);
/* Multiply-adds of one image forward, per layer or (layer < 0) in all. */
double cox_conv_chain_work(const struct cox_conv_chain *chain, int layer);

/* Prepares the store's present weights for the kernels; `backward` too if gradients will follow. */
void cox_conv_chain_pack(struct cox_conv_chain *chain, bool backward, struct cox_team *team);
/* From the tape's input map to its output map. */
void cox_conv_chain_forward(const struct cox_conv_chain *chain, float *tape);
/* From the gradient tape's output map (by the chain's output; overwritten with that before the last
 * ReLU). Adds the gradients of the weights to `gradients` (cox_conv_chain_span floats, laid out as
 * the store); writes the gradient tape's input map if `input`. */
void cox_conv_chain_backward(const struct cox_conv_chain *chain, const float *tape,
                             float *gradient_tape, float *gradients, bool input);

/* Copies a map's interior to or from channels-last [height][width][channels] without ring. */
void cox_conv_map_gather(const struct cox_conv_map *map, const float *tape, float *compact);
void cox_conv_map_scatter(const struct cox_conv_map *map, const float *compact, float *tape);

#endif
