/* SPDX-License-Identifier: BSD-3-Clause */
/* From settings to a run that is ready for its first step, and what is saved of it. */
#include "cli/potential_run.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/digest.h"
#include "potential/dp_file.h"

#define MOST_MODEL_BYTES ((size_t)1 << 32)
#define MAX_WORDS 64

/* ---- reading words of options ---- */

/* Cuts a copy of `text` at any of `cuts`; the words are in `room`. */
static int split(const char *text, const char *cuts, char *room, size_t size,
                 const char *words[MAX_WORDS])
{
    int n = 0;
    snprintf(room, size, "%s", text);
    for (char *p = room + strspn(room, cuts); *p && n < MAX_WORDS; p += strspn(p, cuts)) {
        words[n++] = p;
        p += strcspn(p, cuts);
        if (*p)
            *p++ = '\0';
    }
    return n;
}

static int parse_coupling(struct cox_dyn_options *o, const char *text, struct cox_err *err)
{
    if (!strcmp(text, "iso")) {
        o->barostat = COX_DYN_ISO;
        return COX_OK;
    }
    if (!strcmp(text, "tri")) {
        o->barostat = COX_DYN_TRICLINIC;
        return COX_OK;
    }
    o->barostat = COX_DYN_AXES;
    for (int k = 0; k < 3; k++)
        o->axis[k] = strchr(text, "xyz"[k]) != NULL;
    if (!*text || text[strspn(text, "xyz")])
        return cox_err_set(err, COX_EINVAL,
                           "--coupling is iso, tri, or axes (xyz, xy, z …), not '%s'", text);
    return COX_OK;
}

static int parse_deform(struct cox_dyn_options *o, const char *text, struct cox_err *err)
{
    const char *axis = strchr("xyz", text[0]);
    if (!text[0] || !axis || text[1] != '=' || cox_parse_double(text + 2, &o->deform_rate_per_ps) ||
        !isfinite(o->deform_rate_per_ps))
        return cox_err_set(err, COX_EINVAL, "--deform is AXIS=RATE, say z=0.001, not '%s'", text);
    o->deform_axis = (int)(axis - "xyz");
    return COX_OK;
}

static int dynamics_options(const struct potential_run *r, struct cox_dyn_options *o,
                            struct cox_err *err)
{
    const struct potential_settings *s = &r->s;
    *o = (struct cox_dyn_options)COX_DYN_OPTIONS_INIT;
    bool chain = !strcmp(s->thermostat, "nose-hoover");
    if (!chain && strcmp(s->thermostat, "langevin") != 0)
        return cox_err_set(err, COX_EINVAL, "--thermostat is langevin or nose-hoover, not '%s'",
                           s->thermostat);
    o->timestep_ps = 1e-3 * s->timestep_fs;
    o->thermostat = s->nve ? COX_DYN_NVE : chain ? COX_DYN_NOSE_HOOVER : COX_DYN_LANGEVIN;
    o->temperature_K = s->nve ? s->initial_K : s->nvt_K > 0 ? s->nvt_K : s->npt_K;
    o->final_temperature_K = s->to_K > 0 ? s->to_K : -1;
    o->ramp_steps = s->ramp_steps;
    o->tau_ps = s->tau_ps > 0 ? s->tau_ps : chain ? 0.1 : 0.5;
    o->chain = (int)s->chain;
    o->pressure_bar = s->pressure_bar;
    o->tau_p_ps = s->tau_p_ps;
    o->compressibility_per_bar = s->compressibility_per_bar;
    o->barostat_every = (int)s->barostat_every;
    o->seed = (uint64_t)s->seed;
    o->most_move_A = s->most_move_A;
    const double highest = fmax(fmax(s->nvt_K, s->npt_K), fmax(s->to_K, s->initial_K));
    if (s->most_K > 0) /* else, when nobody asked for a temperature, as it is */
        o->most_temperature_K = s->most_K;
    else if (highest > 0)
        o->most_temperature_K = fmax(10 * highest, 3000);
    int rc = s->npt_K > 0 ? parse_coupling(o, s->coupling, err) : COX_OK;
    if (!rc && s->deform)
        rc = parse_deform(o, s->deform, err);
    return rc;
}

