/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/export.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "h5/h5.h"

enum { NAME_SIZE = 160, LARGEST = 1 << 30 };

const char *cox_point_state_name(enum cox_point_state state)
{
    static const char *const names[] = {"todo", "running", "simulated", "predicted", "failed"};
    return names[state];
}

static const struct cox_sweep_output *output_of(const struct cox_sweep_view *v, int o)
{
    return (const struct cox_sweep_output *)v->settings.outputs.items + o;
}

static int length_of(const struct cox_sweep_view *v, int o)
{
    return v->first[o + 1] - v->first[o];
}

static void add_number(struct cox_str *out, double value)
{
    if (!isfinite(value))
        return;
    for (int digits = 6; digits <= 17; digits++) {
        char text[32];
        double back = NAN;
        snprintf(text, sizeof text, "%.*g", digits, value);
        if ((!cox_parse_double(text, &back) && back == value) || digits == 17) {
            cox_str_add(out, text);
            return;
        }
    }
}

/* RFC 4180 */
static void add_text(struct cox_str *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        cox_str_add(out, text);
        return;
    }
    cox_str_add(out, "\"");
    for (; *text; text++)
        cox_str_addn(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    cox_str_add(out, "\"");
}

static void add_value_heads(struct cox_str *out, const struct cox_sweep_view *v, const char *suffix)
{
    for (int o = 0; o < v->n_outputs; o++)
        for (int i = 0; i < length_of(v, o); i++) {
            char head[NAME_SIZE];
            if (length_of(v, o) > 1)
                snprintf(head, sizeof head, "%s%s[%d]", output_of(v, o)->name, suffix, i);
            else
                snprintf(head, sizeof head, "%s%s", output_of(v, o)->name, suffix);
            cox_str_add(out, ",");
            add_text(out, head);
        }
}

static void add_values(struct cox_str *out, const double *values, int n)
{
    for (int i = 0; i < n; i++) {
        cox_str_add(out, ",");
        if (values)
            add_number(out, values[i]);
    }
}

static void add_input(struct cox_str *out, const struct cox_sweep_view *v, int point, int p)
{
    const struct cox_sweep_parameter *parameter = &v->points.parameter[p];
    double x = v->points.x[(size_t)point * (size_t)v->points.n_inputs + (size_t)p];
    if (parameter->choices.n)
        add_text(out, parameter->choices.items[(int)x]);
    else
        add_number(out, x);
}

static int export_csv(const struct cox_sweep_view *v, const char *path, struct cox_err *err)
{
    struct cox_str out;
    cox_str_init(&out, LARGEST);
    cox_str_add(&out, "point,source");
    for (int p = 0; p < v->points.n_inputs; p++) {
        cox_str_add(&out, ",");
        add_text(&out, v->points.parameter[p].name);
    }
    add_value_heads(&out, v, "");
    add_value_heads(&out, v, "_uncertainty");
    add_value_heads(&out, v, "_spread");
    cox_str_add(&out, ",seed,model,attempt,reason\n");
    for (int i = 0; i < v->points.n; i++) {
        const struct cox_sweep_row *row = &v->row[i];
        cox_str_addf(&out, "%d,%s", i, cox_point_state_name(row->state));
        for (int p = 0; p < v->points.n_inputs; p++) {
            cox_str_add(&out, ",");
            add_input(&out, v, i, p);
        }
        add_values(&out, row->value, v->n_values);
        add_values(&out, row->error, v->n_values);
        add_values(&out, row->spread, v->n_values);
        cox_str_add(&out, ",");
        if (row->state == COX_POINT_SIMULATED || row->state == COX_POINT_FAILED)
            cox_str_addf(&out, "%llu", (unsigned long long)row->seed);
        cox_str_add(&out, ",");
        if (row->model >= 0)
            cox_str_addf(&out, "%lld", (long long)row->model);
        cox_str_add(&out, ",");
        if (row->attempt >= 0)
            cox_str_addf(&out, "%lld", (long long)row->attempt);
        cox_str_add(&out, ",");
        add_text(&out, row->reason);
        cox_str_add(&out, "\n");
    }
    int rc = cox_str_status(&out, err);
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&out), out.length, err);
    cox_str_deinit(&out);
    return rc;
}

