/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/lineage.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define READ_BLOCK 4096
#define ALL INT64_MAX /* as many frames as the segment has */

struct search {
    struct cox_catalog *catalog;
    struct cox_follow *follow;
    bool indexed;
    struct cox_leg *legs;
    int n, room;
};

static int out_of_memory(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory for a pathway");
}

void cox_lineage_deinit(struct cox_lineage *lineage)
{
    cox_free(lineage->legs);
    cox_free(lineage->ids);
    *lineage = (struct cox_lineage){0};
}

bool cox_lineage_is_indexed(struct cox_follow *follow)
{
    for (int i = 0; i < cox_follow_files(follow); i++) {
        const struct cox_traj *traj = cox_follow_file(follow, i);
        if (traj)
            return cox_traj_column_index(traj, "index") >= 0;
    }
    return false;
}

/* ---- from the frame to the root ---- */

/* The segment of a frame and its place there. */
static int locate(struct search *s, int64_t frame, int64_t *segment, int64_t *index,
                  struct cox_err *err)
{
    if (s->indexed) {
        int32_t cells[2] = {0};
        int rc = cox_follow_i32(s->follow, "segment", &frame, 1, &cells[0], err);
        if (!rc)
            rc = cox_follow_i32(s->follow, "index", &frame, 1, &cells[1], err);
        *segment = cells[0];
        *index = cells[1];
        return rc;
    }
    struct cox_catalog_segment row;
    int rc = cox_catalog_segment_of_frame(s->catalog, frame, &row, err);
    if (rc)
        return rc;
    *segment = row.id;
    *index = frame - row.first_frame;
    return COX_OK;
}

static int add_leg(struct search *s, const struct cox_catalog_segment *segment, int64_t frames,
                   struct cox_err *err)
{
    if (s->n == s->room) {
        const int room = s->room ? 2 * s->room : 16;
        struct cox_leg *more = cox_realloc(s->legs, (size_t)room, sizeof *more);
        if (!more)
            return out_of_memory(err);
        s->legs = more;
        s->room = room;
    }
    if (frames == ALL && !s->indexed)
        frames = segment->n_frames;
    s->legs[s->n++] = (struct cox_leg){.segment = *segment, .n = frames};
    return COX_OK;
}

/* How many frames of `parent` lie on the way to `child`. */
static int frames_before(struct search *s, const struct cox_catalog_segment *child,
                         const struct cox_catalog_segment *parent, int64_t *frames,
                         struct cox_err *err)
{
    int64_t segment = -1;
    int64_t index = -1;
    *frames = child->continued ? ALL : 0;
    if (child->parent_frame < 0)
        return COX_OK;
    int rc = locate(s, child->parent_frame, &segment, &index, err);
    if (!rc && segment != parent->id)
        rc = cox_err_set(err, COX_EFORMAT,
                         "segment %lld comes from frame %lld of segment %lld, but that frame is of "
                         "segment %lld",
                         (long long)child->id, (long long)child->parent_frame,
                         (long long)parent->id, (long long)segment);
    *frames = index + 1;
    return rc;
}

static void reverse(struct cox_leg *legs, int n)
{
    for (int i = 0; i < n / 2; i++) {
        struct cox_leg keep = legs[i];
        legs[i] = legs[n - 1 - i];
        legs[n - 1 - i] = keep;
    }
}

static int walk(struct search *s, int64_t frame, struct cox_err *err)
{
    struct cox_catalog_segment segment;
    int64_t id = -1;
    int64_t index = -1;
    int rc = locate(s, frame, &id, &index, err);
    int64_t frames = index + 1;
    while (!rc) {
        rc = cox_catalog_segment(s->catalog, id, &segment, err);
        if (!rc)
            rc = add_leg(s, &segment, frames, err);
        if (rc || segment.parent_segment < 0)
            break;
        const struct cox_catalog_segment child = segment;
        id = child.parent_segment;
        /* ids grow from parent to child, so that this ends also on a file that was tampered with */
        if (id >= child.id)
            rc = cox_err_set(err, COX_EFORMAT, "segment %lld has the younger parent %lld",
                             (long long)child.id, (long long)id);
        if (!rc)
            rc = cox_catalog_segment(s->catalog, id, &segment, err);
        if (!rc)
            rc = frames_before(s, &child, &segment, &frames, err);
    }
    reverse(s->legs, s->n);
    return rc;
}

/* ---- the frames ---- */

struct place {
    int leg;
    int32_t index;
    int64_t id;
};

struct places {
    struct place *at;
    int64_t n, room;
};

/* Legs are in the order of their segments. */
static int leg_of(const struct search *s, int64_t segment)
{
    int low = 0;
    int high = s->n;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (s->legs[middle].segment.id < segment)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->n && s->legs[low].segment.id == segment ? low : -1;
}

static int add_place(struct places *p, struct place place, struct cox_err *err)
{
    if (p->n == p->room) {
        const int64_t room = p->room ? 2 * p->room : 256;
        struct place *more = cox_realloc(p->at, (size_t)room, sizeof *more);
        if (!more)
            return out_of_memory(err);
        p->at = more;
        p->room = room;
    }
    p->at[p->n++] = place;
    return COX_OK;
}

