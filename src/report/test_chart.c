/* SPDX-License-Identifier: BSD-3-Clause */
/* Every chart with usual, empty, degenerate and huge data: the text must be well-formed and hold no
 * NaN. COX_GALLERY=file.html keeps the page, to be looked at in a browser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "report/chart.h"
#include "report/html.h"

#define MANY 50000
#define PAGE_MAXIMUM ((size_t)64 << 20)

/* Balanced tags, quoted attributes, no bare & or <: what an XML parser would insist on. */
static const char *not_well_formed(const char *text)
{
    static char stack[64][32];
    int depth = 0;
    for (const char *c = text; *c; c++) {
        if (*c == '&' && !strchr("lgaq#", c[1]))
            return c;
        if (*c != '<')
            continue;
        const char *end = strchr(c, '>');
        if (!end)
            return c;
        size_t length = strcspn(c + 1, " />\n");
        if (c[1] == '/') {
            length = strcspn(c + 2, " >");
            if (depth == 0 || strlen(stack[depth - 1]) != length ||
                strncmp(stack[depth - 1], c + 2, length) != 0)
                return c;
            depth--;
        } else if (end[-1] != '/' && c[1] != '?') {
            if (depth == 64 || length > 31)
                return c;
            memcpy(stack[depth], c + 1, length);
            stack[depth++][length] = '\0';
        }
        size_t quotes = 0;
        for (const char *q = c; q < end; q++)
            quotes += *q == '"';
        if (quotes % 2)
            return c;
        c = end;
    }
    return depth ? text : NULL;
}

static void check(struct cox_str *s, size_t from)
{
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_str_status(s, &err), COX_OK);
    const char *text = cox_str_text(s) + from, *wrong = not_well_formed(text);
    if (wrong)
        fail_msg("not well-formed at: %.80s", wrong);
    const char *nan_text = strstr(text, "nan");
    if (nan_text)
        fail_msg("NaN: %.120s", nan_text - 60);
    assert_null(strstr(text, "inf"));
    assert_null(strstr(text, "NaN"));
}

static double *memory(size_t n)
{
    double *x = cox_alloc(n, sizeof *x);
    assert_non_null(x);
    return x;
}

static size_t begin(struct cox_str *page)
{
    cox_html_figure_begin(page);
    return page->length;
}

static void lines(struct cox_str *page)
{
    double *x = memory(MANY), *y = memory(MANY), *z = memory(MANY);
    struct cox_rng rng;
    cox_rng_init(&rng, 1, 1);
    double walk = 8;
    for (int i = 0; i < MANY; i++) {
        x[i] = i * 2e-4;
        walk += 0.02 * cox_rng_normal(&rng) - 2e-5 * (walk - 1);
        y[i] = walk;
        z[i] = i ? fmin(z[i - 1], fabs(walk)) : walk;
    }
    y[100] = NAN;
    const struct cox_chart_series both[] = {
        {.name = "lane 3, RMSD", .x = x, .y = y, .n = MANY},
        {.name = "best so far", .x = x, .y = z, .n = MANY, .step = true},
        {.name = "control, best so far <&>",
         .x = x,
         .y = z,
         .n = 9000,
         .dashed = true,
         .step = true}};
    struct cox_chart c = COX_CHART_INIT;
    c.title = "Best Cα RMSD against simulated time";
    c.x_label = "aggregate simulated time (ns)";
    c.y_label = "Cα RMSD (Å)";
    c.x2_label = "simulated time per replica (ns)";
    c.x2_scale = 1.0 / 32;
    size_t at = begin(page);
    cox_chart_lines(page, &c, both, 3);
    check(page, at);
    cox_html_figure_end(page, "%d points, thinned.", MANY);
    const double k[] = {1, 2, 4, 8, 16, 32, 64, 128, 256},
                 v[] = {3, 9, 27, 81, 243, 600, 0, -4, 9e4};
    const struct cox_chart_series marks = {.name = NULL, .x = k, .y = v, .n = 9, .marks = true};
    c = (struct cox_chart)COX_CHART_INIT;
    c.title = "Logarithmic axes, values ≤ 0 left out";
    c.x_log = c.y_log = true;
    c.x_label = "replicas";
    c.y_label = "ns/day";
    at = begin(page);
    cox_chart_lines(page, &c, &marks, 1);
    check(page, at);
    cox_html_figure_end(page, "Marks.");
    cox_free(x);
    cox_free(y);
    cox_free(z);
}

