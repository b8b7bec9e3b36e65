/* SPDX-License-Identifier: BSD-3-Clause */
#include "servers/fits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define FORMAT "cox-lifetimes"

const char *const cox_fit_method_names[COX_FIT_METHODS + 1] = {"least-squares", "likelihood",
                                                               "naive", NULL};

static const enum cox_lifetime_kind models[COX_FIT_MODELS] = {
    COX_LIFETIME_EXPONENTIAL, COX_LIFETIME_WEIBULL, COX_LIFETIME_CONSTRAINED};

/* Keys of the parameters in a file. */
static const struct {
    int n;
    const char *key[4];
} parameters[] = {
    [COX_LIFETIME_EXPONENTIAL] = {1, {"mean_h"}},
    [COX_LIFETIME_WEIBULL] = {2, {"scale_h", "shape"}},
    [COX_LIFETIME_CONSTRAINED] = {4, {"A", "tau1_h", "tau2_h", "b_h"}},
    [COX_LIFETIME_EMPIRICAL] = {0, {NULL}},
};

/* ---- fitting ---- */

static void judge(struct cox_fit *fit, const struct cox_fit_group *g)
{
    double sum = 0;
    for (int i = 0; i < g->traces.n; i++) {
        double r = cox_lifetime_cdf(&fit->life, g->time[i]) - g->cdf[i];
        sum += r * r;
    }
    fit->residual = sqrt(sum / g->traces.n);
    fit->distance = cox_traces_distance(&g->traces, g->cdf, &fit->life);
    fit->log_likelihood = cox_traces_log_likelihood(&g->traces, &fit->life);
    fit->aic = 2.0 * parameters[fit->life.kind].n - 2 * fit->log_likelihood;
}

/* A fit that cannot be made is not an error of the group's. */
static void fit_all(struct cox_fit_group *g)
{
    double residual;
    for (int m = 0; m < COX_FIT_MODELS; m++) {
        struct cox_fit *squares = &g->fit[COX_FIT_LEAST_SQUARES][m];
        struct cox_fit *likely = &g->fit[COX_FIT_LIKELIHOOD][m];
        struct cox_fit *naive = &g->fit[COX_FIT_NAIVE][m];
        squares->found = !cox_lifetime_fit(&squares->life, models[m], g->time, g->cdf, g->traces.n,
                                           &residual, NULL);
        likely->found = !cox_lifetime_fit_likelihood(&likely->life, models[m], &g->traces,
                                                     squares->found ? &squares->life : NULL, NULL);
        naive->found = !cox_lifetime_fit(&naive->life, models[m], g->naive_time, g->naive_f,
                                         g->n_naive, &residual, NULL);
        for (int k = 0; k < COX_FIT_METHODS; k++) {
            g->fit[k][m].method = (enum cox_fit_method)k;
            if (g->fit[k][m].found)
                judge(&g->fit[k][m], g);
        }
    }
}

int cox_fit_group_create(struct cox_fit_group *out, const char *name, struct cox_traces *traces,
                         struct cox_err *err)
{
    size_t n = (size_t)traces->n;
    *out = (struct cox_fit_group){.traces = *traces};
    *traces = (struct cox_traces){0};
    snprintf(out->name, sizeof out->name, "%s", name);
    out->time = cox_alloc(n, sizeof(double));
    out->cdf = cox_alloc(n, sizeof(double));
    out->naive_time = cox_alloc(n, sizeof(double));
    out->naive_f = cox_alloc(n, sizeof(double));
    if (!out->time || !out->cdf || !out->naive_time || !out->naive_f) {
        cox_fit_group_deinit(out);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %zu lifetimes", n);
    }
    cox_traces_kaplan_meier(&out->traces, out->cdf);
    for (size_t i = 0; i < n; i++) {
        out->time[i] = out->traces.item[i].hours;
        out->preempted += out->traces.item[i].preempted;
    }
    out->n_naive = cox_traces_naive(&out->traces, out->naive_time, out->naive_f);
    if (out->preempted >= COX_FITS_MIN)
        fit_all(out);
    return COX_OK;
}

