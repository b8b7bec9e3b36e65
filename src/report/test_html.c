/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "report/chart.h"
#include "report/html.h"
#include "report/plot.h"

static void assert_escaped(const char *text, const char *expected)
{
    struct cox_str s;
    cox_str_init(&s, 10000);
    cox_html_escape(&s, text);
    assert_string_equal(cox_str_text(&s), expected);
    cox_str_deinit(&s);
}

static void test_escape(void **state)
{
    (void)state;
    assert_escaped("a < b && \"c\" > 'd'", "a &lt; b &amp;&amp; &quot;c&quot; &gt; &#39;d&#39;");
    assert_escaped("Cα – Å 🙂\n", "Cα – Å 🙂\n");
    assert_escaped("\x01 \xff \xc3", "\xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd");
    assert_escaped("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
    assert_escaped("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");                 /* overlong */
    assert_escaped(NULL, "");
}

static void test_page(void **state)
{
    (void)state;
    struct cox_str s;
    cox_str_init(&s, 100000);
    cox_html_begin(&s, "A <title>", "sub & text");
    const struct cox_html_key key = {"0.66 Å", "best RMSD", NULL};
    cox_html_keys(&s, &key, 1);
    cox_html_section(&s, "Section");
    cox_html_paragraph(&s, "%d < %d", 1, 2);
    const char *const heads[] = {"name", ">ns"}, *const cells[] = {"<x>", "12"};
    cox_html_table_begin(&s, heads, 2);
    cox_html_table_row(&s, heads, cells, 2);
    cox_html_table_end(&s);
    cox_html_preformatted(&s, "configuration", "a: <b>");
    cox_html_end(&s, NULL);
    const char *t = cox_str_text(&s);
    assert_non_null(strstr(t, "<title>A &lt;title&gt;</title>"));
    assert_non_null(strstr(t, "<p>1 &lt; 2</p>"));
    assert_non_null(strstr(t, "<th class=\"r\">ns</th>"));
    assert_non_null(strstr(t, "<td>&lt;x&gt;</td><td class=\"r\">12</td>"));
    assert_non_null(strstr(t, "<pre>a: &lt;b&gt;</pre>"));
    /* Self-contained: nothing is fetched, nothing runs. */
    assert_null(strstr(t, "<script"));
    assert_null(strstr(t, "src="));
    assert_null(strstr(t, "href="));
    cox_str_deinit(&s);
}

static void test_svg_file(void **state)
{
    (void)state;
    struct cox_str chart, file;
    cox_str_init(&chart, 100000);
    cox_str_init(&file, 100000);
    const struct cox_chart c = COX_CHART_INIT;
    cox_chart_lines(&chart, &c, NULL, 0);
    cox_svg_file(&file, cox_str_text(&chart));
    assert_true(cox_str_starts(cox_str_text(&file), "<?xml"));
    assert_non_null(strstr(cox_str_text(&file), "\n<rect width=\"100%\""));
    assert_non_null(strstr(cox_str_text(&file), "no data"));
    cox_str_deinit(&chart);
    cox_str_deinit(&file);
}

static void assert_ticks(double low, double high, double first, double step, int n)
{
    double f, s;
    int many;
    cox_ticks(low, high, 5, &f, &s, &many);
    assert_true(fabs(f - first) < 1e-9 && fabs(s - step) < 1e-9);
    assert_int_equal(many, n);
}

static void test_ticks(void **state)
{
    (void)state;
    assert_ticks(0, 10, 0, 2, 6);
    assert_ticks(0, 1, 0, 0.2, 6);
    assert_ticks(-3.7, 4.2, -2, 2, 4);
    assert_ticks(0.13, 0.14, 0.13, 0.002, 6);
    char text[24];
    cox_tick_text(text, sizeof text, 0.30000000000000004, 0.1, 1);
    assert_string_equal(text, "0.3");
    cox_tick_text(text, sizeof text, 2.5e6, 5e5, 3e6);
    assert_string_equal(text, "2.5M");
    cox_tick_text(text, sizeof text, -1e-17, 0.1, 1);
    assert_string_equal(text, "0.0");
    char colour[8];
    cox_colour_viridis(colour, 0);
    assert_string_equal(colour, "#440154");
    cox_colour_viridis(colour, 1);
    assert_string_equal(colour, "#fde725");
    cox_colour_viridis(colour, NAN);
    assert_string_equal(colour, "#440154");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_svg_file),
        cmocka_unit_test(test_ticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
