/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/frame.h"

#include <math.h>
#include <msgpack.h>
#include <stdbool.h>
#include <string.h>

#include "stream/link.h"
#include "stream/wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(float) == 4,
               "raw parts are little-endian float32 and are not converted");

#define HEADER_VALUES 129 /* the map, 64 keys and 64 values: room for keys of newer peers */
#define HEADER_DEPTH 4

size_t cox_stream_frame_bytes(const struct cox_stream_frame *f)
{
    return sizeof(float) *
           ((size_t)f->n_atoms * (f->v ? 6 : 3) + (f->values ? (size_t)f->n_values : 0));
}

void cox_stream_frame_copy(const struct cox_stream_frame *f, void *raw)
{
    size_t block = (size_t)f->n_atoms * 3 * sizeof(float);
    char *at = raw;
    memcpy(at, f->x, block);
    at += block;
    if (f->v) {
        memcpy(at, f->v, block);
        at += block;
    }
    if (f->values && f->n_values)
        memcpy(at, f->values, (size_t)f->n_values * sizeof(float));
}

/* ---- the header as a table ---- */

enum kind { UNSIGNED, SIGNED, REAL };

enum field {
    VERSION,
    EPOCH,
    SEQUENCE,
    FIRST,
    SYSTEM,
    SEGMENT,
    INDEX,
    LANE,
    GENERATION,
    STEP,
    TIME,
    ATOMS,
    VALUES,
    VELOCITIES,
    FIELDS
};

/* In the order of `enum field`; numbers from `least` to `most` (UNSIGNED: any). */
static const struct {
    const char *key;
    enum kind kind;
    int64_t least, most;
} fields[FIELDS] = {
    {"version", SIGNED, COX_PROTOCOL_VERSION, COX_PROTOCOL_VERSION},
    {"epoch", SIGNED, 0, INT64_MAX},
    {"sequence", SIGNED, 1, INT64_MAX},
    {"first", SIGNED, 1, INT64_MAX},
    {"system", UNSIGNED, 0, 0},
    {"segment", SIGNED, 0, INT64_MAX},
    {"index", SIGNED, 0, INT32_MAX},
    {"lane", SIGNED, 0, INT32_MAX},
    {"generation", SIGNED, 0, INT32_MAX},
    {"step", SIGNED, 0, INT64_MAX},
    {"time_ps", REAL, 0, 0},
    {"atoms", SIGNED, 1, COX_FRAME_MAX_ATOMS},
    {"values", SIGNED, 0, COX_FRAME_MAX_VALUES},
    {"velocities", SIGNED, 0, 1},
};

struct header {
    int64_t number[FIELDS]; /* UNSIGNED: its bits */
    double time_ps;
    bool there[FIELDS];
};

static int check(const struct header *h, struct cox_err *err)
{
    for (int i = 0; i < FIELDS; i++) {
        if (!h->there[i])
            return cox_err_set(err, COX_EFORMAT, "frame: no '%s'", fields[i].key);
        if (fields[i].kind == SIGNED &&
            (h->number[i] < fields[i].least || h->number[i] > fields[i].most))
            return cox_err_set(err, COX_EFORMAT, "frame: '%s' is %lld, not %lld to %lld",
                               fields[i].key, (long long)h->number[i], (long long)fields[i].least,
                               (long long)fields[i].most);
    }
    if (!isfinite(h->time_ps))
        return cox_err_set(err, COX_EFORMAT, "frame: 'time_ps' is no finite number");
    if (h->number[FIRST] > h->number[SEQUENCE])
        return cox_err_set(err, COX_EFORMAT, "frame: 'first' %lld is beyond 'sequence' %lld",
                           (long long)h->number[FIRST], (long long)h->number[SEQUENCE]);
    return COX_OK;
}

/* ---- to bytes ---- */

struct room {
    char *at;
    size_t size, used;
};

static int append(void *user, const char *bytes, size_t n)
{
    struct room *r = user;
    if (n > r->size - r->used)
        return -1;
    memcpy(r->at + r->used, bytes, n);
    r->used += n;
    return 0;
}

int cox_stream_frame_pack(const struct cox_stream_frame *f, const struct cox_stream_stamp *stamp,
                          void *to, size_t size, size_t *length, struct cox_err *err)
{
    struct header h = {.number = {[VERSION] = COX_PROTOCOL_VERSION,
                                  [EPOCH] = stamp->epoch,
                                  [SEQUENCE] = (int64_t)stamp->sequence,
                                  [FIRST] = (int64_t)stamp->first,
                                  [SYSTEM] = (int64_t)f->system,
                                  [SEGMENT] = f->segment,
                                  [INDEX] = f->index,
                                  [LANE] = f->lane,
                                  [GENERATION] = f->generation,
                                  [STEP] = f->step,
                                  [ATOMS] = f->n_atoms,
                                  [VALUES] = f->values ? f->n_values : 0,
                                  [VELOCITIES] = f->v != NULL},
                       .time_ps = f->time_ps};
    memset(h.there, 1, sizeof h.there);
    int rc = check(&h, err);
    if (rc)
        return rc;
    struct room r = {.at = to, .size = size};
    msgpack_packer pk;
    msgpack_packer_init(&pk, &r, append);
    int failed = msgpack_pack_map(&pk, FIELDS);
    for (int i = 0; i < FIELDS && !failed; i++) {
        failed = msgpack_pack_str_with_body(&pk, fields[i].key, strlen(fields[i].key));
        if (failed)
            break;
        switch (fields[i].kind) {
        case UNSIGNED:
            failed = msgpack_pack_uint64(&pk, (uint64_t)h.number[i]);
            break;
        case SIGNED:
            failed = msgpack_pack_int64(&pk, h.number[i]);
            break;
        case REAL:
            failed = msgpack_pack_double(&pk, h.time_ps);
        }
    }
    if (failed)
        return cox_err_set(err, COX_EINVAL, "frame: no room for its header in %zu bytes", size);
    *length = r.used;
    return COX_OK;
}

