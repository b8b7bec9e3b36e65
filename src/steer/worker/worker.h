/* SPDX-License-Identifier: BSD-3-Clause */
/* The processes of a streaming run: `cox worker ROLE RUN --name N --epoch E --hub ENDPOINT`,
 * started by the coordinator. Every role: reads RUN/config.yaml, says hello, serves until told to
 * stop, and leaves when the hub falls silent.
 *
 * What the simulate and aggregate roles expect of the coordinator (all messages: docs/protocol.md):
 *
 * simulate. `hello` lists under "lanes" the {lane, segment, index} of the checkpoint that it found
 * (RUN/lanes/sim-W.eE.state of the newest earlier epoch) and "engine", that engine's version.
 * `welcome` {endpoint: of its aggregator ("" while there is none), first_lane, n_lanes, cores?:
 * list, lanes: [entry …]}. Entry: {lane, segment, generation, kind, seed, clock?, x, v?, start?}.
 *   keep      goes on from the checkpoint, whose segment this is; "frames", where given, is where
 *             the segment ended (it was cut there before). A lane of hello that is not in the list
 *             is kept as well.
 *   continue  a new segment from the lane's exact state: in an `assign`, or in a `welcome` to a
 * lane that hello named. start, restart, resume   a new segment from x ([N][3] float32, nm; start
 * structures minimised by the coordinator) with v or velocities drawn from "seed". "clock" is the
 * number of the lane's steps before the segment (the sum of its earlier segments' steps), so that
 *             a segment that is begun again gives the same frames; without it the lane's own count
 *             goes on.
 * A segment ends with `ended` {lanes: [{lane, segment, frames, steps, clock, best, blown, cut,
 * reason}]}; it is repeated every few seconds until an `assign` answers. In an `assign` an entry
 * whose segment is not larger than the lane's present one is ignored (answers may cross).
 * `assign` with now: 1 cuts the lane's segment at its next frame, `ended` with cut: 1 tells its
 * length, and the new segment begins without waiting for an answer.
 * `aggregator` {endpoint}: the aggregator has moved; unacknowledged frames are sent there again.
 * `cores` {list}: an empty one pauses at once, in the midst of a frame if need be. `stop`: all
 * frames acknowledged, checkpoint written, `ended` with cut: 1 for the lanes under way, `bye`.
 * SIGTERM: the same without `ended`.
 *
 * aggregate. `hello` tells "endpoint", that of its collector; `welcome` needs nothing more.
 * `expect` {name, epoch}, after the welcome and whenever a simulation is started anew: frames of
 * its earlier attempts are refused from then on. */
#ifndef COX_STEER_WORKER_WORKER_H
#define COX_STEER_WORKER_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/team.h"
#include "cox/err.h"
#include "cox/system.h"
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

struct cox_worker;
/* Adds the role's own figures to a heartbeat. */
typedef void cox_worker_figures(void *user, struct cox_message *heartbeat);

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
    cox_worker_figures *figures; /* NULL: bare heartbeats; set and unset by the role */
    void *figures_user;
    void *role;    /* what the role's own preparation before hello made */
    double began;  /* cox_clock_seconds */
    double heard;  /* last word from the hub */
    double told;   /* last heartbeat */
    double asked;  /* of the first heartbeat since then, 0: none is unanswered */
    double tended; /* last call of cox_worker_receive */
    bool stopping; /* the hub said stop, or a signal came: the role winds up and returns */
    bool stopped;  /* the hub said stop */
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

/* What two of them do before hello: they make worker->role and add to the message. */
int cox_worker_simulate_prepare(struct cox_worker *worker, struct cox_message *hello,
                                struct cox_err *err) COX_MUST_CHECK;
void cox_worker_simulate_release(struct cox_worker *worker);
int cox_worker_aggregate_prepare(struct cox_worker *worker, struct cox_message *hello,
                                 struct cox_err *err) COX_MUST_CHECK;
void cox_worker_aggregate_release(struct cox_worker *worker);

/* A message {type, epoch}; send with cox_worker_send. */
struct cox_message *cox_worker_message(const struct cox_worker *worker, const char *type);
int cox_worker_send(struct cox_worker *worker, struct cox_message *message,
                    struct cox_err *err) COX_MUST_CHECK;
/* {type, text} for people: "trouble", "recovered". A hub that cannot be told is no error here. */
void cox_worker_tell(struct cox_worker *worker, const char *type, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The next message for the role, or NULL after `timeout_s` (negative: no limit), when an fd is
 * readable, or when a signal came. `stop`, a signal, `fenced` and a hub that has been silent for
 * too long are dealt with here: stopping is set, or COX_ECANCELLED returned. Sends a heartbeat when
 * one is due. Roles call it at least once in streaming.heartbeat_s, with 0 while they compute. */
int cox_worker_receive(struct cox_worker *worker, double timeout_s, const int *fds, int n_fds,
                       struct cox_message **message, struct cox_err *err) COX_MUST_CHECK;
/* Tells the coordinator's timeline of something that ran from `began` (cox_clock_unix) until now:
 * "simulate", "train", "embed", "agent", "store", "paused". */
int cox_worker_task(struct cox_worker *worker, const char *kind, double began_unix, int cores,
                    struct cox_err *err) COX_MUST_CHECK;
/* The `cores` message: pins this process to the list in it and sizes the team; an empty list means
 * wait. *n is the number granted. Cores that this machine does not have are no error. */
int cox_worker_grant(struct cox_worker *worker, const struct cox_message *cores, int *n,
                     struct cox_err *err) COX_MUST_CHECK;
/* Digest of the topology, which every frame carries. */
uint64_t cox_worker_system_digest(const struct cox_system *system);

#endif
