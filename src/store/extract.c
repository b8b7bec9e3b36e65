/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/extract.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "molecule/rmsd.h"
#include "molecule/select.h"
#include "molecule/trajfile.h"
#include "store/lineage.h"

/* ---- sources ---- */

static int open_run(struct cox_follow **follow, struct cox_catalog **catalog, int64_t *frames,
                    const char *directory, struct cox_err *err)
{
    char path[PATH_MAX];
    int64_t known = 0;
    int rc = cox_path_join(path, sizeof path, directory, "catalog.db", err);
    if (!rc && !cox_file_exists(path))
        return cox_err_set(err, COX_ENOTFOUND, "'%s' is no run: it has no catalog.db", directory);
    if (!rc)
        rc = cox_catalog_open_read(catalog, path, err);
    if (!rc)
        rc = cox_catalog_frames(*catalog, &known, err);
    if (!rc)
        rc = cox_follow_open(follow, directory, err);
    if (!rc)
        rc = cox_follow_check(*follow, err);
    if (rc)
        return rc;
    *frames = cox_follow_end(*follow);
    if (cox_lineage_is_indexed(*follow))
        return COX_OK;
    if (*frames < known)
        return cox_err_set(err, COX_EFORMAT, "'%s' has %lld frames, the catalog knows %lld",
                           directory, (long long)*frames, (long long)known);
    *frames = known;
    return COX_OK;
}

int cox_extract_open(struct cox_follow **follow, struct cox_catalog **catalog, int64_t *frames,
                     const char *run_or_file, struct cox_err *err)
{
    int rc;
    *follow = NULL;
    *catalog = NULL;
    if (cox_file_is_directory(run_or_file)) {
        rc = open_run(follow, catalog, frames, run_or_file, err);
    } else {
        rc = cox_follow_open_file(follow, run_or_file, err);
        if (!rc)
            rc = cox_follow_check(*follow, err);
        if (!rc)
            *frames = cox_follow_end(*follow);
    }
    if (rc) {
        cox_follow_close(*follow);
        cox_catalog_close(*catalog);
        *follow = NULL;
        *catalog = NULL;
    }
    return rc;
}

/* ---- frames ---- */

static int bad_slice(const char *text, struct cox_err *err)
{
    return cox_err_set(err, COX_EINVAL,
                       "frames '%s': a number or a slice first:end:step of whole numbers is needed",
                       text);
}

