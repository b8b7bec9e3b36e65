/* SPDX-License-Identifier: BSD-3-Clause */
/* Every convolution kernel × every instruction set that runs here, against the plain references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kern/conv.h"
#include "kern/isa.h"

/* height, width, fine, coarse, kernel, stride, halo */
static const struct cox_conv_shape shapes[] = {
    {14, 14, 64, 64, 3, 1, 1},
    {28, 28, 1, 64, 3, 1, 1},
    {28, 28, 64, 64, 3, 2, 1},
    {1, 1, 1, 1, 1, 1, 0},
    {2, 3, 1, 1, 3, 2, 1},
    {5, 7, 3, 2, 3, 1, 1},
    {7, 5, 2, 3, 3, 2, 1},
    {9, 11, 17, 33, 3, 2, 1},
    {13, 31, 20, 5, 5, 1, 2},
    {12, 9, 5, 40, 5, 2, 3},
    {8, 15, 65, 31, 1, 1, 0},
    {11, 17, 7, 19, 7, 2, 3},
    {3, 45, 48, 16, 3, 1, 2},
    {10, 10, 6, 6, 3, 3, 1},
    {4, 29, 37, 1, 3, 2, 1},
    /* Winograd with odd sides and channel tails, and at its limits */
    {9, 7, 17, 33, 3, 1, 1},
    {5, 5, 128, 20, 3, 1, 1},
    {2, 1, 16, 40, 3, 1, 3},
    {1, 12, 20, 129, 3, 1, 1}};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

/* Beyond the floats of a map, to see writes that go too far. */
#define GUARD 64
#define CANARY 1234.5f

static struct cox_rng rng;

static float *block(size_t n)
{
    float *p = cox_alloc(n + GUARD, sizeof(float));
    assert_non_null(p);
    for (size_t i = n; i < n + GUARD; i++)
        p[i] = CANARY;
    return p;
}

static float uniform(void)
{
    return (float)(cox_rng_uniform(&rng) - 0.5);
}

static float *map(int height, int width, int channels, int halo, bool fill)
{
    float *p = block(cox_conv_map_floats(height, width, channels, halo));
    for (int y = 0; y < height && fill; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                p[cox_conv_map_offset(y, x, width, channels, halo) + (size_t)c] = uniform();
    return p;
}

struct maps {
    float *fine, *coarse, *weights, *bias, *mask_fine, *mask_coarse, *got, *wanted;
    size_t n_fine, n_coarse, n_weights;
};

static void maps_init(struct maps *m, const struct cox_conv_shape *s)
{
    const int h = cox_conv_coarse_side(s->height, s->stride),
              w = cox_conv_coarse_side(s->width, s->stride);
    m->n_fine = cox_conv_map_floats(s->height, s->width, s->fine, s->halo);
    m->n_coarse = cox_conv_map_floats(h, w, s->coarse, s->halo);
    m->n_weights = cox_conv_weight_floats(s);
    m->fine = map(s->height, s->width, s->fine, s->halo, true);
    m->mask_fine = map(s->height, s->width, s->fine, s->halo, true);
    m->coarse = map(h, w, s->coarse, s->halo, true);
    m->mask_coarse = map(h, w, s->coarse, s->halo, true);
    m->weights = block(m->n_weights);
    const int channels = s->fine > s->coarse ? s->fine : s->coarse;
    m->bias = block((size_t)channels);
    for (size_t i = 0; i < m->n_weights; i++)
        m->weights[i] = uniform();
    for (int i = 0; i < channels; i++)
        m->bias[i] = uniform();
}

static void maps_deinit(struct maps *m)
{
    float *all[] = {m->fine, m->coarse, m->weights, m->bias, m->mask_fine, m->mask_coarse};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        cox_free(all[i]);
}

/* Float sums of k products of numbers below ½ in size: rounding grows as √k; 16 standard errors. */
static void compare(const float *got, const float *wanted, size_t n, double k)
{
    const double allowed = 16 * 0.25 * 6e-8 * (sqrt(k) + 1) * 2;
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)wanted[i]) <= allowed * (1 + fabs((double)wanted[i]))))
            fail_msg("element %zu is %.9g, wanted %.9g", i, (double)got[i], (double)wanted[i]);
    for (size_t i = n; i < n + GUARD; i++)
        assert_true(got[i] == CANARY);
}

