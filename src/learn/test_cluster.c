/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbours, DBSCAN, LOF, k-means, PCA and the diversity helpers against plain loops written here;
 * tests/sklearn holds them to scikit-learn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kern/isa.h"
#include "learn/dbscan.h"
#include "learn/distance.h"
#include "learn/diverse.h"
#include "learn/kmeans.h"
#include "learn/lof.h"
#include "learn/neighbours.h"
#include "learn/pca.h"

#define N 900
#define D 6

static float points[N * D];
static struct cox_err err;

/* Three blobs of unlike width and some scatter. */
static void fill(uint64_t seed)
{
    struct cox_rng rng;
    cox_rng_init(&rng, seed, 0);
    for (int i = 0; i < N; i++) {
        const int blob = i % 10 < 4 ? 0 : i % 10 < 7 ? 1 : i % 10 < 9 ? 2 : 3;
        const double width = blob == 3 ? 5 : 0.3 * (blob + 1);
        for (int c = 0; c < D; c++)
            points[i * D + c] =
                (float)(4.0 * (blob % 3) * (c == blob) + width * cox_rng_normal(&rng));
    }
}

static double apart(int i, int j)
{
    double sum = 0;
    for (int c = 0; c < D; c++) {
        const double t = (double)points[i * D + c] - (double)points[j * D + c];
        sum += t * t;
    }
    return sqrt(sum);
}

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void test_neighbours(void **state)
{
    (void)state;
    const int sizes[] = {2, 63, 64, 65, 129, N}, many = 6;
    for (int s = 0; s < many; s++) {
        const int n = sizes[s], k = n - 1 < 11 ? n - 1 : 11;
        struct cox_neighbours *index;
        float *distance = cox_alloc((size_t)(n * k), sizeof *distance);
        int *id = cox_alloc((size_t)(n * k), sizeof *id);
        assert_int_equal(cox_neighbours_create(&index, points, n, D, &err), COX_OK);
        assert_int_equal(cox_neighbours_knn(index, k, distance, id, NULL, &err), COX_OK);
        for (int i = 0; i < n; i++) {
            float all[N];
            int m = 0;
            for (int j = 0; j < n; j++)
                if (j != i)
                    all[m++] = (float)apart(i, j);
            qsort(all, (size_t)m, sizeof *all, compare_floats);
            for (int j = 0; j < k; j++) {
                assert_true(fabsf(distance[i * k + j] - all[j]) < 1e-5f * (1 + all[j]));
                assert_true(id[i * k + j] != i);
                assert_true(fabs(apart(i, id[i * k + j]) - (double)all[j]) < 1e-5 * (1 + all[j]));
            }
        }
        assert_int_equal(cox_neighbours_knn(index, n, distance, id, NULL, &err), COX_EINVAL);
        cox_neighbours_destroy(index);
        cox_free(distance);
        cox_free(id);
    }
}

static void test_refuses_nan(void **state)
{
    (void)state;
    float some[8] = {0, 1, 2, 3, 4, NAN, 6, 7};
    struct cox_neighbours *index;
    assert_int_equal(cox_neighbours_create(&index, some, 4, 2, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "coordinate 1 of point 2"));
    struct cox_kmeans_result r;
    struct cox_kmeans_options o = COX_KMEANS_OPTIONS_INIT;
    float centres[8];
    o.k = 2;
    assert_int_equal(cox_kmeans(&r, centres, NULL, some, 4, 2, &o, NULL, &err), COX_EINVAL);
    struct cox_pca pca;
    assert_int_equal(cox_pca_fit(&pca, some, 4, 2, 1, &err), COX_EINVAL);
}

