/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kern/gemm.h"
#include "kern/gemm_kernels.h"
#include "kern/isa.h"

#define DECLARE(isa) extern const struct cox_gemm_kernels cox_gemm_kernels_##isa;
COX_ISA_LIST(DECLARE)
#define ENTRY(isa) &cox_gemm_kernels_##isa,
static const struct cox_gemm_kernels *const tables[] = {COX_ISA_LIST(ENTRY)};

static float *noise(size_t n, uint64_t seed)
{
    struct cox_rng rng;
    float *p = cox_alloc(n, sizeof(float));
    assert_non_null(p);
    cox_rng_init(&rng, seed, n);
    for (size_t i = 0; i < n; i++)
        p[i] = (float)(cox_rng_uniform(&rng) - 0.5);
    return p;
}

/* A product with rows longer than needed, filled with noise. */
static struct cox_gemm product(int m, int n, int k, int transposed, float beta)
{
    struct cox_gemm g = {.transpose_a = transposed & 1,
                         .transpose_b = transposed >> 1,
                         .m = m,
                         .n = n,
                         .k = k,
                         .beta = beta};
    g.lda = (g.transpose_a ? m : k) + 3;
    g.ldb = (g.transpose_b ? k : n) + 1;
    g.ldc = n + 2;
    /* exactly as long as the last row needs: a read beyond is seen by the address sanitizer */
    g.a = noise(
        (size_t)((g.transpose_a ? k : m) - 1) * (size_t)g.lda + (size_t)(g.transpose_a ? m : k), 1);
    g.b = noise(
        (size_t)((g.transpose_b ? n : k) - 1) * (size_t)g.ldb + (size_t)(g.transpose_b ? k : n), 2);
    g.c = noise((size_t)m * (size_t)g.ldc, 3);
    return g;
}

static void release(struct cox_gemm *g)
{
    cox_free((void *)g->a);
    cox_free((void *)g->b);
    cox_free(g->c);
}

static const int sizes[][3] = {{1, 1, 1},   {14, 32, 5},   {15, 33, 257}, {64, 128, 300},
                               {3, 10, 64}, {29, 70, 513}, {100, 7, 31},  {2, 200, 9}};

static void test_every_isa_matches_reference(void **state)
{
    (void)state;
    for (int isa = 0; isa < cox_isa_count(); isa++) {
        if (!cox_isa_supported(isa)) {
            print_message("skipped: %s does not run here\n", cox_isa_name(isa));
            continue;
        }
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            for (int t = 0; t < 4; t++)
                for (int b = 0; b < 3; b++) {
                    const int m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
                    struct cox_gemm g = product(m, n, k, t, 0.5f * (float)b),
                                    r = product(m, n, k, t, 0.5f * (float)b);
                    if (b == 0) /* beta 0 must not read c */
                        for (int j = 0; j < m; j++)
                            for (int l = 0; l < n; l++)
                                g.c[j * g.ldc + l] = NAN;
                    tables[isa]->block(&g, 0, m, 0, n);
                    cox_gemm_ref(&r);
                    for (int j = 0; j < m * g.ldc; j++)
                        assert_true(fabs((double)g.c[j] - (double)r.c[j]) <
                                    4e-6 * (1 + sqrt(k) / 8));
                    release(&g);
                    release(&r);
                }
    }
}

static double *dnoise(size_t n, uint64_t seed)
{
    float *f = noise(n, seed);
    double *d = cox_alloc(n, sizeof *d);
    assert_non_null(d);
    for (size_t i = 0; i < n; i++)
        d[i] = (double)f[i] * (1 + 1e-9 * (double)i);
    cox_free(f);
    return d;
}

/* The same shapes in double, against a sum in long double. */
static void test_double_precision(void **state)
{
    (void)state;
    for (int isa = 0; isa < cox_isa_count(); isa++)
        for (size_t i = 0; cox_isa_supported(isa) && i < sizeof sizes / sizeof sizes[0]; i++)
            for (int t = 0; t < 4; t++) {
                const int m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
                const bool ta = t & 1, tb = t >> 1;
                const double beta = t == 3 ? 0.5 : 0;
                struct cox_dgemm g = {.transpose_a = ta,
                                      .transpose_b = tb,
                                      .m = m,
                                      .n = n,
                                      .k = k,
                                      .lda = ta ? m : k,
                                      .ldb = tb ? k : n,
                                      .ldc = n + 1,
                                      .beta = beta};
                double *a = dnoise((size_t)m * (size_t)k, 1), *b = dnoise((size_t)k * (size_t)n, 2);
                double *c = dnoise((size_t)m * (size_t)(n + 1), 3);
                double *before = dnoise((size_t)m * (size_t)(n + 1), 3);
                g.a = a;
                g.b = b;
                g.c = c;
                tables[isa]->block_f64(&g, 0, m, 0, n);
                for (int row = 0; row < m; row++)
                    for (int col = 0; col <= n; col++) {
                        long double sum = (long double)(beta * before[row * (n + 1) + col]);
                        for (int j = 0; j < k && col < n; j++)
                            sum += (long double)a[ta ? j * m + row : row * k + j] *
                                   (long double)b[tb ? col * k + j : j * n + col];
                        if (col == n) /* beyond the row: untouched */
                            sum = (long double)before[row * (n + 1) + col];
                        assert_true(fabs(c[row * (n + 1) + col] - (double)sum) < 1e-14 * (8 + k));
                    }
                cox_free(a);
                cox_free(b);
                cox_free(c);
                cox_free(before);
            }
}

/* A wrong sum must be seen: the same comparison against a product with one more term. */
static void test_comparison_can_fail(void **state)
{
    (void)state;
    struct cox_gemm g = product(5, 6, 7, 0, 0), r = product(5, 6, 7, 0, 0);
    r.k = 6;
    cox_gemm(NULL, &g);
    cox_gemm_ref(&r);
    double worst = 0;
    for (int j = 0; j < 30; j++)
        worst = fmax(worst,
                     fabs((double)g.c[j / 6 * g.ldc + j % 6] - (double)r.c[j / 6 * r.ldc + j % 6]));
    assert_true(worst > 1e-3);
    release(&g);
    release(&r);
}

static void test_threads_do_not_matter(void **state)
{
    struct cox_team *team;
    (void)state;
    assert_int_equal(cox_team_create(&team, 3, NULL), 0);
    for (int wide = 0; wide < 2; wide++) {
        const int m = wide ? 64 : 1500, n = wide ? 1500 : 128;
        struct cox_gemm g = product(m, n, 300, 0, 0), h = product(m, n, 300, 0, 0);
        cox_gemm(NULL, &g);
        cox_gemm(team, &h);
        for (int j = 0; j < m; j++)
            assert_memory_equal(g.c + j * g.ldc, h.c + j * h.ldc, (size_t)n * sizeof(float));
        release(&g);
        release(&h);
    }
    cox_team_destroy(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_isa_matches_reference),
        cmocka_unit_test(test_double_precision),
        cmocka_unit_test(test_comparison_can_fail),
        cmocka_unit_test(test_threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
