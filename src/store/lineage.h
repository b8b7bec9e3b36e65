/* SPDX-License-Identifier: BSD-3-Clause */
/* How a frame came about: the legs of its pathway from a start structure, with the frames of each,
 * in runs of both kinds. In a streaming run the frames of a segment lie anywhere in its files; the
 * columns "segment" and "index" tell. */
#ifndef COX_STORE_LINEAGE_H
#define COX_STORE_LINEAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"
#include "store/catalog.h"
#include "store/follow.h"

/* The first n frames of a segment: those on the way (n 0: its child left from its beginning). */
struct cox_leg {
    struct cox_catalog_segment segment;
    int64_t n;
    const int64_t *ids;      /* [n] of the frames, in order */
    double frame_ps;         /* simulated time between frames; 0: unknown */
    int64_t steps_per_frame; /* likewise */
};

struct cox_lineage {
    int n;
    struct cox_leg *legs; /* root first */
    int64_t *ids;
};

/* COX_ENOTFOUND, COX_EINVAL: there is no such frame. Freed with cox_lineage_deinit. */
int cox_lineage_find(struct cox_lineage *out, struct cox_catalog *catalog,
                     struct cox_follow *follow, int64_t frame, struct cox_err *err) COX_MUST_CHECK;
void cox_lineage_deinit(struct cox_lineage *lineage);
/* Whether the frames of a run's segments are told by the column "index" (a streaming run). */
bool cox_lineage_is_indexed(struct cox_follow *follow);

#endif
