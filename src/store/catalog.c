/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening, transactions, inserts. Only the files of the catalog include sqlite3.h. */
#include "store/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/catalog_internal.h"

#define BUSY_MS 10000
#define APPLICATION_ID 1131374675 /* "CoxS" */

static const char update_segment[] =
    "UPDATE segment SET temperature_K=?2, engine=?3, steps=?4, timestep_fs=?5, first_frame=?6, "
    "n_frames=?7, status=?8, reason=?9, best_objective=?10 WHERE id=?1";

static const char *const statements[] = {
#define X(name, sql) sql,
    CATALOG_STATEMENTS(X)
#undef X
};

#define ADDED_BY_2                                                                        \
    "CREATE INDEX segment_lane ON segment(lane, id);"                                     \
    "CREATE TABLE attempt(epoch INTEGER PRIMARY KEY, task TEXT, host TEXT, pid INT, "     \
    "began_s REAL, ended_s REAL, end TEXT, reason TEXT);"                                 \
    "CREATE TABLE poison(frame INT, start INT, crashes INT, set_aside INT, reason TEXT);" \
    "CREATE UNIQUE INDEX poison_key ON poison(coalesce(frame, -1), coalesce(start, -1));"
static const char schema[] =
    "CREATE TABLE run(key TEXT PRIMARY KEY, value TEXT);"
    "CREATE TABLE start(id INTEGER PRIMARY KEY, path TEXT, title TEXT);"
    "CREATE TABLE segment(id INTEGER PRIMARY KEY, round INT, lane INT, parent_segment INT, "
    "parent_frame INT, start INT, continued INT, steered INT, seed INT, temperature_K REAL, "
    "engine TEXT, steps INT, timestep_fs REAL, first_frame INT, n_frames INT, status TEXT, "
    "reason TEXT, best_objective REAL, ancestor INT);"
    "CREATE INDEX segment_frames ON segment(first_frame);"
    "CREATE TABLE model(id INTEGER PRIMARY KEY, round INT, path TEXT, train_loss REAL, "
    "valid_loss REAL, epochs INT, samples INT, wall_s REAL, seed INT);"
    "CREATE TABLE pick(round INT, lane INT, frame INT, score REAL, rank INT, reason TEXT);"
    "CREATE TABLE task(id INTEGER PRIMARY KEY, round INT, kind TEXT, worker INT, began_s REAL, "
    "ended_s REAL, who TEXT);"
    "CREATE TABLE round(id INTEGER PRIMARY KEY, frames INT, ns REAL, best_objective REAL, "
    "best_frame INT, outliers INT, new_states INT, idle_s REAL, wall_s REAL);"
    "CREATE TABLE lane_state(lane INTEGER PRIMARY KEY, segment INT, bytes BLOB);" ADDED_BY_2;
/* A sequential run of version 1 leaves all else as it was: same columns, same meaning. */
static const char from_1_to_2[] = "ALTER TABLE task ADD COLUMN who TEXT;" ADDED_BY_2;

int cox_catalog_fail(const struct cox_catalog *catalog, const char *what, struct cox_err *err)
{
    int code = sqlite3_extended_errcode(catalog->db);
    int status = COX_EIO;
    if (code == SQLITE_NOMEM)
        status = COX_ENOMEM;
    else if (code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE)
        status = COX_EEXISTS;
    else if (code == SQLITE_NOTADB || (code & 0xff) == SQLITE_CORRUPT)
        status = COX_EFORMAT;
    return cox_err_set(err, status, "%s: cannot %s: %s", catalog->path, what,
                       sqlite3_errmsg(catalog->db));
}

sqlite3_stmt *cox_catalog_statement(struct cox_catalog *catalog, enum catalog_statement which,
                                    int *rc, struct cox_err *err)
{
    sqlite3_stmt **s = &catalog->statement[which];
    if (*s) {
        sqlite3_reset(*s);
        sqlite3_clear_bindings(*s);
        return *s;
    }
    if (sqlite3_prepare_v3(catalog->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT, s,
                           NULL)) {
        *s = NULL;
        *rc = cox_catalog_fail(catalog, "use the catalog", err);
    }
    return *s;
}

