/* SPDX-License-Identifier: BSD-3-Clause */
/* The catalog of a run: catalog.db, SQLite (docs/formats-run.md), one writer. Every segment's
 * parent, frame and seed, so that any pathway can be rebuilt; models, picks, tasks, rounds, lane
 * states, and of a streaming run the attempts of its tasks and the starts that were set aside.
 *
 * The rows of a round are inserted between begin and commit, after the frames file was synced: that
 * commit is the unit of resume. WAL with synchronous=FULL. Ids: -1 stands for none (NULL in the
 * table). Errors name the file. Use from one thread at a time. */
#ifndef COX_STORE_CATALOG_H
#define COX_STORE_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cox/err.h"

#define COX_CATALOG_VERSION 2 /* version 1: sequential runs only, no who, attempt, poison */

struct cox_catalog;

struct cox_catalog_start {
    int64_t id;
    char path[512];
    char title[160];
};

/* One stretch of one lane between agent decisions. It has a parent (segment, frame) or a start. In
 * a sequential run its frames are first_frame … first_frame + n_frames - 1; in a streaming one
 * first_frame is -1 and the columns "segment" and "index" of the frames files tell
 * (store/follow.h).
 */
struct cox_catalog_segment {
    int64_t id;
    int round, lane;
    int64_t parent_segment; /* -1: from a start */
    int64_t parent_frame;   /* -1 */
    int64_t start;          /* -1: from a parent */
    bool continued;         /* goes on with the parent's exact state and velocities */
    bool steered;
    uint64_t seed;
    double temperature_K;
    char engine[64];
    int64_t steps;
    double timestep_fs;
    int64_t first_frame; /* -1: its frames are not contiguous, or there are none yet */
    int64_t n_frames;
    /* The status: the first of these that holds, else 'done'. */
    bool running;     /* assigned and not yet ended */
    bool blown;       /* the simulation failed; why: reason */
    bool lost;        /* its exact state is gone; its lane went on in another segment */
    bool cut;         /* ended early to make room for another start, or by the end of the run */
    char reason[160]; /* of blown, lost, cut */
    double best_objective; /* NaN: none */
    int64_t ancestor; /* root segment of the pathway; -1 on insert: filled in from the parent */
};

struct cox_catalog_model {
    int64_t id;
    int round;
    char path[512];
    double train_loss, valid_loss;
    int epochs;
    int64_t samples;
    double wall_s;
    uint64_t seed;
};

struct cox_catalog_pick {
    int round, lane;
    int64_t frame;
    double score;
    int rank;
    char reason[160];
};

struct cox_catalog_task {
    int64_t id; /* -1 on insert: the next one */
    int round;
    char kind[16];           /* simulate, features, train, embed, agent, store */
    int worker;              /* thread; of a streaming run the cores that the task had, 0: shared */
    double began_s, ended_s; /* since the run began */
    char who[32];            /* of a streaming run: "sim-3"; else "" */
};

/* One attempt at a task of a streaming run. */
struct cox_catalog_attempt {
    int64_t epoch; /* from 1; grows through the whole run, also over resumes */
    char task[32]; /* "sim-3" */
    char host[64];
    int64_t pid;             /* -1: unknown */
    double began_s, ended_s; /* since the run began; ended NaN: not ended yet */
    char end[16];            /* "" while it runs; one word, the caller's */
    char reason[160];
};

/* A frame or start structure that is not handed out again because what began there crashed. */
struct cox_catalog_poison {
    int64_t frame; /* id, -1: the start structure below */
    int64_t start; /* -1: the frame above */
    int crashes;
    bool set_aside; /* false: only counted so far */
    char reason[160];
};

struct cox_catalog_round {
    int id;
    int64_t frames; /* aggregate so far */
    double ns;      /* aggregate so far */
    double best_objective;
    int64_t best_frame;
    int outliers, new_states;
    double idle_s, wall_s;
};

/* Creates the file with its schema, or opens one for writing; one of an older version is brought to
 * the present one. Refuses one of a newer version, and one in whose folder another writer is at
 * work (COX_EEXISTS; the lock ends with its process). */
int cox_catalog_open(struct cox_catalog **out, const char *path,
                     struct cox_err *err) COX_MUST_CHECK;
/* Must exist, of any version so far; sees what was committed; works beside the writer. */
int cox_catalog_open_read(struct cox_catalog **out, const char *path,
                          struct cox_err *err) COX_MUST_CHECK;
/* Whether a process has the catalog open for writing. */
int cox_catalog_written_now(const char *path, bool *written, struct cox_err *err) COX_MUST_CHECK;
/* Lets SQLite look at the whole file: COX_EFORMAT and what it found when it is damaged. */
int cox_catalog_check(struct cox_catalog *catalog, struct cox_err *err) COX_MUST_CHECK;
/* Rolls back what was not committed. NULL is allowed. */
void cox_catalog_close(struct cox_catalog *catalog);

