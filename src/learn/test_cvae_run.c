/* SPDX-License-Identifier: BSD-3-Clause */
/* The CVAE's life in a long run: checkpoints, warm starts, stopping, failures. */
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
#include "learn/cvae_net.h"

enum { N = 90, D = 8 };
static uint8_t pixels[N * D * D];
static const struct cox_cvae_maps maps = {COX_CVAE_BYTES, N, pixels, NULL};
static char path[64];

static int setup(void **state)
{
    struct cox_rng rng;
    (void)state;
    cox_rng_init(&rng, 1, 2);
    for (int i = 0; i < N; i++) {
        const int shift = (int)cox_rng_below(&rng, D);
        for (int p = 0; p < D * D; p++)
            pixels[i * D * D + p] =
                (p / D + p % D + shift) % 4 == 0 || cox_rng_below(&rng, 10) == 0;
    }
    snprintf(path, sizeof path, "/tmp/cox-test-cvae-%d.h5", (int)getpid());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static struct cox_cvae_options small_options(void)
{
    struct cox_cvae_options o = COX_CVAE_OPTIONS_INIT;
    o.conv_layers = 2;
    o.filters[0] = 6;
    o.filters[1] = 5;
    o.dense = 12;
    o.latent = 3;
    o.batch = 16;
    o.seed = 0xfedcba9876543210u; /* more bits than a double holds */
    return o;
}

static struct cox_cvae *make(const struct cox_cvae_options *o)
{
    struct cox_cvae *c;
    struct cox_err err = COX_ERR_INIT;
    if (cox_cvae_create(&c, D, o, NULL, &err))
        fail_msg("%s", err.text);
    return c;
}

static void same_model(const struct cox_cvae *a, const struct cox_cvae *b)
{
    const size_t n = (size_t)a->params->floats * sizeof(float);
    assert_memory_equal(a->params->value, b->params->value, n);
    assert_memory_equal(a->params->state[0], b->params->state[0], n);
    assert_memory_equal(a->params->state[1], b->params->state[1], n);
    assert_int_equal(a->optimizer.steps, b->optimizer.steps);
}

static struct cox_cvae_fit_options epochs(int n)
{
    struct cox_cvae_fit_options f = COX_CVAE_FIT_OPTIONS_INIT;
    f.epochs = n;
    return f;
}

/* fit, save, load, fit = fit, fit: to the last bit, for both optimisers. */
static void test_a_loaded_model_goes_on(void **state)
{
    (void)state;
    for (int adam = 0; adam < 2; adam++) {
        struct cox_cvae_options o = small_options();
        const struct cox_cvae_fit_options two = epochs(2);
        struct cox_err err = COX_ERR_INIT;
        struct cox_cvae *b;
        o.optimizer = adam ? COX_CVAE_ADAM : COX_CVAE_RMSPROP;
        o.rho = adam ? 0.999 : 0.9;
        struct cox_cvae *a = make(&o);
        assert_int_equal(cox_cvae_fit(a, &maps, &two, NULL, &err), 0);
        assert_int_equal(cox_cvae_save(a, path, &err), 0);
        if (cox_cvae_load(&b, path, NULL, &err))
            fail_msg("%s", err.text);
        same_model(a, b);
        assert_true(cox_cvae_get_options(b)->seed == o.seed);
        assert_int_equal(cox_cvae_size(b), D);
        assert_int_equal(cox_cvae_latent(b), 3);
        assert_int_equal(cox_cvae_fit(a, &maps, &two, NULL, &err), 0);
        assert_int_equal(cox_cvae_fit(b, &maps, &two, NULL, &err), 0);
        same_model(a, b);
        assert_int_equal(cox_cvae_steps(a), 4 * 5);
        cox_cvae_destroy(a);
        cox_cvae_destroy(b);
    }
}

static void refused(int status, const char *word)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_cvae *c;
    assert_int_equal(cox_cvae_load(&c, path, NULL, &err), status);
    assert_null(c);
    if (!strstr(err.text, word))
        fail_msg("'%s' does not name '%s'", err.text, word);
}

static void test_bad_checkpoints_are_refused(void **state)
{
    struct cox_cvae_options o = small_options();
    struct cox_cvae *c = make(&o);
    struct cox_err err = COX_ERR_INIT;
    struct cox_h5 *file;
    char *bytes;
    size_t length;
    (void)state;
    unlink(path);
    refused(COX_ENOTFOUND, path);
    assert_int_equal(cox_file_replace(path, "not a model", 11, &err), 0);
    struct cox_cvae *none;
    assert_int_not_equal(cox_cvae_load(&none, path, NULL, &err), 0);
    assert_int_equal(cox_h5_create(&file, path, &err), 0);
    assert_int_equal(cox_h5_set_text(file, "/", "format", "something", &err), 0);
    assert_int_equal(cox_h5_close(file, &err), 0);
    refused(COX_EFORMAT, "coxswain-cvae");
    c->params->value[5] = INFINITY;
    assert_int_equal(cox_cvae_save(c, path, &err), 0);
    refused(COX_EFORMAT, "encoder/conv1/weight");
    c->params->value[5] = 0;
    assert_int_equal(cox_cvae_save(c, path, &err), 0);
    assert_int_equal(cox_file_read(&bytes, &length, path, 1 << 24, &err), 0);
    assert_int_equal(cox_file_replace(path, bytes, length / 2, &err), 0);
    assert_int_not_equal(cox_cvae_load(&none, path, NULL, &err), 0);
    cox_free(bytes);
    cox_cvae_destroy(c);
}

