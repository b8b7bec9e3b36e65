/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/configured.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/potential.h"
#include "cli/progress.h"
#include "dp_train/train.h"

struct train_options {
    struct cox_dp_train_options o;
    const char *init_from, *finetune;
    long long threads;
    double memory_GB;
    bool restart, explain, markdown, json, quiet;
};

struct show {
    struct cox_progress progress;
    bool json, quiet;
};

/* ---- progress ---- */

static void set_errors(struct cox_json *j, const char *which, const struct cox_dp_errors *e)
{
    char key[32];
    snprintf(key, sizeof key, "rmse_%s", which);
    cox_json_set_number(j, key, e->total);
    snprintf(key, sizeof key, "rmse_e_%s", which);
    cox_json_set_number(j, key, e->energy);
    snprintf(key, sizeof key, "rmse_f_%s", which);
    cox_json_set_number(j, key, e->force);
    snprintf(key, sizeof key, "rmse_v_%s", which);
    cox_json_set_number(j, key, e->virial);
}

static void print_json(struct cox_json *j)
{
    char *text = cox_json_text(j, false);
    fputs(text ? text : "", stdout);
    fflush(stdout);
    cox_free(text);
    cox_json_destroy(j);
}

static void row_json(const struct cox_dp_train_progress *p)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_int(j, "step", p->row->step);
    cox_json_set_int(j, "steps", p->steps);
    cox_json_set_number(j, "lr", p->row->rate);
    if (p->row->validated)
        set_errors(j, "val", &p->row->validation);
    set_errors(j, "trn", &p->row->training);
    cox_json_set_number(j, "steps_per_s", p->steps_per_s);
    cox_json_set_number(j, "eta_s", p->eta_s);
    print_json(j);
}

static void on_note(void *user, const char *text)
{
    struct show *s = user;
    bool warning = !strncmp(text, "warning", 7);
    if (s->quiet && !warning)
        return;
    cox_progress_end(&s->progress);
    fprintf(s->json || s->quiet || warning ? stderr : stdout, "%s\n", text);
}

static void on_progress(void *user, const struct cox_dp_train_progress *p)
{
    struct show *s = user;
    char eta[40] = "";
    if (s->json && p->fresh)
        row_json(p);
    if (s->json || s->quiet || !p->row)
        return;
    const struct cox_dp_row *r = p->row;
    const struct cox_dp_errors *v = &r->validation;
    char validation[64] = "";
    if (r->validated)
        snprintf(validation, sizeof validation, " (validation %.2e, %.2e)", v->energy, v->force);
    cox_clock_human(p->eta_s, eta, sizeof eta);
    cox_progress_show(&s->progress,
                      "step %lld of %lld, lr %.1e, rmse e/atom %.2e eV, f %.2e eV/Å%s, "
                      "%.3g steps/s, %s left",
                      (long long)p->step, (long long)p->steps, r->rate, r->training.energy,
                      r->training.force, validation, p->steps_per_s, eta);
}

/* ---- the command ---- */

static void end_json(const struct cox_dp_train_outcome *o, const char *model, const char *end)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "end", end);
    cox_json_set_text(j, "model", model);
    cox_json_set_int(j, "step", o->step);
    cox_json_set_int(j, "seed", o->seed);
    cox_json_set_number(j, "seconds", o->seconds);
    print_json(j);
}

static int finish(int rc, const struct cox_dp_train_outcome *o, const struct train_options *t,
                  struct show *show, const struct cox_err *err)
{
    char time[40];
    cox_progress_end(&show->progress);
    if (t->json)
        end_json(o, t->o.model, rc == COX_ECANCELLED ? "interrupted" : rc ? "failed" : "done");
    if (rc) {
        fprintf(stderr, "cox: %s\n", err->text);
        return rc == COX_ECANCELLED ? COX_EXIT_INTERRUPTED : COX_EXIT_FAILED;
    }
    if (t->json || t->quiet)
        return COX_EXIT_OK;
    const struct cox_dp_row *r = &o->row;
    const struct cox_dp_errors *e = r->validated ? &r->validation : &r->training;
    cox_clock_human(o->seconds, time, sizeof time);
    printf("%lld steps in %s (%.3g ms a step); %s errors: energy %.3g meV/atom, force %.3g eV/Å\n",
           (long long)(o->step - o->first), time,
           o->step > o->first ? 1e3 * o->seconds / (double)(o->step - o->first) : 0,
           r->validated ? "validation" : "training", 1e3 * e->energy, e->force);
    printf("model: %s\n", t->o.model);
    return COX_EXIT_OK;
}

