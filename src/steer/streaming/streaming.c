/* SPDX-License-Identifier: BSD-3-Clause */
/* The streaming run: one loop that waits for messages, ends of processes and the clock, and never
 * for anything else. A turn takes what is there, decides, commits, and only then answers. */
#include "steer/streaming/streaming.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "steer/coordination.h"
#include "steer/coordinator.h"
#include "steer/lane.h"
#include "steer/starts.h"
#include "store/follow.h"
#include "store/repair.h"

#define TICK_S 0.5       /* longest wait: the interrupt flag and the stops are looked at */
#define MESSAGES 256     /* of one turn */
#define WATCH_S 1.0      /* between two looks at the frames files */
#define WATCH_SOON_S 0.1 /* when a segment has ended */
#define LEAVE_S 10.0     /* for roles that have nothing to hand over */

/* ---- setting up ---- */

static int make_executor(struct cox_streaming *s, struct cox_err *err)
{
    int kind = s->settings->runtime.executor;
    bool slurm =
        kind == COX_EXECUTOR_SLURM || (kind == COX_EXECUTOR_AUTO && getenv("SLURM_JOB_ID") != NULL);
    s->cores.off = slurm;
    if (slurm)
        return cox_executor_create_slurm(&s->executor, err);
    struct cox_resources resources = {.cores = s->cores.n};
    return cox_executor_create_local(&s->executor, &resources, err);
}

/* How many simulations: from the cores on a fresh run; afterwards as it was, because each has its
 * own lanes and checkpoints. */
static int deal(struct cox_streaming *s, int lane_width, struct cox_err *err)
{
    char *known = NULL;
    long long n = 0;
    int rc = cox_catalog_get(s->record.catalog, "simulations", &known, err);
    if (!rc && known && (cox_parse_int(known, &n) || n < 1 || n > s->lanes))
        rc = cox_err_set(err, COX_EFORMAT, "catalog.db: simulations is '%s'", known);
    cox_free(known);
    if (rc)
        return rc;
    int cores = s->cores.n;
    if (s->cores.off) {
        struct cox_resources total;
        struct cox_resources free_now;
        cox_executor_resources(s->executor, &total, &free_now);
        cores = total.cores - (s->learning ? s->settings->streaming.learn_cores_max : 0);
        cores = cores > 1 ? cores : 1;
    }
    s->simulations = n ? (int)n : cox_settings_simulations(s->settings, cores, lane_width);
    s->aggregators = s->settings->streaming.aggregators;
    if (s->aggregators > s->simulations)
        s->aggregators = s->simulations;
    char text[32];
    snprintf(text, sizeof text, "%d", s->simulations);
    rc = cox_catalog_set(s->record.catalog, "simulations", text, err);
    s->cores.spare = s->simulations < s->cores.n ? s->cores.n - s->simulations : 0;
    return rc;
}

static int prepare_starts(struct cox_streaming *s, int *lane_width, struct cox_err *err)
{
    struct cox_lanes lanes;
    int rc = cox_starts_load(&s->start, &s->n_starts, s->system, s->settings, err);
    if (!rc)
        rc = cox_starts_minimize(s->start, s->n_starts, s->system, s->settings, err);
    if (!rc)
        rc = cox_lanes_init(&lanes, s->system, s->settings, 1, 1, err);
    if (rc)
        return rc;
    *lane_width = cox_engine_lane_width(lanes.engine);
    snprintf(s->engine, sizeof s->engine, "%s", cox_engine_version(lanes.engine));
    cox_lanes_deinit(&lanes);
    return COX_OK;
}

