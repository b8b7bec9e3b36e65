/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/outputs_table.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "sweep/settings_check.h"

int cox_output_number(const char *text, double *out)
{
    char copy[64];
    if (!cox_parse_double(text, out))
        return COX_OK;
    /* Fortran's 1.5D-03 */
    size_t n = strlen(text);
    if (n >= sizeof copy || !strpbrk(text, "dD"))
        return COX_EINVAL;
    memcpy(copy, text, n + 1);
    *strpbrk(copy, "dD") = 'e';
    return cox_parse_double(copy, out);
}

#define MAX_BYTES ((size_t)512 << 20)
enum { MAX_COLUMNS = 10000, MAX_FIELDS = 100000000 };

struct parser {
    struct cox_table *table;
    char *at; /* next byte; what is read moves to the front of where it was */
    int line; /* of `at` */
    bool commas;
    const char *record[MAX_COLUMNS]; /* the record at hand */
    int n, first_line;
    char *comment[2]; /* the last two before the first record: [1] the last */
    int rows_room;
    struct cox_err *err;
};

static int fail(const struct parser *p, int line, const char *message)
{
    return cox_err_set(p->err, COX_EFORMAT, "%s:%d: %s", p->table->path, line, message);
}

static int add_field(struct parser *p, const char *field)
{
    if (p->n == MAX_COLUMNS)
        return fail(p, p->first_line, "more than 10000 columns");
    p->record[p->n++] = field;
    return COX_OK;
}

