/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "learn/cvae_net.h"

/* Maps of random walks, n rows of D*D bytes: contacts within 2.5 steps. */
static uint8_t *walks(int n, int size, uint64_t seed)
{
    uint8_t *maps = cox_alloc((size_t)n, (size_t)(size * size));
    assert_non_null(maps);
    for (int i = 0; i < n; i++) {
        double x[64][3] = {{0}};
        struct cox_rng rng;
        cox_rng_init(&rng, seed, (uint64_t)i);
        for (int a = 1; a < size; a++)
            for (int k = 0; k < 3; k++)
                x[a][k] = x[a - 1][k] + cox_rng_normal(&rng) * (i % 2 ? 1 : 0.5);
        for (int a = 0; a < size; a++)
            for (int b = 0; b < size; b++) {
                double d = 0;
                for (int k = 0; k < 3; k++)
                    d += (x[a][k] - x[b][k]) * (x[a][k] - x[b][k]);
                maps[((size_t)i * (size_t)size + (size_t)a) * (size_t)size + (size_t)b] = d < 6;
            }
    }
    return maps;
}

static struct cox_cvae_maps bytes(int n, const uint8_t *data)
{
    return (struct cox_cvae_maps){.format = COX_CVAE_BYTES, .n = n, .data = data};
}

/* Small and quick: 2 layers, 6 and 5 filters. */
static struct cox_cvae_options small_options(void)
{
    struct cox_cvae_options o = COX_CVAE_OPTIONS_INIT;
    o.conv_layers = 2;
    o.filters[0] = 6;
    o.filters[1] = 5;
    o.dense = 12;
    o.latent = 3;
    o.batch = 16;
    return o;
}

static struct cox_cvae *make(int size, const struct cox_cvae_options *o, struct cox_team *team)
{
    struct cox_cvae *c;
    struct cox_err err = COX_ERR_INIT;
    if (cox_cvae_create(&c, size, o, team, &err))
        fail_msg("%s", err.text);
    return c;
}

static void same_weights(const struct cox_cvae *a, const struct cox_cvae *b)
{
    const size_t n = (size_t)a->params->floats * sizeof(float);
    assert_memory_equal(a->params->value, b->params->value, n);
    assert_memory_equal(a->params->state[0], b->params->state[0], n);
}

static void test_the_papers_parameter_count(void **state)
{
    struct cox_cvae *c = make(28, NULL, NULL);
    (void)state;
    assert_int_equal(cox_cvae_parameters(c), 3450709);
    cox_cvae_destroy(c);
}

/* As in nn/test_gradients.c, over the whole net: along each tensor's gradient and along a random
 * direction. The noise is fixed by the key; dropout too. D is odd, the strides 1, 2. */
static double mean_loss(struct cox_cvae *c, const struct cox_cvae_pass *pass)
{
    double loss, kl;
    cox_cvae_pack(c, true);
    cox_cvae_gradients_batch(c, pass, &loss, &kl);
    return loss / pass->n;
}

static void check_tensor(struct cox_cvae *c, const struct cox_cvae_pass *pass, int tensor,
                         bool random)
{
    const double h = 2e-3;
    const struct cox_param *p = &c->params->list[tensor];
    const size_t n = (size_t)p->count;
    float *w = cox_params_value(c->params, tensor), *g = cox_alloc(n, sizeof(float)),
          *d = cox_alloc(n, sizeof(float)), *saved = cox_alloc(n, sizeof(float));
    struct cox_rng rng;
    double norm = 0, expected = 0, length = 0, l[2];
    mean_loss(c, pass);
    memcpy(g, cox_params_gradient(c->params, tensor), n * sizeof(float));
    memcpy(saved, w, n * sizeof(float));
    cox_rng_init(&rng, 77, (uint64_t)tensor);
    for (size_t i = 0; i < n; i++) {
        d[i] = random ? (float)cox_rng_normal(&rng) : g[i];
        norm += (double)d[i] * (double)d[i];
        length += (double)g[i] * (double)g[i];
    }
    norm = sqrt(norm);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++)
            w[i] = (float)((double)saved[i] + (side ? -h : h) * (double)d[i] / norm);
        l[side] = mean_loss(c, pass);
    }
    memcpy(w, saved, n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        expected += (double)g[i] * (double)d[i] / norm;
    const double got = (l[0] - l[1]) / (2 * h);
    if (!(fabs(got - expected) <= 0.02 * sqrt(length) + 5e-3))
        fail_msg("%s: differences give %g, the gradient %g of length %g", p->name, got, expected,
                 sqrt(length));
    cox_free(g);
    cox_free(d);
    cox_free(saved);
}

