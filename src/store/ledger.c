/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening, transactions, writing. What is asked often is in ledger_read.c. */
#include "store/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "store/ledger_internal.h"

#define BUSY_MS 10000
#define APPLICATION_ID 1131378764 /* "CoxL" */

/* A prediction never takes the place of a simulation. */
static const char put_result[] =
    "INSERT INTO result VALUES (?,?,?,?,?,?,?,?) ON CONFLICT(point) DO UPDATE SET "
    "predicted=excluded.predicted, attempt=excluded.attempt, model=excluded.model, "
    "first=excluded.first, value=excluded.value, error=excluded.error, spread=excluded.spread "
    "WHERE result.predicted OR NOT excluded.predicted";

static const char *const statements[] = {
#define X(name, sql) sql,
    LEDGER_STATEMENTS(X)
#undef X
};

static const char schema[] =
    "CREATE TABLE sweep(name TEXT PRIMARY KEY, value TEXT);"
    "CREATE TABLE point(id INTEGER PRIMARY KEY, key TEXT, state TEXT, purpose TEXT, x BLOB);"
    "CREATE TABLE attempt(id INTEGER PRIMARY KEY, point INT, server TEXT, host TEXT, pid INT, "
    "cores INT, began_s REAL, ended_s REAL, end TEXT, reason TEXT, directory TEXT, cost REAL, "
    "seed INT);"
    "CREATE TABLE result(point INTEGER PRIMARY KEY, predicted INT, attempt INT, model INT, "
    "first BLOB, value BLOB, error BLOB, spread BLOB);"
    "CREATE TABLE model(id INTEGER PRIMARY KEY, path TEXT, n_results INT, train_loss REAL, "
    "valid_loss REAL, seconds REAL, at_s REAL, epochs INT, seed INT);"
    "CREATE TABLE batch(id INTEGER PRIMARY KEY, at_s REAL, simulated INT, predicted INT, "
    "failed INT, audits INT, audits_failed INT, model INT, half_width REAL, failing_bound REAL, "
    "error REAL, t_sim REAL, t_learn REAL, t_lookup REAL, speedup REAL, objective REAL, "
    "cost REAL);"
    "CREATE TABLE server(id INTEGER PRIMARY KEY, type TEXT, began_s REAL, ended_s REAL, "
    "preempted INT, price REAL, cost REAL);";

static const char *const state_words[] = {"todo", "running", "simulated", "predicted", "failed"};
static const char *const purpose_words[] = {"", "design", "chosen", "audit"};

const char *cox_point_state_word(enum cox_point_state state)
{
    return state_words[state];
}

const char *cox_purpose_word(enum cox_purpose purpose)
{
    return purpose_words[purpose];
}

/* ---- SQLite ---- */

int cox_ledger_fail(const struct cox_ledger *ledger, const char *what, struct cox_err *err)
{
    int code = sqlite3_extended_errcode(ledger->db);
    int status = COX_EIO;
    if (code == SQLITE_NOMEM)
        status = COX_ENOMEM;
    else if (code == SQLITE_FULL)
        status = COX_ENOSPACE;
    else if (code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE)
        status = COX_EEXISTS;
    else if (code == SQLITE_NOTADB || (code & 0xff) == SQLITE_CORRUPT)
        status = COX_EFORMAT;
    return cox_err_set(err, status, "%s: cannot %s: %s", ledger->path, what,
                       sqlite3_errmsg(ledger->db));
}

sqlite3_stmt *cox_ledger_statement(struct cox_ledger *ledger, enum ledger_statement which, int *rc,
                                   struct cox_err *err)
{
    sqlite3_stmt **s = &ledger->statement[which];
    if (*s) {
        sqlite3_reset(*s);
        sqlite3_clear_bindings(*s);
        return *s;
    }
    if (sqlite3_prepare_v3(ledger->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL)) {
        *s = NULL;
        *rc = cox_ledger_fail(ledger, "use the ledger", err);
    }
    return *s;
}

int cox_ledger_step(struct cox_ledger *ledger, sqlite3_stmt *s, const char *what,
                    struct cox_err *err)
{
    int code = sqlite3_step(s);
    int rc = code == SQLITE_DONE ? COX_OK : cox_ledger_fail(ledger, what, err);
    sqlite3_reset(s);
    return rc;
}

static int execute(struct cox_ledger *ledger, const char *sql, const char *what,
                   struct cox_err *err)
{
    return sqlite3_exec(ledger->db, sql, NULL, NULL, NULL) ? cox_ledger_fail(ledger, what, err)
                                                           : COX_OK;
}

