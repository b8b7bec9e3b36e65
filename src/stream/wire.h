/* SPDX-License-Identifier: BSD-3-Clause */
/* MessagePack from strangers: checked here before the library reads it. The library allocates what
 * a length field asks for, four gigabytes of entries for five bytes; this walk refuses that. */
#ifndef COX_STREAM_WIRE_H
#define COX_STREAM_WIRE_H

#include <stddef.h>

#include "cox/err.h"

/* One value that fills `length` bytes exactly, with at most `depth` lists and maps within each
 * other and `most` values (a key counts as one); no extension types. COX_EFORMAT else. */
int cox_wire_check(const void *bytes, size_t length, int depth, size_t most,
                   struct cox_err *err) COX_MUST_CHECK;

#endif
