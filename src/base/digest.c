/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/digest.h"

#include <stdint.h>
#include <string.h>

/* The constants are the fractional parts of square and cube roots of the first primes; computed
 * with integers, so that no table can have a typing error. */
static uint32_t root_fraction(uint32_t prime, int order)
{
    /* Largest x with x^order <= prime * 2^(32 order); its low 32 bits are the fraction. */
    unsigned __int128 low = 0;
    unsigned __int128 high = (unsigned __int128)1 << 37;
    while (high - low > 1) {
        unsigned __int128 middle = (low + high) / 2;
        /* At most 2^111 and 311 * 2^96: both fit. */
        unsigned __int128 power = middle * middle * (order == 3 ? middle : 1);
        if (power <= (unsigned __int128)prime << (32 * order))
            low = middle;
        else
            high = middle;
    }
    return (uint32_t)low;
}

static void constants(uint32_t h[8], uint32_t k[64])
{
    int n = 0;
    for (uint32_t candidate = 2; n < 64; candidate++) {
        int prime = 1;
        for (uint32_t d = 2; d * d <= candidate; d++)
            if (candidate % d == 0)
                prime = 0;
        if (!prime)
            continue;
        if (n < 8)
            h[n] = root_fraction(candidate, 2);
        k[n++] = root_fraction(candidate, 3);
    }
}

static uint32_t rotate(uint32_t x, int n)
{
    return (x >> n) | (x << (32 - n));
}

static void compress(uint32_t h[8], const uint32_t k[64], const unsigned char *block)
{
    uint32_t w[64];
    uint32_t v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + s1 + choice + k[i] + w[i];
        uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + s0 + majority;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

void cox_sha256_hex(const void *bytes, size_t length, char out[65])
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = bytes;
    uint32_t h[8];
    uint32_t k[64];
    unsigned char tail[128] = {0};
    constants(h, k);
    size_t left = length;
    for (; left >= 64; left -= 64, at += 64)
        compress(h, k, at);
    if (left)
        memcpy(tail, at, left);
    tail[left] = 0x80;
    size_t padded = left < 56 ? 64 : 128;
    for (int i = 0; i < 8; i++)
        tail[padded - 1 - (size_t)i] = (unsigned char)((uint64_t)length * 8 >> (8 * i));
    for (size_t i = 0; i < padded; i += 64)
        compress(h, k, tail + i);
    for (int i = 0; i < 64; i++)
        out[i] = digits[h[i / 8] >> (28 - 4 * (i % 8)) & 15];
    out[64] = '\0';
}
