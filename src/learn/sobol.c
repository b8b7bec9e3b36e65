/* SPDX-License-Identifier: BSD-3-Clause */
/* Sobol's sequence and Owen's scrambling of it.
 *
 * Coordinate j of point i is the exclusive-or of the direction numbers v[b] of the bits b that are
 * set in the Gray code of i. v follows from a primitive polynomial over GF(2), of degree s, and s
 * initial odd numbers m by Sobol's recurrence. Coordinate 0 is van der Corput's sequence.
 *
 * The data are lines 2 … 64 of new-joe-kuo-6.21201 (S. Joe and F. Y. Kuo, "Constructing Sobol
 * sequences with better two-dimensional projections", SIAM J. Sci. Comput. 30, 2635 (2008);
 * https://web.maths.unsw.edu.au/~fkuo/sobol, BSD-3-Clause, copyright (c) 2008 Frances Y. Kuo and
 * Stephen Joe). */
#include "learn/sobol.h"

#include <assert.h>

#include "base/rng.h"

#define BITS 32
#define MOST_DEGREE 9

/* The polynomial with all its coefficients, the highest first: 11 = 1011 is x³ + x + 1. */
static const struct {
    uint16_t polynomial, m[MOST_DEGREE];
} table[COX_SOBOL_MAX_D - 1] = {
    {3, {1}},
    {7, {1, 3}},
    {11, {1, 3, 1}},
    {13, {1, 1, 1}},
    {19, {1, 1, 3, 3}},
    {25, {1, 3, 5, 13}},
    {37, {1, 1, 5, 5, 17}},
    {41, {1, 1, 5, 5, 5}},
    {47, {1, 1, 7, 11, 19}},
    {55, {1, 1, 5, 1, 1}},
    {59, {1, 1, 1, 3, 11}},
    {61, {1, 3, 5, 5, 31}},
    {67, {1, 3, 3, 9, 7, 49}},
    {91, {1, 1, 1, 15, 21, 21}},
    {97, {1, 3, 1, 13, 27, 49}},
    {103, {1, 1, 1, 15, 7, 5}},
    {109, {1, 3, 1, 15, 13, 25}},
    {115, {1, 1, 5, 5, 19, 61}},
    {131, {1, 3, 7, 11, 23, 15, 103}},
    {137, {1, 3, 7, 13, 13, 15, 69}},
    {143, {1, 1, 3, 13, 7, 35, 63}},
    {145, {1, 3, 5, 9, 1, 25, 53}},
    {157, {1, 3, 1, 13, 9, 35, 107}},
    {167, {1, 3, 1, 5, 27, 61, 31}},
    {171, {1, 1, 5, 11, 19, 41, 61}},
    {185, {1, 3, 5, 3, 3, 13, 69}},
    {191, {1, 1, 7, 13, 1, 19, 1}},
    {193, {1, 3, 7, 5, 13, 19, 59}},
    {203, {1, 1, 3, 9, 25, 29, 41}},
    {211, {1, 3, 5, 13, 23, 1, 55}},
    {213, {1, 3, 7, 3, 13, 59, 17}},
    {229, {1, 3, 1, 3, 5, 53, 69}},
    {239, {1, 1, 5, 5, 23, 33, 13}},
    {241, {1, 1, 7, 7, 1, 61, 123}},
    {247, {1, 1, 7, 9, 13, 61, 49}},
    {253, {1, 3, 3, 5, 3, 55, 33}},
    {285, {1, 3, 1, 15, 31, 13, 49, 245}},
    {299, {1, 3, 5, 15, 31, 59, 63, 97}},
    {301, {1, 3, 1, 11, 11, 11, 77, 249}},
    {333, {1, 3, 1, 11, 27, 43, 71, 9}},
    {351, {1, 1, 7, 15, 21, 11, 81, 45}},
    {355, {1, 3, 7, 3, 25, 31, 65, 79}},
    {357, {1, 3, 1, 1, 19, 11, 3, 205}},
    {361, {1, 1, 5, 9, 19, 21, 29, 157}},
    {369, {1, 3, 7, 11, 1, 33, 89, 185}},
    {391, {1, 3, 3, 3, 15, 9, 79, 71}},
    {397, {1, 3, 7, 11, 15, 39, 119, 27}},
    {425, {1, 1, 3, 1, 11, 31, 97, 225}},
    {451, {1, 1, 1, 3, 23, 43, 57, 177}},
    {463, {1, 3, 7, 7, 17, 17, 37, 71}},
    {487, {1, 3, 1, 5, 27, 63, 123, 213}},
    {501, {1, 1, 3, 5, 11, 43, 53, 133}},
    {529, {1, 3, 5, 5, 29, 17, 47, 173, 479}},
    {539, {1, 3, 3, 11, 3, 1, 109, 9, 69}},
    {545, {1, 1, 1, 5, 17, 39, 23, 5, 343}},
    {557, {1, 3, 1, 5, 25, 15, 31, 103, 499}},
    {563, {1, 1, 1, 11, 11, 17, 63, 105, 183}},
    {601, {1, 1, 5, 11, 9, 29, 97, 231, 363}},
    {607, {1, 1, 5, 15, 19, 45, 41, 7, 383}},
    {617, {1, 3, 7, 7, 31, 19, 83, 137, 221}},
    {623, {1, 1, 1, 3, 23, 15, 111, 223, 83}},
    {631, {1, 1, 5, 13, 31, 15, 55, 25, 161}},
    {637, {1, 1, 3, 13, 25, 47, 39, 87, 257}},
};

