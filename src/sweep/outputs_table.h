/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables in text files: results of jobs and designs.
 *
 * Commas (RFC 4180: "quoted ""fields""", also over several lines) where the first record has one
 * outside of quotes, else columns between blanks, as LAMMPS and most codes write them. Lines that
 * begin with # are comments; so is what follows # in a table of blanks. Names of columns: the first
 * record, if a field of it is no number; else the last comment before it with as many words as
 * there are columns. Of a file of blocks, as LAMMPS' fix ave/chunk and ave/time mode vector write,
 * the last block is the table. */
#ifndef COX_SWEEP_OUTPUTS_TABLE_H
#define COX_SWEEP_OUTPUTS_TABLE_H

#include <stddef.h>

#include "cox/err.h"

struct cox_table {
    const char *path; /* borrowed: for messages */
    char *text;       /* owned */
    int n_rows, n_columns;
    const char **field; /* [n_rows][n_columns], owned; into text */
    int *line;          /* [n_rows], owned: where each row begins, from 1 */
    const char **name;  /* [n_columns], owned; NULL: columns have numbers only */
};

/* COX_EFORMAT with file:line for rows of different lengths, open quotes, bytes that are no text. An
 * empty table is none. */
int cox_table_read(struct cox_table *out, const char *path, struct cox_err *err) COX_MUST_CHECK;
/* The same of bytes that are the caller's. */
int cox_table_parse(struct cox_table *out, const char *path, const char *bytes, size_t length,
                    struct cox_err *err) COX_MUST_CHECK;
void cox_table_deinit(struct cox_table *table);
/* Index of the column of that name, or of that number from 1. COX_EFORMAT with the names that there
 * are. */
int cox_table_column(const struct cox_table *table, const char *column, int *index,
                     struct cox_err *err) COX_MUST_CHECK;

/* The whole text is a number, also as Fortran writes one (1.5D-03); COX_EINVAL else. It may be an
 * infinity or NaN. */
int cox_output_number(const char *text, double *out) COX_MUST_CHECK;

#endif
