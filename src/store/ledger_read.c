/* SPDX-License-Identifier: BSD-3-Clause */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/ledger_internal.h"

/* ---- columns ---- */

static void read_text(sqlite3_stmt *s, int column, char *out, size_t size)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    snprintf(out, size, "%s", text ? (const char *)text : "");
}

static int64_t read_id(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? -1 : sqlite3_column_int64(s, column);
}

/* SQLite stores NaN as NULL. */
static double read_number(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? NAN : sqlite3_column_double(s, column);
}

static int damaged(const struct cox_ledger *ledger, const char *what, int64_t id,
                   struct cox_err *err)
{
    return cox_err_set(err, COX_EFORMAT, "%s: %s %lld is damaged", ledger->path, what,
                       (long long)id);
}

/* ---- rows ---- */

enum { BLOBS = 4 }; /* of one row at most */

/* Gets one row and hands it on; `err` is for rows that make no sense. */
struct walk {
    struct cox_ledger *ledger;
    int (*each)(void *user, const void *row);
    void *user;
    struct cox_err *err;
    void *room[BLOBS]; /* SQLite's own blobs may lie at any address: numbers are copied here */
    size_t size[BLOBS];
    bool out_of_memory;
};
typedef int row_reader(struct walk *w, sqlite3_stmt *s);

static const void *read_blob(struct walk *w, sqlite3_stmt *s, int column, int slot, size_t item,
                             int *n)
{
    const void *bytes = sqlite3_column_blob(s, column);
    size_t length = (size_t)sqlite3_column_bytes(s, column);
    *n = (int)(length / item);
    if (!bytes)
        return NULL;
    if (length > w->size[slot] || !w->room[slot]) {
        void *more = cox_realloc(w->room[slot], length, 1);
        if (!more) {
            w->out_of_memory = true;
            return NULL;
        }
        w->room[slot] = more;
        w->size[slot] = length;
    }
    memcpy(w->room[slot], bytes, length);
    return w->room[slot];
}

static const double *read_numbers(struct walk *w, sqlite3_stmt *s, int column, int slot, int *n)
{
    return read_blob(w, s, column, slot, sizeof(double), n);
}

static int walk(struct walk *w, enum ledger_statement which, int64_t below, row_reader *reader)
{
    int rc = COX_OK;
    sqlite3_stmt *s = cox_ledger_statement(w->ledger, which, &rc, w->err);
    if (!s)
        return rc;
    if (below)
        sqlite3_bind_int64(s, 1, below);
    int code = SQLITE_DONE;
    while (!rc && (code = sqlite3_step(s)) == SQLITE_ROW)
        rc = reader(w, s);
    if (!rc && code != SQLITE_DONE)
        rc = cox_ledger_fail(w->ledger, "read the ledger", w->err);
    sqlite3_reset(s);
    for (int i = 0; i < BLOBS; i++)
        cox_free(w->room[i]);
    return rc;
}

static int index_of(const char *word, const char *(*name)(int), int n)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(word, name(i)))
            return i;
    return -1;
}

static const char *state_name(int i)
{
    return cox_point_state_word((enum cox_point_state)i);
}

static const char *purpose_name(int i)
{
    return cox_purpose_word((enum cox_purpose)i);
}

static int point_row(struct walk *w, sqlite3_stmt *s)
{
    struct cox_ledger_point row = {.id = sqlite3_column_int64(s, 0)};
    char state[16];
    char purpose[16];
    read_text(s, 1, row.key, sizeof row.key);
    read_text(s, 2, state, sizeof state);
    read_text(s, 3, purpose, sizeof purpose);
    row.x = read_numbers(w, s, 4, 0, &row.n_x);
    if (w->out_of_memory)
        return cox_err_set(w->err, COX_ENOMEM, "out of memory reading '%s'", w->ledger->path);
    int which = index_of(state, state_name, COX_POINT_FAILED + 1);
    int why = index_of(purpose, purpose_name, COX_PURPOSE_AUDIT + 1);
    if (which < 0 || why < 0)
        return damaged(w->ledger, "point", row.id, w->err);
    row.state = (enum cox_point_state)which;
    row.purpose = (enum cox_purpose)why;
    return w->each(w->user, &row);
}

static int attempt_row(struct walk *w, sqlite3_stmt *s)
{
    struct cox_ledger_attempt row = {.id = sqlite3_column_int64(s, 0)};
    row.point = sqlite3_column_int64(s, 1);
    read_text(s, 2, row.server, sizeof row.server);
    read_text(s, 3, row.host, sizeof row.host);
    row.pid = sqlite3_column_int64(s, 4);
    row.cores = sqlite3_column_int(s, 5);
    row.began_s = read_number(s, 6);
    row.ended_s = read_number(s, 7);
    read_text(s, 8, row.end, sizeof row.end);
    read_text(s, 9, row.reason, sizeof row.reason);
    read_text(s, 10, row.directory, sizeof row.directory);
    row.cost = read_number(s, 11);
    row.seed = (uint64_t)sqlite3_column_int64(s, 12);
    return w->each(w->user, &row);
}

