/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/outputs_readers.h"

#include <regex.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "h5/h5.h"
#include "sweep/outputs_table.h"

#define MAX_BYTES ((size_t)512 << 20)
enum { MAX_VALUES = 10000000 };

void cox_reading_deinit(struct cox_reading *reading)
{
    cox_free(reading->value);
    cox_free(reading->error);
    cox_free(reading->line);
    *reading = (struct cox_reading){0};
}

static int nomem(const char *path, struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
}

/* ---- tables ---- */

/* A column's numbers in the rows first … first + n - 1. */
static int take_column(double *to, const struct cox_table *t, const char *name, int column,
                       int first, int n, struct cox_err *err)
{
    for (int i = 0; i < n; i++) {
        size_t at = (size_t)(first + i) * (size_t)t->n_columns + (size_t)column;
        if (cox_output_number(t->field[at], &to[i]))
            return cox_err_set(err, COX_EFORMAT, "%s:%d: column '%s': '%.80s' is no number",
                               t->path, t->line[first + i], name, t->field[at]);
    }
    return COX_OK;
}

static int take_rows(struct cox_reading *out, const struct cox_sweep_output *output,
                     const struct cox_table *t, int first, int n, struct cox_err *err)
{
    int column;
    int rc = cox_table_column(t, output->column, &column, err);
    if (rc)
        return rc;
    out->value = cox_alloc((size_t)n, sizeof *out->value);
    out->line = cox_alloc((size_t)n, sizeof *out->line);
    if (!out->value || !out->line)
        return nomem(t->path, err);
    memcpy(out->line, t->line + first, (size_t)n * sizeof *out->line);
    rc = take_column(out->value, t, output->column, column, first, n, err);
    out->n = n;
    if (rc || !output->error_column)
        return rc;
    rc = cox_table_column(t, output->error_column, &column, err);
    if (rc)
        return rc;
    out->error = cox_alloc((size_t)n, sizeof *out->error);
    if (!out->error)
        return nomem(t->path, err);
    out->n_errors = n;
    return take_column(out->error, t, output->error_column, column, first, n, err);
}

int cox_reading_csv(struct cox_reading *out, const struct cox_sweep_output *output,
                    const char *path, struct cox_err *err)
{
    struct cox_table table;
    int rc = cox_table_read(&table, path, err);
    if (rc)
        return rc;
    int first = 0;
    int n = table.n_rows;
    if (output->row != COX_CONFIG_UNSET) {
        first = output->row > 0 ? output->row - 1 : table.n_rows + output->row;
        n = 1;
    }
    if (first < 0 || first >= table.n_rows)
        rc = cox_err_set(err, COX_EFORMAT, "%s: no row %d: there are %d", path, output->row,
                         table.n_rows);
    else
        rc = take_rows(out, output, &table, first, n, err);
    cox_table_deinit(&table);
    return rc;
}

/* ---- JSON ---- */

int cox_reading_json(struct cox_reading *out, const struct cox_sweep_output *output,
                     const char *path, struct cox_err *err)
{
    struct cox_json *json;
    int rc = cox_json_read(&json, path, err);
    if (rc)
        return rc;
    rc = cox_json_numbers(json, output->key, &out->value, &out->n, NULL, err);
    if (!rc && output->error_key)
        rc = cox_json_numbers(json, output->error_key, &out->error, &out->n_errors, NULL, err);
    if (!rc && !out->n)
        rc = cox_err_set(err, COX_EFORMAT, "'%s' is an empty list", output->key);
    cox_json_destroy(json);
    return rc ? cox_err_wrap(err, rc, "%s", path) : COX_OK;
}

/* ---- HDF5 ---- */

static int take_dataset(struct cox_h5 *file, const char *name, double **value, int *n,
                        struct cox_err *err)
{
    int64_t dims[COX_H5_MAX_RANK];
    int rank;
    int rc = cox_h5_shape(file, name, &rank, dims, err);
    if (rc)
        return rc;
    int64_t count = rank ? dims[0] : 1;
    if (rank > 1)
        return cox_err_set(err, COX_EFORMAT,
                           "%s: '%s' has %d dimensions; a number or a list of numbers is needed",
                           cox_h5_path(file), name, rank);
    if (count < 1 || count > MAX_VALUES)
        return cox_err_set(err, COX_EFORMAT, "%s: '%s' has %lld values; 1 to %d are allowed",
                           cox_h5_path(file), name, (long long)count, MAX_VALUES);
    *value = cox_alloc((size_t)count, sizeof **value);
    if (!*value)
        return nomem(cox_h5_path(file), err);
    *n = (int)count;
    return cox_h5_read(file, name, COX_H5_F64, rank, dims, *value, err);
}

