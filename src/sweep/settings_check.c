/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/settings_check.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "sweep/job_command.h"
#include "sweep/job_template.h"

#define MAX_POINTS 1e7
enum { SOBOL_MAX = 64, MAX_NAMES = 1100, KEY_SIZE = 64 };

void cox_sweep_name_hint(char *out, size_t size, const char *name, const char *const *known, int n)
{
    int nearest = cox_str_nearest(name, known, n);
    int used = nearest < 0 ? 0 : snprintf(out, size, "; did you mean '%s'?", known[nearest]);
    if (used < 0 || (size_t)used >= size)
        return;
    used += snprintf(out + used, size - (size_t)used, " (known: ");
    for (int i = 0; i < n && (size_t)used < size; i++) {
        bool room = (size_t)used + strlen(known[i]) + 10 < size;
        used +=
            snprintf(out + used, size - (size_t)used, "%s%s", i ? ", " : "", room ? known[i] : "…");
        if (!room)
            break;
    }
    if ((size_t)used < size)
        snprintf(out + used, size - (size_t)used, ")");
}

/* ---- parameters ---- */

struct checking {
    struct cox_sweep_settings *s;
    const struct cox_config *config;
    struct cox_err *err;
};

static const struct cox_sweep_parameter *parameter_at(const struct cox_sweep_settings *s, int i)
{
    return (const struct cox_sweep_parameter *)s->parameters.items + i;
}

static int check_name(const struct checking *c, const char *list, int i, const char *name,
                      const char *earlier)
{
    char key[KEY_SIZE];
    snprintf(key, sizeof key, "%s[%d].name", list, i);
    if (!cox_template_is_name(name) || strlen(name) > 60)
        return cox_config_error(c->config, key, c->err, COX_EINVAL,
                                "'%.80s' is no name: letters, digits and _, at most 60, no digit "
                                "first",
                                name);
    if (earlier)
        return cox_config_error(c->config, key, c->err, COX_EINVAL, "'%s' is the name of two %s",
                                name, list);
    return COX_OK;
}

static int fail_parameter(const struct checking *c, int i, const char *member, const char *message)
{
    char key[KEY_SIZE];
    snprintf(key, sizeof key, "parameters[%d]%s%s", i, member[0] ? "." : "", member);
    return cox_config_error(c->config, key, c->err, COX_EINVAL, "parameter '%s': %s",
                            parameter_at(c->s, i)->name, message);
}

static int check_numbers(const struct checking *c, int i, const char *member,
                         const struct cox_config_doubles *list)
{
    const struct cox_sweep_parameter *p = parameter_at(c->s, i);
    char message[160];
    for (int k = 0; k < list->n; k++) {
        double x = list->items[k];
        if (p->log && x <= 0) {
            snprintf(message, sizeof message,
                     "%g has no logarithm; give values above 0, or log: "
                     "false",
                     x);
            return fail_parameter(c, i, member, message);
        }
        if (p->whole && (x != floor(x) || fabs(x) > 0x1p53)) {
            snprintf(message, sizeof message,
                     "%g is no whole number; mend it, or give whole: "
                     "false",
                     x);
            return fail_parameter(c, i, member, message);
        }
    }
    return COX_OK;
}

static int check_choices(const struct checking *c, int i)
{
    const struct cox_sweep_parameter *p = parameter_at(c->s, i);
    if (p->log || p->whole)
        return fail_parameter(c, i, p->log ? "log" : "whole", "words are no numbers; leave it out");
    char message[160];
    for (int k = 0; k < p->choices.n; k++) {
        if (!p->choices.items[k][0])
            return fail_parameter(c, i, "choices", "a choice is empty");
        for (int m = 0; m < k; m++)
            if (!strcmp(p->choices.items[k], p->choices.items[m])) {
                snprintf(message, sizeof message, "the choice '%.80s' is there twice",
                         p->choices.items[k]);
                return fail_parameter(c, i, "choices", message);
            }
    }
    return COX_OK;
}