/* Everything that needs no file of the run. */
static int init(struct cox_streaming *s, const struct cox_settings *settings,
                const struct cox_config *config, const struct cox_steer_hooks *hooks,
                struct cox_err *err)
{
    *s = (struct cox_streaming){
        .settings = settings,
        .hooks = hooks,
        .learning = settings->learn.enabled && !settings->control,
        .steering = settings->agent.enabled && !settings->control,
        .lanes = settings->simulation.replicas,
        .frame_ns = settings->simulation.frame_ps * 1e-3,
        .steps_per_frame =
            (int)lround(settings->simulation.frame_ps * 1000 / settings->simulation.timestep_fs),
        .frames_per_segment =
            (int)lround(settings->simulation.segment_ps / settings->simulation.frame_ps),
        .best = NAN,
        .best_frame = -1,
        .first_hit_ns = NAN,
        .first_hit_s = NAN,
        .model = -1,
        .model_loss = NAN,
        .model_valid = NAN,
        .best_valid = NAN,
        .outliers = -1,
        .scratch_frame = -1,
        .session_zero = cox_clock_seconds(),
        .cpu_zero = cox_clock_process_seconds(),
    };
    int rc = cox_system_load(&s->system, settings->system, err);
    if (!rc)
        rc = cox_frames_init(&s->frames, s->system, settings, config, err);
    if (!rc)
        rc = cox_streaming_cores_init(s, err);
    if (!rc)
        rc = make_executor(s, err);
    if (!rc && !(s->scratch = cox_alloc((size_t)s->system->n_atoms * 3, sizeof *s->scratch)))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory");
    cox_agent_describe(&s->settings->agent, s->agent_words, sizeof s->agent_words);
    return rc;
}

static void deinit(struct cox_streaming *s)
{
    cox_streaming_tasks_deinit(s);
    cox_follow_close(s->follow);
    cox_record_close(&s->record);
    cox_frames_deinit(&s->frames);
    cox_starts_free(s->start, s->n_starts);
    cox_free(s->lane);
    cox_free(s->arrived);
    cox_free(s->segment);
    cox_free(s->poison);
    cox_free(s->scratch);
    cox_free(s->op);
    cox_system_destroy(s->system);
}

/* Ours is run again as `cox worker`; a test that is no `cox` names one. */
static int find_program(struct cox_streaming *s, struct cox_err *err)
{
    const char *given = getenv("COX_PROGRAM");
    if (given) {
        snprintf(s->program, sizeof s->program, "%s", given);
        return COX_OK;
    }
    ssize_t n = readlink("/proc/self/exe", s->program, sizeof s->program - 1);
    if (n < 0)
        return cox_err_errno(err, "cannot find this program's own file");
    s->program[n] = '\0';
    return COX_OK;
}

/* What fresh and resumed runs have in common; the record is open. */
static int prepare(struct cox_streaming *s, const char *directory, struct cox_err *err)
{
    int lane_width = 1;
    int rc = find_program(s, err);
    if (!rc && !realpath(directory, s->whole_directory))
        rc = cox_err_errno(err, "cannot find '%s'", directory);
    if (!rc)
        rc = prepare_starts(s, &lane_width, err);
    if (!rc)
        rc = cox_starts_record(s->n_starts, s->system, s->settings, s->record.catalog, err);
    if (!rc)
        rc = deal(s, lane_width, err);
    if (!rc)
        rc = cox_follow_open(&s->follow, s->whole_directory, err);
    if (!rc)
        rc = cox_streaming_tasks_init(s, err);
    if (!rc)
        rc = cox_streaming_lanes_init(s, err);
    if (!rc)
        cox_streaming_status_init(s);
    return rc;
}

/* ---- back from the directory ---- */

static int reload_number(struct cox_streaming *s, const char *key, double *out, struct cox_err *err)
{
    char *text = NULL;
    int rc = cox_catalog_get(s->record.catalog, key, &text, err);
    if (!rc && text && cox_parse_double(text, out))
        rc = cox_err_set(err, COX_EFORMAT, "catalog.db: %s is '%s', no number", key, text);
    cox_free(text);
    return rc;
}

static int reload_models(struct cox_streaming *s, struct cox_err *err)
{
    struct cox_catalog_model *rows = NULL;
    int64_t n = 0;
    int rc = cox_catalog_models(s->record.catalog, &rows, &n, err);
    for (int64_t i = 0; !rc && i < n; i++) {
        s->model = rows[i].id;
        s->models++;
        s->model_loss = rows[i].train_loss;
        s->model_valid = rows[i].valid_loss;
        if (!(s->best_valid <= rows[i].valid_loss))
            s->best_valid = rows[i].valid_loss;
        snprintf(s->model_path, sizeof s->model_path, "%s", rows[i].path);
    }
    cox_free(rows);
    return rc;
}