static void scatter(struct cox_str *page)
{
    double *x = memory(MANY), *y = memory(MANY), *v = memory(MANY);
    int *kind = cox_alloc(MANY, sizeof *kind);
    assert_non_null(kind);
    struct cox_rng rng;
    cox_rng_init(&rng, 2, 1);
    for (int i = 0; i < MANY; i++) {
        kind[i] = i % 5;
        x[i] = 1.5 * kind[i] + cox_rng_normal(&rng);
        y[i] = (kind[i] == 2 ? 4 : 0) + cox_rng_normal(&rng);
        v[i] = hypot(x[i] - 3, y[i] - 4);
    }
    v[7] = NAN;
    const char *const names[] = {"round 1", "round 2", "round 3", "round 4", "round 5"};
    const size_t marked[] = {2, 12, 22, 32};
    struct cox_chart c = COX_CHART_INIT;
    c.title = "Latent space";
    c.x_label = "first component";
    c.y_label = "second component";
    c.height = 420;
    c.width = 560;
    struct cox_chart_scatter d = {.x = x,
                                  .y = y,
                                  .n = MANY,
                                  .value = v,
                                  .value_label = "RMSD (Å)",
                                  .value_reversed = true,
                                  .marked = marked,
                                  .n_marked = 4,
                                  .marked_name = "restart points"};
    size_t at = begin(page);
    cox_chart_scatter(page, &c, &d);
    check(page, at);
    cox_html_figure_end(page, "By value.");
    d.value = NULL;
    d.category = kind;
    d.category_names = names;
    d.n_categories = 5;
    d.n = 900;
    d.n_marked = 0;
    at = begin(page);
    cox_chart_scatter(page, &c, &d);
    check(page, at);
    cox_html_figure_end(page, "By category.");
    cox_free(x);
    cox_free(y);
    cox_free(v);
    cox_free(kind);
}

static void histograms(struct cox_str *page)
{
    double *v = memory(MANY);
    int *round = cox_alloc(MANY, sizeof *round);
    assert_non_null(round);
    struct cox_rng rng;
    cox_rng_init(&rng, 3, 1);
    for (int i = 0; i < MANY; i++) {
        round[i] = i * 37LL / MANY;
        v[i] = 8 - 0.16 * round[i] + (0.4 + 0.02 * round[i]) * cox_rng_normal(&rng);
        v[i] = fabs(v[i]);
    }
    v[3] = INFINITY;
    struct cox_chart c = COX_CHART_INIT;
    c.title = "Cα RMSD by round";
    c.x_label = "Cα RMSD to the reference (Å)";
    c.y_label = "frames";
    struct cox_chart_histogram d = {.value = v,
                                    .group = round,
                                    .n = MANY,
                                    .n_groups = 37,
                                    .group_word = "round",
                                    .first_group = 1,
                                    .ordered = true,
                                    .stacked = true};
    for (int k = 0; k < 3; k++) {
        const size_t at = begin(page);
        cox_chart_histogram(page, &c, &d);
        check(page, at);
        cox_html_figure_end(page, "Histogram %d.", k);
        d.stacked = false;
        d.density = k == 0;
        c.y_label = k == 0 ? "density (1/Å)" : "frames";
        d.n_groups = 3;
        d.ordered = k == 0;
    }
    cox_free(v);
    cox_free(round);
}

