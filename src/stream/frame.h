/* SPDX-License-Identifier: BSD-3-Clause */
/* One frame on its way from a simulation to an aggregator. On the wire two parts: a MessagePack
 * header and the raw little-endian float32 blocks (x, then v, then values); docs/protocol.md. A
 * frame's identity is (segment, index): who stores it drops what it has already. */
#ifndef COX_STREAM_FRAME_H
#define COX_STREAM_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "cox/err.h"

#define COX_FRAME_MAX_VALUES 64
#define COX_FRAME_MAX_ATOMS 100000000

struct cox_stream_frame {
    uint64_t system; /* digest of the topology: a frame of another system is refused */
    int64_t segment;
    int32_t index; /* within its segment, from 0 */
    int32_t lane;
    int32_t generation; /* ordinal of the segment in its lane: the "round" of a streaming run */
    int64_t step;       /* of the lane since the run began */
    double time_ps;
    int n_atoms, n_values;
    const float *x;      /* [n_atoms][3] nm */
    const float *v;      /* nm/ps, NULL: none */
    const float *values; /* [n_values], the columns that the run file lists, in order */
};

#define COX_FRAME_HEADER_MAX 512 /* bytes of a header, at most */

/* Where a frame stands in its producer's stream. */
struct cox_stream_stamp {
    uint64_t sequence; /* 1, 2, 3 … of this attempt */
    uint64_t first;    /* everything before this one is acknowledged */
    int64_t epoch;     /* of the attempt */
};

/* Bytes of the raw part. */
size_t cox_stream_frame_bytes(const struct cox_stream_frame *frame);
/* Writes the raw part, cox_stream_frame_bytes long. */
void cox_stream_frame_copy(const struct cox_stream_frame *frame, void *raw);
/* Packs the header into `to` (room for `size` bytes); *length is what it took. */
int cox_stream_frame_pack(const struct cox_stream_frame *frame,
                          const struct cox_stream_stamp *stamp, void *to, size_t size,
                          size_t *length, struct cox_err *err) COX_MUST_CHECK;
/* Reads a header and points x, v and values into `raw` (4-byte aligned, borrowed). Refuses sizes
 * that do not fit `raw_length`, versions other than ours, numbers out of range. */
int cox_stream_frame_unpack(struct cox_stream_frame *frame, struct cox_stream_stamp *stamp,
                            const void *header, size_t header_length, const void *raw,
                            size_t raw_length, struct cox_err *err) COX_MUST_CHECK;

#endif
