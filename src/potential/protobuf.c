/* SPDX-License-Identifier: BSD-3-Clause */
/* Encoding: https://protobuf.dev/programming-guides/encoding (wire types 0, 1, 2, 5; packed
 * repeated numbers) and the text format with nested { }, quoted strings with C escapes. Groups do
 * not occur in GraphDefs and are refused. */
#include "potential/protobuf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 16

const struct cox_pb_field *cox_pb_find(const struct cox_pb_field *list, int id)
{
    while (list && list->id != id)
        list = list->next;
    return list;
}

const struct cox_pb_field *cox_pb_next(const struct cox_pb_field *field)
{
    return cox_pb_find(field->next, field->id);
}

struct tail {
    struct cox_pb_field **end;
};

static struct cox_pb_field *append(struct tail *t, int id, struct cox_arena *arena)
{
    struct cox_pb_field *f = cox_arena_alloc(arena, 1, sizeof *f);
    if (!f)
        return NULL;
    f->id = id;
    *t->end = f;
    t->end = &f->next;
    return f;
}

static const struct cox_pb_row *row_of(const struct cox_pb_message *m, uint64_t id)
{
    for (const struct cox_pb_row *r = m->rows; r->id; r++)
        if ((uint64_t)r->id == id)
            return r;
    return NULL;
}

/* ---- the wire format ---- */

struct wire {
    const unsigned char *begin, *at, *end;
    struct cox_arena *arena;
    struct cox_err *err;
};

static int cut_short(const struct wire *w)
{
    return cox_err_set(w->err, COX_EFORMAT, "at byte %zu: the message is cut short or damaged",
                       (size_t)(w->at - w->begin));
}

static int out_of_memory(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory reading a graph");
}

static int varint(struct wire *w, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (w->at == w->end)
            return cut_short(w);
        unsigned char byte = *w->at++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return COX_OK;
    }
    return cut_short(w);
}

static int fixed(struct wire *w, size_t size, uint64_t *out)
{
    *out = 0;
    if ((size_t)(w->end - w->at) < size)
        return cut_short(w);
    for (size_t i = 0; i < size; i++)
        *out |= (uint64_t)w->at[i] << (8 * i);
    w->at += size;
    return COX_OK;
}

static double as_float(uint64_t bits)
{
    uint32_t word = (uint32_t)bits;
    float value;
    memcpy(&value, &word, sizeof value);
    return (double)value;
}

static double as_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* One number of the row's kind, as it stands alone or packed. */
static int read_number(struct wire *w, const struct cox_pb_row *row, struct tail *t)
{
    uint64_t bits = 0;
    int rc;
    if (row->kind == COX_PB_INT)
        rc = varint(w, &bits);
    else
        rc = fixed(w, row->kind == COX_PB_FLOAT ? 4 : 8, &bits);
    if (rc)
        return rc;
    struct cox_pb_field *f = append(t, row->id, w->arena);
    if (!f)
        return out_of_memory(w->err);
    if (row->kind == COX_PB_INT)
        f->integer = (int64_t)bits;
    else
        f->number = row->kind == COX_PB_FLOAT ? as_float(bits) : as_double(bits);
    return COX_OK;
}

static int read_message(struct wire *w, const struct cox_pb_message *m, int depth,
                        struct cox_pb_field **out);

static int read_delimited(struct wire *w, const struct cox_pb_row *row, int depth, struct tail *t)
{
    uint64_t n;
    int rc = varint(w, &n);
    if (rc)
        return rc;
    if (n > (uint64_t)(w->end - w->at))
        return cut_short(w);
    const unsigned char *end = w->at + n;
    if (!row) {
        w->at = end;
        return COX_OK;
    }
    struct wire inner = *w;
    inner.end = end;
    if (row->kind == COX_PB_INT || row->kind == COX_PB_FLOAT || row->kind == COX_PB_DOUBLE) {
        while (!rc && inner.at < inner.end)
            rc = read_number(&inner, row, t);
    } else {
        struct cox_pb_field *f = append(t, row->id, w->arena);
        if (!f)
            return out_of_memory(w->err);
        if (row->kind == COX_PB_BYTES) {
            f->bytes = (const char *)w->at;
            f->length = (size_t)n;
        } else {
            rc = read_message(&inner, row->message, depth + 1, &f->first);
        }
    }
    w->at = end;
    return rc;
}

