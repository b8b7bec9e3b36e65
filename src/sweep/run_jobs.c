/* SPDX-License-Identifier: BSD-3-Clause */
/* Which points run, and what the end of an attempt means. Short jobs are planned ahead: their
 * attempts are in the ledger before they begin, but one transaction holds many, and the next jobs
 * start while it is on its way to the disk. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "sweep/run_internal.h"

#define AHEAD_S 0.15 /* of work planned ahead */
#define MOST_AHEAD 1024
#define MOST_TOLD 50 /* lines about failures; the ledger has them all */
#define SIGTERM_CODE (128 + SIGTERM)

static const char log_name[] = "job.log";

/* ---- room ---- */

int cox_sweep_jobs_init(struct cox_sweep *s, struct cox_err *err)
{
    s->job_room = s->slots + MOST_AHEAD;
    s->job = cox_alloc((size_t)s->job_room, sizeof *s->job);
    s->planned = cox_alloc((size_t)s->job_room, sizeof *s->planned);
    s->picks = cox_alloc((size_t)s->job_room, sizeof *s->picks);
    s->free_job = cox_alloc((size_t)s->job_room, sizeof *s->free_job);
    s->returned = cox_alloc((size_t)s->points.n, sizeof *s->returned);
    s->layout = cox_alloc((size_t)s->settings->outputs.n + 1, sizeof *s->layout);
    if (!s->job || !s->planned || !s->picks || !s->free_job || !s->returned || !s->layout)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d points", s->points.n);
    for (int i = 0; i < s->job_room; i++)
        s->free_job[i] = s->job_room - 1 - i;
    return COX_OK;
}

void cox_sweep_jobs_deinit(struct cox_sweep *s)
{
    cox_free(s->job);
    cox_free(s->planned);
    cox_free(s->picks);
    cox_free(s->free_job);
    cox_free(s->returned);
    cox_free(s->layout);
    cox_free(s->task_job);
}

static int ahead_of(const struct cox_sweep *s)
{
    if (s->plays || isnan(s->short_s) || s->short_s > AHEAD_S)
        return 0;
    double n = AHEAD_S / fmax(s->short_s, 1e-4) * s->slots;
    return (int)fmin(n, MOST_AHEAD);
}

double cox_sweep_expected_s(const struct cox_sweep *s)
{
    if (s->n_simulated)
        return s->sim_sum_s / s->n_simulated;
    return s->settings->job.expected_minutes * 60; /* NaN: unknown */
}

int cox_sweep_set_state(struct cox_sweep *s, int point, enum cox_point_state state,
                        enum cox_purpose purpose, struct cox_err *err)
{
    struct sweep_point *p = &s->point[point];
    int *const count[] = {&s->n_todo, &s->n_running, &s->n_simulated, &s->n_predicted,
                          &s->n_failed};
    --*count[p->state];
    ++*count[state];
    p->state = (unsigned char)state;
    p->purpose = (unsigned char)purpose;
    return cox_ledger_set_state(s->ledger, point, state, purpose, err);
}

int cox_sweep_put_back(struct cox_sweep *s, int point, enum cox_purpose purpose,
                       struct cox_err *err)
{
    bool predicted = s->point[point].predicted;
    return cox_sweep_set_state(s, point, predicted ? COX_POINT_PREDICTED : COX_POINT_TODO, purpose,
                               err);
}

void cox_sweep_return(struct cox_sweep *s, int point)
{
    if (s->point[point].active)
        return;
    s->point[point].active = true;
    s->returned[(s->returned_at + s->n_returned++) % s->points.n] = point;
}

/* ---- choosing ---- */

bool cox_sweep_hungry(const struct cox_sweep *s)
{
    if (s->phase != SWEEP_RUNNING || s->halted)
        return false;
    int ahead = ahead_of(s);
    if (s->n_jobs >= s->slots + ahead / 2)
        return false;
    if (s->n_returned)
        return true;
    return s->surrogate ? !s->choose_dry : s->next_point < s->points.n;
}

/* The next point that nobody is at, -1: none now. */
static int next_in_order(struct cox_sweep *s)
{
    while (s->next_point < s->points.n) {
        int i = s->next_point++;
        if (!s->point[i].active && s->point[i].state == COX_POINT_TODO)
            return i;
    }
    return -1;
}

