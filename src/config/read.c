/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes → values, led by the tables. */
#include "config/internal.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

static const char *kind_words(const struct cox_yaml_node *node)
{
    return node->kind == COX_YAML_LIST ? "a list" : "a section";
}

/* "'x' must be <type> (<range>), not '<value>'" */
static int wrong_value(const struct cox_config_reader *reader, const struct cox_config_row *row,
                       const struct cox_yaml_node *node, const char *must)
{
    struct cox_str range;
    cox_str_init(&range, 600);
    cox_config_add_range(&range, row);
    const char *text = cox_str_text(&range);
    char brackets[620] = "";
    if (text[0])
        snprintf(brackets, sizeof brackets, " (%s)", text);
    int rc;
    if (range.status == COX_ENOMEM)
        rc = cox_config_nomem(reader);
    else if (node->kind != COX_YAML_SCALAR)
        rc = cox_config_fail(reader, node, COX_EINVAL, "'%s' must be %s%s, not %s", row->name, must,
                             brackets, kind_words(node));
    else if (!node->text[0])
        rc = cox_config_fail(reader, node, COX_EINVAL, "'%s' must be %s%s, not empty", row->name,
                             must, brackets);
    else
        rc = cox_config_fail(reader, node, COX_EINVAL, "'%s' must be %s%s, not '%.80s'", row->name,
                             must, brackets, node->text);
    cox_str_deinit(&range);
    return rc;
}

/* ---- numbers ---- */

/* Decimal digits only: no hexadecimal, no nan, no 1_000. */
static bool looks_decimal(const char *text)
{
    bool digit = false;
    for (const char *c = text; *c; c++) {
        digit |= isdigit((unsigned char)*c) != 0;
        if (!isdigit((unsigned char)*c) && !strchr("+-.eE", *c))
            return false;
    }
    return digit;
}

/* The text after a leading number ("300 K" → "K"), NULL when the text does not begin with one. */
static const char *after_number(const char *text, double *value)
{
    char number[40];
    size_t n = strspn(text, "+-.0123456789eE");
    while (n && n < sizeof number) {
        memcpy(number, text, n);
        number[n] = '\0';
        if (!cox_parse_double(number, value))
            return text + n + strspn(text + n, " ");
        n--; /* "2 e…" or a unit that begins with e */
    }
    return NULL;
}

static int no_number(const struct cox_config_reader *reader, const struct cox_config_row *row,
                     const struct cox_yaml_node *node)
{
    double value;
    const char *unit = after_number(node->text, &value);
    if (!unit || !unit[0] || unit[0] == 'x' || !strcspn(unit, "0123456789+-.,_:"))
        return wrong_value(reader, row, node, cox_config_type_words(row));
    if (!row->unit)
        return cox_config_fail(reader, node, COX_EINVAL,
                               "'%s': give a number without a unit, not '%.80s'", row->name,
                               node->text);
    double factor = cox_config_unit_factor(unit, row->unit);
    if (factor != 0 && factor != 1)
        return cox_config_fail(
            reader, node, COX_EINVAL,
            "'%s': give a number without a unit, not '%.80s': the unit is %s, so "
            "%.10g",
            row->name, node->text, row->unit, value * factor);
    return cox_config_fail(reader, node, COX_EINVAL,
                           "'%s': give a number without a unit, not '%.80s': the key says %s",
                           row->name, node->text, row->unit);
}

static int check_range(const struct cox_config_reader *reader, const struct cox_config_row *row,
                       const struct cox_yaml_node *node, double value)
{
    if (row->minimum == row->maximum)
        return COX_OK;
    bool low = row->flags & COX_CONFIG_ABOVE_MINIMUM ? value <= row->minimum : value < row->minimum;
    if (!low && value <= row->maximum)
        return COX_OK;
    struct cox_str range;
    cox_str_init(&range, 600);
    cox_config_add_range(&range, row);
    int rc = cox_config_fail(reader, node, COX_EINVAL, "'%s' is %.80s, but must be %s", row->name,
                             node->text, cox_str_text(&range));
    if (range.status == COX_ENOMEM)
        rc = cox_config_nomem(reader);
    cox_str_deinit(&range);
    return rc;
}

static int read_double(const struct cox_config_reader *reader, const struct cox_config_row *row,
                       const struct cox_yaml_node *node, double *out)
{
    if (strstr(node->text, ".inf") || strstr(node->text, ".nan") || !strcmp(node->text, "inf") ||
        !strcmp(node->text, "nan"))
        return wrong_value(reader, row, node, "a finite number");
    if (!looks_decimal(node->text) || cox_parse_double(node->text, out))
        return no_number(reader, row, node);
    if (!isfinite(*out))
        return wrong_value(reader, row, node, "a finite number");
    return check_range(reader, row, node, *out);
}

