/* SPDX-License-Identifier: BSD-3-Clause */
/* How many cores a burst of training gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "steer/streaming/cores.h"

static void it_takes_more_when_late_and_fewer_when_in_time(void **state)
{
    (void)state;
    struct cox_cores cores = {.n = 8, .most = 3, .want = 1};
    assert_int_equal(cox_cores_burst(&cores, 1.0), 1);
    assert_int_equal(cox_cores_burst(&cores, 2.5), 2);
    assert_int_equal(cox_cores_burst(&cores, 9.0), 3);
    assert_int_equal(cox_cores_burst(&cores, 9.0), 3); /* learn_cores_max */
    assert_int_equal(cox_cores_burst(&cores, 1.0), 2);
    assert_int_equal(cox_cores_burst(&cores, 1.0), 1);
    assert_int_equal(cox_cores_burst(&cores, 1.0), 1); /* never none */
}

static void it_does_not_flap_in_between(void **state)
{
    (void)state;
    struct cox_cores cores = {.n = 8, .most = 4, .want = 2};
    for (int i = 0; i < 100; i++)
        assert_int_equal(cox_cores_burst(&cores, i % 2 ? 1.3 : 1.9), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_takes_more_when_late_and_fewer_when_in_time),
        cmocka_unit_test(it_does_not_flap_in_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