static int check_parameter(const struct checking *c, int i)
{
    const struct cox_sweep_parameter *p = parameter_at(c->s, i);
    const char *earlier = NULL;
    for (int k = 0; k < i; k++)
        if (!strcmp(p->name, parameter_at(c->s, k)->name))
            earlier = p->name;
    int rc = check_name(c, "parameters", i, p->name, earlier);
    if (rc)
        return rc;
    if (cox_template_is_reserved(p->name))
        return fail_parameter(c, i, "name",
                              "this name has a meaning of its own in commands; take another");
    int given = (p->values.n > 0) + (p->choices.n > 0) + (p->range.n > 0);
    if (given != 1)
        return fail_parameter(c, i, "",
                              given ? "give only one of values, choices and range"
                                    : "give one of values (a list of numbers), choices (a list of "
                                      "words) and range ([from, to])");
    if (p->steps > 0 && !p->range.n)
        return fail_parameter(c, i, "steps", "steps are for a range");
    if (p->range.n && p->range.items[0] >= p->range.items[1])
        return fail_parameter(c, i, "range", "a range goes up: [from, to] with from below to");
    if ((rc = check_numbers(c, i, "values", &p->values)) ||
        (rc = check_numbers(c, i, "range", &p->range)))
        return rc;
    return p->choices.n ? check_choices(c, i) : COX_OK;
}

/* ---- the design ---- */

static int check_grid(const struct checking *c)
{
    double points = 1;
    for (int i = 0; i < c->s->parameters.n; i++) {
        const struct cox_sweep_parameter *p = parameter_at(c->s, i);
        if (p->range.n && p->steps <= 0)
            return fail_parameter(c, i, "range",
                                  "a range in a grid needs steps; or draw from it: design: "
                                  "{points: 100}");
        points *= p->range.n ? p->steps : p->values.n + p->choices.n;
    }
    if (points > MAX_POINTS)
        return cox_config_error(c->config, "parameters", c->err, COX_EINVAL,
                                "the grid has %.4g points, more than the allowed %.0e; draw from "
                                "it: design: {points: 1000}",
                                points, MAX_POINTS);
    return COX_OK;
}

static int check_design(const struct checking *c)
{
    struct cox_settings_design *d = &c->s->design;
    bool points = d->points > 0;
    if (d->kind < 0)
        d->kind = d->file ? COX_DESIGN_FILE : points ? COX_DESIGN_SOBOL : COX_DESIGN_GRID;
    bool drawn = d->kind == COX_DESIGN_RANDOM || d->kind == COX_DESIGN_SOBOL;
    if (drawn != points)
        return cox_config_error(c->config, points ? "design.points" : "design", c->err, COX_EINVAL,
                                "%s",
                                points ? "points is for kind: random and sobol"
                                       : "a drawn design needs points: how many");
    if ((d->kind == COX_DESIGN_FILE) != (d->file != NULL))
        return cox_config_error(c->config, d->file ? "design.file" : "design", c->err, COX_EINVAL,
                                "%s", d->file ? "file is for kind: file" : "kind: file needs file");
    if (d->kind == COX_DESIGN_SOBOL && c->s->parameters.n > SOBOL_MAX)
        return cox_config_error(
            c->config, "design.kind", c->err, COX_EINVAL,
            "%d parameters are more than the %d of a Sobol sequence; use random",
            c->s->parameters.n, SOBOL_MAX);
    return d->kind == COX_DESIGN_GRID ? check_grid(c) : COX_OK;
}

/* ---- the job ---- */

/* Placeholders of a command; `used` learns of its parameters. */
static int check_command(const struct checking *c, const char *key,
                         const struct cox_config_texts *command, bool *used,
                         struct cox_arena *arena)
{
    const struct cox_template_scope scope = {c->s->parameters.n, c->s->parameters.items, used};
    struct cox_err why = COX_ERR_INIT;
    struct cox_config_texts words;
    char place[KEY_SIZE];
    int rc = cox_command_words(&words, command, arena, &why);
    snprintf(place, sizeof place, "%s", key);
    for (int i = 0; i < words.n && !rc; i++) {
        struct cox_template t;
        snprintf(place, sizeof place, command->n > 1 ? "%s[%d]" : "%s", key, i);
        rc = cox_template_argument(&t, words.items[i], &scope, arena, &why);
    }
    return rc ? cox_config_error(c->config, place, c->err, rc, "%s", why.text) : COX_OK;
}

