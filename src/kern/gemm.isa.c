/* SPDX-License-Identifier: BSD-3-Clause */
/* Matrix products of float32, compiled once per instruction set.
 *
 * The register tile is that of kern/conv.isa.c: up to TILE rows × 2 vectors of the result; per step
 * of k, 2 loads of b and one broadcast of a per row. a is read in place, whichever way it is
 * stored; so is b, unless it is transposed or its last columns do not fill the tile: then a k-chunk
 * of it is packed. Chunks of k keep the panel of b in the second-level cache. */
#include "kern/gemm_kernels.h"
#include "kern/unaligned.h"

#if defined(COX_ISA_avx512)
#define TILE 14
#elif defined(COX_ISA_avx2)
#define TILE 6
#elif defined(COX_ISA_neon)
#define TILE 12
#else
#define TILE 5
#endif
#define BLOCK (2 * COX_LANES)
#define K_CHUNK 256

/* c[ROWS][BLOCK] = a · b + beta c; row_step and k_step walk through a, b's rows are b_step apart.
 */
struct tile {
    const float *a, *b;
    float *c;
    ptrdiff_t row_step, k_step, b_step, c_step;
    int k;
    float beta;
};

COX_VINLINE void put(const struct tile *t, float *c, vf sum)
{
    if (t->beta != 0)
        sum += t->beta * load(c);
    store(c, sum);
}

/* Every third row of a has a pointer of its own: broadcasts from base, base + step, base + 2·step
 * are addresses that x86 can encode. */
#define DEFINE_TILE(ROWS)                                                                    \
    static void tile_##ROWS(const struct tile *t)                                            \
    {                                                                                        \
        enum { BASES = (ROWS + 2) / 3 };                                                     \
        vf s[ROWS][2];                                                                       \
        const float *a[BASES], *b = t->b;                                                    \
        const ptrdiff_t step = t->row_step, k_step = t->k_step, b_step = t->b_step;          \
        _Pragma("GCC unroll 16") for (int r = 0; r < ROWS; r++) s[r][0] = s[r][1] = (vf){0}; \
        _Pragma("GCC unroll 16") for (int i = 0; i < BASES; i++) a[i] = t->a + 3 * i * step; \
        for (int k = 0; k < t->k; k++) {                                                     \
            const vf b0 = load(b), b1 = load(b + COX_LANES);                                 \
            b += b_step;                                                                     \
            _Pragma("GCC unroll 16") for (int r = 0; r < ROWS; r++)                          \
            {                                                                                \
                const vf x = vf_set1(a[r / 3][r % 3 * step]);                                \
                s[r][0] += x * b0;                                                           \
                s[r][1] += x * b1;                                                           \
            }                                                                                \
            _Pragma("GCC unroll 16") for (int i = 0; i < BASES; i++) a[i] += k_step;         \
        }                                                                                    \
        _Pragma("GCC unroll 16") for (int r = 0; r < ROWS; r++)                              \
        {                                                                                    \
            put(t, t->c + r * t->c_step, s[r][0]);                                           \
            put(t, t->c + r * t->c_step + COX_LANES, s[r][1]);                               \
        }                                                                                    \
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

typedef void tile_kernel(const struct tile *t);
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

/* packed[k][BLOCK] = op(b)[first_k + k][col …], zeros beyond `cols`. */
static void pack(const struct cox_gemm *g, int first_k, int n_k, int col, int cols, float *packed)
{
    const ptrdiff_t k_step = g->transpose_b ? 1 : g->ldb, col_step = g->transpose_b ? g->ldb : 1;
    const float *b = g->b + first_k * k_step + col * col_step;
    for (int k = 0; k < n_k; k++) {
        float *p = packed + (ptrdiff_t)k * BLOCK;
        for (int j = 0; j < cols; j++)
            p[j] = b[k * k_step + j * col_step];
        for (int j = cols; j < BLOCK; j++)
            p[j] = 0;
    }
}

/* One panel: all `rows` rows × up to BLOCK columns over one chunk of k. */
static void panel(const struct cox_gemm *g, struct tile t, int row, int rows, int col, int cols,
                  int first_k)
{
    const int n = (rows + TILE - 1) / TILE;
    for (int i = 0; i < n; i++) {
        const int p = (int)((long)rows * i / n), q = (int)((long)rows * (i + 1) / n);
        float *c = g->c + (ptrdiff_t)(row + p) * g->ldc + col;
        t.a = g->a + (row + p) * t.row_step + first_k * t.k_step;
        if (cols == BLOCK) {
            t.c = c;
            t.c_step = g->ldc;
            tiles[q - p](&t);
            continue;
        }
        float part[TILE][BLOCK];
        for (int r = 0; r < q - p; r++)
            memcpy(part[r], c + (ptrdiff_t)r * g->ldc, (size_t)cols * sizeof(float));
        t.c = part[0];
        t.c_step = BLOCK;
        tiles[q - p](&t);
        for (int r = 0; r < q - p; r++)
            memcpy(c + (ptrdiff_t)r * g->ldc, part[r], (size_t)cols * sizeof(float));
    }
}

static void block(const struct cox_gemm *g, int row, int rows, int col, int cols)
{
    float packed[K_CHUNK * BLOCK] __attribute__((aligned(64)));
    struct tile t = {.row_step = g->transpose_a ? 1 : g->lda,
                     .k_step = g->transpose_a ? g->lda : 1};
    for (int k = 0; k < g->k; k += K_CHUNK) {
        t.k = g->k - k < K_CHUNK ? g->k - k : K_CHUNK;
        t.beta = k == 0 ? g->beta : 1;
        for (int j = col; j < col + cols; j += BLOCK) {
            const int left = col + cols - j < BLOCK ? col + cols - j : BLOCK;
            if (g->transpose_b || left < BLOCK) {
                pack(g, k, t.k, j, left, packed);
                t.b = packed;
                t.b_step = BLOCK;
            } else {
                t.b = g->b + (ptrdiff_t)k * g->ldb + j;
                t.b_step = g->ldb;
            }
            panel(g, t, row, rows, j, left, k);
        }
    }
}

extern const struct cox_gemm_kernels COX_ISA_SYMBOL(cox_gemm_kernels);
const struct cox_gemm_kernels COX_ISA_SYMBOL(cox_gemm_kernels) = {COX_ISA_TEXT, BLOCK, block};
