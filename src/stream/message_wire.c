/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages to bytes and back, by libmsgpack. */
#include "stream/message_internal.h"

#include <msgpack.h>
#include <string.h>

#include "stream/wire.h"

/* ---- to bytes ---- */

struct buffer {
    char *bytes;
    size_t length, room;
    int status;
};

static int append(void *user, const char *bytes, size_t n)
{
    struct buffer *b = user;
    if (b->status)
        return -1;
    if (n > COX_MESSAGE_MAX_BYTES - b->length) {
        b->status = COX_EINVAL;
        return -1;
    }
    if (n > b->room - b->length) {
        size_t room = b->room ? b->room : 256;
        while (room < b->length + n)
            room *= 2;
        char *more = cox_realloc(b->bytes, room, 1);
        if (!more) {
            b->status = COX_ENOMEM;
            return -1;
        }
        b->bytes = more;
        b->room = room;
    }
    memcpy(b->bytes + b->length, bytes, n);
    b->length += n;
    return 0;
}

static void pack_map(msgpack_packer *pk, struct buffer *b, const struct cox_message *m, int depth,
                     struct cox_err *err);

static void pack_entry(msgpack_packer *pk, struct buffer *b, const struct entry *e, int depth,
                       struct cox_err *err)
{
    msgpack_pack_str_with_body(pk, e->key, strlen(e->key));
    switch (e->kind) {
    case VALUE_INT:
        msgpack_pack_int64(pk, e->integer);
        break;
    case VALUE_NUMBER:
        msgpack_pack_double(pk, e->number);
        break;
    case VALUE_TEXT:
        msgpack_pack_str_with_body(pk, e->bytes, e->length);
        break;
    case VALUE_BYTES:
        msgpack_pack_bin_with_body(pk, e->bytes, e->length);
        break;
    case VALUE_INTS:
        msgpack_pack_array(pk, (size_t)e->n);
        for (int i = 0; i < e->n; i++)
            msgpack_pack_int64(pk, e->ints[i]);
        break;
    case VALUE_MAPS:
        msgpack_pack_array(pk, (size_t)e->n);
        for (int i = 0; i < e->n; i++)
            pack_map(pk, b, e->maps[i], depth + 1, err);
        break;
    }
}

static void pack_map(msgpack_packer *pk, struct buffer *b, const struct cox_message *m, int depth,
                     struct cox_err *err)
{
    if (b->status)
        return;
    if (m->status) {
        b->status = m->status;
        cox_err_set(err, m->status, "message: cannot set '%s': %s", m->failed,
                    m->status == COX_ENOMEM ? "out of memory"
                                            : "too long, too many keys, or of another type");
        return;
    }
    if (depth > COX_MESSAGE_MAX_DEPTH) {
        b->status = cox_err_set(err, COX_EINVAL, "message: more than %d maps in each other",
                                COX_MESSAGE_MAX_DEPTH);
        return;
    }
    msgpack_pack_map(pk, (size_t)m->n);
    for (int i = 0; i < m->n && !b->status; i++)
        pack_entry(pk, b, &m->entries[i], depth, err);
}

int cox_message_pack(const struct cox_message *m, void **bytes, size_t *length, struct cox_err *err)
{
    *bytes = NULL;
    *length = 0;
    if (!m)
        return cox_err_set(err, COX_ENOMEM, "message: out of memory");
    struct buffer b = {0};
    struct cox_err inner = COX_ERR_INIT;
    msgpack_packer pk;
    msgpack_packer_init(&pk, &b, append);
    pack_map(&pk, &b, m, 1, &inner);
    if (b.status) {
        cox_free(b.bytes);
        if (inner.status)
            return cox_err_set(err, inner.status, "%s", inner.text);
        return b.status == COX_ENOMEM
                   ? cox_err_set(err, COX_ENOMEM, "message: out of memory")
                   : cox_err_set(err, COX_EINVAL, "message '%s': more than the allowed %zu bytes",
                                 cox_message_type(m), COX_MESSAGE_MAX_BYTES);
    }
    *bytes = b.bytes;
    *length = b.length;
    return COX_OK;
}

