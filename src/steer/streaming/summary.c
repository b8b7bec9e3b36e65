/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "steer/streaming/streaming.h"

static const char *const reason_names[] = {"interrupted",  "target",       "converged",
                                           "simulated_ns", "wall_minutes", "rounds"};

/* Distinct roots of the pathways that the lanes are on. */
static int count_ancestors(struct cox_streaming *s, int *count, struct cox_err *err)
{
    struct cox_catalog_segment *segments = NULL;
    int64_t n = 0;
    *count = 0;
    int rc = cox_catalog_segments(s->record.catalog, &segments, &n, err);
    bool *seen = rc ? NULL : cox_alloc((size_t)n + 1, sizeof *seen);
    if (!rc && !seen)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory");
    for (int lane = 0; !rc && lane < s->lanes; lane++) {
        int64_t id = s->lane[lane].segment;
        int64_t root = id >= 0 && id < n ? segments[id].ancestor : -1;
        if (root < 0 || root >= n || seen[root])
            continue;
        seen[root] = true;
        ++*count;
    }
    cox_free(seen);
    cox_free(segments);
    return rc;
}

/* Processor time of the processes that have ended, and of this one. */
static double processor_seconds(void)
{
    struct rusage use;
    if (getrusage(RUSAGE_CHILDREN, &use))
        return NAN;
    return (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6 +
           cox_clock_process_seconds();
}

static void fill(struct cox_streaming *s, struct cox_steer_outcome *o)
{
    int column = s->frames.objective >= 0 ? s->frames.objective : s->frames.rmsd;
    double session = cox_clock_seconds() - s->session_zero;
    o->reason = s->reason;
    snprintf(o->text, sizeof o->text, "%s", s->why);
    o->streaming = true;
    o->rounds = s->generation;
    o->frames = s->n_frames;
    o->ns = cox_streaming_ns(s);
    o->wall_s = cox_streaming_now(s);
    o->ns_per_day = (o->ns - s->ns_before) / session * 86400;
    o->best = s->best;
    o->best_frame = s->best_frame;
    snprintf(o->best_name, sizeof o->best_name, "%s",
             column < 0 ? "" : cox_observable_name(s->frames.observable[column]));
    o->first_hit_ns = s->first_hit_ns;
    o->first_hit_s = s->first_hit_s;
    o->states = s->states > 0 ? s->states : 0;
    o->blown = s->blown;
    o->stream_share = cox_streaming_stream_share(s);
    o->restarts = s->restarts;
    o->models = (int)s->models;
    o->segments = s->closed;
    /* of processes on other machines nothing is known here */
    o->cpu_share =
        s->cores.off ? NAN : (processor_seconds() - s->cpu_zero) / (session * s->cores.n);
}

/* Summed over all attempts of this session. */
static struct stream_figures totals(const struct cox_streaming *s)
{
    struct stream_figures sum = {0};
    for (int i = 0; i < s->n_workers; i++) {
        const struct stream_figures *a = &s->worker[i].before;
        const struct stream_figures *b = &s->worker[i].now;
        sum.blocked_s += a->blocked_s + b->blocked_s;
        sum.stream_s += a->stream_s + b->stream_s;
        sum.busy_s += a->busy_s + b->busy_s;
        sum.bytes += a->bytes + b->bytes;
        sum.duplicates += a->duplicates + b->duplicates;
    }
    return sum;
}

static void add_stream(struct cox_json *j, const struct cox_streaming *s,
                       const struct cox_steer_outcome *o)
{
    struct stream_figures sum = totals(s);
    int poisoned = 0;
    for (int64_t i = 0; i < s->n_poisons; i++)
        poisoned += s->poison[i].set_aside;
    cox_json_set_text(j, "coordination", "streaming");
    cox_json_set_text(j, "executor", s->executor ? cox_executor_kind(s->executor) : "");
    cox_json_set_int(j, "simulations", s->simulations);
    cox_json_set_int(j, "aggregators", s->aggregators);
    cox_json_set_int(j, "segments", o->segments);
    cox_json_set_number(j, "segments_per_hour", (double)o->segments / o->wall_s * 3600);
    cox_json_set_number(j, "stream_share", o->stream_share);
    cox_json_set_number(j, "stream_s", sum.stream_s);
    cox_json_set_number(j, "blocked_s", sum.blocked_s);
    cox_json_set_number(j, "simulating_s", sum.busy_s);
    cox_json_set_number(j, "bytes_stored", sum.bytes);
    cox_json_set_number(j, "duplicates", sum.duplicates);
    cox_json_set_int(j, "attempts", s->attempts + s->earlier_attempts);
    cox_json_set_int(j, "restarts", o->restarts);
    cox_json_set_int(j, "models", s->models);
    cox_json_set_number(j, "valid_loss", s->model_valid);
    cox_json_set_int(j, "picks", s->picks);
    cox_json_set_int(j, "cut_segments", s->cut);
    cox_json_set_int(j, "lost_segments", s->lost);
    cox_json_set_int(j, "starts_set_aside", poisoned);
    cox_json_set_int(j, "core_moves", s->cores.moves);
}

static int write_json(struct cox_streaming *s, const struct cox_steer_outcome *o,
                      struct cox_err *err)
{
    char path[PATH_MAX];
    char utc[32];
    int rc = cox_record_path(&s->record, "summary.json", path, err);
    if (rc)
        return rc;
    if (!s->supervisor && cox_file_exists(path))
        return COX_OK; /* it was over already: the figures of the session that ended it stand */
    struct cox_json *j = cox_json_object();
    cox_clock_utc(utc, sizeof utc);
    cox_json_set_text(j, "title", s->settings->title);
    cox_json_set_text(j, "ended", utc);
    cox_json_set_text(j, "stop", s->failure ? "failed" : reason_names[o->reason]);
    cox_json_set_text(j, "stop_text", o->reason || s->failure ? o->text : "interrupted");
    cox_json_set_bool(j, "control", s->settings->control);
    cox_json_set_int(j, "seed", s->settings->seed);
    cox_json_set_text(j, "version", COX_VERSION);
    cox_json_set_text(j, "engine", s->engine);
    cox_json_set_text(j, "system", s->system->name);
    cox_json_set_int(j, "atoms", s->system->n_atoms);
    cox_json_set_int(j, "replicas", s->lanes);
    cox_json_set_int(j, "threads", s->cores.n);
    cox_json_set_int(j, "rounds", o->rounds);
    cox_json_set_int(j, "frames", o->frames);
    cox_json_set_number(j, "simulated_ns", o->ns);
    cox_json_set_number(j, "trajectory_ns", o->ns / s->lanes);
    cox_json_set_number(j, "wall_s", o->wall_s);
    cox_json_set_number(j, "ns_per_day", o->ns_per_day);
    cox_json_set_text(j, "objective", o->best_name);
    cox_json_set_number(j, "best", o->best);
    cox_json_set_int(j, "best_frame", o->best_frame);
    cox_json_set_number(j, "target_rmsd_A", s->settings->stop.target.rmsd_A);
    cox_json_set_number(j, "first_hit_ns", o->first_hit_ns);
    cox_json_set_number(j, "first_hit_s", o->first_hit_s);
    cox_json_set_int(j, "arrived_lanes", cox_streaming_arrived(s, 1));
    cox_json_set_int(j, "states", o->states);
    cox_json_set_int(j, "distinct_ancestors", o->ancestors);
    cox_json_set_int(j, "blown_lanes", o->blown);
    cox_json_set_number(j, "cpu_share", o->cpu_share);
    add_stream(j, s, o);
    rc = cox_json_write(j, path, err);
    cox_json_destroy(j);
    return rc;
}

int cox_streaming_summarise(struct cox_streaming *s, struct cox_steer_outcome *outcome,
                            struct cox_err *err)
{
    fill(s, outcome);
    int rc = count_ancestors(s, &outcome->ancestors, err);
    return rc ? rc : write_json(s, outcome, err);
}
