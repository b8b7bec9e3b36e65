/* SPDX-License-Identifier: BSD-3-Clause */
/* The text level of a prmtop: %FLAG sections of fixed columns as their %FORMAT says. Private to the
 * prmtop reader. */
#ifndef COX_MOLECULE_PRMTOP_SECTIONS_H
#define COX_MOLECULE_PRMTOP_SECTIONS_H

#include <stddef.h>

#include "cox/err.h"
#include "molecule/growing.h"

struct cox_prmtop_section {
    char flag[81];
    int line;         /* of its first data line */
    int per_line;     /* 10 of 10I8 */
    char type;        /* 'I', 'E' (also F, D, G), 'A' */
    int width;        /* 8 of 10I8 */
    const char *text; /* borrowed: data lines */
    size_t length;
};

struct cox_prmtop_file {
    const char *label;           /* borrowed */
    struct cox_growing sections; /* struct cox_prmtop_section */
    struct cox_err *err;
};

/* Splits the text, which must outlive `file`. */
int cox_prmtop_split(struct cox_prmtop_file *file, const char *text, size_t length,
                     const char *label, struct cox_err *err) COX_MUST_CHECK;
void cox_prmtop_file_deinit(struct cox_prmtop_file *file);
/* NULL when there is none. */
const struct cox_prmtop_section *cox_prmtop_find(const struct cox_prmtop_file *file,
                                                 const char *flag);
/* The first `n` values of a section, owned by the caller (cox_free); NULL with the error set when
 * the section is missing, short, or of another kind. */
int *cox_prmtop_ints(const struct cox_prmtop_file *file, const char *flag, int n);
double *cox_prmtop_doubles(const struct cox_prmtop_file *file, const char *flag, int n);
/* Rows of COX_NAME_SIZE bytes, blanks removed. */
char (*cox_prmtop_names(const struct cox_prmtop_file *file, const char *flag, int n))[8];

#endif
