/* SPDX-License-Identifier: BSD-3-Clause */
/* What a sweep writes down: transactions, where it stands after each batch, status.json for those
 * who look on, summary.json at the end (docs/formats-sweep.md). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "sweep/performance.h"
#include "sweep/run_internal.h"

#define STATUS_S 1.0
#define TELL_S 0.1
#define BATCH_S 1.0 /* rows of the batch table come no faster, but for events */
#define SHOWN_JOBS 64

/* ---- transactions ---- */

int cox_sweep_begin(struct cox_sweep *s, struct cox_err *err)
{
    if (s->open)
        return COX_OK;
    int rc = cox_ledger_begin(s->ledger, err);
    s->open = !rc;
    s->opened_s = cox_clock_seconds();
    return rc;
}

static int record_begins(struct cox_sweep *s, struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; !rc && s->n_dirty && i < s->job_room; i++) {
        struct sweep_job *job = &s->job[i];
        if (!job->attempt || !job->dirty)
            continue;
        rc = cox_sweep_put_attempt(s, job, NAN, "", "", err);
        job->dirty = false;
        s->n_dirty--;
    }
    return rc;
}

int cox_sweep_commit(struct cox_sweep *s, struct cox_err *err)
{
    char text[32];
    int rc = cox_sweep_begin(s, err);
    if (!rc)
        rc = record_begins(s, err);
    snprintf(text, sizeof text, "%.6f", cox_sweep_now(s));
    if (!rc)
        rc = cox_ledger_set_text(s->ledger, "elapsed_s", text, err);
    if (!rc)
        rc = cox_ledger_commit(s->ledger, err);
    s->open = false;
    return rc;
}

int cox_sweep_put_attempt(struct cox_sweep *s, const struct sweep_job *job, double ended_s,
                          const char *end, const char *reason, struct cox_err *err)
{
    struct cox_ledger_attempt row = {
        .id = job->attempt,
        .point = job->point,
        .pid = job->pid,
        .cores = s->settings->job.cores,
        .began_s = job->began_s > 0 || job->started ? job->began_s : NAN,
        .ended_s = ended_s,
        .cost =
            isnan(ended_s) ? NAN : cox_sweep_attempt_cost(s, job, fmax(0, ended_s - job->began_s)),
        .seed = cox_job_seed(s->jobs, job->point),
    };
    if (job->server >= 0) {
        const struct sweep_server *v = &s->server[job->server];
        snprintf(row.server, sizeof row.server, "%.40s-%lld", s->types.type[v->type].name,
                 (long long)v->id);
    }
    snprintf(row.host, sizeof row.host, "%s", job->host);
    snprintf(row.end, sizeof row.end, "%s", end);
    snprintf(row.reason, sizeof row.reason, "%s", reason);
    snprintf(row.directory, sizeof row.directory, "%s", job->directory);
    return cox_ledger_put_attempt(s->ledger, &row, err);
}

/* ---- where it stands ---- */

static struct cox_performance performance(const struct cox_sweep *s)
{
    int audits = s->surrogate ? s->n_audits : 0;
    return (struct cox_performance){
        .N = s->points.n - s->n_failed,
        .n = s->n_simulated - audits,
        .v = audits,
        .t_sim = s->n_simulated ? s->sim_sum_s / s->n_simulated : NAN,
        .t_learn = s->learned.t_learn,
        .t_lookup = s->learned.t_lookup,
    };
}

static void fill_batch(struct cox_sweep *s, struct cox_ledger_batch *b)
{
    struct cox_performance p = performance(s);
    *b = (struct cox_ledger_batch){
        .id = s->n_batches,
        .at_s = cox_sweep_now(s),
        .simulated = s->n_simulated,
        .predicted = s->n_predicted,
        .failed = s->n_failed,
        .audits = s->n_audits,
        .audits_failed = s->learned.audits_failed,
        .model = s->model ? s->model : -1,
        .half_width = s->surrogate ? s->learned.half_width : NAN,
        .failing_bound = s->surrogate ? s->learned.failing_bound : NAN,
        .error = s->surrogate ? s->learned.error : NAN,
        .t_sim = p.t_sim,
        .t_learn = p.t_learn,
        .t_lookup = p.t_lookup,
        .speedup = s->surrogate ? cox_speedup(&p) : 1,
        .objective = s->learned.best_value,
        .cost = cox_sweep_cost(s),
    };
}

