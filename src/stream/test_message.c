/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stream/message.h"
#include "stream/wire.h"

static const float coordinates[6] = {0.1f, -2.5f, 3e-20f, INFINITY, -0.0f, 1e30f};
static const int64_t whole[4] = {INT64_MIN, -1, 0, INT64_MAX};

static struct cox_message *sample(void)
{
    struct cox_message *m = cox_message_create("assign");
    cox_message_set_int(m, "epoch", 17);
    cox_message_set_int(m, "least", INT64_MIN);
    cox_message_set_int(m, "most", INT64_MAX);
    cox_message_set_number(m, "loss", 0.1);
    cox_message_set_number(m, "never", NAN);
    cox_message_set_text(m, "reason", "kα \"quoted\"\n");
    cox_message_set_text(m, "empty", "");
    cox_message_set_bytes(m, "x", coordinates, sizeof coordinates);
    cox_message_set_bytes(m, "nothing", NULL, 0);
    cox_message_set_ints(m, "list", whole, 4);
    cox_message_set_ints(m, "none", NULL, 0);
    for (int i = 0; i < 3; i++) {
        struct cox_message *lane = cox_message_push(m, "lanes");
        cox_message_set_int(lane, "lane", i);
        struct cox_message *inner = cox_message_push(lane, "inner");
        cox_message_set_text(cox_message_push(inner, "innermost"), "kind", "resume");
    }
    return m;
}

static void check_sample(const struct cox_message *m)
{
    size_t n;
    int count;
    assert_string_equal(cox_message_type(m), "assign");
    assert_true(cox_message_is(m, "assign"));
    assert_int_equal(cox_message_int(m, "epoch", 0), 17);
    assert_true(cox_message_int(m, "least", 0) == INT64_MIN);
    assert_true(cox_message_int(m, "most", 0) == INT64_MAX);
    assert_true(cox_message_number(m, "loss", 0) == 0.1);
    assert_true(cox_message_number(m, "epoch", 0) == 17);
    assert_true(isnan(cox_message_number(m, "never", 0)));
    assert_string_equal(cox_message_text(m, "reason", ""), "kα \"quoted\"\n");
    assert_string_equal(cox_message_text(m, "empty", "x"), "");
    const void *x = cox_message_bytes(m, "x", &n);
    assert_int_equal(n, sizeof coordinates);
    assert_int_equal((uintptr_t)x % 8, 0);
    assert_memory_equal(x, coordinates, n);
    assert_non_null(cox_message_bytes(m, "nothing", &n));
    assert_int_equal(n, 0);
    const int64_t *list = cox_message_ints(m, "list", &count);
    assert_int_equal(count, 4);
    assert_memory_equal(list, whole, sizeof whole);
    assert_non_null(cox_message_ints(m, "none", &count));
    assert_int_equal(count, 0);
    assert_int_equal(cox_message_count(m, "lanes"), 3);
    for (int i = 0; i < 3; i++) {
        const struct cox_message *lane = cox_message_item(m, "lanes", i);
        assert_int_equal(cox_message_int(lane, "lane", -1), i);
        const struct cox_message *inner = cox_message_item(lane, "inner", 0);
        assert_string_equal(cox_message_text(cox_message_item(inner, "innermost", 0), "kind", ""),
                            "resume");
    }
}

static void messages_come_back_exactly(void **state)
{
    (void)state;
    uint64_t before = cox_mem_in_use();
    struct cox_message *m = sample(), *again;
    check_sample(m);
    void *bytes, *second;
    size_t n, n2;
    assert_int_equal(cox_message_pack(m, &bytes, &n, NULL), COX_OK);
    assert_int_equal(cox_message_unpack(&again, bytes, n, NULL), COX_OK);
    check_sample(again);
    assert_int_equal(cox_message_pack(again, &second, &n2, NULL), COX_OK);
    assert_int_equal(n, n2);
    assert_memory_equal(bytes, second, n);
    cox_free(bytes);
    cox_free(second);
    cox_message_destroy(m);
    cox_message_destroy(again);
    assert_int_equal(cox_mem_in_use(), before);
}

static void what_is_absent_or_of_another_type_is_missing(void **state)
{
    (void)state;
    size_t n = 1;
    int count = 1;
    struct cox_message *m = sample();
    assert_int_equal(cox_message_int(m, "absent", -7), -7);
    assert_int_equal(cox_message_int(m, "loss", -7), -7);
    assert_true(cox_message_number(m, "reason", -7) == -7);
    assert_null(cox_message_text(m, "epoch", NULL));
    assert_null(cox_message_bytes(m, "reason", &n));
    assert_int_equal(n, 0);
    assert_null(cox_message_ints(m, "lanes", &count));
    assert_int_equal(count, 0);
    assert_int_equal(cox_message_count(m, "list"), 0);
    assert_null(cox_message_item(m, "lanes", 3));
    assert_null(cox_message_item(m, "lanes", -1));
    assert_int_equal(cox_message_int(NULL, "epoch", 5), 5);
    assert_string_equal(cox_message_type(NULL), "");
    cox_message_set_text(m, "loss", "now a text");
    assert_string_equal(cox_message_text(m, "loss", ""), "now a text");
    cox_message_destroy(m);
}

