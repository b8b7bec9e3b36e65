/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/show_plan.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"

static void show_machine(const struct cox_plan *p)
{
    printf("%s: %d atoms, %d replicas on %d threads (%s)\n", p->system, p->atoms, p->replicas,
           p->threads, p->engine);
    if (!p->streaming && p->replicas % p->lane_width)
        printf("  note: a vector holds %d replicas; a multiple of it costs the same per step\n",
               p->lane_width);
    if (p->reference[0])
        printf("reference: %s; the start is %.2f Å away\n", p->reference, p->start_rmsd_A);
}

static void show_rounds(const struct cox_plan *p, const struct cox_settings *s)
{
    char human[32];
    cox_clock_human(p->simulate_s, human, sizeof human);
    printf(
        "each round:\n  simulate  %d × %g ps at %g K, %g fs steps, %d frames: %s (%.0f ns/day)\n",
        p->replicas, s->simulation.segment_ps, s->simulation.temperature_K,
        s->simulation.timestep_fs, p->frames_per_round, human, p->ns_per_day);
    if (!p->parameters)
        return;
    cox_clock_human(p->train_s, human, sizeof human);
    printf("  train     %lld parameters on %d×%d contact maps, every %d rounds: %s",
           (long long)p->parameters, p->points, p->points, s->learn.retrain_every, human);
    cox_clock_human(p->train_first_s, human, sizeof human);
    printf(" (the first %s)\n", human);
}

static void show_processes(const struct cox_plan *p, const struct cox_settings *s)
{
    char human[32];
    char every[32];
    char lanes[40];
    if (p->lanes_least == p->lanes_most)
        snprintf(lanes, sizeof lanes, "%d", p->lanes_most);
    else
        snprintf(lanes, sizeof lanes, "%d or %d", p->lanes_least, p->lanes_most);
    cox_clock_human(p->simulate_s, human, sizeof human);
    printf("all at once:\n  simulate  %d %s of %s replicas; a segment, %g ps at %g K, %g fs steps: "
           "%s (%.0f ns/day)\n",
           p->simulations, p->simulations == 1 ? "process" : "processes", lanes,
           s->simulation.segment_ps, s->simulation.temperature_K, s->simulation.timestep_fs, human,
           p->ns_per_day);
    if (p->lanes_most % p->lane_width)
        printf("            note: a process fills vectors of %d replicas; %d cost as much as %d\n",
               p->lane_width, p->lanes_most,
               (p->lanes_most + p->lane_width - 1) / p->lane_width * p->lane_width);
    printf("  aggregate %d %s, %.1f frames/s\n", p->aggregators,
           p->aggregators == 1 ? "file" : "files", p->frames_per_s);
    if (!p->parameters)
        return;
    cox_clock_human(p->train_s, human, sizeof human);
    cox_clock_human(p->train_every_s, every, sizeof every);
    printf(
        "  train     %lld parameters on %d×%d contact maps, after %d new frames, about every %s: "
        "%s on %s\n",
        (long long)p->parameters, p->points, p->points, s->streaming.train_after_frames, every,
        human, p->cores_spare ? "cores that no simulation has" : "a core that a simulation lends");
}

void cox_show_plan(const struct cox_plan *p, const struct cox_settings *s)
{
    char human[32];
    show_machine(p);
    if (p->streaming)
        show_processes(p, s);
    else
        show_rounds(p, s);
    if (p->steered)
        printf("  agent     restarts %d of %d steered replicas; %d go unsteered\n", p->restarted,
               p->steered, p->replicas - p->steered);
    else
        printf("  control   nobody is restarted\n");
    cox_clock_human(p->total_s, human, sizeof human);
    printf("at most %.0f %s (%s), about %s, %.1f ns; frames file%s %.1f MB\n", p->rounds,
           p->streaming ? "segments of each replica" : "rounds", p->limit, human,
           p->rounds * p->ns_per_round, p->aggregators > 1 ? "s" : "", p->frames_mb);
}

int cox_show_plan_json(const struct cox_plan *p)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "system", p->system);
    cox_json_set_int(j, "atoms", p->atoms);
    cox_json_set_int(j, "replicas", p->replicas);
    cox_json_set_int(j, "threads", p->threads);
    cox_json_set_text(j, "coordination", p->streaming ? "streaming" : "sequential");
    if (p->streaming) {
        cox_json_set_int(j, "simulations", p->simulations);
        cox_json_set_int(j, "aggregators", p->aggregators);
        cox_json_set_int(j, "cores_spare", p->cores_spare);
        cox_json_set_number(j, "frames_per_s", p->frames_per_s);
        cox_json_set_number(j, "train_every_s", p->train_every_s);
    }
    cox_json_set_number(j, "ns_per_day", p->ns_per_day);
    cox_json_set_number(j, "ns_per_round", p->ns_per_round);
    cox_json_set_number(j, "simulate_s", p->simulate_s);
    cox_json_set_int(j, "frames_per_round", p->frames_per_round);
    cox_json_set_int(j, "parameters", p->parameters);
    cox_json_set_number(j, "train_first_s", p->train_first_s);
    cox_json_set_number(j, "train_s", p->train_s);
    cox_json_set_number(j, "round_s", p->round_s);
    cox_json_set_int(j, "steered", p->steered);
    cox_json_set_int(j, "restarted", p->restarted);
    cox_json_set_number(j, "rounds", p->rounds);
    cox_json_set_text(j, "limit", p->limit);
    cox_json_set_number(j, "total_s", p->total_s);
    cox_json_set_number(j, "frames_mb", p->frames_mb);
    cox_json_set_number(j, "start_rmsd_A", p->start_rmsd_A);
    char *text = cox_json_text(j, true);
    fputs(text ? text : "", stdout);
    cox_free(text);
    cox_json_destroy(j);
    return text ? COX_EXIT_OK : COX_EXIT_FAILED;
}
