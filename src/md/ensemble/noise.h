/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the kernels of md/ensemble: normal deviates for every lane from a counter.
 *
 * Threefry-4x32 with 12 rounds (Salmon et al., SC11, table 2: passes BigCrush, "Crush-resistant"
 * from 10 rounds on): additions, rotations and exclusive ors of 32 bits, which every instruction
 * set does in vectors; Philox would need 64-bit products. Key: the lane's seed. Counter: the lane's
 * step, the atom. Box-Muller makes four normals of the four words. */
#ifndef COX_MD_ENSEMBLE_NOISE_H
#define COX_MD_ENSEMBLE_NOISE_H

#include "md/ensemble/kernels.h"

struct noise_key {
    vu seed[2], step[2];
};

INLINE vu rotate(vu a, int bits)
{
    return (a << bits) | (a >> (32 - bits));
}

INLINE void threefry(vu x[4], const struct noise_key *key, uint32_t atom)
{
    static const int turn[8][2] = {{10, 26}, {11, 21}, {13, 27}, {23, 5},
                                   {6, 20},  {17, 11}, {25, 10}, {18, 20}};
    const vu k[5] = {key->seed[0], key->seed[1], vu_set1(0x636f7821), vu_set1(0),
                     key->seed[0] ^ key->seed[1] ^ 0x636f7821u ^ 0x1bd11bdau};
    x[0] = key->step[0] + k[0];
    x[1] = key->step[1] + k[1];
    x[2] = vu_set1(atom) + k[2];
    x[3] = k[3];
#pragma GCC unroll 12
    for (int r = 0; r < 12; r++) {
        const int a = r % 2 ? 3 : 1, b = r % 2 ? 1 : 3;
        x[0] += x[a];
        x[a] = rotate(x[a], turn[r % 8][0]) ^ x[0];
        x[2] += x[b];
        x[b] = rotate(x[b], turn[r % 8][1]) ^ x[2];
        if (r % 4 == 3) {
            const int n = r / 4 + 1;
            for (int i = 0; i < 4; i++)
                x[i] += k[(i + n) % 5];
            x[3] += (uint32_t)n;
        }
    }
}

/* ln of a > 0, 1e-7 relative to 1. */
INLINE vf noise_log(vf a)
{
    const vi bits = (vi)a - 0x3f3504f3; /* √½ */
    const vf e = vi_float(bits >> 23);
    const vf m = (vf)((bits & 0x007fffff) + 0x3f3504f3);
    const vf s = (m - 1.0f) * vf_rcp(m + 1.0f), s2 = s * s;
    vf q = vf_fma(s2, vf_set1(0.28498786688f), vf_set1(0.40000972152f));
    q = vf_fma(s2, q, vf_set1(0.66666662693f));
    return vf_fma(e, vf_set1(0.693147181f), vf_fma(s * s2, q, 2.0f * s));
}

/* √(-2 ln u) (cos, sin)(2π w) with u in (0, 1] of 31 bits, w in [-½, ½). Half angles: sin and cos
 * of π w in [-π/2, π/2) by series, then the double. */
INLINE void box_muller(vu a, vu b, vf *first, vf *second)
{
    const vf u = (vi_float((vi)(a >> 1)) + 0.5f) * 0x1p-31f;
    const vf w = vi_float((vi)b) * 0x1p-32f, w2 = w * w;
    const vf l = vf_max(-2.0f * noise_log(u), vf_set1(1e-20f));
    const vf radius = l * vf_rsqrt(l);
    vf s = vf_fma(w2, vf_set1(0.07756017f), vf_set1(-0.59824203f));
    s = vf_fma(w2, s, vf_set1(2.55006971f));
    s = vf_fma(w2, s, vf_set1(-5.16770968f));
    s = w * vf_fma(w2, s, vf_set1(3.14159264f));
    vf c = vf_fma(w2, vf_set1(-0.02439667f), vf_set1(0.23493753f));
    c = vf_fma(w2, c, vf_set1(-1.33521205f));
    c = vf_fma(w2, c, vf_set1(4.05870916f));
    c = vf_fma(w2, c, vf_set1(-4.93480214f));
    c = vf_fma(w2, c, vf_set1(1));
    const vf twice = 2.0f * radius * s;
    *first = vf_fnma(twice, s, radius);
    *second = twice * c;
}

#endif