int cox_catalog_begin(struct cox_catalog *catalog, struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_commit(struct cox_catalog *catalog, struct cox_err *err) COX_MUST_CHECK;
void cox_catalog_rollback(struct cox_catalog *catalog);

/* Inserts; each is its own transaction outside begin … commit. Refuse rows that refer to nothing
 * (a parent, a start) and ids that exist already (COX_EEXISTS). */
int cox_catalog_add_start(struct cox_catalog *catalog, const struct cox_catalog_start *row,
                          struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_add_segment(struct cox_catalog *catalog, const struct cox_catalog_segment *row,
                            struct cox_err *err) COX_MUST_CHECK;
/* Writes what the running of a segment changes (temperature_K, engine, steps, timestep_fs,
 * first_frame, n_frames, status, reason, best_objective) by its id; what it came from stays. */
int cox_catalog_update_segment(struct cox_catalog *catalog, const struct cox_catalog_segment *row,
                               struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_add_model(struct cox_catalog *catalog, const struct cox_catalog_model *row,
                          struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_add_pick(struct cox_catalog *catalog, const struct cox_catalog_pick *row,
                         struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_add_task(struct cox_catalog *catalog, const struct cox_catalog_task *row,
                         struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_add_round(struct cox_catalog *catalog, const struct cox_catalog_round *row,
                          struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_add_attempt(struct cox_catalog *catalog, const struct cox_catalog_attempt *row,
                            struct cox_err *err) COX_MUST_CHECK;
/* Writes host, pid, ended_s, end and reason of the attempt with the row's epoch; may be done
 * several times. COX_ENOTFOUND when there is none. */
int cox_catalog_end_attempt(struct cox_catalog *catalog, const struct cox_catalog_attempt *row,
                            struct cox_err *err) COX_MUST_CHECK;
/* These replace; a poison's key is its frame or its start. */
int cox_catalog_set_poison(struct cox_catalog *catalog, const struct cox_catalog_poison *row,
                           struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_set(struct cox_catalog *catalog, const char *key, const char *value,
                    struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_set_lane(struct cox_catalog *catalog, int lane, int64_t segment, const void *bytes,
                         size_t length, struct cox_err *err) COX_MUST_CHECK;

/* Value of a run key, *out NULL when there is none; free with cox_free. */
int cox_catalog_get(struct cox_catalog *catalog, const char *key, char **out,
                    struct cox_err *err) COX_MUST_CHECK;
/* COX_ENOTFOUND when the lane has no state. *bytes freed with cox_free. */
int cox_catalog_get_lane(struct cox_catalog *catalog, int lane, int64_t *segment, void **bytes,
                         size_t *length, struct cox_err *err) COX_MUST_CHECK;

/* Whole tables in the order of their ids (picks: round, rank; poisons: frames, then starts); *out
 * freed with cox_free, a valid block also when *n is 0. */
int cox_catalog_starts(struct cox_catalog *catalog, struct cox_catalog_start **out, int64_t *n,
                       struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_segments(struct cox_catalog *catalog, struct cox_catalog_segment **out, int64_t *n,
                         struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_models(struct cox_catalog *catalog, struct cox_catalog_model **out, int64_t *n,
                       struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_picks(struct cox_catalog *catalog, struct cox_catalog_pick **out, int64_t *n,
                      struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_tasks(struct cox_catalog *catalog, struct cox_catalog_task **out, int64_t *n,
                      struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_rounds(struct cox_catalog *catalog, struct cox_catalog_round **out, int64_t *n,
                       struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_attempts(struct cox_catalog *catalog, struct cox_catalog_attempt **out, int64_t *n,
                         struct cox_err *err) COX_MUST_CHECK;
int cox_catalog_poisons(struct cox_catalog *catalog, struct cox_catalog_poison **out, int64_t *n,
                        struct cox_err *err) COX_MUST_CHECK;

/* COX_ENOTFOUND naming the id and how many there are. */
int cox_catalog_segment(struct cox_catalog *catalog, int64_t id, struct cox_catalog_segment *out,
                        struct cox_err *err) COX_MUST_CHECK;
/* The segment that holds a frame, in a sequential run (of any run: store/lineage.h). */
int cox_catalog_segment_of_frame(struct cox_catalog *catalog, int64_t frame,
                                 struct cox_catalog_segment *out,
                                 struct cox_err *err) COX_MUST_CHECK;
/* Frames that the catalog knows: one more than the last frame of any segment, or the sum over
 * segments without a first frame (of a streaming run, when they ended); 0 when none. */
int cox_catalog_frames(struct cox_catalog *catalog, int64_t *out,
                       struct cox_err *err) COX_MUST_CHECK;
/* Segments that the catalog knows (the next id), likewise. */
int cox_catalog_next_segment(struct cox_catalog *catalog, int64_t *out,
                             struct cox_err *err) COX_MUST_CHECK;
/* The newest segment of a lane; *id is -1 when it has none. */
int cox_catalog_lane_segment(struct cox_catalog *catalog, int lane, int64_t *id,
                             struct cox_err *err) COX_MUST_CHECK;
/* One more than any attempt's epoch; 1 when there is none. */
int cox_catalog_next_epoch(struct cox_catalog *catalog, int64_t *out,
                           struct cox_err *err) COX_MUST_CHECK;

#endif
