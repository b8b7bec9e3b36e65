/* SPDX-License-Identifier: BSD-3-Clause */
#include "servers/traces.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#define TRACES_MAXIMUM (1 << 28) /* bytes of a file */
#define MAX_COLUMNS 64
#define MAX_VALUES 200 /* of a column that makes groups */

static int by_time(const void *a, const void *b)
{
    const struct cox_trace *x = a, *y = b;
    if (x->hours != y->hours)
        return x->hours < y->hours ? -1 : 1;
    return (int)y->preempted - (int)x->preempted;
}

int cox_traces_create(struct cox_traces *out, const struct cox_trace *items, int n,
                      struct cox_err *err)
{
    *out = (struct cox_traces){0};
    for (int i = 0; i < n; i++)
        if (!(items[i].hours >= 0) || !isfinite(items[i].hours))
            return cox_err_set(err, COX_EINVAL, "lifetime %d is %g h; must be 0 or more", i + 1,
                               items[i].hours);
    out->item = cox_alloc((size_t)n + 1, sizeof *out->item);
    if (!out->item)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d lifetimes", n);
    memcpy(out->item, items, (size_t)n * sizeof *items);
    out->n = n;
    qsort(out->item, (size_t)n, sizeof *out->item, by_time);
    return COX_OK;
}

void cox_traces_deinit(struct cox_traces *traces)
{
    cox_free(traces->item);
    *traces = (struct cox_traces){0};
}

/* ---- reading ---- */

/* Cuts a line at its commas, in place; -1 when there are too many. */
static int cut(char *line, char **field)
{
    int n = 0;
    for (char *at = line; at; n++) {
        char *comma = strchr(at, ',');
        if (n == MAX_COLUMNS)
            return -1;
        field[n] = at;
        if (comma)
            *comma++ = '\0';
        at = comma;
    }
    return n;
}

static int find(char *const *field, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(field[i], name))
            return i;
    return -1;
}

struct table {
    const char *path;
    int columns, hours, end, chosen; /* chosen -1: every row */
    const char *value;
    struct cox_err *err;
};

static int read_header(struct table *t, char *line, const char *column)
{
    char *field[MAX_COLUMNS];
    t->columns = cut(line, field);
    t->hours = t->columns > 0 ? find(field, t->columns, "lifetime_h") : -1;
    t->end = t->columns > 0 ? find(field, t->columns, "end") : -1;
    t->chosen = t->columns > 0 && column ? find(field, t->columns, column) : -1;
    if (t->hours < 0 || t->end < 0)
        return cox_err_set(t->err, COX_EFORMAT,
                           "%s:1: no column '%s'; lifetime_h and end are needed", t->path,
                           t->hours < 0 ? "lifetime_h" : "end");
    if (column && t->chosen < 0)
        return cox_err_set(t->err, COX_EINVAL, "%s:1: no column '%s' to choose rows by", t->path,
                           column);
    return COX_OK;
}

/* *taken: whether the row is one of the chosen. */
static int read_row(const struct table *t, char *line, int number, struct cox_trace *to,
                    bool *taken)
{
    char *field[MAX_COLUMNS];
    int n = cut(line, field);
    if (n != t->columns)
        return cox_err_set(t->err, COX_EFORMAT, "%s:%d: %d columns; the header has %d", t->path,
                           number, n, t->columns);
    if (cox_parse_double(field[t->hours], &to->hours) || !(to->hours >= 0) || !isfinite(to->hours))
        return cox_err_set(t->err, COX_EFORMAT, "%s:%d: lifetime_h is '%s'; must be 0 or more",
                           t->path, number, field[t->hours]);
    to->preempted = !strcmp(field[t->end], "preempted");
    if (!to->preempted && strcmp(field[t->end], "stopped") != 0)
        return cox_err_set(t->err, COX_EFORMAT,
                           "%s:%d: end is '%s'; must be 'preempted' or 'stopped'", t->path, number,
                           field[t->end]);
    *taken = t->chosen < 0 || !strcmp(field[t->chosen], t->value);
    return COX_OK;
}

static int read_rows(struct cox_traces *out, struct table *t, char *bytes, const char *column)
{
    int lines = 1;
    int n = 0;
    int number = 0;
    int rc = COX_OK;
    for (const char *at = bytes; (at = strchr(at, '\n')); at++)
        lines++;
    struct cox_trace *items = cox_alloc((size_t)lines, sizeof *items);
    if (!items)
        return cox_err_set(t->err, COX_ENOMEM, "out of memory for %d lifetimes", lines);
    for (char *line = bytes; !rc && line;) {
        char *next = strchr(line, '\n');
        bool taken = false;
        if (next)
            *next++ = '\0';
        line[strcspn(line, "\r")] = '\0';
        if (!number++)
            rc = read_header(t, line, column);
        else if (*line)
            rc = read_row(t, line, number, &items[n], &taken);
        n += taken;
        line = next;
    }
    if (!rc && !n)
        rc = cox_err_set(t->err, COX_EINVAL, "'%s' has no lifetime%s%s", t->path,
                         column ? " of " : "", column ? t->value : "");
    if (!rc)
        rc = cox_traces_create(out, items, n, t->err);
    cox_free(items);
    return rc;
}