/* Attempts that a coordinator before us saw fail, and those that ended with it. */
static int reload_attempts(struct cox_streaming *s, struct cox_err *err)
{
    struct cox_catalog_attempt *rows = NULL;
    int64_t n = 0;
    int rc = cox_catalog_attempts(s->record.catalog, &rows, &n, err);
    s->earlier_attempts = (int)n;
    for (int64_t i = 0; !rc && i < n; i++) {
        s->restarts += !strcmp(rows[i].end, "failed");
        if (!isnan(rows[i].ended_s))
            continue;
        struct stream_op *op = cox_streaming_op(s, STREAM_OP_END_ATTEMPT, err);
        if (!op) {
            rc = COX_ENOMEM;
            break;
        }
        op->row.attempt = rows[i];
        op->row.attempt.ended_s = cox_streaming_now(s);
        snprintf(op->row.attempt.end, sizeof op->row.attempt.end, "orphaned");
        snprintf(op->row.attempt.reason, sizeof op->row.attempt.reason,
                 "its coordinator died before it");
    }
    cox_free(rows);
    return rc;
}

static int reload_counts(struct cox_streaming *s, struct cox_err *err)
{
    struct cox_catalog_pick *picks = NULL;
    struct cox_catalog_round *rounds = NULL;
    int64_t n = 0;
    int rc = cox_catalog_picks(s->record.catalog, &picks, &n, err);
    s->picks = n;
    cox_free(picks);
    if (!rc)
        rc = cox_catalog_poisons(s->record.catalog, &s->poison, &s->n_poisons, err);
    s->poison_room = s->n_poisons;
    if (!rc)
        rc = cox_catalog_rounds(s->record.catalog, &rounds, &n, err);
    s->generation = rc ? 0 : (int)n;
    s->told_generation = s->generation_zero = s->generation;
    cox_free(rounds);
    s->generation_at = cox_streaming_now(s);
    if (!rc)
        rc = reload_number(s, "first_hit_ns", &s->first_hit_ns, err);
    if (!rc)
        rc = reload_number(s, "first_hit_s", &s->first_hit_s, err);
    return rc;
}

/* The frames are counted when the files have been recovered by their aggregators; what can be read
 * before is read before, so that a run that has ended is not begun again. */
static int reload(struct cox_streaming *s, struct cox_err *err)
{
    int rc = cox_streaming_lanes_reload(s, err);
    if (!rc)
        rc = reload_models(s, err);
    if (!rc)
        rc = reload_counts(s, err);
    if (!rc)
        rc = reload_attempts(s, err);
    if (!rc)
        rc = cox_streaming_commit(s, err);
    if (!rc)
        rc = cox_streaming_watch(s, err);
    if (!rc)
        rc = cox_streaming_commit(s, err);
    s->ns_before = cox_streaming_ns(s);
    return rc;
}

/* ---- the loop ---- */

static bool all_over(const struct cox_streaming *s, bool simulations_only)
{
    for (int i = 0; i < s->n_workers; i++)
        if (!s->worker[i].over && (!simulations_only || s->worker[i].role == STREAM_SIMULATE))
            return false;
    return true;
}

static void enter(struct cox_streaming *s, enum stream_phase phase)
{
    s->phase = phase;
    s->phase_at = cox_clock_seconds();
    for (int i = 0; i < s->n_workers; i++)
        if (phase == STREAM_ENDING || s->worker[i].role == STREAM_SIMULATE)
            cox_streaming_tell_to_stop(s, &s->worker[i]);
}

/* Whoever was told to stop and does not is made to. */
static void insist(struct cox_streaming *s)
{
    double now = cox_clock_seconds();
    for (int i = 0; i < s->n_workers; i++) {
        struct stream_worker *w = &s->worker[i];
        double patience =
            w->role == STREAM_SIMULATE && !s->failure ? s->settings->streaming.silence_s : LEAVE_S;
        if (w->told && !w->over && now - w->told_at > patience) {
            w->told_at = now;
            cox_supervisor_stop(s->supervisor, w->task);
        }
    }
}

