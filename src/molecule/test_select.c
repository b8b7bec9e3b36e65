/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/select.h"

#include "molecule/test_systems.h"

static struct cox_system *sys;

static int setup(void **state)
{
    (void)state;
    sys = system_of_glycines(12, -2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cox_system_destroy(sys);
    return 0;
}

static int count(const char *expression)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_selection s;
    if (cox_selection_init(&s, sys, expression, &err)) {
        print_message("%s\n", err.text);
        return err.status;
    }
    for (int i = 1; i < s.n; i++)
        assert_true(s.atom[i] > s.atom[i - 1]);
    int n = s.n;
    cox_selection_deinit(&s);
    return n;
}

static void test_counts(void **state)
{
    (void)state;
    assert_int_equal(count("all"), 63);
    assert_int_equal(count("protein"), 60);
    assert_int_equal(count("not protein"), 3);
    assert_int_equal(count("name CA"), 12);
    assert_int_equal(count("NAME CA"), 12);
    assert_int_equal(count("name CA C"), 24);
    assert_int_equal(count("name C*"), 24);
    assert_int_equal(count("name ?A"), 12);
    assert_int_equal(count("name *"), 63);
    assert_int_equal(count("backbone"), 48);
    assert_int_equal(count("heavy"), 49);
    assert_int_equal(count("hydrogen"), 14);
    assert_int_equal(count("element O"), 13);
    assert_int_equal(count("element c n"), 36);
    assert_int_equal(count("not element H"), 49);
    assert_int_equal(count("chain W"), 3);
    assert_int_equal(count("resname HOH"), 3);
    assert_int_equal(count("index 0-10"), 11);
    assert_int_equal(count("index 3 5-6 60-1000"), 6);
    assert_int_equal(count("resid 3-8 and name CA"), 6);
    assert_int_equal(count("resid -2"), 5);
    assert_int_equal(count("resid -2--1 0"), 15);
    assert_int_equal(count("resid -1-1"), 15);
}

static void test_precedence(void **state)
{
    (void)state;
    assert_int_equal(count("name CA or name N and resid 0"), 13);
    assert_int_equal(count("(name CA or name N) and resid 0"), 2);
    assert_int_equal(count("not name CA and not name N"), 39);
    assert_int_equal(count("not (name CA or name N)"), 39);
    assert_int_equal(count("not not name CA"), 12);
    assert_int_equal(count("((((name CA))))and(resid 1)"), 1);
    assert_int_equal(count("name CA and resid 1 or name CA and resid 2 or chain W"), 5);
}

static void expect_error(const char *expression, const char *part)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_selection s;
    assert_int_equal(cox_selection_init(&s, sys, expression, &err), COX_EINVAL);
    if (!strstr(err.text, part))
        fail_msg("'%s' gave: %s", expression, err.text);
}

static void test_errors(void **state)
{
    (void)state;
    expect_error("", "column 1: ends where 'all'");
    expect_error("name", "column 5: ends where a name");
    expect_error("name CA an resid 2", "column 12: 'resid' where 'and' or 'or'");
    expect_error("nmae CA", "column 1: 'nmae' where 'all'");
    expect_error("resid A", "column 7: 'A' where a residue number");
    expect_error("resid 8-3", "column 7: '8-3'");
    expect_error("resid 3 -", "column 9: '-'");
    expect_error("index 1.5", "column 7: '1.5' where an atom index");
    expect_error("element Xx", "column 9: 'Xx' where an element");
    expect_error("(name CA", "column 9: ends where 'and', 'or' or ')'");
    expect_error("name CA)", "column 8: ')' where 'and', 'or' or the end");
    expect_error("name CA and", "column 12: ends where");
    expect_error("name CA not resid 1", "column 9: 'not' where 'and' or 'or'");
    expect_error("all protein", "column 5: 'protein' where 'and'");
    expect_error("name ZZ", "selects none of the 63 atoms");
    char deep[300];
    memset(deep, '(', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    expect_error(deep, "more than 64 nested");
}

/* Random words never do more than fail, and always with a message. */
static void test_random_expressions(void **state)
{
    (void)state;
    static const char *const pieces[] = {"all",   "not",     "and",  "or",
                                         "(",     ")",       "name", "CA",
                                         "*?*",   "resid",   "3-8",  "-2",
                                         "index", "element", "C",    "?",
                                         "\xff",  "protein", "-",    "99999999999999999999"};
    struct cox_rng rng;
    int good = 0;
    cox_rng_init(&rng, 3, 3);
    for (int trial = 0; trial < 20000; trial++) {
        char text[400] = "";
        int n = 1 + (int)cox_rng_below(&rng, 12);
        for (int i = 0; i < n; i++) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "",
                     pieces[cox_rng_below(&rng, sizeof pieces / sizeof pieces[0])]);
        }
        struct cox_err err = COX_ERR_INIT;
        struct cox_selection s;
        int rc = cox_selection_init(&s, sys, text, &err);
        good += !rc;
        if (!rc)
            cox_selection_deinit(&s);
        else
            assert_true(rc == COX_EINVAL && err.text[0]);
    }
    assert_true(good > 100);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    uint64_t before = cox_mem_in_use();
    for (uint64_t n = 1;; n++) {
        struct cox_err err = COX_ERR_INIT;
        struct cox_selection s;
        cox_mem_fail_at(n);
        int rc = cox_selection_init(&s, sys, "not (name CA or name N) and resid 1", &err);
        cox_mem_fail_at(0);
        if (!rc)
            cox_selection_deinit(&s);
        assert_int_equal(cox_mem_in_use(), before);
        if (!rc) {
            assert_true(n > 3);
            break;
        }
        assert_int_equal(rc, COX_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_random_expressions),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
