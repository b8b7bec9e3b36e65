/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this module share. */
#ifndef COX_CONFIG_INTERNAL_H
#define COX_CONFIG_INTERNAL_H

#include "config/config.h"
#include "config/yaml_tree.h"

#define COX_CONFIG_MAX_BYTES ((size_t)1 << 20)
#define COX_CONFIG_MAX_ITEMS 1000

struct cox_config {
    const char *name;      /* of the file */
    bool assignment;       /* the name is `key=value` from the command line: no line:column */
    const char *folder_of; /* relative paths are seen from this file's folder; NULL = as they are */
    const struct cox_yaml_node *root; /* NULL = empty */
};

/* One reading: what every step of it needs. */
struct cox_config_reader {
    const struct cox_config *config;
    const struct cox_config_schema *schema; /* the root, to find keys that stand elsewhere */
    struct cox_arena *arena;
    struct cox_err *err;
    bool lenient; /* defaults only: required keys may be missing */
};

/* "<file>:<line>:<column>: <message>" at the node (NULL = the file's begin). */
int cox_config_fail(const struct cox_config_reader *reader, const struct cox_yaml_node *node,
                    int status, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
int cox_config_nomem(const struct cox_config_reader *reader);

/* read.c: fills a section's struct, or one value of it, from a node; NULL = defaults. `name` is the
 * section's for messages, "" for the root. */
int cox_config_read_section(const struct cox_config_reader *reader,
                            const struct cox_config_schema *schema,
                            const struct cox_yaml_node *node, const char *name,
                            void *values) COX_MUST_CHECK;
int cox_config_read_row(const struct cox_config_reader *reader, const struct cox_config_row *row,
                        const struct cox_yaml_node *node, void *value) COX_MUST_CHECK;
/* Parses row->initial and reads it. */
int cox_config_read_initial(const struct cox_config_reader *reader,
                            const struct cox_config_row *row, void *value) COX_MUST_CHECK;

/* unknown.c */
int cox_config_unknown_key(const struct cox_config_reader *reader,
                           const struct cox_config_schema *schema, const char *section,
                           const struct cox_yaml_node *key);
/* How much of unit `to` is one `from` ("ps", "fs" → 1000); 0 when unknown or of another kind. */
double cox_config_unit_factor(const char *from, const char *to);

/* text.c: words for a row. */
bool cox_config_is_number(enum cox_config_type type); /* or a list of them */
bool cox_config_is_list(enum cox_config_type type);
const char *
cox_config_type_words(const struct cox_config_row *row); /* "a number", "a list of texts" */
/* "0.1 to 10 fs", "above 0", "one of a, b"; nothing when all is allowed. */
void cox_config_add_range(struct cox_str *out, const struct cox_config_row *row);
/* The fewest digits that read back as `value`. */
void cox_config_add_double(struct cox_str *out, double value);

#endif