/* As in the last batch: failures, and a bag that has changed, move them without a result. */
static bool same_counts(const struct cox_sweep *s)
{
    return s->last.simulated == s->n_simulated && s->last.predicted == s->n_predicted &&
           s->last.failed == s->n_failed;
}

int cox_sweep_batch(struct cox_sweep *s, bool now, struct cox_err *err)
{
    int size = s->settings->acquisition.batch > 0 ? s->settings->acquisition.batch : s->slots;
    double at = cox_sweep_now(s);
    bool due = s->batch_due || (s->batch_results >= size && at - s->batch_at_s >= BATCH_S);
    if (!now && !due)
        return COX_OK;
    if (now && !s->batch_results && !s->batch_due && s->n_batches && same_counts(s))
        return COX_OK;
    s->n_batches++;
    s->batch_due = false;
    s->batch_results = 0;
    s->batch_at_s = at;
    cox_sweep_refresh(s);
    fill_batch(s, &s->last);
    int rc = cox_sweep_begin(s, err);
    return rc ? rc : cox_ledger_put_batch(s->ledger, &s->last, err);
}

/* Per second, over the last results of this session; NaN: unknown. */
static double rate_of(const struct cox_sweep *s)
{
    int n = s->n_done - s->n_reloaded;
    if (n < 2)
        return NAN;
    int first = n > SWEEP_RATES ? s->n_done - SWEEP_RATES : s->n_reloaded;
    double from = s->done_s[first % SWEEP_RATES];
    double seconds = cox_sweep_now(s) - from;
    return seconds > 0 ? (s->n_done - first - 1) / seconds : NAN;
}

/* Every point that is not simulated yet, at the present rate; the surrogate may end it earlier. */
static double eta_of(const struct cox_sweep *s, double rate)
{
    int left = s->points.n - s->n_simulated - s->n_failed;
    return rate > 0 ? left / rate : NAN;
}

static const char *stage_of(const struct cox_sweep *s)
{
    if (s->phase != SWEEP_RUNNING)
        return s->phase == SWEEP_OVER ? "over" : "stopping";
    if (s->surrogate && cox_surrogate_training(s->surrogate) && !s->n_started)
        return "training";
    return s->n_predicted && s->n_started ? "auditing" : "simulating";
}

static struct cox_sweep_progress progress(const struct cox_sweep *s)
{
    struct cox_ledger_batch b;
    double rate = rate_of(s);
    fill_batch((struct cox_sweep *)s, &b);
    return (struct cox_sweep_progress){
        .points = s->points.n,
        .simulated = s->n_simulated,
        .predicted = s->n_predicted,
        .failed = s->n_failed,
        .running = s->n_started,
        .preempted = s->preemptions,
        .surrogate = s->learned,
        .jobs_per_s = rate,
        .elapsed_s = cox_sweep_now(s),
        .eta_s = eta_of(s, rate),
        .speedup = s->surrogate ? b.speedup : NAN,
        .cost = b.cost,
        .stage = stage_of(s),
    };
}

void cox_sweep_tell(struct cox_sweep *s, bool now)
{
    double at = cox_clock_seconds();
    if (!s->hooks || !s->hooks->progress || (!now && at - s->told_at_s < TELL_S))
        return;
    s->told_at_s = at;
    struct cox_sweep_progress p = progress(s);
    s->hooks->progress(s->hooks->user, &p);
}

/* ---- files ---- */

static const char *state_of(const struct cox_sweep *s)
{
    if (s->phase == SWEEP_RUNNING)
        return "running";
    if (s->phase == SWEEP_STOPPING)
        return "stopping";
    return s->failure ? "failed" : s->interrupted ? "interrupted" : "done";
}

/* Inputs of the best point of a search; "" where there is none. */
static void describe_best(const struct cox_sweep *s, char *out, size_t size)
{
    int best = s->learned.best;
    struct cox_str inputs;
    out[0] = '\0';
    if (!s->surrogate || s->settings->objective.kind == COX_OBJECTIVE_NONE || best < 0)
        return;
    cox_str_init(&inputs, 1 << 16);
    cox_points_describe(&s->points, s->points.x + (size_t)best * (size_t)s->points.n_inputs,
                        &inputs);
    snprintf(out, size, "%.*s", (int)size - 1, cox_str_text(&inputs));
    cox_str_deinit(&inputs);
}

