/* SPDX-License-Identifier: BSD-3-Clause */
#include "dynamics/lines.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

char *cox_lines_next(struct cox_lines *lines)
{
    char *line = lines->next;
    if (!*line)
        return NULL;
    size_t n = strcspn(line, "\n");
    lines->next = line + n + (line[n] == '\n');
    line[n] = '\0';
    if (n && line[n - 1] == '\r')
        line[n - 1] = '\0';
    lines->number++;
    return line;
}

int cox_lines_expect(const struct cox_lines *lines, long long n, int bytes, struct cox_err *err)
{
    if (n <= (lines->end - lines->next) / bytes + 1)
        return COX_OK;
    return cox_lines_error(lines, err, "%lld atoms cannot be in the %lld bytes that are left", n,
                           (long long)(lines->end - lines->next));
}

int cox_lines_split(char *line, char *words[COX_LINE_WORDS])
{
    static const char blanks[] = " \t\v\f\r";
    int n = 0;
    for (;;) {
        line += strspn(line, blanks);
        if (!*line)
            return n;
        words[n++] = line;
        if (n == COX_LINE_WORDS)
            return n;
        line += strcspn(line, blanks);
        if (*line)
            *line++ = '\0';
    }
}

int cox_lines_error(const struct cox_lines *lines, struct cox_err *err, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return cox_err_set(err, COX_EFORMAT, "%s, line %lld: %s", lines->path, (long long)lines->number,
                       text);
}

int cox_lines_number(const struct cox_lines *lines, const char *word, const char *what, double *out,
                     struct cox_err *err)
{
    char *end = NULL;
    *out = strtod(word, &end);
    if (end == word || *end || !isfinite(*out))
        return cox_lines_error(lines, err, "%s is '%.40s', not a number", what, word);
    return COX_OK;
}

int cox_lines_whole(const struct cox_lines *lines, const char *word, const char *what,
                    long long least, long long most, long long *out, struct cox_err *err)
{
    if (cox_parse_int(word, out))
        return cox_lines_error(lines, err, "%s is '%.40s', not a whole number", what, word);
    if (*out < least || *out > most)
        return cox_lines_error(lines, err, "%s is %lld; %lld to %lld are allowed", what, *out,
                               least, most);
    return COX_OK;
}
