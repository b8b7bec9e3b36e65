/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables → words: the terminal's `--explain` and docs/config.md. */
#include "config/internal.h"

#include <stdio.h>
#include <string.h>

/* The row's section as a reader writes it: "agent.target", "starts[]". */
static void path_of(char *out, size_t size, const char *above, const struct cox_config_row *row)
{
    snprintf(out, size, "%s%s%s%s", above, above[0] ? "." : "", row->name,
             row->type == COX_CONFIG_SECTIONS ? "[]" : "");
}

static const char *default_words(const struct cox_config_row *row)
{
    if (row->flags & COX_CONFIG_REQUIRED)
        return "required";
    return row->initial ? row->initial : "none";
}

static void add_allowed(struct cox_str *out, const struct cox_config_row *row)
{
    size_t before = out->length;
    cox_config_add_range(out, row);
    if (row->flags & COX_CONFIG_MUST_EXIST)
        cox_str_addf(out, "%s%s", out->length > before ? "; " : "",
                     row->type == COX_CONFIG_PATHS ? "existing files" : "an existing file");
}

/* ---- plain ---- */

static void plain_row(struct cox_str *out, const struct cox_config_row *row)
{
    cox_str_addf(out, "  %-24s %s", row->name, cox_config_type_words(row));
    if (row->unit && row->minimum == row->maximum) /* else the range names it */
        cox_str_addf(out, " in %s", row->unit);
    size_t before = out->length;
    cox_str_add(out, ", ");
    size_t mark = out->length;
    add_allowed(out, row);
    if (out->length == mark && !out->status) {
        out->length = before;
        out->text[before] = '\0';
    }
    if (row->flags & COX_CONFIG_REQUIRED || !row->initial)
        cox_str_addf(out, "; %s", row->flags & COX_CONFIG_REQUIRED ? "required" : "no default");
    else
        cox_str_addf(out, "; default %s", row->initial);
    for (const char *const *a = row->aliases; a && *a; a++)
        cox_str_addf(out, "; also '%s'", *a);
    cox_str_addf(out, "\n      %s\n", row->help);
}

static void plain_section(struct cox_str *out, const struct cox_config_schema *schema,
                          const char *path)
{
    if (path[0])
        cox_str_addf(out, "\n%s: %s\n", path, schema->help);
    else
        cox_str_addf(out, "%s\n\n", schema->help);
    for (int i = 0; i < schema->n; i++)
        if (schema->rows[i].type != COX_CONFIG_SECTION)
            plain_row(out, &schema->rows[i]);
}

/* ---- Markdown ---- */

/* '|' would end the cell, '<' begin a tag. */
static void add_cell(struct cox_str *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '|' || *c == '<' || *c == '*')
            cox_str_add(out, "\\");
        cox_str_addn(out, c, 1);
    }
}

static void markdown_row(struct cox_str *out, const struct cox_config_row *row)
{
    cox_str_addf(out, "| `%s` | %s | %s | ", row->name, cox_config_type_words(row),
                 row->unit ? row->unit : "");
    if (row->initial && !(row->flags & COX_CONFIG_REQUIRED))
        cox_str_addf(out, "`%s`", row->initial);
    else
        cox_str_add(out, default_words(row));
    cox_str_add(out, " | ");
    struct cox_str allowed;
    cox_str_init(&allowed, 4096);
    add_allowed(&allowed, row);
    if (allowed.status && !out->status)
        out->status = allowed.status;
    add_cell(out, cox_str_text(&allowed));
    cox_str_deinit(&allowed);
    cox_str_add(out, " | ");
    add_cell(out, row->help);
    for (const char *const *a = row->aliases; a && *a; a++)
        cox_str_addf(out, "; also `%s`", *a);
    cox_str_add(out, " |\n");
}

static void markdown_section(struct cox_str *out, const struct cox_config_schema *schema,
                             const char *path)
{
    if (path[0])
        cox_str_addf(out, "\n## `%s`\n\n", path);
    cox_str_addf(out, "%s\n", schema->help);
    bool any = false;
    for (int i = 0; i < schema->n; i++) {
        if (schema->rows[i].type == COX_CONFIG_SECTION)
            continue;
        if (!any)
            cox_str_add(out, "\n| key | type | unit | default | allowed | meaning |\n"
                             "|---|---|---|---|---|---|\n");
        any = true;
        markdown_row(out, &schema->rows[i]);
    }
}

/* A section's own keys first, then the sections within, each with its dotted name. */
static void walk(struct cox_str *out, const struct cox_config_schema *schema, const char *path,
                 enum cox_config_format format)
{
    if (format == COX_CONFIG_MARKDOWN)
        markdown_section(out, schema, path);
    else
        plain_section(out, schema, path);
    for (int i = 0; i < schema->n; i++) {
        char inner[200];
        path_of(inner, sizeof inner, path, &schema->rows[i]);
        if (schema->rows[i].section)
            walk(out, schema->rows[i].section, inner, format);
    }
}

void cox_config_explain(struct cox_str *out, const struct cox_config_schema *schema,
                        enum cox_config_format format)
{
    walk(out, schema, "", format);
}
