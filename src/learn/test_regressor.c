/* SPDX-License-Identifier: BSD-3-Clause */
/* The regressor's arithmetic: loss and gradients against a plain reference in double, weights and
 * scaling, missing and constant columns, what a warm fit does to ranges that grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "learn/regressor_net.h"

#define NO_NUMBER ((double)NAN)

static const struct cox_regressor_options tiny = {
    .members = 2,
    .hidden_layers = 3,
    .hidden = {7, 5, 6},
    .activation = {COX_ACTIVATION_RELU, COX_ACTIVATION_SIGMOID, COX_ACTIVATION_TANH},
    .dropout = 0.25,
    .learning_rate = 1e-3,
    .batch = 6,
    .error_floor = 0.01,
    .seed = 3,
};
enum { IN = 3, OUT = 4, ROWS = 6 };

/* ---- the reference: everything in double, one number at a time ---- */

static double act(enum cox_activation a, double x)
{
    switch (a) {
    case COX_ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case COX_ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case COX_ACTIVATION_TANH:
        return tanh(x);
    default:
        return x;
    }
}

/* Σ w (ŷ − y)² / (n mean_weight) with the weights `value`, which are laid out as the store's; the
 * masks of dropout are those of the plain kernel for the seed that the model documents. */
static double plain_loss(const struct cox_regressor *r, const struct cox_regressor_member *m,
                         const double *value, const struct cox_regressor_batch *b,
                         double mean_weight, bool dropout)
{
    double x[ROWS][8], loss = 0;
    for (int i = 0; i < ROWS; i++)
        for (int k = 0; k < IN; k++)
            x[i][k] = (double)b->x[i * IN + k];
    for (int l = 0; l < r->n_layers; l++) {
        const struct cox_dense *d = &r->layers[l];
        const double *w = value + m->params->list[d->weight].offset,
                     *bias = value + m->params->list[d->bias].offset;
        float mask[ROWS * 8];
        for (int i = 0; i < ROWS * d->out; i++)
            mask[i] = 1;
        if (dropout && l < r->n_layers - 1)
            cox_elementwise_kernels_ref.dropout((size_t)(ROWS * d->out), (float)r->options.dropout,
                                                cox_seed_mix(m->seed, 0xd0 + (uint64_t)l),
                                                (uint64_t)m->optimizer.steps, mask, mask);
        for (int i = 0; i < ROWS; i++) {
            double y[8];
            for (int j = 0; j < d->out; j++) {
                y[j] = bias[j];
                for (int k = 0; k < d->in; k++)
                    y[j] += x[i][k] * w[k * d->out + j];
                y[j] = act(l < r->n_layers - 1 ? r->options.activation[l] : COX_ACTIVATION_NONE,
                           y[j]) *
                       (double)mask[i * d->out + j];
            }
            memcpy(x[i], y, sizeof y);
        }
    }
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < OUT; j++)
            loss += (double)b->weight[i * OUT + j] * pow(x[i][j] - (double)b->y[i * OUT + j], 2);
    return loss / (ROWS * mean_weight);
}