static int choose(struct cox_sweep *s, int most)
{
    int n = 0;
    while (n < most && s->n_returned) {
        int point = s->returned[s->returned_at];
        s->returned_at = (s->returned_at + 1) % s->points.n;
        s->n_returned--;
        enum cox_purpose purpose = s->point[point].purpose;
        s->picks[n++] =
            (struct cox_pick){point, purpose == COX_PURPOSE_NONE ? COX_PURPOSE_DESIGN : purpose};
    }
    if (n == most)
        return n;
    if (s->surrogate) {
        int m = cox_surrogate_choose(s->surrogate, most - n, s->picks + n);
        s->choose_dry = m == 0;
        return n + m;
    }
    for (int i = 0; n < most && (i = next_in_order(s)) >= 0;)
        s->picks[n++] = (struct cox_pick){i, COX_PURPOSE_DESIGN};
    return n;
}

/* The same point in a later design, or tried again, gets a directory of its own: what failed is
 * kept, and a number may have belonged to another point before. */
static void name_directory(const struct cox_sweep *s, int point, char *out, size_t size)
{
    char design[24] = "";
    char again[24] = "";
    if (s->design)
        snprintf(design, sizeof design, "-d%d", s->design);
    if (s->point[point].failures)
        snprintf(again, sizeof again, "-try%d", s->point[point].failures + 1);
    snprintf(out, size, "jobs/%03d/%06d%s%s", point / 1000, point, design, again);
}

static int make_group(struct cox_sweep *s, int point, struct cox_err *err)
{
    char path[PATH_MAX];
    char name[32];
    if (point / 1000 == s->last_group)
        return COX_OK;
    snprintf(name, sizeof name, "jobs/%03d", point / 1000);
    int rc = cox_path_join(path, sizeof path, s->directory, name, err);
    if (!rc)
        rc = cox_directory_create(path, err);
    if (!rc)
        s->last_group = point / 1000;
    return rc;
}

static int plan_one(struct cox_sweep *s, const struct cox_pick *pick, int server,
                    struct cox_err *err)
{
    struct sweep_point *p = &s->point[pick->point];
    char path[PATH_MAX];
    int place = s->free_job[s->job_room - s->n_jobs - 1];
    struct sweep_job *job = &s->job[place];
    *job = (struct sweep_job){.attempt = s->n_attempts + 1,
                              .point = pick->point,
                              .task = -1,
                              .server = server,
                              .resumes = p->resumable};
    name_directory(s, pick->point, job->directory, sizeof job->directory);
    int rc = make_group(s, pick->point, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, s->directory, job->directory, err);
    if (!rc && job->resumes && !cox_file_is_directory(path))
        job->resumes = false; /* somebody has tidied up */
    if (!rc)
        rc = cox_job_prepare(s->jobs, pick->point, path, job->resumes, err);
    if (!rc)
        rc = cox_sweep_begin(s, err);
    if (!rc)
        rc = cox_sweep_put_attempt(s, job, NAN, "", "", err);
    if (!rc)
        rc = cox_sweep_set_state(s, pick->point, COX_POINT_RUNNING, pick->purpose, err);
    if (rc)
        return cox_err_wrap(err, rc, "point %d", pick->point);
    if (!job->resumes)
        p->spent_s = 0;
    p->active = true;
    s->n_attempts++;
    s->n_jobs++;
    s->planned[s->n_planned++] = place;
    return COX_OK;
}

int cox_sweep_plan(struct cox_sweep *s, struct cox_err *err)
{
    int rc = COX_OK;
    while (!rc && cox_sweep_hungry(s)) {
        int most = s->slots + ahead_of(s) - s->n_jobs;
        int server = -1;
        if (s->plays) {
            if ((server = cox_sweep_server_for(s)) < 0)
                break;
            most = 1;
        }
        int n = choose(s, most);
        for (int i = 0; !rc && i < n; i++)
            rc = plan_one(s, &s->picks[i], server, err);
        if (n && s->plays && !rc)
            s->server[server].used++;
        if (!n)
            break;
    }
    return rc;
}