static void failures_come_out_when_packed(void **state)
{
    (void)state;
    char name[COX_MESSAGE_KEY_SIZE + 1];
    void *bytes;
    size_t n;
    struct cox_err err = COX_ERR_INIT;
    memset(name, 'k', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct cox_message *m = sample();
    cox_message_set_int(cox_message_item(m, "lanes", 1) ? m : NULL, name, 1);
    assert_int_equal(cox_message_pack(m, &bytes, &n, &err), COX_EINVAL);
    assert_null(bytes);
    cox_message_destroy(m);

    m = sample();
    assert_null(cox_message_push(m, "epoch"));
    assert_int_equal(cox_message_pack(m, &bytes, &n, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "'epoch'"));
    cox_message_destroy(m);

    m = cox_message_create("many");
    for (int i = 0; i < COX_MESSAGE_MAX_KEYS; i++) {
        snprintf(name, sizeof name, "k%d", i);
        cox_message_set_int(m, name, i);
    }
    assert_int_equal(cox_message_pack(m, &bytes, &n, &err), COX_EINVAL);
    cox_message_destroy(m);

    m = cox_message_create("deep");
    struct cox_message *inner = m;
    for (int i = 1; i <= COX_MESSAGE_MAX_DEPTH; i++)
        inner = cox_message_push(inner, "inner");
    assert_int_equal(cox_message_pack(m, &bytes, &n, &err), COX_EINVAL);
    cox_message_destroy(m);

    assert_int_equal(cox_message_pack(NULL, &bytes, &n, &err), COX_ENOMEM);
    cox_message_set_int(NULL, "epoch", 1);
    cox_message_destroy(NULL);
}

static void text_is_made_utf8(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"caf\xe9", "caf?"},
        {"\xc0\xaf", "??"},
        {"\xed\xa0\x80", "???"},
        {"\xf4\x90\x80\x80", "????"},
        {"a\xf0\x9f\x98\x80z", "a\xf0\x9f\x98\x80z"},
        {"\xe2\x82", "??"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct cox_message *m = cox_message_create("t"), *again;
        cox_message_set_text(m, "text", pairs[i][0]);
        assert_string_equal(cox_message_text(m, "text", ""), pairs[i][1]);
        void *bytes;
        size_t n;
        assert_int_equal(cox_message_pack(m, &bytes, &n, NULL), COX_OK);
        assert_int_equal(cox_message_unpack(&again, bytes, n, NULL), COX_OK);
        cox_free(bytes);
        cox_message_destroy(m);
        cox_message_destroy(again);
    }
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    uint64_t before = cox_mem_in_use();
    struct cox_message *whole_one = sample();
    void *packed;
    size_t n;
    assert_int_equal(cox_message_pack(whole_one, &packed, &n, NULL), COX_OK);
    cox_message_destroy(whole_one);
    int made = 0;
    for (uint64_t k = 1; k < 40; k++) {
        struct cox_message *m, *again = NULL;
        void *bytes = NULL;
        size_t length;
        cox_mem_fail_at(k);
        m = sample();
        int rc = cox_message_pack(m, &bytes, &length, NULL);
        cox_mem_fail_at(k);
        int rc2 = cox_message_unpack(&again, packed, n, NULL);
        cox_mem_fail_at(0);
        assert_true(rc == COX_OK || rc == COX_ENOMEM);
        assert_true(rc2 == COX_OK || rc2 == COX_ENOMEM);
        assert_true((rc2 == COX_OK) == (again != NULL));
        made += rc == COX_OK && rc2 == COX_OK;
        cox_free(bytes);
        cox_message_destroy(m);
        cox_message_destroy(again);
    }
    assert_true(made > 0 && made < 39);
    cox_free(packed);
    assert_int_equal(cox_mem_in_use(), before);
}

#define BYTES(text) text, sizeof text - 1