struct watcher {
    atomic_int cancel;
    int epochs;
    uint64_t allocations[8];
};

static void count(void *user, const struct cox_cvae_epoch *e)
{
    struct watcher *w = user;
    w->allocations[w->epochs++ % 8] = cox_mem_allocations();
    if (e->epoch == 2)
        atomic_store(&w->cancel, 1);
}

/* From one epoch's end to the next: training and validation steps, no allocation. */
static void test_steps_do_not_allocate(void **state)
{
    struct cox_cvae_options o = small_options();
    struct cox_cvae *c = make(&o);
    struct cox_cvae_fit_options f = epochs(3);
    struct watcher w = {.epochs = 0};
    (void)state;
    f.progress = count;
    f.user = &w;
    f.keep_best = true;
    assert_int_equal(cox_cvae_fit(c, &maps, &f, NULL, NULL), 0);
    assert_int_equal(w.allocations[1], w.allocations[0]);
    assert_int_equal(w.allocations[2], w.allocations[0]);
    static float latent[N * 3];
    const uint64_t before = cox_mem_allocations();
    assert_int_equal(cox_cvae_embed(c, &maps, latent, NULL), 0);
    assert_int_equal(cox_mem_allocations(), before);
    cox_cvae_destroy(c);
}

static void test_cancel(void **state)
{
    struct cox_cvae_options o = small_options();
    struct cox_cvae *a = make(&o), *b = make(&o);
    struct cox_cvae_fit_options f = epochs(50), three = epochs(3);
    struct cox_cvae_result r;
    struct watcher w = {.epochs = 0};
    (void)state;
    f.progress = count;
    f.user = &w;
    f.cancel = &w.cancel;
    assert_int_equal(cox_cvae_fit(a, &maps, &f, &r, NULL), COX_ECANCELLED);
    assert_int_equal(r.epochs, 3);
    assert_int_equal(cox_cvae_fit(b, &maps, &three, NULL, NULL), 0);
    same_model(a, b);
    cox_cvae_destroy(a);
    cox_cvae_destroy(b);
}

/* A learning rate that must blow up: an error, and the model as it was. */
struct juggler {
    struct cox_cvae *cvae;
    struct cox_team *teams[3]; /* the last NULL */
    int calls, stop_at;
};

static int juggle(void *user, struct cox_err *err)
{
    struct juggler *j = user;
    if (j->calls == j->stop_at)
        return cox_err_set(err, COX_ECANCELLED, "enough");
    return cox_cvae_set_team(j->cvae, j->teams[j->calls++ % 3], err);
}

/* A pulse comes before every batch; the team may change there without changing a bit. */
static void test_teams_may_change_during_a_fit(void **state)
{
    struct cox_cvae_options o = small_options();
    struct cox_cvae *plain = make(&o);
    struct juggler j = {.cvae = make(&o), .stop_at = -1};
    struct cox_err err = COX_ERR_INIT;
    struct cox_cvae_fit_options f = epochs(2);
    (void)state;
    assert_int_equal(cox_team_create(&j.teams[0], 3, &err), 0);
    assert_int_equal(cox_team_create(&j.teams[1], 2, &err), 0);
    assert_int_equal(cox_cvae_fit(plain, &maps, &f, NULL, &err), 0);
    f.pulse = juggle;
    f.user = &j;
    assert_int_equal(cox_cvae_fit(j.cvae, &maps, &f, NULL, &err), 0);
    assert_int_equal(j.calls, 2 * 5); /* 72 maps in batches of 16 */
    same_model(plain, j.cvae);
    j.stop_at = 12;
    int64_t before = cox_cvae_steps(j.cvae);
    assert_int_equal(cox_cvae_fit(j.cvae, &maps, &f, NULL, &err), COX_ECANCELLED);
    assert_int_equal(cox_cvae_steps(j.cvae), before + 2);
    cox_cvae_destroy(plain);
    cox_cvae_destroy(j.cvae);
    cox_team_destroy(j.teams[0]);
    cox_team_destroy(j.teams[1]);
}

static void test_divergence_is_an_error(void **state)
{
    struct cox_cvae_options o = small_options();
    struct cox_cvae *a = make(&o), *b = make(&o);
    struct cox_cvae_fit_options f = epochs(60);
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    assert_int_equal(cox_cvae_set_learning_rate(a, 1.0, NULL), 0);
    assert_int_equal(cox_cvae_fit(a, &maps, &f, NULL, &err), COX_EUNSTABLE);
    assert_non_null(strstr(err.text, "diverged"));
    assert_non_null(strstr(err.text, "learning rate 1"));
    same_model(a, b);
    /* weights that are broken from the start show too */
    cox_params_value(b->params, 0)[3] = NAN;
    assert_int_equal(cox_cvae_fit(b, &maps, &f, NULL, &err), COX_EUNSTABLE);
    static float latent[N * 3];
    assert_int_equal(cox_cvae_embed(b, &maps, latent, &err), COX_EUNSTABLE);
    cox_cvae_destroy(a);
    cox_cvae_destroy(b);
}

