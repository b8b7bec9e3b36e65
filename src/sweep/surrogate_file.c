/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of the surrogate: a regressor's (learn/regressor.h) with a group /surrogate that holds what
 * it takes to serve predictions, and the inputs it was trained on, which are its hull and tell a
 * later session which points are on the path (docs/surrogate.md). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "h5/h5.h"
#include "sweep/surrogate_internal.h"

#define FORMAT "coxswain-surrogate"
#define VERSION 1
#define WHERE "/surrogate"
#define NAME_WIDTH 128

static const char *output_name(const struct cox_surrogate *s, int o)
{
    return ((const struct cox_sweep_output *)s->settings->outputs.items)[o].name;
}

/* Numbers that are kept as they are. */
struct number {
    const char *key;
    double *value;
};
#define NUMBERS 15
struct kept {
    double id, looks, look, trusted, audits, audits_failed, servable, n_recent;
    double look_rows, quiet, epochs, train_loss, valid_loss, seconds, t_learn;
};
static void numbers_of(struct kept *k, struct number out[NUMBERS])
{
    const struct number all[NUMBERS] = {{"model", &k->id},
                                        {"looks", &k->looks},
                                        {"look", &k->look},
                                        {"trusted", &k->trusted},
                                        {"audits", &k->audits},
                                        {"audits_failed", &k->audits_failed},
                                        {"servable", &k->servable},
                                        {"recent_results", &k->n_recent},
                                        {"look_rows", &k->look_rows},
                                        {"quiet", &k->quiet},
                                        {"epochs", &k->epochs},
                                        {"train_loss", &k->train_loss},
                                        {"valid_loss", &k->valid_loss},
                                        {"seconds", &k->seconds},
                                        {"seconds_of_all_trainings", &k->t_learn}};
    memcpy(out, all, sizeof all);
}

static int vector(struct cox_h5 *file, const char *name, const double *values, int64_t n,
                  struct cox_err *err)
{
    return cox_h5_write(file, name, COX_H5_F64, 1, &n, values, err);
}

static int write_rows(const struct cox_surrogate *s, struct cox_h5 *file, struct cox_err *err)
{
    const size_t d = (size_t)s->d;
    const int n = s->model->n_rows;
    const int64_t dims[] = {n, s->d};
    double *x = cox_alloc((size_t)n * d, sizeof *x);
    if (!x)
        return cox_err_set(err, COX_ENOMEM, "%d rows: out of memory", n);
    for (int i = 0; i < n; i++)
        memcpy(x + (size_t)i * d, s->points->feature + (size_t)s->rows[i] * d, d * sizeof *x);
    int rc = cox_h5_write(file, WHERE "/rows", COX_H5_F64, 2, dims, x, err);
    cox_free(x);
    return rc;
}

static int write_names(const struct cox_surrogate *s, struct cox_h5 *file, struct cox_err *err)
{
    char *names = cox_alloc((size_t)s->n_outputs, NAME_WIDTH);
    if (!names)
        return cox_err_set(err, COX_ENOMEM, "%d names: out of memory", s->n_outputs);
    for (int o = 0; o < s->n_outputs; o++)
        snprintf(names + (size_t)o * NAME_WIDTH, NAME_WIDTH, "%s", output_name(s, o));
    int rc = cox_h5_write_texts(file, WHERE "/outputs", s->n_outputs, NAME_WIDTH, names, err);
    cox_free(names);
    return rc;
}