static void foreign_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *says;
    } bad[] = {
        {BYTES(""), "cut short"},
        {BYTES("\xc0"), "not a map"},
        {BYTES("\x01"), "not a map"},
        {BYTES("\xa1k"), "not a map"},
        {BYTES("\x81"), "cut short"},
        {BYTES("\x81\xa1k"), "cut short"},
        {BYTES("\x80\x80"), "too many"},
        {BYTES("\x81\x01\x01"), "a key"},
        {BYTES("\x81\xa0\x01"), "a key"},
        {BYTES("\x81\xa1\x00\x01"), "UTF-8"},
        {BYTES("\x82\xa1k\x01\xa1k\x02"), "second time"},
        {BYTES("\x81\xa1k\xa1\xff"), "UTF-8"},
        {BYTES("\x81\xa1k\xa3"
               "a\0b"),
         "UTF-8"},
        {BYTES("\x81\xa1k\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "2^63"},
        {BYTES("\x81\xa1k\x92\x01\xa1t"), "neither"},
        {BYTES("\x81\xa1k\x92\x80\x01"), "neither"},
        {BYTES("\x81\xa1k\x91\xcb\0\0\0\0\0\0\0\0"), "neither"},
        {BYTES("\x81\xa1k\x80"), "no message has"},
        {BYTES("\x81\xa1k\xc1"), "type 0xc1"},
        {BYTES("\x81\xa1k\xd4\x01\x01"), "type 0xd4"},
        {BYTES("\x81\xa1k\xc7\x01\x01\x01"), "type 0xc7"},
        {BYTES("\x81\xa1k\xdd\xff\xff\xff\xff"), "cut short"}, /* 4 G entries in five bytes */
        {BYTES("\xdf\xff\xff\xff\xff"), "cut short"},
        {BYTES("\x81\xa1k\xc6\xff\xff\xff\xff"), "cut short"},
        {BYTES("\x81\xa1k\xdb\x80\x00\x00\x00"), "cut short"},
        {BYTES("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0"), "in each other"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct cox_message *m;
        struct cox_err err = COX_ERR_INIT;
        if (cox_message_unpack(&m, bad[i].bytes, bad[i].n, &err) != COX_EFORMAT ||
            !strstr(err.text, bad[i].says) || m)
            fail_msg("case %zu: '%s'", i, err.text);
    }
    /* what a newer peer may send: nothing, truth, single precision, an empty list */
    struct cox_message *m;
    assert_int_equal(
        cox_message_unpack(&m, BYTES("\x84\xa1n\xc0\xa1t\xc3\xa1l\x90\xa1s\xca\x3f\x00\x00\x00"),
                           NULL),
        COX_OK);
    assert_int_equal(cox_message_int(m, "n", 9), 9);
    assert_int_equal(cox_message_int(m, "t", 9), 1);
    assert_int_equal(cox_message_count(m, "l"), 0);
    assert_true(cox_message_number(m, "s", 0) == 0.5);
    cox_message_destroy(m);
}

/* A list of many small things costs memory for each: bounded by their number, too. */
static void the_number_of_values_is_bounded(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    size_t n = COX_MESSAGE_MAX_VALUES + 100;
    char *bytes = cox_alloc(n, 1);
    memcpy(bytes, "\x81\xa1k\xdd", 4);
    uint32_t count = (uint32_t)(n - 8);
    for (int i = 0; i < 4; i++)
        bytes[4 + i] = (char)(count >> (24 - 8 * i));
    struct cox_message *m;
    assert_int_equal(cox_message_unpack(&m, bytes, n, &err), COX_EFORMAT);
    assert_non_null(strstr(err.text, "values"));
    cox_free(bytes);
    assert_int_equal(cox_wire_check("\x92\x01\x02", 3, 1, 3, NULL), COX_OK);
    assert_int_equal(cox_wire_check("\x92\x01\x02", 3, 1, 2, NULL), COX_EFORMAT);
    assert_int_equal(cox_wire_check("\x92\x01\x02", 3, 0, 9, NULL), COX_EFORMAT);
}

static void every_cut_and_many_changes_are_survived(void **state)
{
    (void)state;
    struct cox_message *m = sample(), *out;
    void *packed;
    size_t n;
    struct cox_rng rng;
    cox_rng_init(&rng, 4, 0);
    assert_int_equal(cox_message_pack(m, &packed, &n, NULL), COX_OK);
    cox_message_destroy(m);
    uint64_t before = cox_mem_in_use();
    for (size_t cut = 0; cut < n; cut++) {
        char *part = cox_alloc(cut, 1); /* its own block, so that reading on is seen */
        memcpy(part, packed, cut);
        assert_int_equal(cox_message_unpack(&out, part, cut, NULL), COX_EFORMAT);
        cox_free(part);
    }
    int accepted = 0;
    for (int i = 0; i < 20000; i++) {
        unsigned char *copy = cox_alloc(n, 1);
        memcpy(copy, packed, n);
        for (uint32_t k = 1 + cox_rng_below(&rng, 3); k; k--)
            copy[cox_rng_below(&rng, (uint32_t)n)] = (unsigned char)cox_rng_u32(&rng);
        accepted += cox_message_unpack(&out, copy, n, NULL) == COX_OK;
        cox_message_destroy(out);
        cox_free(copy);
    }
    assert_true(accepted > 0 && accepted < 20000);
    assert_int_equal(cox_mem_in_use(), before);
    cox_free(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_back_exactly),
        cmocka_unit_test(what_is_absent_or_of_another_type_is_missing),
        cmocka_unit_test(failures_come_out_when_packed),
        cmocka_unit_test(text_is_made_utf8),
        cmocka_unit_test(every_failed_allocation_is_reported),
        cmocka_unit_test(foreign_bytes_are_refused),
        cmocka_unit_test(the_number_of_values_is_bounded),
        cmocka_unit_test(every_cut_and_many_changes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
