/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/rng.h"

#include <math.h>

void cox_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint64_t cox_seed_mix(uint64_t seed, uint64_t salt)
{
    uint64_t z = seed + 0x9E3779B97F4A7C15u * (salt + 1);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void cox_rng_init(struct cox_rng *rng, uint64_t seed, uint64_t stream)
{
    *rng = (struct cox_rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                            .counter = {0, 0, (uint32_t)stream, (uint32_t)(stream >> 32)}};
}

uint32_t cox_rng_u32(struct cox_rng *rng)
{
    if (!rng->left) {
        cox_philox4x32(rng->counter, rng->key, rng->block);
        if (!++rng->counter[0])
            rng->counter[1]++;
        rng->left = 4;
    }
    return rng->block[4 - rng->left--];
}

uint64_t cox_rng_u64(struct cox_rng *rng)
{
    uint64_t high = cox_rng_u32(rng);
    return high << 32 | cox_rng_u32(rng);
}

double cox_rng_uniform(struct cox_rng *rng)
{
    return (double)(cox_rng_u64(rng) >> 11) * 0x1p-53;
}

double cox_rng_normal(struct cox_rng *rng)
{
    if (rng->has_spare) {
        rng->has_spare = 0;
        return rng->spare;
    }
    double radius = sqrt(-2.0 * log(1.0 - cox_rng_uniform(rng)));
    double angle = 2.0 * M_PI * cox_rng_uniform(rng);
    rng->spare = radius * sin(angle);
    rng->has_spare = 1;
    return radius * cos(angle);
}

uint32_t cox_rng_below(struct cox_rng *rng, uint32_t n)
{
    uint32_t limit = -n % n; /* 2^32 mod n */
    for (;;) {
        uint64_t product = (uint64_t)cox_rng_u32(rng) * n;
        if ((uint32_t)product >= limit)
            return (uint32_t)(product >> 32);
    }
}

void cox_rng_shuffle(struct cox_rng *rng, int *items, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int j = (int)cox_rng_below(rng, (uint32_t)i + 1);
        int swap = items[i];
        items[i] = items[j];
        items[j] = swap;
    }
}
