/* SPDX-License-Identifier: BSD-3-Clause */
/* `cox sweep fit-lifetimes`: models of how long transient servers live, from a CSV of how long they
 * lived and whether they were taken away or given back. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/sweep.h"
#include "report/chart.h"
#include "servers/fits.h"

#define PANEL_WIDTH 720
#define PANEL_HEIGHT 340
#define CURVE_POINTS 400
#define MOST_BYTES ((size_t)1 << 26)
#define FITS_FILE "lifetimes.json"
#define FIGURE_FILE "lifetimes.svg"

struct command {
    const char *by, *where, *output;
    bool json;
};

struct groups {
    int n;
    struct cox_fit_group *item;
};

/* ---- figure ---- */

struct curves {
    double x[CURVE_POINTS];
    double y[COX_FIT_MODELS + 1][CURVE_POINTS];
};

/* Kaplan and Meier's steps, the fits made to them, and dashed what comes of leaving the censored
 * out. */
static void panel(struct cox_str *out, const struct cox_fit_group *g, struct curves *c)
{
    struct cox_chart chart = COX_CHART_INIT;
    struct cox_chart_series series[COX_FIT_MODELS + 3];
    static const char *const names[] = {"exponential", "Weibull", "bathtub"};
    const double end = g->time[g->traces.n - 1];
    char title[160];
    int at = 0;
    memset(series, 0, sizeof series);
    for (int i = 0; i < CURVE_POINTS; i++)
        c->x[i] = end * i / (CURVE_POINTS - 1);
    series[at++] = (struct cox_chart_series){.name = "Kaplan-Meier",
                                             .x = g->time,
                                             .y = g->cdf,
                                             .n = (size_t)g->traces.n,
                                             .step = true,
                                             .colour = 8};
    for (int m = 0; m <= COX_FIT_MODELS; m++) {
        bool naive = m == COX_FIT_MODELS;
        const struct cox_fit *fit =
            naive ? &g->fit[COX_FIT_NAIVE][COX_FIT_MODELS - 1] : &g->fit[COX_FIT_LEAST_SQUARES][m];
        if (!fit->found)
            continue;
        for (int i = 0; i < CURVE_POINTS; i++)
            c->y[m][i] = cox_lifetime_cdf(&fit->life, c->x[i]);
        series[at++] = (struct cox_chart_series){.name = naive ? "bathtub, naive" : names[m],
                                                 .x = c->x,
                                                 .y = c->y[m],
                                                 .n = CURVE_POINTS,
                                                 .dashed = naive,
                                                 .colour = naive ? 6 : 1 + m};
    }
    snprintf(title, sizeof title, "%s: %d servers, %d preempted, %d stopped by their users",
             g->name, g->traces.n, g->preempted, g->traces.n - g->preempted);
    chart.title = title;
    chart.x_label = "age (h)";
    chart.y_label = "share of servers gone";
    chart.width = PANEL_WIDTH;
    chart.height = PANEL_HEIGHT;
    chart.x_min = 0;
    chart.x_max = end;
    chart.y_min = 0;
    chart.y_max = 1;
    cox_chart_lines(out, &chart, series, at);
}

static int write_figure(const char *path, const struct groups *groups, struct cox_err *err)
{
    struct cox_str text;
    struct curves *curves = cox_alloc(1, sizeof *curves);
    int panels = 0;
    for (int i = 0; i < groups->n; i++)
        panels += groups->item[i].preempted >= COX_FITS_MIN;
    cox_str_init(&text, MOST_BYTES);
    cox_str_addf(&text,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                 "viewBox=\"0 0 %d %d\" color=\"#222\">"
                 "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>",
                 PANEL_WIDTH, PANEL_HEIGHT * panels, PANEL_WIDTH, PANEL_HEIGHT * panels);
    panels = 0;
    for (int i = 0; curves && i < groups->n; i++)
        if (groups->item[i].preempted >= COX_FITS_MIN) {
            cox_str_addf(&text, "<g transform=\"translate(0 %d)\">", PANEL_HEIGHT * panels++);
            panel(&text, &groups->item[i], curves);
            cox_str_add(&text, "</g>");
        }
    cox_str_add(&text, "</svg>\n");
    int rc = curves ? cox_str_status(&text, err)
                    : cox_err_set(err, COX_ENOMEM, "out of memory for a figure");
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&text), text.length, err);
    cox_str_deinit(&text);
    cox_free(curves);
    return rc;
}

/* ---- terminal ---- */

static void print_fit(const struct cox_fit *fit)
{
    const double *p = fit->life.p;
    char text[96] = "";
    if (fit->life.kind == COX_LIFETIME_EXPONENTIAL)
        snprintf(text, sizeof text, "mean %.4g h", p[0]);
    else if (fit->life.kind == COX_LIFETIME_WEIBULL)
        snprintf(text, sizeof text, "scale %.4g h, shape %.3g", p[0], p[1]);
    else
        snprintf(text, sizeof text, "A %.3f, tau1 %.3g h, tau2 %.3g h, b %.2f h", p[0], p[1], p[2],
                 p[3]);
    printf("  %-12s %-14s %-44s %7.4f %7.4f", cox_lifetime_name(fit->life.kind),
           cox_fit_method_names[fit->method], text, fit->residual, fit->distance);
    if (isfinite(fit->aic))
        printf(" %10.1f %10.1f\n", fit->log_likelihood, fit->aic);
    else
        printf(" %10s %10s\n", "-inf", "-");
}

