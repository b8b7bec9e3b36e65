/* SPDX-License-Identifier: BSD-3-Clause */
/* A text in memory, read line by line and word by word, so that messages can name the line. */
#ifndef COX_DYNAMICS_LINES_H
#define COX_DYNAMICS_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"

#define COX_LINE_WORDS 32

struct cox_lines {
    const char *path;
    char *next;      /* not yet read; the text is changed: lines and words are ended by zeros */
    const char *end; /* of the text, which has a zero there */
    int64_t number;  /* of the line that was read last, from 1 */
};

/* The next line without its end, NULL at the end of the text. */
char *cox_lines_next(struct cox_lines *lines);
/* COX_EFORMAT when what is left of the text cannot have so many lines of `bytes` each: before room
 * is made for them. */
int cox_lines_expect(const struct cox_lines *lines, long long n, int bytes,
                     struct cox_err *err) COX_MUST_CHECK;
/* Splits at blanks; more than COX_LINE_WORDS are left together in the last one. */
int cox_lines_split(char *line, char *words[COX_LINE_WORDS]);
/* "FILE, line N: " and what is wrong. */
int cox_lines_error(const struct cox_lines *lines, struct cox_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A finite number; `what` names it in the message. */
int cox_lines_number(const struct cox_lines *lines, const char *word, const char *what, double *out,
                     struct cox_err *err) COX_MUST_CHECK;
int cox_lines_whole(const struct cox_lines *lines, const char *word, const char *what,
                    long long least, long long most, long long *out,
                    struct cox_err *err) COX_MUST_CHECK;

#endif