static void timelines(struct cox_str *page)
{
    static struct cox_chart_task task[4000];
    size_t n = 0;
    const char *const kinds[] = {"simulate", "features", "train", "embed", "agent", "store"};
    for (int r = 0; r < 6; r++) {
        const double t = r * 20.0;
        for (int w = 0; w < 2; w++) {
            for (int k = 0; k < 40; k++)
                task[n++] = (struct cox_chart_task){t + k * 0.3, t + k * 0.3 + 0.298, w, 0, 1};
            task[n++] = (struct cox_chart_task){t + 12.1, t + 12.8, w, 1, 1};
        }
        task[n++] = (struct cox_chart_task){t + 13, t + 18 + r % 2, 0, 2, 1};
        task[n++] = (struct cox_chart_task){t + 13, t + 18 + r % 2, 1, 2, 1};
        task[n++] = (struct cox_chart_task){t + 19, t + 19.4, 0, 3, 1};
        task[n++] = (struct cox_chart_task){t + 19.4, t + 19.7, 0, 4, 1};
        task[n++] = (struct cox_chart_task){t + 19.7, t + 19.9, 1, 5, 1};
    }
    struct cox_chart c = COX_CHART_INIT;
    c.title = "Tasks";
    c.x_label = "wall time (s)";
    c.width = 1000;
    const struct cox_chart_timeline d = {
        .task = task, .n = n, .n_rows = 2, .n_kinds = 6, .kind_names = kinds};
    size_t at = begin(page);
    cox_chart_timeline(page, &c, &d);
    check(page, at);
    cox_html_figure_end(page, "Two workers.");
    for (size_t i = 0; i < n; i++)
        task[i].row = (int)(i % 64);
    const struct cox_chart_timeline wide = {
        .task = task, .n = n, .n_rows = 64, .n_kinds = 6, .kind_names = kinds};
    at = begin(page);
    cox_chart_timeline(page, &c, &wide);
    check(page, at);
    cox_html_figure_end(page, "64 workers.");
    /* processes that share two cores, and are begun again now and then */
    const char *const rows[] = {"sim-0", "sim-1", "agg-0", "train-0", "agent-0"};
    const struct cox_chart_mark marks[] = {{20, 0}, {47, 3}, {NAN, 1}, {30, 9}};
    for (size_t i = 0; i < n; i++) {
        task[i].row = (int)(i % 5);
        task[i].cores = i % 5 < 2;
    }
    const struct cox_chart_timeline stream = {.task = task,
                                              .n = n,
                                              .n_rows = 5,
                                              .row_names = rows,
                                              .n_kinds = 6,
                                              .kind_names = kinds,
                                              .cores = 2,
                                              .mark = marks,
                                              .n_marks = 4,
                                              .mark_name = "begun again"};
    at = begin(page);
    cox_chart_timeline(page, &c, &stream);
    check(page, at);
    assert_non_null(strstr(page->text + at, "of all core time"));
    assert_non_null(strstr(page->text + at, "begun again"));
    cox_html_figure_end(page, "Five processes.");
}

static void bars(struct cox_str *page)
{
    const char *const names[] = {"control", "CVAE + outliers", "outliers + RMSD",
                                 "greedy + diversity"};
    const double value[] = {1, 3.4, NAN, 11.2}, low[] = {0.8, 2.9, NAN, 9},
                 high[] = {1.3, 4, NAN, 14};
    struct cox_chart c = COX_CHART_INIT;
    c.title = "Speed-up to 50 % of the states";
    c.x_label = "ns of the control / ns of the arm";
    const struct cox_chart_bars d = {names, value, low, high, 4, "%.1f×"};
    const size_t at = begin(page);
    cox_chart_bars(page, &c, &d);
    check(page, at);
    cox_html_figure_end(page, "Error bars: range over seeds.");
}

