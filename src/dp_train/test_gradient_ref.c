/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/test_gradient_models.h"

#include "base/mem.h"

static double loss_of(struct cox_dp_model *m, const double *parameters, const struct test_frames *t,
                      const struct test_case *c)
{
    struct cox_dp_losses losses;
    struct cox_err err = COX_ERR_INIT;
    cox_dp_parameters_set(m, parameters);
    if (cox_dp_gradient_ref(NULL, &losses, m, t->frame, c->frames, &c->prefactors, &err))
        fail_msg("%s", err.text);
    return losses.loss;
}

/* Differences of fourth order with step h are off by h⁴ L⁽⁵⁾/30 + ε |L|/h: with h = 4e-4, losses up
 * to 10 and fifth derivatives up to 1e5 times the largest gradient (weights in the exponent of five
 * layers) that is 1e-10 + 5e-12; 1e-8 of the largest gradient leaves room for curved places. */
static void every_parameter_against_differences(void **state)
{
    (void)state;
    const double h = 4e-4;
    for (int i = 0; i < TEST_CASES; i++) {
        const struct test_case *c = &test_cases[i];
        struct cox_dp_model *m = test_potential(c);
        struct test_frames t;
        struct cox_dp_losses losses;
        struct cox_err err = COX_ERR_INIT;
        test_frames_make(&t, c, m);
        size_t n = (size_t)cox_dp_model_parameters(m);
        double *p = cox_alloc(n, sizeof *p), *g = cox_alloc(n, sizeof *g);
        cox_dp_parameters_get(p, m);
        if (cox_dp_gradient_ref(g, &losses, m, t.frame, c->frames, &c->prefactors, &err))
            fail_msg("%s", err.text);
        assert_true((losses.overflow > 0) == c->overflow);
        double largest = 0, worst = 0;
        size_t zeros = 0;
        for (size_t k = 0; k < n; k++) {
            largest = fmax(largest, fabs(g[k]));
            zeros += g[k] == 0;
        }
        for (size_t k = 0; k < n; k++) {
            static const double weight[4] = {1.0 / 12, -2.0 / 3, 2.0 / 3, -1.0 / 12};
            static const double place[4] = {-2, -1, 1, 2};
            double at = p[k], slope = 0;
            for (int s = 0; s < 4; s++) {
                p[k] = at + place[s] * h;
                slope += weight[s] * loss_of(m, p, &t, c) / h;
            }
            p[k] = at;
            worst = fmax(worst, fabs(slope - g[k]));
            if (!(fabs(slope - g[k]) <= 1e-8 * largest))
                fail_msg("%s, parameter %zu of %zu: %.12g, by differences %.12g", c->name, k, n,
                         g[k], slope);
        }
        print_message("%-22s loss %9.5f, %zu gradients up to %8.4f, off by %.1e, %zu are zero\n",
                      c->name, losses.loss, n, largest, worst / largest, zeros);
        test_frames_free(&t);
        cox_free(g);
        cox_free(p);
        cox_dp_model_destroy(m);
    }
}

/* The losses of two frames, from the answers of cox_dp_reference. */
static void the_losses_are_those_of_the_paper(void **state)
{
    (void)state;
    const struct test_case c = {.frames = 2, .unlabelled = 4, .prefactors = {0.3, 1.1, 0.2}};
    struct cox_dp_model *m = test_potential(&c);
    struct test_frames t;
    struct cox_dp_losses got;
    double energy2 = 0, force2 = 0, virial2 = 0, loss = 0;
    test_frames_make(&t, &c, m);
    assert_int_equal(cox_dp_gradient_ref(NULL, &got, m, t.frame, c.frames, &c.prefactors, NULL), 0);
    for (int f = 0; f < 2; f++) {
        double force[MOST_ATOMS][3], n = t.frame[f].atoms.n;
        struct cox_dp_result r = {.force = force};
        assert_int_equal(cox_dp_reference(&r, m, &t.frame[f].atoms, &t.list[f], NULL, NULL), 0);
        double e = r.energy - t.energy[f], sum = 0, sum_w = 0;
        for (int i = 0; i < t.frame[f].atoms.n; i++)
            for (int k = 0; k < 3; k++)
                sum += pow(force[i][k] - t.force[f][i][k], 2);
        for (int k = 0; k < 9; k++)
            sum_w += pow(r.virial[k / 3][k % 3] - t.virial[f][k / 3][k % 3], 2);
        energy2 += e * e / n / n / 2;
        force2 += sum / 3 / n / 2;
        virial2 += f ? 0 : sum_w / 9 / n / n; /* only the first has that label */
        loss += (0.3 / n * e * e + 1.1 / 3 / n * sum + (f ? 0 : 0.2 / 9 / n * sum_w)) / 2;
    }
    assert_true(fabs(got.energy2 / energy2 - 1) < 1e-13);
    assert_true(fabs(got.force2 / force2 - 1) < 1e-13);
    assert_true(fabs(got.virial2 / virial2 - 1) < 1e-13);
    assert_true(fabs(got.loss / loss - 1) < 1e-13);
    test_frames_free(&t);
    cox_dp_model_destroy(m);
}

static void parameters_go_there_and_back(void **state)
{
    (void)state;
    const struct test_case c = {.two_sided = true, .idt = true};
    struct cox_dp_model *m = test_potential(&c);
    size_t n = (size_t)cox_dp_model_parameters(m);
    double *p = cox_alloc(n, sizeof *p), *q = cox_alloc(n, sizeof *q);
    for (size_t i = 0; i < n; i++)
        p[i] = (double)i;
    cox_dp_parameters_set(m, p);
    cox_dp_parameters_get(q, m);
    assert_memory_equal(p, q, n * sizeof *p);
    /* embedding nets first, w, b, idt; the last one is the last bias of the last fitting net */
    assert_true(m->descriptor[0].embed[0].layer[0].w[0] == 0);
    assert_true(m->descriptor[0].embed[0].layer[0].b[0] == 3);
    assert_true(m->descriptor[0].embed[0].layer[1].w[0] == 6);
    assert_true(m->descriptor[0].embed[0].layer[1].idt[0] == 6 + 18 + 6);
    assert_true(m->fit[1].layer[2].b[0] == (double)n - 1);
    cox_free(q);
    cox_free(p);
    cox_dp_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_go_there_and_back),
        cmocka_unit_test(the_losses_are_those_of_the_paper),
        cmocka_unit_test(every_parameter_against_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
