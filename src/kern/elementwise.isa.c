/* SPDX-License-Identifier: BSD-3-Clause */
/* Element-wise kernels, compiled once per instruction set. */
#include "kern/elementwise.h"
#include "kern/unaligned.h"

#include <math.h>

/* e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2; degree-6 minimax polynomial for e^r (Cephes
 * expf), ln 2 in two parts (Cody and Waite). A NaN is passed on. */
COX_VINLINE vf exp_vec(vf given)
{
    vf x = vf_select(vf_lt(vf_set1(87.0f), given), vf_set1(87.0f), given);
    x = vf_select(vf_lt(x, vf_set1(-87.0f)), vf_set1(-87.0f), x);
    const vf magic = vf_set1(12582912.0f); /* 1.5·2^23: adding it rounds to an integer */
    const vf shifted = x * 1.44269504088896341f + magic;
    const vf n = shifted - magic;
    vf r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vf p = vf_set1(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const vi exponent = ((vi)shifted - (vi)magic) << 23;
    return vf_select(vf_le(given, given), (vf)((vi)p + exponent), given);
}

/* ln(1 + e) for 0 <= e <= 1: 2 artanh(s), s = e / (2 + e) <= 1/3; the series to s^15 leaves 1e-9.
 */
COX_VINLINE vf log1p_vec(vf e)
{
    const vf s = e / (2.0f + e), q = s * s;
    vf p = vf_set1(1.0f / 15);
    p = p * q + 1.0f / 13;
    p = p * q + 1.0f / 11;
    p = p * q + 1.0f / 9;
    p = p * q + 1.0f / 7;
    p = p * q + 1.0f / 5;
    p = p * q + 1.0f / 3;
    p = p * q + 1.0f;
    return 2.0f * s * p;
}

/* With e = e^-|x|: 1 / (1 + e) for x >= 0, e / (1 + e) below, no cancellation. */
COX_VINLINE vf sigmoid_vec(vf x, vf e)
{
    return vf_select(vf_le((vf){0}, x), vf_set1(1.0f), e) / (1.0f + e);
}

/* With e = e^-2|x|: (1 − e) / (1 + e) and the sign of x; what cancels near 0 is below 1e-7. */
COX_VINLINE vf tanh_vec(vf x)
{
    const vf e = exp_vec(-2.0f * vf_abs(x)), t = (1.0f - e) / (1.0f + e);
    return vf_select(vf_lt(x, (vf){0}), -t, t);
}

/* `expr` maps vf a to a vf; whole vectors, then the tail. */
#define MAP(n, x, y, expr)                             \
    do {                                               \
        size_t i = 0;                                  \
        for (; i + COX_LANES <= (n); i += COX_LANES) { \
            const vf a = load((x) + i);                \
            store((y) + i, expr);                      \
        }                                              \
        if (i < (n)) {                                 \
            const vf a = load_part((x) + i, (n)-i);    \
            store_part((y) + i, expr, (n)-i);          \
        }                                              \
    } while (0)

static void exp_all(size_t n, const float *x, float *y)
{
    MAP(n, x, y, exp_vec(a));
}

static void sigmoid(size_t n, const float *x, float *y)
{
    MAP(n, x, y, sigmoid_vec(a, exp_vec(-vf_abs(a))));
}

static void tanh_all(size_t n, const float *x, float *y)
{
    MAP(n, x, y, tanh_vec(a));
}

static void relu(size_t n, const float *x, float *y)
{
    MAP(n, x, y, vf_select(vf_lt(a, (vf){0}), (vf){0}, a));
}

static void relu_backward(size_t n, const float *y, float *dy)
{
    for (size_t i = 0; i < n; i++)
        dy[i] = y[i] > 0 ? dy[i] : 0;
}

static void add_bias(size_t rows, size_t cols, const float *bias, int rectify, float *x)
{
    for (size_t r = 0; r < rows; r++, x += cols) {
        if (rectify)
            for (size_t c = 0; c < cols; c++) {
                const float a = x[c] + bias[c];
                x[c] = a < 0 ? 0 : a;
            }
        else
            for (size_t c = 0; c < cols; c++)
                x[c] += bias[c];
    }
}

static void sum_rows(size_t rows, size_t cols, size_t row_step, const float *x, float *sums)
{
    size_t c = 0;
    for (; c + COX_LANES <= cols; c += COX_LANES) {
        vf a = {0};
        for (size_t r = 0; r < rows; r++)
            a += load(x + r * row_step + c);
        store(sums + c, a);
    }
    for (; c < cols; c++) {
        float a = 0;
        for (size_t r = 0; r < rows; r++)
            a += x[r * row_step + c];
        sums[c] = a;
    }
}

COX_VINLINE vf bce_vec(vf l, vf t, float scale, vf *gradient)
{
    const vf e = exp_vec(-vf_abs(l));
    *gradient = scale * (sigmoid_vec(l, e) - t);
    return vf_keep(vf_lt((vf){0}, l), l) - l * t + log1p_vec(e);
}

static double bce(size_t n, const float *logits, const float *targets, float scale, float *gradient)
{
    double total = 0;
    float part[COX_LANES];
    size_t i = 0;
    vf g, a = {0};
    for (; i + COX_LANES <= n; i += COX_LANES) {
        a += bce_vec(load(logits + i), load(targets + i), scale, &g);
        if (gradient)
            store(gradient + i, g);
    }
    store(part, a);
    for (int k = 0; k < COX_LANES; k++)
        total += (double)part[k];
    if (i < n) {
        store(part,
              bce_vec(load_part(logits + i, n - i), load_part(targets + i, n - i), scale, &g));
        if (gradient)
            store_part(gradient + i, g, n - i);
        for (size_t k = 0; k < n - i; k++)
            total += (double)part[k];
    }
    return total;
}

/* Low and high halves of the 32×32-bit products of every lane with a constant. */
COX_VINLINE void multiply_wide(vu a, uint32_t by, vu *low, vu *high)
{
#if defined(COX_ISA_avx512)
    const __m512i m = _mm512_set1_epi32((int)by), even = _mm512_mul_epu32((__m512i)a, m),
                  odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), m);
    *low = (vu)_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
    *high = (vu)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
