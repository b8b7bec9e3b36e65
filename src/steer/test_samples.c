/* SPDX-License-Identifier: BSD-3-Clause */
/* What a trainer keeps of a stream of frames. A frame's "map" is its id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "steer/samples.h"

enum { MOST = 100, MANY = 10000 };

struct kept {
    int64_t n_train, n_valid;
    int64_t train[MOST], valid[MOST]; /* ids */
};

static struct cox_samples *make(int sampling, double held_out)
{
    struct cox_settings_learn s = {
        .max_samples = MOST, .sampling = sampling, .validation_fraction = held_out};
    struct cox_samples *samples;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_samples_create(&samples, &s, sizeof(int64_t), 42, &err), 0);
    return samples;
}

/* Fills in all that is missing; returns how many that were. */
static int fill(struct cox_samples *s)
{
    int64_t ids[7];
    int64_t places[7];
    int64_t n = 7;
    int total = 0;
    while (n) {
        cox_samples_missing(s, 7, ids, places, &n);
        for (int64_t i = 0; i < n; i++) {
            assert_true(i == 0 || ids[i] > ids[i - 1]);
            cox_samples_fill(s, places[i], (const uint8_t *)&ids[i]);
        }
        total += (int)n;
    }
    return total;
}

static struct kept look(const struct cox_samples *s)
{
    struct kept k = {0};
    int64_t rows[2][MOST];
    cox_samples_rows(s, rows[0], &k.n_train, rows[1], &k.n_valid);
    for (int64_t i = 0; i < k.n_train; i++)
        memcpy(&k.train[i], cox_samples_maps(s) + rows[0][i] * 8, 8);
    for (int64_t i = 0; i < k.n_valid; i++)
        memcpy(&k.valid[i], cox_samples_maps(s) + rows[1][i] * 8, 8);
    return k;
}

static void the_newest_are_kept(void **state)
{
    (void)state;
    struct cox_samples *s = make(COX_SAMPLING_NEWEST, 0);
    for (int64_t i = 0; i < 30; i++)
        cox_samples_offer(s, i);
    assert_int_equal(look(s).n_train, 0); /* no map was read yet */
    assert_int_equal(fill(s), 30);
    assert_int_equal(look(s).n_train, 30);
    for (int64_t i = 30; i < MANY; i++)
        cox_samples_offer(s, i);
    assert_int_equal(fill(s), MOST); /* not the thousands in between */
    struct kept k = look(s);
    assert_int_equal(k.n_train, MOST);
    for (int i = 0; i < MOST; i++)
        assert_true(k.train[i] >= MANY - MOST && k.train[i] < MANY);
    cox_samples_destroy(s);
}

/* Reservoirs of many seeds hold old and new frames alike: each tenth of the stream as often. */
static void a_reservoir_is_uniform(void **state)
{
    int count[10] = {0};
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct cox_settings_learn o = {.max_samples = MOST, .sampling = COX_SAMPLING_RESERVOIR};
        struct cox_samples *s;
        struct cox_err err = COX_ERR_INIT;
        assert_int_equal(cox_samples_create(&s, &o, 8, seed, &err), 0);
        for (int64_t i = 0; i < 1000; i++)
            cox_samples_offer(s, i);
        assert_int_equal(fill(s), MOST);
        struct kept k = look(s);
        for (int i = 0; i < MOST; i++)
            count[k.train[i] / 100]++;
        cox_samples_destroy(s);
    }
    for (int i = 0; i < 10; i++) /* 1000 each, standard deviation about 30 */
        assert_in_range(count[i], 850, 1150);
}

/* Mixed: the newest half, and a sample of the rest; frames keep their maps on their way from one
 * part to the other. */
static void half_and_half(void **state)
{
    (void)state;
    struct cox_samples *s = make(COX_SAMPLING_MIXED, 0);
    int read = 0;
    for (int64_t i = 0; i < MANY; i++) {
        cox_samples_offer(s, i);
        if (i % 3 == 0)
            read += fill(s);
    }
    read += fill(s);
    assert_int_equal(read, MANY); /* each frame once: it passes the ring */
    struct kept k = look(s);
    int newest = 0;
    assert_int_equal(k.n_train, MOST);
    for (int i = 0; i < MOST; i++)
        newest += k.train[i] >= MANY - MOST / 2;
    assert_int_equal(newest, MOST / 2);
    /* late, in one go: the same frames, and only they are read */
    struct cox_samples *late = make(COX_SAMPLING_MIXED, 0);
    for (int64_t i = 0; i < MANY; i++)
        cox_samples_offer(late, i);
    assert_int_equal(fill(late), MOST);
    struct kept again = look(late);
    assert_memory_equal(&again, &k, sizeof k);
    cox_samples_destroy(late);
    cox_samples_destroy(s);
}

static void held_out_is_for_ever(void **state)
{
    (void)state;
    bool held[MANY] = {false};
    bool trained[MANY] = {false};
    int64_t valid = 0;
    int64_t all = 0;
    struct cox_samples *s = make(COX_SAMPLING_MIXED, 0.2);
    for (int64_t i = 0; i < MANY; i++) {
        cox_samples_offer(s, i);
        if (i % 50)
            continue;
        fill(s);
        struct kept k = look(s);
        for (int64_t j = 0; j < k.n_train; j++)
            trained[k.train[j]] = true;
        for (int64_t j = 0; j < k.n_valid; j++)
            held[k.valid[j]] = true;
        valid += k.n_valid;
        all += k.n_valid + k.n_train;
    }
    for (int i = 0; i < MANY; i++)
        assert_false(held[i] && trained[i]);
    assert_in_range(1000 * valid / all, 150, 250);
    cox_samples_destroy(s);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    int rc = COX_ENOMEM;
    for (uint64_t n = 1; rc && n < 20; n++) {
        struct cox_settings_learn o = {.max_samples = MOST};
        struct cox_samples *s;
        struct cox_err err = COX_ERR_INIT;
        uint64_t before = cox_mem_in_use();
        cox_mem_fail_at(n);
        rc = cox_samples_create(&s, &o, 8, 1, &err);
        cox_mem_fail_at(0);
        cox_samples_destroy(s);
        assert_int_equal(cox_mem_in_use(), before);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_are_kept), cmocka_unit_test(a_reservoir_is_uniform),
        cmocka_unit_test(half_and_half),       cmocka_unit_test(held_out_is_for_ever),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
