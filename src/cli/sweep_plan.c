/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/sweep.h"
#include "sweep/plan.h"

static void print_way(const char *name, const struct cox_sweep_way *way)
{
    char human[32];
    printf("  %-28s %6d simulation%s", name, way->simulations, way->simulations == 1 ? " " : "s");
    if (!isnan(way->hours)) {
        cox_clock_human(way->hours * 3600, human, sizeof human);
        printf("  %s, %.3g core hours", human, way->core_hours);
    }
    if (!isnan(way->cost))
        printf(", %.2f USD (on demand %.2f)", way->cost, way->cost_on_demand);
    printf("\n");
}

static void print_plan(const struct cox_sweep_plan *p, const struct cox_sweep_settings *s)
{
    char human[32];
    printf("%d points", p->points);
    if (p->needed < p->points)
        printf(", %d wanted", p->needed);
    printf("; %d job%s side by side on %s\n", p->slots, p->slots == 1 ? "" : "s", p->where);
    if (isnan(p->job_h))
        printf("how long a job takes is not known: job.expected_minutes would tell\n");
    else {
        cox_clock_human(p->job_h * 3600, human, sizeof human);
        printf("a job: %s", human);
        if (p->expected_h > p->job_h) {
            cox_clock_human(p->expected_h * 3600, human, sizeof human);
            printf(", expected %s on servers that vanish (begun again each time)", human);
        }
        printf("\n");
    }
    print_way("all simulated", &p->most);
    if (s->objective.kind != COX_OBJECTIVE_NONE) {
        printf("  a search ends when no more improvement is expected, mostly long before that\n");
    } else if (s->surrogate.enabled) {
        print_way("at best, with the surrogate", &p->least);
        printf("  at best: %d results to learn from, then %d audits without a failure: fewer "
               "cannot show that at most\n  %g %% of the predictions miss their accuracy, at "
               "%g %% coverage; how many it takes, the sweep finds out\n",
               p->first, p->audits, 100 * s->targets.failing, 100 * s->targets.coverage);
    }
    if (p->servers_for_deadline > 0)
        printf("  the deadline of %g h needs %d server%s\n", s->targets.deadline_hours,
               p->servers_for_deadline, p->servers_for_deadline == 1 ? "" : "s");
    else if (p->servers_for_deadline < 0)
        printf("  no number of servers meets the deadline of %g h: one job takes longer\n",
               s->targets.deadline_hours);
    if (s->servers.types.n)
        printf("'cox sweep simulate' tells the distributions of cost and time\n");
}

static struct cox_json *json_way(const struct cox_sweep_way *way)
{
    struct cox_json *json = cox_json_object();
    cox_json_set_int(json, "simulations", way->simulations);
    cox_json_set_number(json, "hours", way->hours);
    cox_json_set_number(json, "core_hours", way->core_hours);
    cox_json_set_number(json, "cost_usd", way->cost);
    cox_json_set_number(json, "cost_on_demand_usd", way->cost_on_demand);
    return json;
}

static int print_json(const struct cox_sweep_plan *p)
{
    struct cox_json *json = cox_json_object();
    cox_json_set_int(json, "points", p->points);
    cox_json_set_int(json, "needed", p->needed);
    cox_json_set_int(json, "first", p->first);
    cox_json_set_int(json, "audits", p->audits);
    cox_json_set_int(json, "slots", p->slots);
    cox_json_set_text(json, "where", p->where);
    cox_json_set_number(json, "job_hours", p->job_h);
    cox_json_set_number(json, "expected_hours", p->expected_h);
    cox_json_set_int(json, "servers_for_deadline", p->servers_for_deadline);
    cox_json_set(json, "all_simulated", json_way(&p->most));
    cox_json_set(json, "at_best", json_way(&p->least));
    char *text = cox_json_text(json, true);
    cox_json_destroy(json);
    if (!text) {
        fprintf(stderr, "cox: out of memory\n");
        return COX_EXIT_FAILED;
    }
    fputs(text, stdout);
    cox_free(text);
    return COX_EXIT_OK;
}

int cox_cmd_sweep_plan(int argc, char **argv)
{
    struct cox_option_texts set = {0};
    bool json = false;
    const struct cox_option options[] = {
        {"set", 0, COX_OPT_TEXTS, &set, "KEY=VALUE", "in place of what the file says", 0, 0},
        {"json", 0, COX_OPT_FLAG, &json, NULL, "print one JSON object", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox sweep plan BAG.yaml [options]",
        .description = "What a sweep will take: points, simulations, hours, cost. Nothing is run.",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    struct cox_sweep_settings settings;
    struct cox_config *config = NULL;
    struct cox_points points = {0};
    struct cox_sweep_plan plan;
    struct cox_err err = COX_ERR_INIT;
    int operands;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    struct cox_arena *arena = cox_arena_create();
    int rc =
        arena ? cox_sweep_settings_load(&settings, &config, argv[1], set.items, set.n, arena, &err)
              : cox_err_set(&err, COX_ENOMEM, "out of memory");
    if (!rc)
        rc = cox_points_create(&points, &settings, config, &err);
    if (!rc)
        rc = cox_sweep_plan_make(&plan, &settings, config, &points, &err);
    code = rc ? COX_EXIT_USAGE : COX_EXIT_OK;
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    else if (json)
        code = print_json(&plan);
    else
        print_plan(&plan, &settings);
    cox_points_deinit(&points);
    cox_arena_destroy(arena);
    return code;
}
