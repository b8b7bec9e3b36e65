/* SPDX-License-Identifier: BSD-3-Clause */
/* The contact maps that a trainer draws on while frames keep coming: by learn.sampling the newest
 * frames, a reservoir of all frames, or half of each. Memory is bounded by max_samples maps.
 *
 * Frames are offered by id, without their maps; only those that have a place are then to be read
 * and filled in. So a trainer that starts late in a long run reads no more than it keeps.
 * What is kept is a function of the seed and the order of the ids. Use from one thread. */
#ifndef COX_STEER_SAMPLES_H
#define COX_STEER_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"
#include "steer/settings.h"

struct cox_samples;

int cox_samples_create(struct cox_samples **out, const struct cox_settings_learn *settings,
                       size_t map_bytes, uint64_t seed, struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. */
void cox_samples_destroy(struct cox_samples *samples);

/* A new frame, once each. */
void cox_samples_offer(struct cox_samples *samples, int64_t id);
/* Ids so far. */
int64_t cox_samples_offered(const struct cox_samples *samples);
/* Up to `most` places whose map is missing, by ascending id: the frames to read. *n 0: none. */
void cox_samples_missing(struct cox_samples *samples, int64_t most, int64_t *ids, int64_t *places,
                         int64_t *n);
void cox_samples_fill(struct cox_samples *samples, int64_t place, const uint8_t *map);
/* The filled places, in two parts: to train on, and held out. Held out is a property of the id: a
 * frame that is held out is so for ever, so no model has ever been trained on it. Room for
 * max_samples in each. */
void cox_samples_rows(const struct cox_samples *samples, int64_t *train, int64_t *n_train,
                      int64_t *valid, int64_t *n_valid);
/* [places][map_bytes], borrowed until the next offer or fill. */
const uint8_t *cox_samples_maps(const struct cox_samples *samples);

#endif
