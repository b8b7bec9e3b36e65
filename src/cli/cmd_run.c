/* SPDX-License-Identifier: BSD-3-Clause */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/configured.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/show_plan.h"
#include "cli/show_run.h"
#include "cli/submit_run.h"
#include "steer/plan.h"
#include "steer/run.h"

struct run_options {
    const char *output;
    struct cox_option_texts set;
    bool check, submit, explain, markdown, json, quiet;
};

static int run_file(const char *file, const struct run_options *o, struct cox_arena *arena)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_settings settings;
    struct cox_config *config = NULL;
    char directory[PATH_MAX];
    int rc = cox_settings_load(&settings, &config, file, o->set.items, o->set.n, arena, &err);
    if (rc) {
        fprintf(stderr, "cox: %s\n", err.text);
        return COX_EXIT_USAGE;
    }
    if (o->check) {
        struct cox_plan plan;
        rc = cox_plan_make(&plan, &settings, config, &err);
        if (rc) {
            fprintf(stderr, "cox: %s\n", err.text);
            return COX_EXIT_USAGE;
        }
        if (o->json)
            return cox_show_plan_json(&plan);
        cox_show_plan(&plan, &settings);
        return COX_EXIT_OK;
    }
    if (o->output)
        snprintf(directory, sizeof directory, "%s", o->output);
    else if (settings.output)
        snprintf(directory, sizeof directory, "%s", settings.output);
    else
        cox_default_directory(file, ".run", directory, sizeof directory);
    if (o->submit)
        return cox_submit_run(file, directory, &settings, &o->set, o->json);
    struct cox_show_run show;
    struct cox_steer_outcome outcome;
    cox_show_run_init(&show, o->json || o->quiet);
    struct cox_steer_hooks hooks = {cox_show_run_progress, &show, cox_interrupt_watch()};
    rc = cox_steer_run(&outcome, &settings, config, directory, &hooks, &err);
    return cox_show_run_end(&show, rc, &outcome, directory, o->json, &err);
}

int cox_cmd_run(int argc, char **argv)
{
    struct run_options o = {0};
    const struct cox_option options[] = {
        {"output", 'o', COX_OPT_TEXT, &o.output, "DIR", "directory of the results", 0, 0},
        {"set", 0, COX_OPT_TEXTS, &o.set, "KEY=VALUE",
         "overrules one key of the file, e.g. seed=2; may be repeated", 0, 0},
        {"check", 0, COX_OPT_FLAG, &o.check, NULL,
         "check the file and print the plan; nothing is run or written", 0, 0},
        {"submit", 0, COX_OPT_FLAG, &o.submit, NULL,
         "write DIR/job.sh and submit it to Slurm instead; see 'slurm' of --explain", 0, 0},
        {"explain", 0, COX_OPT_FLAG, &o.explain, NULL, "print every key of the file", 0, 0},
        {"markdown", 0, COX_OPT_FLAG, &o.markdown, NULL, "with --explain: as Markdown", 0, 0},
        {"json", 0, COX_OPT_FLAG, &o.json, NULL, "print the result as JSON, no progress", 0, 0},
        {"quiet", 'q', COX_OPT_FLAG, &o.quiet, NULL, "no progress", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox run FILE.yaml [-o DIR] [options]",
        .description = "Drives an ensemble of simulations with a learned model: simulate, train, "
                       "find outliers,\n"
                       "restart, round after round, until the fold is found. 'cox resume DIR' goes "
                       "on after an\n"
                       "interruption of any kind.\n\n"
                       "A minimal FILE.yaml:\n"
                       "  system: protein.system.h5      # made by 'cox prepare'\n"
                       "  reference: {path: folded.pdb}\n"
                       "  agent: {objective: rmsd_A}\n"
                       "  stop: {simulated_ns: 100, target: {rmsd_A: 2}}",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 0,
        .max_operands = 1,
    };
    int operands;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    if (o.explain)
        return cox_print_keys(&cox_settings_schema, o.markdown);
    if (!operands) {
        fprintf(stderr, "cox: a configuration file is missing\nusage: %s\n", usage.synopsis);
        return COX_EXIT_USAGE;
    }
    struct cox_arena *arena = cox_arena_create();
    if (!arena) {
        fprintf(stderr, "cox: out of memory\n");
        return COX_EXIT_FAILED;
    }
    code = run_file(argv[1], &o, arena);
    cox_arena_destroy(arena);
    return code;
}