static int query_number(struct cox_ledger *ledger, const char *sql, int64_t *out,
                        struct cox_err *err)
{
    sqlite3_stmt *s = NULL;
    int rc = COX_OK;
    if (sqlite3_prepare_v2(ledger->db, sql, -1, &s, NULL) || sqlite3_step(s) != SQLITE_ROW)
        rc = cox_ledger_fail(ledger, "read the ledger", err);
    else
        *out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return rc;
}

/* ---- opening ---- */

static int check_version(struct cox_ledger *ledger, bool *is_new, struct cox_err *err)
{
    int64_t version = 0;
    int64_t application = 0;
    int64_t tables = 0;
    int rc = query_number(ledger, "PRAGMA user_version", &version, err);
    if (!rc)
        rc = query_number(ledger, "PRAGMA application_id", &application, err);
    if (!rc)
        rc = query_number(ledger, "SELECT count(*) FROM sqlite_master", &tables, err);
    *is_new = !rc && !tables && !version;
    if (rc || (*is_new && ledger->writes))
        return rc;
    if (application != APPLICATION_ID)
        return cox_err_set(err, COX_EFORMAT, "'%s' is not the ledger of a sweep", ledger->path);
    if (version != COX_LEDGER_VERSION)
        return cox_err_set(err, COX_EUNSUPPORTED,
                           "'%s' has version %lld, this program reads and writes version %d",
                           ledger->path, (long long)version, COX_LEDGER_VERSION);
    return COX_OK;
}

static int make_schema(struct cox_ledger *ledger, struct cox_err *err)
{
    char pragmas[96];
    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d; PRAGMA user_version=%d;",
             APPLICATION_ID, COX_LEDGER_VERSION);
    int rc = execute(ledger, "BEGIN IMMEDIATE", "make the ledger", err);
    if (!rc)
        rc = execute(ledger, schema, "make the ledger's tables", err);
    if (!rc)
        rc = execute(ledger, pragmas, "mark the ledger", err);
    if (!rc)
        rc = execute(ledger, "COMMIT", "make the ledger", err);
    return rc;
}

static int prepare_file(struct cox_ledger *ledger, struct cox_err *err)
{
    bool is_new = false;
    int rc = check_version(ledger, &is_new, err);
    if (rc || !ledger->writes)
        return rc;
    rc = execute(ledger, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", "set up the ledger",
                 err);
    return rc || !is_new ? rc : make_schema(ledger, err);
}

