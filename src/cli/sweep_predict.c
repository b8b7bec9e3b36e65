/* SPDX-License-Identifier: BSD-3-Clause */
/* `cox sweep predict`: its options are the sweep's own parameters. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/sweep.h"
#include "sweep/export.h"
#include "sweep/predict.h"

enum { OWN = 3 }; /* options that every sweep has */

struct predict {
    const char *points, *output;
    bool json;
    const char **inputs; /* [n_inputs] as given */
    struct cox_option *options;
};

static const char description[] =
    "What a sweep says of any inputs, with the uncertainty at the coverage that the bag.yaml asks "
    "for.\nGive each parameter as an option of its own name, or --points a CSV whose header has "
    "their names:\n\n"
    "    cox sweep predict ions.sweep --h 4.1 --c 0.55\n"
    "    cox sweep predict ions.sweep --points where.csv -o there.csv\n\n"
    "Inputs that were simulated give the simulation's own values. For others it is said whether "
    "the sweep\nwould serve the prediction or rather simulate.";

static int usage_of(struct predict *p, const struct cox_sweep_view *view, struct cox_usage *usage,
                    struct cox_arena *arena, struct cox_err *err)
{
    int n = view ? view->points.n_inputs : 0;
    p->inputs = cox_arena_alloc(arena, (size_t)n + 1, sizeof *p->inputs);
    p->options = cox_arena_alloc(arena, (size_t)n + OWN, sizeof *p->options);
    if (!p->inputs || !p->options)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    for (int i = 0; i < n; i++) {
        const struct cox_sweep_parameter *parameter = &view->points.parameter[i];
        p->options[i] = (struct cox_option){parameter->name,
                                            0,
                                            COX_OPT_TEXT,
                                            &p->inputs[i],
                                            parameter->unit ? parameter->unit : "VALUE",
                                            "this parameter",
                                            0,
                                            0};
    }
    const struct cox_option own[OWN] = {
        {"points", 0, COX_OPT_TEXT, &p->points, "FILE", "a CSV of inputs instead, a point per row",
         0, 0},
        {"output", 'o', COX_OPT_TEXT, &p->output, "FILE",
         "write all values there: .csv, .json or .h5", 0, 0},
        {"json", 0, COX_OPT_FLAG, &p->json, NULL, "print as JSON", 0, 0},
    };
    memcpy(p->options + n, own, sizeof own);
    *usage = (struct cox_usage){
        .synopsis = "cox sweep predict SWEEP --PARAMETER VALUE … | --points FILE.csv [-o FILE]",
        .description = description,
        .options = p->options,
        .n_options = n + OWN,
        .min_operands = 1,
        .max_operands = 1,
    };
    return COX_OK;
}

/* One point of the options, or those of the file: as a design of their own. */
static int points_of(struct cox_points *out, const struct predict *p,
                     const struct cox_sweep_view *view, struct cox_err *err)
{
    struct cox_sweep_settings s = view->settings;
    int n = view->points.n_inputs, given = 0;
    for (int i = 0; i < n; i++)
        given += p->inputs[i] != NULL;
    if (p->points) {
        if (given)
            return cox_err_set(err, COX_EINVAL,
                               "--points and single parameters exclude each other");
        s.design = (struct cox_settings_design){.kind = COX_DESIGN_FILE, .file = p->points};
        return cox_points_create(out, &s, NULL, err);
    }
    *out = (struct cox_points){.n = 1,
                               .n_inputs = n,
                               .n_features = view->points.n_features,
                               .parameter = view->points.parameter};
    out->x = cox_alloc((size_t)n, sizeof *out->x);
    out->feature = cox_alloc((size_t)out->n_features, sizeof *out->feature);
    int rc = out->x && out->feature ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
    for (int i = 0; !rc && i < n; i++) {
        const char *name = view->points.parameter[i].name;
        if (!p->inputs[i])
            rc = cox_err_set(err, COX_EINVAL, "--%s is missing: a prediction needs every parameter",
                             name);
        else
            rc = cox_points_parse(&view->points, i, p->inputs[i], &out->x[i], err);
    }
    if (rc)
        cox_points_deinit(out);
    else
        cox_points_features(&view->points, out->x, out->feature);
    return rc;
}

