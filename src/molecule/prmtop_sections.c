/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/prmtop_sections.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cox/system.h"

#define MAXIMUM_WIDTH 80

/* Where a reader stands in a section. */
struct cursor {
    const struct cox_prmtop_section *section;
    size_t at;  /* begin of the present line */
    int column; /* field of the line that is next */
    int line;
};

static size_t line_end(const char *text, size_t at, size_t length)
{
    const char *newline = memchr(text + at, '\n', length - at);
    return newline ? (size_t)(newline - text) : length;
}

/* "%FORMAT(10I8)", "%FORMAT(5E16.8)", "%FORMAT(20a4)". */
static int parse_format(struct cox_prmtop_section *s, const char *line)
{
    const char *at = strchr(line, '(');
    char *end;
    if (!at)
        return -1;
    long count = strtol(at + 1, &end, 10);
    if (end == at + 1)
        count = 1;
    char type = (char)toupper((unsigned char)*end);
    if (!type || !strchr("IEFGDA", type))
        return -1;
    s->type = strchr("EFGD", type) ? 'E' : type;
    at = end + 1;
    long width = strtol(at, &end, 10);
    if (end == at || width < 1 || width > MAXIMUM_WIDTH || count < 1 || count > 1000)
        return -1;
    s->per_line = (int)count;
    s->width = (int)width;
    return 0;
}

static int begin_section(struct cox_prmtop_file *file, const char *line, int number)
{
    struct cox_prmtop_section s = {.line = number};
    char flag[88] = "";
    size_t n = strcspn(line + 5 + strspn(line + 5, " "), " \r");
    if (n < 1 || n > 80)
        return cox_err_set(file->err, COX_EFORMAT, "%s:%d: a %%FLAG without a name", file->label,
                           number);
    memcpy(flag, line + 5 + strspn(line + 5, " "), n);
    if (cox_prmtop_find(file, flag))
        return cox_err_set(file->err, COX_EFORMAT, "%s:%d: a second section '%s'", file->label,
                           number, flag);
    memcpy(s.flag, flag, sizeof s.flag);
    return cox_growing_add(&file->sections, &s, file->err);
}

static int split_line(struct cox_prmtop_file *file, struct cox_prmtop_section **open,
                      const char *line, const char *next, int number)
{
    if (!strncmp(line, "%FLAG", 5)) {
        int rc = begin_section(file, line, number);
        if (rc)
            return rc;
        *open = (struct cox_prmtop_section *)file->sections.items + file->sections.n - 1;
        return COX_OK;
    }
    if (!strncmp(line, "%FORMAT", 7)) {
        if (!*open || (*open)->text || parse_format(*open, line))
            return cox_err_set(file->err, COX_EFORMAT, "%s:%d: a malformed '%.30s'", file->label,
                               number, line);
        (*open)->text = next;
        (*open)->line = number + 1;
    }
    return COX_OK;
}

int cox_prmtop_split(struct cox_prmtop_file *file, const char *text, size_t length,
                     const char *label, struct cox_err *err)
{
    struct cox_prmtop_section *open = NULL;
    char line[128];
    *file = (struct cox_prmtop_file){
        .label = label, .sections = COX_GROWING_INIT(struct cox_prmtop_section), .err = err};
    int rc = COX_OK;
    int number = 1;
    for (size_t at = 0; !rc && at < length; number++) {
        size_t end = line_end(text, at, length);
        size_t n = end - at < sizeof line - 1 ? end - at : sizeof line - 1;
        size_t next = end < length ? end + 1 : length;
        memcpy(line, text + at, n);
        line[n] = '\0';
        if (line[0] == '%')
            rc = split_line(file, &open, line, text + next, number);
        else if (open && open->text)
            open->length = (size_t)(text + end - open->text);
        at = next;
    }
    if (!rc && !file->sections.n)
        rc = cox_err_set(err, COX_EFORMAT,
                         "%s: no %%FLAG sections: is it an Amber prmtop (of Amber 7 or later)?",
                         label);
    return rc;
}

void cox_prmtop_file_deinit(struct cox_prmtop_file *file)
{
    cox_growing_deinit(&file->sections);
}

const struct cox_prmtop_section *cox_prmtop_find(const struct cox_prmtop_file *file,
                                                 const char *flag)
{
    const struct cox_prmtop_section *s = file->sections.items;
    for (int i = 0; i < file->sections.n; i++)
        if (!strcmp(s[i].flag, flag))
            return &s[i];
    return NULL;
}

