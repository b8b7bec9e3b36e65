/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "sweep/points.h"

static const double h_range[] = {3, 4};
static const double c_range[] = {0.1, 10};
static const double n_range[] = {1, 6};
static const double t_values[] = {300, 310, 325};
static const char *const k_choices[] = {"nacl", "kcl"};

#define RANGE(r) .range = {2, r}
static struct cox_sweep_parameter four[] = {
    {.name = "h", RANGE(h_range), .steps = 11},
    {.name = "c", RANGE(c_range), .steps = 5, .log = true},
    {.name = "k", .choices = {2, k_choices}},
    {.name = "t", .values = {3, t_values}},
};

static struct cox_sweep_settings settings_of(int n, const struct cox_sweep_parameter *parameter,
                                             int kind, int points)
{
    return (struct cox_sweep_settings){
        .seed = 7, .parameters = {n, parameter}, .design = {.kind = kind, .points = points}};
}

static struct cox_points make(const struct cox_sweep_settings *s)
{
    struct cox_points p;
    struct cox_err err = COX_ERR_INIT;
    if (cox_points_create(&p, s, NULL, &err))
        fail_msg("%s", err.text);
    return p;
}

static void a_grid_has_every_combination_once(void **state)
{
    (void)state;
    struct cox_sweep_settings s = settings_of(4, four, COX_DESIGN_GRID, 0);
    struct cox_points p = make(&s);
    assert_int_equal(p.n, 11 * 5 * 2 * 3);
    assert_int_equal(p.n_inputs, 4);
    assert_int_equal(p.n_features, 5);
    static const double decades[] = {0.1, 0.316227766017, 1, 3.16227766017, 10};
    for (int i = 0; i < p.n; i++) { /* mixed radix, the first parameter slowest */
        const double *x = p.x + 4 * i;
        assert_true(x[3] == t_values[i % 3]);
        assert_true(x[2] == i / 3 % 2);
        assert_true(x[1] == decades[i / 6 % 5]);
        /* as it would be typed: 3.3, not 3.3000000000000003 */
        char typed[20];
        snprintf(typed, sizeof typed, "3.%d", i / 30);
        assert_true(x[0] == (i / 30 == 10 ? 4 : strtod(typed, NULL)));
    }
    cox_points_deinit(&p);
}

static void grids_of_ranges_are_as_they_would_be_typed(void **state)
{
    (void)state;
    static const double ranges[][2] = {{-1, 1}, {0.3, 0.9}, {1e-9, 1.1e-8}, {2e5, 3e5}, {0, 1e-3}};
    static const int steps[] = {21, 7, 11, 101, 5};
    static const char *const third[] = {"-0.8", "0.5", "3e-9", "202000", "0.0005"};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct cox_sweep_parameter one = {.name = "x", RANGE(ranges[i]), .steps = steps[i]};
        struct cox_sweep_settings s = settings_of(1, &one, COX_DESIGN_GRID, 0);
        struct cox_points p = make(&s);
        assert_int_equal(p.n, steps[i]);
        assert_true(p.x[0] == ranges[i][0] && p.x[p.n - 1] == ranges[i][1]);
        assert_true(p.x[2] == strtod(third[i], NULL));
        for (int k = 1; k < p.n; k++)
            assert_true(p.x[k] > p.x[k - 1]);
        cox_points_deinit(&p);
    }
}

static bool within(const struct cox_points *p)
{
    bool good = true;
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < p->n_inputs; k++) {
            const struct cox_sweep_parameter *q = &p->parameter[k];
            double x = p->x[(size_t)i * (size_t)p->n_inputs + (size_t)k];
            if (q->choices.n)
                good &= x >= 0 && x < q->choices.n && x == floor(x);
            else if (q->values.n)
                good &=
                    x == q->values.items[0] || x == q->values.items[1] || x == q->values.items[2];
            else
                good &= x >= q->range.items[0] && x <= q->range.items[1];
            if (q->whole)
                good &= x == floor(x);
        }
    return good;
}