void cox_fit_group_deinit(struct cox_fit_group *group)
{
    cox_traces_deinit(&group->traces);
    cox_free(group->time);
    cox_free(group->cdf);
    cox_free(group->naive_time);
    cox_free(group->naive_f);
    *group = (struct cox_fit_group){0};
}

double cox_fit_group_cdf(const struct cox_fit_group *group, double t)
{
    struct cox_lifetime steps = {.kind = COX_LIFETIME_EMPIRICAL,
                                 .n = group->traces.n,
                                 .time = group->time,
                                 .cdf = group->cdf};
    return cox_lifetime_cdf(&steps, t);
}

double cox_fit_group_naive_cdf(const struct cox_fit_group *group, double t)
{
    int gone = 0;
    for (int i = 0; i < group->n_naive; i++)
        gone += group->naive_time[i] <= t;
    return gone / (double)group->n_naive;
}

/* ---- writing ---- */

static struct cox_json *fit_json(const struct cox_fit *fit)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "model", cox_lifetime_name(fit->life.kind));
    cox_json_set_text(j, "method", cox_fit_method_names[fit->method]);
    for (int i = 0; i < parameters[fit->life.kind].n; i++)
        cox_json_set_number(j, parameters[fit->life.kind].key[i], fit->life.p[i]);
    cox_json_set_number(j, "rms_residual", fit->residual);
    cox_json_set_number(j, "largest_distance", fit->distance);
    cox_json_set_number(j, "log_likelihood", fit->log_likelihood);
    cox_json_set_number(j, "aic", fit->aic);
    return j;
}

/* Only where F rises: that is all there is to know of it. */
static struct cox_json *steps_json(const struct cox_fit_group *g)
{
    struct cox_json *list = cox_json_array();
    for (int i = 0; i < g->traces.n; i++) {
        bool last = i + 1 == g->traces.n || g->time[i + 1] > g->time[i];
        if (last && g->cdf[i] > (i ? cox_fit_group_cdf(g, nextafter(g->time[i], 0)) : 0)) {
            struct cox_json *step = cox_json_object();
            cox_json_set_number(step, "t_h", g->time[i]);
            cox_json_set_number(step, "F", g->cdf[i]);
            cox_json_push(list, step);
        }
    }
    return list;
}

struct cox_json *cox_fits_json(const struct cox_fit_group *groups, int n, const char *source,
                               const char *by)
{
    struct cox_json *j = cox_json_object(), *list = cox_json_array();
    cox_json_set_text(j, "format", FORMAT);
    cox_json_set_int(j, "version", 1);
    cox_json_set_text(j, "source", source);
    cox_json_set_text(j, "by", by);
    for (int i = 0; i < n; i++) {
        const struct cox_fit_group *g = &groups[i];
        struct cox_json *group = cox_json_object(), *fits = cox_json_array();
        cox_json_set_text(group, "name", g->name);
        cox_json_set_int(group, "servers", g->traces.n);
        cox_json_set_int(group, "preempted", g->preempted);
        cox_json_set_int(group, "stopped", g->traces.n - g->preempted);
        cox_json_set_number(group, "longest_h", g->time[g->traces.n - 1]);
        cox_json_set_number(group, "F_3h", cox_fit_group_cdf(g, 3));
        cox_json_set_number(group, "F_3h_naive", cox_fit_group_naive_cdf(g, 3));
        for (int k = 0; k < COX_FIT_METHODS; k++)
            for (int m = 0; m < COX_FIT_MODELS; m++)
                if (g->fit[k][m].found)
                    cox_json_push(fits, fit_json(&g->fit[k][m]));
        cox_json_set(group, "fits", fits);
        cox_json_set(group, "kaplan_meier", steps_json(g));
        cox_json_push(list, group);
    }
    cox_json_set(j, "groups", list);
    return j;
}

/* ---- reading ---- */