const char *cox_job_file_name(const char *path, bool made, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(out, size, "%s", slash ? slash + 1 : path);
    for (int i = 0; made && i < 2; i++) {
        const char *suffix = i ? ".template" : ".in";
        if (cox_str_ends(out, suffix) && strlen(out) > strlen(suffix)) {
            out[strlen(out) - strlen(suffix)] = '\0';
            break;
        }
    }
    return out;
}

static int check_file_names(const struct checking *c)
{
    const struct cox_config_texts *files = &c->s->job.files;
    const struct cox_config_texts *links = &c->s->job.links;
    for (int i = 0; i < files->n + links->n; i++) {
        char mine[NAME_MAX + 1];
        char other[NAME_MAX + 1];
        char key[KEY_SIZE];
        bool file = i < files->n;
        const char *path = file ? files->items[i] : links->items[i - files->n];
        cox_job_file_name(path, file, mine, sizeof mine);
        snprintf(key, sizeof key, file ? "job.files[%d]" : "job.links[%d]",
                 file ? i : i - files->n);
        if (!mine[0] || !strcmp(mine, ".") || !strcmp(mine, ".."))
            return cox_config_error(c->config, key, c->err, COX_EINVAL,
                                    "'%s' has no name that it could have in a job's directory",
                                    path);
        if (!strcmp(mine, "job.log"))
            return cox_config_error(c->config, key, c->err, COX_EINVAL,
                                    "'job.log' is where a job's own messages go");
        for (int k = 0; k < i; k++) {
            bool is_file = k < files->n;
            const char *earlier = is_file ? files->items[k] : links->items[k - files->n];
            if (!strcmp(mine, cox_job_file_name(earlier, is_file, other, sizeof other)))
                return cox_config_error(c->config, key, c->err, COX_EINVAL,
                                        "'%s' and '%s' would both be '%s' in a job's directory",
                                        earlier, path, mine);
        }
    }
    return COX_OK;
}

static int check_job(const struct checking *c, struct cox_arena *arena)
{
    const struct cox_settings_job *j = &c->s->job;
    int rc = check_command(c, "job.command", &j->command, NULL, arena);
    if (!rc && j->resume.n)
        rc = check_command(c, "job.resume", &j->resume, NULL, arena);
    if (!rc)
        rc = check_file_names(c);
    if (rc)
        return rc;
    int most = c->s->runtime.cores;
    if (most > 0 && j->cores > most)
        return cox_config_error(c->config, "job.cores", c->err, COX_EINVAL,
                                "a job takes %d cores, all jobs together may have %d "
                                "(runtime.cores)",
                                j->cores, most);
    const struct cox_settings_server_type *type = c->s->servers.types.items;
    int largest = 0;
    for (int i = 0; i < c->s->servers.types.n; i++)
        largest = type[i].cores > largest ? type[i].cores : largest;
    if (largest && j->cores > largest)
        return cox_config_error(c->config, "job.cores", c->err, COX_EINVAL,
                                "a job takes %d cores, the largest server has %d (servers.types)",
                                j->cores, largest);
    if (!isnan(j->limit_minutes) && j->expected_minutes > j->limit_minutes)
        return cox_config_error(c->config, "job.expected_minutes", c->err, COX_EINVAL,
                                "%g minutes are more than limit_minutes, %g", j->expected_minutes,
                                j->limit_minutes);
    return COX_OK;
}

/* ---- targets and the surrogate ---- */

