/* SPDX-License-Identifier: BSD-3-Clause */
/* Just enough of protocol buffers to read a TensorFlow GraphDef, in its wire format (.pb) or as
 * text (.pbtxt), into one tree. Fields that the tables do not name are skipped. Only the reader of
 * graphs uses it. */
#ifndef COX_POTENTIAL_PROTOBUF_H
#define COX_POTENTIAL_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "cox/err.h"

enum cox_pb_kind { COX_PB_INT, COX_PB_FLOAT, COX_PB_DOUBLE, COX_PB_BYTES, COX_PB_MESSAGE };

struct cox_pb_row;

/* One kind of message: its fields, ended by a row with id 0. */
struct cox_pb_message {
    const struct cox_pb_row *rows;
};
struct cox_pb_row {
    int id;           /* on the wire */
    const char *name; /* in text */
    enum cox_pb_kind kind;
    const struct cox_pb_message *message; /* COX_PB_MESSAGE */
};

/* A field that was read. Repeated fields follow each other in the order of the file. */
struct cox_pb_field {
    int id;
    int64_t integer;   /* COX_PB_INT; enums as their number or, in text, see `bytes` */
    double number;     /* COX_PB_FLOAT, COX_PB_DOUBLE */
    const char *bytes; /* COX_PB_BYTES, and names of enums and booleans in text; `length` bytes */
    size_t length;
    struct cox_pb_field *first; /* COX_PB_MESSAGE */
    struct cox_pb_field *next;
};

/* Reads a whole message of the kind `root`. Bytes fields of the wire format point into `bytes`;
 * everything else lives in the arena. COX_EFORMAT with the offset (wire) or line (text). */
int cox_pb_parse_wire(struct cox_pb_field **out, const struct cox_pb_message *root,
                      const void *bytes, size_t length, struct cox_arena *arena,
                      struct cox_err *err) COX_MUST_CHECK;
int cox_pb_parse_text(struct cox_pb_field **out, const struct cox_pb_message *root,
                      const char *bytes, size_t length, struct cox_arena *arena,
                      struct cox_err *err) COX_MUST_CHECK;

/* The first field with this id in a list, NULL: none; and the next one of the same id. */
const struct cox_pb_field *cox_pb_find(const struct cox_pb_field *list, int id);
const struct cox_pb_field *cox_pb_next(const struct cox_pb_field *field);

#endif