static int read_steps(struct cox_lifetime *out, double **arrays, const struct cox_json *group,
                      struct cox_err *err)
{
    int n = cox_json_count(group, "kaplan_meier");
    const int room = n + 1;
    double *a = cox_alloc(2 * (size_t)room, sizeof *a);
    if (!a)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d steps", n);
    for (int i = 0; i < n; i++) {
        struct cox_json *step = cox_json_item(group, "kaplan_meier", i);
        a[i] = cox_json_get_number(step, "t_h", NAN);
        a[room + i] = cox_json_get_number(step, "F", NAN);
        cox_json_destroy(step);
    }
    if (!n || a[room + n - 1] < 1) {
        a[n] = cox_json_get_number(group, "longest_h", NAN);
        a[room + n++] = 1;
    }
    *out =
        (struct cox_lifetime){.kind = COX_LIFETIME_EMPIRICAL, .n = n, .time = a, .cdf = a + room};
    *arrays = a;
    return COX_OK;
}

/* COX_ENOTFOUND without a message where the group has no such fit. */
static int read_fit(struct cox_lifetime *out, const struct cox_json *group,
                    const struct cox_fits_choice *choice)
{
    int rc = COX_ENOTFOUND;
    for (int i = 0; rc && i < cox_json_count(group, "fits"); i++) {
        struct cox_json *fit = cox_json_item(group, "fits", i);
        const char *model = cox_json_get_text(fit, "model");
        const char *method = cox_json_get_text(fit, "method");
        if (model && method && !strcmp(model, cox_lifetime_name(choice->kind)) &&
            !strcmp(method, cox_fit_method_names[choice->method])) {
            *out = (struct cox_lifetime){.kind = choice->kind};
            for (int p = 0; p < parameters[choice->kind].n; p++)
                out->p[p] = cox_json_get_number(fit, parameters[choice->kind].key[p], NAN);
            rc = COX_OK;
        }
        cox_json_destroy(fit);
    }
    return rc;
}

/* The group's number; -1 with a message that says which there are. */
static int find_group(const struct cox_json *file, const char *path, const char *name,
                      struct cox_err *err)
{
    struct cox_err said = COX_ERR_INIT;
    int n = cox_json_count(file, "groups"), found = -1;
    char names[512] = "";
    for (int i = 0; i < n; i++) {
        struct cox_json *group = cox_json_item(file, "groups", i);
        const char *text = cox_json_get_text(group, "name");
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", text ? text : "?");
        if ((name && text && !strcmp(text, name)) || (!name && n == 1))
            found = i;
        cox_json_destroy(group);
    }
    if (found < 0 && name)
        (void)cox_err_set(&said, COX_ENOTFOUND, "'%s' has no group '%s'; it has %s", path, name,
                          names);
    else if (found < 0)
        (void)cox_err_set(&said, COX_ENOTFOUND, "'%s' has %d groups; one must be named: %s", path,
                          n, names);
    if (found < 0 && err)
        *err = said;
    return found;
}

int cox_fits_read(struct cox_lifetime *out, double **arrays, const char *path,
                  const struct cox_fits_choice *choice, struct cox_err *err)
{
    struct cox_json *file = NULL, *group = NULL;
    *arrays = NULL;
    *out = (struct cox_lifetime){.kind = choice->kind};
    int rc = cox_json_read(&file, path, err);
    if (rc)
        return rc;
    const char *format = cox_json_get_text(file, "format");
    if (!format || strcmp(format, FORMAT) != 0)
        rc = cox_err_set(err, COX_EFORMAT,
                         "'%s' is no file of `cox sweep fit-lifetimes`: its format is not '%s'",
                         path, FORMAT);
    int i = rc ? -1 : find_group(file, path, choice->group, err);
    if (!rc && i < 0)
        rc = COX_ENOTFOUND;
    if (!rc && !(group = cox_json_item(file, "groups", i)))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
    if (!rc && choice->kind == COX_LIFETIME_EMPIRICAL)
        rc = read_steps(out, arrays, group, err);
    else if (!rc && (rc = read_fit(out, group, choice)))
        rc = cox_err_set(err, rc, "'%s': group '%s' has no fit of the %s model by %s", path,
                         cox_json_get_text(group, "name"), cox_lifetime_name(choice->kind),
                         cox_fit_method_names[choice->method]);
    if (!rc && (rc = cox_lifetime_check(out, err)))
        rc = cox_err_wrap(err, rc, "%s", path);
    if (rc) {
        cox_free(*arrays);
        *arrays = NULL;
    }
    cox_json_destroy(group);
    cox_json_destroy(file);
    return rc;
}
