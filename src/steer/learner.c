/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/learner.h"

#include "base/mem.h"
#include "base/rng.h"

struct cox_learner {
    const struct cox_settings *settings;
    const struct cox_frames *frames;
    struct cox_team *team;
    struct cox_cvae *cvae; /* NULL before the first training */
    int64_t *sample;       /* [max_samples] rows of one training */
    float *latent;         /* [capacity][n_latent] */
    int64_t capacity;
    int64_t embedded; /* frames before this one are embedded by the present model … */
    int64_t from;     /* … from this one on */
    uint64_t seed;
};

int cox_learner_create(struct cox_learner **out, const struct cox_settings *settings,
                       const struct cox_frames *frames, struct cox_team *team, struct cox_err *err)
{
    *out = NULL;
    struct cox_learner *l = cox_alloc(1, sizeof *l);
    if (!l)
        return cox_err_set(err, COX_ENOMEM, "out of memory for the learner");
    l->settings = settings;
    l->frames = frames;
    l->team = team;
    l->seed = cox_learner_seed_of(settings);
    l->sample = cox_alloc((size_t)settings->learn.max_samples, sizeof *l->sample);
    if (!l->sample) {
        cox_learner_destroy(l);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d samples",
                           settings->learn.max_samples);
    }
    *out = l;
    return COX_OK;
}

void cox_learner_destroy(struct cox_learner *learner)
{
    if (!learner)
        return;
    cox_cvae_destroy(learner->cvae);
    cox_free(learner->sample);
    cox_free(learner->latent);
    cox_free(learner);
}

uint64_t cox_learner_seed_of(const struct cox_settings *settings)
{
    return cox_seed_mix((uint64_t)settings->seed, 0x1ea54) >> 1;
}

uint64_t cox_learner_seed(const struct cox_learner *learner)
{
    return learner->seed;
}

bool cox_learner_due(const struct cox_learner *learner, int round)
{
    return !learner->cvae || round % learner->settings->learn.retrain_every == 0;
}

void cox_learner_options(struct cox_cvae_options *out, const struct cox_settings_learn *settings,
                         uint64_t seed)
{
    *out = (struct cox_cvae_options)COX_CVAE_OPTIONS_INIT;
    out->conv_layers = settings->filters.n;
    for (int i = 0; i < settings->filters.n; i++) {
        out->filters[i] = settings->filters.items[i];
        out->strides[i] = settings->strides.items[i];
    }
    out->kernel = settings->kernel;
    out->dense = settings->dense;
    out->latent = settings->latent;
    out->dropout = settings->dropout;
    out->learning_rate = settings->learning_rate;
    out->batch = settings->batch;
    out->seed = seed;
}

int cox_learner_check_size(const struct cox_cvae *cvae, const char *path, int points,
                           struct cox_err *err)
{
    int size = cox_cvae_size(cvae);
    if (size == points)
        return COX_OK;
    return cox_err_set(err, COX_EINVAL,
                       "'%s' is a model of %d×%d contact maps; this run has %d points", path, size,
                       size, points);
}

int cox_learner_fresh(struct cox_cvae **out, const struct cox_settings_learn *settings, int points,
                      uint64_t seed, struct cox_team *team, struct cox_err *err)
{
    struct cox_cvae_options options;
    if (!settings->init_from) {
        cox_learner_options(&options, settings, seed);
        return cox_cvae_create(out, points, &options, team, err);
    }
    int rc = cox_cvae_load(out, settings->init_from, team, err);
    if (rc)
        return cox_err_wrap(err, rc, "learn.init_from");
    rc = cox_learner_check_size(*out, settings->init_from, points, err);
    if (rc) {
        cox_cvae_destroy(*out);
        *out = NULL;
    }
    return rc;
}

/* Up to `wanted` of rows 0 … n-1, each subset as likely, ascending (Knuth, TAOCP 3.4.2, S). */
static int64_t draw(struct cox_rng *rng, int64_t n, int64_t wanted, int64_t *rows)
{
    int64_t taken = 0;
    for (int64_t i = 0; i < n && taken < wanted; i++)
        if (cox_rng_uniform(rng) * (double)(n - i) < (double)(wanted - taken))
            rows[taken++] = i;
    return taken;
}

