/* SPDX-License-Identifier: BSD-3-Clause */
/* The controller: one loop that waits for the ends of jobs, the end of a training and the clock,
 * and never for anything else. */
#include "sweep/run.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sweep/run_internal.h"

#define TICK_S 0.5    /* longest wait: the interrupt flag is looked at */
#define COMMIT_S 0.05 /* results are not promised, but neither held back longer than this */
#define EXECUTOR_AUTO 0
#define EXECUTOR_SLURM 2

double cox_sweep_now(const struct cox_sweep *s)
{
    return cox_clock_seconds() - s->zero_s;
}

void cox_sweep_say(struct cox_sweep *s, const char *fmt, ...)
{
    char line[640];
    va_list args;
    if (!s->hooks || !s->hooks->said)
        return;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    s->hooks->said(s->hooks->user, line);
}

void cox_sweep_end(struct cox_sweep *s, int reason, const char *fmt, ...)
{
    va_list args;
    if (s->phase != SWEEP_RUNNING)
        return;
    va_start(args, fmt);
    vsnprintf(s->why, sizeof s->why, fmt, args);
    va_end(args);
    s->reason = reason;
    s->halted = true;
}

/* ---- setting up ---- */

static int make_executor(struct cox_sweep *s, struct cox_err *err)
{
    const struct cox_settings_sweep_runtime *runtime = &s->settings->runtime;
    const struct cox_settings_job *job = &s->settings->job;
    struct cox_resources r = {.cores = runtime->cores > 0 ? runtime->cores : 0};
    bool slurm = runtime->executor == EXECUTOR_SLURM ||
                 (runtime->executor == EXECUTOR_AUTO && getenv("SLURM_JOB_ID") != NULL);
    if (s->plays) {
        int most = 0;
        for (int t = 0; t < s->types.n; t++)
            most = s->types.type[t].cores > most ? s->types.type[t].cores : most;
        r.cores = s->n_servers * most;
        slurm = false;
    }
    if (job->memory_gb > 0)
        r.memory_gb = 1e-9 * (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    int rc = slurm ? cox_executor_create_slurm(&s->executor, err)
                   : cox_executor_create_local(&s->executor, &r, err);
    if (rc)
        return rc;
    cox_executor_resources(s->executor, &r, NULL);
    s->cores = r.cores;
    s->slots = r.cores / job->cores;
    if (!s->slots)
        return cox_config_error(s->config, "job.cores", err, COX_EINVAL,
                                "a job takes %d cores, there are %d", job->cores, r.cores);
    if (job->memory_gb > 0 && r.memory_gb > 0) {
        int fit = (int)(r.memory_gb / job->memory_gb);
        s->slots = fit < s->slots ? fit : s->slots;
        if (!fit)
            return cox_config_error(s->config, "job.memory_gb", err, COX_EINVAL,
                                    "a job takes %g GB of memory, there are %.3g", job->memory_gb,
                                    r.memory_gb);
    }
    return cox_supervisor_create(&s->supervisor, s->executor, 1, err);
}

static int init(struct cox_sweep *s, const char *directory, struct cox_err *err)
{
    s->session_s = s->zero_s = cox_clock_seconds();
    s->cpu_zero_s = cox_clock_thread_seconds();
    s->short_s = NAN;
    s->last_group = -1;
    s->reason = -1;
    int rc = cox_points_create(&s->points, s->settings, s->config, err);
    if (!rc)
        rc = cox_jobs_create(&s->jobs, s->settings, s->config, &s->points, err);
    if (!rc)
        rc = cox_sweep_servers_init(s, err);
    if (!rc)
        rc = make_executor(s, err);
    if (!rc)
        rc = cox_sweep_jobs_init(s, err);
    if (!rc)
        rc = cox_sweep_directory_open(s, directory, err);
    if (!rc)
        rc = cox_sweep_reload(s, err);
    s->n_reloaded = s->n_done;
    s->batch_results = 0;
    return rc;
}

static void deinit(struct cox_sweep *s)
{
    cox_supervisor_destroy(s->supervisor);
    cox_executor_destroy(s->executor);
    cox_surrogate_destroy(s->surrogate);
    if (s->ledger)
        cox_ledger_rollback(s->ledger);
    cox_ledger_destroy(s->ledger);
    cox_sweep_jobs_deinit(s);
    cox_sweep_servers_drop(s);
    cox_jobs_destroy(s->jobs);
    cox_points_deinit(&s->points);
    cox_free(s->key);
    cox_free(s->point);
}

/* ---- stops ---- */

static void look_at_surrogate(struct cox_sweep *s)
{
    cox_sweep_refresh(s);
    if (s->learned.complete) {
        bool search = s->settings->objective.kind != COX_OBJECTIVE_NONE;
        cox_sweep_end(s, search ? COX_SWEEP_OBJECTIVE : COX_SWEEP_COMPLETE, "%s", s->learned.why);
        return;
    }
    bool idle = !s->n_jobs && !s->n_returned && s->choose_dry && !s->learned_stale &&
                !cox_surrogate_training(s->surrogate) && !cox_surrogate_due(s->surrogate);
    if (idle && s->n_todo) {
        s->failure = COX_EUNSUPPORTED;
        cox_sweep_end(s, -1, "nothing is left to simulate although %d points are not known: %s",
                      s->n_todo, s->learned.why);
    }
}

static void look_for_targets(struct cox_sweep *s)
{
    const struct cox_settings_targets *t = &s->settings->targets;
    int known = s->n_simulated + s->n_predicted;
    double cost = cox_sweep_cost(s);
    if (!s->n_todo && !s->n_running && !s->n_predicted)
        cox_sweep_end(s, COX_SWEEP_ALL, "all %d points are simulated", s->n_simulated);
    else if (t->jobs > 0 && known >= t->jobs)
        cox_sweep_end(s, COX_SWEEP_JOBS, "%d of %d points are known (targets.jobs)", known,
                      s->points.n);
    else if (!isnan(t->budget) && cost >= t->budget)
        cox_sweep_end(s, COX_SWEEP_BUDGET, "the budget is spent: %.4g of %.4g %s", cost, t->budget,
                      s->types.n ? "USD" : "core hours");
    else if (!isnan(t->deadline_hours) &&
             cox_sweep_now(s) >= t->deadline_hours * (s->plays ? s->hour_s : 3600))
        cox_sweep_end(s, COX_SWEEP_DEADLINE, "the deadline of %g h has passed", t->deadline_hours);
    else if (s->surrogate)
        look_at_surrogate(s);
    if (s->reason == COX_SWEEP_ALL && s->n_failed)
        snprintf(s->why, sizeof s->why, "%d points are simulated, %d failed", s->n_simulated,
                 s->n_failed);
}

static void look_for_stops(struct cox_sweep *s)
{
    const atomic_int *cancel = s->hooks ? s->hooks->cancel : NULL;
    if (s->phase == SWEEP_RUNNING && !s->halted) {
        if (cancel && atomic_load(cancel)) {
            s->interrupted = true;
            cox_sweep_end(s, -1, "interrupted");
        } else {
            look_for_targets(s);
        }
    }
    if (s->halted && s->phase == SWEEP_RUNNING) {
        s->phase = SWEEP_STOPPING;
        for (int i = 0; i < s->job_room; i++)
            if (s->job[i].attempt)
                cox_sweep_tell_job(s, &s->job[i]);
    }
    if (s->phase == SWEEP_STOPPING && !s->n_jobs)
        s->phase = SWEEP_OVER;
}

/* ---- the loop ---- */

static double patience(const struct cox_sweep *s)
{
    double now = cox_clock_seconds();
    double wait = TICK_S;
    double due = cox_supervisor_due_s(s->supervisor);
    if (due >= 0)
        wait = fmin(wait, due);
    wait = fmin(wait, cox_sweep_servers_due(s) - (now - s->zero_s));
    if (s->open)
        wait = fmin(wait, s->opened_s + COMMIT_S - now);
    if (s->learned_stale)
        wait = fmin(wait, s->refresh_s - now);
    return fmax(wait, 0);
}

/* Until something has happened. Waiting is exact to a millisecond upwards: early would be a turn
 * for nothing. */
static int await(struct cox_sweep *s, struct cox_err *err)
{
    double wait = patience(s);
    struct pollfd fds[2] = {{.fd = cox_supervisor_fd(s->supervisor), .events = POLLIN}};
    nfds_t n = 1;
    if (s->surrogate && cox_surrogate_training(s->surrogate))
        fds[n++] = (struct pollfd){.fd = cox_surrogate_train_fd(s->surrogate), .events = POLLIN};
    if (wait <= 0 && n == 1)
        return COX_OK;
    int got = poll(fds, n, (int)ceil(wait * 1e3));
    if (got < 0 && errno != EINTR)
        return cox_err_errno(err, "cannot wait");
    s->train_ended = got > 0 && n == 2 && fds[1].revents;
    return COX_OK;
}

/* What was planned must be in the ledger before it starts; what has ended is not held back long. */
static int commit_if_due(struct cox_sweep *s, struct cox_err *err)
{
    bool late = s->open && (cox_clock_seconds() - s->opened_s >= COMMIT_S || !s->n_jobs ||
                            s->phase != SWEEP_RUNNING);
    return s->n_planned || late ? cox_sweep_commit(s, err) : COX_OK;
}

static int turn(struct cox_sweep *s, struct cox_err *err)
{
    int rc = cox_sweep_supervise(s, err);
    if (!rc)
        rc = cox_sweep_learn_turn(s, err);
    if (!rc)
        rc = cox_sweep_servers_turn(s, err);
    if (rc)
        return rc;
    look_for_stops(s);
    rc = cox_sweep_plan(s, err);
    if (!rc)
        rc = cox_sweep_batch(s, false, err);
    if (!rc)
        rc = commit_if_due(s, err);
    if (!rc)
        rc = cox_sweep_launch(s, err);
    cox_sweep_status(s, false);
    cox_sweep_tell(s, false);
    return rc || s->phase == SWEEP_OVER ? rc : await(s, err);
}

static int settle(struct cox_sweep *s, struct cox_err *err)
{
    cox_sweep_refresh(s);
    if (s->served_model)
        s->served_model = -1; /* again: points whose jobs were stopped are to be predicted, too */
    int rc = cox_sweep_serve(s, true, err);
    if (!rc)
        rc = cox_sweep_servers_end(s, err);
    if (!rc)
        rc = cox_sweep_batch(s, true, err);
    if (!rc)
        rc = cox_sweep_commit(s, err);
    if (!rc && s->failure)
        return cox_err_set(err, s->failure, "%s", s->why);
    if (!rc && s->interrupted)
        return cox_err_set(err, COX_ECANCELLED, "interrupted");
    if (!rc && s->reason == COX_SWEEP_ALL && !s->n_simulated && s->n_failed) {
        s->failure = COX_EEXTERNAL;
        return cox_err_set(err, COX_EEXTERNAL, "every job failed; the last one, %s",
                           s->last_failure[0] ? s->last_failure : "in an earlier session");
    }
    return rc;
}

static int finish(struct cox_sweep *s, int rc, struct cox_sweep_outcome *outcome,
                  struct cox_err *err)
{
    struct cox_err problem = COX_ERR_INIT;
    if (!rc)
        rc = settle(s, err);
    if (rc && rc != COX_ECANCELLED) {
        s->failure = rc;
        if (err)
            snprintf(s->why, sizeof s->why, "%.230s", err->text);
    }
    s->phase = SWEEP_OVER;
    int written = cox_sweep_summarise(s, outcome, &problem);
    cox_sweep_status(s, true);
    cox_sweep_tell(s, true);
    return !rc && written ? cox_err_set(err, written, "%s", problem.text) : rc;
}

int cox_sweep_run(struct cox_sweep_outcome *outcome, const struct cox_sweep_settings *settings,
                  const struct cox_config *config, const char *directory,
                  const struct cox_sweep_hooks *hooks, struct cox_err *err)
{
    *outcome = (struct cox_sweep_outcome){0};
    struct cox_sweep *s = cox_alloc(1, sizeof *s);
    if (!s)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    s->settings = settings;
    s->config = config;
    s->hooks = hooks;
    int rc = init(s, directory, err);
    if (!rc) {
        cox_sweep_status(s, true);
        while (!rc && s->phase != SWEEP_OVER)
            rc = turn(s, err);
        rc = finish(s, rc, outcome, err);
    }
    deinit(s);
    cox_free(s);
    return rc;
}
