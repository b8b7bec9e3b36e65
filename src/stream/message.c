/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/message_internal.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void fail(struct cox_message *m, const char *key, int status)
{
    if (m->status)
        return;
    m->status = status;
    snprintf(m->failed, sizeof m->failed, "%s", key);
}

struct cox_message *cox_message_create(const char *type)
{
    struct cox_arena *arena = cox_arena_create();
    struct cox_message *m = arena ? cox_arena_alloc(arena, 1, sizeof *m) : NULL;
    if (!m) {
        cox_arena_destroy(arena);
        return NULL;
    }
    m->arena = arena;
    m->root = true;
    if (type)
        cox_message_set_text(m, "type", type);
    return m;
}

struct cox_message *cox_message_child(const struct cox_message *parent)
{
    struct cox_message *m = cox_arena_alloc(parent->arena, 1, sizeof *m);
    if (m)
        m->arena = parent->arena;
    return m;
}

void cox_message_destroy(struct cox_message *m)
{
    if (m && m->root) /* a map within a message goes with it */
        cox_arena_destroy(m->arena);
}

static struct entry *find(const struct cox_message *m, const char *key)
{
    for (int i = 0; m && i < m->n; i++)
        if (!strcmp(m->entries[i].key, key))
            return &m->entries[i];
    return NULL;
}

static struct entry *typed(const struct cox_message *m, const char *key, enum value_kind kind)
{
    struct entry *e = find(m, key);
    return e && e->kind == kind ? e : NULL;
}

/* ---- setting ---- */

/* Doubles an array of the arena; the old one stays until the message goes. */
static void *grown(struct cox_message *m, const void *old, int n, int *room, size_t size)
{
    int more = *room ? 2 * *room : 8;
    void *block = cox_arena_alloc(m->arena, (size_t)more, size);
    if (!block)
        return NULL;
    if (n)
        memcpy(block, old, (size_t)n * size);
    *room = more;
    return block;
}

struct entry *cox_message_entry(struct cox_message *m, const char *key, enum value_kind kind)
{
    struct entry *e = find(m, key);
    if (e) {
        *e = (struct entry){.key = e->key, .kind = kind};
        return e;
    }
    size_t length = strlen(key);
    if (!length || length >= COX_MESSAGE_KEY_SIZE || m->n == COX_MESSAGE_MAX_KEYS) {
        fail(m, key, COX_EINVAL);
        return NULL;
    }
    if (m->n == m->room) {
        struct entry *more = grown(m, m->entries, m->n, &m->room, sizeof *more);
        if (!more) {
            fail(m, key, COX_ENOMEM);
            return NULL;
        }
        m->entries = more;
    }
    const char *copy = cox_arena_strdup(m->arena, key);
    if (!copy) {
        fail(m, key, COX_ENOMEM);
        return NULL;
    }
    e = &m->entries[m->n++];
    *e = (struct entry){.key = copy, .kind = kind};
    return e;
}

void cox_message_set_int(struct cox_message *m, const char *key, int64_t value)
{
    struct entry *e = m ? cox_message_entry(m, key, VALUE_INT) : NULL;
    if (e)
        e->integer = value;
}

void cox_message_set_number(struct cox_message *m, const char *key, double value)
{
    struct entry *e = m ? cox_message_entry(m, key, VALUE_NUMBER) : NULL;
    if (e)
        e->number = value;
}

static unsigned char *copied(struct cox_message *m, struct entry *e, const void *bytes, size_t n)
{
    if (n > COX_MESSAGE_MAX_BYTES) {
        fail(m, e->key, COX_EINVAL);
        return NULL;
    }
    unsigned char *copy = cox_arena_alloc(m->arena, n + 1, 1);
    if (!copy) {
        fail(m, e->key, COX_ENOMEM);
        return NULL;
    }
    if (n)
        memcpy(copy, bytes, n);
    e->bytes = copy;
    e->length = n;
    return copy;
}

