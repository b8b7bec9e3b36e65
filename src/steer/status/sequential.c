/* SPDX-License-Identifier: BSD-3-Clause */
/* status.json of a sequential run: one process, which does one thing after the other. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "steer/coordinator.h"

#define STATUS_S 1.0

static void fill_run(const struct cox_coordinator *c, struct cox_run_status *s)
{
    const struct cox_frames *f = &c->frames;
    const int column = f->objective >= 0 ? f->objective : f->rmsd;
    const int64_t best = cox_coordinator_best(c, 0);
    snprintf(s->title, sizeof s->title, "%s", c->settings->title);
    snprintf(s->coordination, sizeof s->coordination, "sequential");
    s->pid = getpid();
    s->elapsed_s = cox_record_seconds(&c->record);
    s->done = cox_coordinator_done(c);
    s->eta_s = s->done > 0.001 ? s->elapsed_s * (1 - s->done) / s->done : NAN;
    s->ns = c->ns;
    s->ns_per_day = c->simulating_s > 0 ? c->simulated_ns / c->simulating_s * 86400 : NAN;
    s->target_ns = c->settings->stop.simulated_ns;
    s->frames = f->n;
    s->segments = c->next_segment;
    s->segments_per_hour = s->elapsed_s > 0 ? (double)s->segments / s->elapsed_s * 3600 : NAN;
    s->lanes = c->settings->simulation.replicas;
    s->cores = cox_team_threads(c->team);
    s->generation = s->generation_last = c->round;
    s->outliers = c->round > 0 ? c->outliers : -1;
    s->best = best < 0 ? NAN : cox_frames_value(f, best, column);
    snprintf(s->best_name, sizeof s->best_name, "%s",
             column < 0 ? "" : cox_observable_name(f->observable[column]));
    s->first_hit_ns = c->first_hit_ns;
    s->arrived = cox_coordinator_arrived(c, c->round - 1);
    s->states = f->n_states;
}

void cox_coordinator_status(struct cox_coordinator *c, enum cox_run_status_state state,
                            const char *doing, const char *why)
{
    struct cox_run_status status;
    struct cox_run_status_task task;
    struct cox_err problem = COX_ERR_INIT;
    const double now = cox_clock_seconds();
    const bool over = state >= COX_STATUS_DONE;
    if (!c->recording || (!over && now - c->status_at < STATUS_S))
        return;
    c->status_at = now;
    cox_run_status_init(&status);
    cox_run_status_task_init(&task);
    status.state = state == COX_STATUS_RUNNING && !c->frames.n ? COX_STATUS_STARTING : state;
    if (gethostname(status.host, sizeof status.host - 1))
        status.host[0] = '\0';
    snprintf(status.text, sizeof status.text, "%s", why);
    fill_run(c, &status);
    snprintf(task.name, sizeof task.name, "run");
    snprintf(task.role, sizeof task.role, "sequential");
    task.state = over ? COX_STATUS_TASK_ENDED : COX_STATUS_TASK_RUNNING;
    snprintf(task.host, sizeof task.host, "%s", status.host);
    task.pid = status.pid;
    task.cores = status.cores;
    snprintf(task.doing, sizeof task.doing, "%s", doing);
    status.task = &task;
    status.n_tasks = 1;
    if (cox_run_status_write(&status, c->record.directory, &problem) && !c->status_failed) {
        c->status_failed = true; /* once is enough; the run goes on */
        cox_log(COX_LOG_WARN, "%s", problem.text);
    }
}