/* `first` must fit the values before anybody indexes with it. */
static int result_row(struct walk *w, sqlite3_stmt *s)
{
    int n_error = 0;
    int n_spread = 0;
    struct cox_ledger_result row = {.point = sqlite3_column_int64(s, 0)};
    row.predicted = sqlite3_column_int(s, 1) != 0;
    row.attempt = read_id(s, 2);
    row.model = read_id(s, 3);
    row.first = read_blob(w, s, 4, 0, sizeof *row.first, &row.n_outputs);
    row.n_outputs--;
    row.value = read_numbers(w, s, 5, 1, &row.n);
    row.error = read_numbers(w, s, 6, 2, &n_error);
    row.spread = read_numbers(w, s, 7, 3, &n_spread);
    if (w->out_of_memory)
        return cox_err_set(w->err, COX_ENOMEM, "out of memory reading '%s'", w->ledger->path);
    bool fits = row.n_outputs >= 0 && row.first && row.first[0] == 0 &&
                row.first[row.n_outputs] == row.n && (!row.error || n_error == row.n) &&
                (!row.spread || n_spread == row.n);
    for (int o = 0; fits && o < row.n_outputs; o++)
        fits = row.first[o] <= row.first[o + 1];
    if (!fits)
        return damaged(w->ledger, "the result of point", row.point, w->err);
    return w->each(w->user, &row);
}

static int model_row(struct walk *w, sqlite3_stmt *s)
{
    struct cox_ledger_model row = {.id = sqlite3_column_int64(s, 0)};
    read_text(s, 1, row.path, sizeof row.path);
    row.n_results = sqlite3_column_int64(s, 2);
    row.train_loss = read_number(s, 3);
    row.valid_loss = read_number(s, 4);
    row.seconds = read_number(s, 5);
    row.at_s = read_number(s, 6);
    row.epochs = sqlite3_column_int(s, 7);
    row.seed = (uint64_t)sqlite3_column_int64(s, 8);
    return w->each(w->user, &row);
}

static int batch_row(struct walk *w, sqlite3_stmt *s)
{
    struct cox_ledger_batch row = {
        .id = sqlite3_column_int64(s, 0),
        .at_s = read_number(s, 1),
        .simulated = read_id(s, 2),
        .predicted = read_id(s, 3),
        .failed = read_id(s, 4),
        .audits = read_id(s, 5),
        .audits_failed = read_id(s, 6),
        .model = read_id(s, 7),
        .half_width = read_number(s, 8),
        .failing_bound = read_number(s, 9),
        .error = read_number(s, 10),
        .t_sim = read_number(s, 11),
        .t_learn = read_number(s, 12),
        .t_lookup = read_number(s, 13),
        .speedup = read_number(s, 14),
        .objective = read_number(s, 15),
        .cost = read_number(s, 16),
    };
    return w->each(w->user, &row);
}

static int server_row(struct walk *w, sqlite3_stmt *s)
{
    struct cox_ledger_server row = {.id = sqlite3_column_int64(s, 0)};
    read_text(s, 1, row.type, sizeof row.type);
    row.began_s = read_number(s, 2);
    row.ended_s = read_number(s, 3);
    row.preempted = sqlite3_column_int(s, 4) != 0;
    row.price = read_number(s, 5);
    row.cost = read_number(s, 6);
    return w->each(w->user, &row);
}

/* ---- tables ---- */

/* One function type for all tables: each table's own is called through a small adapter, because a
 * call through a pointer of another type is undefined. */
#define TABLE(function, type, which, below, reader)                                          \
    struct type##_call {                                                                     \
        int (*each)(void *user, const struct type *row);                                     \
        void *user;                                                                          \
    };                                                                                       \
    static int type##_each(void *user, const void *row)                                      \
    {                                                                                        \
        const struct type##_call *call = user;                                               \
        return call->each(call->user, row);                                                  \
    }                                                                                        \
    int function(struct cox_ledger *ledger, int (*each)(void *user, const struct type *row), \
                 void *user, struct cox_err *err)                                            \
    {                                                                                        \
        struct type##_call call = {each, user};                                              \
        struct walk w = {.ledger = ledger, .each = type##_each, .user = &call, .err = err};  \
        return walk(&w, which, below, reader);                                               \
    }

TABLE(cox_ledger_points, cox_ledger_point, LEDGER_POINTS, COX_LEDGER_ASIDE, point_row)
TABLE(cox_ledger_results, cox_ledger_result, LEDGER_RESULTS, COX_LEDGER_ASIDE, result_row)
TABLE(cox_ledger_attempts, cox_ledger_attempt, LEDGER_ATTEMPTS, 0, attempt_row)
TABLE(cox_ledger_models, cox_ledger_model, LEDGER_MODELS, 0, model_row)
TABLE(cox_ledger_batches, cox_ledger_batch, LEDGER_BATCHES, 0, batch_row)
TABLE(cox_ledger_servers, cox_ledger_server, LEDGER_SERVERS, 0, server_row)

int cox_ledger_all_points(struct cox_ledger *ledger,
                          int (*each)(void *user, const struct cox_ledger_point *point), void *user,
                          struct cox_err *err)
{
    struct cox_ledger_point_call call = {each, user};
    struct walk w = {.ledger = ledger, .each = cox_ledger_point_each, .user = &call, .err = err};
    return walk(&w, LEDGER_POINTS, INT64_MAX, point_row);
}

int cox_ledger_get_text(struct cox_ledger *ledger, const char *name, char **text,
                        struct cox_err *err)
{
    int rc = COX_OK;
    *text = NULL;
    sqlite3_stmt *s = cox_ledger_statement(ledger, LEDGER_GET, &rc, err);
    if (!s)
        return rc;
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    int code = sqlite3_step(s);
    const char *value = code == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        rc = cox_ledger_fail(ledger, "read the ledger", err);
    else if (value && !(*text = cox_strdup(value)))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", ledger->path);
    sqlite3_reset(s);
    return rc;
}