static void check_gradients(struct cox_regressor *r, struct cox_regressor_batch *b, bool dropout)
{
    struct cox_regressor_member *m = &r->members[1];
    const struct cox_params *p = m->params;
    double *value = cox_alloc((size_t)p->floats, sizeof(double)), weights, worst = 0, length = 0;
    assert_non_null(value);
    for (int64_t i = 0; i < p->floats; i++)
        value[i] = (double)p->value[i];
    const double mean_weight = 1.7,
                 loss = cox_regressor_loss(r, m, b, ROWS, mean_weight, dropout, &weights),
                 plain = plain_loss(r, m, value, b, mean_weight, dropout);
    assert_true(fabs(loss / (ROWS * mean_weight) - plain) <= 2e-6 * plain);
    /* gradients always come with dropout; without, from a net that has none */
    for (int t = 0; t < p->n && dropout; t++)
        for (int64_t i = 0; i < p->list[t].count; i++) {
            const int64_t at = p->list[t].offset + i;
            const double h = 1e-5, saved = value[at];
            value[at] = saved + h;
            const double up = plain_loss(r, m, value, b, mean_weight, true);
            value[at] = saved - h;
            const double down = plain_loss(r, m, value, b, mean_weight, true);
            value[at] = saved;
            const double numeric = (up - down) / (2 * h), ours = (double)p->gradient[at];
            /* differences of doubles: 1e-16 / h from rounding, h² from the third derivative; ours:
             * some float32 roundings of numbers of order 1 */
            if (!(fabs(numeric - ours) <= 2e-6 + 5e-6 * fabs(numeric)))
                fail_msg("gradient %lld of '%s' is %.9g, by differences %.9g", (long long)i,
                         p->list[t].name, ours, numeric);
            worst = fmax(worst, fabs(numeric - ours));
            length += ours * ours;
        }
    assert_true(!dropout || length > 1e-3);
    cox_free(value);
}

static void test_gradients(void **state)
{
    (void)state;
    for (int pass = 0; pass < 3; pass++) {
        struct cox_regressor_options o = tiny;
        struct cox_regressor *r;
        struct cox_regressor_batch b = {0};
        struct cox_rng rng;
        o.dropout = pass == 2 ? 0 : 0.25;
        assert_int_equal(cox_regressor_create(&r, IN, OUT, &o, NULL, NULL), COX_OK);
        assert_int_equal(cox_regressor_batch_init(&b, r, NULL), COX_OK);
        cox_rng_init(&rng, 9, (uint64_t)pass);
        for (int i = 0; i < ROWS * IN; i++)
            b.x[i] = (float)cox_rng_uniform(&rng);
        for (int i = 0; i < ROWS * OUT; i++) {
            b.y[i] = (float)cox_rng_uniform(&rng);
            b.weight[i] = i % 5 == 2 ? 0 : (float)(3 * cox_rng_uniform(&rng));
        }
        /* biases that are not zero, a step that is not the first */
        for (int64_t i = 0; i < r->members[1].params->floats; i++)
            r->members[1].params->value[i] += (float)(0.2 * cox_rng_uniform(&rng) - 0.1);
        r->members[1].optimizer.steps = 41;
        check_gradients(r, &b, pass != 1);
        cox_regressor_batch_deinit(&b);
        cox_regressor_destroy(r);
    }
}

/* ---- rows ---- */

static void test_weights(void **state)
{
    const double inf = (double)INFINITY, x[] = {0, 1, 5, 1, 10, 1},
                 y[] = {2, 7, 4, 7, NO_NUMBER, 7}, e[] = {0.2, 1, NO_NUMBER, 1, 0.1, 1},
                 f[] = {0, 1, inf, 1, 1, 1};
    struct cox_regressor_options o = tiny;
    struct cox_regressor *r;
    struct cox_regressor_rows rows = {0};
    (void)state;
    o.error_floor = 0.1;
    assert_int_equal(cox_regressor_create(&r, 2, 2, &o, NULL, NULL), COX_OK);
    cox_regressor_scale_widen(&r->inputs, 3, x, false);
    cox_regressor_scale_widen(&r->outputs, 3, y, false);
    struct cox_regressor_data data = {.n = 3, .x = x, .y = y, .err = e};
    assert_int_equal(cox_regressor_rows_init(&rows, r, &data, NULL), COX_OK);
    const float xs[] = {0, 0, 0.5f, 0, 1, 0}, ys[] = {0, 0, 1, 0, 0, 0};
    assert_memory_equal(rows.x, xs, sizeof xs);
    assert_memory_equal(rows.y, ys, sizeof ys);
    /* one value with an error bar is there: it is its own mean. Another has none: 1. The second
     * output is constant, the third row has no value. */
    const float ws[] = {1, 0, 1, 0, 0, 0};
    assert_memory_equal(rows.weight, ws, sizeof ws);
    assert_true(rows.mean_weight == 2.0 / 3);
    cox_regressor_rows_deinit(&rows);
    /* 1 / (0 + 0.1²) = 100 and 0: the mean is 50 */
    data.err = f;
    rows = (struct cox_regressor_rows){0};
    assert_int_equal(cox_regressor_rows_init(&rows, r, &data, NULL), COX_OK);
    assert_true(fabsf(rows.weight[0] - 2) < 1e-6f && rows.weight[2] == 0 && rows.weight[4] == 0);
    cox_regressor_rows_deinit(&rows);
    cox_regressor_destroy(r);
    /* two error bars of the same output: 1/(e² + f²) in units of its range, 2 */
    const double g[] = {0.2, 1, 0.4, 1, 1, 1};
    data.err = g;
    assert_int_equal(cox_regressor_create(&r, 2, 2, &o, NULL, NULL), COX_OK);
    cox_regressor_scale_widen(&r->inputs, 3, x, false);
    cox_regressor_scale_widen(&r->outputs, 3, y, false);
    rows = (struct cox_regressor_rows){0};
    assert_int_equal(cox_regressor_rows_init(&rows, r, &data, NULL), COX_OK);
    const double a = 1 / (0.1 * 0.1 + 0.01), b = 1 / (0.2 * 0.2 + 0.01);
    assert_true(fabs((double)rows.weight[0] - 2 * a / (a + b)) < 1e-6);
    assert_true(fabs((double)rows.weight[2] - 2 * b / (a + b)) < 1e-6);
    cox_regressor_rows_deinit(&rows);
    cox_regressor_destroy(r);
}

