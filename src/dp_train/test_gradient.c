/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/test_gradient_models.h"

#include "base/mem.h"

struct answer {
    double *gradient;
    size_t n;
    struct cox_dp_losses losses;
};

static void compute(struct answer *a, struct cox_dp_gradient *g, const double *p,
                    const struct test_frames *t, const struct test_case *c)
{
    struct cox_err err = COX_ERR_INIT;
    for (size_t i = 0; i < a->n; i++)
        a->gradient[i] = 1e300; /* every one must be set */
    if (cox_dp_gradient_compute(g, a->gradient, &a->losses, p, t->frame, c->frames, &c->prefactors,
                                &err))
        fail_msg("%s: %s", c->name, err.text);
}

/* The largest difference, of the largest gradient. */
static double difference(const struct answer *a, const struct answer *b)
{
    double worst = 0, largest = 0;
    for (size_t i = 0; i < a->n; i++) {
        worst = fmax(worst, fabs(a->gradient[i] - b->gradient[i]));
        largest = fmax(largest, fabs(b->gradient[i]));
        if (!isfinite(a->gradient[i]))
            return (double)INFINITY;
    }
    return worst / largest;
}

static bool near(double got, double wanted, double tolerance)
{
    return fabs(got - wanted) <= tolerance * fabs(wanted) || got == wanted;
}

/* Double: the series that stand for the embedding nets are within 2e-14 of their largest value,
 * their slopes within a hundred times that: 2e-12 of the largest gradient. Float: its rounding is
 * 6e-8, and sums of some hundred terms lose a digit: 2e-6. */
static void it_agrees_with_the_reference(void **state)
{
    (void)state;
    static const double tolerances[] = {2e-12, 2e-6};
    for (int i = 0; i < TEST_CASES; i++) {
        const struct test_case *c = &test_cases[i];
        struct cox_dp_model *m = test_potential(c);
        struct test_frames t;
        struct cox_err err = COX_ERR_INIT;
        test_frames_make(&t, c, m);
        size_t n = (size_t)cox_dp_model_parameters(m);
        double *p = cox_alloc(n, sizeof *p);
        struct answer want = {.gradient = cox_alloc(n, sizeof(double)), .n = n};
        struct answer got = {.gradient = cox_alloc(n, sizeof(double)), .n = n};
        struct answer again = {.gradient = cox_alloc(n, sizeof(double)), .n = n};
        cox_dp_parameters_get(p, m);
        if (cox_dp_gradient_ref(want.gradient, &want.losses, m, t.frame, c->frames, &c->prefactors,
                                &err))
            fail_msg("%s", err.text);
        for (int precision = 0; precision < 2; precision++) {
            double worst = 0;
            for (int threads = 1; threads <= 3; threads++) {
                struct cox_team *team = NULL;
                struct cox_dp_gradient *g = NULL;
                assert_int_equal(cox_team_create(&team, threads, NULL), 0);
                assert_int_equal(
                    cox_dp_gradient_create(&g, m, precision ? COX_DP_F32 : COX_DP_F64, team, NULL),
                    0);
                compute(&got, g, p, &t, c);
                worst = fmax(worst, difference(&got, &want));
                double tolerance = tolerances[precision];
                if (!(worst <= tolerance))
                    fail_msg("%s, precision %d, %d threads: gradients differ by %g of the largest",
                             c->name, precision, threads, worst);
                assert_true(near(got.losses.loss, want.losses.loss, tolerance));
                assert_true(near(got.losses.energy2, want.losses.energy2, tolerance));
                assert_true(near(got.losses.force2, want.losses.force2, tolerance));
                assert_true(near(got.losses.virial2, want.losses.virial2, tolerance));
                assert_true(got.losses.overflow == want.losses.overflow);
                uint64_t before = cox_mem_allocations();
                compute(&again, g, p, &t, c);
                assert_true(cox_mem_allocations() == before); /* none in a training step */
                assert_memory_equal(got.gradient, again.gradient, n * sizeof(double));
                if (threads > 1) { /* the same bits with any number of threads */
                    struct cox_dp_gradient *alone = NULL;
                    assert_int_equal(cox_dp_gradient_create(&alone, m,
                                                            precision ? COX_DP_F32 : COX_DP_F64,
                                                            NULL, NULL),
                                     0);
                    compute(&again, alone, p, &t, c);
                    assert_memory_equal(got.gradient, again.gradient, n * sizeof(double));
                    cox_dp_gradient_destroy(alone);
                }
                cox_dp_gradient_destroy(g);
                cox_team_destroy(team);
            }
            print_message("%-22s %s: off by %.1e\n", c->name, precision ? "float " : "double",
                          worst);
        }
        test_frames_free(&t);
        cox_free(want.gradient);
        cox_free(got.gradient);
        cox_free(again.gradient);
        cox_free(p);
        cox_dp_model_destroy(m);
    }
}

