/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/configured.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

int cox_print_keys(const struct cox_config_schema *schema, bool markdown)
{
    struct cox_str text;
    struct cox_err err = COX_ERR_INIT;
    cox_str_init(&text, 1 << 20);
    cox_config_explain(&text, schema, markdown ? COX_CONFIG_MARKDOWN : COX_CONFIG_PLAIN);
    int rc = cox_str_status(&text, &err);
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    else
        fputs(cox_str_text(&text), stdout);
    cox_str_deinit(&text);
    return rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}

void cox_default_directory(const char *file, const char *suffix, char *out, size_t size)
{
    size_t n = strlen(file);
    if (cox_str_ends(file, ".yaml"))
        n -= 5;
    else if (cox_str_ends(file, ".yml"))
        n -= 4;
    snprintf(out, size, "%.*s%s", (int)n, file, suffix);
}
