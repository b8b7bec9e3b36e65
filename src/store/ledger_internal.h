/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of the ledger: the connection and its prepared statements. */
#ifndef COX_STORE_LEDGER_INTERNAL_H
#define COX_STORE_LEDGER_INTERNAL_H

#include <sqlite3.h>

#include "store/ledger.h"

/* Every statement once, prepared when first used. Ids from COX_LEDGER_ASIDE on are points that the
 * design no longer has. */
#define LEDGER_STATEMENTS(X)                                                                \
    X(BEGIN, "BEGIN IMMEDIATE")                                                             \
    X(COMMIT, "COMMIT")                                                                     \
    X(ROLLBACK, "ROLLBACK")                                                                 \
    X(SET, "INSERT OR REPLACE INTO sweep VALUES (?,?)")                                     \
    X(GET, "SELECT value FROM sweep WHERE name = ?")                                        \
    X(PUT_POINT, "INSERT OR REPLACE INTO point VALUES (?,?,?,?,?)")                         \
    X(SET_STATE, "UPDATE point SET state=?2, purpose=?3 WHERE id=?1")                       \
    X(PUT_ATTEMPT, "INSERT OR REPLACE INTO attempt VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)")     \
    X(PUT_RESULT, put_result)                                                               \
    X(PUT_MODEL, "INSERT OR REPLACE INTO model VALUES (?,?,?,?,?,?,?,?,?)")                 \
    X(PUT_BATCH, "INSERT OR REPLACE INTO batch VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)") \
    X(PUT_SERVER, "INSERT OR REPLACE INTO server VALUES (?,?,?,?,?,?,?)")                   \
    X(DROP_RESULT, "DELETE FROM result WHERE point=?")                                      \
    X(DROP_PREDICTED, "DELETE FROM result WHERE predicted")                                 \
    X(UNPREDICT, "UPDATE point SET state='todo', purpose='' WHERE state='predicted'")       \
    X(MOVE_POINT, "UPDATE point SET id=?2 WHERE id=?1")                                     \
    X(MOVE_ATTEMPTS, "UPDATE attempt SET point=?2 WHERE point=?1")                          \
    X(MOVE_RESULT, "UPDATE result SET point=?2 WHERE point=?1")                             \
    X(LAND_POINTS, "UPDATE point SET id=-1-id WHERE id<0")                                  \
    X(LAND_ATTEMPTS, "UPDATE attempt SET point=-1-point WHERE point<0")                     \
    X(LAND_RESULTS, "UPDATE result SET point=-1-point WHERE point<0")                       \
    X(POINTS, "SELECT * FROM point WHERE id < ? ORDER BY id")                               \
    X(ATTEMPTS, "SELECT * FROM attempt ORDER BY id")                                        \
    X(RESULTS, "SELECT * FROM result WHERE point < ? ORDER BY point")                       \
    X(MODELS, "SELECT * FROM model ORDER BY id")                                            \
    X(BATCHES, "SELECT * FROM batch ORDER BY id")                                           \
    X(SERVERS, "SELECT * FROM server ORDER BY id")

enum ledger_statement {
#define X(name, sql) LEDGER_##name,
    LEDGER_STATEMENTS(X)
#undef X
        LEDGER_STATEMENT_COUNT
};

struct cox_ledger {
    sqlite3 *db;
    char *path;
    bool writes;
    int folder; /* locked while writing; -1 */
    sqlite3_stmt *statement[LEDGER_STATEMENT_COUNT];
};

/* "<path>: cannot <what>: <SQLite's message>". */
int cox_ledger_fail(const struct cox_ledger *ledger, const char *what, struct cox_err *err);
/* A reset statement without bindings; NULL after an error. */
sqlite3_stmt *cox_ledger_statement(struct cox_ledger *ledger, enum ledger_statement which, int *rc,
                                   struct cox_err *err);
/* Runs a statement that returns no row. */
int cox_ledger_step(struct cox_ledger *ledger, sqlite3_stmt *statement, const char *what,
                    struct cox_err *err);

#endif