/* The rows of one training by learn.sampling, ascending. */
static int64_t draw_samples(struct cox_learner *l, int round)
{
    int64_t n = l->frames->n;
    int64_t most = l->settings->learn.max_samples;
    int64_t newest = most; /* so many of the newest, the rest drawn from all before */
    struct cox_rng rng;
    if (l->settings->learn.sampling == COX_SAMPLING_MIXED)
        newest = most - most / 2;
    else if (l->settings->learn.sampling == COX_SAMPLING_RESERVOIR)
        newest = 0;
    if (n <= most)
        newest = n;
    cox_rng_init(&rng, l->seed, (uint64_t)round + 1);
    int64_t taken = draw(&rng, n - newest, n <= most ? 0 : most - newest, l->sample);
    for (int64_t i = n - newest; i < n; i++)
        l->sample[taken++] = i;
    return taken;
}

int cox_learner_train(struct cox_learner *l, int round, const atomic_int *cancel,
                      struct cox_cvae_result *result, struct cox_err *err)
{
    struct cox_cvae_fit_options options = COX_CVAE_FIT_OPTIONS_INIT;
    bool first = !l->cvae;
    int rc = first ? cox_learner_fresh(&l->cvae, &l->settings->learn, l->frames->points.n, l->seed,
                                       l->team, err)
                   : COX_OK;
    if (rc)
        return rc;
    options.epochs = first ? l->settings->learn.epochs_first : l->settings->learn.epochs;
    options.valid_fraction = l->settings->learn.validation_fraction;
    options.cancel = cancel;
    int64_t n = draw_samples(l, round);
    struct cox_cvae_maps maps = {COX_CVAE_BITS, n, l->frames->maps, l->sample};
    l->from = l->embedded = 0; /* the latent space is another one from now on */
    return cox_cvae_fit(l->cvae, &maps, &options, result, err);
}

int cox_learner_embed(struct cox_learner *l, int window, bool *ready, struct cox_err *err)
{
    int64_t n = l->frames->n;
    *ready = l->cvae != NULL;
    if (!l->cvae)
        return COX_OK;
    int latent = cox_cvae_latent(l->cvae);
    if (n > l->capacity) {
        int64_t capacity = n + n / 2;
        float *bigger = cox_realloc(l->latent, (size_t)capacity, (size_t)latent * sizeof *bigger);
        if (!bigger)
            return cox_err_set(err, COX_ENOMEM, "out of memory for %lld latent vectors",
                               (long long)capacity);
        l->latent = bigger;
        l->capacity = capacity;
    }
    int64_t first = n > window ? n - window : 0;
    if (l->embedded > first && l->from <= first)
        first = l->embedded;
    else
        l->from = first;
    if (first < n) {
        struct cox_cvae_maps maps = {COX_CVAE_BITS, n - first,
                                     l->frames->maps + (size_t)first * l->frames->map_bytes, NULL};
        int rc = cox_cvae_embed(l->cvae, &maps, l->latent + first * latent, err);
        if (rc)
            return rc;
    }
    l->embedded = n;
    return COX_OK;
}

const float *cox_learner_latent(const struct cox_learner *learner, int *n_latent)
{
    *n_latent = learner->cvae ? cox_cvae_latent(learner->cvae) : 0;
    return learner->cvae ? learner->latent : NULL;
}

int cox_learner_save(const struct cox_learner *learner, const char *path, struct cox_err *err)
{
    return cox_cvae_save(learner->cvae, path, err);
}

int cox_learner_load(struct cox_learner *learner, const char *path, struct cox_err *err)
{
    cox_cvae_destroy(learner->cvae);
    learner->cvae = NULL;
    learner->from = learner->embedded = 0;
    return cox_cvae_load(&learner->cvae, path, learner->team, err);
}