static int check(struct train_options *t)
{
    if (t->restart + (t->init_from != NULL) + (t->finetune != NULL) > 1) {
        fprintf(stderr, "cox: --restart, --init-from and --finetune exclude each other\n");
        return COX_EXIT_USAGE;
    }
    t->o.start = t->restart     ? COX_DP_TRAIN_RESTART
                 : t->init_from ? COX_DP_TRAIN_INIT_FROM
                 : t->finetune  ? COX_DP_TRAIN_FINETUNE
                                : COX_DP_TRAIN_NEW;
    t->o.from = t->init_from ? t->init_from : t->finetune;
    t->o.threads = (int)t->threads;
    t->o.list_bytes = (int64_t)(t->memory_GB * 1e9);
    return -1;
}

int cox_potential_train(int argc, char **argv)
{
    struct train_options t = {.o = {.model = "model.dp", .effective = "out.json"}};
    const struct cox_option options[] = {
        {"restart", 'r', COX_OPT_FLAG, &t.restart, NULL,
         "go on from the newest checkpoint, exactly as if never interrupted", 0, 0},
        {"init-from", 'i', COX_OPT_TEXT, &t.init_from, "MODEL",
         "begin with the weights and statistics of a model", 0, 0},
        {"finetune", 't', COX_OPT_TEXT, &t.finetune, "MODEL",
         "the same, its energies shifted to those of the data", 0, 0},
        {"overwrite", 0, COX_OPT_FLAG, &t.o.overwrite, NULL,
         "a new training may replace the checkpoints of another one", 0, 0},
        {"model", 'm', COX_OPT_TEXT, &t.o.model, "FILE.dp",
         "where the model is written, at every checkpoint (model.dp)", 0, 0},
        {"output", 'o', COX_OPT_TEXT, &t.o.effective, "FILE.json",
         "where the input with all its defaults is written (out.json)", 0, 0},
        {"threads", 't', COX_OPT_INT, &t.threads, "N", "0: all processors", 0, 1024},
        {"list-memory-GB", 0, COX_OPT_NUMBER, &t.memory_GB, "GB",
         "for lists of neighbours that are kept; 0: a quarter of the machine's", 0, 1e6},
        {"explain", 0, COX_OPT_FLAG, &t.explain, NULL, "print every key of input.json", 0, 0},
        {"markdown", 0, COX_OPT_FLAG, &t.markdown, NULL, "with --explain: as Markdown", 0, 0},
        {"json", 0, COX_OPT_FLAG, &t.json, NULL,
         "print each row of the learning curve as a line of JSON", 0, 0},
        {"quiet", 'q', COX_OPT_FLAG, &t.quiet, NULL, "no progress", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox potential train input.json [options]",
        .description =
            "Trains a Deep Potential: DeePMD-kit's input.json and data as they are. Writes the\n"
            "learning curve (lcurve.out), checkpoints (model.ckpt-STEP.dp with .state), and\n"
            "model.dp, which cox and DeePMD-kit v3 open. Ctrl-C writes a checkpoint and stops;\n"
            "--restart goes on.\n\n"
            "  cox potential train input.json --threads 2",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 0,
        .max_operands = 1,
    };
    int operands = 0;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    if (t.explain)
        return cox_print_keys(&cox_dp_input_schema, t.markdown);
    if (!operands) {
        fprintf(stderr, "cox: an input file is missing\nusage: %s\n", usage.synopsis);
        return COX_EXIT_USAGE;
    }
    t.o.input = argv[1];
    code = check(&t);
    if (code >= 0)
        return code;
    struct show show = {.json = t.json, .quiet = t.quiet};
    cox_progress_init(&show.progress);
    struct cox_dp_train_hooks hooks = {on_note, on_progress, &show, cox_interrupt_watch()};
    struct cox_dp_train_outcome outcome;
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_dp_train(&outcome, &t.o, &hooks, &err);
    return finish(rc, &outcome, &t, &show, &err);
}