/* Results start as NaN inside, so that a pixel left out is seen; the ring must stay zero. */
static void spoil(float *p, int height, int width, int channels, int halo)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                p[cox_conv_map_offset(y, x, width, channels, halo) + (size_t)c] = NAN;
}

static void try_data(const struct cox_conv_kernels *k, const struct cox_conv_shape *s,
                     const struct maps *m, const struct cox_conv_epilogue *e)
{
    const int h = cox_conv_coarse_side(s->height, s->stride),
              w = cox_conv_coarse_side(s->width, s->stride);
    const double work = (double)s->kernel * s->kernel;
    float *packed = block(k->packed_forward_floats(s));
    float *got = map(h, w, s->coarse, s->halo, false),
          *wanted = map(h, w, s->coarse, s->halo, false);
    struct cox_conv_epilogue here = *e;
    here.mask = e->mask ? m->mask_coarse : NULL;
    spoil(got, h, w, s->coarse, s->halo);
    k->pack_forward(s, m->weights, packed);
    k->forward(s, packed, m->fine, got, &here);
    cox_conv_forward_ref(s, m->weights, m->fine, wanted, &here);
    compare(got, wanted, m->n_coarse, work * s->fine);
    assert_true(packed[k->packed_forward_floats(s)] == CANARY);
    cox_free(packed);
    cox_free(got);
    cox_free(wanted);

    packed = block(k->packed_backward_floats(s));
    got = map(s->height, s->width, s->fine, s->halo, false);
    wanted = map(s->height, s->width, s->fine, s->halo, false);
    here.mask = e->mask ? m->mask_fine : NULL;
    spoil(got, s->height, s->width, s->fine, s->halo);
    k->pack_backward(s, m->weights, packed);
    k->backward_data(s, packed, m->coarse, got, &here);
    cox_conv_backward_data_ref(s, m->weights, m->coarse, wanted, &here);
    compare(got, wanted, m->n_fine, work * s->coarse);
    assert_true(packed[k->packed_backward_floats(s)] == CANARY);
    cox_free(packed);
    cox_free(got);
    cox_free(wanted);
}

static void try_weights(const struct cox_conv_kernels *k, const struct cox_conv_shape *s,
                        const struct maps *m)
{
    float *got = block(m->n_weights), *wanted = block(m->n_weights);
    for (size_t i = 0; i < m->n_weights; i++)
        got[i] = wanted[i] = (float)i; /* the kernel adds */
    k->backward_weights(s, m->fine, m->coarse, got);
    cox_conv_backward_weights_ref(s, m->fine, m->coarse, wanted);
    compare(got, wanted, m->n_weights, (double)s->height * s->width);
    cox_free(got);
    cox_free(wanted);
    double sums[129] = {0};
    float *bias = block((size_t)s->fine);
    k->sum_pixels(s->height, s->width, s->fine, s->halo, m->fine, bias);
    for (int y = 0; y < s->height; y++)
        for (int x = 0; x < s->width; x++)
            for (int c = 0; c < s->fine; c++)
                sums[c] +=
                    (double)
                        m->fine[cox_conv_map_offset(y, x, s->width, s->fine, s->halo) + (size_t)c];
    for (int c = 0; c < s->fine; c++)
        assert_true(fabs((double)bias[c] - sums[c]) < 1e-4);
    assert_true(bias[s->fine] == CANARY);
    cox_free(bias);
}