/* ---- the start ---- */

static int replicate(struct potential_run *r, struct cox_err *err)
{
    char room[128];
    const char *words[MAX_WORDS];
    int times[3] = {1, 1, 1};
    int n = split(r->s.replicate, "x, ", room, sizeof room, words);
    for (int i = 0; i < 3 && (n == 1 || n == 3); i++) {
        long long value = 0;
        if (cox_parse_int(words[n == 1 ? 0 : i], &value) || value < 1 || value > 100000)
            n = 0;
        times[i] = (int)value;
    }
    if (n != 1 && n != 3)
        return cox_err_set(err, COX_EINVAL, "--replicate is AxBxC, say 2x2x2, not '%s'",
                           r->s.replicate);
    return cox_dyn_start_replicate(&r->start, times, err);
}

static int masses(struct potential_run *r, struct cox_err *err)
{
    char room[1024], joined[1024] = "";
    const char *words[MAX_WORDS];
    struct cox_dyn_mass given[MAX_WORDS];
    for (int i = 0; i < r->s.mass.n; i++) {
        size_t used = strlen(joined);
        snprintf(joined + used, sizeof joined - used, "%s,", r->s.mass.items[i]);
    }
    int n = split(joined, ",", room, sizeof room, words);
    for (int i = 0; i < n; i++) {
        char *equals = strchr(words[i], '=');
        given[i].name = words[i];
        if (!equals || cox_parse_double(equals + 1, &given[i].mass_u) || !(given[i].mass_u > 0))
            return cox_err_set(err, COX_EINVAL, "--mass is NAME=MASS, say O=15.999, not '%s'",
                               words[i]);
        *equals = '\0';
    }
    return cox_dyn_start_masses(&r->start, given, n, err);
}

static int read_start(struct potential_run *r, const struct cox_dp_model *model,
                      struct cox_err *err)
{
    char path[4096], room[1024];
    const char *names[MAX_WORDS];
    struct cox_dyn_start_options o = {
        .frame = r->s.frame, .model_name = model->type_name, .n_model_names = model->n_types};
    int rc = COX_OK;
    if (r->s.restart) {
        rc = cox_path_join(path, sizeof path, r->s.restart, "start.xyz", err);
        o.frame = 0;
        return rc ? rc : cox_dyn_start_read(&r->start, path, &o, err);
    }
    if (r->s.type_map) {
        o.n_type_names = split(r->s.type_map, ", ", room, sizeof room, names);
        o.type_names = names;
    }
    rc = cox_dyn_start_read(&r->start, r->s.start, &o, err);
    if (!rc && r->s.replicate)
        rc = replicate(r, err);
    if (!rc && cox_dyn_start_upright(&r->start) && !r->s.quiet)
        fprintf(stderr, "cox: the box was turned: its first edge along x, its second in the xy "
                        "plane\n");
    return rc;
}

static int atoms(struct potential_run *r, const struct cox_dp_model *model, struct cox_err *err)
{
    int rc = read_start(r, model, err);
    if (!rc && !(r->type = cox_alloc((size_t)r->start.n, sizeof *r->type)))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for %d atoms", r->start.n);
    if (!rc) {
        rc = cox_dyn_start_types(&r->start, model->type_name, model->n_types, r->type, err);
        if (rc)
            rc = cox_err_wrap(err, rc, "%s", r->s.start);
    }
    if (!rc)
        rc = masses(r, err);
    return rc;
}

/* ---- the potential ---- */

static int digest(struct potential_run *r, struct cox_err *err)
{
    char *bytes = NULL;
    size_t length = 0;
    int rc = cox_file_read(&bytes, &length, r->s.model, MOST_MODEL_BYTES, err);
    if (!rc)
        cox_sha256_hex(bytes, length, r->sha256);
    cox_free(bytes);
    return rc;
}

