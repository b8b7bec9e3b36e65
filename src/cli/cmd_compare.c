/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "steer/report/compare.h"

#define PAGE_MAXIMUM ((size_t)64 << 20)

struct compare_options {
    const char *output, *svg, *model;
    long long states, samples, epochs, threads, seed;
    double fold_A;
    bool json;
};

static void show_stage(void *user, const char *stage)
{
    cox_progress_show(user, "%s …", stage);
}

typedef void writer(const struct cox_comparison *comparison, struct cox_str *out);

static int write_text(const struct cox_comparison *c, writer *write, const char *path,
                      struct cox_err *err)
{
    struct cox_str text;
    cox_str_init(&text, PAGE_MAXIMUM);
    write(c, &text);
    int rc = cox_str_status(&text, err);
    if (!rc && path)
        rc = cox_file_replace(path, cox_str_text(&text), text.length, err);
    else if (!rc)
        fputs(cox_str_text(&text), stdout);
    cox_str_deinit(&text);
    return rc;
}

static int print_json(const struct cox_comparison *c, struct cox_err *err)
{
    struct cox_json *j = cox_comparison_json(c);
    char *text = cox_json_text(j, true);
    cox_json_destroy(j);
    if (!text)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    fputs(text, stdout);
    cox_free(text);
    return COX_OK;
}

static int compare(const struct compare_options *o, const char *const *runs, int n)
{
    struct cox_compare_options options = COX_COMPARE_OPTIONS_INIT;
    struct cox_comparison *c = NULL;
    struct cox_progress line;
    struct cox_err err = COX_ERR_INIT;
    options.model = o->model;
    options.states = (int)o->states;
    options.samples = (int)o->samples;
    options.epochs = (int)o->epochs;
    options.threads = (int)o->threads;
    options.seed = (uint64_t)o->seed;
    options.fold_A = o->fold_A;
    options.cancel = cox_interrupt_watch();
    cox_progress_init(&line);
    if (!o->json && line.terminal) {
        options.progress = show_stage;
        options.user = &line;
    }
    int rc = cox_compare(&c, runs, n, &options, &err);
    cox_progress_end(&line);
    if (!rc)
        rc = write_text(c, cox_comparison_html, o->output, &err);
    if (!rc && o->svg)
        rc = write_text(c, cox_comparison_svg, o->svg, &err);
    if (!rc)
        rc = o->json ? print_json(c, &err) : write_text(c, cox_comparison_text, NULL, &err);
    cox_comparison_destroy(c);
    if (rc == COX_ECANCELLED)
        return COX_EXIT_INTERRUPTED;
    if (rc) {
        fprintf(stderr, "cox: %s\n", err.text);
        return COX_EXIT_FAILED;
    }
    if (!o->json)
        printf("figures: %s\n", o->output);
    return COX_EXIT_OK;
}

int cox_cmd_compare(int argc, char **argv)
{
    const struct cox_compare_options defaults = COX_COMPARE_OPTIONS_INIT;
    struct compare_options o = {.output = "compare.html",
                                .states = defaults.states,
                                .samples = defaults.samples,
                                .epochs = defaults.epochs,
                                .seed = 1,
                                .fold_A = NAN};
    const struct cox_option options[] = {
        {"output", 'o', COX_OPT_TEXT, &o.output, "FILE.html", "the page with the figures", 0, 0},
        {"svg", 0, COX_OPT_TEXT, &o.svg, "FILE.svg", "states against time as a file of its own", 0,
         0},
        {"json", 0, COX_OPT_FLAG, &o.json, NULL, "print all figures as JSON", 0, 0},
        {"model", 0, COX_OPT_TEXT, &o.model, "FILE.h5",
         "the CVAE that embeds the frames, e.g. RUN/models/model-0012.h5; else one is trained", 0,
         0},
        {"states", 'k', COX_OPT_INT, &o.states, "N", "states that k-means makes (100)", 2, 10000},
        {"samples", 0, COX_OPT_INT, &o.samples, "N", "frames that the model is trained on", 64,
         1e7},
        {"epochs", 0, COX_OPT_INT, &o.epochs, "N", "passes over them", 1, 10000},
        {"fold-A", 0, COX_OPT_NUMBER, &o.fold_A, "ANGSTROM",
         "RMSD that counts as folded (the runs' own target)", 0, 1000},
        {"seed", 0, COX_OPT_INT, &o.seed, "N", "of the model and the states", 0, 9e15},
        {"threads", 0, COX_OPT_INT, &o.threads, "N", "0: every processor", 0, 4096},
    };
    const struct cox_usage usage = {
        .synopsis = "cox compare RUN RUN… [-o compare.html] [options]",
        .description =
            "Was it worth it: embeds the frames of all runs with one model, cuts them "
            "into states, and\n"
            "sets the share of states that each run has visited against simulated time, "
            "with the\n"
            "speed-up over the control (a run with control: true), the best RMSD and the "
            "time to a fold.",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = -1,
    };
    int operands;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    return compare(&o, (const char *const *)argv + 1, operands);
}
