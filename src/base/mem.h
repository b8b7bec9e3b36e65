/* SPDX-License-Identifier: BSD-3-Clause */
/* The one allocator: zeroed, 64-byte aligned, overflow-checked, able to fail on demand.
 * Thread-safe. Blocks are freed with cox_free; NULL is allowed there. */
#ifndef COX_BASE_MEM_H
#define COX_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* n * size zeroed bytes, or NULL when out of memory or on overflow. n == 0 gives a valid block. */
void *cox_alloc(size_t n, size_t size);
/* Grows or shrinks a block from cox_alloc to n * size bytes; new bytes are zero. On failure returns
 * NULL and leaves the block as it was. NULL `block` allocates. */
void *cox_realloc(void *block, size_t n, size_t size);
void cox_free(void *block);
/* Copies of a string, NULL on failure; free with cox_free. */
char *cox_strdup(const char *text);
char *cox_strndup(const char *text, size_t n);

/* Number of calls of cox_alloc and cox_realloc so far in this process: a test asserts that a force
 * evaluation or a training step makes none. */
uint64_t cox_mem_allocations(void);
/* Bytes now allocated. */
uint64_t cox_mem_in_use(void);
/* The n-th allocation from now on fails (1 = the next); 0 switches it off. For tests. */
void cox_mem_fail_at(uint64_t n);

/* An arena: many small blocks with one lifetime (a config, a round, a report). */
struct cox_arena;
struct cox_arena *cox_arena_create(void);
void cox_arena_destroy(struct cox_arena *arena);
/* Zeroed, 16-byte aligned, valid until the arena is destroyed; NULL when out of memory. */
void *cox_arena_alloc(struct cox_arena *arena, size_t n, size_t size);
char *cox_arena_strdup(struct cox_arena *arena, const char *text);

#endif