static void drawn_points_are_in_range_and_reproducible(void **state)
{
    (void)state;
    static const int kinds[] = {COX_DESIGN_RANDOM, COX_DESIGN_SOBOL};
    struct cox_sweep_parameter six[] = {four[0],
                                        four[1],
                                        four[2],
                                        four[3],
                                        {.name = "n", RANGE(n_range), .whole = true},
                                        {.name = "m", RANGE(n_range), .whole = true, .log = true}};
    for (int i = 0; i < 2; i++) {
        struct cox_sweep_settings s = settings_of(6, six, kinds[i], 3000);
        struct cox_points p = make(&s);
        struct cox_points again = make(&s);
        assert_int_equal(p.n, 3000); /* h has a billion values: none is drawn twice */
        assert_true(within(&p));
        assert_memory_equal(p.x, again.x, 3000 * 6 * sizeof *p.x);
        s.seed = 8;
        cox_points_deinit(&again);
        again = make(&s);
        assert_true(memcmp(p.x, again.x, 3000 * 6 * sizeof *p.x) != 0);
        /* a word is drawn in half of the cases, a whole number in a sixth: within five standard
         * deviations of a binomial count */
        int words = 0;
        int counts[7] = {0};
        double low = 0;
        for (int j = 0; j < p.n; j++) {
            words += p.x[6 * j + 2] == 0;
            counts[(int)p.x[6 * j + 4]]++;
            low += p.x[6 * j + 1] < 1; /* the logarithm's middle */
        }
        assert_true(abs(words - 1500) < 5 * sqrt(3000 * 0.25));
        assert_true(fabs(low - 1500) < 5 * sqrt(3000 * 0.25));
        for (int v = 1; v <= 6; v++)
            assert_true(abs(counts[v] - 500) < 5 * sqrt(3000 * 5 / 36.));
        cox_points_deinit(&p);
        cox_points_deinit(&again);
    }
}

/* Star discrepancy in two dimensions over the boxes that end at points (a lower bound of it that
 * misses at most 1/n). */
static double discrepancy(const struct cox_points *p)
{
    double worst = 0;
    for (int a = 0; a < p->n; a++)
        for (int b = 0; b < p->n; b++) {
            double u = p->x[2 * a];
            double v = p->x[2 * b + 1];
            int closed = 0;
            int open = 0;
            for (int i = 0; i < p->n; i++) {
                closed += p->x[2 * i] <= u && p->x[2 * i + 1] <= v;
                open += p->x[2 * i] < u && p->x[2 * i + 1] < v;
            }
            worst = fmax(worst, fmax((double)closed / p->n - u * v, u * v - (double)open / p->n));
        }
    return worst;
}

static void sobol_is_more_even_than_random(void **state)
{
    (void)state;
    static const double unit[] = {0, 1};
    struct cox_sweep_parameter two[] = {{.name = "x", RANGE(unit)}, {.name = "y", RANGE(unit)}};
    /* of 256 points: about 0.02 against 0.06 to 0.1 */
    for (int64_t seed = 1; seed <= 5; seed++) {
        double found[2];
        for (int kind = COX_DESIGN_RANDOM; kind <= COX_DESIGN_SOBOL; kind++) {
            struct cox_sweep_settings s = settings_of(2, two, kind, 256);
            s.seed = seed;
            struct cox_points p = make(&s);
            found[kind - COX_DESIGN_RANDOM] = discrepancy(&p);
            cox_points_deinit(&p);
        }
        if (!(found[1] < 0.6 * found[0] && found[1] < 0.03))
            fail_msg("seed %d: Sobol %g, random %g", (int)seed, found[1], found[0]);
    }
}

static void what_stands_twice_is_kept_once(void **state)
{
    (void)state;
    static const double twice[] = {3, 1, 3, 2, 1, -0.0, 0.0};
    struct cox_sweep_parameter one = {.name = "x", .values = {7, twice}};
    struct cox_sweep_settings s = settings_of(1, &one, COX_DESIGN_GRID, 0);
    struct cox_points p = make(&s);
    assert_int_equal(p.n, 4);
    assert_true(p.x[0] == 3 && p.x[1] == 1 && p.x[2] == 2 && p.x[3] == 0 && !signbit(p.x[3]));
    cox_points_deinit(&p);
    struct cox_sweep_parameter few = {.name = "n", RANGE(n_range), .whole = true};
    s = settings_of(1, &few, COX_DESIGN_RANDOM, 1000);
    p = make(&s);
    assert_int_equal(p.n, 6);
    cox_points_deinit(&p);
}

static void features_are_what_the_surrogate_should_see(void **state)
{
    (void)state;
    struct cox_sweep_settings s = settings_of(4, four, COX_DESIGN_GRID, 0);
    struct cox_points p = make(&s);
    double feature[5];
    const double x[] = {3.5, 0.5, 1, 310};
    cox_points_features(&p, x, feature);
    assert_true(feature[0] == 3.5 && feature[1] == log(0.5));
    assert_true(feature[2] == 0 && feature[3] == 1 && feature[4] == 310);
    for (int i = 0; i < p.n; i++) {
        cox_points_features(&p, p.x + 4 * i, feature);
        assert_memory_equal(feature, p.feature + 5 * i, sizeof feature);
    }
    cox_points_deinit(&p);
}