static int read_field(struct wire *w, const struct cox_pb_message *m, int depth, struct tail *t)
{
    uint64_t key;
    uint64_t skipped;
    int rc = varint(w, &key);
    if (rc)
        return rc;
    const struct cox_pb_row *row = row_of(m, key >> 3);
    int type = (int)(key & 7);
    if (type == 2)
        return read_delimited(w, row, depth, t);
    static const int type_of[] = {[COX_PB_INT] = 0, [COX_PB_FLOAT] = 5, [COX_PB_DOUBLE] = 1};
    if (row && row->kind <= COX_PB_DOUBLE && type_of[row->kind] == type)
        return read_number(w, row, t);
    if (row || (type != 0 && type != 1 && type != 5))
        return cut_short(w);
    return type == 0 ? varint(w, &skipped) : fixed(w, type == 1 ? 8 : 4, &skipped);
}

static int read_message(struct wire *w, const struct cox_pb_message *m, int depth,
                        struct cox_pb_field **out)
{
    struct tail t = {out};
    int rc = depth > MAX_DEPTH ? cut_short(w) : COX_OK;
    while (!rc && w->at < w->end)
        rc = read_field(w, m, depth, &t);
    return rc;
}

int cox_pb_parse_wire(struct cox_pb_field **out, const struct cox_pb_message *root,
                      const void *bytes, size_t length, struct cox_arena *arena,
                      struct cox_err *err)
{
    const unsigned char *begin = bytes;
    struct wire w = {begin, begin, begin + length, arena, err};
    *out = NULL;
    return read_message(&w, root, 0, out);
}

/* ---- the text format ---- */

struct text {
    const char *at, *end;
    int line;
    struct cox_arena *arena;
    struct cox_err *err;
};

static int bad_text(const struct text *t, const char *what)
{
    return cox_err_set(t->err, COX_EFORMAT, "line %d: %s", t->line, what);
}

static void skip_space(struct text *t)
{
    while (t->at < t->end) {
        char c = *t->at;
        if (c == '#') {
            while (t->at < t->end && *t->at != '\n')
                t->at++;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' || c == ';') {
            t->line += c == '\n';
            t->at++;
        } else {
            return;
        }
    }
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '+' || c == '-';
}

/* A name, number or keyword; empty when there is none. */
static size_t word(struct text *t, const char **out)
{
    *out = t->at;
    while (t->at < t->end && is_word(*t->at))
        t->at++;
    return (size_t)(t->at - *out);
}

static int octal(struct text *t, char first)
{
    int value = first - '0';
    for (int i = 0; i < 2 && t->at < t->end && *t->at >= '0' && *t->at <= '7'; i++)
        value = value * 8 + (*t->at++ - '0');
    return value & 0xff;
}

static int hexadecimal(struct text *t)
{
    int value = 0;
    for (int i = 0; i < 2 && t->at < t->end; i++) {
        char c = *t->at;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            break;
        value = value * 16 + digit;
        t->at++;
    }
    return value;
}

static int escape(struct text *t)
{
    static const char from[] = "abfnrtv";
    static const char to[] = "\a\b\f\n\r\t\v";
    char c = *t->at++;
    const char *hit = strchr(from, c);
    if (c >= '0' && c <= '7')
        return octal(t, c);
    if (c == 'x' || c == 'X')
        return hexadecimal(t);
    return c && hit ? to[hit - from] : c;
}

/* A quoted string, unescaped into the arena. */
static int quoted(struct text *t, const char **out, size_t *length)
{
    char quote = *t->at++;
    const char *close = t->at;
    while (close < t->end && *close != quote && *close != '\n')
        close += *close == '\\' && close + 1 < t->end ? 2 : 1;
    if (close >= t->end || *close != quote)
        return bad_text(t, "a string has no end");
    char *bytes = cox_arena_alloc(t->arena, (size_t)(close - t->at) + 1, 1);
    if (!bytes)
        return out_of_memory(t->err);
    size_t n = 0;
    while (t->at < close) {
        char c = *t->at++;
        bytes[n++] = c == '\\' ? (char)escape(t) : c;
    }
    t->at = close + 1;
    *out = bytes;
    *length = n;
    return COX_OK;
}