static int potential(struct potential_run *r, const struct cox_dp_model *model, struct cox_err *err)
{
    char room[1024];
    const char *words[MAX_WORDS];
    double fparam[MAX_WORDS];
    enum cox_dp_precision precision;
    int rc = cox_dp_precision_parse(&precision, r->s.precision, err);
    if (rc)
        return cox_err_wrap(err, rc, "--precision");
    int n = r->s.fparam ? split(r->s.fparam, ", ", room, sizeof room, words) : 0;
    for (int i = 0; i < n; i++)
        if (cox_parse_double(words[i], &fparam[i]))
            return cox_err_set(err, COX_EINVAL, "--fparam: '%s' is no number", words[i]);
    if (n != model->n_fparam)
        return cox_err_set(err, COX_EINVAL, "the model has %d frame parameters, --fparam gives %d",
                           model->n_fparam, n);
    const struct cox_dyn_potential_options o = {.precision = precision,
                                                .skin_A = r->s.skin_A,
                                                .team = r->team,
                                                .fparam = n ? fparam : NULL};
    return cox_dyn_potential_create(&r->potential, model, r->start.n, r->type, &o, err);
}

/* ---- beginning ---- */

static int velocities(struct potential_run *r, struct cox_err *err)
{
    struct cox_dyn_state *s = cox_dynamics_state(r->d);
    const size_t block = (size_t)s->n * sizeof *s->x;
    memcpy(s->x, r->start.x, block);
    s->box = r->start.box;
    if (r->start.has_velocities && !(r->s.initial_K > 0)) {
        memcpy(s->v, r->start.v, block);
        /* under Langevin's thermostat it moves as every other degree of freedom does */
        bool langevin = !r->s.nve && !strcmp(r->s.thermostat, "langevin");
        double speed = s->n > 1 && !langevin ? cox_dynamics_stop_centre(r->d) : 0;
        if (speed > 1e-6 && !r->s.quiet)
            fprintf(stderr, "cox: the centre of mass moved at %.3g Å/ps; it was stopped\n", speed);
        return COX_OK;
    }
    double target = r->s.initial_K > 0 ? r->s.initial_K : r->s.nvt_K > 0 ? r->s.nvt_K : r->s.npt_K;
    if (!(target > 0))
        return cox_err_set(err, COX_EINVAL,
                           "%s has no velocities: --nve needs --initial-K to draw them",
                           r->s.start);
    cox_dynamics_draw_velocities(r->d, target);
    return COX_OK;
}

static int open_output(struct potential_run *r, const struct cox_dyn_marks *marks,
                       struct cox_err *err)
{
    const char *f = r->s.format;
    const bool both = !strcmp(f, "both");
    const struct cox_dyn_output_options o = {.h5 = r->s.every && (both || !strcmp(f, "h5")),
                                             .xyz = r->s.every && (both || !strcmp(f, "xyz")),
                                             .velocities = r->s.velocities,
                                             .forces = r->s.forces,
                                             .wrap = r->s.wrap};
    return cox_dyn_output_open(&r->output, r->s.output, &r->start, &o, marks, err);
}

static int check_new(const struct potential_run *r, struct cox_err *err)
{
    static const char *const files[] = {"run.json", "thermo.csv", "traj.h5",
                                        "traj.xyz", "checkpoint", "start.xyz"};
    char path[4096];
    const char *f = r->s.format;
    if (strcmp(f, "h5") != 0 && strcmp(f, "xyz") != 0 && strcmp(f, "both") != 0)
        return cox_err_set(err, COX_EINVAL, "--format is h5, xyz or both, not '%s'", f);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        int rc = cox_path_join(path, sizeof path, r->s.output, files[i], err);
        if (rc)
            return rc;
        if (cox_file_exists(path))
            return cox_err_set(err, COX_EEXISTS,
                               "'%s' exists: go on with that run (--restart %s), or name another "
                               "folder with -o",
                               path, r->s.output);
    }
    return COX_OK;
}

static int begin_new(struct potential_run *r, struct cox_err *err)
{
    char path[4096];
    struct cox_dyn_sample sample;
    int rc = velocities(r, err);
    if (!rc)
        rc = cox_dynamics_start(r->d, err);
    if (!rc)
        rc = cox_directory_create(r->s.output, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, r->s.output, "start.xyz", err);
    if (!rc)
        rc = cox_dyn_output_structure(path, &r->start, cox_dynamics_state(r->d), 0, err);
    if (!rc)
        rc = open_output(r, NULL, err);
    if (rc)
        return rc;
    const struct cox_dyn_state *s = cox_dynamics_state(r->d);
    cox_dynamics_sample(r->d, &sample);
    rc = cox_dyn_output_thermo(r->output, s, &sample, err);
    if (!rc && r->s.every)
        rc = cox_dyn_output_frame(r->output, s, &sample, err);
    return rc;
}