static void look_for_stops(struct cox_streaming *s)
{
    const atomic_int *cancel = s->hooks ? s->hooks->cancel : NULL;
    if (s->phase == STREAM_RUNNING) {
        if (cancel && atomic_load(cancel)) {
            s->interrupted = true;
            snprintf(s->why, sizeof s->why, "interrupted");
        } else if (!s->failure) {
            s->reason = cox_streaming_stop(s, s->why, sizeof s->why);
        }
        if (s->interrupted || s->failure || s->reason != COX_STOP_NONE)
            enter(s, STREAM_DRAINING);
    }
    if (s->phase == STREAM_DRAINING && all_over(s, true))
        enter(s, STREAM_ENDING);
    if (s->phase == STREAM_ENDING && all_over(s, false))
        s->phase = STREAM_OVER;
    if (s->phase != STREAM_RUNNING)
        insist(s);
}

static int receive(struct cox_streaming *s, struct cox_err *err)
{
    char peer[COX_PEER_SIZE];
    struct cox_message *message = NULL;
    double due = cox_supervisor_due_s(s->supervisor);
    double now = cox_clock_seconds();
    double wait = due >= 0 && due < TICK_S ? due : TICK_S;
    if (s->watch_soon)
        wait = fmin(wait, fmax(0, s->watch_at + WATCH_SOON_S - now));
    if (s->commit_failed)
        wait = fmin(wait, fmax(0, s->commit_at - now));
    int fd = cox_supervisor_fd(s->supervisor);
    int rc = cox_hub_receive(s->hub, wait, &fd, fd >= 0 ? 1 : 0, &message, peer, err);
    for (int i = 0; !rc && message && i < MESSAGES; i++) {
        rc = cox_streaming_handle(s, peer, message, err);
        message = NULL;
        if (!rc && i + 1 < MESSAGES)
            rc = cox_hub_receive(s->hub, 0, NULL, 0, &message, peer, err);
    }
    cox_message_destroy(message);
    return rc;
}

static int turn(struct cox_streaming *s, struct cox_err *err)
{
    int rc = receive(s, err);
    if (!rc)
        rc = cox_streaming_supervise(s, err);
    double since = cox_clock_seconds() - s->watch_at;
    if (!rc && since >= (s->watch_soon ? WATCH_SOON_S : WATCH_S))
        rc = cox_streaming_watch(s, err);
    if (!rc)
        rc = cox_streaming_generations(s, err);
    if (rc)
        return rc;
    look_for_stops(s);
    rc = cox_streaming_cores_turn(s, err);
    if (!rc)
        rc = cox_streaming_commit(s, err);
    cox_streaming_status(s);
    cox_streaming_tell(s);
    return rc;
}

/* ---- the end ---- */

/* Segments that nobody can end any more: the run is over, or their simulations are given up. */
static int close_the_rest(struct cox_streaming *s, struct cox_err *err)
{
    int rc = COX_OK;
    for (int lane = 0; !rc && !s->interrupted && lane < s->lanes; lane++) {
        struct stream_lane *l = &s->lane[lane];
        for (int64_t id = l->unsettled; !rc && id >= 0; id = s->segment[id].next) {
            struct cox_catalog_segment row;
            struct stream_segment *g = &s->segment[id];
            if (g->closed && g->seen >= g->frames)
                continue;
            rc = cox_catalog_segment(s->record.catalog, id, &row, err);
            if (rc)
                break;
            row.cut = true;
            row.n_frames = g->seen;
            g->guessed = true;
            snprintf(row.reason, sizeof row.reason, "cut by the end of the run");
            rc = cox_streaming_close(s, &row, err);
        }
    }
    return rc;
}

static int settle_all(struct cox_streaming *s, struct cox_err *err)
{
    int rc = cox_streaming_commit(s, err);
    if (!rc)
        rc = cox_streaming_watch(s, err);
    if (!rc)
        rc = cox_streaming_commit(s, err);
    if (!rc && !s->n_ops)
        rc = close_the_rest(s, err);
    if (!rc)
        rc = cox_streaming_commit(s, err);
    if (!rc && !s->n_ops)
        rc = cox_streaming_watch(s, err);
    if (!rc)
        rc = cox_streaming_reconcile(s, err);
    if (!rc)
        rc = cox_streaming_commit(s, err);
    if (!rc && s->n_ops)
        rc = cox_err_set(err, COX_EIO,
                         "the catalog cannot be written; make room on the disk, then "
                         "go on with 'cox resume'");
    return rc;
}

/* An aggregator that was killed when all was stored leaves marks that other readers stumble over.
 */