static int check_surrogate(const struct checking *c)
{
    static const char *const known[] = {"relu", "sigmoid", "tanh"};
    const struct cox_settings_surrogate *u = &c->s->surrogate;
    if (u->hidden.n != u->activations.n)
        return cox_config_error(c->config,
                                cox_config_given(c->config, "surrogate.activations")
                                    ? "surrogate.activations"
                                    : "surrogate.hidden",
                                c->err, COX_EINVAL,
                                "%d activations for %d hidden layers; give one "
                                "each",
                                u->activations.n, u->hidden.n);
    for (int i = 0; i < u->activations.n; i++) {
        bool found = false;
        for (int k = 0; k < 3; k++)
            found |= !strcmp(u->activations.items[i], known[k]);
        if (!found) {
            char hint[120];
            cox_sweep_name_hint(hint, sizeof hint, u->activations.items[i], known, 3);
            return cox_config_error(c->config, "surrogate.activations", c->err, COX_EINVAL,
                                    "'%.40s' is no activation%s", u->activations.items[i], hint);
        }
    }
    /* the ⌈(n + 1)(1 − α)⌉-th smallest of n scores must be one of them */
    double coverage = c->s->targets.coverage;
    int needed = (int)ceil(coverage / (1 - coverage) - 1e-9);
    if (u->enabled && u->audits_min < needed)
        return cox_config_error(c->config,
                                cox_config_given(c->config, "surrogate.audits_min")
                                    ? "surrogate.audits_min"
                                    : "targets.coverage",
                                c->err, COX_EINVAL,
                                "%d audits can say nothing with probability %g; audits_min must be "
                                "%d or more",
                                u->audits_min, coverage, needed);
    return COX_OK;
}

static int check_targets(const struct checking *c)
{
    const struct cox_settings_objective *o = &c->s->objective;
    const char *key = !isnan(o->value) && o->kind != COX_OBJECTIVE_REACH ? "objective.value"
                      : o->output && o->kind == COX_OBJECTIVE_NONE       ? "objective.output"
                                                                         : NULL;
    if (key)
        return cox_config_error(c->config, key, c->err, COX_EINVAL, "%s; kind is %s",
                                key[10] == 'v' ? "value is for kind: reach"
                                               : "an objective needs a kind",
                                o->kind == COX_OBJECTIVE_NONE ? "none" : "another");
    if (o->kind != COX_OBJECTIVE_NONE && !c->s->surrogate.enabled)
        return cox_config_error(c->config, "objective.kind", c->err, COX_EINVAL,
                                "an objective needs surrogate.enabled: true");
    return COX_OK;
}

/* ---- all ---- */

static int set_folder(struct cox_sweep_settings *s, const char *file, struct cox_arena *arena,
                      struct cox_err *err)
{
    char path[PATH_MAX];
    char whole[PATH_MAX];
    int rc = s->folder ? COX_OK : cox_path_beside(path, sizeof path, file, ".", err);
    if (rc)
        return rc;
    /* a folder that is gone stays as it is written */
    const char *given = s->folder ? s->folder : path;
    s->folder = cox_arena_strdup(arena, realpath(given, whole) ? whole : given);
    return s->folder ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
}

int cox_sweep_settings_finish(struct cox_sweep_settings *settings, const char *path,
                              const struct cox_config *config, struct cox_arena *arena,
                              struct cox_err *err)
{
    const struct checking c = {settings, config, err};
    int rc = set_folder(settings, path, arena, err);
    for (int i = 0; i < settings->parameters.n && !rc; i++)
        rc = check_parameter(&c, i);
    const char *names[MAX_NAMES];
    const struct cox_sweep_output *output = settings->outputs.items;
    for (int i = 0; i < settings->outputs.n && !rc; i++) {
        const char *earlier = NULL;
        for (int k = 0; k < i; k++)
            if (!strcmp(names[k], output[i].name))
                earlier = names[k];
        names[i] = output[i].name;
        rc = check_name(&c, "outputs", i, names[i], earlier);
    }
    if (rc || (rc = check_design(&c)) || (rc = check_job(&c, arena)) ||
        (rc = cox_sweep_settings_check_outputs(settings, config, err)) ||
        (rc = check_surrogate(&c)) || (rc = check_targets(&c)))
        return rc;
    return cox_sweep_servers_check(&settings->servers, config, "servers", err);
}
