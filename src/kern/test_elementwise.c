/* SPDX-License-Identifier: BSD-3-Clause */
/* Every element-wise kernel × every instruction set against the plain references, odd lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kern/elementwise.h"
#include "kern/isa.h"

#define MOST 1031
#define CANARY 77.25f
static const size_t lengths[] = {0,  1,  3,  4,   15,  16,  17,  28,  31,
                                 63, 64, 65, 127, 128, 129, 200, 784, MOST};
#define N_LENGTHS (sizeof lengths / sizeof lengths[0])

static const struct cox_elementwise_kernels *const ref = &cox_elementwise_kernels_ref;
static struct cox_rng rng;

static void fill(float *p, double scale)
{
    for (int i = 0; i < MOST + 1; i++)
        p[i] = (float)(scale * cox_rng_normal(&rng));
}

static void near(const float *got, const float *wanted, size_t n, double relative, double absolute)
{
    for (size_t i = 0; i < n; i++) {
        const double allowed = relative * fabs((double)wanted[i]) + absolute;
        if (!(fabs((double)got[i] - (double)wanted[i]) <= allowed))
            fail_msg("element %zu of %zu is %.9g, wanted %.9g", i, n, (double)got[i],
                     (double)wanted[i]);
    }
    assert_true(got[n] == CANARY);
}

static void maps_one_to_one(const struct cox_elementwise_kernels *k, size_t n)
{
    static float x[MOST + 1], y[MOST + 1], z[MOST + 1];
    fill(x, 20);
    y[n] = CANARY;
    k->exp(n, x, y);
    ref->exp(n, x, z);
    near(y, z, n, 2e-7, 0);
    k->sigmoid(n, x, y);
    ref->sigmoid(n, x, z);
    near(y, z, n, 4e-7, 1e-37);
    k->tanh(n, x, y);
    ref->tanh(n, x, z);
    near(y, z, n, 0, 2e-7);
    k->relu(n, x, y);
    ref->relu(n, x, z);
    near(y, z, n, 0, 0);
    fill(y, 1);
    memcpy(z, y, sizeof z);
    y[n] = CANARY;
    k->relu_backward(n, x, y);
    ref->relu_backward(n, x, z);
    near(y, z, n, 0, 0);
    k->dropout(n, 0.25f, 0x123456789abcdefu, 42, x, y);
    ref->dropout(n, 0.25f, 0x123456789abcdefu, 42, x, z);
    near(y, z, n, 1e-7, 0);
    memcpy(z, y, sizeof z);
    k->dropout_backward(n, 0.25f, x, y);
    ref->dropout_backward(n, 0.25f, x, z);
    near(y, z, n, 1e-7, 0);
}

/* Gradients of what came out of activation and dropout: zeros among it. */
static void gradients(const struct cox_elementwise_kernels *k, size_t n)
{
    static float x[MOST + 1], s[MOST + 1], y[MOST + 1], z[MOST + 1];
    for (int pass = 0; pass < 4; pass++) {
        const float drop = pass % 2 ? 0.25f : 0;
        fill(x, 2);
        if (n > 2)
            x[2] = 0;
        if (pass < 2)
            ref->sigmoid(n, x, s);
        else
            ref->tanh(n, x, s);
        if (drop > 0)
            ref->dropout(n, drop, 7, (uint64_t)n, s, s);
        fill(y, 1);
        y[n] = CANARY;
        memcpy(z, y, sizeof z);
        if (pass < 2) {
            k->sigmoid_backward(n, drop, s, y);
            ref->sigmoid_backward(n, drop, s, z);
        } else {
            k->tanh_backward(n, drop, s, y);
            ref->tanh_backward(n, drop, s, z);
        }
        near(y, z, n, 1e-6, 1e-6); /* 1 − s cancels where s is near 1 */
    }
}

static void losses_and_steps(const struct cox_elementwise_kernels *k, size_t n)
{
    static float x[MOST + 1], t[MOST + 1], y[MOST + 1], z[MOST + 1], v[MOST + 1], u[MOST + 1],
        m[MOST + 1], l[MOST + 1];
    fill(x, 8);
    for (int i = 0; i <= MOST; i++)
        t[i] = (float)cox_rng_below(&rng, 2);
    y[n] = CANARY;
    const double a = k->bce(n, x, t, 0.5f, y), b = ref->bce(n, x, t, 0.5f, z);
    assert_true(fabs(a - b) <= 3e-6 * (1 + fabs(b)));
    near(y, z, n, 5e-7, 1e-7);
    assert_true(fabs(k->bce(n, x, t, 0.5f, NULL) - a) == 0);
    const struct cox_rmsprop r = {1e-3f, 0.9f, 1e-8f};
    const struct cox_adam d = {1e-3f, 0.9f, 0.999f, 1.5f, 1e-8f};
    fill(x, 1);
    fill(y, 1);
    fill(v, 1);
    fill(m, 1);
    for (size_t i = 0; i <= MOST; i++)
        v[i] *= v[i];
    memcpy(z, y, sizeof z);
    memcpy(u, v, sizeof u);
    memcpy(l, m, sizeof l);
    y[n] = v[n] = m[n] = CANARY;
    k->rmsprop(n, &r, x, v, y);
    ref->rmsprop(n, &r, x, u, z);
    near(v, u, n, 3e-7, 1e-12);
    near(y, z, n, 2e-7, 1e-8);
    k->adam(n, &d, x, m, v, y);
    ref->adam(n, &d, x, l, u, z);
    near(m, l, n, 5e-7, 1e-7);
    near(v, u, n, 5e-7, 1e-12);
    near(y, z, n, 5e-7, 1e-7);
}

