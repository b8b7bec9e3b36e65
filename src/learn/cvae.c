/* SPDX-License-Identifier: BSD-3-Clause */
/* Making the CVAE: options, layers, workspace. */
#include "learn/cvae.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "learn/cvae_net.h"

/* Sides beyond this would need more memory than a batch can have. */
#define MAX_SIZE 4096

static int check_int(const char *name, int value, int least, int most, struct cox_err *err)
{
    if (value >= least && value <= most)
        return COX_OK;
    return cox_err_set(err, COX_EINVAL, "CVAE: %s is %d, allowed are %d to %d", name, value, least,
                       most);
}

static int check_range(const char *name, double value, bool positive, struct cox_err *err)
{
    if (value < 1 && value >= 0 && !(positive && value == 0))
        return COX_OK;
    return cox_err_set(err, COX_EINVAL, "CVAE: %s is %g, allowed is %s %s < 1", name, value,
                       positive ? "0 <" : "0 <=", name);
}

int cox_cvae_options_check(const struct cox_cvae_options *o, int size, struct cox_err *err)
{
    int rc = check_int("size of a map", size, 2, MAX_SIZE, err);
    if (rc == COX_OK)
        rc = check_int("conv_layers", o->conv_layers, 1, COX_CVAE_MAX_LAYERS, err);
    for (int i = 0; i < o->conv_layers && rc == COX_OK; i++) {
        rc = check_int("filters", o->filters[i], 1, 1024, err);
        if (rc == COX_OK)
            rc = check_int("strides", o->strides[i], 1, 2, err);
    }
    if (rc == COX_OK)
        rc = check_int("kernel", o->kernel, 1, COX_CONV_MAX_KERNEL, err);
    if (rc == COX_OK && o->kernel % 2 == 0)
        rc = cox_err_set(err, COX_EINVAL, "CVAE: kernel is %d, it must be odd", o->kernel);
    if (rc == COX_OK)
        rc = check_int("dense", o->dense, 1, 4096, err);
    if (rc == COX_OK)
        rc = check_int("latent", o->latent, 1, 256, err);
    if (rc == COX_OK)
        rc = check_int("batch", o->batch, 1, 4096, err);
    if (rc == COX_OK)
        rc = check_range("dropout", o->dropout, false, err);
    if (rc == COX_OK)
        rc = check_range("rho", o->rho, false, err);
    if (rc == COX_OK)
        rc = check_range("epsilon", o->epsilon, true, err);
    if (rc == COX_OK && !(o->learning_rate > 0 && o->learning_rate <= 1))
        rc = cox_err_set(err, COX_EINVAL, "CVAE: learning_rate is %g, allowed is 0 < rate <= 1",
                         o->learning_rate);
    if (rc == COX_OK && o->optimizer != COX_CVAE_RMSPROP && o->optimizer != COX_CVAE_ADAM)
        rc = cox_err_set(err, COX_EINVAL, "CVAE: unknown optimizer %d", (int)o->optimizer);
    return rc;
}

static int make_encoder(struct cox_cvae *c, struct cox_err *err)
{
    const struct cox_cvae_options *o = &c->options;
    struct cox_conv_layer layers[COX_CVAE_MAX_LAYERS];
    const struct cox_conv_map input = {c->size, c->size, 1, o->kernel / 2, 0};
    for (int i = 0; i < o->conv_layers; i++)
        layers[i] = (struct cox_conv_layer){
            .kernel = o->kernel, .stride = o->strides[i], .channels = o->filters[i], .relu = true};
    return cox_conv_chain_create(&c->encoder, c->params, "encoder", &input, o->conv_layers, layers,
                                 o->isa, err);
}

/* Layer i of the decoder undoes layer conv_layers - 1 - i of the encoder, its side included; the
 * last one gives the logits of the pixels. */
static int make_decoder(struct cox_cvae *c, struct cox_err *err)
{
    const struct cox_cvae_options *o = &c->options;
    struct cox_conv_layer layers[COX_CVAE_MAX_LAYERS];
    int sides[COX_CVAE_MAX_LAYERS + 1] = {c->size};
    for (int i = 0; i < o->conv_layers; i++)
        sides[i + 1] = cox_conv_coarse_side(sides[i], o->strides[i]);
    for (int i = 0; i < o->conv_layers; i++) {
        const int mirror = o->conv_layers - 1 - i;
        const bool last = mirror == 0;
        layers[i] = (struct cox_conv_layer){.transposed = true,
                                            .kernel = o->kernel,
                                            .stride = o->strides[mirror],
                                            .relu = !last,
                                            .channels = last ? 1 : o->filters[mirror],
                                            .height = sides[mirror],
                                            .width = sides[mirror]};
    }
    const struct cox_conv_map *end = cox_conv_chain_output(c->encoder);
    return cox_conv_chain_create(&c->decoder, c->params, "decoder", end, o->conv_layers, layers,
                                 o->isa, err);
}

