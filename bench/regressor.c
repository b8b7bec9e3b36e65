/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker of bench/regressor.py: the papers' network (5–512–256–149) on one thread. First checks
 * its predictions against a plain product in double, and prints a line of JSON about itself; then
 * for every line of standard input does what it says and prints a line of JSON with times by
 * processor time:
 *   predict K N      N × 4,096 predictions by an ensemble of K (mean and spread)
 *   train K N        N epochs of K members over 1,024 rows, batches of 32
 *   gemm             the best rate of the products that the two are made of
 *   learn N          1,000 rows: N epochs anew; 900 rows, then warm with 100 more; seconds and
 * errors hull N D         queries of a hull of N random points in D dimensions */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "kern/gemm.h"
#include "learn/hull.h"
#include "learn/regressor_net.h"

enum { IN = 5, OUT = 149, ROWS = 4096, TRAIN = 1024, RUNS = 1000, TEST = 1000 };

static double x[ROWS * IN], y[ROWS * OUT], mean[ROWS * OUT], sd[ROWS * OUT];
static struct cox_err err;

static void fail(void)
{
    fprintf(stderr, "regressor: %s\n", err.text);
    exit(1); /* NOLINT */
}

/* Something like a density profile between two walls: layers at both, whose height, width, distance
 * and decay depend on the inputs. */
static void profile(const double *p, double *out)
{
    const double h = 3 + p[0], c = 0.3 + 0.6 * p[1], d = 0.5 + 0.25 * p[2], z = 1 + p[3];
    for (int j = 0; j < OUT; j++) {
        const double at = h * ((j + 0.5) / OUT - 0.5), wall = h / 2 - d / 2 - fabs(at);
        const double layers =
            1 + 1.5 * c * exp(-wall / (0.2 + 0.2 * p[4])) * cos(6.283 * wall / (d * (1 + 0.2 * z)));
        out[j] = c * layers / (1 + exp(-wall / 0.02));
    }
}

static void fill(void)
{
    struct cox_rng rng;
    cox_rng_init(&rng, 1, 0);
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < IN; k++)
            x[i * IN + k] = cox_rng_uniform(&rng);
        profile(x + (ptrdiff_t)i * IN, y + (ptrdiff_t)i * OUT);
    }
}

static struct cox_regressor *make(int members, struct cox_team *team)
{
    struct cox_regressor_options o = COX_REGRESSOR_OPTIONS_INIT;
    struct cox_regressor *r;
    o.members = members;
    if (cox_regressor_create(&r, IN, OUT, &o, team, &err))
        fail();
    return r;
}

static struct cox_regressor_result fit(struct cox_regressor *r, int rows, int epochs, bool warm)
{
    const struct cox_regressor_data data = {.n = rows, .x = x, .y = y};
    struct cox_regressor_fit_options f = COX_REGRESSOR_FIT_OPTIONS_INIT;
    struct cox_regressor_result result;
    f.epochs = epochs;
    f.warm = warm;
    if (cox_regressor_fit(r, &data, &f, &result, &err))
        fail();
    return result;
}

/* The largest difference from a plain forward pass in double, in ranges of the output. */
static double check(const struct cox_regressor *r)
{
    double worst = 0, a[512], b[512];
    for (int i = 0; i < 16; i++) {
        for (int k = 0; k < IN; k++)
            a[k] = (x[i * IN + k] - r->inputs.least[k]) / r->inputs.width[k];
        for (int l = 0; l < r->n_layers; l++) {
            const struct cox_dense *layer = &r->layers[l];
            const float *w = cox_params_value(r->members[0].params, layer->weight),
                        *bias = cox_params_value(r->members[0].params, layer->bias);
            for (int j = 0; j < layer->out; j++) {
                b[j] = (double)bias[j];
                for (int k = 0; k < layer->in; k++)
                    b[j] += a[k] * (double)w[k * layer->out + j];
                if (layer->activation == COX_ACTIVATION_RELU)
                    b[j] = fmax(0, b[j]);
                else if (layer->activation == COX_ACTIVATION_SIGMOID)
                    b[j] = 1 / (1 + exp(-b[j]));
            }
            memcpy(a, b, sizeof a);
        }
        for (int j = 0; j < OUT; j++)
            worst = fmax(worst, fabs(mean[i * OUT + j] -
                                     (r->outputs.least[j] + r->outputs.width[j] * a[j])) /
                                    r->outputs.width[j]);
    }
    return worst;
}