static void close_files(const struct cox_streaming *s)
{
    for (int m = 0; m < s->settings->streaming.aggregators; m++) {
        char path[PATH_MAX];
        struct cox_repair repair;
        struct cox_err why = COX_ERR_INIT;
        if (cox_follow_path(s->whole_directory, m, path, sizeof path, &why) ||
            !cox_file_exists(path))
            continue;
        if (cox_repair_file(&repair, path, false, &why))
            cox_log(COX_LOG_WARN, "%s", why.text);
    }
}

static int finish(struct cox_streaming *s, int rc, struct cox_steer_outcome *outcome,
                  struct cox_err *err)
{
    struct cox_err problem = COX_ERR_INIT;
    if (!rc)
        rc = settle_all(s, err);
    if (!rc && s->failure)
        rc = cox_err_set(err, s->failure, "%s", s->why);
    if (!rc && s->interrupted)
        rc = cox_err_set(err, COX_ECANCELLED, "interrupted");
    if (rc && rc != COX_ECANCELLED) {
        s->failure = rc;
        if (err)
            snprintf(s->why, sizeof s->why, "%.190s", err->text);
    }
    s->phase = STREAM_OVER;
    close_files(s);
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "status", rc ? (rc == COX_ECANCELLED ? "interrupted" : "failed") : "done");
    cox_json_set_text(j, "why", s->why);
    cox_streaming_event(s, "end", j);
    int written = cox_streaming_summarise(s, outcome, &problem);
    cox_streaming_status(s);
    return !rc && written ? cox_err_set(err, written, "%s", problem.text) : rc;
}

static int drive(struct cox_streaming *s, struct cox_steer_outcome *outcome, struct cox_err *err)
{
    int rc = COX_OK;
    s->reason = cox_streaming_stop(s, s->why, sizeof s->why);
    if (s->reason == COX_STOP_NONE) {
        rc = cox_streaming_tasks_start(s, err);
        while (!rc && s->phase != STREAM_OVER)
            rc = turn(s, err);
    }
    return finish(s, rc, outcome, err);
}

/* ---- in ---- */

static int open_record(struct cox_streaming *s, const char *directory, struct cox_err *err)
{
    struct cox_record *r = &s->record;
    char path[PATH_MAX];
    double seconds = 0;
    snprintf(r->directory, sizeof r->directory, "%s", directory);
    r->zero = cox_clock_seconds();
    int rc = cox_record_path(r, "catalog.db", path, err);
    if (!rc)
        rc = cox_catalog_open(&r->catalog, path, err);
    if (!rc)
        rc = cox_record_path(r, "events.jsonl", path, err);
    if (!rc)
        rc = cox_events_open(&r->events, path, err);
    if (!rc)
        rc = reload_number(s, "elapsed_s", &seconds, err);
    r->zero -= seconds;
    return rc;
}

int cox_streaming_run(struct cox_steer_outcome *outcome, const struct cox_settings *settings,
                      const struct cox_config *config, const char *directory,
                      const struct cox_steer_hooks *hooks, struct cox_err *err)
{
    struct cox_streaming *s = cox_alloc(1, sizeof *s);
    if (!s)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    int rc = init(s, settings, config, hooks, err);
    if (!rc)
        rc = cox_run_directory_create(settings, directory, err);
    if (!rc)
        rc = open_record(s, directory, err);
    if (!rc)
        rc = prepare(s, directory, err);
    if (!rc)
        rc = drive(s, outcome, err);
    deinit(s);
    cox_free(s);
    return rc;
}

int cox_streaming_resume(struct cox_steer_outcome *outcome, const struct cox_settings *settings,
                         const struct cox_config *config, const char *directory,
                         const struct cox_steer_hooks *hooks, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_streaming *s = cox_alloc(1, sizeof *s);
    if (!s)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    int rc = init(s, settings, config, hooks, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, directory, "catalog.db", err);
    if (!rc && !cox_file_exists(path))
        rc = cox_err_set(err, COX_ENOTFOUND, "'%s' is no run: it has no catalog.db", directory);
    if (!rc)
        rc = open_record(s, directory, err);
    if (!rc)
        rc = prepare(s, directory, err);
    if (!rc)
        rc = reload(s, err);
    if (!rc)
        rc = drive(s, outcome, err);
    deinit(s);
    cox_free(s);
    return rc;
}
