/* SPDX-License-Identifier: BSD-3-Clause */
/* Layer gradients against central differences.
 *
 * The loss is L = Σ c·y with fixed random c. Along a direction d of length 1 within one tensor the
 * gradient must give (L(w + h d) − L(w − h d)) / 2h. The layers are piecewise linear in each
 * tensor (or smooth: h² is below all of this), so what limits h from above is the number of ReLUs
 * whose kink is crossed (1e-2 crosses
 * enough for 3 %), from below float32 rounding of y, ~1e-6 / h. h = 1e-3: 1 % of the length plus
 * 3e-3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "nn/conv_chain.h"
#include "nn/dense.h"

#define H 1e-3

typedef double loss_function(void *net);

static float *noise(size_t n, uint64_t seed)
{
    struct cox_rng rng;
    float *p = cox_alloc(n, sizeof(float));
    assert_non_null(p);
    cox_rng_init(&rng, seed, n);
    for (size_t i = 0; i < n; i++)
        p[i] = (float)(2 * cox_rng_uniform(&rng) - 1);
    return p;
}

/* Compares along the gradient itself, which is its length squared over its length, and along a
 * random direction, which a gradient with a wrong component does not survive either. */
static void check(const char *what, float *x, const float *gradient, size_t n, loss_function *loss,
                  void *net)
{
    float *saved = cox_alloc(n, sizeof(float)), *direction = cox_alloc(n, sizeof(float)),
          *random = noise(n, 99);
    assert_true(saved && direction);
    memcpy(saved, x, n * sizeof(float));
    for (int pass = 0; pass < 2; pass++) {
        double norm = 0, expected = 0, length = 0;
        for (size_t i = 0; i < n; i++) {
            direction[i] = pass ? random[i] : gradient[i];
            norm += (double)direction[i] * (double)direction[i];
            length += (double)gradient[i] * (double)gradient[i];
        }
        norm = sqrt(norm);
        assert_true(norm > 0);
        double l[2];
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < n; i++)
                x[i] = (float)((double)saved[i] + (side ? -H : H) * (double)direction[i] / norm);
            l[side] = loss(net);
        }
        memcpy(x, saved, n * sizeof(float));
        for (size_t i = 0; i < n; i++)
            expected += (double)gradient[i] * (double)direction[i] / norm;
        const double got = (l[0] - l[1]) / (2 * H);
        if (!(fabs(got - expected) <= 0.01 * sqrt(length) + 3e-3))
            fail_msg("%s, direction %d: differences give %g, the gradient %g (length %g)", what,
                     pass, got, expected, sqrt(length));
    }
    cox_free(saved);
    cox_free(direction);
    cox_free(random);
}

struct dense_net {
    struct cox_dense dense;
    struct cox_params *params;
    int batch;
    float *x, *y, *dy, *dx, *c;
};

static double dense_loss(void *net)
{
    struct dense_net *n = net;
    double sum = 0;
    cox_dense_forward(&n->dense, n->params, NULL, n->batch, n->x, n->y);
    for (int i = 0; i < n->batch * n->dense.out; i++)
        sum += (double)n->c[i] * (double)n->y[i];
    return sum;
}