/* The definition, by brute force. */
static void plain_dbscan(int *label, int n, double eps, int least)
{
    int core[N], next = 0, queue[N];
    for (int i = 0; i < n; i++) {
        int near = 0;
        for (int j = 0; j < n; j++)
            near += apart(i, j) <= eps;
        core[i] = near >= least;
        label[i] = -1;
    }
    for (int i = 0; i < n; i++) {
        if (!core[i] || label[i] >= 0)
            continue;
        int head = 0, tail = 0;
        label[queue[tail++] = i] = next;
        while (head < tail) {
            const int at = queue[head++];
            for (int j = 0; j < n && core[at]; j++)
                if (label[j] < 0 && apart(at, j) <= eps)
                    label[queue[tail++] = j] = next;
        }
        next++;
    }
}

static void test_dbscan_is_the_definition(void **state)
{
    (void)state;
    const double eps[] = {0.4, 0.9, 1.6, 3};
    for (int e = 0; e < 4; e++)
        for (int least = 1; least < 30; least += 9) {
            struct cox_dbscan_options o = {.min_samples = least, .eps = eps[e]};
            struct cox_dbscan_result r;
            int label[N], expected[N];
            assert_int_equal(cox_dbscan(&r, label, NULL, points, N, D, &o, NULL, &err), COX_OK);
            plain_dbscan(expected, N, eps[e], least);
            assert_memory_equal(label, expected, sizeof label);
            assert_true(r.reached);
        }
}

static void test_dbscan_searches_eps(void **state)
{
    (void)state;
    const int wanted[][2] = {{0, 0}, {1, 1}, {7, 9}, {50, 60}, {333, 333}, {N, N}};
    for (int w = 0; w < 6; w++) {
        struct cox_dbscan_options o = {10, 0, wanted[w][0], wanted[w][1]};
        struct cox_dbscan_result r;
        int label[N], count = 0;
        float outlierness[N];
        assert_int_equal(cox_dbscan(&r, label, outlierness, points, N, D, &o, NULL, &err), COX_OK);
        for (int i = 0; i < N; i++) {
            count += label[i] < 0;
            assert_true((label[i] < 0) == ((double)outlierness[i] > r.eps));
        }
        assert_int_equal(count, r.outliers);
        assert_true(r.reached && count >= wanted[w][0] && count <= wanted[w][1]);
    }
}

static void test_dbscan_says_when_it_cannot(void **state)
{
    (void)state;
    float same[40] = {0}, few[6] = {0, 0, 1, 1, 5, 5};
    int label[20];
    float outlierness[20];
    struct cox_dbscan_options o = {10, 0, 5, 8};
    struct cox_dbscan_result r;
    assert_int_equal(cox_dbscan(&r, label, outlierness, same, 20, 2, &o, NULL, &err), COX_OK);
    assert_false(r.reached);
    assert_int_equal(r.outliers, 0);
    assert_int_equal(r.clusters, 1);
    assert_int_equal(cox_dbscan(&r, label, outlierness, few, 3, 2, &o, NULL, &err), COX_OK);
    assert_false(r.reached);
    assert_int_equal(r.outliers, 3);
    assert_true(isinf(outlierness[0]));
    o.min_samples = 0;
    assert_int_equal(cox_dbscan(&r, label, NULL, few, 3, 2, &o, NULL, &err), COX_EINVAL);
    o = (struct cox_dbscan_options){10, 0, 8, 5};
    assert_int_equal(cox_dbscan(&r, label, NULL, few, 3, 2, &o, NULL, &err), COX_EINVAL);
}

static void test_lof(void **state)
{
    (void)state;
    const int k = 20;
    static double near[N][N], kth[N], density[N];
    float score[N];
    int order[N], distinct;
    for (int i = 0; i < N; i++) {
        float all[N];
        for (int j = 0; j < N; j++)
            all[j] = (float)(near[i][j] = apart(i, j));
        qsort(all, N, sizeof *all, compare_floats);
        kth[i] = (double)all[k];
    }
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int j = 0; j < N; j++)
            if (j != i && near[i][j] <= kth[i] * (1 + 1e-6))
                sum += fmax(near[i][j], kth[j]);
        density[i] = k / sum;
    }
    assert_int_equal(cox_lof(score, order, &distinct, points, N, D, k, NULL, &err), COX_OK);
    assert_int_equal(distinct, N);
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int j = 0; j < N; j++)
            if (j != i && near[i][j] <= kth[i] * (1 + 1e-6))
                sum += density[j];
        assert_true(fabs((double)score[i] - sum / k / density[i]) < 1e-4);
        assert_true(i == 0 || score[order[i - 1]] >= score[order[i]]);
    }
    assert_true(order[0] % 10 == 9); /* one of the scattered points */
}