#elif defined(COX_ISA_avx2)
    const __m256i m = _mm256_set1_epi32((int)by), even = _mm256_mul_epu32((__m256i)a, m),
                  odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), m);
    *low = (vu)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
    *high = (vu)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
#else
    for (int l = 0; l < COX_LANES; l++) {
        const uint64_t p = (uint64_t)a[l] * by;
        (*low)[l] = (uint32_t)p;
        (*high)[l] = (uint32_t)(p >> 32);
    }
#endif
}

/* Philox4x32-10 (Salmon et al., SC11) of 16 counters: words[w][i] is word w of counter first + i.
 */
#define PHILOX_WIDTH 16

static void philox16(uint64_t key, uint64_t stream, uint64_t first, uint32_t words[4][PHILOX_WIDTH])
{
    for (int i = 0; i < PHILOX_WIDTH; i++) {
        words[0][i] = (uint32_t)(first + (uint64_t)i);
        words[1][i] = (uint32_t)((first + (uint64_t)i) >> 32);
    }
    for (int i = 0; i < PHILOX_WIDTH; i += COX_LANES) {
        vu a, b, c = vu_set1((uint32_t)stream), d = vu_set1((uint32_t)(stream >> 32));
        uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
        memcpy(&a, words[0] + i, sizeof a);
        memcpy(&b, words[1] + i, sizeof b);
        for (int round = 0; round < 10; round++) {
            vu p_low, p_high, q_low, q_high;
            multiply_wide(a, 0xD2511F53u, &p_low, &p_high);
            multiply_wide(c, 0xCD9E8D57u, &q_low, &q_high);
            a = q_high ^ b ^ k0;
            b = q_low;
            c = p_high ^ d ^ k1;
            d = p_low;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        memcpy(words[0] + i, &a, sizeof a);
        memcpy(words[1] + i, &b, sizeof b);
        memcpy(words[2] + i, &c, sizeof c);
        memcpy(words[3] + i, &d, sizeof d);
    }
}

/* Each word serves two elements: its low half the first 64 of a group of 128, its high half the
 * second. */
#define DROPOUT_GROUP (8 * PHILOX_WIDTH)

COX_VINLINE void dropout_group(const uint32_t *words, size_t n, int32_t threshold, float scale,
                               const float *x, float *y)
{
    for (size_t i = 0; i < n && i < DROPOUT_GROUP / 2; i++)
        y[i] = (int32_t)(words[i] & 0xffff) >= threshold ? x[i] * scale : 0;
    for (size_t i = DROPOUT_GROUP / 2; i < n; i++)
        y[i] = (int32_t)(words[i - DROPOUT_GROUP / 2] >> 16) >= threshold ? x[i] * scale : 0;
}

static void dropout(size_t n, float drop, uint64_t key, uint64_t stream, const float *x, float *y)
{
    const int32_t threshold = (int32_t)((double)drop * 65536);
    const float scale = 1.0f / (1.0f - drop);
    uint32_t words[4][PHILOX_WIDTH];
    for (size_t i = 0; i < n; i += DROPOUT_GROUP) {
        philox16(key, stream, i / 8, words);
        if (n - i >= DROPOUT_GROUP)
            dropout_group(words[0], DROPOUT_GROUP, threshold, scale, x + i, y + i);
        else
            dropout_group(words[0], n - i, threshold, scale, x + i, y + i);
    }
}

static void dropout_backward(size_t n, float drop, const float *y, float *dy)
{
    const float scale = 1.0f / (1.0f - drop);
    for (size_t i = 0; i < n; i++)
        dy[i] = y[i] > 0 ? dy[i] * scale : 0;
}

/* y = 0 gives 0 by itself. */
static void sigmoid_backward(size_t n, float drop, const float *y, float *dy)
{
    const float kept = 1.0f - drop;
    for (size_t i = 0; i < n; i++)
        dy[i] *= y[i] * (1.0f - y[i] * kept);
}

static void tanh_backward(size_t n, float drop, const float *y, float *dy)
{
    const float kept = 1.0f - drop, scale = 1.0f / kept, of_zero = drop > 0 ? 0 : 1;
    for (size_t i = 0; i < n; i++) {
        const float s = y[i] * kept, slope = scale * (1.0f - s * s);
        dy[i] *= y[i] != 0 ? slope : of_zero;
    }
}

static void rmsprop(size_t n, const struct cox_rmsprop *o, const float *g, float *v, float *w)
{
    const float rho = o->rho, rest = 1.0f - o->rho, rate = o->rate, epsilon = o->epsilon;
    for (size_t i = 0; i < n; i++) {
        const float u = rho * v[i] + rest * g[i] * g[i];
        v[i] = u;
        w[i] -= rate * g[i] / (sqrtf(u) + epsilon);
    }
}

static void adam(size_t n, const struct cox_adam *o, const float *g, float *m, float *v, float *w)
{
    const float b1 = o->beta1, b2 = o->beta2, r1 = 1.0f - b1, r2 = 1.0f - b2, rate = o->rate,
                correction = o->correction, epsilon = o->epsilon;
    for (size_t i = 0; i < n; i++) {
        const float a = b1 * m[i] + r1 * g[i], u = b2 * v[i] + r2 * g[i] * g[i];
        m[i] = a;
        v[i] = u;
        w[i] -= rate * a / (sqrtf(u) * correction + epsilon);
    }
}

static int finite_all(size_t n, const float *x)
{
    vf a = {0};
    size_t i = 0;
    for (; i + COX_LANES <= n; i += COX_LANES)
        a += load(x + i) * 0.0f; /* 0 unless NaN or infinite */
    if (i < n)
        a += load_part(x + i, n - i) * 0.0f;
    float part[COX_LANES];
    store(part, a);
    for (int k = 0; k < COX_LANES; k++)
        if (part[k] != 0) /* NaN */
            return 0;
    return 1;
}

extern const struct cox_elementwise_kernels COX_ISA_SYMBOL(cox_elementwise_kernels);
const struct cox_elementwise_kernels COX_ISA_SYMBOL(cox_elementwise_kernels) = {
    .isa = COX_ISA_TEXT,
    .exp = exp_all,
    .sigmoid = sigmoid,
    .tanh = tanh_all,
    .relu = relu,
    .relu_backward = relu_backward,
    .add_bias = add_bias,
    .sum_rows = sum_rows,
    .bce = bce,
    .dropout = dropout,
    .dropout_backward = dropout_backward,
    .sigmoid_backward = sigmoid_backward,
    .tanh_backward = tanh_backward,
    .rmsprop = rmsprop,
    .adam = adam,
    .finite = finite_all,
};