/* ---- and back ---- */

static int read_field(struct header *h, int i, const msgpack_object *o, struct cox_err *err)
{
    bool positive = o->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
    bool negative = o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
    bool real = o->type == MSGPACK_OBJECT_FLOAT64 || o->type == MSGPACK_OBJECT_FLOAT32;
    if (h->there[i])
        return cox_err_set(err, COX_EFORMAT, "frame: '%s' a second time", fields[i].key);
    h->there[i] = true;
    if (fields[i].kind == REAL && (real || positive || negative))
        h->time_ps = real ? o->via.f64 : positive ? (double)o->via.u64 : (double)o->via.i64;
    else if (fields[i].kind == UNSIGNED && positive)
        memcpy(&h->number[i], &o->via.u64, sizeof o->via.u64);
    else if (fields[i].kind == SIGNED && positive && o->via.u64 <= INT64_MAX)
        h->number[i] = (int64_t)o->via.u64;
    else if (fields[i].kind == SIGNED && negative)
        h->number[i] = o->via.i64;
    else
        return cox_err_set(err, COX_EFORMAT, "frame: '%s' is not a number of its kind",
                           fields[i].key);
    return COX_OK;
}

static int read_header(struct header *h, const msgpack_object *map, struct cox_err *err)
{
    if (map->type != MSGPACK_OBJECT_MAP)
        return cox_err_set(err, COX_EFORMAT, "frame: its header is not a map");
    for (uint32_t k = 0; k < map->via.map.size; k++) {
        const msgpack_object *key = &map->via.map.ptr[k].key;
        if (key->type != MSGPACK_OBJECT_STR)
            return cox_err_set(err, COX_EFORMAT, "frame: a key that is no text");
        for (int i = 0; i < FIELDS; i++) { /* keys that we do not know are left alone */
            if (strlen(fields[i].key) == key->via.str.size &&
                !memcmp(fields[i].key, key->via.str.ptr, key->via.str.size)) {
                int rc = read_field(h, i, &map->via.map.ptr[k].val, err);
                if (rc)
                    return rc;
            }
        }
    }
    return check(h, err);
}

int cox_stream_frame_unpack(struct cox_stream_frame *f, struct cox_stream_stamp *stamp,
                            const void *header, size_t header_length, const void *raw,
                            size_t raw_length, struct cox_err *err)
{
    int rc = header_length > COX_FRAME_HEADER_MAX
                 ? cox_err_set(err, COX_EFORMAT, "a header of %zu bytes (at most %d)",
                               header_length, COX_FRAME_HEADER_MAX)
                 : cox_wire_check(header, header_length, HEADER_DEPTH, HEADER_VALUES, err);
    if (rc)
        return cox_err_wrap(err, rc, "frame");
    struct header h = {0};
    msgpack_unpacked box;
    msgpack_unpacked_init(&box);
    size_t used = 0;
    msgpack_unpack_return got = msgpack_unpack_next(&box, header, header_length, &used);
    if (got == MSGPACK_UNPACK_NOMEM_ERROR)
        rc = cox_err_set(err, COX_ENOMEM, "frame: out of memory");
    else if (got != MSGPACK_UNPACK_SUCCESS || used != header_length)
        rc = cox_err_set(err, COX_EFORMAT, "frame: its header is not MessagePack");
    else
        rc = read_header(&h, &box.data, err);
    msgpack_unpacked_destroy(&box);
    if (rc)
        return rc;
    size_t block = (size_t)h.number[ATOMS] * 3, n_values = (size_t)h.number[VALUES];
    size_t wanted = sizeof(float) * (block * (h.number[VELOCITIES] ? 2 : 1) + n_values);
    if (raw_length != wanted)
        return cox_err_set(err, COX_EFORMAT, "frame: %zu bytes instead of %zu for %lld atoms",
                           raw_length, wanted, (long long)h.number[ATOMS]);
    const float *x = raw, *after = x + block * (h.number[VELOCITIES] ? 2 : 1);
    *f = (struct cox_stream_frame){.segment = h.number[SEGMENT],
                                   .index = (int32_t)h.number[INDEX],
                                   .lane = (int32_t)h.number[LANE],
                                   .generation = (int32_t)h.number[GENERATION],
                                   .step = h.number[STEP],
                                   .time_ps = h.time_ps,
                                   .n_atoms = (int)h.number[ATOMS],
                                   .n_values = (int)n_values,
                                   .x = x,
                                   .v = h.number[VELOCITIES] ? x + block : NULL,
                                   .values = n_values ? after : NULL};
    memcpy(&f->system, &h.number[SYSTEM], sizeof f->system);
    *stamp = (struct cox_stream_stamp){.sequence = (uint64_t)h.number[SEQUENCE],
                                       .first = (uint64_t)h.number[FIRST],
                                       .epoch = h.number[EPOCH]};
    return COX_OK;
}