static void test_patience_and_keep_best(void **state)
{
    struct cox_cvae_options o = small_options();
    struct cox_cvae_epoch history[200];
    struct cox_cvae_fit_options f = epochs(200);
    struct cox_cvae_result r;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    o.learning_rate = 2e-2; /* few maps, fast learning: it soon overfits or bounces */
    struct cox_cvae *c = make(&o);
    f.patience = 4;
    f.keep_best = true;
    f.history = history;
    if (cox_cvae_fit(c, &maps, &f, &r, &err))
        fail_msg("%s", err.text);
    assert_true(r.epochs < 200);
    assert_int_equal(r.epochs - 1 - r.best_epoch, 4);
    assert_true(r.valid_loss == history[r.best_epoch].valid_loss);
    for (int i = 0; i < r.epochs; i++)
        assert_true(history[i].valid_loss >= r.best_loss);
    assert_int_equal(cox_cvae_steps(c), (r.best_epoch + 1) * 5);
    cox_cvae_destroy(c);
}

static void wrong(struct cox_cvae_options o, int size, const char *word)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_cvae *c;
    const int rc = cox_cvae_create(&c, size, &o, NULL, &err);
    assert_true(rc == COX_EINVAL || rc == COX_EUNSUPPORTED);
    assert_null(c);
    if (!strstr(err.text, word))
        fail_msg("'%s' does not name '%s'", err.text, word);
}

#define WRONG(field, value, word)                     \
    do {                                              \
        struct cox_cvae_options o_ = small_options(); \
        o_.field = value;                             \
        wrong(o_, D, word);                           \
    } while (0)

static void test_wrong_options_are_named(void **state)
{
    (void)state;
    wrong(small_options(), 1, "size");
    WRONG(conv_layers, 9, "conv_layers");
    WRONG(filters[1], 0, "filters");
    WRONG(strides[0], 3, "strides");
    WRONG(kernel, 4, "odd");
    WRONG(dense, 0, "dense");
    WRONG(latent, -1, "latent");
    WRONG(batch, 0, "batch");
    WRONG(dropout, 1, "dropout");
    WRONG(learning_rate, 0, "learning_rate");
    WRONG(learning_rate, (double)NAN, "learning_rate");
    WRONG(epsilon, 0, "epsilon");
    WRONG(rho, -0.5, "rho");
    WRONG(isa, "mmx", "mmx");
    struct cox_cvae_options o = small_options();
    struct cox_cvae *c = make(&o);
    struct cox_cvae_maps none = maps;
    struct cox_cvae_fit_options f = epochs(0);
    none.n = 0;
    assert_int_equal(cox_cvae_fit(c, &none, NULL, NULL, NULL), COX_EINVAL);
    assert_int_equal(cox_cvae_fit(c, &maps, &f, NULL, NULL), COX_EINVAL);
    f = epochs(1);
    f.valid_fraction = 1;
    assert_int_equal(cox_cvae_fit(c, &maps, &f, NULL, NULL), COX_EINVAL);
    f.valid_fraction = 0;
    struct cox_cvae_result r;
    assert_int_equal(cox_cvae_fit(c, &maps, &f, &r, NULL), 0);
    assert_true(r.train_maps == N && r.valid_maps == 0 && isnan(r.valid_loss));
    cox_cvae_destroy(c);
}

/* Allocation 1, 2, 3 … fails: an error each time, nothing leaked, and at last it works. */
static void test_out_of_memory(void **state)
{
    struct cox_cvae_options o = small_options();
    const struct cox_cvae_fit_options f = epochs(1);
    const uint64_t in_use = cox_mem_in_use();
    bool done = false;
    (void)state;
    for (uint64_t i = 1; i < 300 && !done; i++) {
        struct cox_cvae *c = NULL;
        cox_mem_fail_at(i);
        int rc = cox_cvae_create(&c, D, &o, NULL, NULL);
        if (rc == COX_OK)
            rc = cox_cvae_fit(c, &maps, &f, NULL, NULL);
        cox_mem_fail_at(0);
        assert_true(rc == COX_OK || rc == COX_ENOMEM);
        done = rc == COX_OK;
        cox_cvae_destroy(c);
        assert_int_equal(cox_mem_in_use(), in_use);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_loaded_model_goes_on),
        cmocka_unit_test(test_bad_checkpoints_are_refused),
        cmocka_unit_test(test_steps_do_not_allocate),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_teams_may_change_during_a_fit),
        cmocka_unit_test(test_divergence_is_an_error),
        cmocka_unit_test(test_patience_and_keep_best),
        cmocka_unit_test(test_wrong_options_are_named),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
