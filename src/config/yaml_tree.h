/* SPDX-License-Identifier: BSD-3-Clause */
/* YAML text → a tree of scalars, lists and maps with positions. The only user of libyaml. What a
 * configuration does not need is refused with its place: anchors, aliases, tags, several documents,
 * keys that are no plain words, NUL, anything but UTF-8. */
#ifndef COX_CONFIG_YAML_TREE_H
#define COX_CONFIG_YAML_TREE_H

#include <stdbool.h>

#include "config/config.h"

enum cox_yaml_kind { COX_YAML_SCALAR, COX_YAML_LIST, COX_YAML_MAP };

struct cox_yaml_node {
    enum cox_yaml_kind kind;
    int line; /* both from 1 */
    int column;
    bool quoted;                     /* scalar: 'so', "so" or as a block */
    const char *text;                /* scalar */
    const struct cox_yaml_node *key; /* of a map's child: its scalar */
    struct cox_yaml_node *first;     /* children of a list or map, in the order of the file */
    struct cox_yaml_node *last;
    struct cox_yaml_node *next; /* sibling */
    int n;                      /* children */
    bool overridden;            /* another value takes its place: this one is not looked at */
};

/* `out` NULL = an empty document. Nodes live in the arena. Errors name text->name:line:column. */
int cox_yaml_parse(struct cox_yaml_node **out, const struct cox_config_text *text,
                   struct cox_arena *arena, struct cox_err *err) COX_MUST_CHECK;
/* The child of a map, NULL when absent (or `map` is no map). */
const struct cox_yaml_node *cox_yaml_child(const struct cox_yaml_node *map, const char *key,
                                           size_t key_length);
/* Whether the scalar is YAML's null: empty, ~ or null, unquoted. */
bool cox_yaml_is_null(const struct cox_yaml_node *node);

#endif