/* Passes over the end of a line, if one is here. */
static void end_line(struct parser *p)
{
    char c = *p->at;
    if (c != '\n' && c != '\r')
        return;
    p->at += c == '\r' && p->at[1] == '\n' ? 2 : 1;
    p->line++;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

static bool is_end(char c)
{
    return c == '\n' || c == '\r' || !c;
}

static int take_quoted(struct parser *p, char **to)
{
    for (p->at++;; p->at++) {
        if (!*p->at)
            return fail(p, p->first_line, "a quoted field has no end");
        p->line += *p->at == '\n';
        if (*p->at == '"' && p->at[1] != '"')
            break;
        p->at += *p->at == '"';
        *(*to)++ = *p->at;
    }
    p->at++;
    while (is_blank(*p->at))
        p->at++;
    if (*p->at != ',' && !is_end(*p->at))
        return fail(p, p->line, "something follows the end of a quoted field");
    return COX_OK;
}

static int take_commas(struct parser *p)
{
    for (char *to = p->at;;) {
        int rc = COX_OK;
        while (is_blank(*p->at))
            p->at++;
        char *field = to;
        if (*p->at == '"') {
            rc = take_quoted(p, &to);
        } else {
            while (*p->at != ',' && !is_end(*p->at))
                *to++ = *p->at++;
            while (to > field && is_blank(to[-1]))
                to--;
        }
        if (!rc)
            rc = add_field(p, field);
        if (rc)
            return rc;
        /* the end of the field may lie where its separator is: that is read first */
        char stop = *p->at;
        if (stop == ',')
            p->at++;
        else
            end_line(p);
        *to++ = '\0';
        if (stop != ',')
            return COX_OK;
    }
}

static int take_blanks(struct parser *p)
{
    for (;;) {
        while (is_blank(*p->at))
            p->at++;
        if (*p->at == '#')
            while (!is_end(*p->at))
                p->at++;
        char *field = p->at;
        while (!is_end(*p->at) && !is_blank(*p->at) && *p->at != '#')
            p->at++;
        char *end = p->at;
        int rc = end > field ? add_field(p, field) : COX_OK;
        if (rc)
            return rc;
        char stop = *end;
        if (is_end(stop))
            end_line(p);
        else if (stop == '#')
            while (!is_end(*p->at))
                p->at++;
        else
            p->at++;
        if (stop)
            *end = '\0';
        if (stop == '#')
            end_line(p);
        if (is_end(stop) || stop == '#')
            return COX_OK;
    }
}

/* Whether the record that begins here has a comma outside of quotes. */
static bool has_comma(const char *at)
{
    bool quoted = false;
    for (; *at && (quoted || !is_end(*at)); at++) {
        quoted ^= *at == '"';
        if (*at == ',' && !quoted)
            return true;
    }
    return false;
}

/* The next record; p->n 0 at the end of the text. */
static int next_record(struct parser *p)
{
    p->n = 0;
    for (;;) {
        char *begin = p->at;
        while (is_blank(*begin))
            begin++;
        if (*begin == '#' && !p->table->n_columns) {
            p->comment[0] = p->comment[1];
            p->comment[1] = begin + 1;
        }
        if (*begin == '#')
            while (!is_end(*begin))
                begin++;
        p->at = begin;
        if (!is_end(*begin))
            break;
        if (!*begin)
            return COX_OK;
        end_line(p);
    }
    p->first_line = p->line;
    if (!p->table->n_columns)
        p->commas = has_comma(p->at);
    return p->commas ? take_commas(p) : take_blanks(p);
}

static int add_row(struct parser *p)
{
    struct cox_table *t = p->table;
    if (p->n != t->n_columns) {
        char message[100];
        snprintf(message, sizeof message, "a row of %d where there are %d columns", p->n,
                 t->n_columns);
        return fail(p, p->first_line, message);
    }
    if (t->n_rows == p->rows_room) {
        int room = p->rows_room ? 2 * p->rows_room : 64;
        if (room > MAX_FIELDS / t->n_columns)
            return fail(p, p->first_line, "more than a hundred million fields");
        const char **field =
            cox_realloc(t->field, (size_t)room * (size_t)t->n_columns, sizeof *field);
        t->field = field ? field : t->field;
        int *line = cox_realloc(t->line, (size_t)room, sizeof *line);
        t->line = line ? line : t->line;
        if (!field || !line)
            return cox_err_set(p->err, COX_ENOMEM, "out of memory reading '%s'", t->path);
        p->rows_room = room;
    }
    memcpy(t->field + (size_t)t->n_rows * (size_t)t->n_columns, p->record,
           (size_t)p->n * sizeof *p->record);
    t->line[t->n_rows++] = p->first_line;
    return COX_OK;
}

/* ---- names ---- */

static int set_names(struct parser *p)
{
    struct cox_table *t = p->table;
    t->name = cox_alloc((size_t)p->n, sizeof *t->name);
    if (!t->name)
        return cox_err_set(p->err, COX_ENOMEM, "out of memory reading '%s'", t->path);
    memcpy(t->name, p->record, (size_t)p->n * sizeof *t->name);
    return COX_OK;
}

static bool all_numbers(const struct parser *p)
{
    double x;
    for (int i = 0; i < p->n; i++)
        if (cox_output_number(p->record[i], &x))
            return false;
    return true;
}

static int count_words(const char *at)
{
    int n = 0;
    for (; !is_end(*at); at++)
        n += !is_blank(*at) && (is_blank(at[1]) || is_end(at[1]));
    return n;
}

/* Cuts a comment into its n words and takes them for the names. */
static int names_of_comment(struct parser *p, char *at, int n)
{
    const char **name = cox_alloc((size_t)n, sizeof *name);
    if (!name)
        return cox_err_set(p->err, COX_ENOMEM, "out of memory reading '%s'", p->table->path);
    for (int i = 0; i < n; i++) {
        while (is_blank(*at))
            at++;
        name[i] = at;
        while (!is_end(*at) && !is_blank(*at))
            at++;
        *at++ = '\0'; /* at most the comment's own end of line, which was passed over */
    }
    p->table->name = name;
    return COX_OK;
}

static int take_names(struct parser *p)
{
    if (!all_numbers(p))
        return set_names(p);
    for (int i = 1; i >= 0; i--)
        if (p->comment[i] && count_words(p->comment[i]) == p->n)
            return names_of_comment(p, p->comment[i], p->n);
    return COX_OK;
}

/* ---- tables ---- */

static int read_rows(struct parser *p)
{
    struct cox_table *t = p->table;
    int rc = take_names(p);
    bool is_row = !rc && all_numbers(p);
    t->n_columns = p->n;
    if (is_row)
        rc = add_row(p);
    while (!rc && !(rc = next_record(p)) && p->n)
        rc = add_row(p);
    return rc;
}

/* "# TimeStep Number-of-rows" or "# Timestep Number-of-chunks Total-count" is how LAMMPS announces
 * blocks, each begun by a line of its own kind. */
static bool announces_blocks(const char *comment)
{
    while (is_blank(*comment))
        comment++;
    if (strncasecmp(comment, "TimeStep ", 9) != 0)
        return false;
    return cox_str_starts(comment + 9, "Number-of-");
}

static int read_blocks(struct parser *p)
{
    struct cox_table *t = p->table;
    int columns = count_words(p->comment[1]);
    char message[120];
    int rc = COX_OK;
    while (!rc && p->n) {
        long long rows = 0;
        int begin = p->first_line;
        if (p->n < 2 || cox_parse_int(p->record[1], &rows) || rows < 1)
            return fail(p, begin, "no begin of a block: a step and a number of rows were expected");
        t->n_rows = 0;
        for (long long i = 0; i < rows && !rc; i++) {
            rc = next_record(p);
            if (!rc && !p->n) {
                snprintf(message, sizeof message, "a block of %lld rows ends after %lld", rows, i);
                return fail(p, begin, message);
            }
            if (!rc && !t->n_columns) {
                t->n_columns = columns;
                rc = names_of_comment(p, p->comment[1], columns);
            }
            if (!rc)
                rc = add_row(p);
        }
        if (!rc)
            rc = next_record(p);
    }
    return rc;
}

int cox_table_parse(struct cox_table *out, const char *path, const char *bytes, size_t length,
                    struct cox_err *err)
{
    *out = (struct cox_table){.path = path};
    char *text = cox_alloc(length + 1, 1);
    struct parser *p = cox_alloc(1, sizeof *p);
    int rc = text && p ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
    if (!rc) {
        memcpy(text, bytes, length);
        *p = (struct parser){.table = out, .at = text, .line = 1, .err = err};
        const char *nul = memchr(text, '\0', length);
        size_t skip = length >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3) ? 3 : 0;
        p->at += skip; /* a byte-order mark of some spreadsheet */
        out->text = text;
        if (nul)
            rc = cox_err_set(err, COX_EFORMAT, "%s: no text: byte %zu is NUL", path,
                             (size_t)(nul - text) + 1);
    } else {
        cox_free(text);
    }
    if (!rc)
        rc = next_record(p);
    if (!rc && p->n)
        rc = p->comment[0] && announces_blocks(p->comment[0]) ? read_blocks(p) : read_rows(p);
    if (!rc && !out->n_rows)
        rc = cox_err_set(err, COX_EFORMAT, "%s: no rows of numbers, %d lines", path, p->line - 1);
    cox_free(p);
    if (rc)
        cox_table_deinit(out);
    return rc;
}