/* ---- starting: the attempts are committed ---- */

static int note_task(struct cox_sweep *s, int task, int place, struct cox_err *err)
{
    if (task >= s->task_room) {
        int room = s->task_room ? 2 * s->task_room : 1024;
        int *more = cox_realloc(s->task_job, (size_t)room, sizeof *more);
        if (!more)
            return cox_err_set(err, COX_ENOMEM, "out of memory for %d attempts", room);
        s->task_job = more;
        s->task_room = room;
    }
    s->task_job[task] = place;
    return COX_OK;
}

static int start(struct cox_sweep *s, int place, struct cox_arena *arena, struct cox_err *err)
{
    const struct cox_settings_job *settings = &s->settings->job;
    struct sweep_job *job = &s->job[place];
    struct cox_task task = COX_TASK_INIT;
    char directory[PATH_MAX];
    char log[PATH_MAX];
    const char *const env[] = {s->token_env, NULL};
    int rc = cox_path_join(directory, sizeof directory, s->directory, job->directory, err);
    if (!rc)
        rc = cox_path_join(log, sizeof log, directory, log_name, err);
    bool resume = job->resumes && settings->resume.n;
    if (!rc)
        rc = cox_job_arguments(s->jobs, job->point, resume, &task.argv, arena, err);
    if (rc)
        return rc;
    snprintf(task.name, sizeof task.name, "point-%d-%lld", job->point, (long long)job->attempt);
    task.env = env;
    task.directory = directory;
    task.log = log;
    task.cores = settings->cores;
    task.memory_gb = settings->memory_gb;
    task.wall_s = isnan(settings->limit_minutes) ? 0 : settings->limit_minutes * 60;
    task.grace_s = settings->grace_s;
    if (job->server >= 0)
        task.grace_s = s->types.type[s->server[job->server].type].notice_s * s->hour_s / 3600;
    rc = cox_supervisor_add(s->supervisor, &task, &job->task, err);
    return rc ? rc : note_task(s, job->task, place, err);
}

int cox_sweep_launch(struct cox_sweep *s, struct cox_err *err)
{
    int rc = COX_OK;
    if (!s->n_planned)
        return COX_OK;
    struct cox_arena *arena = cox_arena_create();
    if (!arena)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    for (int i = 0; !rc && i < s->n_planned; i++)
        rc = start(s, s->planned[i], arena, err);
    cox_arena_destroy(arena);
    s->n_planned = 0;
    return rc;
}

void cox_sweep_tell_job(struct cox_sweep *s, struct sweep_job *job)
{
    if (job->told || job->task < 0)
        return;
    job->told = true;
    job->told_s = cox_sweep_now(s);
    cox_supervisor_stop(s->supervisor, job->task);
}

/* ---- ends ---- */

static void free_job(struct cox_sweep *s, int place)
{
    s->job[place].attempt = 0;
    s->free_job[s->job_room - s->n_jobs] = place;
    s->n_jobs--;
}

static void tell_failure(struct cox_sweep *s, const struct sweep_job *job, const char *reason,
                         const char *then)
{
    struct cox_str inputs;
    cox_str_init(&inputs, 1 << 16);
    const double *x = s->points.x + (size_t)job->point * (size_t)s->points.n_inputs;
    cox_points_describe(&s->points, x, &inputs);
    snprintf(s->last_failure, sizeof s->last_failure, "point %d (%.120s): %.160s", job->point,
             cox_str_text(&inputs), reason);
    cox_str_deinit(&inputs);
    if (++s->failures_told < MOST_TOLD)
        cox_sweep_say(s, "%s; %s", s->last_failure, then);
    else if (s->failures_told == MOST_TOLD)
        cox_sweep_say(s, "%s; further failures are in ledger.db only", s->last_failure);
}

