/* SPDX-License-Identifier: BSD-3-Clause */
/* One model for all arms, one set of states for all arms. */
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "learn/cvae.h"
#include "learn/kmeans.h"
#include "steer/report/compare_arm.h"

/* Equally many frames of every arm (all of an arm that has fewer), drawn without repetition. */
static int draw_samples(const struct cox_comparison *c, const struct cox_compare_options *o,
                        uint8_t **out, int64_t *count, struct cox_err *err)
{
    const size_t row = (size_t)c->arms[0].run.points.n * (size_t)c->arms[0].run.points.n;
    const int64_t each = o->samples / c->n > 0 ? o->samples / c->n : 1;
    uint8_t *maps = cox_alloc((size_t)each * (size_t)c->n, row);
    if (!maps)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %lld contact maps",
                           (long long)(each * c->n));
    *count = 0;
    for (int a = 0; a < c->n; a++) {
        const struct cox_run_data *run = &c->arms[a].run;
        int64_t wanted = run->n < each ? run->n : each;
        struct cox_rng rng;
        cox_rng_init(&rng, o->seed, (uint64_t)a);
        /* selection sampling (Knuth, TAOCP 3.4.2 S) */
        for (int64_t i = 0; i < run->n && wanted > 0; i++)
            if (cox_rng_uniform(&rng) * (double)(run->n - i) < (double)wanted) {
                memcpy(maps + (size_t)(*count)++ * row, run->maps + (size_t)i * row, row);
                wanted--;
            }
    }
    *out = maps;
    return COX_OK;
}

static int train(struct cox_cvae **out, struct cox_comparison *c,
                 const struct cox_compare_options *o, struct cox_err *err)
{
    struct cox_cvae_options model = COX_CVAE_OPTIONS_INIT;
    struct cox_cvae_fit_options fit = COX_CVAE_FIT_OPTIONS_INIT;
    uint8_t *maps = NULL;
    int64_t n = 0;
    model.seed = o->seed;
    fit.epochs = o->epochs;
    fit.cancel = o->cancel;
    int rc = draw_samples(c, o, &maps, &n, err);
    if (!rc)
        rc = cox_cvae_create(out, c->arms[0].run.points.n, &model, c->team, err);
    const struct cox_cvae_maps samples = {COX_CVAE_BYTES, n, maps, NULL};
    struct cox_cvae_result result;
    if (!rc)
        rc = cox_cvae_fit(*out, &samples, &fit, &result, err);
    if (!rc)
        snprintf(c->model, sizeof c->model,
                 "a CVAE trained for this comparison on %lld frames, equally many of each arm, %d "
                 "epochs, validation loss %.2f",
                 (long long)n, result.epochs, result.valid_loss);
    cox_free(maps);
    return rc ? cox_err_wrap(err, rc, "training the common model") : COX_OK;
}

static int load(struct cox_cvae **out, struct cox_comparison *c,
                const struct cox_compare_options *o, struct cox_err *err)
{
    int rc = cox_cvae_load(out, o->model, c->team, err);
    const int points = c->arms[0].run.points.n;
    if (!rc && cox_cvae_size(*out) != points)
        rc = cox_err_set(err, COX_EINVAL,
                         "'%s' is a model of %d×%d contact maps; these runs have %d points",
                         o->model, cox_cvae_size(*out), cox_cvae_size(*out), points);
    snprintf(c->model, sizeof c->model, "the CVAE in %s", o->model);
    return rc;
}

static int embed(struct cox_cvae *cvae, struct cox_comparison *c, float *latent,
                 struct cox_err *err)
{
    int rc = COX_OK;
    for (int a = 0; a < c->n && !rc; a++) {
        const struct cox_run_data *run = &c->arms[a].run;
        const struct cox_cvae_maps maps = {COX_CVAE_BYTES, run->n, run->maps, NULL};
        rc = cox_cvae_embed(cvae, &maps, latent, err);
        latent += (size_t)run->n * (size_t)c->latent;
    }
    return rc;
}

static int cluster(struct cox_comparison *c, const struct cox_compare_options *o,
                   const float *latent, int *label, struct cox_err *err)
{
    struct cox_kmeans_options k = COX_KMEANS_OPTIONS_INIT;
    struct cox_kmeans_result result;
    k.k = o->states;
    k.seed = o->seed;
    float *centres = cox_alloc((size_t)o->states * (size_t)c->latent, sizeof *centres);
    if (!centres)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d states", o->states);
    int rc =
        cox_kmeans(&result, centres, label, latent, (int)c->frames, c->latent, &k, c->team, err);
    cox_free(centres);
    c->k = rc ? 0 : result.k;
    return rc;
}

static void tell(const struct cox_compare_options *o, const char *stage)
{
    if (o->progress)
        o->progress(o->user, stage);
}

int cox_comparison_states(struct cox_comparison *c, const struct cox_compare_options *o,
                          struct cox_err *err)
{
    struct cox_cvae *cvae = NULL;
    float *latent = NULL;
    int *label = NULL;
    tell(o, o->model ? "reading the model" : "training the common model");
    int rc = o->model ? load(&cvae, c, o, err) : train(&cvae, c, o, err);
    if (!rc) {
        c->latent = cox_cvae_latent(cvae);
        latent = cox_alloc((size_t)c->frames * (size_t)c->latent, sizeof *latent);
        label = cox_alloc((size_t)c->frames, sizeof *label);
        if (!latent || !label)
            rc = cox_err_set(err, COX_ENOMEM, "out of memory for %lld latent vectors",
                             (long long)c->frames);
    }
    tell(o, "embedding");
    if (!rc)
        rc = embed(cvae, c, latent, err);
    cox_cvae_destroy(cvae);
    tell(o, "clustering");
    if (!rc)
        rc = cluster(c, o, latent, label, err);
    const int *from = label;
    for (int a = 0; a < c->n && !rc; a++) {
        memcpy(c->arms[a].state, from, (size_t)c->arms[a].run.n * sizeof *from);
        from += c->arms[a].run.n;
    }
    cox_free(latent);
    cox_free(label);
    return rc;
}
