/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the controller share. One thread, one loop (run.c): it takes what is there,
 * decides, commits once, and only then starts what it has decided to start.
 *
 *   run.c            setting up, the loop, why it ends
 *   run_directory.c  the sweep's folder, its config.yaml, the points' ids
 *   run_reload.c     attempts, results and what was under way when the last session ended
 *   run_jobs.c       which points run, what an end means
 *   run_learn.c      the surrogate: training, serving, withdrawing
 *   run_servers.c    servers that may vanish, played on this machine
 *   run_record.c     transactions, batches, status.json, summary.json
 */
#ifndef COX_SWEEP_RUN_INTERNAL_H
#define COX_SWEEP_RUN_INTERNAL_H

#include <limits.h>

#include "base/mem.h"
#include "runtime/supervisor.h"
#include "servers/policy.h"
#include "sweep/job.h"
#include "sweep/outputs.h"
#include "sweep/run.h"

enum {
    SWEEP_RATES = 64, /* last results that the rate is of */
    SWEEP_TOKEN_SIZE = 40,
    SWEEP_FIRST_FAILURES = 20, /* so many, and no success: it would go on like this */
    SWEEP_MOST_LOSSES = 100    /* of a point on no server of ours: it ends itself by SIGTERM */
};

/* What is known of a point beside its inputs. */
struct sweep_point {
    unsigned char state, purpose; /* enum cox_point_state, enum cox_purpose */
    bool active;                  /* in the queue of returned points, or an attempt is under way */
    bool predicted;               /* a prediction is in the ledger, whatever the state */
    bool resumable;               /* its last attempt left a directory to go on in */
    int failures, forgiven;       /* of its attempts; of these before a retry was asked for */
    int losses;                   /* attempts ended from outside */
    double spent_s;               /* of all its attempts since it was last begun anew */
};

/* An attempt under way. */
struct sweep_job {
    int64_t attempt; /* 0: this place is free */
    int point;
    int task;   /* of the supervisor; -1: not handed over yet */
    int server; /* place in servers; -1 */
    bool resumes, started, told;
    bool dirty; /* the ledger has not its begin yet */
    double began_s, told_s;
    int64_t pid;
    char host[64];
    char directory[64]; /* below the sweep's */
};

enum sweep_server_state { SERVER_GONE, SERVER_STARTING, SERVER_UP, SERVER_NOTICED };
struct sweep_server {
    enum sweep_server_state state;
    int64_t id;
    int type;
    int used;                     /* slots */
    int jobs_done;                /* or ended otherwise */
    bool retiring;                /* takes no more jobs */
    bool idle;                    /* when it was taken away */
    double began_s, up_s, dies_s; /* sweep's seconds */
    double left_s;                /* when its last job so far ended */
};

/* What the types have shown: hours of a job. */
struct sweep_type_seen {
    int n;
    double hours;
};

enum sweep_phase { SWEEP_RUNNING, SWEEP_STOPPING, SWEEP_OVER };

struct cox_sweep {
    const struct cox_sweep_settings *settings;
    const struct cox_config *config;
    const struct cox_sweep_hooks *hooks;
    struct cox_arena *arena; /* of one job's arguments */
    char directory[PATH_MAX];
    char token[SWEEP_TOKEN_SIZE]; /* in the environment of every job */
    char token_env[SWEEP_TOKEN_SIZE + 32];

    struct cox_points points;
    struct cox_jobs *jobs;
    char (*key)[COX_JOB_KEY_SIZE]; /* [n] */
    struct sweep_point *point;     /* [n] */
    int n_todo, n_running, n_simulated, n_predicted, n_failed, n_audits;
    int design; /* how often the points were renumbered: part of new directories' names */