static void about(void)
{
    struct cox_regressor *r = make(1, NULL);
    fit(r, TRAIN, 2, false);
    if (cox_regressor_predict(r, NULL, ROWS, x, mean, NULL, &err))
        fail();
    const double worst = check(r), work = 5.0 * 512 + 512 * 256 + 256 * OUT;
    if (!(worst < 1e-5)) {
        fprintf(stderr, "regressor: predictions are off by %g of their range\n", worst);
        exit(1); /* NOLINT */
    }
    printf("{\"isa\": \"%s\", \"parameters\": %" PRId64
           ", \"flops_predict\": %.0f, \"flops_train\": %.0f, \"checked_to\": %.2g}\n",
           cox_regressor_get_options(r)->isa, cox_regressor_parameters(r), 2 * work,
           2 * (3 * work - 5 * 512), worst);
    cox_regressor_destroy(r);
}

static void predict(int members, int turns)
{
    static struct cox_regressor *models[COX_REGRESSOR_MAX_MEMBERS + 1];
    static struct cox_regressor_workspace *w;
    struct cox_regressor **r = &models[members];
    if (!*r) {
        *r = make(members, NULL);
        fit(*r, TRAIN, 1, false);
        if (!w && cox_regressor_workspace_create(&w, *r, &err))
            fail();
    }
    const double began = cox_clock_thread_seconds();
    for (int i = 0; i < turns; i++)
        if (cox_regressor_predict(*r, w, ROWS, x, mean, members > 1 ? sd : NULL, &err))
            fail();
    printf("{\"per_s\": %.1f}\n", turns * ROWS / (cox_clock_thread_seconds() - began));
}

static void train(int members, int epochs)
{
    static struct cox_regressor *models[COX_REGRESSOR_MAX_MEMBERS + 1];
    if (!models[members])
        models[members] = make(members, NULL);
    const double began = cox_clock_thread_seconds();
    fit(models[members], TRAIN, epochs, true);
    printf("{\"per_s\": %.1f}\n",
           (double)epochs * TRAIN * members / (cox_clock_thread_seconds() - began));
}

static double product(bool transpose_a, bool transpose_b, int m, int n, int k)
{
    static float a[512 * 512], b[512 * 512], c[512 * 512];
    const struct cox_gemm g = {.transpose_a = transpose_a,
                               .transpose_b = transpose_b,
                               .m = m,
                               .n = n,
                               .k = k,
                               .a = a,
                               .lda = transpose_a ? m : k,
                               .b = b,
                               .ldb = transpose_b ? k : n,
                               .c = c,
                               .ldc = n};
    double best = 1e9;
    for (int i = 0; i < 300; i++) {
        const double began = cox_clock_thread_seconds();
        for (int t = 0; t < 4; t++)
            cox_gemm(NULL, &g);
        best = fmin(best, (cox_clock_thread_seconds() - began) / 4);
    }
    return 2.0 * m * n * k / best * 1e-9;
}

static void gemm(void)
{
    printf("{\"predict\": %.1f, \"forward\": %.1f, \"by_weights\": %.1f, \"by_inputs\": %.1f}\n",
           product(false, false, 128, 256, 512), product(false, false, 32, 256, 512),
           product(true, false, 512, 256, 32), product(false, true, 32, 512, 256));
}

/* Root mean square error on rows that no fit has seen, in ranges of the output, mean over them. */
static double error_of(const struct cox_regressor *r)
{
    double sum = 0;
    if (cox_regressor_predict(r, NULL, TEST, x + (ptrdiff_t)(ROWS - TEST) * IN, mean, sd, &err))
        fail();
    for (int i = 0; i < TEST; i++)
        for (int j = 0; j < OUT; j++) {
            double low, high;
            cox_regressor_output_range(r, j, &low, &high);
            sum += pow((mean[i * OUT + j] - y[(ROWS - TEST + i) * OUT + j]) / (high - low), 2);
        }
    return sqrt(sum / (TEST * OUT));
}

