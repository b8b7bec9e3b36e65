/* SPDX-License-Identifier: BSD-3-Clause */
/* What others see of a run while it goes: status.json, the line of progress. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "steer/streaming/streaming.h"

#define STATUS_S 1.0
#define TELL_S 0.25

void cox_streaming_heartbeat(struct stream_worker *w, const struct cox_message *m)
{
    struct cox_run_status_task *t = &w->status;
    struct stream_figures *f = &w->now;
    double now = cox_clock_seconds();
    f->ns = cox_message_number(m, "ns", f->ns);
    f->frames = cox_message_number(m, "frames", f->frames);
    f->stream_s = cox_message_number(m, "stream_s", f->stream_s);
    f->blocked_s = cox_message_number(m, "blocked_s", f->blocked_s);
    f->busy_s = cox_message_number(m, "busy_s", f->busy_s);
    f->stored = cox_message_number(m, "stored", f->stored);
    f->bytes = cox_message_number(m, "bytes", f->bytes);
    f->duplicates = cox_message_number(m, "duplicates", f->duplicates);
    t->sent = cox_message_int(m, "frames", t->sent);
    t->acked = cox_message_int(m, "acked", t->acked);
    t->waiting = cox_message_int(m, "waiting", t->waiting);
    t->samples = cox_message_int(m, "samples", t->samples);
    t->loss = cox_message_number(m, "loss", t->loss);
    t->lag = cox_message_number(m, "lag", t->lag);
    t->embedded = cox_message_int(m, "embedded", t->embedded);
    t->window = cox_message_int(m, "window", t->window);
    t->model = (int)cox_message_int(m, "model", t->model);
    const char *doing = cox_message_text(m, "doing", NULL);
    if (doing)
        snprintf(t->doing, sizeof t->doing, "%s", doing);
    if (w->role == STREAM_SIMULATE) {
        t->ns = w->before.ns + f->ns;
        t->blocked_s = w->before.blocked_s + f->blocked_s;
        double busy = w->before.busy_s + f->busy_s;
        t->stream_share = busy > 0 ? (w->before.stream_s + f->stream_s) / busy : NAN;
        if (now - w->rate_at >= 5) {
            if (w->rate_at > 0)
                t->ns_per_day = fmax(0, (t->ns - w->rate_ns) / (now - w->rate_at) * 86400);
            w->rate_at = now;
            w->rate_ns = t->ns;
        }
    }
    if (w->role == STREAM_AGGREGATE) {
        t->stored = (int64_t)(w->before.stored + f->stored);
        t->bytes = (int64_t)(w->before.bytes + f->bytes);
    }
}

double cox_streaming_stream_share(const struct cox_streaming *s)
{
    double stream = 0;
    double busy = 0;
    for (int i = 0; i < s->simulations; i++) {
        stream += s->worker[i].before.stream_s + s->worker[i].now.stream_s;
        busy += s->worker[i].before.busy_s + s->worker[i].now.busy_s;
    }
    return busy > 0 ? stream / busy : NAN;
}

/* ---- rates: over the last half minute ---- */

static void sample_rates(struct cox_streaming *s)
{
    int at = s->n_rates++ % STREAM_RATES;
    double bytes = 0;
    for (int i = 0; i < s->n_workers; i++)
        bytes += s->worker[i].before.bytes + s->worker[i].now.bytes;
    s->rate_t[at] = cox_clock_seconds();
    s->rate_frames[at] = (double)s->n_frames;
    s->rate_bytes[at] = bytes;
}

/* Per second. */
static double rate_of(const struct cox_streaming *s, const double *samples)
{
    if (s->n_rates < 2)
        return NAN;
    int last = (s->n_rates - 1) % STREAM_RATES;
    int first = s->n_rates > STREAM_RATES ? s->n_rates % STREAM_RATES : 0;
    double seconds = s->rate_t[last] - s->rate_t[first];
    return seconds > 0 ? (samples[last] - samples[first]) / seconds : NAN;
}

double cox_streaming_rate(const struct cox_streaming *s)
{
    return rate_of(s, s->rate_frames) * s->frame_ns * 86400;
}

/* ---- status.json ---- */

static int fastest(const struct cox_streaming *s)
{
    int most = 0;
    for (int lane = 0; lane < s->lanes; lane++)
        if (s->lane[lane].completed > most)
            most = s->lane[lane].completed;
    return most;
}

static enum cox_run_status_state state_of(const struct cox_streaming *s)
{
    if (s->phase == STREAM_OVER)
        return s->failure       ? COX_STATUS_FAILED
               : s->interrupted ? COX_STATUS_INTERRUPTED
                                : COX_STATUS_DONE;
    if (s->phase != STREAM_RUNNING)
        return COX_STATUS_STOPPING;
    return s->n_frames ? COX_STATUS_RUNNING : COX_STATUS_STARTING;
}

static void fill_tasks(struct cox_streaming *s)
{
    double now = cox_clock_seconds();
    s->status.unacknowledged = 0;
    for (int i = 0; i < s->n_workers; i++) {
        struct stream_worker *w = &s->worker[i];
        struct cox_run_status_task *t = &s->status_task[i];
        w->status.heard_s = w->heard > 0 ? now - w->heard : NAN;
        if (w->up && !w->told)
            w->status.state = w->paused ? COX_STATUS_TASK_PAUSED : COX_STATUS_TASK_RUNNING;
        if (w->role == STREAM_SIMULATE && w->status.sent > w->status.acked)
            s->status.unacknowledged += w->status.sent - w->status.acked;
        *t = w->status;
    }
    s->status.task = s->status_task;
    s->status.n_tasks = s->n_workers;
}