static void print_group(const struct cox_fit_group *g)
{
    printf("%s: %d servers, %d preempted, %d stopped by their users (censored)\n", g->name,
           g->traces.n, g->preempted, g->traces.n - g->preempted);
    if (g->preempted < COX_FITS_MIN) {
        printf("  too few were preempted for a fit (%d; %d or more)\n\n", g->preempted,
               COX_FITS_MIN);
        return;
    }
    printf("  gone within 3 h: %.3f; among the preempted alone (naive): %.3f\n",
           cox_fit_group_cdf(g, 3), cox_fit_group_naive_cdf(g, 3));
    printf("  %-12s %-14s %-44s %7s %7s %10s %10s\n", "model", "method", "parameters", "rms",
           "largest", "log L", "AIC");
    for (int m = 0; m < COX_FIT_MODELS; m++)
        for (int k = 0; k < COX_FIT_METHODS; k++)
            if (g->fit[k][m].found)
                print_fit(&g->fit[k][m]);
    printf("\n");
}

static void print_groups(const struct groups *groups)
{
    for (int i = 0; i < groups->n; i++)
        print_group(&groups->item[i]);
    printf(
        "rms, largest: distance from Kaplan and Meier's estimate of the share gone. AIC: lower is\n"
        "better, by likelihood. naive: as published, censored servers left out; for comparison.\n");
}

/* ---- reading ---- */

static int add_group(struct groups *to, const char *path, const char *column, const char *value,
                     struct cox_err *err)
{
    struct cox_traces traces;
    int rc = cox_traces_read(&traces, path, column, value, err);
    if (!rc && !(rc = cox_fit_group_create(&to->item[to->n], value ? value : "all", &traces, err)))
        to->n++;
    return rc;
}

static int read_groups(struct groups *out, const char *path, const struct command *c,
                       struct cox_err *err)
{
    struct cox_trace_values values = {0};
    char column[256] = "";
    const char *value = c->where ? strchr(c->where, '=') : NULL;
    int rc = COX_OK;
    if (c->where && (!value || value == c->where))
        return cox_err_set(err, COX_EINVAL, "--where is '%s'; must be COLUMN=VALUE", c->where);
    if (c->where && c->by)
        return cox_err_set(err, COX_EINVAL, "--where and --by cannot be given together");
    if (c->where)
        snprintf(column, sizeof column, "%.*s", (int)(value - c->where), c->where);
    if (c->by)
        rc = cox_trace_values_read(&values, path, c->by, err);
    out->item = rc ? NULL : cox_alloc((size_t)values.n + 1, sizeof *out->item);
    if (!rc && !out->item)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for %d groups", values.n + 1);
    if (!rc)
        rc = add_group(out, path, c->where ? column : NULL, value ? value + 1 : NULL, err);
    for (int i = 0; !rc && i < values.n; i++)
        rc = add_group(out, path, c->by, values.item[i], err);
    cox_trace_values_deinit(&values);
    return rc;
}

static int write_all(const struct groups *groups, const char *source, const struct command *c,
                     struct cox_err *err)
{
    struct cox_json *json = cox_fits_json(groups->item, groups->n, source, c->by);
    char *text = c->json ? cox_json_text(json, true) : NULL;
    char path[4096];
    int rc = COX_OK;
    if (c->json && !text)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for the fits");
    if (!rc && c->output && !(rc = cox_directory_create(c->output, err)) &&
        !(rc = cox_path_join(path, sizeof path, c->output, FIGURE_FILE, err)) &&
        !(rc = write_figure(path, groups, err)) &&
        !(rc = cox_path_join(path, sizeof path, c->output, FITS_FILE, err)))
        rc = cox_json_write(json, path, err);
    if (!rc && text)
        printf("%s", text);
    cox_free(text);
    cox_json_destroy(json);
    return rc;
}

static int run(const struct command *c, const char *path)
{
    struct cox_err err = COX_ERR_INIT;
    struct groups groups = {0, NULL};
    int rc = read_groups(&groups, path, c, &err);
    if (!rc)
        rc = write_all(&groups, path, c, &err);
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    else if (!c->json)
        print_groups(&groups);
    if (!rc && !c->json && c->output)
        printf("\n%s/%s: for `servers:` of a bag.yaml; %s/%s\n", c->output, FITS_FILE, c->output,
               FIGURE_FILE);
    for (int i = 0; i < groups.n; i++)
        cox_fit_group_deinit(&groups.item[i]);
    cox_free(groups.item);
    return rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}

int cox_cmd_sweep_fit_lifetimes(int argc, char **argv)
{
    struct command c = {0};
    const struct cox_option options[] = {
        {"by", 'b', COX_OPT_TEXT, &c.by, "COLUMN", "also each of this column's values by itself", 0,
         0},
        {"where", 'w', COX_OPT_TEXT, &c.where, "COLUMN=VALUE", "only these rows", 0, 0},
        {"output", 'o', COX_OPT_TEXT, &c.output, "DIR", "the fits as a file and a figure", 0, 0},
        {"json", 0, COX_OPT_FLAG, &c.json, NULL, "the fits as JSON", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox sweep fit-lifetimes TRACES.csv [options]",
        .description =
            "How long transient servers live: an exponential, a Weibull and a constrained\n"
            "(\"bathtub\") model fitted to observed lifetimes. The CSV has a header with the "
            "columns\n"
            "lifetime_h and end (preempted, or stopped: by its user, so that it lived at least so\n"
            "long). The file that -o writes can be named in `servers:` of a bag.yaml.\n\n"
            "  cox sweep fit-lifetimes preemptions.csv --by machine_type -o lifetimes",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    int operands = 0;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    return code >= 0 ? code : run(&c, argv[1]);
}
