/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/settings_servers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "servers/fits.h"

/* In the order of the enums. */
static const char *const models[] = {"forever", "exponential", "weibull",
                                     "bathtub", "empirical",   NULL};
static const char *const methods[] = {"least-squares", "likelihood", "naive", NULL};
static const char *const reuses[] = {"always", "never", "model", NULL};
static const char *const checkpoints[] = {"none", "periodic", "schedule", NULL};
static const char *const time_models[] = {"paper", "first-order", "restart", NULL};

#define F(member) COX_CONFIG_FIELD(struct cox_settings_lifetime, member)
static const struct cox_config_row lifetime_rows[] = {
    {"model", COX_CONFIG_ENUM, F(model), .choices = models,
     .help = "left out: empirical with traces, bathtub with fits, else forever"},
    {"parameters", COX_CONFIG_DOUBLES, F(parameters), .max_items = 4,
     .help = "exponential [mean h]; weibull [scale h, shape]; bathtub [A, tau1 h, tau2 h, b h]"},
    {"traces", COX_CONFIG_PATH, F(traces),
     .help = "CSV of observed lifetimes (columns lifetime_h, end), to which the model is fitted"},
    {"column", COX_CONFIG_TEXT, F(column), .help = "of the traces, to choose rows by"},
    {"value", COX_CONFIG_TEXT, F(value), .help = "that chosen rows have in that column"},
    {"fits", COX_CONFIG_PATH, F(fits), .help = "what cox sweep fit-lifetimes -o wrote"},
    {"group", COX_CONFIG_TEXT, F(group), .help = "of the fits, where there are several"},
    {"method", COX_CONFIG_ENUM, F(method), .initial = "likelihood", .choices = methods,
     .help = "of fitting; naive: as published, blind to servers that their users stopped"},
};
#undef F
static const struct cox_config_schema lifetime_schema =
    COX_CONFIG_SCHEMA(lifetime_rows, struct cox_settings_lifetime,
                      "How long a transient server lives: a model with parameters, or observed "
                      "lifetimes, or fits to such.");

#define F(member) COX_CONFIG_FIELD(struct cox_settings_server_type, member)
static const struct cox_config_row type_rows[] = {
    {"name", COX_CONFIG_TEXT, F(name), .flags = COX_CONFIG_REQUIRED,
     .help = "as the provider calls it"},
    {"cores", COX_CONFIG_INT, F(cores), .initial = "1", .minimum = 1, .maximum = 100000,
     .help = "of a server; it runs as many jobs side by side as fit"},
    {"price_on_demand", COX_CONFIG_DOUBLE, F(price_on_demand), .unit = "USD/h", .minimum = 0,
     .maximum = 1e6, .help = "of a server that stays"},
    {"price_transient", COX_CONFIG_DOUBLE, F(price_transient), .unit = "USD/h", .minimum = 0,
     .maximum = 1e6, .help = "of one that may be taken away"},
    {"startup_s", COX_CONFIG_DOUBLE, F(startup_s), .unit = "s", .initial = "60", .minimum = 0,
     .maximum = 86400, .help = "from buying a server to its first job; paid for"},
    {"notice_s", COX_CONFIG_DOUBLE, F(notice_s), .unit = "s", .initial = "30", .minimum = 0,
     .maximum = 86400, .help = "between the notice and the end"},
    {"lifetime", COX_CONFIG_SECTION, F(lifetime), .section = &lifetime_schema,
     .help = "of the transient ones"},
};
#undef F
static const struct cox_config_schema type_schema =
    COX_CONFIG_SCHEMA(type_rows, struct cox_settings_server_type, "One type of server.");

#define F(member) COX_CONFIG_FIELD(struct cox_settings_server_policy, member)
static const struct cox_config_row policy_rows[] = {
    {"on_demand", COX_CONFIG_BOOL, F(on_demand), .initial = "false",
     .help = "buy servers that stay, at their price"},
    {"reuse", COX_CONFIG_ENUM, F(reuse), .initial = "model", .choices = reuses,
     .help =
         "of a server by the next job: model: where its lifetime makes that better than a fresh "
         "one"},
    {"checkpoints", COX_CONFIG_ENUM, F(checkpoints), .initial = "schedule", .choices = checkpoints,
     .help = "schedule: when the lifetime's model says; needs job.checkpoint_minutes"},
    {"period_minutes", COX_CONFIG_DOUBLE, F(period_minutes), .unit = "min", .minimum = 0,
     .maximum = 1e6, .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "of periodic checkpoints; left out: the best one for the model"},
    {"time_model", COX_CONFIG_ENUM, F(time_model), .initial = "restart", .choices = time_models,
     .help = "a job's expected time without checkpoints; restart is exact, the others are for "
             "comparison"},
    {"spares", COX_CONFIG_INT, F(spares), .initial = "0", .minimum = 0, .maximum = 10000,
     .help = "idle good servers that are kept for jobs that lose theirs"},
    {"explore", COX_CONFIG_INT, F(explore), .initial = "2", .minimum = 0, .maximum = 1000,
     .help = "first jobs on each type of server, which choose the cheapest"},
};
#undef F
static const struct cox_config_schema policy_schema = COX_CONFIG_SCHEMA(
    policy_rows, struct cox_settings_server_policy, "How transient servers are dealt with.");

