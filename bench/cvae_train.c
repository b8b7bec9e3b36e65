/* SPDX-License-Identifier: BSD-3-Clause */
/* cvae_train THREADS: a worker of bench/cvae.py. Prints one JSON line about itself, then for every
 * line "N" on standard input trains N batches of 64 maps of 28×28 through cox_cvae_fit and prints
 * maps per second of wall time and of processor time, and the mean loss; "embed N" embeds N
 * batches; "peak" prints this core's fused multiply-add rate in GFLOP/s. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "learn/cvae_net.h"

enum { D = 28, BATCH = 64, MOST = 64 };

static uint8_t maps[MOST * BATCH * D * D];
static float latent[MOST * BATCH * 10];

static void fill(void)
{
    struct cox_rng rng;
    cox_rng_init(&rng, 1, 1);
    for (int i = 0; i < MOST * BATCH; i++) {
        double x[D][3] = {{0}};
        for (int a = 1; a < D; a++)
            for (int k = 0; k < 3; k++)
                x[a][k] = x[a - 1][k] + (1 + 0.5 * (i % 3)) * 2.2 * cox_rng_normal(&rng);
        for (int p = 0; p < D * D; p++) {
            double d = 0;
            for (int k = 0; k < 3; k++)
                d += pow(x[p / D][k] - x[p % D][k], 2);
            maps[i * D * D + p] = d < 64;
        }
    }
}

/* Of the machine that this program is compiled for (-march=native): 14 independent chains of fused
 * multiply-adds hide their latency of 4 on two ports. */
#if defined(__AVX512F__)
#define WIDTH 16
#elif defined(__AVX__)
#define WIDTH 8
#else
#define WIDTH 4
#endif
typedef float vec __attribute__((vector_size(4 * WIDTH)));

static double peak(void)
{
    const int n = 50000; /* a fraction of a scheduler's slice: the minimum is undisturbed */
    volatile float keep = 0;
    double best = 1e9;
    for (int r = 0; r < 300; r++) {
        vec a[14], m = (vec){0} + 0.999f, b = (vec){0} + 0.5f;
        for (int i = 0; i < 14; i++)
            a[i] = (vec){0} + (float)i;
        const double began = cox_clock_seconds();
        for (int i = 0; i < n; i++)
#pragma GCC unroll 14
            for (int j = 0; j < 14; j++)
                a[j] = a[j] * m + b;
        best = fmin(best, cox_clock_seconds() - began);
        for (int i = 0; i < 14; i++)
            keep += a[i][0];
    }
    return 14.0 * 2 * WIDTH * n / best * 1e-9;
}

/* Floating-point operations of one map's training step: forward, gradients by data and by weights,
 * but no gradient by the input map. */
static double flops(const struct cox_cvae *c)
{
    const double dense =
                     2.0 * c->flat * c->options.dense + 3.0 * c->options.dense * c->options.latent,
                 all = cox_conv_chain_work(c->encoder, -1) + cox_conv_chain_work(c->decoder, -1) +
                       dense;
    return 2 * (3 * all - cox_conv_chain_work(c->encoder, 0));
}

int main(int argc, char **argv)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_team *team;
    struct cox_cvae *c;
    char line[64];
    long long threads = 1, n = 1;
    if (argc > 1 && cox_parse_int(argv[1], &threads))
        return 2;
    if (cox_team_create(&team, (int)threads, &err) || cox_cvae_create(&c, D, NULL, team, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    fill();
    printf("{\"isa\": \"%s\", \"parameters\": %lld, \"flops_per_map\": %.0f}\n",
           cox_cvae_get_options(c)->isa, (long long)cox_cvae_parameters(c), flops(c));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        const bool embed = strncmp(line, "embed ", 6) == 0;
        if (strncmp(line, "peak", 4) == 0) {
            printf("{\"gflops\": %.2f}\n", peak());
            fflush(stdout);
            continue;
        }
        if (cox_parse_int(line + (embed ? 6 : 0), &n))
            return 2;
        const int count = n < 1 ? 1 : n > MOST ? MOST : (int)n;
        const struct cox_cvae_maps m = {COX_CVAE_BYTES, (int64_t)count * BATCH, maps, NULL};
        struct cox_cvae_fit_options f = COX_CVAE_FIT_OPTIONS_INIT;
        struct cox_cvae_result r = {0};
        f.epochs = 1;
        f.valid_fraction = 0;
        const double began = cox_clock_seconds();
        const clock_t cpu = clock();
        if (embed ? cox_cvae_embed(c, &m, latent, &err) : cox_cvae_fit(c, &m, &f, &r, &err)) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        printf("{\"maps_per_s\": %.2f, \"maps_per_cpu_s\": %.2f, \"loss\": %.4f}\n",
               count * BATCH / (cox_clock_seconds() - began),
               count * BATCH / ((double)(clock() - cpu) / CLOCKS_PER_SEC), r.train_loss);
        fflush(stdout);
    }
    cox_cvae_destroy(c);
    cox_team_destroy(team);
    return 0;
}