size_t cox_message_utf8(const unsigned char *s, size_t n)
{
    if (!n || !s[0])
        return 0;
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* overlong forms, surrogates, beyond U+10FFFF */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

void cox_message_set_text(struct cox_message *m, const char *key, const char *value)
{
    struct entry *e = m ? cox_message_entry(m, key, VALUE_TEXT) : NULL;
    unsigned char *text = e ? copied(m, e, value, strlen(value)) : NULL;
    if (!text)
        return;
    for (size_t i = 0, step; i < e->length; i += step) {
        step = cox_message_utf8(text + i, e->length - i);
        if (!step) {
            text[i] = '?';
            step = 1;
        }
    }
}

void cox_message_set_bytes(struct cox_message *m, const char *key, const void *bytes, size_t length)
{
    struct entry *e = m ? cox_message_entry(m, key, VALUE_BYTES) : NULL;
    if (e)
        (void)copied(m, e, bytes, length);
}

void cox_message_set_ints(struct cox_message *m, const char *key, const int64_t *values, int n)
{
    struct entry *e = m ? cox_message_entry(m, key, VALUE_INTS) : NULL;
    if (!e)
        return;
    if (n < 0 || n > COX_MESSAGE_MAX_VALUES) {
        fail(m, key, COX_EINVAL);
        return;
    }
    e->ints = cox_arena_alloc(m->arena, (size_t)n + 1, sizeof *e->ints);
    if (!e->ints) {
        fail(m, key, COX_ENOMEM);
        return;
    }
    if (n)
        memcpy(e->ints, values, (size_t)n * sizeof *values);
    e->n = e->room = n;
}

bool cox_message_append(struct cox_message *m, struct entry *e, struct cox_message *child)
{
    if (e->n == e->room) {
        struct cox_message **more =
            e->n < INT_MAX / 2 ? grown(m, e->maps, e->n, &e->room, sizeof(struct cox_message *))
                               : NULL;
        if (!more)
            return false;
        e->maps = more;
    }
    e->maps[e->n++] = child;
    return true;
}

struct cox_message *cox_message_push(struct cox_message *m, const char *key)
{
    if (!m)
        return NULL;
    struct entry *e = find(m, key);
    if (e && e->kind != VALUE_MAPS) {
        fail(m, key, COX_EINVAL);
        return NULL;
    }
    if (!e)
        e = cox_message_entry(m, key, VALUE_MAPS);
    if (!e)
        return NULL;
    struct cox_message *child = cox_message_child(m);
    if (!child || !cox_message_append(m, e, child)) {
        fail(m, key, COX_ENOMEM);
        return NULL;
    }
    return child;
}

/* ---- reading ---- */

const char *cox_message_type(const struct cox_message *m)
{
    return cox_message_text(m, "type", "");
}

bool cox_message_is(const struct cox_message *m, const char *type)
{
    return !strcmp(cox_message_type(m), type);
}

int64_t cox_message_int(const struct cox_message *m, const char *key, int64_t missing)
{
    const struct entry *e = typed(m, key, VALUE_INT);
    return e ? e->integer : missing;
}

double cox_message_number(const struct cox_message *m, const char *key, double missing)
{
    const struct entry *e = find(m, key);
    if (e && e->kind == VALUE_INT)
        return (double)e->integer;
    return e && e->kind == VALUE_NUMBER ? e->number : missing;
}

const char *cox_message_text(const struct cox_message *m, const char *key, const char *missing)
{
    const struct entry *e = typed(m, key, VALUE_TEXT);
    return e && e->bytes ? e->bytes : missing;
}

const void *cox_message_bytes(const struct cox_message *m, const char *key, size_t *length)
{
    const struct entry *e = typed(m, key, VALUE_BYTES);
    if (length)
        *length = e ? e->length : 0;
    return e ? e->bytes : NULL;
}

const int64_t *cox_message_ints(const struct cox_message *m, const char *key, int *n)
{
    static const int64_t none;
    const struct entry *e = find(m, key);
    *n = 0;
    if (e && e->kind == VALUE_MAPS && !e->n)
        return &none; /* on the wire an empty list does not tell of what */
    if (!e || e->kind != VALUE_INTS)
        return NULL;
    *n = e->n;
    return e->ints;
}

int cox_message_count(const struct cox_message *m, const char *key)
{
    const struct entry *e = typed(m, key, VALUE_MAPS);
    return e ? e->n : 0;
}

const struct cox_message *cox_message_item(const struct cox_message *m, const char *key, int i)
{
    const struct entry *e = typed(m, key, VALUE_MAPS);
    return e && i >= 0 && i < e->n ? e->maps[i] : NULL;
}