/* Begins reading `n` values of a type. */
static int begin(struct cursor *c, const struct cox_prmtop_file *file, const char *flag, char type,
                 int n)
{
    const struct cox_prmtop_section *s = cox_prmtop_find(file, flag);
    if (!s || !s->text)
        return cox_err_set(file->err, COX_EFORMAT, "%s: section '%s' is missing", file->label,
                           flag);
    if (s->type != type && !(type == 'E' && s->type == 'I'))
        return cox_err_set(file->err, COX_EFORMAT, "%s:%d: section '%s' holds '%c', not '%c'",
                           file->label, s->line, flag, s->type, type);
    /* Every value but text takes a byte at least: no huge blocks for a small file. */
    if (n < 0 || (type != 'A' && (size_t)n > s->length) ||
        (type == 'A' && (size_t)n > (s->length + 1) * (size_t)s->per_line))
        return cox_err_set(file->err, COX_EFORMAT, "%s:%d: section '%s' has fewer than %d values",
                           file->label, s->line, flag, n);
    *c = (struct cursor){.section = s, .line = s->line};
    return COX_OK;
}

/* The next field, blanks around it removed. */
static int next_field(struct cursor *c, const struct cox_prmtop_file *file, char *out)
{
    const struct cox_prmtop_section *s = c->section;
    if (c->column == s->per_line) {
        c->at = line_end(s->text, c->at, s->length) + 1;
        c->column = 0;
        c->line++;
    }
    if (c->at > s->length || (c->at == s->length && s->type != 'A'))
        return cox_err_set(file->err, COX_EFORMAT, "%s:%d: section '%s' ends too early",
                           file->label, c->line, s->flag);
    size_t end = line_end(s->text, c->at, s->length);
    size_t first = c->at + (size_t)c->column * (size_t)s->width;
    size_t last = first + (size_t)s->width;
    if (last > end)
        last = end;
    while (first < last && isspace((unsigned char)s->text[first]))
        first++;
    while (last > first && isspace((unsigned char)s->text[last - 1]))
        last--;
    size_t n = last > first ? last - first : 0;
    if (n)
        memcpy(out, s->text + first, n);
    out[n] = '\0';
    c->column++;
    if (!n && s->type != 'A')
        return cox_err_set(file->err, COX_EFORMAT, "%s:%d: section '%s' ends too early",
                           file->label, c->line, s->flag);
    return COX_OK;
}

static int not_a_number(const struct cursor *c, const struct cox_prmtop_file *file,
                        const char *text)
{
    return cox_err_set(file->err, COX_EFORMAT, "%s:%d: '%s' in section '%s' is no %s", file->label,
                       c->line, text, c->section->flag,
                       c->section->type == 'I' ? "whole number" : "number");
}

static void *no_memory(const struct cox_prmtop_file *file, int n)
{
    cox_err_set(file->err, COX_ENOMEM, "no memory for %d values", n);
    return NULL;
}

int *cox_prmtop_ints(const struct cox_prmtop_file *file, const char *flag, int n)
{
    struct cursor c;
    char text[MAXIMUM_WIDTH + 1];
    if (begin(&c, file, flag, 'I', n))
        return NULL;
    int *values = cox_alloc((size_t)n, sizeof *values);
    if (!values)
        return no_memory(file, n);
    for (int i = 0; i < n; i++) {
        long long value;
        int rc = next_field(&c, file, text);
        if (!rc && (cox_parse_int(text, &value) || value > INT32_MAX || value < -INT32_MAX))
            rc = not_a_number(&c, file, text);
        if (rc) {
            cox_free(values);
            return NULL;
        }
        values[i] = (int)value;
    }
    return values;
}

double *cox_prmtop_doubles(const struct cox_prmtop_file *file, const char *flag, int n)
{
    struct cursor c;
    char text[MAXIMUM_WIDTH + 1];
    if (begin(&c, file, flag, 'E', n))
        return NULL;
    double *values = cox_alloc((size_t)n, sizeof *values);
    if (!values)
        return no_memory(file, n);
    for (int i = 0; i < n; i++) {
        int rc = next_field(&c, file, text);
        /* Fortran's double precision exponent. */
        for (char *d = text; *d; d++)
            if (*d == 'D' || *d == 'd')
                *d = 'E';
        if (!rc && (cox_parse_double(text, &values[i]) || !isfinite(values[i])))
            rc = not_a_number(&c, file, text);
        if (rc) {
            cox_free(values);
            return NULL;
        }
    }
    return values;
}

char (*cox_prmtop_names(const struct cox_prmtop_file *file, const char *flag, int n))[8]
{
    struct cursor c;
    char text[MAXIMUM_WIDTH + 1];
    if (begin(&c, file, flag, 'A', n))
        return NULL;
    char(*names)[COX_NAME_SIZE] = cox_alloc((size_t)n, sizeof *names);
    if (!names)
        return no_memory(file, n);
    for (int i = 0; i < n; i++) {
        int rc = next_field(&c, file, text);
        if (!rc && strlen(text) >= COX_NAME_SIZE)
            rc = cox_err_set(file->err, COX_EFORMAT, "%s:%d: the name '%s' is too long",
                             file->label, c.line, text);
        if (rc) {
            cox_free(names);
            return NULL;
        }
        memcpy(names[i], text, strlen(text) + 1);
    }
    return names;
}