int cox_catalog_run(struct cox_catalog *catalog, sqlite3_stmt *s, const char *what,
                    struct cox_err *err)
{
    int code = sqlite3_step(s);
    int rc = code == SQLITE_DONE ? COX_OK : cox_catalog_fail(catalog, what, err);
    sqlite3_reset(s);
    return rc;
}

static int execute(struct cox_catalog *catalog, const char *sql, const char *what,
                   struct cox_err *err)
{
    return sqlite3_exec(catalog->db, sql, NULL, NULL, NULL) ? cox_catalog_fail(catalog, what, err)
                                                            : COX_OK;
}

/* ---- opening ---- */

/* The first number that a query gives. */
static int query_number(struct cox_catalog *catalog, const char *sql, int64_t *out,
                        struct cox_err *err)
{
    sqlite3_stmt *s = NULL;
    int rc = COX_OK;
    if (sqlite3_prepare_v2(catalog->db, sql, -1, &s, NULL) || sqlite3_step(s) != SQLITE_ROW)
        rc = cox_catalog_fail(catalog, "read the catalog", err);
    else
        *out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return rc;
}

static int check_version(struct cox_catalog *catalog, bool *is_new, struct cox_err *err)
{
    int64_t *version = &catalog->version;
    int64_t application = 0;
    int64_t tables = 0;
    int rc = query_number(catalog, "PRAGMA user_version", version, err);
    if (!rc)
        rc = query_number(catalog, "PRAGMA application_id", &application, err);
    if (!rc)
        rc = query_number(catalog, "SELECT count(*) FROM sqlite_master", &tables, err);
    *is_new = !rc && !tables && !*version;
    if (rc || (*is_new && catalog->writes))
        return rc;
    if (application != APPLICATION_ID)
        return cox_err_set(err, COX_EFORMAT, "'%s' is not a catalog of Coxswain", catalog->path);
    if (*version < 1 || *version > COX_CATALOG_VERSION)
        return cox_err_set(err, COX_EUNSUPPORTED,
                           "'%s' has version %lld, this program reads and writes versions 1 to %d",
                           catalog->path, (long long)*version, COX_CATALOG_VERSION);
    return COX_OK;
}

/* Makes the tables, or brings those of an older version to the present one: all or nothing. */
static int make_schema(struct cox_catalog *catalog, const char *sql, struct cox_err *err)
{
    char pragmas[96];
    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d; PRAGMA user_version=%d;",
             APPLICATION_ID, COX_CATALOG_VERSION);
    int rc = execute(catalog, "BEGIN IMMEDIATE", "make the catalog", err);
    if (!rc)
        rc = execute(catalog, sql, "make the catalog's tables", err);
    if (!rc)
        rc = execute(catalog, pragmas, "mark the catalog", err);
    if (!rc)
        rc = execute(catalog, "COMMIT", "make the catalog", err);
    if (!rc)
        catalog->version = COX_CATALOG_VERSION;
    return rc;
}

static int prepare_file(struct cox_catalog *catalog, struct cox_err *err)
{
    bool is_new = false;
    int rc = check_version(catalog, &is_new, err);
    if (rc || !catalog->writes)
        return rc;
    rc = execute(catalog, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", "set up the catalog",
                 err);
    if (rc || catalog->version == COX_CATALOG_VERSION)
        return rc;
    return make_schema(catalog, is_new ? schema : from_1_to_2, err);
}

/* One writer: a lock on the run's folder, which the kernel drops whatever way the process ends.
 * (HDF5 gives its own lock up when readers may follow, and then a second writer would spoil the
 * frames.) File systems that have no such locks are taken as they are. */
