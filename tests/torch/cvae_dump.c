/* SPDX-License-Identifier: BSD-3-Clause */
/* cvae_dump FILE SIZE ISA: a random CVAE, a batch of maps and noise, the loss and all gradients,
 * and the weights and loss after three optimiser steps, for cvae_parity.py to check. Exit 77: this
 * machine lacks the instruction set. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "h5/h5.h"
#include "learn/cvae_net.h"

enum { N = 10, MOST = 64, LATENT = 10, STEPS = 3 };

static uint8_t maps[N * MOST * MOST];
static float noise[N * LATENT];

static int write_block(struct cox_h5 *file, const struct cox_params *p, const char *group,
                       const float *block, struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; i < p->n && rc == COX_OK; i++) {
        char name[256];
        snprintf(name, sizeof name, "%s/%s", group, p->list[i].name);
        rc = cox_h5_write(file, name, COX_H5_F32, p->list[i].rank, p->list[i].dims,
                          block + p->list[i].offset, err);
    }
    return rc;
}

static int dump(struct cox_h5 *file, struct cox_cvae *c, int size, struct cox_err *err)
{
    const int64_t shape[] = {N, size, size}, points[] = {N, LATENT};
    int64_t rows[N];
    struct cox_rng rng;
    cox_rng_init(&rng, 2, 3);
    for (int i = 0; i < N * size * size; i++)
        maps[i] = cox_rng_below(&rng, 4) == 0;
    for (int i = 0; i < N * LATENT; i++)
        noise[i] = (float)cox_rng_normal(&rng);
    for (int i = 0; i < N; i++)
        rows[i] = i;
    for (int i = 0; i < c->params->n; i++) /* biases that matter */
        for (int64_t j = 0; c->params->list[i].rank == 1 && j < c->params->list[i].count; j++)
            cox_params_value(c->params, i)[j] = (float)(0.05 * cox_rng_normal(&rng));
    const struct cox_cvae_maps m = {.format = COX_CVAE_BYTES, .n = N, .data = maps};
    const struct cox_cvae_pass pass = {.maps = &m, .rows = rows, .n = N, .given_noise = noise};
    double loss, kl;
    int rc = write_block(file, c->params, "/before", c->params->value, err);
    cox_cvae_pack(c, true);
    cox_cvae_gradients_batch(c, &pass, &loss, &kl);
    if (rc == COX_OK)
        rc = write_block(file, c->params, "/gradient", c->params->gradient, err);
    if (rc == COX_OK)
        rc = cox_h5_write(file, "/maps", COX_H5_U8, 3, shape, maps, err);
    if (rc == COX_OK)
        rc = cox_h5_write(file, "/noise", COX_H5_F32, 2, points, noise, err);
    if (rc == COX_OK)
        rc = cox_h5_write(file, "/mu", COX_H5_F32, 2, points, c->mu, err);
    if (rc == COX_OK)
        rc = cox_h5_set_number(file, "/", "loss", loss / N, err);
    if (rc == COX_OK)
        rc = cox_h5_set_number(file, "/", "kl", kl / N, err);
    for (int i = 0; i < STEPS; i++) {
        cox_optimizer_step(&c->optimizer, c->params, c->kernels, NULL);
        cox_cvae_pack(c, true);
        cox_cvae_gradients_batch(c, &pass, &loss, &kl);
    }
    if (rc == COX_OK)
        rc = cox_h5_set_number(file, "/", "loss_after", loss / N, err);
    if (rc == COX_OK)
        rc = cox_h5_set_ints(file, "/", "steps", 1, (const int32_t[]){STEPS}, err);
    return rc ? rc : write_block(file, c->params, "/after", c->params->value, err);
}

int main(int argc, char **argv)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_cvae_options o = COX_CVAE_OPTIONS_INIT;
    struct cox_cvae *c = NULL;
    struct cox_h5 *file = NULL;
    long long size;
    if (argc != 4 || cox_parse_int(argv[2], &size) || size < 2 || size > MOST)
        return 2;
    o.isa = argv[3];
    o.batch = N;
    int rc = cox_cvae_create(&c, (int)size, &o, NULL, &err);
    if (rc == COX_EUNSUPPORTED)
        return 77;
    if (rc == COX_OK)
        rc = cox_h5_create(&file, argv[1], &err);
    if (rc == COX_OK)
        rc = dump(file, c, (int)size, &err);
    if (rc == COX_OK)
        rc = cox_h5_close(file, &err);
    else
        cox_h5_abandon(file);
    cox_cvae_destroy(c);
    if (rc)
        fprintf(stderr, "cvae_dump: %s\n", err.text);
    return rc ? 1 : 0;
}