static void test_kernels_match_references(void **state)
{
    (void)state;
    for (int isa = 0; isa < cox_isa_count(); isa++) {
        if (!cox_isa_supported(isa)) {
            print_message("skipped: %s does not run here\n", cox_isa_name(isa));
            continue;
        }
        const struct cox_conv_kernels *k = cox_conv_kernels_get(cox_isa_name(isa), NULL);
        assert_non_null(k);
        assert_string_equal(k->isa, cox_isa_name(isa));
        for (size_t i = 0; i < N_SHAPES; i++) {
            const struct cox_conv_shape *s = &shapes[i];
            struct maps m;
            cox_rng_init(&rng, 7, i);
            maps_init(&m, s);
            const float any = 1; /* "a mask": which one depends on the direction */
            const struct cox_conv_epilogue epilogues[] = {
                {.bias = NULL}, {.bias = m.bias, .relu = true}, {.mask = &any}};
            for (size_t e = 0; e < 3; e++)
                try_data(k, s, &m, &epilogues[e]);
            try_weights(k, s, &m);
            maps_deinit(&m);
        }
    }
}

/* Σ coarse · forward(fine) = Σ fine · backward_data(coarse) = Σ weights · backward_weights: the
 * three kernels are derivatives of one trilinear form. In the references, so in all. */
static void test_references_are_adjoint(void **state)
{
    (void)state;
    for (size_t i = 3; i < N_SHAPES; i++) {
        const struct cox_conv_shape *s = &shapes[i];
        const int h = cox_conv_coarse_side(s->height, s->stride),
                  w = cox_conv_coarse_side(s->width, s->stride);
        struct maps m;
        cox_rng_init(&rng, 8, i);
        maps_init(&m, s);
        float *a = map(h, w, s->coarse, s->halo, false),
              *b = map(s->height, s->width, s->fine, s->halo, false), *c = block(m.n_weights);
        cox_conv_forward_ref(s, m.weights, m.fine, a, NULL);
        cox_conv_backward_data_ref(s, m.weights, m.coarse, b, NULL);
        cox_conv_backward_weights_ref(s, m.fine, m.coarse, c);
        double x = 0, y = 0, z = 0;
        for (size_t j = 0; j < m.n_coarse; j++)
            x += (double)a[j] * (double)m.coarse[j];
        for (size_t j = 0; j < m.n_fine; j++)
            y += (double)b[j] * (double)m.fine[j];
        for (size_t j = 0; j < m.n_weights; j++)
            z += (double)c[j] * (double)m.weights[j];
        assert_true(fabs(x - y) < 1e-4 * (1 + fabs(x)));
        assert_true(fabs(x - z) < 1e-4 * (1 + fabs(x)));
        cox_free(a);
        cox_free(b);
        cox_free(c);
        maps_deinit(&m);
    }
}

static void test_relu_passes_nan(void **state)
{
    (void)state;
    const struct cox_conv_shape s = {3, 3, 1, 40, 3, 1, 1};
    const struct cox_conv_kernels *k = cox_conv_kernels_get(NULL, NULL);
    assert_non_null(k);
    struct maps m;
    cox_rng_init(&rng, 9, 0);
    maps_init(&m, &s);
    float *packed = block(k->packed_forward_floats(&s)), *got = map(3, 3, 40, 1, false);
    m.weights[0] = m.weights[39] = NAN;
    k->pack_forward(&s, m.weights, packed);
    k->forward(&s, packed, m.fine, got, &(struct cox_conv_epilogue){.relu = true});
    const size_t middle = cox_conv_map_offset(1, 1, 3, 40, 1);
    assert_true(isnan(got[middle]) && isnan(got[middle + 39]) && !isnan(got[middle + 1]));
    cox_free(packed);
    cox_free(got);
    maps_deinit(&m);
}

static void test_unknown_isa_is_refused(void **state)
{
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    assert_null(cox_conv_kernels_get("mmx", &err));
    assert_non_null(strstr(err.text, "mmx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels_match_references),
        cmocka_unit_test(test_references_are_adjoint),
        cmocka_unit_test(test_relu_passes_nan),
        cmocka_unit_test(test_unknown_isa_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
