/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames as they come to a collector: two bytes with the header's length, the header, the raw part.
 * What is accepted lies within its bytes and packs to a header that says the same. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "stream/frame.h"

static void check(const struct cox_stream_frame *f, const struct cox_stream_stamp *stamp,
                  const void *raw, size_t length)
{
    struct cox_stream_frame again;
    struct cox_stream_stamp stamp2;
    char header[COX_FRAME_HEADER_MAX];
    size_t n;
    if (cox_stream_frame_bytes(f) != length ||
        cox_stream_frame_pack(f, stamp, header, sizeof header, &n, NULL) ||
        cox_stream_frame_unpack(&again, &stamp2, header, n, raw, length, NULL) ||
        memcmp(&stamp2, stamp, sizeof stamp2) != 0 || again.x != f->x || again.v != f->v ||
        again.values != f->values || again.segment != f->segment || again.step != f->step ||
        again.index != f->index || again.lane != f->lane || again.system != f->system)
        abort();
    void *copy = cox_alloc(length, 1);
    if (copy)
        cox_stream_frame_copy(f, copy);
    if (copy && memcmp(copy, raw, length) != 0)
        abort();
    cox_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t n = (size_t)data[0] | (size_t)data[1] << 8;
    n = n < size - 2 ? n : size - 2;
    size_t length = size - 2 - n;
    /* blocks of their own: the raw part aligned, and reading on is seen */
    void *header = malloc(n ? n : 1), *raw = malloc(length ? length : 1);
    struct cox_stream_frame frame;
    struct cox_stream_stamp stamp;
    if (!header || !raw)
        abort();
    memcpy(header, data + 2, n);
    memcpy(raw, data + 2 + n, length);
    if (!cox_stream_frame_unpack(&frame, &stamp, header, n, raw, length, NULL))
        check(&frame, &stamp, raw, length);
    free(header);
    free(raw);
    return 0;
}