static void points_are_described_and_read_back(void **state)
{
    (void)state;
    struct cox_sweep_settings s = settings_of(4, four, COX_DESIGN_SOBOL, 200);
    struct cox_points p = make(&s);
    struct cox_str text;
    struct cox_err err = COX_ERR_INIT;
    const double x[] = {3.1, 0.30000000000000004, 1, 310};
    cox_str_init(&text, 1000);
    cox_points_describe(&p, x, &text);
    assert_string_equal(cox_str_text(&text), "h=3.1 c=0.30000000000000004 k=kcl t=310");
    cox_str_deinit(&text);
    for (int i = 0; i < p.n; i++) {
        cox_str_init(&text, 1000);
        cox_points_describe(&p, p.x + 4 * i, &text);
        char *at = text.text;
        for (int k = 0; k < 4; k++) {
            char *value = strchr(at, '=') + 1;
            double back;
            at = value + strcspn(value, " ");
            if (*at)
                *at++ = '\0';
            assert_int_equal(cox_points_parse(&p, k, value, &back, &err), 0);
            assert_true(back == p.x[4 * i + k]);
        }
        cox_str_deinit(&text);
    }
    static const struct {
        int parameter;
        const char *text, *message;
    } bad[] = {{0, "4.1", "3 to 4"},         {0, "four", "is no number"}, {0, "", "is no number"},
               {0, "nan", "is no number"},   {2, "nacI", "'nacl'"},       {3, "299", "300 to 325"},
               {1, "0.5 nm", "is no number"}};
    double value;
    assert_int_equal(cox_points_parse(&p, 3, "305.5", &value, &err), 0); /* between the listed */
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(cox_points_parse(&p, bad[i].parameter, bad[i].text, &value, &err),
                         COX_EINVAL);
        if (!strstr(err.text, bad[i].message) || !strstr(err.text, four[bad[i].parameter].name))
            fail_msg("wanted '%s' in: %s", bad[i].message, err.text);
    }
    cox_points_deinit(&p);
}

/* ---- designs in files ---- */

static int from_file(struct cox_points *p, const char *text, struct cox_err *err)
{
    char name[] = "/tmp/cox-design-XXXXXX";
    int fd = mkstemp(name);
    struct cox_sweep_settings s = settings_of(4, four, COX_DESIGN_FILE, 0);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(cox_file_replace(name, text, strlen(text), NULL), 0);
    s.design.file = name;
    int rc = cox_points_create(p, &s, NULL, err);
    unlink(name);
    return rc;
}

