/* SPDX-License-Identifier: BSD-3-Clause */
/* Values → YAML that reads back to the same values. */
#include "config/internal.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static void indent(struct cox_str *out, int depth)
{
    for (int i = 0; i < depth; i++)
        cox_str_add(out, "  ");
}

/* ---- texts ---- */

static bool is_bare_word(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    if (!text[0] || !strcmp(text, "null"))
        return false;
    if (text[0] != '/' && !strchr(letters, text[0]))
        return false;
    for (const char *c = text; *c; c++)
        if (!strchr(letters, *c) && !strchr("./+-", *c))
            return false;
    return true;
}

/* The code point at `s` (texts are valid UTF-8: they came through the parser or are ours). */
static unsigned decode(const unsigned char *s, int *n)
{
    *n = s[0] < 0xC0 ? 1 : s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    unsigned code = *n == 1 ? s[0] : s[0] & (0x7Fu >> *n);
    for (int i = 1; i < *n; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            *n = i;
            return 0xFFFD;
        }
        code = code << 6 | (s[i] & 0x3Fu);
    }
    return code;
}

static void add_text(struct cox_str *out, const char *text)
{
    if (is_bare_word(text)) {
        cox_str_add(out, text);
        return;
    }
    cox_str_add(out, "\"");
    int n;
    for (const char *c = text; *c; c += n) {
        unsigned code = decode((const unsigned char *)c, &n);
        bool plain = (code >= 0x20 && code <= 0x7E) || (code >= 0xA0 && code <= 0xD7FF) ||
                     (code >= 0xE000 && code <= 0xFFFD) || code >= 0x10000;
        if (code == '"' || code == '\\')
            cox_str_addf(out, "\\%c", (int)code);
        else if (code == '\n')
            cox_str_add(out, "\\n");
        else if (!plain || code == 0x2028 || code == 0x2029 || code == 0xFEFF)
            cox_str_addf(out, "\\u%04X", code); /* what YAML does not print or folds */
        else
            cox_str_addn(out, c, (size_t)n);
    }
    cox_str_add(out, "\"");
}

/* Absolute, so that the text means the same wherever it is kept. */
static void add_path(struct cox_str *out, const char *path)
{
    char folder[PATH_MAX];
    if (path[0] == '/' || !getcwd(folder, sizeof folder)) {
        add_text(out, path);
        return;
    }
    while (cox_str_starts(path, "./"))
        path += 2;
    struct cox_str whole;
    cox_str_init(&whole, (size_t)2 * PATH_MAX);
    cox_str_addf(&whole, "%s/%s", strcmp(folder, "/") ? folder : "", path);
    if (whole.status)
        out->status = whole.status;
    else
        add_text(out, cox_str_text(&whole));
    cox_str_deinit(&whole);
}

/* ---- values ---- */

static bool is_unset(const struct cox_config_row *row, const void *value)
{
    switch (row->type) {
    case COX_CONFIG_INT:
        return *(const int *)value == COX_CONFIG_UNSET;
    case COX_CONFIG_INT64:
        return *(const int64_t *)value == COX_CONFIG_UNSET64;
    case COX_CONFIG_DOUBLE:
        return isnan(*(const double *)value);
    case COX_CONFIG_ENUM:
        return *(const int *)value < 0;
    case COX_CONFIG_TEXT:
    case COX_CONFIG_PATH:
        return !*(const char *const *)value;
    case COX_CONFIG_BOOL:
    case COX_CONFIG_SECTION:
        return false;
    default:
        return !((const struct cox_config_sections *)value)->n && row->min_items > 0;
    }
}

