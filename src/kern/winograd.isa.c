/* SPDX-License-Identifier: BSD-3-Clause */
/* Winograd's F(2×2, 3×3) (Lavin and Gray, CVPR 2016, §4.1): for a 4×4 patch d of the source and a
 * filter g, the 2×2 results are Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)] A with
 *   Bᵀ = 1  0 −1  0    G = 1  0  0     Aᵀ = 1 1  1  0
 *        0  1  1  0        ½  ½  ½          0 1 −1 −1
 *        0 −1  1  0        ½ −½  ½
 *        0  1  0 −1        0  0  1
 * Summed over channels, each of the 16 components is a matrix product (patches × contracted) ·
 * (contracted × results). A strip of patches is transformed, multiplied, transformed back and
 * stored before the next, so that its 16 components stay in the second-level cache. */
#include "kern/gemm_kernels.h"
#include "kern/winograd.h"

#define BLOCK (2 * COX_LANES)
/* Patches per strip: full register tiles of kern/gemm.isa.c. */
#if defined(COX_ISA_avx512)
#define STRIP 14
#elif defined(COX_ISA_sse2)
#define STRIP 10
#else
#define STRIP 12
#endif

extern const struct cox_gemm_kernels COX_ISA_SYMBOL(cox_gemm_kernels);

size_t cox_winograd_packed_floats(int contracted, int results)
{
    return 16 * (size_t)contracted * (size_t)((results + BLOCK - 1) / BLOCK * BLOCK) + BLOCK;
}

/* G g Gᵀ of a vector of result channels. */
COX_VINLINE void filter_vector(const float *g, float *u, ptrdiff_t component)
{
    vf t[4][3];
    for (int j = 0; j < 3; j++) {
        const vf a = load(g + j * BLOCK), b = load(g + (3 + j) * BLOCK),
                 c = load(g + (6 + j) * BLOCK);
        t[0][j] = a;
        t[1][j] = 0.5f * (a + b + c);
        t[2][j] = 0.5f * (a - b + c);
        t[3][j] = c;
    }
    for (int i = 0; i < 4; i++) {
        store(u + (4 * i + 0) * component, t[i][0]);
        store(u + (4 * i + 1) * component, 0.5f * (t[i][0] + t[i][1] + t[i][2]));
        store(u + (4 * i + 2) * component, 0.5f * (t[i][0] - t[i][1] + t[i][2]));
        store(u + (4 * i + 3) * component, t[i][2]);
    }
}

/* packed[block][component][contracted][result in block] = G g Gᵀ. */
void cox_winograd_pack(int contracted, int results, ptrdiff_t contracted_step,
                       ptrdiff_t result_step, bool flip, const float *weights, float *packed)
{
    const ptrdiff_t tap = (ptrdiff_t)contracted * results,
                    component = (ptrdiff_t)contracted * BLOCK;
    for (int r = 0; r < results; r += BLOCK, packed += 16 * component) {
        const int keep = results - r < BLOCK ? results - r : BLOCK;
        for (int c = 0; c < contracted; c++) {
            float g[9][BLOCK] = {{0}};
            for (int i = 0; i < 9; i++) {
                const float *w =
                    weights + (flip ? 8 - i : i) * tap + c * contracted_step + r * result_step;
                for (int b = 0; b < keep; b++)
                    g[i][b] = w[b * result_step];
            }
            for (int b = 0; b < BLOCK; b += COX_LANES)
                filter_vector(g[0] + b, packed + (ptrdiff_t)c * BLOCK + b, component);
        }
    }
}

/* Bᵀ d B of one patch, all channels: v[component][STRIP][contracted] at the patch's place. `rows`
 * of the patch lie within the map and its ring, the rest are zeros. */
COX_VINLINE void transform_vector(const float *d, ptrdiff_t row, ptrdiff_t pixel, int rows,
                                  float *v, ptrdiff_t component)
{
    vf x[4][4], t[4][4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            x[i][j] = i < rows ? load(d + i * row + j * pixel) : (vf){0};
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        t[0][j] = x[0][j] - x[2][j];
        t[1][j] = x[1][j] + x[2][j];
        t[2][j] = x[2][j] - x[1][j];
        t[3][j] = x[1][j] - x[3][j];
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        store(v + (4 * i + 0) * component, t[i][0] - t[i][2]);
        store(v + (4 * i + 1) * component, t[i][1] + t[i][2]);
        store(v + (4 * i + 2) * component, t[i][2] - t[i][1]);
        store(v + (4 * i + 3) * component, t[i][1] - t[i][3]);
    }
}