    struct cox_executor *executor;
    struct cox_supervisor *supervisor;
    int cores, slots; /* slots: jobs that fit side by side */
    struct sweep_job *job;
    int job_room, n_jobs;   /* n_jobs: in use */
    int n_started;          /* of these */
    int n_dirty;            /* … whose begin is not in the ledger */
    int *free_job;          /* [job_room] places that are free: the first job_room − n_jobs */
    struct cox_pick *picks; /* [job_room] */
    int *layout;            /* [outputs + 1] as `first` of the first result; all 0 before */
    int last_group;         /* of directories that was made, -1 */
    bool choose_dry;        /* the surrogate had nothing to run when it was asked last */
    bool halted;            /* nothing more is begun */
    int failures_told;
    int *task_job; /* [task_room] place of the job of a task, -1 */
    int task_room;
    int *returned; /* queue of points that were preempted or are retried: ring of n */
    int returned_at, n_returned;
    int next_point; /* without a surrogate: the first that was not looked at */
    int *planned;   /* places of jobs whose attempt is in the open transaction */
    int n_planned;

    struct cox_ledger *ledger;
    bool open;          /* a transaction */
    double opened_s;    /* since when */
    double commit_s;    /* what the last commits took, smoothed */
    int64_t n_attempts; /* the last one's number */

    struct cox_surrogate *surrogate; /* NULL: none */
    struct cox_surrogate_state learned;
    int64_t model;        /* the last one's number, 0: none */
    int64_t served_model; /* whose predictions are in the ledger */
    bool learned_stale;   /* results came since `learned` was asked for */
    char model_path[256];
    double learn_before_s; /* of training in earlier sessions */
    double refresh_s;      /* `learned` is not asked for before */
    bool train_ended;
    bool batch_due; /* something worth a row happened */

    struct cox_sweep_servers types;
    bool plays;                   /* servers are played */
    double hour_s;                /* of a played server's life */
    struct sweep_server *server;  /* [settings->servers.count] */
    struct sweep_type_seen *seen; /* [types.n] */
    int n_servers;
    int64_t last_server;
    double servers_cost; /* of those that are gone */
    double cost_before;  /* of attempts, where servers have no price */

    double zero_s; /* of the sweep on cox_clock_seconds' clock: earlier sessions' time is in it */
    double session_s; /* when this one began */
    double cpu_zero_s;
    double began_cpu_s;
    int64_t n_batches;
    struct cox_ledger_batch last;
    double batch_at_s, status_at_s, told_at_s;
    int batch_results; /* since the last batch */
    bool status_failed;
    double done_s[SWEEP_RATES]; /* a ring: when the last results came, for the rate */
    int n_done, n_reloaded;     /* results told of; of these in earlier sessions */
    double sim_sum_s;           /* of all simulated points' time */
    double busy_s;              /* core seconds of this session's attempts */
    double short_s;             /* mean seconds of the last jobs, smoothed; NaN: none yet */
    int session_jobs, ok_jobs, failed_jobs, preemptions, retries;
    char last_failure[320];

    enum sweep_phase phase;
    int reason;  /* enum cox_sweep_stop */
    int failure; /* status of what ended it */
    bool interrupted;
    char why[240];
};