static int lock_folder(struct cox_catalog *c, struct cox_err *err)
{
    char folder[PATH_MAX];
    int rc = cox_path_beside(folder, sizeof folder, c->path, "./", err);
    if (rc)
        return rc;
    c->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->folder >= 0 && flock(c->folder, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return cox_err_set(err, COX_EEXISTS,
                           "'%s' is being written by another process; wait until it has ended",
                           c->path);
    return COX_OK;
}

int cox_catalog_written_now(const char *path, bool *written, struct cox_err *err)
{
    char folder[PATH_MAX];
    *written = false;
    int rc = cox_path_beside(folder, sizeof folder, path, "./", err);
    if (rc)
        return rc;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return cox_err_errno(err, "cannot open '%s'", folder);
    *written = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
    close(fd);
    return COX_OK;
}

static int open_catalog(struct cox_catalog **out, const char *path, bool writes,
                        struct cox_err *err)
{
    *out = NULL;
    if (!writes && !cox_file_exists(path))
        return cox_err_set(err, COX_ENOTFOUND, "cannot open '%s': No such file or directory", path);
    struct cox_catalog *c = cox_alloc(1, sizeof *c);
    if (c)
        c->path = cox_strdup(path);
    if (!c || !c->path) {
        cox_free(c);
        return cox_err_set(err, COX_ENOMEM, "out of memory opening '%s'", path);
    }
    c->writes = writes;
    c->folder = -1;
    int flags = writes ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    int rc = writes ? lock_folder(c, err) : COX_OK;
    if (!rc && sqlite3_open_v2(path, &c->db, flags | SQLITE_OPEN_NOMUTEX, NULL))
        rc = c->db ? cox_catalog_fail(c, "open the catalog", err)
                   : cox_err_set(err, COX_ENOMEM, "out of memory opening '%s'", path);
    if (!rc)
        sqlite3_busy_timeout(c->db, BUSY_MS);
    if (!rc)
        rc = prepare_file(c, err);
    if (rc) {
        cox_catalog_close(c);
        return rc;
    }
    *out = c;
    return COX_OK;
}

int cox_catalog_open(struct cox_catalog **out, const char *path, struct cox_err *err)
{
    return open_catalog(out, path, true, err);
}

int cox_catalog_open_read(struct cox_catalog **out, const char *path, struct cox_err *err)
{
    return open_catalog(out, path, false, err);
}

void cox_catalog_close(struct cox_catalog *catalog)
{
    if (!catalog)
        return;
    for (int i = 0; i < CATALOG_STATEMENT_COUNT; i++)
        sqlite3_finalize(catalog->statement[i]);
    /* a plain file at rest: one in WAL mode cannot be read from a read-only folder. With readers
     * about, this fails and the file stays as it is, which is as good for them. */
    if (catalog->writes && catalog->db)
        sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
    if (catalog->writes && catalog->db)
        sqlite3_exec(catalog->db, "PRAGMA busy_timeout=0; PRAGMA journal_mode=DELETE", NULL, NULL,
                     NULL);
    sqlite3_close(catalog->db);
    if (catalog->folder >= 0)
        close(catalog->folder);
    cox_free(catalog->path);
    cox_free(catalog);
}

/* ---- transactions ---- */

static int run_plain(struct cox_catalog *catalog, enum catalog_statement which, const char *what,
                     struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_catalog_statement(catalog, which, &rc, err);
    return s ? cox_catalog_run(catalog, s, what, err) : rc;
}

int cox_catalog_begin(struct cox_catalog *catalog, struct cox_err *err)
{
    return run_plain(catalog, CATALOG_BEGIN, "begin a round", err);
}

int cox_catalog_commit(struct cox_catalog *catalog, struct cox_err *err)
{
    return run_plain(catalog, CATALOG_COMMIT, "commit", err);
}

void cox_catalog_rollback(struct cox_catalog *catalog)
{
    if (!sqlite3_get_autocommit(catalog->db))
        (void)!run_plain(catalog, CATALOG_ROLLBACK, "roll back", NULL);
}

/* ---- inserts ---- */

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

void cox_catalog_bind_id(sqlite3_stmt *s, int at, int64_t id)
{
    if (id >= 0)
        sqlite3_bind_int64(s, at, id);
}

int cox_catalog_add_start(struct cox_catalog *catalog, const struct cox_catalog_start *row,
                          struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_ADD_START, &rc, err);
    if (!s)
        return rc;
    cox_catalog_bind_id(s, 1, row->id);
    bind_text(s, 2, row->path);
    bind_text(s, 3, row->title);
    return cox_catalog_run(catalog, s, "add a start", err);
}

