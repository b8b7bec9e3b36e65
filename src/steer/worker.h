/* SPDX-License-Identifier: BSD-3-Clause */
/* The processes of a streaming run: `cox worker ROLE RUN --name N --epoch E --hub ENDPOINT`,
 * started by the coordinator. Every role: reads RUN/config.yaml, says hello, serves until told to
 * stop, and leaves when the hub falls silent. What the messages hold: docs/protocol.md. */
#ifndef COX_STEER_WORKER_H
#define COX_STEER_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/team.h"
#include "cox/err.h"
#include "steer/settings.h"
#include "stream/link.h"

struct cox_worker_options {
    const char *role;      /* simulate, aggregate, train, agent */
    const char *directory; /* of the run */
    const char *name;      /* "sim-3": the role's short name and its number */
    int64_t epoch;
    const char *hub; /* endpoint */
    const atomic_int *cancel;
};

/* Runs the role to its end. COX_ECANCELLED: stopped by a signal, fenced, or the hub is gone. */
int cox_worker_run(const struct cox_worker_options *options, struct cox_err *err) COX_MUST_CHECK;

/* ---- inside the roles ---- */

/* What every role has; made by cox_worker_run. */
struct cox_worker {
    const struct cox_worker_options *options;
    int number; /* the N of its name */
    struct cox_settings settings;
    struct cox_config *config;
    struct cox_arena *arena;
    struct cox_system *system;
    struct cox_keys keys;
    bool keyed; /* keys hold */
    struct cox_link *link;
    struct cox_team *team; /* as many threads as the coordinator granted; see cox_worker_grant */
    double began;          /* cox_clock_seconds */
    double heard;          /* last word from the hub */
    double told;           /* last word to the hub */
    bool stopping;         /* the hub said stop */
};

/* One role: called after hello was answered by `welcome` (borrowed). Returns when stopping. */
typedef int cox_worker_role(struct cox_worker *worker, const struct cox_message *welcome,
                            struct cox_err *err);
int cox_worker_simulate(struct cox_worker *worker, const struct cox_message *welcome,
                        struct cox_err *err) COX_MUST_CHECK;
int cox_worker_aggregate(struct cox_worker *worker, const struct cox_message *welcome,
                         struct cox_err *err) COX_MUST_CHECK;
int cox_worker_train(struct cox_worker *worker, const struct cox_message *welcome,
                     struct cox_err *err) COX_MUST_CHECK;
int cox_worker_agent(struct cox_worker *worker, const struct cox_message *welcome,
                     struct cox_err *err) COX_MUST_CHECK;

/* A message {type, epoch}; send with cox_worker_send, which notes the time. */
struct cox_message *cox_worker_message(const struct cox_worker *worker, const char *type);
int cox_worker_send(struct cox_worker *worker, struct cox_message *message,
                    struct cox_err *err) COX_MUST_CHECK;
/* The next message for the role, or NULL after `timeout_s` or when an fd is readable. `stop`,
 * `fenced` and a hub that has been silent for too long are dealt with here: stopping is set, or
 * COX_ECANCELLED returned. Sends a bare heartbeat when one is due. */
int cox_worker_receive(struct cox_worker *worker, double timeout_s, const int *fds, int n_fds,
                       struct cox_message **message, struct cox_err *err) COX_MUST_CHECK;
/* Tells the coordinator's timeline of something that ran from `began` (cox_clock_unix) until now:
 * "simulate", "train", "embed", "agent", "store", "paused". */
int cox_worker_task(struct cox_worker *worker, const char *kind, double began_unix, int cores,
                    struct cox_err *err) COX_MUST_CHECK;
/* The `cores` message: pins this process to the list in it and sizes the team; an empty list means
 * wait. *n is the number granted. */
int cox_worker_grant(struct cox_worker *worker, const struct cox_message *cores, int *n,
                     struct cox_err *err) COX_MUST_CHECK;

#endif