static void test_dense(void **state)
{
    (void)state;
    for (int activation = 0; activation <= COX_ACTIVATION_TANH; activation++) {
        struct dense_net n = {.batch = 9};
        assert_int_equal(cox_params_create(&n.params, NULL), 0);
        assert_int_equal(cox_dense_init(&n.dense, n.params, "layer", 13, 7,
                                        (enum cox_activation)activation,
                                        cox_elementwise_kernels_get(NULL, NULL), NULL),
                         0);
        assert_int_equal(cox_params_commit(n.params, NULL), 0);
        cox_params_draw(n.params, 4);
        n.x = noise(9 * 13, 1);
        n.y = noise(9 * 7, 2);
        n.c = noise(9 * 7, 3);
        n.dy = noise(9 * 7, 3);
        n.dx = noise(9 * 13, 4);
        float *twice = cox_alloc(9 * 13, sizeof(float)), *bias = cox_params_value(n.params, 1);
        for (int i = 0; i < 7; i++)
            bias[i] = 0.1f * (float)(i - 3);
        dense_loss(&n);
        cox_dense_backward(&n.dense, n.params, NULL, 9, n.x, n.y, n.dy, n.dx, false);
        check("weight", cox_params_value(n.params, 0), cox_params_gradient(n.params, 0), 13 * 7,
              dense_loss, &n);
        check("bias", bias, cox_params_gradient(n.params, 1), 7, dense_loss, &n);
        check("x", n.x, n.dx, 9 * 13, dense_loss, &n);
        /* `add` adds */
        memcpy(twice, n.dx, 9 * 13 * sizeof(float));
        memcpy(n.dy, n.c, 9 * 7 * sizeof(float));
        dense_loss(&n);
        cox_dense_backward(&n.dense, n.params, NULL, 9, n.x, n.y, n.dy, twice, true);
        for (int i = 0; i < 9 * 13; i++)
            assert_true(fabsf(twice[i] - 2 * n.dx[i]) <= 1e-5f);
        float *all[] = {n.x, n.y, n.c, n.dy, n.dx, twice};
        for (int i = 0; i < 6; i++)
            cox_free(all[i]);
        cox_params_destroy(n.params);
    }
}

struct chain_net {
    struct cox_conv_chain *chain;
    struct cox_params *params;
    float *tape, *d_tape, *gradients, *c;
};

static double chain_loss(void *net)
{
    struct chain_net *n = net;
    const struct cox_conv_map *out = cox_conv_chain_output(n->chain);
    double sum = 0;
    cox_conv_chain_pack(n->chain, true, NULL);
    cox_conv_chain_forward(n->chain, n->tape);
    float *y = cox_alloc((size_t)(out->height * out->width * out->channels), sizeof(float));
    cox_conv_map_gather(out, n->tape, y);
    for (int i = 0; i < out->height * out->width * out->channels; i++)
        sum += (double)n->c[i] * (double)y[i];
    cox_free(y);
    return sum;
}

static void chain_case(const struct cox_conv_map *input, int n_layers,
                       const struct cox_conv_layer *layers)
{
    struct chain_net n = {NULL, NULL, NULL, NULL, NULL, NULL};
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_params_create(&n.params, NULL), 0);
    if (cox_conv_chain_create(&n.chain, n.params, "net", input, n_layers, layers, NULL, &err))
        fail_msg("%s", err.text);
    assert_int_equal(cox_params_commit(n.params, NULL), 0);
    cox_params_draw(n.params, 11);
    const struct cox_conv_map *in = cox_conv_chain_input(n.chain),
                              *out = cox_conv_chain_output(n.chain);
    const size_t floats = cox_conv_chain_tape_floats(n.chain),
                 inputs = (size_t)(in->height * in->width * in->channels),
                 outputs = (size_t)(out->height * out->width * out->channels);
    n.tape = cox_alloc(floats, sizeof(float));
    n.d_tape = cox_alloc(floats, sizeof(float));
    n.gradients = cox_alloc((size_t)cox_conv_chain_span(n.chain), sizeof(float));
    n.c = noise(outputs, 5);
    float *x = noise(inputs, 6), *dx = cox_alloc(inputs, sizeof(float));
    cox_conv_map_scatter(in, x, n.tape);
    for (int i = 0; i < n.params->n; i++) /* biases off zero */
        if (n.params->list[i].rank == 1)
            for (int64_t j = 0; j < n.params->list[i].count; j++)
                cox_params_value(n.params, i)[j] = 0.05f * (float)(j % 5 - 2);
    chain_loss(&n);
    cox_conv_map_scatter(out, n.c, n.d_tape);
    cox_conv_chain_backward(n.chain, n.tape, n.d_tape, n.gradients, true);
    cox_conv_map_gather(in, n.d_tape, dx);
    for (int i = 0; i < n.params->n; i++)
        check(n.params->list[i].name, cox_params_value(n.params, i),
              n.gradients + (n.params->list[i].offset - cox_conv_chain_offset(n.chain)),
              (size_t)n.params->list[i].count, chain_loss, &n);
    /* the input: along its gradient */
    double norm = 0, l[2];
    for (size_t i = 0; i < inputs; i++)
        norm += (double)dx[i] * (double)dx[i];
    norm = sqrt(norm);
    for (int side = 0; side < 2; side++) {
        float *moved = noise(inputs, 6);
        for (size_t i = 0; i < inputs; i++)
            moved[i] = (float)((double)x[i] + (side ? -H : H) * (double)dx[i] / norm);
        cox_conv_map_scatter(in, moved, n.tape);
        l[side] = chain_loss(&n);
        cox_free(moved);
    }
    assert_true(fabs((l[0] - l[1]) / (2 * H) - norm) <= 0.01 * norm + 3e-3);
    float *all[] = {n.tape, n.d_tape, n.gradients, n.c, x, dx};
    for (int i = 0; i < 6; i++)
        cox_free(all[i]);
    cox_conv_chain_destroy(n.chain);
    cox_params_destroy(n.params);
}