int cox_traces_read(struct cox_traces *out, const char *path, const char *column, const char *value,
                    struct cox_err *err)
{
    char *bytes = NULL;
    size_t length = 0;
    struct table t = {.path = path, .value = value, .err = err};
    *out = (struct cox_traces){0};
    int rc = cox_file_read(&bytes, &length, path, TRACES_MAXIMUM, err);
    if (!rc)
        rc = read_rows(out, &t, bytes, column);
    cox_free(bytes);
    return rc;
}

static int add_value(struct cox_trace_values *to, const char *value, struct cox_err *err)
{
    for (int i = 0; i < to->n; i++)
        if (!strcmp(to->item[i], value))
            return COX_OK;
    if (to->n == MAX_VALUES)
        return cox_err_set(err, COX_EINVAL, "more than %d different values", MAX_VALUES);
    char **grown = cox_realloc(to->item, (size_t)to->n + 1, sizeof *grown);
    if (grown)
        to->item = grown;
    if (!grown || !(to->item[to->n] = cox_strdup(value)))
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d values", to->n);
    to->n++;
    return COX_OK;
}

int cox_trace_values_read(struct cox_trace_values *out, const char *path, const char *column,
                          struct cox_err *err)
{
    char *bytes = NULL;
    size_t length = 0;
    int number = 0;
    struct table t = {.path = path, .err = err};
    *out = (struct cox_trace_values){0};
    int rc = cox_file_read(&bytes, &length, path, TRACES_MAXIMUM, err);
    for (char *line = bytes; !rc && line;) {
        char *field[MAX_COLUMNS];
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line[strcspn(line, "\r")] = '\0';
        if (!number++)
            rc = read_header(&t, line, column);
        else if (*line && t.chosen >= 0 && cut(line, field) > t.chosen &&
                 (rc = add_value(out, field[t.chosen], err)))
            rc = cox_err_wrap(err, rc, "%s:%d: column '%s'", path, number, column);
        line = next;
    }
    cox_free(bytes);
    if (rc)
        cox_trace_values_deinit(out);
    return rc;
}

void cox_trace_values_deinit(struct cox_trace_values *values)
{
    for (int i = 0; i < values->n; i++)
        cox_free(values->item[i]);
    cox_free(values->item);
    *values = (struct cox_trace_values){0};
}

/* ---- what was seen ---- */

void cox_traces_kaplan_meier(const struct cox_traces *traces, double *cdf)
{
    double alive = 1;
    for (int i = 0; i < traces->n;) {
        double t = traces->item[i].hours;
        int end = i;
        int gone = 0;
        for (; end < traces->n && traces->item[end].hours == t; end++)
            gone += traces->item[end].preempted;
        alive *= 1 - gone / (double)(traces->n - i);
        for (; i < end; i++)
            cdf[i] = 1 - alive;
    }
}

int cox_traces_empirical(struct cox_lifetime *out, double **array, const struct cox_traces *traces,
                         struct cox_err *err)
{
    const size_t n = (size_t)traces->n;
    double *a = cox_alloc(2 * n, sizeof *a);
    *array = a;
    if (!a)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %zu lifetimes", n);
    cox_traces_kaplan_meier(traces, a + n);
    for (size_t i = 0; i < n; i++)
        a[i] = traces->item[i].hours;
    for (size_t i = n; i-- > 0 && a[i] == a[n - 1];)
        a[n + i] = 1;
    *out = (struct cox_lifetime){
        .kind = COX_LIFETIME_EMPIRICAL, .n = traces->n, .time = a, .cdf = a + n};
    return COX_OK;
}

int cox_traces_naive(const struct cox_traces *traces, double *time, double *cdf)
{
    int n = 0;
    for (int i = 0; i < traces->n; i++)
        if (traces->item[i].preempted)
            time[n++] = traces->item[i].hours;
    for (int i = 0; i < n; i++)
        cdf[i] = n > 1 ? i / (double)(n - 1) : 1;
    return n;
}

double cox_traces_log_likelihood(const struct cox_traces *traces, const struct cox_lifetime *life)
{
    double sum = 0;
    for (int i = 0; i < traces->n; i++) {
        double t = traces->item[i].hours;
        sum += log(traces->item[i].preempted ? cox_lifetime_pdf(life, t)
                                             : 1 - cox_lifetime_cdf(life, t));
    }
    return sum;
}

double cox_traces_distance(const struct cox_traces *traces, const double *kaplan_meier,
                           const struct cox_lifetime *life)
{
    double most = 0;
    for (int i = 0; i < traces->n; i++) {
        double f = cox_lifetime_cdf(life, traces->item[i].hours);
        double before = i ? kaplan_meier[i - 1] : 0;
        most = fmax(most, fmax(fabs(f - before), fabs(f - kaplan_meier[i])));
    }
    return most;
}