static int write_all(const struct cox_surrogate *s, struct cox_h5 *file, struct cox_err *err)
{
    const struct cox_surrogate_model *m = s->model;
    const int32_t shape[] = {s->d, s->n_values, s->n_outputs, m->n_rows};
    const int64_t dims[] = {s->n_outputs + 1};
    const double bounds[] = {s->q, s->half_width, s->failing_bound, m->t_lookup};
    struct kept k = {.id = (double)m->told.id,
                     .looks = s->looks,
                     .look = m->look,
                     .trusted = s->trusted,
                     .audits = s->audits,
                     .audits_failed = s->audits_failed,
                     .servable = s->servable,
                     .n_recent = s->n_recent,
                     .look_rows = s->look_rows,
                     .quiet = s->quiet,
                     .epochs = m->told.epochs,
                     .train_loss = m->told.train_loss,
                     .valid_loss = m->told.valid_loss,
                     .seconds = m->told.seconds,
                     .t_learn = s->t_learn};
    struct number numbers[NUMBERS];
    numbers_of(&k, numbers);
    int rc = cox_regressor_write(m->regressor, file, err);
    if (rc == COX_OK)
        rc = cox_h5_group(file, WHERE, err);
    if (rc == COX_OK)
        rc = cox_h5_set_text(file, WHERE, "format", FORMAT, err);
    if (rc == COX_OK)
        rc = cox_h5_set_ints(file, WHERE, "format_version", 1, (const int32_t[]){VERSION}, err);
    if (rc == COX_OK)
        rc = cox_h5_set_ints(file, WHERE, "shape", 4, shape, err);
    for (int i = 0; i < NUMBERS && rc == COX_OK; i++)
        rc = cox_h5_set_number(file, WHERE, numbers[i].key, *numbers[i].value, err);
    if (rc == COX_OK)
        rc = cox_h5_write(file, WHERE "/first", COX_H5_I32, 1, dims, s->first, err);
    if (rc == COX_OK)
        rc = vector(file, WHERE "/bounds", bounds, 4, err);
    if (rc == COX_OK)
        rc = vector(file, WHERE "/quantiles", s->q_output, s->n_outputs, err);
    if (rc == COX_OK)
        rc = vector(file, WHERE "/accuracy", m->accuracy, s->n_values, err);
    if (rc == COX_OK)
        rc = vector(file, WHERE "/recent", s->recent, COX_SURROGATE_RECENT, err);
    if (rc == COX_OK)
        rc = write_rows(s, file, err);
    return rc == COX_OK ? write_names(s, file, err) : rc;
}

int cox_surrogate_save(const struct cox_surrogate *surrogate, const char *path, struct cox_err *err)
{
    struct cox_surrogate *s = (struct cox_surrogate *)surrogate;
    struct cox_h5 *file;
    if (!s->model)
        return cox_err_set(err, COX_EUNSUPPORTED, "saving '%s': there is no model yet", path);
    cox_surrogate_refresh(s);
    int rc = cox_h5_create(&file, path, err);
    if (rc == COX_OK) {
        rc = write_all(s, file, err);
        if (rc == COX_OK)
            rc = cox_h5_close(file, err);
        else
            cox_h5_abandon(file);
    }
    return rc ? cox_err_wrap(err, rc, "saving the surrogate") : COX_OK;
}

/* ---- reading ---- */

static int check_format(struct cox_h5 *file, struct cox_err *err)
{
    char *text = NULL;
    int32_t version;
    int rc = cox_h5_get_text(file, WHERE, "format", &text, NULL);
    if (rc || strcmp(text, FORMAT) != 0)
        rc = cox_err_set(err, COX_EFORMAT, "'%s' is not the surrogate of a sweep (no format '%s')",
                         cox_h5_path(file), FORMAT);
    cox_free(text);
    if (rc == COX_OK)
        rc = cox_h5_get_ints(file, WHERE, "format_version", 1, &version, err);
    if (rc == COX_OK && (version < 1 || version > VERSION))
        rc = cox_err_set(err, COX_EUNSUPPORTED,
                         "'%s' has version %d of the format, this program reads up to %d",
                         cox_h5_path(file), version, VERSION);
    return rc;
}

