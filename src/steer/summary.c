/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "steer/coordinator.h"

static const char *const reason_names[] = {"interrupted",  "target",       "converged",
                                           "simulated_ns", "wall_minutes", "rounds"};

/* Distinct roots of the pathways that the lanes are on, and segments that blew up. */
static int count_segments(struct cox_coordinator *c, struct cox_steer_outcome *o,
                          struct cox_err *err)
{
    struct cox_catalog_segment *segments = NULL;
    int64_t n = 0;
    int rc = cox_catalog_segments(c->record.catalog, &segments, &n, err);
    if (rc)
        return rc;
    int lanes = c->settings->simulation.replicas;
    int count = 0;
    bool *seen = cox_alloc((size_t)n + 1, sizeof *seen);
    for (int lane = 0; seen && lane < lanes; lane++) {
        int64_t id = cox_simulation_lane_segment(c->simulation, lane);
        int64_t root = id >= 0 && id < n ? segments[id].ancestor : -1;
        if (root < 0 || root >= n || seen[root])
            continue;
        seen[root] = true;
        count++;
    }
    rc = seen ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
    o->blown = 0;
    for (int64_t i = 0; i < n; i++)
        o->blown += segments[i].blown;
    cox_free(seen);
    cox_free(segments);
    o->ancestors = count;
    return rc;
}

static void fill(struct cox_coordinator *c, struct cox_steer_outcome *o)
{
    const struct cox_frames *f = &c->frames;
    int column = f->objective >= 0 ? f->objective : f->rmsd;
    double session = cox_clock_seconds() - c->session_zero;
    o->rounds = c->round;
    o->frames = f->n;
    o->ns = c->ns;
    o->wall_s = cox_record_seconds(&c->record);
    o->ns_per_day = c->simulating_s > 0 ? c->simulated_ns / c->simulating_s * 86400 : 0;
    o->best_frame = cox_coordinator_best(c, 0);
    o->best = o->best_frame < 0 ? NAN : cox_frames_value(f, o->best_frame, column);
    snprintf(o->best_name, sizeof o->best_name, "%s",
             column < 0 ? "" : cox_observable_name(f->observable[column]));
    o->first_hit_ns = c->first_hit_ns;
    o->first_hit_s = c->first_hit_s;
    o->states = f->n_states;
    o->idle_mean_s = c->round ? c->idle_sum / c->round : 0;
    o->idle_max_s = c->idle_max;
    o->cpu_share =
        (cox_clock_process_seconds() - c->cpu_zero) / (session * cox_team_threads(c->team));
}

static int write_json(struct cox_coordinator *c, const struct cox_steer_outcome *o,
                      struct cox_err *err)
{
    char path[PATH_MAX];
    char utc[32];
    int rc = cox_record_path(&c->record, "summary.json", path, err);
    if (rc)
        return rc;
    struct cox_json *j = cox_json_object();
    cox_clock_utc(utc, sizeof utc);
    cox_json_set_text(j, "title", c->settings->title);
    cox_json_set_text(j, "ended", utc);
    cox_json_set_text(j, "stop", reason_names[o->reason]);
    cox_json_set_text(j, "stop_text", o->reason ? o->text : "interrupted");
    cox_json_set_bool(j, "control", c->settings->control);
    cox_json_set_int(j, "seed", c->settings->seed);
    cox_json_set_text(j, "version", COX_VERSION);
    cox_json_set_text(j, "engine", cox_engine_version(cox_simulation_engine(c->simulation)));
    cox_json_set_text(j, "system", c->system->name);
    cox_json_set_int(j, "atoms", c->system->n_atoms);
    cox_json_set_int(j, "replicas", c->settings->simulation.replicas);
    cox_json_set_int(j, "threads", cox_team_threads(c->team));
    cox_json_set_int(j, "rounds", o->rounds);
    cox_json_set_int(j, "frames", o->frames);
    cox_json_set_number(j, "simulated_ns", o->ns);
    cox_json_set_number(j, "trajectory_ns", o->ns / c->settings->simulation.replicas);
    cox_json_set_number(j, "wall_s", o->wall_s);
    cox_json_set_number(j, "ns_per_day", o->ns_per_day);
    cox_json_set_text(j, "objective", o->best_name);
    cox_json_set_number(j, "best", o->best);
    cox_json_set_int(j, "best_frame", o->best_frame);
    cox_json_set_number(j, "target_rmsd_A", c->settings->stop.target.rmsd_A);
    cox_json_set_number(j, "first_hit_ns", o->first_hit_ns);
    cox_json_set_number(j, "first_hit_s", o->first_hit_s);
    cox_json_set_int(j, "arrived_lanes", cox_coordinator_arrived(c, c->round - 1));
    cox_json_set_int(j, "states", o->states);
    cox_json_set_int(j, "distinct_ancestors", o->ancestors);
    cox_json_set_int(j, "blown_lanes", o->blown);
    cox_json_set_number(j, "idle_s_per_round_mean", o->idle_mean_s);
    cox_json_set_number(j, "idle_s_per_round_max", o->idle_max_s);
    cox_json_set_number(j, "cpu_share", o->cpu_share);
    rc = cox_json_write(j, path, err);
    cox_json_destroy(j);
    return rc;
}

int cox_coordinator_summarise(struct cox_coordinator *c, struct cox_steer_outcome *outcome,
                              struct cox_err *err)
{
    fill(c, outcome);
    int rc = count_segments(c, outcome, err);
    return rc ? rc : write_json(c, outcome, err);
}
