/* SPDX-License-Identifier: BSD-3-Clause */
/* An unknown key: what was meant? In this order: the same quantity in another unit, the same key in
 * another section, a typing error. */
#include "config/internal.h"

#include <stdio.h>
#include <string.h>

/* Units as they end a key; equal kinds convert by the ratio of `size`. */
static const struct unit {
    const char *name;
    char kind;
    double size;
} units[] = {
    {"fs", 't', 1e-15},
    {"ps", 't', 1e-12},
    {"ns", 't', 1e-9},
    {"us", 't', 1e-6},
    {"µs", 't', 1e-6},
    {"ms", 't', 1e-3},
    {"s", 't', 1},
    {"sec", 't', 1},
    {"min", 't', 60},
    {"h", 't', 3600},
    {"hours", 't', 3600},
    {"minutes", 't', 60},
    {"seconds", 't', 1},
    {"days", 't', 86400},
    {"d", 't', 86400},
    {"A", 'l', 1e-10},
    {"Å", 'l', 1e-10},
    {"angstrom", 'l', 1e-10},
    {"nm", 'l', 1e-9},
    {"pm", 'l', 1e-12},
    {"K", 'T', 1},
    {"kJ", 'e', 1},
    {"kcal", 'e', 4.184},
    {"kJ/mol", 'e', 1},
    {"kcal/mol", 'e', 4.184},
    {"kJ_mol", 'e', 1},
    {"kcal_mol", 'e', 4.184},
    {"eV", 'e', 96.48533212331},
    {"u", 'm', 1},
    {"amu", 'm', 1},
    {"Da", 'm', 1},
    {"C", 'c', 1},
    {"per_ps", 'f', 1e12},
    {"per_fs", 'f', 1e15},
    {"1/ps", 'f', 1e12},
    {"1/fs", 'f', 1e15},
    {"bytes", 'b', 1},
    {"MB", 'b', 1e6},
    {"GB", 'b', 1e9},
    {"MiB", 'b', 1048576.0},
    {"percent", 'p', 0.01},
    {"%", 'p', 0.01},
};
#define N_UNITS ((int)(sizeof units / sizeof units[0]))

static const struct unit *unit_named(const char *name)
{
    for (int i = 0; i < N_UNITS; i++)
        if (!strcmp(units[i].name, name))
            return &units[i];
    return NULL;
}

double cox_config_unit_factor(const char *from, const char *to)
{
    const struct unit *a = unit_named(from);
    const struct unit *b = unit_named(to);
    return a && b && a->kind == b->kind ? a->size / b->size : 0;
}

/* The unit that ends a key after '_', longest first ("rate_per_ps": per_ps); NULL when none. */
static const struct unit *unit_of_key(const char *key, size_t *base_length)
{
    const struct unit *found = NULL;
    *base_length = strlen(key);
    size_t length = *base_length;
    for (int i = 0; i < N_UNITS; i++) {
        size_t n = strlen(units[i].name);
        if (n + 1 >= length || key[length - n - 1] != '_' ||
            strcmp(key + length - n, units[i].name))
            continue;
        if (!found || n > strlen(found->name)) {
            found = &units[i];
            *base_length = length - n - 1;
        }
    }
    return found;
}

/* A row for the same quantity whose name ends in another unit, or in one where the key has none. */
static const struct cox_config_row *same_but_unit(const struct cox_config_schema *schema,
                                                  const char *key)
{
    size_t base;
    const struct unit *unit = unit_of_key(key, &base);
    for (int i = 0; i < schema->n; i++) {
        size_t row_base;
        const struct unit *row_unit = unit_of_key(schema->rows[i].name, &row_base);
        if ((unit || row_unit) && base == row_base && !memcmp(key, schema->rows[i].name, base))
            return &schema->rows[i];
    }
    return NULL;
}

static void add_unit_meant(struct cox_str *out, const char *key, const struct cox_config_row *row)
{
    size_t base;
    const struct unit *unit = unit_of_key(key, &base);
    const struct unit *meant = unit_of_key(row->name, &base);
    cox_str_addf(out, "; the key is '%s'", row->name);
    if (!meant) {
        if (row->unit)
            cox_str_addf(out, ", in %s", row->unit);
        return;
    }
    cox_str_addf(out, ", in %s", row->unit ? row->unit : meant->name);
    double factor = unit ? cox_config_unit_factor(unit->name, meant->name) : 0;
    if (unit && factor != 0) {
        cox_str_addf(out, " (1 %s = ", unit->name);
        cox_str_addf(out, "%.10g", factor);
        cox_str_addf(out, " %s)", row->unit ? row->unit : meant->name);
    }
}

/* Puts the dotted path of a row of that name into `out`; false when there is none. */
static bool find_elsewhere(const struct cox_config_schema *schema, const char *key,
                           const char *prefix, char *out, size_t size)
{
    for (int i = 0; i < schema->n; i++) {
        const struct cox_config_row *row = &schema->rows[i];
        char path[200];
        const char *dots = row->type == COX_CONFIG_SECTIONS ? "[]" : "";
        snprintf(path, sizeof path, "%s%s%s%s", prefix, prefix[0] ? "." : "", row->name, dots);
        if (!strcmp(row->name, key)) {
            snprintf(out, size, "%s", path);
            return true;
        }
        if (row->section && find_elsewhere(row->section, key, path, out, size))
            return true;
    }
    return false;
}

static void add_suggestion(struct cox_str *out, const struct cox_config_reader *reader,
                           const struct cox_config_schema *schema, const char *key)
{
    const struct cox_config_row *row = same_but_unit(schema, key);
    if (row) {
        add_unit_meant(out, key, row);
        return;
    }
    char path[200];
    if (find_elsewhere(reader->schema, key, "", path, sizeof path)) {
        cox_str_addf(out, "; did you mean '%s'?", path);
        return;
    }
    const char *names[128];
    int n = schema->n < 128 ? schema->n : 128;
    for (int i = 0; i < n; i++)
        names[i] = schema->rows[i].name;
    int nearest = cox_str_nearest(key, names, n);
    if (nearest >= 0)
        cox_str_addf(out, "; did you mean '%s'?", names[nearest]);
}

int cox_config_unknown_key(const struct cox_config_reader *reader,
                           const struct cox_config_schema *schema, const char *section,
                           const struct cox_yaml_node *key)
{
    struct cox_str message;
    cox_str_init(&message, 4096);
    cox_str_addf(&message, "unknown key '%.60s'", key->text);
    if (section[0])
        cox_str_addf(&message, " in '%s'", section);
    add_suggestion(&message, reader, schema, key->text);
    cox_str_add(&message, " (allowed: ");
    for (int i = 0; i < schema->n; i++)
        cox_str_addf(&message, "%s%s", i ? ", " : "", schema->rows[i].name);
    cox_str_add(&message, ")");
    int rc = message.status == COX_ENOMEM
                 ? cox_config_nomem(reader)
                 : cox_config_fail(reader, key, COX_EINVAL, "%s", cox_str_text(&message));
    cox_str_deinit(&message);
    return rc;
}