static void print_output(const struct cox_sweep_view *v, const struct cox_sweep_row *row, int o)
{
    const struct cox_sweep_output *output =
        (const struct cox_sweep_output *)v->settings.outputs.items + o;
    const char *unit = output->unit ? output->unit : "";
    for (int k = v->first[o]; k < v->first[o + 1]; k++) {
        char name[96];
        if (v->first[o + 1] - v->first[o] > 1)
            snprintf(name, sizeof name, "%s[%d]", output->name, k - v->first[o]);
        else
            snprintf(name, sizeof name, "%s", output->name);
        printf("  %-16s %12.6g", name, row->value[k]);
        if (!isnan(row->error[k]))
            printf(" ± %-10.3g", row->error[k]);
        if (row->spread)
            printf(" σ %-9.2g", row->spread[k]);
        printf(" %s\n", unit);
    }
}

static void print_row(const struct cox_sweep_view *v, const struct cox_sweep_view *sweep, int i)
{
    const struct cox_sweep_row *row = &v->row[i];
    struct cox_str inputs;
    cox_str_init(&inputs, 1 << 16);
    cox_points_describe(&v->points, v->points.x + (size_t)i * (size_t)v->points.n_inputs, &inputs);
    printf("%s: ", cox_str_text(&inputs));
    cox_str_deinit(&inputs);
    if (row->state == COX_POINT_SIMULATED) {
        printf("simulated (attempt %lld, seed %llu; ± its own error bar)\n",
               (long long)row->attempt, (unsigned long long)row->seed);
    } else {
        const struct cox_ledger_model *model = &sweep->model[sweep->n_models - 1];
        printf("predicted by model %lld of %lld simulations (seed %llu; ± half-width at %g %%)\n",
               (long long)model->id, (long long)model->n_results, (unsigned long long)model->seed,
               100 * v->settings.targets.coverage);
        if (row->reason[0])
            printf("  the sweep would simulate this: %s\n", row->reason);
    }
    for (int o = 0; o < v->n_outputs; o++)
        print_output(v, row, o);
}

static int show(const struct predict *p, const struct cox_sweep_view *v,
                const struct cox_sweep_view *sweep, struct cox_err *err)
{
    int rc = p->output ? cox_sweep_export(v, p->output, err) : COX_OK;
    if (!rc && p->json) {
        char *text = cox_sweep_json_text(v);
        if (!text)
            return cox_err_set(err, COX_ENOMEM, "out of memory");
        fputs(text, stdout);
        cox_free(text);
    } else if (!rc && p->output) {
        printf("%s: %d point%s\n", p->output, v->points.n, v->points.n == 1 ? "" : "s");
    }
    for (int i = 0; !rc && !p->json && !p->output && i < v->points.n; i++)
        print_row(v, sweep, i);
    return rc;
}

static int predict(int argc, char **argv, struct cox_sweep_view *sweep)
{
    struct predict p = {0};
    struct cox_usage usage;
    struct cox_points points;
    struct cox_sweep_view view;
    struct cox_err err = COX_ERR_INIT;
    int operands;
    int rc = usage_of(&p, sweep, &usage, sweep->arena, &err);
    if (!rc) {
        int code = cox_options_parse(&usage, argc, argv, &operands);
        if (code >= 0)
            return code;
        rc = points_of(&points, &p, sweep, &err);
    }
    if (!rc)
        rc = cox_sweep_predict(&view, sweep, argv[1], &points, &err);
    if (!rc) {
        rc = show(&p, &view, sweep, &err);
        cox_sweep_view_close(&view);
    }
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    return rc == COX_EINVAL ? COX_EXIT_USAGE : rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}

/* The sweep comes first, since its parameters are the options that may follow. */
int cox_cmd_sweep_predict(int argc, char **argv)
{
    struct cox_sweep_view sweep;
    struct cox_err err = COX_ERR_INIT;
    if (argc < 2 || argv[1][0] == '-') {
        struct predict p = {0};
        struct cox_usage usage;
        struct cox_arena *arena = cox_arena_create();
        int operands, code = COX_EXIT_FAILED;
        if (arena && !usage_of(&p, NULL, &usage, arena, &err))
            code = cox_options_parse(&usage, argc, argv, &operands);
        cox_arena_destroy(arena);
        if (code >= 0)
            return code;
        fprintf(stderr, "cox: sweep predict: the sweep's directory comes first\n");
        return COX_EXIT_USAGE;
    }
    if (cox_sweep_view_open(&sweep, argv[1], &err)) {
        fprintf(stderr, "cox: %s\n", err.text);
        return COX_EXIT_FAILED;
    }
    int code = predict(argc, argv, &sweep);
    cox_sweep_view_close(&sweep);
    return code;
}