static int text_message(struct text *t, const struct cox_pb_message *m, int depth,
                        struct cox_pb_field **out);

static int text_scalar(struct text *t, const struct cox_pb_row *row, struct tail *tail)
{
    const char *at = t->at;
    size_t n = 0;
    bool string = t->at < t->end && (*t->at == '"' || *t->at == '\'');
    int rc = COX_OK;
    if (string)
        rc = quoted(t, &at, &n);
    else
        n = word(t, &at);
    if (rc)
        return rc;
    if (!string && !n)
        return bad_text(t, "a value is missing");
    if (!row)
        return COX_OK;
    if (string != (row->kind == COX_PB_BYTES))
        return bad_text(t, "a value of the wrong kind");
    struct cox_pb_field *f = append(tail, row->id, t->arena);
    if (!f)
        return out_of_memory(t->err);
    f->bytes = at;
    f->length = n;
    if (!string) {
        char number[64];
        if (n >= sizeof number)
            return bad_text(t, "a number is too long");
        memcpy(number, at, n);
        number[n] = '\0';
        f->number = strtod(number, NULL);
        f->integer = strcmp(number, "true") ? strtoll(number, NULL, 10) : 1;
    }
    return COX_OK;
}

static int text_field(struct text *t, const struct cox_pb_message *m, int depth, struct tail *tail)
{
    static const struct cox_pb_row none = {0, "", COX_PB_INT, NULL};
    static const struct cox_pb_message nothing = {&none};
    const char *name;
    size_t n = word(t, &name);
    if (!n)
        return bad_text(t, "the name of a field is missing");
    const struct cox_pb_row *row = NULL;
    for (const struct cox_pb_row *r = m->rows; r->id && !row; r++)
        if (strlen(r->name) == n && !memcmp(r->name, name, n))
            row = r;
    skip_space(t);
    bool colon = t->at < t->end && *t->at == ':';
    t->at += colon;
    skip_space(t);
    if (t->at < t->end && *t->at == '{') {
        struct cox_pb_field *unused = NULL;
        struct cox_pb_field *f = NULL;
        if (row && row->kind != COX_PB_MESSAGE)
            return bad_text(t, "a value of the wrong kind");
        if (row && !(f = append(tail, row->id, t->arena)))
            return out_of_memory(t->err);
        t->at++;
        int rc = text_message(t, row ? row->message : &nothing, depth + 1, f ? &f->first : &unused);
        if (rc)
            return rc;
        if (t->at == t->end)
            return bad_text(t, "'}' is missing");
        t->at++;
        return COX_OK;
    }
    return colon && !(row && row->kind == COX_PB_MESSAGE) ? text_scalar(t, row, tail)
                                                          : bad_text(t, "':' or '{' is missing");
}

/* Up to the closing brace (left for the caller) or the end. */
static int text_message(struct text *t, const struct cox_pb_message *m, int depth,
                        struct cox_pb_field **out)
{
    struct tail tail = {out};
    int rc = depth > MAX_DEPTH ? bad_text(t, "nested too deep") : COX_OK;
    while (!rc) {
        skip_space(t);
        if (t->at == t->end || *t->at == '}')
            return COX_OK;
        rc = text_field(t, m, depth, &tail);
    }
    return rc;
}

int cox_pb_parse_text(struct cox_pb_field **out, const struct cox_pb_message *root,
                      const char *bytes, size_t length, struct cox_arena *arena,
                      struct cox_err *err)
{
    struct text t = {bytes, bytes + length, 1, arena, err};
    *out = NULL;
    int rc = text_message(&t, root, 0, out);
    return !rc && t.at < t.end ? bad_text(&t, "a '}' too many") : rc;
}