static void test_ranges(void **state)
{
    const double y[] = {1, -5, NO_NUMBER, 3, 7, NO_NUMBER}, more[] = {2, 9, NO_NUMBER},
                 at_last[] = {2, 0, 4};
    struct cox_regressor_scale s = {0};
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        assert_int_equal(cox_regressor_scale_init(&s, 3, NULL), COX_OK);
        cox_regressor_scale_widen(&s, 2, y, whole);
        assert_true(s.least[0] == (whole ? -5 : 1) && s.width[0] == (whole ? 12 : 2));
        assert_true(s.least[1] == -5 && s.width[1] == 12);
        assert_true(isnan(s.least[2]) && isnan(s.width[2]));
        cox_regressor_scale_widen(&s, 1, more, whole);
        assert_true(s.least[0] == (whole ? -5 : 1) && s.width[0] == (whole ? 14 : 2));
        assert_true(s.width[1] == 14 && isnan(s.least[2]));
        cox_regressor_scale_widen(&s, 1, at_last, whole);
        assert_true(s.least[2] == (whole ? -5 : 4) && s.width[2] == (whole ? 14 : 0));
        cox_regressor_scale_deinit(&s);
    }
    /* rounding is no variation, and does not make a range grow for ever */
    const double same[] = {0.1 + 0.2, 0.3}, third[] = {0.1, 0.1 + 1.0 / 3, 0.4};
    assert_int_equal(cox_regressor_scale_init(&s, 1, NULL), COX_OK);
    cox_regressor_scale_widen(&s, 2, same, false);
    assert_true(s.width[0] == 0);
    cox_regressor_scale_widen(&s, 3, third, false);
    const double width = s.width[0], least = s.least[0];
    for (int i = 0; i < 10; i++)
        cox_regressor_scale_widen(&s, 3, third, false);
    assert_true(s.width[0] == width && s.least[0] == least);
    cox_regressor_scale_deinit(&s);
}

/* ---- fits ---- */

enum { N = 120 };
static double X[N * 2], Y[N * 3];

static void answer(int i)
{
    const double a = X[2 * i], b = X[2 * i + 1];
    Y[3 * i] = 1e3 * sin(2 * (a - 100)) + 1e3 * b;
    Y[3 * i + 1] = 1e-3 * b * (a - 100);
    Y[3 * i + 2] = a - 3 * b;
}

