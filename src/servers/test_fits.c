/* SPDX-License-Identifier: BSD-3-Clause */
/* Fits to draws from known models with random censoring, and to real servers; the file of fits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "servers/fits.h"

#define TRACES COX_SOURCE_DIR "/../shared/data/preemptions.csv"

static void near_to(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.12g is not %.12g within %g", a, b, tolerance);
}

/* n servers that live as `life` says unless their user stops them, after a time that is uniform in
 * 0 … 2 × patience. */
static void draw(struct cox_traces *out, const struct cox_lifetime *life, int n, double patience,
                 uint64_t seed)
{
    struct cox_rng rng;
    struct cox_trace *items = cox_alloc((size_t)n, sizeof *items);
    assert_non_null(items);
    cox_rng_init(&rng, seed, 0);
    for (int i = 0; i < n; i++) {
        double gone = cox_lifetime_quantile(life, cox_rng_uniform(&rng));
        double stopped = 2 * patience * cox_rng_uniform(&rng);
        items[i] = (struct cox_trace){fmin(gone, stopped), gone <= stopped};
    }
    assert_int_equal(cox_traces_create(out, items, n, NULL), 0);
    cox_free(items);
}

static struct cox_fit_group group_of(const struct cox_lifetime *life, int n, double patience,
                                     uint64_t seed)
{
    struct cox_traces traces;
    struct cox_fit_group group;
    draw(&traces, life, n, patience, seed);
    assert_int_equal(cox_fit_group_create(&group, "drawn", &traces, NULL), 0);
    assert_int_equal(traces.n, 0); /* taken over */
    return group;
}

/* The likelihood of an exponential is largest at hours seen / servers that went. */
static void test_closed_form(void **state)
{
    (void)state;
    const struct cox_lifetime truth = {.kind = COX_LIFETIME_EXPONENTIAL, .p = {7}};
    struct cox_fit_group g = group_of(&truth, 3000, 6, 1);
    const struct cox_fit *fit = &g.fit[COX_FIT_LIKELIHOOD][0];
    double hours = 0;
    for (int i = 0; i < g.traces.n; i++)
        hours += g.time[i];
    assert_true(g.preempted > 500 && g.preempted < 2500);
    near_to(fit->life.p[0], hours / g.preempted, 1e-4);
    near_to(fit->log_likelihood, -g.preempted * log(hours / g.preempted) - g.preempted, 1e-5);
    near_to(fit->aic, 2 - 2 * fit->log_likelihood, 1e-9);
    near_to(fit->life.p[0], 7, 3 * 7 / sqrt(g.preempted)); /* its standard error: p / √d */
    cox_fit_group_deinit(&g);
}

/* Every model is found again from 3,000 servers, some half of them stopped by their users: by both
 * methods; not by the naive one. Tolerances are some five standard errors, as the spread over seeds
 * has them. */
static void test_found_again(void **state)
{
    (void)state;
    static const struct {
        struct cox_lifetime truth;
        double patience, tolerance[4]; /* relative */
    } cases[] = {
        {{.kind = COX_LIFETIME_EXPONENTIAL, .p = {9}}, 8, {.1}},
        {{.kind = COX_LIFETIME_WEIBULL, .p = {6, .7}}, 6, {.12, .1}},
        {{.kind = COX_LIFETIME_CONSTRAINED, .p = {.3, 1.5, .7, 24.1}}, 20, {.12, .25, .25, .03}},
    };
    static const int parameters[] = {1, 2, 4};
    for (int m = 0; m < 3; m++)
        for (uint64_t seed = 1; seed < 3; seed++) {
            struct cox_fit_group g = group_of(&cases[m].truth, 3000, cases[m].patience, seed);
            double off[COX_FIT_METHODS] = {0};
            for (int k = 0; k < COX_FIT_METHODS; k++) {
                const struct cox_fit *fit = &g.fit[k][m];
                assert_true(fit->found);
                for (int i = 0; i < parameters[m]; i++) {
                    double p = cases[m].truth.p[i];
                    off[k] = fmax(off[k], fabs(fit->life.p[i] / p - 1) / cases[m].tolerance[i]);
                }
                print_message("%s by %s: %.4f %.4f %.4f %.4f, largest distance %.4f (%.2f)\n",
                              cox_lifetime_name(fit->life.kind), cox_fit_method_names[k],
                              fit->life.p[0], fit->life.p[1], fit->life.p[2], fit->life.p[3],
                              fit->distance, off[k]);
            }
            assert_true(off[COX_FIT_LEAST_SQUARES] < 1 && off[COX_FIT_LIKELIHOOD] < 1);
            assert_true(off[COX_FIT_NAIVE] > 1.5);
            assert_true(g.fit[COX_FIT_LIKELIHOOD][m].distance < .04);
            assert_true(g.fit[COX_FIT_NAIVE][m].distance > .05);
            for (int other = 0; m && other < 3; other++) /* both others have it as a special case */
                if (other != m)
                    assert_true(g.fit[COX_FIT_LIKELIHOOD][other].aic >
                                g.fit[COX_FIT_LIKELIHOOD][m].aic + 20);
            cox_fit_group_deinit(&g);
        }
}