int cox_reading_hdf5(struct cox_reading *out, const struct cox_sweep_output *output,
                     const char *path, struct cox_err *err)
{
    struct cox_h5 *file;
    int rc = cox_h5_open_read(&file, path, err);
    if (rc)
        return rc;
    rc = take_dataset(file, output->key, &out->value, &out->n, err);
    if (!rc && output->error_key)
        rc = take_dataset(file, output->error_key, &out->error, &out->n_errors, err);
    cox_h5_abandon(file); /* nothing was written */
    return rc;
}

/* ---- text ---- */

struct text {
    const char *path;
    char *bytes; /* lines end with '\0' */
    size_t length;
    int lines;
    struct cox_err *err;
};

static int read_text(struct text *t)
{
    int rc = cox_file_read(&t->bytes, &t->length, t->path, MAX_BYTES, t->err);
    if (rc)
        return rc;
    for (char *c = t->bytes; c < t->bytes + t->length; c++) {
        if (*c == '\n') {
            *c = '\0';
            t->lines++;
        } else if (!*c) {
            *c = ' '; /* text all the same */
        }
    }
    t->lines += t->length && t->bytes[t->length - 1];
    return COX_OK;
}

/* The last match in the line; false: none. */
static bool last_in_line(const regex_t *pattern, const char *line, const char **begin,
                         const char **end)
{
    bool found = false;
    int flags = 0;
    for (;;) {
        regmatch_t match[2];
        if (regexec(pattern, line, 2, match, flags) || match[1].rm_so < 0)
            return found;
        found = true;
        *begin = line + match[1].rm_so;
        *end = line + match[1].rm_eo;
        line += match[0].rm_eo;
        if (!*line || match[0].rm_eo == match[0].rm_so)
            return true;
        flags = REG_NOTBOL;
    }
}

static int not_found(const struct text *t, const char *pattern)
{
    const char *last = t->bytes;
    for (const char *line = t->bytes; line < t->bytes + t->length; line += strlen(line) + 1)
        last = line[strspn(line, " \t\r")] ? line : last;
    if (!t->lines)
        return cox_err_set(t->err, COX_EFORMAT, "%s: no match of '%.120s': the file is empty",
                           t->path, pattern);
    return cox_err_set(t->err, COX_EFORMAT,
                       "%s: no match of '%.120s' in %d lines; the last is '%.120s'", t->path,
                       pattern, t->lines, last);
}

static int take_match(const struct text *t, const char *pattern, double **value, int *n,
                      int **line_of, struct cox_err *err)
{
    regex_t compiled;
    const char *begin = NULL;
    const char *end = NULL;
    int found = 0;
    int number = 1;
    if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NEWLINE))
        return cox_err_set(err, COX_EINVAL, "'%.120s' is no regular expression", pattern);
    for (const char *line = t->bytes; line < t->bytes + t->length; line += strlen(line) + 1) {
        if (compiled.re_nsub && last_in_line(&compiled, line, &begin, &end))
            found = number;
        number++;
    }
    regfree(&compiled);
    if (!found)
        return not_found(t, pattern);
    char text[64] = "";
    size_t length = (size_t)(end - begin);
    memcpy(text, begin, length < sizeof text ? length : sizeof text - 1);
    *value = cox_alloc(1, sizeof **value);
    int *line = line_of ? cox_alloc(1, sizeof *line) : NULL;
    if (line_of)
        *line_of = line;
    if (!*value || (line_of && !line))
        return nomem(t->path, err);
    *n = 1;
    if (line)
        *line = found;
    if (length < sizeof text && !cox_output_number(text, *value))
        return COX_OK;
    return cox_err_set(err, COX_EFORMAT, "%s:%d: the match of '%.120s' is '%s', no number", t->path,
                       found, pattern, text);
}

int cox_reading_text(struct cox_reading *out, const struct cox_sweep_output *output,
                     const char *path, struct cox_err *err)
{
    struct text text = {.path = path, .err = err};
    int rc = read_text(&text);
    if (!rc)
        rc = take_match(&text, output->match, &out->value, &out->n, &out->line, err);
    if (!rc && output->error_match)
        rc = take_match(&text, output->error_match, &out->error, &out->n_errors, NULL, err);
    cox_free(text.bytes);
    return rc;
}
