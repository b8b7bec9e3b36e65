/* SPDX-License-Identifier: BSD-3-Clause */
#include "kern/isa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void names(void **state)
{
    (void)state;
    assert_true(cox_isa_count() >= 1);
    assert_true(cox_isa_supported(0)); /* the baseline */
    assert_false(cox_isa_supported(-1));
    assert_false(cox_isa_supported(cox_isa_count()));
    assert_null(cox_isa_name(cox_isa_count()));
    for (int i = 0; i < cox_isa_count(); i++) {
        int index = -1;
        const int rc = cox_isa_select(&index, cox_isa_name(i), NULL);
        assert_int_equal(rc, cox_isa_supported(i) ? COX_OK : COX_EUNSUPPORTED);
        assert_int_equal(index, i);
    }
}

static void refusal(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    int index;
    assert_int_equal(cox_isa_select(&index, "mmx", &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "'mmx'"));
    assert_non_null(strstr(err.text, cox_isa_name(0)));
}

static void environment(void **state)
{
    (void)state;
    int index = -1;
    setenv("COX_ISA", cox_isa_name(0), 1);
    assert_int_equal(cox_isa_select(&index, NULL, NULL), COX_OK);
    assert_int_equal(index, 0);
    setenv("COX_ISA", "mmx", 1);
    assert_int_equal(cox_isa_select(&index, NULL, NULL), COX_EINVAL);
    unsetenv("COX_ISA");
    assert_int_equal(cox_isa_select(&index, NULL, NULL), COX_OK);
    assert_true(cox_isa_supported(index));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(refusal),
        cmocka_unit_test(environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
