/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"

static void text_grows_to_its_maximum(void **state)
{
    (void)state;
    struct cox_str s;
    cox_str_init(&s, 1000);
    assert_string_equal(cox_str_text(&s), "");
    for (int i = 0; i < 100; i++)
        cox_str_addf(&s, "%04d,%s", i, "wxyz");
    assert_int_equal(s.length, 900);
    assert_int_equal(cox_str_status(&s, NULL), COX_OK);
    assert_memory_equal(s.text + 891, "0099,wxyz", 10);
    cox_str_addn(&s, s.text, 100); /* exactly full */
    assert_int_equal(cox_str_status(&s, NULL), COX_OK);
    struct cox_err err = COX_ERR_INIT;
    cox_str_add(&s, "x");
    cox_str_add(&s, "");
    assert_int_equal(cox_str_status(&s, &err), COX_EINVAL);
    assert_string_equal(err.text, "a text grew past its maximum of 1000 bytes");
    assert_int_equal(strlen(cox_str_text(&s)), 1000);
    cox_str_deinit(&s);
    cox_str_deinit(&s);
}

static void failure_sticks(void **state)
{
    (void)state;
    struct cox_str s;
    cox_str_init(&s, SIZE_MAX);
    cox_mem_fail_at(1);
    cox_str_add(&s, "a");
    cox_mem_fail_at(0);
    cox_str_add(&s, "b");
    assert_int_equal(cox_str_status(&s, NULL), COX_ENOMEM);
    assert_string_equal(cox_str_text(&s), "");
    cox_str_deinit(&s);
}

static void numbers_are_whole_texts(void **state)
{
    (void)state;
    double d = 0;
    long long i = 0;
    assert_int_equal(cox_parse_double(" -1.5e3 ", &d), 0);
    assert_true(d == -1500);
    assert_int_equal(cox_parse_int("\t-42\n", &i), 0);
    assert_int_equal(i, -42);
    assert_int_equal(cox_parse_int("9223372036854775807", &i), 0);
    static const char *const bad[] = {"", " ", "x", "1x", "1 2", "1.5.2", "--1", "e5"};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        assert_int_equal(cox_parse_double(bad[k], &d), COX_EINVAL);
        assert_int_equal(cox_parse_int(bad[k], &i), COX_EINVAL);
    }
    assert_int_equal(cox_parse_int("1.5", &i), COX_EINVAL);
    assert_int_equal(cox_parse_int("0x10", &i), COX_EINVAL);
    assert_int_equal(cox_parse_int("9223372036854775808", &i), COX_EINVAL);
}

static void ends_and_starts(void **state)
{
    (void)state;
    assert_true(cox_str_ends("a.h5", ".h5"));
    assert_false(cox_str_ends("h5", ".h5"));
    assert_true(cox_str_ends("x", ""));
    assert_true(cox_str_starts("frames-0", "frames"));
    assert_false(cox_str_starts("fr", "frames"));
}

static void distances_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int distance;
    } cases[] = {{"", "", 0},         {"", "abc", 3},      {"kitten", "sitting", 3},
                 {"abcd", "abdc", 1}, {"flaw", "lawn", 2}, {"same", "same", 0},
                 {"ca", "abc", 3}}; /* optimal string alignment */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(cox_str_distance(cases[i].a, cases[i].b), cases[i].distance);
        assert_int_equal(cox_str_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
    char longer[200];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(cox_str_distance(longer, ""), 32);
}

static void the_nearest_is_found(void **state)
{
    (void)state;
    static const char *const names[] = {"retrain_every", "epochs", "rmsd_A", "dropout"};
    assert_int_equal(cox_str_nearest("retrain_evry", names, 4), 0);
    assert_int_equal(cox_str_nearest("epoch", names, 4), 1);
    assert_int_equal(cox_str_nearest("rmsd", names, 4), 2);
    assert_int_equal(cox_str_nearest("zzzzzzzzz", names, 4), -1);
    assert_int_equal(cox_str_nearest("x", names, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows_to_its_maximum), cmocka_unit_test(failure_sticks),
        cmocka_unit_test(numbers_are_whole_texts),   cmocka_unit_test(ends_and_starts),
        cmocka_unit_test(distances_are_known),       cmocka_unit_test(the_nearest_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
