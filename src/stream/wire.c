/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/wire.h"

#include <stdint.h>

#define MAX_DEPTH 16

/* Big-endian, as everything in MessagePack. */
static uint64_t number_at(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

/* The head of one value: bytes of its length field, of its payload, and values inside. */
struct head {
    int width;      /* of the length field behind the first byte */
    uint64_t fixed; /* payload when there is no length field */
    int inside;     /* 0: payload is bytes; 1, 2: values inside per count (list, map) */
    uint64_t count; /* of those when there is no length field */
};

static int head_of(unsigned char b, struct head *h)
{
    static const struct head table[32] = {
        [0x04] = {1, 0, 0, 0}, [0x05] = {2, 0, 0, 0}, [0x06] = {4, 0, 0, 0}, /* bytes */
        [0x0a] = {0, 4, 0, 0}, [0x0b] = {0, 8, 0, 0},                        /* floats */
        [0x0c] = {0, 1, 0, 0}, [0x0d] = {0, 2, 0, 0}, [0x0e] = {0, 4, 0, 0},
        [0x0f] = {0, 8, 0, 0}, /* unsigned */
        [0x10] = {0, 1, 0, 0}, [0x11] = {0, 2, 0, 0}, [0x12] = {0, 4, 0, 0},
        [0x13] = {0, 8, 0, 0},                                               /* signed */
        [0x19] = {1, 0, 0, 0}, [0x1a] = {2, 0, 0, 0}, [0x1b] = {4, 0, 0, 0}, /* texts */
        [0x1c] = {2, 0, 1, 0}, [0x1d] = {4, 0, 1, 0},                        /* lists */
        [0x1e] = {2, 0, 2, 0}, [0x1f] = {4, 0, 2, 0},                        /* maps */
    };
    *h = (struct head){0};
    if (b < 0x80 || b >= 0xe0)
        return 0; /* a small integer */
    if (b < 0x90) {
        h->inside = 2;
        h->count = b & 0x0f;
    } else if (b < 0xa0) {
        h->inside = 1;
        h->count = b & 0x0f;
    } else if (b < 0xc0) {
        h->fixed = b & 0x1f;
    } else {
        if (b == 0xc1 || (b >= 0xc7 && b <= 0xc9) || (b >= 0xd4 && b <= 0xd8))
            return -1; /* never used; extension types */
        *h = table[b - 0xc0];
    }
    return 0;
}

int cox_wire_check(const void *bytes, size_t length, int depth, size_t most, struct cox_err *err)
{
    const unsigned char *at = bytes;
    uint64_t left[MAX_DEPTH + 1] = {1}; /* values still to come, per level */
    int level = 0;
    size_t used = 0, values = 0;
    while (level >= 0) {
        if (!left[level]) {
            level--;
            continue;
        }
        left[level]--;
        struct head h;
        if (++values > most)
            return cox_err_set(err, COX_EFORMAT, "more than the allowed %zu values", most);
        if (used == length)
            return cox_err_set(err, COX_EFORMAT, "cut short after %zu bytes", length);
        if (head_of(at[used], &h))
            return cox_err_set(err, COX_EFORMAT, "a value of type 0x%02x at byte %zu", at[used],
                               used);
        used++;
        if ((uint64_t)h.width > length - used)
            return cox_err_set(err, COX_EFORMAT, "cut short after %zu bytes", length);
        uint64_t n = h.width ? number_at(at + used, h.width) : h.inside ? h.count : h.fixed;
        used += (size_t)h.width;
        uint64_t need = h.inside ? n * (uint64_t)h.inside : n; /* a value takes a byte at least */
        if (need > length - used)
            return cox_err_set(err, COX_EFORMAT, "cut short after %zu bytes", length);
        if (!h.inside) {
            used += (size_t)n;
        } else {
            if (level + 1 > depth || level + 1 > MAX_DEPTH)
                return cox_err_set(err, COX_EFORMAT, "more than %d lists and maps in each other",
                                   depth);
            left[++level] = need;
        }
    }
    if (used != length)
        return cox_err_set(err, COX_EFORMAT, "%zu bytes too many", length - used);
    return COX_OK;
}
