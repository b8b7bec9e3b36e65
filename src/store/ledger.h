/* SPDX-License-Identifier: BSD-3-Clause */
/* The ledger of a sweep: ledger.db, SQLite, one writer (docs/formats-sweep.md). Points, attempts,
 * results with their provenance, models, audits and accounts. A result is known once the
 * transaction that holds it is committed; `cox sweep` acknowledges nothing before. WAL with
 * synchronous=FULL. Use from one thread at a time; readers may be other processes. */
#ifndef COX_STORE_LEDGER_H
#define COX_STORE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"

#define COX_LEDGER_VERSION 1
/* Points that the design no longer has get ids from here on: their results wait for a design that
 * has them again. Reading points and results leaves them out; their attempts are in the accounts.
 */
#define COX_LEDGER_ASIDE (INT64_C(1) << 40)

struct cox_ledger;

enum cox_point_state {
    COX_POINT_TODO,
    COX_POINT_RUNNING, /* an attempt is under way, or was when the writer was killed */
    COX_POINT_SIMULATED,
    COX_POINT_PREDICTED, /* served by the surrogate; a simulation may still replace that */
    COX_POINT_FAILED     /* its retries are used up */
};
enum cox_purpose { /* why a point was simulated */
                   COX_PURPOSE_NONE,
                   COX_PURPOSE_DESIGN, /* the first ones, or all where there is no surrogate */
                   COX_PURPOSE_CHOSEN, /* by the acquisition or for the objective */
                   COX_PURPOSE_AUDIT   /* drawn at random, for the conformal bounds */
};

/* As they stand in the file: "todo", "design". */
const char *cox_point_state_word(enum cox_point_state state);
const char *cox_purpose_word(enum cox_purpose purpose);

struct cox_ledger_point {
    int64_t id; /* as in the design */
    char key[65];
    enum cox_point_state state;
    enum cox_purpose purpose;
    int n_x;
    const double *x; /* borrowed: by insert from the caller, by a query until its next row */
};

struct cox_ledger_attempt {
    int64_t id; /* 1, 2, 3 … through all sessions */
    int64_t point;
    char server[64]; /* type and number, "" where there are none */
    char host[64];
    int64_t pid;
    int cores;
    double began_s, ended_s; /* since the sweep began, over all sessions; NaN: not ended */
    char end[16];            /* "", ok, failed, preempted, killed (with the sweep), timeout */
    char reason[256];
    char directory[256]; /* below the sweep's */
    double cost;         /* USD; core hours where servers have no price */
    uint64_t seed;
};

struct cox_ledger_result {
    int64_t point;
    bool predicted;
    int64_t attempt;             /* simulated: which; -1 */
    int64_t model;               /* predicted: which; -1 */
    int n, n_outputs;            /* as struct cox_values of sweep/outputs.h */
    const double *value, *error; /* predicted: the half-width at the targets' coverage */
    const double *spread;        /* predicted: the ensemble's σ; NULL for simulated ones */
    const int *first;            /* [n_outputs + 1] */
};

struct cox_ledger_model {
    int64_t id; /* 1, 2, 3 … */
    char path[256];
    int64_t n_results;
    double train_loss, valid_loss, seconds, at_s;
    int epochs;
    uint64_t seed;
};

/* After every batch of results: where the sweep stands. */
struct cox_ledger_batch {
    int64_t id;
    double at_s;
    int64_t simulated, predicted, failed, audits, audits_failed;
    int64_t model;
    double half_width;    /* conformal, as a multiple of the wanted accuracy; infinity: unknown */
    double failing_bound; /* of the share of predictions that miss it */
    double error;         /* of predictions before their simulation, median multiple; NaN: none */
    double t_sim, t_learn, t_lookup; /* seconds: mean of a simulation, all training, one lookup */
    double speedup;                  /* S, sweep/performance.h */
    double objective;                /* best so far, NaN: none */
    double cost;
};

/* A server of settings.servers, real or played. */
struct cox_ledger_server {
    int64_t id;
    char type[64];
    double began_s, ended_s; /* NaN: still there */
    bool preempted;
    double price, cost;
};