static void empty(struct cox_str *page)
{
    const double one[] = {5}, nothing[] = {NAN, NAN}, same[] = {2, 2, 2};
    const char *const kinds[] = {"a"};
    struct cox_chart c = COX_CHART_INIT;
    c.width = 300;
    c.height = 200;
    c.title = "Degenerate <data> & \"quotes\"";
    size_t at = page->length;
    cox_html_row_begin(page);
    const struct cox_chart_series s[] = {{.name = "x", .x = nothing, .y = nothing, .n = 2},
                                         {.name = "y", .x = one, .y = one, .n = 1, .marks = true},
                                         {.name = "z", .x = same, .y = same, .n = 3}};
    cox_chart_lines(page, &c, NULL, 0);
    for (int i = 0; i < 3; i++)
        cox_chart_lines(page, &c, &s[i], 1);
    cox_chart_scatter(page, &c, &(struct cox_chart_scatter){.n = 0});
    cox_chart_scatter(page, &c,
                      &(struct cox_chart_scatter){.x = same, .y = same, .value = same, .n = 3});
    cox_chart_histogram(page, &c, &(struct cox_chart_histogram){.n = 0});
    cox_chart_histogram(page, &c, &(struct cox_chart_histogram){.value = same, .n = 3});
    cox_chart_histogram(page, &c,
                        &(struct cox_chart_histogram){.value = nothing, .n = 2, .bins = 5});
    cox_chart_timeline(
        page, &c, &(struct cox_chart_timeline){.n_kinds = 1, .kind_names = kinds, .n_rows = 0});
    cox_chart_bars(page, &c, &(struct cox_chart_bars){.n = 0});
    cox_html_row_end(page);
    check(page, at);
}

static void test_gallery(void **state)
{
    (void)state;
    struct cox_str page;
    cox_str_init(&page, PAGE_MAXIMUM);
    cox_html_begin(&page, "Gallery", "all charts");
    lines(&page);
    scatter(&page);
    histograms(&page);
    timelines(&page);
    bars(&page);
    empty(&page);
    cox_html_end(&page, "end");
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_str_status(&page, &err), COX_OK);
    assert_true(page.length < 2000000); /* 500,000 numbers went in: they are thinned */
    const char *keep = getenv("COX_GALLERY");
    if (keep)
        assert_int_equal(cox_file_replace(keep, page.text, page.length, &err), COX_OK);
    cox_str_deinit(&page);
}

static void test_same_bytes(void **state)
{
    (void)state;
    struct cox_str a, b;
    cox_str_init(&a, PAGE_MAXIMUM);
    cox_str_init(&b, PAGE_MAXIMUM);
    scatter(&a);
    scatter(&b);
    assert_string_equal(cox_str_text(&a), cox_str_text(&b));
    cox_str_deinit(&a);
    cox_str_deinit(&b);
}

static void draw_small(struct cox_str *page)
{
    const double x[] = {1, 2, 3}, y[] = {3, 1, 2};
    const struct cox_chart c = COX_CHART_INIT;
    const char *const kinds[] = {"a"};
    const struct cox_chart_task task = {0, 1, 0, 0, 1};
    const struct cox_chart_series s = {.name = "a", .x = x, .y = y, .n = 3};
    cox_chart_lines(page, &c, &s, 1);
    cox_chart_scatter(page, &c, &(struct cox_chart_scatter){.x = x, .y = y, .n = 3, .value = y});
    cox_chart_histogram(page, &c, &(struct cox_chart_histogram){.value = x, .n = 3});
    cox_chart_timeline(page, &c,
                       &(struct cox_chart_timeline){
                           .task = &task, .n = 1, .n_kinds = 1, .kind_names = kinds, .n_rows = 1});
}

/* Each allocation fails in turn: the failure sticks, nothing leaks or crashes. */
static void test_out_of_memory(void **state)
{
    (void)state;
    const uint64_t before = cox_mem_in_use();
    int failures = 0;
    for (uint64_t n = 1; n < 200; n++) {
        struct cox_str page;
        cox_str_init(&page, PAGE_MAXIMUM);
        cox_mem_fail_at(n);
        draw_small(&page);
        cox_mem_fail_at(0);
        const int status = cox_str_status(&page, NULL);
        cox_str_deinit(&page);
        assert_int_equal(cox_mem_in_use(), before);
        if (status == COX_OK)
            break;
        assert_int_equal(status, COX_ENOMEM);
        failures++;
    }
    assert_true(failures > 5);
}

static void test_maximum_sticks(void **state)
{
    (void)state;
    struct cox_str page;
    cox_str_init(&page, 500);
    draw_small(&page);
    assert_int_not_equal(cox_str_status(&page, NULL), COX_OK);
    assert_true(page.length <= 500);
    cox_str_deinit(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gallery),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_maximum_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
