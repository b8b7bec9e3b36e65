/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/file.h"
#include "base/mem.h"

#define MAX_BYTES ((size_t)256 << 20)

struct cox_json {
    json_t *value;
    bool failed;
};

static struct cox_json *wrap(json_t *value)
{
    struct cox_json *json = value ? cox_alloc(1, sizeof *json) : NULL;
    if (!json) {
        json_decref(value);
        return NULL;
    }
    json->value = value;
    return json;
}

struct cox_json *cox_json_object(void)
{
    return wrap(json_object());
}

struct cox_json *cox_json_array(void)
{
    return wrap(json_array());
}

void cox_json_destroy(struct cox_json *json)
{
    if (!json)
        return;
    json_decref(json->value);
    cox_free(json);
}

static void set(struct cox_json *object, const char *key, json_t *value)
{
    if (!object)
        json_decref(value);
    else if (!value || json_object_set_new(object->value, key, value))
        object->failed = true;
}

static void push(struct cox_json *array, json_t *value)
{
    if (!array)
        json_decref(value);
    else if (!value || json_array_append_new(array->value, value))
        array->failed = true;
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

void cox_json_set_number(struct cox_json *object, const char *key, double value)
{
    set(object, key, number(value));
}

void cox_json_set_int(struct cox_json *object, const char *key, long long value)
{
    set(object, key, json_integer(value));
}

void cox_json_set_bool(struct cox_json *object, const char *key, bool value)
{
    set(object, key, json_boolean(value));
}

void cox_json_set_text(struct cox_json *object, const char *key, const char *value)
{
    set(object, key, value ? json_string(value) : json_null());
}

static json_t *unwrap(struct cox_json *parent, struct cox_json *child)
{
    if (!child)
        return NULL;
    if (child->failed && parent)
        parent->failed = true;
    json_t *value = child->value;
    cox_free(child);
    return value;
}

void cox_json_set(struct cox_json *object, const char *key, struct cox_json *child)
{
    set(object, key, unwrap(object, child));
}

void cox_json_push_number(struct cox_json *array, double value)
{
    push(array, number(value));
}

void cox_json_push_text(struct cox_json *array, const char *value)
{
    push(array, value ? json_string(value) : json_null());
}

void cox_json_push_int(struct cox_json *array, long long value)
{
    push(array, json_integer(value));
}

void cox_json_push_bool(struct cox_json *array, bool value)
{
    push(array, json_boolean(value));
}

void cox_json_push(struct cox_json *array, struct cox_json *child)
{
    push(array, unwrap(array, child));
}

char *cox_json_text(const struct cox_json *json, bool indent)
{
    if (!json || json->failed)
        return NULL;
    size_t flags = indent ? JSON_INDENT(2) : JSON_COMPACT;
    size_t n = json_dumpb(json->value, NULL, 0, flags);
    char *text = n ? cox_alloc(n + 2, 1) : NULL;
    if (!text)
        return NULL;
    json_dumpb(json->value, text, n, flags);
    text[n] = '\n';
    return text;
}

int cox_json_write(const struct cox_json *json, const char *path, struct cox_err *err)
{
    char *text = cox_json_text(json, true);
    if (!text)
        return cox_err_set(err, COX_ENOMEM, "out of memory writing '%s'", path);
    int rc = cox_file_replace(path, text, strlen(text), err);
    cox_free(text);
    return rc;
}

int cox_json_parse(struct cox_json **out, const char *text, struct cox_err *err)
{
    json_error_t problem;
    json_t *value = json_loads(text, 0, &problem);
    if (!value) {
        *out = NULL;
        return cox_err_set(err, COX_EFORMAT, "%d:%d: %s", problem.line, problem.column,
                           problem.text);
    }
    *out = wrap(value);
    return *out ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory reading JSON");
}

int cox_json_read(struct cox_json **out, const char *path, struct cox_err *err)
{
    *out = NULL;
    char *text = NULL;
    int rc = cox_file_read(&text, NULL, path, MAX_BYTES, err);
    if (rc)
        return rc;
    rc = cox_json_parse(out, text, err);
    cox_free(text);
    return rc ? cox_err_wrap(err, rc, "%s", path) : COX_OK;
}

double cox_json_get_number(const struct cox_json *object, const char *key, double missing)
{
    const json_t *value = object ? json_object_get(object->value, key) : NULL;
    return json_is_number(value) ? json_number_value(value) : missing;
}

const char *cox_json_get_text(const struct cox_json *object, const char *key)
{
    return object ? json_string_value(json_object_get(object->value, key)) : NULL;
}

int cox_json_count(const struct cox_json *object, const char *key)
{
    return object ? (int)json_array_size(json_object_get(object->value, key)) : 0;
}

struct cox_json *cox_json_item(const struct cox_json *object, const char *key, int i)
{
    json_t *list = object ? json_object_get(object->value, key) : NULL;
    return wrap(i < 0 ? NULL : json_incref(json_array_get(list, (size_t)i)));
}
