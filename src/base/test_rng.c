/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

/* Known answers of Random123's kat_vectors, philox4x32 with 10 rounds. */
static void philox_gives_the_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        cox_philox4x32(cases[i].counter, cases[i].key, out);
        assert_memory_equal(out, cases[i].out, sizeof out);
    }
}

static void streams_are_reproducible_and_differ(void **state)
{
    (void)state;
    struct cox_rng a;
    struct cox_rng b;
    struct cox_rng c;
    struct cox_rng d;
    cox_rng_init(&a, 42, 7);
    cox_rng_init(&b, 42, 7);
    cox_rng_init(&c, 42, 8);
    cox_rng_init(&d, 43, 7);
    int same_stream = 0;
    int same_seed = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t x = cox_rng_u32(&a);
        assert_int_equal(x, cox_rng_u32(&b));
        same_stream += x == cox_rng_u32(&c);
        same_seed += x == cox_rng_u32(&d);
    }
    assert_true(same_stream < 3 && same_seed < 3);
}

static void uniform_is_uniform(void **state)
{
    (void)state;
    struct cox_rng rng;
    cox_rng_init(&rng, 1, 0);
    enum { N = 200000, BINS = 20 };
    int bins[BINS] = {0};
    for (int i = 0; i < N; i++) {
        double x = cox_rng_uniform(&rng);
        assert_true(x >= 0 && x < 1);
        bins[(int)(x * BINS)]++;
    }
    double chi2 = 0;
    for (int i = 0; i < BINS; i++)
        chi2 += pow(bins[i] - N / BINS, 2) / (N / BINS);
    assert_true(chi2 < 43.8); /* 0.1 % of 19 degrees of freedom; the seed is fixed */
}

static void normal_has_the_moments(void **state)
{
    (void)state;
    struct cox_rng rng;
    cox_rng_init(&rng, 2, 0);
    enum { N = 200000 };
    double sum[4] = {0};
    for (int i = 0; i < N; i++) {
        double x = cox_rng_normal(&rng);
        assert_true(isfinite(x));
        for (int k = 0; k < 4; k++)
            sum[k] += pow(x, k + 1);
    }
    /* standard errors are √(1, 2, 15, 96)/√N: five of them */
    assert_true(fabs(sum[0] / N) < 5 * 1.0 / sqrt(N));
    assert_true(fabs(sum[1] / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(sum[2] / N) < 5 * sqrt(15.0 / N));
    assert_true(fabs(sum[3] / N - 3) < 5 * sqrt(96.0 / N));
}

static void below_is_unbiased(void **state)
{
    (void)state;
    struct cox_rng rng;
    cox_rng_init(&rng, 3, 0);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint32_t x = cox_rng_below(&rng, 7);
        assert_true(x < 7);
        counts[x]++;
    }
    for (int i = 0; i < 7; i++)
        assert_true(abs(counts[i] - 10000) < 5 * 93);
    for (int i = 0; i < 10; i++)
        assert_int_equal(cox_rng_below(&rng, 1), 0);
    /* just above half the range, a plain modulus would be biased two to one */
    int low = 0;
    for (int i = 0; i < 20000; i++)
        low += cox_rng_below(&rng, 0xC0000000u) < 0x40000000u;
    assert_true(abs(low - 6667) < 5 * 67);
}

static void shuffles_are_permutations(void **state)
{
    (void)state;
    struct cox_rng rng;
    cox_rng_init(&rng, 4, 0);
    int first[5] = {0};
    for (int round = 0; round < 10000; round++) {
        int items[5] = {0, 1, 2, 3, 4};
        int seen = 0;
        cox_rng_shuffle(&rng, items, 5);
        for (int i = 0; i < 5; i++)
            seen |= 1 << items[i];
        assert_int_equal(seen, 31);
        first[items[0]]++;
    }
    for (int i = 0; i < 5; i++)
        assert_true(abs(first[i] - 2000) < 5 * 40);
    cox_rng_shuffle(&rng, first, 0);
    cox_rng_shuffle(&rng, first, 1);
}

static void seeds_mix(void **state)
{
    (void)state;
    /* neighbours in, about half the bits differ */
    for (uint64_t i = 0; i < 200; i++) {
        int bits = __builtin_popcountll(cox_seed_mix(5, i) ^ cox_seed_mix(5, i + 1));
        assert_true(bits > 10 && bits < 54);
        assert_true(cox_seed_mix(i, 0) != cox_seed_mix(i + 1, 0));
    }
    assert_true(cox_seed_mix(0, 0) == 0xE220A8397B1DCDAFu); /* splitmix64's first of seed 0 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(streams_are_reproducible_and_differ),
        cmocka_unit_test(uniform_is_uniform),
        cmocka_unit_test(normal_has_the_moments),
        cmocka_unit_test(below_is_unbiased),
        cmocka_unit_test(shuffles_are_permutations),
        cmocka_unit_test(seeds_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