/* No parameters near a likelihood fit are likelier, and least squares are not. */
static void test_maximum(void **state)
{
    (void)state;
    const struct cox_lifetime truth = {.kind = COX_LIFETIME_CONSTRAINED, .p = {.3, 1.5, .7, 24.1}};
    struct cox_fit_group g = group_of(&truth, 1000, 20, 5);
    const struct cox_fit *best = &g.fit[COX_FIT_LIKELIHOOD][2];
    for (int i = 0; i < 4; i++)
        for (int side = -1; side <= 1; side += 2) {
            struct cox_lifetime life = best->life;
            life.p[i] *= 1 + side * 1e-3;
            assert_true(cox_traces_log_likelihood(&g.traces, &life) < best->log_likelihood + 1e-6);
        }
    for (int m = 0; m < COX_FIT_MODELS; m++)
        assert_true(g.fit[COX_FIT_LIKELIHOOD][m].log_likelihood >=
                    g.fit[COX_FIT_LEAST_SQUARES][m].log_likelihood - 1e-6);
    cox_fit_group_deinit(&g);
}

static void test_few(void **state)
{
    (void)state;
    struct cox_trace items[] = {{1, true}, {2, false}, {3, true}};
    struct cox_traces traces;
    struct cox_fit_group g;
    assert_int_equal(cox_traces_create(&traces, items, 3, NULL), 0);
    assert_int_equal(cox_fit_group_create(&g, "few", &traces, NULL), 0);
    assert_int_equal(g.preempted, 2);
    assert_false(g.fit[COX_FIT_LEAST_SQUARES][0].found);
    near_to(cox_fit_group_cdf(&g, 2.5), 1. / 3, 1e-15);
    near_to(cox_fit_group_naive_cdf(&g, 2.5), .5, 1e-15);
    cox_fit_group_deinit(&g);
}

/* Real servers: within three hours .232 are gone, not .363 as among the preempted alone. */
static void test_real(void **state)
{
    (void)state;
    struct cox_traces traces;
    struct cox_fit_group g;
    if (!cox_file_exists(TRACES)) {
        print_message("no ../shared/data/preemptions.csv: skipped\n");
        skip();
    }
    assert_int_equal(cox_traces_read(&traces, TRACES, NULL, NULL, NULL), 0);
    assert_int_equal(cox_fit_group_create(&g, "all", &traces, NULL), 0);
    assert_int_equal(g.traces.n, 1442);
    assert_int_equal(g.preempted, 717);
    near_to(cox_fit_group_cdf(&g, 3), .232, 6e-4);
    near_to(cox_fit_group_naive_cdf(&g, 3), .363, 6e-4);
    assert_true(g.fit[COX_FIT_LIKELIHOOD][2].aic < g.fit[COX_FIT_LIKELIHOOD][1].aic - 1000);
    assert_true(g.fit[COX_FIT_LIKELIHOOD][1].aic < g.fit[COX_FIT_LIKELIHOOD][0].aic - 10);
    struct cox_trace_values values;
    assert_int_equal(cox_trace_values_read(&values, TRACES, "machine_type", NULL), 0);
    assert_int_equal(values.n, 11);
    cox_trace_values_deinit(&values);
    cox_fit_group_deinit(&g);
}

static struct cox_err fails(const char *path, const struct cox_fits_choice *choice, int status)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_lifetime life;
    double *array = NULL;
    assert_int_equal(cox_fits_read(&life, &array, path, choice, &err), status);
    assert_null(array);
    return err;
}

/* What was written is read again, the estimate step by step with its end; and what is not there is
 * said. */