/* ---- and back ---- */

static int malformed(struct cox_err *err, const char *key, const char *what)
{
    return cox_err_set(err, COX_EFORMAT, "message: '%s': %s", key, what);
}

static int read_key(char key[COX_MESSAGE_KEY_SIZE], const struct cox_message *m,
                    const msgpack_object *o, struct cox_err *err)
{
    if (o->type != MSGPACK_OBJECT_STR || !o->via.str.size ||
        o->via.str.size >= COX_MESSAGE_KEY_SIZE)
        return cox_err_set(err, COX_EFORMAT, "message: a key that is no text of 1 to %d bytes",
                           COX_MESSAGE_KEY_SIZE - 1);
    const unsigned char *text = (const unsigned char *)o->via.str.ptr;
    for (size_t i = 0, step; i < o->via.str.size; i += step)
        if (!(step = cox_message_utf8(text + i, o->via.str.size - i)))
            return cox_err_set(err, COX_EFORMAT, "message: a key that is no UTF-8");
    memcpy(key, text, o->via.str.size);
    key[o->via.str.size] = '\0';
    for (int i = 0; i < m->n; i++)
        if (!strcmp(m->entries[i].key, key))
            return malformed(err, key, "a second time");
    return COX_OK;
}

static int read_map(struct cox_message *m, const msgpack_object *o, int depth, struct cox_err *err);

static int read_ints(struct cox_message *m, const char *key, const msgpack_object_array *list,
                     struct cox_err *err)
{
    struct entry *e = cox_message_entry(m, key, VALUE_INTS);
    if (!e)
        return COX_OK; /* noted in m->status */
    e->ints = cox_arena_alloc(m->arena, (size_t)list->size + 1, sizeof *e->ints);
    if (!e->ints)
        return cox_err_set(err, COX_ENOMEM, "message: out of memory");
    for (uint32_t i = 0; i < list->size; i++) {
        const msgpack_object *o = &list->ptr[i];
        if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
            e->ints[i] = o->via.i64;
        else if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX)
            e->ints[i] = (int64_t)o->via.u64;
        else
            return malformed(err, key, "a list of neither integers nor maps");
    }
    e->n = e->room = (int)list->size;
    return COX_OK;
}

static int read_list(struct cox_message *m, const char *key, const msgpack_object_array *list,
                     int depth, struct cox_err *err)
{
    if (list->size && list->ptr[0].type != MSGPACK_OBJECT_MAP)
        return read_ints(m, key, list, err);
    struct entry *e = cox_message_entry(m, key, VALUE_MAPS);
    for (uint32_t i = 0; e && i < list->size; i++) {
        struct cox_message *child = cox_message_child(m);
        if (!child || !cox_message_append(m, e, child))
            return cox_err_set(err, COX_ENOMEM, "message: out of memory");
        if (list->ptr[i].type != MSGPACK_OBJECT_MAP)
            return malformed(err, key, "a list of neither integers nor maps");
        int rc = read_map(child, &list->ptr[i], depth + 1, err);
        if (rc)
            return rc;
    }
    return COX_OK;
}

static int read_text(struct cox_message *m, const char *key, const msgpack_object_str *text,
                     struct cox_err *err)
{
    const unsigned char *at = (const unsigned char *)text->ptr;
    for (size_t i = 0, step; i < text->size; i += step)
        if (!(step = cox_message_utf8(at + i, text->size - i)))
            return malformed(err, key, "a text that is no UTF-8");
    struct entry *e = cox_message_entry(m, key, VALUE_TEXT);
    char *copy = cox_arena_alloc(m->arena, (size_t)text->size + 1, 1);
    if (!e || !copy)
        return cox_err_set(err, COX_ENOMEM, "message: out of memory");
    memcpy(copy, at, text->size);
    e->bytes = copy;
    e->length = text->size;
    return COX_OK;
}