static int begin_again(struct potential_run *r, struct cox_err *err)
{
    char path[4096];
    struct cox_dyn_checkpoint c;
    memset(&c, 0, sizeof c);
    int rc = cox_path_join(path, sizeof path, r->s.restart, "checkpoint", err);
    if (!rc)
        rc = cox_dyn_checkpoint_load(&c, path, err);
    if (!rc)
        rc = cox_dynamics_restore(r->d, c.state, c.state_size, err);
    if (!rc && r->rdf)
        rc = cox_rdf_restore(r->rdf, c.rdf, c.rdf_size, err);
    if (!rc)
        rc = open_output(r, &c.marks, err);
    cox_free(c.state);
    r->restarted = true;
    r->first_step = cox_dynamics_state(r->d)->step;
    return rc;
}

static int allocate_state(struct potential_run *r, struct cox_err *err)
{
    r->state = cox_alloc(1, cox_dynamics_size(r->d));
    r->rdf_state = r->rdf ? cox_alloc(1, cox_rdf_size(r->rdf)) : NULL;
    if (!r->state || (r->rdf && !r->rdf_state))
        return cox_err_set(err, COX_ENOMEM, "out of memory for checkpoints");
    return COX_OK;
}

/* Relative paths would not be found from another folder. */
static int absolute(struct potential_run *r, char room[PATH_MAX], struct cox_err *err)
{
    if (!realpath(r->s.model, room))
        return cox_err_errno(err, "cannot open '%s'", r->s.model);
    r->s.model = room;
    return COX_OK;
}

static int check_model(struct potential_run *r, struct cox_err *err)
{
    char path[4096];
    struct cox_json *json = NULL;
    int rc = cox_path_join(path, sizeof path, r->s.restart, "run.json", err);
    if (!rc)
        rc = cox_json_read(&json, path, err);
    const char *was = rc ? NULL : cox_json_get_text(json, "model_sha256");
    if (!rc && (!was || strcmp(was, r->sha256) != 0))
        rc = cox_err_set(err, COX_EINVAL,
                         "'%s' is another model than the run began with (SHA-256 %.12s…, was "
                         "%.12s…)",
                         r->s.model, r->sha256, was ? was : "unknown");
    cox_json_destroy(json);
    return rc;
}

int potential_run_begin(struct potential_run *r, struct cox_err *err)
{
    static char model_path[PATH_MAX]; /* settings point to it until they were recorded */
    struct cox_dyn_options o;
    struct cox_dp_model *model = NULL;
    cox_dyn_start_init(&r->start);
    if (r->s.to_K > 0 && !r->s.ramp_steps)
        r->s.ramp_steps = r->s.steps;
    int rc = r->s.restart ? COX_OK : check_new(r, err);
    if (!rc)
        rc = dynamics_options(r, &o, err);
    if (!rc)
        rc = absolute(r, model_path, err);
    if (!rc)
        rc = digest(r, err);
    if (!rc && r->s.restart)
        rc = check_model(r, err);
    if (!rc)
        rc = cox_dp_model_read(&model, r->s.model, err);
    if (!rc)
        rc = atoms(r, model, err);
    if (!rc)
        rc = cox_team_create(&r->team, (int)r->s.threads, err);
    if (!rc) {
        r->s.threads = cox_team_threads(r->team);
        r->cutoff = cox_dp_cutoff(model);
        r->types = model->n_types;
        rc = potential(r, model, err);
    }
    cox_dp_model_destroy(model);
    if (!rc && r->s.rdf_A > 0)
        rc = cox_rdf_create(&r->rdf, r->s.rdf_A, (int)r->s.rdf_bins, err);
    if (!rc && r->rdf && !r->start.box.periodic)
        rc = cox_err_set(err, COX_EINVAL, "--rdf needs a periodic box");
    if (!rc)
        rc = cox_dynamics_create(&r->d, r->start.n, r->start.mass_u, &o,
                                 cox_dyn_potential_field(r->potential), err);
    if (!rc)
        rc = allocate_state(r, err);
    if (!rc)
        rc = r->s.restart ? begin_again(r, err) : begin_new(r, err);
    if (!rc)
        r->freedoms = cox_dynamics_freedoms(r->d);
    if (!rc && !r->s.restart)
        rc = potential_run_checkpoint(r, err);
    if (!rc)
        rc = potential_run_record(r, "running", NULL, err);
    return rc;
}