/* It must be of this sweep: as many inputs, the same outputs. */
static int check_shape(struct cox_surrogate *s, struct cox_h5 *file, int *n_rows,
                       struct cox_err *err)
{
    int32_t shape[4];
    int rc = cox_h5_get_ints(file, WHERE, "shape", 4, shape, err);
    if (rc)
        return rc;
    if (shape[0] != s->d || shape[2] != s->n_outputs)
        return cox_err_set(err, COX_EFORMAT,
                           "'%s' is of a sweep with %d features and %d outputs, this one has %d "
                           "and %d",
                           cox_h5_path(file), shape[0], shape[2], s->d, s->n_outputs);
    if (shape[1] < 1 || shape[1] > 1 << 24 || shape[3] < 1 || shape[3] > 10000000)
        return cox_err_set(err, COX_EFORMAT, "'%s': %d values, %d rows", cox_h5_path(file),
                           shape[1], shape[3]);
    *n_rows = shape[3];
    char *names = cox_alloc((size_t)s->n_outputs, NAME_WIDTH);
    int *first = cox_alloc((size_t)s->n_outputs + 1, sizeof *first);
    const int64_t dims[] = {s->n_outputs + 1};
    if (!names || !first)
        rc = cox_err_set(err, COX_ENOMEM, "%d outputs: out of memory", s->n_outputs);
    if (rc == COX_OK)
        rc = cox_h5_read_texts(file, WHERE "/outputs", s->n_outputs, NAME_WIDTH, names, err);
    for (int o = 0; o < s->n_outputs && rc == COX_OK; o++)
        if (strncmp(names + (size_t)o * NAME_WIDTH, output_name(s, o), NAME_WIDTH - 1) != 0)
            rc = cox_err_set(err, COX_EFORMAT, "'%s': output %d is '%.*s', this sweep's is '%s'",
                             cox_h5_path(file), o + 1, NAME_WIDTH - 1,
                             names + (size_t)o * NAME_WIDTH, output_name(s, o));
    if (rc == COX_OK)
        rc = cox_h5_read(file, WHERE "/first", COX_H5_I32, 1, dims, first, err);
    for (int o = 0; o <= s->n_outputs && rc == COX_OK; o++)
        if (o == 0 ? first[o] != 0 : first[o] <= first[o - 1] || first[o] > shape[1])
            rc = cox_err_set(err, COX_EFORMAT, "'%s': output %d begins at value %d",
                             cox_h5_path(file), o + 1, first[o]);
    if (rc == COX_OK && first[s->n_outputs] != shape[1])
        rc = cox_err_set(err, COX_EFORMAT, "'%s': %d values, its outputs have %d",
                         cox_h5_path(file), shape[1], first[s->n_outputs]);
    if (rc == COX_OK)
        rc = cox_surrogate_shape(s, first, err);
    cox_free(names);
    cox_free(first);
    return rc;
}

static uint64_t hash(const double *x, int d)
{
    uint64_t h = 0;
    for (int f = 0; f < d; f++) {
        uint64_t bits;
        const double v = x[f] + 0.0; /* −0 as 0 */
        memcpy(&bits, &v, sizeof bits);
        h = cox_seed_mix(h, bits);
    }
    return h;
}

static bool same(const double *a, const double *b, int d)
{
    for (int f = 0; f < d; f++)
        if (a[f] < b[f] || a[f] > b[f])
            return false;
    return true;
}

/* The points that the rows were, if they are still in the design: they are on the path. */
static int recognise(struct cox_surrogate *s, int n, const double *x, struct cox_err *err)
{
    size_t size = 16;
    while (size < 2 * (size_t)s->n)
        size *= 2;
    int *table = cox_alloc(size, sizeof *table); /* of index + 1 */
    if (!table)
        return cox_err_set(err, COX_ENOMEM, "%d points: out of memory", s->n);
    for (int p = 0; p < s->n; p++) {
        size_t at = hash(s->points->feature + (size_t)p * (size_t)s->d, s->d) & (size - 1);
        while (table[at])
            at = (at + 1) & (size - 1);
        table[at] = p + 1;
    }
    s->n_rows = 0;
    for (int i = 0; i < n; i++) {
        const double *row = x + (size_t)i * (size_t)s->d;
        size_t at = hash(row, s->d) & (size - 1);
        while (table[at] &&
               !same(s->points->feature + (size_t)(table[at] - 1) * (size_t)s->d, row, s->d))
            at = (at + 1) & (size - 1);
        if (!table[at] || s->point[table[at] - 1].row)
            continue;
        const int p = table[at] - 1;
        s->point[p].row = true;
        s->rows[s->n_rows++] = p;
        if (!s->point[p].path) {
            s->point[p].path = true;
            s->path[s->n_path++] = p;
        }
    }
    cox_free(table);
    return COX_OK;
}

static int read_rows(struct cox_surrogate *s, struct cox_surrogate_model *m, struct cox_h5 *file,
                     struct cox_err *err)
{
    const int64_t dims[] = {m->n_rows, s->d};
    double *x = cox_alloc((size_t)m->n_rows * (size_t)s->d, sizeof *x);
    int rc = x ? COX_OK : cox_err_set(err, COX_ENOMEM, "%d rows: out of memory", m->n_rows);
    if (rc == COX_OK)
        rc = cox_h5_read(file, WHERE "/rows", COX_H5_F64, 2, dims, x, err);
    if (rc == COX_OK && s->settings->surrogate.hull)
        rc = cox_hull_create(&m->hull, m->n_rows, s->d, x, err);
    if (rc == COX_OK)
        rc = recognise(s, m->n_rows, x, err);
    cox_free(x);
    return rc;
}

