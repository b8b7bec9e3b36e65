/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers say. Nothing here trusts them further than their own lanes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "steer/streaming/streaming.h"

static int published(struct cox_streaming *s, const struct cox_message *m, struct cox_err *err)
{
    int64_t id = cox_message_int(m, "id", -1);
    if (id <= s->model)
        return COX_OK; /* said again */
    struct stream_op *op = cox_streaming_op(s, STREAM_OP_MODEL, err);
    if (!op)
        return COX_ENOMEM;
    struct cox_catalog_model *row = &op->row.model;
    *row = (struct cox_catalog_model){.id = id,
                                      .round = s->generation,
                                      .train_loss = cox_message_number(m, "train_loss", NAN),
                                      .valid_loss = cox_message_number(m, "valid_loss", NAN),
                                      .epochs = (int)cox_message_int(m, "epochs", 0),
                                      .samples = cox_message_int(m, "samples", 0),
                                      .wall_s = cox_message_number(m, "seconds", 0),
                                      .seed = (uint64_t)cox_message_int(m, "seed", 0)};
    snprintf(row->path, sizeof row->path, "%s", cox_message_text(m, "path", ""));
    s->model = id;
    s->models++;
    s->model_loss = row->train_loss;
    s->model_valid = row->valid_loss;
    if (!(s->best_valid <= row->valid_loss))
        s->best_valid = row->valid_loss;
    snprintf(s->model_path, sizeof s->model_path, "%s", row->path);
    struct cox_json *j = cox_json_object();
    cox_json_set_int(j, "model", id);
    cox_json_set_text(j, "path", row->path);
    cox_json_set_number(j, "valid_loss", row->valid_loss);
    cox_json_set_int(j, "samples", row->samples);
    cox_streaming_event(s, "model", j);
    struct stream_worker *agent = cox_streaming_role(s, STREAM_AGENT);
    if (!agent || !agent->up)
        return COX_OK;
    struct cox_message *tell = cox_message_create("model");
    cox_message_set_int(tell, "id", id);
    cox_message_set_text(tell, "path", row->path);
    return cox_streaming_send(s, agent->name, tell, err);
}

/* Its clock may be another's, or may have jumped: only the length and the age count. */
static int task(struct cox_streaming *s, struct stream_worker *w, const struct cox_message *m,
                struct cox_err *err)
{
    double began = cox_message_number(m, "began", NAN);
    double ended = cox_message_number(m, "ended", NAN);
    double age = cox_clock_unix() - ended;
    const char *kind = cox_message_text(m, "kind", "");
    snprintf(w->status.doing, sizeof w->status.doing, "%s", kind);
    if (w->role == STREAM_TRAIN && !strcmp(kind, "train") && !cox_message_int(m, "more", 0)) {
        w->status.lag = cox_message_number(m, "lag", w->status.lag); /* a heartbeat's may be old */
        cox_streaming_cores_trained(s);
    }
    if (isnan(began) || isnan(ended) || ended < began)
        return COX_OK;
    struct stream_op *op = cox_streaming_op(s, STREAM_OP_TASK, err);
    if (!op)
        return COX_ENOMEM;
    double now = cox_streaming_now(s);
    double end = age >= 0 && age < 60 ? now - age : now;
    op->row.task = (struct cox_catalog_task){.id = -1,
                                             .round = s->generation,
                                             .worker = (int)cox_message_int(m, "cores", 0),
                                             .began_s = fmax(0, end - (ended - began)),
                                             .ended_s = fmax(0, end)};
    snprintf(op->row.task.kind, sizeof op->row.task.kind, "%s", kind);
    snprintf(op->row.task.who, sizeof op->row.task.who, "%s", w->name);
    return COX_OK;
}

static void learn_of_states(struct cox_streaming *s, const struct cox_message *m)
{
    int states = (int)cox_message_int(m, "states", 0);
    s->states = states > s->states ? states : s->states; /* a new agent begins to count anew */
    s->outliers = (int)cox_message_int(m, "outliers", s->outliers);
}

static int heartbeat(struct cox_streaming *s, struct stream_worker *w, const struct cox_message *m,
                     struct cox_err *err)
{
    cox_streaming_heartbeat(w, m);
    if (w->role == STREAM_AGENT)
        learn_of_states(s, m);
    /* a burst for nothing: it had seen less than was thought here */
    if (w->role == STREAM_TRAIN && s->cores.lent && cox_message_int(m, "busy", 1) == 0 &&
        w->status.lag < 1)
        cox_streaming_cores_trained(s);
    return cox_streaming_send(s, w->name, cox_message_create("alive"), err);
}

static int dispatch(struct cox_streaming *s, struct stream_worker *w, const struct cox_message *m,
                    struct cox_err *err)
{
    if (cox_message_is(m, "heartbeat"))
        return heartbeat(s, w, m, err);
    if (cox_message_is(m, "task"))
        return task(s, w, m, err);
    if (cox_message_is(m, "ended") && w->role == STREAM_SIMULATE)
        return cox_streaming_ended(s, w, m, err);
    if (cox_message_is(m, "published") && w->role == STREAM_TRAIN)
        return published(s, m, err);
    if (cox_message_is(m, "starts") && w->role == STREAM_AGENT) {
        learn_of_states(s, m);
        return cox_streaming_starts(s, m, err);
    }
    if (cox_message_is(m, "trouble") || cox_message_is(m, "recovered"))
        cox_streaming_trouble(s, "%s: %s", w->name, cox_message_text(m, "text", ""));
    else if (!cox_message_is(m, "bye"))
        cox_log(COX_LOG_DEBUG, "%s says '%s', which means nothing here", w->name,
                cox_message_type(m));
    return COX_OK;
}

int cox_streaming_handle(struct cox_streaming *s, const char *peer, struct cox_message *message,
                         struct cox_err *err)
{
    struct stream_worker *w = cox_streaming_sender(s, peer, message);
    if (w && cox_message_is(message, "hello"))
        return cox_streaming_hello(s, w, message, err); /* keeps it */
    int rc = w ? dispatch(s, w, message, err) : COX_OK;
    cox_message_destroy(message);
    return rc;
}
