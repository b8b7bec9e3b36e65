/* SPDX-License-Identifier: BSD-3-Clause */
#include "nn/conv_chain.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct layer {
    struct cox_conv_layer spec;
    struct cox_conv_shape shape;             /* a transposed layer's fine map is its output */
    int weight, bias;                        /* parameter indices */
    float *packed_forward, *packed_backward; /* by the kernels' direction, not the layer's; owned */
};

struct cox_conv_chain {
    struct cox_params *params; /* borrowed */
    const struct cox_conv_kernels *conv;
    const struct cox_elementwise_kernels *elementwise;
    int n;
    struct layer *layers;      /* n */
    struct cox_conv_map *maps; /* n + 1 */
    size_t tape_floats;
};

static size_t map_floats(const struct cox_conv_map *m)
{
    /* a multiple of 16 keeps the next map on a cache line */
    return (cox_conv_map_floats(m->height, m->width, m->channels, m->halo) + 15) / 16 * 16;
}

static int plan_layer(struct cox_conv_chain *chain, int i, const char *name, struct cox_err *err)
{
    struct layer *l = &chain->layers[i];
    const struct cox_conv_layer *s = &l->spec;
    const struct cox_conv_map *in = &chain->maps[i];
    struct cox_conv_map *out = &chain->maps[i + 1];
    if (s->kernel < 1 || s->kernel > COX_CONV_MAX_KERNEL || s->kernel % 2 == 0 || s->stride < 1 ||
        s->channels < 1 || in->halo < s->kernel / 2)
        return cox_err_set(err, COX_EINVAL,
                           "layer %d of '%s': kernel %d (odd, 1 to %d, halo %d), stride %d, "
                           "channels %d",
                           i + 1, name, s->kernel, COX_CONV_MAX_KERNEL, in->halo, s->stride,
                           s->channels);
    *out = (struct cox_conv_map){
        .channels = s->channels, .halo = in->halo, .offset = in->offset + map_floats(in)};
    out->height = s->transposed ? s->height : cox_conv_coarse_side(in->height, s->stride);
    out->width = s->transposed ? s->width : cox_conv_coarse_side(in->width, s->stride);
    if (s->transposed && (cox_conv_coarse_side(out->height, s->stride) != in->height ||
                          cox_conv_coarse_side(out->width, s->stride) != in->width))
        return cox_err_set(err, COX_EINVAL,
                           "layer %d of '%s': %d×%d with stride %d does not give %d×%d", i + 1,
                           name, in->height, in->width, s->stride, out->height, out->width);
    const struct cox_conv_map *fine = s->transposed ? out : in, *coarse = s->transposed ? in : out;
    l->shape = (struct cox_conv_shape){fine->height, fine->width, fine->channels, coarse->channels,
                                       s->kernel,    s->stride,   in->halo};
    char full[2 * COX_PARAM_NAME];
    const int64_t dims[4] = {s->kernel, s->kernel, fine->channels, coarse->channels};
    const double fan = (double)s->kernel * s->kernel;
    snprintf(full, sizeof full, "%s/conv%d/weight", name, i + 1);
    l->weight = cox_params_add(chain->params, full, 4, dims,
                               cox_params_glorot(fan * in->channels, fan * out->channels), err);
    if (l->weight < 0)
        return l->weight;
    snprintf(full, sizeof full, "%s/conv%d/bias", name, i + 1);
    l->bias = cox_params_add(chain->params, full, 1, (int64_t[]){s->channels}, 0, err);
    if (l->bias < 0)
        return l->bias;
    l->packed_forward = cox_alloc(chain->conv->packed_forward_floats(&l->shape), sizeof(float));
    l->packed_backward = cox_alloc(chain->conv->packed_backward_floats(&l->shape), sizeof(float));
    return l->packed_forward && l->packed_backward
               ? COX_OK
               : cox_err_set(err, COX_ENOMEM, "out of memory for the layers of '%s'", name);
}

int cox_conv_chain_create(struct cox_conv_chain **out, struct cox_params *params, const char *name,
                          const struct cox_conv_map *input, int n_layers,
                          const struct cox_conv_layer *layers, const char *isa, struct cox_err *err)
{
    struct cox_conv_chain *chain = cox_alloc(1, sizeof *chain);
    int rc = COX_OK;
    *out = NULL;
    if (!chain)
        return cox_err_set(err, COX_ENOMEM, "out of memory for '%s'", name);
    chain->params = params;
    chain->n = n_layers;
    chain->conv = cox_conv_kernels_get(isa, err);
    chain->elementwise = cox_elementwise_kernels_get(isa, err);
    chain->layers = cox_alloc((size_t)n_layers, sizeof *chain->layers);
    chain->maps = cox_alloc((size_t)n_layers + 1, sizeof *chain->maps);
    if (!chain->conv || !chain->elementwise)
        rc = COX_EUNSUPPORTED;
    else if (!chain->layers || !chain->maps)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for '%s'", name);
    else
        chain->maps[0] = *input;
    if (rc == COX_OK)
        chain->maps[0].offset = 0;
    for (int i = 0; i < n_layers && rc == COX_OK; i++) {
        chain->layers[i].spec = layers[i];
        rc = plan_layer(chain, i, name, err);
    }
    if (rc) {
        cox_conv_chain_destroy(chain);
        return rc;
    }
    chain->tape_floats = chain->maps[n_layers].offset + map_floats(&chain->maps[n_layers]);
    *out = chain;
    return COX_OK;
}

