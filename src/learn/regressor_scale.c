/* SPDX-License-Identifier: BSD-3-Clause */
/* Scaling: from the caller's units to 0 … 1 and the weights of values, and what becomes of a
 * trained network when the ranges grow. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "learn/regressor_net.h"

/* A range below this share of its values is rounding, not variation. */
#define LEAST_WIDTH 1e-12

int cox_regressor_scale_init(struct cox_regressor_scale *s, int n, struct cox_err *err)
{
    s->n = n;
    s->least = cox_alloc((size_t)n, sizeof(double));
    s->width = cox_alloc((size_t)n, sizeof(double));
    if (!s->least || !s->width)
        return cox_err_set(err, COX_ENOMEM, "regressor: out of memory for %d ranges", n);
    cox_regressor_scale_clear(s);
    return COX_OK;
}

void cox_regressor_scale_deinit(struct cox_regressor_scale *s)
{
    cox_free(s->least);
    cox_free(s->width);
}

void cox_regressor_scale_copy(struct cox_regressor_scale *to,
                              const struct cox_regressor_scale *from)
{
    memcpy(to->least, from->least, (size_t)from->n * sizeof(double));
    memcpy(to->width, from->width, (size_t)from->n * sizeof(double));
}

void cox_regressor_scale_clear(struct cox_regressor_scale *s)
{
    for (int j = 0; j < s->n; j++)
        s->least[j] = s->width[j] = (double)NAN;
}

/* The range of column j in `values` and before; NaN: none. */
static void range(const struct cox_regressor_scale *s, int64_t n, const double *values, int j,
                  double *low, double *high)
{
    *low = s->least[j];
    *high = s->least[j] + s->width[j];
    for (int64_t i = 0; i < n; i++) {
        /* fmin and fmax take the number of a number and a NaN */
        *low = fmin(*low, values[i * s->n + j]);
        *high = fmax(*high, values[i * s->n + j]);
    }
}

/* least + width need not give the old upper end to the last bit: a range that does not really grow
 * is left as it is. */
static void set_range(struct cox_regressor_scale *s, int j, double low, double high)
{
    const double width = high - low, room = LEAST_WIDTH * fmax(width, fmax(fabs(low), fabs(high)));
    if (s->width[j] > 0 && low >= s->least[j] && width <= s->width[j] + room)
        return;
    s->least[j] = low;
    s->width[j] = width <= room ? 0 : width; /* NaN stays NaN */
}

void cox_regressor_scale_widen(struct cox_regressor_scale *s, int64_t n, const double *values,
                               bool whole)
{
    double all_low = (double)NAN, all_high = (double)NAN, low, high;
    for (int j = 0; j < s->n; j++) {
        range(s, n, values, j, &low, &high);
        if (!whole) {
            set_range(s, j, low, high);
            continue;
        }
        all_low = fmin(all_low, low);
        all_high = fmax(all_high, high);
    }
    for (int j = 0; j < s->n && whole; j++) {
        range(s, n, values, j, &low, &high);
        if (!isnan(low))
            set_range(s, j, all_low, all_high);
    }
}

/* Input i was x' = (x − l) / w and is x'' = (x − l2) / w2, so x' = shift + factor x'': its row of
 * the first layer is multiplied by the factor, and what the shift adds goes to the biases. An input
 * that had been constant was x' = 0: its weights were never used and stay; the biases take what
 * they now add at its old value. */
static void reexpress_inputs(const struct cox_regressor *r, struct cox_regressor_member *m,
                             const struct cox_regressor_scale *from)
{
    const struct cox_dense *first = &r->layers[0];
    const int n = first->out;
    float *bias = cox_params_value(m->params, first->bias);
    const int64_t offset = m->params->list[first->weight].offset;
    for (int i = 0; i < r->n_in; i++) {
        const double l = from->least[i], w = from->width[i], l2 = r->inputs.least[i],
                     w2 = r->inputs.width[i];
        if ((l == l2 && w == w2) || isnan(l) || !(w2 > 0))
            continue;
        const double factor = w > 0 ? w2 / w : 1, shift = w > 0 ? (l2 - l) / w : (l2 - l) / w2;
        float *weight = m->params->value + offset + (int64_t)i * n,
              *second = m->params->state[0] + offset + (int64_t)i * n,
              *moment = m->params->state[1] + offset + (int64_t)i * n;
        for (int j = 0; j < n; j++) {
            bias[j] = (float)((double)bias[j] + (double)weight[j] * shift);
            weight[j] = (float)((double)weight[j] * factor);
            /* of gradients, which scale as the input does */
            moment[j] = (float)((double)moment[j] / factor);
            second[j] = (float)((double)second[j] / (factor * factor));
        }
    }
}

