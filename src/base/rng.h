/* SPDX-License-Identifier: BSD-3-Clause */
/* Random numbers: Philox4x32-10 (Salmon et al., SC11), counter-based, so that a stream is a pure
 * function of (seed, stream, position): the same seed gives the same run, whatever the threads do.
 */
#ifndef COX_BASE_RNG_H
#define COX_BASE_RNG_H

#include <stdint.h>

struct cox_rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    int left; /* unused words in block */
    int has_spare;
    double spare; /* second normal of a Box-Muller pair */
};

/* Different (seed, stream) pairs give independent sequences. */
void cox_rng_init(struct cox_rng *rng, uint64_t seed, uint64_t stream);
uint32_t cox_rng_u32(struct cox_rng *rng);
uint64_t cox_rng_u64(struct cox_rng *rng);
/* [0, 1), 53 bits. */
double cox_rng_uniform(struct cox_rng *rng);
/* Standard normal. */
double cox_rng_normal(struct cox_rng *rng);
/* 0 … n-1, unbiased; n >= 1. */
uint32_t cox_rng_below(struct cox_rng *rng, uint32_t n);
/* Fisher-Yates. */
void cox_rng_shuffle(struct cox_rng *rng, int *items, int n);
/* One Philox block: out = philox(counter, key). For kernels' references. */
void cox_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* Mixes numbers into one seed (splitmix64 finaliser): derive a child's seed from its parent's. */
uint64_t cox_seed_mix(uint64_t seed, uint64_t salt);

#endif
