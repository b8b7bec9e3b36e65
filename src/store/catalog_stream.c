/* SPDX-License-Identifier: BSD-3-Clause */
/* What a streaming run adds to the catalog: segments that are known before they end, attempts of
 * tasks, starts that were set aside. A file of version 1 has none of these and reads as empty. */
#include "store/catalog.h"

#include "base/mem.h"
#include "store/catalog_internal.h"

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

/* Runs an update of one row. */
static int update_one(struct cox_catalog *catalog, sqlite3_stmt *s, const char *what, int64_t id,
                      struct cox_err *err)
{
    int rc = cox_catalog_run(catalog, s, what, err);
    if (!rc && sqlite3_changes(catalog->db) != 1)
        rc = cox_err_set(err, COX_ENOTFOUND, "%s: cannot %s: there is no %lld", catalog->path, what,
                         (long long)id);
    return rc;
}

int cox_catalog_update_segment(struct cox_catalog *catalog, const struct cox_catalog_segment *row,
                               struct cox_err *err)
{
    int rc = COX_OK;
    if (row->n_frames < 0 || row->first_frame < -1)
        return cox_err_set(err, COX_EINVAL, "%s: segment %lld has %lld frames from %lld on",
                           catalog->path, (long long)row->id, (long long)row->n_frames,
                           (long long)row->first_frame);
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_UPDATE_SEGMENT, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, row->id);
    sqlite3_bind_double(s, 2, row->temperature_K);
    bind_text(s, 3, row->engine);
    sqlite3_bind_int64(s, 4, row->steps);
    sqlite3_bind_double(s, 5, row->timestep_fs);
    cox_catalog_bind_id(s, 6, row->first_frame);
    sqlite3_bind_int64(s, 7, row->n_frames);
    bind_text(s, 8, cox_catalog_status(row));
    bind_text(s, 9, row->reason);
    sqlite3_bind_double(s, 10, row->best_objective);
    return update_one(catalog, s, "update a segment", row->id, err);
}

int cox_catalog_lane_segment(struct cox_catalog *catalog, int lane, int64_t *id,
                             struct cox_err *err)
{
    int rc = COX_OK;
    *id = -1;
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_LANE_SEGMENT, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int(s, 1, lane);
    if (sqlite3_step(s) == SQLITE_ROW)
        *id = cox_catalog_read_id(s, 0);
    else
        rc = cox_catalog_fail(catalog, "read the segments of a lane", err);
    sqlite3_reset(s);
    return rc;
}

/* ---- attempts ---- */

int cox_catalog_add_attempt(struct cox_catalog *catalog, const struct cox_catalog_attempt *row,
                            struct cox_err *err)
{
    int rc = COX_OK;
    if (row->epoch < 1)
        return cox_err_set(err, COX_EINVAL, "%s: epoch %lld of '%s': they begin at 1",
                           catalog->path, (long long)row->epoch, row->task);
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_ADD_ATTEMPT, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, row->epoch);
    bind_text(s, 2, row->task);
    bind_text(s, 3, row->host);
    cox_catalog_bind_id(s, 4, row->pid);
    sqlite3_bind_double(s, 5, row->began_s);
    sqlite3_bind_double(s, 6, row->ended_s);
    bind_text(s, 7, row->end);
    bind_text(s, 8, row->reason);
    return cox_catalog_run(catalog, s, "add an attempt", err);
}

int cox_catalog_end_attempt(struct cox_catalog *catalog, const struct cox_catalog_attempt *row,
                            struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_END_ATTEMPT, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, row->epoch);
    bind_text(s, 2, row->host);
    cox_catalog_bind_id(s, 3, row->pid);
    sqlite3_bind_double(s, 4, row->ended_s);
    bind_text(s, 5, row->end);
    bind_text(s, 6, row->reason);
    return update_one(catalog, s, "end the attempt of epoch", row->epoch, err);
}

static void read_attempt(sqlite3_stmt *s, void *out)
{
    struct cox_catalog_attempt *row = out;
    row->epoch = sqlite3_column_int64(s, 0);
    cox_catalog_read_text(s, 1, row->task, sizeof row->task);
    cox_catalog_read_text(s, 2, row->host, sizeof row->host);
    row->pid = cox_catalog_read_id(s, 3);
    row->began_s = cox_catalog_read_number(s, 4);
    row->ended_s = cox_catalog_read_number(s, 5);
    cox_catalog_read_text(s, 6, row->end, sizeof row->end);
    cox_catalog_read_text(s, 7, row->reason, sizeof row->reason);
}

/* A table that version 1 does not have. */
static int table_since_2(struct cox_catalog *catalog, enum catalog_statement which, size_t size,
                         void (*read)(sqlite3_stmt *, void *), void **out, int64_t *n,
                         struct cox_err *err)
{
    if (catalog->version >= 2)
        return cox_catalog_table(catalog, which, size, read, out, n, err);
    *n = 0;
    *out = cox_alloc(1, size);
    return *out ? COX_OK
                : cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", catalog->path);
}

int cox_catalog_attempts(struct cox_catalog *catalog, struct cox_catalog_attempt **out, int64_t *n,
                         struct cox_err *err)
{
    void *rows = NULL;
    int rc = table_since_2(catalog, CATALOG_ATTEMPTS, sizeof **out, read_attempt, &rows, n, err);
    *out = rows;
    return rc;
}

int cox_catalog_next_epoch(struct cox_catalog *catalog, int64_t *out, struct cox_err *err)
{
    *out = 1;
    return catalog->version < 2 ? COX_OK
                                : cox_catalog_integer(catalog, CATALOG_NEXT_EPOCH, out, err);
}

/* ---- poisoned starts ---- */

int cox_catalog_set_poison(struct cox_catalog *catalog, const struct cox_catalog_poison *row,
                           struct cox_err *err)
{
    int rc = COX_OK;
    if ((row->frame >= 0) == (row->start >= 0))
        return cox_err_set(err, COX_EINVAL, "%s: what is poisoned is either a frame or a start",
                           catalog->path);
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_SET_POISON, &rc, err);
    if (!s)
        return rc;
    cox_catalog_bind_id(s, 1, row->frame);
    cox_catalog_bind_id(s, 2, row->start);
    sqlite3_bind_int(s, 3, row->crashes);
    sqlite3_bind_int(s, 4, row->set_aside);
    bind_text(s, 5, row->reason);
    return cox_catalog_run(catalog, s, "note a poisoned start", err);
}

static void read_poison(sqlite3_stmt *s, void *out)
{
    struct cox_catalog_poison *row = out;
    row->frame = cox_catalog_read_id(s, 0);
    row->start = cox_catalog_read_id(s, 1);
    row->crashes = sqlite3_column_int(s, 2);
    row->set_aside = sqlite3_column_int(s, 3) != 0;
    cox_catalog_read_text(s, 4, row->reason, sizeof row->reason);
}

int cox_catalog_poisons(struct cox_catalog *catalog, struct cox_catalog_poison **out, int64_t *n,
                        struct cox_err *err)
{
    void *rows = NULL;
    int rc = table_since_2(catalog, CATALOG_POISONS, sizeof **out, read_poison, &rows, n, err);
    *out = rows;
    return rc;
}
