/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/rmsd.h"

#include "molecule/test_systems.h"

#define N 40

static void random_points(float (*x)[3], int n, uint64_t seed)
{
    struct cox_rng rng;
    cox_rng_init(&rng, seed, 0);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            x[i][k] = (float)cox_rng_normal(&rng);
}

static void to_double(double (*out)[3], const float (*x)[3], int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            out[i][k] = (double)x[i][k];
}

static void test_moved_copy_is_zero(void **state)
{
    (void)state;
    float a[N][3];
    float b[N][3];
    for (uint64_t seed = 1; seed < 50; seed++) {
        random_points(a, N, seed);
        memcpy(b, a, sizeof a);
        move_frame(b, N, seed);
        assert_true(cox_rmsd_f32(N, NULL, a, b) < 1e-6);
        assert_true(cox_rmsd_f32(N, NULL, a, a) < 1e-7);
        assert_true(cox_drms(N, NULL, a, b) < 1e-6);
        assert_true(cox_rmsd_unfitted_f32(N, NULL, a, b) > 0.1);
    }
}

/* RMSD does not depend on how either frame lies, is symmetric, and is no larger than unfitted. */
static void test_invariances(void **state)
{
    (void)state;
    float a[N][3];
    float b[N][3];
    for (uint64_t seed = 1; seed < 20; seed++) {
        random_points(a, N, seed);
        random_points(b, N, seed + 1000);
        double before = cox_rmsd_f32(N, NULL, a, b);
        double distances = cox_drms(N, NULL, a, b);
        assert_float_equal(before, cox_rmsd_f32(N, NULL, b, a), 1e-9);
        assert_true(before <= cox_rmsd_unfitted_f32(N, NULL, a, b) + 1e-9);
        move_frame(a, N, seed);
        move_frame(b, N, seed + 7);
        assert_float_equal(before, cox_rmsd_f32(N, NULL, a, b), 2e-6);
        assert_float_equal(distances, cox_drms(N, NULL, a, b), 2e-6);
    }
}

/* No rotation near the found one is better: the gradient over small turns vanishes. */
static void test_is_optimal(void **state)
{
    (void)state;
    float a[N][3];
    float b[N][3];
    double target[N][3];
    random_points(a, N, 3);
    random_points(b, N, 4);
    to_double(target, b, N);
    struct cox_superposition s;
    cox_superpose(&s, N, NULL, a, target);
    float moved[N][3];
    memcpy(moved, a, sizeof a);
    cox_superposition_apply(&s, N, moved);
    double best = cox_rmsd_unfitted(N, NULL, moved, target);
    assert_float_equal(best, s.rmsd, 1e-6);
    assert_float_equal(cox_rmsd(N, NULL, a, target), s.rmsd, 1e-12);
    for (int axis = 0; axis < 3; axis++)
        for (int sign = -1; sign <= 1; sign += 2) {
            float turned[N][3];
            float c = cosf(0.05F);
            float d = (float)sign * sinf(0.05F);
            int p = (axis + 1) % 3;
            int q = (axis + 2) % 3;
            for (int i = 0; i < N; i++) {
                turned[i][axis] = moved[i][axis];
                turned[i][p] = (float)s.to[p] + c * (moved[i][p] - (float)s.to[p]) -
                               d * (moved[i][q] - (float)s.to[q]);
                turned[i][q] = (float)s.to[q] + d * (moved[i][p] - (float)s.to[p]) +
                               c * (moved[i][q] - (float)s.to[q]);
            }
            assert_true(cox_rmsd_unfitted(N, NULL, turned, target) > best);
        }
}

static void test_no_reflection(void **state)
{
    (void)state;
    float a[N][3];
    float mirrored[N][3];
    double target[N][3];
    random_points(a, N, 11);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 3; k++)
            mirrored[i][k] = k ? a[i][k] : -a[i][k];
    to_double(target, mirrored, N);
    struct cox_superposition s;
    cox_superpose(&s, N, NULL, a, target);
    double(*r)[3] = s.rotation;
    double det = r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1]) -
                 r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0]) +
                 r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
    assert_float_equal(det, 1, 1e-12);
    assert_true(s.rmsd > 0.2);
    assert_true(cox_drms(N, NULL, a, mirrored) < 1e-6);
}