int cox_table_read(struct cox_table *out, const char *path, struct cox_err *err)
{
    char *bytes;
    size_t length;
    *out = (struct cox_table){.path = path};
    int rc = cox_file_read(&bytes, &length, path, MAX_BYTES, err);
    if (rc)
        return rc;
    rc = cox_table_parse(out, path, bytes, length, err);
    cox_free(bytes);
    return rc;
}

void cox_table_deinit(struct cox_table *table)
{
    cox_free(table->text);
    cox_free(table->field);
    cox_free(table->line);
    cox_free(table->name);
    *table = (struct cox_table){.path = table->path};
}

int cox_table_column(const struct cox_table *table, const char *column, int *index,
                     struct cox_err *err)
{
    long long number;
    for (int i = 0; i < table->n_columns && table->name; i++)
        if (!strcmp(table->name[i], column)) {
            *index = i;
            return COX_OK;
        }
    if (!cox_parse_int(column, &number)) {
        if (number < 1 || number > table->n_columns)
            return cox_err_set(err, COX_EFORMAT, "%s: no column %lld: there are %d", table->path,
                               number, table->n_columns);
        *index = (int)number - 1;
        return COX_OK;
    }
    char hint[500] = " (the table has no names; give the column's number from 1)";
    if (table->name)
        cox_sweep_name_hint(hint, sizeof hint, column, table->name, table->n_columns);
    return cox_err_set(err, COX_EFORMAT, "%s: no column '%.80s'%s", table->path, column, hint);
}