/* Every frame of the legs' segments that lies on the way. */
static int scan_file(const struct search *s, int file, struct places *p, int32_t *cells,
                     struct cox_err *err)
{
    struct cox_traj *traj = cox_follow_file(s->follow, file);
    const int files = cox_follow_files(s->follow);
    const int64_t rows = traj ? cox_traj_frames(traj) : 0;
    int32_t *segment = cells;
    int32_t *index = cells + READ_BLOCK;
    int rc = COX_OK;
    for (int64_t first = 0; !rc && first < rows; first += READ_BLOCK) {
        const int64_t n = rows - first < READ_BLOCK ? rows - first : READ_BLOCK;
        rc = cox_traj_read_i32(traj, "segment", first, n, segment, err);
        if (!rc)
            rc = cox_traj_read_i32(traj, "index", first, n, index, err);
        for (int64_t i = 0; !rc && i < n; i++) {
            const int leg = leg_of(s, segment[i]);
            if (leg >= 0 && index[i] >= 0 && index[i] < s->legs[leg].n)
                rc = add_place(p, (struct place){leg, index[i], (first + i) * files + file}, err);
        }
    }
    return rc;
}

/* Where a leg has all frames of its segment, that is as many as were found. */
static void count_all(struct search *s, const struct places *p)
{
    for (int i = 0; i < s->n; i++)
        if (s->legs[i].n == ALL)
            s->legs[i].n = -1;
    for (int64_t i = 0; i < p->n; i++) {
        struct cox_leg *leg = &s->legs[p->at[i].leg];
        if (leg->n < 0 && -leg->n <= p->at[i].index + 1)
            leg->n = -(p->at[i].index + 2);
    }
    for (int i = 0; i < s->n; i++)
        if (s->legs[i].n < 0)
            s->legs[i].n = -s->legs[i].n - 1;
}

static int give_ids(const struct search *s, struct cox_lineage *out, const struct places *p,
                    struct cox_err *err)
{
    int64_t total = 0;
    for (int i = 0; i < s->n; i++)
        total += s->legs[i].n;
    out->ids = cox_alloc((size_t)total, sizeof *out->ids);
    if (!out->ids)
        return out_of_memory(err);
    int64_t at = 0;
    for (int i = 0; i < s->n; i++) {
        s->legs[i].ids = out->ids + at;
        for (int64_t k = 0; k < s->legs[i].n; k++)
            out->ids[at++] = s->indexed ? -1 : s->legs[i].segment.first_frame + k;
    }
    for (int64_t i = 0; i < p->n; i++)
        out->ids[s->legs[p->at[i].leg].ids - out->ids + p->at[i].index] = p->at[i].id;
    for (int i = 0; i < s->n; i++)
        for (int64_t k = 0; k < s->legs[i].n; k++)
            if (s->legs[i].ids[k] < 0)
                return cox_err_set(err, COX_EFORMAT,
                                   "frame %lld of segment %lld is not in the files of the run",
                                   (long long)k, (long long)s->legs[i].segment.id);
    return COX_OK;
}

static int find_frames(struct search *s, struct cox_lineage *out, struct cox_err *err)
{
    struct places p = {0};
    int rc = COX_OK;
    if (s->indexed) {
        int32_t *cells = cox_alloc((size_t)READ_BLOCK * 2, sizeof *cells);
        if (!cells)
            return out_of_memory(err);
        for (int i = 0; !rc && i < cox_follow_files(s->follow); i++)
            rc = scan_file(s, i, &p, cells, err);
        cox_free(cells);
        count_all(s, &p);
    }
    if (!rc)
        rc = give_ids(s, out, &p, err);
    cox_free(p.at);
    return rc;
}

/* ---- spacing ---- */

/* A sequential run's catalog tells exactly; of a streaming run, whose segments may be under way,
 * the frames themselves do. */
static int space(const struct search *s, struct cox_leg *leg, struct cox_err *err)
{
    const struct cox_catalog_segment *row = &leg->segment;
    if (s->indexed && leg->n > 1) {
        int64_t step[2];
        double time_ps[2];
        int rc = cox_follow_times(s->follow, leg->ids, 2, step, time_ps, err);
        leg->frame_ps = time_ps[1] - time_ps[0];
        leg->steps_per_frame = step[1] - step[0];
        return rc;
    }
    if (row->n_frames > 0) {
        leg->frame_ps = (double)row->steps * row->timestep_fs * 1e-3 / (double)row->n_frames;
        leg->steps_per_frame = row->steps / row->n_frames;
    }
    return COX_OK;
}

static int space_all(struct search *s, struct cox_err *err)
{
    const struct cox_leg *known = NULL;
    int rc = COX_OK;
    for (int i = 0; !rc && i < s->n; i++) {
        rc = space(s, &s->legs[i], err);
        if (!known && s->legs[i].frame_ps > 0)
            known = &s->legs[i];
    }
    for (int i = 0; !rc && known && i < s->n; i++)
        if (!(s->legs[i].frame_ps > 0)) { /* the same throughout a run */
            s->legs[i].frame_ps = known->frame_ps;
            s->legs[i].steps_per_frame = known->steps_per_frame;
        }
    return rc;
}

int cox_lineage_find(struct cox_lineage *out, struct cox_catalog *catalog,
                     struct cox_follow *follow, int64_t frame, struct cox_err *err)
{
    struct search s = {
        .catalog = catalog, .follow = follow, .indexed = cox_lineage_is_indexed(follow)};
    *out = (struct cox_lineage){0};
    int rc = walk(&s, frame, err);
    if (!rc)
        rc = find_frames(&s, out, err);
    if (!rc)
        rc = space_all(&s, err);
    out->legs = s.legs;
    out->n = s.n;
    if (rc)
        cox_lineage_deinit(out);
    return rc;
}
