/* SPDX-License-Identifier: BSD-3-Clause */
/* Direct convolution, compiled once per instruction set.
 *
 * 3×3 kernels of stride 1 with enough channels go to kern/winograd.isa.c; all others are direct.
 * Data kernels (forward, backward-data): a tile of TILE pixels × 2 vectors of result channels lives
 * in registers; for every filter tap and contracted channel, 2 weight loads and TILE broadcasts
 * feed 2·TILE fused multiply-adds. Both directions, any stride: a list of taps per result row
 * (where the pixel under the tap is, where its weights are). With a stride, the fine columns of one
 * phase share their taps, so backward-data skips the zeros that a dilated map would have. Weight
 * kernel: 6 (column tap, channel) rows × ROW_VECTORS vectors of dw in registers, pixels streamed;
 * rows are done in chunks that stay in the first-level cache. */
#include "kern/conv.h"
#include "kern/winograd.h"

#if defined(COX_ISA_avx512)
#define TILE 14
#define ROW_VECTORS 4
#elif defined(COX_ISA_avx2)
#define TILE 6
#define ROW_VECTORS 2
#elif defined(COX_ISA_neon)
#define TILE 12
#define ROW_VECTORS 4
#else
#define TILE 5
#define ROW_VECTORS 2
#endif
#define BLOCK (2 * COX_LANES) /* result channels of a packed block */
#define DOT_CHANNELS 2 /* up to so many result channels: dot products over channels instead */
#define DOT_TILE 8     /* pixels of a dot tile */
#define ROW_TILE 6     /* dw rows of a weight tile */
#define CHUNK_BYTES (64 << 10) /* of both maps in a chunk of the weight kernel */

/* One tap of a result row: offsets in floats from the tile's first source pixel and into a block's
 * packed weights. */
struct tap {
    ptrdiff_t source, weights;
};

struct tile {
    const struct tap *taps;
    int n_taps;
    int channels;          /* contracted */
    ptrdiff_t source_step; /* floats between the source pixels of neighbouring result pixels */
    ptrdiff_t result_step;
    int keep; /* result channels to store, 1 … BLOCK */
    const float *bias;
    const float *mask; /* at the tile's first result pixel, or NULL */
    bool relu;
};

/* sums[PIXELS][BLOCK], PIXELS × 2 vectors in registers. Every third source pixel has a pointer of
 * its own, so that the addresses of the broadcasts are base, base + step, base + 2·step: what x86
 * can encode. */
#define DEFINE_TILE(PIXELS)                                                                    \
    static void tile_##PIXELS(const struct tile *t, const float *source, const float *weights, \
                              float *sums)                                                     \
    {                                                                                          \
        enum { BASES = (PIXELS + 2) / 3 };                                                     \
        vf a[PIXELS][2];                                                                       \
        const ptrdiff_t step = t->source_step;                                                 \
        _Pragma("GCC unroll 16") for (int p = 0; p < PIXELS; p++) a[p][0] = a[p][1] = (vf){0}; \
        for (int k = 0; k < t->n_taps; k++) {                                                  \
            const float *w = weights + t->taps[k].weights;                                     \
            const float *x[BASES];                                                             \
            _Pragma("GCC unroll 16") for (int b = 0; b < BASES; b++) x[b] =                    \
                source + t->taps[k].source + 3 * b * step;                                     \
            for (int c = 0; c < t->channels; c++) {                                            \
                const vf w0 = load(w), w1 = load(w + COX_LANES);                               \
                w += BLOCK;                                                                    \
                _Pragma("GCC unroll 16") for (int p = 0; p < PIXELS; p++)                      \
                {                                                                              \
                    const vf s = vf_set1(x[p / 3][p % 3 * step]);                              \
                    a[p][0] += s * w0;                                                         \
                    a[p][1] += s * w1;                                                         \
                }                                                                              \
                _Pragma("GCC unroll 16") for (int b = 0; b < BASES; b++) x[b]++;               \
            }                                                                                  \
        }                                                                                      \
        _Pragma("GCC unroll 16") for (int p = 0; p < PIXELS; p++)                              \
        {                                                                                      \
            vf_store(sums + p * BLOCK, a[p][0]);                                               \
            vf_store(sums + p * BLOCK + COX_LANES, a[p][1]);                                   \
        }                                                                                      \
    }

