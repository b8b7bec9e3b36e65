/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of the catalog: the connection and its prepared statements. */
#ifndef COX_STORE_CATALOG_INTERNAL_H
#define COX_STORE_CATALOG_INTERNAL_H

#include <sqlite3.h>

#include "store/catalog.h"

/* Every statement once, prepared when first used. */
#define CATALOG_STATEMENTS(X)                                                                \
    X(BEGIN, "BEGIN IMMEDIATE")                                                              \
    X(COMMIT, "COMMIT")                                                                      \
    X(ROLLBACK, "ROLLBACK")                                                                  \
    X(SET, "INSERT OR REPLACE INTO run VALUES (?,?)")                                        \
    X(GET, "SELECT value FROM run WHERE key = ?")                                            \
    X(SET_LANE, "INSERT OR REPLACE INTO lane_state VALUES (?,?,?)")                          \
    X(GET_LANE, "SELECT segment, bytes FROM lane_state WHERE lane = ?")                      \
    X(ADD_START, "INSERT INTO start VALUES (?,?,?)")                                         \
    X(ADD_SEGMENT, "INSERT INTO segment VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")     \
    X(ADD_MODEL, "INSERT INTO model VALUES (?,?,?,?,?,?,?,?,?)")                             \
    X(ADD_PICK, "INSERT INTO pick VALUES (?,?,?,?,?,?)")                                     \
    X(ADD_TASK, "INSERT INTO task VALUES (?,?,?,?,?,?,?)")                                   \
    X(ADD_ROUND, "INSERT INTO round VALUES (?,?,?,?,?,?,?,?,?)")                             \
    X(STARTS, "SELECT * FROM start ORDER BY id")                                             \
    X(SEGMENTS, "SELECT * FROM segment ORDER BY id")                                         \
    X(MODELS, "SELECT * FROM model ORDER BY id")                                             \
    X(PICKS, "SELECT * FROM pick ORDER BY round, rank, lane")                                \
    X(TASKS, "SELECT * FROM task ORDER BY id")                                               \
    X(ROUNDS, "SELECT * FROM round ORDER BY id")                                             \
    X(START, "SELECT * FROM start WHERE id = ?")                                             \
    X(SEGMENT, "SELECT * FROM segment WHERE id = ?")                                         \
    X(SEGMENT_OF_FRAME,                                                                      \
      "SELECT * FROM segment WHERE first_frame <= ?1 AND ?1 < first_frame + n_frames")       \
    X(FRAMES, "SELECT coalesce(max(first_frame + n_frames), sum(n_frames), 0) FROM segment") \
    X(NEXT_SEGMENT, "SELECT coalesce(max(id) + 1, 0) FROM segment")                          \
    X(UPDATE_SEGMENT, update_segment)                                                        \
    X(LANE_SEGMENT, "SELECT max(id) FROM segment WHERE lane = ?")                            \
    X(ADD_ATTEMPT, "INSERT INTO attempt VALUES (?,?,?,?,?,?,?,?)")                           \
    X(END_ATTEMPT,                                                                           \
      "UPDATE attempt SET host=?2, pid=?3, ended_s=?4, end=?5, reason=?6 WHERE epoch=?1")    \
    X(ATTEMPTS, "SELECT * FROM attempt ORDER BY epoch")                                      \
    X(NEXT_EPOCH, "SELECT coalesce(max(epoch), 0) + 1 FROM attempt")                         \
    X(SET_POISON, "INSERT OR REPLACE INTO poison VALUES (?,?,?,?,?)")                        \
    X(CHECK, "PRAGMA quick_check(1)")                                                        \
    X(POISONS, "SELECT * FROM poison ORDER BY frame IS NULL, frame, start")

enum catalog_statement {
#define X(name, sql) CATALOG_##name,
    CATALOG_STATEMENTS(X)
#undef X
        CATALOG_STATEMENT_COUNT
};

struct cox_catalog {
    sqlite3 *db;
    char *path;
    bool writes;
    int64_t version; /* of the file's schema */
    int folder;      /* locked while writing; -1 */
    sqlite3_stmt *statement[CATALOG_STATEMENT_COUNT];
};

/* "<path>: cannot <what>: <SQLite's message>". */
int cox_catalog_fail(const struct cox_catalog *catalog, const char *what, struct cox_err *err);
/* A reset statement without bindings; NULL after an error. */
sqlite3_stmt *cox_catalog_statement(struct cox_catalog *catalog, enum catalog_statement which,
                                    int *rc, struct cox_err *err);
/* One result of a statement without parameters. */
int cox_catalog_integer(struct cox_catalog *catalog, enum catalog_statement which, int64_t *out,
                        struct cox_err *err);
/* Runs a statement that returns no row. */
int cox_catalog_run(struct cox_catalog *catalog, sqlite3_stmt *statement, const char *what,
                    struct cox_err *err);
/* The word of table segment's column status. */
const char *cox_catalog_status(const struct cox_catalog_segment *row);
/* -1 stands for NULL, both ways. */
void cox_catalog_bind_id(sqlite3_stmt *statement, int at, int64_t id);
int64_t cox_catalog_read_id(sqlite3_stmt *statement, int column);
/* NULL stands for "" and NaN. */
void cox_catalog_read_text(sqlite3_stmt *statement, int column, char *out, size_t size);
double cox_catalog_read_number(sqlite3_stmt *statement, int column);
/* A whole table; `read` takes a row's columns. */
int cox_catalog_table(struct cox_catalog *catalog, enum catalog_statement which, size_t size,
                      void (*read)(sqlite3_stmt *, void *), void **out, int64_t *n,
                      struct cox_err *err);
/* Reads the columns of a row of table segment. */
void cox_catalog_read_segment(sqlite3_stmt *row, void *out);

#endif