static int make_net(struct cox_cvae *c, struct cox_err *err)
{
    const struct cox_cvae_options *o = &c->options;
    const struct cox_elementwise_kernels *k = c->kernels;
    int rc = make_encoder(c, err);
    if (rc)
        return rc;
    const struct cox_conv_map *end = cox_conv_chain_output(c->encoder);
    const double flat = (double)end->height * end->width * end->channels;
    if (flat * o->dense > INT32_MAX)
        return cox_err_set(err, COX_EINVAL,
                           "CVAE: the last feature map has %.0f numbers; with %d dense units that "
                           "is too many weights: use strides of 2 or fewer filters",
                           flat, o->dense);
    c->flat = (int)flat;
    rc = cox_dense_init(&c->encoder_dense, c->params, "encoder/dense", c->flat, o->dense,
                        COX_ACTIVATION_RELU, k, err);
    if (rc == COX_OK)
        rc = cox_dense_init(&c->mean, c->params, "latent/mean", o->dense, o->latent,
                            COX_ACTIVATION_NONE, k, err);
    if (rc == COX_OK)
        rc = cox_dense_init(&c->log_variance, c->params, "latent/log_variance", o->dense, o->latent,
                            COX_ACTIVATION_NONE, k, err);
    if (rc == COX_OK)
        rc = cox_dense_init(&c->decoder_dense, c->params, "decoder/dense", o->latent, o->dense,
                            COX_ACTIVATION_RELU, k, err);
    if (rc == COX_OK)
        rc = cox_dense_init(&c->decoder_map, c->params, "decoder/map", o->dense, c->flat,
                            COX_ACTIVATION_RELU, k, err);
    if (rc == COX_OK)
        rc = make_decoder(c, err);
    return rc == COX_OK ? cox_params_commit(c->params, err) : rc;
}

static int make_workspace(struct cox_cvae *c, struct cox_err *err)
{
    const size_t batch = (size_t)c->options.batch, flat = (size_t)c->flat,
                 dense = (size_t)c->options.dense, latent = (size_t)c->options.latent,
                 threads = (size_t)c->threads,
                 span = (size_t)(cox_conv_chain_span(c->encoder) + cox_conv_chain_span(c->decoder)),
                 encoder = cox_conv_chain_tape_floats(c->encoder),
                 decoder = cox_conv_chain_tape_floats(c->decoder);
    const struct {
        float **block;
        size_t rows, floats;
    } blocks[] = {
        {&c->tapes, batch, encoder},
        {&c->decoder_tapes, threads, decoder},
        {&c->decoder_gradient_tapes, threads, decoder},
        {&c->encoder_gradient_tapes, threads, encoder},
        {&c->features, batch, flat},
        {&c->d_features, batch, flat},
        {&c->hidden, batch, dense},
        {&c->d_hidden, batch, dense},
        {&c->mu, batch, latent},
        {&c->d_mu, batch, latent},
        {&c->log_var, batch, latent},
        {&c->d_log_var, batch, latent},
        {&c->noise, batch, latent},
        {&c->z, batch, latent},
        {&c->d_z, batch, latent},
        {&c->grown, batch, dense},
        {&c->d_grown, batch, dense},
        {&c->decoded, batch, flat},
        {&c->d_decoded, batch, flat},
        {&c->partials, COX_CVAE_GROUPS, span},
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0] && ok; i++) {
        /* calloc-like overflow checks are cox_alloc's: rows of whole floats */
        *blocks[i].block = cox_alloc(blocks[i].rows, blocks[i].floats * sizeof(float));
        ok = *blocks[i].block != NULL;
    }
    c->cross_entropy = ok ? cox_alloc(batch, sizeof(double)) : NULL;
    c->divergence = ok ? cox_alloc(batch, sizeof(double)) : NULL;
    c->batch_rows = ok ? cox_alloc(batch, sizeof(int64_t)) : NULL;
    if (c->cross_entropy && c->divergence && c->batch_rows)
        return COX_OK;
    return cox_err_set(err, COX_ENOMEM, "CVAE: out of memory for a batch of %d maps of %d×%d",
                       c->options.batch, c->size, c->size);
}