DEFINE_TILE(1)
DEFINE_TILE(2)
DEFINE_TILE(3)
DEFINE_TILE(4)
DEFINE_TILE(5)
#if TILE >= 6
DEFINE_TILE(6)
#endif
#if TILE >= 12
DEFINE_TILE(7)
DEFINE_TILE(8)
DEFINE_TILE(9)
DEFINE_TILE(10)
DEFINE_TILE(11)
DEFINE_TILE(12)
#endif
#if TILE >= 14
DEFINE_TILE(13)
DEFINE_TILE(14)
#endif

typedef void tile_kernel(const struct tile *t, const float *source, const float *weights,
                         float *sums);
static tile_kernel *const tiles[TILE + 1] = {
    NULL,    tile_1,  tile_2, tile_3,  tile_4,  tile_5,
#if TILE >= 6
    tile_6,
#endif
#if TILE >= 12
    tile_7,  tile_8,  tile_9, tile_10, tile_11, tile_12,
#endif
#if TILE >= 14
    tile_13, tile_14,
#endif
};

static void finish_tile(const struct tile *t, const float *sums, int pixels, float *result)
{
    for (int p = 0; p < pixels; p++) {
        const ptrdiff_t o = p * t->result_step;
        for (int c = 0; c < t->keep; c += COX_LANES)
            finish(vf_load(sums + p * BLOCK + c), t->bias ? t->bias + c : NULL, t->relu,
                   t->mask ? t->mask + o + c : NULL, result + o + c, t->keep - c);
    }
}

/* Up to DOT_TILE pixels of one result channel: dot products over the contracted channels. The
 * packed weights of a result channel are [tap][channel]. */
COX_VINLINE void dot_pixels(const struct tile *t, const float *source, const float *weights,
                            float *result, int pixels)
{
    vf a[DOT_TILE];
    float rest[DOT_TILE] = {0};
    for (int p = 0; p < pixels; p++)
        a[p] = (vf){0};
    const int whole = t->channels / COX_LANES * COX_LANES;
    for (int k = 0; k < t->n_taps; k++) {
        const float *w = weights + t->taps[k].weights, *x = source + t->taps[k].source;
        for (int c = 0; c < whole; c += COX_LANES) {
            const vf wc = load(w + c);
            for (int p = 0; p < pixels; p++)
                a[p] += wc * load(x + p * t->source_step + c);
        }
        for (int c = whole; c < t->channels; c++)
            for (int p = 0; p < pixels; p++)
                rest[p] += w[c] * x[p * t->source_step + c];
    }
    for (int p = 0; p < pixels; p++) {
        float b = vf_sum(a[p]) + rest[p] + (t->bias ? t->bias[0] : 0);
        if (t->relu && b < 0)
            b = 0;
        if (t->mask && !(t->mask[p * t->result_step] > 0))
            b = 0;
        result[p * t->result_step] = b;
    }
}

static void dot_tile(const struct tile *t, const float *source, const float *weights, float *result)
{
    dot_pixels(t, source, weights, result, DOT_TILE);
}

/* A direction: where results, sources and packed weights are. */
struct direction {
    int contracted, result_channels;
    const float *source, *packed;
    float *result;
    const struct cox_conv_epilogue *epilogue;
    size_t block_floats; /* packed weights of a block */
};

/* `pixels` results from `first` (an offset in the result map), all with the same taps. */
static void run_pixels(const struct direction *d, struct tile *t, ptrdiff_t source, ptrdiff_t first,
                       int pixels)
{
    const struct cox_conv_epilogue *e = d->epilogue;
    const bool dot = d->result_channels <= DOT_CHANNELS;
    float sums[TILE * BLOCK] __attribute__((aligned(64)));
    const int widest = dot ? DOT_TILE : TILE, block = dot ? 1 : BLOCK;
    /* even tiles: 15 pixels are 8 + 7, not 14 + 1 */
    const int n = (pixels + widest - 1) / widest;
    for (int c = 0; c < d->result_channels; c += block) {
        const float *weights = d->packed + d->block_floats * (size_t)(c / block);
        t->keep = d->result_channels - c < block ? d->result_channels - c : block;
        t->bias = e && e->bias ? e->bias + c : NULL;
        for (int i = 0; i < n; i++) {
            const int p = (int)((long)pixels * i / n), q = (int)((long)pixels * (i + 1) / n);
            const float *x = d->source + source + p * t->source_step;
            const ptrdiff_t at = first + p * t->result_step + c;
            t->mask = e && e->mask ? e->mask + at : NULL;
            if (!dot) {
                tiles[q - p](t, x, weights, sums);
                finish_tile(t, sums, q - p, d->result + at);
            } else if (q - p == DOT_TILE) {
                dot_tile(t, x, weights, d->result + at);
            } else {
                dot_pixels(t, x, weights, d->result + at, q - p);
            }
        }
    }
}

