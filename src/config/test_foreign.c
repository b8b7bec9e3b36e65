/* SPDX-License-Identifier: BSD-3-Clause */
/* What files of other programs need: other names of keys, remarks among the keys, lists of lists,
 * and keys whose value does not matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

struct net {
    struct cox_config_ints neuron;
    struct cox_config_ints pairs;
    const char *info;
};

static const char *const neuron_aliases[] = {"n_neuron", "units", NULL};

static const struct cox_config_row rows[] = {
    {"neuron", COX_CONFIG_INTS, COX_CONFIG_FIELD(struct net, neuron), .initial = "[1]",
     .aliases = neuron_aliases, .help = "widths"},
    {"pairs", COX_CONFIG_INTS, COX_CONFIG_FIELD(struct net, pairs), .initial = "[]",
     .flags = COX_CONFIG_FLATTEN, .max_items = 4, .minimum = 0, .maximum = 9, .help = "pairs"},
    {"info", COX_CONFIG_TEXT, COX_CONFIG_FIELD(struct net, info), .flags = COX_CONFIG_ANYTHING,
     .help = "not looked at"},
};
static const struct cox_config_schema schema = {
    .rows = rows, .n = 3, .size = sizeof(struct net), .help = "a net", .comments = true};

struct reading {
    struct cox_arena *arena;
    struct net net;
    struct cox_err err;
    int rc;
};

static void parse(struct reading *r, const char *json)
{
    struct cox_config_text text = {"i.json", json, strlen(json)};
    *r = (struct reading){.arena = cox_arena_create()};
    assert_non_null(r->arena);
    r->rc = cox_config_parse(NULL, &r->net, &schema, &text, r->arena, &r->err);
}

static void says(const char *json, const char *message)
{
    struct reading r;
    parse(&r, json);
    assert_int_not_equal(r.rc, COX_OK);
    if (!strstr(r.err.text, message))
        fail_msg("'%s' does not say '%s'", r.err.text, message);
    cox_arena_destroy(r.arena);
}

static void an_alias_stands_for_its_key(void **state)
{
    (void)state;
    struct reading r;
    struct cox_str text;
    assert_int_equal(cox_config_check_schema(&schema, NULL), COX_OK);
    parse(&r, "{\"units\": [5, 6]}");
    assert_int_equal(r.rc, COX_OK);
    assert_int_equal(r.net.neuron.n, 2);
    assert_int_equal(r.net.neuron.items[1], 6);
    cox_arena_destroy(r.arena);
    says("{\"units\": [5],\n \"n_neuron\": [6]}", "given twice");
    says("{\"units\": [5],\n \"neuron\": [6]}", "given twice");
    says("{\"neurn\": [5]}", "i.json:1:2: unknown key 'neurn'; did you mean 'neuron'?");
    cox_str_init(&text, 1 << 16);
    cox_config_explain(&text, &schema, COX_CONFIG_PLAIN);
    assert_non_null(strstr(cox_str_text(&text), "also 'n_neuron'"));
    cox_str_deinit(&text);
}

static void remarks_are_passed_over(void **state)
{
    (void)state;
    struct reading r;
    parse(&r, "{\"_comment1\": \"that's all\", \"_\": {\"a\": []}, \"_comment1\": 3}");
    assert_int_equal(r.rc, COX_OK);
    assert_int_equal(r.net.neuron.items[0], 1);
    cox_arena_destroy(r.arena);
}

static void lists_of_lists_are_laid_end_to_end(void **state)
{
    (void)state;
    struct reading r;
    parse(&r, "{\"pairs\": [[0, 1], [2, 3]]}");
    assert_int_equal(r.rc, COX_OK);
    assert_int_equal(r.net.pairs.n, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(r.net.pairs.items[i], i);
    cox_arena_destroy(r.arena);
    parse(&r, "{\"pairs\": [[], 7]}");
    assert_int_equal(r.rc, COX_OK);
    assert_int_equal(r.net.pairs.n, 1);
    assert_int_equal(r.net.pairs.items[0], 7);
    cox_arena_destroy(r.arena);
    says("{\"pairs\": [[0, 1], [2, 3], [4, 5]]}", "'pairs' has 6 items, but must have 0 to 4");
    says("{\"pairs\": [[0, 10]]}", "'pairs' is 10, but must be 0 to 9");
    says("{\"pairs\": [[[0]]]}", "must be a list of whole numbers");
}

static void anything_goes_where_nothing_is_read(void **state)
{
    (void)state;
    static const char *const jsons[] = {"{\"info\": {\"a\": [1]}}", "{\"info\": []}",
                                        "{\"info\": null}", "{}"};
    struct reading r;
    for (int i = 0; i < 4; i++) {
        parse(&r, jsons[i]);
        assert_int_equal(r.rc, COX_OK);
        assert_null(r.net.info);
        cox_arena_destroy(r.arena);
    }
    parse(&r, "{\"info\": 3}");
    assert_string_equal(r.net.info, "3");
    cox_arena_destroy(r.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alias_stands_for_its_key),
        cmocka_unit_test(remarks_are_passed_over),
        cmocka_unit_test(lists_of_lists_are_laid_end_to_end),
        cmocka_unit_test(anything_goes_where_nothing_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