static struct cox_json *batch_json(const struct cox_sweep *s, const struct cox_ledger_batch *b)
{
    struct cox_performance p = performance(s);
    struct cox_json *j = cox_json_object();
    cox_json_set_bool(j, "enabled", s->surrogate != NULL);
    cox_json_set_bool(j, "trusted", s->learned.trusted);
    cox_json_set_bool(j, "complete", s->learned.complete);
    cox_json_set_text(j, "why", s->learned.why);
    cox_json_set_int(j, "model", b->model);
    cox_json_set_int(j, "audits", b->audits);
    cox_json_set_int(j, "audits_failed", b->audits_failed);
    cox_json_set_int(j, "servable", s->learned.servable);
    cox_json_set_number(j, "half_width", b->half_width);
    cox_json_set_number(j, "failing_bound", b->failing_bound);
    cox_json_set_number(j, "error", b->error);
    cox_json_set_number(j, "t_sim_s", b->t_sim);
    cox_json_set_number(j, "t_learn_s", b->t_learn);
    cox_json_set_number(j, "t_lookup_s", b->t_lookup);
    cox_json_set_number(j, "speedup", b->speedup);
    cox_json_set_number(j, "crossover_points", s->surrogate ? cox_speedup_crossover(&p) : NAN);
    cox_json_set_number(j, "objective", b->objective);
    cox_json_set_int(j, "best_point", s->learned.best);
    return j;
}

static struct cox_json *running_json(const struct cox_sweep *s)
{
    struct cox_json *list = cox_json_array();
    double now = cox_sweep_now(s);
    int shown = 0;
    for (int i = 0; i < s->job_room && shown < SHOWN_JOBS; i++) {
        const struct sweep_job *job = &s->job[i];
        if (!job->attempt || !job->started)
            continue;
        struct cox_json *j = cox_json_object();
        cox_json_set_int(j, "point", job->point);
        cox_json_set_int(j, "attempt", job->attempt);
        cox_json_set_text(j, "purpose",
                          cox_purpose_word((enum cox_purpose)s->point[job->point].purpose));
        cox_json_set_int(j, "pid", job->pid);
        cox_json_set_text(j, "host", job->host);
        cox_json_set_number(j, "seconds", now - job->began_s);
        cox_json_set_text(j, "directory", job->directory);
        cox_json_push(list, j);
        shown++;
    }
    return list;
}

static struct cox_json *servers_json(const struct cox_sweep *s)
{
    static const char *const words[] = {"gone", "starting", "up", "noticed"};
    struct cox_json *list = cox_json_array();
    double now = cox_sweep_now(s);
    int shown = 0;
    for (int i = 0; i < s->n_servers && shown < SHOWN_JOBS; i++) {
        const struct sweep_server *v = &s->server[i];
        if (v->state == SERVER_GONE)
            continue;
        struct cox_json *j = cox_json_object();
        cox_json_set_int(j, "id", v->id);
        cox_json_set_text(j, "type", s->types.type[v->type].name);
        cox_json_set_text(j, "state", words[v->state]);
        cox_json_set_number(j, "age_h", fmax(0, now - v->up_s) / s->hour_s);
        cox_json_set_int(j, "jobs", v->used);
        cox_json_push(list, j);
        shown++;
    }
    return list;
}

static struct cox_json *figures(const struct cox_sweep *s, const struct cox_sweep_progress *p)
{
    struct cox_json *j = cox_json_object();
    char utc[32];
    char best[200];
    cox_clock_utc(utc, sizeof utc);
    describe_best(s, best, sizeof best);
    cox_json_set_int(j, "version", 1);
    cox_json_set_text(j, "kind", "sweep");
    cox_json_set_text(j, "title", s->settings->title);
    cox_json_set_text(j, "state", state_of(s));
    cox_json_set_text(j, "text", s->why);
    cox_json_set_text(j, "at", utc);
    cox_json_set_int(j, "points", p->points);
    cox_json_set_int(j, "simulated", p->simulated);
    cox_json_set_int(j, "predicted", p->predicted);
    cox_json_set_int(j, "failed", p->failed);
    cox_json_set_int(j, "todo", s->n_todo);
    cox_json_set_int(j, "attempts", s->n_attempts);
    cox_json_set_int(j, "preemptions", s->preemptions);
    cox_json_set_int(j, "retries", s->retries);
    cox_json_set_number(j, "elapsed_s", p->elapsed_s);
    cox_json_set_number(j, "cost", p->cost);
    cox_json_set_text(j, "cost_unit", s->types.n ? "USD" : "core hours");
    cox_json_set_text(j, "best_inputs", best[0] ? best : NULL);
    return j;
}