static void rows(const struct cox_elementwise_kernels *k, size_t cols)
{
    static float x[MOST + 1], y[MOST + 1], z[MOST + 1], bias[MOST + 1];
    const size_t n = cols ? MOST / cols : 0;
    for (int relu = 0; relu < 2; relu++) {
        fill(x, 1);
        fill(bias, 1);
        memcpy(y, x, sizeof y);
        y[n * cols] = CANARY;
        memcpy(z, x, sizeof z);
        k->add_bias(n, cols, bias, relu, y);
        ref->add_bias(n, cols, bias, relu, z);
        near(y, z, n * cols, 0, 0);
    }
    y[cols] = CANARY;
    k->sum_rows(n, cols, cols, x, y);
    ref->sum_rows(n, cols, cols, x, z);
    near(y, z, cols, 1e-6, 2e-5);
}

static void test_every_isa_matches_reference(void **state)
{
    (void)state;
    cox_rng_init(&rng, 3, 3);
    for (int isa = 0; isa < cox_isa_count(); isa++) {
        if (!cox_isa_supported(isa)) {
            print_message("skipped: %s does not run here\n", cox_isa_name(isa));
            continue;
        }
        const struct cox_elementwise_kernels *k =
            cox_elementwise_kernels_get(cox_isa_name(isa), NULL);
        assert_non_null(k);
        for (size_t i = 0; i < N_LENGTHS; i++) {
            maps_one_to_one(k, lengths[i]);
            gradients(k, lengths[i]);
            losses_and_steps(k, lengths[i]);
            rows(k, lengths[i]);
        }
    }
}

/* Large arguments neither overflow nor lose their sign; NaN and infinity are not hidden. */
static void test_extremes(void **state)
{
    (void)state;
    for (int isa = 0; isa < cox_isa_count(); isa++) {
        if (!cox_isa_supported(isa))
            continue;
        const struct cox_elementwise_kernels *k =
            cox_elementwise_kernels_get(cox_isa_name(isa), NULL);
        const float x[] = {-1e30f, -200, -88, 88, 200, 1e30f}, one[] = {1, 1, 1, 1, 1, 1};
        float y[6], g[6];
        k->sigmoid(6, x, y);
        for (int i = 0; i < 6; i++)
            assert_true(y[i] >= 0 && y[i] <= 1);
        assert_true(y[0] < 1e-30f && y[5] == 1);
        assert_true(fabs(k->bce(1, x + 1, one, 1, g) - 200) < 1e-3);
        assert_true(fabsf(g[0] + 1) < 1e-6f);
        float bad[40] = {0};
        assert_true(k->finite(40, bad));
        for (int i = 0; i < 40; i += 13) {
            memset(bad, 0, sizeof bad);
            bad[i] = i % 2 ? NAN : INFINITY;
            assert_false(k->finite(40, bad));
        }
        const float nan[17] = {[0] = NAN, [16] = NAN};
        float out[17];
        k->exp(17, nan, out);
        assert_true(isnan(out[0]) && isnan(out[16]) && out[1] == 1);
        k->sigmoid(17, nan, out);
        assert_true(isnan(out[0]) && isnan(out[16]));
        k->relu(17, nan, out);
        assert_true(isnan(out[0]) && isnan(out[16]));
        assert_true(isnan(k->bce(16, nan, out + 1, 1, NULL)));
    }
}

/* The share dropped is the probability, within four standard errors; streams differ. */
static void test_dropout_share(void **state)
{
    static float x[100000], y[100000], z[100000];
    const struct cox_elementwise_kernels *k = cox_elementwise_kernels_get(NULL, NULL);
    int dropped = 0, same = 0;
    (void)state;
    for (int i = 0; i < 100000; i++)
        x[i] = 1;
    k->dropout(100000, 0.25f, 5, 6, x, y);
    k->dropout(100000, 0.25f, 5, 7, x, z);
    for (int i = 0; i < 100000; i++) {
        dropped += y[i] == 0;
        same += (y[i] == 0) == (z[i] == 0);
    }
    assert_in_range(dropped, 25000 - 548, 25000 + 548);
    assert_in_range(same, 62500 - 613, 62500 + 613); /* (3/4)² + (1/4)² */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_isa_matches_reference),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_dropout_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
