/* SPDX-License-Identifier: BSD-3-Clause */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/configured.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/show_sweep.h"
#include "cli/sweep.h"
#include "sweep/job.h"
#include "sweep/report.h"
#include "sweep/run.h"

struct run_options {
    const char *output;
    struct cox_option_texts set;
    bool check, explain, markdown, json, quiet, retry;
};

static void print_words(const char *const *argv)
{
    for (; argv && *argv; argv++)
        printf(" %s", *argv);
    printf("\n");
}

/* Everything that a run looks at before it starts; the first job as it would be started. */
static int check(const struct cox_sweep_settings *settings, const struct cox_config *config,
                 struct cox_arena *arena, struct cox_err *err)
{
    struct cox_points points = {0};
    struct cox_jobs *jobs = NULL;
    struct cox_str inputs;
    const char *const *argv = NULL;
    char key[COX_JOB_KEY_SIZE];
    cox_str_init(&inputs, 1 << 16);
    int rc = cox_points_create(&points, settings, config, err);
    if (!rc)
        rc = cox_jobs_create(&jobs, settings, config, &points, err);
    for (int i = 0; !rc && i < points.n; i++)
        rc = cox_job_key(jobs, i, key, err);
    if (!rc)
        rc = cox_job_arguments(jobs, 0, false, &argv, arena, err);
    if (!rc) {
        cox_points_describe(&points, points.x, &inputs);
        printf("%d points of %d parameters, %d outputs; surrogate %s\n", points.n, points.n_inputs,
               settings->outputs.n, settings->surrogate.enabled ? "on" : "off");
        printf("point 0 (%s):", cox_str_text(&inputs));
        print_words(argv);
    }
    cox_str_deinit(&inputs);
    cox_jobs_destroy(jobs);
    cox_points_deinit(&points);
    return rc;
}

static int run(const struct cox_sweep_settings *settings, const struct cox_config *config,
               const char *directory, const struct run_options *o)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_show_sweep show;
    struct cox_sweep_outcome outcome;
    cox_show_sweep_init(&show, o->json || o->quiet);
    struct cox_sweep_hooks hooks = {cox_show_sweep_progress, cox_show_sweep_said, &show,
                                    cox_interrupt_watch(), o->retry};
    int rc = cox_sweep_run(&outcome, settings, config, directory, &hooks, &err);
    struct cox_err problem = COX_ERR_INIT;
    if ((!rc || rc == COX_ECANCELLED) && cox_sweep_report_write(directory, &problem))
        fprintf(stderr, "cox: warning: no report: %s\n", problem.text);
    return cox_show_sweep_end(&show, rc, &outcome, directory, o->json, &err);
}

static int run_file(const char *file, const char *into, const struct run_options *o,
                    struct cox_arena *arena)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_sweep_settings settings;
    struct cox_config *config = NULL;
    char directory[PATH_MAX];
    int rc = cox_sweep_settings_load(&settings, &config, file, o->set.items, o->set.n, arena, &err);
    if (!rc && o->check)
        rc = check(&settings, config, arena, &err);
    if (rc) {
        fprintf(stderr, "cox: %s\n", err.text);
        return COX_EXIT_USAGE;
    }
    if (o->check)
        return COX_EXIT_OK;
    if (into || o->output)
        snprintf(directory, sizeof directory, "%s", into ? into : o->output);
    else if (settings.output)
        snprintf(directory, sizeof directory, "%s", settings.output);
    else
        cox_default_directory(file, ".sweep", directory, sizeof directory);
    return run(&settings, config, directory, o);
}

static int in_arena(const char *file, const char *into, const struct run_options *o)
{
    struct cox_arena *arena = cox_arena_create();
    if (!arena) {
        fprintf(stderr, "cox: out of memory\n");
        return COX_EXIT_FAILED;
    }
    int code = run_file(file, into, o, arena);
    cox_arena_destroy(arena);
    return code;
}

int cox_cmd_sweep_run(int argc, char **argv)
{
    struct run_options o = {0};
    const struct cox_option options[] = {
        {"output", 'o', COX_OPT_TEXT, &o.output, "DIR", "directory of the results", 0, 0},
        {"set", 0, COX_OPT_TEXTS, &o.set, "KEY=VALUE",
         "overrules one key of the file, e.g. seed=2; may be repeated", 0, 0},
        {"check", 0, COX_OPT_FLAG, &o.check, NULL,
         "check the file and show the first job; nothing is run or written", 0, 0},
        {"retry", 0, COX_OPT_FLAG, &o.retry, NULL,
         "points whose retries are used up are tried again", 0, 0},
        {"explain", 0, COX_OPT_FLAG, &o.explain, NULL, "print every key of the file", 0, 0},
        {"markdown", 0, COX_OPT_FLAG, &o.markdown, NULL, "with --explain: as Markdown", 0, 0},
        {"json", 0, COX_OPT_FLAG, &o.json, NULL, "print the result as JSON, no progress", 0, 0},
        {"quiet", 'q', COX_OPT_FLAG, &o.quiet, NULL, "no progress", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox sweep run BAG.yaml [-o DIR] [options]",
        .description =
            "Runs a job at every point of a space of parameters, learns from the results as they\n"
            "arrive, and predicts the rest once that is accurate enough. The same command with a\n"
            "changed file goes on in its directory: results are known by the contents of their\n"
            "inputs and are never computed twice.\n\n"
            "A minimal BAG.yaml:\n"
            "  parameters:\n"
            "    - {name: h, range: [3, 4], steps: 20}\n"
            "    - {name: c, values: [0.3, 0.6, 0.9]}\n"
            "  job: {command: './simulate --height {h} --molar {c}'}\n"
            "  outputs:\n"
            "    - {name: peak, json: result.json, key: peak, accuracy: 0.05}",
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
        return cox_print_keys(&cox_sweep_settings_schema, o.markdown);
    if (!operands) {
        fprintf(stderr, "cox: a bag.yaml is missing\nusage: %s\n", usage.synopsis);
        return COX_EXIT_USAGE;
    }
    return in_arena(argv[1], NULL, &o);
}

int cox_cmd_sweep_resume(int argc, char **argv)
{
    struct run_options o = {0};
    const struct cox_option options[] = {
        {"set", 0, COX_OPT_TEXTS, &o.set, "KEY=VALUE",
         "overrules one key of the sweep, e.g. targets.jobs=200; may be repeated", 0, 0},
        {"retry", 0, COX_OPT_FLAG, &o.retry, NULL,
         "points whose retries are used up are tried again", 0, 0},
        {"json", 0, COX_OPT_FLAG, &o.json, NULL, "print the result as JSON, no progress", 0, 0},
        {"quiet", 'q', COX_OPT_FLAG, &o.quiet, NULL, "no progress", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox sweep resume SWEEP [options]",
        .description =
            "Goes on with a sweep that was interrupted or killed, however that happened: no\n"
            "finished job is run again, and one that has a checkpoint goes on from there.",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    int operands;
    char file[PATH_MAX];
    struct cox_err err = COX_ERR_INIT;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    int rc = cox_path_join(file, sizeof file, argv[1], "config.yaml", &err);
    if (!rc && !cox_file_exists(file))
        rc = cox_err_set(&err, COX_ENOTFOUND, "'%s' is no sweep: it has no config.yaml", argv[1]);
    if (rc) {
        fprintf(stderr, "cox: %s\n", err.text);
        return COX_EXIT_FAILED;
    }
    return in_arena(file, argv[1], &o);
}