/* Creates the file with its schema or opens it for writing; COX_EEXISTS: another writer is at work.
 */
int cox_ledger_open(struct cox_ledger **out, const char *path, struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_open_read(struct cox_ledger **out, const char *path,
                         struct cox_err *err) COX_MUST_CHECK;
void cox_ledger_destroy(struct cox_ledger *ledger);
/* Whether a sweep is at work on the file now. */
int cox_ledger_written_now(const char *path, bool *written, struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_begin(struct cox_ledger *ledger, struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_commit(struct cox_ledger *ledger, struct cox_err *err) COX_MUST_CHECK;
void cox_ledger_rollback(struct cox_ledger *ledger);

/* Words about the sweep: names of inputs and outputs, the configuration's digest, … */
int cox_ledger_set_text(struct cox_ledger *ledger, const char *name, const char *text,
                        struct cox_err *err) COX_MUST_CHECK;
/* Free with cox_free; *text NULL: there is none. */
int cox_ledger_get_text(struct cox_ledger *ledger, const char *name, char **text,
                        struct cox_err *err) COX_MUST_CHECK;

/* Inserts or, by id, replaces. */
int cox_ledger_put_point(struct cox_ledger *ledger, const struct cox_ledger_point *point,
                         struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_set_state(struct cox_ledger *ledger, int64_t point, enum cox_point_state state,
                         enum cox_purpose purpose, struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_put_attempt(struct cox_ledger *ledger, const struct cox_ledger_attempt *attempt,
                           struct cox_err *err) COX_MUST_CHECK;
/* A simulated result replaces a predicted one; never the other way round. */
int cox_ledger_put_result(struct cox_ledger *ledger, const struct cox_ledger_result *result,
                          struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_drop_result(struct cox_ledger *ledger, int64_t point,
                           struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_put_model(struct cox_ledger *ledger, const struct cox_ledger_model *model,
                         struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_put_batch(struct cox_ledger *ledger, const struct cox_ledger_batch *batch,
                         struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_put_server(struct cox_ledger *ledger, const struct cox_ledger_server *server,
                          struct cox_err *err) COX_MUST_CHECK;
/* Every prediction is taken back (the surrogate fell from trust): states go to TODO. */
int cox_ledger_withdraw_predictions(struct cox_ledger *ledger, struct cox_err *err) COX_MUST_CHECK;
/* Points get other ids (the design has changed), with their attempts and results; in a transaction
 * of the caller's. */
int cox_ledger_renumber(struct cox_ledger *ledger, const int64_t *from, const int64_t *to,
                        int64_t n, struct cox_err *err) COX_MUST_CHECK;

/* Reading: `each` is called row by row in the order of ids; a non-zero return ends it and is
 * returned. */
int cox_ledger_points(struct cox_ledger *ledger,
                      int (*each)(void *user, const struct cox_ledger_point *point), void *user,
                      struct cox_err *err) COX_MUST_CHECK;
/* … those aside, too. */
int cox_ledger_all_points(struct cox_ledger *ledger,
                          int (*each)(void *user, const struct cox_ledger_point *point), void *user,
                          struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_results(struct cox_ledger *ledger,
                       int (*each)(void *user, const struct cox_ledger_result *result), void *user,
                       struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_attempts(struct cox_ledger *ledger,
                        int (*each)(void *user, const struct cox_ledger_attempt *attempt),
                        void *user, struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_models(struct cox_ledger *ledger,
                      int (*each)(void *user, const struct cox_ledger_model *model), void *user,
                      struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_batches(struct cox_ledger *ledger,
                       int (*each)(void *user, const struct cox_ledger_batch *batch), void *user,
                       struct cox_err *err) COX_MUST_CHECK;
int cox_ledger_servers(struct cox_ledger *ledger,
                       int (*each)(void *user, const struct cox_ledger_server *server), void *user,
                       struct cox_err *err) COX_MUST_CHECK;

#endif