/* Tried again with the same inputs, in a directory of its own, or given up. */
static int failed(struct cox_sweep *s, const struct sweep_job *job, const char *reason,
                  struct cox_err *err)
{
    struct sweep_point *p = &s->point[job->point];
    int retries = s->settings->job.retries;
    char then[160];
    p->failures++;
    p->resumable = false;
    s->failed_jobs++;
    s->choose_dry = false;
    int tried = p->failures - p->forgiven;
    if (tried <= retries) {
        s->retries++;
        snprintf(then, sizeof then, "tried again (%d of %d)", tried, retries);
        tell_failure(s, job, reason, then);
        cox_sweep_return(s, job->point);
        return cox_sweep_put_back(s, job->point, p->purpose, err);
    }
    snprintf(then, sizeof then, "given up, see %s", job->directory);
    tell_failure(s, job, reason, then);
    if (s->surrogate)
        cox_surrogate_failed(s->surrogate, job->point);
    p->predicted = false;
    int rc = cox_ledger_drop_result(s->ledger, job->point, err);
    return rc ? rc : cox_sweep_set_state(s, job->point, COX_POINT_FAILED, p->purpose, err);
}

/* The first job decides how many values each output has. */
static int check_layout(struct cox_sweep *s, const struct cox_values *v, struct cox_err *err)
{
    int n = s->settings->outputs.n;
    const struct cox_sweep_output *o = s->settings->outputs.items;
    if (!s->layout[n])
        memcpy(s->layout, v->first, ((size_t)n + 1) * sizeof *s->layout);
    for (int i = 0; i < n; i++) {
        int has = v->first[i + 1] - v->first[i];
        int others = s->layout[i + 1] - s->layout[i];
        if (has != others)
            return cox_err_set(err, COX_EFORMAT,
                               "output '%s' has %d values, that of other points has %d", o[i].name,
                               has, others);
    }
    return COX_OK;
}

/* *good: it has a result. Otherwise `why` says what could not be read. */
static int finished(struct cox_sweep *s, const struct sweep_job *job, bool *good,
                    struct cox_err *why, struct cox_err *err)
{
    struct sweep_point *p = &s->point[job->point];
    struct cox_values v = {0};
    char path[PATH_MAX];
    *good = false;
    int rc = cox_path_join(path, sizeof path, s->directory, job->directory, err);
    if (rc)
        return rc;
    int read = cox_outputs_read(&v, s->settings, path, why);
    if (!read)
        read = check_layout(s, &v, why);
    if (read) {
        cox_values_deinit(&v);
        return read == COX_ENOMEM ? cox_err_set(err, read, "%s", why->text) : COX_OK;
    }
    *good = true;
    struct cox_ledger_result row = {.point = job->point,
                                    .attempt = job->attempt,
                                    .model = -1,
                                    .n = v.n,
                                    .n_outputs = s->settings->outputs.n,
                                    .value = v.value,
                                    .error = v.error,
                                    .first = v.first};
    p->predicted = false;
    rc = cox_ledger_put_result(s->ledger, &row, err);
    if (!rc)
        rc = cox_sweep_set_state(s, job->point, COX_POINT_SIMULATED, p->purpose, err);
    if (!rc)
        rc = cox_sweep_learned(s, job->point, &row, p->spent_s, err);
    cox_values_deinit(&v);
    if (!rc && s->settings->job.keep.n)
        rc = cox_job_tidy(s->jobs, path, err);
    s->ok_jobs++;
    return rc;
}

/* Taken away: the point comes back, and goes on where its checkpoint is. */
static int lost(struct cox_sweep *s, const struct sweep_job *job, struct cox_err *err)
{
    struct sweep_point *p = &s->point[job->point];
    p->resumable = job->started && !isnan(s->settings->job.checkpoint_minutes);
    cox_sweep_return(s, job->point);
    return cox_sweep_put_back(s, job->point, p->purpose, err);
}

enum ending { ENDED_OK, ENDED_FAILED, ENDED_TIMEOUT, ENDED_PREEMPTED, ENDED_KILLED };
static const char *const ending_words[] = {"ok", "failed", "timeout", "preempted", "killed"};

/* One that was sent SIGTERM is not taken as finished, whatever its exit code: many programs write a
 * checkpoint and end with 0. Its resume command finds out. */