static void test_convolutions(void **state)
{
    (void)state;
    const struct cox_conv_map input = {9, 7, 2, 1, 0};
    chain_case(&input, 1, (struct cox_conv_layer[]){{.kernel = 3, .stride = 1, .channels = 5}});
    chain_case(&input, 3,
               (struct cox_conv_layer[]){{.kernel = 3, .stride = 1, .channels = 5, .relu = true},
                                         {.kernel = 3, .stride = 2, .channels = 6, .relu = true},
                                         {.kernel = 1, .stride = 1, .channels = 3, .relu = true}});
}

static void test_transposed_convolutions(void **state)
{
    (void)state;
    const struct cox_conv_map input = {5, 4, 3, 2, 0};
    chain_case(&input, 3,
               (struct cox_conv_layer[]){{.transposed = true,
                                          .kernel = 3,
                                          .stride = 1,
                                          .channels = 4,
                                          .height = 5,
                                          .width = 4,
                                          .relu = true},
                                         {.transposed = true,
                                          .kernel = 5,
                                          .stride = 2,
                                          .channels = 6,
                                          .height = 9,
                                          .width = 8,
                                          .relu = true},
                                         {.transposed = true,
                                          .kernel = 3,
                                          .stride = 1,
                                          .channels = 1,
                                          .height = 9,
                                          .width = 8}});
}

static void test_impossible_layers_are_refused(void **state)
{
    (void)state;
    const struct cox_conv_map input = {5, 4, 3, 1, 0};
    const struct cox_conv_layer bad[] = {
        {.kernel = 4, .stride = 1, .channels = 1},
        {.kernel = 5, .stride = 1, .channels = 1}, /* ring too thin */
        {.kernel = 3, .stride = 0, .channels = 1},
        {.kernel = 3, .stride = 1, .channels = 0},
        {.transposed = true, .kernel = 3, .stride = 2, .channels = 1, .height = 11, .width = 8}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct cox_err err = COX_ERR_INIT;
        struct cox_params *params;
        struct cox_conv_chain *chain;
        assert_int_equal(cox_params_create(&params, NULL), 0);
        assert_int_equal(
            cox_conv_chain_create(&chain, params, "net", &input, 1, &bad[i], NULL, &err),
            COX_EINVAL);
        assert_null(chain);
        assert_non_null(strstr(err.text, "layer 1 of 'net'"));
        cox_params_destroy(params);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_transposed_convolutions),
        cmocka_unit_test(test_impossible_layers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
