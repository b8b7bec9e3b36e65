/* SPDX-License-Identifier: BSD-3-Clause */
#include "nn/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* Tensors begin on a cache line. */
#define ALIGN_FLOATS 16

int cox_params_create(struct cox_params **out, struct cox_err *err)
{
    *out = cox_alloc(1, sizeof **out);
    return *out ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory for parameters");
}

void cox_params_destroy(struct cox_params *params)
{
    if (!params)
        return;
    cox_free(params->list);
    cox_free(params->value);
    cox_free(params->gradient);
    cox_free(params->state[0]);
    cox_free(params->state[1]);
    cox_free(params);
}

int cox_params_add(struct cox_params *params, const char *name, int rank, const int64_t *dims,
                   double limit, struct cox_err *err)
{
    if (strlen(name) >= COX_PARAM_NAME || rank < 1 || rank > COX_PARAM_RANK)
        return cox_err_set(err, COX_EINVAL, "parameter '%s': name too long or rank %d", name, rank);
    struct cox_param *list =
        cox_realloc(params->list, (size_t)params->n + 1, sizeof params->list[0]);
    if (!list)
        return cox_err_set(err, COX_ENOMEM, "out of memory for parameter '%s'", name);
    params->list = list;
    struct cox_param *p = &list[params->n];
    *p = (struct cox_param){.rank = rank, .offset = params->floats, .limit = limit, .count = 1};
    snprintf(p->name, sizeof p->name, "%s", name);
    for (int i = 0; i < rank; i++) {
        p->dims[i] = dims[i];
        if (dims[i] < 1 || p->count > INT32_MAX / dims[i])
            return cox_err_set(err, COX_EINVAL,
                               "parameter '%s' has more than %d elements or an empty side", name,
                               INT32_MAX);
        p->count *= dims[i];
    }
    params->floats += (p->count + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    return params->n++;
}

int cox_params_commit(struct cox_params *params, struct cox_err *err)
{
    float **blocks[] = {&params->value, &params->gradient, &params->state[0], &params->state[1]};
    for (int i = 0; i < 4; i++) {
        *blocks[i] = cox_alloc((size_t)params->floats, sizeof(float));
        if (!*blocks[i])
            return cox_err_set(err, COX_ENOMEM, "out of memory for %lld parameters",
                               (long long)params->floats);
    }
    return COX_OK;
}

void cox_params_draw(struct cox_params *params, uint64_t seed)
{
    const size_t bytes = (size_t)params->floats * sizeof(float);
    memset(params->value, 0, bytes);
    memset(params->gradient, 0, bytes);
    memset(params->state[0], 0, bytes);
    memset(params->state[1], 0, bytes);
    for (int i = 0; i < params->n; i++) {
        const struct cox_param *p = &params->list[i];
        struct cox_rng rng;
        cox_rng_init(&rng, seed, (uint64_t)i);
        for (int64_t j = 0; j < p->count && p->limit > 0; j++)
            params->value[p->offset + j] = (float)(p->limit * (2 * cox_rng_uniform(&rng) - 1));
    }
}

double cox_params_glorot(double fan_in, double fan_out)
{
    return sqrt(6 / (fan_in + fan_out));
}

float *cox_params_value(const struct cox_params *params, int index)
{
    return params->value + params->list[index].offset;
}

float *cox_params_gradient(const struct cox_params *params, int index)
{
    return params->gradient + params->list[index].offset;
}

int64_t cox_params_count(const struct cox_params *params)
{
    int64_t n = 0;
    for (int i = 0; i < params->n; i++)
        n += params->list[i].count;
    return n;
}

#define N_BLOCKS 3
static const char *const suffixes[N_BLOCKS] = {"", "_state0", "_state1"};

static float *block(const struct cox_params *params, int i)
{
    return i == 0 ? params->value : params->state[i - 1];
}

int cox_params_save(const struct cox_params *params, struct cox_h5 *file, const char *group,
                    struct cox_err *err)
{
    for (int b = 0; b < N_BLOCKS; b++)
        for (int i = 0; i < params->n; i++) {
            const struct cox_param *p = &params->list[i];
            char name[256];
            snprintf(name, sizeof name, "%s%s/%s", group, suffixes[b], p->name);
            const int rc = cox_h5_write(file, name, COX_H5_F32, p->rank, p->dims,
                                        block(params, b) + p->offset, err);
            if (rc)
                return rc;
        }
    return COX_OK;
}

int cox_params_load(struct cox_params *params, struct cox_h5 *file, const char *group,
                    struct cox_err *err)
{
    for (int b = 0; b < N_BLOCKS; b++)
        for (int i = 0; i < params->n; i++) {
            const struct cox_param *p = &params->list[i];
            float *values = block(params, b) + p->offset;
            char name[256];
            snprintf(name, sizeof name, "%s%s/%s", group, suffixes[b], p->name);
            const int rc = cox_h5_read(file, name, COX_H5_F32, p->rank, p->dims, values, err);
            if (rc)
                return rc;
            for (int64_t j = 0; j < p->count; j++)
                if (!isfinite(values[j]))
                    return cox_err_set(err, COX_EFORMAT, "'%s': '%s' holds %g at element %lld",
                                       cox_h5_path(file), name, (double)values[j], (long long)j);
        }
    return COX_OK;
}
