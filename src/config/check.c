/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables are written by hand: what a compiler cannot see of them is checked here, by their tests.
 */
#include "config/internal.h"

#include <string.h>

static size_t width_of(const struct cox_config_row *row)
{
    switch (row->type) {
    case COX_CONFIG_BOOL:
        return sizeof(bool);
    case COX_CONFIG_INT:
    case COX_CONFIG_ENUM:
        return sizeof(int);
    case COX_CONFIG_INT64:
        return sizeof(int64_t);
    case COX_CONFIG_DOUBLE:
        return sizeof(double);
    case COX_CONFIG_TEXT:
    case COX_CONFIG_PATH:
        return sizeof(char *);
    case COX_CONFIG_SECTION:
        return row->section ? row->section->size : 0;
    default:
        return sizeof(struct cox_config_sections);
    }
}

static bool is_word(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    return name && name[0] && strspn(name, letters) == strlen(name);
}

static const char *problem_of(const struct cox_config_row *row, size_t size)
{
    bool section = row->type == COX_CONFIG_SECTION || row->type == COX_CONFIG_SECTIONS;
    if (!row->help || !row->help[0] || strchr(row->help, '\n'))
        return "needs a help text of one line";
    if (section != (row->section != NULL))
        return "sections, and only they, name their schema";
    if (row->width != width_of(row))
        return "the field's width does not fit the type";
    if (row->offset + row->width > size)
        return "the field lies outside the struct";
    if ((row->type == COX_CONFIG_ENUM) != (row->choices != NULL))
        return "one-word keys, and only they, list choices";
    if (!(row->minimum <= row->maximum))
        return "minimum is above maximum";
    if (row->minimum != row->maximum && !cox_config_is_number(row->type))
        return "only numbers have a range";
    if (row->flags & COX_CONFIG_REQUIRED && (row->initial || row->type == COX_CONFIG_SECTION))
        return "a required key has no default, and a section is never required";
    if (row->type == COX_CONFIG_BOOL && !row->initial && !(row->flags & COX_CONFIG_REQUIRED))
        return "a true-or-false key needs a default";
    if (section && row->initial)
        return "a section's defaults are those of its keys";
    if (row->min_items < 0 || (row->max_items && row->max_items < row->min_items))
        return "min_items and max_items disagree";
    return NULL;
}

int cox_config_check_schema(const struct cox_config_schema *schema, struct cox_err *err)
{
    if (!schema->help || !schema->help[0])
        return cox_err_set(err, COX_EINVAL, "a schema needs a help text");
    for (int i = 0; i < schema->n; i++) {
        const struct cox_config_row *row = &schema->rows[i];
        if (!is_word(row->name))
            return cox_err_set(err, COX_EINVAL, "row %d: '%s' is no name of a key", i,
                               row->name ? row->name : "");
        for (int j = 0; j < i; j++)
            if (!strcmp(row->name, schema->rows[j].name))
                return cox_err_set(err, COX_EINVAL, "'%s': two rows have this name", row->name);
        const char *problem = problem_of(row, schema->size);
        if (problem)
            return cox_err_set(err, COX_EINVAL, "'%s': %s", row->name, problem);
        int rc = row->section ? cox_config_check_schema(row->section, err) : COX_OK;
        if (rc)
            return cox_err_wrap(err, rc, "'%s'", row->name);
    }
    struct cox_arena *arena = cox_arena_create();
    void *values = cox_alloc(1, schema->size);
    int rc = arena && values ? cox_config_defaults(values, schema, arena, err)
                             : cox_err_set(err, COX_ENOMEM, "out of memory");
    cox_free(values);
    cox_arena_destroy(arena);
    return rc;
}
