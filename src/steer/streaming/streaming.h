/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the streaming coordinator share: one run under way. Only src/steer/streaming*
 * includes this. One thread, one event loop: messages of workers, ends of their processes, the
 * clock. The coordinator holds no frames; what it needs of them (best value, arrivals, what is
 * stored of each segment) it reads from the columns of the frames files as they grow, so that it
 * knows the same after a crash. What it decides is in the catalog before anybody is told. */
#ifndef COX_STEER_STREAMING_STREAMING_H
#define COX_STEER_STREAMING_STREAMING_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "cox/system.h"
#include "runtime/supervisor.h"
#include "steer/frames.h"
#include "steer/record.h"
#include "steer/run.h"
#include "steer/settings.h"
#include "steer/status/status.h"
#include "steer/streaming/cores.h"
#include "store/catalog.h"
#include "store/follow.h"
#include "stream/link.h"
#include "stream/message.h"

/* A segment in memory; its index is its id. The rest of it is in the catalog. */
struct stream_segment {
    int64_t next;  /* of its lane, -1: the newest */
    int64_t begin; /* the one that it continues, through `chain` others; itself */
    int32_t chain;
    int32_t lane, generation;
    int32_t frames; /* of the closed: what it must have in the files */
    int32_t seen;   /* of those, stored */
    int32_t within; /* of the stored, RMSD within the target */
    float best;     /* objective or RMSD; NaN: none */
    bool continued;
    bool closed;
    bool guessed;  /* closed by us without its worker's word: frames is set when the run ends */
    bool settled;  /* closed and all its frames are stored */
    bool recorded; /* its best value is in the catalog */
};

struct stream_pick {
    bool there, now;
    int64_t frame, parent_segment;
    double score;
    int rank;
};

struct stream_lane {
    int worker;
    int64_t segment;                  /* newest, -1: none yet */
    struct cox_catalog_segment row;   /* of the newest */
    struct cox_catalog_segment old;   /* of the one that a start given at once replaces; id -1 */
    int64_t sent;                     /* segment that this attempt of its worker was given */
    int completed;                    /* generations */
    int empty_blows;                  /* blow-ups since the last stored frame */
    int64_t last_frame, last_segment; /* newest stored; -1 */
    int32_t last_index;
    int64_t start;         /* structure that its pathway came from */
    int64_t closed_frames; /* of its closed segments */
    int n_settled;
    int64_t unsettled; /* its first segment that is not settled, -1: none */
    struct stream_pick pick;
};

enum stream_role { STREAM_SIMULATE, STREAM_AGGREGATE, STREAM_TRAIN, STREAM_AGENT, STREAM_ROLES };

/* Figures of a worker's heartbeats; of those that count up, those of earlier attempts are added. */
struct stream_figures {
    double ns, frames, stream_s, blocked_s, busy_s, stored, bytes, duplicates;
};

struct stream_worker {
    enum stream_role role;
    int number;
    char name[32];
    int task;
    int64_t epoch; /* of the attempt under way, 0: none */
    bool up;       /* said hello */
    bool over;     /* no more attempts */
    bool failed;   /* its restarts are used up */
    bool told;     /* to stop */
    double told_at;
    int attempts, restarts;                /* of this session */
    struct cox_message *hello;             /* kept while it waits for its welcome */
    char endpoint[COX_ENDPOINT_SIZE];      /* aggregate: where frames go */
    char sent_endpoint[COX_ENDPOINT_SIZE]; /* simulate: what it was told */
    struct cox_run_status_task status;
    struct cox_placement placement;
    double heard;
    struct stream_figures now, before;
    int core;    /* simulate: its own, -1: none */
    bool paused; /* its core is lent */
    double rate_ns, rate_at;
};

/* What is to be written into the catalog, kept until it is: a full disk delays, it does not lose.
 */
struct stream_op {
    enum {
        STREAM_OP_ADD_SEGMENT,
        STREAM_OP_UPDATE_SEGMENT,
        STREAM_OP_MODEL,
        STREAM_OP_PICK,
        STREAM_OP_TASK,
        STREAM_OP_ROUND,
        STREAM_OP_ATTEMPT,
        STREAM_OP_END_ATTEMPT,
        STREAM_OP_POISON,
        STREAM_OP_SET
    } kind;
    union {
        struct cox_catalog_segment segment;
        struct cox_catalog_model model;
        struct cox_catalog_pick pick;
        struct cox_catalog_task task;
        struct cox_catalog_round round;
        struct cox_catalog_attempt attempt;
        struct cox_catalog_poison poison;
        struct {
            char key[32], value[64];
        } set;
    } row;
};

struct stream_out {
    char peer[COX_PEER_SIZE];
    struct cox_message *message;
};

enum stream_phase { STREAM_RUNNING, STREAM_DRAINING, STREAM_ENDING, STREAM_OVER };

#define STREAM_RATES 32
#define STREAM_YOUNG 3 /* frames of a segment that has just begun */

