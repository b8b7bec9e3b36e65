/* SPDX-License-Identifier: BSD-3-Clause */
/* One batch of one member: forward, loss, backward. A member's products run on its own thread, so
 * its sums do not depend on the team. */
#include <string.h>

#include "base/mem.h"
#include "learn/regressor_net.h"

#define SALT_DROPOUT 0xd0 /* + the layer */

int cox_regressor_widest(const struct cox_regressor *r)
{
    int widest = 1;
    for (int i = 0; i < r->n_layers - 1; i++)
        widest = r->layers[i].out > widest ? r->layers[i].out : widest;
    return widest;
}

int cox_regressor_batch_init(struct cox_regressor_batch *b, const struct cox_regressor *r,
                             struct cox_err *err)
{
    const size_t rows = (size_t)r->options.batch;
    b->x = cox_alloc(rows, (size_t)r->n_in * sizeof(float));
    b->y = cox_alloc(rows, (size_t)r->n_out * sizeof(float));
    b->weight = cox_alloc(rows, (size_t)r->n_out * sizeof(float));
    bool ok = b->x && b->y && b->weight;
    for (int i = 0; i < r->n_layers && ok; i++) {
        b->act[i] = cox_alloc(rows, (size_t)r->layers[i].out * sizeof(float));
        b->d_act[i] = cox_alloc(rows, (size_t)r->layers[i].out * sizeof(float));
        ok = b->act[i] && b->d_act[i];
    }
    return ok ? COX_OK
              : cox_err_set(err, COX_ENOMEM, "regressor: out of memory for a batch of %d rows",
                            r->options.batch);
}

void cox_regressor_batch_deinit(struct cox_regressor_batch *b)
{
    cox_free(b->x);
    cox_free(b->y);
    cox_free(b->weight);
    for (int i = 0; i <= COX_REGRESSOR_MAX_HIDDEN; i++) {
        cox_free(b->act[i]);
        cox_free(b->d_act[i]);
    }
}

void cox_regressor_gather(const struct cox_regressor *r, struct cox_regressor_batch *b,
                          const struct cox_regressor_rows *rows, const int *index, int n)
{
    const size_t in = (size_t)r->n_in, out = (size_t)r->n_out;
    for (int i = 0; i < n; i++) {
        const size_t from = (size_t)index[i], to = (size_t)i;
        memcpy(b->x + to * in, rows->x + from * in, in * sizeof(float));
        memcpy(b->y + to * out, rows->y + from * out, out * sizeof(float));
        memcpy(b->weight + to * out, rows->weight + from * out, out * sizeof(float));
    }
}

/* Σ w (ŷ − y)² and Σ w; with d, the gradient by ŷ times `scale` / 2. Lanes of sums, so that the
 * compiler may use vectors: the order is fixed all the same. */
#define LANES 8
static double squares(size_t n, const float *answer, const float *y, const float *w, float scale,
                      float *d, double *weights)
{
    double loss[LANES] = {0}, weight[LANES] = {0}, total = 0;
    size_t i = 0;
    *weights = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            const float e = answer[i + l] - y[i + l], g = w[i + l] * e;
            loss[l] += (double)(g * e);
            weight[l] += (double)w[i + l];
            if (d)
                d[i + l] = scale * g;
        }
    for (size_t l = 0; i < n; i++, l++) {
        const float e = answer[i] - y[i], g = w[i] * e;
        loss[l] += (double)(g * e);
        weight[l] += (double)w[i];
        if (d)
            d[i] = scale * g;
    }
    for (int l = 0; l < LANES; l++) {
        total += loss[l];
        *weights += weight[l];
    }
    return total;
}

double cox_regressor_loss(const struct cox_regressor *r, const struct cox_regressor_member *m,
                          struct cox_regressor_batch *b, int n, double mean_weight, bool gradient,
                          double *weights)
{
    const int last = r->n_layers - 1;
    for (int i = 0; i <= last; i++) {
        const struct cox_dense *layer = &r->layers[i];
        cox_dense_forward(layer, m->params, NULL, n, i ? b->act[i - 1] : b->x, b->act[i]);
        if (gradient && layer->drop > 0)
            r->kernels->dropout((size_t)n * (size_t)layer->out, layer->drop,
                                cox_seed_mix(m->seed, SALT_DROPOUT + (uint64_t)i),
                                (uint64_t)m->optimizer.steps, b->act[i], b->act[i]);
    }
    const float scale = (float)(2 / (n * mean_weight));
    const double loss = squares((size_t)n * (size_t)r->n_out, b->act[last], b->y, b->weight, scale,
                                gradient ? b->d_act[last] : NULL, weights);
    for (int i = last; i >= 0 && gradient; i--)
        cox_dense_backward(&r->layers[i], m->params, NULL, n, i ? b->act[i - 1] : b->x, b->act[i],
                           b->d_act[i], i ? b->d_act[i - 1] : NULL, false);
    return loss;
}

void cox_regressor_forward(const struct cox_regressor *r, const struct cox_regressor_member *m,
                           int n, const float *x, float *const act[2], float *scaled)
{
    const float *from = x;
    for (int i = 0; i < r->n_layers; i++) {
        float *to = i == r->n_layers - 1 ? scaled : act[i % 2];
        cox_dense_forward(&r->layers[i], m->params, NULL, n, from, to);
        from = to;
    }
}