/* A lock on the sweep's folder, which the kernel drops whatever way the process ends. */
static int lock_folder(struct cox_ledger *ledger, struct cox_err *err)
{
    char folder[PATH_MAX];
    int rc = cox_path_beside(folder, sizeof folder, ledger->path, "./", err);
    if (rc)
        return rc;
    ledger->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ledger->folder < 0)
        return cox_err_errno(err, "cannot open '%s'", folder);
    if (flock(ledger->folder, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return cox_err_set(err, COX_EEXISTS,
                           "'%s' is being written by another process; wait until it has ended",
                           ledger->path);
    return COX_OK;
}

int cox_ledger_written_now(const char *path, bool *written, struct cox_err *err)
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

static int open_ledger(struct cox_ledger **out, const char *path, bool writes, struct cox_err *err)
{
    *out = NULL;
    if (!writes && !cox_file_exists(path))
        return cox_err_set(err, COX_ENOTFOUND, "cannot open '%s': No such file or directory", path);
    struct cox_ledger *l = cox_alloc(1, sizeof *l);
    if (l)
        l->path = cox_strdup(path);
    if (!l || !l->path) {
        cox_free(l);
        return cox_err_set(err, COX_ENOMEM, "out of memory opening '%s'", path);
    }
    l->writes = writes;
    l->folder = -1;
    int flags = writes ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    int rc = writes ? lock_folder(l, err) : COX_OK;
    if (!rc && sqlite3_open_v2(path, &l->db, flags | SQLITE_OPEN_NOMUTEX, NULL))
        rc = l->db ? cox_ledger_fail(l, "open the ledger", err)
                   : cox_err_set(err, COX_ENOMEM, "out of memory opening '%s'", path);
    if (!rc)
        sqlite3_busy_timeout(l->db, BUSY_MS);
    if (!rc)
        rc = prepare_file(l, err);
    if (rc) {
        cox_ledger_destroy(l);
        return rc;
    }
    *out = l;
    return COX_OK;
}

int cox_ledger_open(struct cox_ledger **out, const char *path, struct cox_err *err)
{
    return open_ledger(out, path, true, err);
}

int cox_ledger_open_read(struct cox_ledger **out, const char *path, struct cox_err *err)
{
    return open_ledger(out, path, false, err);
}

void cox_ledger_destroy(struct cox_ledger *ledger)
{
    if (!ledger)
        return;
    for (int i = 0; i < LEDGER_STATEMENT_COUNT; i++)
        sqlite3_finalize(ledger->statement[i]);
    /* a plain file at rest, as the catalog: one in WAL mode cannot be read from a read-only folder
     */
    if (ledger->writes && ledger->db) {
        sqlite3_exec(ledger->db, "ROLLBACK", NULL, NULL, NULL);
        sqlite3_exec(ledger->db, "PRAGMA busy_timeout=0; PRAGMA journal_mode=DELETE", NULL, NULL,
                     NULL);
    }
    sqlite3_close(ledger->db);
    if (ledger->folder >= 0)
        close(ledger->folder);
    cox_free(ledger->path);
    cox_free(ledger);
}

/* ---- transactions ---- */

static int run_plain(struct cox_ledger *ledger, enum ledger_statement which, const char *what,
                     struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_ledger_statement(ledger, which, &rc, err);
    return s ? cox_ledger_step(ledger, s, what, err) : rc;
}

int cox_ledger_begin(struct cox_ledger *ledger, struct cox_err *err)
{
    return run_plain(ledger, LEDGER_BEGIN, "begin a transaction", err);
}

int cox_ledger_commit(struct cox_ledger *ledger, struct cox_err *err)
{
    return run_plain(ledger, LEDGER_COMMIT, "commit", err);
}

void cox_ledger_rollback(struct cox_ledger *ledger)
{
    if (!sqlite3_get_autocommit(ledger->db))
        (void)!run_plain(ledger, LEDGER_ROLLBACK, "roll back", NULL);
}

/* ---- writing ---- */

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

/* -1: NULL */
static void bind_id(sqlite3_stmt *s, int at, int64_t id)
{
    if (id >= 0)
        sqlite3_bind_int64(s, at, id);
}

static void bind_numbers(sqlite3_stmt *s, int at, const double *x, int n)
{
    if (x)
        sqlite3_bind_blob64(s, at, x, (sqlite3_uint64)n * sizeof *x, SQLITE_STATIC);
}

int cox_ledger_set_text(struct cox_ledger *ledger, const char *name, const char *text,
                        struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_ledger_statement(ledger, LEDGER_SET, &rc, err);
    if (!s)
        return rc;
    bind_text(s, 1, name);
    bind_text(s, 2, text);
    return cox_ledger_step(ledger, s, "write a word about the sweep", err);
}

int cox_ledger_put_point(struct cox_ledger *ledger, const struct cox_ledger_point *point,
                         struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_ledger_statement(ledger, LEDGER_PUT_POINT, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, point->id);
    bind_text(s, 2, point->key);
    bind_text(s, 3, state_words[point->state]);
    bind_text(s, 4, purpose_words[point->purpose]);
    bind_numbers(s, 5, point->x, point->n_x);
    return cox_ledger_step(ledger, s, "write a point", err);
}

int cox_ledger_set_state(struct cox_ledger *ledger, int64_t point, enum cox_point_state state,
                         enum cox_purpose purpose, struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_ledger_statement(ledger, LEDGER_SET_STATE, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, point);
    bind_text(s, 2, state_words[state]);
    bind_text(s, 3, purpose_words[purpose]);
    rc = cox_ledger_step(ledger, s, "write the state of a point", err);
    if (!rc && !sqlite3_changes(ledger->db))
        rc = cox_err_set(err, COX_ENOTFOUND, "%s: there is no point %lld", ledger->path,
                         (long long)point);
    return rc;
}

int cox_ledger_put_attempt(struct cox_ledger *ledger, const struct cox_ledger_attempt *attempt,
                           struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_ledger_statement(ledger, LEDGER_PUT_ATTEMPT, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, attempt->id);
    sqlite3_bind_int64(s, 2, attempt->point);
    bind_text(s, 3, attempt->server);
    bind_text(s, 4, attempt->host);
    sqlite3_bind_int64(s, 5, attempt->pid);
    sqlite3_bind_int(s, 6, attempt->cores);
    sqlite3_bind_double(s, 7, attempt->began_s);
    sqlite3_bind_double(s, 8, attempt->ended_s);
    bind_text(s, 9, attempt->end);
    bind_text(s, 10, attempt->reason);
    bind_text(s, 11, attempt->directory);
    sqlite3_bind_double(s, 12, attempt->cost);
    sqlite3_bind_int64(s, 13, (int64_t)attempt->seed);
    return cox_ledger_step(ledger, s, "write an attempt", err);
}

int cox_ledger_put_result(struct cox_ledger *ledger, const struct cox_ledger_result *result,
                          struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_ledger_statement(ledger, LEDGER_PUT_RESULT, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, result->point);
    sqlite3_bind_int(s, 2, result->predicted);
    bind_id(s, 3, result->attempt);
    bind_id(s, 4, result->model);
    sqlite3_bind_blob64(s, 5, result->first,
                        ((sqlite3_uint64)result->n_outputs + 1) * sizeof *result->first,
                        SQLITE_STATIC);
    bind_numbers(s, 6, result->value, result->n);
    bind_numbers(s, 7, result->error, result->n);
    bind_numbers(s, 8, result->spread, result->n);
    return cox_ledger_step(ledger, s, "write a result", err);
}

int cox_ledger_drop_result(struct cox_ledger *ledger, int64_t point, struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_ledger_statement(ledger, LEDGER_DROP_RESULT, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, point);
    return cox_ledger_step(ledger, s, "take back a result", err);
}

int cox_ledger_put_model(struct cox_ledger *ledger, const struct cox_ledger_model *model,
                         struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_ledger_statement(ledger, LEDGER_PUT_MODEL, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, model->id);
    bind_text(s, 2, model->path);
    sqlite3_bind_int64(s, 3, model->n_results);
    sqlite3_bind_double(s, 4, model->train_loss);
    sqlite3_bind_double(s, 5, model->valid_loss);
    sqlite3_bind_double(s, 6, model->seconds);
    sqlite3_bind_double(s, 7, model->at_s);
    sqlite3_bind_int(s, 8, model->epochs);
    sqlite3_bind_int64(s, 9, (int64_t)model->seed);
    return cox_ledger_step(ledger, s, "write a model", err);
}

int cox_ledger_put_batch(struct cox_ledger *ledger, const struct cox_ledger_batch *batch,
                         struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_ledger_statement(ledger, LEDGER_PUT_BATCH, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, batch->id);
    sqlite3_bind_double(s, 2, batch->at_s);
    const int64_t counts[] = {batch->simulated, batch->predicted,     batch->failed,
                              batch->audits,    batch->audits_failed, batch->model};
    for (int i = 0; i < 6; i++)
        bind_id(s, 3 + i, counts[i]);
    const double numbers[] = {batch->half_width, batch->failing_bound, batch->error,
                              batch->t_sim,      batch->t_learn,       batch->t_lookup,
                              batch->speedup,    batch->objective,     batch->cost};
    for (int i = 0; i < 9; i++)
        sqlite3_bind_double(s, 9 + i, numbers[i]);
    return cox_ledger_step(ledger, s, "write a batch", err);
}

int cox_ledger_put_server(struct cox_ledger *ledger, const struct cox_ledger_server *server,
                          struct cox_err *err)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_ledger_statement(ledger, LEDGER_PUT_SERVER, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_int64(s, 1, server->id);
    bind_text(s, 2, server->type);
    sqlite3_bind_double(s, 3, server->began_s);
    sqlite3_bind_double(s, 4, server->ended_s);
    sqlite3_bind_int(s, 5, server->preempted);
    sqlite3_bind_double(s, 6, server->price);
    sqlite3_bind_double(s, 7, server->cost);
    return cox_ledger_step(ledger, s, "write a server", err);
}

int cox_ledger_withdraw_predictions(struct cox_ledger *ledger, struct cox_err *err)
{
    int rc = run_plain(ledger, LEDGER_DROP_PREDICTED, "withdraw predictions", err);
    return rc ? rc : run_plain(ledger, LEDGER_UNPREDICT, "withdraw predictions", err);
}

/* Ids are unique, so a permutation takes two steps: down to −1 − new, then up. */
int cox_ledger_renumber(struct cox_ledger *ledger, const int64_t *from, const int64_t *to,
                        int64_t n, struct cox_err *err)
{
    static const enum ledger_statement move[] = {LEDGER_MOVE_POINT, LEDGER_MOVE_ATTEMPTS,
                                                 LEDGER_MOVE_RESULT};
    static const enum ledger_statement land[] = {LEDGER_LAND_POINTS, LEDGER_LAND_ATTEMPTS,
                                                 LEDGER_LAND_RESULTS};
    /* attempts have no index of their own on points: this is the only thing that asks for one */
    int rc = execute(ledger, "CREATE INDEX attempt_point ON attempt(point)", "renumber", err);
    for (int t = 0; !rc && t < 3; t++) {
        for (int64_t i = 0; !rc && i < n; i++) {
            sqlite3_stmt *s = cox_ledger_statement(ledger, move[t], &rc, err);
            if (!s)
                break;
            sqlite3_bind_int64(s, 1, from[i]);
            sqlite3_bind_int64(s, 2, -1 - to[i]);
            rc = cox_ledger_step(ledger, s, "renumber points", err);
        }
        if (!rc)
            rc = run_plain(ledger, land[t], "renumber points", err);
    }
    return rc ? rc : execute(ledger, "DROP INDEX attempt_point", "renumber", err);
}
