/* SPDX-License-Identifier: BSD-3-Clause */
/* The train and embed roles: a CVAE that follows the frames of a run. */
#ifndef COX_STEER_LEARNER_H
#define COX_STEER_LEARNER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/team.h"
#include "cox/err.h"
#include "learn/cvae.h"
#include "steer/frames.h"
#include "steer/settings.h"

struct cox_learner;

/* The model that the settings describe. */
void cox_learner_options(struct cox_cvae_options *out, const struct cox_settings_learn *settings,
                         uint64_t seed);
/* A model to begin with: learn.init_from, or random weights. */
int cox_learner_fresh(struct cox_cvae **out, const struct cox_settings_learn *settings, int points,
                      uint64_t seed, struct cox_team *team, struct cox_err *err) COX_MUST_CHECK;
/* Refuses a model of other contact maps than this run's; `path` for the message. */
int cox_learner_check_size(const struct cox_cvae *cvae, const char *path, int points,
                           struct cox_err *err) COX_MUST_CHECK;
/* The seed of everything learned in a run. */
uint64_t cox_learner_seed_of(const struct cox_settings *settings);

/* `frames` and `team` are borrowed. */
int cox_learner_create(struct cox_learner **out, const struct cox_settings *settings,
                       const struct cox_frames *frames, struct cox_team *team,
                       struct cox_err *err) COX_MUST_CHECK;
void cox_learner_destroy(struct cox_learner *learner);

/* Whether the model is to be trained after this round (from 0). */
bool cox_learner_due(const struct cox_learner *learner, int round);
/* Trains on the frames so far, from random weights or from the file given the first time, else on
 * from where the model stands. */
int cox_learner_train(struct cox_learner *learner, int round, const atomic_int *cancel,
                      struct cox_cvae_result *result, struct cox_err *err) COX_MUST_CHECK;
/* Embeds the newest `window` frames, as far as the present model has not done so already. False in
 * *ready before the first training. */
int cox_learner_embed(struct cox_learner *learner, int window, bool *ready,
                      struct cox_err *err) COX_MUST_CHECK;
/* [frames->n][n_latent]; rows that were never embedded are zero. NULL before the first. Borrowed.
 */
const float *cox_learner_latent(const struct cox_learner *learner, int *n_latent);

int cox_learner_save(const struct cox_learner *learner, const char *path,
                     struct cox_err *err) COX_MUST_CHECK;
/* Goes on with a model of this run (resume). */
int cox_learner_load(struct cox_learner *learner, const char *path,
                     struct cox_err *err) COX_MUST_CHECK;
uint64_t cox_learner_seed(const struct cox_learner *learner);

#endif