/* Collinear, coinciding, one and two points, no points. */
static void test_degenerate(void **state)
{
    (void)state;
    float line[5][3] = {{0, 0, 0}, {1, 0, 0}, {2, 0, 0}, {3, 0, 0}, {4, 0, 0}};
    float turned[5][3] = {{0, 0, 0}, {0, 1, 0}, {0, 2, 0}, {0, 3, 0}, {0, 4, 0}};
    float same[5][3] = {{1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}};
    float flat[5][3] = {{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {1, 1, 0}, {3, 1, 0}};
    float flipped[5][3] = {{0, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {-1, 1, 0}, {-3, 1, 0}};
    assert_true(cox_rmsd_f32(5, NULL, line, turned) < 1e-7);
    assert_true(cox_rmsd_f32(5, NULL, same, same) < 1e-7);
    assert_float_equal(cox_rmsd_f32(5, NULL, same, line), sqrt(2), 1e-9);
    assert_true(cox_rmsd_f32(5, NULL, flat, flipped) < 1e-7); /* a plane may be turned over */
    assert_true(cox_rmsd_f32(1, NULL, line, same) < 1e-7);
    assert_float_equal(cox_rmsd_f32(2, NULL, line, turned), 0, 1e-7);
    assert_true(cox_rmsd_f32(0, NULL, line, turned) == 0);
    assert_true(cox_drms(1, NULL, line, turned) == 0);
}

static void test_index_and_pairs(void **state)
{
    (void)state;
    float a[N][3];
    float b[N][3];
    float first[5][3];
    float second[5][3];
    static const int index[5] = {3, 4, 17, 20, 39};
    float pa[N * (N - 1) / 2];
    float pb[N * (N - 1) / 2];
    random_points(a, N, 21);
    random_points(b, N, 22);
    for (int i = 0; i < 5; i++) {
        memcpy(first[i], a[index[i]], sizeof first[i]);
        memcpy(second[i], b[index[i]], sizeof second[i]);
    }
    double target[5][3];
    double wide_a[N][3];
    double wide_b[N][3];
    to_double(target, second, 5);
    to_double(wide_a, a, N);
    to_double(wide_b, b, N);
    double want = cox_rmsd_f32(5, NULL, first, second);
    assert_float_equal(cox_rmsd_f32(5, index, a, b), want, 0);
    assert_float_equal(cox_rmsd(5, index, a, target), want, 1e-12);
    assert_float_equal(cox_rmsd_f64(5, index, wide_a, wide_b), want, 1e-12);
    assert_int_equal(cox_pair_count(N), N * (N - 1) / 2);
    cox_pair_distances(N, NULL, a, pa);
    cox_pair_distances(N, NULL, b, pb);
    assert_float_equal(cox_pair_rms(cox_pair_count(N), pa, pb), cox_drms(N, NULL, a, b), 1e-6);
    cox_pair_distances(5, index, a, pa);
    cox_pair_distances(5, index, b, pb);
    assert_float_equal(cox_pair_rms(10, pa, pb), cox_drms(5, index, a, b), 1e-6);
}

static void test_no_allocation(void **state)
{
    (void)state;
    float a[N][3];
    float b[N][3];
    random_points(a, N, 31);
    random_points(b, N, 32);
    uint64_t before = cox_mem_allocations();
    (void)cox_rmsd_f32(N, NULL, a, b);
    (void)cox_drms(N, NULL, a, b);
    assert_int_equal(cox_mem_allocations(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moved_copy_is_zero), cmocka_unit_test(test_invariances),
        cmocka_unit_test(test_is_optimal),         cmocka_unit_test(test_no_reflection),
        cmocka_unit_test(test_degenerate),         cmocka_unit_test(test_index_and_pairs),
        cmocka_unit_test(test_no_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
