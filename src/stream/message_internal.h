/* SPDX-License-Identifier: BSD-3-Clause */
/* What a message is made of; for message.c and message_wire.c only. */
#ifndef COX_STREAM_MESSAGE_INTERNAL_H
#define COX_STREAM_MESSAGE_INTERNAL_H

#include "stream/message.h"

#include "base/mem.h"

enum value_kind { VALUE_INT, VALUE_NUMBER, VALUE_TEXT, VALUE_BYTES, VALUE_INTS, VALUE_MAPS };

struct entry {
    const char *key;
    enum value_kind kind;
    int64_t integer;
    double number;
    const void *bytes; /* of a text or of bytes */
    size_t length;
    int64_t *ints;
    struct cox_message **maps;
    int n, room; /* of ints or maps */
};

struct cox_message {
    struct cox_arena *arena; /* everything lives in it; its maps share it */
    bool root;
    int status; /* first failure of a setter */
    char failed[COX_MESSAGE_KEY_SIZE];
    struct entry *entries;
    int n, room;
};

/* A map that shares the arena of `parent`; NULL when out of memory. */
struct cox_message *cox_message_child(const struct cox_message *parent);
/* The entry `key`, made when absent, emptied when there; NULL after noting the failure. */
struct entry *cox_message_entry(struct cox_message *message, const char *key, enum value_kind kind);
/* Room for one more map in the list; false when out of memory. */
bool cox_message_append(struct cox_message *message, struct entry *entry,
                        struct cox_message *child);
/* Length of the UTF-8 sequence at `text` (of `n` bytes), 0 when it is none; zero bytes are none. */
size_t cox_message_utf8(const unsigned char *text, size_t n);

#endif
