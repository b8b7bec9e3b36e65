/* SPDX-License-Identifier: BSD-3-Clause */
/* One batch through the CVAE: encode, sample, decode, loss and gradients.
 *
 * The convolutions run map by map, the dense layers over the batch. The decoder's loss and gradient
 * of a map are taken right after its forward pass, while its maps are in the cache, so decoder maps
 * exist once per thread, not once per map of the batch. */
#include <math.h>
#include <string.h>

#include "learn/cvae_net.h"

struct job {
    struct cox_cvae *cvae;
    const struct cox_cvae_pass *pass;
    int n;
    float *pixels; /* NULL, or [n][D*D] */
    bool gradients;
    size_t span, decoder_span, encoder_span;
};

void cox_cvae_pack(struct cox_cvae *cvae, bool backward)
{
    cox_conv_chain_pack(cvae->encoder, backward, cvae->team);
    cox_conv_chain_pack(cvae->decoder, backward, cvae->team);
}

/* Row `index` of the maps as 0.0 and 1.0 in the interior of an input map. */
static void unpack(const struct cox_cvae *c, const struct cox_cvae_maps *maps, int64_t index,
                   float *tape)
{
    const struct cox_conv_map *m = cox_conv_chain_input(c->encoder);
    const uint8_t *row = maps->data + (size_t)index * cox_cvae_row_bytes(maps->format, c->size);
    for (int y = 0; y < c->size; y++) {
        float *x = tape + m->offset + cox_conv_map_offset(y, 0, c->size, 1, m->halo);
        const size_t first = (size_t)y * (size_t)c->size;
        if (maps->format == COX_CVAE_BITS)
            for (size_t i = 0; i < (size_t)c->size; i++)
                x[i] = (float)(row[(first + i) / 8] >> ((first + i) % 8) & 1);
        else
            for (size_t i = 0; i < (size_t)c->size; i++)
                x[i] = row[first + i] ? 1.0f : 0.0f;
    }
}

static float *encoder_tape(const struct cox_cvae *c, int i)
{
    return c->tapes + (size_t)i * cox_conv_chain_tape_floats(c->encoder);
}

static void encode_item(void *user, int i, int thread)
{
    const struct job *j = user;
    struct cox_cvae *c = j->cvae;
    float *tape = encoder_tape(c, i), *features = c->features + (size_t)i * (size_t)c->flat;
    (void)thread;
    unpack(c, j->pass->maps, j->pass->rows[i], tape);
    cox_conv_chain_forward(c->encoder, tape);
    cox_conv_map_gather(cox_conv_chain_output(c->encoder), tape, features);
    if (j->pass->dropout && c->options.dropout > 0)
        c->kernels->dropout((size_t)c->flat, (float)c->options.dropout, ~j->pass->key,
                            j->pass->first_stream + (uint64_t)i, features, features);
}

void cox_cvae_encode_batch(struct cox_cvae *c, const struct cox_cvae_pass *pass)
{
    struct job j = {.cvae = c, .pass = pass};
    cox_team_run(c->team, pass->n, encode_item, &j);
    cox_dense_forward(&c->encoder_dense, c->params, c->team, pass->n, c->features, c->hidden);
    cox_dense_forward(&c->mean, c->params, c->team, pass->n, c->hidden, c->mu);
    cox_dense_forward(&c->log_variance, c->params, c->team, pass->n, c->hidden, c->log_var);
}

/* z = μ + exp(½ log σ²) ε, and the Kullback-Leibler divergence from the standard normal,
 * −½ Σ (1 + log σ² − μ² − σ²) (Kingma and Welling 2014, eq. 10 and appendix B). */
static void sample(struct cox_cvae *c, const struct cox_cvae_pass *pass)
{
    const int latent = c->options.latent;
    for (int i = 0; i < pass->n; i++) {
        struct cox_rng rng;
        double kl = 0;
        cox_rng_init(&rng, pass->key, pass->first_stream + (uint64_t)i);
        for (int k = i * latent; k < (i + 1) * latent; k++) {
            const double mu = (double)c->mu[k], lv = (double)c->log_var[k], variance = exp(lv);
            c->noise[k] = pass->given_noise ? pass->given_noise[k] : (float)cox_rng_normal(&rng);
            c->z[k] = (float)(mu + sqrt(variance) * (double)c->noise[k]);
            kl -= 0.5 * (1 + lv - mu * mu - variance);
        }
        c->divergence[i] = kl;
    }
}