/* Splits at the colons; a missing number keeps its default. Returns how many parts, 0 if bad. */
static int split(const char *text, long long part[3], bool given[3])
{
    int n = 0;
    for (;;) {
        size_t length = strcspn(text, ":");
        char number[32];
        if (n == 3 || length >= sizeof number)
            return 0;
        memcpy(number, text, length);
        number[length] = '\0';
        given[n] = length > 0;
        if (length && cox_parse_int(number, &part[n]))
            return 0;
        n++;
        if (!text[length])
            return n;
        text += length + 1;
    }
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

int cox_slice_parse(struct cox_slice *out, const char *text, int64_t frames, struct cox_err *err)
{
    long long part[3] = {0, 0, 1};
    bool given[3] = {false, false, false};
    *out = (struct cox_slice){.first = 0, .step = 1, .count = frames};
    if (text) {
        int parts = split(text, part, given);
        if (!parts || (parts == 1 && !given[0]))
            return bad_slice(text, err);
        if (part[0] < 0)
            part[0] += frames;
        if (given[1] && part[1] < 0)
            part[1] += frames;
        if (parts == 1) {
            if (part[0] < 0 || part[0] >= frames)
                return cox_err_set(err, COX_EINVAL, "there is no frame %s: they are 0 to %lld",
                                   text, (long long)frames - 1);
            *out = (struct cox_slice){part[0], 1, 1};
            return COX_OK;
        }
        int64_t step = part[2];
        if (!step)
            return cox_err_set(err, COX_EINVAL, "frames '%s': the step must not be 0", text);
        /* Python's rules: backwards from the last frame down to the first when the step is negative
         */
        int64_t low = step > 0 ? 0 : -1;
        int64_t high = step > 0 ? frames : frames - 1;
        int64_t first = given[0] ? clamp(part[0], low, high) : step > 0 ? 0 : frames - 1;
        int64_t end = given[1] ? clamp(part[1], low, high) : step > 0 ? frames : -1;
        int64_t span = step > 0 ? end - first : first - end;
        uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
        *out = (struct cox_slice){first, step, 0};
        if (span > 0)
            out->count = (int64_t)(((uint64_t)span - 1) / stride) + 1;
    }
    if (out->count < 1)
        return cox_err_set(err, COX_EINVAL, "no frame is in '%s' of %lld frames", text ? text : ":",
                           (long long)frames);
    return COX_OK;
}

static int compare_ids(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct found {
    int64_t *ids; /* room for all frames */
    int64_t n;
    int32_t most; /* largest lane seen */
};

static int lane_in_file(struct found *found, struct cox_follow *follow, int file, int64_t frames,
                        int lane, struct cox_err *err)
{
    const int files = cox_follow_files(follow);
    struct cox_traj *traj = cox_follow_file(follow, file);
    const int64_t below = (frames - file + files - 1) / files; /* rows whose id is in use */
    const int64_t rows = cox_traj_frames(traj) < below ? cox_traj_frames(traj) : below;
    int32_t *lanes = cox_alloc((size_t)rows, sizeof *lanes);
    int rc = lanes ? cox_traj_read_i32(traj, "lane", 0, rows, lanes, err)
                   : cox_err_set(err, COX_ENOMEM, "out of memory for %lld frames", (long long)rows);
    for (int64_t i = 0; !rc && i < rows; i++) {
        found->most = lanes[i] > found->most ? lanes[i] : found->most;
        if (lanes[i] == lane)
            found->ids[found->n++] = i * files + file;
    }
    cox_free(lanes);
    return rc;
}

/* The frames of one lane among those with ids below `frames`. */
static int ids_of_lane(int64_t **ids, int64_t *n, struct cox_follow *follow, int64_t frames,
                       int lane, struct cox_err *err)
{
    struct found found = {.ids = cox_alloc((size_t)frames, sizeof *found.ids), .most = -1};
    int rc = found.ids
                 ? COX_OK
                 : cox_err_set(err, COX_ENOMEM, "out of memory for %lld frames", (long long)frames);
    for (int i = 0; !rc && i < cox_follow_files(follow); i++)
        rc = lane_in_file(&found, follow, i, frames, lane, err);
    if (!rc && !found.n)
        rc = cox_err_set(err, COX_EINVAL, "'%s' has no frame of lane %d; lanes are 0 to %d",
                         cox_traj_path(cox_follow_file(follow, 0)), lane, (int)found.most);
    if (rc) {
        cox_free(found.ids);
        return rc;
    }
    qsort(found.ids, (size_t)found.n, sizeof *found.ids, compare_ids);
    *ids = found.ids;
    *n = found.n;
    return COX_OK;
}

int cox_extract_ids(int64_t **ids, int64_t *n, struct cox_follow *follow, int64_t frames,
                    const char *slice, int lane, struct cox_err *err)
{
    int64_t *of_lane = NULL;
    struct cox_slice s;
    *ids = NULL;
    *n = 0;
    int64_t total = frames;
    int rc = lane >= 0 ? ids_of_lane(&of_lane, &total, follow, frames, lane, err) : COX_OK;
    if (!rc)
        rc = cox_slice_parse(&s, slice, total, err);
    if (!rc) {
        *ids = cox_alloc((size_t)s.count, sizeof **ids);
        if (!*ids)
            rc = cox_err_set(err, COX_ENOMEM, "out of memory for %lld frames", (long long)s.count);
    }
    for (int64_t i = 0; !rc && i < s.count; i++) {
        const int64_t at = s.first + i * s.step;
        const int64_t id = of_lane ? of_lane[at] : at;
        if (cox_follow_has(follow, id))
            (*ids)[(*n)++] = id;
    }
    if (!rc && !*n)
        rc = cox_err_set(err, COX_EINVAL, "there is no frame %s", slice ? slice : "at all");
    if (rc) {
        cox_free(*ids);
        *ids = NULL;
    }
    cox_free(of_lane);
    return rc;
}

/* ---- files ---- */

struct cox_extract {
    struct cox_follow *from;
    struct cox_traj *first; /* any of its files: they are alike */
    struct cox_system *system;
    struct cox_selection selection; /* n == 0: all */
    struct cox_trajfile *files[COX_EXTRACT_MAX_FILES];
    int n_files;
    struct cox_traj *h5; /* written to h5_temporary, renamed to h5_path */
    char h5_path[PATH_MAX], h5_temporary[PATH_MAX];
    bool superpose, has_target;
    struct cox_selection fit;
    double (*target)[3];
    float (*x)[3];
};

static const struct cox_traj_column h5_columns[2] = {{"segment", COX_TRAJ_I32, ""},
                                                     {"frame", COX_TRAJ_I32, ""}};

static void release(struct cox_extract *e)
{
    cox_selection_deinit(&e->selection);
    cox_selection_deinit(&e->fit);
    cox_system_destroy(e->system);
    cox_free(e->target);
    cox_free(e->x);
    cox_free(e);
}

void cox_extract_abandon(struct cox_extract *extract)
{
    if (!extract)
        return;
    for (int i = 0; i < extract->n_files; i++)
        cox_trajfile_abandon(extract->files[i]);
    if (extract->h5) {
        cox_traj_destroy(extract->h5);
        unlink(extract->h5_temporary);
    }
    release(extract);
}

static int open_h5(struct cox_extract *e, const char *path, struct cox_err *err)
{
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    if (e->selection.n)
        return cox_err_set(err, COX_EINVAL,
                           "'%s': a selection of atoms goes to .dcd, .xtc, .pdb "
                           "only",
                           path);
    if (e->h5)
        return cox_err_set(err, COX_EINVAL, "'%s': only one .h5 file can be written", path);
    options.n_columns = 2;
    options.columns = h5_columns;
    snprintf(e->h5_path, sizeof e->h5_path, "%s", path);
    cox_file_temporary(path, e->h5_temporary, sizeof e->h5_temporary);
    unlink(e->h5_temporary);
    return cox_traj_create(&e->h5, e->h5_temporary, e->system, &options, err);
}

static int open_file(struct cox_extract *e, const char *path,
                     const struct cox_extract_options *options, struct cox_err *err)
{
    struct cox_trajfile_options o = COX_TRAJFILE_OPTIONS_INIT;
    if (cox_str_ends(path, ".h5"))
        return open_h5(e, path, err);
    int rc = cox_trajfile_format_of(path, &o.format, NULL);
    if (rc)
        return cox_err_set(err, COX_EINVAL, "'%s' must end in .dcd, .xtc, .pdb or .h5", path);
    o.selection = e->selection.n ? &e->selection : NULL;
    o.steps_per_frame = options->steps_per_frame > 0 ? options->steps_per_frame : 1;
    o.timestep_ps = options->frame_ps / (double)o.steps_per_frame;
    rc = cox_trajfile_create(&e->files[e->n_files], path, e->system, &o, err);
    e->n_files += !rc;
    return rc;
}

static int prepare(struct cox_extract *e, const struct cox_extract_options *options,
                   struct cox_err *err)
{
    int rc = cox_traj_system(e->first, &e->system, err);
    if (!rc && options->select)
        rc = cox_selection_init(&e->selection, e->system, options->select, err);
    if (!rc && options->superpose) {
        rc = cox_selection_init(&e->fit, e->system, "name CA", NULL);
        if (rc == COX_EINVAL)
            rc = cox_selection_init(&e->fit, e->system, "all", err);
    }
    if (!rc) {
        e->superpose = options->superpose;
        e->x = cox_alloc((size_t)cox_traj_atoms(e->first), sizeof *e->x);
        e->target = cox_alloc((size_t)e->fit.n, sizeof *e->target);
        if (!e->x || !e->target)
            rc = cox_err_set(err, COX_ENOMEM, "out of memory for a frame");
    }
    for (int i = 0; !rc && i < options->n_paths; i++)
        rc = open_file(e, options->paths[i], options, err);
    return rc;
}

int cox_extract_create(struct cox_extract **out, struct cox_follow *follow,
                       const struct cox_extract_options *options, struct cox_err *err)
{
    *out = NULL;
    struct cox_extract *e = cox_alloc(1, sizeof *e);
    if (!e)
        return cox_err_set(err, COX_ENOMEM, "out of memory for an export");
    e->from = follow;
    e->first = cox_follow_file(follow, 0);
    int rc = prepare(e, options, err);
    if (rc) {
        cox_extract_abandon(e);
        return rc;
    }
    *out = e;
    return COX_OK;
}

static void superpose(struct cox_extract *e)
{
    struct cox_superposition s;
    if (!e->has_target) {
        for (int i = 0; i < e->fit.n; i++)
            for (int k = 0; k < 3; k++)
                e->target[i][k] = (double)e->x[e->fit.atom[i]][k];
        e->has_target = true;
        return;
    }
    cox_superpose(&s, e->fit.n, e->fit.atom, (const float(*)[3])e->x,
                  (const double(*)[3])e->target);
    cox_superposition_apply(&s, cox_traj_atoms(e->first), e->x);
}

int cox_extract_frame(struct cox_extract *extract, int64_t id, int64_t step, double time_ps,
                      int64_t segment, struct cox_err *err)
{
    int rc = cox_follow_positions(extract->from, &id, 1, &extract->x[0][0], err);
    if (rc)
        return rc;
    if (extract->superpose)
        superpose(extract);
    for (int i = 0; !rc && i < extract->n_files; i++)
        rc = cox_trajfile_append(extract->files[i], step, time_ps, (const float(*)[3])extract->x,
                                 err);
    if (!rc && extract->h5) {
        const int32_t cells[2] = {(int32_t)segment, (int32_t)id};
        const void *const columns[2] = {&cells[0], &cells[1]};
        const struct cox_traj_block block = {1,    &step, &time_ps, &extract->x[0][0],
                                             NULL, NULL,  columns};
        rc = cox_traj_append(extract->h5, &block, err);
    }
    return rc;
}

int cox_extract_atoms(const struct cox_extract *extract)
{
    return extract->selection.n ? extract->selection.n : cox_traj_atoms(extract->first);
}

int cox_extract_close(struct cox_extract *extract, struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; i < extract->n_files; i++) {
        if (rc)
            cox_trajfile_abandon(extract->files[i]);
        else
            rc = cox_trajfile_close(extract->files[i], err);
        extract->files[i] = NULL;
    }
    if (!rc && extract->h5) {
        rc = cox_traj_close(extract->h5, err);
        extract->h5 = NULL;
        if (!rc)
            rc = cox_file_commit(extract->h5_temporary, extract->h5_path, err);
        else
            unlink(extract->h5_temporary);
    }
    extract->n_files = 0;
    cox_extract_abandon(extract);
    return rc;
}