static void test_lof_of_duplicates(void **state)
{
    (void)state;
    float some[60 * 2], score[60];
    int distinct;
    for (int i = 0; i < 60; i++) {
        some[2 * i] = i < 50 ? 0.0f : (float)i;
        some[2 * i + 1] = i % 2 ? 0.0f : -0.0f;
    }
    assert_int_equal(cox_lof(score, NULL, &distinct, some, 60, 2, 20, NULL, &err), COX_OK);
    assert_int_equal(distinct, 11);
    for (int i = 0; i < 60; i++)
        assert_true(isfinite(score[i]) && (i >= 50 || score[i] == score[0]));
    assert_int_equal(cox_lof(score, NULL, &distinct, some, 50, 2, 20, NULL, &err), COX_OK);
    assert_int_equal(distinct, 1);
    assert_true(score[0] == 1 && score[49] == 1);
}

static void test_kmeans(void **state)
{
    (void)state;
    struct cox_kmeans_options o = COX_KMEANS_OPTIONS_INIT;
    struct cox_kmeans_result r;
    float centres[25 * D];
    int label[N], again[N];
    o.k = 25;
    assert_int_equal(cox_kmeans(&r, centres, label, points, N, D, &o, NULL, &err), COX_OK);
    assert_int_equal(r.k, 25);
    double inertia = 0;
    for (int i = 0; i < N; i++) {
        double best = INFINITY, own = 0;
        for (int j = 0; j < 25; j++) {
            double sum = 0;
            for (int c = 0; c < D; c++)
                sum += pow((double)points[i * D + c] - (double)centres[j * D + c], 2);
            best = sum < best ? sum : best;
            own = j == label[i] ? sum : own;
        }
        assert_true(own <= best * (1 + 1e-5) + 1e-9);
        inertia += best;
    }
    assert_true(fabs(inertia / r.inertia - 1) < 1e-5);
    double predicted;
    assert_int_equal(cox_kmeans_predict(again, &predicted, centres, 25, points, N, D, NULL, &err),
                     COX_OK);
    assert_memory_equal(label, again, sizeof label);
    assert_true(fabs(predicted / r.inertia - 1) < 1e-12);
}

static void test_kmeans_edges(void **state)
{
    (void)state;
    struct cox_kmeans_options o = COX_KMEANS_OPTIONS_INIT;
    struct cox_kmeans_result r;
    float some[10] = {0, 0, 0, 5, 5, 5, 9, 9, 9, 9}, centres[10];
    int label[10];
    assert_int_equal(cox_kmeans(&r, centres, label, some, 10, 1, &o, NULL, &err), COX_OK);
    assert_int_equal(r.k, 3); /* no more distinct points */
    assert_true(r.inertia == 0);
    /* Two centres start where nothing is: they must not stay empty. */
    const float far[3] = {4, 100, 200};
    o.k = 3;
    o.initial = far;
    assert_int_equal(cox_kmeans(&r, centres, label, some, 10, 1, &o, NULL, &err), COX_OK);
    assert_true(r.inertia == 0);
    o.k = 0;
    assert_int_equal(cox_kmeans(&r, centres, label, some, 10, 1, &o, NULL, &err), COX_EINVAL);
}