static void learn(int first)
{
    static const int more[] = {20, 50, 100};
    struct cox_team *team;
    if (cox_team_create(&team, 0, &err))
        fail();
    struct cox_regressor *cold = make(5, team), *before = make(5, team), *warm;
    double cpu = cox_clock_process_seconds();
    const struct cox_regressor_result a = fit(cold, RUNS, first, false);
    cpu = cox_clock_process_seconds() - cpu;
    fit(before, RUNS - 100, first, false);
    printf("{\"threads\": %d, \"rows\": %d, \"members\": 5, \"cold_epochs\": %d, \"cold_s\": %.2f, "
           "\"cold_cpu_s\": %.2f, \"cold_error\": %.5f, \"error_before_warm\": %.5f, \"warm\": [",
           cox_team_threads(team), RUNS, first, a.seconds, cpu, error_of(cold), error_of(before));
    for (int i = 0; i < 3; i++) {
        if (cox_regressor_copy(&warm, before, team, &err))
            fail();
        cpu = cox_clock_process_seconds();
        const struct cox_regressor_result b = fit(warm, RUNS, more[i], true);
        cpu = cox_clock_process_seconds() - cpu;
        printf("%s{\"epochs\": %d, \"s\": %.2f, \"cpu_s\": %.2f, \"error\": %.5f}", i ? ", " : "",
               more[i], b.seconds, cpu, error_of(warm));
        cox_regressor_destroy(warm);
    }
    printf("]}\n");
    cox_regressor_destroy(cold);
    cox_regressor_destroy(before);
    cox_team_destroy(team);
}

static int compare(const void *a, const void *b)
{
    const double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

/* Queries half in the box's middle, half all over a box that is a tenth larger on each side. */
static void hull(int n, int d)
{
    enum { QUERIES = 400 };
    double *points = cox_alloc((size_t)n * (size_t)d, sizeof(double)), at[COX_HULL_MAX_D],
           decide[QUERIES], measure[QUERIES];
    struct cox_rng rng;
    struct cox_hull *h;
    int inside = 0;
    cox_rng_init(&rng, 2, 0);
    for (size_t i = 0; points && i < (size_t)n * (size_t)d; i++)
        points[i] = cox_rng_uniform(&rng);
    double began = cox_clock_thread_seconds();
    if (cox_hull_create(&h, n, d, points, &err))
        fail();
    const double made = cox_clock_thread_seconds() - began;
    for (int i = 0; i < QUERIES; i++) {
        for (int k = 0; k < d; k++)
            at[k] = i % 2 ? 0.3 + 0.4 * cox_rng_uniform(&rng) : 1.2 * cox_rng_uniform(&rng) - 0.1;
        double distance;
        began = cox_clock_thread_seconds();
        inside += cox_hull_query(h, at, NULL);
        decide[i] = cox_clock_thread_seconds() - began;
        began = cox_clock_thread_seconds();
        cox_hull_query(h, at, &distance);
        measure[i] = cox_clock_thread_seconds() - began;
    }
    qsort(decide, QUERIES, sizeof(double), compare);
    qsort(measure, QUERIES, sizeof(double), compare);
    printf("{\"n\": %d, \"d\": %d, \"create_ms\": %.3f, \"inside\": %.3f, \"decide_ms\": %.4f, "
           "\"decide_99_ms\": %.4f, \"distance_ms\": %.4f, \"distance_99_ms\": %.4f}\n",
           n, d, 1e3 * made, (double)inside / QUERIES, 1e3 * decide[QUERIES / 2],
           1e3 * decide[QUERIES * 99 / 100], 1e3 * measure[QUERIES / 2],
           1e3 * measure[QUERIES * 99 / 100]);
    cox_hull_destroy(h);
    cox_free(points);
}

/* "word a b": the numbers that are missing are 1. */
static int split(char *line, char **numbers)
{
    int n = 0;
    line[strcspn(line, "\n")] = 0;
    for (char *p = line; (p = strchr(p, ' ')) != NULL && n < 2; n++) {
        *p++ = 0;
        numbers[n] = p;
    }
    return n;
}

int main(void)
{
    char line[128], *texts[2];
    fill();
    about();
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        long long numbers[2] = {1, 1};
        const int n = split(line, texts);
        for (int i = 0; i < n; i++)
            if (cox_parse_int(texts[i], &numbers[i]))
                return 2;
        const int a = (int)numbers[0], b = (int)numbers[1];
        if (strcmp(line, "predict") == 0)
            predict(a, b);
        else if (strcmp(line, "train") == 0)
            train(a, b);
        else if (strcmp(line, "gemm") == 0)
            gemm();
        else if (strcmp(line, "learn") == 0)
            learn(a);
        else if (strcmp(line, "hull") == 0)
            hull(a, b);
        else
            return 2;
        fflush(stdout);
    }
    return 0;
}