static void transform_patch(const struct cox_winograd *w, int y, int x, float *v,
                            ptrdiff_t component)
{
    const ptrdiff_t row = (ptrdiff_t)(w->width + 2 * w->halo) * w->contracted;
    const float *d =
        w->source + (y - 1 + w->halo) * row + (ptrdiff_t)(x - 1 + w->halo) * w->contracted;
    /* the last row of an odd map's patches is below the ring; a last column would be the next
     * row's ring, which is zero too */
    const int rows = w->height + w->halo - (y - 1);
    /* the last vector may read into the next pixel; rows of v are whole vectors */
    if (rows >= 4)
        for (int c = 0; c < w->contracted; c += COX_LANES)
            transform_vector(d + c, row, w->contracted, 4, v + c, component);
    else
        for (int c = 0; c < w->contracted; c += COX_LANES)
            transform_vector(d + c, row, w->contracted, rows, v + c, component);
}

/* Aᵀ m A of one patch and vector of channels, finished and stored where inside the map. */
COX_VINLINE void result_vector(const struct cox_winograd *w, const float *m, ptrdiff_t component,
                               int y, int x, int channel, int keep)
{
    const struct cox_conv_epilogue *e = w->epilogue;
    vf t[2][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const vf a = load(m + j * component), b = load(m + (4 + j) * component),
                 c = load(m + (8 + j) * component), d = load(m + (12 + j) * component);
        t[0][j] = a + b + c;
        t[1][j] = b - c - d;
    }
    const ptrdiff_t row = (ptrdiff_t)(w->width + 2 * w->halo) * w->results,
                    first = (y + w->halo) * row + (ptrdiff_t)(x + w->halo) * w->results + channel;
    for (int i = 0; i < 2 && y + i < w->height; i++) {
        const vf r[2] = {t[i][0] + t[i][1] + t[i][2], t[i][1] - t[i][2] - t[i][3]};
        for (int j = 0; j < 2 && x + j < w->width; j++) {
            const ptrdiff_t at = first + i * row + (ptrdiff_t)j * w->results;
            finish(r[j], e && e->bias ? e->bias + channel : NULL, e && e->relu,
                   e && e->mask ? e->mask + at : NULL, w->result + at, keep);
        }
    }
}

static void run_strip(const struct cox_winograd *w, int first, int patches, float *v, float *m)
{
    const int across = (w->width + 1) / 2;
    const int v_row = (w->contracted + COX_LANES - 1) / COX_LANES * COX_LANES;
    const ptrdiff_t v_component = (ptrdiff_t)STRIP * v_row, m_component = STRIP * BLOCK;
    for (int p = 0; p < patches; p++)
        transform_patch(w, (first + p) / across * 2, (first + p) % across * 2,
                        v + (ptrdiff_t)p * v_row, v_component);
    for (int r = 0; r < w->results; r += BLOCK) {
        const float *u = w->packed + (ptrdiff_t)r * 16 * w->contracted;
        for (int k = 0; k < 16; k++) {
            const struct cox_gemm g = {.m = patches,
                                       .n = BLOCK,
                                       .k = w->contracted,
                                       .a = v + k * v_component,
                                       .lda = v_row,
                                       .b = u + (ptrdiff_t)k * w->contracted * BLOCK,
                                       .ldb = BLOCK,
                                       .c = m + k * m_component,
                                       .ldc = BLOCK};
            COX_ISA_SYMBOL(cox_gemm_kernels).block(&g, 0, patches, 0, BLOCK);
        }
        for (int p = 0; p < patches; p++)
            for (int c = 0; c < BLOCK && r + c < w->results; c += COX_LANES)
                result_vector(w, m + p * BLOCK + c, m_component, (first + p) / across * 2,
                              (first + p) % across * 2, r + c, w->results - r - c);
    }
}

void cox_winograd_run(const struct cox_winograd *w)
{
    float v[16 * STRIP * COX_WINOGRAD_MOST] __attribute__((aligned(64)));
    float m[16 * STRIP * BLOCK] __attribute__((aligned(64)));
    const int patches = (w->height + 1) / 2 * ((w->width + 1) / 2),
              strips = (patches + STRIP - 1) / STRIP;
    for (int i = 0; i < strips; i++) {
        const int p = (int)((long)patches * i / strips),
                  q = (int)((long)patches * (i + 1) / strips);
        run_strip(w, p, q - p, v, m);
    }
}
