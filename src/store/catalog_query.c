/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/catalog_internal.h"

/* ---- columns ---- */

void cox_catalog_read_text(sqlite3_stmt *s, int column, char *out, size_t size)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    snprintf(out, size, "%s", text ? (const char *)text : "");
}

int64_t cox_catalog_read_id(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? -1 : sqlite3_column_int64(s, column);
}

/* SQLite stores NaN as NULL. */
double cox_catalog_read_number(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? NAN : sqlite3_column_double(s, column);
}

static void read_start(sqlite3_stmt *s, void *out)
{
    struct cox_catalog_start *row = out;
    row->id = sqlite3_column_int64(s, 0);
    cox_catalog_read_text(s, 1, row->path, sizeof row->path);
    cox_catalog_read_text(s, 2, row->title, sizeof row->title);
}

void cox_catalog_read_segment(sqlite3_stmt *s, void *out)
{
    struct cox_catalog_segment *row = out;
    char status[16];
    row->id = sqlite3_column_int64(s, 0);
    row->round = sqlite3_column_int(s, 1);
    row->lane = sqlite3_column_int(s, 2);
    row->parent_segment = cox_catalog_read_id(s, 3);
    row->parent_frame = cox_catalog_read_id(s, 4);
    row->start = cox_catalog_read_id(s, 5);
    row->continued = sqlite3_column_int(s, 6) != 0;
    row->steered = sqlite3_column_int(s, 7) != 0;
    row->seed = (uint64_t)sqlite3_column_int64(s, 8);
    row->temperature_K = cox_catalog_read_number(s, 9);
    cox_catalog_read_text(s, 10, row->engine, sizeof row->engine);
    row->steps = sqlite3_column_int64(s, 11);
    row->timestep_fs = cox_catalog_read_number(s, 12);
    row->first_frame = cox_catalog_read_id(s, 13);
    row->n_frames = sqlite3_column_int64(s, 14);
    cox_catalog_read_text(s, 15, status, sizeof status);
    row->running = !strcmp(status, "running");
    row->blown = !strcmp(status, "blown");
    row->lost = !strcmp(status, "lost");
    row->cut = !strcmp(status, "cut");
    cox_catalog_read_text(s, 16, row->reason, sizeof row->reason);
    row->best_objective = cox_catalog_read_number(s, 17);
    row->ancestor = cox_catalog_read_id(s, 18);
}

static void read_model(sqlite3_stmt *s, void *out)
{
    struct cox_catalog_model *row = out;
    row->id = sqlite3_column_int64(s, 0);
    row->round = sqlite3_column_int(s, 1);
    cox_catalog_read_text(s, 2, row->path, sizeof row->path);
    row->train_loss = cox_catalog_read_number(s, 3);
    row->valid_loss = cox_catalog_read_number(s, 4);
    row->epochs = sqlite3_column_int(s, 5);
    row->samples = sqlite3_column_int64(s, 6);
    row->wall_s = cox_catalog_read_number(s, 7);
    row->seed = (uint64_t)sqlite3_column_int64(s, 8);
}

static void read_pick(sqlite3_stmt *s, void *out)
{
    struct cox_catalog_pick *row = out;
    row->round = sqlite3_column_int(s, 0);
    row->lane = sqlite3_column_int(s, 1);
    row->frame = cox_catalog_read_id(s, 2);
    row->score = cox_catalog_read_number(s, 3);
    row->rank = sqlite3_column_int(s, 4);
    cox_catalog_read_text(s, 5, row->reason, sizeof row->reason);
}

static void read_task(sqlite3_stmt *s, void *out)
{
    struct cox_catalog_task *row = out;
    row->id = sqlite3_column_int64(s, 0);
    row->round = sqlite3_column_int(s, 1);
    cox_catalog_read_text(s, 2, row->kind, sizeof row->kind);
    row->worker = sqlite3_column_int(s, 3);
    row->began_s = cox_catalog_read_number(s, 4);
    row->ended_s = cox_catalog_read_number(s, 5);
    row->who[0] = '\0';
    if (sqlite3_column_count(s) > 6) /* a file of version 1 has none */
        cox_catalog_read_text(s, 6, row->who, sizeof row->who);
}