static void add_list(struct cox_str *out, const struct cox_config_row *row, const void *value)
{
    const struct cox_config_sections *list = value;
    cox_str_add(out, "[");
    for (int i = 0; i < list->n; i++) {
        cox_str_add(out, i ? ", " : "");
        if (row->type == COX_CONFIG_INTS)
            cox_str_addf(out, "%d", ((const int *)list->items)[i]);
        else if (row->type == COX_CONFIG_DOUBLES)
            cox_config_add_double(out, ((const double *)list->items)[i]);
        else if (row->type == COX_CONFIG_PATHS)
            add_path(out, ((const char *const *)list->items)[i]);
        else
            add_text(out, ((const char *const *)list->items)[i]);
    }
    cox_str_add(out, "]");
}

static void add_value(struct cox_str *out, const struct cox_config_row *row, const void *value)
{
    switch (row->type) {
    case COX_CONFIG_BOOL:
        cox_str_add(out, *(const bool *)value ? "true" : "false");
        break;
    case COX_CONFIG_INT:
        cox_str_addf(out, "%d", *(const int *)value);
        break;
    case COX_CONFIG_INT64:
        cox_str_addf(out, "%lld", (long long)*(const int64_t *)value);
        break;
    case COX_CONFIG_DOUBLE:
        cox_config_add_double(out, *(const double *)value);
        break;
    case COX_CONFIG_ENUM:
        add_text(out, row->choices[*(const int *)value]);
        break;
    case COX_CONFIG_TEXT:
        add_text(out, *(const char *const *)value);
        break;
    case COX_CONFIG_PATH:
        add_path(out, *(const char *const *)value);
        break;
    default:
        add_list(out, row, value);
    }
}

/* ---- sections ---- */

static void add_comment(struct cox_str *out, const struct cox_config_row *row, int depth)
{
    indent(out, depth);
    cox_str_addf(out, "# %s", row->help);
    size_t before = out->length;
    cox_str_add(out, " (");
    size_t open = out->length;
    cox_config_add_range(out, row);
    if (out->length > open)
        cox_str_add(out, ")");
    else if (!out->status) {
        out->length = before; /* nothing to tell */
        out->text[before] = '\0';
    }
    cox_str_add(out, "\n");
}

static void add_section(struct cox_str *out, const struct cox_config_schema *schema,
                        const void *values, int depth, bool comments);

static void add_sections(struct cox_str *out, const struct cox_config_row *row,
                         const struct cox_config_sections *list, int depth)
{
    if (!list->n) {
        cox_str_addf(out, "%s: []\n", row->name);
        return;
    }
    cox_str_addf(out, "%s:\n", row->name);
    for (int i = 0; i < list->n; i++) {
        indent(out, depth + 1);
        cox_str_add(out, "-\n");
        add_section(out, row->section, (const char *)list->items + row->section->size * i,
                    depth + 2, !i);
    }
}

static void add_row(struct cox_str *out, const struct cox_config_row *row, const void *value,
                    int depth, bool comments)
{
    if (comments)
        add_comment(out, row, depth);
    indent(out, depth);
    if (is_unset(row, value)) {
        cox_str_addf(out, "# %s:\n", row->name);
    } else if (row->type == COX_CONFIG_SECTION) {
        cox_str_addf(out, "%s:\n", row->name);
        add_section(out, row->section, value, depth + 1, comments);
    } else if (row->type == COX_CONFIG_SECTIONS) {
        add_sections(out, row, value, depth);
    } else {
        cox_str_addf(out, "%s: ", row->name);
        add_value(out, row, value);
        cox_str_add(out, "\n");
    }
}

static void add_section(struct cox_str *out, const struct cox_config_schema *schema,
                        const void *values, int depth, bool comments)
{
    for (int i = 0; i < schema->n; i++) {
        const struct cox_config_row *row = &schema->rows[i];
        if (!depth && i && row->type == COX_CONFIG_SECTION)
            cox_str_add(out, "\n");
        add_row(out, row, (const char *)values + row->offset, depth, comments);
    }
}

void cox_config_emit(struct cox_str *out, const struct cox_config_schema *schema,
                     const void *values)
{
    add_section(out, schema, values, 0, true);
}
