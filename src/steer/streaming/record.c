/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal: rows for the catalog gather during a turn of the loop and are written in one
 * transaction; messages that rest on them go out afterwards. When the disk is full the transaction
 * is tried again later, and whoever waits for an answer waits. So the journal cannot grow beyond
 * what the workers have asked for; notes of tasks, which nobody waits for, are dropped then. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "steer/streaming/streaming.h"

#define RETRY_S 1.0
#define TASKS_KEPT 4096

double cox_streaming_now(const struct cox_streaming *s)
{
    return cox_record_seconds(&s->record);
}

struct stream_op *cox_streaming_op(struct cox_streaming *s, int kind, struct cox_err *err)
{
    if (s->n_ops == s->op_room) {
        int room = s->op_room ? 2 * s->op_room : 64;
        struct stream_op *more = cox_realloc(s->op, (size_t)room, sizeof *more);
        if (!more) {
            cox_err_set(err, COX_ENOMEM, "out of memory for the catalog's journal");
            return NULL;
        }
        s->op = more;
        s->op_room = room;
    }
    struct stream_op *op = &s->op[s->n_ops];
    if (kind == STREAM_OP_TASK && s->commit_failed && s->n_ops > TASKS_KEPT)
        op = &s->op[s->n_ops - 1]; /* its row is overwritten below */
    else
        s->n_ops++;
    memset(op, 0, sizeof *op);
    op->kind = kind;
    return op;
}

int cox_streaming_set(struct cox_streaming *s, const char *key, double value, struct cox_err *err)
{
    struct stream_op *op = cox_streaming_op(s, STREAM_OP_SET, err);
    if (!op)
        return COX_ENOMEM;
    snprintf(op->row.set.key, sizeof op->row.set.key, "%s", key);
    snprintf(op->row.set.value, sizeof op->row.set.value, "%.9g", value);
    return COX_OK;
}

static int apply(struct cox_catalog *c, const struct stream_op *op, struct cox_err *err)
{
    switch (op->kind) {
    case STREAM_OP_ADD_SEGMENT:
        return cox_catalog_add_segment(c, &op->row.segment, err);
    case STREAM_OP_UPDATE_SEGMENT:
        return cox_catalog_update_segment(c, &op->row.segment, err);
    case STREAM_OP_MODEL:
        return cox_catalog_add_model(c, &op->row.model, err);
    case STREAM_OP_PICK:
        return cox_catalog_add_pick(c, &op->row.pick, err);
    case STREAM_OP_TASK:
        return cox_catalog_add_task(c, &op->row.task, err);
    case STREAM_OP_ROUND:
        return cox_catalog_add_round(c, &op->row.round, err);
    case STREAM_OP_ATTEMPT:
        return cox_catalog_add_attempt(c, &op->row.attempt, err);
    case STREAM_OP_END_ATTEMPT:
        return cox_catalog_end_attempt(c, &op->row.attempt, err);
    case STREAM_OP_POISON:
        return cox_catalog_set_poison(c, &op->row.poison, err);
    case STREAM_OP_SET:
        return cox_catalog_set(c, op->row.set.key, op->row.set.value, err);
    }
    return COX_OK;
}

static int write_journal(struct cox_streaming *s, struct cox_err *err)
{
    struct cox_catalog *c = s->record.catalog;
    char elapsed[32];
    int rc = cox_catalog_begin(c, err);
    for (int i = 0; !rc && i < s->n_ops; i++)
        rc = apply(c, &s->op[i], err);
    snprintf(elapsed, sizeof elapsed, "%.6f", cox_streaming_now(s));
    if (!rc)
        rc = cox_catalog_set(c, "elapsed_s", elapsed, err);
    if (!rc)
        rc = cox_catalog_commit(c, err);
    if (rc)
        cox_catalog_rollback(c);
    return rc;
}

static void flush_messages(struct cox_streaming *s)
{
    for (int i = 0; i < s->n_out; i++) {
        struct cox_err problem = COX_ERR_INIT;
        struct cox_message *m = s->out[i].message;
        s->out[i].message = NULL;
        /* a peer that is gone is dealt with where its process is watched */
        int rc = cox_hub_send(s->hub, s->out[i].peer, m, &problem);
        if (rc && rc != COX_ENOTFOUND)
            cox_streaming_trouble(s, "cannot write to %s: %s", s->out[i].peer, problem.text);
    }
    s->n_out = 0;
}

int cox_streaming_commit(struct cox_streaming *s, struct cox_err *err)
{
    struct cox_err problem = COX_ERR_INIT;
    double now = cox_clock_seconds();
    if (s->commit_failed && now < s->commit_at)
        return COX_OK;
    int rc = s->n_ops ? write_journal(s, &problem) : COX_OK;
    if (rc == COX_EIO) {
        if (!s->commit_failed)
            cox_streaming_trouble(s, "%s; waiting until that works", problem.text);
        s->commit_failed = true;
        s->commit_at = now + RETRY_S;
        return COX_OK;
    }
    if (rc)
        return cox_err_set(err, rc, "%s", problem.text);
    if (s->commit_failed)
        cox_streaming_trouble(s, "the catalog can be written again");
    s->commit_failed = false;
    s->n_ops = 0;
    flush_messages(s);
    return COX_OK;
}

int cox_streaming_send(struct cox_streaming *s, const char *peer, struct cox_message *message,
                       struct cox_err *err)
{
    if (!message)
        return cox_err_set(err, COX_ENOMEM, "out of memory for a message to %s", peer);
    if (s->n_out == s->out_room) {
        int room = s->out_room ? 2 * s->out_room : 64;
        struct stream_out *more = cox_realloc(s->out, (size_t)room, sizeof *more);
        if (!more) {
            cox_message_destroy(message);
            return cox_err_set(err, COX_ENOMEM, "out of memory for messages");
        }
        s->out = more;
        s->out_room = room;
    }
    struct stream_out *out = &s->out[s->n_out++];
    snprintf(out->peer, sizeof out->peer, "%s", peer);
    out->message = message;
    return COX_OK;
}

void cox_streaming_event(struct cox_streaming *s, const char *kind, struct cox_json *members)
{
    struct cox_err problem = COX_ERR_INIT;
    int rc = cox_events_write(s->record.events, kind, members, &problem);
    if (rc && !s->events_failed)
        cox_log(COX_LOG_WARN, "%s", problem.text);
    s->events_failed = rc != 0;
}

void cox_streaming_trouble(struct cox_streaming *s, const char *fmt, ...)
{
    char text[320];
    va_list list;
    va_start(list, fmt);
    vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    const struct cox_run_status *status = &s->status;
    bool again = status->n_troubles && !strncmp(status->trouble[status->n_troubles - 1].text, text,
                                                sizeof status->trouble[0].text - 1);
    cox_run_status_trouble(&s->status, "%s", text);
    if (again)
        return;
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "text", text);
    cox_streaming_event(s, "trouble", j);
    cox_log(COX_LOG_WARN, "%s", text);
}