/* The ancestor of a new segment: its parent's, or itself. Refuses what refers to nothing. */
static int find_ancestor(struct cox_catalog *catalog, const struct cox_catalog_segment *row,
                         int64_t *ancestor, struct cox_err *err)
{
    int rc = COX_OK;
    bool from_parent = row->parent_segment >= 0;
    if (from_parent == (row->start >= 0))
        return cox_err_set(err, COX_EINVAL, "%s: segment %lld needs either a parent or a start",
                           catalog->path, (long long)row->id);
    if (row->id < 0 || row->n_frames < 0 || row->first_frame < -1)
        return cox_err_set(err, COX_EINVAL, "%s: segment %lld has %lld frames from %lld on",
                           catalog->path, (long long)row->id, (long long)row->n_frames,
                           (long long)row->first_frame);
    *ancestor = row->id;
    if (!from_parent) {
        sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_START, &rc, err);
        if (!s)
            return rc;
        sqlite3_bind_int64(s, 1, row->start);
        if (sqlite3_step(s) != SQLITE_ROW)
            rc = cox_err_set(err, COX_EINVAL, "%s: segment %lld starts from %lld, which is unknown",
                             catalog->path, (long long)row->id, (long long)row->start);
        sqlite3_reset(s);
        return rc;
    }
    struct cox_catalog_segment parent;
    rc = cox_catalog_segment(catalog, row->parent_segment, &parent, err);
    if (rc)
        return cox_err_wrap(err, rc == COX_ENOTFOUND ? COX_EINVAL : rc, "parent of segment %lld",
                            (long long)row->id);
    int64_t frame = row->parent_frame;
    bool outside = frame >= 0 && parent.first_frame >= 0 &&
                   (frame < parent.first_frame || frame >= parent.first_frame + parent.n_frames);
    if (parent.id >= row->id || outside)
        return cox_err_set(
            err, COX_EINVAL,
            "%s: segment %lld cannot come from frame %lld of segment %lld, which has %lld "
            "frames from %lld on",
            catalog->path, (long long)row->id, (long long)frame, (long long)parent.id,
            (long long)parent.n_frames, (long long)parent.first_frame);
    *ancestor = parent.ancestor;
    return COX_OK;
}

const char *cox_catalog_status(const struct cox_catalog_segment *row)
{
    return row->running ? "running"
           : row->blown ? "blown"
           : row->lost  ? "lost"
           : row->cut   ? "cut"
                        : "done";
}

int cox_catalog_add_segment(struct cox_catalog *catalog, const struct cox_catalog_segment *row,
                            struct cox_err *err)
{
    int64_t ancestor = -1;
    int rc = find_ancestor(catalog, row, &ancestor, err);
    if (rc)
        return rc;
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_ADD_SEGMENT, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, row->id);
    sqlite3_bind_int(s, 2, row->round);
    sqlite3_bind_int(s, 3, row->lane);
    cox_catalog_bind_id(s, 4, row->parent_segment);
    cox_catalog_bind_id(s, 5, row->parent_frame);
    cox_catalog_bind_id(s, 6, row->start);
    sqlite3_bind_int(s, 7, row->continued);
    sqlite3_bind_int(s, 8, row->steered);
    sqlite3_bind_int64(s, 9, (int64_t)row->seed);
    sqlite3_bind_double(s, 10, row->temperature_K);
    bind_text(s, 11, row->engine);
    sqlite3_bind_int64(s, 12, row->steps);
    sqlite3_bind_double(s, 13, row->timestep_fs);
    cox_catalog_bind_id(s, 14, row->first_frame);
    sqlite3_bind_int64(s, 15, row->n_frames);
    bind_text(s, 16, cox_catalog_status(row));
    bind_text(s, 17, row->reason);
    sqlite3_bind_double(s, 18, row->best_objective);
    sqlite3_bind_int64(s, 19, ancestor);
    return cox_catalog_run(catalog, s, "add a segment", err);
}

