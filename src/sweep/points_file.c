/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/points_file.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "sweep/job_template.h"
#include "sweep/outputs_table.h"
#include "sweep/settings_check.h"

#define WRITE_MAX_BYTES ((size_t)512 << 20) /* as much as is read */

/* ---- one value ---- */

static int word_value(const struct cox_sweep_parameter *p, const char *text, double *value,
                      struct cox_err *err)
{
    for (int i = 0; i < p->choices.n; i++)
        if (!strcmp(text, p->choices.items[i])) {
            *value = i;
            return COX_OK;
        }
    char hint[500];
    cox_sweep_name_hint(hint, sizeof hint, text, p->choices.items, p->choices.n);
    return cox_err_set(err, COX_EINVAL, "%s: '%.80s' is none of its choices%s", p->name, text,
                       hint);
}

/* Among the listed ones, or where `between` between the least and the largest of them. */
static int listed_value(const struct cox_sweep_parameter *p, double x, bool between,
                        struct cox_err *err)
{
    struct cox_str list;
    double least = INFINITY;
    double most = -INFINITY;
    for (int i = 0; i < p->values.n; i++) {
        double listed = p->values.items[i];
        if (listed == x)
            return COX_OK;
        least = fmin(least, listed);
        most = fmax(most, listed);
    }
    if (between && x >= least && x <= most)
        return COX_OK;
    if (between)
        return cox_err_set(err, COX_EINVAL, "%s: %.15g is outside its values, %.15g to %.15g",
                           p->name, x, least, most);
    cox_str_init(&list, 4096);
    for (int i = 0; i < p->values.n && list.length < 300; i++) {
        cox_str_add(&list, i ? ", " : "");
        cox_template_number(&list, p->values.items[i]);
    }
    int rc = cox_str_status(&list, err);
    if (!rc)
        rc = cox_err_set(err, COX_EINVAL, "%s: %.15g is none of its values (%s%s)", p->name, x,
                         cox_str_text(&list), list.length < 300 ? "" : ", …");
    cox_str_deinit(&list);
    return rc;
}

int cox_points_value(const struct cox_sweep_parameter *p, const char *text, bool between,
                     double *value, struct cox_err *err)
{
    double x;
    if (p->choices.n)
        return word_value(p, text, value, err);
    if (cox_parse_double(text, &x) || !isfinite(x))
        return cox_err_set(err, COX_EINVAL, "%s: '%.80s' is no number", p->name, text);
    *value = x + 0.0; /* no -0 */
    if (p->whole && (x != floor(x) || fabs(x) > 0x1p53))
        return cox_err_set(err, COX_EINVAL, "%s: %.15g is no whole number", p->name, x);
    if (p->values.n)
        return listed_value(p, *value, between, err);
    if (x >= p->range.items[0] && x <= p->range.items[1])
        return COX_OK;
    return cox_err_set(err, COX_EINVAL, "%s: %.15g is outside its range, %.15g to %.15g%s%s",
                       p->name, x, p->range.items[0], p->range.items[1], p->unit ? " " : "",
                       p->unit ? p->unit : "");
}

/* ---- a design ---- */

int cox_points_read(struct cox_points *points, const char *path, struct cox_err *err)
{
    struct cox_table table;
    int column[64];
    int rc = cox_table_read(&table, path, err);
    if (rc)
        return rc;
    if (!table.name)
        rc = cox_err_set(err, COX_EINVAL, "%s:%d: the first row must have the parameters' names",
                         path, table.line[0]);
    if (!rc && table.n_rows > COX_POINTS_MAX)
        rc = cox_err_set(err, COX_EINVAL, "%s has %d rows, more than the allowed %d", path,
                         table.n_rows, COX_POINTS_MAX);
    for (int k = 0; k < points->n_inputs && !rc; k++)
        rc = cox_table_column(&table, points->parameter[k].name, &column[k], err);
    size_t inputs = (size_t)points->n_inputs;
    points->x = rc ? NULL : cox_alloc((size_t)table.n_rows * inputs, sizeof *points->x);
    if (!rc && !points->x)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
    for (int i = 0; i < table.n_rows && !rc; i++) {
        const char *const *field = table.field + (size_t)i * (size_t)table.n_columns;
        double *x = points->x + (size_t)i * inputs;
        for (int k = 0; k < points->n_inputs && !rc; k++)
            rc = cox_points_value(&points->parameter[k], field[column[k]], false, &x[k], err);
        if (rc)
            cox_err_wrap(err, rc, "%s:%d", path, table.line[i]);
    }
    points->n = rc ? 0 : table.n_rows;
    cox_table_deinit(&table);
    return rc;
}

/* As RFC 4180 has it, quoted where that is needed and where a blank or # might be misread. */
static void add_word(struct cox_str *out, const char *word)
{
    if (!strpbrk(word, ",\"\r\n\t #")) {
        cox_str_add(out, word);
        return;
    }
    cox_str_add(out, "\"");
    for (; *word; word++)
        cox_str_addf(out, *word == '"' ? "%c\"" : "%c", *word);
    cox_str_add(out, "\"");
}

int cox_points_write(const struct cox_points *points, const char *path, struct cox_err *err)
{
    struct cox_str text;
    cox_str_init(&text, WRITE_MAX_BYTES);
    cox_str_add(&text, "point"); /* no parameter's name; more than one column makes it a CSV */
    for (int k = 0; k < points->n_inputs; k++)
        cox_str_addf(&text, ",%s", points->parameter[k].name);
    for (int i = 0; i < points->n; i++) {
        const double *x = points->x + (size_t)i * (size_t)points->n_inputs;
        cox_str_addf(&text, "\n%d", i);
        for (int k = 0; k < points->n_inputs; k++) {
            const struct cox_sweep_parameter *p = &points->parameter[k];
            cox_str_add(&text, ",");
            if (p->choices.n)
                add_word(&text, p->choices.items[(int)x[k]]);
            else
                cox_template_number(&text, x[k]);
        }
    }
    cox_str_add(&text, "\n");
    int rc = cox_str_status(&text, err);
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&text), text.length, err);
    cox_str_deinit(&text);
    return rc;
}