static int read_whole(const struct cox_config_reader *reader, const struct cox_config_row *row,
                      const struct cox_yaml_node *node, long long least, long long most,
                      long long *out)
{
    double value;
    if (!looks_decimal(node->text) || cox_parse_double(node->text, &value))
        return no_number(reader, row, node);
    if (cox_parse_int(node->text, out)) {
        /* 1e6, 2.0: whole all the same; beyond 2^53 a double no longer tells */
        if (!isfinite(value) || value != floor(value) || fabs(value) > 0x1p53)
            return wrong_value(reader, row, node, "a whole number");
        *out = (long long)value;
    }
    /* the least of the type means "unset" */
    if (*out <= least || *out > most)
        return cox_config_fail(reader, node, COX_EINVAL,
                               "'%s' is %.80s, but must be within -%lld to %lld", row->name,
                               node->text, most, most);
    return check_range(reader, row, node, (double)*out);
}

/* ---- words ---- */

static int read_bool(const struct cox_config_reader *reader, const struct cox_config_row *row,
                     const struct cox_yaml_node *node, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on", "True", "TRUE", "Yes", "On"};
    static const char *const no[] = {"false", "no", "off", "False", "FALSE", "No", "Off"};
    for (int i = 0; i < 7; i++) {
        if (strcmp(node->text, yes[i]) && strcmp(node->text, no[i]))
            continue;
        *out = !strcmp(node->text, yes[i]);
        return COX_OK;
    }
    return wrong_value(reader, row, node, "true or false");
}

static int read_choice(const struct cox_config_reader *reader, const struct cox_config_row *row,
                       const struct cox_yaml_node *node, int *out)
{
    int n = 0;
    for (; row->choices[n]; n++) {
        if (!strcmp(node->text, row->choices[n])) {
            *out = n;
            return COX_OK;
        }
    }
    struct cox_str range;
    cox_str_init(&range, 600);
    cox_config_add_range(&range, row);
    int nearest = cox_str_nearest(node->text, row->choices, n);
    int rc;
    if (range.status == COX_ENOMEM)
        rc = cox_config_nomem(reader);
    else if (nearest >= 0 && node->text[0])
        rc = cox_config_fail(reader, node, COX_EINVAL,
                             "'%s' cannot be '%.60s'; did you mean '%s'? (%s)", row->name,
                             node->text, row->choices[nearest], cox_str_text(&range));
    else
        rc = cox_config_fail(reader, node, COX_EINVAL, "'%s' cannot be '%.60s' (%s)", row->name,
                             node->text, cox_str_text(&range));
    cox_str_deinit(&range);
    return rc;
}

static int read_path(const struct cox_config_reader *reader, const struct cox_config_row *row,
                     const struct cox_yaml_node *node, const char **out)
{
    char path[PATH_MAX];
    const char *from = reader->config->folder_of ? reader->config->folder_of : "";
    struct cox_err why = COX_ERR_INIT;
    if (!node->text[0])
        return wrong_value(reader, row, node, "a path");
    int rc = cox_path_beside(path, sizeof path, from, node->text, &why);
    if (rc)
        return cox_config_fail(reader, node, rc, "'%s': %s", row->name, why.text);
    /* a file's own list of defaults must not depend on what lies in the folder */
    if (row->flags & COX_CONFIG_MUST_EXIST && !reader->lenient && !cox_file_exists(path))
        return cox_config_fail(reader, node, COX_ENOTFOUND, "'%s': there is no file '%s'",
                               row->name, path);
    *out = cox_arena_strdup(reader->arena, path);
    return *out ? COX_OK : cox_config_nomem(reader);
}

static int read_scalar(const struct cox_config_reader *reader, const struct cox_config_row *row,
                       const struct cox_yaml_node *node, void *value)
{
    long long whole = 0;
    int rc;
    if (node->kind != COX_YAML_SCALAR)
        return wrong_value(reader, row, node, cox_config_type_words(row));
    switch (row->type) {
    case COX_CONFIG_BOOL:
        return read_bool(reader, row, node, value);
    case COX_CONFIG_INT:
    case COX_CONFIG_INTS:
        rc = read_whole(reader, row, node, INT_MIN, INT_MAX, &whole);
        if (!rc)
            *(int *)value = (int)whole;
        return rc;
    case COX_CONFIG_INT64:
        rc = read_whole(reader, row, node, INT64_MIN, INT64_MAX, &whole);
        if (!rc)
            *(int64_t *)value = whole;
        return rc;
    case COX_CONFIG_DOUBLE:
    case COX_CONFIG_DOUBLES:
        return read_double(reader, row, node, value);
    case COX_CONFIG_ENUM:
        return read_choice(reader, row, node, value);
    case COX_CONFIG_PATH:
    case COX_CONFIG_PATHS:
        return read_path(reader, row, node, value);
    default:
        *(const char **)value = cox_arena_strdup(reader->arena, node->text);
        return *(const char **)value ? COX_OK : cox_config_nomem(reader);
    }
}