/* Rows of two inputs and three outputs; the last `wide` of them lie outside the others' range. */
static void rows_of(int n, int wide)
{
    struct cox_rng rng;
    cox_rng_init(&rng, 21, 0);
    for (int i = 0; i < n; i++) {
        const double size = i < n - wide ? 1 : 3;
        X[2 * i] = 100 + size * cox_rng_uniform(&rng);
        X[2 * i + 1] = size * (cox_rng_uniform(&rng) - 0.5);
        answer(i);
    }
}

static struct cox_regressor *fitted(const struct cox_regressor_options *o, int n, int epochs)
{
    struct cox_regressor *r;
    struct cox_regressor_fit_options f = COX_REGRESSOR_FIT_OPTIONS_INIT;
    f.epochs = epochs;
    assert_int_equal(cox_regressor_create(&r, 2, 3, o, NULL, NULL), COX_OK);
    assert_int_equal(
        cox_regressor_fit(r, &(struct cox_regressor_data){.n = n, .x = X, .y = Y}, &f, NULL, NULL),
        COX_OK);
    return r;
}

static struct cox_regressor_options small(void)
{
    struct cox_regressor_options o = COX_REGRESSOR_OPTIONS_INIT;
    o.members = 3;
    o.hidden[0] = o.hidden[1] = 32;
    o.dropout = 0;
    o.learning_rate = 3e-3;
    return o;
}

/* A warm fit whose rows lie outside the ranges so far: with a learning rate of nothing the model
 * must be the same function as before, in the units of the outputs; and with a proper one it must
 * start from there and not from a higher loss. */
static void test_ranges_grow(void **state)
{
    static double before[100 * 3], after[N * 3];
    struct cox_regressor_options o = small();
    (void)state;
    rows_of(N, 20);
    for (int whole = 0; whole < 2; whole++) {
        o.scaling = whole ? COX_REGRESSOR_WHOLE_PROFILE : COX_REGRESSOR_EACH_OUTPUT;
        struct cox_regressor *r = fitted(&o, 100, 200);
        struct cox_regressor_fit_options f = COX_REGRESSOR_FIT_OPTIONS_INIT;
        struct cox_regressor_result result;
        assert_int_equal(cox_regressor_predict(r, NULL, 100, X, before, NULL, NULL), COX_OK);
        r->options.learning_rate = 1e-30;
        f.epochs = 1;
        assert_int_equal(cox_regressor_fit(r, &(struct cox_regressor_data){.n = N, .x = X, .y = Y},
                                           &f, &result, NULL),
                         COX_OK);
        assert_true(result.warm && cox_regressor_fits(r) == 2 && cox_regressor_rows(r) == N);
        assert_int_equal(cox_regressor_predict(r, NULL, 100, X, after, NULL, NULL), COX_OK);
        for (int i = 0; i < 300; i++) {
            double least, largest;
            cox_regressor_output_range(r, i % 3, &least, &largest);
            /* float32 in units of the wider range */
            if (!(fabs(after[i] - before[i]) <= 3e-6 * (largest - least)))
                fail_msg("value %d was %.9g and is %.9g", i, before[i], after[i]);
        }
        cox_regressor_destroy(r);
    }
}