/* Gradients by μ and log σ² of the mean loss, from that by z and from the divergence itself. */
static void sample_backward(struct cox_cvae *c, int n)
{
    for (int k = 0; k < n * c->options.latent; k++) {
        const double sigma = exp(0.5 * (double)c->log_var[k]), dz = (double)c->d_z[k];
        c->d_mu[k] = (float)(dz + (double)c->mu[k] / n);
        c->d_log_var[k] =
            (float)(0.5 * dz * sigma * (double)c->noise[k] + 0.5 * (sigma * sigma - 1) / n);
    }
}

void cox_cvae_grow(struct cox_cvae *c, int n)
{
    cox_dense_forward(&c->decoder_dense, c->params, c->team, n, c->z, c->grown);
    cox_dense_forward(&c->decoder_map, c->params, c->team, n, c->grown, c->decoded);
}

/* Sum over the pixels of map i, and the gradient by its logits if wanted. */
static double cross_entropy(const struct job *j, int i, const float *tape, float *gradient_tape)
{
    const struct cox_cvae *c = j->cvae;
    const struct cox_conv_map *logits = cox_conv_chain_output(c->decoder),
                              *input = cox_conv_chain_input(c->encoder);
    const float *targets = encoder_tape(c, i) + input->offset, scale = 1.0f / (float)j->n;
    double sum = 0;
    for (int y = 0; y < c->size; y++) {
        const size_t at = logits->offset + cox_conv_map_offset(y, 0, c->size, 1, logits->halo);
        sum += c->kernels->bce((size_t)c->size, tape + at,
                               targets + cox_conv_map_offset(y, 0, c->size, 1, input->halo), scale,
                               gradient_tape ? gradient_tape + at : NULL);
    }
    return sum;
}

static void pixels_of(const struct cox_cvae *c, const float *tape, float *pixels)
{
    const struct cox_conv_map *logits = cox_conv_chain_output(c->decoder);
    cox_conv_map_gather(logits, tape, pixels);
    c->kernels->sigmoid((size_t)c->size * (size_t)c->size, pixels, pixels);
}

static void decode_map(const struct job *j, int i, int thread, float *gradients)
{
    struct cox_cvae *c = j->cvae;
    const size_t floats = cox_conv_chain_tape_floats(c->decoder), flat = (size_t)c->flat;
    float *tape = c->decoder_tapes + (size_t)thread * floats,
          *d_tape = c->decoder_gradient_tapes + (size_t)thread * floats;
    cox_conv_map_scatter(cox_conv_chain_input(c->decoder), c->decoded + (size_t)i * flat, tape);
    cox_conv_chain_forward(c->decoder, tape);
    if (j->pixels)
        pixels_of(c, tape, j->pixels + (size_t)i * (size_t)c->size * (size_t)c->size);
    if (j->pass)
        c->cross_entropy[i] = cross_entropy(j, i, tape, j->gradients ? d_tape : NULL);
    if (j->gradients) {
        cox_conv_chain_backward(c->decoder, tape, d_tape, gradients, true);
        cox_conv_map_gather(cox_conv_chain_input(c->decoder), d_tape,
                            c->d_decoded + (size_t)i * flat);
    }
}

static void decode_item(void *user, int i, int thread)
{
    decode_map(user, i, thread, NULL);
}

void cox_cvae_pixels_batch(struct cox_cvae *c, int n, float *pixels)
{
    struct job j = {.cvae = c, .n = n, .pixels = pixels};
    cox_cvae_grow(c, n);
    cox_team_run(c->team, n, decode_item, &j);
}

static void add_losses(const struct cox_cvae *c, int n, double *loss, double *kl)
{
    *loss = *kl = 0;
    for (int i = 0; i < n; i++) {
        *kl += c->divergence[i];
        *loss += c->cross_entropy[i] + c->divergence[i];
    }
}

void cox_cvae_loss_batch(struct cox_cvae *c, const struct cox_cvae_pass *pass, double *loss,
                         double *kl)
{
    struct job j = {.cvae = c, .pass = pass, .n = pass->n};
    cox_cvae_encode_batch(c, pass);
    sample(c, pass);
    cox_cvae_grow(c, pass->n);
    cox_team_run(c->team, pass->n, decode_item, &j);
    add_losses(c, pass->n, loss, kl);
}