static void forward(const struct cox_conv_shape *s, const float *packed, const float *fine,
                    float *coarse, const struct cox_conv_epilogue *epilogue)
{
    if (cox_winograd_fits(s->kernel, s->stride, s->fine, s->coarse)) {
        cox_winograd_run(&(struct cox_winograd){s->height, s->width, s->halo, s->fine, s->coarse,
                                                packed, fine, coarse, epilogue});
        return;
    }
    const int k = s->kernel, height = cox_conv_coarse_side(s->height, s->stride),
              width = cox_conv_coarse_side(s->width, s->stride);
    const bool dot = s->coarse <= DOT_CHANNELS;
    const ptrdiff_t tap_floats = (ptrdiff_t)s->fine * (dot ? 1 : BLOCK);
    struct direction d = {
        s->fine, s->coarse, fine, packed, coarse, epilogue, (size_t)(k * k * tap_floats)};
    struct tap taps[COX_CONV_MAX_KERNEL * COX_CONV_MAX_KERNEL];
    const ptrdiff_t row = (ptrdiff_t)(s->width + 2 * s->halo) * s->fine;
    for (int i = 0; i < k * k; i++)
        taps[i] = (struct tap){i / k * row + (ptrdiff_t)(i % k) * s->fine, i * tap_floats};
    struct tile t = {.taps = taps,
                     .n_taps = k * k,
                     .channels = s->fine,
                     .source_step = (ptrdiff_t)s->stride * s->fine,
                     .result_step = s->coarse,
                     .relu = epilogue && epilogue->relu};
    for (int y = 0; y < height; y++) {
        const int top = y * s->stride - k / 2;
        run_pixels(&d, &t,
                   (ptrdiff_t)(top + s->halo) * row + (ptrdiff_t)(s->halo - k / 2) * s->fine,
                   (ptrdiff_t)cox_conv_map_offset(y, 0, width, s->coarse, s->halo), width);
    }
}

/* Taps that touch a fine coordinate `at`: (at + k/2 - tap) must be a multiple of the stride. */
static int phase_taps(int at, int k, int stride, int *tap, int *coarse)
{
    int n = 0;
    for (int i = 0; i < k; i++) {
        const int j = at + k / 2 - i;
        if (j >= 0 ? j % stride == 0 : -j % stride == 0) {
            tap[n] = i;
            coarse[n++] = j / stride;
        }
    }
    return n;
}

static void backward_data(const struct cox_conv_shape *s, const float *packed, const float *coarse,
                          float *fine, const struct cox_conv_epilogue *epilogue)
{
    if (cox_winograd_fits(s->kernel, s->stride, s->coarse, s->fine)) {
        cox_winograd_run(&(struct cox_winograd){s->height, s->width, s->halo, s->coarse, s->fine,
                                                packed, coarse, fine, epilogue});
        return;
    }
    const int k = s->kernel, width = cox_conv_coarse_side(s->width, s->stride);
    const bool dot = s->fine <= DOT_CHANNELS;
    const ptrdiff_t tap_floats = (ptrdiff_t)s->coarse * (dot ? 1 : BLOCK);
    struct direction d = {
        s->coarse, s->fine, coarse, packed, fine, epilogue, (size_t)(k * k * tap_floats)};
    const ptrdiff_t row = (ptrdiff_t)(width + 2 * s->halo) * s->coarse;
    struct tap taps[COX_CONV_MAX_KERNEL * COX_CONV_MAX_KERNEL];
    struct tile t = {.taps = taps,
                     .channels = s->coarse,
                     .source_step = s->coarse,
                     .result_step = (ptrdiff_t)s->stride * s->fine,
                     .relu = epilogue && epilogue->relu};
    for (int y = 0; y < s->height; y++) {
        int ky[COX_CONV_MAX_KERNEL], cy[COX_CONV_MAX_KERNEL], kx[COX_CONV_MAX_KERNEL],
            cx[COX_CONV_MAX_KERNEL];
        const int ny = phase_taps(y, k, s->stride, ky, cy);
        for (int x = 0; x < s->stride && x < s->width; x++) {
            const int nx = phase_taps(x, k, s->stride, kx, cx);
            t.n_taps = 0;
            for (int i = 0; i < ny; i++)
                for (int j = 0; j < nx; j++)
                    taps[t.n_taps++] = (struct tap){(cy[i] + s->halo) * row +
                                                        (ptrdiff_t)(cx[j] + s->halo) * s->coarse,
                                                    (ky[i] * k + kx[j]) * tap_floats};
            run_pixels(&d, &t, 0, (ptrdiff_t)cox_conv_map_offset(y, x, s->width, s->fine, s->halo),
                       (s->width - x + s->stride - 1) / s->stride);
        }
    }
}

