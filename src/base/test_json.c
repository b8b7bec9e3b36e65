/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"

static struct cox_json *sample(void)
{
    struct cox_json *object = cox_json_object();
    cox_json_set_number(object, "third", 1.0 / 3);
    cox_json_set_number(object, "nan", NAN);
    cox_json_set_number(object, "infinity", -INFINITY);
    cox_json_set_int(object, "count", 9007199254740993);
    cox_json_set_bool(object, "yes", true);
    cox_json_set_text(object, "text", "line\n\"quoted\" µ");
    cox_json_set_text(object, "none", NULL);
    struct cox_json *array = cox_json_array();
    cox_json_push_number(array, 2);
    cox_json_push_text(array, "two");
    struct cox_json *inner = cox_json_object();
    cox_json_set_int(inner, "deep", 3);
    cox_json_push(array, inner);
    cox_json_set(object, "list", array);
    return object;
}

static void text_is_in_order(void **state)
{
    (void)state;
    struct cox_json *object = sample();
    char *text = cox_json_text(object, false);
    assert_string_equal(
        text, "{\"third\":0.33333333333333331,\"nan\":null,\"infinity\":null,\"count\":"
              "9007199254740993,\"yes\":true,\"text\":\"line\\n\\\"quoted\\\" µ\",\"none\":null,"
              "\"list\":[2.0,\"two\",{\"deep\":3}]}\n");
    cox_free(text);
    text = cox_json_text(object, true);
    assert_non_null(strstr(text, "\n  \"count\": 9007199254740993,\n"));
    cox_free(text);
    cox_json_destroy(object);
    cox_json_destroy(NULL);
}

static void numbers_come_back_exactly(void **state)
{
    (void)state;
    struct cox_rng rng;
    cox_rng_init(&rng, 5, 0);
    for (int i = 0; i < 500; i++) {
        double value = exp(1400 * (cox_rng_uniform(&rng) - 0.5)) * (i % 2 ? 1 : -1);
        struct cox_json *object = cox_json_object();
        cox_json_set_number(object, "x", value);
        char *text = cox_json_text(object, false);
        struct cox_json *again = NULL;
        assert_int_equal(cox_json_parse(&again, text, NULL), COX_OK);
        assert_true(cox_json_get_number(again, "x", 0) == value);
        cox_free(text);
        cox_json_destroy(object);
        cox_json_destroy(again);
    }
}

static void files_round_trip(void **state)
{
    (void)state;
    char path[] = "/tmp/cox-json-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct cox_json *object = sample();
    assert_int_equal(cox_json_write(object, path, NULL), COX_OK);
    struct cox_json *again = NULL;
    assert_int_equal(cox_json_read(&again, path, NULL), COX_OK);
    assert_string_equal(cox_json_get_text(again, "text"), "line\n\"quoted\" µ");
    assert_null(cox_json_get_text(again, "count"));
    assert_null(cox_json_get_text(again, "absent"));
    assert_true(cox_json_get_number(again, "absent", -1) == -1);
    assert_true(cox_json_get_number(again, "text", -1) == -1);
    assert_true(cox_json_get_number(NULL, "text", -1) == -1);
    assert_int_equal(cox_json_count(again, "list"), 3);
    assert_int_equal(cox_json_count(again, "text"), 0);
    assert_int_equal(cox_json_count(NULL, "list"), 0);
    struct cox_json *item = cox_json_item(again, "list", 2);
    assert_true(cox_json_get_number(item, "deep", -1) == 3);
    cox_json_destroy(item);
    assert_null(cox_json_item(again, "list", 3));
    assert_null(cox_json_item(again, "list", -1));
    assert_null(cox_json_item(again, "absent", 0));
    cox_json_destroy(object);
    cox_json_destroy(again);
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_file_replace(path, "{\"a\":\n 1,}", 10, NULL), COX_OK);
    assert_int_equal(cox_json_read(&again, path, &err), COX_EFORMAT);
    assert_null(again);
    assert_int_equal(strncmp(err.text, path, strlen(path)), 0);
    assert_non_null(strstr(err.text, ": 2:4: "));
    unlink(path);
    assert_int_equal(cox_json_read(&again, path, &err), COX_ENOTFOUND);
}

static void bad_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "{",          "[1",      "{\"a\"}",
                                      "nan", "{\"a\":1}x", "[1e999]", "\xff"};
    struct cox_json *out = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct cox_err err = COX_ERR_INIT;
        assert_int_equal(cox_json_parse(&out, bad[i], &err), COX_EFORMAT);
        assert_null(out);
        assert_true(err.text[0]);
    }
    char *deep = cox_alloc(100001, 1);
    memset(deep, '[', 100000);
    assert_int_equal(cox_json_parse(&out, deep, NULL), COX_EFORMAT);
    cox_free(deep);
}

static void failures_are_remembered(void **state)
{
    (void)state;
    uint64_t before = cox_mem_in_use();
    for (uint64_t n = 1; n <= 4; n++) {
        cox_mem_fail_at(n); /* three wrappers, then the text */
        struct cox_json *object = sample();
        char *text = cox_json_text(object, false);
        cox_mem_fail_at(0);
        assert_null(text);
        cox_json_destroy(object);
        assert_int_equal(cox_mem_in_use(), before);
    }
    struct cox_json *object = cox_json_object();
    cox_json_set_text(object, "bad", "\xff\xfe"); /* no UTF-8 */
    assert_null(cox_json_text(object, false));
    struct cox_json *parent = cox_json_object();
    cox_json_set(parent, "child", object);
    assert_null(cox_json_text(parent, false));
    cox_json_destroy(parent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_in_order),        cmocka_unit_test(numbers_come_back_exactly),
        cmocka_unit_test(files_round_trip),        cmocka_unit_test(bad_text_is_refused),
        cmocka_unit_test(failures_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
