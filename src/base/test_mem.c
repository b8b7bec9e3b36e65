/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static int is_zero(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i])
            return 0;
    return 1;
}

static void blocks_are_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *block = cox_alloc(n, 3);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        assert_true(is_zero(block, n * 3));
        memset(block, 0xAA, n * 3);
        cox_free(block);
    }
    cox_free(NULL);
}

static void overflow_gives_null(void **state)
{
    (void)state;
    volatile size_t huge = SIZE_MAX;
    assert_null(cox_alloc(huge, 2));
    assert_null(cox_alloc(huge / 2 + 1, 2));
    assert_null(cox_alloc(huge, 1));
    assert_null(cox_alloc(huge - 100, 1));
    char *block = cox_alloc(8, 1);
    memcpy(block, "1234567", 8);
    assert_null(cox_realloc(block, huge, 2));
    assert_string_equal(block, "1234567");
    cox_free(block);
    struct cox_arena *arena = cox_arena_create();
    assert_null(cox_arena_alloc(arena, huge, 2));
    assert_null(cox_arena_alloc(arena, huge, 1));
    assert_null(cox_arena_alloc(arena, huge - 20, 1));
    cox_arena_destroy(arena);
}

static void realloc_keeps_and_zeroes(void **state)
{
    (void)state;
    unsigned char *block = cox_realloc(NULL, 10, 1);
    memset(block, 7, 10);
    block = cox_realloc(block, 1000, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(block[i], 7);
    assert_true(is_zero(block + 10, 990));
    block = cox_realloc(block, 5, 1);
    assert_int_equal(block[4], 7);
    block = cox_realloc(block, 20, 1);
    assert_true(is_zero(block + 5, 15));
    cox_free(block);
}

static void counters_count(void **state)
{
    (void)state;
    uint64_t calls = cox_mem_allocations();
    uint64_t bytes = cox_mem_in_use();
    void *a = cox_alloc(100, 1);
    a = cox_realloc(a, 50, 1);
    char *b = cox_strdup("four");
    assert_int_equal(cox_mem_allocations() - calls, 3);
    assert_int_equal(cox_mem_in_use() - bytes, 55);
    cox_free(a);
    cox_free(b);
    assert_int_equal(cox_mem_in_use(), bytes);
}

static void the_nth_allocation_fails(void **state)
{
    (void)state;
    cox_mem_fail_at(3);
    void *a = cox_alloc(1, 1);
    void *b = cox_alloc(1, 1);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(cox_alloc(1, 1));
    void *d = cox_alloc(1, 1); /* only that one */
    assert_non_null(d);
    cox_mem_fail_at(1);
    assert_null(cox_realloc(a, 100, 1));
    cox_mem_fail_at(1);
    cox_mem_fail_at(0);
    void *e = cox_alloc(1, 1);
    assert_non_null(e);
    cox_mem_fail_at(1);
    assert_null(cox_strdup("x"));
    cox_mem_fail_at(1);
    assert_null(cox_arena_create());
    cox_mem_fail_at(0);
    cox_free(a);
    cox_free(b);
    cox_free(d);
    cox_free(e);
}

static void strings_are_copied(void **state)
{
    (void)state;
    char *copy = cox_strndup("abcdef", 3);
    assert_string_equal(copy, "abc");
    cox_free(copy);
    copy = cox_strndup("ab", 30);
    assert_string_equal(copy, "ab");
    cox_free(copy);
}

static void arenas_hold_many_blocks(void **state)
{
    (void)state;
    uint64_t before = cox_mem_in_use();
    struct cox_arena *arena = cox_arena_create();
    unsigned char *blocks[600];
    for (int i = 0; i < 600; i++) {
        size_t n = i % 50 == 49 ? 40000 : (size_t)i;
        blocks[i] = cox_arena_alloc(arena, n, 1);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        assert_true(is_zero(blocks[i], n));
        memset(blocks[i], i & 0xFF, n);
    }
    for (int i = 0; i < 600; i++) {
        size_t n = i % 50 == 49 ? 40000 : (size_t)i;
        for (size_t j = 0; j < n; j += 13)
            assert_int_equal(blocks[i][j], i & 0xFF);
    }
    assert_string_equal(cox_arena_strdup(arena, "text"), "text");
    cox_mem_fail_at(1);
    assert_null(cox_arena_alloc(arena, 100000, 1));
    cox_mem_fail_at(0);
    assert_non_null(cox_arena_alloc(arena, 100000, 1));
    cox_arena_destroy(arena);
    cox_arena_destroy(NULL);
    assert_int_equal(cox_mem_in_use(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed_and_aligned), cmocka_unit_test(overflow_gives_null),
        cmocka_unit_test(realloc_keeps_and_zeroes),      cmocka_unit_test(counters_count),
        cmocka_unit_test(the_nth_allocation_fails),      cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(arenas_hold_many_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