int cox_cvae_create(struct cox_cvae **out, int size, const struct cox_cvae_options *options,
                    struct cox_team *team, struct cox_err *err)
{
    const struct cox_cvae_options defaults = COX_CVAE_OPTIONS_INIT;
    const struct cox_cvae_options *o = options ? options : &defaults;
    *out = NULL;
    int rc = cox_cvae_options_check(o, size, err);
    if (rc)
        return rc;
    struct cox_cvae *c = cox_alloc(1, sizeof *c);
    if (!c)
        return cox_err_set(err, COX_ENOMEM, "CVAE: out of memory");
    c->options = *o;
    c->size = size;
    c->team = team;
    c->threads = team ? cox_team_threads(team) : 1;
    c->kernels = cox_elementwise_kernels_get(o->isa, err);
    c->optimizer = (struct cox_optimizer){
        .kind = o->optimizer == COX_CVAE_ADAM ? COX_OPTIMIZER_ADAM : COX_OPTIMIZER_RMSPROP,
        .learning_rate = o->learning_rate,
        .beta1 = 0.9,
        .rho = o->rho,
        .epsilon = o->epsilon};
    if (!c->kernels)
        rc = cox_err_wrap(err, COX_EUNSUPPORTED, "CVAE");
    else
        rc = cox_params_create(&c->params, err);
    if (rc == COX_OK)
        rc = make_net(c, err);
    if (rc == COX_OK)
        rc = make_workspace(c, err);
    if (rc) {
        cox_cvae_destroy(c);
        return rc;
    }
    c->options.isa = c->kernels->isa;
    cox_params_draw(c->params, o->seed);
    *out = c;
    return COX_OK;
}

static int grow_block(float **block, int n, size_t floats)
{
    float *bigger = cox_realloc(*block, (size_t)n, floats * sizeof(float));
    if (!bigger)
        return COX_ENOMEM;
    *block = bigger;
    return COX_OK;
}

int cox_cvae_set_team(struct cox_cvae *c, struct cox_team *team, struct cox_err *err)
{
    const int threads = team ? cox_team_threads(team) : 1;
    const size_t encoder = cox_conv_chain_tape_floats(c->encoder),
                 decoder = cox_conv_chain_tape_floats(c->decoder);
    /* new bytes are zero: the borders of a tape's maps, as at creation */
    if (threads > c->threads && (grow_block(&c->decoder_tapes, threads, decoder) ||
                                 grow_block(&c->decoder_gradient_tapes, threads, decoder) ||
                                 grow_block(&c->encoder_gradient_tapes, threads, encoder)))
        return cox_err_set(err, COX_ENOMEM, "CVAE: out of memory for %d threads", threads);
    if (threads > c->threads)
        c->threads = threads;
    c->team = team;
    return COX_OK;
}

void cox_cvae_destroy(struct cox_cvae *c)
{
    if (!c)
        return;
    float *blocks[] = {c->tapes,
                       c->decoder_tapes,
                       c->decoder_gradient_tapes,
                       c->encoder_gradient_tapes,
                       c->features,
                       c->d_features,
                       c->hidden,
                       c->d_hidden,
                       c->mu,
                       c->d_mu,
                       c->log_var,
                       c->d_log_var,
                       c->noise,
                       c->z,
                       c->d_z,
                       c->grown,
                       c->d_grown,
                       c->decoded,
                       c->d_decoded,
                       c->partials};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        cox_free(blocks[i]);
    cox_free(c->cross_entropy);
    cox_free(c->divergence);
    cox_free(c->batch_rows);
    cox_conv_chain_destroy(c->encoder);
    cox_conv_chain_destroy(c->decoder);
    cox_params_destroy(c->params);
    cox_free(c);
}

int64_t cox_cvae_parameters(const struct cox_cvae *cvae)
{
    return cox_params_count(cvae->params);
}

int cox_cvae_size(const struct cox_cvae *cvae)
{
    return cvae->size;
}

int cox_cvae_latent(const struct cox_cvae *cvae)
{
    return cvae->options.latent;
}

int64_t cox_cvae_steps(const struct cox_cvae *cvae)
{
    return cvae->optimizer.steps;
}

const struct cox_cvae_options *cox_cvae_get_options(const struct cox_cvae *cvae)
{
    return &cvae->options;
}

int cox_cvae_set_learning_rate(struct cox_cvae *cvae, double learning_rate, struct cox_err *err)
{
    struct cox_cvae_options o = cvae->options;
    o.learning_rate = learning_rate;
    const int rc = cox_cvae_options_check(&o, cvae->size, err);
    if (rc)
        return rc;
    cvae->options.learning_rate = cvae->optimizer.learning_rate = learning_rate;
    return COX_OK;
}

size_t cox_cvae_row_bytes(enum cox_cvae_format format, int size)
{
    const size_t pixels = (size_t)size * (size_t)size;
    return format == COX_CVAE_BITS ? (pixels + 7) / 8 : pixels;
}
