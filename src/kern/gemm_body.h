/* SPDX-License-Identifier: BSD-3-Clause */
/* The matrix product for one type of number: included by gemm.isa.c with REAL, VEC (a vector of
 * WIDTH of them), LOAD, STORE, SET1, GEMM (the struct that describes a product) and OF(name), which
 * tells the two sets of functions apart. No guard: it is read twice. */
#define COLUMNS (2 * WIDTH)

/* c[ROWS][COLUMNS] = a · b + beta c; row_step and k_step walk through a, b's rows are b_step apart.
 */
struct OF(tile) {
    const REAL *a, *b;
    REAL *c;
    ptrdiff_t row_step, k_step, b_step, c_step;
    int k;
    REAL beta;
};

COX_VINLINE void OF(put)(const struct OF(tile) * t, REAL *c, VEC sum)
{
    if (t->beta != 0)
        sum += t->beta * LOAD(c);
    STORE(c, sum);
}

/* Every third row of a has a pointer of its own: broadcasts from base, base + step, base + 2·step
 * are addresses that x86 can encode. */
#define DEFINE_TILE(ROWS)                                                                     \
    static void OF(tile_##ROWS)(const struct OF(tile) * t)                                    \
    {                                                                                         \
        enum { BASES = (ROWS + 2) / 3 };                                                      \
        VEC s[ROWS][2];                                                                       \
        const REAL *a[BASES], *b = t->b;                                                      \
        const ptrdiff_t step = t->row_step, k_step = t->k_step, b_step = t->b_step;           \
        _Pragma("GCC unroll 16") for (int r = 0; r < ROWS; r++) s[r][0] = s[r][1] = (VEC){0}; \
        _Pragma("GCC unroll 16") for (int i = 0; i < BASES; i++) a[i] = t->a + 3 * i * step;  \
        for (int k = 0; k < t->k; k++) {                                                      \
            const VEC b0 = LOAD(b), b1 = LOAD(b + WIDTH);                                     \
            b += b_step;                                                                      \
            _Pragma("GCC unroll 16") for (int r = 0; r < ROWS; r++)                           \
            {                                                                                 \
                const VEC x = SET1(a[r / 3][r % 3 * step]);                                   \
                s[r][0] += x * b0;                                                            \
                s[r][1] += x * b1;                                                            \
            }                                                                                 \
            _Pragma("GCC unroll 16") for (int i = 0; i < BASES; i++) a[i] += k_step;          \
        }                                                                                     \
        _Pragma("GCC unroll 16") for (int r = 0; r < ROWS; r++)                               \
        {                                                                                     \
            OF(put)(t, t->c + r * t->c_step, s[r][0]);                                        \
            OF(put)(t, t->c + r * t->c_step + WIDTH, s[r][1]);                                \
        }                                                                                     \
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

typedef void OF(tile_kernel)(const struct OF(tile) * t);
static OF(tile_kernel) *const OF(tiles)[TILE + 1] = {
    NULL,        OF(tile_1),  OF(tile_2), OF(tile_3),  OF(tile_4),  OF(tile_5),
#if TILE >= 6
    OF(tile_6),
#endif
#if TILE >= 12
    OF(tile_7),  OF(tile_8),  OF(tile_9), OF(tile_10), OF(tile_11), OF(tile_12),
#endif
#if TILE >= 14
    OF(tile_13), OF(tile_14),
#endif
};

/* packed[k][COLUMNS] = op(b)[first_k + k][col …], zeros beyond `cols`. */
static void OF(pack)(const struct GEMM *g, int first_k, int n_k, int col, int cols, REAL *packed)
{
    const ptrdiff_t k_step = g->transpose_b ? 1 : g->ldb, col_step = g->transpose_b ? g->ldb : 1;
    const REAL *b = g->b + first_k * k_step + col * col_step;
    for (int k = 0; k < n_k; k++) {
        REAL *p = packed + (ptrdiff_t)k * COLUMNS;
        for (int j = 0; j < cols; j++)
            p[j] = b[k * k_step + j * col_step];
        for (int j = cols; j < COLUMNS; j++)
            p[j] = 0;
    }
}

/* One panel: all `rows` rows × up to COLUMNS columns over one chunk of k. */
static void OF(panel)(const struct GEMM *g, struct OF(tile) t, int row, int rows, int col, int cols,
                      int first_k)
{
    const int n = (rows + TILE - 1) / TILE;
    for (int i = 0; i < n; i++) {
        const int p = (int)((long)rows * i / n), q = (int)((long)rows * (i + 1) / n);
        REAL *c = g->c + (ptrdiff_t)(row + p) * g->ldc + col;
        t.a = g->a + (row + p) * t.row_step + first_k * t.k_step;
        if (cols == COLUMNS) {
            t.c = c;
            t.c_step = g->ldc;
            OF(tiles)[q - p](&t);
            continue;
        }
        REAL part[TILE][COLUMNS];
        for (int r = 0; r < q - p; r++)
            memcpy(part[r], c + (ptrdiff_t)r * g->ldc, (size_t)cols * sizeof(REAL));
        t.c = part[0];
        t.c_step = COLUMNS;
        OF(tiles)[q - p](&t);
        for (int r = 0; r < q - p; r++)
            memcpy(c + (ptrdiff_t)r * g->ldc, part[r], (size_t)cols * sizeof(REAL));
    }
}

static void OF(block)(const struct GEMM *g, int row, int rows, int col, int cols)
{
    REAL packed[K_CHUNK * COLUMNS] __attribute__((aligned(64)));
    struct OF(tile)
        t = {.row_step = g->transpose_a ? 1 : g->lda, .k_step = g->transpose_a ? g->lda : 1};
    for (int k = 0; k < g->k; k += K_CHUNK) {
        t.k = g->k - k < K_CHUNK ? g->k - k : K_CHUNK;
        t.beta = k == 0 ? g->beta : 1;
        for (int j = col; j < col + cols; j += COLUMNS) {
            const int left = col + cols - j < COLUMNS ? col + cols - j : COLUMNS;
            if (g->transpose_b || left < COLUMNS) {
                OF(pack)(g, k, t.k, j, left, packed);
                t.b = packed;
                t.b_step = COLUMNS;
            } else {
                t.b = g->b + (ptrdiff_t)k * g->ldb + j;
                t.b_step = g->ldb;
            }
            OF(panel)(g, t, row, rows, j, left, k);
        }
    }
}

#undef COLUMNS
