/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/yaml_tree.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

/* Deeper nesting than any configuration has; bounds every recursion over the tree. */
#define MAX_DEPTH 24

struct builder {
    const struct cox_config_text *text;
    struct cox_arena *arena;
    struct cox_err *err;
    struct cox_yaml_node *stack[MAX_DEPTH];
    int depth;
    struct cox_yaml_node *key; /* read, its value not yet */
    struct cox_yaml_node *root;
    int documents;
};

/* ---- the text itself ---- */

/* Length of the well-formed UTF-8 sequence at `s`, 0 when there is none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0; /* overlong, surrogate, beyond U+10FFFF */
    return n;
}

/* Line and column, counted in characters from 1, of a byte. */
static void place_of(const struct cox_config_text *text, size_t offset, int *line, int *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < offset && i < text->length; i++) {
        unsigned char c = (unsigned char)text->bytes[i];
        if (c == '\n') {
            ++*line;
            *column = 1;
        } else if ((c & 0xC0) != 0x80) {
            ++*column;
        }
    }
}

static int check_utf8(const struct cox_config_text *text, struct cox_err *err)
{
    const unsigned char *bytes = (const unsigned char *)text->bytes;
    for (size_t i = 0; i < text->length;) {
        size_t n = utf8_length(bytes + i, text->length - i);
        if (!n || !bytes[i]) {
            int line;
            int column;
            place_of(text, i, &line, &column);
            return cox_err_set(err, COX_EINVAL, "%s:%d:%d: not UTF-8 text (byte 0x%02x)",
                               text->name, line, column, bytes[i]);
        }
        i += n;
    }
    return COX_OK;
}

/* ---- libyaml's complaints in our words ---- */

static const char *hint_for(const char *problem, char at)
{
    if (at == '\t')
        return " (this is a tab: YAML wants spaces)";
    if (strstr(problem, "mapping values are not allowed"))
        return " (a second ':' in the line, or wrong indentation; quote a text that holds ': ')";
    if (strstr(problem, "did not find expected key") || strstr(problem, "could not find expected"))
        return " (wrong indentation, or a missing ':')";
    return "";
}

static int parser_error(const struct builder *b, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return cox_err_set(b->err, COX_ENOMEM, "%s: out of memory", b->text->name);
    const char *problem = parser->problem ? parser->problem : "unknown problem";
    int line;
    int column;
    char at = '\0';
    if (parser->error == YAML_READER_ERROR) {
        place_of(b->text, parser->problem_offset, &line, &column);
    } else {
        line = (int)parser->problem_mark.line + 1;
        column = (int)parser->problem_mark.column + 1;
        if (parser->problem_mark.index < b->text->length)
            at = b->text->bytes[parser->problem_mark.index];
    }
    char context[160] = "";
    if (parser->context)
        snprintf(context, sizeof context, " %s that began at line %d", parser->context,
                 (int)parser->context_mark.line + 1);
    return cox_err_set(b->err, COX_EINVAL, "%s:%d:%d: not valid YAML: %s%s%s", b->text->name, line,
                       column, problem, context, hint_for(problem, at));
}

static int refuse(const struct builder *b, const yaml_event_t *event, const char *what)
{
    return cox_err_set(b->err, COX_EINVAL, "%s:%d:%d: %s", b->text->name,
                       (int)event->start_mark.line + 1, (int)event->start_mark.column + 1, what);
}

/* ---- events → nodes ---- */

static int attach(struct builder *b, struct cox_yaml_node *node, const yaml_event_t *event)
{
    if (!b->depth) {
        b->root = node;
        return COX_OK;
    }
    struct cox_yaml_node *parent = b->stack[b->depth - 1];
    if (parent->kind == COX_YAML_MAP && !b->key) {
        if (node->kind != COX_YAML_SCALAR)
            return refuse(b, event, "a key must be one word, not a list or a section");
        b->key = node;
        return COX_OK;
    }
    if (parent->kind == COX_YAML_MAP) {
        node->key = b->key;
        b->key = NULL;
    }
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->n++;
    return COX_OK;
}