static void designs_are_read_from_files(void **state)
{
    (void)state;
    struct cox_points p;
    struct cox_err err = COX_ERR_INIT;
    static const char *const good[] = {
        "k,h,remark,c,t\nnacl,3.5,x,1,300\nkcl,4,y,0.1,325\nnacl,3.5,again,1,300\n",
        "\xEF\xBB\xBF\"k\",\"h\",\"a \"\"b\"\", c\",\"c\",t\r\n\"nacl\", 3.5 ,\"x\ny\",1,300\r\n"
        "kcl,4,,0.1,325",
        "# a table of blanks\nh c t k\n 3.5 1.0 300 nacl # one\n\n4 1e-1 325 kcl\n"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (from_file(&p, good[i], &err))
            fail_msg("%s", err.text);
        assert_int_equal(p.n, 2);
        static const double want[] = {3.5, 1, 0, 300, 4, 0.1, 1, 325};
        assert_memory_equal(p.x, want, sizeof want);
        cox_points_deinit(&p);
    }
    static const char *const bad[][3] = {
        {"h,c,k\n3,1,nacl\n", "no column 't'", "known: h, c, k"},
        {"h,c,k,t\n3,1,nacl,300\n5,1,nacl,300\n", ":3: h", "3 to 4"},
        {"h,c,k,t\n\n3,1,nacI,300\n", ":3: k", "did you mean 'nacl'"},
        {"h,c,k,t\n3,1,nacl,301\n", ":2: t", "300, 310, 325"},
        {"h,c,k,t\n3,1,nacl\n", ":2: a row of 3", "4 columns"},
        {"h,c,k,t\n3,1,\"nacl,300\n", ":2: ", "has no end"},
        {"h,c,k,t\n3,1,\"nacl\"x,300\n", ":2: ", "follows the end"},
        {"3,1,0,300\n", ":1: ", "parameters' names"},
        {"h,c,k,t\n", "no rows", ""},
        {"", "no rows", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(from_file(&p, bad[i][0], &err) != 0);
        assert_null(p.x);
        if (!strstr(err.text, bad[i][1]) || !strstr(err.text, bad[i][2]))
            fail_msg("wanted '%s' and '%s' in: %s", bad[i][1], bad[i][2], err.text);
    }
}

static void written_designs_read_back(void **state)
{
    (void)state;
    static const char *const odd[] = {"a", "k cl", "x,\"y\"", "#1", "two\nlines", " b "};
    struct cox_sweep_parameter five[] = {four[0],
                                         four[1],
                                         {.name = "k", .choices = {6, odd}},
                                         four[3],
                                         {.name = "n", RANGE(n_range), .whole = true}};
    for (int n = 1; n <= 5; n += 2) { /* of one parameter: the words */
        const struct cox_sweep_parameter *first = n == 1 ? &five[2] : five;
        struct cox_sweep_settings s = settings_of(n, first, COX_DESIGN_RANDOM, 500);
        struct cox_points p = make(&s);
        struct cox_points back;
        struct cox_err err = COX_ERR_INIT;
        char name[] = "/tmp/cox-design-XXXXXX";
        int fd = mkstemp(name);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(cox_points_write(&p, name, &err), 0);
        s.design.kind = COX_DESIGN_FILE;
        s.design.file = name;
        if (cox_points_create(&back, &s, NULL, &err))
            fail_msg("%s", err.text);
        assert_int_equal(back.n, p.n);
        assert_memory_equal(back.x, p.x, (size_t)p.n * (size_t)n * sizeof *p.x);
        unlink(name);
        cox_points_deinit(&p);
        cox_points_deinit(&back);
    }
}

static void ten_million_points_and_no_more(void **state)
{
    (void)state;
    static const double ends[] = {0, 1};
    struct cox_sweep_parameter two[] = {{.name = "x", RANGE(ends), .steps = 10000},
                                        {.name = "y", RANGE(ends), .steps = 1001}};
    struct cox_points p;
    struct cox_err err = COX_ERR_INIT;
    struct cox_sweep_settings s = settings_of(2, two, COX_DESIGN_GRID, 0);
    assert_int_equal(cox_points_create(&p, &s, NULL, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "10000000"));
    two[1].steps = 100;
    p = make(&s);
    assert_int_equal(p.n, 1000000);
    assert_true(p.x[2 * 999999] == 1 && p.x[2 * 999999 + 1] == 1);
    cox_points_deinit(&p);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (int kind = COX_DESIGN_GRID; kind <= COX_DESIGN_FILE; kind++) {
        int rc = COX_ENOMEM;
        int n = 0;
        for (; rc; n++) {
            struct cox_points p = {0};
            struct cox_err err = COX_ERR_INIT;
            struct cox_sweep_settings s = settings_of(4, four, kind, 50);
            uint64_t before = cox_mem_in_use();
            char name[] = "/tmp/cox-design-XXXXXX";
            static const char text[] = "k,h,c,t\nnacl,3.5,1,300\nkcl,4,0.1,325\n";
            int fd = mkstemp(name);
            assert_true(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1);
            close(fd);
            s.design.file = name;
            cox_mem_fail_at((uint64_t)n + 1);
            rc = cox_points_create(&p, &s, NULL, &err);
            cox_mem_fail_at(0);
            unlink(name);
            if (rc && (rc != COX_ENOMEM || !err.text[0]))
                fail_msg("allocation %d: %d, %s", n, rc, err.text);
            cox_points_deinit(&p);
            assert_true(cox_mem_in_use() == before);
        }
        assert_true(n > (kind == COX_DESIGN_FILE ? 8 : 3));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grid_has_every_combination_once),
        cmocka_unit_test(grids_of_ranges_are_as_they_would_be_typed),
        cmocka_unit_test(drawn_points_are_in_range_and_reproducible),
        cmocka_unit_test(sobol_is_more_even_than_random),
        cmocka_unit_test(what_stands_twice_is_kept_once),
        cmocka_unit_test(features_are_what_the_surrogate_should_see),
        cmocka_unit_test(points_are_described_and_read_back),
        cmocka_unit_test(designs_are_read_from_files),
        cmocka_unit_test(written_designs_read_back),
        cmocka_unit_test(ten_million_points_and_no_more),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
