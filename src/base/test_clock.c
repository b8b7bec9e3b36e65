/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"

static void time_goes_on(void **state)
{
    (void)state;
    double wall = cox_clock_seconds();
    double cpu = cox_clock_thread_seconds();
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL);
    double passed = cox_clock_seconds() - wall;
    assert_true(passed >= 0.019 && passed < 5);
    assert_true(cox_clock_thread_seconds() - cpu < passed); /* asleep */
    assert_true(fabs(cox_clock_unix() - (double)time(NULL)) < 2);
}

static void utc_is_iso(void **state)
{
    (void)state;
    char text[32];
    cox_clock_utc(text, sizeof text);
    assert_int_equal(strlen(text), 24);
    assert_int_equal(text[10], 'T');
    assert_int_equal(text[23], 'Z');
    assert_int_equal(strspn(text, "0123456789-T:.Z"), 24);
}

static void durations_are_for_people(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0.0 s"},
                 {12.34, "12.3 s"},
                 {59.97, "1 min 00 s"},
                 {200, "3 min 20 s"},
                 {3599.9, "1 h 00 min"},
                 {7500, "2 h 05 min"},
                 {360000, "100 h 00 min"},
                 {-1, "?"},
                 {NAN, "?"},
                 {INFINITY, "?"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];
        cox_clock_human(cases[i].seconds, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
}

static void collect(void *user, enum cox_log_level level, const char *line)
{
    char *kept = user;
    kept[0] = (char)('0' + level);
    strncpy(kept + 1, line, 98);
}

static void lines_go_to_the_sink(void **state)
{
    (void)state;
    char kept[100] = "";
    cox_log(COX_LOG_WARN, "nobody listens");
    cox_log_set_sink(collect, kept);
    cox_log(COX_LOG_WARN, "lane %d", 3);
    assert_string_equal(kept, "2lane 3");
    cox_log_set_sink(NULL, NULL);
    cox_log(COX_LOG_INFO, "dropped");
    assert_string_equal(kept, "2lane 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_goes_on),
        cmocka_unit_test(utc_is_iso),
        cmocka_unit_test(durations_are_for_people),
        cmocka_unit_test(lines_go_to_the_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
