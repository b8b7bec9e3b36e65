/* SPDX-License-Identifier: BSD-3-Clause */
/* What a trained CVAE is used for: embedding, reconstruction, losses of given maps. */
#include <math.h>
#include <string.h>

#include "learn/cvae_net.h"

/* Batch by batch over all maps. */
struct walk {
    struct cox_cvae *cvae;
    const struct cox_cvae_maps *maps;
    int64_t first;
    struct cox_cvae_pass pass;
};

static int walk_init(struct walk *w, struct cox_cvae *c, const struct cox_cvae_maps *maps,
                     struct cox_err *err)
{
    *w = (struct walk){.cvae = c, .maps = maps, .pass = {.maps = maps, .rows = c->batch_rows}};
    if (maps->n < 0)
        return cox_err_set(err, COX_EINVAL, "CVAE: %lld maps", (long long)maps->n);
    cox_cvae_pack(c, false);
    return COX_OK;
}

/* The next batch is in w->pass, its first map is w->first; false at the end. */
static bool walk_next(struct walk *w)
{
    w->first += w->pass.n;
    const int64_t left = w->maps->n - w->first;
    if (left <= 0)
        return false;
    w->pass.n = (int)(left < w->cvae->options.batch ? left : w->cvae->options.batch);
    w->pass.first_stream = (uint64_t)w->first;
    for (int i = 0; i < w->pass.n; i++)
        w->cvae->batch_rows[i] = w->maps->rows ? w->maps->rows[w->first + i] : w->first + i;
    return true;
}

static int check_finite(const struct cox_cvae *c, const char *what, size_t n, const float *values,
                        struct cox_err *err)
{
    if (c->kernels->finite(n, values))
        return COX_OK;
    return cox_err_set(err, COX_EUNSTABLE, "CVAE: %s holds NaN or infinity", what);
}

int cox_cvae_embed(struct cox_cvae *cvae, const struct cox_cvae_maps *maps, float *latent,
                   struct cox_err *err)
{
    struct walk w;
    const size_t dims = (size_t)cvae->options.latent;
    const int rc = walk_init(&w, cvae, maps, err);
    if (rc)
        return rc;
    while (walk_next(&w)) {
        cox_cvae_encode_batch(cvae, &w.pass);
        memcpy(latent + (size_t)w.first * dims, cvae->mu, (size_t)w.pass.n * dims * sizeof(float));
    }
    return check_finite(cvae, "the embedding", (size_t)maps->n * dims, latent, err);
}

int cox_cvae_reconstruct(struct cox_cvae *cvae, const struct cox_cvae_maps *maps, float *pixels,
                         struct cox_err *err)
{
    struct walk w;
    const size_t dims = (size_t)cvae->options.latent, row = (size_t)cvae->size * (size_t)cvae->size;
    const int rc = walk_init(&w, cvae, maps, err);
    if (rc)
        return rc;
    while (walk_next(&w)) {
        cox_cvae_encode_batch(cvae, &w.pass);
        memcpy(cvae->z, cvae->mu, (size_t)w.pass.n * dims * sizeof(float));
        cox_cvae_pixels_batch(cvae, w.pass.n, pixels + (size_t)w.first * row);
    }
    return check_finite(cvae, "the reconstruction", (size_t)maps->n * row, pixels, err);
}

int cox_cvae_decode(struct cox_cvae *cvae, int64_t n, const float *latent, float *pixels,
                    struct cox_err *err)
{
    const size_t dims = (size_t)cvae->options.latent, row = (size_t)cvae->size * (size_t)cvae->size;
    if (n < 0)
        return cox_err_set(err, COX_EINVAL, "CVAE: %lld points to decode", (long long)n);
    cox_cvae_pack(cvae, false);
    for (int64_t first = 0; first < n; first += cvae->options.batch) {
        const int64_t left = n - first;
        const int count = (int)(left < cvae->options.batch ? left : cvae->options.batch);
        memcpy(cvae->z, latent + (size_t)first * dims, (size_t)count * dims * sizeof(float));
        cox_cvae_pixels_batch(cvae, count, pixels + (size_t)first * row);
    }
    return check_finite(cvae, "the decoded maps", (size_t)n * row, pixels, err);
}

int cox_cvae_loss(struct cox_cvae *cvae, const struct cox_cvae_maps *maps, double *loss, double *kl,
                  struct cox_err *err)
{
    struct walk w;
    double total = 0, total_kl = 0;
    const int rc = walk_init(&w, cvae, maps, err);
    if (rc)
        return rc;
    if (maps->n < 1)
        return cox_err_set(err, COX_EINVAL, "CVAE: no maps to take the loss of");
    w.pass.key = cvae->options.seed;
    while (walk_next(&w)) {
        double a, b;
        cox_cvae_loss_batch(cvae, &w.pass, &a, &b);
        total += a;
        total_kl += b;
    }
    if (!isfinite(total))
        return cox_err_set(err, COX_EUNSTABLE, "CVAE: the loss is %g", total);
    *loss = total / (double)maps->n;
    if (kl)
        *kl = total_kl / (double)maps->n;
    return COX_OK;
}
