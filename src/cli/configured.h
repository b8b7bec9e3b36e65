/* SPDX-License-Identifier: BSD-3-Clause */
/* What commands that read a configuration have in common. */
#ifndef COX_CLI_CONFIGURED_H
#define COX_CLI_CONFIGURED_H

#include "config/config.h"

/* --explain: every key of the schema to standard output. Returns the exit code. */
int cox_print_keys(const struct cox_config_schema *schema, bool markdown);
/* Where results go that nobody named a directory for: "fold.yaml" → "fold.run", beside the file. */
void cox_default_directory(const char *file, const char *suffix, char *out, size_t size);

#endif