/* ---- lists and sections ---- */

static size_t item_size(const struct cox_config_row *row)
{
    switch (row->type) {
    case COX_CONFIG_INTS:
        return sizeof(int);
    case COX_CONFIG_DOUBLES:
        return sizeof(double);
    case COX_CONFIG_SECTIONS:
        return row->section->size;
    default:
        return sizeof(char *);
    }
}

static int check_count(const struct cox_config_reader *reader, const struct cox_config_row *row,
                       const struct cox_yaml_node *node, int n)
{
    int most = row->max_items ? row->max_items : COX_CONFIG_MAX_ITEMS;
    if (n >= row->min_items && n <= most)
        return COX_OK;
    if (row->min_items == most)
        return cox_config_fail(reader, node, COX_EINVAL, "'%s' has %d items, but must have %d",
                               row->name, n, most);
    return cox_config_fail(reader, node, COX_EINVAL, "'%s' has %d items, but must have %d to %d",
                           row->name, n, row->min_items, most);
}

/* Numbers of a list of lists, one after the other. */
static int read_flat(const struct cox_config_reader *reader, const struct cox_config_row *row,
                     const struct cox_yaml_node *node, void *value)
{
    int n = 0;
    for (const struct cox_yaml_node *item = node->first; item; item = item->next)
        n += item->kind == COX_YAML_LIST ? item->n : 1;
    int rc = check_count(reader, row, node, n);
    size_t size = item_size(row);
    char *items = rc ? NULL : cox_arena_alloc(reader->arena, n ? (size_t)n : 1, size);
    if (!items)
        return rc ? rc : cox_config_nomem(reader);
    char *to = items;
    for (const struct cox_yaml_node *item = node->first; item; item = item->next) {
        const struct cox_yaml_node *one = item->kind == COX_YAML_LIST ? item->first : item;
        int count = item->kind == COX_YAML_LIST ? item->n : 1;
        for (int i = 0; i < count && !rc; i++, one = one->next, to += size)
            rc = read_scalar(reader, row, one, to);
        if (rc)
            return rc;
    }
    ((struct cox_config_sections *)value)->n = n;
    ((struct cox_config_sections *)value)->items = items;
    return COX_OK;
}

static int read_list(const struct cox_config_reader *reader, const struct cox_config_row *row,
                     const struct cox_yaml_node *node, void *value)
{
    bool single = node->kind == COX_YAML_SCALAR && row->type != COX_CONFIG_SECTIONS;
    if (!single && node->kind != COX_YAML_LIST)
        return wrong_value(reader, row, node, cox_config_type_words(row));
    if (!single && row->flags & COX_CONFIG_FLATTEN)
        return read_flat(reader, row, node, value);
    int n = single ? 1 : node->n;
    int rc = check_count(reader, row, node, n);
    if (rc)
        return rc;
    size_t size = item_size(row);
    char *items = cox_arena_alloc(reader->arena, n ? (size_t)n : 1, size);
    if (!items)
        return cox_config_nomem(reader);
    const struct cox_yaml_node *item = single ? node : node->first;
    for (int i = 0; i < n; i++, item = item->next) {
        char name[80];
        snprintf(name, sizeof name, "%s[%d]", row->name, i);
        rc = row->type == COX_CONFIG_SECTIONS
                 ? cox_config_read_section(reader, row->section, item, name, items + size * i)
                 : read_scalar(reader, row, item, items + size * i);
        if (rc)
            return rc;
    }
    /* all list structs begin alike: count, then pointer */
    ((struct cox_config_sections *)value)->n = n;
    ((struct cox_config_sections *)value)->items = items;
    return COX_OK;
}

static void set_unset(const struct cox_config_row *row, void *value)
{
    if (row->type == COX_CONFIG_DOUBLE)
        *(double *)value = NAN;
    else if (row->type == COX_CONFIG_INT)
        *(int *)value = COX_CONFIG_UNSET;
    else if (row->type == COX_CONFIG_INT64)
        *(int64_t *)value = COX_CONFIG_UNSET64;
    else if (row->type == COX_CONFIG_ENUM)
        *(int *)value = -1;
    else if (cox_config_is_list(row->type))
        *(struct cox_config_sections *)value = (struct cox_config_sections){0, NULL};
    else if (row->type != COX_CONFIG_BOOL)
        *(const char **)value = NULL;
}