struct cox_streaming {
    const struct cox_settings *settings;
    const struct cox_steer_hooks *hooks;
    struct cox_system *system;
    struct cox_frames frames; /* holds no frame: names of columns and the direction */
    struct cox_record record; /* without a frames file */
    bool steering, learning;
    int n_starts;
    float **start; /* minimised */
    char engine[64];
    char agent_words[96]; /* how it ranks, for the catalog */
    int steps_per_frame, frames_per_segment;
    double frame_ns, session_zero, cpu_zero;

    struct cox_hub *hub;
    struct cox_executor *executor;
    struct cox_supervisor *supervisor;
    struct cox_keys keys;
    char program[PATH_MAX], whole_directory[PATH_MAX];

    int lanes, simulations, aggregators, n_workers;
    struct stream_lane *lane;     /* [lanes] */
    struct stream_worker *worker; /* simulations, then aggregators, then train, agent */
    bool *arrived; /* [lanes][target.segments] of the newest settled, newest at n_settled − 1 */
    int64_t n_segments, segment_room;
    struct stream_segment *segment;
    float *scratch; /* [n_atoms][3]: the frame scratch_frame, -1 none */
    int64_t scratch_frame;
    int64_t n_poisons, poison_room;
    struct cox_catalog_poison *poison;

    /* what the frames files hold */
    struct cox_follow *follow;
    int64_t n_frames;
    double best;
    int64_t best_frame;
    double first_hit_ns, first_hit_s;
    double watch_at;
    bool watch_soon;

    /* the model, the agent */
    int64_t model, models; /* newest, -1; how many */
    char model_path[512];
    double model_loss, model_valid, best_valid;
    int64_t picks;
    int outliers, states;
    int states_before;
    int states_at[64]; /* states known when the slowest lane ended its newest generations */

    struct stream_op *op;
    int n_ops, op_room;
    bool commit_failed;
    double commit_at;
    struct stream_out *out;
    int n_out, out_room;
    bool events_failed, status_failed;

    struct cox_cores cores;
    enum stream_phase phase;
    bool interrupted;
    enum cox_stop_reason reason;
    char why[200];
    int failure; /* status of a run that could not go on */
    double phase_at;

    int generation;      /* of the slowest lane: those completed */
    int generation_zero; /* by earlier sessions */
    double generation_at;
    int64_t closed, closed_frames;
    int blown, lost, cut, restarts, attempts, earlier_attempts;
    double ns_before; /* simulated by earlier sessions */
    struct cox_run_status status;
    struct cox_run_status_task *status_task;
    double status_at, tell_at;
    int told_generation;
    double rate_t[STREAM_RATES], rate_frames[STREAM_RATES], rate_bytes[STREAM_RATES];
    int n_rates;
};

/* streaming_record.c: the journal of the catalog, events, messages. */
struct stream_op *cox_streaming_op(struct cox_streaming *s, int kind, struct cox_err *err);
int cox_streaming_set(struct cox_streaming *s, const char *key, double value,
                      struct cox_err *err) COX_MUST_CHECK;
/* Writes what is in the journal; only then are the messages sent that wait for it. A disk that is
 * full is no error: it is tried again. */
int cox_streaming_commit(struct cox_streaming *s, struct cox_err *err) COX_MUST_CHECK;
/* Queues a message until the next commit; takes ownership. */
int cox_streaming_send(struct cox_streaming *s, const char *peer, struct cox_message *message,
                       struct cox_err *err) COX_MUST_CHECK;