#define F(member) COX_CONFIG_FIELD(struct cox_settings_servers, member)
static const struct cox_config_row servers_rows[] = {
    {"count", COX_CONFIG_INT, F(count), .initial = "1", .minimum = 1, .maximum = 100000,
     .help = "at a time, at most"},
    {"types", COX_CONFIG_SECTIONS, F(types), .section = &type_schema, .max_items = 64,
     .help = "of servers to choose from; none: this machine, free"},
    {"policy", COX_CONFIG_SECTION, F(policy), .section = &policy_schema,
     .help = "when to reuse a server and to write checkpoints"},
    {"play", COX_CONFIG_BOOL, F(play), .initial = "false",
     .help = "run: play such servers on this machine, with lifetimes drawn from their model: jobs "
             "get SIGTERM, after the notice SIGKILL, and are resumed elsewhere"},
    {"seconds_per_hour", COX_CONFIG_DOUBLE, F(seconds_per_hour), .unit = "s", .initial = "3600",
     .minimum = 0.01, .maximum = 3600,
     .help =
         "of a played server's life, start-up and notice: less than 3600 makes time pass faster"},
};
#undef F
const struct cox_config_schema cox_sweep_servers_schema =
    COX_CONFIG_SCHEMA(servers_rows, struct cox_settings_servers,
                      "Servers that jobs run on, which may be taken away, and what is done about "
                      "it.");

/* ---- checks ---- */

static enum cox_lifetime_kind kind_of(const struct cox_settings_lifetime *l)
{
    if (l->model >= 0)
        return (enum cox_lifetime_kind)l->model;
    if (l->traces)
        return COX_LIFETIME_EMPIRICAL;
    return l->fits ? COX_LIFETIME_CONSTRAINED : COX_LIFETIME_FOREVER;
}

static void parameters_of(const struct cox_settings_lifetime *l, struct cox_lifetime *out)
{
    *out = (struct cox_lifetime){.kind = kind_of(l)};
    for (int i = 0; i < l->parameters.n && i < 4; i++)
        out->p[i] = l->parameters.items[i];
}

static int check_lifetime(const struct cox_settings_lifetime *l, const struct cox_config *config,
                          const char *key, struct cox_err *err)
{
    static const int wanted[] = {0, 1, 2, 4, 0};
    const enum cox_lifetime_kind kind = kind_of(l);
    const int sources = (l->parameters.n > 0) + (l->traces != NULL) + (l->fits != NULL);
    struct cox_lifetime life;
    struct cox_err why = COX_ERR_INIT;
    parameters_of(l, &life);
    if (sources > 1)
        return cox_config_error(config, key, err, COX_EINVAL,
                                "%d of parameters, traces and fits are given; at most one can be",
                                sources);
    if (kind == COX_LIFETIME_FOREVER && sources)
        return cox_config_error(
            config, key, err, COX_EINVAL, "servers that live forever have no %s",
            l->parameters.n ? "parameters (or the model is missing)" : "traces or fits");
    if (kind == COX_LIFETIME_EMPIRICAL && !l->traces && !l->fits)
        return cox_config_error(config, key, err, COX_EINVAL,
                                "an empirical lifetime needs traces or fits");
    if (wanted[kind] && !sources)
        return cox_config_error(config, key, err, COX_EINVAL,
                                "the %s model needs %d parameter%s, traces or fits", models[kind],
                                wanted[kind], wanted[kind] > 1 ? "s" : "");
    if (l->parameters.n && l->parameters.n != wanted[kind])
        return cox_config_error(config, key, err, COX_EINVAL, "%d parameters; the %s model has %d",
                                l->parameters.n, models[kind], wanted[kind]);
    if (l->parameters.n && cox_lifetime_check(&life, &why))
        return cox_config_error(config, key, err, COX_EINVAL, "%s", why.text);
    if (!l->column != !l->value || (l->column && !l->traces))
        return cox_config_error(config, key, err, COX_EINVAL,
                                "column and value choose rows of traces: all three or none");
    if (l->group && !l->fits)
        return cox_config_error(config, key, err, COX_EINVAL,
                                "group is of fits, which are missing");
    return COX_OK;
}

int cox_sweep_servers_check(const struct cox_settings_servers *settings,
                            const struct cox_config *config, const char *section,
                            struct cox_err *err)
{
    const struct cox_settings_server_type *type = settings->types.items;
    char key[128];
    for (int i = 0; i < settings->types.n; i++) {
        snprintf(key, sizeof key, "%s.types[%d].name", section, i);
        for (int j = 0; j < i; j++)
            if (!strcmp(type[i].name, type[j].name))
                return cox_config_error(config, key, err, COX_EINVAL,
                                        "two types of server are called '%s'", type[i].name);
        if (strlen(type[i].name) >= sizeof((struct cox_server_type *)0)->name)
            return cox_config_error(
                config, key, err, COX_EINVAL, "the name has %zu characters; at most %zu",
                strlen(type[i].name), sizeof((struct cox_server_type *)0)->name - 1);
        snprintf(key, sizeof key, "%s.types[%d].lifetime", section, i);
        int rc = check_lifetime(&type[i].lifetime, config, key, err);
        if (rc)
            return rc;
    }
    return COX_OK;
}