static void test_gradients(void **state)
{
    const int sizes[] = {7, 10};
    (void)state;
    for (int s = 0; s < 2; s++) {
        struct cox_cvae_options o = small_options();
        struct cox_cvae *c = make(sizes[s], &o, NULL);
        uint8_t *maps = walks(16, sizes[s], 5);
        int64_t rows[16];
        for (int i = 0; i < 16; i++)
            rows[i] = 15 - i;
        const struct cox_cvae_maps m = bytes(16, maps);
        const struct cox_cvae_pass pass = {
            .maps = &m, .rows = rows, .n = 13, .dropout = s == 0, .key = 3};
        for (int i = 0; i < c->params->n; i++) {
            /* off the kinks that zero biases put everything at */
            if (c->params->list[i].rank == 1)
                for (int64_t j = 0; j < c->params->list[i].count; j++)
                    cox_params_value(c->params, i)[j] = 0.02f * (float)(j % 7 - 2);
        }
        for (int i = 0; i < c->params->n; i++) {
            check_tensor(c, &pass, i, false);
            check_tensor(c, &pass, i, true);
        }
        cox_cvae_destroy(c);
        cox_free(maps);
    }
}

static void test_any_size_trains(void **state)
{
    const int sizes[] = {2, 3, 5, 13, 16};
    (void)state;
    for (int i = 0; i < 5; i++)
        for (int strides = 0; strides < 2; strides++) {
            struct cox_cvae_options o = small_options();
            struct cox_cvae_fit_options f = COX_CVAE_FIT_OPTIONS_INIT;
            struct cox_cvae_result r;
            o.conv_layers = 3;
            o.strides[0] = o.strides[2] = 1 + strides;
            struct cox_cvae *c = make(sizes[i], &o, NULL);
            uint8_t *maps = walks(40, sizes[i], 5);
            const struct cox_cvae_maps m = bytes(40, maps);
            f.epochs = 2;
            assert_int_equal(cox_cvae_fit(c, &m, &f, &r, NULL), 0);
            assert_int_equal(r.train_maps, 32);
            assert_int_equal(r.valid_maps, 8);
            assert_true(isfinite(r.train_loss) && isfinite(r.valid_loss));
            assert_int_equal(cox_conv_chain_output(c->decoder)->height, sizes[i]);
            cox_cvae_destroy(c);
            cox_free(maps);
        }
}

struct seen {
    int epochs;
    double first, last;
};

static void watch(void *user, const struct cox_cvae_epoch *e)
{
    struct seen *s = user;
    if (s->epochs++ == 0)
        s->first = e->valid_loss;
    s->last = e->valid_loss;
}

/* It learns: better than the best map-independent answer (the entropy of each pixel's mean), and
 * the latent space tells the two kinds of walks apart. */
static void test_it_learns(void **state)
{
    enum { N = 600, D = 12 };
    struct cox_cvae_options o = small_options();
    struct cox_cvae_fit_options f = COX_CVAE_FIT_OPTIONS_INIT;
    struct cox_cvae_result r;
    struct cox_cvae_epoch history[40];
    struct seen seen = {0};
    (void)state;
    o.filters[0] = o.filters[1] = 16;
    o.dense = 32;
    o.learning_rate = 3e-3;
    f.epochs = 40;
    f.progress = watch;
    f.user = &seen;
    f.history = history;
    struct cox_cvae *c = make(D, &o, NULL);
    uint8_t *maps = walks(N, D, 9);
    const struct cox_cvae_maps m = bytes(N, maps);
    assert_int_equal(cox_cvae_fit(c, &m, &f, &r, NULL), 0);
    double entropy = 0;
    for (int p = 0; p < D * D; p++) {
        double mean = 0;
        for (int i = 0; i < N; i++)
            mean += (double)maps[i * D * D + p] / N;
        if (mean > 0 && mean < 1)
            entropy -= mean * log(mean) + (1 - mean) * log(1 - mean);
    }
    print_message("loss %.1f -> %.1f, the mean map would give %.1f\n", seen.first, seen.last,
                  entropy);
    assert_int_equal(seen.epochs, 40);
    assert_int_equal(r.epochs, 40);
    assert_true(seen.last == history[39].valid_loss && seen.last == r.valid_loss);
    assert_true(r.best_loss == history[r.best_epoch].valid_loss && r.best_loss <= r.valid_loss);
    assert_true(r.valid_loss < 0.95 * entropy);
    assert_int_equal(cox_cvae_steps(c), 40 * 480 / 16);
    cox_cvae_destroy(c);
    cox_free(maps);
}