int cox_config_read_initial(const struct cox_config_reader *reader,
                            const struct cox_config_row *row, void *value)
{
    if (row->type == COX_CONFIG_SECTION)
        return cox_config_read_section(reader, row->section, NULL, row->name, value);
    set_unset(row, value);
    if (!row->initial)
        return COX_OK;
    struct cox_yaml_node *node;
    struct cox_config_text text = {row->name, row->initial, strlen(row->initial)};
    int rc = cox_yaml_parse(&node, &text, reader->arena, reader->err);
    if (rc)
        return cox_err_wrap(reader->err, rc, "default of '%s'", row->name);
    if (!node)
        return cox_err_set(reader->err, COX_EINVAL, "default of '%s' is empty", row->name);
    return cox_config_read_row(reader, row, node, value);
}

int cox_config_read_row(const struct cox_config_reader *reader, const struct cox_config_row *row,
                        const struct cox_yaml_node *node, void *value)
{
    if (row->type == COX_CONFIG_SECTION)
        return cox_config_read_section(reader, row->section, node, row->name, value);
    if (node && node->overridden)
        return COX_OK;
    if (row->flags & COX_CONFIG_ANYTHING && node->kind != COX_YAML_SCALAR) {
        set_unset(row, value);
        return COX_OK;
    }
    if (cox_yaml_is_null(node)) {
        if (row->initial || row->flags & COX_CONFIG_REQUIRED)
            return cox_config_fail(reader, node, COX_EINVAL, "'%s' has no value: give %s%s%s%s",
                                   row->name, cox_config_type_words(row),
                                   row->initial ? " or leave the key out (default " : "",
                                   row->initial ? row->initial : "", row->initial ? ")" : "");
        set_unset(row, value);
        return COX_OK;
    }
    return cox_config_is_list(row->type) ? read_list(reader, row, node, value)
                                         : read_scalar(reader, row, node, value);
}

static const struct cox_config_row *row_named(const struct cox_config_schema *schema,
                                              const char *name)
{
    for (int i = 0; i < schema->n; i++) {
        if (!strcmp(schema->rows[i].name, name))
            return &schema->rows[i];
        for (const char *const *a = schema->rows[i].aliases; a && *a; a++)
            if (!strcmp(*a, name))
                return &schema->rows[i];
    }
    return NULL;
}

/* The row's value in the map, under its name or another that it goes by. */
static const struct cox_yaml_node *child_of(const struct cox_yaml_node *map,
                                            const struct cox_config_row *row)
{
    const struct cox_yaml_node *child = cox_yaml_child(map, row->name, strlen(row->name));
    for (const char *const *a = row->aliases; !child && a && *a; a++)
        child = cox_yaml_child(map, *a, strlen(*a));
    return child;
}

/* Every key of the map is in the table, once. */
static int check_keys(const struct cox_config_reader *reader,
                      const struct cox_config_schema *schema, const struct cox_yaml_node *node,
                      const char *name)
{
    for (const struct cox_yaml_node *child = node->first; child; child = child->next) {
        const char *key = child->key->text;
        if (schema->comments && key[0] == '_')
            continue;
        const struct cox_config_row *row = row_named(schema, key);
        if (!row)
            return cox_config_unknown_key(reader, schema, name, child->key);
        const struct cox_yaml_node *first = child_of(node, row);
        if (first != child)
            return cox_config_fail(reader, child->key, COX_EINVAL,
                                   "'%s' is given twice, first in line %d", key, first->key->line);
    }
    return COX_OK;
}

int cox_config_read_section(const struct cox_config_reader *reader,
                            const struct cox_config_schema *schema,
                            const struct cox_yaml_node *node, const char *name, void *values)
{
    memset(values, 0, schema->size);
    if (node && cox_yaml_is_null(node))
        node = NULL; /* "learn:" alone: all defaults */
    if (node && node->kind != COX_YAML_MAP)
        return cox_config_fail(reader, node, COX_EINVAL,
                               "%s%s%s must be a section of 'key: value' lines, not %s",
                               name[0] ? "'" : "", name[0] ? name : "the file", name[0] ? "'" : "",
                               node->kind == COX_YAML_LIST ? "a list" : "a single value");
    int rc = node ? check_keys(reader, schema, node, name) : COX_OK;
    for (int i = 0; i < schema->n && !rc; i++) {
        const struct cox_config_row *row = &schema->rows[i];
        void *value = (char *)values + row->offset;
        const struct cox_yaml_node *child = child_of(node, row);
        if (child)
            rc = cox_config_read_row(reader, row, child, value);
        else if (row->flags & COX_CONFIG_REQUIRED && !reader->lenient)
            rc = cox_config_fail(reader, node && node->key ? node->key : node, COX_EINVAL,
                                 "'%s' is missing%s%s%s: %s", row->name, name[0] ? " in '" : "",
                                 name, name[0] ? "'" : "", row->help);
        else
            rc = cox_config_read_initial(reader, row, value);
    }
    return rc;
}