void potential_run_end(struct potential_run *r)
{
    if (cox_dyn_output_close(r->output, NULL))
        r->output = NULL; /* an error path: what was synced counts */
    cox_dynamics_destroy(r->d);
    cox_dyn_potential_destroy(r->potential);
    cox_team_destroy(r->team);
    cox_rdf_destroy(r->rdf);
    cox_dyn_start_deinit(&r->start);
    cox_free(r->type);
    cox_free(r->state);
    cox_free(r->rdf_state);
}

/* ---- saving ---- */

int potential_run_checkpoint(struct potential_run *r, struct cox_err *err)
{
    char path[4096];
    struct cox_dyn_checkpoint c = {.state_size = cox_dynamics_size(r->d),
                                   .rdf_size = r->rdf ? cox_rdf_size(r->rdf) : 0,
                                   .state = r->state,
                                   .rdf = r->rdf_state};
    int rc = cox_dyn_output_sync(r->output, &c.marks, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, r->s.output, "checkpoint", err);
    if (rc)
        return rc;
    cox_dynamics_save(r->d, r->state);
    if (r->rdf)
        cox_rdf_save(r->rdf, r->rdf_state);
    return cox_dyn_checkpoint_save(path, &c, err);
}

static void write_setting(struct cox_json *json, const struct cox_option *o)
{
    if (o->type == COX_OPT_FLAG) {
        cox_json_set_int(json, o->name, *(bool *)o->value);
    } else if (o->type == COX_OPT_INT) {
        cox_json_set_int(json, o->name, *(long long *)o->value);
    } else if (o->type == COX_OPT_NUMBER) {
        cox_json_set_number(json, o->name, *(double *)o->value);
    } else if (o->type == COX_OPT_TEXT && *(const char **)o->value) {
        cox_json_set_text(json, o->name, *(const char **)o->value);
    } else if (o->type == COX_OPT_TEXTS) {
        const struct cox_option_texts *texts = o->value;
        char joined[1024] = "";
        for (int i = 0; i < texts->n; i++) {
            size_t used = strlen(joined);
            snprintf(joined + used, sizeof joined - used, "%s%s", i ? "," : "", texts->items[i]);
        }
        if (texts->n)
            cox_json_set_text(json, o->name, joined);
    }
}

int potential_run_record(struct potential_run *r, const char *status, struct cox_json *result,
                         struct cox_err *err)
{
    struct cox_option options[POTENTIAL_RUN_OPTIONS];
    char path[4096], now[32];
    struct cox_json *json = cox_json_object();
    int n = potential_run_options(&r->s, options);
    cox_clock_utc(now, sizeof now);
    cox_json_set_text(json, "program", "cox potential run");
    cox_json_set_text(json, "version", COX_VERSION);
    cox_json_set_text(json, "status", status);
    cox_json_set_text(json, "written", now);
    cox_json_set_text(json, "model_sha256", r->sha256);
    cox_json_set_int(json, "atoms", r->start.n);
    cox_json_set_int(json, "degrees_of_freedom", r->freedoms);
    for (int i = 0; i < n; i++)
        if (strcmp(options[i].name, "restart") != 0 && strcmp(options[i].name, "json") != 0 &&
            strcmp(options[i].name, "quiet") != 0)
            write_setting(json, &options[i]);
    if (result)
        cox_json_set(json, "result", result);
    int rc = cox_path_join(path, sizeof path, r->s.output, "run.json", err);
    if (!rc)
        rc = cox_json_write(json, path, err);
    cox_json_destroy(json);
    return rc;
}