/* Columns that do not vary, and outputs that lack values. */
static void test_constant_and_missing(void **state)
{
    static double mean[N * 3], sd[N * 3];
    struct cox_regressor_options o = small();
    struct cox_regressor_fit_options f = COX_REGRESSOR_FIT_OPTIONS_INIT;
    struct cox_regressor *r;
    (void)state;
    rows_of(N, 0);
    for (int i = 0; i < N; i++) {
        X[2 * i + 1] = 0.2;       /* an input that never varies */
        Y[3 * i + 1] = 42.5;      /* an output that never varies */
        Y[3 * i + 2] = NO_NUMBER; /* and one that never has a value */
        Y[3 * i] = i % 3 ? Y[3 * i] : NO_NUMBER;
    }
    r = fitted(&o, N, 5);
    assert_int_equal(cox_regressor_predict(r, NULL, N, X, mean, sd, NULL), COX_OK);
    for (int i = 0; i < N; i++) {
        assert_true(isfinite(mean[3 * i]) && sd[3 * i] > 0);
        assert_true(mean[3 * i + 1] == 42.5 && sd[3 * i + 1] == 0);
        assert_true(isnan(mean[3 * i + 2]) && isnan(sd[3 * i + 2]));
    }
    /* another value of the constant input counts for nothing */
    double other[] = {X[0], 1000}, there[3];
    assert_int_equal(cox_regressor_predict(r, NULL, 1, other, there, NULL, NULL), COX_OK);
    assert_true(there[0] == mean[0]);
    /* then all of them vary: what was known stays, the rest is learned */
    const double old = mean[0];
    rows_of(N, 0);
    for (int i = 0; i < N / 2; i++) {
        X[2 * i + 1] = 0.2;
        answer(i);
    }
    r->options.learning_rate = 1e-30;
    f.epochs = 1;
    const struct cox_regressor_data data = {.n = N, .x = X, .y = Y};
    assert_int_equal(cox_regressor_fit(r, &data, &f, NULL, NULL), COX_OK);
    assert_int_equal(cox_regressor_predict(r, NULL, 1, (double[]){X[0], 0.2}, there, NULL, NULL),
                     COX_OK);
    double least, largest;
    cox_regressor_output_range(r, 0, &least, &largest);
    assert_true(fabs(there[0] - old) <= 1e-5 * (largest - least));
    r->options.learning_rate = 3e-3;
    f.epochs = 100;
    struct cox_regressor_result result;
    assert_int_equal(cox_regressor_fit(r, &data, &f, &result, NULL), COX_OK);
    assert_true(result.train_loss < 0.01);
    cox_regressor_destroy(r);
}

/* A value with an infinite error is no value; powers of two as units change no bit. */
static void test_units_and_infinite_errors(void **state)
{
    static double e[N * 3], a[N * 3], b[N * 3];
    struct cox_regressor_options o = small();
    struct cox_regressor_fit_options f = COX_REGRESSOR_FIT_OPTIONS_INIT;
    struct cox_regressor *r, *s;
    (void)state;
    f.epochs = 3;
    rows_of(N, 0);
    for (int i = 0; i < N * 3; i++)
        e[i] = 0.1;
    e[100] = (double)INFINITY;
    assert_int_equal(cox_regressor_create(&r, 2, 3, &o, NULL, NULL), COX_OK);
    assert_int_equal(cox_regressor_create(&s, 2, 3, &o, NULL, NULL), COX_OK);
    struct cox_regressor_data data = {.n = N, .x = X, .y = Y, .err = e};
    assert_int_equal(cox_regressor_fit(r, &data, &f, NULL, NULL), COX_OK);
    assert_int_equal(cox_regressor_predict(r, NULL, N, X, a, NULL, NULL), COX_OK);
    for (int i = 0; i < N; i++) {
        X[2 * i] *= 0x1p-40;
        Y[3 * i] *= 0x1p30;
        e[3 * i] *= 0x1p30;
    }
    assert_int_equal(cox_regressor_fit(s, &data, &f, NULL, NULL), COX_OK);
    assert_int_equal(cox_regressor_predict(s, NULL, N, X, b, NULL, NULL), COX_OK);
    for (int i = 0; i < N; i++)
        assert_true(b[3 * i] == a[3 * i] * 0x1p30 && b[3 * i + 1] == a[3 * i + 1]);
    /* the weight of the value with the infinite error is 0 and so is its share of the gradient */
    struct cox_regressor_rows rows = {0};
    assert_int_equal(cox_regressor_rows_init(&rows, s, &data, NULL), COX_OK);
    assert_true(rows.weight[100] == 0 && rows.weight[99] > 0);
    cox_regressor_rows_deinit(&rows);
    cox_regressor_destroy(r);
    cox_regressor_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_ranges_grow),
        cmocka_unit_test(test_constant_and_missing),
        cmocka_unit_test(test_units_and_infinite_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