/* ---- lifetimes ---- */

/* The model fitted to traces. */
static int fit(struct cox_lifetime *out, const struct cox_settings_lifetime *l,
               struct cox_traces *traces, struct cox_err *err)
{
    const enum cox_lifetime_kind kind = kind_of(l);
    struct cox_fit_group group;
    int rc = cox_fit_group_create(&group, l->value ? l->value : "all", traces, err);
    if (rc)
        return rc;
    const struct cox_fit *found = &group.fit[l->method][kind - COX_LIFETIME_EXPONENTIAL];
    if (found->found)
        *out = found->life;
    else
        rc = cox_err_set(err, COX_EINVAL,
                         "'%s': no fit of the %s model to %d lifetimes of which %d were cut short "
                         "(%d or more are needed)",
                         l->traces, models[kind], group.traces.n, group.preempted, COX_FITS_MIN);
    cox_fit_group_deinit(&group);
    return rc;
}

static int from_traces(struct cox_lifetime *life, struct cox_lifetime *observed, double **array,
                       const struct cox_settings_lifetime *l, struct cox_err *err)
{
    struct cox_traces traces;
    int rc = cox_traces_read(&traces, l->traces, l->column, l->value, err);
    if (rc)
        return rc;
    rc = cox_traces_empirical(observed, array, &traces, err);
    if (!rc && kind_of(l) == COX_LIFETIME_EMPIRICAL)
        *life = *observed;
    else if (!rc)
        rc = fit(life, l, &traces, err);
    cox_traces_deinit(&traces);
    return rc;
}

static int from_fits(struct cox_lifetime *life, struct cox_lifetime *observed, double **array,
                     const struct cox_settings_lifetime *l, struct cox_err *err)
{
    struct cox_fits_choice choice = {.group = l->group, .kind = COX_LIFETIME_EMPIRICAL};
    double *none = NULL;
    int rc = cox_fits_read(observed, array, l->fits, &choice, err);
    if (rc)
        return rc;
    choice.kind = kind_of(l);
    choice.method = (enum cox_fit_method)l->method;
    if (choice.kind == COX_LIFETIME_EMPIRICAL)
        *life = *observed;
    else
        rc = cox_fits_read(life, &none, l->fits, &choice, err);
    return rc;
}

int cox_sweep_servers_create(struct cox_sweep_servers *out,
                             const struct cox_settings_servers *settings,
                             const struct cox_config *config, const char *section,
                             struct cox_err *err)
{
    const struct cox_settings_server_type *type = settings->types.items;
    const size_t n = (size_t)settings->types.n;
    *out = (struct cox_sweep_servers){0};
    int rc = cox_sweep_servers_check(settings, config, section, err);
    if (rc)
        return rc;
    out->type = cox_alloc(n, sizeof *out->type);
    out->observed = cox_alloc(n, sizeof *out->observed);
    out->arrays = cox_alloc(n, sizeof *out->arrays);
    if (!out->type || !out->observed || !out->arrays)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for %zu types of server", n);
    for (; !rc && out->n < settings->types.n; out->n++) {
        const struct cox_settings_server_type *from = &type[out->n];
        struct cox_server_type *to = &out->type[out->n];
        snprintf(to->name, sizeof to->name, "%s", from->name);
        to->cores = from->cores;
        to->price = isnan(from->price_transient) ? 0 : from->price_transient;
        to->price_on_demand = isnan(from->price_on_demand) ? 0 : from->price_on_demand;
        to->startup_h = from->startup_s / 3600;
        to->notice_s = from->notice_s;
        parameters_of(&from->lifetime, &to->life);
        if (from->lifetime.traces)
            rc = from_traces(&to->life, &out->observed[out->n], &out->arrays[out->n],
                             &from->lifetime, err);
        else if (from->lifetime.fits)
            rc = from_fits(&to->life, &out->observed[out->n], &out->arrays[out->n], &from->lifetime,
                           err);
        if (rc)
            rc = cox_err_wrap(err, rc, "%s.types[%d] '%s'", section, out->n, from->name);
    }
    if (rc)
        cox_sweep_servers_deinit(out);
    return rc;
}

void cox_sweep_servers_deinit(struct cox_sweep_servers *servers)
{
    for (int i = 0; servers->arrays && i < servers->n; i++)
        cox_free(servers->arrays[i]);
    cox_free(servers->type);
    cox_free(servers->observed);
    cox_free(servers->arrays);
    *servers = (struct cox_sweep_servers){0};
}