/* run.c */
double cox_sweep_now(const struct cox_sweep *s); /* since the sweep began, over all sessions */
void cox_sweep_say(struct cox_sweep *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cox_sweep_end(struct cox_sweep *s, int reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* run_directory.c */
int cox_sweep_directory_open(struct cox_sweep *s, const char *directory,
                             struct cox_err *err) COX_MUST_CHECK;
/* What is not as the last session left it. */
struct sweep_before {
    double elapsed_s;
    bool reread;  /* outputs are described otherwise */
    bool changed; /* the settings */
};
int cox_sweep_open_design(struct cox_sweep *s, struct sweep_before *before,
                          struct cox_err *err) COX_MUST_CHECK;

/* run_reload.c */
int cox_sweep_reload(struct cox_sweep *s, struct cox_err *err) COX_MUST_CHECK;
/* Ends what processes of an earlier session of this sweep left on this host. */
void cox_sweep_end_orphans(const struct cox_sweep *s);

/* run_jobs.c */
int cox_sweep_jobs_init(struct cox_sweep *s, struct cox_err *err) COX_MUST_CHECK;
void cox_sweep_jobs_deinit(struct cox_sweep *s);
int cox_sweep_supervise(struct cox_sweep *s, struct cox_err *err) COX_MUST_CHECK;
/* Decides what starts next; it starts after the commit, by cox_sweep_launch. */
int cox_sweep_plan(struct cox_sweep *s, struct cox_err *err) COX_MUST_CHECK;
int cox_sweep_launch(struct cox_sweep *s, struct cox_err *err) COX_MUST_CHECK;
void cox_sweep_tell_job(struct cox_sweep *s, struct sweep_job *job); /* SIGTERM */
void cox_sweep_return(struct cox_sweep *s, int point); /* to be tried again, before others */
bool cox_sweep_hungry(const struct cox_sweep *s);      /* there may be something to plan */
int cox_sweep_set_state(struct cox_sweep *s, int point, enum cox_point_state state,
                        enum cox_purpose purpose, struct cox_err *err) COX_MUST_CHECK;
/* Of a point that is not simulated after all: todo, or predicted as before. */
int cox_sweep_put_back(struct cox_sweep *s, int point, enum cox_purpose purpose,
                       struct cox_err *err) COX_MUST_CHECK;
double cox_sweep_expected_s(const struct cox_sweep *s); /* of one job; NaN: unknown */

/* run_learn.c */
/* `anew`: a model of an earlier session is of no use, the settings have changed. */
int cox_sweep_learn_init(struct cox_sweep *s, bool anew, struct cox_err *err) COX_MUST_CHECK;
int cox_sweep_learn_turn(struct cox_sweep *s, struct cox_err *err) COX_MUST_CHECK;
/* `again`: although this model was served before: audits since then have moved its half-widths. */
int cox_sweep_serve(struct cox_sweep *s, bool again, struct cox_err *err) COX_MUST_CHECK;
int cox_sweep_learned(struct cox_sweep *s, int point, const struct cox_ledger_result *result,
                      double seconds, struct cox_err *err) COX_MUST_CHECK;
void cox_sweep_refresh(struct cox_sweep *s); /* s->learned */

/* run_servers.c */
int cox_sweep_servers_init(struct cox_sweep *s, struct cox_err *err) COX_MUST_CHECK;
void cox_sweep_servers_drop(struct cox_sweep *s);
/* Played servers of an earlier session ended with it, at `until_s`. */
int cox_sweep_servers_reload(struct cox_sweep *s, double until_s,
                             struct cox_err *err) COX_MUST_CHECK;
/* Begins, ages, takes away. */
int cox_sweep_servers_turn(struct cox_sweep *s, struct cox_err *err) COX_MUST_CHECK;
int cox_sweep_server_for(struct cox_sweep *s); /* a place for one more job, -1: none now */
void cox_sweep_server_left(struct cox_sweep *s, const struct sweep_job *job, double seconds,
                           bool ok);
double cox_sweep_servers_due(const struct cox_sweep *s); /* when; infinity: nothing */
int cox_sweep_servers_end(struct cox_sweep *s, struct cox_err *err) COX_MUST_CHECK;
double cox_sweep_attempt_cost(const struct cox_sweep *s, const struct sweep_job *job,
                              double seconds);
double cox_sweep_cost(const struct cox_sweep *s); /* so far */

/* run_record.c */
int cox_sweep_begin(struct cox_sweep *s, struct cox_err *err) COX_MUST_CHECK; /* unless begun */
int cox_sweep_commit(struct cox_sweep *s, struct cox_err *err) COX_MUST_CHECK;
int cox_sweep_put_attempt(struct cox_sweep *s, const struct sweep_job *job, double ended_s,
                          const char *end, const char *reason, struct cox_err *err) COX_MUST_CHECK;
int cox_sweep_batch(struct cox_sweep *s, bool now, struct cox_err *err) COX_MUST_CHECK;
void cox_sweep_status(struct cox_sweep *s, bool now);
void cox_sweep_tell(struct cox_sweep *s, bool now);
int cox_sweep_summarise(struct cox_sweep *s, struct cox_sweep_outcome *outcome,
                        struct cox_err *err) COX_MUST_CHECK;

#endif
