/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config/internal.h"

/* A message is one line whatever the file holds. */
static int fail_at(const struct cox_config *config, struct cox_err *err, int line, int column,
                   int status, char *message)
{
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            *c = ' ';
    if (config->assignment)
        return cox_err_set(err, status, "%s: %s", config->name, message);
    return cox_err_set(err, status, "%s:%d:%d: %s", config->name, line, column, message);
}

int cox_config_fail(const struct cox_config_reader *reader, const struct cox_yaml_node *node,
                    int status, const char *fmt, ...)
{
    char message[sizeof reader->err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return fail_at(reader->config, reader->err, node ? node->line : 1, node ? node->column : 1,
                   status, message);
}

int cox_config_nomem(const struct cox_config_reader *reader)
{
    return cox_err_set(reader->err, COX_ENOMEM, "%s: out of memory", reader->config->name);
}

/* Marks the file's node of an assignment's key, if it has one. */
static void override_node(struct cox_yaml_node *root, const char *assignment)
{
    size_t length = strcspn(assignment, "=");
    const struct cox_yaml_node *node = root;
    while (node && length) {
        size_t n = strcspn(assignment, ".=");
        node = cox_yaml_child(node, assignment, n);
        assignment += n;
        length -= n;
        if (length) { /* a dot */
            assignment++;
            length--;
        }
    }
    if (node)
        ((struct cox_yaml_node *)node)->overridden = true; /* the tree is this file's own */
}

static int read_text(struct cox_config *config, void *values,
                     const struct cox_config_schema *schema, const struct cox_config_text *text,
                     const struct cox_config_texts *assignments, struct cox_arena *arena,
                     struct cox_err *err)
{
    if (text->length > COX_CONFIG_MAX_BYTES)
        return cox_err_set(err, COX_EINVAL, "%s has %zu bytes, more than the allowed %zu",
                           text->name, text->length, COX_CONFIG_MAX_BYTES);
    struct cox_yaml_node *root;
    int rc = cox_yaml_parse(&root, text, arena, err);
    if (rc)
        return rc;
    config->root = root;
    config->name = cox_arena_strdup(arena, text->name);
    if (!config->name)
        return cox_err_set(err, COX_ENOMEM, "%s: out of memory", text->name);
    config->folder_of = config->name;
    for (int i = 0; i < assignments->n; i++)
        override_node(root, assignments->items[i]);
    struct cox_config_reader reader = {
        .config = config, .schema = schema, .arena = arena, .err = err};
    rc = cox_config_read_section(&reader, schema, root, "", values);
    for (int i = 0; !rc && i < assignments->n; i++)
        rc = cox_config_assign(values, schema, assignments->items[i], arena, err);
    return rc;
}

static int parse_with(struct cox_config **out, void *values, const struct cox_config_schema *schema,
                      const struct cox_config_text *text,
                      const struct cox_config_texts *assignments, struct cox_arena *arena,
                      struct cox_err *err)
{
    if (out)
        *out = NULL;
    struct cox_config *config = cox_arena_alloc(arena, 1, sizeof *config);
    if (!config)
        return cox_err_set(err, COX_ENOMEM, "%s: out of memory", text->name);
    int rc = read_text(config, values, schema, text, assignments, arena, err);
    if (!rc && out)
        *out = config;
    return rc;
}

int cox_config_parse(struct cox_config **out, void *values, const struct cox_config_schema *schema,
                     const struct cox_config_text *text, struct cox_arena *arena,
                     struct cox_err *err)
{
    return parse_with(out, values, schema, text, &(struct cox_config_texts){0, NULL}, arena, err);
}

int cox_config_load(struct cox_config **out, void *values, const struct cox_config_schema *schema,
                    const char *path, struct cox_arena *arena, struct cox_err *err)
{
    return cox_config_load_with(out, values, schema, path, &(struct cox_config_texts){0, NULL},
                                arena, err);
}

int cox_config_load_with(struct cox_config **out, void *values,
                         const struct cox_config_schema *schema, const char *path,
                         const struct cox_config_texts *assignments, struct cox_arena *arena,
                         struct cox_err *err)
{
    if (out)
        *out = NULL;
    char *bytes;
    size_t length;
    int rc = cox_file_read(&bytes, &length, path, COX_CONFIG_MAX_BYTES, err);
    if (rc)
        return rc;
    struct cox_config_text text = {path, bytes, length};
    rc = parse_with(out, values, schema, &text, assignments, arena, err);
    cox_free(bytes);
    return rc;
}

int cox_config_defaults(void *values, const struct cox_config_schema *schema,
                        struct cox_arena *arena, struct cox_err *err)
{
    struct cox_config config = {.name = "defaults", .assignment = true};
    struct cox_config_reader reader = {
        .config = &config, .schema = schema, .arena = arena, .err = err, .lenient = true};
    return cox_config_read_section(&reader, schema, NULL, "", values);
}

/* ---- one assignment ---- */

/* The row of a dotted key and where its value lies; NULL with an error. */
static const struct cox_config_row *find_row(const struct cox_config_reader *reader,
                                             const char *dotted, char **values)
{
    const struct cox_config_schema *schema = reader->schema;
    char section[80] = "";
    for (;;) {
        size_t n = strcspn(dotted, ".");
        char name[80];
        snprintf(name, sizeof name, "%.*s", (int)(n < 79 ? n : 79), dotted);
        const struct cox_config_row *row = NULL;
        for (int i = 0; i < schema->n && !row; i++)
            if (!strcmp(schema->rows[i].name, name))
                row = &schema->rows[i];
        if (!row) {
            struct cox_yaml_node key = {.text = name};
            cox_config_unknown_key(reader, schema, section, &key);
            return NULL;
        }
        *values += row->offset;
        if (!dotted[n] && row->type != COX_CONFIG_SECTION && row->type != COX_CONFIG_SECTIONS)
            return row;
        if (!dotted[n] || row->type != COX_CONFIG_SECTION) {
            cox_config_fail(reader, NULL, COX_EINVAL, "'%s' is %s, not a single value", name,
                            cox_config_type_words(row));
            return NULL;
        }
        schema = row->section;
        memcpy(section, name, sizeof section);
        dotted += n + 1;
    }
}

int cox_config_assign(void *values, const struct cox_config_schema *schema, const char *assignment,
                      struct cox_arena *arena, struct cox_err *err)
{
    struct cox_config config = {.name = assignment, .assignment = true};
    struct cox_err why = COX_ERR_INIT;
    struct cox_config_reader reader = {
        .config = &config, .schema = schema, .arena = arena, .err = &why};
    const char *equals = strchr(assignment, '=');
    if (!equals)
        return cox_err_set(err, COX_EINVAL, "'%s' is no assignment: write section.key=value",
                           assignment);
    char key[256];
    if ((size_t)(equals - assignment) >= sizeof key)
        return cox_err_set(err, COX_EINVAL, "the key in '%.80s…' is too long", assignment);
    snprintf(key, sizeof key, "%.*s", (int)(equals - assignment), assignment);
    char *value = values;
    const struct cox_config_row *row = find_row(&reader, key, &value);
    int rc = row ? COX_OK : why.status;
    struct cox_yaml_node *node = NULL;
    struct cox_yaml_node empty = {.kind = COX_YAML_SCALAR, .text = ""};
    if (!rc) {
        struct cox_config_text text = {assignment, equals + 1, strlen(equals + 1)};
        rc = cox_yaml_parse(&node, &text, arena, &why);
    }
    if (!rc)
        rc = cox_config_read_row(&reader, row, node ? node : &empty, value);
    return rc ? cox_err_set(err, rc, "%s", why.text) : COX_OK;
}

/* ---- places ---- */

/* The node of a dotted key with [i] for items; `given` tells whether it is the key itself or only
 * the nearest node above. */
static const struct cox_yaml_node *find_node(const struct cox_config *config, const char *key,
                                             bool *given)
{
    const struct cox_yaml_node *node = config->root;
    *given = false;
    while (*key) {
        const struct cox_yaml_node *child = NULL;
        size_t n;
        if (*key == '[') {
            char *end;
            long index = strtol(key + 1, &end, 10);
            if (node && node->kind == COX_YAML_LIST)
                for (child = node->first; child && index > 0; index--)
                    child = child->next;
            if (*end != ']')
                return node;
            n = (size_t)(end - key) + 1;
        } else {
            n = strcspn(key, ".[");
            child = cox_yaml_child(node, key, n);
        }
        if (!child)
            return node;
        node = child;
        key += n;
        if (*key == '.')
            key++;
    }
    *given = node != NULL;
    return node;
}

bool cox_config_given(const struct cox_config *config, const char *key)
{
    bool given;
    find_node(config, key, &given);
    return given;
}

void cox_config_position(const struct cox_config *config, const char *key, int *line, int *column)
{
    bool given;
    const struct cox_yaml_node *node = find_node(config, key, &given);
    if (node && node->key)
        node = node->key;
    *line = node ? node->line : 1;
    *column = node ? node->column : 1;
}

int cox_config_error(const struct cox_config *config, const char *key, struct cox_err *err,
                     int status, const char *fmt, ...)
{
    char message[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    int line;
    int column;
    cox_config_position(config, key, &line, &column);
    return fail_at(config, err, line, column, status, message);
}