static void test_pca(void **state)
{
    (void)state;
    struct cox_pca pca;
    float out[N * 2];
    assert_int_equal(cox_pca_fit(&pca, points, N, D, D, &err), COX_OK);
    double total = 0;
    for (int a = 0; a < D; a++) {
        total += pca.variance[a];
        assert_true(a == 0 || pca.variance[a] <= pca.variance[a - 1]);
        for (int b = 0; b < D; b++) {
            double dot = 0;
            for (int c = 0; c < D; c++)
                dot += pca.component[a * D + c] * pca.component[b * D + c];
            assert_true(fabs(dot - (a == b)) < 1e-12);
        }
    }
    assert_true(fabs(total / pca.total - 1) < 1e-12);
    assert_true(fabs(cox_pca_explained(&pca, D) - 1) < 1e-12);
    cox_pca_deinit(&pca);
    assert_int_equal(cox_pca_fit(&pca, points, N, D, 2, &err), COX_OK);
    cox_pca_project(&pca, out, points, N);
    for (int k = 0; k < 2; k++) { /* the projection has the variance that the component claims */
        double mean = 0, square = 0;
        for (int i = 0; i < N; i++)
            mean += (double)out[i * 2 + k] / N;
        for (int i = 0; i < N; i++)
            square += pow((double)out[i * 2 + k] - mean, 2) / (N - 1);
        assert_true(fabs(mean) < 1e-5 && fabs(square / pca.variance[k] - 1) < 1e-5);
    }
    cox_pca_deinit(&pca);
    assert_int_equal(cox_pca_fit(&pca, points, 1, D, 2, &err), COX_EINVAL);
}

static void test_diverse(void **state)
{
    (void)state;
    const float line[] = {0, 0.1f, 1, 1.05f, 2, 5, 5};
    const int ranked[] = {3, 2, 1, 0, 4, 5, 6};
    int chosen[7], kept;
    cox_diverse_walk(chosen, &kept, 7, ranked, 7, line, 1, 0.5);
    const int expected[] = {3, 1, 4, 5};
    assert_int_equal(kept, 4);
    assert_memory_equal(chosen, expected, sizeof expected);
    float distance[7];
    assert_int_equal(cox_diverse_farthest(chosen, &kept, distance, 7, 2, line, 7, 1, &err), COX_OK);
    assert_int_equal(kept, 6); /* the two at 5 count once */
    assert_int_equal(chosen[1], 5);
    assert_true(isinf(distance[0]) && distance[1] == 4);
    for (int i = 2; i < kept; i++)
        assert_true(distance[i] <= distance[i - 1]);
}

/* The same answer with one and with three threads. */
static void test_threads(void **state)
{
    (void)state;
    struct cox_team *team;
    assert_int_equal(cox_team_create(&team, 3, &err), COX_OK);
    struct cox_dbscan_options o = {10, 0, 40, 60};
    struct cox_kmeans_options ko = COX_KMEANS_OPTIONS_INIT;
    ko.k = 20;
    struct cox_team *teams[] = {NULL, team};
    static int label[2][N], cluster[2][N];
    static float score[2][N], centres[2][20 * D];
    for (int t = 0; t < 2; t++) {
        struct cox_dbscan_result r;
        struct cox_kmeans_result kr;
        assert_int_equal(cox_dbscan(&r, label[t], NULL, points, N, D, &o, teams[t], &err), COX_OK);
        assert_int_equal(cox_lof(score[t], NULL, NULL, points, N, D, 20, teams[t], &err), COX_OK);
        assert_int_equal(cox_kmeans(&kr, centres[t], cluster[t], points, N, D, &ko, teams[t], &err),
                         COX_OK);
    }
    assert_memory_equal(label[0], label[1], sizeof label[0]);
    assert_memory_equal(score[0], score[1], sizeof score[0]);
    assert_memory_equal(centres[0], centres[1], sizeof centres[0]);
    assert_memory_equal(cluster[0], cluster[1], sizeof cluster[0]);
    cox_team_destroy(team);
}

