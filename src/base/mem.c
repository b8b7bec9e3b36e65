/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Before each block stands one cache line with its size. */
#define ALIGNMENT 64

static atomic_uint_fast64_t allocations;
static atomic_uint_fast64_t in_use;
static atomic_uint_fast64_t fail_at;

static int must_fail(void)
{
    uint64_t count = atomic_fetch_add(&allocations, 1) + 1;
    uint64_t at = atomic_load(&fail_at);
    return at && count == at;
}

void *cox_alloc(size_t n, size_t size)
{
    size_t bytes;
    size_t total;
    if (must_fail() || __builtin_mul_overflow(n, size, &bytes) ||
        __builtin_add_overflow(bytes, 2 * ALIGNMENT - 1, &total) || total > PTRDIFF_MAX)
        return NULL;
    total -= total % ALIGNMENT;
    char *raw = aligned_alloc(ALIGNMENT, total);
    if (!raw)
        return NULL;
    memset(raw, 0, total);
    memcpy(raw, &bytes, sizeof bytes);
    atomic_fetch_add(&in_use, bytes);
    return raw + ALIGNMENT;
}

static size_t block_size(const void *block)
{
    size_t bytes;
    memcpy(&bytes, (const char *)block - ALIGNMENT, sizeof bytes);
    return bytes;
}

void *cox_realloc(void *block, size_t n, size_t size)
{
    void *bigger = cox_alloc(n, size);
    if (!bigger || !block)
        return bigger;
    size_t old = block_size(block);
    memcpy(bigger, block, old < n * size ? old : n * size);
    cox_free(block);
    return bigger;
}

void cox_free(void *block)
{
    if (!block)
        return;
    atomic_fetch_sub(&in_use, block_size(block));
    free((char *)block - ALIGNMENT);
}

char *cox_strndup(const char *text, size_t n)
{
    size_t length = strnlen(text, n);
    char *copy = cox_alloc(length + 1, 1);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

char *cox_strdup(const char *text)
{
    return cox_strndup(text, strlen(text));
}

uint64_t cox_mem_allocations(void)
{
    return atomic_load(&allocations);
}

uint64_t cox_mem_in_use(void)
{
    return atomic_load(&in_use);
}

void cox_mem_fail_at(uint64_t n)
{
    atomic_store(&fail_at, n ? atomic_load(&allocations) + n : 0);
}

/* ---- arena ---- */

#define ARENA_CHUNK 16384

struct chunk {
    struct chunk *next;
    size_t used;
    size_t size;
    _Alignas(16) char bytes[];
};

struct cox_arena {
    struct chunk *chunks;
};

struct cox_arena *cox_arena_create(void)
{
    return cox_alloc(1, sizeof(struct cox_arena));
}

void cox_arena_destroy(struct cox_arena *arena)
{
    if (!arena)
        return;
    for (struct chunk *c = arena->chunks, *next; c; c = next) {
        next = c->next;
        cox_free(c);
    }
    cox_free(arena);
}

void *cox_arena_alloc(struct cox_arena *arena, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || __builtin_add_overflow(bytes, 15, &bytes))
        return NULL;
    bytes -= bytes % 16;
    struct chunk *c = arena->chunks;
    if (!c || c->size - c->used < bytes) {
        size_t room = bytes > ARENA_CHUNK ? bytes : ARENA_CHUNK;
        size_t total;
        if (__builtin_add_overflow(sizeof *c, room, &total))
            return NULL;
        c = cox_alloc(1, total);
        if (!c)
            return NULL;
        c->size = room;
        c->next = arena->chunks;
        arena->chunks = c;
    }
    void *block = c->bytes + c->used;
    c->used += bytes;
    return block;
}

char *cox_arena_strdup(struct cox_arena *arena, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = cox_arena_alloc(arena, n, 1);
    if (copy)
        memcpy(copy, text, n);
    return copy;
}