static void test_file(void **state)
{
    (void)state;
    const struct cox_lifetime truth = {.kind = COX_LIFETIME_WEIBULL, .p = {6, 1.4}};
    struct cox_fit_group groups[2] = {group_of(&truth, 200, 6, 1), group_of(&truth, 100, 6, 2)};
    struct cox_fits_choice choice = {
        .group = "one", .kind = COX_LIFETIME_WEIBULL, .method = COX_FIT_LIKELIHOOD};
    struct cox_lifetime life;
    double *array;
    char path[64];
    snprintf(path, sizeof path, "/tmp/cox-fits-%ld.json", (long)getpid());
    snprintf(groups[0].name, sizeof groups[0].name, "one");
    snprintf(groups[1].name, sizeof groups[1].name, "two");
    struct cox_json *json = cox_fits_json(groups, 2, "drawn.csv", "name");
    assert_int_equal(cox_json_write(json, path, NULL), 0);
    cox_json_destroy(json);
    assert_int_equal(cox_fits_read(&life, &array, path, &choice, NULL), 0);
    assert_null(array);
    near_to(life.p[0], groups[0].fit[COX_FIT_LIKELIHOOD][1].life.p[0], 0);
    near_to(life.p[1], groups[0].fit[COX_FIT_LIKELIHOOD][1].life.p[1], 0);
    choice.kind = COX_LIFETIME_EMPIRICAL;
    choice.group = "two";
    assert_int_equal(cox_fits_read(&life, &array, path, &choice, NULL), 0);
    const struct cox_fit_group *g = &groups[1];
    const double longest = g->time[g->traces.n - 1];
    assert_false(
        g->traces.item[g->traces.n - 1].preempted); /* so that the estimate stays below 1 */
    for (int i = 0; i + 1 < g->traces.n; i++)
        near_to(cox_lifetime_cdf(&life, g->time[i]), g->cdf[i], 0);
    assert_true(g->cdf[g->traces.n - 1] < 1);
    near_to(cox_lifetime_cdf(&life, longest), 1, 0);
    cox_free(array);
    choice.group = "three";
    assert_non_null(
        strstr(fails(path, &choice, COX_ENOTFOUND).text, "has no group 'three'; it has one, two"));
    choice.group = NULL;
    assert_non_null(
        strstr(fails(path, &choice, COX_ENOTFOUND).text, "2 groups; one must be named: one, two"));
    assert_int_equal(cox_file_replace(path, "{}", 2, NULL), 0);
    assert_non_null(strstr(fails(path, &choice, COX_EFORMAT).text, "fit-lifetimes"));
    assert_int_equal(unlink(path), 0);
    (void)fails(path, &choice, COX_ENOTFOUND);
    cox_fit_group_deinit(&groups[0]);
    cox_fit_group_deinit(&groups[1]);
}

/* Memory that is not there, at every allocation in turn: an error, and nothing left behind. */
static void test_memory(void **state)
{
    (void)state;
    const struct cox_lifetime truth = {.kind = COX_LIFETIME_WEIBULL, .p = {6, 1.4}};
    struct cox_fits_choice choice = {.kind = COX_LIFETIME_EMPIRICAL};
    char path[64];
    uint64_t before = cox_mem_in_use();
    int made = 0, failed = 0;
    snprintf(path, sizeof path, "/tmp/cox-fits-%ld.json", (long)getpid());
    for (uint64_t n = 1; !made && n < 100; n++) {
        struct cox_traces traces;
        struct cox_fit_group g;
        draw(&traces, &truth, 20, 6, 1);
        cox_mem_fail_at(n);
        int rc = cox_fit_group_create(&g, "drawn", &traces, NULL);
        cox_mem_fail_at(0);
        assert_true(rc == 0 || rc == COX_ENOMEM);
        failed += rc != 0;
        made = rc == 0;
        if (!rc) {
            struct cox_json *json = cox_fits_json(&g, 1, "drawn.csv", NULL);
            assert_int_equal(cox_json_write(json, path, NULL), 0);
            cox_json_destroy(json);
            cox_fit_group_deinit(&g);
        }
        assert_true(cox_mem_in_use() == before);
    }
    assert_true(made && failed >= 4);
    failed = 0;
    for (uint64_t n = 1, used = 0; used + 1 >= n; n++) {
        struct cox_lifetime life;
        double *array;
        uint64_t first = cox_mem_allocations();
        cox_mem_fail_at(n);
        int rc = cox_fits_read(&life, &array, path, &choice, NULL);
        cox_mem_fail_at(0);
        used = cox_mem_allocations() - first;
        failed += rc != 0;
        assert_true((rc == 0) == (array != NULL));
        assert_true(rc == 0 || used >= n);
        cox_free(array);
        assert_true(cox_mem_in_use() == before);
    }
    print_message("%d allocations of reading failed in turn\n", failed);
    assert_true(failed > 2);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_form), cmocka_unit_test(test_found_again),
        cmocka_unit_test(test_maximum),     cmocka_unit_test(test_few),
        cmocka_unit_test(test_real),        cmocka_unit_test(test_file),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