void cox_streaming_event(struct cox_streaming *s, const char *kind, struct cox_json *members);
/* For people: status, events.jsonl, the log. */
void cox_streaming_trouble(struct cox_streaming *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
double cox_streaming_now(const struct cox_streaming *s); /* since the run began */

/* streaming_lanes.c */
int cox_streaming_lanes_init(struct cox_streaming *s, struct cox_err *err) COX_MUST_CHECK;
int cox_streaming_lanes_reload(struct cox_streaming *s, struct cox_err *err) COX_MUST_CHECK;
/* `ended` of a simulation: closes segments and answers with what comes next. */
int cox_streaming_ended(struct cox_streaming *s, struct stream_worker *w,
                        const struct cox_message *message, struct cox_err *err) COX_MUST_CHECK;
/* `starts` of the agent. */
int cox_streaming_starts(struct cox_streaming *s, const struct cox_message *message,
                         struct cox_err *err) COX_MUST_CHECK;
/* The lanes of a welcome: what a simulation that has `hello`'s checkpoints is to do. */
int cox_streaming_welcome_lanes(struct cox_streaming *s, struct stream_worker *w,
                                const struct cox_message *hello, struct cox_message *welcome,
                                struct cox_err *err) COX_MUST_CHECK;
int cox_streaming_pending(const struct cox_streaming *s);
/* Closes a segment in memory and in the journal. */
int cox_streaming_close(struct cox_streaming *s, struct cox_catalog_segment *row,
                        struct cox_err *err) COX_MUST_CHECK;

/* Opens one, likewise: the newest of its lane. */
int cox_streaming_open(struct cox_streaming *s, const struct cox_catalog_segment *row,
                       struct cox_err *err) COX_MUST_CHECK;

/* streaming_origin.c: where a lane's next segment begins, what is never begun at again. */
/* `has_state`: its simulation holds the exact state at the end of the newest one. */
int cox_streaming_next(struct cox_streaming *s, int lane, bool has_state,
                       struct cox_err *err) COX_MUST_CHECK;
/* Whether the lane has a pick that can be begun at; `row`, when given, gets where it comes from. */
bool cox_streaming_good_pick(struct cox_streaming *s, int lane, struct cox_catalog_segment *row);
/* One entry of an `assign` or a `welcome`. */
int cox_streaming_assignment(struct cox_streaming *s, int64_t segment, struct cox_message *to,
                             struct cox_err *err) COX_MUST_CHECK;
bool cox_streaming_poisoned(const struct cox_streaming *s, int64_t frame, int64_t start);
/* What this segment began at has crashed once more. */
int cox_streaming_blame(struct cox_streaming *s, const struct cox_catalog_segment *row,
                        const char *reason, struct cox_err *err) COX_MUST_CHECK;
/* Every young segment of a worker that crashed. */
int cox_streaming_blame_worker(struct cox_streaming *s, const struct stream_worker *w,
                               const char *reason, struct cox_err *err) COX_MUST_CHECK;

/* streaming_watch.c: what is stored. */
int cox_streaming_watch(struct cox_streaming *s, struct cox_err *err) COX_MUST_CHECK;
/* Lanes whose k-th newest settled segment (1 the newest) is within the target. */
int cox_streaming_arrived(const struct cox_streaming *s, int k);
double cox_streaming_ns(const struct cox_streaming *s);
/* Notes that the slowest lane has ended a generation. */
int cox_streaming_generations(struct cox_streaming *s, struct cox_err *err) COX_MUST_CHECK;
enum cox_stop_reason cox_streaming_stop(const struct cox_streaming *s, char *text, size_t size);
double cox_streaming_done(const struct cox_streaming *s);
/* At the end: the catalog says of every segment what the files hold. */
int cox_streaming_reconcile(struct cox_streaming *s, struct cox_err *err) COX_MUST_CHECK;

/* streaming_tasks.c: the workers' processes. */
int cox_streaming_tasks_init(struct cox_streaming *s, struct cox_err *err) COX_MUST_CHECK;
int cox_streaming_tasks_start(struct cox_streaming *s, struct cox_err *err) COX_MUST_CHECK;
void cox_streaming_tasks_deinit(struct cox_streaming *s);
/* What the supervisor has to tell. */
int cox_streaming_supervise(struct cox_streaming *s, struct cox_err *err) COX_MUST_CHECK;
/* Whose message this is, NULL: nobody's, or an attempt's that is over (it was told). */
struct stream_worker *cox_streaming_sender(struct cox_streaming *s, const char *peer,
                                           const struct cox_message *message);
int cox_streaming_hello(struct cox_streaming *s, struct stream_worker *w, struct cox_message *hello,
                        struct cox_err *err) COX_MUST_CHECK;
void cox_streaming_tell_to_stop(struct cox_streaming *s, struct stream_worker *w);
struct stream_worker *cox_streaming_role(struct cox_streaming *s, enum stream_role role);
const char *cox_streaming_role_name(enum stream_role role);

/* streaming_messages.c: the rest of what workers say. Takes ownership of the message. */
int cox_streaming_handle(struct cox_streaming *s, const char *peer, struct cox_message *message,
                         struct cox_err *err) COX_MUST_CHECK;

/* streaming_status.c */
void cox_streaming_heartbeat(struct stream_worker *w, const struct cox_message *message);
void cox_streaming_status_init(struct cox_streaming *s);
/* Writes status.json when it is due. */
void cox_streaming_status(struct cox_streaming *s);
void cox_streaming_tell(struct cox_streaming *s);
double cox_streaming_rate(const struct cox_streaming *s); /* ns per day of late */
double cox_streaming_stream_share(const struct cox_streaming *s);

/* streaming_summary.c */
int cox_streaming_summarise(struct cox_streaming *s, struct cox_steer_outcome *outcome,
                            struct cox_err *err) COX_MUST_CHECK;

/* streaming_cores.c */
int cox_streaming_cores_init(struct cox_streaming *s, struct cox_err *err) COX_MUST_CHECK;
/* Tells a worker that has just been welcomed what it has. */
int cox_streaming_cores_welcome(struct cox_streaming *s, struct stream_worker *w,
                                struct cox_err *err) COX_MUST_CHECK;
int cox_streaming_cores_turn(struct cox_streaming *s, struct cox_err *err) COX_MUST_CHECK;
void cox_streaming_cores_trained(struct cox_streaming *s);

#endif
