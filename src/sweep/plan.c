/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/team.h"
#include "servers/policy.h"
#include "sweep/surrogate.h"

/* What runs side by side, and the type of server that a bag of such jobs is cheapest on. */
struct place {
    const struct cox_server_type *type; /* NULL: this machine */
    int per_server, servers;
};

static void choose_place(struct place *place, const struct cox_sweep_settings *s,
                         const struct cox_sweep_servers *servers, struct cox_sweep_plan *plan)
{
    int cores = s->runtime.cores ? s->runtime.cores : cox_processors();
    int per_job = s->job.cores > 0 ? s->job.cores : 1;
    place->type = NULL;
    if (!servers->n) {
        plan->slots = cores / per_job > 0 ? cores / per_job : 1;
        snprintf(plan->where, sizeof plan->where, "%d core%s of this machine", cores,
                 cores == 1 ? "" : "s");
        return;
    }
    double best = INFINITY;
    for (int i = 0; i < servers->n; i++) {
        const struct cox_server_type *t = &servers->type[i];
        int slots = t->cores / per_job;
        double E = isnan(plan->job_h)
                       ? 1
                       : cox_job_expected_time(&t->life, plan->job_h, 0, COX_TIME_RESTART);
        double cost = slots ? t->price * E / slots : INFINITY;
        if (cost < best || !place->type) {
            best = cost;
            place->type = t;
            place->per_server = slots > 0 ? slots : 1;
        }
    }
    place->servers = s->servers.count > 0 ? s->servers.count : 1;
    plan->slots = place->servers * place->per_server;
    snprintf(plan->where, sizeof plan->where, "%d × %s", place->servers, place->type->name);
}

static void fill_way(struct cox_sweep_way *way, int simulations, const struct cox_sweep_plan *plan,
                     const struct place *place, int cores)
{
    double rounds = ceil((double)simulations / plan->slots);
    way->simulations = simulations;
    way->core_hours = simulations * plan->expected_h * cores;
    way->hours = rounds * plan->expected_h;
    way->cost = way->cost_on_demand = NAN;
    if (!place->type)
        return;
    double busy = (double)simulations / place->per_server;
    double up = place->servers * place->type->startup_h;
    way->hours += place->type->startup_h;
    way->cost = (busy * plan->expected_h + up) * place->type->price;
    way->cost_on_demand = (busy * plan->job_h + up) * place->type->price_on_demand;
}

int cox_sweep_plan_make(struct cox_sweep_plan *out, const struct cox_sweep_settings *settings,
                        const struct cox_config *config, const struct cox_points *points,
                        struct cox_err *err)
{
    struct cox_sweep_servers servers;
    struct place place = {0};
    int rc = cox_sweep_servers_create(&servers, &settings->servers, config, "servers", err);
    if (rc)
        return rc;
    memset(out, 0, sizeof *out);
    out->points = points->n;
    out->needed = settings->targets.jobs && settings->targets.jobs < points->n
                      ? settings->targets.jobs
                      : points->n;
    out->first = settings->surrogate.enabled
                     ? cox_surrogate_first(settings, points->n, points->n_features)
                     : 0;
    out->audits = settings->surrogate.enabled
                      ? cox_surrogate_least_audits(settings, points->n - out->first)
                      : 0;
    out->job_h = settings->job.expected_minutes / 60;
    choose_place(&place, settings, &servers, out);
    out->expected_h =
        place.type ? cox_job_expected_time(&place.type->life, out->job_h, 0, COX_TIME_RESTART)
                   : out->job_h;
    if (!isnan(settings->targets.deadline_hours) && !isnan(out->job_h))
        out->servers_for_deadline =
            cox_servers_for_deadline(out->needed, out->expected_h, settings->targets.deadline_hours,
                                     place.type ? place.per_server : out->slots);
    int least = out->first + out->audits;
    if (!settings->surrogate.enabled || least > out->needed)
        least = out->needed;
    int cores = settings->job.cores > 0 ? settings->job.cores : 1;
    fill_way(&out->most, out->needed, out, &place, cores);
    fill_way(&out->least, least, out, &place, cores);
    cox_sweep_servers_deinit(&servers);
    return COX_OK;
}