static void directions(int j, uint32_t v[BITS])
{
    if (j == 0) {
        for (int b = 0; b < BITS; b++)
            v[b] = UINT32_C(1) << (BITS - 1 - b);
        return;
    }
    const uint32_t polynomial = table[j - 1].polynomial;
    int s = 0;
    while (polynomial >> (s + 1))
        s++;
    for (int b = 0; b < BITS; b++) {
        if (b < s) {
            v[b] = (uint32_t)table[j - 1].m[b] << (BITS - 1 - b);
            continue;
        }
        v[b] = v[b - s] ^ (v[b - s] >> s);
        for (int k = 1; k < s; k++)
            if (polynomial >> (s - k) & 1)
                v[b] ^= v[b - k];
    }
}

static uint32_t coordinate(uint32_t i, int j)
{
    uint32_t v[BITS], x = 0;
    directions(j, v);
    for (uint32_t gray = i ^ (i >> 1), b = 0; gray; gray >>= 1, b++)
        if (gray & 1)
            x ^= v[b];
    return x;
}

void cox_sobol_point(uint32_t i, int d, double *out)
{
    assert(d >= 1 && d <= COX_SOBOL_MAX_D);
    for (int j = 0; j < d; j++)
        out[j] = coordinate(i, j) * 0x1p-32;
}

/* Bit b is flipped or not by a coin that depends on all bits above it: a random permutation of the
 * halves of every interval of every level. What lies below the 32nd bit is uniform. */
static double scramble(uint32_t x, uint64_t seed)
{
    uint32_t y = 0;
    for (int b = 0; b < BITS; b++) {
        /* a leading 1 tells prefixes of different lengths apart */
        const uint64_t prefix = (UINT64_C(1) << b) | (b ? x >> (BITS - b) : 0);
        const uint32_t coin = (uint32_t)(cox_seed_mix(seed, prefix) & 1);
        y |= ((x >> (BITS - 1 - b) & 1) ^ coin) << (BITS - 1 - b);
    }
    const uint64_t rest = cox_seed_mix(seed, (UINT64_C(1) << BITS) | x) >> (64 - 20);
    return (y + ((double)rest + 0.5) * 0x1p-20) * 0x1p-32;
}

void cox_sobol_point_scrambled(uint32_t i, int d, uint64_t seed, double *out)
{
    assert(d >= 1 && d <= COX_SOBOL_MAX_D);
    for (int j = 0; j < d; j++)
        out[j] = scramble(coordinate(i, j), cox_seed_mix(seed, 0x50b01u + (uint64_t)j));
}