static int group_first(int n, int group)
{
    return (int)((long)n * group / COX_CVAE_GROUPS);
}

static void decode_group(void *user, int group, int thread)
{
    const struct job *j = user;
    float *gradients = j->cvae->partials + (size_t)group * j->span + j->encoder_span;
    memset(gradients, 0, j->decoder_span * sizeof(float));
    for (int i = group_first(j->n, group); i < group_first(j->n, group + 1); i++)
        decode_map(j, i, thread, gradients);
}

static void encode_group_backward(void *user, int group, int thread)
{
    const struct job *j = user;
    struct cox_cvae *c = j->cvae;
    const size_t flat = (size_t)c->flat;
    float *gradients = c->partials + (size_t)group * j->span,
          *d_tape =
              c->encoder_gradient_tapes + (size_t)thread * cox_conv_chain_tape_floats(c->encoder);
    memset(gradients, 0, j->encoder_span * sizeof(float));
    for (int i = group_first(j->n, group); i < group_first(j->n, group + 1); i++) {
        float *d = c->d_features + (size_t)i * flat;
        if (j->pass->dropout && c->options.dropout > 0)
            c->kernels->dropout_backward(flat, (float)c->options.dropout,
                                         c->features + (size_t)i * flat, d);
        cox_conv_map_scatter(cox_conv_chain_output(c->encoder), d, d_tape);
        cox_conv_chain_backward(c->encoder, encoder_tape(c, i), d_tape, gradients, false);
    }
}

/* Adds the groups' gradients in their order into the store; items are the two chains, in chunks. */
#define SUM_CHUNK 4096

static void sum_item(void *user, int item, int thread)
{
    const struct job *j = user;
    const struct cox_cvae *c = j->cvae;
    const size_t encoder_items = (j->encoder_span + SUM_CHUNK - 1) / SUM_CHUNK;
    const bool encoder = (size_t)item < encoder_items;
    const size_t at = ((size_t)item - (encoder ? 0 : encoder_items)) * SUM_CHUNK,
                 span = encoder ? j->encoder_span : j->decoder_span,
                 n = span - at < SUM_CHUNK ? span - at : SUM_CHUNK;
    const int64_t store = cox_conv_chain_offset(encoder ? c->encoder : c->decoder);
    (void)thread;
    c->kernels->sum_rows(COX_CVAE_GROUPS, n, j->span,
                         c->partials + (encoder ? 0 : j->encoder_span) + at,
                         c->params->gradient + (size_t)store + at);
}

void cox_cvae_gradients_batch(struct cox_cvae *c, const struct cox_cvae_pass *pass, double *loss,
                              double *kl)
{
    const int n = pass->n;
    struct cox_team *team = c->team;
    struct job j = {.cvae = c,
                    .pass = pass,
                    .n = n,
                    .gradients = true,
                    .encoder_span = (size_t)cox_conv_chain_span(c->encoder),
                    .decoder_span = (size_t)cox_conv_chain_span(c->decoder)};
    j.span = j.encoder_span + j.decoder_span;
    cox_cvae_encode_batch(c, pass);
    sample(c, pass);
    cox_cvae_grow(c, n);
    cox_team_run(team, COX_CVAE_GROUPS, decode_group, &j);
    add_losses(c, n, loss, kl);
    cox_dense_backward(&c->decoder_map, c->params, team, n, c->grown, c->decoded, c->d_decoded,
                       c->d_grown, false);
    cox_dense_backward(&c->decoder_dense, c->params, team, n, c->z, c->grown, c->d_grown, c->d_z,
                       false);
    sample_backward(c, n);
    /* the two heads share the hidden layer: the second adds to the first's gradient by it */
    cox_dense_backward(&c->mean, c->params, team, n, c->hidden, c->mu, c->d_mu, c->d_hidden, false);
    cox_dense_backward(&c->log_variance, c->params, team, n, c->hidden, c->log_var, c->d_log_var,
                       c->d_hidden, true);
    cox_dense_backward(&c->encoder_dense, c->params, team, n, c->features, c->hidden, c->d_hidden,
                       c->d_features, false);
    cox_team_run(team, COX_CVAE_GROUPS, encode_group_backward, &j);
    const int items = (int)((j.encoder_span + SUM_CHUNK - 1) / SUM_CHUNK +
                            (j.decoder_span + SUM_CHUNK - 1) / SUM_CHUNK);
    cox_team_run(team, items, sum_item, &j);
}