void cox_sweep_status(struct cox_sweep *s, bool now)
{
    struct cox_err problem = COX_ERR_INIT;
    struct cox_ledger_batch b;
    char path[PATH_MAX];
    char host[256] = "";
    double at = cox_clock_seconds();
    if (!now && at - s->status_at_s < STATUS_S)
        return;
    s->status_at_s = at;
    cox_sweep_refresh(s);
    struct cox_sweep_progress p = progress(s);
    struct cox_json *j = figures(s, &p);
    fill_batch(s, &b);
    if (gethostname(host, sizeof host - 1))
        host[0] = '\0';
    cox_json_set_text(j, "host", host);
    cox_json_set_int(j, "pid", getpid());
    cox_json_set_text(j, "executor", cox_executor_kind(s->executor));
    cox_json_set_int(j, "cores", s->cores);
    cox_json_set_int(j, "running", p.running);
    cox_json_set_text(j, "stage", p.stage);
    cox_json_set_number(j, "jobs_per_s", p.jobs_per_s);
    cox_json_set_number(j, "eta_s", p.eta_s);
    cox_json_set(j, "surrogate", batch_json(s, &b));
    cox_json_set(j, "jobs", running_json(s));
    cox_json_set(j, "servers", servers_json(s));
    int rc = cox_path_join(path, sizeof path, s->directory, "status.json", &problem);
    if (!rc)
        rc = cox_json_write(j, path, &problem);
    if (rc && !s->status_failed)
        cox_log(COX_LOG_WARN, "%s", problem.text);
    s->status_failed = rc != 0;
    cox_json_destroy(j);
}

static const char *const stop_words[] = {"all",       "complete", "jobs",
                                         "objective", "budget",   "deadline"};

int cox_sweep_summarise(struct cox_sweep *s, struct cox_sweep_outcome *o, struct cox_err *err)
{
    char path[PATH_MAX];
    double wall = cox_clock_seconds() - s->session_s;
    double cpu = cox_clock_thread_seconds() - s->cpu_zero_s;
    *o = (struct cox_sweep_outcome){
        .reason = s->reason < 0 ? COX_SWEEP_ALL : (enum cox_sweep_stop)s->reason,
        .last = s->last,
        .points = s->points.n,
        .attempts = (int)s->n_attempts,
        .preemptions = s->preemptions,
        .retries = s->retries,
        .wall_s = wall,
        .busy_share = wall > 0 && s->cores ? s->busy_s / (wall * s->cores) : 0,
        .overhead_ms = s->session_jobs ? 1e3 * cpu / s->session_jobs : 0,
    };
    snprintf(o->text, sizeof o->text, "%s", s->why);
    describe_best(s, o->best, sizeof o->best);
    struct cox_sweep_progress p = progress(s);
    struct cox_json *j = figures(s, &p);
    cox_json_set_text(j, "reason", s->reason < 0 ? NULL : stop_words[s->reason]);
    struct cox_json *session = cox_json_object();
    cox_json_set_number(session, "wall_s", wall);
    cox_json_set_int(session, "jobs", s->session_jobs);
    cox_json_set_number(session, "cores_busy", o->busy_share);
    cox_json_set_number(session, "controller_cpu_s", cpu);
    cox_json_set_number(session, "controller_ms_per_job", o->overhead_ms);
    cox_json_set(j, "session", session);
    cox_json_set(j, "surrogate", batch_json(s, &s->last));
    int rc = cox_path_join(path, sizeof path, s->directory, "summary.json", err);
    if (!rc)
        rc = cox_json_write(j, path, err);
    cox_json_destroy(j);
    return rc;
}