int cox_catalog_add_model(struct cox_catalog *catalog, const struct cox_catalog_model *row,
                          struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_ADD_MODEL, &rc, err);
    if (!s)
        return rc;
    cox_catalog_bind_id(s, 1, row->id);
    sqlite3_bind_int(s, 2, row->round);
    bind_text(s, 3, row->path);
    sqlite3_bind_double(s, 4, row->train_loss);
    sqlite3_bind_double(s, 5, row->valid_loss);
    sqlite3_bind_int(s, 6, row->epochs);
    sqlite3_bind_int64(s, 7, row->samples);
    sqlite3_bind_double(s, 8, row->wall_s);
    sqlite3_bind_int64(s, 9, (int64_t)row->seed);
    return cox_catalog_run(catalog, s, "add a model", err);
}

int cox_catalog_add_pick(struct cox_catalog *catalog, const struct cox_catalog_pick *row,
                         struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_ADD_PICK, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int(s, 1, row->round);
    sqlite3_bind_int(s, 2, row->lane);
    cox_catalog_bind_id(s, 3, row->frame);
    sqlite3_bind_double(s, 4, row->score);
    sqlite3_bind_int(s, 5, row->rank);
    bind_text(s, 6, row->reason);
    return cox_catalog_run(catalog, s, "add a pick", err);
}

int cox_catalog_add_task(struct cox_catalog *catalog, const struct cox_catalog_task *row,
                         struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_ADD_TASK, &rc, err);
    if (!s)
        return rc;
    cox_catalog_bind_id(s, 1, row->id);
    sqlite3_bind_int(s, 2, row->round);
    bind_text(s, 3, row->kind);
    sqlite3_bind_int(s, 4, row->worker);
    sqlite3_bind_double(s, 5, row->began_s);
    sqlite3_bind_double(s, 6, row->ended_s);
    if (row->who[0])
        bind_text(s, 7, row->who);
    return cox_catalog_run(catalog, s, "add a task", err);
}

int cox_catalog_add_round(struct cox_catalog *catalog, const struct cox_catalog_round *row,
                          struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_ADD_ROUND, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int(s, 1, row->id);
    sqlite3_bind_int64(s, 2, row->frames);
    sqlite3_bind_double(s, 3, row->ns);
    sqlite3_bind_double(s, 4, row->best_objective);
    cox_catalog_bind_id(s, 5, row->best_frame);
    sqlite3_bind_int(s, 6, row->outliers);
    sqlite3_bind_int(s, 7, row->new_states);
    sqlite3_bind_double(s, 8, row->idle_s);
    sqlite3_bind_double(s, 9, row->wall_s);
    return cox_catalog_run(catalog, s, "add a round", err);
}

int cox_catalog_set(struct cox_catalog *catalog, const char *key, const char *value,
                    struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_SET, &rc, err);
    if (!s)
        return rc;
    bind_text(s, 1, key);
    bind_text(s, 2, value);
    return cox_catalog_run(catalog, s, "set a key of the run", err);
}

int cox_catalog_set_lane(struct cox_catalog *catalog, int lane, int64_t segment, const void *bytes,
                         size_t length, struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_catalog_statement(catalog, CATALOG_SET_LANE, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int(s, 1, lane);
    cox_catalog_bind_id(s, 2, segment);
    sqlite3_bind_blob64(s, 3, bytes, length, SQLITE_STATIC);
    return cox_catalog_run(catalog, s, "store the state of a lane", err);
}
