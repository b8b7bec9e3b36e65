/* SPDX-License-Identifier: BSD-3-Clause */
/* A message between processes of a run: a flat map of text keys to values, MessagePack on the wire
 * (docs/protocol.md). Values: integers, numbers, texts, bytes, lists of integers, and lists of such
 * maps. Setters replace what was there and remember the first failure; it comes out when the
 * message is packed or sent. Getters never fail: a key that is absent or of another type gives
 * `missing`, so that a newer peer may add keys; an integer is a number, too.
 * Foreign bytes are read with bounds: at most COX_MESSAGE_MAX_BYTES, COX_MESSAGE_MAX_DEPTH maps
 * within each other, COX_MESSAGE_MAX_VALUES keys and values in all. */
#ifndef COX_STREAM_MESSAGE_H
#define COX_STREAM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cox/err.h"

#define COX_MESSAGE_MAX_BYTES ((size_t)256 << 20)
#define COX_MESSAGE_MAX_DEPTH 4
#define COX_MESSAGE_MAX_VALUES 4000000
#define COX_MESSAGE_MAX_KEYS 128 /* of one map */
#define COX_MESSAGE_KEY_SIZE 64  /* with its terminating zero */

struct cox_message;

/* A new message {"type": type}. NULL when out of memory; every setter accepts NULL. */
struct cox_message *cox_message_create(const char *type);
/* NULL is allowed. */
void cox_message_destroy(struct cox_message *message);

void cox_message_set_int(struct cox_message *message, const char *key, int64_t value);
void cox_message_set_number(struct cox_message *message, const char *key, double value);
/* Bytes that are no UTF-8 become '?'. */
void cox_message_set_text(struct cox_message *message, const char *key, const char *value);
/* Copied. */
void cox_message_set_ints(struct cox_message *message, const char *key, const int64_t *values,
                          int n);
void cox_message_set_bytes(struct cox_message *message, const char *key, const void *bytes,
                           size_t length);
/* Appends an empty map to the list `key` (made when absent) and returns it, owned by the message.
 */
struct cox_message *cox_message_push(struct cox_message *message, const char *key);

const char *cox_message_type(const struct cox_message *message); /* "" when it has none */
bool cox_message_is(const struct cox_message *message, const char *type);
int64_t cox_message_int(const struct cox_message *message, const char *key, int64_t missing);
double cox_message_number(const struct cox_message *message, const char *key, double missing);
/* Borrowed from the message. */
const char *cox_message_text(const struct cox_message *message, const char *key,
                             const char *missing);
/* Borrowed; NULL and *length 0 when absent. 8-byte aligned. */
const void *cox_message_bytes(const struct cox_message *message, const char *key, size_t *length);
/* Borrowed; NULL and *n 0 when absent or no list of integers; an empty list is not NULL. */
const int64_t *cox_message_ints(const struct cox_message *message, const char *key, int *n);
/* Of a list of maps; `i` out of range gives NULL, which every getter accepts. */
int cox_message_count(const struct cox_message *message, const char *key);
const struct cox_message *cox_message_item(const struct cox_message *message, const char *key,
                                           int i);

/* To bytes (free with cox_free) and back. Unpack refuses what is cut short, too deep, too large,
 * not a map, or followed by more bytes: COX_EFORMAT. */
int cox_message_pack(const struct cox_message *message, void **bytes, size_t *length,
                     struct cox_err *err) COX_MUST_CHECK;
int cox_message_unpack(struct cox_message **out, const void *bytes, size_t length,
                       struct cox_err *err) COX_MUST_CHECK;

#endif
