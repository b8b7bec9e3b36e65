/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of the section `outputs`, and of the objective, which names one. */
#include <limits.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "sweep/settings_check.h"

struct reader {
    const char *name, *file;       /* the key that chooses it, and its value */
    const char *place, *where;     /* what it needs besides */
    const char *error, *error_key; /* where its standard errors are */
};

/* The keys of each reader; keys of another one are a mistake. */
static void readers_of(const struct cox_sweep_output *o, struct reader r[4])
{
    r[0] = (struct reader){"csv", o->csv, "column", o->column, o->error_column, "error_column"};
    r[1] = (struct reader){"json", o->json, "key", o->key, o->error_key, "error_key"};
    r[2] = (struct reader){"hdf5", o->hdf5, "key", o->key, o->error_key, "error_key"};
    r[3] = (struct reader){"text", o->text, "match", o->match, o->error_match, "error_match"};
}

struct checking {
    const struct cox_config *config;
    const struct cox_sweep_output *output;
    int i;
    struct cox_err *err;
};

static int fail(const struct checking *c, const char *member, const char *message)
{
    char key[64];
    snprintf(key, sizeof key, "outputs[%d]%s%s", c->i, member[0] ? "." : "", member);
    return cox_config_error(c->config, key, c->err, COX_EINVAL, "output '%s': %s", c->output->name,
                            message);
}

static int check_pattern(const struct checking *c, const char *member, const char *pattern)
{
    regex_t compiled;
    char why[160];
    char message[320];
    int rc = regcomp(&compiled, pattern, REG_EXTENDED | REG_NEWLINE);
    if (rc) {
        regerror(rc, &compiled, why, sizeof why);
        snprintf(message, sizeof message, "'%.120s' is no regular expression: %s", pattern, why);
        return fail(c, member, message);
    }
    size_t groups = compiled.re_nsub;
    regfree(&compiled);
    if (groups)
        return COX_OK;
    snprintf(message, sizeof message, "'%.120s' has no group: put the number in ( )", pattern);
    return fail(c, member, message);
}

static int check_file(const struct checking *c, const struct reader *r)
{
    char message[300];
    const char *at = r->file;
    bool climbs = !strncmp(at, "../", 3) || strstr(at, "/../") || !strcmp(at, "..");
    if (at[0] && at[0] != '/' && !climbs)
        return COX_OK;
    snprintf(message, sizeof message, "'%.200s' is not in the job's directory", at);
    return fail(c, r->name, message);
}

/* Keys that the chosen reader does not look at. */
static int check_others(const struct checking *c, const struct reader *mine, const struct reader *r)
{
    char message[120];
    for (int k = 0; k < 4; k++) {
        bool same = !strcmp(r[k].place, mine->place);
        const char *key = same         ? NULL
                          : r[k].where ? r[k].place
                          : r[k].error ? r[k].error_key
                                       : NULL;
        if (!key)
            continue;
        snprintf(message, sizeof message, "%s is not for %s", key, mine->name);
        return fail(c, key, message);
    }
    if (c->output->row != COX_CONFIG_UNSET && strcmp(mine->name, "csv")) {
        snprintf(message, sizeof message, "row is not for %s", mine->name);
        return fail(c, "row", message);
    }
    return COX_OK;
}

static int check_output(const struct checking *c)
{
    const struct cox_sweep_output *o = c->output;
    struct reader r[4];
    char message[160];
    const struct reader *mine = NULL;
    int given = 0;
    readers_of(o, r);
    for (int k = 0; k < 4; k++) {
        given += r[k].file != NULL;
        mine = r[k].file ? &r[k] : mine;
    }
    if (given != 1)
        return fail(c, "",
                    given ? "give only one of csv, json, hdf5 and text"
                          : "give one of csv, json, hdf5 and text: the file that it is read "
                            "from");
    if (!mine->where || !mine->where[0]) {
        snprintf(message, sizeof message, "%s needs %s", mine->name, mine->place);
        return fail(c, mine->name, message);
    }
    int rc = check_file(c, mine);
    if (rc || (rc = check_others(c, mine, r)))
        return rc;
    if (o->row == 0)
        return fail(c, "row", "rows count from 1, or from the end from -1");
    if (o->match && (rc = check_pattern(c, "match", o->match)))
        return rc;
    if (o->error_match && (rc = check_pattern(c, "error_match", o->error_match)))
        return rc;
    if (o->within_error && !mine->error) {
        snprintf(message, sizeof message,
                 "within_error needs %s: where the job gives its standard "
                 "error",
                 mine->error_key);
        return fail(c, "within_error", message);
    }
    return COX_OK;
}

static int check_objective(struct cox_sweep_settings *s, const struct cox_config *config,
                           struct cox_err *err)
{
    struct cox_settings_objective *o = &s->objective;
    const struct cox_sweep_output *outputs = s->outputs.items;
    const struct cox_sweep_output *found = NULL;
    const char *names[64];
    int n = 0;
    if (o->kind == COX_OBJECTIVE_NONE)
        return COX_OK;
    if (!o->output)
        return cox_config_error(config, "objective", err, COX_EINVAL,
                                "an objective needs output: the name of one");
    for (int i = 0; i < s->outputs.n; i++) {
        found = strcmp(outputs[i].name, o->output) ? found : &outputs[i];
        if (n < 64)
            names[n++] = outputs[i].name;
    }
    if (!found) {
        char hint[400];
        cox_sweep_name_hint(hint, sizeof hint, o->output, names, n);
        return cox_config_error(config, "objective.output", err, COX_EINVAL,
                                "'%.80s' is no output%s", o->output, hint);
    }
    if (found->csv && found->row == COX_CONFIG_UNSET)
        return cox_config_error(config, "objective.output", err, COX_EINVAL,
                                "'%s' is a profile; an objective needs one number: give its row",
                                o->output);
    if (found->ignore)
        return cox_config_error(config, "objective.output", err, COX_EINVAL,
                                "'%s' has ignore: true, so nothing is learned of it", o->output);
    if (o->kind == COX_OBJECTIVE_REACH && isnan(o->value))
        return cox_config_error(config, "objective", err, COX_EINVAL,
                                "kind: reach needs value: what is to be reached");
    if (isnan(o->tolerance) && !isnan(found->accuracy))
        o->tolerance = found->accuracy;
    if (isnan(o->tolerance) && o->kind == COX_OBJECTIVE_REACH)
        return cox_config_error(config, "objective", err, COX_EINVAL,
                                "kind: reach needs tolerance, or an accuracy of '%s'", o->output);
    if (isnan(o->tolerance))
        o->tolerance = 0;
    return COX_OK;
}

int cox_sweep_settings_check_outputs(struct cox_sweep_settings *settings,
                                     const struct cox_config *config, struct cox_err *err)
{
    const struct cox_sweep_output *outputs = settings->outputs.items;
    bool learned = false;
    for (int i = 0; i < settings->outputs.n; i++) {
        const struct checking c = {config, &outputs[i], i, err};
        int rc = check_output(&c);
        if (rc)
            return rc;
        learned |= !outputs[i].ignore;
    }
    if (settings->surrogate.enabled && !learned)
        return cox_config_error(config, "outputs", err, COX_EINVAL,
                                "every output has ignore: true, so there is nothing to learn; give "
                                "surrogate: {enabled: false}");
    return check_objective(settings, config, err);
}