static size_t packed_floats(int k, int contracted, int results)
{
    const size_t block = results <= DOT_CHANNELS ? 1 : BLOCK;
    return (size_t)(k * k) * (size_t)contracted * (((size_t)results + block - 1) / block * block) +
           BLOCK;
}

static size_t packed_forward_floats(const struct cox_conv_shape *s)
{
    if (cox_winograd_fits(s->kernel, s->stride, s->fine, s->coarse))
        return cox_winograd_packed_floats(s->fine, s->coarse);
    return packed_floats(s->kernel, s->fine, s->coarse);
}

static size_t packed_backward_floats(const struct cox_conv_shape *s)
{
    if (cox_winograd_fits(s->kernel, s->stride, s->coarse, s->fine))
        return cox_winograd_packed_floats(s->coarse, s->fine);
    return packed_floats(s->kernel, s->coarse, s->fine);
}

/* packed[block of results][tap][contracted][result in block], zero beyond the last result. */
static void pack(int k, int contracted, int results, ptrdiff_t contracted_step,
                 ptrdiff_t result_step, const float *weights, float *packed)
{
    const int block = results <= DOT_CHANNELS ? 1 : BLOCK;
    const ptrdiff_t tap = (ptrdiff_t)contracted * results;
    for (int r = 0; r < results; r += block)
        for (int i = 0; i < k * k; i++)
            for (int c = 0; c < contracted; c++, packed += block) {
                const float *w = weights + i * tap + c * contracted_step + r * result_step;
                for (int b = 0; b < block; b++)
                    packed[b] = r + b < results ? w[b * result_step] : 0;
            }
}

static void pack_forward(const struct cox_conv_shape *s, const float *weights, float *packed)
{
    if (cox_winograd_fits(s->kernel, s->stride, s->fine, s->coarse))
        cox_winograd_pack(s->fine, s->coarse, s->coarse, 1, false, weights, packed);
    else
        pack(s->kernel, s->fine, s->coarse, s->coarse, 1, weights, packed);
}

static void pack_backward(const struct cox_conv_shape *s, const float *weights, float *packed)
{
    if (cox_winograd_fits(s->kernel, s->stride, s->coarse, s->fine))
        cox_winograd_pack(s->coarse, s->fine, 1, s->coarse, true, weights, packed);
    else
        pack(s->kernel, s->coarse, s->fine, 1, s->coarse, weights, packed);
}

/* A tile of dw, sums[ROW_TILE][ROW_VECTORS vectors], over height × width pixels. */
struct weight_tile {
    int height, width;
    ptrdiff_t fine_step, fine_row, coarse_step, coarse_row;
    ptrdiff_t dw_row;
    int keep; /* channels to store */
};