/* One answer by each step, both in double. */
static void both(const struct cox_dp_model *m, const struct cox_dp_frame *frames, int n,
                 double tolerance, const char *what)
{
    const struct cox_dp_prefactors prefactors = {0.3, 1, 0.2};
    const size_t all = (size_t)cox_dp_model_parameters(m);
    struct cox_dp_gradient *g = NULL;
    struct cox_dp_losses losses;
    struct cox_err err = COX_ERR_INIT;
    double *p = cox_alloc(all, sizeof *p);
    struct answer want = {.gradient = cox_alloc(all, sizeof(double)), .n = all};
    struct answer got = {.gradient = cox_alloc(all, sizeof(double)), .n = all};
    for (size_t i = 0; i < all; i++)
        got.gradient[i] = 1e300;
    cox_dp_parameters_get(p, m);
    if (cox_dp_gradient_ref(want.gradient, &want.losses, m, frames, n, &prefactors, &err) ||
        cox_dp_gradient_create(&g, m, COX_DP_F64, NULL, &err) ||
        cox_dp_gradient_compute(g, got.gradient, &losses, p, frames, n, &prefactors, &err))
        fail_msg("%s: %s", what, err.text);
    const double worst = difference(&got, &want);
    if (!(worst <= tolerance) || !near(losses.loss, want.losses.loss, 1e-11))
        fail_msg("%s: gradients differ by %g of the largest, losses are %.15g and %.15g", what,
                 worst, losses.loss, want.losses.loss);
    print_message("%-22s double: off by %.1e\n", what, worst);
    cox_dp_gradient_destroy(g);
    cox_free(got.gradient);
    cox_free(want.gradient);
    cox_free(p);
}

/* 75 frames are 600 atoms: 20 blocks, more than there are groups, the last of each type not full.
 */
static void large_batches(void **state)
{
    (void)state;
    const struct test_case c = {.frames = 2, .unlabelled = 2};
    struct cox_dp_model *m = test_potential(&c);
    struct test_frames t;
    static struct cox_dp_frame frames[75];
    test_frames_make(&t, &c, m);
    for (int i = 0; i < 75; i++)
        frames[i] = t.frame[i % 2];
    both(m, frames, 75, 2e-12, "75 frames");
    test_frames_free(&t);
    cox_dp_model_destroy(m);
}

static void a_type_without_atoms(void **state)
{
    (void)state;
    const struct test_case c = {.frames = 1, .two_sided = true};
    struct cox_dp_model *m = test_potential(&c);
    struct test_frames t;
    static const double x[2][3] = {{0, 0, 0}, {1, 0.4, 0.2}};
    static const int type[2] = {1, 1};
    test_frames_make(&t, &c, m);
    assert_int_equal(cox_neighbours_build(&t.list[0], 2, x, type, 2, NULL, 3.6, NULL), 0);
    t.frame[0].atoms = (struct cox_dp_atoms){2, 2, type};
    both(m, t.frame, 1, 2e-12, "a type without atoms");
    test_frames_free(&t);
    cox_dp_model_destroy(m);
}

/* Steep nets need narrow cells. Their slopes are hundreds, and so is what rounding makes of them.
 */
static void steep_nets(void **state)
{
    (void)state;
    const struct test_case c = {.frames = 1};
    for (int steep = 4; steep <= 64; steep *= 4) {
        struct cox_dp_model *m = test_potential(&c);
        struct test_frames t;
        char what[40];
        test_frames_make(&t, &c, m);
        for (int i = 0; i < 2; i++)
            for (int k = 0; k < 3; k++)
                m->descriptor[0].embed[i].layer[0].w[k] *= steep;
        snprintf(what, sizeof what, "%d times as steep", steep);
        both(m, t.frame, 1, 1e-11, what);
        test_frames_free(&t);
        cox_dp_model_destroy(m);
    }
}

/* A fitting net whose first layer is residual, one without a hidden layer, an embedding of one
 * layer. */