static int add_node(struct builder *b, enum cox_yaml_kind kind, const yaml_event_t *event)
{
    struct cox_yaml_node *node = cox_arena_alloc(b->arena, 1, sizeof *node);
    if (!node)
        return cox_err_set(b->err, COX_ENOMEM, "%s: out of memory", b->text->name);
    node->kind = kind;
    node->line = (int)event->start_mark.line + 1;
    node->column = (int)event->start_mark.column + 1;
    if (kind == COX_YAML_SCALAR) {
        const char *value = (const char *)event->data.scalar.value;
        if (strlen(value) != event->data.scalar.length)
            return refuse(b, event, "a text must not hold the character NUL");
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        node->text = cox_arena_strdup(b->arena, value);
        if (!node->text)
            return cox_err_set(b->err, COX_ENOMEM, "%s: out of memory", b->text->name);
    }
    int rc = attach(b, node, event);
    if (rc || kind == COX_YAML_SCALAR)
        return rc;
    if (b->depth == MAX_DEPTH)
        return refuse(b, event, "nested too deeply");
    b->stack[b->depth++] = node;
    return COX_OK;
}

/* Anchors and tags have no use here and make a text mean something else than it says. */
static int check_plain(const struct builder *b, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor)
        return refuse(b, event, "anchors (&name) are not supported: write the value out");
    if (tag)
        return refuse(b, event, "tags (!name) are not supported: write the plain value");
    return COX_OK;
}

static int take_event(struct builder *b, const yaml_event_t *event)
{
    int rc = check_plain(b, event);
    if (rc)
        return rc;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->documents++)
            return refuse(b, event, "a second document begins here; a file holds one");
        return COX_OK;
    case YAML_ALIAS_EVENT:
        return refuse(b, event,
                      "aliases (*name) are not supported: write the value out "
                      "(a text that begins with '*' needs quotes)");
    case YAML_SCALAR_EVENT:
        return add_node(b, COX_YAML_SCALAR, event);
    case YAML_SEQUENCE_START_EVENT:
        return add_node(b, COX_YAML_LIST, event);
    case YAML_MAPPING_START_EVENT:
        return add_node(b, COX_YAML_MAP, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return COX_OK;
    default:
        return COX_OK;
    }
}

int cox_yaml_parse(struct cox_yaml_node **out, const struct cox_config_text *text,
                   struct cox_arena *arena, struct cox_err *err)
{
    *out = NULL;
    int rc = check_utf8(text, err);
    if (rc)
        return rc;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return cox_err_set(err, COX_ENOMEM, "%s: out of memory", text->name);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    /* a byte-order mark is of no use in UTF-8, but some editors write one */
    size_t skip = text->length >= 3 && !memcmp(text->bytes, "\xEF\xBB\xBF", 3) ? 3 : 0;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text->bytes + skip,
                                 text->length - skip);
    struct builder b = {.text = text, .arena = arena, .err = err};
    bool end = false;
    while (!rc && !end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            rc = parser_error(&b, &parser);
            break;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        rc = take_event(&b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (rc)
        return rc;
    if (b.root && !cox_yaml_is_null(b.root))
        *out = b.root;
    return COX_OK;
}

const struct cox_yaml_node *cox_yaml_child(const struct cox_yaml_node *map, const char *key,
                                           size_t key_length)
{
    if (!map || map->kind != COX_YAML_MAP)
        return NULL;
    for (const struct cox_yaml_node *child = map->first; child; child = child->next)
        if (strlen(child->key->text) == key_length && !memcmp(child->key->text, key, key_length))
            return child;
    return NULL;
}

bool cox_yaml_is_null(const struct cox_yaml_node *node)
{
    return node->kind == COX_YAML_SCALAR && !node->quoted &&
           (!node->text[0] || !strcmp(node->text, "~") || !strcmp(node->text, "null"));
}
