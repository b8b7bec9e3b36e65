/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the supervisor share. Lists run through the array of entries by index, -1 ends
 * them; all room is made when a task is added, so that nothing later allocates. */
#ifndef COX_RUNTIME_SUPERVISOR_INTERNAL_H
#define COX_RUNTIME_SUPERVISOR_INTERNAL_H

#include "runtime/executor_ops.h"
#include "runtime/supervisor.h"
#include "runtime/words.h"

enum cox_entry_state {
    ENTRY_QUEUED,
    ENTRY_RUNNING,
    ENTRY_RESTING, /* between a failure and its restart */
    ENTRY_DONE
};

struct cox_entry {
    struct cox_task task; /* its pointers are into what follows */
    struct cox_words argv, env;
    char *directory, *log;

    enum cox_entry_state state;
    int64_t epoch; /* of the present or last attempt; 0: none, or told of */
    int64_t handle;
    struct cox_placement placement;
    double began_s, heard_s;
    int restarts, short_lives; /* the latter in a row */
    double rest_s;             /* before its restart */

    bool stopping;    /* for good, by the caller's wish */
    bool doomed;      /* this attempt has failed, however it ends */
    bool told, sure;  /* SIGTERM was sent; SIGKILL was sent */
    bool benefit;     /* its silence was forgiven once */
    double kill_s;    /* the next SIGKILL, once told or sure */
    char cause[64];   /* of doom */
    double due_s;     /* in the heap of what is due */
    int due_at;       /* index there, -1: not in it */
    int running_at;   /* index in running */
    int next_in_line; /* queue */
    int next_event;
    enum cox_supervisor_kind event; /* waiting to be told; NOTHING: none */
    struct cox_task_end end;
};

/* The queue is a line per shape of demand, each in the order of adding: whether anything can start
 * is then a question to a few heads, however many wait. */
struct cox_line {
    struct cox_held needs;
    int first, last;
    int overtaken; /* by how many later tasks, since its head is what it is */
    bool refused;  /* the executor found no place although the sums allow it */
};

struct cox_supervisor {
    struct cox_executor *executor;
    int64_t next_epoch;
    struct cox_entry *entries;
    int n, capacity;
    struct cox_line *lines;
    int n_lines, line_capacity;
    int *due; /* heap of entries, the earliest first */
    int n_due;
    int *running;
    int n_running, n_waiting;
    int first_event, last_event;
    double retry_s;   /* when refused lines are asked again; INFINITY: none is */
    double could_s;   /* since when something queued could run; INFINITY: nothing can */
    double counted_s; /* until when idle_sum holds, so that no moment counts twice */
    double idle_sum;
};

/* supervisor_queue.c */
int cox_queue_reserve(struct cox_supervisor *s, const struct cox_held *needs,
                      struct cox_err *err) COX_MUST_CHECK; /* a line for such tasks */
void cox_queue_push(struct cox_supervisor *s, int id);
void cox_queue_remove(struct cox_supervisor *s, int id);
int cox_queue_choose(const struct cox_supervisor *s);    /* what may start now, -1: nothing */
void cox_queue_passed(struct cox_supervisor *s, int id); /* it was chosen over others and began */
void cox_queue_refuse(struct cox_supervisor *s, int id);
void cox_queue_ask_again(struct cox_supervisor *s); /* forgets refusals */

/* supervisor_due.c: a heap with known places, at most one entry per task. */
void cox_due_set(struct cox_supervisor *s, int id, double when); /* adds or moves */
void cox_due_remove(struct cox_supervisor *s, int id);

#endif