static int read_model(struct cox_surrogate *s, struct cox_surrogate_model *m, struct cox_h5 *file,
                      struct cox_err *err)
{
    const int64_t n_values = s->n_values, n_outputs = s->n_outputs, four = 4,
                  n_recent = COX_SURROGATE_RECENT;
    double bounds[4];
    struct kept k;
    struct number numbers[NUMBERS];
    numbers_of(&k, numbers);
    int rc = COX_OK;
    for (int i = 0; i < NUMBERS && rc == COX_OK; i++)
        rc = cox_h5_get_number(file, WHERE, numbers[i].key, numbers[i].value, err);
    for (int i = 0; i < 11 && rc == COX_OK; i++) /* the counts */
        if (!(*numbers[i].value >= 0 && *numbers[i].value <= 1e9))
            rc = cox_err_set(err, COX_EFORMAT, "'%s': %s is %g", cox_h5_path(file), numbers[i].key,
                             *numbers[i].value);
    if (rc == COX_OK)
        rc = cox_h5_read(file, WHERE "/bounds", COX_H5_F64, 1, &four, bounds, err);
    if (rc == COX_OK)
        rc = cox_h5_read(file, WHERE "/quantiles", COX_H5_F64, 1, &n_outputs, s->q_output, err);
    if (rc == COX_OK)
        rc = cox_h5_read(file, WHERE "/recent", COX_H5_F64, 1, &n_recent, s->recent, err);
    if (rc == COX_OK && !(m->accuracy = cox_alloc((size_t)n_values, sizeof *m->accuracy)))
        rc = cox_err_set(err, COX_ENOMEM, "%d values: out of memory", s->n_values);
    if (rc == COX_OK)
        rc = cox_h5_read(file, WHERE "/accuracy", COX_H5_F64, 1, &n_values, m->accuracy, err);
    if (rc)
        return rc;
    m->told.id = (int64_t)k.id;
    m->told.n_results = m->n_rows;
    m->told.epochs = (int)k.epochs;
    m->told.train_loss = k.train_loss;
    m->told.valid_loss = k.valid_loss;
    m->told.seconds = k.seconds;
    m->look = (int)k.look;
    m->t_lookup = bounds[3];
    s->looks = (int)k.looks;
    s->look_rows = k.look_rows;
    s->quiet = (int)k.quiet;
    s->n_recent = (int)k.n_recent;
    s->trusted = k.trusted > 0;
    s->audits = (int)k.audits;
    s->audits_failed = (int)k.audits_failed;
    s->servable = (int)k.servable;
    s->t_learn = k.t_learn;
    s->q = bounds[0];
    s->half_width = bounds[1];
    s->failing_bound = bounds[2];
    snprintf(s->why, sizeof s->why, "as the model was saved");
    return read_rows(s, m, file, err);
}

int cox_surrogate_load(struct cox_surrogate *s, const char *path, struct cox_err *err)
{
    struct cox_h5 *file;
    struct cox_surrogate_model *m = cox_alloc(1, sizeof *m);
    if (!m)
        return cox_err_set(err, COX_ENOMEM, "loading '%s': out of memory", path);
    int rc = cox_h5_open_read(&file, path, err);
    if (rc) {
        cox_free(m);
        return cox_err_wrap(err, rc, "loading the surrogate");
    }
    rc = check_format(file, err);
    if (rc == COX_OK)
        rc = check_shape(s, file, &m->n_rows, err);
    if (rc == COX_OK)
        rc = cox_regressor_load(&m->regressor, path, s->team, err);
    if (rc == COX_OK && (cox_regressor_inputs(m->regressor) != s->d ||
                         cox_regressor_outputs(m->regressor) != s->n_values))
        rc = cox_err_set(err, COX_EFORMAT, "'%s': the networks have %d inputs and %d outputs", path,
                         cox_regressor_inputs(m->regressor), cox_regressor_outputs(m->regressor));
    if (rc == COX_OK)
        rc = cox_regressor_workspace_create(&m->workspace, m->regressor, err);
    if (rc == COX_OK)
        rc = read_model(s, m, file, err);
    cox_h5_abandon(file);
    if (rc) {
        cox_surrogate_model_destroy(m);
        return cox_err_wrap(err, rc, "loading the surrogate");
    }
    cox_surrogate_model_destroy(s->model);
    s->model = m;
    s->stale = s->known > 0;
    return s->known > 0 ? cox_surrogate_rescore_audits(s, err) : COX_OK;
}