/* Output j was y = l + w y' and is l2 + w2 y'', so y'' = shift + factor y'. One that had been
 * constant begins with that value and the random weights it has. */
static void reexpress_outputs(const struct cox_regressor *r, struct cox_regressor_member *m,
                              const struct cox_regressor_scale *from)
{
    const struct cox_dense *last = &r->layers[r->n_layers - 1];
    const int n = last->out;
    float *blocks[] = {m->params->value, m->params->state[1], m->params->state[0]};
    const int64_t weight = m->params->list[last->weight].offset,
                  bias = m->params->list[last->bias].offset;
    for (int j = 0; j < n; j++) {
        const double l = from->least[j], w = from->width[j], l2 = r->outputs.least[j],
                     w2 = r->outputs.width[j];
        if ((l == l2 && w == w2) || isnan(l) || !(w2 > 0))
            continue;
        const double shift = (l - l2) / w2, ratio = w > 0 ? w / w2 : 1,
                     factors[] = {ratio, ratio, ratio * ratio};
        for (int b = 0; b < 3; b++) {
            for (int i = 0; i < last->in; i++) {
                float *p = blocks[b] + weight + (int64_t)i * n + j;
                *p = (float)((double)*p * factors[b]);
            }
            blocks[b][bias + j] = (float)((double)blocks[b][bias + j] * factors[b]);
        }
        blocks[0][bias + j] = (float)((double)blocks[0][bias + j] + shift);
    }
}

void cox_regressor_reexpress(const struct cox_regressor *r, struct cox_regressor_member *m,
                             const struct cox_regressor_scale *from_in,
                             const struct cox_regressor_scale *from_out)
{
    reexpress_inputs(r, m, from_in);
    reexpress_outputs(r, m, from_out);
}

void cox_regressor_scale_input(const struct cox_regressor *r, const double *x, float *scaled)
{
    for (int j = 0; j < r->n_in; j++) {
        const double w = r->inputs.width[j];
        scaled[j] = w > 0 ? (float)((x[j] - r->inputs.least[j]) / w) : 0;
    }
}

/* The weight of a value, before it is divided by the mean; NaN: it has no error bar. */
static double raw_weight(const struct cox_regressor *r, double error, double width)
{
    const double e = error / width, f = r->options.error_floor;
    return 1 / (e * e + f * f);
}

static double mean_raw_weight(const struct cox_regressor *r, const struct cox_regressor_data *data)
{
    double total = 0;
    int64_t count = 0;
    for (int64_t i = 0; data->err && i < data->n; i++)
        for (int j = 0; j < r->n_out; j++) {
            const int64_t at = i * r->n_out + j;
            const double w = raw_weight(r, data->err[at], r->outputs.width[j]);
            if (isnan(data->y[at]) || !(r->outputs.width[j] > 0) || isnan(w))
                continue;
            total += w;
            count++;
        }
    return total > 0 ? total / (double)count : 1;
}

int cox_regressor_rows_init(struct cox_regressor_rows *rows, const struct cox_regressor *r,
                            const struct cox_regressor_data *data, struct cox_err *err)
{
    const size_t n = (size_t)data->n, out = (size_t)r->n_out;
    double total = 0;
    rows->n = data->n;
    rows->x = cox_alloc(n, (size_t)r->n_in * sizeof(float));
    rows->y = cox_alloc(n, out * sizeof(float));
    rows->weight = cox_alloc(n, out * sizeof(float));
    if (!rows->x || !rows->y || !rows->weight)
        return cox_err_set(err, COX_ENOMEM, "regressor: out of memory for %lld rows",
                           (long long)data->n);
    const double mean = mean_raw_weight(r, data);
    for (size_t i = 0; i < n; i++) {
        cox_regressor_scale_input(r, data->x + i * (size_t)r->n_in, rows->x + i * (size_t)r->n_in);
        for (size_t j = 0; j < out; j++) {
            const double y = data->y[i * out + j], width = r->outputs.width[j];
            if (isnan(y) || !(width > 0))
                continue;
            const double w =
                data->err ? raw_weight(r, data->err[i * out + j], width) / mean : (double)NAN;
            rows->y[i * out + j] = (float)((y - r->outputs.least[j]) / width);
            rows->weight[i * out + j] = isnan(w) ? 1 : (float)w;
            total += (double)rows->weight[i * out + j];
        }
    }
    rows->mean_weight = total > 0 ? total / (double)n : 1;
    return COX_OK;
}

void cox_regressor_rows_deinit(struct cox_regressor_rows *rows)
{
    cox_free(rows->x);
    cox_free(rows->y);
    cox_free(rows->weight);
}