/* A number, or of a profile a list. */
static void set_values(struct cox_json *object, const char *key, const double *values, int n)
{
    if (n == 1) {
        cox_json_set_number(object, key, values[0]);
        return;
    }
    struct cox_json *list = cox_json_array();
    for (int i = 0; i < n; i++)
        cox_json_push_number(list, values[i]);
    cox_json_set(object, key, list);
}

static struct cox_json *json_outputs(const struct cox_sweep_view *v,
                                     const struct cox_sweep_row *row)
{
    struct cox_json *outputs = cox_json_object();
    for (int o = 0; row->value && o < v->n_outputs; o++) {
        struct cox_json *output = cox_json_object();
        int first = v->first[o], n = length_of(v, o);
        set_values(output, "value", row->value + first, n);
        set_values(output, "uncertainty", row->error + first, n);
        if (row->spread)
            set_values(output, "spread", row->spread + first, n);
        cox_json_set(outputs, output_of(v, o)->name, output);
    }
    return outputs;
}

static struct cox_json *json_point(const struct cox_sweep_view *v, int i)
{
    const struct cox_sweep_row *row = &v->row[i];
    struct cox_json *point = cox_json_object(), *inputs = cox_json_object();
    char seed[24];
    cox_json_set_int(point, "point", i);
    cox_json_set_text(point, "source", cox_point_state_name(row->state));
    for (int p = 0; p < v->points.n_inputs; p++) {
        const struct cox_sweep_parameter *parameter = &v->points.parameter[p];
        double x = v->points.x[(size_t)i * (size_t)v->points.n_inputs + (size_t)p];
        if (parameter->choices.n)
            cox_json_set_text(inputs, parameter->name, parameter->choices.items[(int)x]);
        else
            cox_json_set_number(inputs, parameter->name, x);
    }
    cox_json_set(point, "inputs", inputs);
    cox_json_set(point, "outputs", json_outputs(v, row));
    if (row->state == COX_POINT_SIMULATED || row->state == COX_POINT_FAILED) {
        /* 64 bits are more than a JSON number is sure to keep. */
        snprintf(seed, sizeof seed, "%llu", (unsigned long long)row->seed);
        cox_json_set_text(point, "seed", seed);
    }
    if (row->model >= 0)
        cox_json_set_int(point, "model", row->model);
    if (row->attempt >= 0)
        cox_json_set_int(point, "attempt", row->attempt);
    if (row->reason[0])
        cox_json_set_text(point, "reason", row->reason);
    return point;
}

static struct cox_json *json_of(const struct cox_sweep_view *v)
{
    struct cox_json *json = cox_json_object(), *points = cox_json_array();
    cox_json_set_text(json, "title", v->settings.title);
    cox_json_set_number(json, "coverage", v->settings.targets.coverage);
    for (int i = 0; i < v->points.n; i++)
        cox_json_push(points, json_point(v, i));
    cox_json_set(json, "points", points);
    return json;
}

static int export_json(const struct cox_sweep_view *v, const char *path, struct cox_err *err)
{
    struct cox_json *json = json_of(v);
    int rc = cox_json_write(json, path, err);
    cox_json_destroy(json);
    return rc;
}

char *cox_sweep_json_text(const struct cox_sweep_view *view)
{
    struct cox_json *json = json_of(view);
    char *text = cox_json_text(json, true);
    cox_json_destroy(json);
    return text;
}

/* One column of the rows: which of their lists. */
enum column { COLUMN_VALUE, COLUMN_ERROR, COLUMN_SPREAD };

static int write_column(struct cox_h5 *file, const struct cox_sweep_view *v, int o,
                        enum column column, double *block, struct cox_err *err)
{
    static const char *const suffixes[] = {"", "_uncertainty", "_spread"};
    int n = length_of(v, o);
    char name[NAME_SIZE];
    int64_t dims[2] = {v->points.n, n};
    for (int i = 0; i < v->points.n; i++) {
        const struct cox_sweep_row *row = &v->row[i];
        const double *from = column == COLUMN_VALUE   ? row->value
                             : column == COLUMN_ERROR ? row->error
                                                      : row->spread;
        for (int k = 0; k < n; k++)
            block[(size_t)i * (size_t)n + (size_t)k] = from ? from[v->first[o] + k] : NAN;
    }
    snprintf(name, sizeof name, "/outputs/%s%s", output_of(v, o)->name, suffixes[column]);
    int rc = cox_h5_write(file, name, COX_H5_F64, n > 1 ? 2 : 1, dims, block, err);
    if (!rc && column == COLUMN_VALUE && output_of(v, o)->unit)
        rc = cox_h5_set_text(file, name, "unit", output_of(v, o)->unit, err);
    return rc;
}