static void other_nets(void **state)
{
    (void)state;
    const struct test_case c = {.frames = 1};
    for (int kind = 0; kind < 3; kind++) {
        struct cox_dp_model *m = test_potential(&c);
        struct test_frames t;
        struct cox_rng rng;
        static const char *const what[] = {"skip in the first layer", "no hidden layer",
                                           "short embedding"};
        cox_rng_init(&rng, 5, 5);
        test_frames_make(&t, &c, m);
        for (int i = 0; i < 2; i++) {
            struct cox_dp_net *fit = &m->fit[i], *embed = &m->descriptor[0].embed[i];
            if (kind == 0) {
                test_layer(m, &fit->layer[0], 12, 12, &rng);
                test_layer(m, &fit->layer[1], 12, 1, &rng);
                fit->layer[0].skip = COX_DP_SKIP_SAME;
            } else if (kind == 1) {
                test_layer(m, &fit->layer[0], 12, 1, &rng);
            } else {
                test_layer(m, &embed->layer[0], 1, 6, &rng);
                embed->n = 1;
                continue;
            }
            fit->n = 2 - kind;
            fit->layer[1].idt = NULL;
            fit->layer[1].skip = COX_DP_SKIP_NONE;
            fit->layer[1 - kind].linear = true;
        }
        both(m, t.frame, 1, 2e-12, what[kind]);
        test_frames_free(&t);
        cox_dp_model_destroy(m);
    }
}

/* Each allocation fails in turn: the call says so, nothing leaks, and the next one works. */
static void failing_allocations(void **state)
{
    (void)state;
    const struct test_case *c = &test_cases[3];
    struct cox_dp_model *m = test_potential(c);
    struct test_frames t;
    test_frames_make(&t, c, m);
    const size_t n = (size_t)cox_dp_model_parameters(m);
    double *p = cox_alloc(n, sizeof *p), *gradient = cox_alloc(n, sizeof *gradient);
    cox_dp_parameters_get(p, m);
    uint64_t used = cox_mem_in_use();
    for (int precision = 0; precision < 2; precision++) {
        int failed = 0;
        for (uint64_t at = 1;; at++) {
            struct cox_dp_gradient *g = NULL;
            struct cox_dp_losses losses;
            struct cox_err err = COX_ERR_INIT;
            cox_mem_fail_at(at);
            int rc = cox_dp_gradient_create(&g, m, precision ? COX_DP_F32 : COX_DP_F64, NULL, &err);
            if (!rc)
                rc = cox_dp_gradient_compute(g, gradient, &losses, p, t.frame, 1, &c->prefactors,
                                             &err);
            cox_mem_fail_at(0);
            if (rc) {
                assert_int_equal(rc, COX_ENOMEM);
                failed++;
            }
            if (rc && g)
                assert_int_equal(cox_dp_gradient_compute(g, gradient, &losses, p, t.frame, 1,
                                                         &c->prefactors, &err),
                                 0);
            cox_dp_gradient_destroy(g);
            assert_true(cox_mem_in_use() == used);
            if (!rc)
                break;
        }
        assert_true(failed > 60);
    }
    test_frames_free(&t);
    cox_free(gradient);
    cox_free(p);
    cox_dp_model_destroy(m);
}

static void what_is_refused(void **state)
{
    (void)state;
    const struct test_case c = {.frames = 1, .fparam = true};
    struct cox_dp_model *m = test_potential(&c);
    struct test_frames t;
    struct cox_dp_gradient *g = NULL;
    struct cox_dp_losses losses;
    struct cox_err err = COX_ERR_INIT;
    const struct cox_dp_prefactors prefactors = {0};
    const size_t n = (size_t)cox_dp_model_parameters(m);
    double *p = cox_alloc(n, sizeof *p);
    test_frames_make(&t, &c, m);
    cox_dp_parameters_get(p, m);
    t.frame[0].fparam = NULL;
    assert_int_equal(cox_dp_gradient_create(&g, m, COX_DP_F64, NULL, NULL), 0);
    assert_int_equal(cox_dp_gradient_compute(g, NULL, &losses, p, t.frame, 1, &prefactors, &err),
                     COX_EINVAL);
    assert_non_null(strstr(err.text, "2 frame parameters"));
    cox_dp_gradient_destroy(g);
    t.frame[0].fparam = t.fparam;
    m->descriptor[0].dstd[0][0] = m->descriptor[0].dstd[1][0] = 1e-9;
    assert_int_equal(cox_dp_gradient_create(&g, m, COX_DP_F64, NULL, NULL), 0);
    assert_int_equal(cox_dp_gradient_compute(g, NULL, &losses, p, t.frame, 1, &prefactors, &err),
                     COX_EINVAL);
    assert_non_null(strstr(err.text, "standard deviations"));
    cox_dp_gradient_destroy(g);
    cox_free(p);
    test_frames_free(&t);
    cox_dp_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_the_reference),
        cmocka_unit_test(large_batches),
        cmocka_unit_test(a_type_without_atoms),
        cmocka_unit_test(steep_nets),
        cmocka_unit_test(other_nets),
        cmocka_unit_test(failing_allocations),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