void cox_conv_chain_destroy(struct cox_conv_chain *chain)
{
    if (!chain)
        return;
    for (int i = 0; i < chain->n && chain->layers; i++) {
        cox_free(chain->layers[i].packed_forward);
        cox_free(chain->layers[i].packed_backward);
    }
    cox_free(chain->layers);
    cox_free(chain->maps);
    cox_free(chain);
}

size_t cox_conv_chain_tape_floats(const struct cox_conv_chain *chain)
{
    return chain->tape_floats;
}

const struct cox_conv_map *cox_conv_chain_input(const struct cox_conv_chain *chain)
{
    return &chain->maps[0];
}

const struct cox_conv_map *cox_conv_chain_output(const struct cox_conv_chain *chain)
{
    return &chain->maps[chain->n];
}

int64_t cox_conv_chain_offset(const struct cox_conv_chain *chain)
{
    return chain->params->list[chain->layers[0].weight].offset;
}

int64_t cox_conv_chain_span(const struct cox_conv_chain *chain)
{
    const struct cox_param *last = &chain->params->list[chain->layers[chain->n - 1].bias];
    return last->offset + last->count - cox_conv_chain_offset(chain);
}

double cox_conv_chain_work(const struct cox_conv_chain *chain, int layer)
{
    double sum = 0;
    for (int i = 0; i < chain->n; i++)
        if (layer < 0 || i == layer) {
            const struct cox_conv_shape *s = &chain->layers[i].shape;
            sum += (double)cox_conv_coarse_side(s->height, s->stride) *
                   cox_conv_coarse_side(s->width, s->stride) * s->kernel * s->kernel * s->fine *
                   s->coarse;
        }
    return sum;
}

struct pack_job {
    struct cox_conv_chain *chain;
    bool backward;
};

/* Items: layers for their forward pass, then layers for their backward pass. */
static void pack_item(void *user, int item, int thread)
{
    const struct pack_job *j = user;
    const int n = j->chain->n;
    const struct layer *l = &j->chain->layers[item % n];
    const float *weights = cox_params_value(j->chain->params, l->weight);
    (void)thread;
    if (l->spec.transposed == (item < n))
        j->chain->conv->pack_backward(&l->shape, weights, l->packed_backward);
    else
        j->chain->conv->pack_forward(&l->shape, weights, l->packed_forward);
}

void cox_conv_chain_pack(struct cox_conv_chain *chain, bool backward, struct cox_team *team)
{
    struct pack_job j = {chain, backward};
    cox_team_run(team, backward ? 2 * chain->n : chain->n, pack_item, &j);
}

void cox_conv_chain_forward(const struct cox_conv_chain *chain, float *tape)
{
    for (int i = 0; i < chain->n; i++) {
        const struct layer *l = &chain->layers[i];
        const struct cox_conv_epilogue e = {.bias = cox_params_value(chain->params, l->bias),
                                            .relu = l->spec.relu};
        const float *in = tape + chain->maps[i].offset;
        float *out = tape + chain->maps[i + 1].offset;
        if (l->spec.transposed)
            chain->conv->backward_data(&l->shape, l->packed_backward, in, out, &e);
        else
            chain->conv->forward(&l->shape, l->packed_forward, in, out, &e);
    }
}

void cox_conv_chain_backward(const struct cox_conv_chain *chain, const float *tape,
                             float *gradient_tape, float *gradients, bool input)
{
    const struct cox_conv_kernels *conv = chain->conv;
    const int64_t first = cox_conv_chain_offset(chain);
    const struct cox_conv_map *last = &chain->maps[chain->n];
    if (chain->layers[chain->n - 1].spec.relu)
        chain->elementwise->relu_backward(map_floats(last), tape + last->offset,
                                          gradient_tape + last->offset);
    for (int i = chain->n - 1; i >= 0; i--) {
        const struct layer *l = &chain->layers[i];
        const struct cox_conv_map *in = &chain->maps[i], *out = &chain->maps[i + 1];
        const float *x = tape + in->offset, *dy = gradient_tape + out->offset;
        float *dw = gradients + (chain->params->list[l->weight].offset - first),
              *db = gradients + (chain->params->list[l->bias].offset - first);
        if (l->spec.transposed)
            conv->backward_weights(&l->shape, dy, x, dw);
        else
            conv->backward_weights(&l->shape, x, dy, dw);
        conv->sum_pixels(out->height, out->width, out->channels, out->halo, dy, db);
        if (i == 0 && !input)
            break;
        const bool relu_below = i > 0 && chain->layers[i - 1].spec.relu;
        const struct cox_conv_epilogue e = {.mask = relu_below ? x : NULL};
        float *dx = gradient_tape + in->offset;
        if (l->spec.transposed)
            conv->forward(&l->shape, l->packed_forward, dy, dx, &e);
        else
            conv->backward_data(&l->shape, l->packed_backward, dy, dx, &e);
    }
}

static size_t row_offset(const struct cox_conv_map *m, int y)
{
    return m->offset + cox_conv_map_offset(y, 0, m->width, m->channels, m->halo);
}

void cox_conv_map_gather(const struct cox_conv_map *m, const float *tape, float *compact)
{
    const size_t row = (size_t)m->width * (size_t)m->channels;
    for (int y = 0; y < m->height; y++)
        memcpy(compact + (size_t)y * row, tape + row_offset(m, y), row * sizeof(float));
}

void cox_conv_map_scatter(const struct cox_conv_map *m, const float *compact, float *tape)
{
    const size_t row = (size_t)m->width * (size_t)m->channels;
    for (int y = 0; y < m->height; y++)
        memcpy(tape + row_offset(m, y), compact + (size_t)y * row, row * sizeof(float));
}