static void test_threads_and_seeds(void **state)
{
    struct cox_cvae_options o = small_options();
    struct cox_cvae_fit_options f = COX_CVAE_FIT_OPTIONS_INIT;
    struct cox_team *team;
    uint8_t *maps = walks(100, 9, 5);
    const struct cox_cvae_maps m = bytes(100, maps);
    float one[100 * 3], three[100 * 3];
    (void)state;
    f.epochs = 2;
    assert_int_equal(cox_team_create(&team, 3, NULL), 0);
    struct cox_cvae *a = make(9, &o, NULL), *b = make(9, &o, team);
    o.seed = 2;
    struct cox_cvae *d = make(9, &o, team);
    assert_int_equal(cox_cvae_fit(a, &m, &f, NULL, NULL), 0);
    assert_int_equal(cox_cvae_fit(b, &m, &f, NULL, NULL), 0);
    same_weights(a, b);
    assert_memory_not_equal(a->params->value, d->params->value, 1000);
    assert_int_equal(cox_cvae_embed(a, &m, one, NULL), 0);
    assert_int_equal(cox_cvae_embed(b, &m, three, NULL), 0);
    assert_memory_equal(one, three, sizeof one);
    cox_cvae_destroy(a);
    cox_cvae_destroy(b);
    cox_cvae_destroy(d);
    cox_team_destroy(team);
    cox_free(maps);
}

/* Bits give the same as bytes, rows pick, and a map's numbers do not depend on its neighbours. */
static void test_formats_and_rows(void **state)
{
    enum { N = 37, D = 9, ROW = 11 };
    struct cox_cvae_options o = small_options();
    struct cox_cvae *c = make(D, &o, NULL);
    uint8_t *maps = walks(N, D, 5), bits[N * ROW] = {0};
    const int64_t pick[] = {36, 0, 5, 5};
    float a[N * 3], b[N * 3], few[4 * 3], pixels[4 * D * D], again[4 * D * D];
    (void)state;
    assert_int_equal(cox_cvae_row_bytes(COX_CVAE_BITS, D), ROW);
    for (int i = 0; i < N * D * D; i++)
        bits[i / (D * D) * ROW + i % (D * D) / 8] |= (uint8_t)(maps[i] << (i % (D * D) % 8));
    struct cox_cvae_maps m = bytes(N, maps),
                         packed = {.format = COX_CVAE_BITS, .n = N, .data = bits};
    assert_int_equal(cox_cvae_embed(c, &m, a, NULL), 0);
    assert_int_equal(cox_cvae_embed(c, &packed, b, NULL), 0);
    assert_memory_equal(a, b, sizeof a);
    packed.rows = pick;
    packed.n = 4;
    assert_int_equal(cox_cvae_embed(c, &packed, few, NULL), 0);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++)
            assert_true(fabsf(few[i * 3 + k] - a[pick[i] * 3 + k]) < 1e-5f);
    assert_int_equal(cox_cvae_reconstruct(c, &packed, pixels, NULL), 0);
    assert_int_equal(cox_cvae_decode(c, 4, few, again, NULL), 0);
    for (int i = 0; i < 4 * D * D; i++)
        assert_true(pixels[i] > 0 && pixels[i] < 1 && pixels[i] == again[i]);
    double loss, kl;
    assert_int_equal(cox_cvae_loss(c, &m, &loss, &kl, NULL), 0);
    /* an untrained net is near ln 2 per pixel */
    assert_true(kl >= 0 && loss > kl && fabs(loss - kl - D * D * log(2)) < 0.3 * D * D);
    m.n = 0;
    assert_int_equal(cox_cvae_embed(c, &m, a, NULL), 0);
    assert_int_equal(cox_cvae_loss(c, &m, &loss, &kl, NULL), COX_EINVAL);
    cox_cvae_destroy(c);
    cox_free(maps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_papers_parameter_count),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_any_size_trains),
        cmocka_unit_test(test_it_learns),
        cmocka_unit_test(test_threads_and_seeds),
        cmocka_unit_test(test_formats_and_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