static void read_round(sqlite3_stmt *s, void *out)
{
    struct cox_catalog_round *row = out;
    row->id = sqlite3_column_int(s, 0);
    row->frames = sqlite3_column_int64(s, 1);
    row->ns = cox_catalog_read_number(s, 2);
    row->best_objective = cox_catalog_read_number(s, 3);
    row->best_frame = cox_catalog_read_id(s, 4);
    row->outliers = sqlite3_column_int(s, 5);
    row->new_states = sqlite3_column_int(s, 6);
    row->idle_s = cox_catalog_read_number(s, 7);
    row->wall_s = cox_catalog_read_number(s, 8);
}

/* ---- whole tables ---- */

static int out_of_memory(const struct cox_catalog *catalog, struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", catalog->path);
}

int cox_catalog_table(struct cox_catalog *catalog, enum catalog_statement which, size_t size,
                      void (*read)(sqlite3_stmt *, void *), void **out, int64_t *n,
                      struct cox_err *err)
{
    int rc = COX_OK;
    size_t count = 0;
    size_t room = 64;
    *out = NULL;
    *n = 0;
    sqlite3_stmt *s = cox_catalog_statement(catalog, which, &rc, err);
    if (!s)
        return rc;
    char *rows = cox_alloc(room, size);
    if (!rows)
        return out_of_memory(catalog, err);
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        if (count == room) {
            char *more = cox_realloc(rows, 2 * room, size);
            if (!more) {
                rc = out_of_memory(catalog, err);
                break;
            }
            rows = more;
            room *= 2;
        }
        read(s, rows + count++ * size);
    }
    if (!rc && code != SQLITE_DONE)
        rc = cox_catalog_fail(catalog, "read the catalog", err);
    sqlite3_reset(s);
    if (rc) {
        cox_free(rows);
        return rc;
    }
    *out = rows;
    *n = (int64_t)count;
    return COX_OK;
}

#define TABLE(function, type, which, reader)                                                      \
    int function(struct cox_catalog *catalog, struct type **out, int64_t *n, struct cox_err *err) \
    {                                                                                             \
        void *rows = NULL;                                                                        \
        int rc = cox_catalog_table(catalog, which, sizeof(struct type), reader, &rows, n, err);   \
        *out = rows;                                                                              \
        return rc;                                                                                \
    }

TABLE(cox_catalog_starts, cox_catalog_start, CATALOG_STARTS, read_start)
TABLE(cox_catalog_segments, cox_catalog_segment, CATALOG_SEGMENTS, cox_catalog_read_segment)
TABLE(cox_catalog_models, cox_catalog_model, CATALOG_MODELS, read_model)
TABLE(cox_catalog_picks, cox_catalog_pick, CATALOG_PICKS, read_pick)
TABLE(cox_catalog_tasks, cox_catalog_task, CATALOG_TASKS, read_task)
TABLE(cox_catalog_rounds, cox_catalog_round, CATALOG_ROUNDS, read_round)

/* ---- single values ---- */

int cox_catalog_integer(struct cox_catalog *catalog, enum catalog_statement which, int64_t *out,
                        struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_catalog_statement(catalog, which, &rc, err);
    if (!s)
        return rc;
    if (sqlite3_step(s) == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    else
        rc = cox_catalog_fail(catalog, "read the catalog", err);
    sqlite3_reset(s);
    return rc;
}

int cox_catalog_check(struct cox_catalog *catalog, struct cox_err *err)
{
    int rc = COX_OK;
    char said[400] = "";
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_CHECK, &rc, err);
    if (!s)
        return rc;
    if (sqlite3_step(s) == SQLITE_ROW)
        cox_catalog_read_text(s, 0, said, sizeof said);
    else
        rc = cox_catalog_fail(catalog, "check the catalog", err);
    sqlite3_reset(s);
    if (!rc && strcmp(said, "ok"))
        rc = cox_err_set(err, COX_EFORMAT, "'%s' is damaged: %s", catalog->path, said);
    return rc;
}