static void test_kernels_of_every_isa(void **state)
{
    (void)state;
    for (int isa = 0; isa < cox_isa_count(); isa++) {
        if (!cox_isa_supported(isa))
            continue;
        const struct cox_distance_kernels *k;
        assert_int_equal(cox_distance_select(&k, cox_isa_name(isa), &err), COX_OK);
        for (int d = 1; d <= D; d++) {
            float leaf[64 * D] __attribute__((aligned(64))), out[64] __attribute__((aligned(64)));
            float centres[32 * D], d2[N];
            int label[N];
            for (int i = 0; i < 64; i++)
                for (int c = 0; c < d; c++) {
                    leaf[c * 64 + i] = points[i * d + c];
                    if (i < 32)
                        centres[i / 16 * d * 16 + c * 16 + i % 16] = points[i * d + c];
                }
            const float least = k->leaf(out, leaf, points + 100 * d, d);
            k->nearest(label, d2, points, N / 2, d, centres, 2);
            float expected_least = INFINITY;
            for (int i = 0; i < 64; i++) {
                double sum = 0;
                for (int c = 0; c < d; c++)
                    sum += pow((double)points[i * d + c] - (double)points[100 * d + c], 2);
                assert_true(fabs((double)out[i] - sum) <= 1e-6 * sum);
                expected_least = fminf(expected_least, out[i]);
            }
            assert_true(least == expected_least);
            for (int i = 0; i < N / 2; i++) {
                double best = INFINITY;
                for (int j = 0; j < 32; j++) {
                    double sum = 0;
                    for (int c = 0; c < d; c++)
                        sum += pow((double)points[i * d + c] - (double)points[j * d + c], 2);
                    best = fmin(best, sum);
                }
                assert_true(fabs((double)d2[i] - best) <= 1e-6 * best);
                assert_true(i >= 32 || (label[i] == i && d2[i] == 0));
            }
        }
    }
}

static int everything(void)
{
    struct cox_dbscan_options o = {5, 0, 10, 20};
    struct cox_kmeans_options ko = COX_KMEANS_OPTIONS_INIT;
    ko.k = 5;
    ko.starts = 1;
    struct cox_dbscan_result r;
    struct cox_kmeans_result kr;
    struct cox_pca pca;
    static int label[N];
    static float score[N], centres[5 * D];
    int rc = cox_dbscan(&r, label, NULL, points, 200, D, &o, NULL, &err);
    if (!rc)
        rc = cox_lof(score, NULL, NULL, points, 200, D, 5, NULL, &err);
    if (!rc)
        rc = cox_kmeans(&kr, centres, label, points, 200, D, &ko, NULL, &err);
    if (!rc)
        rc = cox_pca_fit(&pca, points, 200, D, 2, &err);
    if (!rc)
        cox_pca_deinit(&pca);
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    assert_int_equal(everything(), COX_OK);
    const uint64_t before = cox_mem_in_use();
    int failures = 0;
    for (uint64_t n = 1; n < 200; n++) {
        cox_mem_fail_at(n);
        const int rc = everything();
        cox_mem_fail_at(0);
        assert_int_equal(cox_mem_in_use(), before);
        if (rc == COX_OK)
            break;
        assert_int_equal(rc, COX_ENOMEM);
        failures++;
    }
    assert_true(failures > 30 && failures < 190);
}

int main(void)
{
    fill(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_refuses_nan),
        cmocka_unit_test(test_dbscan_is_the_definition),
        cmocka_unit_test(test_dbscan_searches_eps),
        cmocka_unit_test(test_dbscan_says_when_it_cannot),
        cmocka_unit_test(test_lof),
        cmocka_unit_test(test_lof_of_duplicates),
        cmocka_unit_test(test_kmeans),
        cmocka_unit_test(test_kmeans_edges),
        cmocka_unit_test(test_pca),
        cmocka_unit_test(test_diverse),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_kernels_of_every_isa),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
