/* SPDX-License-Identifier: BSD-3-Clause */
/* What `cox status` shows of a run: RUN/status.json, replaced about once a second by whoever runs
 * it. The coordinator fills the struct and writes; readers get the same struct back. Nothing in it
 * is needed to go on with a run: it is never fsynced and may be missing, and then the catalog and
 * summary.json give what they can.
 *
 * Unknown numbers are NaN, unknown counts -1, unknown texts "": cox_run_status_init and
 * cox_run_status_task_init set them so, and they become null in the file. */
#ifndef COX_STEER_STATUS_STATUS_H
#define COX_STEER_STATUS_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/str.h"
#include "cox/err.h"

enum cox_run_status_state {
    COX_STATUS_STARTING,    /* no frame stored yet */
    COX_STATUS_RUNNING,     /* */
    COX_STATUS_STOPPING,    /* a stop holds or a signal came: draining */
    COX_STATUS_DONE,        /* ended by one of its stops */
    COX_STATUS_INTERRUPTED, /* ended by a signal; `cox resume` goes on */
    COX_STATUS_FAILED,      /* ended by an error, see `text` */
    COX_STATUS_DEAD         /* never written: says running, but no process holds the run */
};

enum cox_run_status_task_state {
    COX_STATUS_TASK_WAITING,  /* queued for resources, or for its next attempt */
    COX_STATUS_TASK_STARTING, /* started, has not said hello */
    COX_STATUS_TASK_RUNNING,
    COX_STATUS_TASK_PAUSED, /* its cores are granted to others */
    COX_STATUS_TASK_STOPPING,
    COX_STATUS_TASK_ENDED,
    COX_STATUS_TASK_FAILED /* its restarts are used up */
};

/* One process. Figures that its role does not have stay unknown. */
struct cox_run_status_task {
    char name[64]; /* "sim-3" */
    char role[16]; /* simulate, aggregate, train, agent */
    enum cox_run_status_task_state state;
    int64_t epoch;    /* of the present attempt */
    char host[64];    /* */
    int64_t pid;      /* */
    int cores;        /* granted now; 0: shares */
    int restarts;     /* attempts after the first, this session */
    double heard_s;   /* since its last word */
    char doing[24];   /* "simulate", "train", "waiting", … as in its newest `task` message */
    char reason[160]; /* why the last attempt ended, "" when none failed */
    /* simulate: unacknowledged frames are sent - acked */
    double ns, ns_per_day;
    int64_t sent, acked;
    double blocked_s;    /* waited for credit */
    double stream_share; /* of its wall time while simulating that went into the stream */
    /* aggregate */
    int64_t stored, bytes, waiting; /* waiting: received, not yet stored */
    /* train: frames seen, and how many train_after_frames it is behind */
    int64_t samples;
    double loss, lag;
    /* agent */
    int64_t embedded, window; /* frames */
    /* train: newest published; agent: the one it embeds with */
    int model;
};
void cox_run_status_task_init(struct cox_run_status_task *task);

#define COX_STATUS_TROUBLES 8
struct cox_run_status_trouble {
    double unix_s;
    char text[200]; /* "agg-0: disk full, waiting"; "sim-2 killed by signal 9, attempt 3" */
};

struct cox_run_status {
    enum cox_run_status_state state;
    char title[160];
    char coordination[16]; /* sequential, streaming */
    char executor[16];     /* local, slurm; "" for a sequential run */
    char host[64];
    int64_t pid;           /* of the coordinator */
    char text[200];        /* why it ended or is stopping */
    double updated_s;      /* unix; set by cox_run_status_write */
    double elapsed_s;      /* of all sessions, as in the timeline */
    double eta_s, done;    /* by the nearest limit; done 0 … 1 */
    double ns, ns_per_day; /* aggregate; the rate of the last half minute or so */
    double target_ns;      /* stop.simulated_ns */
    int64_t frames;        /* stored */
    int64_t segments;      /* ended */
    double segments_per_hour;
    int lanes, cores;                /* cores: that the run may use */
    int generation, generation_last; /* completed by the slowest and the fastest lane; sequential:
                                        rounds completed */
    /* the stream */
    double frames_per_s, megabytes_per_s;
    double stream_share;    /* of simulation time, over all simulations since they began */
    int64_t unacknowledged; /* frames of all producers together */
    int pending_starts;     /* picks not yet taken by a lane */
    /* the model, the search */
    int model; /* newest published */
    int models;
    double train_loss, valid_loss;
    int outliers;
    double best;
    char best_name[64];
    double first_hit_ns;
    int arrived; /* lanes within the target */
    int states;  /* distinct, seen so far */
    /* what went wrong */
    int restarts;   /* of all tasks, all sessions */
    int poisoned;   /* starts set aside */
    int blown;      /* segments */
    int lost;       /* segments */
    int n_troubles; /* newest last, at most COX_STATUS_TROUBLES */
    struct cox_run_status_trouble trouble[COX_STATUS_TROUBLES];
    int n_tasks;
    struct cox_run_status_task *task; /* [n_tasks] of the writer, borrowed; a reader's is its own */
};
void cox_run_status_init(struct cox_run_status *status);
/* Adds one, dropping the oldest. A repetition of the newest text only moves its time. */
void cox_run_status_trouble(struct cox_run_status *status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Replaces DIRECTORY/status.json by rename, without fsync; sets updated_s. A failure is worth a
 * warning, not the end of a run. */
int cox_run_status_write(struct cox_run_status *status, const char *directory,
                         struct cox_err *err) COX_MUST_CHECK;

/* The state of the run in `directory`, also of one without status.json. COX_STATUS_DEAD is found
 * out here. Release with cox_run_status_deinit, also after a failure. */
int cox_run_status_read(struct cox_run_status *status, const char *directory,
                        struct cox_err *err) COX_MUST_CHECK;
void cox_run_status_deinit(struct cox_run_status *status); /* of a reader */
/* No process runs it any more. */
bool cox_run_status_over(const struct cox_run_status *status);

const char *cox_run_status_state_name(enum cox_run_status_state state);
const char *cox_run_status_task_state_name(enum cox_run_status_task_state state);
/* As in the file; the caller destroys it. NULL when out of memory. */
struct cox_json *cox_run_status_json(const struct cox_run_status *status);
/* A screenful for people, lines of at most `width` columns; the task list is cut to fit `height`
 * lines in all (0: no limit). */
void cox_run_status_text(const struct cox_run_status *status, int width, int height,
                         struct cox_str *out);
/* One line. */
void cox_run_status_line(const struct cox_run_status *status, struct cox_str *out);

#endif