int cox_catalog_frames(struct cox_catalog *catalog, int64_t *out, struct cox_err *err)
{
    return cox_catalog_integer(catalog, CATALOG_FRAMES, out, err);
}

int cox_catalog_next_segment(struct cox_catalog *catalog, int64_t *out, struct cox_err *err)
{
    return cox_catalog_integer(catalog, CATALOG_NEXT_SEGMENT, out, err);
}

int cox_catalog_get(struct cox_catalog *catalog, const char *key, char **out, struct cox_err *err)
{
    int rc = COX_OK;
    *out = NULL;
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_GET, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(s, 0);
        *out = cox_strdup(text ? (const char *)text : "");
        if (!*out)
            rc = out_of_memory(catalog, err);
    } else if (code != SQLITE_DONE) {
        rc = cox_catalog_fail(catalog, "read a key of the run", err);
    }
    sqlite3_reset(s);
    return rc;
}

int cox_catalog_get_lane(struct cox_catalog *catalog, int lane, int64_t *segment, void **bytes,
                         size_t *length, struct cox_err *err)
{
    int rc = COX_OK;
    *bytes = NULL;
    *length = 0;
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_GET_LANE, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int(s, 1, lane);
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW) {
        const void *blob = sqlite3_column_blob(s, 1);
        *length = (size_t)sqlite3_column_bytes(s, 1);
        if (segment)
            *segment = cox_catalog_read_id(s, 0);
        *bytes = cox_alloc(*length, 1);
        if (!*bytes)
            rc = out_of_memory(catalog, err);
        else if (blob)
            memcpy(*bytes, blob, *length);
    } else if (code == SQLITE_DONE) {
        rc = cox_err_set(err, COX_ENOTFOUND, "%s: no state of lane %d is stored", catalog->path,
                         lane);
    } else {
        rc = cox_catalog_fail(catalog, "read the state of a lane", err);
    }
    sqlite3_reset(s);
    return rc;
}

/* COX_ENOTFOUND without a message when there is no such row. */
static int one_segment(struct cox_catalog *catalog, enum catalog_statement which, int64_t key,
                       struct cox_catalog_segment *out, struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_catalog_statement(catalog, which, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, key);
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW)
        cox_catalog_read_segment(s, out);
    else
        rc = code == SQLITE_DONE ? COX_ENOTFOUND : cox_catalog_fail(catalog, "read a segment", err);
    sqlite3_reset(s);
    return rc;
}

int cox_catalog_segment(struct cox_catalog *catalog, int64_t id, struct cox_catalog_segment *out,
                        struct cox_err *err)
{
    int64_t next = 0;
    int rc = one_segment(catalog, CATALOG_SEGMENT, id, out, err);
    if (rc != COX_ENOTFOUND)
        return rc;
    rc = cox_catalog_next_segment(catalog, &next, err);
    if (rc)
        return rc;
    if (!next)
        return cox_err_set(err, COX_ENOTFOUND, "%s: no segment %lld; there are none yet",
                           catalog->path, (long long)id);
    return cox_err_set(err, COX_ENOTFOUND, "%s: no segment %lld; the last one is %lld",
                       catalog->path, (long long)id, (long long)(next - 1));
}

int cox_catalog_segment_of_frame(struct cox_catalog *catalog, int64_t frame,
                                 struct cox_catalog_segment *out, struct cox_err *err)
{
    int64_t frames = 0;
    int rc = one_segment(catalog, CATALOG_SEGMENT_OF_FRAME, frame, out, err);
    if (rc != COX_ENOTFOUND)
        return rc;
    rc = cox_catalog_frames(catalog, &frames, err);
    if (rc)
        return rc;
    return cox_err_set(err, COX_ENOTFOUND, "%s: no segment holds frame %lld; there are %lld frames",
                       catalog->path, (long long)frame, (long long)frames);
}