static int write_inputs(struct cox_h5 *file, const struct cox_sweep_view *v, double *block,
                        struct cox_err *err)
{
    int rc = COX_OK;
    int64_t n = v->points.n;
    for (int p = 0; !rc && p < v->points.n_inputs; p++) {
        const struct cox_sweep_parameter *parameter = &v->points.parameter[p];
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "/inputs/%s", parameter->name);
        for (int64_t i = 0; i < n; i++)
            block[i] = v->points.x[i * v->points.n_inputs + p];
        rc = cox_h5_write(file, name, COX_H5_F64, 1, &n, block, err);
        if (!rc && parameter->choices.n)
            rc = cox_h5_set_texts(file, name, "choices", parameter->choices.n,
                                  parameter->choices.items, err);
        if (!rc && parameter->unit)
            rc = cox_h5_set_text(file, name, "unit", parameter->unit, err);
    }
    return rc;
}

static int write_provenance(struct cox_h5 *file, const struct cox_sweep_view *v, int64_t *block,
                            struct cox_err *err)
{
    int64_t n = v->points.n;
    static const char *const names[] = {"/source", "/seed", "/model", "/attempt"};
    const char *states[COX_POINT_FAILED + 1];
    int rc = COX_OK;
    for (enum cox_point_state s = COX_POINT_TODO; s <= COX_POINT_FAILED; s++)
        states[s] = cox_point_state_name(s);
    for (int c = 0; !rc && c < 4; c++) {
        for (int64_t i = 0; i < n; i++) {
            const struct cox_sweep_row *row = &v->row[i];
            const int64_t all[] = {row->state, (int64_t)row->seed, row->model, row->attempt};
            block[i] = all[c];
        }
        rc = cox_h5_write(file, names[c], COX_H5_I64, 1, &n, block, err);
    }
    if (!rc)
        rc = cox_h5_set_texts(file, "/source", "choices", COX_POINT_FAILED + 1, states, err);
    return rc;
}

static int export_h5(const struct cox_sweep_view *v, const char *path, struct cox_err *err)
{
    int widest = 1;
    for (int o = 0; o < v->n_outputs; o++)
        widest = length_of(v, o) > widest ? length_of(v, o) : widest;
    double *block = cox_alloc((size_t)v->points.n * (size_t)widest, sizeof *block);
    int64_t *whole = cox_alloc((size_t)v->points.n, sizeof *whole);
    struct cox_h5 *file = NULL;
    int rc = block && whole ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
    if (!rc)
        rc = cox_h5_create(&file, path, err);
    if (!rc)
        rc = cox_h5_set_text(file, "/", "title", v->settings.title, err);
    if (!rc)
        rc = cox_h5_set_number(file, "/", "coverage", v->settings.targets.coverage, err);
    if (!rc)
        rc = write_inputs(file, v, block, err);
    if (!rc)
        rc = write_provenance(file, v, whole, err);
    for (int o = 0; o < v->n_outputs; o++)
        for (enum column c = COLUMN_VALUE; !rc && c <= COLUMN_SPREAD; c++)
            rc = write_column(file, v, o, c, block, err);
    if (rc)
        cox_h5_abandon(file);
    else
        rc = cox_h5_close(file, err);
    cox_free(block);
    cox_free(whole);
    return rc;
}

int cox_sweep_export(const struct cox_sweep_view *view, const char *path, struct cox_err *err)
{
    if (cox_str_ends(path, ".csv"))
        return export_csv(view, path, err);
    if (cox_str_ends(path, ".json"))
        return export_json(view, path, err);
    if (cox_str_ends(path, ".h5"))
        return export_h5(view, path, err);
    return cox_err_set(err, COX_EINVAL, "'%s' must end in .csv, .json or .h5", path);
}