static int read_value(struct cox_message *m, const char *key, const msgpack_object *o, int depth,
                      struct cox_err *err)
{
    switch (o->type) {
    case MSGPACK_OBJECT_NIL:
        return COX_OK; /* as if it were not there */
    case MSGPACK_OBJECT_BOOLEAN:
        cox_message_set_int(m, key, o->via.boolean);
        return COX_OK;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        if (o->via.u64 > INT64_MAX)
            return malformed(err, key, "an integer beyond 2^63 - 1");
        cox_message_set_int(m, key, (int64_t)o->via.u64);
        return COX_OK;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        cox_message_set_int(m, key, o->via.i64);
        return COX_OK;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        cox_message_set_number(m, key, o->via.f64);
        return COX_OK;
    case MSGPACK_OBJECT_STR:
        return read_text(m, key, &o->via.str, err);
    case MSGPACK_OBJECT_BIN:
        cox_message_set_bytes(m, key, o->via.bin.ptr, o->via.bin.size);
        return COX_OK;
    case MSGPACK_OBJECT_ARRAY:
        return read_list(m, key, &o->via.array, depth, err);
    default:
        return malformed(err, key, "a value of a type that no message has");
    }
}

static int read_map(struct cox_message *m, const msgpack_object *o, int depth, struct cox_err *err)
{
    if (depth > COX_MESSAGE_MAX_DEPTH)
        return cox_err_set(err, COX_EFORMAT, "message: more than %d maps in each other",
                           COX_MESSAGE_MAX_DEPTH);
    if (o->via.map.size > COX_MESSAGE_MAX_KEYS)
        return cox_err_set(err, COX_EFORMAT, "message: a map of %u keys (at most %d)",
                           (unsigned)o->via.map.size, COX_MESSAGE_MAX_KEYS);
    for (uint32_t i = 0; i < o->via.map.size; i++) {
        char key[COX_MESSAGE_KEY_SIZE];
        int rc = read_key(key, m, &o->via.map.ptr[i].key, err);
        if (!rc)
            rc = read_value(m, key, &o->via.map.ptr[i].val, depth, err);
        if (!rc && m->status)
            rc = cox_err_set(err, m->status, "message: cannot read '%s'", m->failed);
        if (rc)
            return rc;
    }
    return COX_OK;
}

int cox_message_unpack(struct cox_message **out, const void *bytes, size_t length,
                       struct cox_err *err)
{
    *out = NULL;
    if (length > COX_MESSAGE_MAX_BYTES)
        return cox_err_set(err, COX_EFORMAT, "message: %zu bytes, more than the allowed %zu",
                           length, COX_MESSAGE_MAX_BYTES);
    /* a list and a map are two levels */
    int rc = cox_wire_check(bytes, length, 2 * COX_MESSAGE_MAX_DEPTH, COX_MESSAGE_MAX_VALUES, err);
    if (rc)
        return cox_err_wrap(err, rc, "message");
    msgpack_unpacked box;
    msgpack_unpacked_init(&box);
    size_t used = 0;
    msgpack_unpack_return got = msgpack_unpack_next(&box, bytes, length, &used);
    struct cox_message *m = NULL;
    if (got != MSGPACK_UNPACK_NOMEM_ERROR && (got != MSGPACK_UNPACK_SUCCESS || used != length))
        rc = cox_err_set(err, COX_EFORMAT, "message: not MessagePack");
    else if (got == MSGPACK_UNPACK_SUCCESS && box.data.type != MSGPACK_OBJECT_MAP)
        rc = cox_err_set(err, COX_EFORMAT, "message: not a map");
    else if (got == MSGPACK_UNPACK_NOMEM_ERROR || !(m = cox_message_create(NULL)))
        rc = cox_err_set(err, COX_ENOMEM, "message: out of memory");
    else
        rc = read_map(m, &box.data, 1, err);
    msgpack_unpacked_destroy(&box);
    if (rc) {
        cox_message_destroy(m);
        return rc;
    }
    *out = m;
    return COX_OK;
}