static enum ending judge(const struct cox_sweep *s, const struct sweep_job *job,
                         const struct cox_supervisor_event *event, double seconds)
{
    const struct cox_task_end *end = &event->end;
    double limit = s->settings->job.limit_minutes * 60;
    if (job->told)
        return s->phase == SWEEP_RUNNING ? ENDED_PREEMPTED : ENDED_KILLED;
    if (end->ok)
        return ENDED_OK;
    if (seconds >= limit)
        return ENDED_TIMEOUT;
    if (end->lost || end->signal == SIGTERM || end->code == SIGTERM_CODE)
        return s->point[job->point].losses < SWEEP_MOST_LOSSES ? ENDED_PREEMPTED : ENDED_FAILED;
    return ENDED_FAILED;
}

static void account(struct cox_sweep *s, struct sweep_job *job, double seconds, bool ok)
{
    s->session_jobs++;
    s->n_started -= job->started;
    s->n_dirty -= job->dirty;
    job->dirty = false;
    s->busy_s += seconds * s->settings->job.cores;
    s->point[job->point].spent_s += seconds;
    s->point[job->point].active = false;
    if (ok)
        s->short_s = isnan(s->short_s) ? seconds : s->short_s + 0.1 * (seconds - s->short_s);
    if (job->server >= 0)
        cox_sweep_server_left(s, job, seconds, ok);
    else
        s->cost_before += cox_sweep_attempt_cost(s, job, seconds);
}

static int ended(struct cox_sweep *s, int place, const struct cox_supervisor_event *event,
                 struct cox_err *err)
{
    struct sweep_job *job = &s->job[place];
    double ended_s = event->ended_s - s->zero_s;
    double seconds = event->epoch ? fmax(0, event->ended_s - event->began_s) : 0;
    char reason[256] = "";
    bool good = false;
    if (!job->started)
        job->began_s = ended_s - seconds;
    enum ending ending = judge(s, job, event, seconds);
    if (ending != ENDED_OK)
        snprintf(reason, sizeof reason, "%s", event->end.reason);
    account(s, job, seconds, ending == ENDED_OK);
    int rc = cox_sweep_begin(s, err);
    if (!rc && ending == ENDED_OK) {
        struct cox_err why = COX_ERR_INIT;
        rc = finished(s, job, &good, &why, err);
        if (!good)
            ending = ENDED_FAILED;
        if (!good)
            snprintf(reason, sizeof reason, "%s", why.text);
    }
    if (!rc && (ending == ENDED_PREEMPTED || ending == ENDED_KILLED)) {
        s->preemptions += ending == ENDED_PREEMPTED;
        s->point[job->point].losses += !job->told;
        rc = lost(s, job, err);
    } else if (!rc && !good) {
        rc = failed(s, job, reason, err);
    }
    if (!rc)
        rc = cox_sweep_put_attempt(s, job, ended_s, ending_words[ending], reason, err);
    free_job(s, place);
    return rc;
}

static void started(struct cox_sweep *s, struct sweep_job *job,
                    const struct cox_supervisor_event *event)
{
    job->started = job->dirty = true;
    s->n_dirty++;
    job->began_s = event->began_s - s->zero_s;
    job->pid = event->placement.pid;
    snprintf(job->host, sizeof job->host, "%s", event->placement.host);
    s->n_started++;
}

int cox_sweep_supervise(struct cox_sweep *s, struct cox_err *err)
{
    struct cox_supervisor_event event;
    int rc;
    while (!(rc = cox_supervisor_next(s->supervisor, 0, &event, err)) &&
           event.kind != COX_SUPERVISOR_NOTHING) {
        int place = s->task_job[event.task];
        if (event.kind == COX_SUPERVISOR_STARTED)
            started(s, &s->job[place], &event);
        else if ((rc = ended(s, place, &event, err)))
            break;
        if (s->n_planned == 0 && cox_sweep_hungry(s))
            break; /* what comes next is to be planned before more ends are looked at */
    }
    if (!rc && !s->ok_jobs && !s->n_simulated && s->failed_jobs >= SWEEP_FIRST_FAILURES &&
        s->phase == SWEEP_RUNNING) {
        s->failure = COX_EEXTERNAL;
        cox_sweep_end(s, -1, "the first %d jobs all failed; the last one, %s", s->failed_jobs,
                      s->last_failure);
    }
    return rc;
}
