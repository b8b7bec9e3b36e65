/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of the regressor: what is saved goes on to the same bits; what is none of ours, damaged or
 * from a later version is refused with one message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "h5/h5.h"
#include "learn/regressor_net.h"

enum { IN = 2, OUT = 3, N = 50 };
static double X[N * IN], Y[N * OUT];
static const struct cox_regressor_data all = {.n = N, .x = X, .y = Y, .err = NULL};
static char folder[64], path[96];

static int setup(void **state)
{
    struct cox_rng rng;
    (void)state;
    snprintf(folder, sizeof folder, "test_regressor.%d", (int)getpid());
    snprintf(path, sizeof path, "%s/model.h5", folder);
    cox_rng_init(&rng, 1, 0);
    for (int i = 0; i < N * IN; i++)
        X[i] = cox_rng_uniform(&rng);
    for (int i = 0; i < N * OUT; i++)
        Y[i] = i % OUT == 2 ? (double)NAN : cox_rng_normal(&rng);
    return cox_directory_create(folder, NULL);
}

static int teardown(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

static struct cox_regressor *trained(void)
{
    struct cox_regressor_options o = COX_REGRESSOR_OPTIONS_INIT;
    struct cox_regressor_fit_options f = COX_REGRESSOR_FIT_OPTIONS_INIT;
    struct cox_regressor *r;
    o.members = 3;
    o.hidden_layers = 1;
    o.hidden[0] = 9;
    o.activation[0] = COX_ACTIVATION_TANH;
    o.bootstrap = true;
    o.scaling = COX_REGRESSOR_WHOLE_PROFILE;
    o.seed = UINT64_C(0xfedcba9876543210);
    f.epochs = 3;
    assert_int_equal(cox_regressor_create(&r, IN, OUT, &o, NULL, NULL), COX_OK);
    assert_int_equal(cox_regressor_fit(r, &all, &f, NULL, NULL), COX_OK);
    assert_int_equal(cox_regressor_set_version(r, "bag 7, fit 1", NULL), COX_OK);
    return r;
}

static void expect_same(const struct cox_regressor *a, const struct cox_regressor *b)
{
    double p[N * OUT], q[N * OUT], u[N * OUT], v[N * OUT];
    assert_int_equal(cox_regressor_predict(a, NULL, N, X, p, u, NULL), COX_OK);
    assert_int_equal(cox_regressor_predict(b, NULL, N, X, q, v, NULL), COX_OK);
    assert_memory_equal(p, q, sizeof p);
    assert_memory_equal(u, v, sizeof u);
    assert_true(isnan(p[2]));
}

static void test_round_trip(void **state)
{
    struct cox_regressor *r = trained(), *loaded;
    struct cox_regressor_fit_options f = COX_REGRESSOR_FIT_OPTIONS_INIT;
    (void)state;
    assert_int_equal(cox_regressor_save(r, path, NULL), COX_OK);
    assert_int_equal(cox_regressor_load(&loaded, path, NULL, NULL), COX_OK);
    expect_same(r, loaded);
    assert_string_equal(cox_regressor_version(loaded), "bag 7, fit 1");
    assert_int_equal(cox_regressor_fits(loaded), 1);
    assert_int_equal(cox_regressor_rows(loaded), N);
    const struct cox_regressor_options *a = cox_regressor_get_options(r),
                                       *b = cox_regressor_get_options(loaded);
    assert_true(b->seed == a->seed && b->members == 3 && b->bootstrap && b->hidden[0] == 9 &&
                b->scaling == a->scaling && b->learning_rate == a->learning_rate &&
                b->activation[0] == COX_ACTIVATION_TANH && b->batch == a->batch);
    f.epochs = 2;
    assert_int_equal(cox_regressor_fit(r, &all, &f, NULL, NULL), COX_OK);
    assert_int_equal(cox_regressor_fit(loaded, &all, &f, NULL, NULL), COX_OK);
    expect_same(r, loaded);
    cox_regressor_destroy(loaded);
    cox_regressor_destroy(r);
    struct cox_err err = COX_ERR_INIT;
    r = trained();
    char longer[COX_REGRESSOR_VERSION_SIZE + 1];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(cox_regressor_set_version(r, longer, &err), COX_EINVAL);
    assert_string_equal(cox_regressor_version(r), "bag 7, fit 1");
    assert_int_equal(cox_regressor_save(r, "nowhere/model.h5", &err), COX_EIO);
    cox_regressor_destroy(r);
}

static void refused(const char *file, int status, const char *text)
{
    struct cox_regressor *r;
    struct cox_err err = COX_ERR_INIT;
    const int rc = cox_regressor_load(&r, file, NULL, &err);
    if (rc != status || !strstr(err.text, text) || !strstr(err.text, file))
        fail_msg("status %d, '%s' instead of %d, '%s'", rc, err.text, status, text);
    assert_null(r);
}

static char *whole;
static size_t length;

/* Every place in the good file that holds these bytes holds others; how many there were. */
static int patch(const void *from, const void *to, size_t size)
{
    char *bytes = cox_alloc(length, 1);
    int n = 0;
    assert_non_null(bytes);
    memcpy(bytes, whole, length);
    for (size_t i = 0; i + size <= length; i++)
        if (memcmp(bytes + i, from, size) == 0) {
            memcpy(bytes + i, to, size);
            n++;
        }
    assert_int_equal(cox_file_replace(path, bytes, length, NULL), COX_OK);
    cox_free(bytes);
    return n;
}

static void head_only(const char *format, int32_t version)
{
    struct cox_h5 *file;
    assert_int_equal(cox_h5_create(&file, path, NULL), COX_OK);
    assert_int_equal(cox_h5_set_text(file, "/", "format", format, NULL), COX_OK);
    assert_int_equal(cox_h5_set_ints(file, "/", "format_version", 1, &version, NULL), COX_OK);
    assert_int_equal(cox_h5_close(file, NULL), COX_OK);
}

static void test_refusals(void **state)
{
    struct cox_regressor *r = trained(), *loaded;
    (void)state;
    refused("nowhere/model.h5", COX_ENOTFOUND, "No such file");
    assert_int_equal(cox_file_replace(path, "no model", 8, NULL), COX_OK);
    refused(path, COX_EIO, "loading the regressor: cannot open");
    head_only("coxswain-cvae", 1);
    refused(path, COX_EFORMAT, "is not a regressor (no format 'coxswain-regressor')");
    head_only("coxswain-regressor", 99);
    refused(path, COX_EUNSUPPORTED, "has version 99 of the format, this program reads up to 1");
    head_only("coxswain-regressor", 1);
    refused(path, COX_EFORMAT, "/options");
    /* a good file, and then one thing of it */
    assert_int_equal(cox_regressor_save(r, path, NULL), COX_OK);
    assert_int_equal(cox_file_read(&whole, &length, path, 1 << 24, NULL), COX_OK);
    const float *weight = r->members[1].params->value, nan = (float)NAN;
    assert_int_equal(patch(&weight[3], &nan, sizeof nan), 1);
    refused(path, COX_EFORMAT, "'/member1/parameters/layer0/weight' holds nan at element 3");
    const double minus = -1, none = (double)NAN;
    assert_int_equal(patch(&r->inputs.width[1], &minus, sizeof minus), 1);
    refused(path, COX_EFORMAT, "the range of input 1 is");
    assert_int_equal(patch(&r->inputs.least[0], &none, sizeof none), 1);
    refused(path, COX_EFORMAT, "the range of input 0 is");
    assert_int_equal(patch("18364758544493064720", "1836475854449306472x", 20), 1);
    refused(path, COX_EFORMAT, "seed is '1836475854449306472x'");
    const double dropout = 0.15, more = 1.5;
    assert_int_equal(patch(&dropout, &more, sizeof more), 1);
    refused(path, COX_EFORMAT, "dropout is 1.5");
    /* cut off anywhere: one message, no crash */
    for (size_t part = 0; part < 20; part++) {
        struct cox_err err = COX_ERR_INIT;
        assert_int_equal(cox_file_replace(path, whole, length * part / 20, NULL), COX_OK);
        assert_true(cox_regressor_load(&loaded, path, NULL, &err) != COX_OK && !loaded);
        assert_non_null(strstr(err.text, path));
    }
    /* bits flipped here and there, more and more: refused, or a model all the same */
    struct cox_rng rng;
    cox_rng_init(&rng, 2, 0);
    for (int i = 0; i < 200; i++) {
        const size_t at = cox_rng_below(&rng, (uint32_t)length);
        whole[at] = (char)(whole[at] ^ (1 << cox_rng_below(&rng, 8)));
        assert_int_equal(cox_file_replace(path, whole, length, NULL), COX_OK);
        if (cox_regressor_load(&loaded, path, NULL, NULL) == COX_OK)
            cox_regressor_destroy(loaded);
    }
    cox_free(whole);
    cox_regressor_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