static void fill_figures(struct cox_streaming *s)
{
    struct cox_run_status *t = &s->status;
    double done = cox_streaming_done(s);
    t->state = state_of(s);
    t->elapsed_s = cox_streaming_now(s);
    t->done = done;
    t->eta_s = done > 0.001 ? t->elapsed_s * (1 - done) / done : NAN;
    t->ns = cox_streaming_ns(s);
    t->ns_per_day = cox_streaming_rate(s);
    t->frames = s->n_frames;
    t->segments = s->closed;
    t->segments_per_hour = (double)s->closed / t->elapsed_s * 3600;
    t->generation = s->generation;
    t->generation_last = fastest(s);
    t->frames_per_s = rate_of(s, s->rate_frames);
    t->megabytes_per_s = rate_of(s, s->rate_bytes) * 1e-6;
    t->stream_share = cox_streaming_stream_share(s);
    t->pending_starts = cox_streaming_pending(s);
    t->model = (int)s->model;
    t->models = (int)s->models;
    t->train_loss = s->model_loss;
    t->valid_loss = s->model_valid;
    t->outliers = s->outliers;
    t->best = s->best;
    t->first_hit_ns = s->first_hit_ns;
    t->arrived = cox_streaming_arrived(s, 1);
    t->states = s->states > 0 ? s->states : -1;
    t->restarts = s->restarts;
    t->poisoned = 0;
    for (int64_t i = 0; i < s->n_poisons; i++)
        t->poisoned += s->poison[i].set_aside;
    t->blown = s->blown;
    t->lost = s->lost;
    snprintf(t->text, sizeof t->text, "%s", s->why);
}

void cox_streaming_status_init(struct cox_streaming *s)
{
    struct cox_run_status *t = &s->status;
    int column = s->frames.objective >= 0 ? s->frames.objective : s->frames.rmsd;
    cox_run_status_init(t);
    snprintf(t->title, sizeof t->title, "%s", s->settings->title);
    snprintf(t->coordination, sizeof t->coordination, "streaming");
    snprintf(t->executor, sizeof t->executor, "%s", cox_executor_kind(s->executor));
    if (gethostname(t->host, sizeof t->host - 1))
        t->host[0] = '\0';
    t->pid = getpid();
    t->target_ns = s->settings->stop.simulated_ns;
    t->lanes = s->lanes;
    t->cores = s->cores.n;
    snprintf(t->best_name, sizeof t->best_name, "%s",
             column < 0 ? "" : cox_observable_name(s->frames.observable[column]));
}

void cox_streaming_status(struct cox_streaming *s)
{
    struct cox_err problem = COX_ERR_INIT;
    double now = cox_clock_seconds();
    if (s->phase != STREAM_OVER && now - s->status_at < STATUS_S)
        return;
    s->status_at = now;
    sample_rates(s);
    fill_tasks(s);
    fill_figures(s);
    int rc = cox_run_status_write(&s->status, s->whole_directory, &problem);
    if (rc && !s->status_failed)
        cox_log(COX_LOG_WARN, "%s", problem.text);
    s->status_failed = rc != 0;
}

/* ---- the line of progress ---- */

/* "2/2 simulating, model 3 (loss 41.2), 1200 embedded" */
static void describe_roles(const struct cox_streaming *s, char *text, size_t size)
{
    int up = 0;
    int paused = 0;
    for (int i = 0; i < s->simulations; i++) {
        up += s->worker[i].up && !s->worker[i].paused;
        paused += s->worker[i].paused;
    }
    int n =
        snprintf(text, size, "%d/%d simulate%s", up, s->simulations, paused ? ", training" : "");
    if (s->model >= 0 && n > 0 && (size_t)n < size)
        n += snprintf(text + n, size - (size_t)n, ", model %lld (loss %.3g)", (long long)s->model,
                      s->model_valid);
    int restarts = s->restarts;
    if (restarts && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, ", %d restarts", restarts);
}

void cox_streaming_tell(struct cox_streaming *s)
{
    double now = cox_clock_seconds();
    bool new_generation = s->generation > s->told_generation;
    if (!s->hooks || !s->hooks->progress || (!new_generation && now - s->tell_at < TELL_S))
        return;
    char roles[96];
    int column = s->frames.objective >= 0 ? s->frames.objective : s->frames.rmsd;
    double done = cox_streaming_done(s);
    double elapsed = cox_streaming_now(s);
    double rate = cox_streaming_rate(s);
    describe_roles(s, roles, sizeof roles);
    struct cox_steer_progress p = {
        .round = new_generation ? s->generation - 1 : s->generation,
        .stage = s->phase == STREAM_RUNNING ? "streaming" : "stopping",
        .roles = roles,
        .ns = cox_streaming_ns(s),
        .ns_per_day = isnan(rate) ? 0 : rate,
        .best = s->best,
        .best_in_round = NAN,
        .best_name = column < 0 ? "" : cox_observable_name(s->frames.observable[column]),
        .outliers = s->outliers,
        .picks = (int)s->picks,
        .arrived = cox_streaming_arrived(s, 1),
        .lanes = s->lanes,
        .elapsed_s = elapsed,
        .eta_s = done > 0.001 ? elapsed * (1 - done) / done : NAN,
        .round_done = new_generation,
    };
    s->tell_at = now;
    s->told_generation = s->generation;
    s->hooks->progress(s->hooks->user, &p);
}
