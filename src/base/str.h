/* SPDX-License-Identifier: BSD-3-Clause */
/* Growable text with a mandatory maximum, and the few string helpers that the house needs. */
#ifndef COX_BASE_STR_H
#define COX_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "cox/err.h"

/* Zero-terminated at all times once something was added. Errors stick: after a failure further
 * additions do nothing and cox_str_status tells what went wrong. */
struct cox_str {
    char *text; /* owned; NULL while empty */
    size_t length;
    size_t capacity;
    size_t maximum; /* bytes */
    int status;
};

void cox_str_init(struct cox_str *s, size_t maximum);
void cox_str_deinit(struct cox_str *s);
void cox_str_add(struct cox_str *s, const char *text);
void cox_str_addn(struct cox_str *s, const char *bytes, size_t n);
void cox_str_addf(struct cox_str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "" while empty. Borrowed until the next addition. */
const char *cox_str_text(const struct cox_str *s);
int cox_str_status(const struct cox_str *s, struct cox_err *err) COX_MUST_CHECK;

/* Strict number parsing: the whole text must be a number (surrounding blanks allowed). */
int cox_parse_double(const char *text, double *out) COX_MUST_CHECK;
int cox_parse_int(const char *text, long long *out) COX_MUST_CHECK;
bool cox_str_ends(const char *text, const char *suffix);
bool cox_str_starts(const char *text, const char *prefix);
/* Damerau-Levenshtein distance, for "did you mean"; capped at 32 characters. */
int cox_str_distance(const char *a, const char *b);
/* Index of the candidate nearest to `text`, -1 when none is near enough to be a typing error. */
int cox_str_nearest(const char *text, const char *const *candidates, int n);

#endif
