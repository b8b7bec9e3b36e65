/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameter store, the optimisers by hand, checkpoints. */
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
#include "nn/optimizer.h"
#include "nn/params.h"

static struct cox_params *store(void)
{
    struct cox_params *p;
    assert_int_equal(cox_params_create(&p, NULL), 0);
    assert_int_equal(cox_params_add(p, "a/weight", 2, (int64_t[]){3, 5}, 0.5, NULL), 0);
    assert_int_equal(cox_params_add(p, "a/bias", 1, (int64_t[]){5}, 0, NULL), 1);
    assert_int_equal(cox_params_commit(p, NULL), 0);
    cox_params_draw(p, 1);
    return p;
}

static void test_store(void **state)
{
    struct cox_params *p = store(), *q = store();
    struct cox_err err = COX_ERR_INIT;
    double most = 0;
    (void)state;
    assert_int_equal(cox_params_count(p), 20);
    assert_memory_equal(p->value, q->value, (size_t)p->floats * sizeof(float));
    cox_params_draw(q, 2);
    assert_memory_not_equal(p->value, q->value, 15 * sizeof(float));
    for (int i = 0; i < 15; i++)
        most = fmax(most, fabs((double)cox_params_value(p, 0)[i]));
    assert_true(most <= 0.5 && most > 0.2);
    assert_true(cox_params_value(p, 1)[4] == 0);
    assert_int_equal(cox_params_add(p, "empty", 1, (int64_t[]){0}, 0, &err), COX_EINVAL);
    assert_int_equal(cox_params_add(p, "huge", 2, (int64_t[]){1 << 20, 1 << 20}, 0, &err),
                     COX_EINVAL);
    cox_params_destroy(p);
    cox_params_destroy(q);
}

/* First steps by hand. RMSprop: v = 0.1 g², Δ = 1e-3 g / (√v + ε) = 1e-3 √10 sign(g). Adam's first
 * step is the learning rate whatever g is. */
static void test_first_steps(void **state)
{
    const struct cox_elementwise_kernels *k = cox_elementwise_kernels_get(NULL, NULL);
    (void)state;
    for (int adam = 0; adam < 2; adam++) {
        struct cox_params *p = store();
        struct cox_optimizer r = COX_OPTIMIZER_RMSPROP_INIT, a = COX_OPTIMIZER_ADAM_INIT,
                             *o = adam ? &a : &r;
        const float before = p->value[7];
        p->gradient[7] = -3;
        cox_optimizer_step(o, p, k, NULL);
        assert_true(fabs((double)(p->value[7] - before) - (adam ? 1e-3 : 1e-3 * sqrt(10.0))) <
                    1e-6);
        assert_int_equal(o->steps, 1);
        cox_params_destroy(p);
    }
}

/* Both find the minimum of ½ (w − 2)² and step without allocating. */
static void test_minimum_is_found(void **state)
{
    const struct cox_elementwise_kernels *k = cox_elementwise_kernels_get(NULL, NULL);
    (void)state;
    for (int adam = 0; adam < 2; adam++) {
        struct cox_params *p = store();
        struct cox_optimizer r = COX_OPTIMIZER_RMSPROP_INIT, a = COX_OPTIMIZER_ADAM_INIT,
                             *o = adam ? &a : &r;
        o->learning_rate = 1e-2;
        const uint64_t allocations = cox_mem_allocations();
        for (int i = 0; i < 2000; i++) {
            for (int j = 0; j < 15; j++)
                p->gradient[j] = p->value[j] - 2;
            cox_optimizer_step(o, p, k, NULL);
        }
        assert_int_equal(cox_mem_allocations(), allocations);
        for (int j = 0; j < 15; j++)
            assert_true(fabsf(p->value[j] - 2) < 0.05f);
        assert_true(p->value[15] == 0); /* padding */
        cox_params_destroy(p);
    }
}

static void test_checkpoint(void **state)
{
    struct cox_params *p = store(), *q = store();
    struct cox_h5 *file;
    struct cox_err err = COX_ERR_INIT;
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "/tmp/cox-test-params-%d.h5", (int)getpid());
    p->state[0][3] = 0.75f;
    p->state[1][4] = -1;
    assert_int_equal(cox_h5_create(&file, path, &err), 0);
    assert_int_equal(cox_params_save(p, file, "/net", &err), 0);
    assert_int_equal(cox_h5_close(file, &err), 0);
    cox_params_draw(q, 9);
    assert_int_equal(cox_h5_open_read(&file, path, &err), 0);
    assert_int_equal(cox_params_load(q, file, "/net", &err), 0);
    assert_memory_equal(p->value, q->value, (size_t)p->floats * sizeof(float));
    assert_memory_equal(p->state[0], q->state[0], (size_t)p->floats * sizeof(float));
    assert_memory_equal(p->state[1], q->state[1], (size_t)p->floats * sizeof(float));
    assert_int_not_equal(cox_params_load(q, file, "/other", &err), 0);
    cox_h5_abandon(file);
    p->value[2] = NAN;
    assert_int_equal(cox_h5_create(&file, path, &err), 0);
    assert_int_equal(cox_params_save(p, file, "/net", &err), 0);
    assert_int_equal(cox_h5_close(file, &err), 0);
    assert_int_equal(cox_h5_open_read(&file, path, &err), 0);
    assert_int_equal(cox_params_load(q, file, "/net", &err), COX_EFORMAT);
    assert_non_null(strstr(err.text, "a/weight"));
    cox_h5_abandon(file);
    unlink(path);
    cox_params_destroy(p);
    cox_params_destroy(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_first_steps),
        cmocka_unit_test(test_minimum_is_found),
        cmocka_unit_test(test_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
