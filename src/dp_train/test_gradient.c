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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
