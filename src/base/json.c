/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/json.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
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

/* ---- numbers at a path ---- */

static const char *kind_of(const json_t *value)
{
    static const char *const words[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_STRING] = "a text",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return words[json_typeof(value)];
}

/* The member that the path begins with: the shortest name that there is, so that a name with dots
 * is found where nothing else fits. *length: of the name. */
static json_t *member_at(const json_t *object, const char *path, size_t *length)
{
    char name[256];
    for (size_t n = 1; n < sizeof name && path[n - 1]; n++) {
        if (path[n] && path[n] != '.' && path[n] != '[')
            continue;
        memcpy(name, path, n);
        name[n] = '\0';
        json_t *value = json_object_get(object, name);
        *length = n;
        if (value)
            return value;
    }
    *length = strcspn(path, ".[");
    return NULL;
}

static int fail_member(const json_t *object, const char *path, size_t done, size_t length,
                       struct cox_err *err)
{
    char known[300] = "";
    size_t used = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        bool room = used + strlen(key) + 10 < sizeof known;
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "",
                                 room ? key : "…");
        if (!room)
            break;
    }
    return cox_err_set(err, COX_EFORMAT, "no '%.*s' in %s%.*s%s (there: %s)", (int)length,
                       path + done, done ? "'" : "the object", (int)(done ? done - 1 : 0), path,
                       done ? "'" : "", used ? known : "nothing");
}

/* One step along the path: a name or [i]; *at moves on. */
static int step(const json_t **value, const char *path, size_t *at, struct cox_err *err)
{
    const json_t *here = *value;
    size_t n = 0;
    if (path[*at] == '[') {
        char *end;
        long i = strtol(path + *at + 1, &end, 10);
        if (*end != ']' || end == path + *at + 1)
            return cox_err_set(err, COX_EINVAL, "'%s': [ ] holds a number from 0", path);
        if (!json_is_array(here))
            return cox_err_set(err, COX_EFORMAT, "'%.*s' is %s, not a list", (int)*at, path,
                               kind_of(here));
        if (i < 0 || (size_t)i >= json_array_size(here))
            return cox_err_set(err, COX_EFORMAT, "'%.*s' has %zu entries, no [%ld]", (int)*at, path,
                               json_array_size(here), i);
        *value = json_array_get(here, (size_t)i);
        *at = (size_t)(end - path) + 1;
    } else {
        if (!json_is_object(here))
            return cox_err_set(err, COX_EFORMAT, "%s%.*s%s is %s, not an object",
                               *at ? "'" : "the file", (int)(*at ? *at - 1 : 0), path,
                               *at ? "'" : "", kind_of(here));
        const json_t *next = member_at(here, path + *at, &n);
        if (!next)
            return fail_member(here, path, *at, n, err);
        *value = next;
        *at += n;
    }
    *at += path[*at] == '.';
    return COX_OK;
}

int cox_json_numbers(const struct cox_json *json, const char *path, double **out, int *n,
                     bool *list, struct cox_err *err)
{
    const json_t *value = json->value;
    *out = NULL;
    *n = 0;
    for (size_t at = 0; path[at];) {
        int rc = step(&value, path, &at, err);
        if (rc)
            return rc;
    }
    bool is_list = json_is_array(value);
    size_t count = is_list ? json_array_size(value) : 1;
    if (count > INT_MAX)
        return cox_err_set(err, COX_EFORMAT, "'%s' has %zu entries", path, count);
    double *numbers = cox_alloc(count, sizeof *numbers);
    if (!numbers)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %zu numbers", count);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = is_list ? json_array_get(value, i) : value;
        if (!json_is_number(one)) {
            cox_free(numbers);
            if (is_list)
                return cox_err_set(err, COX_EFORMAT, "'%s[%zu]' is %s, not a number", path, i,
                                   kind_of(one));
            return cox_err_set(err, COX_EFORMAT, "'%s' is %s, not a number or a list of numbers",
                               path, kind_of(value));
        }
        numbers[i] = json_number_value(one);
    }
    *out = numbers;
    *n = (int)count;
    if (list)
        *list = is_list;
    return COX_OK;
}