COX_VINLINE void weight_tile(const struct weight_tile *t, const float *fine, const float *coarse,
                             float *sums, int rows, int vectors)
{
    vf a[ROW_TILE][ROW_VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            a[r][v] = (vf){0};
    for (int y = 0; y < t->height; y++) {
        const float *x = fine + y * t->fine_row, *d = coarse + y * t->coarse_row;
        for (int i = 0; i < t->width; i++) {
            vf b[ROW_VECTORS];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                b[v] = load(d + v * COX_LANES);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const vf s = vf_set1(x[r]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    a[r][v] += s * b[v];
            }
            x += t->fine_step;
            d += t->coarse_step;
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            vf_store(sums + (r * ROW_VECTORS + v) * COX_LANES, a[r][v]);
}

static void add_tile(const struct weight_tile *t, const float *sums, int rows, float *dw)
{
    for (int r = 0; r < rows; r++, sums += ROW_VECTORS * COX_LANES, dw += t->dw_row) {
        int c = 0;
        for (; c + COX_LANES <= t->keep; c += COX_LANES)
            store(dw + c, load(dw + c) + vf_load(sums + c));
        for (; c < t->keep; c++)
            dw[c] += sums[c];
    }
}

#define DEFINE_WEIGHT_TILE(ROWS)                                                   \
    static void weight_tile_##ROWS(const struct weight_tile *t, const float *fine, \
                                   const float *coarse, float *sums)               \
    {                                                                              \
        if (t->keep > COX_LANES)                                                   \
            weight_tile(t, fine, coarse, sums, ROWS, ROW_VECTORS);                 \
        else                                                                       \
            weight_tile(t, fine, coarse, sums, ROWS, 1);                           \
    }
DEFINE_WEIGHT_TILE(1)
DEFINE_WEIGHT_TILE(2)
DEFINE_WEIGHT_TILE(3)
DEFINE_WEIGHT_TILE(4)
DEFINE_WEIGHT_TILE(5)
DEFINE_WEIGHT_TILE(6)

typedef void weight_kernel(const struct weight_tile *t, const float *fine, const float *coarse,
                           float *sums);
static weight_kernel *const weight_tiles[ROW_TILE + 1] = {
    NULL, weight_tile_1, weight_tile_2, weight_tile_3, weight_tile_4, weight_tile_5, weight_tile_6};

static void backward_weights(const struct cox_conv_shape *s, const float *fine, const float *coarse,
                             float *dw)
{
    const int k = s->kernel, height = cox_conv_coarse_side(s->height, s->stride),
              width = cox_conv_coarse_side(s->width, s->stride), rows = k * s->fine;
    const ptrdiff_t fine_row = (ptrdiff_t)(s->width + 2 * s->halo) * s->fine,
                    coarse_row = (ptrdiff_t)(width + 2 * s->halo) * s->coarse;
    float sums[ROW_TILE * ROW_VECTORS * COX_LANES] __attribute__((aligned(64)));
    struct weight_tile t = {.width = width,
                            .fine_step = (ptrdiff_t)s->stride * s->fine,
                            .fine_row = s->stride * fine_row,
                            .coarse_step = s->coarse,
                            .coarse_row = coarse_row,
                            .dw_row = s->coarse};
    int chunk =
        (int)((size_t)CHUNK_BYTES / (sizeof(float) * (size_t)(coarse_row + s->stride * fine_row)));
    chunk = chunk < 1 ? 1 : chunk;
    for (int y = 0; y < height; y += chunk) {
        t.height = height - y < chunk ? height - y : chunk;
        const float *d = coarse + cox_conv_map_offset(y, 0, width, s->coarse, s->halo);
        for (int ky = 0; ky < k; ky++) {
            const float *x = fine + (y * s->stride + ky - k / 2 + s->halo) * fine_row +
                             (ptrdiff_t)(s->halo - k / 2) * s->fine;
            for (int c = 0; c < s->coarse; c += ROW_VECTORS * COX_LANES) {
                t.keep = s->coarse - c < ROW_VECTORS * COX_LANES ? s->coarse - c
                                                                 : ROW_VECTORS * COX_LANES;
                for (int r = 0; r < rows; r += ROW_TILE) {
                    const int n = rows - r < ROW_TILE ? rows - r : ROW_TILE;
                    weight_tiles[n](&t, x + r, d + c, sums);
                    add_tile(&t, sums, n, dw + (ptrdiff_t)(ky * rows + r) * s->coarse + c);
                }
            }
        }
    }
}

static void sum_pixels(int height, int width, int channels, int halo, const float *map, float *sums)
{
    const float *first = map + cox_conv_map_offset(0, 0, width, channels, halo);
    const ptrdiff_t row = (ptrdiff_t)(width + 2 * halo) * channels;
    int c = 0;
    for (; c + COX_LANES <= channels; c += COX_LANES) {
        vf a = {0};
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                a += load(first + y * row + (ptrdiff_t)x * channels + c);
        store(sums + c, load(sums + c) + a);
    }
    for (; c < channels; c++) {
        float a = 0;
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                a += first[y * row + (ptrdiff_t)x * channels + c];
        sums[c] += a;
    }
}

extern const struct cox_conv_kernels COX_ISA_SYMBOL(cox_conv_kernels);
const struct cox_conv_kernels COX_ISA_SYMBOL(cox_conv_kernels) = {
    .isa = COX_ISA_TEXT,
    .packed_forward_floats = packed_forward_floats,
    .packed_backward_floats = packed_backward_floats,
    .pack_forward = pack_forward,
    .pack_backward = pack_backward,
    .forward = forward,
    .backward_data = backward_data,
    .backward_weights = backward_weights,
    .sum_pixels = sum_pixels,
};
